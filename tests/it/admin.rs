//! What the process tells over HTTP, and what becomes of it across reloads and at the end.

use std::net::{Ipv4Addr, SocketAddr};

use nix::sys::signal::Signal;

use crate::support::callsign::Callsign;
use crate::support::dns::{Query, Stream, ask};
use crate::support::http::{Connection, get, get_until, until_gone};

fn other(callsign: &Callsign) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, callsign.place().other).into()
}

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

/// If this fails, probes find nobody during a reload, or after one, and a server that is well is
/// ended or taken out.
#[test]
fn endpoints_survive_reloads() {
    let text = |more: &str| format!(".:{{port}} {{\n    health :{{other}}\n{more}    whoami\n}}\n");
    let callsign = Callsign::start(&text(""));
    let server = other(&callsign);
    let mut kept = Connection::open(server).expect("a connection");
    assert_eq!(kept.get("/health").expect("a page"), ok("OK"));
    // More of it at the same address: the handlers change behind the socket.
    callsign.rewrite(&text("    ready :{other}\n"));
    callsign.signal(Signal::SIGHUP);
    callsign.output_has("reloaded", 1);
    assert_eq!(kept.get("/ready").expect("a page"), ok("OK"));
    // What cannot be had leaves everything as it is.
    callsign.rewrite(&text("    ready 192.0.2.1:{other}\n"));
    callsign.signal(Signal::SIGHUP);
    callsign.says("not an address of this machine");
    callsign.output_has("not reloaded", 1);
    assert_eq!(kept.get("/ready").expect("a page"), ok("OK"));
    // The same port at fewer addresses: our own socket is not in our way.
    callsign.rewrite(&text("").replace("health :", "health 127.0.0.1:"));
    callsign.signal(Signal::SIGHUP);
    // "not reloaded" was the second time.
    callsign.output_has("reloaded", 3);
    assert_eq!(get_until(server, "/ready", |page| page.0 == 404).0, 404);
    assert_eq!(get(server, "/health").expect("a page"), ok("OK"));
    callsign.rewrite(".:{port} {\n    whoami\n}\n");
    callsign.signal(Signal::SIGHUP);
    callsign.output_has("reloaded", 4);
    until_gone(server);
}

/// If this fails, a server that is about to end is sent clients until it does, or leaves those
/// alone that were sent before.
#[test]
fn a_lame_duck_answers_and_says_that_it_ends() {
    let mut callsign = Callsign::start(
        ".:{port} {\n    health :{other} {\n        lameduck 6s\n    }\n    ready :{other}\n    whoami\n}\n",
    );
    let server = other(&callsign);
    // It does not delay a reload.
    callsign.signal(Signal::SIGHUP);
    callsign.says("reloaded");
    assert_eq!(get(server, "/health").expect("a page"), ok("OK"));
    callsign.signal(Signal::SIGTERM);
    get_until(server, "/health", |page| page.0 == 503);
    assert_eq!(get(server, "/ready").expect("a page").0, 503);
    assert_eq!(ask(callsign.address(), "example.", "A").rcode, 0);
    assert_eq!(callsign.ended().code(), Some(0));
}

/// If this fails, a server whose claims are not heard of yet is sent clients.
#[test]
fn a_server_without_its_store_is_not_ready() {
    let callsign = Callsign::start(
        ".:{port} {\n    ready :{other}\n    identity {\n        pattern a{{.ID}}.test.\n        store etcd http://127.0.0.1:1\n    }\n}\n",
    );
    let server = other(&callsign);
    let page = get(server, "/ready").expect("a page");
    assert_eq!(page, (503, "identity".to_owned()));
    callsign.rewrite(
        ".:{port} {\n    ready :{other}\n    identity {\n        pattern a{{.ID}}.test.\n        store local {folder}/names\n    }\n}\n",
    );
    callsign.signal(Signal::SIGHUP);
    callsign.says("reloaded");
    get_until(server, "/ready", |page| *page == ok("OK"));
}

/// If this fails, an operator's dashboards show nothing, or a restart at every reload.
#[test]
fn what_was_counted_is_told_over_reloads() {
    let text = ".:{port} {\n    prometheus :{other}\n    identity {\n        pattern a{{.ID}}.test.\n        store local {folder}/names\n    }\n    whoami\n}\n";
    let callsign = Callsign::start(text);
    let server = other(&callsign);
    ask(callsign.address(), "example.", "AAAA");
    let has = |line: &str| {
        let line = callsign.place().filled(line);
        get_until(server, "/metrics", |(status, text)| {
            *status == 200 && text.lines().any(|it| it == line)
        });
    };
    let place = "server=\"dns://:{port}\",zone=\".\",view=\"\"";
    let counted = |number: u8| {
        format!(
            "coredns_dns_requests_total{{{place},proto=\"udp\",family=\"1\",type=\"AAAA\"}} {number}"
        )
    };
    has(&counted(1));
    has("callsign_pool_held{pool=\"node\",pattern=\"a%d.test.\"} 1");
    callsign.signal(Signal::SIGHUP);
    callsign.output_has("reloaded", 1);
    ask(callsign.address(), "example.", "AAAA");
    has(&counted(2));
    has(&format!(
        "coredns_dns_responses_total{{{place},rcode=\"NOERROR\",plugin=\"whoami\"}} 2"
    ));
}

/// If this fails, a change of a Corefile is not taken up, or a mistake in it ends what runs.
#[test]
fn a_changed_corefile_is_reloaded() {
    let text = |more: &str| {
        format!(
            ".:{{port}} {{\n    reload 2s 0s\n    prometheus :{{other}}\n{more}    whoami\n}}\n"
        )
    };
    let callsign = Callsign::start(&text(""));
    let server = other(&callsign);
    callsign.rewrite(&text("    whoam\n"));
    callsign.says("did you mean `whoami`?");
    get_until(server, "/metrics", |page| {
        page.1.contains("\ncoredns_reload_failed_total 1\n")
    });
    callsign.rewrite(&text("    log . {name}\n"));
    callsign.output_has("INFO reloaded", 1);
    ask(callsign.address(), "example.", "A");
    callsign.says("[INFO] example.\n");
}

/// If this fails, lines of the log are lost when the process ends, or a connection stays open for
/// longer than its Corefile says.
#[test]
fn connections_end_when_the_corefile_says_so_and_the_last_line_is_written() {
    let mut callsign = Callsign::start(
        ".:{port} {\n    timeouts {\n        maxtcpqueries 2\n    }\n    multisocket 1\n    log . {proto}{name}\n    whoami\n}\n",
    );
    let mut stream = Stream::connect(callsign.address());
    for name in ["first.", "second."] {
        stream.send(&Query::new(name, "A"));
        assert_eq!(stream.receive().rcode, 0);
    }
    assert_eq!(stream.closed(), 0);
    callsign.signal(Signal::SIGTERM);
    assert_eq!(callsign.ended().code(), Some(0));
    callsign.says("[INFO] tcpsecond.\n");
}
