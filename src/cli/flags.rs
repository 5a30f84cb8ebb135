//! What can be said on the command line, and how CoreDNS's way of saying it is understood.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, value_parser};

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
