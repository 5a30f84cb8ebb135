//! What the user sees, as it is printed.

use std::path::Path;

use super::support::{Memory, Parsed, parsed, parsed_with};
use crate::{Diagnostic, Directive, Secret, Sources, Token, parse};

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

/// The mistakes of a text in which the words after the second one of `key` and those of `token` are secret.
/// If there are none, what is shown if all its words but for the keys are not known.
fn beside_secrets(text: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let secret = |name, shown| Secret { name, shown };
    sources.hide(&[secret("key", 1), secret("token", 0)]);
    let memory = Memory::default().variable("PASSWORD", "hunter2");
    let parsed = parse(&mut sources, "Corefile", Path::new("/etc"), text, &memory);
    let errors = parsed.map_or_else(
        |errors| errors,
        |corefile| {
            let mut errors = Vec::new();
            for block in &corefile.blocks {
                all_unknown(&block.directives, &mut errors);
            }
            errors
        },
    );
    errors.iter().map(|error| error.render(&sources)).collect()
}

fn all_unknown(entries: &[Directive], errors: &mut Vec<Diagnostic>) {
    for entry in entries {
        errors.push(entry.name.unknown("word", &["forward"]));
        let arguments = entry.arguments.iter();
        errors.extend(arguments.map(|word| word.unknown("word", &["forward"])));
        errors.extend(entry.one_argument("word").err());
        all_unknown(entry.options(), errors);
    }
}

/// If this fails, a password stands in a log, or the caret under another word than the one that is wrong.
#[test]
fn a_secret_is_hidden_and_the_caret_stays_under_the_word() {
    check(
        &beside_secrets(".\nkey me hunter2 forwar\n")[3],
        r"
error: unknown word `********`
 --> Corefile:2:17
  |
2 | key me ******** ********
  |                 ^^^^^^^^ no such word
  |
  = help: accepted here: forward
",
    );
    check(
        &beside_secrets(". {\n\tkey é hunter2 { } 名前\n}\n")[0],
        r"
error: a word follows `}` on the same line
 --> Corefile:2:21
  |
2 |     key é ******** { } 名前
  |                        ^^^^ must start on a line of its own
",
    );
    check(
        &beside_secrets(". {\n  token \"a\r\n  hunter2\" { } limt\n}\n")[0],
        r"
error: a word follows `}` on the same line
 --> Corefile:3:14
  |
3 | ******** { } limt
  |              ^^^^ must start on a line of its own
",
    );
    check(
        &beside_secrets("(a) {\n} # token hunter2\n(a) {\n}\n")[0],
        r"
error: the snippet `a` is defined twice
 --> Corefile:3:1
  |
1 | (a) {
  | --- defined here first
2 | } # token ********
3 | (a) {
  | ^^^ defined again
",
    );
}

/// If this fails, a password that is missing keeps the next line from being explained.
#[test]
fn the_line_after_a_secret_that_is_missing_is_shown() {
    let shown = beside_secrets(". {\n  key me\n  forwar /x\n}\n").join("\n");
    assert!(shown.contains("did you mean `forward`"), "{shown}");
}

/// If this fails, a mistake in front of a password, or in it, brings it to light.
#[test]
fn a_secret_is_hidden_whatever_is_wrong_beside_it() {
    let long = "x".repeat(5000);
    for text in [
        "key me hunter2",
        "key hunter2",
        "key hunter2 {",
        "# key hunter2",
        "key me {$PASSWORD}",
        "key me {%PASSWORD%} {$PASSWORD",
        "token hunter2",
        "token \"hunter2",
        "token \"\" hunter2",
        "token \"hun\"ter2 hunter2 }",
        "token hun\"ter2",
        "token \"a \\\" hunter2\"",
        "token a#hunter2",
        "token a #hunter2",
        "key me#hunter2",
        "key#me hunter2",
        "log #key me hunter2\n  limt",
        "# token hunter2\n }",
        // Misspelt, or on the next line, or in a block.
        "Token hunter2",
        "tokne hunter2",
        "toke hunter2",
        "token\n  hunter2",
        "key me\n  hunter2",
        "key\n  me hunter2",
        "key {\n  user hunter2\n",
        "key {\n  user {\n password hunter2\n }\n",
        // Behind a quote that does not end, or ends too late.
        "log \"a\n  key me hunter2",
        "log \"a\n  key me \"hunter2",
        "log \"a\n  key me \"hunter2\"",
        "log { key me hunter2 } limt",
        "log } key me hunter2",
        // Users in URLs.
        "log http://me:hunter2@host:2379",
        "log http://me:hun/hunter2@host",
        "log me:hunter2@host",
        "log a,http://me:hunter2@host,b }",
        "log http://hunter2@host",
    ] {
        for text in [
            format!(". {{\n  {text}\n"),
            format!(". {{\n  {text}\n}}\n"),
            format!(". {{\n  {text}\n}}\n}}\n"),
            format!(". {{\n  log {long} }} {text}\n}}\n"),
            text.to_owned(),
            format!("{text} {{\n}}\n{text}\n"),
            format!("(a) {{\n  {text}\n}}\n. {{\n  import a\n  limt\n}}\n"),
        ] {
            let shown = beside_secrets(&text).join("\n");
            assert!(!shown.contains("hunter2"), "{text}\n{shown}");
            assert!(!shown.contains("did you mean"), "{text}\n{shown}");
        }
    }
}

#[test]
fn colour_is_only_used_when_asked_for() {
    let error = Diagnostic::error(None, "message");
    assert_eq!(error.render(&Sources::new()), "error: message");
    assert!(error.render_colored(&Sources::new()).contains('\u{1b}'));
}
