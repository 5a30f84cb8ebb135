use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;

const PATIENCE: Duration = Duration::from_secs(40);

fn shell(event: Event, script: &str) -> Hook {
    let words = ["sh", "-c", script].map(str::to_owned);
    Hook {
        event,
        command: CommandLine::from_words(&words).unwrap(),
    }
}

fn environment() -> Environment {
    Environment {
        pool: "worker".into(),
        name: "worker4.tf.local.".into(),
        slot: Some(4),
        epoch: Some(77),
        addresses: vec!["10.0.0.5".parse().unwrap(), "fd00::5".parse().unwrap()],
        member: None,
    }
}

/// Collects what `work` logs.
async fn logged(work: impl Future<Output = ()>) -> String {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || Writer(writer.clone()))
        .finish();
    // Tasks that it starts run on this thread as well.
    let guard = tracing::subscriber::set_default(subscriber);
    work.await;
    drop(guard);
    let bytes = log.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Scripts are written against these names.
#[tokio::test]
async fn commands_are_told_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "env | grep ^CALLSIGN_ | sort >> {}/$CALLSIGN_EVENT",
        folder.path().display()
    );
    let hooks = Hooks::start(vec![
        shell(Event::Claimed, &script),
        shell(Event::MemberJoin, &script),
    ]);
    hooks.run(Event::Claimed, environment());
    hooks.run(Event::Lost, environment());
    let member = Some(MemberEnvironment {
        name: "worker5.tf.local.".into(),
        slot: 5,
        addresses: vec!["10.0.0.6".parse().unwrap()],
    });
    let nameless = Environment {
        pool: "worker".into(),
        member,
        ..Environment::default()
    };
    hooks.run(Event::MemberJoin, nameless);
    assert!(hooks.finish(PATIENCE).await);
    assert_eq!(
        read(&folder.path().join("claimed")),
        "CALLSIGN_ADDRESSES=10.0.0.5 fd00::5\nCALLSIGN_EPOCH=77\nCALLSIGN_EVENT=claimed\n\
         CALLSIGN_NAME=worker4.tf.local.\nCALLSIGN_POOL=worker\nCALLSIGN_SLOT=4\n"
    );
    assert_eq!(
        read(&folder.path().join("member-join")),
        "CALLSIGN_ADDRESSES=\nCALLSIGN_EPOCH=\nCALLSIGN_EVENT=member-join\n\
         CALLSIGN_MEMBER_ADDRESSES=10.0.0.6\nCALLSIGN_MEMBER_NAME=worker5.tf.local.\n\
         CALLSIGN_MEMBER_SLOT=5\nCALLSIGN_NAME=\nCALLSIGN_POOL=worker\nCALLSIGN_SLOT=\n"
    );
}

/// A script that takes its time must not be overtaken by the next event's.
#[tokio::test]
async fn commands_run_one_after_the_other_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("order"), folder.path().join("gate"));
    let slow = format!(
        "until [ -e {} ]; do sleep 0.01; done; echo slow >> {}",
        gate.display(),
        file.display()
    );
    let quick = format!("echo $CALLSIGN_EVENT >> {}", file.display());
    let hooks = Hooks::start(vec![
        shell(Event::Claimed, &slow),
        shell(Event::Claimed, &quick),
        shell(Event::Lost, &quick),
    ]);
    hooks.run(Event::Claimed, environment());
    hooks.run(Event::Lost, environment());
    assert_eq!(read(&file), "");
    std::fs::write(&gate, "").unwrap();
    assert!(hooks.finish(PATIENCE).await);
    assert_eq!(read(&file), "slow\nclaimed\nlost\n");
}

#[tokio::test]
async fn output_and_failures_reach_the_log() {
    let script = "echo first; printf 'no\\033end' >&2; exit 3";
    let log = logged(async {
        let hooks = Hooks::start(vec![
            shell(Event::Claimed, script),
            shell(Event::Lost, "yes | head -n 5000"),
            Hook {
                event: Event::Released,
                command: CommandLine::from_words(&["/nonexistent/hook".to_owned()]).unwrap(),
            },
        ]);
        hooks.run(Event::Claimed, environment());
        hooks.run(Event::Lost, environment());
        hooks.run(Event::Released, environment());
        assert!(hooks.finish(PATIENCE).await);
    })
    .await;
    for (level, expected) in [
        ("INFO", "on claimed: first"),
        ("INFO", "on claimed: no end"),
        (
            "WARN",
            "the command on claimed ended with exit status: 3: sh -c",
        ),
        ("INFO", "on lost: 4900 more lines"),
        (
            "WARN",
            "the command on released cannot be run: no such file",
        ),
    ] {
        let line = log.lines().find(|line| line.contains(expected));
        assert!(
            line.is_some_and(|line| line.contains(level)),
            "{expected}:\n{log}"
        );
    }
    assert_eq!(log.matches("on lost: y").count(), LINES);
}

/// A script that hangs must not keep all later events waiting for ever.
#[tokio::test]
async fn a_command_that_hangs_is_killed_and_the_next_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ran");
    let touch = format!("echo $CALLSIGN_EVENT > {}", file.display());
    let log = logged(async {
        let hooks = vec![
            shell(Event::Claimed, "sleep 1000"),
            shell(Event::Lost, &touch),
        ];
        let hooks = Hooks::with_limit(hooks, Duration::from_secs(5));
        hooks.run(Event::Claimed, environment());
        hooks.run(Event::Lost, environment());
        assert!(hooks.finish(PATIENCE).await);
    })
    .await;
    assert!(
        log.contains("was killed after 5s: sh -c sleep 1000"),
        "{log}"
    );
    assert_eq!(read(&file), "lost\n");
}

/// A daemon that a script starts keeps the script's output open: it must not count as hanging.
#[tokio::test]
async fn what_a_command_leaves_in_the_background_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {}; echo started", file.display());
    let log = logged(async {
        let hooks = Hooks::start(vec![shell(Event::Claimed, &script)]);
        hooks.run(Event::Claimed, environment());
        assert!(hooks.finish(PATIENCE).await);
    })
    .await;
    assert!(log.contains("on claimed: started"), "{log}");
    let pid: i32 = read(&file).trim().parse().unwrap();
    let daemon = nix::unistd::Pid::from_raw(pid);
    assert_eq!(
        nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGKILL),
        Ok(())
    );
}

/// If this fails, a herd of members costs this node's own events, or members are missed unsaid.
#[tokio::test]
async fn too_many_members_are_counted_and_said_and_cost_no_event_of_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("ran"), folder.path().join("gate"));
    let write = format!("echo $CALLSIGN_EVENT >> {}", file.display());
    let wait = format!("until [ -e {} ]; do sleep 0.01; done", gate.display());
    let log = logged(async {
        let hooks = Hooks::start(vec![
            shell(Event::MemberJoin, &wait),
            shell(Event::Claimed, &write),
            shell(Event::Lost, &write),
        ]);
        // Nothing is taken from the queue before this test waits for something.
        for _ in 0..QUEUE + 2 {
            hooks.run(Event::MemberJoin, environment());
        }
        for _ in 0..QUEUE {
            hooks.run(Event::Claimed, environment());
            hooks.run(Event::Lost, environment());
        }
        std::fs::write(&gate, "").unwrap();
        assert!(hooks.finish(PATIENCE).await);
    })
    .await;
    assert_eq!(
        log.matches("hooks of 2 members that came or went are left out")
            .count(),
        1,
        "{log}"
    );
    assert_eq!(read(&file), "claimed\nlost\n".repeat(QUEUE));
}

/// If this fails, a node goes on using a name that is another's by now, because a script about
/// some member takes its time.
#[tokio::test]
async fn lost_does_not_wait_for_the_commands_of_members() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ran");
    let log = logged(async {
        let hooks = Hooks::start(vec![
            shell(Event::MemberJoin, "sleep 1000"),
            shell(
                Event::Lost,
                &format!("echo $CALLSIGN_EVENT > {}", file.display()),
            ),
        ]);
        hooks.run(Event::MemberJoin, environment());
        tokio::task::yield_now().await;
        hooks.run(Event::Lost, environment());
        let ran = timeout(PATIENCE, async {
            while read(&file) != "lost\n" {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(ran.await.is_ok(), "it waits");
        assert!(!hooks.finish(Duration::from_millis(50)).await);
    })
    .await;
    assert!(log.contains("cut short"), "{log}");
}

/// If this fails, a reload runs the new commands on an event while the old ones on an earlier
/// event still run.
#[tokio::test]
async fn replaced_commands_wait_for_those_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let (file, gate) = (folder.path().join("order"), folder.path().join("gate"));
    let old = format!(
        "until [ -e {} ]; do sleep 0.01; done; echo old $CALLSIGN_EVENT >> {}",
        gate.display(),
        file.display()
    );
    let new = format!("echo new $CALLSIGN_EVENT >> {}", file.display());
    let mut hooks = Hooks::start(vec![shell(Event::Claimed, &old)]);
    hooks.run(Event::Claimed, environment());
    hooks.run(Event::Lost, environment());
    hooks.replace(vec![shell(Event::Claimed, &new), shell(Event::Lost, &new)]);
    hooks.run(Event::Lost, environment());
    hooks.run(Event::Claimed, environment());
    std::fs::write(&gate, "").unwrap();
    assert!(hooks.finish(PATIENCE).await);
    assert_eq!(read(&file), "old claimed\nnew lost\nnew claimed\n");
}

/// A child with systemd's socket would report itself as us.
#[test]
fn what_systemd_told_us_is_not_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("environment");
    let test = "hooks::tests::prints_its_environment";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--ignored"])
        .env("NOTIFY_SOCKET", "/run/notify")
        .env("CALLSIGN_TEST_FILE", &file)
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let variables = read(&file);
    assert!(variables.contains("PATH="), "{variables}");
    assert!(!variables.contains("NOTIFY_SOCKET"), "{variables}");
}

#[tokio::test]
#[ignore = "needs the environment that what_systemd_told_us_is_not_passed_on sets"]
async fn prints_its_environment() {
    let hooks = Hooks::start(vec![shell(Event::Claimed, "env > \"$CALLSIGN_TEST_FILE\"")]);
    hooks.run(Event::Claimed, environment());
    assert!(hooks.finish(PATIENCE).await);
}

/// Keeps a file from being opened, by a lease on it, until a line is written to it. Says when it
/// begins to, and when somebody tries to open it (fcntl(2), `F_SETLEASE`).
const KEEPS_SHUT: &str = r#"$| = 1;
    open(my $file, "+<", $ARGV[0]) or die;
    $SIG{IO} = sub { print "opened\n" };
    for (1..1000) { last if $held = fcntl($file, 1024, 1); select(undef, undef, undef, 0.01) }
    die "no lease: $!" unless $held;
    print "held\n";
    <STDIN>"#;

/// If this fails, a script on a disk that does not answer keeps the renewals of all claims waiting.
#[tokio::test]
async fn nobody_waits_for_a_program_that_is_slow_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let (program, ran) = (folder.path().join("program"), folder.path().join("ran"));
    std::fs::write(&program, format!("#!/bin/sh\n: > {}", ran.display())).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let mut disk = tokio::process::Command::new("perl")
        .args(["-e", KEEPS_SHUT])
        .arg(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let gate = disk.stdin.take().unwrap().into_owned_fd().unwrap();
    let mut said = BufReader::new(disk.stdout.take().unwrap()).lines();
    let held = timeout(PATIENCE, said.next_line()).await.unwrap().unwrap();
    assert_eq!(held.as_deref(), Some("held"));

    // Where everybody waits, somebody else has to open it in the end.
    let (go_on, goes_on) = std::sync::mpsc::channel();
    let opening = std::thread::spawn(move || {
        let goes_on = goes_on.recv_timeout(PATIENCE / 2).is_ok();
        // Closing it were not enough: who waits for the program has it open as well.
        File::from(gate).write_all(b"\n").unwrap();
        goes_on
    });
    let command = CommandLine::from_words(&[program.display().to_string()]).unwrap();
    let event = Event::Claimed;
    let hooks = Hooks::start(vec![Hook { event, command }]);
    hooks.run(event, environment());
    let opened = timeout(PATIENCE, said.next_line()).await.unwrap().unwrap();
    assert_eq!(opened.as_deref(), Some("opened"));
    assert!(!ran.exists());
    let _ = go_on.send(());
    assert!(opening.join().unwrap(), "this thread was kept waiting");
    assert!(hooks.finish(PATIENCE).await && ran.exists());
}
