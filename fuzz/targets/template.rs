//! Any text as a template, with decisions too, and as a pattern of names: no panic, and names that lead back to their
//! slot and to no other.

#![no_main]

use answer::LookupName;
use callsign::identity::pattern::Pattern;
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use template::{Data, Field, FieldKind, Program, ProgramField, Template, Value};

fn program_fields() -> Vec<ProgramField> {
    let field = |name, kind| ProgramField { name, kind };
    vec![
        field("Name", FieldKind::Text),
        field("ID", FieldKind::Number),
        field("Match", FieldKind::List),
        field("Group", FieldKind::Map(vec!["a".into()])),
        field("Meta", FieldKind::Function),
    ]
}

struct Nothing;

impl Data for Nothing {
    fn value(&self, field: usize) -> Value<'_> {
        match field {
            0 => Value::Text("a.example.".into()),
            _ => Value::Number(7),
        }
    }

    fn element(&self, _field: usize, number: usize) -> Option<Cow<'_, str>> {
        (number < 2).then(|| "1f".into())
    }

    fn entry(&self, _field: usize, key: &str) -> Cow<'_, str> {
        key.to_owned().into()
    }

    fn length(&self, _field: usize) -> usize {
        2
    }
}

fuzz_target!(|text: &str| {
    let fields = [Field::number("ID"), Field::text("Pool")];
    if let Ok(template) = Template::parse(text, &fields) {
        let end = template.parts().iter().map(|part| part.offset + part.length).max();
        assert!(end.unwrap_or_default() <= text.len());
    }
    match Program::parse(text, &program_fields()) {
        Ok(program) => drop(program.run(&Nothing)),
        Err(error) => assert!(text.get(error.offset..error.offset + error.length).is_some()),
    }
    let Ok(pattern) = Pattern::parse(text, "worker") else { return };
    for slot in [1, 9, 10, 1000, u32::MAX] {
        let Some(name) = pattern.name(slot) else { continue };
        assert!(pattern.owns(&LookupName::from(&name)));
        assert_eq!(pattern.slot_of_text(&pattern.text(slot)), Some(slot));
        assert!(name.is_at_or_below(&pattern.apex()) && name != pattern.list_name());
    }
});
