//! A client of HTTP/1.1 without anything to it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

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
        let answer = self.ask("GET", path, &[("Host", "localhost")], "")?;
        Ok((answer.status, answer.body))
    }

    /// Asks with these headers and this body.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let (status, head) = self.send(method, path, headers, body)?;
        let length = field(&head, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.expect("a body with a length")];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, head, body })
    }

    /// Sends a request and reads the head of its answer: status and headers in lower case.
    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<(u16, String)> {
        let headers = headers.iter();
        let headers: String = headers
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.0.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        Ok((status.expect("a status"), head))
    }

    /// The status of an answer of which no more is read.
    pub(crate) fn status(&mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<u16> {
        Ok(self.send("GET", path, headers, "")?.0)
    }

    /// Asks for a stream of server-sent events.
    pub(crate) fn follow(mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<Events> {
        let (status, head) = self.send("GET", path, headers, "")?;
        assert_eq!(status, 200, "{head}");
        assert_eq!(field(&head, "content-type"), Some("text/event-stream"));
        Ok(Events(BufReader::new(self.0)))
    }
}

/// An answer with its headers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// The value of a header in a head in lower case.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// A stream of server-sent events.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    /// Waits for an event of this name whose data is as it should be. Others are passed over.
    pub(crate) fn until(&mut self, name: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + BOUND;
        let (mut event, mut last) = (String::new(), None);
        loop {
            assert!(Instant::now() < end, "still {last:?}");
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("a line");
            assert!(read > 0, "the stream has ended; the last was {last:?}");
            // The lengths of chunks stand on lines of their own and are none of these.
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ").filter(|_| event == name) {
                let data = serde_json::from_str(data).expect("JSON");
                if enough(&data) {
                    return data;
                }
                last = Some(data);
            }
        }
    }

    /// Reads to the end; whatever comes, and however it ends.
    pub(crate) fn ended(mut self) {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
    }
}
