//! What the user of a Corefile is told, as it is shown.

use std::path::PathBuf;

use super::*;

/// No variables, no other files.
struct Nothing;

impl corefile::Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn read(&self, _: &std::path::Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
    fn glob(&self, _: &std::path::Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

fn checked(text: &str) -> (Result<Configuration, Vec<Diagnostic>>, Sources) {
    let mut sources = Sources::new();
    let text = Text {
        name: "Corefile".into(),
        directory: PathBuf::new(),
        text: text.into(),
        remark: None,
    };
    (check(&mut sources, &text, DNS_PORT, &Nothing), sources)
}

/// The mistakes as the user sees them.
fn shown(text: &str) -> String {
    let (result, sources) = checked(text);
    render(&result.err().unwrap_or_default(), &sources, false)
}

/// What is served where.
fn served(text: &str) -> Vec<String> {
    let (result, sources) = checked(text);
    let configuration = result
        .map_err(|errors| render(&errors, &sources, false))
        .unwrap();
    let zone = |address: ListenAddress, (zone, block): &(Name, usize)| {
        format!("{zone} on {address} by {block}")
    };
    let endpoints = configuration.endpoints.iter();
    endpoints
        .flat_map(|it| it.zones.iter().map(|served| zone(it.address, served)))
        .collect()
}

/// If this fails, a Corefile that CoreDNS serves is served otherwise here.
#[test]
fn blocks_are_served_at_their_ports_and_addresses() {
    assert_eq!(served(".:1053 {\n whoami\n}\n"), [". on port 1053 by 0"]);
    assert_eq!(
        served("example.org, 10.0.0.0/24:1053 {\n whoami\n}\norg {\n bind 127.0.0.1 ::1\n}\n"),
        [
            "example.org. on port 53 by 0",
            "0.0.10.in-addr.arpa. on port 1053 by 0",
            "org. on 127.0.0.1:53 by 1",
            "org. on [::1]:53 by 1",
        ]
    );
    assert_eq!(
        served(". {\n bind lo {\n except ::1\n }\n}\n"),
        [". on 127.0.0.1:53 by 0"]
    );
}

/// The names of all directives, as messages list them.
fn directives() -> String {
    DIRECTIVES
        .iter()
        .map(|it| it.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// If this fails, the mistakes of a file must be found by starting it once for each.
#[test]
fn every_mistake_is_shown_in_one_go() {
    assert_eq!(
        shown("tls://. {\n    whomi\n    nomad 30\n    whoami now\n}\nexample.org:x {\n    bind eth99\n}\n")
            .replace(&interfaces(), "INTERFACES")
            .replace(&directives(), "DIRECTIVES"),
        "\
error: `tls://.` cannot be served yet
 --> Corefile:1:1
  |
1 | tls://. {
  | ^^^^^^^ only DNS over UDP and TCP is served
  |
  = help: write the key without a scheme

error: unknown directive `whomi`
 --> Corefile:2:5
  |
2 |     whomi
  |     ^^^^^ did you mean `whoami`?
  |
  = help: accepted here: DIRECTIVES

error: `nomad` is a directive of CoreDNS that Callsign does not have
 --> Corefile:3:5
  |
3 |     nomad 30
  |     ^^^^^ not available here
  |
  = help: services of Nomad are not read; `forward` can ask Consul, where they may be registered

error: `whoami` takes no arguments, but has 1
 --> Corefile:4:12
  |
4 |     whoami now
  |            ^^^ not expected
  |
  = help: syntax: whoami

error: `x` is not a port
 --> Corefile:6:1
  |
6 | example.org:x {
  | ^^^^^^^^^^^^^ expected a number from 1 to 65535
  |
  = help: a key is a zone (`example.org`, `.`) or a network (`10.0.0.0/24`), with `:PORT` after it if wanted

error: `eth99` is neither an address nor an interface of this machine
 --> Corefile:7:10
  |
7 |     bind eth99
  |          ^^^^^ no such interface
  |
  = help: interfaces with addresses: INTERFACES"
    );
}

/// The interfaces of the machine that the test runs on, as the message lists them.
fn interfaces() -> String {
    let mut names: Vec<String> = nix::ifaddrs::getifaddrs()
        .unwrap()
        .filter(|it| {
            it.address
                .is_some_and(|at| at.as_sockaddr_in().is_some() || at.as_sockaddr_in6().is_some())
        })
        .map(|it| it.interface_name)
        .collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

/// If this fails, blocks with views cannot share a zone, or one that no query reaches passes unseen.
#[test]
fn blocks_with_views_share_a_zone() {
    let with = "org {\n    view a {\n        expr true\n    }\n}\n";
    let without = "org {\n    whoami\n}\n";
    assert_eq!(shown(&format!("{with}{with}{without}")), "");
    let wrong = shown(&format!("{with}{without}{with}"));
    assert!(wrong.contains("already defined"), "{wrong}");
    assert!(
        wrong.contains("put those with a `view` before it"),
        "{wrong}"
    );
    assert!(
        shown("org org. {\n    view a {\n        expr true\n    }\n}\n")
            .contains("already defined")
    );
}

/// If this fails, a zone has two blocks and nobody knows which one answers.
#[test]
fn a_zone_is_served_once() {
    assert_eq!(
        shown("example.org {\n    whoami\n}\nexample.org. {\n    whoami\n}\n"),
        "\
error: cannot serve `example.org.` on port 53: it is already defined
 --> Corefile:4:1
  |
1 | example.org {
  | ----------- defined here first
...
4 | example.org. {
  | ^^^^^^^^^^^^ defined a second time here"
    );
    assert_eq!(
        shown("org {\n    whoami\n}\norg {\n    bind 127.0.0.1\n}\n"),
        "\
error: cannot serve `org.` on port 53 both everywhere and at a single address
 --> Corefile:4:1
  |
1 | org {
  | --- served everywhere here
...
4 | org {
  | ^^^ served at one address here
  |
  = help: give both blocks a `bind`, or neither"
    );
    assert_eq!(
        shown("org {\n bind 127.0.0.1\n}\norg {\n bind ::1\n}\norg:1053 {\n whoami\n}\n"),
        ""
    );
}

/// If this fails, a file from which everything was commented out starts a server that serves
/// nothing, or a mistyped scheme is taken for a zone.
#[test]
fn odd_files_are_explained() {
    assert_eq!(
        shown("# nothing\n"),
        "error: Corefile has no server block, so nothing would be served\n |\n \
         = help: the smallest one is `. { whoami }`, on three lines"
    );
    assert!(shown("tsl://. {\n}\n").contains("did you mean `tls://`?"));
    assert!(shown(". {\n whoami\n whoami\n}\n").contains("`whoami` is given twice"));
    assert!(shown(". {\n bind lo {\n except lo\n }\n}\n").contains("leaves no address"));
    assert!(shown("-a. {\n bind lo {\n except lo\n }\n}\n").contains("leaves no address"));
    assert!(shown(". {\n bind lo {\n excpet ::1\n }\n}\n").contains("did you mean `except`?"));
    assert!(shown(". {\n bind\n}\n").contains("syntax: bind ADDRESS|INTERFACE..."));
}

/// If this fails, nobody is warned of a zone that no host name can lie in.
#[test]
fn an_odd_zone_is_only_a_warning() {
    let (result, _) = checked("-a.org {\n whoami\n}\n");
    let warnings = result.map(|configuration| configuration.warnings).unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.contains("`-a.org.`"));
}

/// If this fails, a start without a Corefile serves something else than all names, once.
#[test]
fn the_built_in_configuration_is_right() {
    let text = Origin::BuiltIn.read(DNS_PORT).unwrap();
    assert_eq!(served(&text.text), [". on port 53 by 0"]);
}

/// If this fails, the last of two lines that contradict each other wins, and nobody is told.
#[test]
fn an_option_is_given_once_in_inner_blocks_too() {
    let pool = |lines: &str| shown(&format!(". {{\n identity {{\n{lines}\n }}\n}}\n"));
    for (lines, message) in [
        (
            "store etcd http://a {\n prefix a\n prefix b\n}",
            "`prefix` is given twice",
        ),
        (
            "prefix a\nstore etcd http://a {\n prefix b\n}",
            "`prefix` is given twice",
        ),
        (
            "store etcd http://a {\n prefix b\n}\nprefix a",
            "`prefix` is given twice",
        ),
        (
            "health tcp [::1]:1 {\n interval 1s\n interval 2s\n}",
            "`interval` is given twice",
        ),
        (
            "health tcp [::1]:1 {\n interval 1s {\n }\n}",
            "`interval` takes no block",
        ),
        (
            "store etcd http://a {\n prefix b {\n }\n}",
            "`prefix` takes no block",
        ),
        ("limit 3 {\n}", "`limit` takes no block"),
        ("helth tcp [::1]:1 {\n}", "did you mean `health`?"),
    ] {
        let errors = pool(lines);
        assert!(errors.contains(message), "{lines}: {errors}");
        assert_eq!(errors.matches("error: ").count(), 1, "{lines}: {errors}");
    }
    let twice = "port a 1\nport b 2\nmeta a b\nmeta c d\non lost a\non lost b";
    assert_eq!(pool(twice), "");
}

/// If this fails, a network that is fine as a key is refused among the zones of a directive, or a
/// zone that is none is taken.
#[test]
fn zones_of_a_directive_are_written_like_keys() {
    let with = |zones: &str| {
        shown(&format!(
            ". {{\n identity {{\n  fallthrough {zones}\n }}\n}}\n"
        ))
    };
    for zones in ["", "example.org", "10.0.0.0/8 fd00::/15"] {
        assert_eq!(with(zones), "", "{zones}");
    }
    assert!(with("10.0.0.0/33").contains("`10.0.0.0/33` is not a network"));
    assert!(with("org a..b").contains("`a..b` is not a zone"));
}

/// If this fails, a misspelt field of a pattern is refused without the word that was meant.
#[test]
fn a_misspelt_field_of_a_pattern_gets_the_nearest() {
    let errors = shown(". {\n identity {\n  pattern worker{{.Id}}.tf.local.\n }\n}\n");
    assert!(errors.contains("^^^ did you mean `.ID`?"), "{errors}");
}
