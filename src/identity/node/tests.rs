use std::fs;
use std::process::Command;

use super::*;
use crate::identity::record::{Member, VERSION};

const SPACE: &str = "node%d.cluster.internal.";

fn identity(folder: &Path) -> NodeIdentity {
    let (identity, note) = open(Some(folder), None);
    assert_eq!(note, None);
    identity
}

/// The record of a claim by `instance`, as it stands in the store after its process died.
fn record(instance: &str, boot: &str) -> Record {
    let member = Member {
        v: VERSION,
        slot: 3,
        node: "any".into(),
        inst: instance.into(),
        boot: boot.into(),
        ..Member::default()
    };
    Record {
        member: Some(member),
        ..Record::default()
    }
}

#[test]
fn processes_on_one_folder_differ_and_each_seat_has_its_key_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (identity(folder.path()), identity(folder.path()));
    assert_eq!((first.seat(), second.seat()), (Some(0), Some(1)));
    let id = fs::read_to_string(folder.path().join("node-id")).unwrap();
    assert_eq!(first.key, format!("{}-0", id.trim()));
    assert_eq!(second.key, format!("{}-1", id.trim()));
    let key = first.key.clone();
    drop(first);
    assert_eq!(identity(folder.path()).key, key);
}

#[test]
fn a_restart_knows_its_slot_and_may_take_its_own_claim_over() {
    let folder = tempfile::tempdir().unwrap();
    let before = identity(folder.path());
    assert_eq!(before.last_slot(SPACE), None);
    before.remember(SPACE, "one", 3).unwrap();
    let left = record("one", &boot_id());
    assert!(!before.may_take_over(SPACE, &left), "its own, and it lives");
    let neighbour = identity(folder.path());
    assert!(!neighbour.may_take_over(SPACE, &left), "another seat");
    drop(before);

    let after = identity(folder.path());
    assert_eq!(after.last_slot(SPACE), Some(3));
    assert!(after.may_take_over(SPACE, &left));
    assert!(!after.may_take_over("other%d.", &left));
    assert!(!after.may_take_over(SPACE, &record("two", &boot_id())));
    assert!(!after.may_take_over(SPACE, &record("one", "of another boot")));
    assert!(!after.may_take_over(SPACE, &record("one", "")));
    assert!(
        !after.may_take_over(SPACE, &Record::default()),
        "an old node's"
    );
    // Written down and not yet claimed with when the process dies: the first still stands.
    after.remember(SPACE, "two", 4).unwrap();
    assert!(after.may_take_over(SPACE, &left));
    drop(after);
    let last = identity(folder.path());
    assert_eq!(last.last_slot(SPACE), Some(4));
    assert!(last.may_take_over(SPACE, &left));
    assert!(last.may_take_over(SPACE, &record("two", &boot_id())));
}

#[test]
fn a_copied_folder_never_takes_over_from_its_original() {
    let folder = tempfile::tempdir().unwrap();
    let (original, copy) = (folder.path().join("original"), folder.path().join("copy"));
    let process = identity(&original);
    process.remember(SPACE, "one", 3).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .args([&original, &copy])
        .status()
        .unwrap();
    assert!(copied.success());
    let left = record("one", &boot_id());
    // While the original lives, and after.
    let twin = identity(&copy);
    assert_eq!(twin.key, process.key, "which proves nothing");
    assert!(!twin.may_take_over(SPACE, &left));
    assert!(twin.has_written(SPACE, &left), "what it would seem to be");
    assert!(!twin.has_written(SPACE, &record("two", &boot_id())));
    drop((process, twin));
    assert!(!identity(&copy).may_take_over(SPACE, &left));
    assert!(identity(&original).may_take_over(SPACE, &left));
}

#[test]
fn a_claim_before_the_machines_restart_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let process = identity(folder.path());
    process.remember(SPACE, "one", 3).unwrap();
    drop(process);
    let path = folder.path().join("seats/0").join(format!("{SPACE}.json"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&boot_id(), "another-boot")).unwrap();
    let process = identity(folder.path());
    assert!(!process.may_take_over(SPACE, &record("one", &boot_id())));
    assert!(!process.may_take_over(SPACE, &record("one", "another-boot")));
    assert_eq!(
        process.last_slot(SPACE),
        Some(3),
        "where to try first all the same"
    );
    // And what was written then is not carried on as if it were of now.
    process.remember(SPACE, "two", 3).unwrap();
    drop(process);
    assert!(!identity(folder.path()).may_take_over(SPACE, &record("one", &boot_id())));
}

#[test]
fn a_seat_whose_folder_was_replaced_takes_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let process = identity(&state);
    process.remember(SPACE, "one", 3).unwrap();
    drop(process);
    let process = identity(&state);
    fs::rename(&state, folder.path().join("aside")).unwrap();
    assert!(!process.may_take_over(SPACE, &record("one", &boot_id())));
}

#[test]
fn damaged_files_are_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let key = identity(folder.path()).key;
    let path = folder.path().join("seats/0").join(format!("{SPACE}.json"));
    for text in ["", "{", "[]", r#"{"slot":0}"#, &"x".repeat(100_000)] {
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("node-id"), text).unwrap();
        let process = identity(folder.path());
        assert_ne!(process.key, key);
        assert_eq!(process.last_slot(SPACE), None);
        assert!(!process.may_take_over(SPACE, &record("", &boot_id())));
        process.remember(SPACE, "one", 3).unwrap();
        drop(process);
        assert_eq!(identity(folder.path()).last_slot(SPACE), Some(3));
    }
}

#[test]
fn processes_that_start_together_write_one_node_id() {
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<(NodeIdentity, _)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| open(Some(folder.path()), None)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut seats: Vec<_> = keys
        .iter()
        .filter_map(|(identity, _)| identity.seat())
        .collect();
    seats.sort_unstable();
    assert_eq!(seats, (0..16).collect::<Vec<_>>());
    let id = fs::read_to_string(folder.path().join("node-id")).unwrap();
    assert!(
        keys.iter()
            .all(|(identity, _)| identity.key.starts_with(id.trim()))
    );
}

#[test]
fn without_a_folder_there_is_a_random_key_and_a_reason() {
    let folders = [PathBuf::from("/proc/none"), PathBuf::from("/dev/null/none")];
    let (first, note) = open_first(&folders, None);
    let (second, _) = open_first(&folders, None);
    assert_ne!(first.key, second.key);
    let note = note.unwrap();
    assert!(
        note.contains("/proc/none: no such file or directory; /dev/null/none: not a directory"),
        "{note}"
    );
    first.remember(SPACE, "one", 3).unwrap();
    assert_eq!(first.last_slot(SPACE), None);
    assert!(!first.may_take_over(SPACE, &record("one", &boot_id())));
    assert_eq!(open_first(&folders, Some("web-7")).0.key, "web-7");
}

#[test]
fn a_configured_key_replaces_the_random_one_and_keeps_the_seat() {
    let folder = tempfile::tempdir().unwrap();
    let (process, note) = open(Some(folder.path()), Some("web-7"));
    assert_eq!(
        (process.key.as_str(), process.seat(), note),
        ("web-7", Some(0), None)
    );
}

#[test]
fn state_is_where_systemd_or_the_user_keeps_it() {
    let variable = |name: &str| match name {
        "STATE_DIRECTORY" => Some("/run/state/callsign:/run/state/other".into()),
        "HOME" => Some("/home/user".into()),
        _ => None,
    };
    let folders = [
        "/run/state/callsign",
        "/var/lib/callsign",
        "/home/user/.local/state/callsign",
    ];
    assert_eq!(candidates(variable), folders.map(PathBuf::from));
    assert_eq!(candidates(|_| None), [PathBuf::from("/var/lib/callsign")]);
}

#[test]
fn random_numbers_are_whole_and_differ() {
    let (one, two) = (random_hex(), random_hex());
    assert_ne!(one, two);
    for text in [one, two] {
        assert_eq!(text.len(), 32);
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    assert!(!boot_id().is_empty());
}

/// If this fails, a node in a cluster of many members, or with a long prefix, waits for its lease
/// after a crash, or takes one space's memory for another's.
#[test]
fn spaces_with_long_names_are_remembered_apart() {
    let folder = tempfile::tempdir().unwrap();
    let spaces: Vec<String> = ["a", "b", "/", "é"]
        .iter()
        .map(|end| format!("etcd /{} {SPACE}{end}", "prefix/".repeat(400)))
        .collect();
    let process = identity(folder.path());
    for (slot, space) in (1..).zip(&spaces) {
        process
            .remember(space, &format!("one of {slot}"), slot)
            .unwrap();
    }
    drop(process);
    let process = identity(folder.path());
    for (slot, space) in (1..).zip(&spaces) {
        assert_eq!(process.last_slot(space), Some(slot));
        let left = record(&format!("one of {slot}"), &boot_id());
        assert!(process.may_take_over(space, &left));
    }
}

/// If this fails, two spaces whose files happen to have one name share a memory.
#[test]
fn the_file_of_another_space_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let process = identity(folder.path());
    process.remember(SPACE, "one", 3).unwrap();
    drop(process);
    let seat = folder.path().join("seats/0");
    fs::rename(
        seat.join(format!("{SPACE}.json")),
        seat.join("other%d..json"),
    )
    .unwrap();
    assert_eq!(identity(folder.path()).last_slot("other%d."), None);
}
