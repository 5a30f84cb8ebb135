//! All claims of all containers, and the zones that come of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use answer::{Edit, Name, RecordData, RecordType, Rrset, Soa, Zone};

use super::claims::claims;
use super::labels::Wishes;
use super::options::{NameOptions, Pointer};
use super::records::{Deciding, Records, prepend};
use super::{Claim, Holder};
use crate::config::reverse;
use crate::docker::{Attachment, Container, EngineState, Network, NetworkMode};

/// How far a chain of containers that use each other's networks is followed.
const MOST_LINKS: usize = 8;

/// Which zone a name stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Apex {
    /// The zone with this number.
    Zone(usize),
    /// The domain with this number, below which whole names are honoured.
    Domain(usize),
    /// None: the name is a single label.
    Bare,
}

/// The networks of a container: all that have the same see the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbourhood {
    /// The number of the engine whose networks they are.
    pub(super) engine: usize,
    /// By name.
    pub(super) networks: BTreeSet<String>,
}

/// A name and the zone that it stands in.
type Key = (Apex, Name);

/// The names as some clients see them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct View {
    zones: Vec<Zone>,
    domains: Vec<Zone>,
    bare: Zone,
}

impl View {
    fn new(options: &NameOptions, soa: impl Fn(&Name) -> Soa) -> Self {
        let zone = |apex: &Name| Zone::new(apex.clone(), options.negative_ttl, &soa(apex));
        Self {
            zones: options.zones.iter().map(zone).collect(),
            domains: options.fqdn.iter().map(zone).collect(),
            bare: zone(&Name::root()),
        }
    }

    /// The zones of containers' names, in the order of the options.
    #[must_use]
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// Those of whole names.
    #[must_use]
    pub fn domains(&self) -> &[Zone] {
        &self.domains
    }

    /// The root, with the names that have a single label.
    #[must_use]
    pub fn bare(&self) -> &Zone {
        &self.bare
    }
}

/// A view, and what stands in it because of each name.
#[derive(Debug)]
struct Kept {
    view: View,
    installed: HashMap<Key, Vec<(Name, RecordType)>>,
}

impl Kept {
    fn new(view: View) -> Self {
        Self {
            view,
            installed: HashMap::new(),
        }
    }

    /// Puts the records that `records` makes of each of these names in place of those that it had.
    fn change<'k>(
        &mut self,
        touched: impl Iterator<Item = &'k Key>,
        mut records: impl FnMut(&Key) -> Records,
    ) {
        let View {
            zones,
            domains,
            bare,
        } = &self.view;
        let mut zones: Vec<Edit> = zones.iter().map(Zone::edit).collect();
        let mut domains: Vec<Edit> = domains.iter().map(Zone::edit).collect();
        let mut bare = bare.edit();
        for key in touched {
            let edit = match key.0 {
                Apex::Zone(number) => zones.get_mut(number),
                Apex::Domain(number) => domains.get_mut(number),
                Apex::Bare => Some(&mut bare),
            };
            if let Some(edit) = edit {
                self.exchange(edit, key, records(key));
            }
        }
        self.view = View {
            zones: zones.into_iter().map(Edit::finish).collect(),
            domains: domains.into_iter().map(Edit::finish).collect(),
            bare: bare.finish(),
        };
    }

    fn exchange(&mut self, edit: &mut Edit, key: &Key, records: Records) {
        for (owner, rtype) in self.installed.remove(key).unwrap_or_default() {
            if !records.contains_key(&(owner.clone(), rtype)) {
                // It lies below the apex, or it would not have been put there.
                let _ = edit.remove(&owner, rtype);
            }
        }
        let mut installed = Vec::new();
        for ((owner, rtype), rrset) in records {
            match edit.set(&owner, &rrset) {
                Ok(()) => installed.push((owner, rtype)),
                // It is too large for any reply, of thousands of members. What stood there before
                // would lead to those that are gone.
                Err(_) => drop(edit.remove(&owner, rtype)),
            }
        }
        if !installed.is_empty() {
            self.installed.insert(key.clone(), installed);
        }
    }
}

/// A container whose claims count.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) holder: Arc<Holder>,
    pub(super) claims: Vec<Claim>,
    pub(super) problems: Vec<String>,
    neighbourhood: Arc<Neighbourhood>,
}

/// The names of the containers of one or more engines.
#[derive(Debug)]
pub struct Names {
    pub(super) options: NameOptions,
    pub(super) host: Vec<IpAddr>,
    /// By number of the engine and id.
    pub(super) entries: BTreeMap<(usize, String), Entry>,
    pub(super) by_name: BTreeMap<Key, Vec<Claim>>,
    all: Kept,
    /// By the networks of the clients: what is different for them.
    views: BTreeMap<Arc<Neighbourhood>, Kept>,
    clients: HashMap<IpAddr, Arc<Neighbourhood>>,
    reverse: Zone,
    pointers: HashMap<IpAddr, Vec<Name>>,
    /// The addresses whose pointers are other than those in the zone.
    pointed: BTreeSet<IpAddr>,
    /// The reverse zones of the engines' networks.
    subnets: BTreeMap<Name, Zone>,
    serial: u32,
}

impl Names {
    /// No containers yet. `serial` is the first of the zones, such as the time in seconds.
    #[must_use]
    pub fn new(options: NameOptions, serial: u32) -> Self {
        let soa = |apex: &Name| soa(apex, &options, serial);
        let all = Kept::new(View::new(&options, soa));
        let arpa = Name::parse("arpa.").unwrap_or_else(|_| Name::root());
        let reverse = Zone::new(arpa.clone(), options.negative_ttl, &soa(&arpa));
        let mut names = Self {
            all,
            reverse,
            options,
            host: Vec::new(),
            entries: BTreeMap::new(),
            by_name: BTreeMap::new(),
            views: BTreeMap::new(),
            clients: HashMap::new(),
            pointers: HashMap::new(),
            pointed: BTreeSet::new(),
            subnets: BTreeMap::new(),
            serial,
        };
        names.change(BTreeSet::new());
        names
    }

    /// The names as everybody sees them who is no container of a local engine.
    #[must_use]
    pub fn all(&self) -> &View {
        &self.all.view
    }

    /// What containers see otherwise: for each, the names of those that it shares a network with.
    #[must_use]
    pub fn views(&self) -> HashMap<IpAddr, View> {
        let view = |(address, neighbourhood): (&IpAddr, &Arc<Neighbourhood>)| {
            Some((*address, self.views.get(neighbourhood)?.view.clone()))
        };
        self.clients.iter().filter_map(view).collect()
    }

    /// What addresses point back to: PTR records below `arpa.`.
    #[must_use]
    pub fn reverse(&self) -> &Zone {
        &self.reverse
    }

    /// The reverse zones of the engines' networks: whatever address in them nobody has, nobody
    /// has.
    pub fn subnets(&self) -> impl Iterator<Item = &Zone> {
        self.subnets.values()
    }

    /// What is wrong with the names that containers wish for: the container's name, and what it
    /// is.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.values().flat_map(|entry| {
            let name = entry.holder.container.name.as_str();
            entry
                .problems
                .iter()
                .map(move |problem| (name, problem.as_str()))
        })
    }

    /// The addresses of containers in these networks.
    #[must_use]
    pub fn addresses_in(&self, networks: &[String]) -> BTreeSet<IpAddr> {
        let attachments = self.entries.values().flat_map(|entry| {
            let networks_of = &entry.holder.container.networks;
            networks.iter().filter_map(|name| networks_of.get(name))
        });
        attachments.flat_map(Attachment::addresses).collect()
    }

    /// The names outside of the zones: whole ones below other domains, and single labels.
    pub fn outside(&self) -> impl Iterator<Item = &Name> {
        let outside = self.by_name.range((Apex::Domain(0), Name::root())..);
        outside.map(|((_, name), _)| name)
    }

    /// The names in wire form that containers of some engines claim, and those that their
    /// addresses have backwards.
    pub fn claimed_in(&self, is_meant: impl Fn(usize) -> bool) -> HashSet<Box<[u8]>> {
        let mut names = HashSet::new();
        for (_, entry) in self.entries.iter().filter(|((it, _), _)| is_meant(*it)) {
            names.extend(entry.claims.iter().map(|it| it.name.as_wire().into()));
            let addresses = entry.holder.container.addresses();
            names.extend(addresses.map(|it| Name::reverse(it).as_wire().into()));
        }
        names
    }

    /// Makes the names those of the containers that these engines run now, on a host with these
    /// addresses. A container that several of them show is that of the first. `local` says of each
    /// engine whether its containers are clients by their addresses. Only names of containers that
    /// changed are touched.
    pub fn update(&mut self, engines: &[EngineState], local: &[bool], host: &[IpAddr]) {
        let mut touched = BTreeSet::new();
        if self.host != host {
            self.host = host.to_vec();
            touched.extend(self.by_name.keys().cloned());
        }
        let mut gone: BTreeSet<(usize, String)> = self.entries.keys().cloned().collect();
        let mut seen = HashSet::new();
        for (engine, state) in engines.iter().enumerate() {
            for (id, container) in state.containers.iter() {
                if !seen.insert(id) {
                    continue;
                }
                let key = (engine, id.clone());
                gone.remove(&key);
                let owner = network_owner(container, state);
                let known = self.entries.get(&key).map(|entry| &entry.holder);
                let is_known = known.is_some_and(|holder| {
                    same(&holder.container, container) && holder.network_owner == owner
                });
                if !is_known {
                    self.take(&key, &mut touched);
                    let wishes = Wishes::read(container, &self.options);
                    let holder = Arc::new(Holder {
                        engine,
                        container: container.clone(),
                        network_owner: owner,
                        wishes,
                    });
                    self.put(key, holder, &mut touched);
                }
            }
        }
        for key in gone {
            self.take(&key, &mut touched);
        }
        self.know_clients(local);
        self.know_subnets(engines);
        self.change(touched);
    }

    /// Takes a container's claims back.
    fn take(&mut self, key: &(usize, String), touched: &mut BTreeSet<Key>) {
        let Some(entry) = self.entries.remove(key) else {
            return;
        };
        for claim in entry.claims {
            let key = (claim.apex, claim.name.clone());
            if let Some(claims) = self.by_name.get_mut(&key) {
                claims.retain(|other| !Arc::ptr_eq(&other.holder, &entry.holder));
                if claims.is_empty() {
                    self.by_name.remove(&key);
                }
            }
            touched.insert(key);
        }
        self.point(&entry.holder, false);
    }

    fn put(&mut self, key: (usize, String), holder: Arc<Holder>, touched: &mut BTreeSet<Key>) {
        let (claims, problems) = claims(&holder, &self.options);
        for claim in &claims {
            let key = (claim.apex, claim.name.clone());
            self.by_name
                .entry(key.clone())
                .or_default()
                .push(claim.clone());
            touched.insert(key);
        }
        self.point(&holder, true);
        let neighbourhood = Neighbourhood {
            engine: holder.engine,
            networks: holder.container.networks.keys().cloned().collect(),
        };
        let entry = Entry {
            holder,
            claims,
            problems,
            neighbourhood: Arc::new(neighbourhood),
        };
        self.entries.insert(key, entry);
    }

    /// Notes what the addresses of a container point back to, or no longer do.
    fn point(&mut self, holder: &Holder, there: bool) {
        let container = &holder.container;
        let Some(zone) = self.options.zones.first() else {
            return;
        };
        if holder.wishes.ignored || container.mode != NetworkMode::Own {
            return;
        }
        let hostname = match container.hostname.as_str() {
            "" => container.short_id(),
            hostname => hostname,
        };
        let wanted: &[&str] = match self.options.pointer {
            Pointer::Hostname => &[hostname],
            Pointer::Name => &[&container.name],
            Pointer::All => &[hostname, &container.name],
            Pointer::Off => &[],
        };
        let names: Vec<Name> = wanted
            .iter()
            .filter_map(|name| prepend(name, zone))
            .collect();
        for address in container.addresses() {
            let known = self.pointers.entry(address).or_default();
            for name in &names {
                match (there, known.iter().position(|other| other == name)) {
                    (true, _) => known.push(name.clone()),
                    (false, Some(place)) => {
                        known.remove(place);
                    }
                    (false, None) => {}
                }
            }
            self.pointed.insert(address);
        }
    }

    /// Finds out which addresses are clients on which networks.
    fn know_clients(&mut self, local: &[bool]) {
        self.clients.clear();
        for ((engine, _), entry) in &self.entries {
            if !local.get(*engine).copied().unwrap_or_default() {
                continue;
            }
            for address in entry.holder.container.addresses() {
                self.clients.insert(address, entry.neighbourhood.clone());
            }
        }
    }

    fn know_subnets(&mut self, engines: &[EngineState]) {
        let networks = engines.iter().flat_map(|engine| engine.networks.values());
        // The subnet of these is that of machines, of which the engine knows nothing.
        let is_own = |network: &&Network| !matches!(network.driver.as_str(), "macvlan" | "ipvlan");
        let subnets = networks.filter(is_own).flat_map(|it| &it.subnets);
        let apexes: BTreeSet<Name> = subnets
            .filter_map(|(address, length)| reverse::zones(&format!("{address}/{length}")).ok())
            .flatten()
            .collect();
        self.subnets.retain(|apex, _| apexes.contains(apex));
        for apex in apexes {
            let (options, serial) = (&self.options, self.serial);
            self.subnets.entry(apex).or_insert_with_key(|apex| {
                Zone::new(
                    apex.clone(),
                    options.negative_ttl,
                    &soa(apex, options, serial),
                )
            });
        }
    }

    /// Makes the records of these names anew, in all views.
    fn change(&mut self, mut touched: BTreeSet<Key>) {
        self.serial = self.serial.wrapping_add(1);
        let fixed = self.fixed();
        touched.extend(fixed.keys().cloned());
        let deciding = Deciding {
            options: &self.options,
            host: &self.host,
            client: None,
        };
        let by_name = &self.by_name;
        let records = |deciding: &Deciding<'_>, key: &Key| {
            let claims = by_name.get(key).map(Vec::as_slice).unwrap_or_default();
            deciding.records(&key.1, &deciding.winners(claims))
        };
        self.all.change(touched.iter(), |key| {
            let claimed = records(&deciding, key);
            match fixed.get(key) {
                Some(fixed) if claimed.is_empty() => fixed.clone(),
                _ => claimed,
            }
        });
        let wanted: BTreeSet<&Arc<Neighbourhood>> = self.clients.values().collect();
        self.views.retain(|it, _| wanted.contains(it));
        for neighbourhood in wanted {
            let client = Deciding {
                client: Some(neighbourhood),
                ..deciding
            };
            match self.views.get_mut(neighbourhood) {
                Some(view) => view.change(touched.iter(), |key| records(&client, key)),
                None => {
                    let soa = |apex: &Name| soa(apex, &self.options, self.serial);
                    let mut view = Kept::new(View::new(&self.options, soa));
                    view.change(by_name.keys(), |key| records(&client, key));
                    self.views.insert(neighbourhood.clone(), view);
                }
            }
        }
        self.change_pointers();
    }

    /// What stands in the zones whatever containers there are: their name server, which is we,
    /// and the host, unless a container has these names.
    fn fixed(&self) -> BTreeMap<Key, Records> {
        let mut fixed = BTreeMap::new();
        for (number, zone) in self.options.zones.iter().enumerate() {
            let apex = Apex::Zone(number);
            let mut at_apex = Records::new();
            let soa = RecordData::soa(&soa(zone, &self.options, self.serial));
            let rrset = Rrset::new(RecordType::SOA, self.options.negative_ttl, [soa]);
            at_apex.insert((zone.clone(), RecordType::SOA), rrset);
            if let Some(server) = prepend("ns", zone) {
                let rrset = Rrset::new(RecordType::NS, self.options.ttl, [RecordData::ns(&server)]);
                at_apex.insert((zone.clone(), RecordType::NS), rrset);
            }
            fixed.insert((apex, zone.clone()), at_apex);
            for label in ["ns", "host"] {
                let Some(name) = prepend(label, zone) else {
                    continue;
                };
                let mut records = Records::new();
                for address in &self.host {
                    let (rtype, data) = RecordData::address(*address);
                    let rrset = records
                        .entry((name.clone(), rtype))
                        .or_insert_with(|| Rrset::new(rtype, self.options.ttl, []));
                    rrset.data.push(data);
                }
                fixed.insert((apex, name), records);
            }
        }
        fixed
    }

    fn change_pointers(&mut self) {
        let mut edit = self.reverse.edit();
        let ttl = self.options.ttl;
        for address in std::mem::take(&mut self.pointed) {
            let names = self.pointers.entry(address).or_default();
            let data = names.iter().map(RecordData::ptr);
            // Without names, this removes it. It lies below `arpa.` in any case.
            let _ = edit.set(
                &Name::reverse(address),
                &Rrset::new(RecordType::PTR, ttl, data),
            );
            if names.is_empty() {
                self.pointers.remove(&address);
            }
        }
        self.reverse = edit.finish();
    }
}

fn same(one: &Arc<Container>, two: &Arc<Container>) -> bool {
    Arc::ptr_eq(one, two) || one == two
}

/// The container whose networks a container uses: itself as a rule.
pub(in crate::docker) fn network_owner(
    container: &Arc<Container>,
    state: &EngineState,
) -> Option<Arc<Container>> {
    let mut owner = container;
    for _ in 0..MOST_LINKS {
        let NetworkMode::Of(other) = &owner.mode else {
            return Some(owner.clone());
        };
        owner = state
            .containers
            .get(other)
            .or_else(|| state.containers.values().find(|it| it.name == *other))?;
    }
    None
}

fn soa(apex: &Name, options: &NameOptions, serial: u32) -> Soa {
    let zone = options.zones.first().unwrap_or(apex);
    let below = |label: &[u8]| zone.prepend(label).unwrap_or_else(|_| zone.clone());
    Soa {
        minimum: options.negative_ttl,
        ..Soa::new(below(b"ns"), below(b"hostmaster"), serial)
    }
}
