//! What a server costs besides answers over UDP.

use std::io::Write;
use std::process::ExitCode;

use callsign_bench::Result;
use callsign_bench::contestant::server;
use callsign_bench::flags::Places;
use callsign_bench::machine::stay_on;
use callsign_bench::upkeep::{Bench, SCENES};
use clap::Parser;

/// Measures what a server costs besides answers over UDP: connections, standing by, a large zone,
/// changes.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure, by commas: tcp, idle, million, change, churn; `all` of them
    #[arg(long, default_value = "all", value_delimiter = ',')]
    scenes: Vec<String>,
    /// How long most measurements take
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    #[command(flatten)]
    places: Places,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("upkeep: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let bench = Bench {
        server: server(arguments.places.server.as_ref())?,
        examples: arguments.places.examples.clone(),
        seconds: arguments.seconds,
    };
    let is_chosen = |name: &str| arguments.scenes.iter().any(|it| it == name || it == "all");
    for (name, scene) in SCENES {
        if !is_chosen(name) {
            continue;
        }
        stay_on(1)?;
        let text = scene(&bench).map_err(|error| format!("{name}: {error}"))?;
        print!("{text}");
        if let Some(results) = &arguments.places.results {
            let mut file = std::fs::OpenOptions::new().append(true).open(results)?;
            file.write_all(text.as_bytes())?;
        }
    }
    Ok(())
}
