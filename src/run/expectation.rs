//! How many members start together, and in which roles.

use std::fmt;
use std::str::FromStr;

use super::roster::{MOST_MEMBERS, Role};

/// The longest text of an expectation: a member publishes it in one string of a TXT record.
const LONGEST: usize = 160;

/// The longest name of a role, for the same reason.
const LONGEST_NAME: usize = 32;

/// How many members start together: `8`, or in roles `chief=1,ps=2,worker=5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    total: u32,
    /// In the order of ranks; none where members have no roles.
    roles: Vec<Role>,
}

impl Expectation {
    /// So many members without roles.
    pub(super) const fn members(total: u32) -> Self {
        Self {
            total,
            roles: Vec::new(),
        }
    }

    /// How many members there are, at least 1 and at most [`MOST_MEMBERS`].
    pub(crate) const fn total(&self) -> u32 {
        self.total
    }

    /// Whether a member waits for nobody.
    pub(super) const fn is_alone(&self) -> bool {
        self.total == 1
    }

    /// The roles, in the order of ranks; none where members have none.
    pub(crate) fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The place of a role among [`Self::parts`]. Members without roles have no role's name, and
    /// all others have one.
    pub(super) fn part(&self, role: Option<&str>) -> Option<usize> {
        match role {
            None => self.roles.is_empty().then_some(0),
            Some(role) => self.roles.iter().position(|it| it.name == role),
        }
    }

    /// How many members each role has; one number where there are no roles.
    pub(super) fn parts(&self) -> impl Iterator<Item = u32> {
        let all = self.roles.is_empty().then_some(self.total);
        all.into_iter()
            .chain(self.roles.iter().map(|role| role.members))
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.roles.is_empty() {
            return write!(formatter, "{}", self.total);
        }
        for (index, Role { name, members }) in self.roles.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{name}={members}")?;
        }
        Ok(())
    }
}

impl FromStr for Expectation {
    type Err = String;

    /// Reads an expectation.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong with it.
    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('=') {
            return Ok(Self::members(number(text)?));
        }
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} characters"));
        }
        let mut roles: Vec<Role> = Vec::new();
        let mut total = 0_u32;
        for part in text.split(',') {
            let (name, members) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} has no number: ROLE=N,ROLE=N"))?;
            if !is_name(name) {
                return Err(format!(
                    "{name:?} cannot be a role: letters, digits, `-` and `_`, {LONGEST_NAME} at most"
                ));
            }
            if roles.iter().any(|role| role.name == name) {
                return Err(format!("{name} is there twice"));
            }
            let members = number(members)?;
            total = total.saturating_add(members);
            let name = name.to_owned();
            roles.push(Role { name, members });
        }
        if total > MOST_MEMBERS {
            return Err(format!("{total} together: {MOST_MEMBERS} at most"));
        }
        Ok(Self { total, roles })
    }
}

/// Whether a role can be called so.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits)
}

fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (1..=MOST_MEMBERS).contains(number))
        .ok_or_else(|| {
            format!(
                "{text:?} is no number from 1 to {MOST_MEMBERS}: N, or with roles ROLE=N,ROLE=N"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, members that expect the same do not see it, since one says it otherwise than
    /// the other reads it.
    #[test]
    fn what_is_said_is_what_is_read() {
        for text in [
            "1",
            "4000",
            "chief=1,ps=2,worker=5",
            "a=4000",
            "A-b_0=1,a=1",
        ] {
            let expectation: Expectation = text.parse().unwrap();
            assert_eq!(expectation.to_string(), text);
        }
        let roles: Expectation = "chief=1,ps=2".parse().unwrap();
        assert_eq!(roles.total(), 3);
        assert_eq!(roles.parts().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(roles.part(Some("ps")), Some(1));
        assert_eq!((roles.part(None), roles.part(Some("x"))), (None, None));
        let plain = Expectation::members(3);
        assert_eq!(plain.parts().collect::<Vec<_>>(), [3]);
        assert_eq!((plain.part(None), plain.part(Some("ps"))), (Some(0), None));
    }

    /// If this fails, a job waits for ever for members that cannot come, or its record does not fit
    /// into DNS.
    #[test]
    fn what_cannot_be_is_refused() {
        let long: Vec<String> = (0..40).map(|it| format!("{it}=1")).collect();
        for (text, message) in [
            ("", "no number"),
            ("0", "no number"),
            ("4001", "no number"),
            ("ps", "no number"),
            ("ps=0", "no number"),
            ("ps=", "no number"),
            ("ps=1,", "has no number"),
            ("ps=1,3", "has no number"),
            ("=1", "cannot be a role"),
            ("p s=1", "cannot be a role"),
            ("ps=1,ps=2", "twice"),
            ("ps=3000,worker=3000", "6000 together"),
            (&long.join(","), "characters"),
        ] {
            let error = text.parse::<Expectation>().unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
