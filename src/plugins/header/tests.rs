//! Flags that are set and cleared.

use answer::RecordType;

use super::*;
use crate::plugins::Resume;
use crate::plugins::harness::Server;

/// Answers RA as the query's RD is, after a while if it is to.
struct Mirror {
    waits: bool,
}

impl Plugin for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let desired = exchange.query.recursion_desired;
        if self.waits {
            return Step::Defer(Box::pin(async move {
                let resume: Resume = Box::new(move |exchange| {
                    exchange.reply.set_recursion_available(desired);
                    Step::Answered
                });
                resume
            }));
        }
        exchange.reply.set_recursion_available(desired);
        Step::Answered
    }
}

impl Part for Mirror {
    fn build(self: Box<Self>, _build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        Ok(self)
    }
}

/// If this fails, other servers are asked to recurse although the operator forbids it, or not
/// although they must.
#[test]
fn the_plugins_behind_see_another_query() {
    for (rules, sent, seen) in [
        ("response set aa", true, true),
        ("response set aa", false, false),
        ("query clear rd", true, false),
        ("query set rd", false, true),
        ("query set rd", true, true),
        ("query set rd\nquery clear rd", true, false),
        ("query set aa", true, true),
    ] {
        for waits in [false, true] {
            let mirror = Box::new(Mirror { waits });
            let server = Server::block_before(&format!("header {{\n{rules}\n}}"), mirror);
            let mut request = Request::new(b"\0", RecordType::A);
            request.recursion_desired = sent;
            let reply = server.serve(&request).unwrap();
            assert_eq!(reply.is_recursion_available(), seen, "{rules}, {sent}");
        }
    }
}

/// If this fails, clients see other flags than the operator wants.
#[test]
fn replies_are_changed_whoever_answered() {
    let flags = |directives: &str| {
        let server = Server::block(&format!("{directives}\nwhoami"));
        let mut request = Request::new(b"\0", RecordType::A);
        request.edns = None;
        let bytes = server.serve_bytes(&request.to_bytes()).unwrap();
        let shown = [(2, 0x04, "aa"), (3, 0x80, "ra"), (2, 0x01, "rd")];
        let set = shown.iter().filter(|(at, mask, _)| bytes[*at] & mask != 0);
        set.map(|(_, _, name)| *name).collect::<Vec<_>>()
    };
    assert_eq!(flags(""), ["aa", "rd"]);
    assert_eq!(flags("header {\nresponse set ra\n}"), ["aa", "ra", "rd"]);
    assert_eq!(flags("header {\nset ra\nCLEAR AA Rd\n}"), ["ra"]);
    assert_eq!(
        flags("header {\nresponse set ra\nresponse clear ra\n}"),
        ["aa", "rd"]
    );
    assert_eq!(
        flags("header {\nclear aa\n}\nheader {\nclear rd\n}"),
        [""; 0]
    );
}

/// If this fails, a mistake in a Corefile passes unseen.
#[test]
fn mistakes_are_shown() {
    for (block, part) in [
        ("", "changes nothing"),
        ("reply set aa", "unknown rule `reply`"),
        ("query", "a rule without flags"),
        ("query set", "a rule without flags"),
        ("set", "a rule without flags"),
        ("query put aa", "unknown action `put`"),
        ("response set ad", "unknown flag `ad`"),
        ("set aa {\n}", "takes no block"),
    ] {
        let mistakes = Server::mistakes(&format!("header {{\n{block}\n}}"));
        assert!(mistakes.contains(part), "{block}: {mistakes}");
    }
    assert!(Server::mistakes("header aa {\nset aa\n}").contains("takes no arguments"));
    assert!(Server::mistakes("header").contains("changes nothing"));
}
