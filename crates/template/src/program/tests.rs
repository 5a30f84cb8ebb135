use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn fields() -> Vec<ProgramField> {
    let field = |name, kind| ProgramField { name, kind };
    vec![
        field("Name", FieldKind::Text),
        field("Match", FieldKind::List),
        field("Group", FieldKind::Map(vec!["a".into(), "1".into()])),
        field("Meta", FieldKind::Function),
        field("Question.Qtype", FieldKind::Number),
    ]
}

/// A query for `ip-0a.example.` of type 1, of which an expression found `0a`.
struct Query;

impl Data for Query {
    fn value(&self, field: usize) -> Value<'_> {
        match field {
            0 => Value::Text("ip-0a.example.".into()),
            _ => Value::Number(1),
        }
    }

    fn element(&self, _field: usize, number: usize) -> Option<Cow<'_, str>> {
        [Cow::from("ip-0a"), Cow::from("0a")].get(number).cloned()
    }

    fn entry(&self, field: usize, key: &str) -> Cow<'_, str> {
        match (field, key) {
            (2, "a" | "1") => "0a".into(),
            (2, _) => "".into(),
            _ => format!("<{key}>").into(),
        }
    }

    fn length(&self, _field: usize) -> usize {
        2
    }
}

fn run(text: &str) -> String {
    let program = Program::parse(text, &fields()).unwrap_or_else(|error| panic!("{text}: {error}"));
    match program.run(&Query) {
        Ok(text) => text,
        Err(failure) => format!("failure: {failure}"),
    }
}

/// If this fails, a template of CoreDNS makes other records here.
#[test]
fn templates_mean_what_they_mean_in_go() {
    for (text, expected) in [
        (
            "{{ .Name }} 60 IN A 10.0.0.{{ parseInt .Group.a 16 8 }}",
            "ip-0a.example. 60 IN A 10.0.0.10",
        ),
        (
            "{{index .Match 1}}|{{ index .Group \"a\" }}|{{ .Group.a }}|{{$.Name}}",
            "0a|0a|0a|ip-0a.example.",
        ),
        (
            "{{ .Meta \"view/name\" }}{{ \"x\" | .Meta }}{{ (.Meta \"y\") | print }}",
            "<view/name><x><y>",
        ),
        ("{{ .Group.a | printf \"%4s|%-4s|\" \"x\" }}", "   x|0a  |"),
        (
            "{{ printf \"%03d %x %X %v %t %%\" 7 255 \"az\" 1 true }}",
            "007 ff 617A 1 true %",
        ),
        ("{{ printf \"%04d\" -7 }}", "-007"),
        (
            "{{ if eq .Name \"a\" }}1{{ else if .Group.a }}2{{ else }}3{{ end }}",
            "2",
        ),
        (
            "{{ if and (eq .Question.Qtype 1) (ne .Name \"\") (not false) }}y{{ end }}",
            "y",
        ),
        (
            "{{ if or (lt 2 1) (gt 1 2) (ge 1 2) }}y{{ else }}n{{ end }}",
            "n",
        ),
        ("{{ if eq .Name \"a\" \"ip-0a.example.\" }}y{{ end }}", "y"),
        (
            "{{ $x := .Name }}{{ if true }}{{ $x = \"b\" }}{{ $x := \"c\" }}{{ end }}{{ $x }}",
            "b",
        ),
        ("{{ if $x := .Group.a }}{{ $x }}{{ end }}", "0a"),
        (
            "{{ len .Match }}{{ len \"abc\" }}{{ and \"\" \"b\" }}{{ or \"\" \"b\" }}",
            "23b",
        ),
        ("{{ print 1 2 \"a\" 3 }}", "1 2a3"),
        ("a {{- /* why */ -}} b{{/* */}} {{- 1 -}} c", "ab1c"),
        ("{{ parseInt \"0x1f\" 0 64 }}{{ le 1 1 }}", "31true"),
        ("{{ `a\"b` }} {{ \"}}\" }}", "a\"b }}"),
        ("no action", "no action"),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
}

/// If this fails, what goes wrong with a query passes for an answer.
#[test]
fn what_goes_wrong_with_a_query_is_a_failure() {
    for (text, failure) in [
        ("{{ index .Match 9 }}", "no element 9"),
        ("{{ parseInt .Name 16 8 }}", "no number of 8 bits"),
        ("{{ parseInt \"100\" 16 8 }}", "no number of 8 bits"),
        ("{{ parseInt \"-1\" 10 8 }}", "no number of 8 bits"),
        ("{{ parseInt \"1\" 99 8 }}", "no number of 8 bits"),
        ("{{ eq .Name 1 }}", "two kinds"),
        ("{{ printf \"%d\" .Name }}", "%d does not fit"),
    ] {
        assert!(run(text).contains(failure), "{text}: {}", run(text));
    }
}

/// If this fails, a template can fill the memory with one query.
#[test]
fn what_a_program_yields_is_bounded() {
    let double = "{{ $x = print $x $x }}".repeat(40);
    let text = format!("{{{{ $x := \"a\" }}}}{double}{{{{ $x }}}}");
    assert!(run(&text).starts_with("failure: a text has more than"));
    let wide = "{{ printf \"%255d\" 1 }}".repeat(300);
    assert!(run(&wide).starts_with("failure: it yields more than"));
}

/// If this fails, whoever mistypes a template learns of it when a query comes.
#[test]
fn what_is_outside_the_subset_is_refused_at_its_place() {
    for (text, place, message) in [
        ("{{ .Nam }}", ".Nam", "no field .Nam"),
        ("{{ .Group.b }}", ".Group.b", "no .Group.b"),
        (
            "{{ index .Group \"b\" }}",
            "index .Group \"b\"",
            "no .Group.b",
        ),
        ("{{ .Match }}", "{{ .Match }}", "has no text"),
        ("{{ .Meta }}", ".Meta", "takes one text"),
        ("{{ $x }}", "$x", "no variable $x"),
        (
            "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}",
            "$x",
            "no variable $x",
        ),
        ("{{ if true }}a", "{{ if true }}", "not closed"),
        ("{{ end }}", "{{ end }}", "no if that this belongs to"),
        (
            "{{ if true }}{{ else }}{{ else }}{{ end }}",
            "{{ else }}",
            "has had its else",
        ),
        ("{{ if }}{{ end }}", "{{ if }}", "something is missing"),
        ("{{ range .Match }}", "range", "range is not supported"),
        ("{{ upper .Name }}", "upper", "upper is not supported"),
        ("{{ eq .Name }}", "eq .Name", "does not take 1 arguments"),
        ("{{ eq len .Name }}", "len", "cannot stand here"),
        ("{{ (eq 1 1 }}", "(", "not closed"),
        (
            "{{ index .Name 1 }}",
            "index .Name 1",
            "a list or map first",
        ),
        ("{{ printf .Name }}", "printf .Name", "begins with a format"),
        (
            "{{ printf \"%q\" .Name }}",
            "printf \"%q\" .Name",
            "%q is not supported",
        ),
        (
            "{{ printf \"%d\" }}",
            "printf \"%d\"",
            "more or fewer verbs",
        ),
        ("{{ .Name \"a\" }}", ".Name \"a\"", "takes no arguments"),
        ("{{ .Name", "{{ .Name", "not closed"),
        ("{{ 1x }}", "1x", "1x is no number"),
        ("{{ \"a\"\"b\" }}", "\"b\"", "space is missing"),
        ("{{/* a", "{{/* a", "not closed"),
    ] {
        let error = Program::parse(text, &fields()).unwrap_err();
        let found = &text[error.offset..error.offset + error.length];
        assert_eq!(found, place, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
    for deep in [
        format!("{{{{ {}1{} }}}}", "(".repeat(500), ")".repeat(500)),
        format!("{}{}", "{{ if true }}".repeat(500), "{{ end }}".repeat(500)),
    ] {
        let error = Program::parse(&deep, &fields()).unwrap_err();
        assert!(error.message.contains("within one another"), "{error}");
    }
}

fn word() -> impl Strategy<Value = String> {
    let words = [
        "{{",
        "}}",
        "{{ if",
        "{{ else }}",
        "{{ end }}",
        "{{ else if",
        ".Name",
        ".Match",
        ".Group.a",
        ".Meta",
        "$x",
        ":=",
        "=",
        "eq",
        "and",
        "index",
        "len",
        "printf",
        "parseInt",
        "\"%s\"",
        "\"a\"",
        "1",
        "(",
        ")",
        "|",
        "-",
        "true",
        "/*",
        "*/",
    ];
    prop::sample::select(words.to_vec()).prop_map(ToOwned::to_owned)
}

proptest! {
    /// If this fails, some Corefile stops the server.
    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Err(error) = Program::parse(&text, &fields()) {
            prop_assert!(text.get(error.offset..error.offset + error.length).is_some());
        }
    }

    /// If this fails, some template stops a worker.
    #[test]
    fn no_program_panics(words in prop::collection::vec(word(), 0..16)) {
        let text = words.join(" ");
        match Program::parse(&text, &fields()) {
            Ok(program) => drop(program.run(&Query)),
            Err(error) => {
                prop_assert!(text.get(error.offset..error.offset + error.length).is_some());
            }
        }
    }
}
