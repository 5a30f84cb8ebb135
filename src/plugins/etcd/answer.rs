//! From the records of a name to an answer, type by type, as CoreDNS and SkyDNS give it.

use std::net::IpAddr;

use answer::{Class, LookupName, MAX_NAME, MessageRecord, Name, Owner, RecordType, Reply, Section};

use super::few::{Few, Seen};
use super::find::{Findings, Found, Reach, find};
use super::outside::{From, Known, Outside};
use super::record::Host;
use super::tree::Tree;

/// How many aliases may follow from one another.
const MOST_ALIASES: usize = 8;

/// How many names may be looked up for one question, its own included.
const MOST_LOOK_UPS: usize = 256;

/// For how many of the names that an answer points to addresses are looked up.
const MOST_TARGETS: usize = 32;

/// The port of a service that has none: it is not told.
const NO_PORT: i64 = -1;

/// The weight of a record that says nothing.
const DEFAULT_WEIGHT: i64 = 100;

/// The last offset that a compression pointer can hold.
const LAST_POINTER: usize = 0x3fff;

/// Where the name of the question stands in a reply.
const QUESTION_AT: u16 = 12;

/// Below which labels of a zone its name servers stand, and its own addresses.
const NAME_SERVERS: &[u8] = b"\x02ns\x03dns";
const APEX: &[u8] = b"\x04apex\x03dns";

/// Who is responsible for a zone.
const HOSTMASTER: &[u8] = b"\x0ahostmaster";

/// The TTL and the MINIMUM of the SOA, in seconds.
const SOA_TTL: u32 = 30;

/// What a name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written.
    Answered,
    /// The name exists and has none of the type.
    NoData,
    /// There is no record at or below the name.
    Missing,
    /// The name has a value that cannot be read, and no other of the type.
    Unreadable,
}

/// Where an answer comes from and where it is written.
pub(super) struct Answering<'t, 'r, 'b> {
    pub(super) tree: &'t Tree,
    /// What all keys begin with.
    pub(super) path: &'t [u8],
    /// The zone that the question's name lies in.
    pub(super) zone: &'t Name,
    pub(super) serial: u32,
    pub(super) reply: &'r mut Reply<'b>,
    pub(super) outside: &'r mut Outside,
    /// Who asks, and where in the server.
    pub(super) from: From<'r>,
    /// How many names have been looked up.
    pub(super) look_ups: usize,
}

/// The aliases that led to a name.
#[derive(Clone, Copy, Default)]
struct Aliases<'t> {
    targets: [Option<&'t Name>; MOST_ALIASES],
    count: usize,
}

impl<'t> Aliases<'t> {
    /// With one more; [`None`] where it is one too many, or leads in a circle.
    fn with(mut self, target: &'t Name) -> Option<Self> {
        if self.targets.contains(&Some(target)) {
            return None;
        }
        *self.targets.get_mut(self.count)? = Some(target);
        self.count += 1;
        Some(self)
    }
}

impl<'t> Answering<'t, '_, '_> {
    /// Writes what a name has of a type.
    pub(super) fn answer(&mut self, name: &LookupName, rtype: RecordType) -> Verdict {
        let is_apex = name.as_wire() == self.zone.as_wire();
        match rtype {
            RecordType::A | RecordType::AAAA | RecordType::TXT => {
                let aliases = Aliases::default();
                self.follow(name, Owner::QUESTION, rtype, Section::Answer, aliases)
            }
            RecordType::CNAME | RecordType::PTR => self.names(name, rtype),
            RecordType::SRV | RecordType::MX => self.services(name, rtype),
            RecordType::NS if is_apex => self.servers(),
            RecordType::SOA if is_apex => {
                write_soa(self.reply, self.zone, self.serial, name, Section::Answer);
                Verdict::Answered
            }
            _ => {
                let findings = self.find(name, Reach::Subtree, rtype);
                verdict(&findings, false)
            }
        }
    }

    /// Writes addresses or texts of a name, and those of the names that it is an alias of.
    fn follow(
        &mut self,
        name: &LookupName,
        owner: Owner<'_>,
        rtype: RecordType,
        section: Section,
        aliases: Aliases<'t>,
    ) -> Verdict {
        self.look_ups += 1;
        if self.look_ups > MOST_LOOK_UPS {
            return Verdict::Missing;
        }
        let findings = self.find_at(name, rtype);
        let mut addresses = Seen::new();
        let mut texts = Seen::new();
        let mut any = false;
        for found in findings.iter() {
            let (service, ttl) = (found.service, found.record.ttl());
            if rtype == RecordType::TXT && !service.text.is_empty() {
                any = true;
                if texts.is_new(&*service.text) {
                    self.put(section, owner, rtype, ttl, &service.text);
                }
                continue;
            }
            match &service.host {
                Host::Address(address) if rtype_of(*address) == rtype => {
                    any = true;
                    if addresses.is_new(*address) {
                        self.address(section, owner, ttl, *address);
                    }
                }
                Host::Name(target) => {
                    any |= self.alias(name, owner, (target, ttl), rtype, section, aliases);
                }
                _ => {}
            }
        }
        verdict(&findings, any)
    }

    /// Writes an alias and what it leads to; nothing where that is nothing. Returns whether
    /// something was written, or will be.
    fn alias(
        &mut self,
        name: &LookupName,
        owner: Owner<'_>,
        (target, ttl): (&'t Name, u32),
        rtype: RecordType,
        section: Section,
        aliases: Aliases<'t>,
    ) -> bool {
        let looked_up = LookupName::from(target);
        // A name has all that is below it, so an alias into that would be one of itself.
        let depth = looked_up.label_count().checked_sub(name.label_count());
        if depth.is_some_and(|depth| looked_up.suffix(depth) == name.as_wire()) {
            return false;
        }
        let Some(aliases) = aliases.with(target) else {
            return false;
        };
        let mark = self.reply.mark();
        let at = self.put(section, owner, RecordType::CNAME, ttl, target.as_wire());
        if looked_up.is_at_or_below(self.zone) {
            let owner = at.map_or(Owner::Name(target.as_wire()), Owner::At);
            let end = self.follow(&looked_up, owner, rtype, section, aliases);
            if end != Verdict::Answered {
                self.reply.rewind(mark);
            }
            return end == Verdict::Answered;
        }
        match self.outside.ask(self.from, target, rtype) {
            Known::Answer(message) => {
                let records = message.section(Section::Answer);
                records.for_each(|record| pass_on(self.reply, section, &record));
                true
            }
            Known::Waiting => true,
            Known::Nothing => {
                self.reply.rewind(mark);
                false
            }
        }
    }

    /// Writes the name that a name is an alias of, or the names that an address has: what stands at
    /// the name itself.
    fn names(&mut self, name: &LookupName, rtype: RecordType) -> Verdict {
        let findings = self.find(name, Reach::Exact, rtype);
        let mut names = Seen::new();
        let mut any = false;
        for found in findings.iter() {
            if let Host::Name(target) = &found.service.host
                && names.is_new(target)
            {
                any = true;
                let ttl = found.record.ttl();
                let data = target.as_wire();
                self.put(Section::Answer, Owner::QUESTION, rtype, ttl, data);
            }
        }
        verdict(&findings, any)
    }

    /// Writes SRV or MX records, and the addresses of what they point to.
    fn services(&mut self, name: &LookupName, rtype: RecordType) -> Verdict {
        let findings = self.find(name, Reach::Subtree, rtype);
        let mut targets: Few<(Found<'t>, &'t Name, Option<u16>)> = Few::new();
        let mut seen = Seen::new();
        let mut weights = Weights::default();
        for found in findings.iter() {
            let service = found.service;
            let Some(target) = &service.target else {
                continue;
            };
            let (distinct, numbers) = match rtype {
                RecordType::SRV if service.port == NO_PORT => continue,
                RecordType::MX if !service.mail => continue,
                RecordType::MX => (service.priority, [None, None, Some(service.priority)]),
                _ => {
                    let weight = weights.of(&found, &findings);
                    let numbers = [service.priority, i64::from(weight), service.port];
                    (service.port, numbers.map(Some))
                }
            };
            let is_address = matches!(service.host, Host::Address(_));
            let at = if !is_address || seen.is_new((target, distinct)) {
                let mut data = [0; 6 + MAX_NAME];
                let data = pointing(&mut data, numbers, target);
                let ttl = found.record.ttl();
                let at = self.put(Section::Answer, Owner::QUESTION, rtype, ttl, data);
                at.map(|at| at + 2 * numbers.iter().flatten().count() as u16)
            } else {
                None
            };
            if targets.len() < MOST_TARGETS {
                targets.push((
                    found,
                    target,
                    at.filter(|at| usize::from(*at) <= LAST_POINTER),
                ));
            }
        }
        self.additional(&targets);
        verdict(&findings, !targets.is_empty())
    }

    /// Adds the addresses of what an answer points to.
    fn additional(&mut self, targets: &Few<(Found<'t>, &'t Name, Option<u16>)>) {
        let mut addresses = Seen::new();
        let mut names = Seen::new();
        for (found, target, at) in targets.iter() {
            let owner = at.map_or(Owner::Name(target.as_wire()), Owner::At);
            match &found.service.host {
                Host::Address(address) if addresses.is_new((target, *address)) => {
                    let ttl = found.record.ttl();
                    self.address(Section::Additional, owner, ttl, *address);
                }
                Host::Name(_) if names.is_new(target) => self.addresses_of(target, owner),
                _ => {}
            }
        }
    }

    /// Adds the addresses of a name.
    fn addresses_of(&mut self, target: &'t Name, owner: Owner<'_>) {
        let looked_up = LookupName::from(target);
        let section = Section::Additional;
        for rtype in [RecordType::A, RecordType::AAAA] {
            if looked_up.is_at_or_below(self.zone) {
                self.follow(&looked_up, owner, rtype, section, Aliases::default());
            } else if let Known::Answer(message) = self.outside.ask(self.from, target, rtype) {
                let records = message.section(Section::Answer);
                // The aliases are the same for both.
                let records = records
                    .filter(|record| rtype == RecordType::A || record.rtype != RecordType::CNAME);
                records.for_each(|record| pass_on(self.reply, section, &record));
            }
        }
    }

    /// Writes the name servers of the zone: what has an address below `ns.dns`.
    fn servers(&mut self) -> Verdict {
        let Some(name) = below_zone(NAME_SERVERS, self.zone) else {
            return Verdict::NoData;
        };
        let findings = self.find(&name, Reach::Subtree, RecordType::NS);
        let mut names = Seen::new();
        let mut any = false;
        for section in [Section::Answer, Section::Additional] {
            for found in findings.iter() {
                let (Host::Address(address), Some(target)) =
                    (&found.service.host, &found.service.target)
                else {
                    continue;
                };
                let ttl = found.record.ttl();
                if section == Section::Additional {
                    self.address(section, Owner::Name(target.as_wire()), ttl, *address);
                } else if names.is_new(target) {
                    any = true;
                    let data = target.as_wire();
                    self.put(section, Owner::QUESTION, RecordType::NS, ttl, data);
                }
            }
        }
        match any {
            true => Verdict::Answered,
            false => Verdict::NoData,
        }
    }

    fn find(&self, name: &LookupName, reach: Reach, rtype: RecordType) -> Findings<'t> {
        find(self.tree, self.path, name, reach, rtype)
    }

    /// What a name has. The addresses of the zone itself stand below `apex.dns`, if there are any.
    fn find_at(&self, name: &LookupName, rtype: RecordType) -> Findings<'t> {
        if rtype != RecordType::TXT
            && name.as_wire() == self.zone.as_wire()
            && let Some(apex) = below_zone(APEX, self.zone)
        {
            let findings = self.find(&apex, Reach::Subtree, rtype);
            if findings.exists {
                return findings;
            }
        }
        self.find(name, Reach::Subtree, rtype)
    }

    fn address(&mut self, section: Section, owner: Owner<'_>, ttl: u32, address: IpAddr) {
        let rtype = rtype_of(address);
        match address {
            IpAddr::V4(address) => self.put(section, owner, rtype, ttl, &address.octets()),
            IpAddr::V6(address) => self.put(section, owner, rtype, ttl, &address.octets()),
        };
    }

    /// Writes a record. Returns where its data stands, for a pointer to a name in it.
    fn put(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        rtype: RecordType,
        ttl: u32,
        data: &[u8],
    ) -> Option<u16> {
        let kind = (rtype, Class::IN);
        let fits = self.reply.record(section, owner, kind, ttl, data);
        let at = self.reply.message().len().checked_sub(data.len())?;
        (fits && at <= LAST_POINTER).then_some(at as u16)
    }
}

/// Writes the SOA of a zone that `name`, the question's, lies in.
pub(super) fn write_soa(
    reply: &mut Reply<'_>,
    zone: &Name,
    serial: u32,
    name: &LookupName,
    section: Section,
) {
    let has_room = zone.as_wire().len() + HOSTMASTER.len() <= MAX_NAME;
    let labels = |labels: &'static [u8]| if has_room { labels } else { &[] };
    let mut data = [0; 2 * MAX_NAME + 20];
    let mut length = 0;
    let serial = serial.to_be_bytes();
    let times = [7200, 1800, 86_400, SOA_TTL].map(u32::to_be_bytes);
    for part in [
        labels(NAME_SERVERS),
        zone.as_wire(),
        labels(HOSTMASTER),
        zone.as_wire(),
        &serial,
        times.as_flattened(),
    ] {
        if let Some(place) = data.get_mut(length..length + part.len()) {
            place.copy_from_slice(part);
            length += part.len();
        }
    }
    let apex = name.label_count().saturating_sub(zone.label_count());
    let owner = Owner::At(QUESTION_AT + name.offset(apex) as u16);
    let data = data.get(..length).unwrap_or_default();
    let kind = (RecordType::SOA, Class::IN);
    reply.record(section, owner, kind, SOA_TTL, data);
}

/// The sum of the weights of a priority: SRV tells weights in hundredths of it.
#[derive(Default)]
struct Weights(Option<(i64, i64)>);

impl Weights {
    fn of(&mut self, found: &Found<'_>, all: &Findings<'_>) -> u16 {
        let weight = |found: &Found<'_>| match found.service.weight {
            0 => DEFAULT_WEIGHT,
            weight => weight,
        };
        let priority = found.service.priority;
        let sum = match self.0 {
            Some((of, sum)) if of == priority => sum,
            _ => {
                let same = all.iter().filter(|it| it.service.priority == priority);
                same.fold(0_i64, |sum, it| sum.saturating_add(weight(&it)))
            }
        };
        self.0 = Some((priority, sum));
        let share = 100.0 / sum as f64 * weight(found) as f64;
        (share.floor() as u16).max(1)
    }
}

/// The data of an SRV or MX record: these numbers and a name.
fn pointing<'d>(
    data: &'d mut [u8; 6 + MAX_NAME],
    numbers: [Option<i64>; 3],
    target: &Name,
) -> &'d [u8] {
    let mut length = 0;
    let mut push = |part: &[u8]| {
        if let Some(place) = data.get_mut(length..length + part.len()) {
            place.copy_from_slice(part);
            length += part.len();
        }
    };
    for number in numbers.into_iter().flatten() {
        // As Go converts it: the lower sixteen bits.
        push(&(number as u16).to_be_bytes());
    }
    push(target.as_wire());
    data.get(..length).unwrap_or_default()
}

fn verdict(findings: &Findings<'_>, any: bool) -> Verdict {
    match (any, findings) {
        (true, _) => Verdict::Answered,
        (_, findings) if !findings.exists => Verdict::Missing,
        (_, findings) if findings.unreadable => Verdict::Unreadable,
        _ => Verdict::NoData,
    }
}

fn pass_on(reply: &mut Reply<'_>, section: Section, record: &MessageRecord<'_>) {
    let owner = record.owner();
    let kind = (record.rtype, record.class);
    reply.record(
        section,
        Owner::Name(owner.as_wire()),
        kind,
        record.ttl,
        &record.data(),
    );
}

fn rtype_of(address: IpAddr) -> RecordType {
    match address {
        IpAddr::V4(_) => RecordType::A,
        IpAddr::V6(_) => RecordType::AAAA,
    }
}

/// These labels before a zone's name, on the stack; [`None`] where there is no room for them.
fn below_zone(labels: &[u8], zone: &Name) -> Option<LookupName> {
    let zone = zone.as_wire();
    let mut wire = [0; MAX_NAME];
    let wire = wire.get_mut(..labels.len() + zone.len())?;
    let (first, rest) = wire.split_at_mut_checked(labels.len())?;
    first.copy_from_slice(labels);
    rest.copy_from_slice(zone);
    LookupName::from_wire(wire)
}
