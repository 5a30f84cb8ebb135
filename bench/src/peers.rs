//! Other servers as Debian has them, with a zone to serve: neither limits of rate nor logs of
//! queries, one worker, everything in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::questions::ZONE;

/// A server that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Knot DNS.
    Knot,
    /// NSD.
    Nsd,
    /// Unbound, with the zone as an auth-zone.
    Unbound,
    /// BIND.
    Bind,
    /// dnsmasq, with the names from a hosts file.
    Dnsmasq,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Knot,
        Self::Nsd,
        Self::Unbound,
        Self::Bind,
        Self::Dnsmasq,
    ];

    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Knot => "Knot",
            Self::Nsd => "NSD",
            Self::Unbound => "Unbound",
            Self::Bind => "BIND",
            Self::Dnsmasq => "dnsmasq",
        }
    }

    /// Its program.
    fn program(self) -> PathBuf {
        let name = match self {
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
            Self::Unbound => "unbound",
            Self::Bind => "named",
            Self::Dnsmasq => "dnsmasq",
        };
        // Debian has servers where users do not look.
        let path = Path::new("/usr/sbin").join(name);
        if path.exists() { path } else { name.into() }
    }

    /// The first line of what it says about its version.
    #[must_use]
    pub fn version(self) -> String {
        let flag = match self {
            Self::Knot | Self::Unbound => "-V",
            Self::Nsd | Self::Bind => "-v",
            Self::Dnsmasq => "--version",
        };
        let Ok(output) = Command::new(self.program()).arg(flag).output() else {
            return format!("{} is not installed", self.name());
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let first = text.lines().next().unwrap_or_default();
        let note = match self {
            Self::Nsd if text.contains("--disable-recvmmsg") => " (built without recvmmsg)",
            _ => "",
        };
        format!("{}{note}", first.split("  ").next().unwrap_or_default())
    }

    /// Writes its configuration into a folder that has the zone in `zone` and the hosts file in
    /// `hosts`; gives the command that starts it.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn command(self, folder: &Path, port: u16, workers: usize) -> Result<Command> {
        let at = folder.display();
        let text = match self {
            Self::Knot => format!(
                "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{at}\"\n  udp-workers: {workers}\n  \
                 tcp-workers: {workers}\n  background-workers: 1\ndatabase:\n  storage: \"{at}\"\n\
                 log:\n  - target: stderr\n    any: warning\nzone:\n  - domain: {ZONE}\n    \
                 file: \"{at}/zone\"\n    zonefile-load: whole\n    zonefile-sync: -1\n    \
                 journal-content: none\n"
            ),
            Self::Nsd => format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  chroot: \"\"\n  \
                 zonesdir: \"{at}\"\n  pidfile: \"{at}/nsd.pid\"\n  xfrdfile: \"{at}/xfrd\"\n  \
                 zonelistfile: \"{at}/zone.list\"\n  database: \"\"\n  server-count: {workers}\n  \
                 rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n  tcp-count: 500\n\
                 remote-control:\n  control-enable: no\nzone:\n  name: {ZONE}\n  \
                 zonefile: \"{at}/zone\"\n"
            ),
            Self::Unbound => format!(
                "server:\n  interface: 127.0.0.1@{port}\n  username: \"\"\n  chroot: \"\"\n  \
                 directory: \"{at}\"\n  pidfile: \"{at}/unbound.pid\"\n  use-syslog: no\n  \
                 do-daemonize: no\n  num-threads: {workers}\n  module-config: \"iterator\"\n\
                 auth-zone:\n  name: {ZONE}\n  zonefile: \"{at}/zone\"\n  for-downstream: yes\n  \
                 for-upstream: no\n"
            ),
            Self::Bind => format!(
                "options {{ directory \"{at}\"; pid-file \"{at}/named.pid\"; \
                 session-keyfile \"{at}/session.key\"; listen-on port {port} {{ 127.0.0.1; }}; \
                 listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; }};\n\
                 controls {{ }};\nzone \"{ZONE}\" {{ type primary; file \"{at}/zone\"; }};\n"
            ),
            Self::Dnsmasq => format!(
                "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\n\
                 addn-hosts={at}/hosts\nlocal=/{ZONE}/\nlocal-ttl=3600\ncache-size=20000\nuser=\n\
                 pid-file=\n"
            ),
        };
        let path = folder.join(format!("{}.configuration", self.name()));
        std::fs::write(&path, text)?;
        let mut command = Command::new(self.program());
        match self {
            Self::Knot => command.arg("-c").arg(path),
            Self::Nsd | Self::Unbound => command.arg("-d").arg("-c").arg(path),
            Self::Bind => command
                .args(["-f", "-n", &workers.to_string(), "-c"])
                .arg(path),
            Self::Dnsmasq => command.arg("-k").arg("-C").arg(path),
        };
        Ok(command)
    }
}
