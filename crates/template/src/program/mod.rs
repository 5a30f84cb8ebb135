//! Templates with decisions: what the directive `template` makes records of.
//!
//! A [`Program`] is compiled once and run against [`Data`]. Besides what a
//! [`Template`](crate::Template) may have, it takes lists and maps (`index .Match 1`,
//! `.Group.name`), conditions (`{{ if }}`, `{{ else if }}`, `{{ else }}`, `{{ end }}`), variables
//! (`{{ $x := .Name }}`, `{{ $x = "a" }}`), pipes and parentheses, and the functions `and`, `or`,
//! `not`, `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `index`, `len`, `print`, `printf` and `parseInt`.
//! There are no loops, so a run is never longer than the text; what it yields has a bound.

mod functions;
mod parse;
mod printf;
mod run;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;
use std::fmt;

use crate::TemplateError;
use functions::Function;
use printf::Piece;

/// A compiled template with decisions.
#[derive(Clone, Debug)]
pub struct Program {
    nodes: Vec<Node>,
    variables: usize,
}

/// A field that a program may use.
#[derive(Clone, Debug)]
pub struct ProgramField {
    /// Its name without the dot before it. It may have dots in it: `Question.Name`.
    pub name: &'static str,
    /// What it is.
    pub kind: FieldKind,
}

/// What a field of a program is.
#[derive(Clone, Debug)]
pub enum FieldKind {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// Texts by number, from 0: `index .Match 1`.
    List,
    /// Texts by name: `.Group.host` or `index .Group "host"`. Other names than these are refused
    /// where they are known before.
    Map(Vec<String>),
    /// A text for a text: `.Meta "view/name"`.
    Function,
}

/// What a program is run against. Fields are meant by their place in the list that it was compiled
/// with; each method is called for fields of its kind only.
pub trait Data {
    /// The value of a text or number.
    fn value(&self, field: usize) -> Value<'_>;
    /// The element of a list with this number; [`None`] where it ends before.
    fn element(&self, field: usize, number: usize) -> Option<Cow<'_, str>>;
    /// The entry of a map, empty where there is none, or what a function makes of the text.
    fn entry(&self, field: usize, key: &str) -> Cow<'_, str>;
    /// How many elements or entries there are.
    fn length(&self, field: usize) -> usize;
}

/// A value in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'d> {
    /// A text.
    Text(Cow<'d, str>),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// The list or map that this field is.
    Collection(usize),
}

/// Why a program yields nothing: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl Program {
    /// Compiles a template that may use `fields`.
    ///
    /// # Errors
    ///
    /// The first thing that is outside the subset, with its place in `text`.
    pub fn parse(text: &str, fields: &[ProgramField]) -> Result<Self, TemplateError> {
        parse::parse(text, fields)
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// A list that is too short, values that cannot be compared, a text that is no number, or more
    /// than 65,535 octets.
    pub fn run(&self, data: &dyn Data) -> Result<String, Failure> {
        run::run(self, data)
    }
}

/// A piece of a program.
#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Show(Operand),
    Set(usize, Operand),
    /// The first branch whose condition holds; the last may be `else`.
    If(Vec<Branch>),
}

#[derive(Clone, Debug)]
struct Branch {
    condition: Option<Condition>,
    then: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Condition {
    /// The variable that keeps its value.
    variable: Option<usize>,
    value: Operand,
}

/// What has a value.
#[derive(Clone, Debug)]
enum Operand {
    Text(String),
    Number(i64),
    Boolean(bool),
    /// A text or number.
    Field(usize),
    /// A list or map.
    Collection(usize),
    /// An entry of a map, or a function and its text.
    Entry(usize, Box<Operand>),
    Variable(usize),
    Call(Function, Vec<Operand>),
    Printf(Vec<Piece>, Vec<Operand>),
}
