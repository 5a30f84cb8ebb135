//! What the parser asks of the outside: environment variables and files.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::limits::MAX_FILE_BYTES;

/// Where variables and imported files come from. Tests and fuzzers bring their own and need no disk.
pub trait Environment {
    /// The value of an environment variable; `None` if it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file. The parser refuses more than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES), so
    /// there is no need to read further than one byte past that.
    ///
    /// # Errors
    /// The file is missing, a directory, not readable, or not UTF-8.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The files whose path matches `pattern`, sorted. In each component of the path `*` stands for any
    /// characters and `?` for one.
    ///
    /// # Errors
    /// A directory on the way exists but cannot be listed. No match is no error.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The environment of this process and its file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?
            .take(MAX_FILE_BYTES as u64 + 1)
            .read_to_string(&mut text)?;
        Ok(text)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut matches = BTreeSet::from([PathBuf::new()]);
        for component in pattern.components() {
            let wildcard = match component {
                Component::Normal(name) => name.to_str().filter(|name| name.contains(['*', '?'])),
                _ => None,
            };
            let mut next = BTreeSet::new();
            for path in matches {
                match wildcard {
                    None => {
                        next.insert(path.join(component));
                    }
                    Some(wildcard) => list_matching(&path, wildcard, &mut next)?,
                }
            }
            matches = next;
        }
        matches.retain(|path| path.exists());
        Ok(matches.into_iter().collect())
    }
}

/// Adds the entries of `directory` whose name matches. A directory that is none has no entries.
fn list_matching(
    directory: &Path,
    wildcard: &str,
    found: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    let listed = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let entries = match std::fs::read_dir(listed) {
        Ok(entries) => entries,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(()),
                _ => Err(error),
            };
        }
    };
    for entry in entries {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| matches(wildcard, name)) {
            found.insert(directory.join(name));
        }
    }
    Ok(())
}

/// Whether `name` matches a pattern with `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // After a `*`: the pattern behind it, and the rest of the name that it has not taken yet.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        match pattern.next() {
            Some('*') => {
                retry = Some((pattern.clone(), name.clone()));
                continue;
            }
            Some('?') if name.next().is_some() => continue,
            Some('?') => {}
            Some(expected) if name.next() == Some(expected) => continue,
            None if name.next().is_none() => return true,
            _ => {}
        }
        // Let the last `*` take one more character.
        let Some((after_star, mut rest)) = retry.take() else {
            return false;
        };
        if rest.next().is_none() {
            return false;
        }
        (pattern, name) = (after_star.clone(), rest.clone());
        retry = Some((after_star, rest));
    }
}

/// Variables would make a word longer than is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// `text` with `{%NAME%}`, then `{$NAME}` replaced by the variable's value, or by nothing if it is not
/// set. A form without its end or without a name stays as it is. `None` if there is nothing to replace.
pub(crate) fn substitute(
    text: &str,
    environment: &dyn Environment,
    limit: usize,
) -> Result<Option<String>, TooLong> {
    let percent = replace(text, "{%", "%}", environment, limit)?;
    let dollar = replace(
        percent.as_deref().unwrap_or(text),
        "{$",
        "}",
        environment,
        limit,
    )?;
    Ok(dollar.or(percent))
}

fn replace(
    text: &str,
    open: &str,
    close: &str,
    environment: &dyn Environment,
    limit: usize,
) -> Result<Option<String>, TooLong> {
    let mut replaced: Option<String> = None;
    let mut rest = text;
    // Text that is done with but not yet copied is `text[copied..]` up to `rest`.
    let mut copied = 0;
    while let Some(start) = rest.find(open) {
        let after = &rest[start + open.len()..];
        let Some(length) = after.find(close) else {
            break;
        };
        let name = &after[..length];
        let here = text.len() - rest.len() + start;
        rest = &after[length + close.len()..];
        if name.is_empty() {
            continue;
        }
        let output = replaced.get_or_insert_default();
        output.push_str(&text[copied..here]);
        output.push_str(&environment.variable(name).unwrap_or_default());
        copied = text.len() - rest.len();
        if output.len() + rest.len() > limit {
            return Err(TooLong);
        }
    }
    if let Some(output) = &mut replaced {
        output.push_str(&text[copied..]);
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Variables;

    impl Environment for Variables {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "HOME" => Some("/root".into()),
                "NESTED" => Some("{$HOME}".into()),
                "LONG" => Some("x".repeat(1000)),
                _ => None,
            }
        }
        fn read(&self, _: &Path) -> io::Result<String> {
            Err(io::ErrorKind::NotFound.into())
        }
        fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
            Ok(Vec::new())
        }
    }

    fn substituted(text: &str) -> String {
        substitute(text, &Variables, 4000)
            .unwrap()
            .unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn both_forms_are_replaced_anywhere_in_a_word() {
        assert_eq!(substituted("{$HOME}"), "/root");
        assert_eq!(substituted("a{%HOME%}b{$HOME}c"), "a/rootb/rootc");
        assert_eq!(substituted("{$UNSET}x"), "x");
    }

    #[test]
    fn a_percent_value_may_hold_a_dollar_form_but_not_the_other_way_round() {
        assert_eq!(substituted("{%NESTED%}"), "/root");
        assert_eq!(substituted("{$NESTED}"), "{$HOME}");
    }

    #[test]
    fn forms_without_name_or_end_are_left_alone() {
        for text in [
            "{$}", "{%%}", "{$HOME", "{%HOME}", "{HOME}", "{%}", "$HOME", "é{$",
        ] {
            assert_eq!(substituted(text), text);
        }
        assert_eq!(substituted("{$}{$HOME}"), "{$}/root");
    }

    #[test]
    fn go_template_variables_collide_unless_they_stand_apart() {
        assert_eq!(substituted("{{$x}}"), "{}");
        assert_eq!(substituted("{{ $x }}"), "{{ $x }}");
    }

    #[test]
    fn a_word_cannot_grow_without_end() {
        assert_eq!(
            substitute(&"{$LONG}".repeat(1000), &Variables, 4000),
            Err(TooLong)
        );
    }

    #[test]
    fn wildcards_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b", "ab", true),
            ("a*b", "aXbYb", true),
            ("a*b?", "aXbYbZ", true),
            ("a*b", "aXbY", false),
            ("?", "é", true),
            ("?", "", false),
            ("a?", "a", false),
            ("*", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn glob_walks_directories_and_sorts() {
        let root = std::env::temp_dir().join(format!("corefile-glob-{}", std::process::id()));
        std::fs::create_dir_all(root.join("b")).unwrap();
        std::fs::create_dir_all(root.join("a")).unwrap();
        for file in ["b/x.conf", "a/x.conf", "a/y.txt", "z.conf"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        let glob = |pattern: &str| ProcessEnvironment.glob(&root.join(pattern)).unwrap();
        let found = [
            glob("*/x.conf"),
            glob("a/?.txt"),
            glob("none/*"),
            glob("z.conf/*"),
        ];
        std::fs::remove_dir_all(&root).unwrap();
        let expected = [
            vec![root.join("a/x.conf"), root.join("b/x.conf")],
            vec![root.join("a/y.txt")],
            vec![],
            vec![],
        ];
        assert_eq!(found, expected);
    }
}
