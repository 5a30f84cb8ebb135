//! Checks a directive, or an option in its block, against its syntax.
//!
//! Each method takes the syntax as one line, such as `ttl DURATION`, which the user sees as help. Setup
//! code reads as the syntax does:
//!
//! ```
//! use std::time::Duration;
//! use corefile::{Diagnostic, Diagnostics, Directive};
//!
//! struct Health { lameduck: Duration, port: u16 }
//!
//! fn setup(directive: &Directive, diagnostics: &mut Diagnostics) -> Health {
//!     let mut health = Health { lameduck: Duration::ZERO, port: 8080 };
//!     if let Some(Some(port)) = diagnostics.keep(directive.optional_argument("health [PORT]")) {
//!         health.port = diagnostics.keep(port.integer(1..=65535)).unwrap_or_default();
//!     }
//!     for option in directive.options() {
//!         let result = match option.name() {
//!             "lameduck" => lameduck(option).map(|value| health.lameduck = value),
//!             _ => Err(option.name.unknown("option", &["lameduck"])),
//!         };
//!         diagnostics.keep(result);
//!     }
//!     health
//! }
//!
//! fn lameduck(option: &Directive) -> Result<Duration, Diagnostic> {
//!     const SYNTAX: &str = "lameduck DURATION";
//!     option.no_block(SYNTAX)?;
//!     option.one_argument(SYNTAX)?.duration(Duration::ZERO..=Duration::from_secs(3600))
//! }
//! ```

use crate::{Diagnostic, Directive, Token};

impl Directive {
    /// The text of the name, to match on.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name.text
    }

    /// The lines of the block; none if there is no block.
    #[must_use]
    pub fn options(&self) -> &[Directive] {
        self.block.as_ref().map_or(&[], |block| &block.entries)
    }

    /// Checks that there is no argument.
    ///
    /// # Errors
    /// There is one; the caret is under the arguments.
    pub fn no_arguments(&self, syntax: &str) -> Result<(), Diagnostic> {
        self.count(0, 0, syntax)
    }

    /// The only argument.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn one_argument(&self, syntax: &str) -> Result<&Token, Diagnostic> {
        let [argument] = self.exactly(syntax)?;
        Ok(argument)
    }

    /// The only argument, if there is one.
    ///
    /// # Errors
    /// There is more than one.
    pub fn optional_argument(&self, syntax: &str) -> Result<Option<&Token>, Diagnostic> {
        self.count(0, 1, syntax)?;
        Ok(self.arguments.first())
    }

    /// The arguments, of which there are `N`: `let [from, to] = option.exactly("rename FROM TO")?;`.
    ///
    /// # Errors
    /// There are fewer or more.
    pub fn exactly<const N: usize>(&self, syntax: &str) -> Result<&[Token; N], Diagnostic> {
        self.arguments
            .as_slice()
            .try_into()
            .map_err(|_| self.wrong_count(N, N, syntax))
    }

    /// The arguments, of which there are between `least` and `most`.
    ///
    /// # Errors
    /// There are fewer or more.
    pub fn between(&self, least: usize, most: usize, syntax: &str) -> Result<&[Token], Diagnostic> {
        self.count(least, most, syntax)?;
        Ok(&self.arguments)
    }

    /// The arguments, of which there are `least` or more.
    ///
    /// # Errors
    /// There are fewer.
    pub fn at_least(&self, least: usize, syntax: &str) -> Result<&[Token], Diagnostic> {
        self.between(least, usize::MAX, syntax)
    }

    /// Checks that there is no block.
    ///
    /// # Errors
    /// There is one, even if it is empty; the caret is under its `{`.
    pub fn no_block(&self, syntax: &str) -> Result<(), Diagnostic> {
        match &self.block {
            None => Ok(()),
            Some(block) => Err(Diagnostic::error(
                block.open,
                format!("{} takes no block", self.name.shown()),
            )
            .label("not accepted here")
            .help(format!("syntax: {syntax}"))),
        }
    }

    /// The error that this directive or option may be given only once and that `first` came before it.
    #[must_use]
    pub fn repeated(&self, first: &Directive) -> Diagnostic {
        Diagnostic::error(
            self.name.span,
            format!("{} is given twice", self.name.shown()),
        )
        .label("may be given only once")
        .context(first.name.span, "given here first")
    }

    fn count(&self, least: usize, most: usize, syntax: &str) -> Result<(), Diagnostic> {
        if (least..=most).contains(&self.arguments.len()) {
            Ok(())
        } else {
            Err(self.wrong_count(least, most, syntax))
        }
    }

    fn wrong_count(&self, least: usize, most: usize, syntax: &str) -> Diagnostic {
        let given = self.arguments.len();
        let name = self.name.shown();
        let takes = match (least, most) {
            (_, 0) => "no arguments".to_owned(),
            (1, 1) => "one argument".to_owned(),
            (0, 1) => "at most one argument".to_owned(),
            (1, usize::MAX) => "at least one argument".to_owned(),
            (_, usize::MAX) => format!("at least {least} arguments"),
            (0, _) => format!("at most {most} arguments"),
            _ if least == most => format!("{least} arguments"),
            _ => format!("{least} to {most} arguments"),
        };
        let (span, label) = match self.arguments.get(most..) {
            Some([first, .., last]) => (first.span.to(last.span), "not expected"),
            Some([only]) => (only.span, "not expected"),
            _ => (self.line(), "an argument is missing after this"),
        };
        Diagnostic::error(span, format!("{name} takes {takes}, but has {given}"))
            .label(label)
            .help(format!("syntax: {syntax}"))
    }
}
