//! Snippets and imported files.

use std::path::PathBuf;

use super::support::{Memory, parsed, parsed_with};

#[test]
fn a_snippet_is_spliced_between_blocks_into_blocks_and_into_directives() {
    let text = "
        (block) {
            b {
                any
            }
        }
        (lines) {
            log
            errors {
                import options
            }
        }
        (options) {
            stacktrace
        }
        import block
        a {
            import lines
            cache {
                import options
                ttl 5
            }
        }";
    assert_eq!(
        parsed(text).tree(),
        "[b] any;\n[a] log; errors { stacktrace; }; cache { stacktrace; ttl 5; };"
    );
}

#[test]
fn a_snippet_is_no_server_block() {
    assert_eq!(
        parsed("(a) {\nlog\n}\n.:53\nimport a").tree(),
        "[.:53] log;"
    );
    assert_eq!(parsed("(a) {\nlog\n}").tree(), "");
}

#[test]
fn parentheses_among_several_keys_are_a_key() {
    assert_eq!(parsed("(a) b {\nlog\n}").tree(), "[(a) b] log;");
}

#[test]
fn a_snippet_is_defined_once_and_with_a_block_and_a_name() {
    let errors = parsed("(a) {\n}\n(a) {\n}\n(b)\n() {\n}").errors();
    assert_eq!(
        errors,
        [
            "3:1 the snippet `a` is defined twice",
            "5:1 a snippet has no block",
            "6:1 a snippet has no name"
        ]
    );
}

#[test]
fn a_snippet_that_imports_itself_is_rejected_even_if_it_is_never_used() {
    let errors = parsed("(a) {\nlog\nimport a\n}\n. {\nimport a\n}").errors();
    assert_eq!(errors, ["3:8 `a` imports itself"]);
}

#[test]
fn snippets_that_import_each_other_are_rejected() {
    let errors = parsed("(a) {\nimport b\n}\n(b) {\nimport a\n}\n. {\nimport a\n}").errors();
    assert_eq!(errors, ["5:8 `a` imports itself"]);
}

#[test]
fn a_mistake_in_a_snippet_is_shown_once_where_it_is() {
    let errors = parsed("(s) {\na {\n} b\n}\n. {\nimport s\nimport s\n}").errors();
    assert_eq!(errors, ["3:3 a word follows `}` on the same line"]);
}

#[test]
fn an_unknown_import_suggests_a_snippet() {
    let parsed = parsed("(common) {\n}\n.\nimport comon\nimport x");
    let errors = parsed.result.unwrap_err();
    assert_eq!(
        errors[0].help.as_deref(),
        Some("there is a snippet `common`")
    );
    assert_eq!(
        errors[1].help.as_deref(),
        Some("a snippet must be defined before it is imported")
    );
}

#[test]
fn files_are_found_from_the_directory_of_the_importing_file() {
    let environment = Memory::default()
        .file("/etc/sub/a", "log\nimport b")
        .file("/etc/sub/b", "any\nimport /abs")
        .file("/abs", "errors");
    let corefile = parsed_with(
        ". {\nimport sub/a\ncache {\nimport sub/b\n}\n}",
        &environment,
    );
    let expected: Vec<PathBuf> = ["/etc/sub/a", "/etc/sub/b", "/abs"]
        .map(PathBuf::from)
        .into();
    let corefile = corefile.corefile();
    assert_eq!(
        corefile.imports, expected,
        "each file once, in reading order"
    );
    assert_eq!(
        parsed_with(". {\nimport sub/a\n}", &environment).tree(),
        "[.] log; any; errors;"
    );
}

#[test]
fn a_snippet_imports_files_from_where_it_is_defined() {
    let environment = Memory::default()
        .file("/etc/sub/snippets", "(s) {\nimport x\n}")
        .file("/etc/sub/x", "log");
    assert_eq!(
        parsed_with("import sub/snippets\n. {\nimport s\n}", &environment).tree(),
        "[.] log;"
    );
}

#[test]
fn an_imported_file_may_hold_a_block_without_braces() {
    let environment = Memory::default().file("/etc/a", "a.org\nlog\n");
    assert_eq!(
        parsed_with("import a\nb {\n}", &environment).tree(),
        "[a.org] log;\n[b]"
    );
}

#[test]
fn patterns_import_every_match_in_order() {
    let environment = Memory::default()
        .file("/etc/conf.d/b.conf", "any")
        .file("/etc/conf.d/a.conf", "log")
        .file("/etc/conf.d/c.txt", "errors")
        .variable("EXT", "conf");
    assert_eq!(
        parsed_with(".\nimport conf.d/*.{$EXT}", &environment).tree(),
        "[.] log; any;"
    );
}

#[test]
fn a_pattern_without_a_match_is_only_warned_of() {
    let corefile = parsed(".\nimport *.none\nlog").corefile();
    assert_eq!(
        corefile.warnings[0].message,
        "no file matches the pattern of an import"
    );
    assert_eq!(corefile.blocks[0].directives.len(), 1);
}

#[test]
fn imports_that_cannot_be_are_all_reported() {
    let environment = Memory::default().file("/etc/dir", "<directory>");
    let text = ".\nimport none\nimport dir\nimport */*\nimport ?a?\nimport [ab]\nimport \"\"\nimport x {\ny\n}\nlog";
    assert_eq!(
        parsed_with(text, &environment).errors(),
        [
            "2:8 the file to import, /etc/none, does not exist",
            "3:8 cannot import /etc/dir: it is a directory",
            "4:8 too many wildcards in the pattern of an import",
            "5:8 too many wildcards in the pattern of an import",
            "6:8 too many wildcards in the pattern of an import",
            "7:8 `import` has an empty name",
            "8:10 `import` takes no block",
        ]
    );
}

#[test]
fn import_is_an_argument_unless_it_starts_a_line() {
    assert_eq!(parsed(".\nlog import x").tree(), "[.] log import x;");
    assert_eq!(parsed("a import b {\n}").tree(), "[a import b]");
}

#[test]
fn a_file_that_imports_itself_is_rejected() {
    let environment = Memory::default()
        .file("/etc/a", "log\nimport b")
        .file("/etc/b", "import a");
    assert_eq!(
        parsed_with(".\nimport a", &environment).errors(),
        ["/etc/b:1:8 `a` imports itself"]
    );
}

#[test]
fn an_imported_file_closes_what_it_opens() {
    let environment = Memory::default()
        .file("/etc/a", "log {\n")
        .file("/etc/b", "any\n}\n");
    let errors = parsed_with(". {\nimport a\nimport b\n}\n", &environment).errors();
    assert_eq!(
        errors,
        [
            "/etc/a:1:6 the file ends within a block",
            "/etc/b:2:1 `}` without a matching `{`"
        ]
    );
}
