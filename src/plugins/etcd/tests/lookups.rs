//! What each type of question gets.

use ::answer::{Rcode, RecordType, Section};

use super::*;

const SERVICES: &[(&str, &str)] = &[
    (
        "/local/skydns/east/staging/rails/1",
        r#"{"host":"10.0.0.1","port":8080}"#,
    ),
    (
        "/local/skydns/east/staging/rails/2",
        r#"{"host":"10.0.0.2","port":8080,"ttl":60}"#,
    ),
    (
        "/local/skydns/east/prod/rails/1",
        r#"{"host":"2001:db8::1","port":9090,"priority":20}"#,
    ),
    (
        "/local/skydns/west/prod/rails/1",
        r#"{"host":"10.0.1.1","port":9090,"weight":300}"#,
    ),
    (
        "/local/skydns/west/prod/rails/2",
        r#"{"host":"10.0.1.1","port":9090}"#,
    ),
    (
        "/local/skydns/web",
        r#"{"host":"www.example.org","port":443}"#,
    ),
    (
        "/local/skydns/alias",
        r#"{"host":"staging.east.skydns.local"}"#,
    ),
    (
        "/local/skydns/dangling",
        r#"{"host":"nobody.skydns.local"}"#,
    ),
    ("/local/skydns/loop/a", r#"{"host":"b.loop.skydns.local"}"#),
    ("/local/skydns/loop/b", r#"{"host":"a.loop.skydns.local"}"#),
    (
        "/local/skydns/itself",
        r#"{"host":"x.itself.skydns.local"}"#,
    ),
    (
        "/local/skydns/mail/a",
        r#"{"host":"10.0.2.1","mail":true,"priority":5}"#,
    ),
    (
        "/local/skydns/mail/b",
        r#"{"host":"east.skydns.local","mail":true}"#,
    ),
    ("/local/skydns/mail/c", r#"{"host":"10.0.2.9"}"#),
    ("/local/skydns/text", r#"{"text":"hello"}"#),
];

/// If this fails, names do not have the addresses that CoreDNS gives them: all those below, or
/// their own.
#[test]
fn a_name_has_the_addresses_below_it() {
    let server = server(SERVICES);
    let reply = server.ask("staging.east.skydns.local.", RecordType::A);
    assert_eq!(
        answers(&reply),
        [
            "staging.east.skydns.local. 300 A 10.0.0.1",
            "staging.east.skydns.local. 60 A 10.0.0.2"
        ]
    );
    assert!(reply.is_authoritative());
    assert_eq!(section(&reply, Section::Authority), [""; 0]);
    let one = server.ask("2.rails.staging.east.skydns.local.", RecordType::A);
    assert_eq!(answers(&one).len(), 1);
    // Of equal addresses one is told.
    let west = server.ask("west.skydns.local.", RecordType::A);
    assert_eq!(answers(&west), ["west.skydns.local. 300 A 10.0.1.1"]);
    let six = server.ask("prod.east.skydns.local.", RecordType::AAAA);
    assert_eq!(answers(&six).len(), 1);
}

/// If this fails, clients that ask for what a name does not have believe that it is not there, or
/// the other way round.
#[test]
fn what_is_not_there_is_told_apart() {
    let server = server(SERVICES);
    for (name, rtype, rcode) in [
        (
            "staging.east.skydns.local.",
            RecordType::AAAA,
            Rcode::NOERROR,
        ),
        ("east.skydns.local.", RecordType(65), Rcode::NOERROR),
        ("east.skydns.local.", RecordType::CNAME, Rcode::NOERROR),
        ("dangling.skydns.local.", RecordType::A, Rcode::NOERROR),
        ("a.loop.skydns.local.", RecordType::A, Rcode::NOERROR),
        ("itself.skydns.local.", RecordType::A, Rcode::NOERROR),
        ("text.skydns.local.", RecordType::A, Rcode::NOERROR),
        ("x.skydns.local.", RecordType::NS, Rcode::NXDOMAIN),
        ("nobody.skydns.local.", RecordType::A, Rcode::NXDOMAIN),
        ("nobody.skydns.local.", RecordType::PTR, Rcode::NXDOMAIN),
        ("below.web.skydns.local.", RecordType::SRV, Rcode::NXDOMAIN),
    ] {
        let reply = server.ask(name, rtype);
        assert_eq!(reply.rcode(), rcode, "{name} {rtype}");
        assert_eq!(answers(&reply), [""; 0], "{name} {rtype}");
        assert!(reply.is_authoritative());
        let authority = section(&reply, Section::Authority);
        assert_eq!(authority, ["skydns.local. 30 SOA ..."], "{name} {rtype}");
    }
    let apex = server.ask("other.local.", RecordType::A);
    assert_eq!(apex.rcode(), Rcode::NOERROR, "a zone exists");
}

/// If this fails, aliases of external-dns and SkyDNS lead nowhere.
#[test]
fn aliases_are_followed_here_and_elsewhere() {
    let server = server(SERVICES);
    let inside = server.ask("alias.skydns.local.", RecordType::A);
    assert_eq!(
        answers(&inside),
        [
            "alias.skydns.local. 300 CNAME staging.east.skydns.local.",
            "staging.east.skydns.local. 300 A 10.0.0.1",
            "staging.east.skydns.local. 60 A 10.0.0.2"
        ]
    );
    let outside = server.ask("web.skydns.local.", RecordType::AAAA);
    assert_eq!(
        answers(&outside),
        [
            "web.skydns.local. 300 CNAME www.example.org.",
            "www.example.org. 3600 AAAA 2001:db8::80"
        ]
    );
    let only = server.ask("web.skydns.local.", RecordType::CNAME);
    assert_eq!(
        answers(&only),
        ["web.skydns.local. 300 CNAME www.example.org."]
    );
}

/// If this fails, service discovery with SRV finds other ports, weights or hosts than with CoreDNS.
#[test]
fn services_have_weights_in_hundredths_and_addresses() {
    let server = server(SERVICES).over_tcp();
    let west = server.ask("west.skydns.local.", RecordType::SRV);
    assert_eq!(
        answers(&west),
        [
            "west.skydns.local. 300 SRV 10 75 9090 1.rails.prod.west.skydns.local.",
            "west.skydns.local. 300 SRV 10 25 9090 2.rails.prod.west.skydns.local."
        ]
    );
    assert_eq!(
        additional(&west),
        [
            "1.rails.prod.west.skydns.local. 300 A 10.0.1.1",
            "2.rails.prod.west.skydns.local. 300 A 10.0.1.1"
        ]
    );
    let web = server.ask("web.skydns.local.", RecordType::SRV);
    assert_eq!(
        answers(&web),
        ["web.skydns.local. 300 SRV 10 100 443 www.example.org."]
    );
    assert_eq!(additional(&web).len(), 2);
    let east = server.ask("east.skydns.local.", RecordType::SRV);
    let priorities: Vec<_> = answers(&east)
        .iter()
        .map(|it| it.contains("SRV 20 100"))
        .collect();
    assert_eq!(priorities, [true, false, false]);
}

/// If this fails, mail goes nowhere.
#[test]
fn mail_hosts_are_those_that_say_so() {
    let server = server(SERVICES).over_tcp();
    let mail = server.ask("mail.skydns.local.", RecordType::MX);
    assert_eq!(
        answers(&mail),
        [
            "mail.skydns.local. 300 MX 5 a.mail.skydns.local.",
            "mail.skydns.local. 300 MX 10 east.skydns.local."
        ]
    );
    assert_eq!(
        additional(&mail),
        [
            "a.mail.skydns.local. 300 A 10.0.2.1",
            "east.skydns.local. 300 A 10.0.0.1",
            "east.skydns.local. 60 A 10.0.0.2",
            "east.skydns.local. 300 AAAA 2001:db8::1"
        ]
    );
}

/// If this fails, a question with an asterisk or `any` finds other services than with SkyDNS.
#[test]
fn wildcards_in_a_question_stand_for_any_label() {
    let server = server(SERVICES);
    for (name, count) in [
        ("rails.*.east.skydns.local.", 2),
        ("1.rails.any.*.skydns.local.", 2),
        ("*.skydns.local.", 5),
        ("2.*.*.west.skydns.local.", 1),
    ] {
        let reply = server.ask(name, RecordType::A);
        let own = |it: &&String| it.starts_with(name) && it.contains(" A 10.");
        let addresses = answers(&reply).iter().filter(own).count();
        assert_eq!(addresses, count, "{name}: {:?}", answers(&reply));
    }
    let none = server.ask("python.*.east.skydns.local.", RecordType::A);
    assert_eq!(none.rcode(), Rcode::NOERROR);
    let above = server.ask("x.*.nowhere.skydns.local.", RecordType::A);
    assert_eq!(above.rcode(), Rcode::NXDOMAIN);
}

/// If this fails, services that were grouped apart are mixed.
#[test]
fn groups_keep_services_apart() {
    let server = server(&[
        ("/local/skydns/dom/a", r#"{"host":"10.0.0.1","group":"g1"}"#),
        ("/local/skydns/dom/b", r#"{"host":"10.0.0.2","group":"g1"}"#),
        (
            "/local/skydns/dom/sub/c",
            r#"{"host":"10.0.0.3","group":"g2"}"#,
        ),
        ("/local/skydns/dom/sub/d", r#"{"host":"10.0.0.4"}"#),
        (
            "/local/skydns/dom2/a",
            r#"{"host":"10.0.1.1","group":"g1"}"#,
        ),
        (
            "/local/skydns/dom2/b",
            r#"{"host":"10.0.1.2","group":"g2"}"#,
        ),
    ]);
    let addresses = |name: &str| {
        let reply = server.ask(name, RecordType::A);
        let answers = answers(&reply);
        let last = |answer: &String| answer.rsplit('.').next().unwrap().to_owned();
        answers.iter().map(last).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(addresses("dom.skydns.local."), "1 2 4");
    assert_eq!(addresses("sub.dom.skydns.local."), "3 4");
    assert_eq!(addresses("dom2.skydns.local."), "1 2", "they disagree");
}

/// If this fails, external-dns's records do not work as it writes them: one key per target with a
/// random last part, `targetstrip`, and the owner in `text`.
#[test]
fn what_external_dns_writes_is_answered() {
    let owner = r#"\"heritage=external-dns,external-dns/owner=me\""#;
    let a = format!(r#"{{"host":"10.0.0.7","ttl":180,"text":"{owner}","targetstrip":1}}"#);
    let b = format!(r#"{{"host":"lb.example.net","text":"{owner}","targetstrip":0}}"#);
    let c = format!(r#"{{"text":"{owner}","targetstrip":1}}"#);
    let server = server(&[
        ("/local/skydns/nginx/4b1a2c3d", &a),
        ("/local/skydns/app", &b),
        ("/local/skydns/a-nginx/5e6f7a8b", &c),
    ]);
    let nginx = server.ask("nginx.skydns.local.", RecordType::A);
    assert_eq!(answers(&nginx), ["nginx.skydns.local. 180 A 10.0.0.7"]);
    let srv = server.ask("nginx.skydns.local.", RecordType::SRV);
    assert_eq!(
        answers(&srv),
        ["nginx.skydns.local. 180 SRV 10 100 0 nginx.skydns.local."]
    );
    for name in ["nginx", "a-nginx", "app"] {
        let text = server.ask(&format!("{name}.skydns.local."), RecordType::TXT);
        assert_eq!(answers(&text).len(), 1, "{name}");
        assert!(
            answers(&text)[0].contains("heritage=external-dns"),
            "{name}"
        );
    }
    let app = server.ask("app.skydns.local.", RecordType::CNAME);
    assert_eq!(
        answers(&app),
        ["app.skydns.local. 300 CNAME lb.example.net."]
    );
}

/// If this fails, the zone itself has no addresses or no name servers.
#[test]
fn the_zone_itself_has_places_of_its_own() {
    let server = server(&[
        ("/local/skydns/dns/ns/ns1", r#"{"host":"10.0.0.53"}"#),
        ("/local/skydns/dns/ns/ns2", r#"{"host":"2001:db8::53"}"#),
        ("/local/skydns/dns/apex", r#"{"host":"10.0.0.80"}"#),
        ("/local/skydns/a", r#"{"host":"10.0.0.1"}"#),
        ("/local/other/a", r#"{"host":"10.9.0.1"}"#),
        ("/local/other/b/c", r#"{"host":"10.9.0.2"}"#),
    ]);
    let apex = server.ask("skydns.local.", RecordType::A);
    assert_eq!(answers(&apex), ["skydns.local. 300 A 10.0.0.80"]);
    let all = server.ask("other.local.", RecordType::A);
    assert_eq!(answers(&all).len(), 2);
    let servers = server.ask("skydns.local.", RecordType::NS);
    assert_eq!(
        answers(&servers),
        [
            "skydns.local. 300 NS ns1.ns.dns.skydns.local.",
            "skydns.local. 300 NS ns2.ns.dns.skydns.local."
        ]
    );
    assert_eq!(additional(&servers).len(), 2);
    let soa = server.ask("skydns.local.", RecordType::SOA);
    let record = soa.records().next().unwrap();
    let expected = b"\x02ns\x03dns\x06skydns\x05local\0\x0ahostmaster\x06skydns\x05local\0";
    assert!(record.data().starts_with(expected));
    assert_eq!(record.owner().to_string(), "skydns.local.");
    assert_eq!(
        server.ask("other.local.", RecordType::NS).rcode(),
        Rcode::NOERROR
    );
}

/// If this fails, addresses do not lead back to names.
#[test]
fn addresses_lead_back_to_names() {
    let values = [
        ("/arpa/in-addr/10/0/0/1", r#"{"host":"one.skydns.local"}"#),
        ("/arpa/in-addr/10/0/0/2/a", r#"{"host":"two.skydns.local"}"#),
    ];
    let mut plugin = etcd(&values, "");
    let mut found = corefile::Diagnostics::new();
    let block = crate::plugins::BlockDraft::default();
    let mut sources = corefile::Sources::new();
    let environment = &corefile::ProcessEnvironment;
    let file = corefile::parse(
        &mut sources,
        "",
        "".as_ref(),
        "x\nl 10.0.0.0/8",
        environment,
    );
    let words = file.unwrap().blocks[0].directives[0].arguments.clone();
    Arc::get_mut(&mut plugin.served).unwrap().zones = Zones::read(&words, &block, &mut found);
    let server = elsewhere().and_zone("arpa.", vec![Box::new(plugin)]);
    let back = server.ask("1.0.0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(
        answers(&back),
        ["1.0.0.10.in-addr.arpa. 300 PTR one.skydns.local."]
    );
    // What stands below a name is not its own.
    let below = server.ask("2.0.0.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!((below.rcode(), answers(&below).len()), (Rcode::NOERROR, 0));
}
