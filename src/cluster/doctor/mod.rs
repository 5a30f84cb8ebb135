//! What keeps a machine from having, keeping or finding names, and the command that mends it.
//!
//! | file | what it looks at |
//! |---|---|
//! | `store.rs` | etcd or the folder of names |
//! | `machine.rs` | clock, state folder, port 53 |
//! | `dns.rs` | whether this machine asks a Callsign |
//!
//! Nothing is claimed, and no file is written; a folder that is missing is created, as a start
//! would.

mod dns;
mod machine;
mod store;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::identity::pool::PoolConfig;
use crate::identity::pools::StoreConfig;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Ok,
    /// It works, though not for everybody or not for ever.
    Warning,
    /// It does not work.
    Wrong,
}

impl Verdict {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }
}

/// What came of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) what: &'static str,
    pub(crate) verdict: Verdict,
    /// One line.
    pub(crate) text: String,
    /// The command that mends it.
    pub(crate) mend: Option<String>,
}

impl Finding {
    /// What is as it should be.
    pub(crate) fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Ok, text.into(), None)
    }

    /// What works, though not for everybody or not for ever.
    pub(crate) fn warning(what: &'static str, text: impl Into<String>, mend: String) -> Self {
        Self::new(what, Verdict::Warning, text.into(), Some(mend))
    }

    /// What does not work.
    pub(crate) fn wrong(what: &'static str, text: impl Into<String>, mend: String) -> Self {
        Self::new(what, Verdict::Wrong, text.into(), Some(mend))
    }

    fn new(what: &'static str, verdict: Verdict, text: String, mend: Option<String>) -> Self {
        Self {
            what,
            verdict,
            text,
            mend,
        }
    }

    /// The finding in JSON.
    pub(crate) fn object(&self) -> Value {
        json!({
            "check": self.what,
            "verdict": self.verdict.word(),
            "text": self.text,
            "mend": self.mend,
        })
    }
}

/// Looks at everything but engines of containers.
pub(crate) async fn examine(
    config: &StoreConfig,
    pool: &PoolConfig,
    ttl: Duration,
    state_folder: Option<&Path>,
) -> Vec<Finding> {
    let (mut findings, members) = store::examine(config, pool, ttl).await;
    findings.push(machine::clock());
    findings.push(machine::state_folder(state_folder));
    findings.push(machine::port_53());
    findings.push(dns::examine(&pool.space.pattern, members.as_ref()).await);
    findings
}
