//! What a Docker Engine says of one container, over HTTP.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a waiting thread looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// The longest request that is read.
const LONGEST: usize = 10_000;

const ID: &str = "5fe1da2f21240f4fe1da2f21240f4fe1da2f21240f4fe1da2f21240f40f4fe11";

/// An engine on 127.0.0.1, without TLS, until it is dropped.
pub(crate) struct Engine {
    pub(crate) address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Engine {
    /// One that runs a container with this name and address in the network `bridge`.
    pub(crate) fn with(name: &str, address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let engine = Self {
            address: listener.local_addr().expect("an address"),
            stopped: Arc::default(),
        };
        listener.set_nonblocking(true).expect("a listener");
        let stopped = engine.stopped.clone();
        let pages = Arc::new(Pages::of(name, address));
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(TICK);
                    continue;
                };
                let (pages, stopped) = (pages.clone(), stopped.clone());
                // The client may have gone.
                thread::spawn(move || drop(serve(stream, &pages, &stopped)));
            }
        });
        engine
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// What there is to read.
struct Pages {
    list: String,
    detail: String,
}

impl Pages {
    fn of(name: &str, address: Ipv4Addr) -> Self {
        let networks = format!(
            r#""NetworkSettings":{{"Networks":{{"bridge":{{"NetworkID":"n1","IPAddress":"{address}"}}}}}}"#
        );
        Self {
            list: format!(r#"[{{"Id":"{ID}","Names":["/{name}"],"State":"running",{networks}}}]"#),
            detail: format!(
                r#"{{"Id":"{ID}","Name":"/{name}","State":{{"Running":true}},"HostConfig":{{"NetworkMode":"bridge"}},{networks}}}"#
            ),
        }
    }

    /// The page at a path; [`None`] for events, which never end.
    fn at(&self, path: &str) -> Option<&str> {
        match path {
            "/version" => {
                Some(r#"{"Version":"27.0.3","ApiVersion":"1.46","MinAPIVersion":"1.24"}"#)
            }
            "/_ping" => Some("OK"),
            path if path.contains("/events") => None,
            path if path.ends_with("/containers/json") => Some(&self.list),
            path if path.ends_with("/networks") => Some(
                r#"[{"Id":"n1","Name":"bridge","Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.17.0.0/16"}]}}]"#,
            ),
            _ => Some(&self.detail),
        }
    }
}

fn serve(mut stream: TcpStream, pages: &Pages, stopped: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(TICK))?;
    let mut head = Vec::new();
    while !stopped.load(Ordering::Relaxed) && head.len() < LONGEST {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return Ok(()),
            Ok(_) => head.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let path = text.split(' ').nth(1).unwrap_or_default();
        let reply = match pages.at(path) {
            None => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            Some(page) => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}",
                page.len()
            ),
        };
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}
