//! What frameworks of distributed jobs read to find each other.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::situation::Situation;

/// A framework whose variables are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Framework {
    /// torch.distributed's env:// (also Lightning, DeepSpeed): RANK, WORLD_SIZE, MASTER_ADDR ...
    Torch,
    /// torchrun: PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR ..., read in place of its flags
    Torchrun,
    /// TensorFlow: TF_CONFIG, with the roles of --role or under the pool's name
    Tensorflow,
    /// JAX: JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID
    Jax,
    /// mpirun of Open MPI and of MPICH: a file of hosts
    Mpi,
    /// NCCL and Gloo: the network interface of this member's address
    Nccl,
}

impl Framework {
    /// The variables of the framework.
    ///
    /// Sources: PyTorch's documentation of `torch.distributed` ("Environment variable
    /// initialization") and of `torchrun`, TensorFlow's `TFConfigClusterResolver`, JAX's
    /// `jax.distributed.initialize`, NCCL's list of environment variables.
    pub(crate) fn variables(self, situation: &Situation<'_>) -> Vec<(String, String)> {
        let world = situation.roster.members.len();
        let (local, local_world) = situation.local(situation.rank);
        let port = situation.port;
        match self {
            Self::Torch => pairs([
                ("RANK", situation.rank.to_string()),
                ("NODE_RANK", situation.rank.to_string()),
                ("WORLD_SIZE", world.to_string()),
                ("LOCAL_RANK", local.to_string()),
                ("LOCAL_WORLD_SIZE", local_world.to_string()),
                ("MASTER_ADDR", situation.leader()),
                ("MASTER_PORT", port.to_string()),
            ]),
            Self::Torchrun => pairs([
                ("PET_NNODES", world.to_string()),
                ("PET_NODE_RANK", situation.rank.to_string()),
                ("PET_MASTER_ADDR", situation.leader()),
                ("PET_MASTER_PORT", port.to_string()),
            ]),
            Self::Tensorflow => pairs([("TF_CONFIG", tf_config(situation))]),
            Self::Jax => {
                let leader = situation.roster.members.first();
                let address = leader.map(|leader| situation.host_and_port(leader, port));
                pairs([
                    ("JAX_COORDINATOR_ADDRESS", address.unwrap_or_default()),
                    ("JAX_NUM_PROCESSES", world.to_string()),
                    ("JAX_PROCESS_ID", situation.rank.to_string()),
                ])
            }
            // Its file is written by whoever starts the command.
            Self::Mpi => Vec::new(),
            Self::Nccl => match interface(situation) {
                Some(interface) => pairs([
                    ("NCCL_SOCKET_IFNAME", interface.clone()),
                    ("GLOO_SOCKET_IFNAME", interface),
                ]),
                None => Vec::new(),
            },
        }
    }
}

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<(String, String)> {
    let owned = pairs.into_iter();
    owned
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The members under their roles' names, or under the pool's, and which of them this one is.
fn tf_config(situation: &Situation<'_>) -> String {
    let cluster: serde_json::Map<String, Value> = situation
        .roster
        .parts()
        .map(|part| {
            let members = (part.first..).zip(part.members);
            let members =
                members.map(|(rank, it)| situation.host_and_port(it, situation.own_port(rank)));
            let members: Vec<String> = members.collect();
            (
                part.role.unwrap_or(situation.pool).to_owned(),
                json!(members),
            )
        })
        .collect();
    let (task, index) = match situation.role() {
        Some(role) => (role.name, role.rank),
        None => (situation.pool, situation.rank),
    };
    json!({ "cluster": cluster, "task": { "type": task, "index": index } }).to_string()
}

/// The text of a file of hosts: a line for each machine, with the number of its members. Open MPI
/// and MPICH have different words for that number.
pub(crate) fn hostfile(situation: &Situation<'_>, mpich: bool) -> String {
    let mut lines = Vec::new();
    for (rank, member) in situation.roster.members.iter().enumerate() {
        let (before, all) = situation.local(rank);
        let host = match member.addresses.first() {
            // MPICH takes what comes after the first colon for the number.
            Some(IpAddr::V6(_)) if mpich => situation.name(member),
            _ => situation.host(member),
        };
        // By name every member is a host of its own.
        if situation.by_name {
            lines.push(line(&host, 1, mpich));
        } else if before == 0 {
            lines.push(line(&host, all, mpich));
        }
    }
    lines.concat()
}

fn line(host: &str, slots: usize, mpich: bool) -> String {
    match mpich {
        true => format!("{host}:{slots}\n"),
        false => format!("{host} slots={slots}\n"),
    }
}

/// The interface that has the first address of this member.
fn interface(situation: &Situation<'_>) -> Option<String> {
    let address = *situation.own()?.addresses.first()?;
    let mut interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let found = interfaces.find(|it| {
        let there = it.address.as_ref().and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|it| it.ip().into());
            v4.or_else(|| address.as_sockaddr_in6().map(|it| it.ip().into()))
        });
        there == Some(address)
    })?;
    Some(found.interface_name)
}

#[cfg(test)]
mod tests {
    use super::super::situation::tests::{pattern, roster, roster_with_roles, situation};
    use super::*;

    fn lines(framework: Framework, rank: usize) -> Vec<String> {
        let (roster, pattern) = (roster(), pattern());
        let variables = framework.variables(&situation(&roster, &pattern, rank));
        variables.iter().map(|(k, v)| format!("{k}={v}")).collect()
    }

    /// If this fails, a framework waits for ever for members that it was told wrongly.
    #[test]
    fn frameworks_are_told_in_their_words() {
        assert_eq!(
            lines(Framework::Torch, 2),
            [
                "RANK=2",
                "NODE_RANK=2",
                "WORLD_SIZE=3",
                "LOCAL_RANK=1",
                "LOCAL_WORLD_SIZE=2",
                "MASTER_ADDR=10.0.0.1",
                "MASTER_PORT=29500",
            ]
        );
        assert_eq!(
            lines(Framework::Torchrun, 1),
            [
                "PET_NNODES=3",
                "PET_NODE_RANK=1",
                "PET_MASTER_ADDR=10.0.0.1",
                "PET_MASTER_PORT=29500",
            ]
        );
        assert_eq!(
            lines(Framework::Jax, 1),
            [
                "JAX_COORDINATOR_ADDRESS=10.0.0.1:29500",
                "JAX_NUM_PROCESSES=3",
                "JAX_PROCESS_ID=1",
            ]
        );
        assert_eq!(
            lines(Framework::Tensorflow, 2),
            [concat!(
                r#"TF_CONFIG={"cluster":{"worker":["10.0.0.1:29500","[fd00::2]:29500","10.0.0.1:29501"]},"#,
                r#""task":{"index":2,"type":"worker"}}"#
            )]
        );
    }

    /// If this fails, a parameter server is taken for a worker, or two processes of one machine want
    /// the same port.
    #[test]
    fn tensorflow_is_told_the_roles() {
        let (roster, pattern) = (roster_with_roles(), pattern());
        let variables = Framework::Tensorflow.variables(&situation(&roster, &pattern, 1));
        let config: Value = serde_json::from_str(&variables[0].1).unwrap();
        let expected = json!({
            "cluster": {
                "ps": ["10.0.0.1:29500"],
                "worker": ["10.0.0.1:29501", "[fd00::2]:29500"],
            },
            "task": { "type": "worker", "index": 0 },
        });
        assert_eq!(config, expected);
    }

    /// If this fails, an example reads what nobody sets.
    #[test]
    fn examples_read_what_is_set() {
        let jax = include_str!("../../examples/jax/train.py");
        let tensorflow = include_str!("../../examples/tensorflow/train.py");
        for (framework, text) in [(Framework::Jax, jax), (Framework::Tensorflow, tensorflow)] {
            let read = text.split("os.environ[\"").skip(1);
            let mut read: Vec<&str> = read.filter_map(|it| it.split('"').next()).collect();
            let set = lines(framework, 1);
            let mut set: Vec<&str> = set.iter().filter_map(|it| it.split('=').next()).collect();
            read.sort_unstable();
            set.sort_unstable();
            assert_eq!(read, set);
        }
    }

    /// If this fails, mpirun starts too many or too few processes on a machine.
    #[test]
    fn a_file_of_hosts_counts_the_members_of_a_machine() {
        let (roster, pattern) = (roster(), pattern());
        let mut situation = situation(&roster, &pattern, 0);
        assert_eq!(
            hostfile(&situation, false),
            "10.0.0.1 slots=2\nfd00::2 slots=1\n"
        );
        assert_eq!(
            hostfile(&situation, true),
            "10.0.0.1:2\nworker3.tf.local:1\n"
        );
        situation.by_name = true;
        assert_eq!(
            hostfile(&situation, false),
            "worker2.tf.local slots=1\nworker3.tf.local slots=1\nworker5.tf.local slots=1\n"
        );
    }

    /// If this fails, NCCL takes whichever interface it finds first.
    #[test]
    fn the_interface_of_an_address_is_found() {
        let (mut roster, pattern) = (roster(), pattern());
        roster.members[0].addresses = vec!["127.0.0.1".parse().unwrap()];
        let situation = situation(&roster, &pattern, 0);
        assert_eq!(interface(&situation).as_deref(), Some("lo"));
    }
}
