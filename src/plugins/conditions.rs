//! Expressions about queries, as `view` and `template` have them.

use std::cell::OnceCell;
use std::fmt::{self, Write};
use std::net::IpAddr;

use answer::NameText;
use corefile::{Diagnostic, Span, Token};
use expression::{Environment, Expression, ExpressionError, Function, Type, Value};

use super::{Incoming, Transport};

/// The functions that tell what there is to know of a query, in the order of [`Facts::call`].
pub(super) const FUNCTIONS: [Function; 14] = [
    function("bufsize", Type::Integer),
    function("class", Type::Text),
    function("client_ip", Type::Text),
    function("do", Type::Boolean),
    function("id", Type::Integer),
    function("name", Type::Text),
    function("opcode", Type::Integer),
    function("port", Type::Text),
    function("proto", Type::Text),
    function("server_ip", Type::Text),
    function("server_port", Type::Text),
    function("size", Type::Integer),
    function("type", Type::Text),
    Function {
        name: "metadata",
        takes_text: true,
        gives: Type::Text,
    },
];

const fn function(name: &'static str, gives: Type) -> Function {
    Function {
        name,
        takes_text: false,
        gives,
    }
}

/// What expressions ask of a query. What is asked most is made on the stack, and only then.
pub(super) struct Facts<'a> {
    incoming: Incoming<'a>,
    name: OnceCell<NameText>,
    client: OnceCell<AddressText>,
    server: OnceCell<AddressText>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(incoming: Incoming<'a>) -> Self {
        Self {
            incoming,
            name: OnceCell::new(),
            client: OnceCell::new(),
            server: OnceCell::new(),
        }
    }
}

impl Environment for Facts<'_> {
    fn call(&self, function: usize, argument: &str) -> Value<'_> {
        let Incoming { query, client, .. } = self.incoming;
        let function = FUNCTIONS.get(function).map_or("", |function| function.name);
        match function {
            "bufsize" => {
                // As CoreDNS: without EDNS the least that there is.
                let size = query.edns.map_or(512, |edns| edns.udp_size.max(512));
                Value::Integer(size.into())
            }
            "class" => match query.qclass.mnemonic() {
                Some(mnemonic) => text(mnemonic),
                None => owned(&query.qclass),
            },
            "client_ip" => {
                let address = || AddressText::of(client.peer.ip());
                text(self.client.get_or_init(address).as_str())
            }
            "do" => Value::Boolean(query.edns.is_some_and(|edns| edns.dnssec_ok)),
            "id" => Value::Integer(query.id.into()),
            "name" => {
                let name = || NameText::from(self.incoming.name);
                text(self.name.get_or_init(name).as_str())
            }
            // Others are answered before.
            "opcode" => Value::Integer(0),
            "port" => owned(&client.peer.port()),
            "proto" => text(match client.transport {
                Transport::Udp => "udp",
                Transport::Tcp => "tcp",
            }),
            "server_ip" => {
                let address = || client.local.map_or(AddressText::EMPTY, AddressText::of);
                text(self.server.get_or_init(address).as_str())
            }
            "server_port" => owned(&client.local_port),
            "size" => {
                let edns = query.edns.map_or(0, |edns| 11 + edns.options.len());
                Value::Integer((12 + query.question().len() + edns) as i64)
            }
            "type" => match query.qtype.mnemonic() {
                Some(mnemonic) => text(mnemonic),
                None => owned(&query.qtype),
            },
            "metadata" => owned(&self.incoming.metadata(argument).unwrap_or_default()),
            _ => text(""),
        }
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

fn owned(value: &impl ToString) -> Value<'static> {
    Value::Text(value.to_string().into())
}

/// An address as text on the stack; one of IPv6 stands in brackets.
struct AddressText {
    bytes: [u8; 48],
    length: usize,
}

impl AddressText {
    const EMPTY: Self = Self {
        bytes: [0; 48],
        length: 0,
    };

    fn of(address: IpAddr) -> Self {
        let mut text = Self::EMPTY;
        // There is room for any.
        let _ = match address.to_canonical() {
            IpAddr::V4(address) => write!(text, "{address}"),
            IpAddr::V6(address) => write!(text, "[{address}]"),
        };
        text
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Reads the words of an expression, which go on to the end of the line.
///
/// # Errors
///
/// What is wrong, where it stands.
pub(super) fn read(
    words: &[Token],
    parse: impl FnOnce(&str) -> Result<Expression, ExpressionError>,
) -> Result<Expression, Diagnostic> {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    parse(&texts.join(" ")).map_err(|error| {
        let meant = error.unknown.as_ref().and_then(|unknown| {
            let candidates = unknown.candidates.iter().map(String::as_str);
            corefile::nearest(&unknown.word, candidates)
        });
        let label = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "in this expression".to_owned(),
        };
        Diagnostic::error(place(words, error.offset, error.length), error.message)
            .label(label)
            .help(error.help)
    })
}

/// Where a part of the joined words stands in the file.
fn place(words: &[Token], offset: usize, length: usize) -> Option<Span> {
    let mut start = 0;
    let mut found: Option<Span> = None;
    for word in words {
        let end = start + word.text.len();
        if offset <= end && offset + length >= start {
            let from = offset.saturating_sub(start);
            let to = (offset + length - start).min(word.text.len());
            // Of a part that begins or ends in the blank between two words nothing is in this one.
            if from < to || length == 0 {
                let part = word.part(from, to.saturating_sub(from));
                found = Some(found.map_or(part, |first| first.to(part)));
            }
        }
        start = end + 1;
    }
    found.or(words.last().map(|word| word.span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use answer::{LookupName, Name, OUR_UDP_SIZE, Query, RecordType, Request};

    use crate::plugins::{Chain, Client};

    /// If this fails, conditions decide by something else than what CoreDNS's do.
    #[test]
    fn every_function_tells_what_it_says() {
        let mut request = Request::new(b"\x03Www\x07example\0", RecordType::AAAA);
        request.id = 7;
        let bytes = request.to_bytes();
        let query = Query::parse(&bytes).unwrap();
        let name = LookupName::from(&Name::parse("Www.example.").unwrap());
        let client = Client {
            peer: "[2001:db8::1]:5353".parse().unwrap(),
            local: Some([192, 0, 2, 53].into()),
            local_port: 1053,
            transport: Transport::Udp,
            received: std::time::Instant::now(),
        };
        let chain = Chain::new(Vec::new());
        let facts = Facts::new(Incoming {
            query: &query,
            name: &name,
            client: &client,
            chain: &chain,
        });
        for (text, value) in [
            ("bufsize()", OUR_UDP_SIZE.to_string()),
            ("class() + type()", "INAAAA".into()),
            ("client_ip() + ' ' + port()", "[2001:db8::1] 5353".into()),
            (
                "server_ip() + ' ' + server_port()",
                "192.0.2.53 1053".into(),
            ),
            ("do()", "false".into()),
            ("id() + opcode()", "7".into()),
            ("name()", "www.example.".into()),
            ("proto()", "udp".into()),
            ("size()", bytes.len().to_string()),
            ("metadata('a/b') + '.'", ".".into()),
        ] {
            let expression = Expression::parse(text, &FUNCTIONS).unwrap();
            let found = expression.evaluate(&facts).unwrap().to_string();
            assert_eq!(found, value, "{text}");
        }
    }
}
