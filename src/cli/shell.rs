//! `callsign completions` and `callsign man`: what shells and readers are told of the command line,
//! from its own definition.

use clap::CommandFactory;
use clap_complete::Shell;

use super::flags::Arguments;
use crate::console::try_say;
use crate::server::{FAILED, OK};

/// Writes the completions of a shell; returns the exit status.
pub(super) fn completions(shell: Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "callsign", &mut text);
    write(&text)
}

/// Writes the manual page: the program first, then each command.
pub(super) fn man() -> u8 {
    let mut text = Vec::new();
    let mut command = Arguments::command();
    command.build();
    if clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .is_err()
    {
        return FAILED;
    }
    for sub in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        let page = clap_mangen::Man::new(sub.clone());
        let title = format!(".SH \"CALLSIGN {}\"\n", sub.get_name().to_uppercase());
        text.extend(title.into_bytes());
        let rendered = page
            .render_synopsis_section(&mut text)
            .and_then(|()| page.render_description_section(&mut text))
            .and_then(|()| page.render_options_section(&mut text));
        if rendered.is_err() {
            return FAILED;
        }
    }
    write(&text)
}

fn write(text: &[u8]) -> u8 {
    match try_say(&String::from_utf8_lossy(text)) {
        Ok(()) => OK,
        Err(_) => FAILED,
    }
}
