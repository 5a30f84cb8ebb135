//! Queries that wait for a name.

use std::thread;

use super::*;

/// If this fails, whoever asks for a node that is just starting is told that there is none.
#[test]
fn a_query_is_held_until_the_name_is_there() {
    let etcd = Etcd::start();
    let onlooker = Callsign::start(&pool(&etcd, "claim off\nhold 2s\nlimit 5"));
    let server = onlooker.address();
    // Before the store was heard of, and beyond the limit, nothing is held.
    let end = Instant::now() + BOUND;
    while ask(server, "worker6.tf.local.", "A").rcode != NXDOMAIN {
        assert!(Instant::now() < end, "the store is not heard of");
    }
    let end = Instant::now() + BOUND;
    thread::scope(|scope| {
        // One asks while the other is being answered, so that somebody waits at any moment.
        let asking = move |delay: u64| {
            thread::sleep(Duration::from_millis(delay));
            let mut replies = Vec::new();
            while replies.last() != Some(&0) && Instant::now() < end {
                replies.push(ask(server, "worker1.tf.local.", "A").rcode);
            }
            replies
        };
        let askers = [0, 900].map(|delay| scope.spawn(move || asking(delay)));
        let (_node, name) = node(&pool(&etcd, "address 10.0.0.5"));
        assert_eq!(name, "worker1.tf.local.");
        for asker in askers {
            let replies = asker.join().unwrap_or_default();
            assert_eq!(replies.last(), Some(&0), "{replies:?}");
            // Each NXDOMAIN took the whole time: there is room for a few only.
            let denied = replies.len() - 1;
            assert!(denied < 40, "{denied} were not held");
        }
    });
}
