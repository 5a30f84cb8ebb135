//! What the programs that measure servers are told alike.

use std::path::PathBuf;

use clap::Args;

/// Where things are.
#[derive(Args, Clone, Debug)]
pub struct Places {
    /// The server [default: callsign beside this program]
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Where the Corefiles are
    #[arg(long, value_name = "FOLDER", default_value = "examples")]
    pub examples: PathBuf,
    /// The page that is written, or to which is added
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
}
