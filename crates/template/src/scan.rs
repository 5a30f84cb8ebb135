//! Splits what stands between `{{` and `}}` into words.

use std::ops::Range;

use crate::TemplateError;

/// A word of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// `.ID` as `ID`; `.` alone is empty.
    Field(&'a str),
    /// `printf`
    Name(&'a str),
    /// A string, without quotes and with its escapes resolved.
    Text(String),
    /// `|`
    Pipe,
    /// White space, which separates words.
    Space,
    /// `}}`, or ` -}}` with `trim`.
    Close { trim: bool },
}

/// A place in a template's text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// The bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// Reads `prefix` if it is next.
    pub(crate) fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.position += prefix.len();
        }
        found
    }

    /// Reads up to `end`, or to the end of the text where it does not occur.
    pub(crate) fn take_until(&mut self, end: &str) -> &'a str {
        let rest = self.rest();
        let taken = rest.find(end).map_or(rest, |at| &rest[..at]);
        self.position += taken.len();
        taken
    }

    /// Reads while `accept` holds.
    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest
            .find(|character| !accept(character))
            .map_or(rest, |at| &rest[..at]);
        self.position += taken.len();
        taken
    }

    /// Reads white space, as much as there is.
    pub(crate) fn take_space(&mut self) -> &'a str {
        self.take_while(is_space)
    }

    /// Reads a name, as much as there is.
    pub(crate) fn take_name(&mut self) -> &'a str {
        self.take_while(is_name)
    }

    /// Reads digits and the signs before them.
    pub(crate) fn take_number(&mut self) -> &'a str {
        self.take_while(|character| character == '-' || is_name(character))
    }

    /// Reads `.A.B` and gives `A.B`.
    pub(crate) fn take_path(&mut self) -> &'a str {
        let path = self.take_while(|character| character == '.' || is_name(character));
        path.strip_prefix('.').unwrap_or(path)
    }

    /// Reads the next word of an action that began at `start`.
    pub(crate) fn word(&mut self, start: usize) -> Result<(Word<'a>, Range<usize>), TemplateError> {
        let begin = self.position;
        let word = self.word_here(start)?;
        Ok((word, begin..self.position))
    }

    fn word_here(&mut self, start: usize) -> Result<Word<'a>, TemplateError> {
        if self.take("}}") {
            return Ok(Word::Close { trim: false });
        }
        let begin = self.position;
        if !self.take_space().is_empty() {
            // A trim marker belongs to the white space before it: `-}}` alone is none.
            return Ok(if self.take("-}}") {
                Word::Close { trim: true }
            } else {
                Word::Space
            });
        }
        let Some(first) = self.rest().chars().next() else {
            return Err(TemplateError::new(
                start..self.text.len(),
                "this action is not closed",
                "an action ends with }}",
            ));
        };
        match first {
            '|' => {
                self.position += 1;
                Ok(Word::Pipe)
            }
            '.' => {
                self.position += 1;
                Ok(Word::Field(self.take_while(is_name)))
            }
            '"' => self.quoted(),
            '`' => {
                self.position += 1;
                let text = self.take_until("`");
                if self.take("`") {
                    Ok(Word::Text(text.to_owned()))
                } else {
                    Err(unclosed_string(begin, self.position))
                }
            }
            _ if is_name(first) && !first.is_ascii_digit() => {
                Ok(Word::Name(self.take_while(is_name)))
            }
            _ => Err(TemplateError::new(
                begin..begin + first.len_utf8(),
                format!("{first:?} has no meaning here"),
                match first {
                    '-' => "a trim marker is {{- with a space after it, or -}} with one before it",
                    '$' => "variables are not supported: write a field such as {{.ID}}",
                    _ => ACCEPTED,
                },
            )),
        }
    }

    /// Reads a `"string"` with Go's simple escapes.
    fn quoted(&mut self) -> Result<Word<'a>, TemplateError> {
        let begin = self.position;
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.position = begin + at + 1;
                    return Ok(Word::Text(text));
                }
                '\n' => return Err(unclosed_string(begin, begin + at)),
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, other)) => {
                        let escape = begin + at;
                        return Err(TemplateError::new(
                            escape..escape + 1 + other.len_utf8(),
                            "this escape is not supported",
                            r#"accepted are \" \\ \n \r \t"#,
                        ));
                    }
                    None => break,
                },
                _ => text.push(character),
            }
        }
        Err(unclosed_string(begin, self.text.len()))
    }
}

/// What an action may be, for the reader of an error.
pub(crate) const ACCEPTED: &str =
    "an action is a field such as {{.ID}}, {{printf \"%03d\" .ID}} or a comment {{/* */}}";

/// White space as Go's templates have it.
pub(crate) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn unclosed_string(begin: usize, end: usize) -> TemplateError {
    TemplateError::new(
        begin..end,
        "this string is not closed",
        "it ends with the quote that it begins with, on the same line for \"",
    )
}
