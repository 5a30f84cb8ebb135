//! Lines about errors as whoever reads them sees them.

use answer::RecordType;

use crate::plugins::harness::Server;

/// If this fails, nobody learns why queries fail, or the log is full of those that do not.
#[test]
fn failures_are_told_with_their_reasons() {
    let server = Server::block("errors\nlocal");
    server.ask("localhost.", RecordType::A);
    server.ask("WWW.Other.", RecordType::AAAA);
    assert_eq!(
        server.lines(),
        ["[ERROR] plugin/errors: 2 www.other. AAAA: no plugin of the block has an answer"]
    );
}

/// If this fails, nobody learns of queries that came to nothing in time.
#[test]
fn what_takes_too_long_is_told() {
    let text = "cancel 10ms\nerrors\nlog . {rcode}\nerratic {\ndelay 1 10s\n}";
    let server = Server::block(text);
    server.ask("a.", RecordType::A);
    assert_eq!(
        server.lines(),
        [
            "[INFO] SERVFAIL",
            "[ERROR] plugin/errors: 2 a. A: it took too long to find an answer"
        ]
    );
}

/// If this fails, an outage fills the log with a line for each query.
#[test]
fn many_errors_become_one_line() {
    let server = Server::block(
        "errors stdout {\nconsolidate 1h ^unlike\nconsolidate 50ms \"^no plugin\" warning show_first\n}\nlocal",
    );
    for _ in 0..5 {
        server.ask("other.", RecordType::A);
    }
    let first = "[WARNING] plugin/errors: 2 other. A: no plugin of the block has an answer";
    let together = "[WARNING] plugin/errors: 5 errors like '^no plugin' occurred in last 50ms";
    assert_eq!(server.lines_until(2), [first, together]);
}

/// If this fails, what was gathered is lost at a reload.
#[test]
fn what_was_gathered_is_told_at_the_end() {
    let server = Server::block("errors {\nconsolidate 24h .*\n}\nlocal");
    server.ask("other.", RecordType::A);
    let lines = server.lines.clone();
    assert_eq!(lines.take(), [""; 0]);
    drop(server);
    assert_eq!(
        lines.take(),
        ["[ERROR] plugin/errors: 1 errors like '.*' occurred in last 24h"]
    );
}

/// If this fails, a mistake is not shown where it is.
#[test]
fn mistakes_are_shown() {
    for (text, message) in [
        ("errors\nerrors", "given twice"),
        ("errors file.log", "unknown target `file.log`"),
        ("errors {\nconsolidate 5m (\n}", "is no regular expression"),
        ("errors {\nconsolidate 5 x\n}", "a duration needs a unit"),
        ("errors {\nconsolidate 5m\n}", "2 to 4 arguments"),
        (
            "errors {\nconsolidate 5m x warnin\n}",
            "did you mean `warning`?",
        ),
        (
            "errors {\nconsolidate 5m x show_first info\n}",
            "behind `show_first`",
        ),
        ("errors {\nstacktraces\n}", "did you mean `stacktrace`?"),
    ] {
        let shown = Server::mistakes(text);
        assert!(shown.contains(message), "{text}: {shown}");
    }
}
