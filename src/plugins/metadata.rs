//! `metadata`: says that labels of queries are wanted.
//!
//! CoreDNS collects all labels of all plugins for every query, once it is told to. Here a label is
//! made when somebody asks for it and costs nothing before, so labels are always there: the
//! directive is checked and changes nothing.

use super::zones::Zones;
use super::{Definition, Setup};

/// See the module.
pub const METADATA: Definition = Definition {
    name: "metadata",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "metadata [ZONES...]";

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    for directive in setup.directives {
        setup.diagnostics.keep(directive.no_block(SYNTAX));
        Zones::read(&directive.arguments, setup.block, setup.diagnostics);
    }
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    /// If this fails, a Corefile of CoreDNS that asks for labels is refused, or a mistyped zone in
    /// it passes unseen.
    #[test]
    fn zones_are_checked() {
        assert_eq!(Server::mistakes("metadata\nwhoami"), "");
        assert_eq!(Server::mistakes("metadata example.org 10.0.0.0/8"), "");
        assert!(Server::mistakes("metadata a..b").contains("is not a zone"));
        assert!(Server::mistakes("metadata\nmetadata").contains("given twice"));
        assert!(Server::mistakes("metadata {\n}").contains("takes no block"));
    }
}
