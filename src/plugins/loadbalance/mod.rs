//! `loadbalance`: changes the order of addresses and mail exchanges from reply to reply, since most
//! clients take the first.
//!
//! Records are exchanged where they stand in the reply. Only those of one name and type change
//! places, so aliases stay before what they lead to.

mod setup;
mod weights;

use std::net::IpAddr;
use std::sync::Arc;

use answer::{Rcode, RecordType, Reply, Section, WrittenSet};

use super::{After, Exchange, Plugin, Step};
use crate::current::Current;
use crate::networks::Network;
use crate::task::Task;
use weights::Weights;

pub use setup::LOADBALANCE;

struct LoadBalance {
    policy: Policy,
    /// Addresses in these go before all others, those of the first network first.
    prefer: Vec<Network>,
    /// What reads the weights again.
    _reload: Option<Task>,
}

/// Which order replies have.
enum Policy {
    /// Each order is as likely.
    RoundRobin,
    /// An address comes first as often as its weight says; the others stay.
    Weighted(Arc<Current<Weights>>),
}

impl Plugin for LoadBalance {
    fn name(&self) -> &'static str {
        "loadbalance"
    }

    fn request(&self, _exchange: &mut Exchange<'_, '_>) -> Step {
        Step::Next
    }

    fn response(&self, exchange: &mut Exchange<'_, '_>) -> After {
        let transfer = matches!(exchange.query.qtype, RecordType::AXFR | RecordType::IXFR);
        let reply = &exchange.reply;
        if reply.rcode() == Rcode::NOERROR && reply.has_neighbours() && !transfer {
            self.order(&mut exchange.reply, exchange.rotation);
        }
        After::Done
    }
}

impl LoadBalance {
    /// Brings a reply into an order that the seed decides on.
    fn order(&self, reply: &mut Reply<'_>, seed: u32) {
        let mut random = Random(u64::from(seed));
        let mut sets = reply.written_sets();
        while let Some(set) = sets.next(reply) {
            match (set.rtype, &self.policy) {
                _ if set.count < 2 => {}
                (RecordType::A | RecordType::AAAA, policy) => {
                    match policy {
                        Policy::RoundRobin => shuffle(reply, &set, &mut random),
                        Policy::Weighted(weights) if set.section != Section::Authority => {
                            weights.load().put_first(reply, &set, &mut random);
                        }
                        Policy::Weighted(_) => {}
                    }
                    prefer(reply, &set, &self.prefer);
                }
                (RecordType::MX, Policy::RoundRobin) => {
                    // Where names point into the set, it keeps its order.
                    let _ = reply.rotate(&set, random.below(set.count));
                }
                _ => {}
            }
        }
    }
}

/// Puts the addresses of a set into any order (Fisher and Yates).
fn shuffle(reply: &mut Reply<'_>, set: &WrittenSet, random: &mut Random) {
    for index in 0..set.count {
        let other = index + random.below(set.count - index);
        reply.swap_addresses(set, index, other);
    }
}

/// Puts the addresses in these networks first.
fn prefer(reply: &mut Reply<'_>, set: &WrittenSet, networks: &[Network]) {
    let mut place = 0;
    for network in networks {
        let first = place;
        for index in first..set.count {
            let inside = |address: IpAddr| network.contains(address);
            if reply.address_of(set, index).is_some_and(inside) {
                reply.swap_addresses(set, place, index);
                place += 1;
            }
        }
    }
}

/// Numbers without a pattern that a client would notice, from a seed (SplitMix64).
struct Random(u64);

impl Random {
    /// A number below `limit`, or 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % (limit.max(1) as u64)) as usize
    }
}

#[cfg(test)]
mod tests;
