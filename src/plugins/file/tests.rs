//! The directive as its users write it, asked as clients ask.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use answer::{Message, Rcode, RecordType, Section};
use tempfile::TempDir;

use crate::plugins::harness::{Server, answers};

const ZONE: &str = "\
$TTL 60
@ SOA ns host 1 2 3 4 30
  NS ns
ns A 192.0.2.53
www A 192.0.2.1
alias CNAME www
away CNAME www.other.
gone CNAME missing.other.
lost CNAME www.nobody.
slow CNAME a.slow.
*.away CNAME www.other.
";

const OTHER: &str = "$TTL 5\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nwww A 192.0.2.9\n";

/// A folder with these files, and a Corefile in which `FOLDER` stands for it.
fn with_files(files: &[(&str, &str)], corefile: &str) -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().display().to_string();
    let server = Server::corefile(&corefile.replace("FOLDER", &path));
    (folder, server)
}

fn authority(message: &Message) -> Vec<String> {
    let records = message.section(Section::Authority);
    records
        .map(|record| format!("{} {} {}", record.owner(), record.ttl, record.rtype))
        .collect()
}

/// If this fails, a zone file gives other answers than it has.
#[test]
fn a_zone_is_answered_from_its_file() {
    let (_folder, server) = with_files(
        &[("db", ZONE)],
        "example:53 {\n file FOLDER/db\n}\n.:53 {\n whoami\n}",
    );
    let reply = server.ask("WWW.example.", RecordType::A);
    assert_eq!(answers(&reply), ["www.example. 60 A 192.0.2.1"]);
    assert_eq!(authority(&reply), ["example. 60 NS"]);
    assert_eq!(reply.section(Section::Additional).count(), 1, "glue");
    assert!(reply.is_authoritative());
    let reply = server.ask("alias.example.", RecordType::A);
    assert_eq!(answers(&reply).len(), 2);
    for (name, rcode) in [
        ("x.example.", Rcode::NXDOMAIN),
        ("www.example.", Rcode::NOERROR),
    ] {
        let reply = server.ask(name, RecordType::TXT);
        assert_eq!(reply.rcode(), rcode);
        assert_eq!(
            authority(&reply),
            ["example. 30 SOA"],
            "the lesser of TTL and minimum"
        );
    }
}

/// If this fails, names outside of the zones of the directive are answered as failures, or those
/// behind it never get them.
#[test]
fn names_of_no_zone_are_refused_or_go_on() {
    let (_folder, server) = with_files(&[("db", ZONE)], ".:53 {\n file FOLDER/db example\n}");
    assert_eq!(server.ask("x.test.", RecordType::A).rcode(), Rcode::REFUSED);
    let (_folder, server) = with_files(
        &[("db", ZONE)],
        ".:53 {\n file FOLDER/db example {\n fallthrough a.example\n }\n whoami\n}",
    );
    let whoami = |name: &str| {
        server
            .ask(name, RecordType::TXT)
            .section(Section::Additional)
            .count()
            == 2
    };
    assert!(whoami("x.test.") && whoami("x.a.example."));
    assert_eq!(
        server.ask("x.example.", RecordType::A).rcode(),
        Rcode::NXDOMAIN
    );
    assert!(!whoami("www.example."), "a name that exists stays here");
}

/// If this fails, clients that know no recursion are left with half a way to the address.
#[test]
fn aliases_lead_on_into_what_this_server_has() {
    let (_folder, server) = with_files(
        &[("db", ZONE), ("other", OTHER)],
        "example:53 {\n file FOLDER/db\n}\nother:53 {\n file FOLDER/other\n}\n\
         slow:53 {\n erratic {\n delay 1 20ms\n drop 0\n truncate 0\n }\n}",
    );
    let reply = server.ask("away.example.", RecordType::A);
    assert_eq!(
        answers(&reply),
        [
            "away.example. 60 CNAME www.other.",
            "www.other. 5 A 192.0.2.9"
        ]
    );
    let reply = server.ask("gone.example.", RecordType::A);
    assert_eq!(reply.rcode(), Rcode::NXDOMAIN);
    assert_eq!(answers(&reply), ["gone.example. 60 CNAME missing.other."]);
    assert_eq!(authority(&reply), ["other. 5 SOA"]);
    let reply = server.ask("lost.example.", RecordType::A);
    assert_eq!((reply.rcode(), answers(&reply).len()), (Rcode::NOERROR, 1));
    let reply = server.ask("slow.example.", RecordType::A);
    assert_eq!(
        answers(&reply).len(),
        2,
        "after a while: {:?}",
        answers(&reply)
    );
    let reply = server.ask("away.example.", RecordType::CNAME);
    assert_eq!(answers(&reply).len(), 1);
}

/// If this fails, whoever asks for a whole zone takes it for an empty one.
#[test]
fn transfers_are_refused() {
    let (_folder, server) = with_files(&[("db", ZONE)], "example:53 {\n file FOLDER/db\n}");
    for rtype in [RecordType::AXFR, RecordType::IXFR] {
        let reply = server.ask("example.", rtype);
        assert_eq!(reply.rcode(), Rcode::REFUSED);
        assert_eq!(authority(&reply).len(), 0);
    }
}

/// Waits until a name has this address.
fn until(server: &Server, name: &str, address: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = server.ask(name, RecordType::A);
        if answers(&reply).iter().any(|line| line.ends_with(address)) {
            return;
        }
        assert!(Instant::now() < end, "{:?}", answers(&reply));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let new = folder.join("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, folder.join(name)).unwrap();
}

/// If this fails, changes of a zone file are not served, or broken ones take the zone away.
#[test]
fn a_file_is_read_again_when_its_serial_number_has_changed() {
    let (folder, server) = with_files(
        &[("db", ZONE), ("second", ZONE)],
        ".:53 {\n file FOLDER/db example {\n reload 100ms\n }\n \
         file FOLDER/second second {\n reload 100ms\n reload_by_mtime\n }\n \
         file FOLDER/late late {\n reload 100ms\n }\n}",
    );
    assert_eq!(
        server.ask("www.late.", RecordType::A).rcode(),
        Rcode::SERVFAIL
    );
    let changed = ZONE.replace("192.0.2.1\n", "192.0.2.2\n");
    // Neither a broken file nor one with the same number changes the zone: the other zones show
    // when all have been looked at.
    write(folder.path(), "db", "www A\n");
    write(folder.path(), "second", &changed);
    until(&server, "www.second.", "192.0.2.2");
    write(folder.path(), "db", &changed);
    write(folder.path(), "late", ZONE);
    until(&server, "www.late.", "192.0.2.1");
    until(&server, "www.example.", "192.0.2.1");
    write(folder.path(), "db", &changed.replace("host 1", "host 2"));
    until(&server, "www.example.", "192.0.2.2");
}

/// If this fails, whoever mistypes the directive is not told, or not where.
#[test]
fn mistakes_are_shown() {
    for (lines, mistake) in [
        ("file", "at least one argument"),
        ("file db {\n reload 5\n}", "duration"),
        ("file db {\n relaod 5s\n}", "did you mean `reload`?"),
        ("file db {\n reload 5s\n reload 6s\n}", "given twice"),
        ("file db {\n reload_by_mtime now\n}", "no arguments"),
        (
            "file db a\nfile db2 b a",
            "the zone a. is given a second file",
        ),
        ("file db a..b", "a..b"),
    ] {
        let shown = Server::mistakes(lines);
        assert!(shown.contains(mistake), "{lines}: {shown}");
    }
    assert_eq!(
        Server::mistakes("file db a b {\n upstream 8.8.8.8\n fallthrough\n}"),
        ""
    );
}
