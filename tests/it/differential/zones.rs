//! The zones that are answered from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::run::output;

/// A zone and its file.
pub(super) struct ZoneFile {
    pub(super) apex: String,
    pub(super) path: PathBuf,
    /// The owners in the file, relative to the apex.
    pub(super) owners: Vec<String>,
}

/// Numbers by chance that are the same for the same seed (xorshift64*, Vigna 2016).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        number as usize % limit
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// True once in this many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

const PLAIN: &str = include_str!("plain.zone");

/// Writes the zones into a folder: one written by hand and two made by chance, unsigned and signed.
pub(super) fn write(folder: &Path, chance: &mut Chance) -> Vec<ZoneFile> {
    let mut zones = Vec::new();
    for (name, text) in [
        ("plain", PLAIN.to_owned()),
        ("first", random(chance)),
        ("second", random(chance)),
    ] {
        let owners = owners(&text);
        let path = folder.join(format!("{name}.zone"));
        std::fs::write(&path, &text).expect("a file can be written");
        let signed = format!("signed-{name}.test.");
        zones.push(ZoneFile {
            apex: format!("{name}.test."),
            path: path.clone(),
            owners: owners.clone(),
        });
        zones.push(ZoneFile {
            path: sign(folder, &signed, &path),
            apex: signed,
            owners,
        });
    }
    zones
}

fn owners(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with([' ', '\t', ';', '$', '@']));
    let owners = lines.filter_map(|line| line.split_whitespace().next());
    let mut owners: Vec<String> = owners.map(str::to_owned).collect();
    owners.dedup();
    owners
}

/// Signs a zone with BIND's tools, with NSEC.
fn sign(folder: &Path, apex: &str, file: &Path) -> PathBuf {
    let signed = file.with_extension("signed");
    let run = |program: &str, arguments: &[&str]| {
        // scripts/install-test-servers installs it.
        output(Command::new(program).args(arguments).current_dir(folder));
    };
    run(
        "dnssec-keygen",
        &["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", apex],
    );
    run("dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", apex]);
    let (file, out) = (file.display().to_string(), signed.display().to_string());
    run(
        "dnssec-signzone",
        &["-q", "-S", "-d", ".", "-o", apex, "-f", &out, &file],
    );
    signed
}

/// A zone of names over few labels, so that they often meet, with what may stand at them.
fn random(chance: &mut Chance) -> String {
    const LABELS: [&str; 6] = ["a", "b", "c", "*", "long-label", "d"];
    let mut names: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
    let name = |chance: &mut Chance| -> Vec<&'static str> {
        let depth = 1 + chance.below(4);
        (0..depth).map(|_| *chance.one_of(&LABELS)).collect()
    };
    // By labels from the right, so that what stands above a name is known before it.
    let mut all: Vec<Vec<&str>> = (0..60).map(|_| name(chance)).collect();
    all.sort_by_key(|labels| labels.iter().rev().copied().collect::<Vec<_>>());
    all.dedup();
    for labels in &all {
        let above = |names: &BTreeMap<Vec<&str>, Vec<String>>, kind: &str| {
            (1..labels.len()).any(|start| {
                let records = names.get(&labels[start..]);
                records.is_some_and(|records| records.iter().any(|it| it.starts_with(kind)))
            })
        };
        // Below a DNAME record there is nothing (RFC 6672 §2.4), below a cut only glue.
        if above(&names, "DNAME") {
            continue;
        }
        // A wildcard below a cut is none (RFC 4592 §4.3). NSD and Knot still make glue of it.
        if above(&names, "NS") && labels.contains(&"*") {
            continue;
        }
        let target = name(chance).join(".");
        let number = chance.below(250);
        let address = format!("A 192.0.2.{number}");
        let is_wildcard = labels.first() == Some(&"*");
        let records = match chance.below(12) {
            _ if above(&names, "NS") => vec![address],
            0 | 1 => vec![format!("CNAME {target}")],
            2 if !is_wildcard => vec![format!("DNAME {target}")],
            3 if !is_wildcard => vec![format!("NS {target}"), "NS ns.elsewhere.test.".into()],
            4 if !is_wildcard => vec![
                format!("NS ns.{}", labels.join(".")),
                "DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".into(),
            ],
            5 => vec![format!("MX 1 {target}"), "MX 2 ns1".into()],
            6 => vec![format!("SRV 0 0 {number} {target}")],
            7 => vec![format!("TXT \"{number}\""), address],
            8 => vec![format!("AAAA 2001:db8::{number}")],
            _ => vec![address, format!("A 192.0.2.{}", number / 2)],
        };
        names.insert(labels.clone(), records);
    }
    let mut text =
        "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n NS ns1\nns1 A 192.0.2.1\n".to_owned();
    for (labels, records) in &names {
        for record in records {
            let _ = writeln!(text, "{} {record}", labels.join("."));
        }
    }
    text
}
