//! What whoever starts, checks or stops the program is told.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Instant;

use callsign::plugins::DIRECTIVES;
use nix::sys::signal::Signal;

use super::WHOAMI;
use crate::support::BOUND;
use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{NEVER, Query, ask, ask_until};
use crate::support::run::Running;

/// If this fails, whoever starts a second server does not learn why it has no port.
#[test]
fn a_port_in_use_is_named_with_its_place_in_the_file() {
    let place = Place::new();
    place.write("Corefile", "# first line\n.:{port} {\n    whoami\n}\n");
    let tcp = TcpListener::bind(("0.0.0.0", place.port)).expect("a free port");
    let ended = place.run(&[]);
    let message = format!(
        "error: cannot listen on port {0}: in use by another program (TCP)\n --> Corefile:2:1\n  |\n2 | .:{0} {{\n",
        place.port
    );
    assert_eq!(ended.status, Some(1));
    assert!(ended.errors.starts_with(&message), "{}", ended.errors);
    assert_eq!(ended.out, "");
    drop(tcp);
    let _udp = UdpSocket::bind(("127.0.0.1", place.port)).expect("a free port");
    assert!(
        place
            .run(&[])
            .errors
            .contains("in use by another program (UDP)")
    );
}

/// If this fails, a start or a check with mistakes in the Corefile is silent, incomplete, or
/// claims something first.
#[test]
fn mistakes_are_shown_by_check_and_by_a_start() {
    let place = Place::new();
    place.write(
        "Corefile",
        ".:{port} {\n    whoam\n    bind 300.0.0.1\n}\ntls://. {\n    whoami\n}\n",
    );
    for arguments in [&["check"][..], &[]] {
        let ended = place.run(arguments);
        assert_eq!(
            (ended.status, ended.out.as_str()),
            (Some(1), ""),
            "{arguments:?}"
        );
        for part in [
            "Corefile:2:5",
            "^^^^^ did you mean `whoami`?",
            "Corefile:3:10",
            "Corefile:5:1",
        ] {
            assert!(
                ended.errors.contains(part),
                "{part} is missing in\n{}",
                ended.errors
            );
        }
    }
    assert!(
        !place.path().join("state").exists(),
        "nothing is claimed before all is known to be right"
    );
}

/// If this fails, nobody can tell a right Corefile from a wrong one without starting it.
#[test]
fn check_says_what_would_be_served() {
    let place = Place::new();
    place.write("right", "a.example:{port} {\n    whoami\n}\n");
    let ended = place.run(&["check", "right"]);
    assert_eq!((ended.status, ended.errors.as_str()), (Some(0), ""));
    assert_eq!(
        ended.out,
        place.filled("right is right: it would serve a.example. on port {port}\n")
    );
    let ended = place.run_with_input(&["check", "stdin"], "b.example {\n    whoami\n}\n");
    assert_eq!(
        ended.out,
        "standard input is right: it would serve b.example. on port 53\n"
    );
    let ended = place.run(&["check", "missing"]);
    assert_eq!(ended.status, Some(1));
    assert_eq!(
        ended.errors,
        "error: cannot read the Corefile missing: no such file or directory\n"
    );
}

/// If this fails, a start with a Corefile that is not there serves something else instead.
#[test]
fn a_missing_corefile_is_an_error() {
    let place = Place::new();
    let ended = place.run(&["-conf", "missing"]);
    assert_eq!(ended.status, Some(1));
    assert_eq!(
        ended.errors,
        "error: cannot read the Corefile missing: no such file or directory\n"
    );
}

/// If this fails, the command line of a CoreDNS unit does something else here.
#[test]
fn flags_of_coredns_are_obeyed() {
    let mut callsign = Callsign::start_with_input(
        ". {\n    whoami\n}\n",
        &[
            "-conf",
            "stdin",
            "-dns.port",
            "{port}",
            "-pidfile",
            "{folder}/pid",
        ],
    );
    assert_eq!(ask(callsign.address(), ".", "A").rcode, 0);
    let pid_file = callsign.place().path().join("pid");
    let written = std::fs::read_to_string(&pid_file).expect("a pid file");
    assert_eq!(written, format!("{}\n", callsign.id()));
    // What came from a pipe cannot be read again, and stays.
    callsign.signal(Signal::SIGHUP);
    callsign.output_has("reloaded", 1);
    assert_eq!(ask(callsign.address(), ".", "A").rcode, 0);
    callsign.signal(Signal::SIGINT);
    assert_eq!(callsign.ended().code(), Some(0));
    assert!(!pid_file.exists());

    let place = Place::new();
    let version = place.run(&["-version"]);
    assert!(
        version
            .out
            .starts_with(concat!("Callsign-", env!("CARGO_PKG_VERSION"), "\n"))
    );
    let names: Vec<&str> = DIRECTIVES.iter().map(|it| it.name).collect();
    let listed = place.run(&["-plugins"]).out;
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    let stray = place.run(&["-quiet", "Corefile"]);
    assert_eq!(stray.status, Some(2));
    assert!(stray.errors.contains("'Corefile'"), "{}", stray.errors);
}

/// If this fails, the service manager or a script cannot stop the server, or takes its end for a
/// failure.
#[test]
fn signals_end_the_server() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut callsign = Callsign::start(WHOAMI);
        let server = callsign.address();
        callsign.signal(signal);
        assert_eq!(callsign.ended().code(), Some(0), "{signal}");
        drop(TcpListener::bind(server).expect("the port is free again"));
    }
}

/// If this fails, systemd never sees the service as started, or a reload as done.
#[test]
fn the_service_manager_is_told() {
    let place = Place::new();
    let socket =
        std::os::unix::net::UnixDatagram::bind(place.path().join("notify")).expect("a socket");
    socket.set_read_timeout(Some(BOUND)).expect("a timeout");
    let next = || {
        let mut buffer = [0; 1000];
        let length = socket
            .recv(&mut buffer)
            .expect("a message to the service manager");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    place.write("Corefile", WHOAMI);
    let mut command = place.command(&[]);
    command.env("NOTIFY_SOCKET", place.path().join("notify"));
    let callsign = Callsign::spawn(place, &mut command);
    assert_eq!(next(), "READY=1\n");
    callsign.signal(Signal::SIGHUP);
    let mut messages: Vec<String> = (0..2).map(|_| next()).collect();
    messages.retain(|message| !message.starts_with("STATUS="));
    assert!(
        messages[0].starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{messages:?}"
    );
    callsign.signal(Signal::SIGTERM);
    while next() != "STOPPING=1\n" {}
}

/// If this fails, `-quiet` is not.
#[test]
fn quiet_is_quiet() {
    let place = Place::new();
    place.write("Corefile", WHOAMI);
    let running = Running::start(&mut place.command(&["-quiet"]));
    let server = (Ipv4Addr::LOCALHOST, place.port).into();
    let end = Instant::now() + BOUND;
    while Query::new(".", "A").udp_within(server, NEVER).is_none() {
        assert!(Instant::now() < end, "it does not serve");
    }
    running.signal(Signal::SIGTERM);
    let ended = running.ended();
    assert_eq!((ended.out.as_str(), ended.errors.as_str()), ("", ""));
}

/// If this fails, the first thing that a new user does goes wrong: no name, no port, or a line to
/// copy that does not work.
#[test]
fn a_start_with_nothing_gives_a_name_and_shows_how_to_see_it() {
    let callsign = Callsign::spawn_bare(Place::new());
    let said = callsign.says("\nTry: dig +short node");
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("Try: dig +short "))
        .expect("the line");
    let (name, server) = line.split_once(" @127.0.0.1").expect("where to ask");
    let port = server
        .strip_prefix(" -p ")
        .map_or(53, |port| port.parse().expect("a port"));
    assert!(said.contains(&format!("This node is {name}.\n")), "{said}");
    assert!(
        said.contains(&format!(" on port {port} (UDP and TCP)\n")),
        "{said}"
    );
    if port != 53 {
        assert!(said.contains("No Corefile here, and port 53 is "), "{said}");
    }
    let server = (Ipv4Addr::LOCALHOST, port).into();
    let reply = ask_until(server, name, "TXT", |reply| reply.rcode == 0);
    assert!(reply.authoritative);
}

/// If this fails, a node that was told not to run without a name runs without one, or one that may
/// goes away.
#[test]
fn a_full_pool_ends_only_who_requires_a_claim() {
    let text =
        ". {port} {\n    identity worker {\n        pattern worker{{.ID}}.tf.local.\n        \
                limit 1\n        store local {folder}/names\n    }\n}\n"
            .replace(". {port}", ".:{port}");
    let holder = Callsign::start(&text);
    holder.says("This node is worker1.tf.local.");
    let names = holder.place().path().join("names").display().to_string();
    let text = text.replace("{folder}/names", &names);
    let without = Callsign::start(&text);
    without.says("slots are taken");
    ask_until(without.address(), "worker1.tf.local.", "TXT", |reply| {
        reply.rcode == 0
    });
    let place = Place::new();
    place.write("Corefile", &text);
    let ended = place.run(&["--require-claim"]);
    assert_eq!(ended.status, Some(1));
    assert!(ended.errors.contains("--require-claim"), "{}", ended.errors);
}
