//! etcd's JSON gateway: writes that take no time to start.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Result;

/// How long etcd may take for a request.
const REQUEST: Duration = Duration::from_secs(30);

/// Seconds for which a lease holds.
const LEASE: u32 = 86_400;

/// Where an etcd takes requests.
#[derive(Clone, Debug)]
pub struct Gateway(String);

impl Gateway {
    /// That of an etcd at this URL.
    ///
    /// # Errors
    ///
    /// It is not `http://HOST:PORT`.
    pub fn new(url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://");
        Ok(Self(address.ok_or("only http://HOST:PORT")?.to_owned()))
    }

    /// A lease that nobody renews.
    ///
    /// # Errors
    ///
    /// etcd grants none.
    pub fn grant(&self) -> Result<String> {
        let reply = self.post("/v3/lease/grant", &format!(r#"{{"TTL":"{LEASE}"}}"#))?;
        let id = reply.split_once(r#""ID":""#).map(|(_, rest)| rest);
        let id = id.and_then(|rest| rest.split_once('"')).map(|(id, _)| id);
        Ok(id
            .ok_or_else(|| format!("etcd grants no lease: {reply}"))?
            .to_owned())
    }

    /// Puts keys with their values under a lease, all in one transaction.
    ///
    /// # Errors
    ///
    /// etcd does not take them.
    pub fn put(&self, lease: &str, records: &[(String, String)]) -> Result<()> {
        let mut body = r#"{"success":["#.to_owned();
        for (number, (key, value)) in records.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let (key, value) = (base64(key.as_bytes()), base64(value.as_bytes()));
            write!(
                body,
                r#"{comma}{{"requestPut":{{"key":"{key}","value":"{value}","lease":"{lease}"}}}}"#
            )?;
        }
        body.push_str("]}");
        let reply = self.post("/v3/kv/txn", &body)?;
        match reply.contains(r#""succeeded":true"#) {
            true => Ok(()),
            false => Err(format!("etcd: {reply}").into()),
        }
    }

    fn post(&self, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.0)?;
        stream.set_read_timeout(Some(REQUEST))?;
        let length = body.len();
        let request = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    }
}

/// Octets as text (RFC 4648 §4).
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let mut bits = 0;
        for place in 0..3 {
            bits = bits << 8 | u32::from(group.get(place).copied().unwrap_or_default());
        }
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() {
                letter.into()
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a pool is measured that has no names.
    #[test]
    fn octets_become_text() {
        // RFC 4648 §10.
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(octets.as_bytes()), text);
        }
    }
}
