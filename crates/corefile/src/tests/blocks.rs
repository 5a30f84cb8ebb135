//! Server blocks, keys, directives and their blocks, and what follows a mistake in them.

use super::support::{Memory, parsed, parsed_with};

#[test]
fn an_empty_file_has_no_blocks() {
    for text in ["", "\n\n", "# nothing\n", "\u{feff}"] {
        assert_eq!(parsed(text).tree(), "", "{text:?}");
    }
}

#[test]
fn a_file_with_one_block_needs_no_braces() {
    assert_eq!(parsed(".").tree(), "[.]");
    assert_eq!(
        parsed(".:53 tls://.\nlog\ncache {\nttl 5\n}\nany").tree(),
        "[.:53 tls://.] log; cache { ttl 5; }; any;"
    );
}

#[test]
fn several_blocks_stand_one_after_the_other() {
    assert_eq!(parsed("a {\nlog\n}\nb {\n}\n").tree(), "[a] log;\n[b]");
}

#[test]
fn without_braces_after_another_block_it_is_unclear_what_belongs_where() {
    let errors = parsed("a {\nlog\n}\nb c\nlog\n").errors();
    assert_eq!(errors, ["4:1 the server block `b` has no `{`"]);
}

#[test]
fn keys_are_separated_by_blanks_commas_or_both() {
    for text in [
        "a b c {\n}",
        "a, b,c {\n}",
        "a , b,\n\n  c {\n}",
        "a,,b c {\n}",
        "a b c\n{\n}",
    ] {
        assert_eq!(parsed(text).tree(), "[a b c]", "{text:?}");
    }
}

#[test]
fn each_key_of_a_comma_list_has_its_own_place() {
    let parsed = parsed("ab,cd, ef {\n}");
    let sources = parsed.sources.clone();
    let keys = parsed.corefile().blocks.remove(0).keys;
    let slices: Vec<_> = keys.iter().map(|key| sources.slice(key.span)).collect();
    assert_eq!(slices, ["ab", "cd", "ef"]);
}

#[test]
fn a_variable_may_hold_several_keys() {
    let environment = Memory::default().variable("ZONES", "a,b");
    assert_eq!(
        parsed_with("{$ZONES}, c {\n}", &environment).tree(),
        "[a b c]"
    );
}

#[test]
fn a_quoted_key_may_hold_a_comma() {
    assert_eq!(parsed("\"a,\" {\n}").tree(), "[a,]");
}

#[test]
fn a_comma_promises_another_key() {
    let message = "a key is missing after a comma";
    assert_eq!(parsed("a, {\nlog\n}").errors(), [format!("1:1 {message}")]);
    assert_eq!(parsed("a b,").errors(), [format!("1:3 {message}")]);
    assert_eq!(parsed("a,\n}").errors()[0], format!("1:1 {message}"));
}

#[test]
fn an_empty_key_is_ignored_and_a_block_without_others_is_warned_of() {
    assert_eq!(parsed("\"\" a {\nlog\n}").tree(), "[a] log;");
    let corefile = parsed("\"\" {\nlog\n}").corefile();
    assert!(corefile.blocks[0].keys.is_empty());
    assert_eq!(corefile.warnings[0].label, "serves nothing");
}

#[test]
fn a_block_without_any_key_is_an_error() {
    assert_eq!(
        parsed("{\nlog\n}").errors(),
        ["1:1 a server block has no key"]
    );
}

#[test]
fn a_directive_ends_with_its_line_or_its_brace() {
    let tree = "[.] a 1; b { c { d 2; }; e; }; f 3;";
    assert_eq!(
        parsed(". {\na 1\nb {\nc {\nd 2\n}\ne\n}\nf 3\n}").tree(),
        tree
    );
    assert_eq!(
        parsed(". { a 1\nb { c { d 2 }\ne }\nf 3 }").tree(),
        tree,
        "on fewer lines"
    );
}

#[test]
fn an_empty_block_differs_from_none_and_from_the_word() {
    assert_eq!(
        parsed(".\ncache {\n}\ncache\ncache {}").tree(),
        "[.] cache { }; cache; cache {};"
    );
}

#[test]
fn repeated_directives_are_all_kept() {
    assert_eq!(
        parsed(".\nlog a\nany\nlog b").tree(),
        "[.] log a; any; log b;"
    );
}

#[test]
fn stray_closing_braces_are_all_reported() {
    let errors = parsed("a {\nlog }\n}\nb {\n}\n}").errors();
    assert_eq!(
        errors,
        [
            "3:1 `}` without a matching `{`",
            "6:1 `}` without a matching `{`"
        ]
    );
    assert_eq!(
        parsed(".\nlog }\nany").errors(),
        ["2:5 `}` without a matching `{`"]
    );
}

#[test]
fn a_missing_closing_brace_is_reported_once_at_the_end() {
    let errors = parsed("a {\nlog {\nclass {\n# the end\n").errors();
    assert_eq!(errors, ["4:10 the file ends within a block"]);
}

#[test]
fn a_forgotten_closing_brace_is_guessed_from_the_indentation() {
    let parsed = parsed(". {\n    cache {\n        ttl 5\n    log\n}\n");
    let error = &parsed.result.as_ref().unwrap_err()[0];
    let lines: Vec<_> = error
        .context
        .iter()
        .map(|(span, _)| parsed.sources.position(*span).0)
        .collect();
    assert_eq!(
        lines,
        [1, 2, 5],
        "the block left open, the suspect, and the brace it took"
    );
}

#[test]
fn an_opening_brace_cannot_start_a_line() {
    let errors = parsed(". {\ncache\n{\nttl 5\n}\nlog\n}").errors();
    assert_eq!(errors, ["3:1 `{` stands where a directive should start"]);
}

#[test]
fn nothing_follows_a_closing_brace_on_its_line() {
    let errors = parsed(". {\na {\n} b\n}").errors();
    assert_eq!(errors, ["3:3 a word follows `}` on the same line"]);
}

#[test]
fn all_mistakes_of_a_file_are_found() {
    let errors = parsed("a, {\n{\n}\nx {\n} y\nimport\nimport a b\n}\n}\n{\n").errors();
    assert_eq!(
        errors,
        [
            "1:1 a key is missing after a comma",
            "2:1 `{` stands where a directive should start",
            "5:3 a word follows `}` on the same line",
            "6:1 `import` takes one argument, but has 0",
            "7:10 `import` takes one argument, but has 2",
            "9:1 `}` without a matching `{`",
            "10:1 a server block has no key",
            "10:2 the file ends within a block",
        ]
    );
}

#[test]
fn a_block_spans_from_its_first_key_to_its_end() {
    for (text, expected) in [
        ("  a b {\nlog\n} # x\n", "a b {\nlog\n}"),
        ("\na\nlog b\nx { y\n}\n#\n", "a\nlog b\nx { y\n}"),
        ("a b\n", "a b"),
    ] {
        let parsed = parsed(text);
        let sources = parsed.sources.clone();
        assert_eq!(sources.slice(parsed.corefile().blocks[0].span), expected);
    }
}
