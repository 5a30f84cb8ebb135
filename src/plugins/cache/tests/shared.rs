//! Many clients that ask the same.

use std::thread;

use super::*;

/// Has this many clients ask the same at the same time while nobody answers, and gives what each
/// was told once somebody does.
fn crowd(cached: &Cached, clients: u16) -> Vec<Message> {
    cached.upstream.close();
    let before = cached.upstream.asked();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|id| {
                scope.spawn(move || {
                    let mut request = query("name.example.", RecordType::A);
                    request.id = id;
                    if id % 2 == 1 {
                        request.name.make_ascii_uppercase();
                    }
                    let reply = cached.server.serve(&request).unwrap();
                    assert_eq!(reply.qname(), &*request.name);
                    assert_eq!(reply.id(), id);
                    reply
                })
            })
            .collect();
        // All of them have asked once they are counted; then one answer is enough.
        let end = std::time::Instant::now() + Duration::from_secs(30);
        let waiting = || cached.number("callsign_cache_shared_total", None) + 1;
        while waiting() < clients.len() as u64 && std::time::Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        cached.upstream.open();
        let replies: Vec<_> = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect();
        assert_eq!(cached.upstream.asked(), before + 1);
        replies
    })
}

/// If this fails, a name that many want when it has just expired is asked for as many times, or
/// somebody gets another client's reply.
#[test]
fn one_answer_is_for_all_who_wait() {
    let cached = Cached::new("cache", Said::Address(1, 60));
    for reply in crowd(&cached, 20) {
        assert_eq!(answers(&reply).len(), 1);
        assert_eq!(reply.records().next().unwrap().ttl, 60);
    }
    assert_eq!(cached.ask().1, 1);
}

/// If this fails, servers that fail are asked once more for each client that waited for them.
#[test]
fn one_failure_is_for_all_who_wait() {
    for said in [
        Said::Code(Rcode::SERVFAIL),
        Said::Code(Rcode::REFUSED),
        Said::Address(1, 0),
    ] {
        let cached = Cached::new("cache {\nservfail 0\n}", said.clone());
        let replies = crowd(&cached, 8);
        assert_eq!(replies.len(), 8, "{said:?}");
    }
}

/// If this fails, an answer for which a client did not want to wait is asked for again.
#[test]
fn a_question_goes_on_without_its_client() {
    let cached = Cached::new("cache", Said::Address(1, 60));
    cached.upstream.close();
    let request = query("name.example.", RecordType::A).to_bytes();
    let mut tally = crate::counters::Tally::default();
    let mut out = [0; 512];
    let served = crate::serve::serve(
        cached.server.routes(),
        &cached.server.client,
        &request,
        &mut out,
        0,
        &mut tally,
    );
    assert!(matches!(served, crate::serve::Served::Deferred(_)));
    drop(served);
    cached.upstream.open();
    cached.wait_until(|answers| answers.len() == 1);
    assert_eq!(cached.upstream.asked(), 1);
}
