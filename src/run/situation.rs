//! What a member knows when its command starts, and how the command is told: variables that
//! Callsign names itself, and fields of templates in its arguments.

use std::fmt::Write as _;
use std::net::IpAddr;

use template::{Content, Field, Template};

use super::roster::{Roster, RosterMember};
use crate::identity::pattern::Pattern;
use crate::store::Epoch;

/// Where a member stands when its command starts.
#[derive(Clone, Debug)]
pub(crate) struct Situation<'r> {
    /// What the pool is called.
    pub(crate) pool: &'r str,
    /// The pool's names.
    pub(crate) pattern: &'r Pattern,
    /// Who starts together.
    pub(crate) roster: &'r Roster,
    /// The position in the roster, from 0.
    pub(crate) rank: usize,
    /// The fencing token of our claim.
    pub(crate) epoch: Epoch,
    /// The port on which rank 0 is met.
    pub(crate) port: u16,
    /// Whether members are told to each other by name instead of by address.
    pub(crate) by_name: bool,
}

/// Where a member stands in its role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleSituation<'r> {
    /// What the role is called.
    pub(crate) name: &'r str,
    /// The position among the role's members, from 0.
    pub(crate) rank: usize,
    /// How many have the role.
    pub(crate) size: usize,
}

impl Situation<'_> {
    /// The member that the command runs for.
    pub(crate) fn own(&self) -> Option<&RosterMember> {
        self.roster.members.get(self.rank)
    }

    /// The name of a member, without the dot at its end: many programs do not take it.
    pub(crate) fn name(&self, member: &RosterMember) -> String {
        let name = self.pattern.text(member.slot);
        name.strip_suffix('.').unwrap_or(&name).to_owned()
    }

    /// How others reach a member: its address, or its name where that is wanted or it has none.
    pub(crate) fn host(&self, member: &RosterMember) -> String {
        match member.addresses.first() {
            Some(address) if !self.by_name => address.to_string(),
            _ => self.name(member),
        }
    }

    /// A member's host and a port.
    pub(crate) fn host_and_port(&self, member: &RosterMember, port: u16) -> String {
        match member.addresses.first() {
            Some(IpAddr::V6(address)) if !self.by_name => format!("[{address}]:{port}"),
            _ => format!("{}:{port}", self.host(member)),
        }
    }

    /// All members as others reach them, in the order of their ranks.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = String> {
        self.roster.members.iter().map(|member| self.host(member))
    }

    /// Where rank 0 is.
    pub(crate) fn leader(&self) -> String {
        self.roster
            .members
            .first()
            .map_or_else(String::new, |member| self.host(member))
    }

    /// The port at which `member` is met, if members of one machine must not meet at the same one:
    /// the first of the machine gets `port`, the next one the port after it.
    pub(crate) fn own_port(&self, rank: usize) -> u16 {
        let (local, _) = self.local(rank);
        let offset = u16::try_from(local).unwrap_or_default();
        self.port.saturating_add(offset)
    }

    /// How many members of lower rank are on the same machine, and how many are there in all: who
    /// has the same first address.
    pub(crate) fn local(&self, rank: usize) -> (usize, usize) {
        let members = &self.roster.members;
        let Some(address) = members.get(rank).and_then(|it| it.addresses.first()) else {
            return (0, 1);
        };
        let here = |member: &&RosterMember| member.addresses.first() == Some(address);
        let before = members.iter().take(rank).filter(here).count();
        (before, members.iter().filter(here).count())
    }

    /// The role that the command has, where members have roles.
    pub(crate) fn role(&self) -> Option<RoleSituation<'_>> {
        let part = self.roster.part(self.rank)?;
        Some(RoleSituation {
            name: part.role?,
            rank: self.rank.checked_sub(part.first)?,
            size: part.members.len(),
        })
    }

    /// The variables that a command gets for no framework in particular.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let Some(own) = self.own() else {
            return Vec::new();
        };
        let members: Vec<String> = self.hosts().collect();
        let names = self.roster.members.iter().map(|it| self.name(it));
        let names: Vec<String> = names.collect();
        let variable = |name: &str, value: String| (format!("CALLSIGN_{name}"), value);
        let mut variables = vec![
            variable("POOL", self.pool.to_owned()),
            variable("NAME", self.pattern.text(own.slot)),
            variable("SLOT", own.slot.to_string()),
            variable("RANK", self.rank.to_string()),
            variable("WORLD_SIZE", self.roster.members.len().to_string()),
            variable("EPOCH", self.epoch.to_string()),
            variable("GENERATION", self.roster.generation.to_string()),
            variable("LEADER", self.leader()),
            variable("MEMBERS", members.join(" ")),
            variable("MEMBER_NAMES", names.join(" ")),
        ];
        if let Some(role) = self.role() {
            variables.extend([
                variable("ROLE", role.name.to_owned()),
                variable("ROLE_RANK", role.rank.to_string()),
                variable("ROLE_SIZE", role.size.to_string()),
            ]);
        }
        variables
    }
}

/// The fields of templates. The last ones are for members with roles.
const FIELDS: [Field<'_>; 11] = [
    Field::text("Pool"),
    Field::text("Name"),
    Field::number("Slot"),
    Field::number("Rank"),
    Field::number("WorldSize"),
    Field::number("Generation"),
    Field::text("Leader"),
    Field::text("Members"),
    Field::text("Role"),
    Field::number("RoleRank"),
    Field::number("RoleSize"),
];

/// How many fields are for members with roles.
const FIELDS_OF_ROLES: usize = 3;

/// A word of a command, with templates in it or without.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// As it was given.
    Plain(String),
    /// With fields.
    Template(Template),
}

impl Word {
    /// Reads a word. Only where `{{` comes before a dot it is a template: other programs have their
    /// own uses for braces. The fields of roles are there only where members have roles.
    ///
    /// # Errors
    ///
    /// One line: a field that there is not, or something that templates cannot do.
    pub(crate) fn parse(word: &str, has_roles: bool) -> Result<Self, String> {
        let mut braces = word.match_indices("{{");
        let is_template = braces.any(|(place, _)| {
            let rest = word.get(place + 2..).unwrap_or_default().trim_start();
            rest.starts_with('.') || rest.starts_with("printf ")
        });
        if !is_template {
            return Ok(Self::Plain(word.to_owned()));
        }
        let without = FIELDS.len() - FIELDS_OF_ROLES;
        let count = if has_roles { FIELDS.len() } else { without };
        match Template::parse(word, FIELDS.get(..count).unwrap_or_default()) {
            Ok(template) => Ok(Self::Template(template)),
            Err(error) => Err(format!("{word}: {} ({})", error.message, error.help)),
        }
    }

    /// The word for a command.
    pub(crate) fn render(&self, situation: &Situation<'_>) -> String {
        let template = match self {
            Self::Plain(word) => return word.clone(),
            Self::Template(template) => template,
        };
        let mut text = String::new();
        for part in template.parts() {
            match &part.content {
                Content::Text(part) => text.push_str(part),
                Content::Field { name, padding } => {
                    let value = value(situation, name);
                    let width = usize::from(padding.width);
                    // Writing to a string does not fail.
                    let _ = match padding.zeros {
                        true => write!(text, "{value:0>width$}"),
                        false => write!(text, "{value:>width$}"),
                    };
                }
            }
        }
        text
    }
}

fn value(situation: &Situation<'_>, field: &str) -> String {
    let (own, role) = (situation.own(), situation.role());
    match field {
        "Pool" => situation.pool.to_owned(),
        "Name" => own.map_or_else(String::new, |own| situation.name(own)),
        "Slot" => own.map_or_else(String::new, |own| own.slot.to_string()),
        "Rank" => situation.rank.to_string(),
        "WorldSize" => situation.roster.members.len().to_string(),
        "Generation" => situation.roster.generation.to_string(),
        "Leader" => situation.leader(),
        "Role" => role.map_or_else(String::new, |role| role.name.to_owned()),
        "RoleRank" => role.map_or_else(String::new, |role| role.rank.to_string()),
        "RoleSize" => role.map_or_else(String::new, |role| role.size.to_string()),
        _ => situation.hosts().collect::<Vec<_>>().join(","),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::roster::Role;
    use super::*;
    use crate::store::Slot;

    /// Two members on one machine and one on another.
    pub(in crate::run) fn roster() -> Roster {
        let member = |slot: Slot, address: &str| RosterMember {
            slot,
            instance: format!("i{slot}"),
            epoch: u64::from(slot) * 10,
            addresses: vec![address.parse().unwrap()],
        };
        Roster::new(
            7,
            "i2",
            vec![
                member(2, "10.0.0.1"),
                member(3, "fd00::2"),
                member(5, "10.0.0.1"),
            ],
        )
    }

    pub(in crate::run) fn situation<'r>(
        roster: &'r Roster,
        pattern: &'r Pattern,
        rank: usize,
    ) -> Situation<'r> {
        Situation {
            pool: "worker",
            pattern,
            roster,
            rank,
            epoch: 50,
            port: 29500,
            by_name: false,
        }
    }

    pub(in crate::run) fn pattern() -> Pattern {
        Pattern::parse("worker{{.ID}}.tf.local.", "worker").unwrap()
    }

    /// If this fails, a command believes to be another member than it is.
    #[test]
    fn a_command_is_told_who_it_is() {
        let (roster, pattern) = (roster(), pattern());
        let variables = situation(&roster, &pattern, 2).variables();
        let lines: Vec<String> = variables.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            lines,
            [
                "CALLSIGN_POOL=worker",
                "CALLSIGN_NAME=worker5.tf.local.",
                "CALLSIGN_SLOT=5",
                "CALLSIGN_RANK=2",
                "CALLSIGN_WORLD_SIZE=3",
                "CALLSIGN_EPOCH=50",
                "CALLSIGN_GENERATION=7",
                "CALLSIGN_LEADER=10.0.0.1",
                "CALLSIGN_MEMBERS=10.0.0.1 fd00::2 10.0.0.1",
                "CALLSIGN_MEMBER_NAMES=worker2.tf.local worker3.tf.local worker5.tf.local",
            ]
        );
        let mut by_name = situation(&roster, &pattern, 1);
        by_name.by_name = true;
        assert_eq!(by_name.leader(), "worker2.tf.local");
    }

    /// A parameter server and two workers.
    pub(in crate::run) fn roster_with_roles() -> Roster {
        let mut roster = roster();
        roster.members.rotate_right(1);
        let role = |name: &str, members| Role {
            name: name.to_owned(),
            members,
        };
        roster.in_roles(&[role("ps", 1), role("worker", 2)])
    }

    /// If this fails, a parameter server believes to be a worker, or two of them to be the first.
    #[test]
    fn a_command_is_told_its_role() {
        let (roster, pattern) = (roster_with_roles(), pattern());
        for (rank, expected) in [(0, "ps 0 1 0"), (1, "worker 0 2 1"), (2, "worker 1 2 2")] {
            let situation = situation(&roster, &pattern, rank);
            let variables = situation.variables();
            let value = |name: &str| {
                let name = format!("CALLSIGN_{name}");
                let mut variables = variables.iter();
                variables.find(|it| it.0 == name).unwrap().1.clone()
            };
            let told = ["ROLE", "ROLE_RANK", "ROLE_SIZE", "RANK"]
                .map(value)
                .join(" ");
            assert_eq!(told, expected);
            let word = "{{.Role}} {{.RoleRank}} {{.RoleSize}} {{.Rank}}";
            let word = Word::parse(word, true).unwrap();
            assert_eq!(word.render(&situation), expected);
        }
    }

    /// If this fails, two members of one machine want the same port or the same GPU.
    #[test]
    fn members_of_one_machine_are_counted() {
        let (roster, pattern) = (roster(), pattern());
        let situation = situation(&roster, &pattern, 0);
        let local: Vec<_> = (0..3).map(|rank| situation.local(rank)).collect();
        assert_eq!(local, [(0, 2), (0, 1), (1, 2)]);
        let ports: Vec<_> = (0..3).map(|rank| situation.own_port(rank)).collect();
        assert_eq!(ports, [29500, 29500, 29501]);
        let member = &roster.members[1];
        assert_eq!(situation.host_and_port(member, 80), "[fd00::2]:80");
    }

    /// If this fails, arguments are changed that nobody meant as templates, or a mistake in one
    /// passes and every member gets it.
    #[test]
    fn arguments_may_have_fields() {
        let (roster, pattern) = (roster(), pattern());
        let situation = situation(&roster, &pattern, 1);
        for (word, rendered) in [
            ("--rank={{.Rank}}", "--rank=1"),
            ("{{.Name}}", "worker3.tf.local"),
            ("{{ printf \"%03d\" .Slot }}of{{.WorldSize}}", "003of3"),
            ("{{.Members}}", "10.0.0.1,fd00::2,10.0.0.1"),
            ("f'{{x}}'", "f'{{x}}'"),
            ("{{", "{{"),
            ("", ""),
        ] {
            let word = Word::parse(word, false).unwrap();
            assert_eq!(word.render(&situation), rendered);
        }
        for wrong in ["{{.Rnk}}", "{{.Rank", "{{.Rank | html}}", "{{.Role}}"] {
            assert!(Word::parse(wrong, false).is_err(), "{wrong}");
        }
    }
}
