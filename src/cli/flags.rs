//! What can be said on the command line, and how CoreDNS's way of saying it is understood.

mod cluster;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};

use crate::run::{Expectation, Framework, OnMemberLoss};

pub(super) use self::cluster::{Completions, Doctor, Evict, Members, Release, Wait};

/// Gives every node of a cluster a name in DNS, never the same twice, and answers for all of them.
///
/// Without a Corefile it claims a name on this machine and answers for it, on port 53 or on the
/// next free one from 1053.
#[derive(Debug, Parser)]
#[command(
    name = "callsign",
    disable_version_flag = true,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    after_help = "CoreDNS's flags work with one dash too: -conf FILE, -dns.port N, -quiet ..."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) serve: Serve,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// What else can be done than to serve.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show every mistake in a Corefile, or what it would serve
    Check(Check),
    /// List the names of containers: who has each, and who has not and why
    Names(Names),
    /// Claim a name, wait for the others, and run a command under it
    Run(Box<Run>),
    /// List who holds which name of a pool
    Members(Members),
    /// Wait until a name resolves, or until so many members are there
    Wait(Wait),
    /// Look for what keeps this machine from having and finding names, and say what mends it
    Doctor(Doctor),
    /// Give back what dead processes of this node hold, and the names that wait for it
    Release(Release),
    /// Take a name from its holder; nobody can have it before the holder must have let go
    Evict(Evict),
    /// Write what a shell needs to complete this command line
    Completions(Completions),
    /// Write the manual page
    Man,
    /// End a command when the claim that it runs under ends
    #[command(hide = true)]
    Guard(Guard),
}

/// The flags of a server.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Corefile to load; `stdin` reads standard input [default: ./Corefile if there is one]
    #[arg(long, value_name = "FILE")]
    pub(super) conf: Option<OsString>,

    /// Port of the zones that name none [default: 53]
    #[arg(long = "dns.port", short = 'p', value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(super) dns_port: Option<u16>,

    /// File to write the process's number to
    #[arg(long = "pidfile", value_name = "FILE")]
    pub(super) pid_file: Option<PathBuf>,

    /// Folder that says who this node is across restarts
    #[arg(long, value_name = "PATH")]
    pub(super) state: Option<PathBuf>,

    /// End with status 1 when a pool has no name left for this node
    #[arg(long)]
    pub(super) require_claim: bool,

    /// Say nothing on standard output
    #[arg(long)]
    pub(super) quiet: bool,

    /// List the directives in the order in which a query meets them
    #[arg(long)]
    pub(super) plugins: bool,

    /// Show the version
    #[arg(long, short = 'V')]
    pub(super) version: bool,
}

/// The flags of `check`.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// Corefile to check; `stdin` reads standard input
    #[arg(default_value = "Corefile")]
    pub(super) file: OsString,

    /// Port of the zones that name none [default: 53]
    #[arg(long = "dns.port", short = 'p', value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub(super) dns_port: Option<u16>,
}

/// The flags of `names`.
#[derive(Args, Debug)]
pub(super) struct Names {
    /// Corefile whose `docker` directives are asked; `stdin` reads standard input [default:
    /// ./Corefile if there is one, else `docker` without options]
    #[arg(long, value_name = "FILE")]
    pub(super) conf: Option<OsString>,

    /// Write an array of JSON objects
    #[arg(long)]
    pub(super) json: bool,
}

/// Which pool of which store.
#[derive(Args, Debug)]
pub(super) struct Pool {
    /// Corefile whose pool it is, with all its options
    #[arg(long, value_name = "FILE", env = "CALLSIGN_CONF")]
    pub(super) conf: Option<OsString>,

    /// What the pool is called [default: the only one of the Corefile, else `node`]
    #[arg(long, value_name = "NAME", env = "CALLSIGN_POOL")]
    pub(super) pool: Option<String>,

    /// Its names [default: {{.Pool}}{{.ID}}.cluster.internal.]
    #[arg(long, env = "CALLSIGN_PATTERN", conflicts_with = "conf")]
    pub(super) pattern: Option<String>,

    /// How many names there are [default: 1000]
    #[arg(long, value_name = "N", env = "CALLSIGN_LIMIT", value_parser = value_parser!(u32).range(1..=100_000), conflicts_with = "conf")]
    pub(super) limit: Option<u32>,

    /// Where names are kept: URLs of etcd with commas between, `local`, or a folder [default: local]
    #[arg(long, env = "CALLSIGN_STORE", conflicts_with = "conf")]
    pub(super) store: Option<String>,

    /// What all keys in etcd begin with
    #[arg(
        long,
        value_name = "PATH",
        env = "CALLSIGN_PREFIX",
        conflicts_with = "conf"
    )]
    pub(super) prefix: Option<String>,
}

/// The flags of `run`.
#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) pool: Pool,

    /// How many members start together; with roles how many of each, in the order of ranks:
    /// chief=1,ps=2,worker=5
    #[arg(
        long,
        short = 'n',
        value_name = "N|ROLE=N,ROLE=N",
        env = "CALLSIGN_EXPECT",
        default_value = "1"
    )]
    pub(super) expect: Expectation,

    /// Which of the roles that are expected this member has
    #[arg(long, value_name = "ROLE")]
    pub(super) role: Option<String>,

    /// How long to wait for them, and for a name: 90s, 10m ... [default: as long as it takes]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<Duration>,

    /// Set what these frameworks read, several with commas between
    #[arg(long = "for", value_name = "FRAMEWORK", value_delimiter = ',')]
    pub(super) frameworks: Vec<Framework>,

    /// The port on which rank 0 is met
    #[arg(long, value_name = "N", default_value_t = 29500, value_parser = value_parser!(u16).range(1..))]
    pub(super) port: u16,

    /// Tell members to each other by name instead of by address
    #[arg(long)]
    pub(super) by_name: bool,

    /// Which addresses are published: auto, an interface, a network or an address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "conf")]
    pub(super) address: Vec<String>,

    /// How long the name outlives its last renewal in etcd
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(super) ttl: Duration,

    /// How long the name waits for this node after the command has ended, `off` for not at all
    #[arg(long, value_name = "DURATION|off", default_value = "10m", value_parser = sticky)]
    pub(super) sticky: Sticky,

    /// How long the command may take to end after SIGTERM [default: a sixth of --ttl]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) grace: Option<Duration>,

    /// What happens to the command when the name cannot be kept
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub(super) on_claim_loss: OnClaimLoss,

    /// What happens to the command when another member is gone
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub(super) on_member_loss: OnMemberLoss,

    /// Folder that says who this node is across restarts
    #[arg(long, value_name = "PATH")]
    pub(super) state: Option<PathBuf>,

    /// The command; {{.Name}}, {{.Slot}}, {{.Rank}}, {{.WorldSize}}, {{.Generation}}, {{.Leader}},
    /// {{.Members}} and {{.Pool}} in it are replaced, with --role {{.Role}}, {{.RoleRank}} and
    /// {{.RoleSize}} too
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) command: Vec<String>,
}

/// What happens to the command when the name cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnClaimLoss {
    /// End the command before the name can belong to another, and exit with status 122
    Stop,
    /// Let it run, under a name that may belong to another
    Keep,
}

/// How long a name waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sticky(pub(super) Option<Duration>);

/// The flags of `guard`.
#[derive(Args, Debug)]
pub(super) struct Guard {
    /// The number of the pipe
    #[arg(long)]
    pub(super) control: i32,

    /// The number of the file with the command
    #[arg(long)]
    pub(super) order: i32,

    /// In milliseconds
    #[arg(long)]
    pub(super) grace: u64,
}

fn duration(text: &str) -> Result<Duration, String> {
    corefile::duration(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "a duration is a number and a unit: 90s, 10m, 1h30m".to_owned())
}

fn sticky(text: &str) -> Result<Sticky, String> {
    match text {
        "off" => Ok(Sticky(None)),
        text => Ok(Sticky(Some(duration(text)?))),
    }
}

/// The words of a command line with a second dash before long flags that have only one, which is
/// how Go programs write them: `-conf FILE` as well as `--conf FILE`. Misspelt ones get it too, so
/// that the message about them names the flag that was meant.
pub(super) fn with_two_dashes(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut plain = false;
    let mut two_dashes = |word: OsString| {
        plain |= word == "--";
        match word.to_str() {
            Some(text) if !plain && is_long_with_one_dash(text) => format!("-{text}").into(),
            _ => word,
        }
    };
    let mut words = words.into_iter();
    // The name of the program comes first.
    words
        .next()
        .into_iter()
        .chain(words.map(&mut two_dashes))
        .collect()
}

fn is_long_with_one_dash(word: &str) -> bool {
    let Some(name) = word.strip_prefix('-') else {
        return false;
    };
    // `-p53` and `-p=53` are a short flag and its value.
    let is_port = name.strip_prefix('p').is_some_and(|value| {
        value
            .trim_start_matches('=')
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    });
    name.len() > 1 && !name.starts_with('-') && !is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = line.split_whitespace().map(Into::into);
        Arguments::try_parse_from(with_two_dashes(words)).map_err(|error| error.to_string())
    }

    /// If this fails, the command line of somebody's CoreDNS unit no longer starts the server.
    #[test]
    fn flags_of_coredns_work() {
        for line in [
            "callsign -conf F -dns.port 1053 -pidfile P -quiet",
            "callsign -conf=F -dns.port=1053 -pidfile=P -quiet",
            "callsign --conf F -p 1053 --pidfile P --quiet",
            "callsign --conf=F -p1053 --pidfile=P --quiet",
            "callsign --conf=F -p=1053 --pidfile=P --quiet",
        ] {
            let serve = parse(line).unwrap().serve;
            assert_eq!(serve.conf, Some("F".into()), "{line}");
            assert_eq!(serve.dns_port, Some(1053), "{line}");
            assert_eq!(serve.pid_file, Some("P".into()), "{line}");
            assert!(serve.quiet, "{line}");
        }
        assert!(parse("callsign -version").unwrap().serve.version);
        assert!(parse("callsign -plugins").unwrap().serve.plugins);
    }

    /// If this fails, a typing mistake is answered without the flag that was meant.
    #[test]
    fn a_misspelt_flag_is_recognised() {
        for line in ["callsign -cnof F", "callsign --cnof F"] {
            let error = parse(line).unwrap_err();
            assert!(
                error.contains("'--cnof'") && error.contains("'--conf'"),
                "{error}"
            );
        }
    }

    /// If this fails, a word that was meant as a flag's value is ignored, and the server runs with
    /// another configuration than its user thinks.
    #[test]
    fn a_stray_word_is_refused() {
        assert!(parse("callsign Corefile").is_err());
        assert!(parse("callsign -quiet Corefile").is_err());
        assert!(parse("callsign -p 0").is_err());
        assert!(parse("callsign -p 65536").is_err());
    }

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
