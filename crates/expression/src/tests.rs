use std::cell::Cell;

use proptest::prelude::*;

use super::*;

const FUNCTIONS: &[Function] = &[
    Function {
        name: "client_ip",
        takes_text: false,
        gives: Type::Text,
    },
    Function {
        name: "name",
        takes_text: false,
        gives: Type::Text,
    },
    Function {
        name: "size",
        takes_text: false,
        gives: Type::Integer,
    },
    Function {
        name: "do",
        takes_text: false,
        gives: Type::Boolean,
    },
    Function {
        name: "metadata",
        takes_text: true,
        gives: Type::Text,
    },
];

/// A query for `www.example.org.` from 10.1.2.3.
#[derive(Default)]
struct Query {
    calls: Cell<usize>,
}

impl Environment for Query {
    fn call(&self, function: usize, argument: &str) -> Value<'_> {
        self.calls.set(self.calls.get() + 1);
        match function {
            0 => Value::Text("[::ffff:10.1.2.3]".into()),
            1 => Value::Text("www.example.org.".into()),
            2 => Value::Integer(60),
            3 => Value::Boolean(true),
            _ => Value::Text(format!("<{argument}>").into()),
        }
    }
}

fn shown(text: &str) -> String {
    let expression = Expression::parse(text, FUNCTIONS).unwrap_or_else(|error| {
        panic!("{text}: {error}");
    });
    match expression.evaluate(&Query::default()) {
        Ok(value) => value.to_string(),
        Err(failure) => format!("failure: {failure}"),
    }
}

/// If this fails, a view of CoreDNS lets other clients in here.
#[test]
fn expressions_mean_what_they_mean_in_the_original() {
    for (text, value) in [
        ("incidr(client_ip(), '10.0.0.0/8')", "true"),
        ("incidr(client_ip(), '10.1.2.3/32')", "true"),
        ("incidr(client_ip(), '0.0.0.0/0')", "true"),
        ("incidr(client_ip(), '2001:db8::/32')", "false"),
        ("incidr('2001:db8::1', '2001:db8::/32')", "true"),
        (
            "any(['10.0.0.0/8', '172.16.0.0/12'], incidr(client_ip(), #))",
            "true",
        ),
        ("any(['192.0.2.0/24'], {incidr(client_ip(), #)})", "false"),
        (
            "all([1, 2], # > 0) && none([1, 2], # > 2) && one([1, 2], # > 1)",
            "true",
        ),
        ("any([1, 2], any([2, 3], # == 3) && # == 2)", "true"),
        ("name() matches '^www\\\\..*\\\\.org\\\\.$'", "true"),
        ("name() matches `^www\\.`", "true"),
        ("name() not matches 'org'", "false"),
        (
            "name() startsWith 'www' and name() endsWith \".org.\"",
            "true",
        ),
        ("name() contains 'ample' or false", "true"),
        ("name() in ['a', 'www.example.org.']", "true"),
        ("name() not in ['a', 'b',]", "true"),
        ("not (size() in [])", "true"),
        ("!do() || do()", "true"),
        ("not do() && false", "false"),
        ("true || false && false", "true"),
        ("do() ? size() > 59 ? 'a' : 'b' : 'c'", "a"),
        ("1 + 2 * 3 - 4 % 3", "6"),
        ("-2 - -3", "1"),
        ("7 / 2", "3.5"),
        ("1.5 + 1", "2.5"),
        ("0x10 == 1_6 && 1 < 1.5 && 'a' < 'b'", "true"),
        ("'a' + \"b\" + `\\`", "ab\\"),
        (
            "len('äb') == 2 && upper('a') == 'A' && lower('A') == 'a'",
            "true",
        ),
        ("int('41') + 1", "42"),
        ("string(size()) + metadata('a' + 'b')", "60<ab>"),
        ("(true) == (1 != 2)", "true"),
    ] {
        assert_eq!(shown(text), value, "{text}");
    }
}

/// If this fails, what cannot be known before a query comes stops a worker, or passes for an
/// answer.
#[test]
fn what_has_no_value_is_a_failure() {
    for (text, failure) in [
        ("incidr(name(), '10.0.0.0/8')", "no address"),
        ("incidr(client_ip(), name())", "no network"),
        ("int(name())", "no whole number"),
        ("1 % 0", "divided by zero"),
        ("9223372036854775807 + 1", "too large"),
        ("-9223372036854775807 - 2", "too large"),
    ] {
        assert!(shown(text).contains(failure), "{text}: {}", shown(text));
    }
    assert_eq!(shown("1 / 0"), "inf");
}

/// If this fails, a Corefile can keep a worker busy with a single query.
#[test]
fn an_evaluation_takes_a_bounded_number_of_steps() {
    let list = format!("[{}]", vec!["1"; 50].join(","));
    let text = format!("all({list}, all({list}, all({list}, # == 1)))");
    assert_eq!(shown(&text), "failure: it takes too many steps");
}

/// If this fails, the parts behind a decision cost time, or fail where they would not be looked at.
#[test]
fn what_decides_nothing_is_not_looked_at() {
    for text in [
        "false && name() == ''",
        "true || name() == ''",
        "true ? true : do()",
        "any([1, size()], true)",
    ] {
        let query = Query::default();
        let expression = Expression::condition(text, FUNCTIONS).unwrap();
        expression.holds(&query).unwrap();
        assert_eq!(query.calls.get(), 0, "{text}");
    }
}

/// If this fails, whoever mistypes a condition learns of it when queries go astray.
#[test]
fn mistakes_are_told_with_their_place() {
    for (text, place, message) in [
        ("nam() == ''", "nam", "nam is not known"),
        ("type() == A", "type", "type is not known"),
        ("name == 'a'", "name", "name is a function"),
        ("name() == 5", "5", "this is a whole number"),
        ("name() in ['a', 1]", "1", "this is a whole number"),
        ("name() && true", "name()", "this is a text"),
        ("do() > do()", "do()", "conditions have no order"),
        ("not name() == 'a'", "name()", "this is a text"),
        ("name() matches name()", "name()", "not known before"),
        ("name() matches '('", "'('", "no regular expression"),
        (
            "incidr(client_ip(), '10.0.0.1')",
            "'10.0.0.1'",
            "no network",
        ),
        (
            "any(['10/8'], incidr(client_ip(), #))",
            "'10/8'",
            "no network",
        ),
        ("# == 1", "#", "# means nothing here"),
        ("['a'] == 1", "[", "a list cannot stand here"),
        ("name() in 'a'", "'a'", "not expected here"),
        ("do() ? 1 : 'a'", "'a'", "the other branch"),
        ("'a' - 'b'", "'a'", "this is a text"),
        ("-'a'", "'a'", "this is a text"),
        ("'a\\.b'", "\\.", "escape is not supported"),
        ("'a", "'a", "not closed"),
        ("1 $ 2", "$", "has no meaning"),
        ("9999999999999999999", "9999999999999999999", "no number"),
        ("(1", "", "ends too early"),
        ("1 2", "2", "not expected here"),
        ("metadata()", ")", "not expected here"),
        ("name('a')", "'a'", "not expected here"),
        ("", "", "ends too early"),
    ] {
        let error = Expression::parse(text, FUNCTIONS).unwrap_err();
        let found = &text[error.offset..error.offset + error.length];
        assert_eq!(found, place, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(!error.help.is_empty() && !error.help.contains('\n'));
    }
    let error = Expression::condition("name()", FUNCTIONS).unwrap_err();
    assert!(error.message.contains("no condition"));
    let error = Expression::parse("nam()", FUNCTIONS).unwrap_err();
    assert!(
        error
            .unknown
            .unwrap()
            .candidates
            .contains(&"name".to_owned())
    );
}

/// If this fails, a Corefile can overflow the stack of whoever reads it or answers by it.
#[test]
fn depth_is_bounded_and_length_is_not_depth() {
    for (open, close) in [("(", ")"), ("!", ""), ("- ", ""), ("true ? 1 : ", "")] {
        let text = format!("{}1{}", open.repeat(1000), close.repeat(1000));
        let error = Expression::parse(&text, FUNCTIONS).unwrap_err();
        let known = ["within one another", "a whole number"];
        assert!(known.iter().any(|it| error.message.contains(it)), "{error}");
    }
    let sum = vec!["1"; 1000].join(" + ");
    let error = Expression::parse(&sum, FUNCTIONS).unwrap_err();
    assert!(error.message.contains("within one another"));
    for operator in [" || ", " && ", " or "] {
        let row = vec!["do()"; 1000].join(operator);
        assert_eq!(shown(&row), "true");
    }
}

fn word() -> impl Strategy<Value = String> {
    let words = [
        "client_ip()",
        "name()",
        "size()",
        "do()",
        "metadata('a')",
        "incidr(",
        "any(",
        "len(",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        "#",
        "'a'",
        "'10.0.0.0/8'",
        "1",
        "2.5",
        "true",
        "not",
        "!",
        "in",
        "matches",
        "contains",
        "==",
        "<",
        "&&",
        "or",
        "?",
        ":",
        "+",
        "-",
        "/",
        "%",
    ];
    prop::sample::select(words.to_vec()).prop_map(ToOwned::to_owned)
}

proptest! {
    /// If this fails, some Corefile stops the server.
    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Err(error) = Expression::parse(&text, FUNCTIONS) {
            prop_assert!(text.get(error.offset..error.offset + error.length).is_some());
        }
    }

    /// If this fails, an expression that was accepted has a value of another type than it was
    /// checked for.
    #[test]
    fn what_is_accepted_has_the_type_that_it_says(words in prop::collection::vec(word(), 1..12)) {
        let text = words.join(" ");
        match Expression::parse(&text, FUNCTIONS) {
            Err(error) => {
                prop_assert!(text.get(error.offset..error.offset + error.length).is_some());
            }
            Ok(expression) => {
                let query = Query::default();
                match expression.evaluate(&query) {
                    Ok(value) => prop_assert_eq!(type_of(&value), expression.gives()),
                    Err(failure) => prop_assert!(!failure.to_string().contains("type")),
                }
            }
        }
    }
}

fn type_of(value: &Value<'_>) -> Type {
    match value {
        Value::Boolean(_) => Type::Boolean,
        Value::Integer(_) => Type::Integer,
        Value::Float(_) => Type::Float,
        Value::Text(_) => Type::Text,
    }
}
