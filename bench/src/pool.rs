//! A pool of nodes in etcd that are not there.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::Result;
use crate::etcd::Etcd;
use crate::questions::{ZONE, address};

/// How many operations etcd takes in one transaction.
const OPERATIONS: usize = 128;

/// Writes so many names into etcd as idetcd's nodes would, but without leases.
///
/// # Errors
///
/// etcd does not take them.
pub fn fill(etcd: &Etcd, names: u32) -> Result<()> {
    let numbers: Vec<u32> = (1..=names).collect();
    for some in numbers.chunks(OPERATIONS) {
        // Nothing to compare, what to do then, nothing to do otherwise.
        let mut text = "\n".to_owned();
        for number in some {
            let record = format!(r#"{{"ipv4":"{}","ipv6":"","port":"53"}}"#, address(*number));
            writeln!(text, "put worker{number}.{ZONE}. '{record}'")?;
        }
        text.push_str("\n\n");
        let mut control = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &etcd.url, "txn"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("etcdctl (Debian: apt install etcd-client): {error}"))?;
        if let Some(mut input) = control.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        let status = control.wait()?;
        if !status.success() {
            return Err(format!("etcdctl: {status}").into());
        }
    }
    Ok(())
}
