//! The page: a document, its style and its script, without anything of others.
//!
//! What strangers have chosen (names, meta, labels) reaches it as JSON only, and its script puts it
//! into the document as text.

/// The page.
pub(super) const PAGE: &str = include_str!("page/index.html");

/// What asks for the token; `{message}` stands for what was wrong the last time.
pub(super) const LOGIN: &str = include_str!("page/login.html");

/// The style of both.
pub(super) const STYLE: &str = include_str!("page/page.css");

/// What fills the page.
pub(super) const SCRIPT: &str = include_str!("page/page.js");

/// The icon.
pub(super) const ICON: &str = include_str!("page/icon.svg");
