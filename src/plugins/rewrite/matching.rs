//! Which names a rule is for, and what it makes of them.

use regex::{Captures, Regex};

/// How a rule looks at a name: as text in lower case with its trailing dot.
#[derive(Clone, Debug)]
pub(super) enum Matching {
    /// It is this one.
    Exact(String),
    /// It begins so.
    Prefix(String),
    /// It ends so.
    Suffix(String),
    /// It has this somewhere.
    Substring(String),
    /// The expression finds something in it.
    Regex(Regex),
}

impl Matching {
    /// Whether the rule is for this name.
    pub(super) fn is_for(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => name == text,
            Self::Prefix(text) => name.starts_with(text),
            Self::Suffix(text) => name.ends_with(text),
            Self::Substring(text) => name.contains(text),
            Self::Regex(regex) => regex.is_match(name),
        }
    }

    /// The name with what was found of it replaced by `to`, all of it for an exact name and for an
    /// expression, where `{1}` is what the first group found; [`None`] if the rule is not for it.
    pub(super) fn replace(&self, name: &str, to: &str) -> Option<String> {
        match self {
            Self::Exact(text) => (name == text).then(|| to.to_owned()),
            Self::Prefix(text) => Some(format!("{to}{}", name.strip_prefix(text)?)),
            Self::Suffix(text) => Some(format!("{}{to}", name.strip_suffix(text)?)),
            Self::Substring(text) => name.contains(text).then(|| name.replace(text, to)),
            Self::Regex(regex) => regex.captures(name).map(|groups| fill(to, &groups)),
        }
    }
}

/// `{N}` in a replacement becomes what group N found, or nothing where it found nothing.
fn fill(template: &str, groups: &Captures<'_>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        filled.push_str(before);
        rest = match reference(from) {
            Some((group, after)) if group < groups.len() => {
                filled.push_str(groups.get(group).map_or("", |found| found.as_str()));
                after
            }
            _ => {
                filled.push('{');
                from.get(1..).unwrap_or_default()
            }
        };
    }
    filled.push_str(rest);
    filled
}

/// Reads a `{N}` at the start of the text: N and what follows.
fn reference(text: &str) -> Option<(usize, &str)> {
    let (digits, after) = text.strip_prefix('{')?.split_once('}')?;
    let only_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    only_digits.then(|| Some((digits.parse().ok()?, after)))?
}

/// The largest N of the `{N}` in a replacement.
pub(super) fn largest_reference(template: &str) -> Option<usize> {
    let starts = template.match_indices('{').map(|(at, _)| at);
    starts
        .filter_map(|at| Some(reference(template.get(at..)?)?.0))
        .max()
}

/// A change of names in an answer.
#[derive(Clone, Debug)]
pub(super) enum Mapping {
    /// This name becomes that one, and what is below it goes with it.
    Back {
        /// The name that was asked instead.
        from: String,
        /// The client's.
        to: String,
    },
    /// What the rule is for becomes what it makes of it.
    By(Matching, String),
}

impl Mapping {
    /// The name that becomes of this one; [`None`] for one that stays.
    pub(super) fn map(&self, name: &str) -> Option<String> {
        match self {
            Self::By(matching, to) => matching.replace(name, to),
            Self::Back { from, to } => {
                let below = name.strip_suffix(from)?;
                let whole_labels = below.is_empty() || below.ends_with('.');
                whole_labels.then(|| format!("{below}{to}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str) -> Matching {
        Matching::Regex(Regex::new(text).unwrap())
    }

    /// If this fails, rules are for other names than in CoreDNS, or make other names of them.
    #[test]
    fn each_kind_replaces_what_it_finds() {
        let text = |text: &str| text.to_owned();
        for (matching, to, name, made) in [
            (Matching::Exact(text("a.b.")), "c.", "a.b.", Some("c.")),
            (Matching::Exact(text("a.b.")), "c.", "x.a.b.", None),
            (Matching::Prefix(text("a.")), "x.", "a.b.", Some("x.b.")),
            (Matching::Prefix(text("a.")), "x.", "ab.", None),
            (Matching::Suffix(text(".b.")), ".c.", "a.b.", Some("a.c.")),
            (
                Matching::Substring(text("a.")),
                "x.",
                "a.a.b.",
                Some("x.x.b."),
            ),
            (
                regex(r"(.*)-(eu)\.b\."),
                "{2}.{1}.c.",
                "w-eu.b.",
                Some("eu.w.c."),
            ),
            (regex("b"), "c.", "a.b.", Some("c.")),
            (regex("(x)?b"), "{1}{0}{7}{x}.", "a.b.", Some("b{7}{x}.")),
            (regex("z"), "c.", "a.b.", None),
        ] {
            assert_eq!(matching.replace(name, to).as_deref(), made, "{matching:?}");
            assert_eq!(matching.is_for(name), made.is_some(), "{matching:?}");
        }
    }

    /// If this fails, groups that an expression does not have pass unseen.
    #[test]
    fn the_largest_group_is_found() {
        assert_eq!(largest_reference("{1}.{12}.{x}.{"), Some(12));
        assert_eq!(largest_reference("a.{}.b"), None);
    }

    /// If this fails, answers to a rewritten query carry names that the client did not ask for, or
    /// names are changed that only look alike.
    #[test]
    fn names_below_go_with_a_name() {
        let back = Mapping::Back {
            from: "b.".into(),
            to: "c.d.".into(),
        };
        assert_eq!(back.map("b.").as_deref(), Some("c.d."));
        assert_eq!(back.map("a.b.").as_deref(), Some("a.c.d."));
        assert_eq!(back.map("ab."), None);
    }
}
