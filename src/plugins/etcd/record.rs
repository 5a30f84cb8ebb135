//! One value of etcd: SkyDNS's JSON, understood once when it comes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use answer::{Name, RecordData};
use serde_json::{Map, Value};

/// The TTL of a record that says nothing, in seconds.
const DEFAULT_TTL: u32 = 300;

/// The priority of a record that says nothing.
const DEFAULT_PRIORITY: i64 = 10;

/// A value and its key.
#[derive(Debug)]
pub(super) struct Record {
    /// The whole key.
    pub(super) key: Box<[u8]>,
    /// What it says; [`None`] where it cannot be read: the name is there all the same.
    pub(super) service: Option<Service>,
    /// What it hangs on, if it does.
    lease: Option<Arc<Lease>>,
}

/// What a value says.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) host: Host,
    /// As the data of a TXT record; empty for none.
    pub(super) text: Box<[u8]>,
    pub(super) port: i64,
    /// Or MX's preference.
    pub(super) priority: i64,
    /// 0 where it says nothing.
    pub(super) weight: i64,
    pub(super) mail: bool,
    pub(super) group: Box<str>,
    /// What SRV, MX and NS records point to: the host, or where that is an address the name that
    /// the key stands for, without as many labels as the record says.
    pub(super) target: Option<Name>,
    /// In seconds; 0 where it says nothing.
    ttl: u32,
}

/// Where a service is.
#[derive(Debug)]
pub(super) enum Host {
    /// It does not say.
    Nowhere,
    Address(IpAddr),
    Name(Name),
}

/// A lease, shared by all records that hang on it.
#[derive(Debug)]
pub(super) struct Lease {
    /// How long it lives without renewal, in seconds, within the directive's limits.
    ttl: AtomicU32,
}

impl Lease {
    /// A lease of which this is assumed.
    pub(super) fn new(ttl: u32) -> Self {
        Self {
            ttl: AtomicU32::new(ttl),
        }
    }

    /// Tells how long it lives.
    pub(super) fn set(&self, ttl: u32) {
        self.ttl.store(ttl, Ordering::Relaxed);
    }
}

impl Record {
    /// Reads a value, and says what is wrong with it if it cannot be read. `path` is the length of
    /// the path that all keys begin with.
    pub(super) fn read(
        key: &[u8],
        path: usize,
        value: &[u8],
        lease: Option<Arc<Lease>>,
    ) -> (Self, Option<String>) {
        let (service, fault) = match Service::read(value, key.get(path..).unwrap_or_default()) {
            Ok(service) => (Some(service), None),
            Err(fault) => (None, Some(fault)),
        };
        let key = key.into();
        (
            Self {
                key,
                service,
                lease,
            },
            fault,
        )
    }

    /// How many labels the key has, and those of the path.
    pub(super) fn depth(&self) -> usize {
        self.key.iter().filter(|byte| **byte == b'/').count()
    }

    /// How long the record holds, in seconds: as long as it says, and no longer than its lease.
    pub(super) fn ttl(&self) -> u32 {
        let said = self.service.as_ref().map_or(0, |service| service.ttl);
        let lease = self.lease.as_ref().map(|it| it.ttl.load(Ordering::Relaxed));
        match (said, lease) {
            (0, None) => DEFAULT_TTL,
            (0, Some(lease)) => lease,
            (said, None) => said,
            (said, Some(lease)) => said.min(lease),
        }
    }
}

impl Service {
    /// Reads a value as CoreDNS and SkyDNS do: `below` is the key without the path.
    fn read(value: &[u8], below: &[u8]) -> Result<Self, String> {
        let fields = match serde_json::from_slice(value) {
            Ok(Value::Object(fields)) => fields,
            Ok(Value::Null) => Map::new(),
            Ok(_) => return Err("it is no JSON object".into()),
            Err(error) => return Err(format!("it is no JSON: {error}")),
        };
        let fields = Fields(&fields);
        let host = match fields.text("host")? {
            "" => Host::Nowhere,
            text => match text.parse::<IpAddr>() {
                Ok(address) => Host::Address(address.to_canonical()),
                Err(_) => {
                    Host::Name(Name::parse(text).map_err(|error| format!("`host`: {error}"))?)
                }
            },
        };
        let text = match fields.text("text")? {
            "" => Box::default(),
            text => RecordData::txt(text.as_bytes())
                .map_err(|error| format!("`text`: {error}"))?
                .as_bytes()
                .into(),
        };
        let priority = match fields.number("priority")? {
            0 => DEFAULT_PRIORITY,
            priority => priority,
        };
        let target = match &host {
            Host::Nowhere => None,
            Host::Address(_) => domain(below),
            Host::Name(name) => Some(name.clone()),
        };
        let strip = fields.number("targetstrip")?;
        let ttl = fields.number("ttl")?;
        Ok(Self {
            host,
            text,
            port: fields.number("port")?,
            priority,
            weight: fields.number("weight")?,
            mail: fields.flag("mail")?,
            group: fields.text("group")?.into(),
            target: target.map(|name| stripped(name, strip)),
            ttl: u32::try_from(ttl).map_err(|_| "`ttl` is out of range")?,
        })
    }
}

/// The members of a JSON object, by name without regard to case, as Go reads them. A member that
/// is null says nothing.
struct Fields<'j>(&'j Map<String, Value>);

impl<'j> Fields<'j> {
    fn get(&self, name: &str) -> Option<&'j Value> {
        let found = self.0.get(name).or_else(|| {
            let mut members = self.0.iter();
            let found = members.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value)
        });
        found.filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<&'j str, String> {
        match self.get(name) {
            None => Ok(""),
            Some(value) => value.as_str().ok_or(format!("`{name}` is no text")),
        }
    }

    fn number(&self, name: &str) -> Result<i64, String> {
        match self.get(name) {
            None => Ok(0),
            Some(value) => value.as_i64().ok_or(format!("`{name}` is no whole number")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(false),
            Some(value) => value
                .as_bool()
                .ok_or(format!("`{name}` is neither true nor false")),
        }
    }
}

/// The name that a key stands for, without the path: `/local/skydns/a` is `a.skydns.local.`.
fn domain(below: &[u8]) -> Option<Name> {
    let text = std::str::from_utf8(below).ok()?;
    let labels: Vec<&str> = text.trim_matches('/').rsplit('/').collect();
    Name::parse(&labels.join(".")).ok()
}

/// A name without its first labels; all of it where it does not have so many.
fn stripped(name: Name, labels: i64) -> Name {
    let mut rest = name.clone();
    for _ in 0..labels.max(0) {
        match rest.parent() {
            Some(parent) if !parent.is_root() => rest = parent,
            _ => return name,
        }
    }
    rest
}
