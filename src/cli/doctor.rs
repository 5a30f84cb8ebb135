//! `callsign doctor`: what keeps this machine from having names, and what mends it.

use serde_json::Value;

use super::flags::Doctor;
use super::pool::pool;
use super::{block_on, names};
use crate::cluster::doctor::{Finding, Verdict, examine};
use crate::config::Origin;
use crate::console::{complain, plain, say, stdout_has_colors};
use crate::docker::Places;
use crate::docker::survey::Survey;
use crate::server::{FAILED, OK};

/// Looks at everything; returns the exit status: 1 where something is wrong.
pub(super) fn doctor(flags: &Doctor) -> u8 {
    crate::log::start_looking_on();
    let findings = pool(&flags.pool).and_then(|(store, pool)| {
        let ttl = flags.ttl.unwrap_or(pool.ttl);
        let origin = flags.pool.conf.as_ref().map(super::origin);
        block_on(async {
            let mut findings = examine(&store, &pool, ttl, flags.state.as_deref()).await;
            findings.push(containers(origin).await);
            findings
        })
    });
    let findings = match findings {
        Ok(findings) => findings,
        Err(message) => {
            complain(message.trim_end());
            return FAILED;
        }
    };
    if flags.json {
        let objects = findings.iter().map(Finding::object);
        say(&objects.collect::<Value>().to_string());
    } else {
        findings.iter().for_each(show);
    }
    let worst = findings.iter().map(|it| it.verdict).max();
    if worst == Some(Verdict::Wrong) {
        FAILED
    } else {
        OK
    }
}

fn show(finding: &Finding) {
    let word = format!("{:7}", finding.verdict.word());
    let color = match finding.verdict {
        Verdict::Ok => "32",
        Verdict::Warning => "33",
        Verdict::Wrong => "31",
    };
    let word = match stdout_has_colors() {
        true => format!("\x1b[{color}m{word}\x1b[0m"),
        false => word,
    };
    say(&format!(
        "{word}  {}: {}",
        finding.what,
        plain(&finding.text)
    ));
    if let Some(mend) = &finding.mend {
        say(&format!("         {}", plain(mend)));
    }
}

/// Asks the engines of containers: those of the Corefile, or the one that `docker ps` would ask.
async fn containers(conf: Option<Origin>) -> Finding {
    const WHAT: &str = "containers";
    let is_wanted = conf.is_some();
    let Ok(surveys) = names::surveys(&conf.unwrap_or(Origin::BuiltIn)) else {
        return Finding::ok(WHAT, "the Corefile has no `docker`");
    };
    let mut running = 0;
    for survey in &surveys {
        match survey.make().await {
            Ok(found) => running += found.lines.len(),
            Err(message) => return unreachable(WHAT, message, is_wanted, survey),
        }
    }
    Finding::ok(WHAT, format!("the engine answers: {running} names"))
}

fn unreachable(what: &'static str, message: String, is_wanted: bool, survey: &Survey) -> Finding {
    let forbidden = message.contains("permission denied");
    let mend = match forbidden {
        true => "sudo usermod -aG docker \"$(id -un)\", then log in again",
        false => "sudo systemctl enable --now docker",
    };
    let named = survey.engines.iter().any(Places::are_named);
    match (is_wanted || named, forbidden) {
        (true, _) => Finding::wrong(what, message, mend.to_owned()),
        (false, true) => Finding::warning(what, message, mend.to_owned()),
        // Most machines have none.
        (false, false) => Finding::ok(what, format!("no engine here: {message}")),
    }
}
