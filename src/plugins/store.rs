//! The words that say which store, for all directives that keep something in one.

use std::path::PathBuf;

use corefile::{Diagnostic, Diagnostics, Directive, Token};

use crate::identity::pools::StoreConfig;
use crate::store::etcd::{Credentials, EtcdOptions, Layout, Tls};

/// What may be said of etcd.
pub(super) const STORE_OPTIONS: &[&str] = &["credentials", "tls", "prefix", "layout"];

/// What a directive says of its store.
#[derive(Debug, Default)]
pub(super) struct StoreOptions<'a> {
    /// The URLs, [`Some`] where the store is etcd.
    pub(super) endpoints: Option<&'a [Token]>,
    /// The folder of the local store.
    pub(super) path: Option<PathBuf>,
    credentials: Option<Credentials>,
    tls: Option<Tls>,
    prefix: Option<String>,
    layout: Option<Layout>,
    /// The options that only etcd has.
    only_etcd: Vec<&'a Token>,
}

impl<'a> StoreOptions<'a> {
    /// Reads `etcd URL...` or `local [PATH]`, all that stands behind the first word of a line.
    pub(super) fn place(&mut self, line: &'a Directive, syntax: &str) -> Result<(), Diagnostic> {
        let [kind, rest @ ..] = line.at_least(1, syntax)? else {
            return Ok(());
        };
        match (kind.text.as_str(), rest) {
            ("local", []) => {}
            ("local", [path]) => self.path = Some(PathBuf::from(&path.text)),
            ("local", [_, more, ..]) => {
                let message = "a local store is in one folder";
                return Err(Diagnostic::error(more.span, message).help(format!("syntax: {syntax}")));
            }
            ("etcd", []) => {
                let message = "etcd needs the URLs of its members";
                let help = format!("for example: {} etcd http://localhost:2379", line.name());
                return Err(Diagnostic::error(kind.span, message).help(help));
            }
            ("etcd", urls) => self.endpoints = Some(urls),
            _ => return Err(kind.unknown("store", &["etcd", "local"])),
        }
        Ok(())
    }

    /// Reads one of the lines that say how etcd is used; `known` are those that the directive has.
    pub(super) fn option(&mut self, line: &'a Directive, known: &[&str]) -> Result<(), Diagnostic> {
        match line.name() {
            name if !known.contains(&name) => return Err(line.name.unknown("option", known)),
            "credentials" => {
                let [user, password] = line.exactly("credentials USER PASSWORD")?;
                let (user, password) = (user.text.clone(), password.text.clone());
                self.credentials = Some(Credentials { user, password });
            }
            "tls" => {
                let words = line.between(0, 3, "tls [CERT KEY] [CA]")?;
                self.tls = Some(Tls::of_words(words, |path| PathBuf::from(path)));
            }
            "prefix" => self.prefix = Some(line.one_argument("prefix PATH")?.text.clone()),
            "layout" => {
                let layouts = [("native", Layout::Native), ("idetcd", Layout::Idetcd)];
                let word = line.one_argument("layout native|idetcd")?;
                self.layout = Some(word.one_of("layout", &layouts)?);
            }
            _ => return Err(line.name.unknown("option", known)),
        }
        self.only_etcd.push(&line.name);
        Ok(())
    }

    /// The store that was said. `directive` is where mistakes are that no word makes, `what` is what
    /// is kept in the store, and `help` says how to keep it in etcd.
    pub(super) fn config(
        &self,
        is_etcd: bool,
        layout: Layout,
        directive: &Token,
        what: &str,
        help: &str,
        found: &mut Diagnostics,
    ) -> Option<StoreConfig> {
        if !is_etcd {
            for word in &self.only_etcd {
                let message = format!("{} is only for {what} in etcd", word.shown());
                let error = Diagnostic::error(word.span, message);
                found.push(error.label("without etcd").help(help));
            }
            return Some(StoreConfig::Local(self.path.clone()));
        }
        let words = self.endpoints.unwrap_or_default();
        let endpoints = match words {
            [] => vec!["http://localhost:2379".to_owned()],
            words => words.iter().map(|word| word.text.clone()).collect(),
        };
        let etcd = EtcdOptions {
            endpoints,
            credentials: self.credentials.clone(),
            tls: self.tls.clone(),
            prefix: self.prefix.clone(),
            layout: self.layout.unwrap_or(layout),
        };
        let mut errors: Vec<Diagnostic> = words
            .iter()
            .filter_map(|word| {
                let error = EtcdOptions::check_endpoint(&word.text).err()?;
                Some(Diagnostic::error(word.span, error))
            })
            .collect();
        if errors.is_empty()
            && let Err(error) = etcd.check()
        {
            // What is left is how endpoints and certificates go together.
            let tls = self.only_etcd.iter().find(|word| word.text == "tls");
            let word = tls.copied().or(words.first()).unwrap_or(directive);
            errors.push(Diagnostic::error(word.span, error));
        }
        let fine = errors.is_empty();
        found.extend(errors);
        fine.then_some(StoreConfig::Etcd(etcd))
    }
}
