//! Whether two Corefiles say the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Corefile, Directive, Token};

impl Corefile {
    /// A number that two Corefiles have in common if they say the same: words, blocks and their
    /// order, imported ones included. Comments, blanks and where a word stands do not count. It
    /// holds within one version of the program, and nobody is kept from making two with the same
    /// number.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.blocks.len().hash(&mut hasher);
        for block in &self.blocks {
            words(&block.keys, &mut hasher);
            directives(&block.directives, &mut hasher);
        }
        hasher.finish()
    }
}

fn words(words: &[Token], hasher: &mut impl Hasher) {
    words.len().hash(hasher);
    for word in words {
        word.text.hash(hasher);
    }
}

/// The parser bounds how deep blocks lie in each other.
fn directives(entries: &[Directive], hasher: &mut impl Hasher) {
    entries.len().hash(hasher);
    for entry in entries {
        entry.name.text.hash(hasher);
        words(&entry.arguments, hasher);
        let block = entry.block.as_ref();
        block.is_some().hash(hasher);
        directives(block.map_or(&[], |block| &block.entries), hasher);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{ProcessEnvironment, Sources, parse};

    fn digest(text: &str) -> u64 {
        let mut sources = Sources::new();
        let corefile = parse(&mut sources, "", Path::new(""), text, &ProcessEnvironment);
        corefile.unwrap().digest()
    }

    /// If this fails, a server reloads because of a comment, or misses a change.
    #[test]
    fn what_is_said_counts_and_nothing_else() {
        let text = ". {\n    a b {\n        c\n    }\n}\n";
        let same = "# new\n.   {\n\n a   b { # here\nc\n}\n }";
        assert_eq!(digest(text), digest(same));
        for other in [
            ". {\n    a b c\n}\n",
            ". {\n    a b {\n        c\n    }\n    d\n}\n",
            ". {\n    a {\n        b c\n    }\n}\n",
            ". {\n    a b {\n        d\n    }\n}\n",
            ".:53 {\n    a b {\n        c\n    }\n}\n",
        ] {
            assert_ne!(digest(text), digest(other), "{other}");
        }
    }
}
