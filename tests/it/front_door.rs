//! The front door: what a client is told, and what whoever starts the program is told.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{NEVER, Query, Stream, ask, ask_until, receive, udp_socket};

const WHOAMI: &str = ".:{port} {\n    whoami\n}\n";

const REFUSED: u16 = 5;

/// If this fails, nothing works.
#[test]
fn both_protocols_and_both_families_are_served() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    for reply in [
        Query::new("Foo.eXample.", "A").udp(server),
        Query::new("Foo.eXample.", "A").tcp(server),
    ] {
        assert_eq!(
            (reply.id, reply.rcode, reply.authoritative),
            (0x1234, 0, true)
        );
        assert_eq!(
            reply.question, "Foo.eXample",
            "the client knows its question by its letters"
        );
        assert!(reply.answer.is_empty() && !reply.has_opt);
        assert_eq!(reply.additional[0], "Foo.eXample. 0 IN A 127.0.0.1");
        assert!(
            reply.additional[1].contains(".Foo.eXample. 0 IN SRV 0 0 "),
            "{reply:?}"
        );
    }
    let v6 = (
        "::1".parse::<std::net::Ipv6Addr>().expect("an address"),
        server.port(),
    )
        .into();
    assert_eq!(ask(v6, ".", "AAAA").additional[0], ". 0 IN AAAA ::1");
}

/// If this fails, a query reaches the wrong block, or one that no block serves is answered.
#[test]
fn queries_go_to_the_block_of_their_zone() {
    let callsign = Callsign::start(
        "a.example:{port} b.example:{other} {\n    whoami\n}\nempty.example:{port} {\n}\n",
    );
    let first = callsign.address();
    let second = (first.ip(), callsign.place().other).into();
    assert_eq!(ask(first, "x.a.example.", "A").rcode, 0);
    assert_eq!(ask(second, "b.example.", "A").rcode, 0);
    for (server, name) in [
        (first, "b.example."),
        (second, "a.example."),
        (first, "example."),
        (first, "."),
        (first, "empty.example."),
    ] {
        let reply = ask(server, name, "A");
        assert_eq!(
            (reply.rcode, reply.additional.len()),
            (REFUSED, 0),
            "{name} at {server}"
        );
    }
}

/// If this fails, odd queries cost a client its time or make it believe something wrong.
#[test]
fn odd_queries_get_the_codes_of_the_standards() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let query = || Query::new("example.", "A");
    let badvers = query().edns(4096, 1).udp(server);
    assert_eq!((badvers.rcode, badvers.has_opt), (16, true));
    assert_eq!(query().class(3).udp(server).rcode, REFUSED);
    assert_eq!(
        query().flags([0x28, 0]).udp(server).rcode,
        4,
        "UPDATE is not implemented"
    );
    for message in [
        &[0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &query().bytes()[..15],
    ] {
        let socket = udp_socket(server);
        socket.send(message).expect("a datagram");
        let reply = receive(&socket).expect("a reply");
        assert_eq!(
            (reply[3] & 0xf, reply.len()),
            (1, 12),
            "FORMERR, and no more than a header"
        );
    }
}

/// If this fails, a forged packet makes two servers answer each other for ever.
#[test]
fn replies_are_not_answered() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let reply = Query::new("example.", "A").flags([0x81, 0]);
    assert!(reply.udp_within(server, NEVER).is_none());
    let mut stream = Stream::connect(server);
    stream.send(&reply);
    stream.send_bytes(b"scrap");
    stream.send(&Query::new("example.", "A").id(7));
    assert_eq!(stream.receive().id, 7);
}

/// If this fails, a client that asks several things at once over one connection waits for ever or
/// gets replies twice.
#[test]
fn one_connection_takes_many_queries() {
    let callsign = Callsign::start(WHOAMI);
    let mut stream = Stream::connect(callsign.address());
    let mut bytes = Vec::new();
    for id in 0..500 {
        let message = Query::new("example.", "A").id(id).bytes();
        bytes.extend_from_slice(&(message.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&message);
    }
    // In pieces that do not end where messages do.
    for piece in bytes.chunks(777) {
        stream.write(piece);
    }
    stream.finish();
    let mut ids: Vec<u16> = (0..500).map(|_| stream.receive().id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..500).collect::<Vec<u16>>());
    assert_eq!(stream.closed(), 0, "the server closes after the last reply");
}

/// If this fails, whoever opens connections and says nothing takes them from everybody else.
#[test]
fn silent_connections_are_closed() {
    let callsign = Callsign::start(WHOAMI);
    let mut silent = Stream::connect(callsign.address());
    let mut slow = Stream::connect(callsign.address());
    slow.write(&[0, 200, 1, 2, 3]);
    assert_eq!((silent.closed(), slow.closed()), (0, 0));
}

/// If this fails, one client can take all connections.
#[test]
fn one_peer_has_a_bounded_number_of_connections() {
    let callsign = Callsign::start(WHOAMI);
    let mut streams: Vec<Stream> = (0..251)
        .map(|_| Stream::connect(callsign.address()))
        .collect();
    let mut last = streams.pop().expect("a stream");
    assert_eq!(last.closed(), 0);
    let mut first = streams.swap_remove(0);
    first.send(&Query::new("example.", "A"));
    assert_eq!(first.receive().rcode, 0);
}

/// If this fails, a flood of rubbish ends the server.
#[test]
fn rubbish_is_survived() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let socket = udp_socket(server);
    let mut seed = 1_u32;
    for length in 0..2000 {
        let mut bytes = Query::new("a.b.example.", "A").edns(1232, 0).bytes();
        bytes.truncate(length % (bytes.len() + 1));
        for byte in &mut bytes {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 28 == 0 {
                *byte = (seed >> 16) as u8;
            }
        }
        socket.send(&bytes).expect("a datagram");
    }
    socket.send(&vec![0; 60_000]).expect("a large datagram");
    assert_eq!(ask(server, "example.", "A").rcode, 0);
    assert!(!callsign.said().contains("panic"), "{}", callsign.said());
}

/// If this fails, a Corefile for one address is served on others, or not there.
#[test]
fn bind_is_obeyed() {
    let callsign = Callsign::start(
        ".:{port} {\n    bind 127.0.0.2 127.0.0.3 {\n        except 127.0.0.3\n    }\n    whoami\n}\n\
         example.:{port} {\n    bind lo\n    whoami\n}\n",
    );
    let at = |address: &str| {
        (
            address.parse::<std::net::IpAddr>().expect("an address"),
            callsign.place().port,
        )
            .into()
    };
    assert_eq!(ask(at("127.0.0.2"), ".", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.1"), "example.", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.1"), ".", "A").rcode, REFUSED);
    assert!(
        Query::new(".", "A")
            .udp_within(at("127.0.0.3"), NEVER)
            .is_none()
    );
    let banner = callsign.said();
    let port = callsign.place().port;
    assert!(
        banner.contains(&format!(".:{port} on 127.0.0.2\n")),
        "{banner}"
    );
}

/// If this fails, a block for all addresses and one for a single address cannot stand in one
/// Corefile, as they can in CoreDNS.
#[test]
fn a_single_address_may_be_served_beside_all_of_them() {
    let callsign = Callsign::start(
        ".:{port} {\n    whoami\n}\nexample.:{port} {\n    bind 127.0.0.2\n    whoami\n}\n",
    );
    let at = |address: &str| {
        (
            address.parse::<std::net::IpAddr>().expect("an address"),
            callsign.place().port,
        )
            .into()
    };
    assert_eq!(ask(at("127.0.0.1"), "org.", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.2"), "example.", "A").rcode, 0);
    assert_eq!(ask(at("127.0.0.2"), "org.", "A").rcode, REFUSED);
    assert_eq!(Query::new("example.", "A").tcp(at("127.0.0.2")).rcode, 0);
}

/// Asks without a pause, over sockets of its own, until it is told to end; gives how many replies
/// came, or panics when one does not.
fn keep_asking(server: std::net::SocketAddr, end: &AtomicBool) -> usize {
    let mut asked = 0;
    while !end.load(Ordering::Relaxed) {
        let socket = udp_socket(server);
        for id in 0..20 {
            socket
                .send(&Query::new("example.", "A").id(id).bytes())
                .expect("a datagram");
        }
        for _ in 0..20 {
            receive(&socket).expect("a reply to every query, reload or not");
            asked += 1;
        }
    }
    asked
}

/// If this fails, a reload loses queries.
#[test]
fn a_reload_loses_no_query() {
    let callsign = Callsign::start(WHOAMI);
    let server = callsign.address();
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| keep_asking(server, &end)))
            .collect();
        let mut connection = Stream::connect(server);
        for round in 1..=10 {
            let signal = if round % 2 == 0 {
                Signal::SIGHUP
            } else {
                Signal::SIGUSR1
            };
            callsign.rewrite(&format!(
                "{WHOAMI}zone{round}:{{other}} {{\n    whoami\n}}\n"
            ));
            callsign.signal(signal);
            callsign.output_has("reloaded", round);
            connection.send(&Query::new("example.", "A"));
            assert_eq!(connection.receive().rcode, 0, "the connection is kept");
            let second = (server.ip(), callsign.place().other).into();
            assert_eq!(ask(second, &format!("zone{round}."), "A").rcode, 0);
        }
        end.store(true, Ordering::Relaxed);
        for asking in asking {
            assert!(asking.join().expect("no query was lost") > 0);
        }
    });
}

/// If this fails, a typing mistake in a running server's Corefile ends the server, or nobody is
/// told about it.
#[test]
fn a_bad_reload_changes_nothing() {
    let callsign = Callsign::start(WHOAMI);
    for (round, (text, message)) in [
        (".:{port} {\n    whoam\n}\n", "did you mean `whoami`?"),
        ("example.:{port} {\n", "error"),
        (
            ".:{port} {\n    bind 192.0.2.1\n    whoami\n}\n",
            "192.0.2.1:{port}: not an address of this machine",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        callsign.rewrite(text);
        callsign.signal(Signal::SIGHUP);
        callsign.output_has("not reloaded, the old configuration goes on", round + 1);
        callsign.says(&callsign.place().filled(message));
        assert_eq!(ask(callsign.address(), "example.", "A").rcode, 0);
    }
}

/// If this fails, a reload to another address leaves the old one served, or loses what was asked
/// while it changed over.
#[test]
fn a_reload_moves_between_addresses() {
    let one = ".:{port} {\n    bind 127.0.0.1\n    whoami\n}\n";
    let callsign = Callsign::start(one);
    let server = callsign.address();
    let elsewhere = (Ipv4Addr::new(127, 0, 0, 9), server.port()).into();
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| keep_asking(server, &end));
        for round in 1..=9 {
            let text = if round % 2 == 1 { WHOAMI } else { one };
            callsign.rewrite(text);
            callsign.signal(Signal::SIGUSR1);
            callsign.output_has("reloaded", round);
            assert_eq!(Query::new(".", "A").tcp(server).rcode, 0);
            let everywhere = Query::new(".", "A").udp_within(elsewhere, NEVER).is_some();
            assert_eq!(everywhere, text == WHOAMI, "round {round}");
        }
        end.store(true, Ordering::Relaxed);
        assert!(asking.join().expect("no query was lost") > 0);
    });
}

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
        "error: cannot read the Corefile missing: no such file\n"
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
        "error: cannot read the Corefile missing: no such file\n"
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
    assert_eq!(
        place.run(&["-plugins"]).out,
        "bind\nidentity\nidetcd\nwhoami\n"
    );
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
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .expect("a timeout");
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
    let child = place
        .command(&["-quiet"])
        .spawn()
        .expect("the program can be started");
    let server = (Ipv4Addr::LOCALHOST, place.port).into();
    while Query::new(".", "A").udp_within(server, NEVER).is_none() {}
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process"));
    nix::sys::signal::kill(id, Signal::SIGTERM).expect("our own child");
    let output = child.wait_with_output().expect("our own child");
    assert_eq!((output.stdout, output.stderr), (vec![], vec![]));
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
        said.contains(&format!(
            "serving every address on port {port} (UDP and TCP)\n"
        )),
        "{said}"
    );
    if port != 53 {
        assert!(said.contains("No Corefile here, and port 53 is "), "{said}");
    }
    let server = (Ipv4Addr::LOCALHOST, port).into();
    let reply = ask_until(server, name, "TXT", |reply| reply.rcode == 0);
    assert!(reply.authoritative);
}

/// If this fails, a client gets a part of a long answer and takes it for all of it.
#[test]
fn what_does_not_fit_is_asked_for_over_tcp() {
    let addresses: Vec<String> = (1..=60).map(|number| format!("192.0.2.{number}")).collect();
    let callsign = Callsign::start(&format!(
        ".:{{port}} {{\n    identity worker {{\n        pattern worker{{{{.ID}}}}.tf.internal.\n        \
         limit 9\n        store local {{folder}}/names\n        address {}\n    }}\n}}\n",
        addresses.join(" ")
    ));
    let server = callsign.address();
    let name = "worker1.tf.internal.";
    let cut = ask_until(server, name, "A", |reply| reply.rcode == 0);
    assert!(
        cut.truncated && cut.length <= 512 && cut.answer.len() < 60,
        "{cut:?}"
    );
    let whole = Query::new(name, "A").tcp(server);
    assert!(!whole.truncated);
    assert_eq!(whole.answer.len(), 60);
    let large = Query::new(name, "A").edns(1232, 0).udp(server);
    assert_eq!((large.truncated, large.answer.len()), (false, 60));
    let missing = ask(server, "worker2.tf.internal.", "A");
    assert_eq!((missing.rcode, missing.authority.len()), (3, 1));
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
