use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn probe(text: &str) -> Probe {
    Probe::parse(&words(text)).unwrap()
}

fn shell(script: &str) -> Probe {
    Probe::parse(&["exec", "sh", "-c", script].map(str::to_owned)).unwrap()
}

/// Answers each connection with `reply` after having read something, and counts them.
async fn server(reply: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = vec![0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(reply.as_bytes()).await;
            });
        }
    });
    (address, count)
}

/// An address on loopback where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn words_are_read_or_refused_at_the_wrong_one() {
    for text in [
        "tcp 127.0.0.1:2222",
        "tcp [::1]:2222",
        "tcp localhost:2222",
        "http http://127.0.0.1:8080/ready?full=1",
        "http http://[::1]/",
        "exec test -e /run/ready",
    ] {
        assert_eq!(probe(text).to_string(), text);
    }
    for (text, word, message) in [
        ("tpc x", 0, "checks are tcp"),
        ("tcp", 1, "address with a port"),
        ("tcp 2222", 1, "address with a port"),
        ("tcp 127.0.0.1:0", 1, "address with a port"),
        ("tcp 127.0.0.1:+1", 1, "address with a port"),
        ("tcp ::1:22", 1, "address with a port"),
        ("tcp a:1 b", 2, "nothing"),
        ("http", 1, "URL"),
        ("http https://a/", 1, "https is not supported"),
        ("http a/", 1, "begins with http://"),
        ("http http://", 1, "no host"),
        ("http http://u:p@a/", 1, "user name"),
        ("http http://a:99999/", 1, "no host"),
        ("http http://a/\r\nX:y", 1, "no spaces"),
        ("exec", 1, "needs a command"),
    ] {
        let error = Probe::parse(&words(text)).unwrap_err();
        assert_eq!(error.word, word, "{text}");
        assert!(error.message.contains(message), "{text}: {}", error.message);
    }
    assert_eq!(Probe::parse(&[]).unwrap_err().word, 0);
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp() {
    let (address, _) = server("").await;
    assert_eq!(
        probe(&format!("tcp {address}")).attempt(PATIENCE).await,
        Ok(())
    );
    let closed = probe(&format!("tcp {}", nobody().await));
    assert!(
        closed
            .attempt(PATIENCE)
            .await
            .unwrap_err()
            .contains("refused")
    );
}

/// A service that answers 503 while it starts must not get traffic.
#[tokio::test]
async fn http_needs_a_good_status() {
    for (reply, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\nfine", Ok(())),
        ("HTTP/1.0 302 Found\r\n\r\n", Ok(())),
        ("HTTP/1.1 204\r\n\r\n", Ok(())),
        ("HTTP/1.1 503 Busy\r\n\r\n", Err("status 503")),
        ("HTTP/1.1 400 Bad\r\n\r\n", Err("status 400")),
        ("HTTP/1.1 2000 OK\r\n\r\n", Err("no HTTP")),
        ("SSH-2.0-OpenSSH\r\n", Err("no HTTP")),
        ("", Err("no HTTP")),
    ] {
        let (address, _) = server(reply).await;
        let result = probe(&format!("http http://{address}/a"))
            .attempt(PATIENCE)
            .await;
        match expected {
            Ok(()) => assert_eq!(result, Ok(()), "{reply:?}"),
            Err(reason) => assert!(result.unwrap_err().contains(reason), "{reply:?}"),
        }
    }
}

/// Servers look at path and host: a wrong request would be refused by healthy ones.
#[tokio::test]
async fn the_request_is_what_a_server_expects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let check = probe(&format!("http http://{address}/a?b=c#d"));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let both = async { tokio::join!(check.attempt(PATIENCE), serve) };
    let (result, request) = timeout(PATIENCE, both).await.expect("it asks");
    assert_eq!(result, Ok(()));
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains(&format!("\r\nHost: {address}\r\n")),
        "{request}"
    );
}

/// A server that accepts and is silent fails the check, and does not stop it for ever.
#[tokio::test]
async fn silence_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let check = probe(&format!("http http://{}/", listener.local_addr().unwrap()));
    let result = check.attempt(Duration::from_millis(50)).await;
    assert!(result.unwrap_err().contains("no answer within 50ms"));
}

#[tokio::test]
async fn commands_pass_with_exit_status_0() {
    assert_eq!(
        shell("echo out; echo err >&2").attempt(PATIENCE).await,
        Ok(())
    );
    assert!(
        shell("exit 3")
            .attempt(PATIENCE)
            .await
            .unwrap_err()
            .contains("exit status: 3")
    );
    let missing = probe("exec /nonexistent/check").attempt(PATIENCE).await;
    assert!(missing.unwrap_err().contains("cannot be run"));
}

/// A check that hangs must not fill the machine with its processes, nor with zombies.
#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("sleep 1000 & echo $$ $! > {}; wait", pids.display());
    let check = shell(&script);
    let result = check.attempt(Duration::from_secs(5)).await;
    assert!(result.unwrap_err().contains("killed after 5s"));
    let pids = std::fs::read_to_string(pids).unwrap();
    let [shell, child] = pids.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{pids:?}");
    };
    assert!(
        !std::path::Path::new("/proc").join(shell).exists(),
        "the shell is no zombie"
    );
    // The child is init's now, which may take a moment.
    let deadline = Instant::now() + PATIENCE;
    while is_running(child) {
        assert!(Instant::now() < deadline, "the child lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status
        .rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn one_success_is_enough_and_one_failure_is_not() {
    let mut health = Health::default();
    let mut changes = Vec::new();
    for success in [
        false, false, false, false, true, true, false, false, true, false, false, false,
    ] {
        changes.push(health.after(success, 3));
    }
    let passes = || Some(Change::Passes);
    let fails = || Some(Change::Fails);
    assert_eq!(
        changes,
        [
            None,
            None,
            fails(),
            None,
            passes(),
            None,
            None,
            None,
            None,
            None,
            None,
            fails()
        ]
    );
    assert_eq!(Health::default().after(false, 0), fails());
}

#[tokio::test]
async fn a_node_passes_when_its_service_comes_and_fails_when_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let mut check = HealthCheck::new(probe(&format!("exec test -e {}", ready.display())));
    check.interval = SHORTEST_INTERVAL;
    let mut passes = run(check);
    assert!(!*passes.borrow_and_update());
    std::fs::write(&ready, "").unwrap();
    assert!(
        timeout(PATIENCE, passes.wait_for(|passes| *passes))
            .await
            .is_ok()
    );
    std::fs::remove_file(&ready).unwrap();
    assert!(
        timeout(PATIENCE, passes.wait_for(|passes| !*passes))
            .await
            .is_ok()
    );
}

/// After a reload the old check must not go on beside the new one.
#[tokio::test]
async fn checks_end_with_their_last_receiver() {
    let (address, count) = server("").await;
    let mut check = HealthCheck::new(probe(&format!("tcp {address}")));
    check.interval = SHORTEST_INTERVAL;
    let (sender, receiver) = watch::channel(false);
    let checking = tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            () = check_forever(&check, &sender) => {}
        }
    });
    let mut watching = receiver.clone();
    assert!(
        timeout(PATIENCE, watching.wait_for(|passes| *passes))
            .await
            .is_ok()
    );
    drop((receiver, watching));
    assert!(timeout(PATIENCE, checking).await.is_ok());
    assert!(count.load(Ordering::SeqCst) > 0);
}
