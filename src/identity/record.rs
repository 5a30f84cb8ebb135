//! What a node writes into the store under the name that it holds.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::Slot;

/// The largest record that is read or written, in bytes of its JSON text.
pub const RECORD_LIMIT: usize = 16 * 1024;

/// The version of Callsign's part of a record.
pub const VERSION: u32 = 1;

/// The node key of a slot whose holder was evicted. No node has it: keys have no blanks.
pub const QUARANTINE: &str = "an evicted holder";

/// The record of one member, kept as JSON.
///
/// The first three fields are idetcd's, strings all of them, so that its nodes read our records;
/// it skips the rest. Its own records have nothing but these three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The first IPv4 address in dotted form, empty where there is none.
    #[serde(default)]
    pub ipv4: String,
    /// The first IPv6 address, empty where there is none.
    #[serde(default)]
    pub ipv6: String,
    /// The port of the member's DNS server in decimal, empty where it is unknown.
    #[serde(default)]
    pub port: String,
    /// Callsign's part; [`None`] in a record that idetcd wrote.
    #[serde(flatten, skip_deserializing)]
    pub member: Option<Member>,
}

impl Record {
    /// Reads a record from its JSON text.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong: no JSON object, a field of another kind, an address that
    /// is none, a version that this program does not know, or more than [`RECORD_LIMIT`] bytes.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > RECORD_LIMIT {
            return Err(format!(
                "{} bytes are more than the {RECORD_LIMIT} of a record",
                text.len()
            ));
        }
        let reason = |error: serde_json::Error| error.to_string();
        let value: Value = serde_json::from_slice(text).map_err(reason)?;
        if !value.is_object() {
            return Err("not a JSON object".to_owned());
        }
        let mut record = Self::deserialize(&value).map_err(reason)?;
        for (field, text) in [("ipv4", &record.ipv4), ("ipv6", &record.ipv6)] {
            if !text.is_empty() && text.parse::<IpAddr>().is_err() {
                return Err(format!("{field} is no address: {text:?}"));
            }
        }
        if value.get("inst").is_some() {
            let member = Member::deserialize(&value).map_err(reason)?;
            if member.v != VERSION {
                return Err(format!("version {} of a record is unknown here", member.v));
            }
            record.member = Some(member);
        }
        Ok(record)
    }

    /// The record that keeps a slot from everybody after its holder was evicted.
    #[must_use]
    pub fn quarantine(slot: Slot, instance: &str) -> Self {
        let member = Member {
            v: VERSION,
            slot,
            node: QUARANTINE.to_owned(),
            inst: instance.to_owned(),
            down: true,
            ..Member::default()
        };
        Self {
            member: Some(member),
            ..Self::default()
        }
    }

    /// Whether the slot is kept from everybody.
    #[must_use]
    pub fn is_quarantine(&self) -> bool {
        self.node() == Some(QUARANTINE)
    }

    /// The record as JSON text.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and maps with string keys: nothing that JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The addresses that the record publishes, each once.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let first = self.ipv4.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
        let second = self.ipv6.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
        let rest = self
            .member
            .iter()
            .flat_map(|member| member.addrs.iter().copied());
        first
            .into_iter()
            .chain(second)
            .chain(rest.filter(move |address| Some(*address) != first && Some(*address) != second))
    }

    /// The instance of the claim; [`None`] for a node of idetcd.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.member.as_ref().map(|member| member.inst.as_str())
    }

    /// For how long the slot has been held under this claim at `now`, in seconds of Unix time;
    /// [`None`] where the record does not say. Zero where the holder's clock is ahead of ours.
    #[must_use]
    pub fn age(&self, now: u64) -> Option<Duration> {
        let since = self.member.as_ref().map_or(0, |member| member.since);
        (since != 0).then(|| Duration::from_secs(now.saturating_sub(since)))
    }

    /// The node key of the holder; [`None`] for a node of idetcd.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.member.as_ref().map(|member| member.node.as_str())
    }
}

/// What a record holds beyond idetcd's three fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The version of this part: [`VERSION`].
    pub v: u32,
    /// The slot that the record was written for.
    pub slot: Slot,
    /// The node key: who holds the slot, across restarts.
    pub node: String,
    /// The instance: a random number of 128 bits in hexadecimal, new for every claim.
    pub inst: String,
    /// The boot id of the holder's machine: a claim of another boot has no living process.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub boot: String,
    /// The holder's place in the queue, [`crate::store::Reply::Queued`]; 0 where it did not queue.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub arrival: u64,
    /// When the slot was claimed, in seconds of Unix time by the holder's clock: for people who look
    /// at it, never for a decision. 0 where it is unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since: u64,
    /// All addresses, the ones above among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addrs: Vec<IpAddr>,
    /// Named ports: `tf` → `2222` over TCP, `log` → `514` over UDP.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, Port>,
    /// Free text for TXT records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
    /// `true` while the member's health check fails: the name is held but not answered for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub down: bool,
}

/// A named port, `2222` or `514/udp` in JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PortText", into = "PortText")]
pub struct Port {
    /// The number, from 1 to 65535.
    pub number: u16,
    /// The transport protocol.
    pub protocol: Protocol,
}

/// The transport protocol of a named port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `_tcp` in an SRV record's name.
    Tcp,
    /// `_udp` in an SRV record's name.
    Udp,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct PortText(String);

impl TryFrom<PortText> for Port {
    type Error = String;

    fn try_from(PortText(text): PortText) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Port> for PortText {
    fn from(port: Port) -> Self {
        Self(port.to_string())
    }
}

impl FromStr for Port {
    type Err = String;

    /// Reads `2222`, `2222/tcp` or `514/udp`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, protocol) = match text.split_once('/') {
            None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), Protocol::Tcp),
            Some((number, "udp")) => (number, Protocol::Udp),
            Some(_) => {
                return Err(format!(
                    "{text:?} is no port: a port is NUMBER or NUMBER/udp"
                ));
            }
        };
        match number.parse() {
            Ok(number) if number != 0 => Ok(Self { number, protocol }),
            _ => Err(format!(
                "{text:?} is no port: the number goes from 1 to 65535"
            )),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Tcp => write!(formatter, "{}", self.number),
            Protocol::Udp => write!(formatter, "{}/udp", self.number),
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_idetcd_is_read_as_it_stands_in_etcd() {
        let record = Record::parse(br#"{"ipv4":"10.0.0.5","ipv6":"fd00::5","port":"53"}"#).unwrap();
        assert_eq!(record.member, None);
        let addresses: Vec<String> = record
            .addresses()
            .map(|address| address.to_string())
            .collect();
        assert_eq!(addresses, ["10.0.0.5", "fd00::5"]);
    }

    #[test]
    fn our_record_begins_with_what_idetcd_reads_and_survives_the_round_trip() {
        let mut record = Record {
            ipv4: "10.0.0.5".into(),
            port: "53".into(),
            ..Record::default()
        };
        record.member = Some(Member {
            v: VERSION,
            slot: 3,
            node: "n".into(),
            inst: "i".into(),
            addrs: vec!["10.0.0.5".parse().unwrap(), "10.1.0.5".parse().unwrap()],
            ports: BTreeMap::from([("log".into(), "514/udp".parse().unwrap())]),
            ..Member::default()
        });
        let text = record.to_json();
        let start = br#"{"ipv4":"10.0.0.5","ipv6":"","port":"53","v":1,"slot":3,"#;
        assert!(
            text.starts_with(start),
            "{}",
            String::from_utf8_lossy(&text)
        );
        assert_eq!(Record::parse(&text).unwrap(), record);
        assert_eq!(record.addresses().count(), 2);
    }

    /// If this fails, a name seems to be held since 1970, or since a moment that is yet to come.
    #[test]
    fn an_age_is_told_only_where_it_is_known() {
        let held_since = |since: &str| {
            let text = format!(r#"{{"inst":"i","v":1,"slot":1,"node":"n"{since}}}"#);
            Record::parse(text.as_bytes()).unwrap()
        };
        let seconds = |since| held_since(since).age(1_000).map(|age| age.as_secs());
        assert_eq!(seconds(r#","since":940"#), Some(60));
        assert_eq!(seconds(r#","since":2000"#), Some(0));
        assert_eq!(seconds(""), None);
        let idetcd = Record::parse(br#"{"ipv4":"10.0.0.5"}"#).unwrap();
        assert_eq!(idetcd.age(1_000), None);
        assert_eq!(Record::quarantine(1, "i").age(1_000), None);
    }

    #[test]
    fn broken_values_are_refused_with_a_reason_and_never_half_read() {
        for (text, reason) in [
            (&b"\xff\xfe"[..], "expected value"),
            (b"[]", "not a JSON object"),
            (br#"{"ipv4":7}"#, "expected a string"),
            (br#"{"ipv4":"worker"}"#, "ipv4 is no address"),
            (br#"{"inst":"i"}"#, "missing field"),
            (br#"{"inst":"i","v":2,"slot":1,"node":"n"}"#, "version 2"),
            (
                br#"{"inst":"i","v":1,"slot":1,"node":"n","ports":{"a":"0"}}"#,
                "1 to 65535",
            ),
        ] {
            let error = Record::parse(text).unwrap_err();
            assert!(error.contains(reason), "{error:?} should say {reason:?}");
        }
        assert!(Record::parse(&vec![b' '; RECORD_LIMIT + 1]).is_err());
    }
}
