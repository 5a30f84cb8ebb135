//! A query on its way through the plugins of a server block.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use answer::{LookupName, Message, MessageEdns, MessageRecord, Query, Rcode, RelayedRecord, Reply};

use super::chain::Chain;
use crate::resolver::{Answer, Resolver};
use crate::routes::Routes;

/// The option of extended errors (RFC 8914 §2).
const EXTENDED_ERROR: u16 = 15;

/// A query on its way through the plugins, and the reply that is being written.
pub struct Exchange<'q, 'b> {
    /// What is asked.
    pub query: &'q Query<'q>,
    /// The name asked for, ready for look-ups.
    pub name: LookupName,
    /// Whom the query is from and how it came.
    pub client: &'q Client,
    /// The reply. What a plugin writes on the way in is lost when one behind it has to wait; on
    /// the way back it stays.
    pub reply: Reply<'b>,
    /// Where the answer comes from.
    pub origin: Origin,
    /// Whether the answer is not to be kept: a plugin that has passed the query on may have another
    /// one at any moment.
    pub fleeting: bool,
    /// Why the query could not be answered as it should, for the log: one line.
    pub failure: Option<Box<str>>,
    /// When waiting ends at the latest, if a plugin says so: the client is told SERVFAIL then.
    pub deadline: Option<Instant>,
    /// The plugin that has answered, by its place in the chain; [`None`] before, and where the end
    /// of the block was reached.
    pub answered_by: Option<usize>,
    /// A number that differs from query to query, to spread load with. Strangers may guess it.
    pub rotation: u32,
    /// Where in the server the query is.
    pub way: Way<'q>,
}

/// A query as it came, before anything is said to it: what labels and conditions are made of.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// What is asked.
    pub query: &'a Query<'a>,
    /// The name asked for.
    pub name: &'a LookupName,
    /// Whom the query is from and how it came.
    pub client: &'a Client,
    /// The plugins that it is for, or may be.
    pub chain: &'a Chain,
}

impl Incoming<'_> {
    /// What a plugin of the block says under a label such as `view/name`; nothing where none
    /// knows it. Allocates, and only here: nobody prepares labels that are not asked for.
    #[must_use]
    pub fn metadata(&self, label: &str) -> Option<String> {
        self.chain.metadata(label, self)
    }
}

/// Where in the server a query is.
#[derive(Clone, Copy)]
pub struct Way<'q> {
    /// All that is served at the address that was asked.
    pub routes: &'q Arc<Routes>,
    /// The plugins of the server block.
    pub chain: &'q Arc<Chain>,
    /// Which of them has the query now.
    pub index: usize,
    /// The first of them that the query passes: 0, or a later one when the query came from inside.
    pub base: usize,
    /// How many queries of this server to itself led to this one.
    pub depth: u8,
}

/// Whom a request is from and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Who asked.
    pub peer: SocketAddr,
    /// The address that was asked, where that is known.
    pub local: Option<IpAddr>,
    /// The port that was asked.
    pub local_port: u16,
    /// How the request came.
    pub transport: Transport,
    /// When it came; of all requests that were received at once, when they were.
    pub received: Instant,
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As a datagram: what does not fit is asked for again over a stream.
    Udp,
    /// Over a connection.
    Tcp,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// From what this server has in memory and keeps up to date. It is never cached, nor are its
    /// TTLs changed by a cache.
    #[default]
    Own,
    /// From another server, or at some cost: worth being cached.
    Elsewhere,
    /// From the cache of this server, or by way of it: its TTLs are as they are to be told.
    Cached,
}

impl Exchange<'_, '_> {
    /// Asks the plugins behind the current one, with any question.
    #[must_use]
    pub fn below(&self) -> Resolver {
        Resolver::below(self.way, self.client)
    }

    /// Asks this server as a client would, with any question.
    #[must_use]
    pub fn server(&self) -> Resolver {
        Resolver::whole(self.way, self.client)
    }

    /// Gives the client a message in place of what is written: its records with `age` seconds
    /// taken off their TTLs, its code and flags, and its extended errors.
    pub fn tell(&mut self, message: &Message, age: u32) {
        self.reply.relay(message, age, 0);
        self.tell_errors(message);
    }

    /// Gives the client an answer that came from inside, in place of what is written: its records,
    /// code and flags, its extended errors, and what there is to know of it.
    pub fn adopt(&mut self, answer: Answer) {
        self.reply.relay(&answer.message, 0, 0);
        self.take_over(answer);
    }

    /// The same with an answer to another question than the client's: `change` says what becomes
    /// of each record.
    pub fn adopt_changed(
        &mut self,
        answer: Answer,
        change: impl FnMut(&MessageRecord<'_>) -> RelayedRecord,
    ) {
        self.reply.relay_changed(&answer.message, change);
        self.take_over(answer);
    }

    /// Takes over all of an answer but its records, code and flags.
    fn take_over(&mut self, answer: Answer) {
        self.tell_errors(&answer.message);
        if answer.withheld {
            self.reply.withhold();
        }
        self.origin = answer.origin;
        self.failure = answer.failure;
    }

    /// Passes on the extended errors of a message.
    fn tell_errors(&mut self, message: &Message) {
        let edns = message.edns();
        for (code, data) in edns.into_iter().flat_map(MessageEdns::options) {
            if code == EXTENDED_ERROR {
                self.reply.option(code, data);
            }
        }
    }

    /// The query as it came.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming {
            query: self.query,
            name: &self.name,
            client: self.client,
            chain: self.way.chain,
        }
    }

    /// What a plugin of the block says under a label; see [`Incoming::metadata`].
    #[must_use]
    pub fn metadata(&self, label: &str) -> Option<String> {
        self.incoming().metadata(label)
    }

    /// Makes the reply nothing but SERVFAIL, an extended error (RFC 8914 §4) for the client and a
    /// line for the log.
    pub fn fail(&mut self, info_code: u16, reason: impl Into<Box<str>>) {
        let reason = reason.into();
        self.reply.clear();
        self.reply.set_rcode(Rcode::SERVFAIL);
        self.reply.extended_error(info_code, &reason);
        self.failure = Some(reason);
    }
}
