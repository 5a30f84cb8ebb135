//! `loop`: finds out whether queries that are forwarded come back, and stops the server then.
//!
//! At the start it asks its own block for a random name. If that query comes by more than twice,
//! an upstream sends it here, and so it would go with every query, round and round.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use answer::{Name, RecordType, Request};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::{BlockDraft, Build, Definition, Exchange, Part, PlannedPart, Plugin, Setup, Step};
use crate::fatal::Fatal;
use crate::task::Task;

/// See the module.
pub const LOOP: Definition = Definition {
    name: "loop",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "loop";

/// The type asked for, which clients hardly ever ask for.
const HINFO: RecordType = RecordType(13);

/// How often the query may come by, as in CoreDNS.
const MOST_SEEN: u32 = 2;

/// How often the query is sent until one is answered.
const TRIES: usize = 30;

/// How long an answer may take: longer than a forwarded query does.
const ANSWER: Duration = Duration::from_secs(6);

/// How long after one try the next comes.
const PAUSE: Duration = Duration::from_secs(1);

/// Extended error code: something else (RFC 8914 §4.1).
const OTHER_ERROR: u16 = 0;

fn setup(setup: &mut Setup<'_>) {
    for directive in setup.directives {
        setup.diagnostics.keep(
            directive
                .no_arguments(SYNTAX)
                .and_then(|()| directive.no_block(SYNTAX)),
        );
    }
    if let [first, second, ..] = setup.directives {
        setup.diagnostics.push(second.repeated(first));
    }
    if let Some(check) = planned(setup.block)
        && let Some(first) = setup.directives.first()
    {
        // Before all others: a cache would have the query wait for itself.
        let (span, part) = (first.line(), Box::new(check));
        setup.block.parts.insert(0, PlannedPart { span, part });
    }
}

/// The check of a block; none if the block serves nothing.
fn planned(block: &BlockDraft) -> Option<LoopPart> {
    let zone = block.zones.first()?;
    let bound = block.binds.first().map(|bind| bind.address);
    let mut address = bound.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address.set_port(zone.port);
    Some(LoopPart {
        zone: zone.name.clone(),
        address,
    })
}

#[derive(Debug)]
struct LoopPart {
    zone: Name,
    /// Where the block can be asked.
    address: SocketAddr,
}

impl Part for LoopPart {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let Self { zone, address } = *self;
        let name = random_name(&zone).ok_or("no random numbers are to be had")?;
        let check = Arc::new(Check {
            name,
            zone,
            address,
            seen: AtomicU32::new(0),
            done: AtomicBool::new(false),
        });
        let task = Task::start(build.runtime, check.clone().run());
        Ok(Box::new(Loop {
            check,
            fatal: build.fatal.clone(),
            _task: task,
        }))
    }
}

/// A name in the zone that nobody else asks for. A zone whose own name is too long for that is
/// asked for itself.
fn random_name(zone: &Name) -> Option<Name> {
    let first = getrandom::u64().ok()?.to_string();
    let second = getrandom::u64().ok()?.to_string();
    let below = zone.prepend(second.as_bytes());
    let name = below.and_then(|below| below.prepend(first.as_bytes()));
    Some(name.unwrap_or_else(|_| zone.clone()))
}

struct Loop {
    check: Arc<Check>,
    fatal: Fatal,
    _task: Task,
}

struct Check {
    name: Name,
    zone: Name,
    address: SocketAddr,
    /// How often the query of the current try came by.
    seen: AtomicU32,
    /// There is nothing more to find out.
    done: AtomicBool,
}

impl Plugin for Loop {
    fn name(&self) -> &'static str {
        "loop"
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        let check = &*self.check;
        if exchange.query.qtype != HINFO
            || check.done.load(Ordering::Relaxed)
            || exchange.name.as_wire() != check.name.as_wire()
        {
            return Step::Next;
        }
        if check.seen.fetch_add(1, Ordering::Relaxed) < MOST_SEEN {
            return Step::Next;
        }
        self.fatal.report(format!(
            "loop ({} -> {}) detected for zone `{}`: a query that was forwarded came back, so an \
             upstream sends queries here; see docs/loop.md. Query: HINFO {}",
            exchange.client.peer, check.address, check.zone, check.name
        ));
        exchange.fail(OTHER_ERROR, "queries are forwarded in a loop");
        Step::Answered
    }
}

impl Check {
    /// Asks until the query has come by and was answered.
    async fn run(self: Arc<Self>) {
        for _ in 0..TRIES {
            self.seen.store(0, Ordering::Relaxed);
            let answered = timeout(ANSWER, self.ask()).await;
            // At a reload, the first may be answered by what ran before.
            if let Ok(Ok(())) = answered
                && self.seen.load(Ordering::Relaxed) > 0
            {
                break;
            }
            debug!("loop: no answer from {} yet", self.address);
            sleep(PAUSE).await;
        }
        self.done.store(true, Ordering::Relaxed);
    }

    async fn ask(&self) -> std::io::Result<()> {
        let any: IpAddr = match self.address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(self.address).await?;
        let mut request = Request::new(self.name.as_wire(), HINFO);
        request.id = getrandom::u32().unwrap_or_default() as u16;
        socket.send(&request.to_bytes()).await?;
        let mut reply = [0; 2];
        loop {
            // What does not fit is cut off: the identifier is all that is of interest.
            socket.recv(&mut reply).await?;
            if reply == request.id.to_be_bytes() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::harness::Server;

    fn part(bind: Option<&str>) -> LoopPart {
        let mut block = BlockDraft::default();
        let span = corefile_span();
        block.zones.push(crate::plugins::ZoneKey {
            name: Name::parse("example.").unwrap(),
            port: 1053,
            span,
        });
        block.binds.extend(bind.map(|address| crate::plugins::Bind {
            address: address.parse().unwrap(),
            span,
        }));
        planned(&block).unwrap()
    }

    fn corefile_span() -> corefile::Span {
        let mut sources = corefile::Sources::new();
        let environment = corefile::ProcessEnvironment;
        let file = corefile::parse(&mut sources, "", "".as_ref(), ".\nloop", &environment);
        file.unwrap().blocks[0].span
    }

    /// If this fails, the check asks somebody else, and a loop is not found.
    #[test]
    fn the_block_itself_is_asked() {
        for (bind, address) in [
            (None, "127.0.0.1:1053"),
            (Some("192.0.2.1:0"), "192.0.2.1:1053"),
            (Some("0.0.0.0:0"), "127.0.0.1:1053"),
            (Some("[::]:0"), "[::1]:1053"),
        ] {
            assert_eq!(part(bind).address, address.parse().unwrap());
        }
        let zone = Name::parse("example.").unwrap();
        let name = random_name(&zone).unwrap();
        assert!(name.is_at_or_below(&zone) && name.label_count() == 3);
        assert_ne!(name, random_name(&zone).unwrap());
        let long = Name::parse(&"a.".repeat(125)).unwrap();
        assert_eq!(random_name(&long), Some(long));
    }

    /// If this fails, a Corefile of CoreDNS is refused, or a slip in it is not shown.
    #[test]
    fn it_has_no_options() {
        assert_eq!(Server::mistakes("loop"), "");
        assert!(Server::mistakes("loop 1").contains("syntax: loop"));
        assert!(Server::mistakes("loop\nloop").contains("given twice"));
    }
}
