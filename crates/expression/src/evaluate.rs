//! A tree to its value.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::network::{Network, address};
use crate::tree::{Builtin, Comparison, Node, Operation, Quantity, TextTest};
use crate::{Environment, Failure, Value};

/// The most parts that are looked at in one evaluation.
const MOST_STEPS: u32 = 10_000;

/// The longest text that may be made, in octets.
const LONGEST_TEXT: usize = 65_535;

const NO_ADDRESS: Failure = Failure("incidr was given something that is no address");
const TOO_LARGE: Failure = Failure("a number is too large");
/// The checks before make sure that this is never seen.
const WRONG_TYPE: Failure = Failure("a value has another type than it should");

pub(crate) fn evaluate<'v>(
    root: &'v Node,
    environment: &'v dyn Environment,
) -> Result<Value<'v>, Failure> {
    let mut evaluation = Evaluation {
        environment,
        left: MOST_STEPS,
    };
    evaluation.value(root, None)
}

struct Evaluation<'v> {
    environment: &'v dyn Environment,
    left: u32,
}

impl<'v> Evaluation<'v> {
    /// The value of a part; `item` is what `#` stands for. The tree is not deep.
    fn value(&mut self, node: &'v Node, item: Option<&Value<'v>>) -> Result<Value<'v>, Failure> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(Failure("it takes too many steps"))?;
        Ok(match node {
            Node::Boolean(value) => Value::Boolean(*value),
            Node::Integer(value) => Value::Integer(*value),
            Node::Float(value) => Value::Float(*value),
            Node::Text(text) => Value::Text(Cow::Borrowed(text)),
            Node::Item => item.cloned().ok_or(WRONG_TYPE)?,
            Node::Call { function, argument } => match argument {
                None => self.environment.call(*function, ""),
                Some(argument) => {
                    let argument = self.text(argument, item)?;
                    self.environment.call(*function, &argument)
                }
            },
            Node::InNetwork(of, network) => {
                let address = address(&self.text(of, item)?).ok_or(NO_ADDRESS)?;
                Value::Boolean(network.contains(address))
            }
            Node::InSomeNetwork(of, network) => {
                let address = address(&self.text(of, item)?).ok_or(NO_ADDRESS)?;
                let network = Network::parse(&self.text(network, item)?);
                let network =
                    network.ok_or(Failure("incidr was given something that is no network"))?;
                Value::Boolean(network.contains(address))
            }
            Node::Of(builtin, of) => self.builtin(*builtin, of, item)?,
            Node::Not(of) => Value::Boolean(!self.holds(of, item)?),
            Node::Negative(of) => match self.value(of, item)? {
                Value::Integer(value) => Value::Integer(value.checked_neg().ok_or(TOO_LARGE)?),
                Value::Float(value) => Value::Float(-value),
                _ => return Err(WRONG_TYPE),
            },
            Node::And(parts) => Value::Boolean(!self.first_is(false, parts, item)?),
            Node::Or(parts) => Value::Boolean(self.first_is(true, parts, item)?),
            Node::Compare(comparison, left, right) => {
                let (left, right) = (self.value(left, item)?, self.value(right, item)?);
                Value::Boolean(compare(*comparison, &left, &right)?)
            }
            Node::Matches(text, regex) => Value::Boolean(regex.is_match(&self.text(text, item)?)),
            Node::TextTest(test, text, part) => {
                let (text, part) = (self.text(text, item)?, self.text(part, item)?);
                Value::Boolean(match test {
                    TextTest::Contains => text.contains(&*part),
                    TextTest::StartsWith => text.starts_with(&*part),
                    TextTest::EndsWith => text.ends_with(&*part),
                })
            }
            Node::In(value, list) => {
                let value = self.value(value, item)?;
                for element in list {
                    let element = self.value(element, item)?;
                    if compare(Comparison::Equal, &value, &element)? {
                        return Ok(Value::Boolean(true));
                    }
                }
                Value::Boolean(false)
            }
            Node::Count(quantity, list, predicate) => {
                let mut count = 0;
                for element in list {
                    let element = self.value(element, item)?;
                    let holds = self.holds(predicate, Some(&element))?;
                    count += usize::from(holds);
                    match quantity {
                        Quantity::Any if holds => return Ok(Value::Boolean(true)),
                        Quantity::All if !holds => return Ok(Value::Boolean(false)),
                        _ => {}
                    }
                }
                Value::Boolean(match quantity {
                    Quantity::Any => false,
                    Quantity::All => true,
                    Quantity::None => count == 0,
                    Quantity::One => count == 1,
                })
            }
            Node::Choose(condition, yes, no) => {
                let chosen = if self.holds(condition, item)? {
                    yes
                } else {
                    no
                };
                self.value(chosen, item)?
            }
            Node::Arithmetic(operation, left, right) => {
                let (left, right) = (self.value(left, item)?, self.value(right, item)?);
                calculate(*operation, &left, &right)?
            }
            Node::Join(left, right) => {
                let (left, right) = (self.text(left, item)?, self.text(right, item)?);
                let joined = left.into_owned() + &right;
                if joined.len() > LONGEST_TEXT {
                    return Err(Failure("a text becomes too long"));
                }
                Value::Text(joined.into())
            }
        })
    }

    fn builtin(
        &mut self,
        builtin: Builtin,
        of: &'v Node,
        item: Option<&Value<'v>>,
    ) -> Result<Value<'v>, Failure> {
        if builtin == Builtin::Text {
            let value = self.value(of, item)?;
            return Ok(match value {
                Value::Text(_) => value,
                other => Value::Text(other.to_string().into()),
            });
        }
        let text = self.text(of, item)?;
        Ok(match builtin {
            Builtin::Length => Value::Integer(text.chars().count() as i64),
            Builtin::Lower => Value::Text(text.to_lowercase().into()),
            Builtin::Upper => Value::Text(text.to_uppercase().into()),
            Builtin::Text => Value::Text(text),
            Builtin::Integer => {
                let number = text.parse().map(Value::Integer);
                number.map_err(|_| Failure("int was given something that is no whole number"))?
            }
        })
    }

    /// Whether one of some conditions is so; those behind the first are not looked at.
    fn first_is(
        &mut self,
        wanted: bool,
        parts: &'v [Node],
        item: Option<&Value<'v>>,
    ) -> Result<bool, Failure> {
        for part in parts {
            if self.holds(part, item)? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn holds(&mut self, node: &'v Node, item: Option<&Value<'v>>) -> Result<bool, Failure> {
        match self.value(node, item)? {
            Value::Boolean(value) => Ok(value),
            _ => Err(WRONG_TYPE),
        }
    }

    fn text(&mut self, node: &'v Node, item: Option<&Value<'v>>) -> Result<Cow<'v, str>, Failure> {
        match self.value(node, item)? {
            Value::Text(text) => Ok(text),
            _ => Err(WRONG_TYPE),
        }
    }
}

fn compare(comparison: Comparison, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Failure> {
    let order = match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        _ => {
            let (left, right) = number(left).zip(number(right)).ok_or(WRONG_TYPE)?;
            left.partial_cmp(&right)
        }
    };
    Ok(match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::Unequal => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    })
}

fn calculate(
    operation: Operation,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<Value<'static>, Failure> {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        let whole = match operation {
            Operation::Add => left.checked_add(*right),
            Operation::Subtract => left.checked_sub(*right),
            Operation::Multiply => left.checked_mul(*right),
            Operation::Remainder if *right == 0 => {
                return Err(Failure("something is divided by zero"));
            }
            Operation::Remainder => left.checked_rem(*right),
            Operation::Divide => return Ok(Value::Float(*left as f64 / *right as f64)),
        };
        return whole.map(Value::Integer).ok_or(TOO_LARGE);
    }
    let (left, right) = number(left).zip(number(right)).ok_or(WRONG_TYPE)?;
    Ok(Value::Float(match operation {
        Operation::Add => left + right,
        Operation::Subtract => left - right,
        Operation::Multiply => left * right,
        Operation::Divide => left / right,
        Operation::Remainder => left % right,
    }))
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        Value::Boolean(_) | Value::Text(_) => None,
    }
}
