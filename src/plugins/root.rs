//! `root`: the folder that relative paths of other directives start from.

use std::path::PathBuf;

use corefile::{Diagnostic, Directive};

use super::{Definition, Setup};

/// See the module.
pub const ROOT: Definition = Definition {
    name: "root",
    syntax: SYNTAX,
    setup,
};

const SYNTAX: &str = "root PATH";

fn setup(setup: &mut Setup<'_>) {
    if let [first, second, ..] = setup.directives {
        setup.diagnostics.push(second.repeated(first));
    }
    for directive in setup.directives {
        if let Some(path) = setup.diagnostics.keep(path(directive)) {
            if !path.is_dir() {
                let message = format!("{} is no folder", path.display());
                let warning = Diagnostic::warning(directive.line(), message);
                setup
                    .diagnostics
                    .push(warning.label("files that are looked for in it will not be found"));
            }
            setup.block.root = path;
        }
    }
}

fn path(directive: &Directive) -> Result<PathBuf, Diagnostic> {
    directive.no_block(SYNTAX)?;
    let word = directive.one_argument(SYNTAX)?;
    match word.text.is_empty() {
        false => Ok(PathBuf::from(&word.text)),
        true => Err(Diagnostic::error(word.span, "an empty path").label("expected a folder")),
    }
}

#[cfg(test)]
mod tests {
    use crate::plugins::harness::Server;

    /// If this fails, relative paths lead elsewhere than the Corefile's author thinks.
    #[test]
    fn a_root_is_one_path() {
        assert_eq!(Server::mistakes("root /tmp"), "");
        assert!(Server::mistakes("root").contains("syntax: root PATH"));
        assert!(Server::mistakes("root /a /b").contains("syntax: root PATH"));
        assert!(Server::mistakes("root /a\nroot /b").contains("given twice"));
        assert!(Server::mistakes("root \"\"").contains("an empty path"));
    }
}
