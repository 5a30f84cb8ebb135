//! Which replies are kept, for how long, and which one is the answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use answer::Message;

use super::entry::{Age, Entry, Kind, Moment};
use super::flights::{Landed, Reply};
use super::key::{Key, KeyRef};
use super::setup::{Stale, Table};
use super::statistics::Count;
use super::{Cache, is_answer};
use crate::plugins::{Exchange, Origin, Transport};
use crate::resolver::Answer;

/// What the cache has for a question.
pub(super) enum Found {
    /// An entry that holds, this many seconds old.
    Fresh(Arc<Entry>, u32),
    /// One that has expired and may be used.
    Stale(Arc<Entry>, Staleness),
    Nothing,
}

/// How an entry that has expired is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staleness {
    pub(super) how: Stale,
    /// Whether others are to be asked for a newer one.
    pub(super) ask: bool,
}

/// A question, and which answers to it are kept.
pub(super) struct Question {
    pub(super) key: Key,
    pub(super) in_datagram: bool,
    keeps_success: bool,
    keeps_denial: bool,
}

impl Question {
    fn keeps(&self, kind: Kind) -> bool {
        match kind {
            Kind::Success => self.keeps_success,
            Kind::Denial | Kind::Failure => self.keeps_denial,
        }
    }
}

impl Cache {
    /// What the cache has for a question.
    pub(super) fn find(&self, key: KeyRef<'_>, now: Moment) -> Found {
        let stale = self.settings.stale;
        let is_usable = |over| stale.is_some_and(|stale| over < stale.duration);
        let mut expired = None;
        if let Some(entry) = self.stores.success.get(key) {
            match entry.age(now) {
                Age::Fresh(age) => return Found::Fresh(entry, age),
                Age::Over(over) => expired = is_usable(over).then_some(entry),
            }
        }
        let mut ask = true;
        if let Some(entry) = self.stores.denial.get(key) {
            match entry.age(now) {
                // It is known that there is nothing newer.
                Age::Fresh(_) if expired.is_some() && self.settings.prefer_positive => ask = false,
                Age::Fresh(age) => return Found::Fresh(entry, age),
                Age::Over(over) if entry.kind == Kind::Denial && is_usable(over) => {
                    expired = expired.or(Some(entry));
                }
                Age::Over(_) => {}
            }
        }
        match (expired, stale) {
            (Some(entry), Some(how)) => {
                let ask = ask && !entry.rests(now);
                Found::Stale(entry, Staleness { how, ask })
            }
            _ => Found::Nothing,
        }
    }

    /// What a query asks, if it is one for this cache.
    pub(super) fn question(&self, exchange: &Exchange<'_, '_>) -> Option<Question> {
        let key = self.key(exchange)?.to_key();
        let keeps = |table: &Table| {
            let disabled = table.disabled.as_ref();
            let enabled = disabled.is_none_or(|zones| zones.find(&exchange.name).is_none());
            enabled && !exchange.fleeting
        };
        Some(Question {
            key,
            in_datagram: exchange.client.transport == Transport::Udp,
            keeps_success: keeps(&self.settings.success),
            keeps_denial: keeps(&self.settings.denial),
        })
    }

    /// Keeps a reply, if it is to be kept, and gives what those are told who wait for it.
    pub(super) fn settle(&self, question: &Question, answer: Answer, now: Moment) -> Landed {
        let Answer {
            mut message,
            origin,
            failure,
            withheld,
        } = answer;
        let kind = Kind::of(&message);
        let reply = match self.lifetime(question, &mut message, kind, origin, now) {
            _ if withheld => Reply::Once(message),
            Some((kind, lifetime)) => {
                let entry = Arc::new(Entry::new(
                    message,
                    question.key.kind(),
                    kind,
                    now,
                    lifetime,
                ));
                self.keep(&question.key, &entry, now);
                Reply::Kept(entry)
            }
            None => Reply::Once(message),
        };
        Landed {
            reply,
            kind,
            origin,
            withheld,
            failure: Mutex::new(failure),
        }
    }

    /// How long a reply is kept; its TTLs are brought within the bounds for that.
    fn lifetime(
        &self,
        question: &Question,
        message: &mut Message,
        kind: Option<Kind>,
        origin: Origin,
        now: Moment,
    ) -> Option<(Kind, Duration)> {
        let key = question.key.as_ref();
        if !key.is_asked_by(message) {
            self.statistics.count(Count::Drops);
            return None;
        }
        if !is_answer(message) || message.is_truncated() {
            // What was known before is better, even if it has expired.
            if let Some(older) = self.usable(key, now) {
                older.rest_until(now.after(self.settings.recheck()));
                return None;
            }
            let servfail = self.settings.servfail;
            let fails = kind == Some(Kind::Failure) && question.keeps(Kind::Failure);
            if !fails || servfail.is_zero() {
                return None;
            }
            // Also one of our own: we had to do with others to find out.
            let most = u32::try_from(servfail.as_secs()).unwrap_or(u32::MAX);
            message.map_ttls(|record| record.ttl.min(most));
            return Some((Kind::Failure, servfail));
        }
        if origin != Origin::Elsewhere {
            return None;
        }
        let table = match kind {
            Some(Kind::Success) => &self.settings.success,
            _ => &self.settings.denial,
        };
        let kept = kind
            .filter(|kind| question.keeps(*kind))
            .and_then(|kind| Some((kind, table.bounds.apply(message, kind)?)));
        if kept.is_none() {
            // What was true is so no longer.
            self.stores.success.remove(key);
            self.stores.denial.remove(key);
        }
        kept
    }

    /// An entry that says something and that may be answered with.
    fn usable(&self, key: KeyRef<'_>, now: Moment) -> Option<Arc<Entry>> {
        match self.find(key, now) {
            Found::Fresh(entry, _) if entry.kind != Kind::Failure => Some(entry),
            Found::Stale(entry, _) => Some(entry),
            Found::Fresh(..) | Found::Nothing => None,
        }
    }

    fn keep(&self, key: &Key, entry: &Arc<Entry>, now: Moment) {
        let stores = &self.stores;
        if let Some(older) = stores.of(entry.kind).get(key.as_ref()) {
            entry.inherit(&older);
        }
        let expired_is_better = self.settings.prefer_positive
            && entry.kind == Kind::Denial
            && matches!(self.usable(key.as_ref(), now), Some(older) if older.kind == Kind::Success);
        if !expired_is_better {
            stores.other(entry.kind).remove(key.as_ref());
        }
        let evicted = stores.of(entry.kind).insert(entry.clone());
        let count = match entry.kind {
            Kind::Success => Count::SuccessEvictions,
            Kind::Denial | Kind::Failure => Count::DenialEvictions,
        };
        self.statistics.add(count, evicted);
        let (success, denial) = (stores.success.len(), stores.denial.len());
        self.statistics.entries(success, denial);
    }
}
