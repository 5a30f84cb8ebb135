//! Text to words.
//!
//! Words are separated by white space. A word that starts with `"` runs to the next `"` that no
//! backslash precedes, over line ends too; within it `\"` is a quote, and any other backslash is itself.
//! Outside quotes a `#`, even within a word, starts a comment to the end of the line. `\r` is ignored.

use std::sync::Arc;

use crate::{FileId, Span};

/// A word of a Corefile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The word without its quotes and with its environment variables replaced.
    pub text: String,
    /// Whether the word stood in double quotes, which keeps it from being `{`, `}` or `import`.
    pub quoted: bool,
    /// Whether nobody may see it, by [`Sources::hide`](crate::Sources::hide).
    pub secret: bool,
    /// The word in the file, with its quotes and its variables as written.
    pub span: Span,
}

/// A word as it is written: without its quotes, its environment variables not yet replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) quoted: bool,
    pub(crate) span: Span,
    pub(crate) kind: Kind,
    /// Whether it is the first of its line.
    pub(crate) first: bool,
    /// False if the closing quote is missing.
    pub(crate) terminated: bool,
}

/// What a word is to the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Close,
    Import,
    Plain,
}

/// The words of a part of a file: all of it, or the body of a snippet.
pub(crate) struct Lexer {
    file: FileId,
    text: Arc<str>,
    position: usize,
    end: usize,
    /// Whether a line end, or the start of the part, lies before the next word.
    line_start: bool,
    peeked: Option<Word>,
}

impl Lexer {
    /// The words of `text[span]`, where `text` is that of the span's file.
    pub(crate) fn new(text: Arc<str>, span: Span) -> Self {
        let end = text.floor_char_boundary(span.end as usize);
        let position = text.floor_char_boundary(span.start as usize).min(end);
        Self {
            file: span.file,
            text,
            position,
            end,
            line_start: true,
            peeked: None,
        }
    }

    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// The next word, left in place.
    pub(crate) fn peek(&mut self) -> Option<&Word> {
        if self.peeked.is_none() {
            self.peeked = self.scan();
        }
        self.peeked.as_ref()
    }

    /// The next word.
    pub(crate) fn next(&mut self) -> Option<Word> {
        self.peeked.take().or_else(|| self.scan())
    }

    /// The empty span after the last text that is not blank: where something missing should have been.
    pub(crate) fn end(&self) -> Span {
        let end = self.text[..self.end].trim_end().len();
        self.span(end, end)
    }

    fn scan(&mut self) -> Option<Word> {
        self.skip_blanks();
        let rest = &self.text[self.position..self.end];
        if rest.is_empty() {
            return None;
        }
        let first = std::mem::replace(&mut self.line_start, false);
        let start = self.position;
        let (text, quoted, terminated, length) = match rest.strip_prefix('"') {
            Some(inner) => match quoted_word(inner) {
                Some((text, length)) => (text, true, true, length + 1),
                // The rest of the line, so that what follows can still be checked.
                None => {
                    let line = inner.split('\n').next().unwrap_or(inner).trim_end();
                    (line.to_owned(), true, false, line.len() + 1)
                }
            },
            None => {
                let (text, length) = plain_word(rest);
                (text, false, true, length)
            }
        };
        self.position += length;
        let kind = match text.as_str() {
            "{" if !quoted => Kind::Open,
            "}" if !quoted => Kind::Close,
            "import" if !quoted => Kind::Import,
            _ => Kind::Plain,
        };
        Some(Word {
            text,
            quoted,
            span: self.span(start, self.position),
            kind,
            first,
            terminated,
        })
    }

    /// Moves to the next word, over white space and comments.
    fn skip_blanks(&mut self) {
        let mut comment = false;
        let rest = &self.text[self.position..self.end];
        for (offset, character) in rest.char_indices() {
            match character {
                '\n' => {
                    comment = false;
                    self.line_start = true;
                }
                '#' => comment = true,
                _ if comment || character.is_whitespace() => {}
                _ => {
                    self.position += offset;
                    return;
                }
            }
        }
        self.position = self.end;
    }

    fn span(&self, start: usize, end: usize) -> Span {
        // Files are far shorter than 4 GiB, so these never saturate.
        let offset = |value| u32::try_from(value).unwrap_or(u32::MAX);
        Span {
            file: self.file,
            start: offset(start),
            end: offset(end),
        }
    }
}

/// The word at the start of `text` and how many bytes it takes up.
fn plain_word(text: &str) -> (String, usize) {
    let mut word = String::new();
    let mut length = 0;
    for (offset, character) in text.char_indices() {
        match character {
            '\r' => continue,
            '#' => break,
            _ if character.is_whitespace() => break,
            _ => word.push(character),
        }
        length = offset + character.len_utf8();
    }
    (word, length)
}

/// The quoted word at the start of `text`, which is what follows the opening quote, and how many bytes
/// it takes up with its closing quote. `None` if there is no closing quote.
fn quoted_word(text: &str) -> Option<(String, usize)> {
    let mut word = String::new();
    let mut escaped = false;
    for (offset, character) in text.char_indices() {
        match character {
            '"' if !escaped => return Some((word, offset + 1)),
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '"' => {}
            _ if escaped => word.push('\\'),
            _ => {}
        }
        word.push(character);
        escaped = false;
    }
    None
}
