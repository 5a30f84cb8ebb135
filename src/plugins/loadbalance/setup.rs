//! Reading the directive.

use std::path::PathBuf;
use std::time::Duration;

use corefile::{Diagnostic, Directive, Token};

use super::weights::follow;
use super::{LoadBalance, Policy};
use crate::networks::Network;
use crate::plugins::{BlockDraft, Build, Definition, Part, Plugin, Setup};

/// See the module.
pub const LOADBALANCE: Definition = Definition {
    name: "loadbalance",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "\
loadbalance [round_robin|weighted FILE] {
    reload DURATION
    prefer NETWORK...
}";
const RELOAD: &str = "reload DURATION";
const PREFER: &str = "prefer NETWORK...";

/// How often the file of weights is read, unless something else is said.
const USUAL_RELOAD: Duration = Duration::from_secs(30);

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let mut planned = Planned {
        weights: None,
        reload: USUAL_RELOAD,
        prefer: Vec::new(),
    };
    for directive in setup.directives {
        let found = &mut *setup.diagnostics;
        let policy = policy(directive, setup.block);
        let known = policy.is_ok();
        planned.weights = found.keep(policy).flatten();
        for option in directive.options() {
            match option.name() {
                "reload" if planned.weights.is_none() && known => {
                    let error = Diagnostic::error(option.name.span, "nothing is read again");
                    found.push(error.label("only for `weighted`"));
                }
                "reload" => {
                    planned.reload = found.keep(reload(option)).unwrap_or_default();
                }
                "prefer" => {
                    found.keep(option.no_block(PREFER));
                    let words = found.keep(option.at_least(1, PREFER));
                    let networks = words.unwrap_or_default().iter().map(Network::read);
                    let networks = networks.filter_map(|network| found.keep(network));
                    planned.prefer.extend(networks);
                }
                _ => found.push(option.name.unknown("option", &["reload", "prefer"])),
            }
        }
    }
    setup.add(Box::new(planned));
}

/// The file of weights, where there is one.
fn policy(directive: &Directive, block: &BlockDraft) -> Result<Option<PathBuf>, Diagnostic> {
    match directive.between(0, 2, SYNTAX)? {
        [] => Ok(None),
        [policy, rest @ ..] => {
            let weighted =
                policy.one_of("policy", &[("round_robin", false), ("weighted", true)])?;
            match (weighted, rest) {
                (false, []) => Ok(None),
                (true, [file]) => Ok(Some(block.path(&file.text))),
                (false, [other, ..]) => Err(Diagnostic::error(
                    other.span,
                    "`round_robin` takes no argument",
                )
                .label("not accepted here")
                .help(format!("syntax: {SYNTAX}"))),
                (true, _) => Err(missing_file(policy)),
            }
        }
    }
}

fn missing_file(policy: &Token) -> Diagnostic {
    Diagnostic::error(policy.span, "`weighted` without a file")
        .label("expected a file of weights behind it")
        .help(format!("syntax: {SYNTAX}"))
}

fn reload(option: &Directive) -> Result<Duration, Diagnostic> {
    option.no_block(RELOAD)?;
    let word = option.one_argument(RELOAD)?;
    word.duration(Duration::ZERO..=Duration::MAX)
}

#[derive(Debug)]
struct Planned {
    weights: Option<PathBuf>,
    reload: Duration,
    prefer: Vec<Network>,
}

impl Part for Planned {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
        let (policy, reload) = match self.weights {
            None => (Policy::RoundRobin, None),
            Some(path) => {
                let (weights, task) = follow(path, self.reload, build.runtime)?;
                (Policy::Weighted(weights), task)
            }
        };
        Ok(Box::new(LoadBalance {
            policy,
            prefer: self.prefer,
            _reload: reload,
        }))
    }
}
