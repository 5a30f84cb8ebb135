//! The files that were read, and places in them.

use std::ops::Range;
use std::sync::Arc;

use crate::Secret;
use crate::secret::{Hidden, masked, masked_span};

/// One of the files in [`Sources`]. It means nothing for other `Sources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

impl FileId {
    fn of(number: usize) -> Self {
        Self(u32::try_from(number).unwrap_or(u32::MAX))
    }
}

/// A place in a file: the bytes `start..end` of its text.
///
/// Spans that the parser makes lie within the text, on character boundaries. An empty span is a place
/// between two characters, such as the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte, from 0. A byte order mark at the start of a file is not counted.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The span from the start of `self` to the end of `last`; `self` if they lie in two files or
    /// `last` comes earlier.
    #[must_use]
    pub fn to(self, last: Span) -> Span {
        if self.file == last.file && self.end <= last.end {
            Span {
                end: last.end,
                ..self
            }
        } else {
            self
        }
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The text of every file that one or several [`parse`](crate::parse()) calls have read, so that a
/// [`Diagnostic`](crate::Diagnostic) can show the line that it speaks of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    secrets: Vec<Secret>,
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: Arc<str>,
    hidden: Hidden,
    imported_at: Option<Span>,
}

impl Sources {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the words of these directives and options, and of no others, hidden wherever a part of a file
    /// is shown.
    pub fn hide(&mut self, secrets: &[Secret]) {
        self.secrets = secrets.to_vec();
        for number in 0..self.files.len() {
            self.files[number].hidden = self.hidden_in(number, &self.files[number].text);
        }
    }

    /// The file's name as it is shown to the user; empty for a file of other sources.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.get(file).map_or("", |source| &source.name)
    }

    /// The file's text without a byte order mark; empty for a file of other sources.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        self.get(file).map_or("", |source| &source.text)
    }

    /// The text at `span` as it stands in the file; empty if there is none.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.file).get(span.range()).unwrap_or("")
    }

    /// The line and the column at which `span` starts, both from 1; a column is one character of the
    /// line as it is shown, where a secret has another length.
    #[must_use]
    pub fn position(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.file);
        let start = text.floor_char_boundary(span.start as usize);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |end| start + end);
        let hidden = self.hidden(span.file, &(line_start..line_end));
        let offset = start - line_start;
        let shown = masked(&text[line_start..line_end], &hidden);
        let offset = masked_span(offset..offset, &hidden).start;
        (line, shown[..offset].chars().count() + 1)
    }

    /// Where the file was first imported; `None` for a file that was not.
    #[must_use]
    pub fn imported_at(&self, file: FileId) -> Option<Span> {
        self.get(file)?.imported_at
    }

    /// Adds a file, which the caller has checked to be no longer than [`crate::MAX_FILE_BYTES`].
    pub(crate) fn add(&mut self, name: &str, text: &str, imported_at: Option<Span>) -> FileId {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let number = self.files.len();
        self.files.push(Source {
            name: name.to_owned(),
            hidden: self.hidden_in(number, &text),
            text,
            imported_at,
        });
        FileId::of(number)
    }

    /// The hidden parts of `window`, as bytes of it.
    pub(crate) fn hidden(&self, file: FileId, window: &Range<usize>) -> Vec<Range<usize>> {
        self.get(file)
            .map_or_else(Vec::new, |source| source.hidden.within(window))
    }

    /// Whether the word at `span` is secret.
    pub(crate) fn is_secret(&self, span: Span) -> bool {
        self.get(span.file)
            .is_some_and(|source| source.hidden.has(span))
    }

    fn hidden_in(&self, number: usize, text: &Arc<str>) -> Hidden {
        let whole = Span {
            file: FileId::of(number),
            start: 0,
            end: u32::try_from(text.len()).unwrap_or(u32::MAX),
        };
        Hidden::find(text, whole, &self.secrets)
    }

    /// The text, to be held while more files are added.
    pub(crate) fn shared_text(&self, file: FileId) -> Arc<str> {
        self.get(file)
            .map_or_else(|| "".into(), |source| Arc::clone(&source.text))
    }

    fn get(&self, file: FileId) -> Option<&Source> {
        self.files.get(file.0 as usize)
    }
}
