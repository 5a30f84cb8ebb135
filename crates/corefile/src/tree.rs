//! What a Corefile is once it is read.

use std::path::PathBuf;

use crate::{Diagnostic, Span, Token};

/// A Corefile with everything that it imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corefile {
    /// The server blocks, in the order of the text.
    pub blocks: Vec<ServerBlock>,
    /// Every imported file, once, in the order in which they were first read. To notice a change, look
    /// at these too; a file that newly matches a pattern shows only when the Corefile is parsed again.
    pub imports: Vec<PathBuf>,
    /// What is odd but allowed, such as an import pattern that matches no file.
    pub warnings: Vec<Diagnostic>,
}

/// `KEY... { DIRECTIVES }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerBlock {
    /// What the block serves, in the order of the text, not interpreted. Empty only if the sole key is
    /// an empty word, which CoreDNS accepts too; such a block serves nothing.
    pub keys: Vec<Token>,
    /// The directives, in the order of the text, repeated ones included.
    pub directives: Vec<Directive>,
    /// From the first key to the `}`, or to the last directive of a block without braces.
    pub span: Span,
}

/// One line, with the block that may follow it: `NAME ARGUMENT... { ... }`.
///
/// Options within a directive's block have the same form and are directives too. `options.rs` has the
/// methods that check one against its syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: Token,
    /// The other words before the `{` or the end of the line.
    pub arguments: Vec<Token>,
    /// The block, if there is a `{`.
    pub block: Option<Block>,
}

/// `{ ... }` after a directive, each line of it a directive in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The `{`.
    pub open: Span,
    /// The lines, those of imports included.
    pub entries: Vec<Directive>,
    /// The `}`.
    pub close: Span,
}

impl Directive {
    /// From the name to the last argument, without the block.
    #[must_use]
    pub fn line(&self) -> Span {
        self.arguments
            .last()
            .map_or(self.name.span, |last| self.name.span.to(last.span))
    }

    /// From the name to the last argument or to the `}`.
    #[must_use]
    pub fn span(&self) -> Span {
        self.block
            .as_ref()
            .map_or_else(|| self.line(), |block| self.name.span.to(block.close))
    }
}
