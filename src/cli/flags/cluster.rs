//! The flags of the commands by which a cluster is seen.

use clap::Args;

use super::Pool;

/// The flags of `members`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Members {
    #[command(flatten)]
    pub(in crate::cli) pool: Pool,

    /// Go on: draw them again at every change, or write a line for each where that is no terminal
    #[arg(long)]
    pub(in crate::cli) watch: bool,

    /// Write an array of JSON objects, or with --watch an object for each change
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
