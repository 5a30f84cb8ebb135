//! Who has which name, and why not somebody else.

use std::net::IpAddr;
use std::sync::Arc;

use super::records::Deciding;
use super::{Claim, Names};

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The name leads to it alone.
    Alone,
    /// The name leads to it and to others.
    Among(usize),
    /// The name leads elsewhere or nowhere; why.
    Hidden(String),
}

/// One claim of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The name.
    pub name: String,
    /// By what right it is claimed: the word of a [`Source`](super::Source).
    pub source: &'static str,
    /// The container's name.
    pub container: String,
    /// Its short id.
    pub id: String,
    /// Its whole id.
    pub whole_id: String,
    /// The network in which the claim holds; [`None`] for all.
    pub network: Option<String>,
    /// Where it leads.
    pub addresses: Vec<IpAddr>,
    /// What became of it.
    pub standing: Standing,
    /// The host that it runs on, if that is another one.
    pub host: Option<String>,
    /// Why other hosts do not get to see it, if they do not.
    pub unshared: Option<String>,
}

/// How many names and claims there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Names that somebody claims.
    pub names: usize,
    /// Claims to names that others have and the claimant has not.
    pub hidden: usize,
}

impl Names {
    /// Counts names and claims, as everybody sees them who is no container.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let deciding = Deciding {
            options: &self.options,
            host: &self.host,
            client: None,
        };
        let disputed = self.by_name.values().filter(|claims| claims.len() > 1);
        let hidden = disputed.map(|claims| {
            let winners = deciding.winners(claims);
            let has_it = |claim: &&Claim| {
                let mut holders = winners.iter().map(|winner| &winner.holder);
                holders.any(|holder| Arc::ptr_eq(holder, &claim.holder))
            };
            claims.iter().filter(|claim| !has_it(claim)).count()
        });
        Tally {
            names: self.by_name.len(),
            hidden: hidden.sum(),
        }
    }

    /// Every claim, by name: as everybody sees it who is no container. A weaker claim of one who
    /// has the name anyway is left out.
    #[must_use]
    pub fn report(&self) -> Vec<Line> {
        let deciding = Deciding {
            options: &self.options,
            host: &self.host,
            client: None,
        };
        let mut lines = Vec::new();
        for claims in self.by_name.values() {
            let winners = deciding.winners(claims);
            for claim in claims {
                let wins = winners.iter().any(|winner| std::ptr::eq(*winner, claim));
                let holder = &claim.holder;
                if !wins && winners.iter().any(|it| Arc::ptr_eq(&it.holder, holder)) {
                    continue;
                }
                let standing = match (wins, winners.len()) {
                    (true, 1) => Standing::Alone,
                    (true, several) => Standing::Among(several),
                    (false, _) => Standing::Hidden(reason(claim, &winners, &deciding)),
                };
                let container = &claim.holder.container;
                lines.push(Line {
                    name: claim.name.to_string(),
                    source: claim.source.word(),
                    container: container.name.clone(),
                    id: container.short_id().to_owned(),
                    whole_id: container.id.clone(),
                    network: claim.network.as_deref().map(ToOwned::to_owned),
                    addresses: deciding.addresses(claim).into_iter().collect(),
                    standing,
                    host: container.origin.as_ref().map(|it| it.host.clone()),
                    unshared: None,
                });
            }
        }
        lines
    }
}

fn reason(claim: &Claim, winners: &[&Claim], deciding: &Deciding<'_>) -> String {
    if deciding.addresses(claim).is_empty() {
        return match &claim.holder.network_owner {
            None => "the container whose networks it uses does not run".to_owned(),
            Some(_) => "it has no address in a network that counts".to_owned(),
        };
    }
    match winners.first() {
        Some(winner) if winner.source < claim.source => format!(
            "{} has it as its {}",
            winner.holder.container.name,
            winner.source.word()
        ),
        _ if claim.holder.container.paused => "it is paused".to_owned(),
        _ => "its health check does not pass".to_owned(),
    }
}
