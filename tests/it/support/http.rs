//! A client of HTTP/1.1 without anything to it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::BOUND;

/// Status and body of a page.
pub(crate) type Page = (u16, String);

/// What a server has at a path.
pub(crate) fn get(server: SocketAddr, path: &str) -> io::Result<Page> {
    let mut connection = Connection::open(server)?;
    connection.get(path)
}

/// Asks until the page is as it should be.
pub(crate) fn get_until(server: SocketAddr, path: &str, enough: impl Fn(&Page) -> bool) -> Page {
    let end = Instant::now() + BOUND;
    loop {
        let page = get(server, path);
        match page {
            Ok(page) if enough(&page) => return page,
            page => assert!(Instant::now() < end, "still {page:?}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until nobody accepts connections there.
pub(crate) fn until_gone(server: SocketAddr) {
    let end = Instant::now() + BOUND;
    while TcpStream::connect_timeout(&server, BOUND).is_ok() {
        assert!(Instant::now() < end, "{server} is still served");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A connection that is kept.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, BOUND)?;
        stream.set_read_timeout(Some(BOUND))?;
        stream.set_write_timeout(Some(BOUND))?;
        Ok(Self(stream))
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Page> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let length = field("content-length:").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.expect("a body with a length")];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok((status.expect("a status"), body))
    }
}
