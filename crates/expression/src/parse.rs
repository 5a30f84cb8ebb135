//! Words to a tree, its types checked on the way.

use std::ops::Range;

use regex::Regex;

use crate::network::Network;
use crate::scan::{Word, words};
use crate::tree::{Builtin, Comparison, Node, Operation, Quantity, TextTest};
use crate::{ExpressionError, Function, Type, UnknownWord};

/// How deep parts may stand within one another, in the text and in the tree.
const MOST_DEPTH: usize = 48;

/// The longest text of an expression, in octets.
const LONGEST: usize = 16_384;

/// The longest regular expression, in octets.
const LONGEST_REGEX: usize = 10_000;

/// How strongly operators bind, as in the original: the higher, the stronger.
const OR: u8 = 10;
const AND: u8 = 15;
const COMPARISON: u8 = 20;
const SUM: u8 = 30;
const NOT: u8 = 50;
const PRODUCT: u8 = 60;
const SIGN: u8 = 90;

/// Functions of every environment but `incidr` and those of predicates.
const BUILTINS: [(&str, Builtin, Type); 5] = [
    ("len", Builtin::Length, Type::Integer),
    ("lower", Builtin::Lower, Type::Text),
    ("upper", Builtin::Upper, Type::Text),
    ("int", Builtin::Integer, Type::Integer),
    ("string", Builtin::Text, Type::Text),
];

const QUANTITIES: [(&str, Quantity); 4] = [
    ("any", Quantity::Any),
    ("all", Quantity::All),
    ("none", Quantity::None),
    ("one", Quantity::One),
];

type Result<T> = std::result::Result<T, ExpressionError>;

/// Reads an expression and checks it.
pub(crate) fn parse(text: &str, functions: &[Function]) -> Result<(Node, Type)> {
    if text.len() > LONGEST {
        return Err(ExpressionError::new(
            0..text.len(),
            "this expression is too long",
            format!("it may have {LONGEST} octets"),
        ));
    }
    let mut parser = Parser {
        words: words(text)?,
        next: 0,
        functions,
        items: Vec::new(),
        depth: 0,
    };
    let part = parser.expression()?;
    match parser.peek() {
        Word::End => Ok((part.node, part.gives)),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// A part of the expression that has been read.
struct Part {
    node: Node,
    gives: Type,
    place: Range<usize>,
    /// How many parts stand within one another, at most.
    depth: usize,
}

/// What `#` stands for.
struct Item {
    gives: Type,
    /// The elements with their places, where all are texts that are known.
    known: Option<Vec<(String, Range<usize>)>>,
}

struct Parser<'a> {
    words: Vec<(Word<'a>, Range<usize>)>,
    next: usize,
    functions: &'a [Function],
    /// One for each predicate that is open.
    items: Vec<Item>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Word<'a> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Word<'a> {
        let word = self.words.get(self.next + ahead);
        word.map_or(&Word::End, |(word, _)| word)
    }

    fn place(&self) -> Range<usize> {
        let last = self.words.last().map_or(0..0, |(_, place)| place.clone());
        let word = self.words.get(self.next);
        word.map_or(last, |(_, place)| place.clone())
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Word::Symbol(found) if *found == symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<()> {
        match self.take_symbol(symbol) {
            true => Ok(()),
            false => Err(self.unexpected(symbol)),
        }
    }

    fn unexpected(&self, expected: &str) -> ExpressionError {
        let message = match self.peek() {
            Word::End => "the expression ends too early",
            _ => "this is not expected here",
        };
        ExpressionError::new(self.place(), message, format!("expected {expected}"))
    }

    /// `condition ? a : b`, or what binds stronger.
    fn expression(&mut self) -> Result<Part> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(too_deep(self.place()));
        }
        let mut part = self.binary(0)?;
        if self.take_symbol("?") {
            self.must_be(&part, Type::Boolean)?;
            let yes = self.expression()?;
            self.expect(":")?;
            let no = self.expression()?;
            if yes.gives != no.gives {
                return Err(ExpressionError::new(
                    no.place,
                    format!(
                        "this is {}, but the other branch is {}",
                        no.gives, yes.gives
                    ),
                    "both branches give the same",
                ));
            }
            let (gives, parts) = (yes.gives, [part, yes, no]);
            part = join(gives, parts, |[condition, yes, no]| {
                Node::Choose(condition.into(), yes.into(), no.into())
            })?;
        }
        self.depth -= 1;
        Ok(part)
    }

    /// Operands and the operators between them that bind at least so strongly.
    fn binary(&mut self, least: u8) -> Result<Part> {
        let mut left = self.operand()?;
        while let Some((strength, operator, words, negated)) = self.operator()
            && strength >= least
        {
            self.next += words;
            left = match operator {
                "in" => self.element_of(left)?,
                "matches" => self.matches(left)?,
                _ => {
                    let right = self.binary(strength + 1)?;
                    self.apply(operator, left, right)?
                }
            };
            if negated {
                left.node = Node::Not(Box::new(left.node));
            }
        }
        Ok(left)
    }

    /// The operator that comes next: how strongly it binds, what it is, how many words it has and
    /// whether `not` is one of them.
    fn operator(&self) -> Option<(u8, &'a str, usize, bool)> {
        let of_word = |word: &Word<'a>| match word {
            Word::Name(name @ ("in" | "matches" | "contains" | "startsWith" | "endsWith")) => {
                Some(*name)
            }
            _ => None,
        };
        Some(match self.peek() {
            Word::Symbol(symbol) => match *symbol {
                "||" => (OR, "||", 1, false),
                "&&" => (AND, "&&", 1, false),
                "==" | "!=" | "<" | "<=" | ">" | ">=" => (COMPARISON, symbol, 1, false),
                "+" | "-" => (SUM, symbol, 1, false),
                "*" | "/" | "%" => (PRODUCT, symbol, 1, false),
                _ => return None,
            },
            Word::Name("or") => (OR, "||", 1, false),
            Word::Name("and") => (AND, "&&", 1, false),
            Word::Name("not") => (COMPARISON, of_word(self.peek_at(1))?, 2, true),
            word => (COMPARISON, of_word(word)?, 1, false),
        })
    }

    fn apply(&mut self, operator: &str, left: Part, right: Part) -> Result<Part> {
        let comparison = match operator {
            "||" | "&&" => {
                self.must_be(&left, Type::Boolean)?;
                self.must_be(&right, Type::Boolean)?;
                return chain(operator == "||", left, right);
            }
            "contains" | "startsWith" | "endsWith" => {
                self.must_be(&left, Type::Text)?;
                self.must_be(&right, Type::Text)?;
                let test = match operator {
                    "contains" => TextTest::Contains,
                    "startsWith" => TextTest::StartsWith,
                    _ => TextTest::EndsWith,
                };
                return join(Type::Boolean, [left, right], |[left, right]| {
                    Node::TextTest(test, left.into(), right.into())
                });
            }
            "+" | "-" | "*" | "/" | "%" => return self.arithmetic(operator, left, right),
            "==" => Comparison::Equal,
            "!=" => Comparison::Unequal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            _ => Comparison::GreaterOrEqual,
        };
        same_kind(&left, &right)?;
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::Unequal);
        if ordered && left.gives == Type::Boolean {
            return Err(ExpressionError::new(
                left.place,
                "conditions have no order",
                "compare them with == or !=",
            ));
        }
        join(Type::Boolean, [left, right], |[left, right]| {
            Node::Compare(comparison, left.into(), right.into())
        })
    }

    fn arithmetic(&mut self, operator: &str, left: Part, right: Part) -> Result<Part> {
        same_kind(&left, &right)?;
        if operator == "+" && left.gives == Type::Text {
            return join(Type::Text, [left, right], |[left, right]| {
                Node::Join(left.into(), right.into())
            });
        }
        if !is_number(left.gives) {
            return Err(wrong_type(&left, "a number"));
        }
        let whole = left.gives == Type::Integer && right.gives == Type::Integer;
        let (operation, gives) = match operator {
            "+" => (Operation::Add, whole),
            "-" => (Operation::Subtract, whole),
            "*" => (Operation::Multiply, whole),
            "/" => (Operation::Divide, false),
            _ => (Operation::Remainder, whole),
        };
        let gives = if gives { Type::Integer } else { Type::Float };
        join(gives, [left, right], |[left, right]| {
            Node::Arithmetic(operation, left.into(), right.into())
        })
    }

    /// `value in [a, b]`, from behind the `in`.
    fn element_of(&mut self, value: Part) -> Result<Part> {
        let start = value.place.start;
        let list = self.list()?;
        for element in &list {
            same_kind(&value, element)?;
        }
        let depth = list.iter().map(|part| part.depth).max().unwrap_or(0);
        bounded(Part {
            place: start..self.end(),
            gives: Type::Boolean,
            depth: depth.max(value.depth) + 1,
            node: Node::In(
                value.node.into(),
                list.into_iter().map(|part| part.node).collect(),
            ),
        })
    }

    /// `text matches 'expression'`, from behind the `matches`.
    fn matches(&mut self, text: Part) -> Result<Part> {
        self.must_be(&text, Type::Text)?;
        let pattern = self.binary(COMPARISON + 1)?;
        let Node::Text(expression) = &pattern.node else {
            return Err(ExpressionError::new(
                pattern.place,
                "this is not known before a query comes",
                "write the regular expression between quotes",
            ));
        };
        if expression.len() > LONGEST_REGEX {
            return Err(ExpressionError::new(
                pattern.place,
                "this regular expression is too long",
                format!("it may have {LONGEST_REGEX} octets"),
            ));
        }
        let regex = Regex::new(expression).map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let reason = last.strip_prefix("error: ").unwrap_or(last);
            ExpressionError::new(
                pattern.place.clone(),
                "this is no regular expression",
                reason,
            )
        })?;
        join(Type::Boolean, [text], |[text]| {
            Node::Matches(text.into(), regex)
        })
    }

    fn operand(&mut self) -> Result<Part> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(too_deep(self.place()));
        }
        let part = self.operand_within()?;
        self.depth -= 1;
        Ok(part)
    }

    fn operand_within(&mut self) -> Result<Part> {
        let place = self.place();
        let known = |node, gives| Part {
            node,
            gives,
            place: place.clone(),
            depth: 1,
        };
        let word = self.peek().clone();
        self.next += 1;
        Ok(match word {
            Word::Integer(value) => known(Node::Integer(value), Type::Integer),
            Word::Float(value) => known(Node::Float(value), Type::Float),
            Word::Text(text) => known(Node::Text(text.into()), Type::Text),
            Word::Name("true") => known(Node::Boolean(true), Type::Boolean),
            Word::Name("false") => known(Node::Boolean(false), Type::Boolean),
            Word::Name("not") | Word::Symbol("!") => {
                let part = self.binary(NOT)?;
                self.must_be(&part, Type::Boolean)?;
                join(Type::Boolean, [part], |[part]| Node::Not(part.into()))?
            }
            Word::Symbol("-") => {
                let part = self.binary(SIGN)?;
                if !is_number(part.gives) {
                    return Err(wrong_type(&part, "a number"));
                }
                join(part.gives, [part], |[part]| Node::Negative(part.into()))?
            }
            Word::Symbol("(") => {
                let mut part = self.expression()?;
                self.expect(")")?;
                part.place = place.start..self.end();
                part
            }
            Word::Symbol("#") => match self.items.last() {
                Some(item) => known(Node::Item, item.gives),
                None => {
                    return Err(ExpressionError::new(
                        place,
                        "# means nothing here",
                        "it is the element in a predicate: any(['a', 'b'], # == name())",
                    ));
                }
            },
            Word::Symbol("[") => {
                return Err(ExpressionError::new(
                    place,
                    "a list cannot stand here",
                    "lists stand behind `in`, and first in any, all, none and one",
                ));
            }
            Word::Name(name) => self.call(name, place)?,
            _ => {
                self.next -= 1;
                return Err(self.unexpected("a value"));
            }
        })
    }

    /// A function, from behind its name.
    fn call(&mut self, name: &str, place: Range<usize>) -> Result<Part> {
        let quantity = QUANTITIES.iter().find(|(known, _)| *known == name);
        let builtin = BUILTINS.iter().find(|(known, ..)| *known == name);
        let mut functions = self.functions.iter();
        let function = functions.position(|function| function.name == name);
        if quantity.is_none() && builtin.is_none() && function.is_none() && name != "incidr" {
            return Err(self.unknown(name, place));
        }
        if !self.take_symbol("(") {
            return Err(ExpressionError::new(
                place,
                format!("{name} is a function"),
                format!("write {name}()"),
            ));
        }
        let start = place.start;
        let part = if let Some((_, quantity)) = quantity {
            self.count(*quantity)?
        } else if let Some((_, builtin, gives)) = builtin {
            let of = self.expression()?;
            if *builtin != Builtin::Text {
                self.must_be(&of, Type::Text)?;
            }
            join(*gives, [of], |[of]| Node::Of(*builtin, of.into()))?
        } else if let Some(number) = function {
            self.function(number, &place)?
        } else {
            self.in_network()?
        };
        self.expect(")")?;
        Ok(Part {
            place: start..self.end(),
            ..part
        })
    }

    /// A function of the environment, from behind the `(`.
    fn function(&mut self, number: usize, place: &Range<usize>) -> Result<Part> {
        let function = self.functions.get(number);
        let (takes_text, gives) = function.map_or((false, Type::Text), |function| {
            (function.takes_text, function.gives)
        });
        if takes_text {
            let argument = self.expression()?;
            self.must_be(&argument, Type::Text)?;
            return join(gives, [argument], |[argument]| Node::Call {
                function: number,
                argument: Some(argument.into()),
            });
        }
        Ok(Part {
            node: Node::Call {
                function: number,
                argument: None,
            },
            gives,
            place: place.clone(),
            depth: 1,
        })
    }

    /// `incidr(address, network)`, from behind the `(`.
    fn in_network(&mut self) -> Result<Part> {
        let address = self.expression()?;
        self.must_be(&address, Type::Text)?;
        self.expect(",")?;
        let network = self.expression()?;
        self.must_be(&network, Type::Text)?;
        let no_network = |place: &Range<usize>, text: &str| {
            ExpressionError::new(
                place.clone(),
                format!("{text:?} is no network"),
                "networks look like '10.0.0.0/8' or '2001:db8::/32'",
            )
        };
        match &network.node {
            Node::Text(text) => {
                let known = Network::parse(text);
                let known = known.ok_or_else(|| no_network(&network.place, text))?;
                return join(Type::Boolean, [address], |[address]| {
                    Node::InNetwork(address.into(), known)
                });
            }
            Node::Item => {
                let known = self.items.last().and_then(|item| item.known.as_ref());
                for (text, place) in known.into_iter().flatten() {
                    if Network::parse(text).is_none() {
                        return Err(no_network(place, text));
                    }
                }
            }
            _ => {}
        }
        join(Type::Boolean, [address, network], |[address, network]| {
            Node::InSomeNetwork(address.into(), network.into())
        })
    }

    /// `any(list, predicate)`, from behind the `(`; the predicate may stand in braces.
    fn count(&mut self, quantity: Quantity) -> Result<Part> {
        let start = self.place().start;
        let list = self.list()?;
        let gives = list.first().map_or(Type::Text, |element| element.gives);
        for pair in list.windows(2) {
            if let [one, other] = pair {
                same_kind(one, other)?;
            }
        }
        let known = list.iter().map(|element| match &element.node {
            Node::Text(text) => Some((text.to_string(), element.place.clone())),
            _ => None,
        });
        self.items.push(Item {
            gives,
            known: known.collect(),
        });
        self.expect(",")?;
        let braces = self.take_symbol("{");
        let predicate = self.expression()?;
        if braces {
            self.expect("}")?;
        }
        self.items.pop();
        self.must_be(&predicate, Type::Boolean)?;
        let depth = list.iter().map(|part| part.depth).max().unwrap_or(0);
        bounded(Part {
            place: start..self.end(),
            gives: Type::Boolean,
            depth: depth.max(predicate.depth) + 1,
            node: Node::Count(
                quantity,
                list.into_iter().map(|part| part.node).collect(),
                predicate.node.into(),
            ),
        })
    }

    /// `[a, b]`; a comma may stand behind the last.
    fn list(&mut self) -> Result<Vec<Part>> {
        if !self.take_symbol("[") {
            return Err(self.unexpected("a list: ['a', 'b']"));
        }
        let mut elements = Vec::new();
        while !self.take_symbol("]") {
            elements.push(self.expression()?);
            if !self.is_symbol("]") {
                self.expect(",")?;
            }
        }
        Ok(elements)
    }

    /// Where the word before ends.
    fn end(&self) -> usize {
        let word = self.next.checked_sub(1).and_then(|at| self.words.get(at));
        word.map_or(0, |(_, place)| place.end)
    }

    fn must_be(&self, part: &Part, wanted: Type) -> Result<()> {
        match part.gives == wanted {
            true => Ok(()),
            false => Err(wrong_type(part, &wanted.to_string())),
        }
    }

    fn unknown(&self, name: &str, place: Range<usize>) -> ExpressionError {
        let own = self.functions.iter().map(|function| function.name);
        let builtins = BUILTINS.iter().map(|(name, ..)| *name);
        let quantities = QUANTITIES.iter().map(|(name, _)| *name);
        let all = own.chain(["incidr"]).chain(builtins).chain(quantities);
        let candidates: Vec<String> = all.map(ToOwned::to_owned).collect();
        ExpressionError {
            unknown: Some(UnknownWord {
                word: name.to_owned(),
                candidates: candidates.clone(),
            }),
            ..ExpressionError::new(
                place,
                format!("{name} is not known"),
                format!(
                    "a text stands in single quotes; functions are {}",
                    candidates.join(", ")
                ),
            )
        }
    }
}

/// Makes one part of some.
fn join<const N: usize>(
    gives: Type,
    parts: [Part; N],
    make: impl FnOnce([Node; N]) -> Node,
) -> Result<Part> {
    let starts = parts.iter().map(|part| part.place.start);
    let ends = parts.iter().map(|part| part.place.end);
    let place = starts.min().unwrap_or(0)..ends.max().unwrap_or(0);
    let depth = parts.iter().map(|part| part.depth).max().unwrap_or(0) + 1;
    bounded(Part {
        node: make(parts.map(|part| part.node)),
        gives,
        place,
        depth,
    })
}

/// Puts two conditions in one row, so that long rows are not deep.
fn chain(is_or: bool, left: Part, right: Part) -> Result<Part> {
    let mut depth = left.depth.max(right.depth + 1);
    let mut parts = match (left.node, is_or) {
        (Node::Or(parts), true) | (Node::And(parts), false) => parts,
        (other, _) => {
            depth = depth.max(left.depth + 1);
            vec![other]
        }
    };
    parts.push(right.node);
    bounded(Part {
        node: if is_or {
            Node::Or(parts)
        } else {
            Node::And(parts)
        },
        gives: Type::Boolean,
        place: left.place.start..right.place.end,
        depth,
    })
}

fn bounded(part: Part) -> Result<Part> {
    match part.depth > MOST_DEPTH {
        true => Err(too_deep(part.place)),
        false => Ok(part),
    }
}

fn too_deep(place: Range<usize>) -> ExpressionError {
    ExpressionError::new(
        place,
        "too many parts stand within one another here",
        format!("at most {MOST_DEPTH} do; a long list may stand behind `in`"),
    )
}

fn is_number(gives: Type) -> bool {
    matches!(gives, Type::Integer | Type::Float)
}

/// Checks that two values can be compared.
fn same_kind(left: &Part, right: &Part) -> Result<()> {
    let same = left.gives == right.gives || is_number(left.gives) && is_number(right.gives);
    match same {
        true => Ok(()),
        false => Err(wrong_type(right, &left.gives.to_string())),
    }
}

fn wrong_type(part: &Part, wanted: &str) -> ExpressionError {
    ExpressionError::new(
        part.place.clone(),
        format!("this is {}", part.gives),
        format!("expected {wanted}"),
    )
}
