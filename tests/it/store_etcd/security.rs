//! Users, passwords, tokens and certificates.

use std::process::Command;

use callsign::store::StoreErrorKind;
use callsign::store::etcd::{Credentials, Tls};

use super::*;
use crate::support::etcd::make_certificates;
use crate::support::run::output;

fn with_password(etcd: &Etcd, password: &str) -> Asker {
    Asker::with(EtcdOptions {
        credentials: Some(Credentials {
            user: "callsign".into(),
            password: password.into(),
        }),
        ..options(etcd.url())
    })
}

/// Lets a user `callsign` with the password `right` do what it needs, and nobody else anything.
fn enable_users(etcd: &Etcd) {
    for line in [
        "user add root:top",
        "user grant-role root root",
        "role add names",
        "role grant-permission names readwrite --prefix=true /callsign/",
        "user add callsign:right",
        "user grant-role callsign names",
        "auth enable",
    ] {
        etcd.control(&line.split(' ').collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_password_is_refused_and_not_shown() {
    let etcd = Etcd::start();
    let asker = with_password(&etcd, "right");
    let open = || Request::Open { ttl: LONG };
    let error = asker.try_ask(open()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(
        error.message.contains("authentication is not enabled"),
        "{error}"
    );

    enable_users(&etcd);
    let session = asker.open(LONG).await;
    let error = with_password(&etcd, "wrong")
        .try_ask(open())
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(
        error.message.contains("invalid user ID or password"),
        "{error}"
    );
    assert!(!error.message.contains("wrong"), "{error}");

    // etcd 3.4 grants leases to everybody, but nothing that could hang on them.
    let nobody = Asker::new(&etcd);
    let instance = "i".to_owned();
    let enqueue = Request::Enqueue { session, instance };
    let error = nobody.try_ask(enqueue).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(error.message.contains("user"), "{error}");
    let reason = nobody.follow().away().await;
    assert!(reason.contains("user"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_is_refused() {
    let etcd = Etcd::start();
    enable_users(&etcd);
    let elsewhere = Asker::with(EtcdOptions {
        prefix: Some("/elsewhere".into()),
        credentials: Some(Credentials {
            user: "callsign".into(),
            password: "right".into(),
        }),
        ..options(etcd.url())
    });
    let session = elsewhere.open(LONG).await;
    let instance = "i".to_owned();
    let error = elsewhere
        .try_ask(Request::Enqueue { session, instance })
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(error.message.contains("permission denied"), "{error}");
    let reason = elsewhere.follow().away().await;
    assert!(reason.contains("permission denied"), "{reason}");
}

/// Tokens expire while a node runs: it would lose its name after five minutes.
#[tokio::test(flavor = "multi_thread")]
async fn expired_and_forgotten_tokens_are_renewed() {
    let mut etcd = Etcd::start_with(&["--auth-token-ttl", "1"]);
    enable_users(&etcd);
    let asker = with_password(&etcd, "right");
    let session = asker.open(LONG).await;
    let mut follower = asker.follow();
    follower.listing().await;
    let epoch = asker.take(session, 1).await;
    follower.held(1).await;

    // A token expires when it is not used for a second, so the requests keep that distance.
    let sign_ins = || {
        etcd.requests()
            .get("Authenticate")
            .copied()
            .unwrap_or_default()
    };
    let before = sign_ins();
    let end = std::time::Instant::now() + BOUND;
    while sign_ins() == before {
        assert!(std::time::Instant::now() < end, "the token never expires");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(asker.verify(session, 1, epoch).await, Reply::Stands);
    }
    // A restarted etcd knows no tokens at all.
    etcd.restart();
    assert_eq!(asker.verify(session, 1, epoch).await, Reply::Stands);
    // A change of users makes all tokens old.
    etcd.control(&["--user", "root:top", "user", "add", "another:one"]);
    assert_eq!(asker.verify(session, 1, epoch).await, Reply::Stands);
    let keep_alive = asker.ask(Request::KeepAlive { session }).await;
    assert_eq!(keep_alive, Reply::Renewed { ttl: LONG });
    asker.take(session, 2).await;
    follower.held(2).await;
}

/// The other kind of tokens: signed ones, which know the users' revision.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_token_from_before_a_change_of_users_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    let public = folder.path().join("public.pem");
    let run = |arguments: &[&str]| output(Command::new("openssl").args(arguments));
    let (key, public) = (key.to_str().unwrap(), public.to_str().unwrap());
    run(&["genrsa", "-out", key, "2048"]);
    run(&["rsa", "-in", key, "-pubout", "-out", public]);
    let token = format!("jwt,pub-key={public},priv-key={key},sign-method=RS256,ttl=10m");
    let etcd = Etcd::start_with(&["--auth-token", &token]);
    enable_users(&etcd);
    let asker = with_password(&etcd, "right");
    let session = asker.open(LONG).await;
    let epoch = asker.take(session, 1).await;
    etcd.control(&["--user", "root:top", "user", "add", "another:one"]);
    assert_eq!(asker.verify(session, 1, epoch).await, Reply::Stands);
    let mut follower = asker.follow();
    etcd.control(&["--user", "root:top", "user", "add", "third:one"]);
    assert_eq!(follower.held(1).await.epoch, epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_let_us_in_and_a_missing_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).display().to_string();
    let (ca, cert, key) = (text("ca.pem"), text("cert.pem"), text("key.pem"));
    let etcd = Etcd::start_with(&[
        "--cert-file",
        &cert,
        "--key-file",
        &key,
        "--trusted-ca-file",
        &ca,
        "--client-cert-auth",
    ]);
    let with = |tls| {
        Asker::with(EtcdOptions {
            tls,
            ..options(etcd.url())
        })
    };
    let tls = Tls {
        identity: Some((path("cert.pem"), path("key.pem"))),
        authority: Some(path("ca.pem")),
    };
    let asker = with(Some(tls.clone()));
    let session = asker.open(LONG).await;
    let mut follower = asker.follow();
    follower.listing().await;
    asker.take(session, 1).await;
    follower.held(1).await;

    let nameless = with(Some(Tls {
        identity: None,
        ..tls
    }));
    let error = nameless
        .try_ask(Request::Open { ttl: LONG })
        .await
        .unwrap_err();
    assert!(error.message.contains(etcd.url()), "{error}");
    let other = tempfile::tempdir().unwrap();
    make_certificates(other.path());
    let stranger = with(Some(Tls {
        identity: None,
        authority: Some(other.path().join("ca.pem")),
    }));
    let error = stranger
        .try_ask(Request::Open { ttl: LONG })
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable);
    assert!(error.message.contains("certificate"), "{error}");
}
