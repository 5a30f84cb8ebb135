//! Every bound of the parser, and the budget that is spent while a file is read.
//!
//! Each single bound is generous. The budget is what keeps their product small: ten thousand
//! expansions of a large snippet, or of a large environment variable, end with an error.

/// The largest Corefile or imported file that is read, in bytes (16 MiB).
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Text that one parse may go through in all, in bytes: files and snippets each time they are
/// imported, and what environment variables add.
pub(crate) const MAX_EXPANDED_BYTES: usize = 64 << 20;

/// Words that one parse may yield in all, imports included.
pub(crate) const MAX_WORDS: usize = 1_000_000;

/// Blocks within blocks. Also bounds the recursion over the tree, dropping it included.
pub(crate) const MAX_BLOCK_DEPTH: usize = 64;

/// Imports within imports.
pub(crate) const MAX_IMPORT_DEPTH: usize = 64;

/// Expansions of snippets in one parse, as in CoreDNS.
pub(crate) const MAX_SNIPPET_EXPANSIONS: usize = 10_000;

/// Imports of files in one parse, as in CoreDNS.
pub(crate) const MAX_FILE_IMPORTS: usize = 100_000;

/// Diagnostics that are kept; the rest is only counted.
pub(crate) const MAX_DIAGNOSTICS: usize = 100;

/// What is left of the text and words that one parse may read.
pub(crate) struct Budget {
    pub(crate) bytes: usize,
    pub(crate) words: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            bytes: MAX_EXPANDED_BYTES,
            words: MAX_WORDS,
        }
    }

    /// Takes `bytes` out of the budget; false if there are not that many left.
    #[must_use]
    pub(crate) fn spend_bytes(&mut self, bytes: usize) -> bool {
        spend(&mut self.bytes, bytes)
    }

    /// Takes one word out of the budget; false if there is none left.
    #[must_use]
    pub(crate) fn spend_word(&mut self) -> bool {
        spend(&mut self.words, 1)
    }
}

fn spend(left: &mut usize, amount: usize) -> bool {
    match left.checked_sub(amount) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}
