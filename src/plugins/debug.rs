//! `debug`: tells more, and lets a panic end the process.

use super::{Definition, Setup};

/// See the module.
pub const DEBUG: Definition = Definition {
    name: "debug",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "debug";

fn setup(setup: &mut Setup<'_>) {
    setup.bare(SYNTAX);
    setup.process.debug = true;
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    /// If this fails, a mistyped directive is taken for another one.
    #[test]
    fn it_is_a_single_word() {
        assert_eq!(Server::mistakes("debug\nwhoami"), "");
        assert!(Server::mistakes("debug on").contains("takes no arguments"));
    }
}
