//! `callsign run`: commands under names, with real processes.

mod fleet;
mod guarding;
mod roles;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::etcd::Etcd;
use crate::support::run::{Ended, Running};
use crate::support::wait::until;

/// A folder with a store for names, and programs that run commands under these.
struct Jobs {
    folder: tempfile::TempDir,
    store: String,
}

impl Jobs {
    fn local() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = folder.path().join("names").display().to_string();
        Self { folder, store }
    }

    fn over(etcd: &Etcd) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            store: etcd.url().to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shell that does `script` in the folder, run with these flags.
    fn start(&self, flags: &str, script: &str) -> Running {
        self.start_words(flags, &["sh", "-c", script])
    }

    fn start_words(&self, flags: &str, words: &[&str]) -> Running {
        Running::start(&mut self.command(flags, words))
    }

    /// The program with these flags, which runs these words.
    fn command(&self, flags: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
        command
            .arg("run")
            .args(["--pool", "worker"])
            .arg("--state")
            .arg(self.path("state"))
            .args(flags.split_whitespace())
            .arg("--")
            .args(words);
        self.surroundings(&mut command);
        command
    }

    /// Lets a program run in the folder.
    fn surroundings<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("CALLSIGN_STORE", &self.store)
            .env_remove("CALLSIGN_LOG")
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(std::process::Stdio::null())
    }

    /// What a command has written into a file, once it has.
    fn written(&self, name: &str) -> String {
        let path = self.path(name);
        let mut text = String::new();
        until(&format!("{name} is written"), || {
            text = fs::read_to_string(&path).unwrap_or_default();
            text.ends_with('\n')
        });
        text.trim_end().to_owned()
    }

    fn process(&self, name: &str) -> Process {
        Process(self.written(name).parse().expect("a process's number"))
    }
}

/// A process that a command has told its number of.
#[derive(Clone, Copy)]
struct Process(i32);

impl Process {
    fn lives(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('Z'));
        state == Some(false)
    }

    fn signal(self, signal: Signal) {
        kill(Pid::from_raw(self.0), signal).expect("it lives");
    }

    fn parent(self) -> Self {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).expect("it lives");
        let (_, rest) = stat.rsplit_once(") ").expect("a name in parentheses");
        let parent = rest.split_whitespace().nth(1).expect("a parent");
        Self(parent.parse().expect("a number"))
    }
}

fn status(ended: &Ended) -> Option<i32> {
    ended.status
}

/// If this fails, members of a job have the same rank, or do not agree on who leads.
#[test]
fn eight_on_one_machine_start_together() {
    let jobs = Jobs::local();
    let script = "echo $CALLSIGN_RANK $RANK {{.Rank}} $CALLSIGN_WORLD_SIZE $CALLSIGN_GENERATION $MASTER_PORT > rank{{.Rank}}";
    let running: Vec<Running> = (0..8)
        .map(|_| jobs.start("-n 8 --for torch", script))
        .collect();
    for running in running {
        let ended = running.ended();
        assert_eq!(status(&ended), Some(0), "{}", ended.errors);
    }
    for rank in 0..8 {
        let line = jobs.written(&format!("rank{rank}"));
        assert_eq!(line, format!("{rank} {rank} {rank} 8 1 29500"));
    }
}

/// If this fails, a job waits for ever for a member that has died, or its processes outlive it.
#[test]
fn a_member_that_dies_ends_the_job() {
    let jobs = Jobs::local();
    let script = "sleep 300 & echo $! > child{{.Rank}}; echo $$ > command{{.Rank}}; wait";
    let mut running: Vec<Running> = (0..3).map(|_| jobs.start("-n 3", script)).collect();
    let processes: Vec<Process> = (0..3)
        .flat_map(|rank| [format!("child{rank}"), format!("command{rank}")])
        .map(|name| jobs.process(&name))
        .collect();
    // The program itself, so that nobody releases anything.
    running.remove(0).signal(Signal::SIGKILL);
    for running in running {
        let ended = running.ended();
        assert_eq!(status(&ended), Some(123), "{}", ended.errors);
        assert!(ended.errors.contains(" is lost"), "{}", ended.errors);
    }
    until("every process ends", || {
        processes.iter().all(|process| !process.lives())
    });
}

/// If this fails, who takes a name over meets the command of its last holder.
#[test]
fn a_name_is_free_only_when_its_command_has_ended() {
    let jobs = Jobs::local();
    let stubborn = "trap '' TERM; echo $$ > first; while :; do sleep 0.01; done";
    let first = jobs.start("--limit 1 --grace 1s", stubborn);
    let process = jobs.process("first");
    first.signal(Signal::SIGKILL);
    let second = jobs.start(
        "--limit 1",
        &format!("kill -0 {} 2>/dev/null; echo $? > second", process.0),
    );
    assert_eq!(jobs.written("second"), "1", "the first command still ran");
    let ended = second.ended();
    assert_eq!(status(&ended), Some(0), "{}", ended.errors);
}

/// If this fails, whoever kills the wrong process leaves a command behind that nobody ends.
#[test]
fn a_command_ends_with_its_guard() {
    let jobs = Jobs::local();
    let running = jobs.start("", "sleep 300 & echo $! > child; echo $$ > command; wait");
    let (child, command) = (jobs.process("child"), jobs.process("command"));
    command.parent().signal(Signal::SIGKILL);
    let ended = running.ended();
    assert_eq!(status(&ended), Some(137), "{}", ended.errors);
    assert!(!child.lives() && !command.lives());
}

/// If this fails, a member that is done a little earlier breaks the job of all others, or one that
/// has failed lets them wait for ever.
#[test]
fn ending_well_is_no_loss_and_failing_is_one() {
    let jobs = Jobs::local();
    let script = "[ {{.Rank}} = 0 ] || while [ ! -e go ]; do sleep 0.01; done; exit {{.Rank}}";
    let running: Vec<Running> = (0..2).map(|_| jobs.start("-n 2", script)).collect();
    until("the first member is gone", || {
        let ended = jobs.path("names/worker%d.cluster.internal./ended-00000001.note");
        let other = jobs.path("names/worker%d.cluster.internal./ended-00000002.note");
        ended.exists() || other.exists()
    });
    fs::write(jobs.path("go"), "").expect("a file can be written");
    let mut statuses: Vec<_> = running.into_iter().map(|it| status(&it.ended())).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [Some(0), Some(1)]);

    let script = "[ {{.Rank}} = 1 ] && exit 3; sleep 300";
    let running: Vec<Running> = (0..2).map(|_| jobs.start("-n 2", script)).collect();
    let ended: Vec<Ended> = running.into_iter().map(Running::ended).collect();
    let mut statuses: Vec<_> = ended.iter().map(status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [Some(3), Some(123)]);
    let said = ended
        .iter()
        .any(|it| it.errors.contains("has ended with status 3"));
    assert!(said, "{ended:?}");
}

/// If this fails, a job that lost a member starts with the dead one among its ranks, or not again.
#[test]
fn a_spare_takes_the_place_of_who_is_lost() {
    let jobs = Jobs::local();
    let script = "echo $CALLSIGN_MEMBER_NAMES > members$CALLSIGN_GENERATION.{{.Rank}}; [ $CALLSIGN_GENERATION -ge 2 ] || sleep 300";
    let flags = "-n 2 --on-member-loss restart";
    let first = jobs.start(flags, script);
    let second = jobs.start(flags, script);
    for rank in 0..2 {
        jobs.written(&format!("members1.{rank}"));
    }
    let spare = jobs.start(flags, script);
    until("the spare has a name", || {
        jobs.path("names/worker%d.cluster.internal./00000003.json")
            .exists()
    });
    first.signal(Signal::SIGKILL);
    drop(first);
    for running in [second, spare] {
        let ended = running.ended();
        assert_eq!(status(&ended), Some(0), "{}", ended.errors);
    }
    let members = jobs.written("members2.0");
    assert_eq!(members, jobs.written("members2.1"));
    assert!(members.contains("worker3.cluster.internal"), "{members}");
}

/// If this fails, a wrapper that is stopped lets its command run on under a name that belongs to
/// another by then.
#[test]
fn a_command_ends_before_its_lease_although_its_holder_is_stopped() {
    let etcd = Etcd::start();
    let jobs = Jobs::over(&etcd);
    let flags = "--limit 1 --ttl 8s --grace 1s";
    let running = jobs.start(
        flags,
        "trap '' TERM; echo $$ > command; while :; do sleep 0.01; done",
    );
    let command = jobs.process("command");
    running.signal(Signal::SIGSTOP);
    let second = jobs.start(
        flags,
        &format!("kill -0 {} 2>/dev/null; echo $? > second", command.0),
    );
    assert_eq!(jobs.written("second"), "1", "the first command still ran");
    running.signal(Signal::SIGCONT);
    let (first, second) = (running.ended(), second.ended());
    assert_eq!(status(&first), Some(122), "{}", first.errors);
    assert_eq!(status(&second), Some(0), "{}", second.errors);
}

/// If this fails, a job does not live through an outage of etcd that is shorter than its lease.
#[test]
fn a_job_lives_through_an_outage_of_etcd() {
    let mut etcd = Etcd::start();
    let jobs = Jobs::over(&etcd);
    let running = jobs.start("", "echo up > up; while [ ! -e go ]; do sleep 0.01; done");
    jobs.written("up");
    etcd.kill();
    etcd.restart();
    fs::write(jobs.path("go"), "").expect("a file can be written");
    let ended = running.ended();
    assert_eq!(status(&ended), Some(0), "{}", ended.errors);
}

/// If this fails, scripts cannot tell why a job has not run, and people are told to guess.
#[test]
fn every_reason_has_an_exit_status_and_a_word() {
    let jobs = Jobs::local();
    for (flags, words, expected, message) in [
        ("", &["true"][..], 0, ""),
        ("", &["sh", "-c", "exit 42"], 42, ""),
        ("", &["sh", "-c", "kill -KILL $$"], 137, ""),
        (
            "-n 3 --timeout 1s",
            &["true"],
            124,
            "missing worker2.cluster.internal.",
        ),
        ("", &["no-such-command"], 127, "cannot run no-such-command"),
        ("", &["/etc/passwd"], 126, "permission denied"),
        (
            "-n 3 --limit 2",
            &["true"],
            125,
            "the pool has only 2 names",
        ),
        ("--pattern worker.tf.local.", &["true"], 125, "{{.ID}}"),
        ("--store ftp://x", &["true"], 125, "--store"),
        (
            "--store http://localhost:1 --ttl 8s --grace 3s",
            &["true"],
            125,
            "--grace 3s",
        ),
        (
            "--store http://localhost:1 --ttl 4s",
            &["true"],
            125,
            "--ttl 4s",
        ),
        ("--ttl 4s --grace 10s", &["true"], 0, ""),
        ("", &["echo", "{{.Rnk}}"], 125, "{{.Rnk}}"),
        ("", &[], 2, "<COMMAND>"),
    ] {
        let ended = jobs.start_words(flags, words).ended();
        assert_eq!(
            ended.status,
            Some(expected),
            "{flags} {words:?}: {}",
            ended.errors
        );
        assert!(
            ended.errors.contains(message),
            "{flags} {words:?}: {}",
            ended.errors
        );
    }
    let holder = jobs.start("--limit 1", "echo up > up; sleep 300");
    jobs.written("up");
    let ended = jobs
        .start_words("--limit 1 --timeout 1s", &["true"])
        .ended();
    assert_eq!(ended.status, Some(121), "{}", ended.errors);
    assert!(
        ended.errors.contains("all 1 names are taken"),
        "{}",
        ended.errors
    );
    holder.signal(Signal::SIGTERM);
    assert_eq!(status(&holder.ended()), Some(143));
}

/// A member that has a name and waits for a second one.
fn waiting_for_another() -> (Jobs, Running) {
    let jobs = Jobs::local();
    let waiting = jobs.start("-n 2", "true");
    until("it has a name", || {
        let folder = Path::new("names/worker%d.cluster.internal.").join("00000001.json");
        jobs.path(&folder.display().to_string()).exists()
    });
    (jobs, waiting)
}

/// If this fails, a command cannot end in its own way when its job is stopped.
#[test]
fn signals_and_exit_statuses_pass_through() {
    let jobs = Jobs::local();
    for (signal, name) in [
        (Signal::SIGTERM, "TERM"),
        (Signal::SIGUSR1, "USR1"),
        (Signal::SIGHUP, "HUP"),
    ] {
        let script =
            format!("trap 'exit 9' {name}; echo $$ > up{name}; while :; do sleep 0.01; done");
        let running = jobs.start("", &script);
        jobs.written(&format!("up{name}"));
        running.signal(signal);
        assert_eq!(status(&running.ended()), Some(9), "{name}");
    }
    // While it waits there is nobody to pass it on to.
    let (_jobs, waiting) = waiting_for_another();
    waiting.signal(Signal::SIGINT);
    assert_eq!(status(&waiting.ended()), Some(130));
    // Nor is a window that is resized a reason to leave.
    let (jobs, waiting) = waiting_for_another();
    waiting.signal(Signal::SIGWINCH);
    for running in [jobs.start("-n 2", "true"), waiting] {
        let ended = running.ended();
        assert_eq!(status(&ended), Some(0), "{}", ended.errors);
    }
}

/// If this fails, a job of MPI starts with the processes of one machine, or once for each member.
#[test]
fn the_example_of_mpi_starts_one_job_on_all_hosts() {
    use std::os::unix::fs::PermissionsExt as _;
    let jobs = Jobs::local();
    let mpirun = jobs.path("mpirun");
    let script = "#!/bin/sh\ncat $CALLSIGN_HOSTFILE $HYDRA_HOST_FILE\necho runs $*\n";
    fs::write(&mpirun, script).expect("a file can be written");
    fs::set_permissions(&mpirun, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mpi/start.sh");
    let script = format!("PATH=.:$PATH exec {example} program");
    let flags = "-n 2 --for mpi --address 127.0.0.1";
    let running: Vec<Running> = (0..2).map(|_| jobs.start(flags, &script)).collect();
    let ended: Vec<Ended> = running.into_iter().map(Running::ended).collect();
    for ended in &ended {
        assert_eq!(status(ended), Some(0), "{}", ended.errors);
    }
    let out: String = ended.into_iter().map(|it| it.out).collect();
    assert_eq!(out, "127.0.0.1 slots=2\n127.0.0.1:2\nruns program\n");
}
