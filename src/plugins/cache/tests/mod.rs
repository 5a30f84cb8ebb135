//! The cache in front of servers that say what a test wants.

mod kept;
mod memory;
mod setup;
mod shared;
mod stale;
mod upstream;

use std::time::Duration;

use answer::{LookupName, Message, Name, Query, Rcode, RecordType, Request, RequestEdns};

use self::upstream::{Said, Upstream};
use crate::metrics::Scrape;
use crate::plugins::harness::{Server, answers};

/// A query as most clients send it.
fn query(name: &str, rtype: RecordType) -> Request {
    Request::new(Name::parse(name).unwrap().as_wire(), rtype)
}

/// The codes of the extended errors of a reply.
fn extended_errors(message: &Message) -> Vec<u16> {
    let options = message.edns().into_iter().flat_map(|edns| edns.options());
    options
        .filter(|(code, _)| *code == 15)
        .map(|(_, data)| u16::from_be_bytes([data[0], data[1]]))
        .collect()
}

/// A server with a cache, and what is asked behind it.
struct Cached {
    server: Server,
    upstream: Upstream,
}

impl Cached {
    fn new(directive: &str, said: Said) -> Self {
        let upstream = Upstream::new(said);
        let server = Server::block_before(directive, upstream.part());
        Self { server, upstream }
    }

    /// Asks for the addresses of `name.example.`; gives the answers, and how many questions that
    /// came to in all.
    fn ask(&self) -> (Vec<String>, usize) {
        let reply = self.server.ask("name.example.", RecordType::A);
        (answers(&reply), self.upstream.asked())
    }

    /// A number of the cache as `prometheus` shows it.
    fn number(&self, name: &str, kind: Option<&str>) -> u64 {
        let query = query("name.example.", RecordType::A).to_bytes();
        let query = Query::parse(&query).unwrap();
        let name_asked = LookupName::from_wire(query.qname).unwrap();
        let route = self
            .server
            .routes()
            .find(&name_asked, &query, &self.server.client)
            .unwrap();
        let mut scrape = Scrape::default();
        for plugin in route.chain.plugins() {
            plugin.metrics(&mut scrape);
        }
        let kind = kind.map_or(String::new(), |kind| format!("type=\"{kind}\","));
        let start = format!("{name}{{server=\"\",{kind}zones=\".\",view=\"\"}} ");
        let text = scrape.finish();
        let mut values = text.lines().filter_map(|line| line.strip_prefix(&start));
        values
            .next()
            .unwrap_or_else(|| panic!("{start}\n{text}"))
            .parse()
            .unwrap()
    }

    fn entries(&self, kind: &str) -> u64 {
        self.number("coredns_cache_entries", Some(kind))
    }

    fn later(&mut self, seconds: u64) {
        self.server.later(Duration::from_secs(seconds));
    }
}

impl Cached {
    /// Asks until the answers are so, without letting any time go by for the cache.
    fn wait_until(&self, so: impl Fn(&[String]) -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            let (answers, _) = self.ask();
            if so(&answers) {
                return;
            }
            assert!(std::time::Instant::now() < end, "{answers:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until a denial is kept.
    fn wait_for_denial(&self) {
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while self.entries("denial") == 0 {
            assert!(std::time::Instant::now() < end);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
