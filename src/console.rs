//! What the program says on its own standard output and standard error, log lines aside.

use std::io::{self, IsTerminal, Write};

/// Writes a line to standard output, which nobody may be reading.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a line to standard error, which nobody may be reading.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether what is shown on standard error may have colours.
pub(crate) fn stderr_has_colors() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}
