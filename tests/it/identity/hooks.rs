//! Commands that run when something happens.

use nix::sys::signal::Signal;

use super::*;

/// Lines that write what a command is told to a file of the event's name.
fn hooks() -> String {
    let hook = |event: &str| {
        format!("on {event} sh -c \"env | grep ^CALLSIGN_ | sort >> {{folder}}/{event}\"\n")
    };
    ["claimed", "lost", "released", "member-join", "member-leave"]
        .map(hook)
        .concat()
}

/// Waits until a command has written this line, and gives all that it has written.
fn told(callsign: &Callsign, event: &str, line: &str) -> String {
    let file = callsign.place().path().join(event);
    eventually(&format!("{event} is told {line}"), || {
        let text = std::fs::read_to_string(&file).ok()?;
        text.lines().any(|it| it == line).then_some(text)
    })
}

/// If this fails, a script starts work under a name that the node does not have, or goes on under
/// one that it has lost.
#[test]
fn commands_are_told_of_every_event() {
    let etcd = Etcd::start();
    let (mut callsign, _) = node(&pool(
        &etcd,
        &format!("address 10.0.0.1 fd00::1\n{}", hooks()),
    ));
    let claimed = told(&callsign, "claimed", "CALLSIGN_SLOT=1");
    let epoch = claimed
        .lines()
        .find(|line| line.starts_with("CALLSIGN_EPOCH="));
    let epoch = epoch.expect("an epoch").to_owned();
    assert_eq!(
        claimed.lines().collect::<Vec<_>>(),
        [
            "CALLSIGN_ADDRESSES=10.0.0.1 fd00::1",
            &epoch,
            "CALLSIGN_EVENT=claimed",
            "CALLSIGN_NAME=worker1.tf.local.",
            "CALLSIGN_POOL=worker",
            "CALLSIGN_SLOT=1",
        ]
    );
    let text = data(callsign.address(), "worker1.tf.local.", "TXT");
    let shown = epoch.replace("CALLSIGN_EPOCH", "\"epoch") + "\"";
    assert!(text.contains(&shown), "{text:?} has {shown}");

    let (mut other, _) = node(&pool(&etcd, "address 10.0.0.2\nsticky off"));
    let joined = told(
        &callsign,
        "member-join",
        "CALLSIGN_MEMBER_NAME=worker2.tf.local.",
    );
    for line in [
        "CALLSIGN_EVENT=member-join",
        "CALLSIGN_MEMBER_ADDRESSES=10.0.0.2",
        "CALLSIGN_MEMBER_SLOT=2",
        "CALLSIGN_NAME=worker1.tf.local.",
    ] {
        assert!(joined.contains(line), "{line} is not in {joined}");
    }
    other.signal(Signal::SIGTERM);
    other.ended();
    told(
        &callsign,
        "member-leave",
        "CALLSIGN_MEMBER_NAME=worker2.tf.local.",
    );

    etcd.control(&["del", &slot_key(1)]);
    let lost = told(&callsign, "lost", &epoch);
    assert!(lost.contains("CALLSIGN_NAME=worker1.tf.local."), "{lost}");
    eventually("the second claim is told, with a larger epoch", || {
        let text = told(&callsign, "claimed", &epoch);
        let epochs = text
            .lines()
            .filter_map(|line| line.strip_prefix("CALLSIGN_EPOCH="));
        let epochs: Vec<u64> = epochs.map(|it| it.parse().expect("a number")).collect();
        (epochs.len() == 2 && epochs[0] < epochs[1]).then_some(())
    });

    callsign.signal(Signal::SIGTERM);
    assert!(callsign.ended().success());
    // The last command has run when the program has ended.
    let file = callsign.place().path().join("released");
    let released = std::fs::read_to_string(file).expect("it was told");
    assert!(released.contains("CALLSIGN_EVENT=released"), "{released}");
}
