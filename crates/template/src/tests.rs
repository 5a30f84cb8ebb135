use proptest::prelude::*;

use super::*;

const FIELDS: &[Field<'_>] = &[Field::number("ID"), Field::text("Pool")];

fn render(text: &str) -> String {
    let template = Template::parse(text, FIELDS).unwrap();
    template.render(1000, value).unwrap()
}

fn value(name: &str) -> Value<'static> {
    match name {
        "ID" => Value::Number(7),
        _ => Value::Text("ps"),
    }
}

/// Each line is what Go's text/template prints for ID = 7 and Pool = "ps".
#[test]
fn templates_render_as_in_go() {
    for (text, expected) in [
        ("worker{{.ID}}.tf.local.", "worker7.tf.local."),
        ("{{ .Pool }}-{{\t.ID\n}}", "ps-7"),
        ("{{printf \"%03d\" .ID}}", "007"),
        ("{{ printf `%s-%2d%%` .Pool .ID }}", "ps- 7%"),
        ("{{.ID | printf \"%03d\"}}", "007"),
        ("{{.ID|printf \"%v\"}}", "7"),
        ("{{.ID | printf \"%s%d\" .Pool}}", "ps7"),
        (
            "{{printf \"%-3d|%5s|%-4s|\" .ID .Pool .Pool}}",
            "7  |   ps|ps  |",
        ),
        ("{{printf \"%-03d|\" .ID}}", "7  |"),
        ("{{printf \"}}\\\"%d\" .ID}}", "}}\"7"),
        ("a {{- .ID -}} b", "a7b"),
        ("a \n{{- /* why */ -}}\t b {{/* }} */}}c", "ab c"),
        ("a{{.ID -}}\n {{- .ID}} b", "a77 b"),
        ("a} }} {b {", "a} }} {b {"),
        ("", ""),
    ] {
        assert_eq!(render(text), expected, "{text}");
    }
}

/// Whoever wrote the template sees the place and what would be right.
#[test]
fn what_is_outside_the_subset_is_refused_at_its_place() {
    for (text, place, message, help) in [
        ("ab{{.ID", "{{.ID", "not closed", "}}"),
        ("ab{{", "{{", "not closed", "}}"),
        ("{{.Id}}", ".Id", "no field .Id", "did you mean .ID?"),
        (
            "{{.Poll}}",
            ".Poll",
            "no field .Poll",
            "did you mean .Pool?",
        ),
        (
            "{{.Hostname}}",
            ".Hostname",
            "no field",
            "fields are .ID, .Pool",
        ),
        ("{{ID}}", "ID", "ID is not supported", "{{.ID}}"),
        ("{{}}", "{{}}", "missing", "an action is"),
        ("{{.}}", ".", "no field .", "fields are"),
        ("{{.ID.Pool}}", ".Pool", "space is missing", "one name"),
        ("{{if .ID}}", "if", "if is not supported", "an action is"),
        (
            "{{prinft \"%d\" .ID}}",
            "prinft",
            "not supported",
            "printf?",
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
        let given = error.help.clone().unwrap_or_default();
        assert!(given.contains(help), "{text}: {error}");
    }
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

/// A template must not fill the memory.
#[test]
fn output_is_bounded() {
    let template = Template::parse("ab{{printf \"%255d\" .ID}}", FIELDS).unwrap();
    assert_eq!(template.render(256, value), Err(Overflow { limit: 256 }));
    assert_eq!(template.render(257, value).map(|text| text.len()), Ok(257));
}

proptest! {
    /// A Corefile with any text in it is read or refused; a place outside the text would panic
    /// whoever shows it.
    #[test]
    fn any_text_is_compiled_or_refused_within_itself(text in text()) {
        match Template::parse(&text, FIELDS) {
            Ok(template) => {
                let _ = template.render(1 << 16, value);
            }
            Err(error) => {
                prop_assert!(text.get(error.offset..error.offset + error.length).is_some());
                prop_assert!(!error.message.contains('\n'));
            }
        }
    }

    #[test]
    fn text_without_actions_renders_to_itself(text in any::<String>()) {
        prop_assume!(!text.contains("{{"));
        prop_assert_eq!(render(&text), text);
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
