//! The directive as its users write it, asked as clients ask.

use std::fs;
use std::time::{Duration, Instant};

use answer::{Rcode, RecordType};
use tempfile::TempDir;

use crate::plugins::harness::{Server, answers};

const ZONE: &str = "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nwww A 192.0.2.1\n";

fn with_files(files: &[(&str, &str)], directive: &str) -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let path = folder.path().display().to_string();
    let server = Server::block(&directive.replace("FOLDER", &path));
    (folder, server)
}

/// What a name is answered: its address, or the code.
fn told(server: &Server, name: &str) -> String {
    let reply = server.ask(name, RecordType::A);
    let answers = answers(&reply);
    match answers.first() {
        Some(line) => line.rsplit(' ').next().unwrap().to_owned(),
        None => reply.rcode().to_string(),
    }
}

/// If this fails, files of the folder are not the zones that their names say.
#[test]
fn the_name_of_a_file_is_that_of_its_zone() {
    let (_folder, server) = with_files(
        &[
            ("db.example.org", ZONE),
            ("deep/er/db.example.net", ZONE),
            ("db.elsewhere.test", ZONE),
            ("db.broken.org", "www A x\n"),
            ("db.example.org.bak~/notes", "no zone"),
            ("README", "no zone"),
        ],
        "auto org net {\n directory FOLDER\n}",
    );
    for (name, expected) in [
        ("www.example.org.", "192.0.2.1"),
        ("x.example.org.", "NXDOMAIN"),
        ("www.example.net.", "192.0.2.1"),
        ("www.broken.org.", "SERVFAIL"),
        ("www.elsewhere.test.", "REFUSED"),
        ("www.org.", "REFUSED"),
    ] {
        assert_eq!(told(&server, name), expected, "{name}");
    }
    let (_folder, server) = with_files(
        &[("org-example.zone", ZONE), ("db.example.org", ZONE)],
        r"auto {
            directory FOLDER (.*)-(.*)\.zone {2}.{1} 30
        }",
    );
    assert_eq!(told(&server, "www.example.org."), "192.0.2.1");
}

fn until(server: &Server, name: &str, expected: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while told(server, name) != expected {
        assert!(Instant::now() < end, "{name}: {}", told(server, name));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// If this fails, zones do not come, change and go with their files.
#[test]
fn zones_come_and_go_with_their_files() {
    let (folder, server) = with_files(
        &[("db.a.org", ZONE), ("db.b.org", ZONE)],
        "auto {\n directory FOLDER\n reload 100ms\n}",
    );
    let changed = ZONE
        .replace("host 1", "host 2")
        .replace("192.0.2.1\n", "192.0.2.2\n");
    let write = |name: &str, text: &str| {
        let new = folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, folder.path().join(name)).unwrap();
    };
    write("db.c.org", ZONE);
    until(&server, "www.c.org.", "192.0.2.1");
    write("db.a.org", &changed);
    until(&server, "www.a.org.", "192.0.2.2");
    write("db.a.org", "www A x\n");
    fs::remove_file(folder.path().join("db.b.org")).unwrap();
    until(&server, "www.b.org.", "REFUSED");
    assert_eq!(
        told(&server, "www.a.org."),
        "192.0.2.2",
        "what was right stays"
    );
    fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(
        server.ask("www.a.org.", RecordType::A).rcode(),
        Rcode::NOERROR
    );
}

/// If this fails, whoever mistypes the directive is not told, or not where.
#[test]
fn mistakes_are_shown() {
    for (lines, mistake) in [
        ("auto", "auto has no folder"),
        ("auto {\n directory\n}", "1 to 4 arguments"),
        (
            "auto {\n directory /tmp (a b\n}",
            "is no regular expression",
        ),
        ("auto {\n directory /tmp soon\n}", "is no time"),
        (
            "auto {\n directory /tmp\n relod 5s\n}",
            "did you mean `reload`?",
        ),
        ("auto {\n directory /tmp\n directory /tmp\n}", "given twice"),
    ] {
        let shown = Server::mistakes(lines);
        assert!(shown.contains(mistake), "{lines}: {shown}");
    }
    assert_eq!(
        Server::mistakes("auto a b {\n directory /tmp (.*) {1}\n upstream\n}"),
        ""
    );
}
