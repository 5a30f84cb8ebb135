//! Ways to an engine other than its socket, what is said when one leads nowhere, and what is counted.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::docker::until;
use crate::support::callsign::{Callsign, Place};
use crate::support::engine::{Container, Dialect, Engine};
use crate::support::etcd::make_certificates;
use crate::support::http::get_until;

/// An engine that is reached over TLS by those who have a certificate of its authority.
struct Secure {
    engine: Engine,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Secure {
    fn start(folder: &Path) -> Self {
        let engine = Engine::start(Dialect::DEBIAN);
        engine.run(Container::new("web").network("bridge", "127.0.1.1", &[]));
        let acceptor = TlsAcceptor::from(Arc::new(config(folder)));
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let socket = engine.socket();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(stream).await.ok()?;
                    let mut engine = UnixStream::connect(socket).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut engine)
                        .await
                        .ok()
                });
            }
        });
        Self {
            engine,
            address,
            _runtime: runtime,
        }
    }
}

fn config(folder: &Path) -> ServerConfig {
    let read = |name: &str| {
        let found = CertificateDer::pem_file_iter(folder.join(name)).expect("a certificate");
        found.collect::<Result<Vec<_>, _>>().expect("certificates")
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(read("ca.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients.build().expect("an authority"))
        .with_single_cert(read("cert.pem"), key)
        .expect("a key that fits")
}

/// A Corefile for an engine at this address, with these files.
fn corefile(endpoint: &str, tls: &str) -> String {
    format!(
        ".:{{port}} {{
    prometheus :{{other}}
    docker {{
        endpoint {endpoint}
        {tls}
        reconnect 10ms 50ms
    }}
}}"
    )
}

/// If this fails, the engine of another machine cannot be asked, strangers can pretend to be it, or
/// nobody learns what is wrong with the certificates.
#[test]
fn an_engine_is_reached_over_tls() {
    let place = Place::new();
    make_certificates(place.path());
    let engine = Secure::start(place.path());
    let others = place.path().join("others");
    fs::create_dir(&others).expect("a folder");
    make_certificates(&others);
    let port = engine.address.port();
    let start = |endpoint: String, files: [&str; 3]| {
        let folder = place.path().display();
        let files = files.map(|file| format!("{folder}/{file}")).join(" ");
        Callsign::start(&corefile(&endpoint, &format!("tls {files}")))
    };
    let ours = ["cert.pem", "key.pem", "ca.pem"];
    for scheme in ["tcp", "https"] {
        let callsign = start(format!("{scheme}://127.0.0.1:{port}"), ours);
        until(&callsign, "web.docker", &["127.0.1.1"]);
        callsign.says(&format!("at https://127.0.0.1:{port}, containers: 1"));
    }
    let endpoint = format!("tcp://127.0.0.1:{port}");
    for (endpoint, files, line) in [
        (
            &endpoint,
            ["cert.pem", "key.pem", "others/ca.pem"],
            "the CA of `tls CERT KEY CA` must have signed",
        ),
        (
            &endpoint,
            ["others/cert.pem", "others/key.pem", "ca.pem"],
            "does its CA know the certificate of `tls CERT KEY CA`?",
        ),
        (
            &format!("tcp://localhost:{port}"),
            ours,
            "the CA of `tls CERT KEY CA` must have signed",
        ),
    ] {
        let callsign = start(endpoint.clone(), files);
        let said = callsign.says(line);
        assert_eq!(said.matches(" docker: ").count(), 1, "{said}");
    }
    drop(engine.engine);
}

/// If this fails, who has not allowed ssh to log in is told that a connection broke, and nothing else.
#[test]
fn what_ssh_complains_about_is_said() {
    let place = Place::new();
    let folder = place.path().join("bin");
    fs::create_dir(&folder).expect("a folder");
    let ssh = folder.join("ssh");
    let script = "#!/bin/sh\necho \"$@\" >&2\necho Host key verification failed. >&2\nexit 255\n";
    fs::write(&ssh, script).expect("a file");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("a mode");
    place.write("Corefile", &corefile("ssh://me@far:2222", ""));
    let mut command = place.command(&[]);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.display()));
    let callsign = Callsign::spawn(place, &mut command);
    callsign.says(
        "cannot reach the engine at ssh://me@far:2222: Host key verification failed. (it must work \
         without a question",
    );
}

/// If this fails, operators do not see that names are no longer followed, or why some are missing.
#[test]
fn what_happens_is_counted() {
    let engine = Engine::start(Dialect::DEBIAN);
    let web = engine.run(Container::new("web").network("bridge", "127.0.1.1", &[]));
    engine.fault("broken", Some(crate::support::engine::Fault::Broken));
    engine.run(Container::new("broken"));
    let callsign = Callsign::start(&corefile(&engine.url(), ""));
    let page: SocketAddr = (Ipv4Addr::LOCALHOST, callsign.place().other).into();
    let label = format!("{{engine=\"{}\"}}", engine.url());
    let until = |lines: &[(&str, &str, u64)]| {
        let lines: Vec<String> = lines
            .iter()
            .map(|(name, labels, number)| format!("callsign_docker_{name}{labels} {number}"))
            .collect();
        get_until(page, "/metrics", |(status, text)| {
            let has = |line: &String| text.lines().any(|it| it == line);
            *status == 200 && lines.iter().all(has)
        })
    };
    until(&[
        ("connected", &label, 1),
        ("containers", &label, 1),
        ("unreadable_containers", &label, 1),
        ("connections_total", &label, 1),
        ("resyncs_total", &label, 1),
        ("hidden_claims", "", 0),
    ]);
    let thief = Container::new("thief").hostname("web");
    let thief = engine.run(thief.network("bridge", "127.0.1.2", &[]));
    // Its hostname is another's name: below the zone, and alone.
    let (_, text) = until(&[("containers", &label, 2), ("hidden_claims", "", 2)]);
    let number = |name: &str| {
        let begin = format!("callsign_docker_{name}{label} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&begin));
        line.and_then(|it| it.parse::<f64>().ok())
            .expect("a number")
    };
    assert!(number("events_total") >= 1.0, "{text}");
    assert!(number("inspections_total") >= 3.0, "{text}");
    assert!(number("inspection_failures_total") >= 1.0, "{text}");
    assert!(number("last_event_timestamp_seconds") > 1e9, "{text}");
    engine.stop(&thief);
    engine.stop(&web);
    until(&[
        ("containers", &label, 0),
        ("hidden_claims", "", 0),
        ("names", "", 0),
    ]);
    engine.vanish();
    until(&[("connected", &label, 0)]);
}
