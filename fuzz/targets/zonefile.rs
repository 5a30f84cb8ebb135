//! Any text as a zone file: no panic, and whatever is read has a place in a zone or is named.

#![no_main]

use std::path::Path;

use answer::{Class, Name};
use callsign::zonefile::{Defaults, parse_record, read_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let origin = Name::root();
    let _ = read_text(Path::new("fuzz"), text, &origin, &mut |record, _| {
        assert!(record.rtype.is_data());
        assert!(record.ttl <= answer::MAX_TTL);
        Ok(())
    });
    if let Ok(text) = std::str::from_utf8(text) {
        let defaults = Defaults {
            origin,
            ttl: Some(5),
            class: Class::IN,
        };
        let _ = parse_record(text, &defaults);
    }
});
