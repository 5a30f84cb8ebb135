//! One rule.

use answer::{Class, Rcode, RecordType};

use super::draft::Draft;
use super::edns::EdnsRule;
use super::matching::{Mapping, Matching};
use super::undo::Change;

/// A rule: what it changes and of which queries.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Whether the next rules are looked at after it was for a query.
    pub(super) goes_on: bool,
    pub(super) field: Field,
}

/// What a rule changes.
#[derive(Clone, Debug)]
pub(super) enum Field {
    /// The name asked for.
    Name(NameRule),
    /// The type asked for.
    Type(RecordType, RecordType),
    /// The class asked for.
    Class(Class, Class),
    /// The TTLs of the answer, which are brought into the range.
    Ttl {
        /// For which names.
        names: Matching,
        /// At least this, in seconds.
        least: u32,
        /// At most this, in seconds.
        most: u32,
    },
    /// The code of the answer.
    Rcode {
        /// For which names.
        names: Matching,
        /// The code that is replaced.
        from: Rcode,
        /// What it becomes.
        to: Rcode,
    },
    /// The target of an alias in the answer.
    Cname {
        /// The target that is replaced.
        from: Matching,
        /// What it becomes.
        to: String,
    },
    /// An option of the query's OPT record.
    Edns(EdnsRule),
}

/// A rule that changes the name asked for.
#[derive(Clone, Debug)]
pub(super) struct NameRule {
    pub(super) from: Matching,
    pub(super) to: String,
    /// Whether the answer's names are changed back as well as can be.
    pub(super) auto: bool,
    pub(super) answers: Vec<AnswerRule>,
}

/// What a name rule says of the answer's names.
#[derive(Clone, Debug)]
pub(super) struct AnswerRule {
    /// Whether it is about names that records point to, and not about those that they stand at.
    pub(super) targets: bool,
    pub(super) from: Matching,
    pub(super) to: String,
}

impl Rule {
    /// Whether it changes the class of queries, and so is for queries of other classes.
    pub(super) fn is_of_classes(&self) -> bool {
        matches!(self.field, Field::Class(..))
    }

    /// Changes a query if the rule is for it. Returns whether it was.
    pub(super) fn apply(&self, draft: &mut Draft<'_, '_, '_>) -> bool {
        match &self.field {
            Field::Name(rule) => rule.apply(draft),
            Field::Type(from, to) => {
                let found = draft.rtype() == *from;
                if found {
                    draft.request().rtype = *to;
                }
                found
            }
            Field::Class(from, to) => {
                let found = draft.class() == *from;
                if found {
                    draft.request().class = *to;
                }
                found
            }
            Field::Ttl { names, least, most } => {
                let found = names.is_for(draft.name());
                if found {
                    draft.change(Change::Ttl {
                        least: *least,
                        most: *most,
                    });
                }
                found
            }
            Field::Rcode { names, from, to } => {
                let found = names.is_for(draft.name());
                if found {
                    draft.change(Change::Rcode(*from, *to));
                }
                found
            }
            Field::Cname { from, to } => {
                let aliases = [RecordType::A, RecordType::AAAA, RecordType::CNAME];
                let found = aliases.contains(&draft.rtype());
                if found {
                    draft.change(Change::Target(from.clone(), to.clone()));
                }
                found
            }
            Field::Edns(rule) => rule.apply(draft),
        }
    }
}

impl NameRule {
    fn apply(&self, draft: &mut Draft<'_, '_, '_>) -> bool {
        let Some(new) = self.from.replace(draft.name(), &self.to) else {
            return false;
        };
        for answer in self.answers.iter().rev() {
            let mapping = Mapping::By(answer.from.clone(), answer.to.clone());
            draft.map(mapping, !answer.targets, answer.targets);
        }
        if self.auto {
            // Of other names, which stand in the answer too, a suffix can be changed back as well.
            let mapping = match &self.from {
                Matching::Suffix(suffix) => {
                    Mapping::By(Matching::Suffix(self.to.clone()), suffix.clone())
                }
                _ => Mapping::Back {
                    from: new.clone(),
                    to: draft.name().to_owned(),
                },
            };
            draft.map(mapping, true, true);
        }
        draft.rename(new);
        true
    }
}
