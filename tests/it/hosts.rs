//! `hosts`, in the program itself.

use std::fs;

use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{ask, ask_until};

const COREFILE: &str = "\
.:{port} {
    root {folder}
    bind 127.0.0.1
    hosts names.hosts {
        10.0.0.9 fixed.example
        reload 100ms
    }
}
";

/// If this fails, a relative path is looked for elsewhere than in `root`, a file that comes later
/// is never read, or one that goes away takes its names with it.
#[test]
fn a_file_that_comes_changes_and_goes_is_followed() {
    let place = Place::new();
    place.write("Corefile", COREFILE);
    let server = Callsign::start_in(place, &[]);
    let address = server.address();
    server.says("hosts: cannot read");
    let fixed = ask(address, "fixed.example", "A");
    assert_eq!(fixed.answer, ["fixed.example. 3600 IN A 10.0.0.9"]);
    assert_eq!(ask(address, "new.example", "A").rcode, 2);

    let path = server
        .place()
        .write("names.hosts", "10.0.0.1 new.example\n");
    let has = |expected: &str| {
        let expected = format!("new.example. 3600 IN A {expected}");
        ask_until(address, "new.example", "A", |it| it.answer == [&*expected]);
    };
    has("10.0.0.1");
    // As editors and deployments do it: another file under the same name, of the same size.
    let next = server.place().write("next", "10.0.0.2 new.example\n");
    fs::rename(next, &path).expect("a file can be renamed");
    has("10.0.0.2");
    fs::remove_file(&path).expect("a file can go");
    server.says("its last content stays in use");
    has("10.0.0.2");
    let back = ask(address, "2.0.0.10.in-addr.arpa", "PTR");
    assert_eq!(
        back.answer,
        ["2.0.0.10.in-addr.arpa. 3600 IN PTR new.example."]
    );
}
