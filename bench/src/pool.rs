//! A pool of nodes in etcd that are not there.

use std::net::Ipv4Addr;

use crate::Result;
use crate::gateway::Gateway;
use crate::questions::{ZONE, address};

/// How many operations etcd takes in one transaction.
const OPERATIONS: usize = 128;

/// Writes so many names into etcd as idetcd's nodes would, all under one lease. Gives the lease.
///
/// # Errors
///
/// etcd does not take them.
pub fn fill(etcd: &Gateway, names: u32) -> Result<String> {
    let lease = etcd.grant()?;
    let numbers: Vec<u32> = (1..=names).collect();
    for some in numbers.chunks(OPERATIONS) {
        let records: Vec<_> = some.iter().map(|&it| record(it, address(it))).collect();
        etcd.put(&lease, &records)?;
    }
    Ok(lease)
}

/// The key and the value of a node with this address.
#[must_use]
pub fn record(number: u32, address: Ipv4Addr) -> (String, String) {
    (
        format!("worker{number}.{ZONE}."),
        format!(r#"{{"ipv4":"{address}","ipv6":"","port":"53"}}"#),
    )
}
