//! A program and data to text.

use super::functions::{Function, holds, shown};
use super::printf::Piece;
use super::{Data, Failure, Node, Operand, Program, Value};

/// The most that a program may yield, in octets: no record is longer.
const MOST_OUTPUT: usize = 65_535;

pub(super) fn run(program: &Program, data: &dyn Data) -> Result<String, Failure> {
    let mut run = Run {
        data,
        variables: vec![Value::Boolean(false); program.variables],
        out: String::new(),
    };
    run.nodes(&program.nodes)?;
    Ok(run.out)
}

struct Run<'d> {
    data: &'d dyn Data,
    variables: Vec<Value<'d>>,
    out: String,
}

impl<'d> Run<'d> {
    /// Pieces are not deep within one another.
    fn nodes(&mut self, nodes: &'d [Node]) -> Result<(), Failure> {
        for node in nodes {
            match node {
                Node::Text(text) => self.push(text)?,
                Node::Show(operand) => {
                    let value = self.value(operand)?;
                    self.push(&shown(&value)?)?;
                }
                Node::Set(variable, operand) => {
                    let value = self.value(operand)?;
                    self.set(*variable, value);
                }
                Node::If(branches) => {
                    for branch in branches {
                        let holds = match &branch.condition {
                            None => true,
                            Some(condition) => {
                                let value = self.value(&condition.value)?;
                                let holds = holds(&value, self.data);
                                if let Some(variable) = condition.variable {
                                    self.set(variable, value);
                                }
                                holds
                            }
                        };
                        if holds {
                            self.nodes(&branch.then)?;
                            break;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), Failure> {
        if self.out.len() + text.len() > MOST_OUTPUT {
            return Err(Failure(format!("it yields more than {MOST_OUTPUT} octets")));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn set(&mut self, variable: usize, value: Value<'d>) {
        if let Some(place) = self.variables.get_mut(variable) {
            *place = value;
        }
    }

    fn value(&self, operand: &'d Operand) -> Result<Value<'d>, Failure> {
        Ok(match operand {
            Operand::Text(text) => Value::Text(text.into()),
            Operand::Number(number) => Value::Number(*number),
            Operand::Boolean(value) => Value::Boolean(*value),
            Operand::Field(field) => self.data.value(*field),
            Operand::Collection(field) => Value::Collection(*field),
            Operand::Entry(field, key) => match self.value(key)? {
                Value::Text(key) => Value::Text(self.data.entry(*field, &key)),
                _ => return Err(Failure("a name must be a text".into())),
            },
            Operand::Variable(variable) => {
                let value = self.variables.get(*variable);
                value.cloned().unwrap_or(Value::Boolean(false))
            }
            // As in Go, they give the argument that decides and look at none behind it.
            Operand::Call(function @ (Function::And | Function::Or), arguments) => {
                let wanted = *function == Function::Or;
                let mut last = Value::Boolean(false);
                for argument in arguments {
                    last = self.value(argument)?;
                    if holds(&last, self.data) == wanted {
                        break;
                    }
                }
                last
            }
            Operand::Call(function, arguments) => {
                let values = self.values(arguments)?;
                self.bounded(function.apply(&values, self.data)?)?
            }
            Operand::Printf(pieces, arguments) => {
                let values = self.values(arguments)?;
                let mut values = values.iter();
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Verb(verb) => {
                            let value = values.next();
                            let missing = || Failure("a verb has no value".into());
                            verb.write(&mut text, value.ok_or_else(missing)?)?;
                        }
                    }
                }
                self.bounded(Value::Text(text.into()))?
            }
        })
    }

    fn values(&self, operands: &'d [Operand]) -> Result<Vec<Value<'d>>, Failure> {
        operands.iter().map(|operand| self.value(operand)).collect()
    }

    /// Variables keep texts, and texts can be made of texts: none may grow without end.
    fn bounded(&self, value: Value<'d>) -> Result<Value<'d>, Failure> {
        match &value {
            Value::Text(text) if text.len() > MOST_OUTPUT => Err(Failure(format!(
                "a text has more than {MOST_OUTPUT} octets"
            ))),
            _ => Ok(value),
        }
    }
}
