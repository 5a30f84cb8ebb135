//! From the directive to what it asks for.

use std::time::Duration;

use answer::MAX_TTL;
use corefile::{Diagnostic, Diagnostics, Directive, Token};

use super::CachePart;
use super::entry::TtlBounds;
use crate::plugins::zones::Zones;
use crate::plugins::{BlockDraft, Definition, Setup};

/// See the module.
pub const CACHE: Definition = Definition {
    name: "cache",
    syntax: "\
cache [TTL] [ZONES...] {
    success CAPACITY [TTL [MINTTL]]
    denial CAPACITY [TTL [MINTTL]]
    prefetch AMOUNT [DURATION [PERCENTAGE%]]
    serve_stale [DURATION] [immediate [REPLY_TTL [RECHECK]] | verify [TIMEOUT [REPLY_TTL [RECHECK]]]]
    serve_stale_policy prefer_positive
    servfail DURATION
    disable success|denial [ZONES...]
    keepttl
}",
    setup,
};

const SUCCESS: &str = "success CAPACITY [TTL [MINTTL]]";
const DENIAL: &str = "denial CAPACITY [TTL [MINTTL]]";
const PREFETCH: &str = "prefetch AMOUNT [DURATION [PERCENTAGE%]]";
const SERVE_STALE: &str = "serve_stale [DURATION] [immediate [REPLY_TTL [RECHECK]] | verify [TIMEOUT [REPLY_TTL [RECHECK]]]]";
const POLICY: &str = "serve_stale_policy prefer_positive";
const SERVFAIL: &str = "servfail DURATION";
const DISABLE: &str = "disable success|denial [ZONES...]";
const KEEPTTL: &str = "keepttl";

const OPTIONS: &[&str] = &[
    "success",
    "denial",
    "prefetch",
    "serve_stale",
    "serve_stale_policy",
    "servfail",
    "disable",
    "keepttl",
];

/// The longest that a failure may be kept (RFC 2308 §7.1), or that the same is not asked again.
const LONGEST_FAILURE: Duration = Duration::from_secs(300);

/// The most entries that can be asked for.
const MOST_ENTRIES: usize = 100_000_000;

/// How long nobody is asked again after a failure, unless something else is said.
const RECHECK: Duration = Duration::from_secs(5);

/// What a `cache` directive asks for.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) zones: Zones,
    pub(super) success: Table,
    pub(super) denial: Table,
    pub(super) prefetch: Option<Prefetch>,
    pub(super) stale: Option<Stale>,
    /// Whether an expired answer is preferred to a denial.
    pub(super) prefer_positive: bool,
    /// How long failures are kept; zero for not at all.
    pub(super) servfail: Duration,
    pub(super) keep_ttl: bool,
}

/// What holds for one kind of replies.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// How many entries there may be.
    pub(super) capacity: usize,
    pub(super) bounds: TtlBounds,
    /// The zones in which nothing of this kind is kept.
    pub(super) disabled: Option<Zones>,
}

/// Which entries are refreshed before their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefetch {
    /// Those that so many have asked for,
    pub(super) amount: u32,
    /// one after the other without such a pause,
    pub(super) pause: Duration,
    /// when no more of their time is left than this, in hundredths.
    pub(super) percentage: u8,
}

/// How expired entries are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    /// For how long.
    pub(super) duration: Duration,
    pub(super) mode: StaleMode,
    /// The most that their TTLs are told to be, in seconds.
    pub(super) reply_ttl: u32,
    /// How long nobody is asked again after a failure.
    pub(super) recheck: Duration,
}

/// When others are asked for what has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StaleMode {
    /// Behind the reply.
    Immediate,
    /// Before it, and waited for at most so long.
    Verify(Option<Duration>),
}

impl Settings {
    fn new(zones: Zones) -> Self {
        let table = |most| Table {
            capacity: 9984,
            bounds: TtlBounds { least: 5, most },
            disabled: None,
        };
        Self {
            zones,
            success: table(3600),
            denial: table(1800),
            prefetch: None,
            stale: None,
            prefer_positive: false,
            servfail: Duration::from_secs(5),
            keep_ttl: false,
        }
    }

    /// How long nobody is asked again after a failure.
    pub(super) fn recheck(&self) -> Duration {
        self.stale.map_or(RECHECK, |stale| stale.recheck)
    }
}

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let Some(directive) = setup.directives.first() else {
        return;
    };
    let settings = settings(directive, setup.block, setup.diagnostics);
    setup.add(Box::new(CachePart(settings)));
}

fn settings(directive: &Directive, block: &BlockDraft, found: &mut Diagnostics) -> Settings {
    let (ttl, zones) = match directive.arguments.split_first() {
        Some((first, rest)) if is_number(first) => (found.keep(ttl(first, 1)), rest),
        _ => (None, directive.arguments.as_slice()),
    };
    let mut settings = Settings::new(Zones::read(zones, block, found));
    if let Some(ttl) = ttl {
        settings.success.bounds.most = ttl;
        settings.denial.bounds.most = ttl;
    }
    let mut seen: Vec<&Directive> = Vec::new();
    let mut policy = None;
    for option in directive.options() {
        let again = |first: &&Directive| {
            first.name() == option.name() && (option.name() != "disable" || same(first, option))
        };
        if let Some(first) = seen.iter().find(|first| again(first)) {
            found.push(option.repeated(first));
        }
        seen.push(option);
        let result = match option.name() {
            "success" => table(option, SUCCESS, &mut settings.success),
            "denial" => table(option, DENIAL, &mut settings.denial),
            "prefetch" => prefetch(option).map(|read| settings.prefetch = read),
            "serve_stale" => serve_stale(option).map(|read| settings.stale = Some(read)),
            "serve_stale_policy" => {
                policy = Some(option);
                prefer_positive(option).map(|()| settings.prefer_positive = true)
            }
            "servfail" => servfail(option).map(|read| settings.servfail = read),
            "disable" => disable(option, block, found, &mut settings),
            "keepttl" => option
                .no_arguments(KEEPTTL)
                .and_then(|()| option.no_block(KEEPTTL))
                .map(|()| settings.keep_ttl = true),
            _ => Err(option.name.unknown("option", OPTIONS)),
        };
        found.keep(result);
    }
    if let (Some(policy), None) = (policy, settings.stale) {
        found.push(
            Diagnostic::warning(policy.line(), "there is no `serve_stale` beside this")
                .label("has no effect"),
        );
    }
    settings
}

/// Whether two options are about the same kind of replies.
fn same(one: &Directive, other: &Directive) -> bool {
    let kind = |it: &Directive| it.arguments.first().map(|word| word.text.clone());
    kind(one) == kind(other)
}

/// Whether a word is a TTL and no zone, so that what is wrong with it can be said.
fn is_number(word: &Token) -> bool {
    let digits = word.text.strip_prefix(['-', '+']).unwrap_or(&word.text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn ttl(word: &Token, least: u32) -> Result<u32, Diagnostic> {
    word.integer(least..=MAX_TTL)
}

fn table(option: &Directive, syntax: &str, table: &mut Table) -> Result<(), Diagnostic> {
    option.no_block(syntax)?;
    let words = option.between(1, 3, syntax)?;
    if let Some(capacity) = words.first() {
        table.capacity = capacity.integer(1..=MOST_ENTRIES)?;
    }
    if let Some(most) = words.get(1) {
        table.bounds.most = ttl(most, 1)?;
    }
    if let Some(least) = words.get(2) {
        table.bounds.least = ttl(least, 0)?;
    }
    Ok(())
}

fn prefetch(option: &Directive) -> Result<Option<Prefetch>, Diagnostic> {
    option.no_block(PREFETCH)?;
    let words = option.between(1, 3, PREFETCH)?;
    let mut prefetch = Prefetch {
        amount: 0,
        pause: Duration::from_secs(60),
        percentage: 10,
    };
    if let Some(amount) = words.first() {
        prefetch.amount = amount.integer(0..=u32::MAX)?;
    }
    if let Some(pause) = words.get(1) {
        prefetch.pause = pause.duration(Duration::from_secs(1)..=Duration::MAX)?;
    }
    if let Some(word) = words.get(2) {
        let number = word.text.strip_suffix('%').and_then(|it| it.parse().ok());
        prefetch.percentage = number
            .filter(|percentage| (10..=90).contains(percentage))
            .ok_or_else(|| {
                Diagnostic::error(word.span, format!("{} is no percentage", word.shown()))
                    .label("expected `10%` to `90%`")
            })?;
    }
    Ok((prefetch.amount > 0).then_some(prefetch))
}

fn serve_stale(option: &Directive) -> Result<Stale, Diagnostic> {
    option.no_block(SERVE_STALE)?;
    let words = option.between(0, 5, SERVE_STALE)?;
    let mut stale = Stale {
        duration: Duration::from_secs(3600),
        mode: StaleMode::Immediate,
        reply_ttl: 5,
        recheck: RECHECK,
    };
    let is_mode = |word: &Token| ["immediate", "verify"].contains(&word.text.as_str());
    let words = match words.split_first() {
        Some((first, rest)) if !is_mode(first) => {
            stale.duration = first.duration(Duration::from_secs(1)..=Duration::MAX)?;
            rest
        }
        _ => words,
    };
    let Some((mode, words)) = words.split_first() else {
        return Ok(stale);
    };
    let accepted = &[("immediate", false), ("verify", true)];
    let words = match (mode.one_of("mode", accepted)?, words.split_first()) {
        (false, _) => words,
        (true, first) => {
            // Who has failed to answer will do so for a while.
            stale.reply_ttl = 30;
            let timeout = first.map(|(word, _)| word.duration(Duration::ZERO..=Duration::MAX));
            let timeout = timeout.transpose()?.filter(|timeout| !timeout.is_zero());
            stale.mode = StaleMode::Verify(timeout);
            first.map_or(words, |(_, rest)| rest)
        }
    };
    if let Some(reply_ttl) = words.first() {
        let reply_ttl = reply_ttl.duration(Duration::ZERO..=LONGEST_FAILURE)?;
        stale.reply_ttl = u32::try_from(reply_ttl.as_secs()).unwrap_or(30);
    }
    if let Some(recheck) = words.get(1) {
        stale.recheck = recheck.duration(Duration::ZERO..=LONGEST_FAILURE)?;
    }
    match words.get(2) {
        None => Ok(stale),
        Some(word) => Err(
            Diagnostic::error(word.span, "`serve_stale` ends before this")
                .label("not expected")
                .help(format!("syntax: {SERVE_STALE}")),
        ),
    }
}

fn prefer_positive(option: &Directive) -> Result<(), Diagnostic> {
    option.no_block(POLICY)?;
    let word = option.one_argument(POLICY)?;
    word.one_of("policy", &[("prefer_positive", ())])
}

fn servfail(option: &Directive) -> Result<Duration, Diagnostic> {
    option.no_block(SERVFAIL)?;
    let word = option.one_argument(SERVFAIL)?;
    word.duration(Duration::ZERO..=LONGEST_FAILURE)
}

/// Where no zones are named, those of the directive are meant.
fn disable(
    option: &Directive,
    block: &BlockDraft,
    found: &mut Diagnostics,
    settings: &mut Settings,
) -> Result<(), Diagnostic> {
    option.no_block(DISABLE)?;
    let words = option.at_least(1, DISABLE)?;
    let Some((kind, named)) = words.split_first() else {
        return Ok(());
    };
    let success = kind.one_of("kind of replies", &[("success", true), ("denial", false)])?;
    let disabled = match named {
        [] => settings.zones.clone(),
        named => Zones::read(named, block, found),
    };
    match success {
        true => settings.success.disabled = Some(disabled),
        false => settings.denial.disabled = Some(disabled),
    }
    Ok(())
}
