//! Lines of the log as whoever reads them sees them.

use answer::{Name, RecordType, Request};

use crate::plugins::harness::Server;

/// The lines without the duration at their ends.
fn lines(server: &Server) -> Vec<String> {
    let lines = server.lines().into_iter();
    lines
        .map(|line| match line.rsplit_once(' ') {
            Some((line, duration))
                if duration.parse::<f64>().is_err() && duration.ends_with('s') =>
            {
                let seconds = duration.trim_end_matches('s');
                assert!(seconds.parse::<f64>().is_ok(), "{duration}");
                line.to_owned()
            }
            _ => line,
        })
        .collect()
}

/// If this fails, programs that read CoreDNS's log do not understand ours.
#[test]
fn the_usual_line_is_that_of_coredns() {
    let server = Server::block("log\nwhoami");
    let name = Name::parse("www.example.").unwrap();
    let request = Request::new(name.as_wire(), RecordType::A).to_bytes();
    let size = request.len();
    let reply = server.serve_bytes(&request).unwrap().len();
    let [line] = lines(&server).try_into().unwrap();
    let (start, end) = line.split_once(" - ").unwrap();
    assert_eq!(start, "[INFO] 192.0.2.1:5353");
    let (_id, end) = end.split_once(' ').unwrap();
    assert_eq!(
        end,
        format!("\"A IN www.example. udp {size} false 1232\" NOERROR qr,aa,rd {reply}")
    );
    let server = server.from("2001:db8::1").over_tcp();
    server.ask("a.", RecordType(999));
    let [line] = lines(&server).try_into().unwrap();
    assert!(line.starts_with("[INFO] [2001:db8::1]:5353 - "), "{line}");
    assert!(
        line.contains("\"TYPE999 IN a. tcp 30 false 65535\""),
        "{line}"
    );
}

/// If this fails, lines are missing that somebody wants, or are there that nobody does.
#[test]
fn names_and_classes_are_chosen() {
    let text =
        "log a. {\nclass denial\n}\nlog b. c. \"{name} {rcode}\" {\nclass success error\n}\nwhoami";
    let server = Server::block(text);
    for name in ["x.a.", "x.b.", "c.", "d."] {
        server.ask(name, RecordType::A);
    }
    assert_eq!(lines(&server), ["[INFO] x.b. NOERROR", "[INFO] c. NOERROR"]);
    let server = Server::block("log . \"{name} {rcode}\" {\nclass error\n}\nlocal");
    server.ask("localhost.", RecordType::A);
    server.ask("other.", RecordType::A);
    assert_eq!(lines(&server), ["[INFO] other. SERVFAIL"]);
    let server = Server::block("log . \"{name} {rcode}\" {\nclass denial\n}\nlocal");
    server.ask("localhost.", RecordType::A);
    server.ask("localhost.", RecordType::TXT);
    assert_eq!(lines(&server), ["[INFO] localhost. NOERROR"]);
}

/// If this fails, a format of CoreDNS shows something else here.
#[test]
fn every_field_can_be_shown() {
    let server = Server::block(
        "log . \"{proto} {remote} {local} {port} {size} {>OPCODE} {/no/label} {odd} {\"\nwhoami",
    );
    server.ask("a.", RecordType::A);
    assert_eq!(
        server.lines(),
        ["[INFO] udp 192.0.2.1 192.0.2.53 5353 30 0 - {odd} {"]
    );
    let server = Server::block("log {combined}\nwhoami");
    server.ask("a.", RecordType::A);
    assert!(server.lines()[0].ends_with("s \"0\""));
}

/// If this fails, a mistake is not shown where it is.
#[test]
fn mistakes_are_shown() {
    for (text, message) in [
        ("log a..b", "is not a zone"),
        ("log {\nclass\n}", "takes at least one argument"),
        ("log {\nclass sucess\n}", "did you mean `success`?"),
        ("log {\nclas all\n}", "did you mean `class`?"),
    ] {
        let shown = Server::mistakes(text);
        assert!(shown.contains(message), "{text}: {shown}");
    }
}
