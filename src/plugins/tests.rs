//! The table of directives.

use super::*;

/// If this fails, a directive is set up by another one's code.
#[test]
fn every_directive_has_a_name_of_its_own() {
    for (index, definition) in DIRECTIVES.iter().enumerate() {
        assert_eq!(
            DIRECTIVES.iter().position(|it| it.name == definition.name),
            Some(index)
        );
        assert!(
            definition.syntax.starts_with(definition.name),
            "{}",
            definition.syntax
        );
    }
    assert!(definition("whoami").is_some() && definition("nomad").is_none());
}

/// If this fails, the tests of directives do not see what clients see.
#[test]
fn the_harness_serves_what_a_corefile_says() {
    let server = harness::Server::block("whoami").from("192.0.2.7");
    let reply = server.ask("example.", answer::RecordType::A);
    assert!(reply.is_authoritative());
    assert_eq!(harness::answers(&reply), [""; 0]);
    assert_eq!(reply.section(answer::Section::Additional).count(), 2);
    assert!(harness::Server::mistakes("whoam").contains("did you mean `whoami`?"));
    let tcp = harness::Server::block("whoami").over_tcp();
    let reply = tcp.ask("example.", answer::RecordType::A);
    assert_eq!(
        reply.records().nth(1).unwrap().owner().to_string(),
        "_tcp.example."
    );
    assert_eq!(tcp.wait(async { 1 }), 1);
}
