//! The page and its JSON, as browsers and programs ask for them.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use etcd_client::{Client, Txn, TxnOp};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::BOUND;
use crate::support::callsign::{Callsign, Place};
use crate::support::dns;
use crate::support::engine::{Container, Dialect, Engine};
use crate::support::etcd::Etcd;
use crate::support::http::{Answer, Connection, Events, get};
use crate::support::upstream::Upstream;

const LOCAL: (&str, &str) = ("Host", "localhost");

const TOKEN: &str = "0123456789-abcdef";

fn page(callsign: &Callsign) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, callsign.place().other).into()
}

fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut connection = Connection::open(server).expect("a connection");
    let answer = connection.ask(method, path, headers, body);
    answer.expect("an answer")
}

/// What is told as JSON at a path.
fn data(server: SocketAddr, path: &str) -> Value {
    let answer = ask(server, "GET", path, &[LOCAL], "");
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_str(&answer.body).expect("JSON")
}

/// The same, once it is as it should be.
fn data_until(server: SocketAddr, path: &str, enough: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + BOUND;
    loop {
        let data = data(server, path);
        if enough(&data) {
            return data;
        }
        assert!(Instant::now() < end, "{path}: still {data}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn follow(server: SocketAddr) -> Events {
    let connection = Connection::open(server).expect("a connection");
    connection.follow("/events", &[LOCAL]).expect("a stream")
}

/// A Corefile with the page and a pool in this folder.
fn pooled(folder: &str) -> String {
    format!(
        ".:{{port}} {{\n admin 127.0.0.1:{{other}}\n identity web {{\n pattern web{{{{.ID}}}}.test.\n limit 9\n address 192.0.2.7\n meta role \"<b>&amp;\"\n port http 8080\n store local {folder}\n }}\n}}\n"
    )
}

/// If this fails, a program that asks who has which name is told something else than what is so.
#[test]
fn pools_and_members_are_told() {
    let callsign = Callsign::start(&pooled("{folder}/names"));
    let server = page(&callsign);
    let told = data_until(server, "/api/v1/pools", |it| it["pools"][0]["held"] == 1);
    let pool = &told["pools"][0];
    for (key, value) in [
        ("id", json!("web")),
        ("name", json!("web")),
        ("pattern", json!("web%d.test.")),
        ("limit", json!(9)),
        ("claims", json!(true)),
        ("full", json!(false)),
        ("problem", Value::Null),
    ] {
        assert_eq!(pool[key], value, "{key}: {pool}");
    }
    assert_eq!(pool["own"]["name"], "web1.test.");
    assert_eq!(pool["own"]["slot"], 1);
    assert_eq!(pool["store"]["freshness"], "current");
    let folder = callsign.place().filled("local store {folder}/names");
    assert_eq!(pool["store"]["place"], folder);
    let told = data(server, "/api/v1/pools/web/members");
    let member = &told["members"][0];
    assert_eq!(member["addresses"], json!(["192.0.2.7"]));
    assert_eq!(
        member["meta"],
        json!({"role": "<b>&amp;"}),
        "as it was written"
    );
    assert_eq!(member["ports"], json!({"http": "8080"}));
    assert_eq!(member["down"], false);
    assert_eq!(member["epoch"], pool["own"]["epoch"]);
    let age = member["age"].as_u64().expect("how long it is held");
    assert!(age < 3_600, "{age}");
    assert_eq!(
        (&told["stale"], &told["next"]),
        (&json!(false), &Value::Null)
    );
    let later = data(server, "/api/v1/pools/web/members?from=2");
    assert_eq!(later["members"], json!([]));
    for (path, status) in [
        ("/api/v1/pools/none/members", 404),
        ("/api/v1/pools/web", 404),
        ("/api/v1", 404),
        ("/api/v1/pools/web/members?from=x", 400),
        ("/none", 404),
        ("/..%2f..%2fetc/passwd", 404),
    ] {
        assert_eq!(get(server, path).expect("a page").0, status, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(server, method, "/api/v1/pools", &[LOCAL], "");
        assert_eq!(answer.status, 405, "{method}");
    }
}

/// If this fails, the page shows what was there when it was opened and nothing later.
#[test]
fn the_stream_tells_who_joins_and_who_leaves() {
    let first = Callsign::start(&pooled("{folder}/names"));
    let mut events = follow(page(&first));
    events.until("pools", |pools| pools[0]["own"]["name"] == "web1.test.");
    let place = Place::new();
    place.write("Corefile", &pooled(&first.place().filled("{folder}/names")));
    let mut second = Callsign::start_in(place, &[]);
    let has = |changes: &Value, name: &str| {
        let members = changes["members"].as_array().expect("members");
        members.iter().any(|member| member["name"] == name)
    };
    events.until("pools", |pools| pools[0]["held"] == 2);
    let joined = events.until("members", |changes| has(changes, "web2.test."));
    assert_eq!(
        (&joined["pool"], &joined["whole"]),
        (&json!("web"), &json!(false))
    );
    // Who comes later is told of all.
    let mut later = follow(page(&first));
    let whole = later.until("members", |_| true);
    assert!(has(&whole, "web1.test.") && has(&whole, "web2.test."));
    assert_eq!(whole["whole"], true);
    second.signal(Signal::SIGTERM);
    assert_eq!(second.ended().code(), Some(0));
    events.until("members", |changes| changes["freed"] == json!([2]));
    // Under another configuration the page asks again.
    first.signal(Signal::SIGHUP);
    first.says("reloaded");
    events.ended();
}

/// If this fails, whoever can reach the address sees what is told, or its owner does not.
#[test]
fn the_token_opens_the_page() {
    let place = Place::new();
    place.write("token", &format!("{TOKEN}\n"));
    place.write(
        "Corefile",
        ".:{port} {\n admin :{other} {\n token file token\n }\n whoami\n}\n",
    );
    let callsign = Callsign::start_in(place, &[]);
    let server = page(&callsign);
    let host = ("Host", "node.example:8053");
    for path in ["/", "/api/v1/pools", "/events"] {
        let answer = ask(server, "GET", path, &[host], "");
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.body.contains("pools"), "{answer:?}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let by_header = [host, ("Authorization", bearer.as_str())];
    assert_eq!(
        ask(server, "GET", "/api/v1/pools", &by_header, "").status,
        200
    );
    let wrong = ask(server, "POST", "/login", &[host], "token=0123456789-abcdeg");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    let long = format!("token={}", "a".repeat(5000));
    assert_eq!(ask(server, "POST", "/login", &[host], &long).status, 401);
    let right = ask(server, "POST", "/login", &[host], &format!("token={TOKEN}"));
    assert_eq!((right.status, right.header("location")), (303, Some("./")));
    let cookie = right.header("set-cookie").expect("a cookie");
    assert!(cookie.ends_with("; httponly; samesite=strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a cookie");
    let by_cookie = [host, ("Cookie", cookie)];
    let shown = ask(server, "GET", "/", &by_cookie, "");
    assert_eq!(shown.status, 200);
    let policy = shown.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!callsign.said().contains(TOKEN));
}

/// If this fails, a token that cannot be read opens the page to everybody, or is told.
#[test]
fn a_token_that_cannot_be_read_is_a_mistake() {
    for (content, message) in [
        (None, "no such file"),
        (Some("short\n"), "16 to 256 characters"),
    ] {
        let place = Place::new();
        if let Some(content) = content {
            place.write("token", content);
        }
        place.write(
            "Corefile",
            ".:{port} {\n admin :{other} {\n token file token\n }\n whoami\n}\n",
        );
        let ended = place.run(&[]);
        assert_eq!(ended.status, Some(1));
        assert!(ended.errors.contains(message), "{}", ended.errors);
    }
}

/// If this fails, any page of the Internet that somebody opens on this machine can read everything.
#[test]
fn strangers_names_for_this_machine_are_refused() {
    let callsign = Callsign::start(".:{port} {\n admin localhost:{other}\n whoami\n}\n");
    let server = page(&callsign);
    let address = server.to_string();
    for host in ["localhost", "127.0.0.1", "[::1]:80", &address] {
        assert_eq!(
            ask(server, "GET", "/", &[("Host", host)], "").status,
            200,
            "{host}"
        );
    }
    for path in ["/", "/page.js", "/api/v1/pools", "/events", "/login"] {
        let answer = ask(server, "GET", path, &[("Host", "evil.example")], "");
        assert!(answer.status == 403, "{path}: {answer:?}");
    }
}

/// Writes members with as much text as a record may have.
fn write_long_members(etcd: &Etcd, slots: std::ops::RangeInclusive<u32>) {
    let text = "x".repeat(15_000);
    let record = |slot: u32| {
        let record = json!({
            "ipv4": "192.0.2.1", "ipv6": "", "port": "", "v": 1, "slot": slot, "node": "n",
            "inst": format!("i{slot}"), "meta": {"text": text},
        });
        TxnOp::put(format!("worker{slot}.tf.local."), record.to_string(), None)
    };
    let all: Vec<u32> = slots.collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for some in all.chunks(60) {
        let operations: Vec<TxnOp> = some.iter().copied().map(record).collect();
        let written = runtime.block_on(async {
            let mut client = Client::connect([etcd.url()], None).await?;
            client.txn(Txn::new().and_then(operations)).await
        });
        written.expect("etcd takes the records");
    }
}

/// If this fails, readers that have gone to sleep keep everybody else from the page, or use up memory.
#[test]
fn readers_that_do_not_read_are_hung_up_on() {
    let etcd = Etcd::start();
    write_long_members(&etcd, 1..=400);
    let text = format!(
        ".:{{port}} {{\n admin 127.0.0.1:{{other}}\n identity worker {{\n pattern worker{{{{.ID}}}}.tf.local.\n limit 500\n claim off\n layout idetcd\n store etcd {}\n }}\n}}\n",
        etcd.url()
    );
    let callsign = Callsign::start(&text);
    let server = page(&callsign);
    data_until(server, "/api/v1/pools", |it| it["pools"][0]["held"] == 400);
    let members = data(server, "/api/v1/pools/worker/members");
    let shown = members["members"].as_array().expect("members").len();
    assert!((1..400).contains(&shown), "an answer has a bound: {shown}");
    assert_eq!(members["next"], shown + 1);
    let open = || {
        let mut connection = Connection::open(server)?;
        let status = connection.status("/events", &[LOCAL])?;
        std::io::Result::Ok((connection, status))
    };
    // None of these reads more than the head.
    let sleeping: Vec<_> = (0..12).map(|_| open().expect("a stream")).collect();
    assert!(sleeping.iter().all(|(_, status)| *status == 200));
    assert_eq!(open().expect("an answer").1, 503);
    // As many others have room in the end, and that only if connections are gone, not only places.
    let mut others = Vec::new();
    let end = Instant::now() + BOUND;
    while others.len() < 12 {
        assert!(Instant::now() < end, "only {} have room", others.len());
        match open() {
            Ok((connection, 200)) => others.push(connection),
            _ => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// If this fails, who wonders why a name does not lead to a container is told nothing, or the wrong thing.
#[test]
fn containers_their_names_and_their_engine_are_told() {
    let engine = Engine::start(Dialect::DEBIAN);
    engine.run(Container::new("web").network("bridge", "172.17.0.2", &[]));
    engine.run(
        Container::new("other")
            .hostname("web")
            .network("bridge", "172.17.0.3", &[]),
    );
    let text = format!(
        ".:{{port}} {{\n admin 127.0.0.1:{{other}}\n docker {{\n endpoint {}\n }}\n}}\n",
        engine.url()
    );
    let callsign = Callsign::start(&text);
    let server = page(&callsign);
    let path = "/api/v1/containers";
    let told = data_until(server, path, |it| it["engines"][0]["containers"] == 2);
    let engine_told = &told["engines"][0];
    assert_eq!(engine_told["freshness"], "current");
    assert_eq!(engine_told["place"], engine.url());
    assert_eq!(
        told["total"],
        told["claims"].as_array().expect("claims").len()
    );
    let standing = |told: &Value, container: &str| {
        let claims = told["claims"].as_array().expect("claims");
        let claim = claims
            .iter()
            .find(|it| it["name"] == "web.docker." && it["container"] == container);
        claim.unwrap_or_else(|| panic!("{told}")).clone()
    };
    let web = standing(&told, "web");
    assert_eq!(
        (&web["standing"], &web["source"]),
        (&json!("alone"), &json!("name"))
    );
    assert_eq!(web["addresses"], json!(["172.17.0.2"]));
    let other = standing(&told, "other");
    assert_eq!(other["standing"], "hidden");
    assert_eq!(other["reason"], "web has it as its name");
    let mut events = follow(server);
    events.until("engines", |it| it["changed"] == true);
    engine.run(Container::new("late").network("bridge", "172.17.0.4", &[]));
    events.until("engines", |it| it["engines"][0]["containers"] == 3);
    let late = data(server, path);
    assert_eq!(late["engines"][0]["containers"], 3);
    assert!(
        late.to_string().contains("late.docker."),
        "what is told is as new as what was said"
    );
    engine.vanish();
    events.until("engines", |it| it["engines"][0]["freshness"] == "away");
    data_until(server, "/api/v1/events", |it| {
        has_kind(&it["events"], "engine-away")
    });
}

fn has_kind(events: &Value, kind: &str) -> bool {
    let events = events.as_array().expect("events");
    events.iter().any(|event| event["kind"] == kind)
}

/// If this fails, what an operator wants to know of the last minutes is not there, or not in its order.
#[test]
fn what_happens_is_told_later_and_at_once() {
    let callsign = Callsign::start(&pooled("{folder}/names"));
    let server = page(&callsign);
    let claimed = data_until(server, "/api/v1/events", |it| {
        has_kind(&it["events"], "claimed")
    });
    let first = claimed["events"][0].clone();
    assert_eq!(first["about"], "pool web");
    assert_eq!(first["text"], "this node is web1.test.");
    let mut events = follow(server);
    events.until("happenings", |it| has_kind(it, "claimed"));
    let place = Place::new();
    place.write(
        "Corefile",
        &pooled(&callsign.place().filled("{folder}/names")),
    );
    let mut other = Callsign::start_in(place, &[]);
    let joined = events.until("happenings", |it| has_kind(it, "joined"));
    assert_eq!(joined[0]["text"], "web2.test. has joined");
    other.signal(Signal::SIGTERM);
    other.ended();
    events.until("happenings", |it| has_kind(it, "left"));
    callsign.rewrite("nonsense {");
    callsign.signal(Signal::SIGHUP);
    events.until("happenings", |it| has_kind(it, "not-reloaded"));
    callsign.rewrite(&pooled("{folder}/names"));
    callsign.signal(Signal::SIGHUP);
    let told = data_until(server, "/api/v1/events", |it| {
        has_kind(&it["events"], "reloaded")
    });
    let numbers = told["events"].as_array().expect("events").iter();
    let numbers: Vec<u64> = numbers.filter_map(|it| it["number"].as_u64()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let later = data(
        server,
        &format!("/api/v1/events?after={}", numbers.len() - 1),
    );
    assert_eq!(later["events"].as_array().expect("events").len(), 1);
}

/// If this fails, the page shows that nobody asks, or that the cache is of no use, where that is not so.
#[test]
fn queries_and_the_cache_are_counted() {
    let upstream = Upstream::good(7);
    let text = format!(
        ".:{{port}} {{\n admin 127.0.0.1:{{other}}\n prometheus 127.0.0.1:{{other}}\n cache\n forward . {}\n}}\n",
        upstream.address
    );
    let callsign = Callsign::start(&text);
    let server = page(&callsign);
    let mut events = follow(server);
    events.until("numbers", |it| it["cache"]["present"] == true);
    for _ in 0..3 {
        assert_eq!(
            dns::ask(callsign.address(), "www.example.org", "A").rcode,
            0
        );
    }
    let told = events.until("numbers", |it| it["queries"]["counts"]["requests"] == 3);
    assert_eq!(told["queries"]["by_type"], json!({"A": 3}));
    let queries = data(server, "/api/v1/queries");
    assert_eq!(queries["queries"]["by_rcode"], json!({"NOERROR": 3}));
    let cache = data(server, "/api/v1/cache");
    assert_eq!(
        (&cache["cache"]["hits"], &cache["cache"]["misses"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(data(server, "/api/v1/version")["streams"], 1);
    assert_eq!(data(server, "/api/v1/stores"), json!({"stores": []}));
}

/// If this fails, an outage of the store looks as if all was well.
#[test]
fn a_store_that_goes_away_is_told() {
    let mut etcd = Etcd::start();
    let text = format!(
        ".:{{port}} {{\n admin 127.0.0.1:{{other}}\n identity web {{\n pattern web{{{{.ID}}}}.test.\n store etcd {}\n }}\n}}\n",
        etcd.url()
    );
    let callsign = Callsign::start(&text);
    let server = page(&callsign);
    let mut events = follow(server);
    events.until("pools", |it| it[0]["own"]["answered"] == true);
    etcd.kill();
    let away = events.until("pools", |it| it[0]["store"]["freshness"] == "away");
    assert!(away[0]["store"]["away_seconds"].is_u64());
    assert_eq!(data(server, "/api/v1/pools/web/members")["stale"], true);
    let stores = data(server, "/api/v1/stores");
    assert_eq!(stores["stores"][0]["freshness"], "away");
    assert_eq!(stores["stores"][0]["pools"], json!(["web"]));
    etcd.restart();
    events.until("happenings", |it| has_kind(it, "store-back"));
}
