//! What keeps a hostile file from costing much.

use super::support::{Memory, parsed, parsed_with};
use crate::MAX_FILE_BYTES;

#[test]
fn a_large_file_is_refused() {
    let text = " ".repeat(MAX_FILE_BYTES + 1);
    assert_eq!(parsed(&text).errors(), ["Corefile is larger than 16 MiB"]);
    let environment = Memory::default().file("/etc/large", text);
    let errors = parsed_with("import large", &environment).errors();
    assert_eq!(
        errors,
        ["1:8 cannot import /etc/large: it is larger than 16 MiB"]
    );
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    let deep = |depth: usize| format!(".\n{}{}", "a {\n".repeat(depth), "}\n".repeat(depth));
    assert_eq!(parsed(&deep(64)).corefile().blocks.len(), 1);
    assert_eq!(
        parsed(&deep(65)).errors(),
        ["66:3 blocks are nested too deeply"]
    );
    assert_eq!(
        parsed(&deep(200_000)).errors(),
        ["66:3 blocks are nested too deeply"]
    );
}

#[test]
fn deep_imports_are_refused() {
    let mut environment = Memory::default().file("/etc/100", "log");
    for n in 0..100 {
        environment = environment.file(&format!("/etc/{n}"), format!("import {}", n + 1));
    }
    assert_eq!(
        parsed_with(".\nimport 37", &environment).tree(),
        "[.] log;",
        "64 deep"
    );
    let errors = parsed_with(".\nimport 0", &environment).errors();
    assert_eq!(errors, ["/etc/63:1:8 imports are nested too deeply"]);
}

#[test]
fn snippets_cannot_multiply_without_end() {
    let mut text = "(s0) {\nlog\n}\n".to_owned();
    for n in 1..12 {
        let body = format!("import s{}\n", n - 1).repeat(10);
        text += &format!("(s{n}) {{\n{body}}}\n");
    }
    let errors = parsed(&(text + ". {\nimport s11\n}")).errors();
    assert!(
        errors[0].ends_with("too many imports of snippets"),
        "{errors:?}"
    );
}

#[test]
fn imported_text_is_bounded_in_all() {
    let environment = Memory::default().file("/etc/a", "#".repeat(1 << 20));
    let errors = parsed_with(&format!(".\n{}", "import a\n".repeat(1000)), &environment).errors();
    assert_eq!(
        errors,
        ["/etc/a:1:1 more than 64 MiB of text, imports included"]
    );
}

#[test]
fn variables_cannot_fill_the_memory() {
    let environment = Memory::default().variable("X", &"x".repeat(1 << 20));
    for text in [
        ".\nlog ".to_owned() + &"{$X}".repeat(1000),
        ".\nlog ".to_owned() + &"{$X} ".repeat(1000),
    ] {
        let errors = parsed_with(&text, &environment).errors();
        assert!(
            errors[0].ends_with("environment variables make this far too long"),
            "{errors:?}"
        );
        assert_eq!(errors.len(), 1);
    }
}

#[test]
fn words_are_bounded_in_all() {
    let errors = parsed(&format!(". {{\n{}\n}}", "a\n".repeat(1_000_001))).errors();
    assert_eq!(
        errors,
        ["1000000:1 more than 1000000 words, imports included"]
    );
}

#[test]
fn errors_are_bounded() {
    let errors = parsed(&"}\n".repeat(1000)).errors();
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100], "and 900 more");
}
