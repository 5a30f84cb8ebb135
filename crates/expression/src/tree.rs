//! What an expression becomes.

use regex::Regex;

use crate::network::Network;

/// A part of a checked expression: its operands have the types that it needs.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Box<str>),
    /// `#`: the element that a predicate is about.
    Item,
    /// A function of the environment.
    Call {
        function: usize,
        argument: Option<Box<Node>>,
    },
    /// `incidr` with a network that is known.
    InNetwork(Box<Node>, Network),
    /// `incidr` with one that is not.
    InSomeNetwork(Box<Node>, Box<Node>),
    /// A function of one value.
    Of(Builtin, Box<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
    /// All of them hold.
    And(Vec<Node>),
    /// One of them holds.
    Or(Vec<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Matches(Box<Node>, Regex),
    TextTest(TextTest, Box<Node>, Box<Node>),
    /// Whether a value is one of some.
    In(Box<Node>, Vec<Node>),
    /// Of how many elements a predicate holds.
    Count(Quantity, Vec<Node>, Box<Node>),
    Choose(Box<Node>, Box<Node>, Box<Node>),
    Arithmetic(Operation, Box<Node>, Box<Node>),
    Join(Box<Node>, Box<Node>),
}

/// A function of one value that every environment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    Length,
    Lower,
    Upper,
    Integer,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Any,
    All,
    None,
    One,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    /// Gives a number that need not be whole, as in the original.
    Divide,
    Remainder,
}
