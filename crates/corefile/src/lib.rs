//! The Corefile's text as a tree of directives in which every word knows where it stands.
//!
//! [`parse()`] reads CoreDNS's configuration language: server blocks, nested blocks, snippets, imports and
//! environment variables. It knows nothing of DNS: a key such as `tls://example.org:853` stays a
//! [`Token`], and no directive is unknown to it. Whoever gives the tree a meaning reports mistakes with
//! a [`Diagnostic`], which points at the word.
//!
//! ```
//! use std::path::Path;
//!
//! let mut sources = corefile::Sources::new();
//! let text = ".:1053 {\n    cache 30\n}\n";
//! let environment = corefile::ProcessEnvironment;
//! let corefile = corefile::parse(&mut sources, "Corefile", Path::new("."), text, &environment).unwrap();
//!
//! let cache = &corefile.blocks[0].directives[0];
//! assert_eq!(cache.one_argument("cache TTL").unwrap().integer(1..=3600), Ok(30));
//!
//! // A mistake is shown where it is.
//! let mistake = cache.arguments[0].integer(1..=9).unwrap_err().render(&sources);
//! assert!(mistake.contains("Corefile:2:11"));
//! ```
//!
//! # Reading order
//!
//! 1. `tree.rs`: what comes out.
//! 2. `token.rs`: text to words; `source.rs`: the files and the places in them.
//! 3. `parse.rs`: words to the tree, and how it goes on after an error; `keys.rs`: the keys of a block.
//! 4. `snippet.rs`, `import.rs`: what is read in place of an `import`; `environment.rs`: all that is asked
//!    of the outside.
//! 5. `diagnose.rs`: one mistake and its picture; `secret.rs`: what no picture may have; `collect.rs`:
//!    several mistakes.
//! 6. `options.rs`, `value.rs`, `duration.rs`, `suggest.rs`: what the setup code of directives shares.
//!
//! `limits.rs` has every bound. No input makes the parser panic, recurse deeply or allocate without end.

#![forbid(unsafe_code)]

mod collect;
mod diagnose;
mod digest;
mod duration;
mod environment;
mod import;
mod keys;
mod limits;
mod options;
mod parse;
mod secret;
mod snippet;
mod source;
mod suggest;
mod token;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use collect::Diagnostics;
pub use diagnose::{Diagnostic, Severity};
pub use duration::duration;
pub use environment::{Environment, ProcessEnvironment};
pub use limits::MAX_FILE_BYTES;
pub use parse::parse;
pub use secret::Secret;
pub use source::{FileId, Sources, Span};
pub use suggest::nearest;
pub use token::Token;
pub use tree::{Block, Corefile, Directive, ServerBlock};
