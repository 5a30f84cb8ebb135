//! For the tests of directives: server blocks from the text of a Corefile, asked as clients ask.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use answer::{LookupName, Message, Name, Query, RecordType, Request};
use axum::body::Body;
use corefile::{ProcessEnvironment, Sources};
use http_body_util::BodyExt;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::setup::{Build, build_blocks};
use super::{Blocks, Chain, Client, Incoming, Part, PlannedPart, Plugin, Transport};
use crate::admin::{self, Admin};
use crate::config::{self, DNS_PORT, Text};
use crate::counters::Tally;
use crate::docker::share::Shares;
use crate::fatal::Fatal;
use crate::identity::pools::{NodeOptions, Pools};
use crate::lines::Lines;
use crate::metrics::Registry;
use crate::routes::Routes;
use crate::serve::{Served, serve};

/// What a Corefile serves at its first address, without sockets.
pub(crate) struct Server {
    routes: Arc<Routes>,
    /// Whom queries are from.
    pub(crate) client: Client,
    /// What the log says.
    pub(crate) lines: Lines,
    admin: admin::Plan,
    runtime: Runtime,
    /// They end when nobody has them.
    _pools: Arc<Pools>,
    _state: TempDir,
}

impl Server {
    /// The server block of the root with these directives, each on a line of its own.
    pub(crate) fn block(directives: &str) -> Self {
        Self::corefile(&format!(".:{DNS_PORT} {{\n{directives}\n}}\n"))
    }

    /// The same with a plugin of the test's own behind them, of which there is at least one.
    pub(crate) fn block_before(directives: &str, part: Box<dyn Part>) -> Self {
        let text = format!(".:{DNS_PORT} {{\n{directives}\n}}\n");
        Self::build(&text, Some(part))
    }

    /// All blocks of a Corefile, which must be right.
    pub(crate) fn corefile(text: &str) -> Self {
        Self::build(text, None)
    }

    fn build(text: &str, last: Option<Box<dyn Part>>) -> Self {
        let mut sources = Sources::new();
        let text = as_text(text);
        let checked = config::check(&mut sources, &text, DNS_PORT, &ProcessEnvironment);
        let mut configuration =
            checked.unwrap_or_else(|errors| panic!("{}", config::render(&errors, &sources, false)));
        if let Some(part) = last {
            let parts = &mut configuration.blocks[0].parts;
            let span = parts[0].span;
            parts.push(PlannedPart { span, part });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let state = tempfile::tempdir().unwrap();
        let guard = runtime.enter();
        let pools = Pools::new(&NodeOptions {
            state_folder: Some(state.path().into()),
            ..NodeOptions::default()
        });
        let mut plan = pools.plan();
        let mut admin = Admin::new(runtime.handle().clone()).plan();
        let lines = Lines::kept();
        let (metrics, blocks) = (Arc::<Registry>::default(), Arc::<Blocks>::default());
        let mut build = Build {
            pools: &mut plan,
            shares: &Shares::new(pools.node()),
            admin: &mut admin,
            lines: &lines,
            metrics: &metrics,
            blocks: &blocks,
            journal: &Arc::default(),
            runtime: runtime.handle(),
            fatal: &Fatal::default(),
            servers: tokio::sync::watch::channel(Vec::new()).1,
        };
        build_blocks(configuration.blocks, &mut build)
            .unwrap_or_else(|errors| panic!("{}", config::render(&errors, &sources, false)));
        plan.commit();
        drop(guard);
        let routes = blocks.routes(&configuration.endpoints[0], &metrics);
        Self {
            routes: Arc::new(routes),
            client: Client {
                peer: "192.0.2.1:5353".parse().unwrap(),
                local: Some([192, 0, 2, 53].into()),
                local_port: 53,
                transport: Transport::Udp,
                received: Instant::now(),
            },
            lines,
            admin,
            runtime,
            _pools: pools,
            _state: state,
        }
    }

    /// What is wrong with a block that has these directives, as its author sees it; empty if
    /// nothing is.
    pub(crate) fn mistakes(directives: &str) -> String {
        let mut sources = Sources::new();
        let text = as_text(&format!(".:{DNS_PORT} {{\n{directives}\n}}\n"));
        match config::check(&mut sources, &text, DNS_PORT, &ProcessEnvironment) {
            Ok(_) => String::new(),
            Err(errors) => config::render(&errors, &sources, false),
        }
    }

    /// Serves a zone with plugins that no Corefile makes, too.
    pub(crate) fn and_zone(mut self, zone: &str, plugins: Vec<Box<dyn Plugin>>) -> Self {
        let chain = Arc::new(Chain::new(plugins));
        let routes = Arc::get_mut(&mut self.routes).unwrap();
        routes.add(&Name::parse(zone).unwrap(), chain);
        self
    }

    /// Has queries come from this address.
    pub(crate) fn from(mut self, peer: &str) -> Self {
        self.client.peer = SocketAddr::new(peer.parse().unwrap(), 5353);
        self
    }

    /// Has queries come over TCP.
    pub(crate) fn over_tcp(mut self) -> Self {
        self.client.transport = Transport::Tcp;
        self
    }

    /// Asks for a name and a type, with EDNS; there must be a reply.
    pub(crate) fn ask(&self, name: &str, rtype: RecordType) -> Message {
        let name = Name::parse(name).unwrap();
        let reply = self.serve(&Request::new(name.as_wire(), rtype));
        reply.expect("a reply")
    }

    /// What the block that a name is for says under a label.
    pub(crate) fn metadata(&self, name: &str, label: &str) -> Option<String> {
        let name = Name::parse(name).unwrap();
        let request = Request::new(name.as_wire(), RecordType::A).to_bytes();
        let query = Query::parse(&request).unwrap();
        let name = LookupName::from(&name);
        let incoming = Incoming {
            query: &query,
            name: &name,
            client: &self.client,
            chain: &self.routes.find(&name, &query, &self.client)?.chain,
        };
        incoming.metadata(label)
    }

    /// Has queries come so much later than the last ones did.
    pub(crate) fn later(&mut self, time: Duration) {
        self.client.received += time;
    }

    /// What is served.
    pub(crate) fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// Sends a query; gives the reply if there is one.
    pub(crate) fn serve(&self, request: &Request) -> Option<Message> {
        let bytes = self.serve_bytes(&request.to_bytes())?;
        Some(Message::parse(&bytes).expect("a well-formed reply"))
    }

    /// The same with bytes.
    pub(crate) fn serve_bytes(&self, request: &[u8]) -> Option<Vec<u8>> {
        assert!(Query::parse(request).is_ok(), "the test's own query");
        let mut tally = Tally::default();
        let mut out = vec![0; 65_535];
        match serve(&self.routes, &self.client, request, &mut out, 0, &mut tally) {
            Served::Nothing => None,
            Served::Reply(length) => {
                out.truncate(length);
                Some(out)
            }
            Served::Deferred(deferred) => self.runtime.block_on(deferred.finish(&mut tally)),
        }
    }

    /// What the log has said since somebody last asked.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.take()
    }

    /// The same, once there are so many lines.
    pub(crate) fn lines_until(&self, number: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(20);
        let mut lines = self.lines();
        while lines.len() < number {
            assert!(Instant::now() < end, "only {lines:?}");
            std::thread::sleep(Duration::from_millis(5));
            lines.extend(self.lines());
        }
        lines
    }

    /// What somebody is told over HTTP who asks at this port for this path: status and body.
    pub(crate) fn get(&self, port: u16, path: &str) -> (u16, String) {
        self.get_with(port, path, &[])
    }

    /// The same with more headers.
    pub(crate) fn get_with(
        &self,
        port: u16,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let router = self.admin.router(port).expect("something at this port");
        let mut request = hyper::Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.runtime.block_on(async {
            let response = TowerToHyperService::new(router).call(request).await;
            let (head, body) = response.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (
                head.status.as_u16(),
                String::from_utf8(body.into()).unwrap(),
            )
        })
    }

    /// The paths at this port.
    pub(crate) fn admin_paths(&self, port: u16) -> Vec<&'static str> {
        self.admin.paths(port)
    }

    /// Runs something that waits where the server's own tasks run.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

fn as_text(text: &str) -> Text {
    Text {
        remark: None,
        name: "Corefile".into(),
        directory: PathBuf::new(),
        text: text.into(),
    }
}

/// The records of the answer section as in a zone file, data in hexadecimal digits except for
/// addresses: `NAME TTL TYPE DATA`.
pub(crate) fn answers(message: &Message) -> Vec<String> {
    let records = message.section(answer::Section::Answer);
    let shown = records.map(|record| {
        let data = record.data();
        let data = match record.rtype {
            RecordType::A => {
                std::net::Ipv4Addr::from(<[u8; 4]>::try_from(data).unwrap()).to_string()
            }
            RecordType::AAAA => {
                std::net::Ipv6Addr::from(<[u8; 16]>::try_from(data).unwrap()).to_string()
            }
            _ => match record.target() {
                Some(target) => target.to_string(),
                None => data.escape_ascii().to_string(),
            },
        };
        format!("{} {} {} {data}", record.owner(), record.ttl, record.rtype)
    });
    shown.collect()
}
