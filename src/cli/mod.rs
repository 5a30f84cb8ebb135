//! The command line.

mod check;
mod doctor;
mod flags;
mod members;
mod names;
mod pool;
mod run;
mod shell;
mod steer;
mod wait;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::config::{DNS_PORT, Origin, StartOptions};
use crate::console::say;
use crate::plugins::DIRECTIVES;
use crate::reason;
use crate::server;
use flags::{Arguments, Command, Serve};

/// Does what the command line says; returns the exit status: 0 where all went well, 1 where not,
/// 2 for a command line that is not understood.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(flags::with_two_dashes(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody may be reading it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    ExitCode::from(match arguments.command {
        Some(Command::Check(check)) => check::check(&check),
        Some(Command::Names(flags)) => names::names(&flags),
        Some(Command::Members(flags)) => members::members(&flags),
        Some(Command::Run(flags)) => run::run(&flags),
        Some(Command::Wait(flags)) => wait::wait(&flags),
        Some(Command::Doctor(flags)) => doctor::doctor(&flags),
        Some(Command::Release(flags)) => steer::release(&flags),
        Some(Command::Evict(flags)) => steer::evict(&flags),
        Some(Command::Completions(flags)) => shell::completions(flags.shell),
        Some(Command::Man) => shell::man(),
        Some(Command::Guard(flags)) => run::guard(&flags),
        None => serve(&arguments.serve),
    })
}

fn serve(flags: &Serve) -> u8 {
    if flags.version {
        say(&server::banner::version());
        return server::OK;
    }
    if flags.plugins {
        for definition in DIRECTIVES {
            say(definition.name);
        }
        return server::OK;
    }
    crate::log::start();
    server::run(start_options(flags))
}

fn start_options(flags: &Serve) -> StartOptions {
    let origin = flags.conf.as_ref().map_or_else(default_origin, origin);
    StartOptions {
        may_change_port: origin == Origin::BuiltIn && flags.dns_port.is_none(),
        origin,
        dns_port: flags.dns_port.unwrap_or(DNS_PORT),
        addresses: Vec::new(),
        pid_file: flags.pid_file.clone(),
        quiet: flags.quiet,
        state_folder: flags.state.clone(),
        require_claim: flags.require_claim,
    }
}

/// The file that a flag names; `stdin` is CoreDNS's word for standard input.
fn origin(word: &OsString) -> Origin {
    match word.to_str() {
        Some("stdin" | "-") => Origin::StandardInput,
        _ => Origin::File(word.into()),
    }
}

/// `./Corefile` where there is one, even if it cannot be read: that is worth an error.
fn default_origin() -> Origin {
    let file = Path::new("Corefile");
    match file.try_exists() {
        Ok(false) => Origin::BuiltIn,
        Ok(true) | Err(_) => Origin::File(file.to_owned()),
    }
}

/// Runs what waits.
fn block_on<T>(what: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        let reason = reason::of(&error);
        format!("error: cannot start the runtime: {reason}")
    })?;
    let result = runtime.block_on(what);
    // A request that waits for a disk keeps nobody here.
    runtime.shutdown_background();
    Ok(result)
}
