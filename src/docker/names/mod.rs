//! What names containers get, and who gets a name that several want.
//!
//! [`claims`] says which names a container has a claim to and by what right; [`Names`] keeps all
//! claims of all containers, decides between them and holds the zones that come of it. A change
//! touches only the names of the containers that changed.

mod claims;
mod labels;
mod options;
mod records;
mod report;
mod template;
#[cfg(test)]
mod tests;
mod zones;

use std::sync::Arc;

use answer::Name;

use super::Container;

pub use labels::Wishes;
pub use options::{Compat, HealthPolicy, NameOptions, NetworkRule, Pointer};
pub(in crate::docker) use options::{counts, is_among};
pub use report::{Line, Standing, Tally};
pub use template::{NameTemplate, TemplateError};
pub(in crate::docker) use zones::network_owner;
pub use zones::{Apex, Names, View};

/// By what right a container claims a name: the strongest first. A name that several containers
/// claim belongs to those with the strongest claim, so nobody takes the name of another container
/// by calling itself that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The container's own name, which the engine keeps unique.
    Name,
    /// A label that says so.
    Label,
    /// A template of the operator's.
    Template,
    /// An alias in a network.
    Alias,
    /// The service, project and number that compose gave it.
    Compose,
    /// What the container calls itself.
    Hostname,
    /// The first twelve digits of its id.
    Id,
    /// The image that it was made of.
    Image,
    /// Its name below that of a network.
    Network,
    /// Another name with `-` for `_`, or the other way round.
    Twin,
}

impl Source {
    /// The word for it in a Corefile and in lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Label => "label",
            Self::Template => "template",
            Self::Alias => "alias",
            Self::Compose => "compose",
            Self::Hostname => "hostname",
            Self::Id => "id",
            Self::Image => "image",
            Self::Network => "network",
            Self::Twin => "twin",
        }
    }
}

/// A container's claim to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The whole name.
    pub name: Name,
    /// Which of the zones it stands in.
    pub apex: Apex,
    /// By what right.
    pub source: Source,
    /// Whether the name means all who have it, such as a service, rather than one container.
    pub is_set: bool,
    /// The only network in which it holds, by name; [`None`] for all.
    pub network: Option<Arc<str>>,
    /// Who claims it.
    pub holder: Arc<Holder>,
}

/// A container that claims names, and what follows from its labels and from its engine.
#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    /// The number of its engine.
    pub engine: usize,
    /// The container.
    pub container: Arc<Container>,
    /// Whose networks it uses: itself, or the container that it shares them with. [`None`] where
    /// that one does not run.
    pub network_owner: Option<Arc<Container>>,
    /// What its labels ask for.
    pub wishes: Wishes,
}
