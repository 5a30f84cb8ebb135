//! `timeouts`: what connections to the addresses of a block may take.

use std::time::Duration;

use corefile::{Diagnostic, Directive};

use super::{Definition, Setup, Timeouts};

/// See the module.
pub const TIMEOUTS: Definition = Definition {
    name: "timeouts",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
timeouts {
    read DURATION
    write DURATION
    idle DURATION
    maxtcpqueries NUMBER|-1
}";
const OPTIONS: [&str; 4] = ["read", "write", "idle", "maxtcpqueries"];

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let found = &mut *setup.diagnostics;
    for directive in setup.directives {
        let mut timeouts = Timeouts::default();
        found.keep(directive.no_arguments("timeouts { ... }"));
        if directive.options().is_empty() {
            let error = Diagnostic::error(directive.line(), "`timeouts` without an option");
            let help = format!("options: {}", OPTIONS.join(", "));
            found.push(error.label("nothing is set").help(help));
        }
        for option in directive.options() {
            let result = match option.name() {
                "read" => duration(option, "read DURATION").map(|it| timeouts.read = it),
                "write" => duration(option, "write DURATION").map(|it| timeouts.write = it),
                "idle" => duration(option, "idle DURATION").map(|it| timeouts.idle = it),
                "maxtcpqueries" => most_queries(option).map(|it| timeouts.most_queries = it),
                _ => Err(option.name.unknown("option", &OPTIONS)),
            };
            found.keep(result);
        }
        setup.block.options.timeouts = Some(timeouts);
    }
}

fn duration(option: &Directive, syntax: &str) -> Result<Duration, Diagnostic> {
    option.no_block(syntax)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(86_400);
    option.one_argument(syntax)?.duration(range)
}

fn most_queries(option: &Directive) -> Result<Option<u64>, Diagnostic> {
    const SYNTAX: &str = "maxtcpqueries NUMBER|-1";
    option.no_block(SYNTAX)?;
    let number: i64 = option.one_argument(SYNTAX)?.integer(-1..=i64::MAX)?;
    // As in CoreDNS, 0 is the default, which is none.
    Ok(u64::try_from(number).ok().filter(|number| *number > 0))
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    /// If this fails, a mistake is not shown where it is, or a connection may stay for ever.
    #[test]
    fn mistakes_are_shown() {
        for (text, message) in [
            ("timeouts", "without an option"),
            ("timeouts 5s", "takes no arguments"),
            ("timeouts {\nread 5\n}", "a duration needs a unit"),
            ("timeouts {\nidle 100ms\n}", "from 1s to 24h"),
            ("timeouts {\nmaxtcpqueries -2\n}", "out of range"),
            ("timeouts {\nreed 5s\n}", "did you mean `read`?"),
        ] {
            let shown = Server::mistakes(text);
            assert!(shown.contains(message), "{text}: {shown}");
        }
        let all = "timeouts {\nread 1s\nwrite 2s\nidle 3s\nmaxtcpqueries -1\n}";
        assert_eq!(Server::mistakes(all), "");
    }
}
