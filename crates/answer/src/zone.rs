//! A zone: the records below one apex, ready to answer from.
//!
//! A zone never changes. An [`Edit`] copies what it touches and shares the rest, so that changing
//! one name of a hundred thousand copies a few kilobytes. Names are found by a seeded hash: it
//! picks a page of shards, in it a [`Shard`], and in that the name's entry.

mod edit;
mod entry;
mod order;
mod proof;
mod rrset;
mod shard;

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;

pub use edit::{Edit, EditError};
pub(crate) use proof::{Denial, Source};
pub use rrset::{MAX_RRSET, RecordRef, Records, RrsetRef};
pub(crate) use rrset::{QUESTION_NAME, RECORD_HEADER};

use crate::name::{LookupName, Name};
use crate::record::{RecordData, RecordType, Rrset, Soa};
use crate::wire::MAX_NAME;
use entry::Entry;
use order::Order;
use shard::Shard;

/// How many shards stand in a page. A change copies the list of pages and one page, which for a
/// large zone is far less than a list of all shards.
const SHARDS_PER_PAGE: usize = 64;

/// The records below one apex, immutable and cheap to clone.
///
/// Two zones that come from one another by [`Zone::edit`] share what did not change.
#[derive(Clone)]
pub struct Zone(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    apex: Name,
    apex_labels: usize,
    /// The SOA record as negative answers carry it.
    negative_soa: Arc<[u8]>,
    hasher: RandomState,
    pages: Vec<Arc<Page>>,
    /// How many shards there are in all pages: a power of two.
    shard_count: usize,
    /// How many names exist, empty non-terminals included.
    names: usize,
    /// How many of them are zone cuts or have a DNAME record; a look-up does nothing about either
    /// while there are none.
    borders: usize,
    /// How many of them are wildcards; a look-up does nothing about wildcards while there are none.
    wildcards: usize,
    /// The names of a signed zone in order; [`None`] where there is nothing signed.
    order: Option<Arc<Order>>,
}

#[derive(Clone, Default)]
struct Page(Vec<Arc<Shard>>);

/// What a zone has for a name and a type (RFC 1034 §4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'z> {
    /// Records of the type; for the type ANY, those of one type (RFC 8482 §4.1).
    Found(RrsetRef<'z>),
    /// The name exists and has no records of the type.
    NoData,
    /// The name does not exist and no wildcard stands in for it.
    NoSuchName,
    /// The name is an alias: here is its CNAME record.
    Alias(RrsetRef<'z>),
    /// The name is at or below a zone cut: others answer for it.
    Cut(Cut<'z>),
    /// The name lies below one with a DNAME record: it stands for a name elsewhere.
    Redirect(Redirect<'z>),
    /// The name is not at or below the apex.
    NotHere,
}

/// A delegation: the place in the looked-up name where another zone begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut<'z> {
    /// The name servers of that zone.
    pub servers: RrsetRef<'z>,
    /// Which suffix of the looked-up name owns them, for [`LookupName::suffix`].
    pub label: usize,
}

/// A DNAME record above the looked-up name (RFC 6672 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect<'z> {
    /// The record.
    pub dname: RrsetRef<'z>,
    /// Which suffix of the looked-up name owns it, for [`LookupName::suffix`].
    pub label: usize,
}

/// Where the walk from the apex down to a name ends.
enum Walk<'z> {
    /// The name exists.
    Exact(Entry<'z>),
    /// A zone cut stands on the way.
    Cut(Cut<'z>),
    /// A DNAME record stands on the way.
    Redirect(Redirect<'z>),
    /// The name does not exist; the suffix with this index is the lowest on the way that does,
    /// its closest encloser (RFC 4592 §3.3.1).
    Missing(usize),
}

impl Zone {
    /// A zone that has nothing but the SOA record at its apex, with the given TTL in seconds.
    pub fn new(apex: Name, ttl: u32, soa: &Soa) -> Self {
        let inner = Inner {
            apex_labels: apex.label_count(),
            negative_soa: Arc::default(),
            hasher: RandomState::default(),
            pages: vec![Arc::new(Page(vec![Arc::default()]))],
            shard_count: 1,
            names: 0,
            borders: 0,
            wildcards: 0,
            order: None,
            apex,
        };
        let mut edit = Edit::new(inner);
        edit.start(&Rrset::new(RecordType::SOA, ttl, [RecordData::soa(soa)]));
        edit.finish()
    }

    /// The name at the top of the zone.
    pub fn apex(&self) -> &Name {
        &self.0.apex
    }

    /// Begins to change a copy of the zone.
    pub fn edit(&self) -> Edit {
        Edit::new(Inner::clone(&self.0))
    }

    /// How many names have records, or names below them that have.
    pub fn name_count(&self) -> usize {
        self.0.names
    }

    /// What the zone has for a name and a type.
    ///
    /// Wildcards are applied (RFC 4592). A name at a cut gives [`Lookup::Cut`] for every type but
    /// DS, which belongs to the side above (RFC 4035 §3.1.4.1).
    pub fn lookup(&self, name: &LookupName, rtype: RecordType) -> Lookup<'_> {
        match self.reach(name, rtype) {
            Ok(entry) => select(entry, rtype),
            Err(instead) => instead,
        }
    }

    /// The A and the AAAA records that [`lookup`](Self::lookup) finds for a host, with one search.
    pub(crate) fn addresses(&self, host: &LookupName) -> [Option<RrsetRef<'_>>; 2] {
        addresses(self.reach(host, RecordType::A).ok())
    }

    /// The same; for a host below a cut, those that stand here for it: glue (RFC 9471).
    pub(crate) fn addresses_or_glue(&self, host: &LookupName) -> [Option<RrsetRef<'_>>; 2] {
        addresses(match self.reach(host, RecordType::A) {
            Ok(entry) => Some(entry),
            Err(Lookup::Cut(_)) => self.0.find(host.as_wire()),
            Err(_) => None,
        })
    }

    /// The entry that answers for a name, its own or a wildcard's; where there is none, what the
    /// zone has instead.
    #[inline]
    fn reach(&self, name: &LookupName, rtype: RecordType) -> Result<Entry<'_>, Lookup<'_>> {
        let zone = &*self.0;
        if name.suffix(name.label_count().saturating_sub(zone.apex_labels)) != zone.apex.as_wire() {
            return Err(Lookup::NotHere);
        }
        if zone.borders == 0 {
            // Everything that exists is ours, so the common case needs one probe.
            if let Some(entry) = zone.find(name.as_wire()) {
                return Ok(entry);
            }
            if zone.wildcards == 0 {
                return Err(Lookup::NoSuchName);
            }
        }
        match zone.walk(name, rtype) {
            Walk::Exact(entry) => Ok(entry),
            Walk::Cut(cut) => Err(Lookup::Cut(cut)),
            Walk::Redirect(redirect) => Err(Lookup::Redirect(redirect)),
            Walk::Missing(encloser) => {
                let wildcard = zone.wildcard(name.suffix(encloser));
                wildcard.ok_or(Lookup::NoSuchName)
            }
        }
    }

    /// The records of a type at exactly this name, also where the name lies below a cut: for the
    /// addresses of a delegation's name servers (glue, RFC 9471).
    pub fn glue(&self, name: &LookupName, rtype: RecordType) -> Option<RrsetRef<'_>> {
        self.0.find(name.as_wire())?.rrset(rtype)
    }

    /// The SOA record that a negative answer carries, its owner the pointer to offset 12, its TTL
    /// the lesser of the record's own and its MINIMUM field (RFC 2308 §3).
    pub(crate) fn negative_soa(&self) -> &[u8] {
        &self.0.negative_soa
    }

    /// How long a negative answer holds, in seconds.
    pub(crate) fn negative_ttl(&self) -> u32 {
        let soa = Records::new(&self.0.negative_soa).next();
        soa.map_or(0, |soa| soa.ttl)
    }

    /// How many labels the apex has.
    pub(crate) fn apex_labels(&self) -> usize {
        self.0.apex_labels
    }

    /// All names that have records, in canonical order. Costs a pass over the zone.
    pub fn names(&self) -> Vec<Name> {
        let with_records = self.0.entries().filter(|entry| !entry.has_no_records());
        let mut names: Vec<Name> = with_records
            .filter_map(|entry| Name::from_wire(entry.name).ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// The RRsets at exactly this name, as they are stored.
    pub fn rrsets(&self, name: &Name) -> impl Iterator<Item = RrsetRef<'_>> {
        self.0
            .find(name.as_wire())
            .into_iter()
            .flat_map(|entry| entry.rrsets())
    }

    /// How many octets the zone holds, what it shares with other zones included; the memory
    /// allocator's own overhead is not.
    pub fn memory(&self) -> usize {
        // Each `Arc` has two counters before its value.
        const COUNTERS: usize = 2 * size_of::<usize>();
        let mut sum = COUNTERS + size_of::<Inner>() + self.0.apex.as_wire().len();
        sum += COUNTERS + self.0.negative_soa.len();
        if let Some(order) = &self.0.order {
            sum += COUNTERS + size_of::<Order>() + order.memory();
        }
        sum += self.0.pages.capacity() * size_of::<Arc<Page>>();
        for page in &self.0.pages {
            sum += COUNTERS + size_of::<Page>() + page.0.capacity() * size_of::<Arc<Shard>>();
            sum += page.0.len() * (COUNTERS + size_of::<Shard>());
            sum += page.0.iter().map(|shard| shard.memory()).sum::<usize>();
        }
        sum
    }
}

/// Shows the apex and the number of names.
impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Zone")
            .field("apex", &self.0.apex)
            .field("names", &self.0.names)
            .finish()
    }
}

/// What an entry has for a type.
fn select(entry: Entry<'_>, rtype: RecordType) -> Lookup<'_> {
    if rtype == RecordType::ANY {
        // Signatures and denials say little without what they are about.
        let about =
            |rrset: &RrsetRef<'_>| !matches!(rrset.rtype(), RecordType::RRSIG | RecordType::NSEC);
        let first = entry.rrsets().find(about);
        let found = first.or_else(|| entry.rrsets().next());
        return found.map_or(Lookup::NoData, Lookup::Found);
    }
    let mut alias = None;
    for rrset in entry.rrsets() {
        if rrset.rtype() == rtype {
            return Lookup::Found(rrset);
        }
        if rrset.rtype() == RecordType::CNAME {
            alias = Some(rrset);
        }
    }
    alias.map_or(Lookup::NoData, Lookup::Alias)
}

/// The A and the AAAA records of an entry.
fn addresses(entry: Option<Entry<'_>>) -> [Option<RrsetRef<'_>>; 2] {
    [RecordType::A, RecordType::AAAA].map(|rtype| entry.and_then(|entry| entry.rrset(rtype)))
}

impl Inner {
    fn hash(&self, name: &[u8]) -> u64 {
        hash(&self.hasher, name)
    }

    /// Page and place in it of the shard for a hash.
    fn place(&self, hash: u64) -> (usize, usize) {
        place(hash, self.shard_count)
    }

    /// The entry of exactly this name, in wire form and lower case.
    fn find(&self, name: &[u8]) -> Option<Entry<'_>> {
        self.find_hashed(self.hash(name), name)
    }

    /// The same with the name's hash at hand.
    fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<Entry<'_>> {
        self.shard(hash)?.find(hash, name)
    }

    fn shard(&self, hash: u64) -> Option<&Shard> {
        let (page, shard) = self.place(hash);
        self.pages.get(page)?.0.get(shard).map(|shard| &**shard)
    }

    /// All entries, in no order.
    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.shards().flat_map(Shard::entries)
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.pages
            .iter()
            .flat_map(|page| &page.0)
            .map(|shard| &**shard)
    }

    /// Walks from the apex down to a name that is at or below it, as far as names exist. Every
    /// name above an existing one exists, so the walk costs no more probes than the zone is deep,
    /// however many labels a stranger sends.
    fn walk(&self, name: &LookupName, rtype: RecordType) -> Walk<'_> {
        let top = name.label_count().saturating_sub(self.apex_labels);
        for index in (0..=top).rev() {
            let Some(entry) = self.find(name.suffix(index)) else {
                return Walk::Missing(index + 1);
            };
            if entry.is_cut()
                && (index > 0 || rtype != RecordType::DS)
                && let Some(servers) = entry.rrset(RecordType::NS)
            {
                return Walk::Cut(Cut {
                    servers,
                    label: index,
                });
            }
            if index == 0 {
                return Walk::Exact(entry);
            }
            if entry.is_redirect()
                && let Some(dname) = entry.rrset(RecordType::DNAME)
            {
                return Walk::Redirect(Redirect {
                    dname,
                    label: index,
                });
            }
        }
        Walk::Missing(top)
    }

    /// The wildcard right below the closest encloser: the source of synthesis (RFC 4592 §3.3.1).
    fn wildcard(&self, encloser: &[u8]) -> Option<Entry<'_>> {
        if self.wildcards == 0 {
            return None;
        }
        let mut name = [0; MAX_NAME];
        let name = name.get_mut(..encloser.len() + 2)?;
        let (asterisk, rest) = name.split_at_mut_checked(2)?;
        asterisk.copy_from_slice(b"\x01*");
        rest.copy_from_slice(encloser);
        self.find(name)
    }
}

fn hash(hasher: &RandomState, name: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(name);
    state.finish()
}

fn place(hash: u64, shards: usize) -> (usize, usize) {
    // The table in a shard uses the lowest and the highest bits; these are from between.
    let number = (hash >> 24) as usize & (shards - 1);
    (number / SHARDS_PER_PAGE, number % SHARDS_PER_PAGE)
}

#[cfg(test)]
mod tests;
