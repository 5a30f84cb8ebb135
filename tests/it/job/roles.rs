//! Members with roles.

use std::fs;

use nix::sys::signal::Signal;

use super::{Jobs, status};
use crate::support::run::Running;
use crate::support::wait::until;

/// If this fails, a cluster of TensorFlow starts without its chief, with two of them, or with
/// processes that do not agree on who is who.
#[test]
fn a_chief_parameter_servers_and_workers_start_together() {
    let jobs = Jobs::local();
    let script = "echo $CALLSIGN_RANK $CALLSIGN_ROLE_SIZE {{.WorldSize}} $TF_CONFIG > {{.Role}}$CALLSIGN_ROLE_RANK";
    let flags = "--expect chief=1,ps=2,worker=3 --for tensorflow --address 127.0.0.1 --role";
    let start = |role: &str| jobs.start(&format!("{flags} {role}"), script);
    // The order in which they come is not that of the ranks.
    let mut running: Vec<Running> = ["worker", "ps", "worker", "ps", "worker"]
        .map(start)
        .into_iter()
        .collect();
    until("five have a name", || {
        let folder = fs::read_dir(jobs.path("names/worker%d.cluster.internal."));
        let names = folder.into_iter().flatten().flatten();
        let names = names.filter(|it| it.path().extension().is_some_and(|it| it == "json"));
        names.count() == 5
    });
    // One worker more is a spare, however early it comes.
    let spare = start("worker");
    running.push(start("chief"));
    let expected_ports = |ports: std::ops::Range<u16>| {
        let hosts = ports.map(|port| format!("\"127.0.0.1:{port}\""));
        hosts.collect::<Vec<_>>().join(",")
    };
    let cluster = format!(
        r#"{{"cluster":{{"chief":[{}],"ps":[{}],"worker":[{}]}}"#,
        expected_ports(29500..29501),
        expected_ports(29501..29503),
        expected_ports(29503..29506),
    );
    for (role, size, first) in [("chief", 1, 0), ("ps", 2, 1), ("worker", 3, 3)] {
        for index in 0..size {
            let line = jobs.written(&format!("{role}{index}"));
            let rank = first + index;
            let task = format!(r#""task":{{"index":{index},"type":"{role}"}}}}"#);
            assert_eq!(line, format!("{rank} {size} 6 {cluster},{task}"));
        }
    }
    // Which of the workers is the spare depends on who came last.
    running.push(spare);
    until("six have ended", || {
        let ended = running
            .iter_mut()
            .filter_map(|it| it.has_ended().then_some(()));
        ended.count() == 6
    });
    for mut running in running {
        let expected = if running.has_ended() {
            0
        } else {
            running.signal(Signal::SIGTERM);
            143
        };
        let ended = running.ended();
        assert_eq!(status(&ended), Some(expected), "{}", ended.errors);
    }
}

/// If this fails, a job with roles waits for ever and nobody says for whom, or why its flags cannot
/// be.
#[test]
fn what_is_missing_or_wrong_with_roles_is_said() {
    let jobs = Jobs::local();
    for (flags, words, expected, message) in [
        (
            "-n chief=1,worker=2 --role worker --timeout 1s",
            &["true"][..],
            124,
            "worker1.cluster.internal. is here as worker, 0 of 1 chief, 1 of 2 worker",
        ),
        ("-n chief=1 --role chief", &["true"], 0, "as chief 0 of 1"),
        ("-n 3 --role ps", &["true"], 125, "as ps=1,worker=4"),
        ("--role ps", &["true"], 125, "as ps=1,worker=4"),
        (
            "-n chief=1,worker=2",
            &["true"],
            125,
            "--role with one of chief, worker",
        ),
        (
            "-n chief=1,worker=2 --role ps",
            &["true"],
            125,
            "add ps=N there",
        ),
        (
            "-n chief=1,worker=2 --role chief --limit 2",
            &["true"],
            125,
            "the pool has only 2 names",
        ),
        ("-n chief=1,chief=2 --role chief", &["true"], 2, "twice"),
        ("-n chief --role chief", &["true"], 2, "ROLE=N"),
        ("", &["echo", "{{.Role}}"], 125, "{{.Role}}"),
    ] {
        let ended = jobs.start_words(flags, words).ended();
        let errors = &ended.errors;
        assert_eq!(ended.status, Some(expected), "{flags}: {errors}");
        assert!(errors.contains(message), "{flags}: {errors}");
    }
    // Those who were told otherwise are no members, and it is said who they are.
    let jobs = Jobs::local();
    let other = jobs.start("-n chief=1,worker=1 --role chief", "true");
    until("it has a name", || {
        jobs.path("names/worker%d.cluster.internal./00000001.json")
            .exists()
    });
    let flags = "-n chief=1,worker=2 --role worker --timeout 1s";
    let ended = jobs.start(flags, "true").ended();
    let message = "; other members are expected by worker1.cluster.internal.";
    assert!(ended.errors.contains(message), "{}", ended.errors);
    other.signal(Signal::SIGTERM);
    assert_eq!(status(&other.ended()), Some(143));
}
