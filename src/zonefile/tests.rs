use std::path::Path;

use answer::{Class, Name, RecordType};
use proptest::prelude::*;

use super::{Defaults, Record, Sources, ZoneFileError, parse_record, read, read_text};

fn defaults() -> Defaults {
    Defaults {
        origin: Name::parse("example.").unwrap(),
        ttl: Some(3600),
        class: Class::IN,
    }
}

/// A record as `NAME TTL CLASS TYPE DATA`, the data in hexadecimal digits.
fn shown(record: &Record) -> String {
    let hexadecimal = record.data.as_bytes().iter();
    let data: String = hexadecimal.map(|octet| format!("{octet:02x}")).collect();
    let Record {
        owner,
        ttl,
        class,
        rtype,
        ..
    } = record;
    format!("{owner} {ttl} {class} {rtype} {data}")
}

fn one(text: &str) -> String {
    match parse_record(text, &defaults()) {
        Ok(record) => shown(&record),
        Err(error) => error.to_string(),
    }
}

fn all(text: &str) -> Result<Vec<String>, String> {
    let mut records = Vec::new();
    let origin = Name::parse("example.").unwrap();
    let read = read_text(
        Path::new("db"),
        text.as_bytes(),
        &origin,
        &mut |record, _| {
            records.push(shown(&record));
            Ok(())
        },
    );
    read.map(|()| records).map_err(|error| error.to_string())
}

/// If this fails, zones and templates that CoreDNS reads are read otherwise here.
#[test]
fn a_record_has_its_parts_in_any_usual_order() {
    assert_eq!(one("www A 192.0.2.1"), "www.example. 3600 IN A c0000201");
    assert_eq!(one("WWW 5 IN A 192.0.2.1"), "www.example. 5 IN A c0000201");
    assert_eq!(one("w. in 1h30m a 192.0.2.1"), "w. 5400 IN A c0000201");
    assert_eq!(one("@ CH TXT v"), "example. 3600 CH TXT 0176");
    assert_eq!(
        one("a AAAA 2001:db8::1"),
        "a.example. 3600 IN AAAA 20010db8000000000000000000000001"
    );
    assert_eq!(
        one(r"a\.b A 192.0.2.1"),
        "a\\.b.example. 3600 IN A c0000201"
    );
    assert_eq!(
        one("www CNAME Host"),
        "www.example. 3600 IN CNAME 04486f7374076578616d706c6500"
    );
    assert_eq!(
        one("@ MX (\n 10 ; preference\n mail.test. )\n"),
        "example. 3600 IN MX 000a046d61696c047465737400"
    );
}

/// If this fails, text of TXT records is cut, joined or unescaped wrongly.
#[test]
fn quotes_and_escapes_are_kept_apart() {
    assert_eq!(
        one(r#"t TXT "a b" c "" "\"\065;""#),
        "t.example. 3600 IN TXT 036120620163000322413b"
    );
    assert_eq!(one("t TXT \"é\""), "t.example. 3600 IN TXT 02c3a9");
    assert_eq!(
        one(r#"h HTTPS 1 . alpn="h2,h3" port=8443"#),
        "h.example. 3600 IN HTTPS 00010000010006026832026833000300022\
         0fb"
    );
    assert!(one("t TXT \"a").contains("a quote is not closed"));
    assert!(one("t TXT (a").contains("a parenthesis is not closed"));
    assert!(one("t TXT a)").contains("without an opening one"));
    assert!(one("t TXT a\\").contains("a backslash stands at the end"));
}

/// If this fails, types that have no name here cannot be served (RFC 3597 §5).
#[test]
fn any_type_can_be_written_as_octets() {
    assert_eq!(
        one(r"a TYPE65280 \# 3 ab cd ef"),
        "a.example. 3600 IN TYPE65280 abcdef"
    );
    assert_eq!(one(r"a A \# 4 c0000201"), "a.example. 3600 IN A c0000201");
    assert_eq!(
        one("a SPF \"v=spf1\""),
        "a.example. 3600 IN TYPE99 06763d73706631"
    );
    assert!(one(r"a TYPE65280 \# 4 abcdef").contains("incorrect length"));
    assert!(one("a TYPE65280 abcdef").contains(r"write \# LENGTH HEXADECIMAL"));
}

/// If this fails, someone who mistypes a record is not told what is wrong with it.
#[test]
fn mistakes_are_told() {
    for (text, reason) in [
        ("", "there is no record"),
        ("; nothing", "there is no record"),
        (" A 192.0.2.1", "the name is missing"),
        ("a", "the record's type is missing"),
        ("a IN 5", "the record's type is missing"),
        ("a A 192.0.2", "\"192.0.2\" is no IPv4 address"),
        ("a AAAA 192.0.2.1", "is no IPv6 address"),
        ("a ABC 1", "\"ABC\" is no record type"),
        ("a ANY 1", "ANY is not a type of records"),
        ("a 1x A 192.0.2.1", "\"1x\" is no time to live"),
        ("a 99999999999 A 192.0.2.1", "is no time to live"),
        ("a..b A 192.0.2.1", "empty label"),
        ("a MX mail", "MX: "),
        ("a CNAME", "CNAME: "),
        ("a CNAME b c", "CNAME: trailing tokens"),
        ("a A 192.0.2.1\nb A 192.0.2.2", "more than one record"),
    ] {
        let shown = one(text);
        assert!(shown.contains(reason), "{text:?}: {shown}");
    }
    let long = format!("{}a A 192.0.2.1", "a.".repeat(124));
    assert!(one(&long).contains("with the origin example. behind it"));
    let without = Defaults {
        ttl: None,
        ..defaults()
    };
    let error = parse_record("a A 192.0.2.1", &without).unwrap_err();
    assert!(error.to_string().contains("no time to live"));
}

const SOA: &str = "@ IN SOA ns host ( 1 2h 30m 1w 5m )\n";

/// If this fails, a zone file as people write them gives other records than it says.
#[test]
fn a_file_has_directives_and_repeats_owners() {
    let text = format!(
        "{SOA}\n\tNS ns ; the same owner\n$ORIGIN sub\nwww 60 A 192.0.2.1\n  A 192.0.2.2\n\
         $ttl 1d\n$ORIGIN other.\nx A 192.0.2.3\n"
    );
    let soa = "026e73076578616d706c650004686f7374076578616d706c6500";
    assert_eq!(
        all(&text).unwrap(),
        [
            &format!("example. 300 IN SOA {soa}0000000100001c200000070800093a800000012c"),
            "example. 300 IN NS 026e73076578616d706c6500",
            "www.sub.example. 60 IN A c0000201",
            "www.sub.example. 60 IN A c0000202",
            "x.other. 86400 IN A c0000203",
        ]
    );
    assert_eq!(
        all("a 7 A 192.0.2.1").unwrap(),
        ["a.example. 7 IN A c0000201"],
        "a last line without a line feed"
    );
    assert_eq!(all("\r\n; c\r\n \t\r\n").unwrap(), [""; 0]);
}

/// If this fails, an editor of a zone file is sent to the wrong line.
#[test]
fn mistakes_in_files_have_their_line() {
    for (text, place) in [
        ("\n\na A 192.0.2.1\n", "db:3: no time to live"),
        ("a 1 TXT (\n b\n c\nb 1 A 1\n", "db:1: a parenthesis is not"),
        ("a 1 TXT (\n b\n\"c\n", "db:3: a quote is not"),
        ("a 1 MX (\n x\n b )\n", "db:1: MX: "),
        (" 1 A 192.0.2.1", "db:1: the line begins with a blank"),
        (
            "$GENERATE 1-2 a A 192.0.2.$",
            "db:1: $GENERATE is not known",
        ),
        ("$TTL x", "db:1: \"x\" is no time"),
        ("$ORIGIN", "db:1: $ORIGIN takes one name"),
        ("$INCLUDE other", "db:1: files cannot be included"),
        ("a 1 CH A 192.0.2.1", "db:1: class CH"),
    ] {
        let error = all(text).unwrap_err();
        assert!(error.starts_with(place), "{text:?}: {error}");
    }
}

fn read_file(path: &Path) -> Result<Vec<String>, ZoneFileError> {
    let mut records = Vec::new();
    let origin = Name::parse("example.").unwrap();
    read(path, &origin, &mut Sources::default(), &mut |record, _| {
        records.push(shown(&record));
        Ok(())
    })?;
    Ok(records)
}

/// If this fails, a zone that is spread over files loses records, or its includes never end.
#[test]
fn files_include_files_of_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "main",
        "$TTL 9\na A 192.0.2.1\n$INCLUDE part sub\n  A 192.0.2.3\n",
    );
    write("part", "b A 192.0.2.2\n");
    assert_eq!(
        read_file(&main).unwrap(),
        [
            "a.example. 9 IN A c0000201",
            "b.sub.example. 9 IN A c0000202",
            "a.example. 9 IN A c0000203",
        ]
    );
    write("part", "\nb A x\n");
    let error = read_file(&main).unwrap_err();
    assert_eq!((error.file, error.line), (folder.path().join("part"), 2));
    write("part", "$INCLUDE nowhere\n");
    let error = read_file(&main).unwrap_err();
    assert_eq!(error.line, 1);
    assert!(error.reason.contains("nowhere: no such file"), "{error}");
    write("part", "$INCLUDE part\n");
    let error = read_file(&main).unwrap_err();
    assert!(error.reason.contains("too many files"), "{error}");
    let error = read_file(folder.path()).unwrap_err();
    assert!(error.to_string().contains("this is no file"), "{error}");
}

proptest! {
    // Templates put text from queries into records: none may stop the server.
    #[test]
    fn no_record_panics(text in ".{0,80}", rtype in "(TXT|HTTPS|MX|NAPTR|CAA|NSEC|TYPE9)") {
        let _ = parse_record(&text, &defaults());
        let _ = parse_record(&format!("a {rtype} {text}"), &defaults());
    }

    // A label from a query comes back as it was, whatever octets it has.
    #[test]
    fn names_and_text_survive(octets in prop::collection::vec(any::<u8>(), 1..60)) {
        let name = Name::root().prepend(&octets).unwrap();
        let text = format!("{name} TXT \"{}\"", octets.iter().map(|octet| format!("\\{octet:03}")).collect::<String>());
        let record = parse_record(&text, &defaults()).unwrap();
        prop_assert_eq!(&record.owner, &name);
        prop_assert_eq!(record.data.as_bytes().get(1..).unwrap(), octets.as_slice());
        prop_assert_eq!(record.rtype, RecordType::TXT);
    }
}

/// If this fails, a zone is not read again when a file of it has changed, or at every look.
#[test]
fn files_that_have_changed_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (main, part) = (folder.path().join("main"), folder.path().join("part"));
    std::fs::write(&main, "$INCLUDE part\n").unwrap();
    let origin = Name::root();
    let sources = || {
        let mut sources = Sources::default();
        let _ = read(&main, &origin, &mut sources, &mut |_, _| Ok(()));
        sources
    };
    let missing = sources();
    assert!(!missing.have_changed());
    std::fs::write(&part, "a 1 A 192.0.2.1\n").unwrap();
    assert!(missing.have_changed());
    let whole = sources();
    assert!(!whole.have_changed());
    std::fs::write(&part, "a 1 A 192.0.2.12\n").unwrap();
    assert!(whole.have_changed());
}
