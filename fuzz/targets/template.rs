//! Any text as a template and as a pattern of names: no panic, and names that lead back to their
//! slot and to no other.

#![no_main]

use answer::LookupName;
use callsign::identity::pattern::Pattern;
use libfuzzer_sys::fuzz_target;
use template::{Field, Template};

fuzz_target!(|text: &str| {
    let fields = [Field::number("ID"), Field::text("Pool")];
    if let Ok(template) = Template::parse(text, &fields) {
        let end = template.parts().iter().map(|part| part.offset + part.length).max();
        assert!(end.unwrap_or_default() <= text.len());
    }
    let Ok(pattern) = Pattern::parse(text, "worker") else { return };
    for slot in [1, 9, 10, 1000, u32::MAX] {
        let Some(name) = pattern.name(slot) else { continue };
        assert!(pattern.owns(&LookupName::from(&name)));
        assert_eq!(pattern.slot_of_text(&pattern.text(slot)), Some(slot));
        assert!(name.is_at_or_below(&pattern.apex()) && name != pattern.list_name());
    }
});
