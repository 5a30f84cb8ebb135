//! The lines of an `identity` or `idetcd` block, one by one.

use std::time::Duration;

use corefile::{Diagnostic, Diagnostics, Directive, Token};

use super::hold;
use super::setup::Preset;
use crate::identity::address::AddressSelection;
use crate::identity::health::{HealthCheck, Probe};
use crate::identity::hooks::{CommandLine, Event, Hook};
use crate::identity::record::Port;
use crate::plugins::store::{STORE_OPTIONS, StoreOptions};
use crate::plugins::zones::Fallthrough;
use crate::store::Slot;

/// The most slots of a pool: beyond it etcd itself is the wrong tool.
const MOST_SLOTS: Slot = 100_000;

/// The most named ports and the most texts of a node: its record has 16 KiB.
const MOST_ENTRIES: usize = 50;

/// The longest text, in bytes.
const LONGEST_TEXT: usize = 255;

const HOUR: Duration = Duration::from_secs(3600);

/// What the lines of a block say; what they do not say is [`None`] or empty.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) pattern: Option<&'a Token>,
    pub(super) limit: Option<Slot>,
    pub(super) store: StoreOptions<'a>,
    pub(super) claim: Option<bool>,
    pub(super) ttl: Option<Duration>,
    /// In seconds.
    pub(super) answer_ttl: Option<u32>,
    pub(super) node: Option<String>,
    pub(super) sticky: Option<Option<Duration>>,
    pub(super) addresses: Vec<AddressSelection>,
    pub(super) ports: Vec<(String, Port)>,
    pub(super) meta: Vec<(String, String)>,
    pub(super) health: Option<HealthCheck>,
    pub(super) hooks: Vec<Hook>,
    pub(super) stale: Option<Duration>,
    pub(super) hold: Option<Duration>,
    pub(super) fallthrough: Fallthrough,
}

const IDENTITY_OPTIONS: &[&str] = &[
    "pattern",
    "limit",
    "store",
    "credentials",
    "tls",
    "prefix",
    "layout",
    "claim",
    "ttl",
    "answer_ttl",
    "node",
    "sticky",
    "address",
    "port",
    "meta",
    "health",
    "on",
    "stale",
    "hold",
    "fallthrough",
];

/// Options that may be given several times.
const REPEATED: &[&str] = &["port", "meta", "on"];

/// Options that have a block of their own.
const WITH_BLOCK: &[&str] = &["store", "health"];

/// Reads all lines; every mistake goes to `found`.
pub(super) fn read<'a>(
    directive: &'a Directive,
    preset: Preset,
    found: &mut Diagnostics,
) -> Options<'a> {
    let mut options = Options::default();
    let mut reader = Reader {
        preset,
        seen: Vec::new(),
        found,
    };
    reader.lines(directive, |reader, line| option(&mut options, line, reader));
    options
}

/// Reads the block of a pool and the blocks in it.
struct Reader<'a, 'f> {
    preset: Preset,
    /// Every line so far, whatever block it stands in: what etcd is told beside `store` may not
    /// be told in its block again. No word means one thing here and another there.
    seen: Vec<&'a Directive>,
    found: &'f mut Diagnostics,
}

impl<'a> Reader<'a, '_> {
    /// Has `read` understand each line of a block. A line that is there already, or has a block
    /// that it cannot have, is a mistake.
    fn lines(
        &mut self,
        directive: &'a Directive,
        mut read: impl FnMut(&mut Self, &'a Directive) -> Result<(), Diagnostic>,
    ) {
        for line in directive.options() {
            let mut before = self.seen.iter();
            if let Some(first) = before.find(|first| first.name() == line.name())
                && !REPEATED.contains(&line.name())
            {
                self.found.push(line.repeated(first));
                continue;
            }
            self.seen.push(line);
            let result = read(self, line).and_then(|()| match line.name() {
                name if WITH_BLOCK.contains(&name) => Ok(()),
                name => line.no_block(name),
            });
            self.found.keep(result);
        }
    }
}

fn option<'a>(
    options: &mut Options<'a>,
    line: &'a Directive,
    reader: &mut Reader<'a, '_>,
) -> Result<(), Diagnostic> {
    let preset = reader.preset;
    match line.name() {
        "pattern" => options.pattern = Some(line.one_argument("pattern worker{{.ID}}.tf.local.")?),
        "limit" => options.limit = Some(line.one_argument("limit N")?.integer(1..=MOST_SLOTS)?),
        "endpoint" if preset == Preset::Idetcd => {
            options.store.endpoints = Some(line.at_least(1, "endpoint URL...")?);
        }
        "store" if preset == Preset::Identity => store(&mut options.store, line, reader)?,
        name if STORE_OPTIONS.contains(&name) => options.store.option(line, STORE_OPTIONS)?,
        "claim" => {
            let word = line.one_argument("claim on|off")?;
            options.claim = Some(word.one_of("setting", &[("on", true), ("off", false)])?);
        }
        "ttl" => {
            let word = line.one_argument("ttl DURATION")?;
            options.ttl = Some(word.duration(Duration::from_secs(1)..=HOUR * 24)?);
        }
        "answer_ttl" => {
            let word = line.one_argument("answer_ttl DURATION")?;
            let ttl = word.duration(Duration::ZERO..=HOUR)?;
            options.answer_ttl = Some(ttl.as_secs().try_into().unwrap_or(u32::MAX));
        }
        "node" => options.node = Some(node(line.one_argument("node KEY")?)?),
        "sticky" => {
            let word = line.one_argument("sticky DURATION|off")?;
            options.sticky = Some(match word.text.as_str() {
                "off" => None,
                _ => Some(word.duration(Duration::from_secs(1)..=HOUR * 24 * 365)?),
            });
        }
        "address" => {
            for word in line.at_least(1, "address auto|INTERFACE|CIDR|IP...")? {
                let selection = AddressSelection::parse(&word.text)
                    .map_err(|message| Diagnostic::error(word.span, message));
                options.addresses.extend(reader.found.keep(selection));
            }
        }
        "port" => port(&mut options.ports, line)?,
        "meta" => meta(&mut options.meta, line)?,
        "health" => options.health = Some(health(line, reader)?),
        "on" => options.hooks.push(hook(line)?),
        "stale" => {
            let word = line.one_argument("stale DURATION")?;
            options.stale = Some(word.duration(Duration::ZERO..=HOUR * 24 * 365)?);
        }
        "hold" => {
            let word = line.one_argument("hold DURATION")?;
            options.hold = Some(word.duration(Duration::ZERO..=hold::LONGEST)?);
        }
        "fallthrough" => {
            options.fallthrough = Fallthrough::read(&line.arguments, reader.found);
        }
        _ => return Err(line.name.unknown("option", &names(preset))),
    }
    Ok(())
}

/// The options of a preset.
fn names(preset: Preset) -> Vec<&'static str> {
    let all = IDENTITY_OPTIONS.iter().copied();
    match preset {
        Preset::Identity => all.collect(),
        Preset::Idetcd => ["endpoint"]
            .into_iter()
            .chain(all.filter(|name| *name != "store"))
            .collect(),
    }
}

/// `store etcd URL...` or `store local [PATH]`; the options of etcd may stand in its block.
fn store<'a>(
    options: &mut StoreOptions<'a>,
    line: &'a Directive,
    reader: &mut Reader<'a, '_>,
) -> Result<(), Diagnostic> {
    options.place(line, "store etcd URL... | local [PATH]")?;
    reader.lines(line, |_, option| options.option(option, STORE_OPTIONS));
    Ok(())
}

fn node(word: &Token) -> Result<String, Diagnostic> {
    let fine = |byte: u8| byte.is_ascii_graphic();
    if word.text.is_empty() || word.text.len() > 128 || !word.text.bytes().all(fine) {
        let message = format!("{} is no node key", word.shown());
        return Err(Diagnostic::error(word.span, message).label("1 to 128 printable characters"));
    }
    Ok(word.text.clone())
}

fn port(ports: &mut Vec<(String, Port)>, line: &Directive) -> Result<(), Diagnostic> {
    let [name, number] = line.exactly("port NAME NUMBER[/udp]")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let plain = name.text.trim_start_matches('_').to_ascii_lowercase();
    if plain.is_empty() || plain.len() > 62 || !plain.bytes().all(is_name) {
        let message = format!("{} is no name for a port", name.shown());
        let label = "letters, digits, `-` and `_`, 62 at most";
        return Err(Diagnostic::error(name.span, message).label(label));
    }
    let port = number
        .text
        .parse()
        .map_err(|message: String| Diagnostic::error(number.span, message))?;
    room(ports, name, &plain)?;
    ports.push((plain, port));
    Ok(())
}

fn meta(meta: &mut Vec<(String, String)>, line: &Directive) -> Result<(), Diagnostic> {
    let [key, value] = line.exactly("meta KEY VALUE")?;
    if key.text.is_empty() || key.text.contains('=') {
        let message = format!("{} is no key", key.shown());
        return Err(Diagnostic::error(key.span, message).label("some text without `=`"));
    }
    if key.text.len() + value.text.len() >= LONGEST_TEXT {
        let message = format!("key and value have more than {} bytes", LONGEST_TEXT - 1);
        return Err(Diagnostic::error(value.span, message));
    }
    room(meta, key, &key.text)?;
    meta.push((key.text.clone(), value.text.clone()));
    Ok(())
}

/// Checks that an entry is new and not one too many.
fn room<T>(entries: &[(String, T)], word: &Token, key: &str) -> Result<(), Diagnostic> {
    if entries.iter().any(|(other, _)| other == key) {
        return Err(Diagnostic::error(
            word.span,
            format!("{} is given twice", word.shown()),
        ));
    }
    if entries.len() >= MOST_ENTRIES {
        return Err(Diagnostic::error(
            word.span,
            format!("more than {MOST_ENTRIES} of these"),
        ));
    }
    Ok(())
}

fn health<'a>(line: &'a Directive, reader: &mut Reader<'a, '_>) -> Result<HealthCheck, Diagnostic> {
    const SYNTAX: &str = "health tcp ADDRESS:PORT | http URL | exec COMMAND ARGS...";
    let words: Vec<String> = line
        .arguments
        .iter()
        .map(|word| word.text.clone())
        .collect();
    let probe = Probe::parse(&words).map_err(|error| {
        let span = line
            .arguments
            .get(error.word)
            .map_or(line.line(), |word| word.span);
        Diagnostic::error(span, error.message).help(format!("syntax: {SYNTAX}"))
    })?;
    let mut check = HealthCheck::new(probe);
    reader.lines(line, |_, option| health_option(&mut check, option));
    Ok(check)
}

fn health_option(check: &mut HealthCheck, line: &Directive) -> Result<(), Diagnostic> {
    let range = Duration::from_millis(100)..=HOUR;
    match line.name() {
        "interval" => check.interval = line.one_argument("interval DURATION")?.duration(range)?,
        "timeout" => check.timeout = line.one_argument("timeout DURATION")?.duration(range)?,
        "failures" => check.failures = line.one_argument("failures N")?.integer(1..=1000)?,
        _ => {
            return Err(line
                .name
                .unknown("option", &["interval", "timeout", "failures"]));
        }
    }
    Ok(())
}

fn hook(line: &Directive) -> Result<Hook, Diagnostic> {
    let [event, program, arguments @ ..] = line.arguments.as_slice() else {
        let message = "`on` needs an event and a command";
        let help = "syntax: on EVENT COMMAND...";
        return Err(Diagnostic::error(line.line(), message).help(help));
    };
    let events = Event::ALL.map(|event| (event.name(), event));
    let event = event.one_of("event", &events)?;
    let command = CommandLine {
        program: program.text.clone(),
        arguments: arguments.iter().map(|word| word.text.clone()).collect(),
    };
    Ok(Hook { event, command })
}
