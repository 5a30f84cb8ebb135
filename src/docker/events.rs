//! The engine's stream of events, and what they are hints of.

use http_body_util::Empty;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use serde_json::Deserializer;

use super::api::Event;
use super::client::EngineError;

/// The largest event, in octets: it has all of a container's labels.
const LARGEST: usize = 4 << 20;

/// What an event says should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A container is dead: its addresses may be somebody else's at once.
    Dead(String),
    /// Something about a container may be different.
    Container(String),
    /// Something about networks may be different.
    Networks,
    /// Nothing that matters for names.
    Nothing,
}

impl Hint {
    /// What an event is a hint of, in whatever version of the engine's language it is told.
    pub fn of(event: &Event) -> Self {
        let action = match event.action.as_str() {
            "" => event.status.as_str(),
            action => action,
        };
        let subject = match event.actor.id.as_str() {
            "" => event.id.as_str(),
            id => id,
        };
        match event.kind.as_str() {
            "" | "container" if subject.is_empty() => Self::Nothing,
            "" | "container" => match action.split(':').next().unwrap_or_default().trim() {
                // Podman before 4.0 says `died`, and `remove` for destroy.
                "die" | "died" | "destroy" | "remove" => Self::Dead(subject.to_owned()),
                "exec_create" | "exec_start" | "exec_die" | "exec_died" | "exec_detach"
                | "exec" | "top" | "attach" | "detach" | "resize" | "copy" | "export"
                | "commit" | "archive-path" | "extract-to-dir" | "kill" | "create" | "init"
                | "cleanup" => Self::Nothing,
                _ => Self::Container(subject.to_owned()),
            },
            "network" => match action {
                "connect" | "disconnect" => match event.actor.attributes.get("container") {
                    Some(container) if !container.0.is_empty() => {
                        Self::Container(container.0.clone())
                    }
                    // Podman names the container where Docker names the network.
                    _ => Self::Container(subject.to_owned()),
                },
                _ => Self::Networks,
            },
            _ => Self::Nothing,
        }
    }
}

/// The engine's events as they come.
pub struct Events {
    body: Incoming,
    splitter: Splitter,
    /// The connection lives as long as this.
    _sender: SendRequest<Empty<Bytes>>,
}

impl Events {
    pub(super) fn new(body: Incoming, sender: SendRequest<Empty<Bytes>>) -> Self {
        Self {
            body,
            splitter: Splitter::default(),
            _sender: sender,
        }
    }

    /// The next event. May be dropped while it waits, without losing anything.
    ///
    /// # Errors
    ///
    /// The stream has ended or is no stream of events: it must be opened anew, and everything
    /// looked at.
    pub async fn next(&mut self) -> Result<Event, EngineError> {
        loop {
            if let Some(event) = self.splitter.take()? {
                return Ok(event);
            }
            let frame = std::future::poll_fn(|context| {
                std::pin::Pin::new(&mut self.body).poll_frame(context)
            });
            match frame.await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.splitter.push(data)?;
                    }
                }
                Some(Err(error)) => {
                    return Err(EngineError::new(format!(
                        "the engine's events broke off: {error}"
                    )));
                }
                None => {
                    return Err(EngineError::new(
                        "the engine has ended its events: it stops or restarts",
                    ));
                }
            }
        }
    }
}

/// Cuts a stream into JSON values, wherever its chunks begin and end and whatever stands between
/// the values: nothing, white space, or the record separators of JSON text sequences (RFC 7464).
#[derive(Debug, Default)]
pub struct Splitter {
    pending: Vec<u8>,
    /// How much of it has been read.
    read: usize,
}

impl Splitter {
    /// Takes in a chunk.
    ///
    /// # Errors
    ///
    /// An event is larger than any can be.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), EngineError> {
        self.pending.drain(..self.read);
        self.read = 0;
        if self.pending.len() + chunk.len() > LARGEST {
            return Err(EngineError::new("an event of the engine has no end"));
        }
        self.pending.extend_from_slice(chunk);
        Ok(())
    }

    /// The next event that is there whole.
    ///
    /// # Errors
    ///
    /// What is there is no JSON.
    pub fn take(&mut self) -> Result<Option<Event>, EngineError> {
        let is_between = |octet: &u8| octet.is_ascii_whitespace() || *octet == 0x1e;
        let unread = self.pending.get(self.read..).unwrap_or_default();
        self.read += unread.iter().take_while(|octet| is_between(octet)).count();
        let unread = self.pending.get(self.read..).unwrap_or_default();
        let mut values = Deserializer::from_slice(unread).into_iter::<Event>();
        match values.next() {
            None => Ok(None),
            Some(Ok(event)) => {
                self.read += values.byte_offset();
                Ok(Some(event))
            }
            Some(Err(error)) if error.is_eof() => Ok(None),
            Some(Err(error)) => Err(EngineError::new(format!(
                "the engine's events are no JSON: {error}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"status":"start","id":"abc","from":"img","time":1}"#;
    const NEW: &str = r#"{"Type":"container","Action":"die","Actor":{"ID":"def","Attributes":{"exitCode":"0","a}":"{\"}"}},"time":2}"#;

    /// If this fails, nothing is heard any more once an event nests an object, comes in two pieces,
    /// or shares a piece with the next: what go-docker-dns died of.
    #[test]
    fn events_are_cut_wherever_chunks_end() {
        for between in ["", "\n", "\r\n", "\n\u{1e}"] {
            let text = format!("{between}{OLD}{between}{NEW}{between}");
            for size in [1, 7, 1000] {
                let mut splitter = Splitter::default();
                let mut hints = Vec::new();
                for chunk in text.as_bytes().chunks(size) {
                    splitter.push(chunk).unwrap();
                    while let Some(event) = splitter.take().unwrap() {
                        hints.push(Hint::of(&event));
                    }
                }
                let expected = [Hint::Container("abc".into()), Hint::Dead("def".into())];
                assert_eq!(hints, expected, "{between:?} {size}");
            }
        }
    }

    #[test]
    fn what_is_no_event_ends_the_stream() {
        let mut splitter = Splitter::default();
        splitter.push(b"<html>").unwrap();
        assert!(splitter.take().is_err());
        let mut splitter = Splitter::default();
        splitter.push(&[b'['; 100]).unwrap();
        assert!(splitter.push(&vec![b'['; LARGEST]).is_err());
    }

    /// If this fails, a container keeps a name after its death, or loses it to `docker kill -s HUP`.
    #[test]
    fn events_are_hints_in_every_dialect() {
        let hint = |text: &str| Hint::of(&serde_json::from_str(text).unwrap());
        let container = |action: &str| {
            hint(&format!(
                r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"a"}}}}"#
            ))
        };
        for action in ["die", "died", "destroy", "remove"] {
            assert_eq!(container(action), Hint::Dead("a".into()), "{action}");
        }
        for action in [
            "start",
            "stop",
            "restart",
            "rename",
            "pause",
            "health_status: healthy",
            "health_status",
        ] {
            assert_eq!(container(action), Hint::Container("a".into()), "{action}");
        }
        for action in [
            "kill",
            "exec_create: sh",
            "exec_start: sh -c x",
            "create",
            "resize",
        ] {
            assert_eq!(container(action), Hint::Nothing, "{action}");
        }
        let docker = r#"{"Type":"network","Action":"connect","Actor":{"ID":"n","Attributes":{"container":"c"}}}"#;
        assert_eq!(hint(docker), Hint::Container("c".into()));
        let podman =
            r#"{"Type":"network","Action":"disconnect","Actor":{"ID":"c","Attributes":{}}}"#;
        assert_eq!(hint(podman), Hint::Container("c".into()));
        assert_eq!(
            hint(r#"{"Type":"network","Action":"create","Actor":{"ID":"n"}}"#),
            Hint::Networks
        );
        assert_eq!(hint(r#"{"Type":"image","Action":"pull"}"#), Hint::Nothing);
        assert_eq!(hint("{}"), Hint::Nothing);
    }
}
