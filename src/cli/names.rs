//! `callsign names`: who has which name of a container, and who has not and why.

use corefile::{ProcessEnvironment, Sources};
use serde_json::{Value, json};

use super::flags::Names;
use crate::config::{self, DNS_PORT, Origin, Text};
use crate::console::{complain, say, stderr_has_colors, terminal};
use crate::docker::names::{Line, Standing};
use crate::docker::survey::{Found, Survey};
use crate::server::{FAILED, OK};
use crate::table;

/// What is asked about without a Corefile.
const BUILT_IN: &str = ". {\n    docker\n}\n";

/// Asks the engines and lists; returns the exit status.
pub(super) fn names(flags: &Names) -> u8 {
    let origin = flags
        .conf
        .as_ref()
        .map_or_else(super::default_origin, super::origin);
    let found = surveys(&origin)
        .and_then(|surveys| super::block_on(ask(&surveys))?.map_err(|it| format!("error: {it}")));
    let found = match found {
        Ok(found) => found,
        Err(message) => {
            complain(&message);
            return FAILED;
        }
    };
    if found.unreadable > 0 {
        let number = found.unreadable;
        complain(&format!(
            "warning: containers that the engine cannot show: {number}"
        ));
    }
    if let Some(warning) = &found.warning {
        complain(&format!("warning: containers of other hosts: {warning}"));
    }
    if flags.json {
        say(&found
            .lines
            .iter()
            .map(object)
            .collect::<Value>()
            .to_string());
    } else {
        // A column that has nothing in it is not shown.
        let host = if found.is_shared { "HOST" } else { "" };
        let heads = ["NAME", "CONTAINER", "SOURCE", host, "ADDRESSES", ""];
        let width = terminal().map(|(width, _)| width);
        let rows = found.lines.iter().map(|line| row(line, found.is_shared));
        for line in table::lines(heads, rows, width) {
            say(&line);
        }
    }
    OK
}

/// What the `docker` directives say.
pub(super) fn surveys(origin: &Origin) -> Result<Vec<Survey>, String> {
    let text = match origin {
        Origin::BuiltIn => Text {
            name: "built-in".into(),
            directory: Default::default(),
            text: BUILT_IN.into(),
            remark: None,
        },
        origin => origin
            .read(DNS_PORT)
            .map_err(|message| format!("error: {message}"))?,
    };
    let mut sources = Sources::new();
    let configuration = config::check(&mut sources, &text, DNS_PORT, &ProcessEnvironment)
        .map_err(|found| config::render(&found, &sources, stderr_has_colors()))?;
    let blocks = configuration.blocks.into_iter();
    let mut surveys: Vec<Survey> = blocks
        .filter_map(|block| block.options.containers)
        .collect();
    surveys.dedup();
    if surveys.is_empty() {
        return Err(format!("error: {origin} has no `docker` directive"));
    }
    Ok(surveys)
}

async fn ask(surveys: &[Survey]) -> Result<Found, String> {
    let mut all = Found::default();
    for survey in surveys {
        let found = survey.make().await?;
        all.lines.extend(found.lines);
        all.unreadable += found.unreadable;
        all.is_shared |= found.is_shared;
        all.warning = all.warning.or(found.warning);
    }
    Ok(all)
}

fn object(line: &Line) -> Value {
    let (standing, reason) = match &line.standing {
        Standing::Alone => ("alone", None),
        Standing::Among(_) => ("shared", None),
        Standing::Hidden(reason) => ("hidden", Some(reason)),
    };
    json!({
        "name": line.name,
        "container": line.container,
        "id": line.id,
        "source": line.source,
        "network": line.network,
        "addresses": line.addresses,
        "standing": standing,
        "reason": reason,
        "host": line.host,
        "hidden_from_other_hosts": line.unshared,
    })
}

/// The cells of a claim; with the host where there are several.
fn row(line: &Line, with_host: bool) -> [String; 6] {
    let addresses: Vec<String> = line.addresses.iter().map(ToString::to_string).collect();
    let source = match &line.network {
        Some(network) => format!("{} in {network}", line.source),
        None => line.source.to_owned(),
    };
    let mut notes = match &line.standing {
        Standing::Alone => Vec::new(),
        Standing::Among(number) => vec![format!("one of {number}")],
        Standing::Hidden(reason) => vec![format!("hidden: {reason}")],
    };
    if let Some(reason) = &line.unshared {
        notes.push(format!("hidden from other hosts: {reason}"));
    }
    let host = line.host.as_deref().unwrap_or("-");
    [
        line.name.clone(),
        line.container.clone(),
        source,
        if with_host {
            host.to_owned()
        } else {
            String::new()
        },
        addresses.join(" "),
        notes.join("; "),
    ]
}
