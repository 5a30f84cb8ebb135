//! What a client is told, from request bytes to reply bytes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use answer::{Name, RecordType, Request};

use super::*;
use crate::plugins::{After, Chain, Classes, Plugin, Resume, Step};
use crate::resolver::Asking;

/// A plugin made of two closures.
struct Scripted<F, G> {
    classes: Classes,
    owner: bool,
    request: F,
    at_end: G,
    responses: Arc<AtomicUsize>,
}

impl<F, G> Plugin for Scripted<F, G>
where
    F: Fn(&mut Exchange<'_, '_>) -> Step + Send + Sync + 'static,
    G: Fn(&mut Exchange<'_, '_>) -> Step + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn classes(&self) -> Classes {
        self.classes
    }

    fn owns_names(&self) -> bool {
        self.owner
    }

    fn request(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        (self.request)(exchange)
    }

    fn response(&self, _exchange: &mut Exchange<'_, '_>) -> After {
        self.responses.fetch_add(1, Ordering::Relaxed);
        After::Done
    }

    fn at_end(&self, exchange: &mut Exchange<'_, '_>) -> Step {
        (self.at_end)(exchange)
    }
}

/// Plugins, and how many replies have passed them on the way back.
#[derive(Default)]
struct Script {
    plugins: Vec<Box<dyn Plugin>>,
    responses: Arc<AtomicUsize>,
    /// What the next plugin has to do with other classes.
    classes: Option<Classes>,
    /// Whether the next plugin owns its names.
    owner: bool,
}

impl Script {
    fn request(
        self,
        request: impl Fn(&mut Exchange<'_, '_>) -> Step + Send + Sync + 'static,
    ) -> Self {
        self.with(request, |_| Step::Next)
    }

    /// The next plugin has this to do with other classes.
    fn classes(mut self, classes: Classes) -> Self {
        self.classes = Some(classes);
        self
    }

    /// A plugin that owns its names, and knows none.
    fn owner(mut self) -> Self {
        self.owner = true;
        self.request(|_| Step::Next)
    }

    fn at_end(
        self,
        at_end: impl Fn(&mut Exchange<'_, '_>) -> Step + Send + Sync + 'static,
    ) -> Self {
        self.with(|_| Step::Next, at_end)
    }

    fn with<F, G>(mut self, request: F, at_end: G) -> Self
    where
        F: Fn(&mut Exchange<'_, '_>) -> Step + Send + Sync + 'static,
        G: Fn(&mut Exchange<'_, '_>) -> Step + Send + Sync + 'static,
    {
        let responses = self.responses.clone();
        self.plugins.push(Box::new(Scripted {
            classes: self.classes.take().unwrap_or(Classes::Internet),
            owner: std::mem::take(&mut self.owner),
            request,
            at_end,
            responses,
        }));
        self
    }

    /// Serves the plugins as the zone `example.`; gives what came of one request.
    fn serve(self, request: &[u8]) -> (Reply, usize, Tally) {
        let chain = Arc::new(Chain::new(self.plugins));
        let routes = Arc::new(Routes::new([(Name::parse("example.").unwrap(), chain)]));
        let (reply, tally) = answer(&routes, request);
        (reply, self.responses.load(Ordering::Relaxed), tally)
    }
}

/// What a client sees of a reply.
#[derive(Debug, PartialEq)]
enum Reply {
    /// There is none.
    None,
    /// The code of the header, and the whole message.
    Message(u8, Vec<u8>),
}

impl Reply {
    fn rcode(&self) -> u8 {
        match self {
            Self::None => panic!("no reply"),
            Self::Message(rcode, _) => *rcode,
        }
    }
}

/// Serves one request, waiting where it has to.
fn answer(routes: &Arc<Routes>, request: &[u8]) -> (Reply, Tally) {
    let mut tally = Tally::default();
    let client = Client {
        peer: "192.0.2.1:5353".parse().unwrap(),
        local: None,
        local_port: 53,
        transport: Transport::Udp,
        received: std::time::Instant::now(),
    };
    let mut out = [0; 4096];
    let bytes = match serve(routes, &client, request, &mut out, 0, &mut tally) {
        Served::Nothing => None,
        Served::Reply(length) => Some(out[..length].to_vec()),
        Served::Deferred(deferred) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(deferred.finish_within(Duration::from_millis(50), &mut tally))
        }
    };
    let reply = bytes.map_or(Reply::None, |bytes| Reply::Message(bytes[3] & 0xf, bytes));
    (reply, tally)
}

/// `flags` are the two octets after the identifier, `rest` comes after the question.
fn request(flags: [u8; 2], name: &[u8], rtype: u16, class: u16, rest: &[u8]) -> Vec<u8> {
    let additional = u8::from(!rest.is_empty());
    let header = [
        0x12, 0x34, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, additional,
    ];
    [
        &header,
        name,
        &rtype.to_be_bytes(),
        &class.to_be_bytes(),
        rest,
    ]
    .concat()
}

const NAME: &[u8] = b"\x04Host\x07eXample\0";

fn question() -> Vec<u8> {
    request([1, 0], NAME, RecordType::A.0, 1, &[])
}

fn answered(exchange: &mut Exchange<'_, '_>) -> Step {
    exchange.reply.set_authoritative(true);
    Step::Answered
}

fn defer(
    job: impl Future<Output = ()> + Send + 'static,
    then: impl FnOnce(&mut Exchange<'_, '_>) -> Step + Send + 'static,
) -> Step {
    Step::Defer(Box::pin(async {
        job.await;
        Box::new(then) as Resume
    }))
}

/// If this fails, plugins after the one that answered see a query that is done, or those before
/// it miss the reply (a log without lines, a cache that stays empty).
#[test]
fn a_reply_goes_back_through_the_plugins_that_were_passed() {
    let script = Script::default()
        .request(|_| Step::Next)
        .request(answered)
        .request(|_| panic!());
    let (reply, responses, tally) = script.serve(&question());
    assert_eq!((reply.rcode(), responses), (0, 2));
    assert_eq!(
        (tally.get(Count::Replies), tally.get(Count::Panics)),
        (1, 0)
    );
}

/// If this fails, a block that forgot somebody to answer looks like one that refuses to, or names
/// that are not ours look like failures.
#[test]
fn the_end_of_a_block_is_a_failure_unless_its_names_are_its_own() {
    let (reply, responses, _) = Script::default().request(|_| Step::Next).serve(&question());
    assert_eq!((reply.rcode(), responses), (2, 1));
    let (reply, responses, _) = Script::default().owner().serve(&question());
    assert_eq!((reply.rcode(), responses), (5, 1));
    let (reply, ..) = Script::default().serve(&question());
    assert_eq!(reply.rcode(), 5);
}

/// If this fails, a plugin cannot get the answer to another question, gets it from the wrong
/// plugins, or gets only as much of it as its own client can take.
#[test]
fn a_plugin_asks_the_plugins_behind_it() {
    for waits in [false, true] {
        let other = || Request::new(b"\x05other\x07example\0", RecordType::TXT);
        let script = Script::default()
            .request(move |exchange| {
                let below = exchange.below();
                if !waits {
                    let Asking::Ready(answer) = below.ask(&other()) else {
                        panic!("it is in memory");
                    };
                    assert_eq!(answer.origin, Origin::Elsewhere);
                    assert_eq!(answer.failure.as_deref(), Some("a reason"));
                    exchange.reply.relay_records(&answer.message);
                    return Step::Answered;
                }
                Step::Defer(Box::pin(async move {
                    let answer = below.ask(&other()).wait().await;
                    let resume: Resume = Box::new(move |exchange| {
                        exchange.reply.relay_records(&answer.message);
                        Step::Answered
                    });
                    resume
                }))
            })
            .request(move |exchange| {
                assert_eq!(exchange.query.qtype, RecordType::TXT);
                assert_eq!(format!("{:?}", exchange.name), "other.example.");
                let answer = |exchange: &mut Exchange<'_, '_>| {
                    exchange.origin = Origin::Elsewhere;
                    exchange.failure = Some("a reason".into());
                    let txt = (RecordType::TXT, answer::Class::IN);
                    for _ in 0..100 {
                        let question = answer::Owner::QUESTION;
                        let section = answer::Section::Answer;
                        assert!(
                            exchange
                                .reply
                                .record(section, question, txt, 7, b"\x04text")
                        );
                    }
                    Step::Answered
                };
                if !waits {
                    return answer(exchange);
                }
                Step::Defer(Box::pin(async move {
                    let resume: Resume = Box::new(answer);
                    resume
                }))
            });
        let (reply, responses, _) = script.serve(&question());
        assert_eq!(responses, 2, "one on each way back");
        let Reply::Message(0, bytes) = reply else {
            panic!("{reply:?}");
        };
        let message = answer::Message::parse(&bytes).unwrap();
        assert!(message.is_truncated(), "the client takes 512 octets");
        let owners = message.records().map(|record| record.owner().to_string());
        assert!(
            owners
                .collect::<Vec<_>>()
                .starts_with(&["other.example.".to_owned()])
        );
    }
}

/// If this fails, names that lead in a circle keep a thread busy or overflow its stack.
#[test]
fn questions_to_ourselves_come_to_an_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let script = Script::default().request(move |exchange| {
        count.fetch_add(1, Ordering::Relaxed);
        let request = Request::like(exchange.query);
        let Asking::Ready(answer) = exchange.server().ask(&request) else {
            panic!("it is in memory");
        };
        exchange.reply.relay(&answer.message, 0, 0);
        Step::Answered
    });
    let (reply, ..) = script.serve(&question());
    assert_eq!(reply.rcode(), 2);
    assert_eq!(asked.load(Ordering::Relaxed), 9);
}

/// If this fails, queries of other classes are answered by plugins that mean IN, or not by those
/// that can answer them.
#[test]
fn other_classes_are_for_those_who_answer_them() {
    let chaos = || request([1, 0], NAME, 16, 3, &[]);
    let (reply, responses, _) = Script::default().request(answered).serve(&chaos());
    assert_eq!((reply.rcode(), responses), (5, 0));
    let script = Script::default().request(|_| panic!("not for it"));
    let (reply, responses, _) = script
        .classes(Classes::Answered)
        .request(answered)
        .serve(&chaos());
    assert_eq!((reply.rcode(), responses), (0, 1));
}

/// If this fails, nobody can say that a name of a pool does not exist, or a plugin says it though
/// a later one has the name.
#[test]
fn whoever_claims_the_zone_speaks_at_the_end() {
    let nxdomain = |exchange: &mut Exchange<'_, '_>| {
        exchange.reply.set_rcode(Rcode::NXDOMAIN);
        Step::Answered
    };
    let (reply, responses, _) = Script::default()
        .request(|_| Step::Next)
        .at_end(nxdomain)
        .serve(&question());
    assert_eq!((reply.rcode(), responses), (3, 2));
    let (reply, ..) = Script::default()
        .at_end(nxdomain)
        .request(answered)
        .serve(&question());
    assert_eq!(reply.rcode(), 0);
}

/// If this fails, whoever waits (forwarding, a look-up elsewhere) gets no reply or a wrong one.
#[test]
fn a_query_goes_on_where_it_waited() {
    let waits = |_: &mut Exchange<'_, '_>| defer(tokio::task::yield_now(), |_| Step::Next);
    let (reply, responses, tally) = Script::default()
        .request(waits)
        .request(waits)
        .request(answered)
        .serve(&question());
    assert_eq!((reply.rcode(), responses), (0, 3));
    assert_eq!(
        (tally.get(Count::Deferred), tally.get(Count::Replies)),
        (1, 1)
    );
    let Reply::Message(_, bytes) = reply else {
        panic!()
    };
    assert_eq!(bytes[..2], [0x12, 0x34]);
    assert_eq!(
        bytes[12..12 + NAME.len()],
        *NAME,
        "the question in the client's own letters"
    );

    let answers_later = |_: &mut Exchange<'_, '_>| defer(std::future::ready(()), answered);
    let script = Script::default()
        .request(answers_later)
        .request(|_| panic!());
    assert_eq!(script.serve(&question()).1, 1);

    let at_the_end = |_: &mut Exchange<'_, '_>| defer(std::future::ready(()), answered);
    let (reply, responses, _) = Script::default().at_end(at_the_end).serve(&question());
    assert_eq!((reply.rcode(), responses), (0, 1));
}

/// If this fails, a plugin that changes the name looked up before it waits is asked about the
/// client's name afterwards.
#[test]
fn the_name_looked_up_survives_waiting() {
    let renames = |exchange: &mut Exchange<'_, '_>| {
        exchange.name = LookupName::from(&Name::parse("other.example.").unwrap());
        defer(std::future::ready(()), |_| Step::Next)
    };
    let looks = |exchange: &mut Exchange<'_, '_>| {
        assert_eq!(exchange.name.to_name().to_string(), "other.example.");
        Step::Answered
    };
    assert_eq!(
        Script::default()
            .request(renames)
            .request(looks)
            .serve(&question())
            .0
            .rcode(),
        0
    );
}

/// If this fails, a query that waits for ever holds its memory and its place for ever.
#[test]
fn waiting_ends() {
    let never = |_: &mut Exchange<'_, '_>| defer(std::future::pending(), answered);
    let (reply, _, tally) = Script::default().request(never).serve(&question());
    assert_eq!((reply.rcode(), tally.get(Count::Late)), (2, 1));

    fn again(_: &mut Exchange<'_, '_>) -> Step {
        defer(std::future::ready(()), again)
    }
    let (reply, _, tally) = Script::default().request(again).serve(&question());
    assert_eq!((reply.rcode(), tally.get(Count::Late)), (2, 1));
}

/// If this fails, one query that meets a mistake of ours ends the worker for all clients.
#[test]
fn a_panic_costs_one_query() {
    let (reply, _, tally) = Script::default()
        .request(|_| panic!("on purpose"))
        .serve(&question());
    assert_eq!((reply.rcode(), tally.get(Count::Panics)), (2, 1));

    let in_the_job = |_: &mut Exchange<'_, '_>| defer(async { panic!("on purpose") }, answered);
    let (reply, _, tally) = Script::default().request(in_the_job).serve(&question());
    assert_eq!((reply.rcode(), tally.get(Count::Panics)), (2, 1));

    let after_it =
        |_: &mut Exchange<'_, '_>| defer(std::future::ready(()), |_| panic!("on purpose"));
    let (reply, _, tally) = Script::default().request(after_it).serve(&question());
    assert_eq!((reply.rcode(), tally.get(Count::Panics)), (2, 1));
}

/// If this fails, clients that speak a later EDNS, other classes or opcodes, or no DNS at all get
/// no answer, or one that misleads them.
#[test]
fn what_is_not_for_a_zone_is_answered_before_any_plugin() {
    let opt = |version: u8| [0, 0, 41, 4, 208, 0, version, 0, 0, 0, 0];
    let outside = b"\x04host\x05other\0";
    for (what, bytes, rcode) in [
        ("another zone", request([1, 0], outside, 1, 1, &[]), 5),
        ("another class", request([1, 0], NAME, 16, 3, &[]), 5),
        ("another opcode", request([0x28, 0], NAME, 1, 1, &[]), 4),
        (
            "no question",
            vec![0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            1,
        ),
        ("a cut question", question()[..20].to_vec(), 1),
        ("EDNS 1", request([1, 0], outside, 1, 1, &opt(1)), 0),
    ] {
        let (reply, _, tally) = Script::default().request(|_| panic!()).serve(&bytes);
        assert_eq!(reply.rcode(), rcode, "{what}");
        assert_eq!(
            (tally.get(Count::Panics), tally.get(Count::Replies)),
            (0, 1),
            "{what}"
        );
        if what == "EDNS 1" {
            let Reply::Message(_, bytes) = reply else {
                panic!()
            };
            // Code 16: its upper bits stand in the OPT record, which is the last.
            assert_eq!(bytes[bytes.len() - 6..], [1, 0, 0, 0, 0, 0], "BADVERS");
        }
    }
}

/// If this fails, two servers can be made to answer each other for ever.
#[test]
fn replies_and_scraps_get_no_reply() {
    for bytes in [request([0x81, 0], NAME, 1, 1, &[]), vec![], vec![0; 11]] {
        let (reply, _, tally) = Script::default().request(answered).serve(&bytes);
        assert_eq!(reply, Reply::None);
        assert_eq!(
            (tally.get(Count::Ignored), tally.get(Count::Replies)),
            (1, 0)
        );
    }
}
