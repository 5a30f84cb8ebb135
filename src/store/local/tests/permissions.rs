//! Several users and one folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use super::*;

/// Does something as another user. Without the right to become one it is done as the files' owner,
/// whom the permissions of these tests shut out as well.
fn as_stranger<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    let nobody = 65534;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Of this thread alone.
            setfsgid(Gid::from_raw(nobody));
            setfsuid(Uid::from_raw(nobody));
            action()
        });
        thread.join().unwrap()
    })
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// If this fails, a slot of another user is taken for free and tried for ever, or stops a node
/// from starting at all.
#[tokio::test]
async fn a_slot_of_another_user_counts_as_held_and_the_next_one_is_taken() {
    for mode in [0o444, 0o000] {
        let bench = Bench::new();
        let session = bench.session().await;
        for slot in [1, 2] {
            bench.claim(session, slot, "a").await;
        }
        bench.close(session).await;
        let space = SpaceFolder::new(bench.store.path(), bench.space.pattern.canonical());
        for slot in [1, 2] {
            permit(&space.lock_path(slot), mode);
            permit(&space.file_path(slot), mode);
        }
        let store = bench.store.path();
        for folder in [
            bench.folder.path(),
            store.parent().unwrap(),
            store,
            space.path(),
        ] {
            permit(folder, 0o777);
        }
        permit(&store.join("FORMAT"), 0o644);

        as_stranger(|| {
            let stranger = LocalStore::open(bench.store.path()).unwrap();
            let ask = |request| stranger.shared.carry_out(&space, 10, request).unwrap();
            let ttl = Duration::from_secs(20);
            let Reply::Opened { session, .. } = ask(Request::Open { ttl }) else {
                panic!("no session");
            };
            let claim = |slot| Request::Claim {
                session,
                slot,
                record: record(slot, "b"),
                guard: Guard::Free,
            };
            let reply = ask(claim(1));
            let Reply::Taken { occupancy, .. } = reply else {
                panic!("{mode:o}: {reply:?}");
            };
            assert_eq!(occupancy.held, [1, 2], "{mode:o}");
            let reply = ask(claim(3));
            assert!(matches!(reply, Reply::Claimed { .. }), "{reply:?}");
            let said = locked(&stranger.shared.complaints).clone();
            assert_eq!(said.len(), 1, "one line for all: {said:?}");
        });
    }
}

/// If this fails, a file that nobody can lock is tried for ever.
#[tokio::test]
async fn a_lock_file_that_is_none_counts_as_held() {
    let bench = Bench::new();
    let session = bench.session().await;
    bench.claim(session, 2, "a").await;
    fs::create_dir(bench.file("00000001.lock")).unwrap();
    let reply = bench.try_claim(session, 1, "a", Guard::Free).await;
    let Reply::Taken { occupancy, .. } = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(occupancy.held, [1, 2]);
}
