//! A disk and an environment in memory, and short ways to write a tree.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Corefile, Diagnostic, Directive, Environment, Sources, parse};

/// Files and variables by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    files: BTreeMap<PathBuf, String>,
    variables: BTreeMap<String, String>,
}

impl Memory {
    pub(super) fn file(mut self, path: &str, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }
}

impl Environment for Memory {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        match self.files.get(path) {
            Some(text) if text == "<directory>" => Err(io::ErrorKind::IsADirectory.into()),
            Some(text) => Ok(text.clone()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Knows patterns of the form `START*END`.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = pattern.to_string_lossy();
        let (start, end) = pattern.split_once('*').unwrap_or((&pattern, ""));
        let matches = |path: &&PathBuf| {
            let path = path.to_string_lossy();
            path.strip_prefix(start)
                .is_some_and(|rest| rest.ends_with(end))
        };
        Ok(self.files.keys().filter(matches).cloned().collect())
    }
}

/// A parsed text with its sources.
pub(super) struct Parsed {
    pub(super) sources: Sources,
    pub(super) result: Result<Corefile, Vec<Diagnostic>>,
}

pub(super) fn parsed_with(text: &str, environment: &dyn Environment) -> Parsed {
    let mut sources = Sources::new();
    let result = parse(
        &mut sources,
        "Corefile",
        Path::new("/etc"),
        text,
        environment,
    );
    Parsed { sources, result }
}

pub(super) fn parsed(text: &str) -> Parsed {
    parsed_with(text, &Memory::default())
}

impl Parsed {
    pub(super) fn corefile(self) -> Corefile {
        let shown = self.shown();
        self.result.unwrap_or_else(|_| panic!("{shown}"))
    }

    /// The tree on one line: `[key key] name argument { entry; }; name;`.
    pub(super) fn tree(self) -> String {
        let mut tree = String::new();
        for block in self.corefile().blocks {
            let keys: Vec<&str> = block.keys.iter().map(|key| key.text.as_str()).collect();
            write!(tree, "[{}]", keys.join(" ")).unwrap();
            outline(&block.directives, &mut tree);
            tree.push('\n');
        }
        tree.trim_end().to_owned()
    }

    /// Every error as `line:column message`, with the file's name if it is not the Corefile.
    pub(super) fn errors(self) -> Vec<String> {
        let errors = self.result.expect_err("expected errors");
        let shown = |error: &Diagnostic| match error.span {
            None => error.message.clone(),
            Some(span) => {
                let (line, column) = self.sources.position(span);
                let name = match self.sources.name(span.file) {
                    "Corefile" => String::new(),
                    name => format!("{name}:"),
                };
                format!("{name}{line}:{column} {}", error.message)
            }
        };
        errors.iter().map(shown).collect()
    }

    fn shown(&self) -> String {
        let errors = self.result.as_ref().err().into_iter().flatten();
        errors
            .map(|error| error.render(&self.sources))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn outline(entries: &[Directive], tree: &mut String) {
    for entry in entries {
        write!(tree, " {}", entry.name.text).unwrap();
        for argument in &entry.arguments {
            write!(tree, " {}", argument.text).unwrap();
        }
        if let Some(block) = &entry.block {
            tree.push_str(" {");
            outline(&block.entries, tree);
            tree.push_str(" }");
        }
        tree.push(';');
    }
}
