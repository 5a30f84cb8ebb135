use crate::plugins::harness::Server;

/// If this fails, one of two settings is dropped and nobody learns which.
#[test]
fn what_is_said_twice_is_shown() {
    for option in ["ttl 5", "share local", "order stable", "published"] {
        let lines = format!("docker {{\n {option}\n {option}\n}}");
        let shown = Server::mistakes(&lines);
        assert!(shown.contains("given twice"), "{lines}: {shown}");
    }
    let lines = "docker {\n networks a\n networks b\n fqdn a.\n fqdn b.\n ttl 0x\n}";
    let shown = Server::mistakes(lines);
    assert!(!shown.contains("given twice"), "{shown}");
}
