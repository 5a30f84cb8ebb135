//! The names of a pool.
//!
//! A [`Pattern`] is a bijection between numbers and names: `worker{{.ID}}.tf.local.` makes
//! `worker4.tf.local.` of slot 4, and nothing else makes slot 4 of a name. It renders from what is
//! the same on every node, so that all nodes agree on it.

mod check;
mod derive;
mod inverse;
#[cfg(test)]
mod tests;

use std::fmt;

use answer::Name;
/// Why a pattern is refused, with its place in the pattern's text.
pub use template::TemplateError as PatternError;
use template::{Content, Field, Template};

use crate::store::Slot;

/// What a pattern looks like, for the reader of an error.
const EXAMPLE: &str = "a pattern is a domain name with a number: worker{{.ID}}.cluster.internal.";

/// A pattern such as `worker{{.ID}}.tf.local.`, checked and ready to turn numbers into names and
/// names into numbers.
///
/// Patterns are equal where they give the same names to the same slots, however they are written:
/// two pools with equal patterns share their slots.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it was written, for the places of later errors.
    source: Source,
    canonical: String,
    /// Texts and numbers in turn: no two texts are neighbours and none is empty.
    pieces: Vec<Piece>,
    /// Slots beyond it have no name: it would be too long.
    largest: Slot,
    labels: usize,
    list_name: Name,
    list_labels: usize,
    apex: Name,
    first_label_is_only_number: bool,
}

/// A pattern as it was written.
#[derive(Clone, Debug)]
struct Source {
    template: Template,
    pool: String,
    length: usize,
}

/// A piece of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// The same in all names: lower-case letters, digits, `-`, `_` and dots.
    Text(String),
    /// The slot in decimal, with zeros before it up to `width` digits.
    Number {
        /// The least number of digits.
        width: u8,
    },
}

impl Pattern {
    /// Reads a pattern for the pool called `pool`.
    ///
    /// Fields are `{{.ID}}`, the slot, and `{{.Pool}}`. A dot at the end is optional: names are
    /// always absolute. Letters become lower case.
    ///
    /// # Errors
    ///
    /// A template that is none (see [`template`]), a pattern without a number, one that has a
    /// number in its last label (it would take the top of the whole tree), or one whose first name
    /// is no host name: labels of 1 to 63 octets, 255 in all (RFC 1035 §2.3.4), of letters,
    /// digits, `-` and `_`, none with a `-` at its ends (RFC 952; `_` as in RFC 8552).
    pub fn parse(text: &str, pool: &str) -> Result<Self, PatternError> {
        let fields = [Field::number("ID"), Field::text("Pool")];
        let source = Source {
            template: Template::parse(text, &fields)?,
            pool: pool.to_ascii_lowercase(),
            length: text.len(),
        };
        source.check_number()?;
        source.check_slot(1)?;
        let pieces = source.pieces();
        let labels = derive::labels(&pieces);
        source.check_domain(&labels)?;
        let name = |text: &str| {
            Name::parse(text).map_err(|error| source.error_of_all(error.to_string(), EXAMPLE))
        };
        let list_name = name(&derive::list_name(&labels))?;
        Ok(Self {
            canonical: derive::canonical(&pieces),
            largest: source.largest(),
            labels: labels.len(),
            list_labels: list_name.label_count(),
            list_name,
            apex: name(&derive::apex(&labels))?,
            first_label_is_only_number: derive::first_label_is_only_number(&labels),
            pieces,
            source,
        })
    }

    /// Checks that slots 1 to `limit` all have names.
    ///
    /// # Errors
    ///
    /// The name of slot `limit` is too long, or a label of it.
    pub fn check_limit(&self, limit: Slot) -> Result<(), PatternError> {
        self.source.check_slot(limit.max(1))
    }

    /// The pattern as keys of a store spell it: `worker%d.tf.local.`, with a width `%03d`.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The name of `slot` as text, in lower case and with the dot at its end.
    #[must_use]
    pub fn text(&self, slot: Slot) -> String {
        let mut text = String::with_capacity(self.canonical.len() + 8);
        for piece in &self.pieces {
            // Writing into a string does not fail.
            let _ = piece.write(&mut text, slot);
        }
        text
    }

    /// The name of `slot`.
    ///
    /// [`None`] for 0 and for slots whose name would be too long. Slots within a limit that
    /// [`Pattern::check_limit`] accepted have a name, and so has whatever
    /// [`Pattern::slot_of_text`] returns.
    #[must_use]
    pub fn name(&self, slot: Slot) -> Option<Name> {
        if slot == 0 || slot > self.largest {
            return None;
        }
        Name::parse(&self.text(slot)).ok()
    }

    /// What stands before the first number: all names begin with it. May be empty.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// The pool's own name: the pattern without its number. `worker{{.ID}}.tf.local.` has
    /// `worker.tf.local.`.
    ///
    /// A `-` or `_` that joined the number goes with it (`node-{{.ID}}.x.` has `node.x.`), and so
    /// does a label that is left empty (`{{.ID}}.workers.x.` has `workers.x.`). It is never the
    /// name of a slot.
    #[must_use]
    pub fn list_name(&self) -> Name {
        self.list_name.clone()
    }

    /// The longest suffix of whole labels without a number: `tf.local.`. It is never the root, and
    /// is [`Pattern::list_name`] where only first labels had a number and nothing else.
    #[must_use]
    pub fn apex(&self) -> Name {
        self.apex.clone()
    }

    /// Whether the first label is nothing but the number: `{{.ID}}.workers.x.`.
    #[must_use]
    pub fn first_label_is_only_number(&self) -> bool {
        self.first_label_is_only_number
    }

    /// Whether the names end in `.local.`, which desktops ask multicast DNS for (RFC 6762 §3).
    #[must_use]
    pub fn ends_with_mdns_local(&self) -> bool {
        self.canonical.ends_with(".local.")
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Pattern {}

impl Source {
    /// The template's parts, with the pool in place and in lower case.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for part in self.template.parts() {
            let text = match &part.content {
                Content::Text(text) => text,
                Content::Field { name, .. } if name == "Pool" => &self.pool,
                Content::Field { padding, .. } => {
                    let width = padding.width.max(1);
                    pieces.push(Piece::Number { width });
                    continue;
                }
            };
            push(&mut pieces, &text.to_ascii_lowercase());
        }
        let dotted = matches!(pieces.last(), Some(Piece::Text(text)) if text.ends_with('.'));
        if !dotted {
            push(&mut pieces, ".");
        }
        pieces
    }
}

/// Appends text to the last piece, or as a piece of its own after a number.
fn push(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

impl Piece {
    fn write(&self, output: &mut impl fmt::Write, slot: Slot) -> fmt::Result {
        match self {
            Self::Text(text) => output.write_str(text),
            Self::Number { width } => write!(output, "{slot:0width$}", width = usize::from(*width)),
        }
    }
}
