//! The file of weights.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use answer::{Name, Reply, WrittenSet};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::Random;
use crate::current::Current;
use crate::reason;
use crate::task::Task;

/// The largest file that is read, in octets.
const LARGEST: u64 = 16 << 20;

/// How often each address of some names comes first, compared to the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Weights {
    /// By the name in wire form and lower case, in the order of the addresses.
    names: HashMap<Box<[u8]>, Vec<(IpAddr, u8)>>,
}

impl Weights {
    /// Puts an address that is drawn by weight first in its set.
    pub(super) fn put_first(&self, reply: &mut Reply<'_>, set: &WrittenSet, random: &mut Random) {
        let owner = reply.owner_of(set);
        let known = owner.and_then(|owner| self.names.get(owner.as_wire()));
        let known = known.map_or(&[][..], Vec::as_slice);
        let weight = |reply: &Reply<'_>, index| {
            let address = reply.address_of(set, index);
            let address = address.map(|address| address.to_canonical());
            let found = address.map(|it| known.binary_search_by_key(&it, |(address, _)| *address));
            let found = found.and_then(Result::ok);
            // One without a weight has 1.
            found
                .and_then(|place| known.get(place))
                .map_or(1, |(_, weight)| usize::from(*weight))
        };
        let sum = (0..set.count).map(|index| weight(reply, index)).sum();
        let mut left = random.below(sum);
        for index in 0..set.count {
            match left.checked_sub(weight(reply, index)) {
                Some(less) => left = less,
                None => return reply.swap_addresses(set, 0, index),
            }
        }
    }

    /// Reads a name on a line of its own, then lines with an address of it and its weight, and so on.
    /// Empty lines and those that begin with `#` mean nothing.
    ///
    /// # Errors
    ///
    /// What is wrong, and on which line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut names: HashMap<Box<[u8]>, Vec<(IpAddr, u8)>> = HashMap::new();
        let mut current = None;
        for (index, line) in text.lines().enumerate() {
            let wrong = |what: &str| Err(format!("line {}: {what}", index + 1));
            let mut words = line.split_whitespace();
            match [words.next(), words.next(), words.next()] {
                [None, ..] => {}
                [Some(first), ..] if first.starts_with('#') => {}
                [Some(name), None, _] if name.parse::<IpAddr>().is_ok() => {
                    return wrong(&format!("the address {name} has no weight"));
                }
                [Some(name), None, _] => match Name::parse(name) {
                    Ok(name) => current = Some(Box::<[u8]>::from(name.as_wire())),
                    Err(error) => return wrong(&error.to_string()),
                },
                [Some(address), Some(weight), None] => {
                    let Ok(address) = address.parse::<IpAddr>() else {
                        return wrong(&format!("{address} is no address"));
                    };
                    let Some(weight) = weight.parse().ok().filter(|weight| *weight > 0) else {
                        return wrong(&format!("{weight} is no weight from 1 to 255"));
                    };
                    let Some(name) = &current else {
                        return wrong("an address before the first name");
                    };
                    let addresses = names.entry(name.clone()).or_default();
                    addresses.push((address.to_canonical(), weight));
                }
                _ => return wrong("neither a name nor an address and its weight"),
            }
        }
        for addresses in names.values_mut() {
            // Of several lines for an address the first counts.
            addresses.sort_by_key(|(address, _)| *address);
            addresses.dedup_by_key(|(address, _)| *address);
        }
        Ok(Self { names })
    }
}

/// Reads the file, and again every `reload` for as long as the task lives.
///
/// # Errors
///
/// It cannot be read and will not be read again, or is not as it should be.
pub(super) fn follow(
    path: PathBuf,
    reload: Duration,
    runtime: &Handle,
) -> Result<(Arc<Current<Weights>>, Option<Task>), String> {
    let mut follower = Follower {
        path,
        text: None,
        complaint: None,
    };
    let shown = follower.path.display().to_string();
    let text = match read(&follower.path) {
        Ok(text) => text,
        Err(reason) if reload.is_zero() => return Err(format!("cannot read {shown}: {reason}")),
        Err(reason) => {
            tracing::warn!("loadbalance: cannot read {shown}: {reason}; it may come later");
            follower.complaint = Some(reason);
            String::new()
        }
    };
    let weights = Weights::parse(&text).map_err(|error| format!("{shown}: {error}"))?;
    follower.text = Some(text);
    let current = Arc::new(Current::new(weights));
    let task = (!reload.is_zero()).then(|| {
        let current = Arc::clone(&current);
        Task::start(runtime, async move {
            loop {
                sleep(reload).await;
                let Some(next) = follower.look(&current).await else {
                    break;
                };
                follower = next;
            }
        })
    });
    Ok((current, task))
}

struct Follower {
    path: PathBuf,
    /// What was read last.
    text: Option<String>,
    /// What was said to be wrong, so that it is said once.
    complaint: Option<String>,
}

impl Follower {
    /// Looks at the file and takes over what it has, if that is news.
    async fn look(mut self, current: &Current<Weights>) -> Option<Self> {
        let path = self.path.clone();
        // Files wait for disks.
        let text = tokio::task::spawn_blocking(move || read(&path))
            .await
            .ok()?;
        let news = match text {
            Ok(text) if self.text.as_ref() == Some(&text) => {
                self.complaint = None;
                return Some(self);
            }
            Ok(text) => Weights::parse(&text).map(|weights| (text, weights)),
            Err(reason) => Err(reason),
        };
        let path = self.path.display();
        match news {
            Ok((text, weights)) => {
                tracing::info!("loadbalance: {path} was read again");
                current.replace(weights);
                self.text = Some(text);
                self.complaint = None;
            }
            Err(reason) => {
                if self.complaint.as_ref() != Some(&reason) {
                    tracing::warn!("loadbalance: {path}: {reason}; the last weights stay in use");
                }
                self.complaint = Some(reason);
            }
        }
        Some(self)
    }
}

fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| reason::of(&error))?;
    let mut text = String::new();
    let mut bounded = file.take(LARGEST + 1);
    bounded
        .read_to_string(&mut text)
        .map_err(|error| reason::of(&error))?;
    match text.len() as u64 > LARGEST {
        false => Ok(text),
        true => Err(format!("it has more than {} MiB", LARGEST >> 20)),
    }
}
