//! `import`: snippets and files in the place of a line.
//!
//! Neither is copied into the importing text. The parser reads their words in place, with the same
//! functions as those around the `import`, so a mistake in them is shown where it is.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::{MAX_FILE_BYTES, MAX_FILE_IMPORTS, MAX_IMPORT_DEPTH, MAX_SNIPPET_EXPANSIONS};
use crate::parse::Parser;
use crate::snippet::Snippet;
use crate::token::Lexer;
use crate::value::shortened;
use crate::{Diagnostic, Directive, FileId, ServerBlock, Sources, Span, Token, nearest};

/// Where the words of an import go.
pub(crate) enum Scope<'a> {
    /// Between server blocks.
    Blocks(&'a mut Vec<ServerBlock>),
    /// Among the lines of a server block or of a directive's block.
    Directives(&'a mut Vec<Directive>),
}

/// What was imported, and what is being imported.
pub(crate) struct Imports {
    pub(crate) snippets: HashMap<String, Snippet>,
    /// The files that were read, by path.
    files: HashMap<PathBuf, FileId>,
    paths: Vec<PathBuf>,
    /// What the relative imports of a file start from.
    directories: HashMap<FileId, PathBuf>,
    /// What is being read, the innermost last.
    active: Vec<Origin>,
    snippet_expansions: usize,
    file_imports: usize,
    /// Files and snippets, by their end, of which a missing `}` was reported.
    unclosed: HashSet<Span>,
    /// The first block of a file whose `}` has another indentation than its `{`.
    odd_indentation: HashMap<FileId, (Span, Span)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    File(FileId),
    /// By its body.
    Snippet(Span),
}

impl Imports {
    pub(crate) fn new(file: FileId, directory: &Path) -> Self {
        Self {
            snippets: HashMap::new(),
            files: HashMap::new(),
            paths: Vec::new(),
            directories: HashMap::from([(file, directory.to_owned())]),
            active: vec![Origin::File(file)],
            snippet_expansions: 0,
            file_imports: 0,
            unclosed: HashSet::new(),
            odd_indentation: HashMap::new(),
        }
    }

    pub(crate) fn into_paths(self) -> Vec<PathBuf> {
        self.paths
    }

    /// Whether this is the first block that is not closed at `end`.
    pub(crate) fn first_unclosed(&mut self, end: Span) -> bool {
        self.unclosed.insert(end)
    }

    /// Remembers the first block of a file whose closing line is indented otherwise than its opening
    /// one: if a `}` is missing at the end, that is where it was probably forgotten.
    pub(crate) fn compare_indentation(&mut self, sources: &Sources, open: Span, close: Span) {
        if self.odd_indentation.contains_key(&open.file) {
            return;
        }
        let text = sources.text(open.file);
        if indentation(text, open) != indentation(text, close) {
            self.odd_indentation.insert(open.file, (open, close));
        }
    }

    pub(crate) fn odd_indentation(&self, file: FileId) -> Option<(Span, Span)> {
        self.odd_indentation.get(&file).copied()
    }
}

/// The blanks at the start of the line of `span`.
fn indentation(text: &str, span: Span) -> &str {
    let before = text.get(..span.start as usize).unwrap_or("");
    let line = text
        .get(before.rfind('\n').map_or(0, |newline| newline + 1)..)
        .unwrap_or("");
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

impl Parser<'_> {
    /// All words of a file; `None` if that would be more text than is allowed.
    pub(crate) fn open_file(&mut self, file: FileId) -> Option<Lexer> {
        let text = self.sources.shared_text(file);
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.open_part(Span {
            file,
            start: 0,
            end,
        })
    }

    fn open_part(&mut self, part: Span) -> Option<Lexer> {
        let text = self.sources.shared_text(part.file);
        let start = Span {
            end: part.start,
            ..part
        };
        self.spend(part.range().len(), start)
            .then(|| Lexer::new(text, part))
    }

    /// Reads the line `import NAME`, which is next, and what it imports.
    pub(crate) fn import(&mut self, words: &mut Lexer, scope: Scope<'_>) {
        const SYNTAX: &str = "import FILE|PATTERN|SNIPPET";
        let Some(import) = self.directive(words) else {
            return;
        };
        let checked = import
            .no_block(SYNTAX)
            .and_then(|()| import.one_argument(SYNTAX));
        let name = match checked {
            Ok(name) => name,
            Err(error) => return self.report(error),
        };
        if name.text.is_empty() {
            return self.report(
                Diagnostic::error(name.span, "`import` has an empty name")
                    .label("expected the name of a file or of a snippet"),
            );
        }
        match self.imports.snippets.get(&name.text).copied() {
            Some(snippet) => self.import_snippet(snippet, name, scope),
            None => self.import_files(name, words.file(), scope),
        }
    }

    fn import_snippet(&mut self, snippet: Snippet, name: &Token, scope: Scope<'_>) {
        if self.imports.snippet_expansions == MAX_SNIPPET_EXPANSIONS {
            return self.report(
                Diagnostic::error(name.span, "too many imports of snippets")
                    .label(format!("more than {MAX_SNIPPET_EXPANSIONS}")),
            );
        }
        self.imports.snippet_expansions += 1;
        let origin = Origin::Snippet(snippet.body);
        if self.may_enter(&origin, name)
            && let Some(words) = self.open_part(snippet.body)
        {
            self.read(words, origin, scope);
        }
    }

    fn import_files(&mut self, name: &Token, importer: FileId, mut scope: Scope<'_>) {
        let directory = self
            .imports
            .directories
            .get(&importer)
            .cloned()
            .unwrap_or_default();
        let path = directory.join(&name.text);
        let paths = if name.text.contains(['*', '?']) || name.text.contains('[') {
            match self.files_matching(name, &path) {
                Some(paths) => paths,
                None => return,
            }
        } else {
            vec![path]
        };
        for path in paths {
            if self.imports.file_imports == MAX_FILE_IMPORTS {
                return self.report(
                    Diagnostic::error(name.span, "too many imports of files")
                        .label(format!("more than {MAX_FILE_IMPORTS}")),
                );
            }
            self.imports.file_imports += 1;
            let Some(file) = self.load(&path, name) else {
                continue;
            };
            let origin = Origin::File(file);
            if !self.may_enter(&origin, name) {
                continue;
            }
            let Some(words) = self.open_file(file) else {
                return;
            };
            let scope = match &mut scope {
                Scope::Blocks(blocks) => Scope::Blocks(blocks),
                Scope::Directives(directives) => Scope::Directives(directives),
            };
            self.read(words, origin, scope);
        }
    }

    /// The files that a pattern stands for; `None` after an error.
    fn files_matching(&mut self, name: &Token, pattern: &Path) -> Option<Vec<PathBuf>> {
        let count = |wildcard| name.text.matches(wildcard).count();
        let bracketed = name.text.contains('[') && name.text.contains(']');
        if count('*') > 1 || count('?') > 1 || bracketed {
            self.report(
                Diagnostic::error(name.span, "too many wildcards in the pattern of an import")
                    .label("at most one `*` and one `?`, and no `[...]`"),
            );
            return None;
        }
        if count('*') + count('?') == 0 {
            return Some(vec![pattern.to_owned()]);
        }
        match self.environment.glob(pattern) {
            Ok(paths) => {
                if paths.is_empty() {
                    self.report(
                        Diagnostic::warning(name.span, "no file matches the pattern of an import")
                            .label(format!(
                                "looked for {}",
                                shortened(&pattern.to_string_lossy())
                            )),
                    );
                }
                Some(paths)
            }
            Err(error) => {
                self.cannot_import(name, pattern, &error.to_string());
                None
            }
        }
    }

    /// Reads a file, unless that was done before; `None` after an error.
    fn load(&mut self, path: &Path, name: &Token) -> Option<FileId> {
        if let Some(&file) = self.imports.files.get(path) {
            return Some(file);
        }
        let text = match self.environment.read(path) {
            Ok(text) => text,
            Err(error) => {
                self.cannot_read(name, path, &error);
                return None;
            }
        };
        if text.len() > MAX_FILE_BYTES {
            let reason = format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20);
            self.cannot_import(name, path, &reason);
            return None;
        }
        let shown = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
        let file = self.sources.add(&shown, &text, Some(name.span));
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        self.imports.directories.insert(file, directory);
        self.imports.files.insert(path.to_owned(), file);
        self.imports.paths.push(path.to_owned());
        Some(file)
    }

    fn cannot_read(&mut self, name: &Token, path: &Path, error: &io::Error) {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => {
                let shown = shortened(&path.to_string_lossy());
                let mut error = Diagnostic::error(
                    name.span,
                    format!("the file to import, {shown}, does not exist"),
                )
                .label("no such file or snippet");
                let snippets = self.imports.snippets.iter();
                let names = snippets.map(|(name, snippet)| (snippet.name.start, name.as_str()));
                // In the order of the text, so that the message does not change from run to run.
                let names = std::collections::BTreeSet::from_iter(names);
                if let Some(meant) = nearest(&name.text, names.into_iter().map(|(_, name)| name)) {
                    error = error.help(format!("there is a snippet `{meant}`"));
                } else if !name.text.contains(['/', '.']) {
                    error = error.help("a snippet must be defined before it is imported");
                }
                return self.report(error);
            }
            io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        self.cannot_import(name, path, &reason);
    }

    fn cannot_import(&mut self, name: &Token, path: &Path, reason: &str) {
        let shown = shortened(&path.to_string_lossy());
        self.report(
            Diagnostic::error(name.span, format!("cannot import {shown}: {reason}"))
                .label("imported here"),
        );
    }

    /// Whether `origin` may be read within all that is being read; reports it if not.
    fn may_enter(&mut self, origin: &Origin, name: &Token) -> bool {
        if self.imports.active.contains(origin) {
            self.imports_itself(name.span, &name.text);
            return false;
        }
        if self.imports.active.len() > MAX_IMPORT_DEPTH {
            self.report(
                Diagnostic::error(name.span, "imports are nested too deeply")
                    .label(format!("this is within {MAX_IMPORT_DEPTH} others")),
            );
            return false;
        }
        true
    }

    pub(crate) fn imports_itself(&mut self, span: Span, name: &str) {
        self.report(
            Diagnostic::error(span, format!("`{}` imports itself", shortened(name)))
                .label("is being imported already"),
        );
    }

    fn read(&mut self, mut words: Lexer, origin: Origin, scope: Scope<'_>) {
        self.imports.active.push(origin);
        match scope {
            Scope::Blocks(blocks) => self.blocks(&mut words, blocks),
            Scope::Directives(directives) => {
                self.entries(&mut words, None, directives);
            }
        }
        self.imports.active.pop();
    }
}
