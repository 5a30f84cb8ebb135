//! The keys of a server block: words separated by blanks, commas or both. A comma at the end of a line
//! promises another key on the next.

use crate::parse::Parser;
use crate::token::{Kind, Lexer};
use crate::{Diagnostic, Span, Token};

impl Parser<'_> {
    /// Reads the keys of a server block, up to its `{` or to the end of the line.
    pub(crate) fn keys(&mut self, words: &mut Lexer) -> Vec<Token> {
        let mut keys = Vec::new();
        let mut comma = None;
        let mut started = false;
        while let Some((kind, span, first)) = self.peek(words) {
            if comma.is_none() && started && first {
                return keys;
            }
            match kind {
                Kind::Open | Kind::Close => {
                    if let Some(comma) = comma {
                        self.missing_key(comma);
                    }
                    return keys;
                }
                Kind::Import if first && started => {
                    self.report(
                        Diagnostic::error(
                            span,
                            "`import` stands between the keys of a server block",
                        )
                        .label("a key must follow the comma before this"),
                    );
                    return keys;
                }
                Kind::Import | Kind::Plain => {}
            }
            let Some(token) = self.next(words).map(|word| self.token(word)) else {
                break;
            };
            started = true;
            if token.text.is_empty() {
                continue;
            }
            comma = (!token.quoted && token.text.ends_with(',')).then_some(token.span);
            self.split_at_commas(token, &mut keys);
        }
        if let Some(comma) = comma {
            self.missing_key(comma);
        }
        keys
    }

    fn split_at_commas(&self, token: Token, keys: &mut Vec<Token>) {
        if token.quoted || !token.text.contains(',') {
            keys.push(token);
            return;
        }
        // If the text is not that of the file, because of a variable, each piece gets the whole span.
        let as_written = self.sources.slice(token.span) == token.text;
        let mut start = token.span.start;
        for piece in token.text.split(',') {
            let end = start.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
            let span = if as_written {
                Span {
                    start,
                    end,
                    ..token.span
                }
            } else {
                token.span
            };
            start = end.saturating_add(1);
            if !piece.is_empty() {
                keys.push(Token {
                    text: piece.to_owned(),
                    quoted: false,
                    secret: token.secret,
                    span,
                });
            }
        }
    }

    fn missing_key(&mut self, comma: Span) {
        self.report(
            Diagnostic::error(comma, "a key is missing after a comma")
                .label("another key must follow the comma"),
        );
    }

    pub(crate) fn warn_without_keys(&mut self, keys: &[Token], start: Span) {
        if keys.is_empty() {
            self.report(
                Diagnostic::warning(start, "a server block has only an empty key")
                    .label("serves nothing"),
            );
        }
    }
}
