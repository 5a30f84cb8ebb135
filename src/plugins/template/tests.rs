use answer::{Class, Rcode, RecordType, Request, Section};

use crate::plugins::harness::{Server, answers};

fn server(directives: &str) -> Server {
    Server::block(directives)
}

/// If this fails, the names of addresses that CoreDNS's documentation shows have others here.
#[test]
fn addresses_are_made_of_names_and_names_of_addresses() {
    let server = server(
        r#"
        template IN A example {
            match ^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$
            match "^ip(?P<a>0a)(?P<b>[a-f0-9]{2})(?P<c>[a-f0-9]{2})(?P<d>[a-f0-9]{2})[.]example[.]$"
            answer "{{ .Name }} 60 IN A {{ if eq .Group.a `0a` }}10.{{ parseInt .Group.b 16 8 }}.{{ parseInt .Group.c 16 8 }}.{{ parseInt .Group.d 16 8 }}{{ else }}{{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}{{ end }}"
            fallthrough
        }
        template IN PTR in-addr.arpa {
            match ^(?P<d>[0-9]*)[.](?P<c>[0-9]*)[.](?P<b>[0-9]*)[.](?P<a>[0-9]*)[.]in-addr[.]arpa[.]$
            answer "{{ .Name }} 60 IN PTR ip-{{ .Group.a }}-{{ .Group.b }}-{{ .Group.c }}-{{ .Group.d }}.example."
        }"#,
    );
    for (name, rtype, answer) in [
        (
            "ip-192-0-2-1.example.",
            RecordType::A,
            "ip-192-0-2-1.example. 60 A 192.0.2.1",
        ),
        (
            "ip0a7b0102.example.",
            RecordType::A,
            "ip0a7b0102.example. 60 A 10.123.1.2",
        ),
        (
            "4.2.0.192.in-addr.arpa.",
            RecordType::PTR,
            "4.2.0.192.in-addr.arpa. 60 PTR ip-192-0-2-4.example.",
        ),
    ] {
        let reply = server.ask(name, rtype);
        assert_eq!(answers(&reply), [answer]);
        assert!(reply.is_authoritative());
    }
    // What is no record fails, what is not for the name does too, and what falls through goes on.
    for (name, rtype) in [
        ("ip-999-0-2-1.example.", RecordType::A),
        ("x.in-addr.arpa.", RecordType::PTR),
        ("x.example.", RecordType::A),
    ] {
        assert_eq!(server.ask(name, rtype).rcode(), Rcode::SERVFAIL, "{name}");
    }
}

/// If this fails, clients that mix letters to recognise their answers throw these away.
#[test]
fn names_keep_the_letters_of_the_question() {
    let server = server("template IN A {\nanswer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}");
    let request = Request::new(b"\x03WwW\x07eXample\0", RecordType::A);
    let bytes = server.serve_bytes(&request.to_bytes()).unwrap();
    // A pointer to the question stands for the owner.
    assert_eq!(bytes[29..31], [0xc0, 12]);
}

/// If this fails, rules for one zone, type or class answer for others, or queries for any are lost.
#[test]
fn each_rule_is_for_its_zone_type_and_class() {
    let server = server(
        "template IN A a.example {\nrcode REFUSED\n}\n\
         template IN MX a.example {\nrcode NXDOMAIN\n}\n\
         template CH ANY {\nrcode NOTIMP\n}\n\
         template IN ANY b.example {\nrcode NXDOMAIN\nederror 15 \"no b\"\n}",
    );
    let code = |name: &str, rtype| server.ask(name, rtype).rcode();
    assert_eq!(code("x.a.example.", RecordType::A), Rcode::REFUSED);
    assert_eq!(code("x.a.example.", RecordType::ANY), Rcode::REFUSED);
    assert_eq!(code("x.a.example.", RecordType::MX), Rcode::NXDOMAIN);
    assert_eq!(code("x.a.example.", RecordType::TXT), Rcode::SERVFAIL);
    assert_eq!(code("b.example.", RecordType::TXT), Rcode::NXDOMAIN);
    let edns = server
        .ask("b.example.", RecordType::A)
        .edns()
        .cloned()
        .unwrap();
    assert!(edns.options.ends_with(b"\0\x0fno b"));
    let mut request = Request::new(b"\x01x\0", RecordType::TXT);
    request.class = Class::CH;
    assert_eq!(server.serve(&request).unwrap().rcode(), Rcode::NOTIMP);
}

/// If this fails, records stand in other sections than the rule says, or not at all.
#[test]
fn every_section_is_filled() {
    let server = server(
        "template IN MX example {\n\
         answer \"{{ .Name }} 60 IN MX 10 {{ .Name }}\"\n\
         additional \"{{ .Name }} 60 IN A 192.0.2.1\"\n\
         authority \"{{ .Zone }} 60 IN NS ns0.{{ .Zone }}\" \"{{ .Zone }} 60 NS ns1.{{ .Zone }}\"\n}",
    );
    let reply = server.ask("a.example.", RecordType::MX);
    let count = |section| reply.section(section).count();
    assert_eq!(count(Section::Answer), 1);
    assert_eq!(count(Section::Authority), 2);
    assert_eq!(count(Section::Additional), 1);
}

/// If this fails, clients that ask for addresses get aliases alone, or are not told that nothing is
/// behind them.
#[test]
fn aliases_are_followed() {
    let server = server(
        "template IN ANY alias.example {\nanswer \"{{ .Name }} 60 IN CNAME to.example\"\n}\n\
         template IN ANY lost.example {\nanswer \"{{ .Name }} 60 IN CNAME gone.example\"\n}\n\
         template IN ANY loop.example {\nanswer \"{{ .Name }} 60 IN CNAME {{ .Name }}\"\n}\n\
         template IN A to.example {\nanswer \"{{ .Name }} 30 IN A 192.0.2.1\"\n}\n\
         template IN ANY gone.example {\nrcode NXDOMAIN\n}",
    );
    let alias = "alias.example. 60 CNAME to.example.";
    let address = "to.example. 30 A 192.0.2.1";
    let of = |name: &str, rtype| answers(&server.ask(name, rtype));
    assert_eq!(of("alias.example.", RecordType::A), [alias, address]);
    assert_eq!(of("alias.example.", RecordType::TXT), [alias]);
    let lost = server.ask("lost.example.", RecordType::A);
    assert_eq!(lost.rcode(), Rcode::NXDOMAIN);
    assert_eq!(answers(&lost), ["lost.example. 60 CNAME gone.example."]);
    assert_eq!(
        server.ask("loop.example.", RecordType::A).rcode(),
        Rcode::SERVFAIL
    );
}

/// If this fails, rules decide by something else than their conditions say, or lose what these have
/// found.
#[test]
fn conditions_and_variables_know_what_was_found() {
    let server = server(
        "template IN A {\n\
         match ^(?P<host>[a-z]*)-([0-9]*)\\.\n\
         expr int(group('2')) < 10\n\
         expr incidr(client_ip(), '10.0.0.0/8')\n\
         var next int(group('2')) + 1\n\
         var place client_ip() == '10.0.0.1' ? 'first' : 'other'\n\
         answer \"{{ .Var.place }}.{{ .Group.host }}.{{ .Remote }} 60 IN A 192.0.2.{{ .Var.next }}\"\n\
         fallthrough\n}\n\
         template IN ANY {\nrcode NXDOMAIN\n}",
    )
    .from("10.0.0.1");
    let found = answers(&server.ask("web-7.example.", RecordType::A));
    assert_eq!(found, ["first.web.10.0.0.1. 60 A 192.0.2.8"]);
    for name in ["web-10.example.", "web-x.example."] {
        assert_eq!(server.ask(name, RecordType::A).rcode(), Rcode::NXDOMAIN);
    }
}

/// If this fails, labels of other plugins are not there for records.
#[test]
fn labels_are_there() {
    let server = server(
        "view inside {\nexpr true\n}\n\
         template IN TXT {\nanswer \"{{ .Question.Name }} 60 TXT {{ .Meta `view/name` }}{{ .Meta `a/b` }}{{ .Question.Qtype }}{{ .Class }}{{ .Type }}\"\n}",
    );
    let reply = server.ask("a.example.", RecordType::TXT);
    assert_eq!(answers(&reply), ["a.example. 60 TXT \\rinside16INTXT"]);
}

/// If this fails, what `rewrite` makes of the targets and names of records is wrong.
#[test]
fn rewrite_changes_what_records_point_to() {
    let server = server(
        "rewrite continue name suffix .outside.example .inside.example answer auto\n\
         rewrite continue cname exact old.example. new.example.\n\
         rewrite ttl suffix example 5\n\
         template IN SRV inside.example {\nanswer \"{{ .Name }} 60 IN SRV 1 2 3 b.inside.example.\"\n}\n\
         template IN ANY alias.example {\nanswer \"{{ .Name }} 60 IN CNAME old.example.\"\n}\n\
         template IN A old.example {\nanswer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}\n\
         template IN A new.example {\nanswer \"{{ .Name }} 60 IN A 192.0.2.2\"\n}",
    );
    let reply = server.ask("a.outside.example.", RecordType::SRV);
    let record = reply.section(Section::Answer).next().unwrap();
    assert_eq!(record.owner().to_string(), "a.outside.example.");
    assert_eq!(
        record.data(),
        b"\0\x01\0\x02\0\x03\x01b\x07outside\x07example\0"
    );
    assert_eq!(
        answers(&server.ask("alias.example.", RecordType::A)),
        [
            "alias.example. 5 CNAME new.example.",
            "new.example. 5 A 192.0.2.2"
        ]
    );
    assert_eq!(
        answers(&server.ask("alias.example.", RecordType::CNAME)),
        ["alias.example. 5 CNAME new.example."]
    );
}

/// If this fails, mistakes in templates are found out when queries fail.
#[test]
fn mistakes_are_shown_where_they_are() {
    for (directive, message) in [
        ("template IN", "at least 2 arguments"),
        ("template XX A {\nrcode NXDOMAIN\n}", "`XX` is no class"),
        ("template IN XX {\nrcode NXDOMAIN\n}", "`XX` is no type"),
        ("template IN A", "this template has no answer"),
        (
            "template IN A {\nmatch (\nrcode NXDOMAIN\n}",
            "no regular expression",
        ),
        (
            "template IN A {\nrcode NXDOMAN\n}",
            "`NXDOMAN` is no response code",
        ),
        (
            "template IN A {\nrcode NXDOMAIN\nrcode NXDOMAIN\n}",
            "given twice",
        ),
        (
            "template IN A {\nederror x\nrcode NXDOMAIN\n}",
            "not a whole number",
        ),
        ("template IN A {\nanswr a\n}", "did you mean `answer`?"),
        (
            "template IN A {\nexpr name()\nrcode NXDOMAIN\n}",
            "no condition",
        ),
        (
            "template IN A {\nvar a-b 1\nrcode NXDOMAIN\n}",
            "cannot be the name",
        ),
        (
            "template IN A {\nvar a 1\nvar a 2\nrcode NXDOMAIN\n}",
            "there is one already",
        ),
        (
            "template IN A {\nanswer \"{{ .Nam }} A 192.0.2.1\"\n}",
            "^^^^ did you mean `.Name`?",
        ),
        (
            "template IN A {\nmatch (?P<host>.*)\nanswer \"{{ .Group.hos }} A 192.0.2.1\"\n}",
            "did you mean `.Group.host`?",
        ),
        ("template IN A a..b {\nrcode NXDOMAIN\n}", "is not a zone"),
    ] {
        let mistakes = Server::mistakes(directive);
        assert!(mistakes.contains(message), "{directive}:\n{mistakes}");
    }
    let right = "template IN A {\nanswer \"{{ .Name }} A 192.0.2.1\"\nupstream\n}";
    assert_eq!(Server::mistakes(right), "");
}
