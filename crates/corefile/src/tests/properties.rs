//! What holds for every text.

use std::fmt::Write;
use std::path::Path;

use proptest::prelude::*;

use super::support::{Memory, parsed, parsed_with};
use crate::{Diagnostic, Directive, FileId, Secret, ServerBlock, Sources, Span, Token, parse};

/// Texts out of the words that mean something, with others between.
fn corefile_like() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => prop::sample::select(vec![
            "{", "}", "\n", "\n", " ", " ", "import", "import a", "import *", "import s", "(s)", "\"", "\\\"",
            "#", ",", "a", "é", "\r", "\t", "{$X}", "{%Y%}", "{$", "{}", "\"\"", "\u{feff}", "\u{2028}",
        ]),
        1 => Just("😀"),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

fn check_span(span: Span, sources: &Sources) {
    let text = sources.text(span.file);
    assert!(text.get(span.range()).is_some(), "{span:?} in {text:?}");
}

fn check_token(token: &Token, sources: &Sources) {
    check_span(token.span, sources);
}

fn check_entries(entries: &[Directive], sources: &Sources) {
    for entry in entries {
        check_token(&entry.name, sources);
        entry
            .arguments
            .iter()
            .for_each(|argument| check_token(argument, sources));
        if let Some(block) = &entry.block {
            check_span(block.open, sources);
            check_span(block.close, sources);
            assert_eq!(
                (sources.slice(block.open), sources.slice(block.close)),
                ("{", "}")
            );
            check_entries(&block.entries, sources);
        }
    }
}

/// That everything can be shown, too, where words are secret.
fn check_hidden(text: &str, environment: &Memory) {
    let mut sources = Sources::new();
    let secret = |name, shown| Secret { name, shown };
    sources.hide(&[secret("a", 1), secret("b", 0)]);
    let directory = Path::new("/etc");
    let parsed = parse(&mut sources, "Corefile", directory, text, environment);
    let show = |span: Span| {
        let error = Diagnostic::error(span, "message").label("label");
        assert!(!error.render(&sources).is_empty());
    };
    match parsed {
        Ok(corefile) => {
            for block in &corefile.blocks {
                show(block.span);
                block.directives.iter().for_each(|it| show(it.span()));
            }
        }
        Err(errors) => errors.iter().filter_map(|it| it.span).for_each(show),
    }
}

fn check(text: &str) {
    let environment = Memory::default()
        .file("/etc/a", text)
        .file("/etc/b", "a {\nb \"c\nd\"\n}")
        .variable("X", "x y")
        .variable("Y", "{$X}é");
    check_hidden(text, &environment);
    let parsed = parsed_with(text, &environment);
    match &parsed.result {
        Ok(corefile) => {
            for block in &corefile.blocks {
                block
                    .keys
                    .iter()
                    .for_each(|key| check_token(key, &parsed.sources));
                check_span(block.span, &parsed.sources);
                check_entries(&block.directives, &parsed.sources);
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                error
                    .span
                    .into_iter()
                    .for_each(|span| check_span(span, &parsed.sources));
                error
                    .context
                    .iter()
                    .for_each(|(span, _)| check_span(*span, &parsed.sources));
                assert!(!error.render(&parsed.sources).is_empty());
            }
        }
    }
}

/// Writes a tree as a Corefile, every word in quotes where that is needed.
fn print(blocks: &[ServerBlock]) -> String {
    let mut text = String::new();
    for block in blocks {
        block
            .keys
            .iter()
            .for_each(|key| print_token(key, &mut text));
        text.push_str("{\n");
        print_entries(&block.directives, &mut text);
        text.push_str("}\n");
    }
    text
}

fn print_entries(entries: &[Directive], text: &mut String) {
    for entry in entries {
        print_token(&entry.name, text);
        entry
            .arguments
            .iter()
            .for_each(|argument| print_token(argument, text));
        if let Some(block) = &entry.block {
            text.push_str("{\n");
            print_entries(&block.entries, text);
            text.push('}');
        }
        text.push('\n');
    }
}

fn print_token(token: &Token, text: &mut String) {
    if token.quoted {
        write!(text, "\"{}\" ", token.text.replace('"', "\\\"")).unwrap();
    } else {
        write!(text, "{} ", token.text).unwrap();
    }
}

/// A token for the printer; its place does not matter.
fn token(text: String, quoted: bool) -> Token {
    let span = Span {
        file: some_file(),
        start: 0,
        end: 0,
    };
    let secret = false;
    Token {
        text,
        quoted,
        secret,
        span,
    }
}

fn some_file() -> FileId {
    Sources::new().add("", "", None)
}

fn any_token() -> impl Strategy<Value = Token> {
    prop_oneof![
        // No `#`, quote, comma, brace or variable.
        "[a-zA-Zé0-9_.:/()-]{1,8}"
            .prop_filter("keyword", |text| text != "import")
            .prop_map(|text| token(text, false)),
        // A backslash before a quote or at the end would escape it.
        "[ -!#$%-\\[\\]-z|~\né]{0,12}".prop_map(|text| token(text, true)),
        prop::sample::select(vec!["{", "}", "import", ""])
            .prop_map(|text| token(text.into(), true)),
    ]
}

fn any_entries() -> impl Strategy<Value = Vec<Directive>> {
    let line =
        (any_token(), prop::collection::vec(any_token(), 0..4)).prop_map(|(name, arguments)| {
            Directive {
                name,
                arguments,
                block: None,
            }
        });
    let line = line.prop_recursive(4, 24, 4, |inner| {
        (
            any_token(),
            prop::collection::vec(any_token(), 0..3),
            prop::collection::vec(inner, 0..4),
        )
            .prop_map(|(name, arguments, entries)| {
                let span = name.span;
                let block = Some(crate::Block {
                    open: span,
                    entries,
                    close: span,
                });
                Directive {
                    name,
                    arguments,
                    block,
                }
            })
    });
    prop::collection::vec(line, 0..5)
}

fn any_blocks() -> impl Strategy<Value = Vec<ServerBlock>> {
    let key = "[a-z0-9.:/-]{1,8}"
        .prop_filter("keyword", |text| text != "import")
        .prop_map(|text| token(text, false));
    let block = (prop::collection::vec(key, 1..4), any_entries()).prop_map(|(keys, directives)| {
        ServerBlock {
            span: keys[0].span,
            keys,
            directives,
        }
    });
    prop::collection::vec(block, 0..4)
}

/// The tree with every place the same.
fn placeless(blocks: &[ServerBlock]) -> Vec<ServerBlock> {
    fn bare(tokens: &[Token]) -> Vec<Token> {
        tokens
            .iter()
            .map(|word| token(word.text.clone(), word.quoted))
            .collect()
    }
    fn entries_of(entries: &[Directive]) -> Vec<Directive> {
        let bare_entry = |entry: &Directive| {
            let name = token(entry.name.text.clone(), entry.name.quoted);
            let span = name.span;
            let block = entry.block.as_ref().map(|block| crate::Block {
                open: span,
                entries: entries_of(&block.entries),
                close: span,
            });
            Directive {
                name,
                arguments: bare(&entry.arguments),
                block,
            }
        };
        entries.iter().map(bare_entry).collect()
    }
    let span = Span {
        file: some_file(),
        start: 0,
        end: 0,
    };
    let bare_block = |block: &ServerBlock| ServerBlock {
        keys: bare(&block.keys),
        directives: entries_of(&block.directives),
        span,
    };
    blocks.iter().map(bare_block).collect()
}

proptest! {
    #[test]
    fn no_text_panics_and_spans_lie_within_the_text(text in "\\PC{0,200}|(?s).{0,100}") {
        check(&text);
    }

    #[test]
    fn no_corefile_panics_and_spans_lie_within_the_text(text in corefile_like()) {
        check(&text);
    }

    #[test]
    fn a_printed_tree_reads_back(blocks in any_blocks()) {
        let text = print(&blocks);
        let read = parsed(&text).corefile();
        prop_assert_eq!(placeless(&read.blocks), placeless(&blocks), "{}", text);
    }

    // Callers may make spans of their own, even wrong ones.
    #[test]
    fn no_span_makes_rendering_panic(
        text in "[a-zé\t\r\n😀]{0,60}", start in 0..80u32, end in 0..80u32, other in 0..80u32,
        stretch in prop::sample::select(vec![0_usize, 1999, 5000]),
    ) {
        let mut sources = Sources::new();
        let text = text + &"é".repeat(stretch);
        let file = sources.add("f", &text, None);
        let place = |start, end| Span { file, start, end };
        let diagnostic = Diagnostic::error(place(start, end), "m").label("l").context(place(other, end), "c");
        prop_assert!(diagnostic.render(&sources).contains("error: m"));
        prop_assert!(diagnostic.render(&Sources::new()).contains("error: m"));
    }
}
