//! Words that nobody may see, such as passwords: found in the text of a file, and shown as [`MASK`].
//!
//! They are found in the words as the parser sees them, and besides in the lines as an eye sees them: a
//! mistake in front of a password, such as a quote that does not end, must not bring it to light. Where
//! it is not certain what is secret, more is hidden.

use std::ops::Range;
use std::sync::Arc;

use crate::token::{Kind, Lexer};
use crate::{Span, nearest};

/// A directive or option whose words are secret. What is probably a misspelling of it counts as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: &'static str,
    /// How many of the words after the name may be shown.
    pub shown: usize,
}

/// What is shown for a secret, which does not even tell its length.
pub(crate) const MASK: &str = "********";

/// The hidden parts of a file, as bytes of its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hidden {
    /// Secret words, ascending and apart.
    words: Vec<Range<usize>>,
    /// The same and users and passwords in URLs, each within one line.
    parts: Vec<Range<usize>>,
}

impl Hidden {
    /// What is to be hidden of `text`, which is all of the file of `whole`.
    pub(crate) fn find(text: &Arc<str>, whole: Span, secrets: &[Secret]) -> Self {
        let mut names = Vec::new();
        let lexer = Lexer::new(Arc::clone(text), whole);
        let mut words = in_words(text, lexer, secrets, &mut names);
        words.extend(in_lines(text, secrets, &names));
        let words = merged(words);
        let parts = words.iter().cloned().chain(in_urls(text));
        let parts = merged(parts.flat_map(|part| by_line(text, part)).collect());
        Self { words, parts }
    }

    /// Whether the word at `span` is secret.
    pub(crate) fn has(&self, span: Span) -> bool {
        !meeting(&self.words, &span.range()).is_empty()
    }

    /// The hidden parts within `window`, as bytes of it.
    pub(crate) fn within(&self, window: &Range<usize>) -> Vec<Range<usize>> {
        let cut = |part: &Range<usize>| {
            part.start.max(window.start) - window.start..part.end.min(window.end) - window.start
        };
        meeting(&self.parts, window).iter().map(cut).collect()
    }
}

/// The same parts, ascending and apart.
fn merged(mut parts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    parts.sort_unstable_by_key(|part| part.start);
    parts.dedup_by(|next, part| {
        let touches = next.start <= part.end;
        if touches {
            part.end = part.end.max(next.end);
        }
        touches
    });
    parts
}

/// Those of `parts`, which are ascending and apart, that have something in common with `range`.
fn meeting<'a>(parts: &'a [Range<usize>], range: &Range<usize>) -> &'a [Range<usize>] {
    let first = parts.partition_point(|part| part.end <= range.start);
    let count = parts[first..].partition_point(|part| part.start < range.end);
    &parts[first..first + count]
}

/// The secret words as the parser sees them, and the comments behind them: a `#` in a password begins
/// one. `names` is given where the names before them start.
fn in_words(
    text: &str,
    mut lexer: Lexer,
    secrets: &[Secret],
    names: &mut Vec<usize>,
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // The line that is being read, if it is a secret's.
    let mut line: Option<Line> = None;
    // How many blocks are open within the block of a secret, that one included.
    let mut depth = 0_usize;
    let mut after_brace = false;
    while let Some(word) = lexer.next() {
        let span = word.span.range();
        let starts = word.first || after_brace;
        after_brace = matches!(word.kind, Kind::Open | Kind::Close);
        if starts || after_brace {
            found.extend(line.as_mut().into_iter().flat_map(Line::end));
        }
        if starts {
            if let Some(secret) = meant(&word.text, secrets) {
                names.push(span.start);
                found.extend(comment_after(text, span.end));
                line = Some(Line::of(secret));
                continue;
            }
            line = line.and_then(Line::goes_on);
        }
        match word.kind {
            Kind::Open if depth > 0 || line.is_some() => {
                depth += 1;
                line = None;
            }
            Kind::Open => {}
            Kind::Close => {
                depth = depth.saturating_sub(1);
                line = None;
            }
            Kind::Import | Kind::Plain => match &mut line {
                Some(line) => {
                    found.extend(comment_after(text, span.end));
                    found.extend(line.take(span));
                }
                None if depth > 0 && !starts => found.push(span),
                None => {}
            },
        }
    }
    found.extend(line.as_mut().into_iter().flat_map(Line::end));
    found
}

/// The comment that begins right after a word, which ends at `end`.
fn comment_after(text: &str, end: usize) -> Option<Range<usize>> {
    let rest = text[end..].lines().next()?;
    let start = end + rest.len() - rest.trim_start().len();
    text[start..]
        .starts_with('#')
        .then_some(start..end + rest.len())
}

/// The line of a secret, while its words are read.
struct Line {
    /// How many of the next words may be shown.
    shown: usize,
    /// The words that may be shown if a secret follows them: else one of them is probably it.
    held_back: Vec<Range<usize>>,
    /// Whether a secret was there.
    found: bool,
    /// How many words are missing to the secret, if this is the line after its own.
    missing: Option<usize>,
}

impl Line {
    fn of(secret: &Secret) -> Self {
        Self {
            shown: secret.shown,
            held_back: Vec::new(),
            found: false,
            missing: None,
        }
    }

    /// The next word, if it is secret.
    fn take(&mut self, word: Range<usize>) -> Option<Range<usize>> {
        if self.missing.is_some() || self.shown > 0 {
            self.shown = self.shown.saturating_sub(1);
            self.held_back.push(word);
            return None;
        }
        self.found = true;
        self.held_back.clear();
        Some(word)
    }

    /// At its end: what turns out to be secret.
    fn end(&mut self) -> Vec<Range<usize>> {
        let words = std::mem::take(&mut self.held_back);
        match self.missing {
            // Any other number of words is most likely an option of its own.
            Some(missing) if missing != words.len() => Vec::new(),
            _ => words,
        }
    }

    /// Whoever has not found the secret yet has perhaps put it on the next line.
    fn goes_on(self) -> Option<Self> {
        (!self.found && self.missing.is_none()).then_some(Self {
            missing: Some(self.shown + 1),
            ..self
        })
    }
}

/// The secret that a word names, or would if it were not misspelt.
fn meant<'a>(word: &str, secrets: &'a [Secret]) -> Option<&'a Secret> {
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    // Every line is looked at, and it is quickly seen that most are far too short.
    let is_long_enough = |secret: &Secret| word.len() >= secret.name.len() / 2;
    if !secrets.iter().any(is_long_enough) || !word.chars().all(is_name) {
        return None;
    }
    let name = nearest(word, secrets.iter().map(|secret| secret.name))?;
    secrets.iter().find(|secret| secret.name == name)
}

/// All words after the names as they stand in lines, wherever the words of the parser begin and end: in
/// comments, and where quotes are missing. `names` are those that the parser sees as well.
fn in_lines<'a>(
    text: &'a str,
    secrets: &'a [Secret],
    names: &'a [usize],
) -> impl Iterator<Item = Range<usize>> + 'a {
    lines(text).flat_map(move |line| {
        let mut after_name = false;
        chunks(text, line).filter(move |chunk| {
            let word = text[chunk.clone()].trim_matches(['"', '{', '}', '#']);
            let is_it = |secret: &Secret| secret.name.eq_ignore_ascii_case(word);
            let is_secret = after_name;
            after_name |= secrets.iter().any(is_it) && names.binary_search(&chunk.start).is_err();
            is_secret
        })
    })
}

/// The user and the password of whatever looks like a URL with these.
fn in_urls(text: &str) -> impl Iterator<Item = Range<usize>> {
    lines(text)
        .flat_map(|line| chunks(text, line))
        .filter_map(|chunk| {
            let user = user_of_url(&text[chunk.clone()])?;
            Some(chunk.start + user.start..chunk.start + user.end)
        })
}

/// Where user and password stand in a word that looks like a URL: `http://USER:PASSWORD@HOST`, or without
/// a scheme.
pub(crate) fn user_of_url(word: &str) -> Option<Range<usize>> {
    let end = word.rfind('@')?;
    let start = word[..end].find("://").map(|scheme| scheme + 3);
    let has_password = word[..end].contains(':');
    (start.is_some() || has_password).then_some(start.unwrap_or(0)..end)
}

/// The lines of a text, without their ends.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let this = start..start + line.len();
        start = this.end + 1;
        this
    })
}

/// What stands between the blanks of a line.
fn chunks(text: &str, line: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let start = line.start;
    let mut chunk: Option<usize> = None;
    text[line.clone()]
        .char_indices()
        .map(move |(offset, character)| (start + offset, character.is_whitespace()))
        .chain([(line.end, true)])
        .filter_map(move |(offset, is_blank)| {
            if is_blank {
                return chunk.take().map(|start| start..offset);
            }
            chunk.get_or_insert(offset);
            None
        })
}

/// The pieces of a part, one on each of its lines.
fn by_line(text: &str, part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    lines(&text[part.clone()])
        .map(move |line| part.start + line.start..part.start + line.end)
        .map(|piece| {
            let kept = text[piece.clone()].trim_end_matches('\r').len();
            piece.start..piece.start + kept
        })
        .filter(|piece| !piece.is_empty())
}

/// A text with the hidden parts of it replaced.
pub(crate) fn masked(text: &str, hidden: &[Range<usize>]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = 0;
    for part in hidden {
        shown.push_str(&text[rest..part.start]);
        shown.push_str(MASK);
        rest = part.end;
    }
    shown.push_str(&text[rest..]);
    shown
}

/// Where a span of a text lies once its hidden parts are replaced; a secret is only met as a whole.
pub(crate) fn masked_span(span: Range<usize>, hidden: &[Range<usize>]) -> Range<usize> {
    let place = |offset: usize, is_end: bool| {
        // How long the text before is, and would be.
        let (mut before, mut shown) = (0, 0);
        for part in hidden {
            if offset <= part.start {
                break;
            }
            shown += part.start - before;
            if offset < part.end {
                return shown + if is_end { MASK.len() } else { 0 };
            }
            shown += MASK.len();
            before = part.end;
        }
        shown + offset - before
    };
    let start = place(span.start, false);
    start..place(span.end, true).max(start)
}
