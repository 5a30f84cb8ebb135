//! The machine itself: its clock, its folders, its port 53.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::Finding;
use crate::clock::BootTime;
use crate::identity::node;
use crate::listen::{Holder, holders};

/// For how long the clock is compared with the hardware's.
const STRETCH: Duration = Duration::from_millis(200);

/// By how much it may differ: what claims allow for.
const MOST: f64 = 0.01;

/// How often the clocks are read for one comparison: whoever is interrupted in between reads them
/// apart.
const READINGS: usize = 20;

/// The capability to use ports below 1024 (capabilities(7)).
const NET_BIND_SERVICE: u32 = 10;

/// Whether the clock that leases are measured with runs as fast as the hardware's.
pub(super) fn clock() -> Finding {
    const WHAT: &str = "clock";
    let Some(before) = reading() else {
        let text = "CLOCK_BOOTTIME cannot be read: every claim counts as over";
        return Finding::wrong(WHAT, text, "uname -r; it needs Linux 2.6.39".to_owned());
    };
    std::thread::sleep(STRETCH);
    let Some(after) = reading() else {
        return Finding::ok(WHAT, "CLOCK_BOOTTIME runs");
    };
    let passed = |one: Duration, other: Duration| other.saturating_sub(one).as_secs_f64();
    let off = passed(before.0, after.0) / passed(before.1, after.1) - 1.0;
    let percent = off * 100.0;
    if off.abs() > MOST {
        let text = format!(
            "the clock is changed by {percent:+.1} %, and claims allow for 1 %: two may hold a name"
        );
        return Finding::wrong(
            WHAT,
            text,
            "sudo adjtimex --tick 10000 --frequency 0".to_owned(),
        );
    }
    Finding::ok(
        WHAT,
        format!("CLOCK_BOOTTIME runs evenly ({percent:+.2} %)"),
    )
}

/// The time since the start of the machine by the clock of leases, and by the hardware's own: the
/// pair that was read in the shortest time.
fn reading() -> Option<(Duration, Duration)> {
    let pair = || {
        let start = BootTime::now();
        let raw = clock_gettime(ClockId::CLOCK_MONOTONIC_RAW).ok()?;
        let end = BootTime::now();
        let middle = Duration::from_nanos(start.nanoseconds()) + end.since(start) / 2;
        (start.nanoseconds() < u64::MAX).then(|| (end.since(start), middle, raw.into()))
    };
    let pairs = (0..READINGS).filter_map(|_| pair());
    let best = pairs.min_by_key(|(took, ..)| *took);
    best.map(|(_, boot, raw)| (boot, raw))
}

/// Whether this node finds its name again.
pub(super) fn state_folder(wanted: Option<&Path>) -> Finding {
    const WHAT: &str = "state folder";
    match node::folder(wanted) {
        Ok(folder) => Finding::ok(WHAT, format!("{} can be written", folder.display())),
        Err(reasons) => {
            let folder = wanted.unwrap_or(Path::new("/var/lib/callsign")).display();
            let text = format!("this node will not find its name again: {reasons}");
            let mend = format!("sudo install -d -m 700 -o \"$(id -un)\" {folder}");
            Finding::wrong(WHAT, text, mend)
        }
    }
}

/// Who has port 53, and whether Callsign may.
pub(super) fn port_53() -> Finding {
    judge_port(&holders(53), may_bind())
}

/// Whether a Callsign of this machine serves port 53, as far as this user may know.
pub(super) fn serves_port_53() -> bool {
    holders(53)
        .iter()
        .any(|it| it.program.is_none() || is_ours(it))
}

fn is_ours(holder: &Holder) -> bool {
    holder.program.as_deref() == Some("callsign")
}

fn judge_port(holders: &[Holder], may_bind: bool) -> Finding {
    const WHAT: &str = "port 53";
    if let Some(ours) = holders.iter().find(|it| is_ours(it)) {
        return Finding::ok(WHAT, format!("Callsign has it at {}", ours.address));
    }
    let shown: Vec<String> = holders.iter().map(shown).collect();
    let shown = shown.join(", ");
    let everywhere = holders.iter().find(|it| it.address.is_unspecified());
    if let Some(other) = everywhere {
        let text = format!("another program has it everywhere: {shown}");
        let mend = match other.program.as_deref() {
            Some(program) if is_word(program) => format!("sudo systemctl disable --now {program}"),
            _ => "sudo ss -lpn 'sport = :53'".to_owned(),
        };
        return Finding::wrong(WHAT, text, mend);
    }
    if !may_bind {
        let program = std::env::current_exe();
        let program = program.map_or_else(|_| "callsign".into(), |it| it.display().to_string());
        let mend = format!("sudo setcap cap_net_bind_service=+ep {program}");
        return Finding::warning(WHAT, "this user may not have it: 1053 is served", mend);
    }
    match holders.is_empty() {
        true => Finding::ok(WHAT, "nobody has it"),
        false => Finding::ok(WHAT, format!("free but for {shown}")),
    }
}

fn shown(holder: &Holder) -> String {
    let address = match holder.address {
        IpAddr::V6(address) => format!("[{address}]"),
        IpAddr::V4(address) => address.to_string(),
    };
    match &holder.program {
        Some(program) => format!("{address} ({program})"),
        None => address,
    }
}

/// Whether a name can stand in a command as it is.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain)
}

/// Whether this process may use port 53, as the kernel counts: its capabilities, and from which
/// port on nobody needs one.
fn may_bind() -> bool {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let first = read("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.trim().parse::<u16>().is_ok_and(|first| first <= 53) {
        return true;
    }
    let status = read("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
    bits.is_some_and(|bits| bits >> NET_BIND_SERVICE & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict::{Ok, Warning, Wrong};
    use super::*;

    /// If this fails, a server that cannot be asked is called well, or a machine that works is not.
    #[test]
    fn a_port_is_judged_by_who_has_it() {
        let holder = |address: &str, program: Option<&str>| Holder {
            address: address.parse().unwrap(),
            program: program.map(str::to_owned),
        };
        let resolved = holder("127.0.0.53", Some("systemd-resolve"));
        let ours = holder("0.0.0.0", Some("callsign"));
        let named = holder("::", Some("named"));
        assert_eq!(judge_port(&[], true).verdict, Ok);
        assert_eq!(judge_port(&[], false).verdict, Warning);
        assert_eq!(judge_port(&[resolved.clone(), ours], false).verdict, Ok);
        assert_eq!(judge_port(&[resolved], true).verdict, Ok);
        let found = judge_port(&[named], true);
        assert_eq!(found.verdict, Wrong);
        assert_eq!(
            found.mend.as_deref(),
            Some("sudo systemctl disable --now named")
        );
        // A program may call itself anything.
        let found = judge_port(&[holder("::", Some("a; reboot"))], true);
        assert_eq!(found.mend.as_deref(), Some("sudo ss -lpn 'sport = :53'"));
    }

    /// If this fails, a clock that is fine is called wrong, or nothing is measured at all.
    #[test]
    fn clocks_are_read_together() {
        let (boot, raw) = reading().unwrap();
        assert!(!boot.is_zero() && !raw.is_zero());
    }
}
