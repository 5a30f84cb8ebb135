use proptest::prelude::*;

use super::*;

const FIELDS: &[Field<'_>] = &[Field::number("ID"), Field::text("Pool")];

/// The parts of a template in one text: `<ID>` for a field, `<ID 03>` for one of three digits,
/// `<ID 3>` where spaces fill it up.
fn parts(text: &str) -> String {
    let template = Template::parse(text, FIELDS).unwrap();
    let shown = template.parts().iter().map(|part| match &part.content {
        Content::Text(text) => text.clone(),
        Content::Field { name, padding } => match (padding.width, padding.zeros) {
            (0, false) => format!("<{name}>"),
            (width, true) => format!("<{name} 0{width}>"),
            (width, false) => format!("<{name} {width}>"),
        },
    });
    shown.collect()
}

/// If one of these fails, a pattern gives other names than the Go template that it was taken from.
#[test]
fn templates_mean_what_they_mean_in_go() {
    for (text, expected) in [
        ("worker{{.ID}}.tf.local.", "worker<ID>.tf.local."),
        ("{{ .Pool }}-{{\t.ID\n}}", "<Pool>-<ID>"),
        ("{{printf \"%03d\" .ID}}", "<ID 03>"),
        ("{{ printf `%s-%2d%%` .Pool .ID }}", "<Pool>-<ID 2>%"),
        ("{{.ID | printf \"%03d\"}}", "<ID 03>"),
        ("{{.ID|printf \"%v\"}}", "<ID>"),
        ("{{.ID | printf \"%s%d\" .Pool}}", "<Pool><ID>"),
        (
            "{{printf \"%-3d|%5s|%-4s|\" .ID .Pool .Pool}}",
            "<ID 3>|<Pool 5>|<Pool 4>|",
        ),
        // In Go too, zeros give way where the value stands on the left.
        ("{{printf \"%-03d|\" .ID}}", "<ID 3>|"),
        ("{{printf \"}}\\\"%d\" .ID}}", "}}\"<ID>"),
        ("a {{- .ID -}} b", "a<ID>b"),
        ("a \n{{- /* why */ -}}\t b {{/* }} */}}c", "ab c"),
        ("a{{.ID -}}\n {{- .ID}} b", "a<ID><ID> b"),
        ("a} }} {b {", "a} }} {b {"),
        ("", ""),
    ] {
        assert_eq!(parts(text), expected, "{text}");
    }
}

/// Whoever wrote the template sees the place and what would be right.
#[test]
fn what_is_outside_the_subset_is_refused_at_its_place() {
    for (text, place, message, help) in [
        ("ab{{.ID", "{{.ID", "not closed", "}}"),
        ("ab{{", "{{", "not closed", "}}"),
        ("{{.Id}}", ".Id", "no field .Id", "fields are .ID, .Pool"),
        (
            "{{.Hostname}}",
            ".Hostname",
            "no field",
            "fields are .ID, .Pool",
        ),
        ("{{ID}}", "ID", "ID is not supported", "an action is"),
        ("{{}}", "{{}}", "missing", "an action is"),
        ("{{.}}", ".", "no field .", "fields are"),
        ("{{.ID.Pool}}", ".Pool", "space is missing", "one name"),
        ("{{if .ID}}", "if", "if is not supported", "an action is"),
        (
            "{{prinft \"%d\" .ID}}",
            "prinft",
            "not supported",
            "an action is",
        ),
        ("{{$x}}", "$", "no meaning", "variables"),
        ("{{-.ID}}", "-", "no meaning", "trim marker"),
        ("{{.ID-}}", "-", "no meaning", "trim marker"),
        ("{{.ID .ID}}", ".ID .ID", "no action", "an action is"),
        ("{{\"a\"}}", "\"a\"", "not supported", "an action is"),
        (
            "{{.ID | .ID | .ID}}",
            "{{.ID | .ID | .ID}}",
            "pipe",
            "takes a field",
        ),
        ("{{printf}}", "printf", "no format", "%03d"),
        ("{{.ID | printf}}", "printf", "no format", "%03d"),
        ("{{printf .ID}}", ".ID", "begins with a format", "%03d"),
        (
            "{{printf \"%d %d\" .ID}}",
            "\"%d %d\"",
            "more verbs",
            "every verb",
        ),
        (
            "{{printf \"a\" .ID}}",
            ".ID",
            "no verb for this",
            "needs a verb",
        ),
        (
            "{{printf \"%d\" \"a\"}}",
            "\"a\"",
            "only a field",
            "fields are",
        ),
        (
            "{{printf \"%d\" .Pool}}",
            "\"%d\"",
            "not fit .Pool",
            "use %s",
        ),
        ("{{printf \"%s\" .ID}}", "\"%s\"", "not fit .ID", "use %d"),
        (
            "{{printf \"%x\" .ID}}",
            "\"%x\"",
            "%x is not supported",
            "verbs are",
        ),
        (
            "{{printf \"%.3d\" .ID}}",
            "\"%.3d\"",
            "%. is not",
            "verbs are",
        ),
        (
            "{{printf \"%0999d\" .ID}}",
            "\"%0999d\"",
            "width 999",
            "verbs are",
        ),
        ("{{printf \"%0\" .ID}}", "\"%0\"", "no verb", "verbs are"),
        (
            "{{printf \"%d .ID}}",
            "\"%d .ID}}",
            "string is not closed",
            "quote",
        ),
        (
            "{{printf `%d .ID}}",
            "`%d .ID}}",
            "string is not closed",
            "quote",
        ),
        ("{{printf \"\\u0041\"}}", "\\u", "escape", "accepted"),
        ("{{/* a }}", "{{/* a }}", "comment is not closed", "*/}}"),
        (
            "{{/* a */ }}",
            "{{/* a */ ",
            "beside this comment",
            "of its own",
        ),
    ] {
        let error = Template::parse(text, FIELDS).unwrap_err();
        let shown = &text[error.offset..error.offset + error.length];
        assert_eq!(shown, place, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.help.contains(help), "{text}: {error}");
    }
}

/// From this the one who misspelt a word is told what was meant.
#[test]
fn unknown_words_come_with_what_they_might_be() {
    for (text, word, candidates) in [
        ("{{.Poll}}", ".Poll", &[".ID", ".Pool"][..]),
        ("{{printf \"%d\" .Id}}", ".Id", &[".ID", ".Pool"]),
        ("{{prinft}}", "prinft", &[".ID", ".Pool", "printf"]),
    ] {
        let error = Template::parse(text, FIELDS).unwrap_err();
        let unknown = error.unknown.unwrap();
        assert_eq!(unknown.word, word);
        assert_eq!(unknown.candidates, candidates);
    }
    let error = Template::parse("{{", FIELDS).unwrap_err();
    assert_eq!(error.unknown, None);
}

/// A pattern's checks point into the Corefile by these places.
#[test]
fn parts_know_their_place() {
    let template = Template::parse("ab{{.ID}}c", FIELDS).unwrap();
    let places: Vec<_> = template
        .parts()
        .iter()
        .map(|part| (part.offset, part.length))
        .collect();
    assert_eq!(places, [(0, 2), (2, 7), (9, 1)]);
}

proptest! {
    /// A Corefile with any text in it is read or refused; a place outside the text would panic
    /// whoever shows it.
    #[test]
    fn any_text_is_compiled_or_refused_within_itself(text in text()) {
        match Template::parse(&text, FIELDS) {
            Ok(template) => {
                for part in template.parts() {
                    prop_assert!(text.get(part.offset..part.offset + part.length).is_some());
                }
            }
            Err(error) => {
                prop_assert!(text.get(error.offset..error.offset + error.length).is_some());
                prop_assert!(!error.message.contains('\n'));
            }
        }
    }

    #[test]
    fn text_without_actions_stays_as_it_is(text in any::<String>()) {
        prop_assume!(!text.contains("{{"));
        prop_assert_eq!(parts(&text), text);
    }
}

/// Texts that get past the first character of an action often enough.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("{{".to_owned()),
        Just("}}".to_owned()),
        Just("{{- ".to_owned()),
        Just(" -}}".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just("printf".to_owned()),
        Just("\"%03d\"".to_owned()),
        Just("`%".to_owned()),
        Just(".ID".to_owned()),
        Just("|".to_owned()),
        Just(" ".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(word, 0..20).prop_map(|words| words.concat())
}
