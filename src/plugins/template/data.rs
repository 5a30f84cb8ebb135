//! What templates and their conditions know of a query.

use std::borrow::Cow;

use answer::{Name, NameText};
use expression::{Environment, Expression, Function, Type};
use regex::{Captures, Regex};
use template::{Data, FieldKind, ProgramField, Value};

use super::super::Incoming;
use super::super::conditions::{FUNCTIONS, Facts};

/// The fields of a template, in the order of [`Fields`]: `groups` are the names and numbers of what
/// the expressions find, `variables` those of `var`.
pub(super) fn fields(groups: Vec<String>, variables: Vec<String>) -> Vec<ProgramField> {
    let field = |name, kind| ProgramField { name, kind };
    vec![
        field("Name", FieldKind::Text),
        field("Zone", FieldKind::Text),
        field("Class", FieldKind::Text),
        field("Type", FieldKind::Text),
        field("Remote", FieldKind::Text),
        field("Question.Name", FieldKind::Text),
        field("Question.Qtype", FieldKind::Number),
        field("Question.Qclass", FieldKind::Number),
        field("Match", FieldKind::List),
        field("Group", FieldKind::Map(groups)),
        field("Var", FieldKind::Map(variables)),
        field("Meta", FieldKind::Function),
    ]
}

/// Where in the list of fields those stand that are not simple.
const GROUP: usize = 9;
const VARIABLE: usize = 10;

/// The functions of a template's conditions: those of every condition, and what the expression has
/// found.
pub(super) fn functions() -> Vec<Function> {
    let group = Function {
        name: "group",
        takes_text: true,
        gives: Type::Text,
    };
    [FUNCTIONS.as_slice(), &[group]].concat()
}

/// A query that a template may be for.
pub(super) struct Query<'a> {
    incoming: Incoming<'a>,
    zone: &'a Name,
    name: NameText,
}

impl<'a> Query<'a> {
    pub(super) fn new(incoming: Incoming<'a>, zone: &'a Name) -> Self {
        Self {
            incoming,
            zone,
            name: NameText::from(incoming.name),
        }
    }

    /// What an expression finds in the name.
    pub(super) fn find(&self, regex: &'a Regex) -> Option<Found<'a>> {
        let name = self.name.as_str();
        let captures = regex.captures(name)?;
        let groups = texts(&captures);
        Some(Found {
            facts: Facts::new(self.incoming),
            incoming: self.incoming,
            zone: self.zone,
            name: name.to_owned(),
            regex,
            groups,
        })
    }
}

fn texts(captures: &Captures<'_>) -> Vec<String> {
    let found = captures.iter();
    found
        .map(|group| group.map_or(String::new(), |group| group.as_str().to_owned()))
        .collect()
}

/// A query in whose name an expression has found something.
pub(super) struct Found<'a> {
    facts: Facts<'a>,
    incoming: Incoming<'a>,
    zone: &'a Name,
    name: String,
    regex: &'a Regex,
    /// What each group has found, the whole first; empty where it has found nothing.
    groups: Vec<String>,
}

impl Found<'_> {
    /// What the group with this name or number has found.
    fn group(&self, key: &str) -> &str {
        let by_name = self
            .regex
            .capture_names()
            .position(|name| name == Some(key));
        let number = by_name.or_else(|| key.parse().ok());
        let group = number.and_then(|number: usize| self.groups.get(number));
        group.map_or("", String::as_str)
    }
}

impl Environment for Found<'_> {
    fn call(&self, function: usize, argument: &str) -> expression::Value<'_> {
        match function < FUNCTIONS.len() {
            true => self.facts.call(function, argument),
            false => expression::Value::Text(self.group(argument).into()),
        }
    }
}

/// The fields of a template.
pub(super) struct Fields<'f> {
    pub(super) found: &'f Found<'f>,
    pub(super) variables: &'f [(String, Expression)],
    /// Their values, in the same order.
    pub(super) values: &'f [String],
}

impl Data for Fields<'_> {
    fn value(&self, field: usize) -> Value<'_> {
        let Incoming { query, client, .. } = self.found.incoming;
        match field {
            0 | 5 => Value::Text(self.found.name.as_str().into()),
            1 => Value::Text(self.found.zone.to_string().into()),
            2 => Value::Text(query.qclass.to_string().into()),
            3 => Value::Text(query.qtype.to_string().into()),
            4 => Value::Text(client.peer.ip().to_canonical().to_string().into()),
            6 => Value::Number(query.qtype.0.into()),
            _ => Value::Number(query.qclass.0.into()),
        }
    }

    fn element(&self, _field: usize, number: usize) -> Option<Cow<'_, str>> {
        let group = self.found.groups.get(number)?;
        Some(group.as_str().into())
    }

    fn entry(&self, field: usize, key: &str) -> Cow<'_, str> {
        match field {
            GROUP => self.found.group(key).into(),
            VARIABLE => {
                let mut variables = self.variables.iter().zip(self.values);
                let found = variables.find(|((name, _), _)| name == key);
                found.map_or("", |(_, value)| value.as_str()).into()
            }
            _ => {
                let value = self.found.incoming.metadata(key);
                value.unwrap_or_default().into()
            }
        }
    }

    fn length(&self, field: usize) -> usize {
        match field {
            VARIABLE => self.values.len(),
            _ => self.found.groups.len(),
        }
    }
}
