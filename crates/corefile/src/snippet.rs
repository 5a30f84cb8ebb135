//! `(name) { ... }`: lines to be imported by name.
//!
//! The body is not interpreted where it is defined, since it may be server blocks, directives or options.

use crate::parse::Parser;
use crate::token::{Kind, Lexer};
use crate::value::shortened;
use crate::{Diagnostic, Span};

/// The body of a snippet and where its name stands.
#[derive(Clone, Copy)]
pub(crate) struct Snippet {
    pub(crate) name: Span,
    pub(crate) body: Span,
}

impl Parser<'_> {
    /// Keeps the body of the snippet `(name) { ... }`, whose `{` is the next word if it is at `open`.
    pub(crate) fn define_snippet(
        &mut self,
        words: &mut Lexer,
        name: &str,
        name_span: Span,
        open: Option<Span>,
    ) {
        if name.is_empty() {
            self.report(
                Diagnostic::error(name_span, "a snippet has no name").label("nothing in here"),
            );
        }
        let Some(open) = open else {
            self.report(
                Diagnostic::error(name_span, "a snippet has no block")
                    .label("a `{` must follow on this line"),
            );
            return;
        };
        self.next(words);
        let close = self.snippet_body(words, name);
        let close = close.unwrap_or_else(|| self.missing_close(words, open));
        let snippet = Snippet {
            name: name_span,
            body: Span {
                start: open.end,
                end: close.start,
                ..open
            },
        };
        match self.imports.snippets.get(name) {
            Some(first) => {
                let message = format!("the snippet `{}` is defined twice", shortened(name));
                let first = first.name;
                self.report(
                    Diagnostic::error(name_span, message)
                        .label("defined again")
                        .context(first, "defined here first"),
                );
            }
            None => {
                self.imports.snippets.insert(name.to_owned(), snippet);
            }
        }
    }

    /// Passes over the words of a snippet, whose `{` is behind us, to its `}`.
    fn snippet_body(&mut self, words: &mut Lexer, name: &str) -> Option<Span> {
        let mut open: usize = 1;
        let mut importing = false;
        while let Some(word) = self.next(words) {
            let (kind, span, first) = (word.kind, word.span, word.first);
            if importing && !first && self.token(word).text == name {
                self.imports_itself(span, name);
            }
            importing = kind == Kind::Import && first;
            match kind {
                Kind::Open => open += 1,
                Kind::Close => open -= 1,
                Kind::Import | Kind::Plain => {}
            }
            if open == 0 {
                return Some(span);
            }
        }
        None
    }
}
