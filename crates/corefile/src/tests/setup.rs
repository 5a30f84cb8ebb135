//! The helpers for directives' setup code: what they accept and what they say.

use std::time::Duration;

use super::support::parsed;
use crate::{Diagnostic, Directive, Token};

fn directive(text: &str) -> Directive {
    parsed(&format!(".\n{text}"))
        .corefile()
        .blocks
        .remove(0)
        .directives
        .remove(0)
}

fn word(text: &str) -> Token {
    directive(&format!("x {text}")).arguments.remove(0)
}

fn told<T: std::fmt::Debug>(result: Result<T, Diagnostic>) -> String {
    let error = result.unwrap_err();
    format!(
        "{}; {}; {}",
        error.message,
        error.label,
        error.help.unwrap_or_default()
    )
}

/// The columns of the caret.
fn caret<T: std::fmt::Debug>(result: Result<T, Diagnostic>) -> (u32, u32) {
    let span = result.unwrap_err().span.unwrap();
    (span.start - 2, span.end - 2)
}

#[test]
fn the_right_number_of_arguments_is_handed_over() {
    let two = directive("to a b");
    let [from, to] = two.exactly("to FROM TO").unwrap();
    assert_eq!((from.text.as_str(), to.text.as_str()), ("a", "b"));
    assert_eq!(two.at_least(1, "").unwrap().len(), 2);
    assert_eq!(two.between(0, 2, "").unwrap().len(), 2);
    assert_eq!(directive("any").no_arguments("any"), Ok(()));
    assert_eq!(directive("ttl 5").one_argument("ttl N").unwrap().text, "5");
    assert_eq!(directive("ttl").optional_argument("ttl [N]"), Ok(None));
    assert_eq!(
        directive("ttl 5")
            .optional_argument("ttl [N]")
            .unwrap()
            .unwrap()
            .text,
        "5"
    );
}

#[test]
fn a_missing_argument_is_missed_after_the_line() {
    let bare = directive("ttl");
    assert_eq!(
        told(bare.one_argument("ttl DURATION")),
        "`ttl` takes one argument, but has 0; an argument is missing after this; syntax: ttl DURATION"
    );
    assert_eq!(caret(directive("to a").exactly::<2>("")), (0, 4));
    assert_eq!(
        told(bare.at_least(1, "s")).split(';').next(),
        Some("`ttl` takes at least one argument, but has 0")
    );
    assert_eq!(
        told(bare.between(2, 3, "s")).split(';').next(),
        Some("`ttl` takes 2 to 3 arguments, but has 0")
    );
}

#[test]
fn surplus_arguments_are_pointed_at() {
    let line = directive("any a b c");
    assert_eq!(
        told(line.no_arguments("any")),
        "`any` takes no arguments, but has 3; not expected; syntax: any"
    );
    assert_eq!(caret(line.no_arguments("any")), (4, 9));
    assert_eq!(caret(line.one_argument("")), (6, 9));
    assert_eq!(caret(line.optional_argument("")), (6, 9));
    assert_eq!(caret(line.exactly::<2>("")), (8, 9));
}

#[test]
fn a_block_that_is_not_accepted_is_pointed_at() {
    assert_eq!(directive("any").no_block("any"), Ok(()));
    assert_eq!(
        told(directive("any {\n}").no_block("any")),
        "`any` takes no block; not accepted here; syntax: any"
    );
    assert_eq!(caret(directive("any {\n}").no_block("any")), (4, 5));
}

#[test]
fn options_are_the_lines_of_the_block() {
    let names: Vec<String> = directive("x {\na 1\nb\n}")
        .options()
        .iter()
        .map(|option| option.name().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(directive("x").options().is_empty());
}

#[test]
fn a_repeated_option_shows_the_first() {
    let block = directive("x {\na 1\na 2\n}");
    let [first, second] = block.options() else {
        panic!("two options")
    };
    let error = second.repeated(first);
    assert_eq!(
        (error.message.as_str(), error.context[0].0),
        ("`a` is given twice", first.name.span)
    );
}

#[test]
fn numbers_name_their_range() {
    assert_eq!(word("1").integer(1..=10_u16), Ok(1));
    assert_eq!(word("10").integer(1..=10_u16), Ok(10));
    assert_eq!(word("-1").integer(-1..=10_i64), Ok(-1));
    let range = "expected a whole number from 1 to 10; ";
    for (text, what) in [
        ("0", "is out of range"),
        ("11", "is out of range"),
        ("-1", "is out of range"),
        ("99999999999999999999999999", "is out of range"),
        ("ten", "is not a whole number"),
        ("1.5", "is not a whole number"),
        ("-", "is not a whole number"),
        ("0x1", "is not a whole number"),
    ] {
        assert_eq!(
            told(word(text).integer(1..=10_u16)),
            format!("`{text}` {what}; {range}")
        );
    }
}

#[test]
fn durations_name_their_range_and_miss_their_unit() {
    let range = Duration::from_secs(1)..=Duration::from_secs(86_400);
    assert_eq!(
        word("90s").duration(range.clone()),
        Ok(Duration::from_secs(90))
    );
    assert_eq!(
        told(word("30").duration(range.clone())),
        "`30` is not a duration; expected a duration from 1s to 24h; a duration needs a unit: `30s`"
    );
    assert_eq!(
        told(word("48h").duration(range.clone())),
        "`48h` is out of range; expected a duration from 1s to 24h; "
    );
    assert!(told(word("-1s").duration(range)).starts_with("`-1s` is not a duration"));
    assert!(
        told(word("0").duration(Duration::from_millis(500)..=Duration::MAX))
            .contains("of at least 500ms")
    );
}

#[test]
fn one_of_a_few_words_is_taken_or_suggested() {
    let accepted = [("random", 1), ("round_robin", 2)];
    assert_eq!(word("round_robin").one_of("policy", &accepted), Ok(2));
    assert_eq!(
        told(word("randon").one_of("policy", &accepted)),
        "unknown policy `randon`; did you mean `random`?; accepted here: random, round_robin"
    );
    assert_eq!(
        told(word("x").one_of("policy", &accepted)),
        "unknown policy `x`; no such policy; accepted here: random, round_robin"
    );
}

#[test]
fn a_long_or_odd_word_is_cut_in_messages() {
    assert_eq!(
        word(&"x".repeat(1000)).shown(),
        format!("`{}…`", "x".repeat(60))
    );
    assert_eq!(word("\"a\nb\"").shown(), "`a\\nb`");
}

/// If this fails, the caret of a mistake within a word points beside it.
#[test]
fn a_part_of_a_word_has_a_place_where_the_word_stands_as_it_is() {
    let part = |text: &str| {
        let word = word(text);
        let span = word.part(2, 3);
        let whole = span == word.span;
        (whole, span.start - word.span.start, span.end - span.start)
    };
    assert_eq!(part("abcdefg"), (false, 2, 3));
    assert_eq!(part("\"abcdefg\""), (false, 3, 3));
    assert_eq!(part("\"a\\\"cdefg\""), (true, 0, 10));
    assert_eq!(part("ab"), (true, 0, 2));
}
