//! The directive's words.

use std::path::PathBuf;
use std::time::Duration;

use corefile::{Diagnostic, Diagnostics, Directive};

use super::HostsPart;
use super::follow::Source;
use super::table::{Terms, address};
use crate::plugins::zones::{Fallthrough, Zones};
use crate::plugins::{Definition, Setup};

/// See the module.
pub const HOSTS: Definition = Definition {
    name: "hosts",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
hosts [FILE [ZONES...]] {
    ADDRESS NAME...
    ttl SECONDS
    no_reverse
    reload DURATION
    fallthrough [ZONES...]
    fallthrough_unsupported
}";

const OPTIONS: &[&str] = &[
    "ttl",
    "no_reverse",
    "reload",
    "fallthrough",
    "fallthrough_unsupported",
];

/// The file where none is named.
const SYSTEM_FILE: &str = "/etc/hosts";

/// The shortest time between two looks at the file.
const SHORTEST: Duration = Duration::from_millis(100);

fn setup(setup: &mut Setup<'_>) {
    if let [first, others @ ..] = setup.directives {
        for other in others {
            setup.diagnostics.push(other.repeated(first));
        }
        let part = part(first, setup);
        setup.add(Box::new(part));
    }
}

fn part(directive: &Directive, setup: &mut Setup<'_>) -> HostsPart {
    let (path, zones) = match directive.arguments.as_slice() {
        [] => (PathBuf::from(SYSTEM_FILE), &[][..]),
        [path, zones @ ..] => (setup.block.path(&path.text), zones),
    };
    let zones = Zones::read(zones, setup.block, setup.diagnostics);
    let mut part = HostsPart {
        source: Source {
            path,
            inline: String::new(),
            terms: Terms {
                zones: zones.clone(),
                ttl: 3600,
                reverse: true,
            },
            reload: Some(Duration::from_secs(5)),
        },
        zones,
        fallthrough: Fallthrough::default(),
        fallthrough_unsupported: false,
    };
    let mut seen: Vec<&Directive> = Vec::new();
    for line in directive.options() {
        if !OPTIONS.contains(&line.name()) {
            let read = inline(&mut part, line, setup.diagnostics);
            setup.diagnostics.keep(read);
            continue;
        }
        if let Some(first) = seen.iter().find(|first| first.name() == line.name()) {
            setup.diagnostics.push(line.repeated(first));
            continue;
        }
        seen.push(line);
        let read = option(&mut part, line, setup.diagnostics);
        setup.diagnostics.keep(read);
    }
    let find = |name| seen.iter().find(|line| line.name() == name);
    if let (Some(line), None) = (find("fallthrough_unsupported"), find("fallthrough")) {
        let message = "`fallthrough_unsupported` says more of `fallthrough`, which is not there";
        let help = "add `fallthrough [ZONES...]`";
        setup
            .diagnostics
            .push(Diagnostic::error(line.name.span, message).help(help));
    }
    part
}

fn option(
    part: &mut HostsPart,
    line: &Directive,
    found: &mut Diagnostics,
) -> Result<(), Diagnostic> {
    line.no_block(line.name())?;
    match line.name() {
        "ttl" => {
            let word = line.one_argument("ttl SECONDS")?;
            part.source.terms.ttl = word.integer(0..=65_535)?;
        }
        "no_reverse" => {
            line.no_arguments("no_reverse")?;
            part.source.terms.reverse = false;
        }
        "reload" => {
            let word = line.one_argument("reload DURATION")?;
            let interval = word.duration(Duration::ZERO..=Duration::from_secs(365 * 86_400))?;
            part.source.reload = (!interval.is_zero()).then_some(interval.max(SHORTEST));
        }
        "fallthrough" => part.fallthrough = Fallthrough::read(&line.arguments, found),
        _ => {
            line.no_arguments("fallthrough_unsupported")?;
            part.fallthrough_unsupported = true;
        }
    }
    Ok(())
}

/// A line of the file that stands in the Corefile. CoreDNS takes whatever it does not know for one;
/// what looks like an option is more likely meant to be one.
fn inline(
    part: &mut HostsPart,
    line: &Directive,
    found: &mut Diagnostics,
) -> Result<(), Diagnostic> {
    line.no_block("ADDRESS NAME...")?;
    if address(line.name().as_bytes()).is_none() {
        if corefile::nearest(line.name(), OPTIONS.iter().copied()).is_some() {
            return Err(line.name.unknown("option", OPTIONS));
        }
        let message = format!("{} is no address: the line is left out", line.name.shown());
        let label = "expected an IP address or an option";
        found.push(Diagnostic::warning(line.name.span, message).label(label));
        return Ok(());
    }
    if line.arguments.is_empty() {
        let message = "an address without names: the line is left out";
        found.push(Diagnostic::warning(line.name.span, message).label("expected names after it"));
    }
    let inline = &mut part.source.inline;
    let words = std::iter::once(&line.name).chain(&line.arguments);
    for word in words {
        inline.push_str(&word.text);
        inline.push(' ');
    }
    inline.push('\n');
    Ok(())
}
