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

/// Writes a text to standard output, for who has nothing left to do when nobody reads it any more.
///
/// # Errors
///
/// Above all that nobody reads any more.
pub(crate) fn try_say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether what is shown on standard error may have colours.
pub(crate) fn stderr_has_colors() -> bool {
    io::stderr().is_terminal() && colors_are_welcome()
}

/// Whether what is shown on standard output may have colours.
pub(crate) fn stdout_has_colors() -> bool {
    io::stdout().is_terminal() && colors_are_welcome()
}

fn colors_are_welcome() -> bool {
    let wanted = |name| std::env::var_os(name).filter(|it| !it.is_empty());
    wanted("NO_COLOR").is_none() && wanted("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// How many columns and rows the terminal at standard output has; [`None`] where there is none.
pub(crate) fn terminal() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
    // A terminal that does not know its size.
    Some(if columns == 0 || rows == 0 {
        (80, 24)
    } else {
        (columns, rows)
    })
}

/// A text without what a terminal takes for orders, or shows as something else: it may be
/// anybody's.
pub(crate) fn plain(text: &str) -> String {
    let is_shown = |letter: char| {
        let is_invisible = matches!(
            letter,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        !letter.is_control() && !is_invisible
    };
    let shown = |letter: char| if is_shown(letter) { letter } else { '?' };
    text.chars().map(shown).collect()
}
