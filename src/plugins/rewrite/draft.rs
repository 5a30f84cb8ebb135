//! The query that the rules make of the client's.

use answer::{Class, Name, NameText, RecordType, Request};

use super::super::Exchange;
use super::matching::Mapping;
use super::undo::{Change, Return};

/// A query while the rules work on it. Until the first rule changes something, nothing is
/// allocated.
pub(super) struct Draft<'e, 'q, 'b> {
    /// The client's query.
    pub(super) exchange: &'e Exchange<'q, 'b>,
    original: Option<NameText>,
    renamed: Option<String>,
    request: Option<Request>,
    changes: Vec<Change>,
}

impl<'e, 'q, 'b> Draft<'e, 'q, 'b> {
    pub(super) fn new(exchange: &'e Exchange<'q, 'b>) -> Self {
        Self {
            exchange,
            original: None,
            renamed: None,
            request: None,
            changes: Vec::new(),
        }
    }

    /// The name asked for as it is now: in lower case, with its trailing dot.
    pub(super) fn name(&mut self) -> &str {
        match &self.renamed {
            Some(name) => name,
            None => self
                .original
                .get_or_insert_with(|| NameText::from(&self.exchange.name))
                .as_str(),
        }
    }

    /// The type asked for as it is now.
    pub(super) fn rtype(&self) -> RecordType {
        let request = self.request.as_ref();
        request.map_or(self.exchange.query.qtype, |request| request.rtype)
    }

    /// The class asked for as it is now.
    pub(super) fn class(&self) -> Class {
        let request = self.request.as_ref();
        request.map_or(self.exchange.query.qclass, |request| request.class)
    }

    /// The query, to be changed.
    pub(super) fn request(&mut self) -> &mut Request {
        self.request
            .get_or_insert_with(|| Request::like(self.exchange.query))
    }

    /// Asks for another name.
    pub(super) fn rename(&mut self, name: String) {
        self.renamed = Some(name);
        self.request();
    }

    /// Names in the answer are to be changed: those that stand for records (`owners`), those that
    /// records point to (`targets`). What was renamed last is renamed back first.
    pub(super) fn map(&mut self, mapping: Mapping, owners: bool, targets: bool) {
        self.changes.insert(
            0,
            Change::Names {
                mapping,
                owners,
                targets,
            },
        );
        self.request();
    }

    /// Something else of the answer is to be changed.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
        self.request();
    }

    /// The query to ask and what to do with its answer; [`None`] where no rule was for it.
    ///
    /// # Errors
    ///
    /// The rules have made something of the name that is none.
    pub(super) fn finish(self) -> Result<Option<(Request, Return)>, String> {
        let Some(mut request) = self.request else {
            return Ok(None);
        };
        if let Some(name) = &self.renamed {
            let parsed = Name::parse(name)
                .map_err(|error| format!("rewrite has made {name:?} of the name: {error}"))?;
            // A name that is the client's again keeps its letters.
            if parsed.as_wire() != self.exchange.name.as_wire() {
                request.name = parsed.as_wire().into();
            }
        }
        let same_name = *request.name == *self.exchange.query.qname;
        let back = Return::new(self.changes, same_name, request.clone());
        Ok(Some((request, back)))
    }
}
