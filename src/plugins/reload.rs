//! `reload`: looks at the Corefile from time to time, and reads it again when it says something
//! else.

use std::time::Duration;

use corefile::{Diagnostic, Diagnostics, Directive, Token};

use super::{Definition, Setup, Watching};

/// See the module.
pub const RELOAD: Definition = Definition {
    name: "reload",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "reload [INTERVAL [JITTER]]";

/// CoreDNS's.
const INTERVAL: Duration = Duration::from_secs(30);
const JITTER: Duration = Duration::from_secs(15);

/// The least of each, as in CoreDNS; no jitter at all is possible.
const LEAST_INTERVAL: Duration = Duration::from_secs(2);
const LEAST_JITTER: Duration = Duration::from_secs(1);

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    for directive in setup.directives {
        let watching = read(directive, setup.diagnostics);
        let watching = setup.diagnostics.keep(watching);
        // It is one Corefile, whichever blocks want it to be looked at.
        let process = &mut setup.process.reload;
        *process = [*process, watching]
            .into_iter()
            .flatten()
            .min_by_key(|it| it.interval);
    }
}

fn read(directive: &Directive, found: &mut Diagnostics) -> Result<Watching, Diagnostic> {
    directive.no_block(SYNTAX)?;
    let words = directive.between(0, 2, SYNTAX)?;
    let at_least = |word: &Token, least: Duration, found: &mut Diagnostics| {
        let given = word.duration(Duration::ZERO..=Duration::from_secs(86_400))?;
        if given < least {
            let message = format!("{} is less than {least:?}, which is used", word.shown());
            found.push(Diagnostic::warning(word.span, message).label("too short"));
        }
        Ok::<_, Diagnostic>(given.max(least))
    };
    let interval = match words.first() {
        Some(word) => at_least(word, LEAST_INTERVAL, found)?,
        None => INTERVAL,
    };
    let jitter = match words.get(1) {
        Some(word) if word.duration(Duration::ZERO..=Duration::ZERO).is_ok() => Duration::ZERO,
        Some(word) => at_least(word, LEAST_JITTER, found)?,
        None => JITTER,
    };
    Ok(Watching {
        interval,
        jitter: jitter.min(interval / 2),
    })
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    /// If this fails, a mistake is not shown where it is.
    #[test]
    fn mistakes_are_shown() {
        for fine in ["reload", "reload 10s", "reload 10s 0s", "reload 2s 1s"] {
            assert_eq!(Server::mistakes(fine), "");
        }
        for (text, message) in [
            ("reload 10", "a duration needs a unit"),
            ("reload 10s 5s 1s", "at most 2 arguments"),
            ("reload off", "is not a duration"),
            ("reload\nreload", "given twice"),
        ] {
            let shown = Server::mistakes(text);
            assert!(shown.contains(message), "{text}: {shown}");
        }
    }
}
