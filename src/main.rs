//! The program; [`callsign::cli`] is what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    callsign::cli::main()
}
