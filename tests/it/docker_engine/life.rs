//! How containers and the engine itself come and go.

use std::thread;

use super::{beside, corefile};
use crate::docker::{is_as_expected, now, until};
use crate::support::callsign::Callsign;
use crate::support::dns::{Reply, ask, ask_until};
use crate::support::real_engine::RealEngine;
use crate::support::run::{Running, output};

/// The labels that compose gives a container of this service.
fn compose(service: &str) -> [String; 2] {
    [("project", "shop"), ("service", service)]
        .map(|(key, value)| format!("com.docker.compose.{key}={value}"))
}

/// If this fails, the name of a container that crashes again and again leads to nobody while it is
/// down, is missing when it is up, or stays when the engine has given it up.
#[test]
fn a_container_that_is_restarted_has_a_name_while_it_runs() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = beside(engine);
    engine.run(&["--name", "loop", "--restart", "on-failure:6"]);
    until(&callsign, "loop", &[&engine.address("loop", "bridge")]);
    // The engine waits twice as long each time, from 100 ms on: so that there is time to look.
    for restarts in 1..=6 {
        output(&mut engine.killer("loop"));
        if restarts >= 5 {
            until(&callsign, "loop", &[]);
        }
        let running = format!("{restarts} running");
        let template = "{{.RestartCount}} {{.State.Status}}";
        engine.inspect_until("loop", template, &running);
        until(&callsign, "loop", &[&engine.address("loop", "bridge")]);
    }
    output(&mut engine.killer("loop"));
    engine.inspect_until("loop", "{{.State.Status}}", "exited");
    until(&callsign, "loop", &[]);
}

/// If this fails, clients lose a node while its container is replaced, although its replacement
/// runs.
#[test]
fn a_replacement_is_answered_while_the_old_one_stops() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = beside(engine);
    let run = |name: &str| {
        engine.run(&["--name", name, "--hostname", "swap_node"]);
        engine.address(name, "bridge")
    };
    let old = run("swap-old");
    until(&callsign, "swap_node", &[&old]);
    let new = run("swap-new");
    let mut both = [&*old, &*new];
    both.sort_unstable();
    until(&callsign, "swap_node", &both);

    let mut stop = Running::start(&mut engine.command(&["stop", "swap-old"]));
    while !stop.has_ended() {
        let reply = ask(callsign.address(), "swap_node", "A");
        let is_there = reply
            .answer
            .iter()
            .any(|it| it.ends_with(&format!(" {new}")));
        assert!(reply.rcode == 0 && is_there, "{reply:?}");
    }
    assert_eq!(stop.ended().status, Some(0));
    until(&callsign, "swap_node", &[&new]);
    until(&callsign, "swap-old", &[]);
}

/// If this fails, a service is asked at a container that is frozen and never answers, or a frozen
/// container has lost the name that is its own.
#[test]
fn a_paused_container_leaves_the_names_of_several() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = beside(engine);
    let [first, second] = ["pause-first", "pause-second"].map(|name| {
        let [project, service] = compose("pause-web");
        engine.run(&["--name", name, "--label", &project, "--label", &service]);
        engine.address(name, "bridge")
    });
    let mut both = [&*first, &*second];
    both.sort_unstable();
    until(&callsign, "pause-web", &both);
    engine.docker(&["pause", "pause-first"]);
    until(&callsign, "pause-web", &[&second]);
    now(&callsign, "pause-first", &[&first]);
    engine.docker(&["unpause", "pause-first"]);
    until(&callsign, "pause-web", &both);
}

/// If this fails, a service is asked at a container that fails its health check, or nobody is
/// asked when the check is wrong about all of them.
#[test]
fn an_unhealthy_container_leaves_the_names_of_several() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let text = corefile(engine, ".:{port}", "");
    let text = text.replace("reconnect", "health not_unhealthy\n        reconnect");
    let callsign = Callsign::start(&text);
    callsign.says("docker: engine ");
    let [first, second] = ["sick-first", "sick-second"].map(|name| {
        let options = ["--health-interval", "100ms", "--health-retries", "1"];
        let [project, service] = compose("sick-web");
        let about = ["--name", name, "--label", &project, "--label", &service];
        let check = ["--health-cmd", "test ! -e /tmp/sick"];
        engine.run(&[&about[..], &options, &check].concat());
        engine.address(name, "bridge")
    });
    let mut both = [&*first, &*second];
    both.sort_unstable();
    until(&callsign, "sick-web", &both);
    engine.docker(&["exec", "sick-first", "touch", "/tmp/sick"]);
    until(&callsign, "sick-web", &[&second]);
    now(&callsign, "sick-first", &[&first]);
    engine.docker(&["exec", "sick-second", "touch", "/tmp/sick"]);
    until(&callsign, "sick-web", &both);
    engine.docker(&["exec", "sick-first", "rm", "/tmp/sick"]);
    until(&callsign, "sick-web", &[&first]);
}

/// If this fails, names and containers drift apart when much happens at once: a name leads to a
/// container that is gone, or one that runs has none.
#[test]
fn after_much_coming_and_going_names_are_what_runs() {
    let engine = RealEngine::shared();
    let _inside = engine.enter();
    let callsign = beside(engine);
    let names: Vec<String> = (0..12).map(|number| format!("churn-{number}")).collect();
    for name in &names {
        engine.docker(&["create", "--name", name, "busybox"]);
    }
    let told = |command: &[&str], which: &[String]| {
        let mut arguments = command.to_vec();
        arguments.extend(which.iter().map(String::as_str));
        Running::start(&mut engine.command(&arguments))
    };
    // Three at a time, and what each group ends with differs.
    for round in 0..3 {
        let mut groups: Vec<&[String]> = names.chunks(3).collect();
        groups.rotate_left(round);
        let work = [
            told(&["restart"], groups[0]),
            told(&["start"], groups[1]),
            told(&["restart"], groups[2]),
            told(&["restart"], groups[3]),
        ];
        for running in work {
            assert_eq!(running.ended().status, Some(0));
        }
        let work = [
            told(&["stop"], groups[0]),
            told(&["restart"], groups[1]),
            told(&["kill"], &groups[2][..2]),
            told(&["rm", "--force"], &groups[3][2..]),
        ];
        for running in work {
            assert_eq!(running.ended().status, Some(0));
        }
        let removed = &groups[3][2];
        engine.docker(&["create", "--name", removed, "busybox"]);
    }

    let listed = engine.docker(&["ps", "--filter", "name=churn-", "--format", "{{.Names}}"]);
    let running: Vec<&str> = listed.lines().collect();
    assert!((1..names.len()).contains(&running.len()), "{listed}");
    for name in &names {
        if running.contains(&name.as_str()) {
            until(&callsign, name, &[&engine.address(name, "bridge")]);
        } else {
            until(&callsign, name, &[]);
        }
    }
}

/// If this fails, clients get wrong answers or failures while the engine is updated or crashes,
/// although the containers go on.
#[test]
fn while_the_engine_is_killed_and_started_every_answer_is_right() {
    let engine = RealEngine::start("docker", &["--live-restore"]);
    let _inside = engine.enter();
    let [first, second] = ["first", "second"].map(|name| {
        let [project, service] = compose("web");
        engine.run(&["--name", name, "--label", &project, "--label", &service]);
        engine.address(name, "bridge")
    });
    let text = corefile(&engine, ".:{port}", "").replace("reconnect", "ttl 60\n        reconnect");
    let callsign = Callsign::start(&text);
    callsign.says("docker: engine ");
    let server = callsign.address();
    let mut both = [&*first, &*second];
    both.sort_unstable();
    let questions = [
        ("first", &[&*first][..]),
        ("second.docker", &[&second]),
        ("web.docker", &both),
    ];
    let ttls = |reply: &Reply| -> Vec<u32> {
        let ttl = |record: &String| record.split(' ').nth(1)?.parse().ok();
        reply.answer.iter().filter_map(ttl).collect()
    };
    let mut stale = 0;
    thread::scope(|scope| {
        let restarts = scope.spawn(|| {
            for _ in 0..2 {
                engine.kill();
                engine.start_again();
            }
        });
        while !restarts.is_finished() {
            for (name, expected) in questions {
                let reply = ask(server, name, "A");
                assert!(is_as_expected(&reply, expected), "{name}: {reply:?}");
                let ttls = ttls(&reply);
                assert!(ttls.iter().all(|ttl| *ttl == 60 || *ttl <= 5), "{reply:?}");
                stale += u32::from(ttls[0] <= 5);
            }
        }
    });
    assert!(stale > 0, "the engine was never away");
    for (name, _) in questions {
        ask_until(server, name, "A", |reply| {
            reply.rcode == 0 && ttls(reply).iter().all(|ttl| *ttl == 60)
        });
    }
}
