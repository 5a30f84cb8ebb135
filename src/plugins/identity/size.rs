//! Whether a node's record has room for what its Corefile has it publish.

use std::net::{IpAddr, Ipv6Addr};

use crate::identity::address;
use crate::identity::pool::PoolConfig;
use crate::identity::record::{Member, RECORD_LIMIT, Record, VERSION};

/// The longest node key, in bytes.
const LONGEST_KEY: usize = 128;

/// Checks that the record of a node of this pool can be read by all others, whatever its addresses
/// and its slot will be.
///
/// # Errors
///
/// One line with how large the record may become.
pub(super) fn check(config: &PoolConfig) -> Result<(), String> {
    let length = largest(config).to_json().len();
    if length > RECORD_LIMIT {
        return Err(format!(
            "a node of this pool may need {length} bytes for its record: it has at most \
             {RECORD_LIMIT}"
        ));
    }
    Ok(())
}

/// The longest record that a node with these options may write.
fn largest(config: &PoolConfig) -> Record {
    let address = Ipv6Addr::from([0xff; 16]);
    let random = "f".repeat(32);
    Record {
        ipv4: "255.255.255.255".to_owned(),
        ipv6: address.to_string(),
        port: u16::MAX.to_string(),
        member: Some(Member {
            v: VERSION,
            slot: config.space.limit,
            node: config.node.clone().unwrap_or("f".repeat(LONGEST_KEY)),
            inst: random.clone(),
            // A UUID, which has four dashes.
            boot: format!("{random}----"),
            arrival: u64::MAX,
            since: u64::MAX,
            addrs: vec![IpAddr::V6(address); address::LIMIT],
            ports: config.ports.clone(),
            meta: config.meta.clone(),
            down: true,
        }),
    }
}
