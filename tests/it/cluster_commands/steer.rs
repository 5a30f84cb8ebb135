//! `callsign evict` and `callsign release`.

use nix::sys::signal::Signal;

use super::*;

/// If this fails, an operator cannot get rid of a member that hangs, or its command goes on under a
/// name that is about to be another's.
#[test]
fn the_command_of_who_is_evicted_ends() {
    let etcd = Etcd::start();
    let pool = Pool::etcd(&etcd);
    let jobs = [pool.member("2"), pool.member("2")];
    let runs = |members: &[Value]| {
        members.len() == 2 && members.iter().all(|it| it["job"]["state"] == "runs")
    };
    let epoch = pool.members(runs)[0]["epoch"].as_u64();
    let ended = pool.run("evict", &["worker1.tf.local"]);
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
    assert!(
        ended
            .out
            .starts_with("worker1.tf.local. is taken from its holder"),
        "{}",
        ended.out
    );
    let mut statuses = jobs.map(|job| job.ended().status);
    statuses.sort_unstable();
    // The one has lost its claim, the other a member.
    assert_eq!(statuses, [Some(122), Some(123)]);
    // Also now that it has let go, and its lease with it.
    let members = pool.members(|_| true);
    assert_eq!(members[0]["evicted"], true);
    assert!(members[0]["epoch"].as_u64() > epoch);
    let again = pool.run("evict", &["1"]);
    assert_eq!(again.status, Some(1));
    assert!(again.errors.contains("already"), "{}", again.errors);
    assert!(
        pool.run("evict", &["2"])
            .errors
            .contains("nobody holds worker2.tf.local.")
    );
    assert!(
        pool.run("evict", &["worker1.b"])
            .errors
            .contains("is no slot of this pool")
    );
}

/// If this fails, an eviction makes two owners: whoever is cut off believes in its claim until its
/// lease must have ended, and somebody else has the name already.
#[test]
fn nobody_has_the_name_before_the_old_lease_has_ended() {
    let etcd = Etcd::start();
    let pool = Pool::etcd(&etcd);
    let old = pool.server("ttl 5s\n sticky off");
    let key = "/callsign/v1/worker%d.tf.local./slots/00000001";
    let record = etcd.control(&["get", key, "--write-out", "json"]);
    let record: Value = serde_json::from_str(&record).expect("JSON");
    let lease = record["kvs"][0]["lease"].as_i64().expect("a lease");
    let lease = format!("{lease:x}");
    // It does not hear of anything, but its lease goes on: nobody can know what it believes.
    old.signal(Signal::SIGSTOP);
    let mut keep = Command::new("etcdctl");
    keep.env("ETCDCTL_API", "3")
        .args(["--endpoints", etcd.url()]);
    let keep = Running::start(keep.args(["lease", "keep-alive", &lease]));
    says(&keep, "keepalived");
    let ended = pool.run("evict", &["1"]);
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
    pool.members(<[Value]>::is_empty);
    // The quarantine is over, the lease is not. It is the only name of this pool, where slots that
    // wait for others are taken too.
    let only = Pool {
        place: Place::new(),
        limit: "1",
        store: pool.store.clone(),
    };
    let run = |limit: &str| {
        let mut command = only.command("run", &["--ttl", "20s", "--timeout", limit]);
        Running::start(command.args(["echo", "has the name"])).ended()
    };
    let early = run("3s");
    assert_ne!(early.status, Some(0), "{early:?}");
    assert_eq!(early.out, "");
    drop(keep);
    etcd.control(&["lease", "revoke", &lease]);
    let late = run("30s");
    assert_eq!(
        (late.status, &*late.out),
        (Some(0), "has the name\n"),
        "{late:?}"
    );
    old.signal(Signal::SIGCONT);
    old.says("worker1.tf.local. is lost");
}

/// If this fails, a name that nobody will use again waits for its node until its time is over, or
/// is taken from a process that lives.
#[test]
fn what_dead_processes_have_is_given_back() {
    let etcd = Etcd::start();
    let pool = Pool::etcd(&etcd);
    let server = pool.server("ttl 1m\n sticky 1h");
    let state = server.place().filled("{folder}/state");
    let reserved = || {
        let keys = [
            "get",
            "--prefix",
            "--keys-only",
            "/callsign/v1/worker%d.tf.local./resv/",
        ];
        !etcd.control(&keys).trim().is_empty()
    };
    let end = Instant::now() + BOUND;
    while !reserved() {
        assert!(Instant::now() < end, "it reserves nothing");
    }
    let release = || {
        let pattern = ["--pattern", "worker{{.ID}}.tf.local.", "--pool", "worker"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
        command.arg("release").args(pattern);
        command.args(["--store", etcd.url(), "--state", &state]);
        Place::run_command(&mut command)
    };
    let alive = release();
    assert_eq!((alive.status, &*alive.out), (Some(1), ""));
    let process = format!("held by process {}", server.id());
    assert!(alive.errors.contains(&process), "{}", alive.errors);
    server.signal(Signal::SIGKILL);
    let end = Instant::now() + BOUND;
    let dead = loop {
        let ended = release();
        if ended.status == Some(0) {
            break ended;
        }
        assert!(Instant::now() < end, "{ended:?}");
    };
    assert_eq!(dead.out, "worker1.tf.local. is free\n");
    assert!(!reserved());
    assert_eq!(pool.members(|_| true), [] as [Value; 0]);
}

/// If this fails, an operator is not told how a name of a folder is had from its holder.
#[test]
fn a_claim_in_a_folder_ends_with_its_process() {
    let pool = Pool::local();
    let server = pool.server("sticky 1h");
    let ended = pool.run("evict", &["1"]);
    assert_eq!((ended.status, &*ended.out), (Some(1), ""));
    let mend = format!("kill {}", server.id());
    assert!(ended.errors.trim_end().ends_with(&mend), "{}", ended.errors);
    let state = server.place().filled("{folder}/state");
    server.signal(Signal::SIGKILL);
    pool.members(<[Value]>::is_empty);
    let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
    command.args([
        "release",
        "--pattern",
        "worker{{.ID}}.tf.local.",
        "--pool",
        "worker",
    ]);
    let ended = Place::run_command(command.args(["--store", &pool.store, "--state", &state]));
    assert_eq!(
        (ended.status, &*ended.out),
        (Some(0), "worker1.tf.local. is free\n"),
        "{ended:?}"
    );
}
