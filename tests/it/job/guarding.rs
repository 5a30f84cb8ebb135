//! A command is ended in time, whoever is stopped or does not listen.

use std::process::{Command, Stdio};

use super::*;

/// A command that writes its number and does not end by itself.
const STUBBORN: &str = "trap '' TERM; echo $$ > command; while :; do sleep 0.01; done";

/// If this fails, a job that was started with `nohup`, or in the background of a script, ends with
/// the terminal although that was to be ignored.
#[test]
fn signals_that_are_ignored_stay_ignored() {
    let jobs = Jobs::local();
    let run = jobs.command(
        "",
        &[
            "sh",
            "-c",
            "echo $$ > command; while [ ! -e go ]; do sleep 0.01; done",
        ],
    );
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    let running =
        Running::start(jobs.surroundings(nohup.arg(run.get_program()).args(run.get_args())));
    let command = jobs.process("command");
    for process in [command.parent(), command] {
        process.signal(Signal::SIGHUP);
    }
    running.signal(Signal::SIGHUP);
    // What is passed on comes before what is sent later.
    let ignored = fs::read_to_string(format!("/proc/{}/status", command.0)).expect("it lives");
    let ignored = ignored
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.expect("a mask").trim(), 16).expect("a mask");
    fs::write(jobs.path("go"), "").expect("a file can be written");
    let ended = running.ended();
    assert_eq!(status(&ended), Some(0), "{}", ended.errors);
    assert_eq!(ignored & 1, 1, "SIGHUP");
}

/// If this fails, a full pipe on standard error keeps a command running under a name that belongs
/// to another by then.
#[test]
fn a_guard_that_nobody_reads_ends_the_command() {
    let mut etcd = Etcd::start();
    let jobs = Jobs::over(&etcd);
    let mut run = jobs.command("--ttl 8s --grace 1s", &["sh", "-c", STUBBORN]);
    let (_reader, mut writer) = std::io::pipe().expect("a pipe");
    let stderr = writer.try_clone().expect("a descriptor");
    let mut child = run
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("it starts");
    let command = jobs.process("command");
    fill(&mut writer);
    etcd.kill();
    until("the command ends", || !command.lives());
    child.kill().expect("our own child");
    child.wait().expect("our own child");
}

/// Writes into a pipe until there is no room.
fn fill(writer: &mut std::io::PipeWriter) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::io::Write as _;
    fcntl(&*writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("flags can be set");
    for size in [4096, 1] {
        while writer.write(&vec![b'x'; size]).is_ok() {}
    }
    fcntl(&*writer, FcntlArg::F_SETFL(OFlag::empty())).expect("flags can be set");
}

/// If this fails, a command goes on under a name of another because its guard was stopped, by a
/// debugger or with Ctrl-Z.
#[test]
fn a_command_ends_in_time_although_its_guard_is_stopped() {
    let mut etcd = Etcd::start();
    let jobs = Jobs::over(&etcd);
    let beating = "trap '' TERM; echo $$ > command; \
        while read -r up rest < /proc/uptime; do echo $up > beat; sleep 0.01; done";
    let running = jobs.start("--ttl 12s --grace 3s", beating);
    let command = jobs.process("command");
    let name = fs::read_to_string(format!("/proc/{}/comm", command.parent().0));
    assert_eq!(name.expect("it lives"), "callsign\n");
    command.parent().signal(Signal::SIGSTOP);
    etcd.kill();
    let uptime = fs::read_to_string("/proc/uptime").expect("the kernel tells it");
    let ended = running.ended();
    assert_eq!(status(&ended), Some(122), "{}", ended.errors);
    assert!(!command.lives());
    let seconds = |text: &str| {
        let number = text.split_whitespace().next();
        number
            .and_then(|it| it.parse::<f64>().ok())
            .expect("a number")
    };
    // It may have been renewed until etcd was gone, not later.
    let last = seconds(&jobs.written("beat")) - seconds(&uptime);
    assert!(last < 12.0, "it ran for {last} s");
}

/// If this fails, what was stopped with Ctrl-Z goes on later under a name of another.
#[test]
fn a_job_that_is_stopped_at_the_terminal_ends_before_its_lease() {
    let mut etcd = Etcd::start();
    let jobs = Jobs::over(&etcd);
    let running = jobs.start(
        "--ttl 8s --grace 1s",
        "echo $$ > command; while :; do sleep 0.01; done",
    );
    let command = jobs.process("command");
    for process in [command.parent(), command] {
        process.signal(Signal::SIGTSTP);
    }
    running.signal(Signal::SIGTSTP);
    etcd.kill();
    until("the command ends", || !command.lives());
    running.signal(Signal::SIGCONT);
    assert_eq!(status(&running.ended()), Some(122));
}
