//! What the user sees, as it is printed.

use super::support::{Memory, Parsed, parsed, parsed_with};
use crate::{Diagnostic, Sources, Token};

/// Compares a picture with one that starts and ends on lines of their own.
#[track_caller]
fn check(shown: &str, expected: &str) {
    assert_eq!(format!("\n{shown}\n"), expected);
}

fn rendered(parsed: &Parsed) -> String {
    let errors = parsed.result.as_ref().unwrap_err();
    let pictures: Vec<_> = errors
        .iter()
        .map(|error| error.render(&parsed.sources))
        .collect();
    pictures.join("\n")
}

/// What is shown if the last word of the last directive is not known.
fn unknown(text: &str) -> String {
    let parsed = parsed(text);
    let sources = parsed.sources.clone();
    let mut corefile = parsed.corefile();
    let mut directive = corefile.blocks.remove(0).directives.pop().unwrap();
    let word: Token = directive.arguments.pop().unwrap_or(directive.name);
    word.unknown("word", &["forward", "limit"]).render(&sources)
}

#[test]
fn an_unknown_word_has_a_caret_and_what_is_accepted() {
    check(
        &unknown(
            ". {\n    log\n    forward . 1.1.1.1 {\n    }\n    limt 5 {\n    }\n    limt\n}\n",
        ),
        r"
error: unknown word `limt`
 --> Corefile:7:5
  |
7 |     limt
  |     ^^^^ did you mean `limit`?
  |
  = help: accepted here: forward, limit
",
    );
}

#[test]
fn tabs_keep_the_caret_under_the_word() {
    check(
        &unknown(".\n\t\tlog\tlimt\n"),
        r"
error: unknown word `limt`
 --> Corefile:2:7
  |
2 |         log    limt
  |                ^^^^ did you mean `limit`?
  |
  = help: accepted here: forward, limit
",
    );
}

#[test]
fn text_that_is_not_ascii_keeps_the_caret_under_the_word() {
    check(
        &unknown(".\nzoné 名前 limt\n"),
        r"
error: unknown word `limt`
 --> Corefile:2:9
  |
2 | zoné 名前 limt
  |           ^^^^ did you mean `limit`?
  |
  = help: accepted here: forward, limit
",
    );
}

#[test]
fn an_error_at_the_end_of_the_file_is_shown_after_the_last_word() {
    check(
        &rendered(&parsed(
            ". {\n    cache {\n        ttl 5\n    }\n    log # all\n\n\n",
        )),
        r"
error: the file ends within a block
 --> Corefile:5:14
  |
1 | . {
  |   - the block opened here is not closed
...
5 |     log # all
  |              ^ `}` is missing
",
    );
}

#[test]
fn a_forgotten_brace_is_guessed() {
    check(
        &rendered(&parsed(". {\n    cache {\n        ttl 5\n    log\n}\n")),
        r"
error: the file ends within a block
 --> Corefile:5:2
  |
1 | . {
  |   - the block opened here is not closed
2 |     cache {
  |           - perhaps it is this block that lacks its `}`
...
5 | }
  | -^ `}` is missing
  | |
  | this closes it, but is indented otherwise
",
    );
}

#[test]
fn an_error_in_an_imported_file_is_shown_there_with_the_way_to_it() {
    let environment = Memory::default()
        .file("/etc/a.conf", "import b.conf\n")
        .file("/etc/b.conf", "log\nany }\n");
    check(
        &rendered(&parsed_with(". {\n    import a.conf\n}\n", &environment)),
        r"
error: `}` without a matching `{`
 --> /etc/b.conf:2:5
  |
2 | any }
  |     ^ nothing is open here
  |
  = note: imported at /etc/a.conf:1:8
  = note: imported at Corefile:2:12
",
    );
}

#[test]
fn two_places_are_shown_together() {
    check(
        &rendered(&parsed("(a) {\n}\n\n\n\n\n(a) {\n}\n")),
        r"
error: the snippet `a` is defined twice
 --> Corefile:7:1
  |
1 | (a) {
  | --- defined here first
...
7 | (a) {
  | ^^^ defined again
",
    );
}

#[test]
fn two_places_in_two_files_are_shown_apart() {
    let environment = Memory::default().file("/etc/a.conf", "\n  (a) {\n  }\n");
    check(
        &rendered(&parsed_with("import a.conf\n(a) {\n}\n", &environment)),
        r"
error: the snippet `a` is defined twice
 --> Corefile:2:1
  |
2 | (a) {
  | ^^^ defined again
  |
 ::: /etc/a.conf:2:3
  |
2 |   (a) {
  |   --- defined here first
",
    );
}

#[test]
fn a_long_line_is_cut_around_the_word() {
    let long = "é ".repeat(100_000);
    check(
        &unknown(&format!(".\nlog {long} limt {long} limt\n")),
        "
error: unknown word `limt`
 --> Corefile:2:400012
  |
 ::: \n2 | ... é é é é é é é é é é é é é é é é é é é é é é é é é  limt
  |                                                        ^^^^ did you mean `limit`?
  |
  = help: accepted here: forward, limit
",
    );
}

#[test]
fn windows_line_ends_and_multi_line_words_show_one_line() {
    check(
        &unknown(".\r\nlog \"a b\r\nc\"\r\n"),
        r#"
error: unknown word `a b\r\nc`
 --> Corefile:2:5
  |
2 | log "a b
  |     ^^^^ no such word
  |
  = help: accepted here: forward, limit
"#,
    );
}

#[test]
fn escape_sequences_of_the_file_do_not_reach_the_terminal() {
    let shown = unknown(".\nlog \u{1b}[31mred\n");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let shown = Diagnostic::error(None, "a\u{1b}[1m")
        .help("b\u{1b}[1m")
        .render(&Sources::new());
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn colour_is_only_used_when_asked_for() {
    let error = Diagnostic::error(None, "message");
    assert_eq!(error.render(&Sources::new()), "error: message");
    assert!(error.render_colored(&Sources::new()).contains('\u{1b}'));
}
