//! What the directive says about other hosts: `share` and `routed`.

use std::time::Duration;

use corefile::{Diagnostic, Directive, Token};

use super::super::super::store::StoreOptions;
use super::Reader;
use crate::docker::names::NetworkRule;
use crate::docker::share::ShareOptions;
use crate::networks::Network;
use crate::store::etcd::Layout;

/// For how long what is shared outlives a host that is gone without a word, unless it is said.
const SHARE_TTL: Duration = Duration::from_secs(10);

impl Reader<'_> {
    /// Where and how containers are shared.
    pub(super) fn share(&mut self) -> Option<ShareOptions> {
        let Some(line) = self.share else {
            for (word, _) in &self.routed {
                let error = Diagnostic::error(word.span, "`routed` is about other hosts");
                let help = "add `share etcd URL...` or leave it out";
                self.found
                    .push(error.label("nothing is shared with any").help(help));
            }
            return None;
        };
        const OPTIONS: &[&str] = &["credentials", "tls", "prefix", "ttl"];
        let mut store = StoreOptions::default();
        let mut ttl = SHARE_TTL;
        let placed = store.place(line, "share etcd URL... | local [PATH]");
        let is_placed = placed.is_ok();
        self.found.keep(placed);
        let mut seen: Vec<&Directive> = Vec::new();
        for option in line.options() {
            if let Some(first) = seen.iter().find(|it| it.name() == option.name()) {
                self.found.push(option.repeated(first));
                continue;
            }
            seen.push(option);
            let read = option.no_block(option.name()).and_then(|()| {
                if option.name() != "ttl" {
                    return store.option(option, OPTIONS);
                }
                let range = Duration::from_secs(1)..=Duration::from_secs(3600);
                ttl = option.one_argument("ttl DURATION")?.duration(range)?;
                Ok(())
            });
            self.found.keep(read);
        }
        if !is_placed {
            return None;
        }
        if let Some(path) = &store.path {
            store.path = Some(self.block.root.join(path));
        }
        let is_etcd = store.endpoints.is_some();
        let help = "share in etcd: `share etcd URL...`";
        let (layout, what) = (Layout::Native, "sharing");
        let store = store.config(is_etcd, layout, &line.name, what, help, self.found)?;
        let routed = self.routed.iter().map(|(_, rule)| rule.clone()).collect();
        Some(ShareOptions { store, ttl, routed })
    }
}

/// A network that other hosts reach.
pub(super) fn routed(word: &Token) -> Result<NetworkRule, Diagnostic> {
    let rule = NetworkRule::parse(&word.text);
    let label = match word.text.as_str() {
        _ if rule.excluded => "which networks are meant is said, not which are not",
        text if text.contains('/') && Network::parse(text).is_none() => {
            "expected a name, or an address and a length: `10.0.0.0/8`"
        }
        _ => return Ok(rule),
    };
    let error = Diagnostic::error(word.span, format!("{} is no network", word.shown()));
    Err(error.label(label))
}
