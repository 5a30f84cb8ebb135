//! Whether this machine asks a Callsign: a name of the pool is asked for, as any program would.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use answer::Name;

use super::{Finding, machine};
use crate::cluster::resolve::{Answer, resolve};
use crate::config::{RESOLV_CONF, RESOLVED_CONF, resolv_conf};
use crate::identity::members::Members;
use crate::identity::pattern::Pattern;
use crate::plugins::forward;
use crate::reason;
use crate::store::Entry;

const WHAT: &str = "this machine's DNS";

/// Asks the servers of this machine for a member.
pub(super) async fn examine(pattern: &Pattern, members: Option<&Members>) -> Finding {
    let servers = match resolv_conf() {
        Ok(text) => forward::all_servers(&text),
        Err(error) => {
            let text = format!("cannot read {RESOLV_CONF}: {}", reason::of(&error));
            return Finding::warning(WHAT, text, mend(&pattern.apex()));
        }
    };
    let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    if servers.is_empty() {
        let text = format!("{RESOLV_CONF} names no server");
        return Finding::warning(WHAT, text, mend(&pattern.apex()));
    }
    let is_up = |entry: &&Entry| {
        let down = entry.record.member.as_ref().is_some_and(|it| it.down);
        !down && entry.record.addresses().next().is_some()
    };
    let member = members.and_then(|members| members.entries().find(is_up));
    let Some((entry, name)) = member.and_then(|it| Some((it, pattern.name(it.slot)?))) else {
        return Finding::ok(
            WHAT,
            format!("{shown}; not tried, since nobody holds a name"),
        );
    };
    let said = resolve(&name, &servers).await;
    judge(&said, &name, entry, &servers)
}

fn judge(
    said: &Result<Answer, String>,
    name: &Name,
    entry: &Entry,
    servers: &[SocketAddr],
) -> Finding {
    let wanted: Vec<IpAddr> = entry.record.addresses().collect();
    let apex = name.parent().unwrap_or_else(Name::root);
    let why = match said {
        Ok(Answer::Addresses(found)) if found.iter().all(|it| wanted.contains(it)) => {
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            let text = format!("{} gives {name} as the store has it", servers.join(", "));
            return Finding::ok(WHAT, text);
        }
        Ok(Answer::Addresses(_)) => "its servers have other addresses for it".to_owned(),
        Ok(Answer::Nothing(why)) | Err(why) => why.clone(),
    };
    let text = format!("programs here do not find {name}: {why}");
    Finding::warning(WHAT, text, mend(&apex))
}

/// What has this machine ask the Callsign on it for these names.
fn mend(apex: &Name) -> String {
    let mend = mend_of(apex, Path::new(RESOLVED_CONF).exists());
    match machine::serves_port_53() {
        true => mend,
        // A server that is not there keeps every program waiting.
        false => format!("first let a Callsign serve port 53 here; then: {mend}"),
    }
}

/// systemd-resolved asks this Callsign for other names too, beside its other servers, so a Callsign
/// that forwards must not ask it back.
fn mend_of(apex: &Name, has_resolved: bool) -> String {
    let domain = apex.to_string();
    let domain = domain.trim_end_matches('.');
    if has_resolved {
        return format!(
            "sudo mkdir -p /etc/systemd/resolved.conf.d && printf '[Resolve]\\nDNS=127.0.0.1\\nDomains=~{domain}\\n' \
             | sudo tee /etc/systemd/resolved.conf.d/callsign.conf && sudo systemctl restart systemd-resolved \
             # a `forward` of this Callsign must be to {RESOLVED_CONF}, not to {RESOLV_CONF}"
        );
    }
    format!("sudo sed -i '1i nameserver 127.0.0.1' {RESOLV_CONF}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, who follows the advice gets a machine whose every question for a name that is
    /// nowhere goes in a circle.
    #[test]
    fn the_mend_of_systemd_resolved_says_what_may_not_be_forwarded_to() {
        let apex = Name::parse("tf.local.").unwrap();
        let mend = mend_of(&apex, true);
        assert!(
            mend.contains("DNS=127.0.0.1\\nDomains=~tf.local\\n"),
            "{mend}"
        );
        assert!(
            mend.contains("must be to /run/systemd/resolve/resolv.conf"),
            "{mend}"
        );
        assert!(!mend_of(&apex, false).contains("systemd"));
    }
}
