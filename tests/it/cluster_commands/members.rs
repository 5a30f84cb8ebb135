//! `callsign members`.

use super::*;

/// If this fails, nobody can see who holds which name on one machine, or which process keeps it.
#[test]
fn members_of_a_folder() {
    let pool = Pool::local();
    assert_eq!(pool.members(|_| true), [] as [Value; 0]);
    let server = pool.server("meta zone eu-1");
    let _waits = pool.member("3");
    let members = pool.members(|members| members.len() == 2);
    let server_is = &members[0];
    assert_eq!(server_is["name"], "worker1.tf.local.");
    assert_eq!(server_is["addresses"], serde_json::json!(["127.0.0.1"]));
    assert_eq!(server_is["meta"]["zone"], "eu-1");
    assert_eq!(server_is["job"], Value::Null);
    let age = server_is["age"].as_u64().expect("how long it is held");
    assert!(age < 3_600, "{age}");
    let process = serde_json::json!({ "id": server.id(), "lives": true });
    assert_eq!(server_is["process"], process);
    let job = serde_json::json!({ "state": "ready", "expect": 3 });
    assert_eq!(members[1]["job"], job);
    let ended = pool.run("members", &[]);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines[0].starts_with("SLOT  NAME"), "{}", ended.out);
    let first = format!("process {}", server.id());
    assert!(lines[1].contains(&first), "{}", ended.out);
    assert!(lines[1].ends_with("zone=eu-1"), "{}", ended.out);
    assert!(lines[2].ends_with("ready for 3"), "{}", ended.out);
    assert!(
        !ended.out.contains('\u{1b}'),
        "colours where is no terminal"
    );
}

/// If this fails, a pool that stands in two blocks with another one between is taken for two, and no
/// command can be told which one it is about.
#[test]
fn a_pool_of_several_blocks_is_one() {
    let place = Place::new();
    let pool = |name: &str| {
        format!(
            "identity {name} {{\npattern {name}{{{{.ID}}}}.tf.local.\nstore local {{folder}}/names\n}}\n"
        )
    };
    let (worker, other) = (pool("worker"), pool("other"));
    let corefile = format!("tf.local {{\n{worker}{other}}}\n10.0.0.0/8 {{\n{worker}}}\n");
    place.write("Corefile", &place.filled(&corefile));
    let file = place.filled("{folder}/Corefile");
    let words = ["members", "--conf", &file, "--pool", "worker", "--json"];
    let ended = Place::run_command(&mut place.command(&words));
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (Some(0), "[]\n"),
        "{}",
        ended.errors
    );
}

/// If this fails, nobody can see who takes part in a job of a cluster, or whose lease runs out.
#[test]
fn members_of_a_cluster() {
    let etcd = Etcd::start();
    let pool = Pool::etcd(&etcd);
    let _jobs = [pool.member("2"), pool.member("2")];
    let runs = |members: &[Value]| {
        members.len() == 2 && members.iter().all(|it| it["job"]["state"] == "runs")
    };
    let members = pool.members(runs);
    for (rank, member) in members.iter().enumerate() {
        let job = serde_json::json!({ "state": "runs", "rank": rank, "of": 2 });
        assert_eq!(member["job"], job);
        assert_eq!(member["lease"]["ttl"], 20);
        assert!(member["age"].is_u64(), "{member}");
    }
    let ended = pool.run("members", &[]);
    assert!(ended.out.contains("of 20 s"), "{}", ended.out);
    assert!(ended.out.contains("rank 1 of 2"), "{}", ended.out);
}

/// If this fails, a script that follows the members misses who comes and who goes, or goes on for
/// ever when nobody reads it.
#[test]
fn every_change_is_a_line() {
    let etcd = Etcd::start();
    let pool = Pool::etcd(&etcd);
    let first = pool.server("");
    let lines = Running::start(&mut pool.command("members", &["--watch"]));
    let objects = Running::start(&mut pool.command("members", &["--watch", "--json"]));
    says(&lines, "there    worker1.tf.local.  127.0.0.1  epoch ");
    says(&objects, "\"change\":\"there\"");
    let _second = pool.server("");
    says(&lines, "joined   worker2.tf.local.  127.0.0.1  epoch ");
    says(&objects, "\"change\":\"joined\"");
    first.signal(nix::sys::signal::Signal::SIGTERM);
    says(&lines, "left     worker1.tf.local.");
    says(&objects, "\"change\":\"left\"");
    let mut nobody_reads = pool.command("members", &["--watch"]);
    let mut child = nobody_reads.spawn().expect("the program");
    drop(child.stdout.take());
    crate::support::run::wait(&mut child);
}

/// If this fails, an empty list is shown where the store is only away.
#[test]
fn a_store_that_is_away_is_no_empty_list() {
    let mut etcd = Etcd::start();
    etcd.kill();
    let ended = Pool::etcd(&etcd).run("members", &[]);
    assert_eq!(ended.status, Some(1));
    assert_eq!(ended.out, "");
    assert!(
        ended.errors.starts_with("error: etcd http"),
        "{}",
        ended.errors
    );
    assert!(
        ended.errors.contains("connection refused"),
        "{}",
        ended.errors
    );
}
