//! The table of directives.

use super::*;

/// If this fails, a directive is set up by another one's code.
#[test]
fn every_directive_has_a_name_of_its_own() {
    for (index, definition) in DIRECTIVES.iter().enumerate() {
        assert_eq!(
            DIRECTIVES.iter().position(|it| it.name == definition.name),
            Some(index)
        );
        assert!(
            definition.syntax.starts_with(definition.name),
            "{}",
            definition.syntax
        );
    }
    assert!(definition("whoami").is_some() && definition("cache").is_none());
}
