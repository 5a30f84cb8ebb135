//! The text of a line: fields in braces, everything else as it stands.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::super::{Exchange, Transport};

/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// CoreDNS's usual line.
pub(super) const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} {duration}";

/// What stands behind that for `{combined}`.
const COMBINED: &str = " \"{>opcode}\"";

/// A line to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
    /// What a plugin says of the query under this label.
    Label(String),
}

/// Defines each field once.
macro_rules! fields {
    ($($name:ident $word:literal,)*) => {
        /// Something of a query or its reply.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Field { $($name,)* }

        /// The fields as they are written in formats.
        const FIELDS: &[(&str, Field)] = &[$(($word, Field::$name)),*];
    };
}

fields! {
    Type "type",
    Name "name",
    Class "class",
    Proto "proto",
    Remote "remote",
    Local "local",
    Size "size",
    Port "port",
    Duration "duration",
    Rcode "rcode",
    ResponseSize "rsize",
    Flags ">rflags",
    BufferSize ">bufsize",
    DnssecOk ">do",
    Id ">id",
    Opcode ">opcode",
}

impl Format {
    /// Reads a format; also gives the fields that there are not, which stay as they stand.
    pub(super) fn parse(text: &str) -> (Self, Vec<String>) {
        let combined = format!("{COMMON}{COMBINED}");
        let text = text.replace("{common}", COMMON);
        let text = text.replace("{combined}", &combined);
        let (mut pieces, mut unknown) = (Vec::new(), Vec::new());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((word, behind)) = after.split_once('}') else {
                break;
            };
            pieces.push(Piece::Text(before.to_owned()));
            let header = word.starts_with('>');
            let field = FIELDS.iter().find(|(name, _)| match header {
                // CoreDNS takes these in any case.
                true => name.eq_ignore_ascii_case(word),
                false => *name == word,
            });
            pieces.push(match (field, word.strip_prefix('/')) {
                (Some((_, field)), _) => Piece::Field(*field),
                (None, Some(label)) => Piece::Label(label.to_owned()),
                (None, None) => {
                    unknown.push(word.to_owned());
                    Piece::Text(format!("{{{word}}}"))
                }
            });
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        (Self(pieces), unknown)
    }

    /// Writes the line of a query whose reply is about to be sent.
    pub(super) fn write(&self, exchange: &Exchange<'_, '_>, line: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field(field) => write(*field, exchange, line),
                Piece::Label(label) => {
                    let said = exchange.metadata(label).filter(|said| !said.is_empty());
                    line.push_str(said.as_deref().unwrap_or(NOTHING));
                }
            }
        }
    }
}

fn write(field: Field, exchange: &Exchange<'_, '_>, line: &mut String) {
    let Exchange {
        query,
        client,
        reply,
        ..
    } = exchange;
    let stream = client.transport == Transport::Tcp;
    // Writing to a string does not fail.
    let _ = match field {
        Field::Type => write!(line, "{}", query.qtype),
        Field::Name => write!(line, "{}", exchange.name.to_name()),
        Field::Class => write!(line, "{}", query.qclass),
        Field::Proto => write!(line, "{}", if stream { "tcp" } else { "udp" }),
        Field::Remote => address(client.peer.ip(), line),
        Field::Local => match client.local {
            Some(local) => address(local, line),
            None => write!(line, "{NOTHING}"),
        },
        Field::Port => write!(line, "{}", client.peer.port()),
        Field::Size => write!(line, "{}", query.length()),
        Field::Duration => write!(line, "{}s", client.received.elapsed().as_secs_f64()),
        Field::Rcode if reply.is_withheld() => write!(line, "{NOTHING}"),
        Field::Rcode => write!(line, "{}", reply.rcode()),
        Field::ResponseSize if reply.is_withheld() => write!(line, "0"),
        Field::ResponseSize => write!(line, "{}", reply.length()),
        Field::Flags if reply.is_withheld() => write!(line, "{NOTHING}"),
        Field::Flags => {
            line.push_str("qr");
            for (is_set, flag) in [
                (reply.is_authoritative(), ",aa"),
                (reply.is_truncated(), ",tc"),
                (reply.is_recursion_desired(), ",rd"),
                (reply.is_recursion_available(), ",ra"),
                (reply.is_authentic(), ",ad"),
                (query.checking_disabled, ",cd"),
            ] {
                line.push_str(if is_set { flag } else { "" });
            }
            Ok(())
        }
        Field::BufferSize => match query.edns {
            _ if stream => write!(line, "65535"),
            Some(edns) => write!(line, "{}", edns.udp_size.max(512)),
            None => write!(line, "512"),
        },
        Field::DnssecOk => write!(line, "{}", query.edns.is_some_and(|edns| edns.dnssec_ok)),
        Field::Id => write!(line, "{}", query.id),
        // Others never come this far.
        Field::Opcode => write!(line, "0"),
    };
}

/// An address as it stands before a colon and a port.
fn address(address: IpAddr, line: &mut String) -> std::fmt::Result {
    match address {
        IpAddr::V4(address) => write!(line, "{address}"),
        IpAddr::V6(address) => write!(line, "[{address}]"),
    }
}

/// The names of all fields, for messages.
pub(super) fn names() -> String {
    let names = FIELDS.iter().map(|(name, _)| format!("{{{name}}}"));
    let names: Vec<String> = names.collect();
    format!("{{common}}, {{combined}}, {}, {{/LABEL}}", names.join(", "))
}
