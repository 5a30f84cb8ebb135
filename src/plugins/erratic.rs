//! `erratic`: a server that misbehaves, to try clients with.
//!
//! It has the same address for every name, and loses, delays or truncates some of its replies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use answer::{Class, Owner, RecordType, Reply, Section};
use corefile::{Diagnostic, Directive};

use super::{Build, Definition, Exchange, Part, Plugin, Resume, Setup, Step};

/// See the module.
pub const ERRATIC: Definition = Definition {
    name: "erratic",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
erratic {
    drop [N]
    truncate [N]
    delay [N [DURATION]]
    large
}";

/// Every how many queries something happens, where nothing is said.
const USUAL: u32 = 2;

/// How long replies are delayed, where nothing is said.
const USUAL_DELAY: Duration = Duration::from_millis(100);

/// How many records a large reply has: more than fit into 512 octets without compression.
const LARGE: usize = 30;

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut options = Options::default();
    let mut drop = None;
    for directive in setup.directives {
        setup.diagnostics.keep(directive.no_arguments(SYNTAX));
        for option in directive.options() {
            let result = match option.name() {
                "drop" => every(option, "drop [N]").map(|n| drop = Some(n)),
                "truncate" => every(option, "truncate [N]").map(|n| options.truncate = n),
                "delay" => delay(option).map(|it| (options.delay, options.duration) = it),
                "large" => large(option).map(|()| options.large = true),
                _ => Err(option
                    .name
                    .unknown("option", &["drop", "truncate", "delay", "large"])),
            };
            setup.diagnostics.keep(result);
        }
    }
    // Without a word about it some are dropped only if nothing else happens.
    let otherwise = options.truncate == 0 && options.delay == 0;
    options.drop = drop.unwrap_or(if otherwise { USUAL } else { 0 });
    setup.add(Box::new(options));
}

fn every(option: &Directive, syntax: &str) -> Result<u32, Diagnostic> {
    option.no_block(syntax)?;
    let word = option.optional_argument(syntax)?;
    word.map_or(Ok(USUAL), |word| word.integer(0..=u32::MAX))
}

fn delay(option: &Directive) -> Result<(u32, Duration), Diagnostic> {
    const DELAY: &str = "delay [N [DURATION]]";
    option.no_block(DELAY)?;
    let words = option.between(0, 2, DELAY)?;
    let n = words.first().map(|word| word.integer(0..=u32::MAX));
    let duration = words
        .get(1)
        .map(|word| word.duration(Duration::ZERO..=Duration::MAX));
    Ok((
        n.transpose()?.unwrap_or(USUAL),
        duration.transpose()?.unwrap_or(USUAL_DELAY),
    ))
}

fn large(option: &Directive) -> Result<(), Diagnostic> {
    option.no_block("large")?;
    option.no_arguments("large")
}

/// What happens, every how many queries; 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    drop: u32,
    truncate: u32,
    delay: u32,
    duration: Duration,
    large: bool,
}

impl Part for Options {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(Box::new(Erratic {
            options: *self,
            queries: AtomicU64::new(0),
        }))
    }
}

struct Erratic {
    options: Options,
    /// How many there were.
    queries: AtomicU64,
}

impl Plugin for Erratic {
    fn name(&self) -> &'static str {
        "erratic"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let number = self.queries.fetch_add(1, Ordering::Relaxed);
        let due = |every: u32| number.checked_rem(u64::from(every)) == Some(0);
        let options = self.options;
        if due(options.drop) {
            exchange.reply.withhold();
            return Step::Answered;
        }
        let (truncate, large) = (due(options.truncate), options.large);
        if due(options.delay) {
            return Step::Defer(Box::pin(async move {
                tokio::time::sleep(options.duration).await;
                let resume: Resume = Box::new(move |exchange| answer(exchange, truncate, large));
                resume
            }));
        }
        answer(exchange, truncate, large)
    }
}

/// Writes the reply.
fn answer(exchange: &mut Exchange<'_, '_>, truncate: bool, large: bool) -> Step {
    let reply = &mut exchange.reply;
    match exchange.query.qtype {
        RecordType::A => {
            for _ in 0..if large { LARGE } else { 1 } {
                add(reply, RecordType::A, &[192, 0, 2, 53]);
            }
        }
        RecordType::AAAA => {
            let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
            add(reply, RecordType::AAAA, &address.octets());
        }
        _ => {
            exchange.fail(OTHER_ERROR, "erratic has nothing but addresses");
            return Step::Answered;
        }
    }
    reply.set_authoritative(true);
    if truncate {
        reply.set_truncated();
    }
    Step::Answered
}

fn add(reply: &mut Reply<'_>, rtype: RecordType, data: &[u8]) {
    let kind = (rtype, Class::IN);
    reply.record(Section::Answer, Owner::QUESTION, kind, 0, data);
}

#[cfg(test)]
mod tests {
    use answer::{Rcode, RecordType, Request};

    use crate::plugins::harness::{Server, answers};

    /// Which of the first queries were answered, and with TC.
    fn replies(options: &str) -> Vec<Option<bool>> {
        let server = Server::block(&format!("erratic {{\n{options}\n}}"));
        let request = Request::new(b"\x01a\0", RecordType::A);
        let replies = (0..6).map(|_| server.serve(&request).map(|it| it.is_truncated()));
        replies.collect()
    }

    /// If this fails, a client that is tried with the directive meets other faults than its author
    /// thinks.
    #[test]
    fn faults_come_every_so_many_queries() {
        let (good, cut) = (Some(false), Some(true));
        assert_eq!(replies(""), [None, good, None, good, None, good]);
        assert_eq!(replies("drop 3"), [None, good, good, None, good, good]);
        assert_eq!(replies("drop 0"), [good; 6]);
        assert_eq!(replies("truncate 3"), [cut, good, good, cut, good, good]);
        assert_eq!(
            replies("truncate\ndrop"),
            [None, good, None, good, None, good]
        );
        assert_eq!(replies("delay 1 1ms"), [good; 6]);
    }

    /// If this fails, the addresses are not those that are documented.
    #[test]
    fn every_name_has_the_same_addresses() {
        let server = Server::block("erratic {\ndrop 0\n}");
        let v4 = server.ask("a.example.", RecordType::A);
        assert!(v4.is_authoritative());
        assert_eq!(answers(&v4), ["a.example. 0 A 192.0.2.53"]);
        assert_eq!(
            answers(&server.ask("b.", RecordType::AAAA)),
            ["b. 0 AAAA 2001:db8::53"]
        );
        assert_eq!(server.ask("b.", RecordType::MX).rcode(), Rcode::SERVFAIL);
        let large = Server::block("erratic {\ndrop 0\nlarge\n}");
        assert_eq!(answers(&large.ask("a.", RecordType::A)).len(), 30);
    }

    /// If this fails, a mistake in a Corefile passes unseen.
    #[test]
    fn mistakes_are_shown() {
        let mistakes = Server::mistakes(
            "erratic 1 {\ndrop -1\ntruncate 1 2\ndelay 1 long\nlarge 3\nlose 2\n}",
        );
        for part in [
            "takes no arguments",
            "`-1` is out of range",
            "syntax: truncate [N]",
            "`long` is not a duration",
            "syntax: large",
            "unknown option `lose`",
        ] {
            assert!(mistakes.contains(part), "{part}: {mistakes}");
        }
    }
}
