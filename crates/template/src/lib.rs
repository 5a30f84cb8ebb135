//! The part of Go's [text templates][go] that Callsign's configuration uses.
//!
//! A [`Template`] is compiled once, when the configuration is read, to its parts: texts, and fields
//! with the padding that they ask for. Whoever uses it gives the fields their values. What lies
//! outside the subset is refused, with the place in the text.
//!
//! Accepted are:
//!
//! * text, copied as it stands;
//! * a field, `{{.ID}}` or `{{ .ID }}`;
//! * a formatted field, `{{printf "%03d" .ID}}`, also as a pipe: `{{.ID | printf "%03d"}}`. Verbs are
//!   `%d` (numbers), `%s` (texts), `%v` (both) and `%%`, with the flags `0` and `-` and a width;
//!   the format is a `"string"` or a `` `raw string` ``;
//! * a comment, `{{/* text */}}`;
//! * trim markers: `{{- ` takes away the white space before it, ` -}}` the one after it.
//!
//! Records need more than names do: for them there is a [`Program`].
//!
//! [go]: https://pkg.go.dev/text/template

#![forbid(unsafe_code)]

mod error;
mod format;
mod parse;
pub mod program;
mod scan;

#[cfg(test)]
mod tests;

pub use error::{TemplateError, UnknownWord};
pub use format::Padding;
pub use program::{Data, Failure, FieldKind, Program, ProgramField, Value};

/// A compiled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of a template, together with its place in the template's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, in bytes from the start of the text.
    pub offset: usize,
    /// How many bytes of the text it takes: a whole action for what an action yields.
    pub length: usize,
    /// What it yields.
    pub content: Content,
}

/// What a [`Part`] yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Always the same text.
    Text(String),
    /// The value of a field.
    Field {
        /// The field's name, without the dot.
        name: String,
        /// How its value is widened.
        padding: Padding,
    },
}

/// A field that a template may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name, without the dot.
    pub name: &'a str,
    /// What its values are: decides which verbs of `printf` fit.
    pub kind: Kind,
}

impl<'a> Field<'a> {
    /// A field whose values are numbers.
    #[must_use]
    pub const fn number(name: &'a str) -> Self {
        Self {
            name,
            kind: Kind::Number,
        }
    }

    /// A field whose values are texts.
    #[must_use]
    pub const fn text(name: &'a str) -> Self {
        Self {
            name,
            kind: Kind::Text,
        }
    }
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers, for `%d` and `%v`.
    Number,
    /// Text, for `%s` and `%v`.
    Text,
}

impl Template {
    /// Compiles a template that may use `fields`.
    ///
    /// # Errors
    ///
    /// What is outside the subset, with its place in `text`: the first such thing.
    pub fn parse(text: &str, fields: &[Field<'_>]) -> Result<Self, TemplateError> {
        parse::parse(text, fields).map(|parts| Self { parts })
    }

    /// The pieces in order. Neighbouring texts may be separate pieces; none is empty.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}
