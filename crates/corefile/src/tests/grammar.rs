//! Words: each rule of the lexer, seen through the arguments of one directive.

use super::support::{Memory, parsed, parsed_with};

/// The words of a line, and what stands in the file for each.
fn words(line: &str) -> Vec<(String, String)> {
    let parsed = parsed(&format!(".\nname {line}"));
    let sources = parsed.sources.clone();
    let mut corefile = parsed.corefile();
    let directive = corefile.blocks.remove(0).directives.remove(0);
    directive
        .arguments
        .into_iter()
        .map(|token| (token.text, sources.slice(token.span).to_owned()))
        .collect()
}

fn texts(line: &str) -> Vec<String> {
    words(line).into_iter().map(|(text, _)| text).collect()
}

#[test]
fn words_are_split_at_any_unicode_white_space() {
    assert_eq!(
        texts("a \t b\u{a0}c\u{2003}d\u{b}e"),
        ["a", "b", "c", "d", "e"]
    );
}

#[test]
fn a_carriage_return_is_ignored_even_within_a_word() {
    assert_eq!(
        words("a\rb c\r"),
        [("ab".into(), "a\rb".into()), ("c".into(), "c".into())]
    );
    assert_eq!(parsed(".\r\nlog\r\nany\r\n").tree(), "[.] log; any;");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_key() {
    let corefile = parsed("\u{feff}.:53\nlog").corefile();
    assert_eq!(corefile.blocks[0].keys[0].text, ".:53");
    assert_eq!(corefile.blocks[0].keys[0].span.start, 0);
}

#[test]
fn quotes_keep_blanks_and_comment_signs() {
    assert_eq!(
        words(r#""a b # c" d"#)[0],
        ("a b # c".into(), "\"a b # c\"".into())
    );
    assert_eq!(texts(r#""""#), [""]);
}

#[test]
fn only_a_quote_can_be_escaped_within_quotes() {
    assert_eq!(texts(r#""say \"hi\"" x"#), ["say \"hi\"", "x"]);
    assert_eq!(
        texts(r#""don't\\escape" "\d+\.""#),
        [r"don't\\escape", r"\d+\."]
    );
    assert_eq!(
        texts(r#""a\\" b"#),
        [r"a\\", "b"],
        "the second backslash does not escape the quote"
    );
}

#[test]
fn outside_quotes_backslashes_and_quotes_are_ordinary() {
    assert_eq!(
        texts(r#"(.*)\.a\"b  it's mid"quote"#),
        [r#"(.*)\.a\"b"#, "it's", "mid\"quote"]
    );
}

#[test]
fn a_quoted_word_ends_at_its_quote_without_a_blank() {
    assert_eq!(texts(r#""a"b"c" d"#), ["a", "b\"c\"", "d"]);
}

#[test]
fn a_quoted_word_may_span_lines_and_its_line_goes_on_after_it() {
    assert_eq!(
        parsed(".\nname \"a\nb\" c\nlog").tree(),
        "[.] name a\nb c; log;"
    );
}

#[test]
fn a_comment_starts_anywhere_even_within_a_word() {
    assert_eq!(words("foo#bar baz"), [("foo".into(), "foo".into())]);
    assert_eq!(
        parsed("# a\n.  # b {\n#c\nlog # }\nany#").tree(),
        "[.] log; any;"
    );
}

#[test]
fn braces_within_a_word_are_ordinary() {
    assert_eq!(
        texts("{} {remote} a{ }b {{ x }}"),
        ["{}", "{remote}", "a{", "}b", "{{", "x", "}}"]
    );
}

#[test]
fn quoted_braces_and_a_quoted_import_are_words() {
    assert_eq!(
        parsed(".\n\"import\" \"{\" \"}\"\nlog").tree(),
        "[.] import { }; log;"
    );
}

#[test]
fn there_is_no_line_continuation() {
    assert_eq!(parsed(".\nlog \\\nany").tree(), "[.] log \\; any;");
}

#[test]
fn a_missing_quote_is_shown_at_the_quote_and_the_next_lines_are_still_checked() {
    let errors = parsed(". {\nlog \"abc\n}\n}").errors();
    assert_eq!(
        errors,
        [
            "2:5 a quoted word does not end",
            "4:1 `}` without a matching `{`"
        ]
    );
}

#[test]
fn variables_change_the_text_but_not_the_place() {
    let environment = Memory::default()
        .variable("TTL", "30")
        .variable("SIZE", "5 6");
    let parsed = parsed_with(
        "{$ZONE}.:{%PORT%} {\ncache {$TTL}s \"a {%SIZE%}\" {$NONE}\n}",
        &environment,
    );
    let sources = parsed.sources.clone();
    let corefile = parsed.corefile();
    let block = &corefile.blocks[0];
    assert_eq!(block.keys[0].text, ".:");
    let arguments = &block.directives[0].arguments;
    let texts: Vec<_> = arguments.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(texts, ["30s", "a 5 6", ""]);
    assert_eq!(sources.slice(arguments[0].span), "{$TTL}s");
    assert_eq!(sources.slice(arguments[1].span), "\"a {%SIZE%}\"");
}

#[test]
fn a_variable_cannot_bring_in_braces_or_imports() {
    let environment = Memory::default().variable("X", "{").variable("I", "import");
    assert_eq!(
        parsed_with(".\nlog {$X}\n{$I} a", &environment).tree(),
        "[.] log {; import a;"
    );
}
