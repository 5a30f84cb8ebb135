//! An etcd of three members, of which one may go.

use callsign::store::StoreErrorKind;

use super::*;
use crate::support::gate::{Gate, Way};

/// Asks until etcd answers: an election may be under way.
async fn ask_until_answered(asker: &Asker, request: Request) -> Reply {
    let answered = async {
        loop {
            match asker.try_ask(request.clone()).await {
                Ok(reply) => return reply,
                Err(error) if error.kind == StoreErrorKind::Unreachable => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(BOUND, answered)
        .await
        .expect("two members are a cluster")
}

/// Names must not depend on any one member.
#[tokio::test(flavor = "multi_thread")]
async fn any_member_may_go() {
    let mut members = Etcd::start_cluster(3);
    let asker = Asker::with(EtcdOptions {
        endpoints: members
            .iter()
            .map(|member| member.url().to_owned())
            .collect(),
        ..EtcdOptions::default()
    });
    let session = asker.open(LONG).await;
    let mut follower = asker.follow();
    follower.listing().await;
    for (slot, member) in (1..).zip(&mut members) {
        member.kill();
        let claim = Request::Claim {
            session,
            slot,
            record: record(slot, "i", 0),
            guard: Guard::Free,
        };
        // A claim whose answer was lost is found taken at the next try: also carried out.
        ask_until_answered(&asker, claim).await;
        follower.held(slot).await;
        let renewed = ask_until_answered(&asker, Request::KeepAlive { session }).await;
        assert_eq!(renewed, Reply::Renewed { ttl: LONG });
        member.restart();
    }
}

/// A member that keeps us waiting is not asked twice by who waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_given_up_turns_to_the_next_member() {
    let etcd = Etcd::start();
    let (first, second) = (
        Gate::before(etcd.port()).await,
        Gate::before(etcd.port()).await,
    );
    let asker = Asker::with(EtcdOptions {
        endpoints: vec![first.url(), second.url()],
        ..EtcdOptions::default()
    });
    let session = asker.open(LONG).await;
    first.set(Way::Silent);
    let given_up = async {
        loop {
            let asked = asker
                .store
                .execute(&asker.space, Request::KeepAlive { session });
            if let Ok(Ok(reply)) = timeout(Duration::from_millis(500), asked).await {
                return reply;
            }
        }
    };
    let reply = timeout(BOUND, given_up)
        .await
        .expect("the second member answers");
    assert_eq!(reply, Reply::Renewed { ttl: LONG });
}
