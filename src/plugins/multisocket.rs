//! `multisocket`: how many sockets for UDP each address of a block gets.

use corefile::{Diagnostic, Directive};

use super::{Definition, Setup};

/// See the module.
pub const MULTISOCKET: Definition = Definition {
    name: "multisocket",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "multisocket [NUMBER]";

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    for directive in setup.directives {
        setup.block.options.sockets = setup.diagnostics.keep(read(directive)).flatten();
    }
}

fn read(directive: &Directive) -> Result<Option<usize>, Diagnostic> {
    directive.no_block(SYNTAX)?;
    let word = directive.optional_argument(SYNTAX)?;
    word.map(|word| word.integer(1..=1024)).transpose()
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    /// If this fails, a Corefile asks for more threads than a machine can have.
    #[test]
    fn the_number_has_bounds() {
        for fine in ["multisocket", "multisocket 1", "multisocket 1024"] {
            assert_eq!(Server::mistakes(fine), "");
        }
        for wrong in ["multisocket 0", "multisocket 1025", "multisocket two"] {
            let shown = Server::mistakes(wrong);
            assert!(shown.contains("a whole number from 1 to 1024"), "{shown}");
        }
        assert!(Server::mistakes("multisocket 1 2").contains("at most one argument"));
    }
}
