//! Words to the tree.
//!
//! An entry is a line: a name, arguments, and a block if there is a `{`. A `}` closes the innermost open
//! block wherever it stands, so a block may also be written on one line. Each file, and each snippet, has
//! to close what it opens. After an error the parser goes on at the next word that can start something,
//! so that one run shows every mistake.

use std::path::Path;

use crate::environment::substitute;
use crate::import::{Imports, Scope};
use crate::limits::{Budget, MAX_BLOCK_DEPTH, MAX_EXPANDED_BYTES, MAX_FILE_BYTES, MAX_WORDS};
use crate::token::{Kind, Lexer, Word};
use crate::{
    Block, Corefile, Diagnostic, Diagnostics, Directive, Environment, ServerBlock, Sources, Span,
    Token,
};

/// Reads a Corefile with everything that it imports.
///
/// `name` is what diagnostics call the file, `directory` is what relative imports start from. The text
/// and every imported file are added to `sources`, whether or not there are errors.
///
/// The grammar is CoreDNS's, with these differences: a quoted `"{"`, `"}"` or `"import"` is an ordinary
/// word; keys may be separated by a comma without a blank; a block may close on the line of its last
/// entry; a file must close the braces that it opens; and a missing closing quote is an error.
///
/// # Errors
/// Every mistake that was found, in the order of the text, with the warnings among them.
pub fn parse(
    sources: &mut Sources,
    name: &str,
    directory: &Path,
    text: &str,
    environment: &dyn Environment,
) -> Result<Corefile, Vec<Diagnostic>> {
    if text.len() > MAX_FILE_BYTES {
        let limit = MAX_FILE_BYTES >> 20;
        return Err(vec![Diagnostic::error(
            None,
            format!("{name} is larger than {limit} MiB"),
        )]);
    }
    let file = sources.add(name, text, None);
    let mut parser = Parser {
        sources,
        environment,
        diagnostics: Diagnostics::new(),
        budget: Budget::new(),
        depth: 0,
        exhausted: false,
        imports: Imports::new(file, directory),
    };
    let mut blocks = Vec::new();
    if let Some(mut words) = parser.open_file(file) {
        parser.blocks(&mut words, &mut blocks);
    }
    let imports = parser.imports.into_paths();
    let (blocks, warnings) = parser.diagnostics.into_result(blocks)?;
    Ok(Corefile {
        blocks,
        imports,
        warnings,
    })
}

pub(crate) struct Parser<'a> {
    pub(crate) sources: &'a mut Sources,
    pub(crate) environment: &'a dyn Environment,
    pub(crate) imports: Imports,
    diagnostics: Diagnostics,
    budget: Budget,
    /// Directives' blocks that are open, those of importing files included.
    depth: usize,
    /// The budget is spent and that was said: there are no more words, and no more errors.
    exhausted: bool,
}

impl Parser<'_> {
    /// Reads server blocks and snippets to the end of `words`.
    pub(crate) fn blocks(&mut self, words: &mut Lexer, blocks: &mut Vec<ServerBlock>) {
        let mut alone = true;
        while let Some((kind, span, _)) = self.peek(words) {
            match kind {
                Kind::Close => {
                    self.next(words);
                    self.stray_close(span);
                }
                Kind::Import => self.import(words, Scope::Blocks(blocks)),
                Kind::Open | Kind::Plain => {
                    if let Some(block) = self.block(words, alone) {
                        blocks.push(block);
                        alone = false;
                    }
                }
            }
        }
    }

    /// Reads a server block, or a snippet, which is no block. `alone` if the file has had none before.
    fn block(&mut self, words: &mut Lexer, alone: bool) -> Option<ServerBlock> {
        let start = self.peek(words)?.1;
        let keys = self.keys(words);
        let braced = self
            .peek(words)
            .and_then(|(kind, open, _)| (kind == Kind::Open).then_some(open));
        if let [key] = keys.as_slice()
            && let Some(name) = key
                .text
                .strip_prefix('(')
                .and_then(|text| text.strip_suffix(')'))
        {
            self.define_snippet(words, name, key.span, braced);
            return None;
        }
        let mut directives = Vec::new();
        let Some(open) = braced else {
            if !alone {
                let name = keys.first().map_or_else(String::new, Token::shown);
                let last = keys.last().map_or(start, |key| key.span);
                self.report(
                    Diagnostic::error(
                        start.to(last),
                        format!("the server block {name} has no `{{`"),
                    )
                    .label("a `{` must follow on this line")
                    .help("only a file with a single server block can do without braces"),
                );
            }
            self.entries(words, None, &mut directives);
            self.warn_without_keys(&keys, start);
            let end = directives
                .last()
                .map(Directive::span)
                .or(keys.last().map(|key| key.span));
            let span = end.map_or(start, |end| start.to(end));
            return Some(ServerBlock {
                keys,
                directives,
                span,
            });
        };
        if start == open {
            self.report(
                Diagnostic::error(open, "a server block has no key")
                    .label("what it serves must stand before this")
                    .help("`. { ... }` serves everything"),
            );
        } else {
            self.warn_without_keys(&keys, start);
        }
        self.next(words);
        let close = self.entries(words, Some(open), &mut directives);
        let close = close.unwrap_or_else(|| self.missing_close(words, open));
        Some(ServerBlock {
            keys,
            directives,
            span: start.to(close),
        })
    }

    /// Reads lines to the `}` that matches `open`, which is returned, or to the end of `words`.
    pub(crate) fn entries(
        &mut self,
        words: &mut Lexer,
        open: Option<Span>,
        entries: &mut Vec<Directive>,
    ) -> Option<Span> {
        while let Some((kind, span, first)) = self.peek(words) {
            match kind {
                Kind::Close => {
                    self.next(words);
                    let Some(open) = open else {
                        self.stray_close(span);
                        continue;
                    };
                    if first {
                        self.imports.compare_indentation(self.sources, open, span);
                    }
                    return Some(span);
                }
                Kind::Open => {
                    self.report(
                        Diagnostic::error(span, "`{` stands where a directive should start")
                            .label("must stand on the line of the directive whose block it opens"),
                    );
                    self.braces(words, span);
                }
                Kind::Import => self.import(words, Scope::Directives(entries)),
                Kind::Plain => {
                    if let Some(directive) = self.directive(words) {
                        entries.push(directive);
                    }
                }
            }
        }
        None
    }

    /// Reads a line and the block that is opened on it.
    pub(crate) fn directive(&mut self, words: &mut Lexer) -> Option<Directive> {
        let name = self.next(words).map(|word| self.token(word))?;
        let mut arguments = Vec::new();
        let mut block = None;
        while let Some((kind, span, first)) = self.peek(words) {
            match kind {
                _ if first => break,
                Kind::Close => break,
                Kind::Open => {
                    block = Some(self.braces(words, span));
                    self.check_line_end(words);
                    break;
                }
                Kind::Import | Kind::Plain => {
                    let Some(word) = self.next(words) else { break };
                    arguments.push(self.token(word));
                }
            }
        }
        Some(Directive {
            name,
            arguments,
            block,
        })
    }

    /// Reads a directive's block from its `{`, which is the next word and lies at `open`.
    fn braces(&mut self, words: &mut Lexer, open: Span) -> Block {
        self.next(words);
        let mut entries = Vec::new();
        let close = if self.depth == MAX_BLOCK_DEPTH {
            self.report(
                Diagnostic::error(open, "blocks are nested too deeply")
                    .label(format!("this is within {MAX_BLOCK_DEPTH} others")),
            );
            self.skip_block(words)
        } else {
            self.depth += 1;
            let close = self.entries(words, Some(open), &mut entries);
            self.depth -= 1;
            close
        };
        let close = close.unwrap_or_else(|| self.missing_close(words, open));
        Block {
            open,
            entries,
            close,
        }
    }

    /// Passes over the words of a block whose `{` is behind us, to its `}`.
    fn skip_block(&mut self, words: &mut Lexer) -> Option<Span> {
        let mut open: usize = 1;
        while let Some(word) = self.next(words) {
            match word.kind {
                Kind::Open => open += 1,
                Kind::Close => open -= 1,
                Kind::Import | Kind::Plain => {}
            }
            if open == 0 {
                return Some(word.span);
            }
        }
        None
    }

    /// Nothing but another `}` may follow on the line of a directive's `}`.
    fn check_line_end(&mut self, words: &mut Lexer) {
        if let Some((Kind::Plain | Kind::Import, span, false)) = self.peek(words) {
            self.report(
                Diagnostic::error(span, "a word follows `}` on the same line")
                    .label("must start on a line of its own"),
            );
        }
    }

    fn stray_close(&mut self, span: Span) {
        self.report(
            Diagnostic::error(span, "`}` without a matching `{`").label("nothing is open here"),
        );
    }

    /// Reports that the file or snippet ends within a block. Returns the place of the missing `}`.
    pub(crate) fn missing_close(&mut self, words: &Lexer, open: Span) -> Span {
        let end = words.end();
        // All the blocks around this one miss theirs too: once is enough.
        if self.imports.first_unclosed(end) {
            let mut error = Diagnostic::error(end, "the file ends within a block")
                .label("`}` is missing")
                .context(open, "the block opened here is not closed");
            if let Some((open, close)) = self.imports.odd_indentation(end.file) {
                error = error
                    .context(open, "perhaps it is this block that lacks its `}`")
                    .context(close, "this closes it, but is indented otherwise");
            }
            self.report(error);
        }
        end
    }

    /// Kind, place and first-of-its-line of the next word.
    pub(crate) fn peek(&mut self, words: &mut Lexer) -> Option<(Kind, Span, bool)> {
        if self.exhausted {
            return None;
        }
        words.peek().map(|word| (word.kind, word.span, word.first))
    }

    /// The next word.
    pub(crate) fn next(&mut self, words: &mut Lexer) -> Option<Word> {
        if self.exhausted {
            return None;
        }
        let word = words.next()?;
        if !self.budget.spend_word() {
            self.exhaust(
                word.span,
                format!("more than {MAX_WORDS} words, imports included"),
            );
            return None;
        }
        if !word.terminated {
            self.report(
                Diagnostic::error(word.span, "a quoted word does not end")
                    .label("this quote has no other after it")
                    .help("within quotes, \\\" is a quote that does not end the word"),
            );
        }
        Some(word)
    }

    /// The word with its environment variables replaced.
    pub(crate) fn token(&mut self, word: Word) -> Token {
        let mut token = Token {
            text: word.text,
            quoted: word.quoted,
            secret: self.sources.is_secret(word.span),
            span: word.span,
        };
        match substitute(&token.text, self.environment, self.budget.bytes) {
            Ok(None) => {}
            Ok(Some(text)) if self.budget.spend_bytes(text.len()) => token.text = text,
            _ => self.exhaust(
                token.span,
                "environment variables make this far too long".to_owned(),
            ),
        }
        token
    }

    /// Takes text that is about to be read out of the budget; false if that is spent.
    pub(crate) fn spend(&mut self, bytes: usize, span: Span) -> bool {
        let left = self.budget.spend_bytes(bytes);
        if !left {
            let limit = MAX_EXPANDED_BYTES >> 20;
            self.exhaust(
                span,
                format!("more than {limit} MiB of text, imports included"),
            );
        }
        left
    }

    fn exhaust(&mut self, span: Span, message: String) {
        self.report(Diagnostic::error(span, message).label("stopped reading here"));
        self.exhausted = true;
    }

    /// Adds an error or a warning.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        if !self.exhausted {
            self.diagnostics.push(diagnostic);
        }
    }
}
