//! Any value under a store's key: no panic, and what is read can be written and read again.

#![no_main]

use callsign::identity::record::{RECORD_LIMIT, Record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let Ok(record) = Record::parse(value) else { return };
    assert!(record.addresses().count() <= value.len());
    let written = record.to_json();
    if written.len() <= RECORD_LIMIT {
        assert_eq!(Record::parse(&written).as_ref(), Ok(&record));
    }
});
