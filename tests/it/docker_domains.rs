//! Whole names of containers below domains that are somebody else's.

use crate::docker::{now, until};
use crate::support::callsign::{Callsign, Place};
use crate::support::dns::{ask, ask_until};
use crate::support::engine::{Container, Dialect, Engine};

/// What others know of the domain.
const ZONE: &str = "\
$ORIGIN example.org.
@ 60 IN SOA ns hostmaster 1 60 60 60 60
@ 60 IN NS ns
@ 60 IN A 192.0.2.1
@ 60 IN MX 10 mail
ns 60 IN A 192.0.2.1
app 60 IN A 192.0.2.2
www.app 60 IN A 192.0.2.3
www.app 60 IN AAAA 2001:db8::3
";

/// If this fails, `fqdn example.org` takes the domain's own addresses and mail away, or a container
/// that is started anew leaves its clients with the address of a server of the internet.
#[test]
fn only_containers_names_are_taken_from_a_domain() {
    let engine = Engine::start(Dialect::DEBIAN);
    let mut container = Container::new("web").network("bridge", "127.0.1.1", &[]);
    let label = ("dns.name".into(), "www.app.example.org".into());
    container.labels.extend([label]);
    let place = Place::new();
    place.write("zone", ZONE);
    place.write(
        "Corefile",
        &place.filled(&format!(
            ".:{{port}} {{
    docker {{
        endpoint {}
        fqdn example.org
    }}
    file zone example.org
}}",
            engine.url()
        )),
    );
    let callsign = Callsign::start_in(place, &[]);
    callsign.says("docker: engine ");
    // Whoever has never been one of ours is the domain's.
    now(&callsign, "www.app.example.org", &["192.0.2.3"]);
    let id = engine.run(container);
    until(&callsign, "www.app.example.org", &["127.0.1.1"]);
    let server = callsign.address();
    let reply = ask(server, "www.app.example.org", "AAAA");
    assert_eq!((reply.rcode, reply.answer.len()), (0, 0), "{reply:?}");
    now(&callsign, "example.org", &["192.0.2.1"]);
    let reply = ask(server, "example.org", "MX");
    assert_eq!(reply.answer, ["example.org. 60 IN MX 10 mail.example.org."]);
    // What only has a container's name below it.
    now(&callsign, "app.example.org", &["192.0.2.2"]);

    engine.stop(&id);
    let reply = ask_until(server, "www.app.example.org", "A", |reply| {
        reply.answer != ["www.app.example.org. 5 IN A 127.0.1.1"]
    });
    assert_eq!((reply.rcode, reply.answer.len()), (3, 0), "{reply:?}");
}
