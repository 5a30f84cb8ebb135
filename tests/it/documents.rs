//! What the documents say, held against what is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use callsign::plugins::{DIRECTIVES, definition};

use crate::support::run::Running;

/// The folder of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts between backticks, code blocks aside.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    // Paragraphs one by one: a stray backtick spoils only its own.
    text.split("\n\n")
        .flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
}

/// Whether a quoted word means a file or folder of the repository.
fn is_path(word: &str) -> bool {
    let relative = word.contains('/') && !word.starts_with('/') && !word.contains("://");
    let file = [".md", ".rs", ".toml"]
        .iter()
        .any(|end| word.ends_with(end));
    (relative || file) && !word.contains(char::is_whitespace)
}

/// If this fails, who reads ARCHITECTURE.md to find something is sent to where nothing is.
#[test]
fn every_path_of_the_architecture_exists() {
    let text = read("ARCHITECTURE.md");
    let paths: Vec<&str> = quoted(&text).filter(|word| is_path(word)).collect();
    assert!(paths.len() > 30, "few paths were recognised: {paths:?}");
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names what is not there: {missing:?}"
    );
}

/// If this fails, a directive's page shows a syntax that the program does not have, or there is
/// no page at all.
#[test]
fn every_directive_has_a_page_that_begins_with_its_syntax() {
    for directive in DIRECTIVES {
        let page = format!("docs/{}.md", directive.name);
        let text = read(&page);
        let block = text
            .split("```\n")
            .nth(1)
            .unwrap_or_else(|| panic!("{page}: no code block"));
        assert_eq!(
            block.trim_end(),
            directive.syntax.trim_end(),
            "{page}: the first code block"
        );
    }
}

/// If this fails, an option exists and nobody can find out what it means, what its default is, or
/// how it looks.
#[test]
fn every_option_of_identity_is_in_the_tables_and_in_an_example() {
    let syntax = definition("identity").expect("the directive").syntax;
    let page = read("docs/identity.md");
    let example = read("examples/everything.Corefile");
    let options: Vec<&str> = syntax
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "}")
        .collect();
    assert!(
        options.len() > 20,
        "few options were recognised: {options:?}"
    );
    let begins = |line: &str, start: &str, ends: &[char]| {
        let rest = line.trim_start().strip_prefix(start);
        rest.is_some_and(|rest| rest.starts_with(ends))
    };
    for option in options {
        let linked = format!("| [`{option}`](");
        let plain = format!("| `{option}");
        assert!(
            page.lines()
                .any(|line| line.starts_with(&linked) || begins(line, &plain, &[' ', '`'])),
            "docs/identity.md: no row for `{option}`"
        );
        // What needs a set-up of its own is there as a comment.
        assert!(
            example
                .lines()
                .map(|line| line.trim_start().trim_start_matches("# "))
                .any(|line| begins(line, option, &[' '])),
            "examples/everything.Corefile: no `{option}`"
        );
    }
}

/// If this fails, whoever copies an example gets an error for it.
#[test]
fn every_example_is_right() {
    let examples: Vec<PathBuf> = fs::read_dir(root().join("examples"))
        .expect("the folder of examples")
        .map(|entry| entry.expect("an example").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "Corefile")
        })
        .collect();
    assert!(examples.len() >= 4, "the examples are gone: {examples:?}");
    for example in examples {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
        let ended = Running::start(command.arg("check").arg(&example)).ended();
        let complaints = (ended.status, ended.errors.as_str());
        assert_eq!(complaints, (Some(0), ""), "{}", example.display());
    }
}

/// If this fails, a link of a document leads nowhere.
#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .expect("the folder of documents")
        .map(|entry| entry.expect("a document").path())
        .collect();
    pages.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| root().join(page)));
    for page in pages {
        let text = fs::read_to_string(&page).expect("a document");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.with_file_name(file),
            };
            let found = fs::read_to_string(&target);
            let found = found.unwrap_or_else(|error| panic!("{}: {link}: {error}", page.display()));
            let known = anchor.is_empty() || headings(&found).any(|heading| heading == anchor);
            assert!(known, "{}: {link}: no such heading", page.display());
        }
    }
}

/// The anchors of a page's headings, as they are commonly derived: lower case, blanks to hyphens,
/// no punctuation.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim();
            let kept = title
                .chars()
                .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
            kept.map(|it| {
                if it == ' ' {
                    '-'
                } else {
                    it.to_ascii_lowercase()
                }
            })
            .collect()
        })
}
