//! The directive's words.

use crate::plugins::harness::Server;

/// If this fails, a Corefile of CoreDNS is refused.
#[test]
fn corefiles_of_coredns_are_read() {
    for lines in [
        "etcd",
        "etcd skydns.local",
        "etcd skydns.local {\npath /skydns\nendpoint http://localhost:2379 localhost:4001\n}",
        "etcd {\nstubzones\nupstream 8.8.8.8\ndebug\n}",
        "etcd {\ncredentials me secret\nfallthrough in-addr.arpa\n}",
        "etcd {\nmin-lease-ttl 10s\nmax-lease-ttl 1h\nstale 10m\n}",
        "etcd a.local {\npath /\n}\netcd b.local",
    ] {
        assert_eq!(Server::mistakes(lines), "", "{lines}");
    }
}

/// If this fails, a mistake is not shown, or a password is.
#[test]
fn mistakes_are_shown() {
    let all = Server::mistakes(
        "etcd bad..zone {\npath\nendpoint ftp://x\ncredentials me\npatth /x\nmin-lease-ttl 10\n\
         max-lease-ttl 1s\nstale x\nstale 1s\n}",
    );
    for mistake in [
        "empty label",
        "syntax: path PATH",
        "does not begin with http",
        "syntax: credentials USER PASSWORD",
        "did you mean `path`?",
        "`10` is not a duration",
        "`x` is not a duration",
        "`stale` is given twice",
        "`min-lease-ttl` is longer than `max-lease-ttl`",
    ] {
        assert!(all.contains(mistake), "{mistake}: {all}");
    }
    let secret = Server::mistakes("etcd {\nendpoint http://me:secret@localhost\n}");
    assert!(secret.contains("has a user in it"), "{secret}");
    let tls = Server::mistakes("etcd {\ntls /none/ca.pem\nendpoint https://localhost\n}");
    assert!(tls.contains("/none/ca.pem"), "{tls}");
}
