//! Names of a pool in etcd that change.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Bench, says};
use crate::Result;
use crate::client::{Client, Content, Load};
use crate::contestant::Contestant;
use crate::etcd::Etcd;
use crate::expected::Expected;
use crate::gateway::Gateway;
use crate::percentile;
use crate::pool;
use crate::questions::{Question, ZONE, address, query};
use crate::rows::corefile;

/// How often one name is changed.
const CHANGES: u32 = 50;

/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The names whose number is above this change in `churn`, those below are asked for.
const STEADY: u32 = 5000;

/// How many names change at once in `churn`, and how often that happens in a second.
const AT_ONCE: u32 = 10;
const TIMES: u32 = 100;

/// Queries in a second during `churn`.
const RATE: f64 = 20_000.0;

/// A pool of so many names that nobody but Callsign follows.
struct Pool {
    etcd: Gateway,
    lease: String,
    server: Contestant,
    folder: tempfile::TempDir,
    _etcd: Etcd,
}

impl Pool {
    fn start(bench: &Bench, names: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let etcd = Etcd::start()?;
        let gateway = Gateway::new(&etcd.url)?;
        let lease = pool::fill(&gateway, names)?;
        let changes = [
            ("http://localhost:2379", etcd.url.clone()),
            ("limit 10001", format!("limit {}", names + 1)),
        ];
        let text = corefile(&bench.examples, "benchmark-pool.Corefile", &changes)?;
        let last = asked(names, address(names))?;
        Ok(Self {
            server: super::ours(bench, folder.path(), &text, &last)?,
            etcd: gateway,
            lease,
            folder,
            _etcd: etcd,
        })
    }
}

/// One name changes.
pub(super) fn one(bench: &Bench) -> Result<String> {
    let mut text = format!(
        "\n### change: one name of a pool in etcd changes, {CHANGES} times\n\n\
         `from etcd's reply`: whoever wrote the change knows that it is made, until Callsign's first \
         answer with it. `from the request`: etcd's write to the disk is part of it. The aim for the first: \
         2 ms with 10,000 names, 5 ms with 99,999, the most that a pool can have besides Callsign.\n\n\
         | names | from etcd's reply ms: p50 | p99 | from the request ms: p50 | p99 | MiB |\n\
         |---|---|---|---|---|---|\n"
    );
    for names in [10_000, 99_999] {
        let pool = Pool::start(bench, names)?;
        let mut after = [Vec::new(), Vec::new()];
        // The first is not counted: a node that has just come by its name watches a moment later.
        for round in 0..=CHANGES {
            let changed = changed(round);
            let wanted = asked(names / 2, changed)?;
            let sent = Instant::now();
            pool.etcd
                .put(&pool.lease, &[pool::record(names / 2, changed)])?;
            let made = Instant::now();
            while !says(pool.server.address, &wanted)? {
                if made.elapsed() > PATIENCE {
                    return Err("a change is never answered".into());
                }
            }
            if round > 0 {
                after[0].push(made.elapsed().as_secs_f64() * 1e3);
                after[1].push(sent.elapsed().as_secs_f64() * 1e3);
            }
            // Not in step with anything that is done now and then.
            std::thread::sleep(Duration::from_millis(20 + u64::from(round * 37 % 50)));
        }
        let [reply, request] = after.map(|mut all| {
            all.sort_by(f64::total_cmp);
            [50, 99].map(|part| percentile(&all, part))
        });
        writeln!(
            text,
            "| {names} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} |",
            reply[0],
            reply[1],
            request[0],
            request[1],
            pool.server.usage()?.resident as f64 / 1024.0,
        )?;
    }
    Ok(text)
}

/// Many names change all the time.
pub(super) fn many(bench: &Bench) -> Result<String> {
    let names = 2 * STEADY;
    let pool = Pool::start(bench, names)?;
    let questions = (1..=STEADY).map(|number| asked(number, address(number)));
    let questions = questions.collect::<Result<Vec<_>>>()?;
    let length = Duration::from_secs_f64(3.0 * bench.seconds);
    let echo = super::echo(&pool.server, pool.folder.path(), &questions)?;
    let (echo, _) = measured(&echo, &questions, length, Content::Anything)?;
    let (still, _) = measured(&pool.server, &questions, length, Content::Names)?;

    let ending = AtomicBool::new(false);
    let (changing, made) = std::thread::scope(|scope| {
        let changes = scope.spawn(|| churn(&pool, &ending));
        let measured = measured(&pool.server, &questions, length, Content::Names);
        ending.store(true, Ordering::Release);
        let made = changes.join().map_err(|_panic| "a thread panicked")?;
        Result::Ok((measured?, made?))
    })?;
    let (changing, failed) = changing;
    let mut text = format!(
        "\n### churn: {names} names in etcd, {AT_ONCE} of them changing at once, {TIMES} times a second\n\n\
         {RATE} queries in a second for names that stay. The aim: the worker at most 1.25 times the echo, \
         all other threads at most 20 % of a processor.\n\n\
         | | worker's µs CPU / query | ÷ echo | others' % of a processor | changes/s | lost | wrong |\n\
         |---|---|---|---|---|---|---|\n"
    );
    let rows = [
        ("echo", echo, 0.0, [0, 0]),
        ("Callsign, nothing changes", still, 0.0, [0, 0]),
        ("Callsign", changing, made, failed),
    ];
    for (name, (worker, others), made, [lost, wrong]) in rows {
        writeln!(
            text,
            "| {name} | {worker:.2} | {:.2} | {others:.1} | {made:.0} | {lost} | {wrong} |",
            worker / echo.0
        )?;
    }
    Ok(text)
}

/// Microseconds of the workers for each query and hundredths of a processor of all other threads;
/// queries that were lost or wrong.
fn measured(
    server: &Contestant,
    questions: &[Question],
    length: Duration,
    content: Content,
) -> Result<((f64, f64), [u64; 2])> {
    let load = Load {
        sockets: 8,
        window: 256,
        rate: Some(RATE),
    };
    let mut client = Client::new(server.address, questions, content, load)?;
    client.run(Duration::from_millis(300))?;
    let before = server.usage()?;
    let outcome = client.run(length)?;
    let now = server.usage()?;
    let all = now.processor.saturating_sub(before.processor);
    // The echo is nothing but a worker.
    let workers = match content {
        Content::Names => now.workers.saturating_sub(before.workers),
        Content::Anything => all,
    };
    let rest = client.drain()?;
    let failed = [outcome.lost + rest.lost, outcome.wrong + rest.wrong];
    let micros = workers.as_secs_f64() * 1e6 / outcome.answered.max(1) as f64;
    let others = all.saturating_sub(workers).as_secs_f64();
    Ok((
        (micros, 100.0 * others / outcome.elapsed.as_secs_f64()),
        failed,
    ))
}

/// Changes names until it is told to end; gives how many in a second.
fn churn(pool: &Pool, ending: &AtomicBool) -> Result<f64> {
    let begin = Instant::now();
    let mut number = 0;
    while !ending.load(Ordering::Acquire) {
        let some = (0..AT_ONCE).map(|place| {
            let changing = number * AT_ONCE + place;
            pool::record(STEADY + 1 + changing % STEADY, changed(changing))
        });
        pool.etcd.put(&pool.lease, &some.collect::<Vec<_>>())?;
        number += 1;
        let due = Duration::from_secs(1) * number / TIMES;
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    Ok(f64::from(number * AT_ONCE) / begin.elapsed().as_secs_f64())
}

/// An address that no name has from the beginning.
fn changed(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xac10_0000 | number)
}

/// The question for a name, which has this address.
fn asked(number: u32, address: Ipv4Addr) -> Result<Question> {
    let name = format!("worker{number}.{ZONE}");
    let expected = Expected {
        answer: vec![format!("{name} a {address}")],
        ..Expected::default()
    };
    query(&name, 1, false, expected)
}
