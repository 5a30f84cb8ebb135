//! A pool of nodes in etcd that are not there.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::Result;
use crate::etcd::Etcd;
use crate::questions::{ZONE, address};

/// How many operations etcd takes in one transaction.
const OPERATIONS: usize = 128;

/// Seconds for which the names hold.
const LEASE: &str = "86400";

/// Writes so many names into etcd as idetcd's nodes would, all under one lease.
///
/// # Errors
///
/// etcd does not take them.
pub fn fill(etcd: &Etcd, names: u32) -> Result<()> {
    // "lease 694d5765fc71500b granted with TTL(86400s)"
    let granted = control(etcd, &["lease", "grant", LEASE], "")?;
    let lease = granted.split(' ').nth(1).ok_or("etcd grants no lease")?;
    let numbers: Vec<u32> = (1..=names).collect();
    for some in numbers.chunks(OPERATIONS) {
        // Nothing to compare, what to do then, nothing to do otherwise.
        let mut text = "\n".to_owned();
        for number in some {
            // etcdctl reads words in quotes as a shell does.
            let record = format!(
                r#"{{\"ipv4\":\"{}\",\"ipv6\":\"\",\"port\":\"53\"}}"#,
                address(*number)
            );
            writeln!(
                text,
                "put --lease={lease} worker{number}.{ZONE}. \"{record}\""
            )?;
        }
        text.push_str("\n\n");
        control(etcd, &["txn"], &text)?;
    }
    Ok(())
}

/// Runs etcdctl; gives what it says.
fn control(etcd: &Etcd, arguments: &[&str], input: &str) -> Result<String> {
    let mut control = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["--endpoints", &etcd.url])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("etcdctl (Debian: apt install etcd-client): {error}"))?;
    if let Some(mut pipe) = control.stdin.take() {
        pipe.write_all(input.as_bytes())?;
    }
    let output = control.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("etcdctl: {}", output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
