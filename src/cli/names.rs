//! `callsign names`: who has which name of a container, and who has not and why.

use corefile::{ProcessEnvironment, Sources};
use serde_json::{Value, json};

use super::flags::Names;
use crate::config::{self, DNS_PORT, Origin, Text};
use crate::console::{complain, say, stderr_has_colors};
use crate::docker::names::{Line, Standing};
use crate::docker::survey::{Found, Survey};
use crate::reason;
use crate::server::{FAILED, OK};

/// What is asked about without a Corefile.
const BUILT_IN: &str = ". {\n    docker\n}\n";

/// Asks the engines and lists; returns the exit status.
pub(super) fn names(flags: &Names) -> u8 {
    let origin = flags
        .conf
        .as_ref()
        .map_or_else(super::default_origin, super::origin);
    let found = surveys(&origin).and_then(|surveys| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            let reason = reason::of(&error);
            format!("error: cannot start the runtime: {reason}")
        })?;
        runtime
            .block_on(ask(&surveys))
            .map_err(|message| format!("error: {message}"))
    });
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
    if flags.json {
        say(&found
            .lines
            .iter()
            .map(object)
            .collect::<Value>()
            .to_string());
    } else {
        table(&found.lines);
    }
    OK
}

/// What the `docker` directives say.
fn surveys(origin: &Origin) -> Result<Vec<Survey>, String> {
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
    })
}

/// One line for each claim, in columns as wide as they must be.
fn table(lines: &[Line]) {
    let heads = ["NAME", "CONTAINER", "SOURCE", "ADDRESSES", ""].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(heads)
        .chain(lines.iter().map(row))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (number, cell) in row.iter().enumerate() {
            let width = widths.get(number).copied().unwrap_or(0);
            line += &format!("{cell:width$}  ");
        }
        say(line.trim_end());
    }
}

fn row(line: &Line) -> [String; 5] {
    let addresses: Vec<String> = line.addresses.iter().map(ToString::to_string).collect();
    let source = match &line.network {
        Some(network) => format!("{} in {network}", line.source),
        None => line.source.to_owned(),
    };
    let note = match &line.standing {
        Standing::Alone => String::new(),
        Standing::Among(number) => format!("one of {number}"),
        Standing::Hidden(reason) => format!("hidden: {reason}"),
    };
    [
        plain(&line.name),
        plain(&line.container),
        plain(&source),
        addresses.join(" "),
        plain(&note),
    ]
}

/// A text without what a terminal takes for orders: engines may be anybody's.
fn plain(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(shown).collect()
}
