//! Domain names: [`Name`], owned and lower case, and [`LookupName`], made from a question on the
//! stack.

mod lookup;
mod shown;
mod text;

use std::cmp::Ordering;
use std::net::IpAddr;

pub use lookup::LookupName;
pub use shown::NameText;
pub use text::NameError;

pub use crate::wire::{MAX_LABEL, MAX_NAME};
use crate::wire::{name_length, parent};

/// An absolute domain name, owned, in lower case.
///
/// Stored in wire form: each label after its length octet, the root's zero octet last, without
/// compression; at most 255 octets (RFC 1035 §3.1). Names compare without regard to ASCII case
/// (RFC 4343), which holds here because every constructor makes lower case of them.
///
/// The order is DNSSEC's canonical one, by labels from the right (RFC 4034 §6.1), so that a zone's
/// apex comes first and a name stands right before the names below it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    wire: Box<[u8]>,
}

impl Name {
    /// The root, `.`.
    pub fn root() -> Self {
        Self {
            wire: Box::new([0]),
        }
    }

    /// Takes a name in uncompressed wire form, in any case.
    ///
    /// # Errors
    ///
    /// [`NameError::BadWire`] unless `wire` is exactly one name of at most 255 octets that ends
    /// with the root's zero octet and has no compression pointer.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        if name_length(wire) != Some(wire.len()) {
            return Err(NameError::BadWire);
        }
        // Length octets are at most 63 and so below 'A': lower-casing passes them by.
        Ok(Self {
            wire: wire.to_ascii_lowercase().into_boxed_slice(),
        })
    }

    /// The name under which an address is looked up backwards: `4.2.0.192.in-addr.arpa.` for
    /// 192.0.2.4 (RFC 1035 §3.5), 32 nibbles under `ip6.arpa.` for an IPv6 address
    /// (RFC 3596 §2.5).
    pub fn reverse(address: IpAddr) -> Self {
        let mut wire = Vec::with_capacity(74);
        match address {
            IpAddr::V4(address) => {
                for octet in address.octets().iter().rev() {
                    let digits = octet.to_string();
                    wire.push(digits.len() as u8);
                    wire.extend_from_slice(digits.as_bytes());
                }
                wire.extend_from_slice(b"\x07in-addr\x04arpa\0");
            }
            IpAddr::V6(address) => {
                let hexadecimal = |nibble: u8| match nibble {
                    0..=9 => b'0' + nibble,
                    _ => b'a' + (nibble - 10),
                };
                for octet in address.octets().iter().rev() {
                    wire.extend_from_slice(&[1, hexadecimal(octet & 0xf)]);
                    wire.extend_from_slice(&[1, hexadecimal(octet >> 4)]);
                }
                wire.extend_from_slice(b"\x03ip6\x04arpa\0");
            }
        }
        Self {
            wire: wire.into_boxed_slice(),
        }
    }

    /// The name in wire form: uncompressed, lower case, 1 to 255 octets.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.wire.len() == 1
    }

    /// The labels from left to right, without the root's empty one.
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.wire }
    }

    /// How many labels there are, the root's not counted: 0 to 127.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        Some(Self {
            wire: parent(&self.wire)?.into(),
        })
    }

    /// Whether the name is `ancestor` or lies below it. Whole labels are compared:
    /// `notlocal.` is not below `local.`.
    pub fn is_at_or_below(&self, ancestor: &Name) -> bool {
        is_at_or_below(&self.wire, &ancestor.wire)
    }

    /// Puts a label before the name: `www` before `example.` makes `www.example.`. The label is
    /// taken as it is, without escapes, and made lower case.
    ///
    /// # Errors
    ///
    /// When the label is empty or longer than 63 octets, or the name would be longer than 255.
    pub fn prepend(&self, label: &[u8]) -> Result<Name, NameError> {
        if label.is_empty() {
            return Err(NameError::EmptyLabel { position: 0 });
        }
        if label.len() > MAX_LABEL {
            return Err(NameError::LabelTooLong {
                position: 0,
                label: String::from_utf8_lossy(label).into_owned(),
                length: label.len(),
            });
        }
        let length = self.wire.len() + 1 + label.len();
        if length > MAX_NAME {
            return Err(NameError::TooLong { length });
        }
        let mut wire = Vec::with_capacity(length);
        wire.push(label.len() as u8);
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
        wire.extend_from_slice(&self.wire);
        Ok(Self {
            wire: wire.into_boxed_slice(),
        })
    }

    /// Whether the first label is the asterisk label of a wildcard (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        crate::wire::is_wildcard(&self.wire)
    }

    /// Wraps bytes that are known to be a valid lower-case name.
    fn from_checked(wire: Vec<u8>) -> Self {
        Self {
            wire: wire.into_boxed_slice(),
        }
    }
}

/// The same as [`Name::is_at_or_below`] for names in wire form and equal case.
pub(crate) fn is_at_or_below(mut name: &[u8], ancestor: &[u8]) -> bool {
    while name.len() > ancestor.len() {
        match parent(name) {
            Some(rest) => name = rest,
            None => return false,
        }
    }
    name == ancestor
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        LookupName::from(self).canonical_cmp(&LookupName::from(other))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The labels of a [`Name`] from left to right, without their length octets; made by
/// [`Name::labels`].
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.rest.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        (!label.is_empty()).then_some(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn canonical_order_is_that_of_rfc_4034_section_6_1() {
        let sorted = [
            "example",
            "a.example",
            "yljkjljk.a.example",
            "Z.a.example",
            "zABC.a.EXAMPLE",
            "z.example",
            r"\001.z.example",
            "*.z.example",
            r"\200.z.example",
        ]
        .map(name);
        assert!(sorted.is_sorted());
        assert_eq!(
            name("Z.a.example").cmp(&name("z.A.example")),
            Ordering::Equal
        );
    }

    #[test]
    fn below_means_whole_labels() {
        assert!(name("a.local").is_at_or_below(&name("local")));
        assert!(name("local").is_at_or_below(&name("local")));
        assert!(name("local").is_at_or_below(&Name::root()));
        assert!(!name("notlocal").is_at_or_below(&name("local")));
        assert!(!name("local").is_at_or_below(&name("a.local")));
        // The bytes of the ancestor occur inside a label here, not as labels.
        let inside = Name::root().prepend(b"x\x05local").unwrap();
        assert!(!inside.is_at_or_below(&name("local")));
    }

    #[test]
    fn reverse_names_are_those_that_resolvers_ask() {
        assert_eq!(
            Name::reverse([192, 0, 2, 45].into()).to_string(),
            "45.2.0.192.in-addr.arpa."
        );
        assert_eq!(
            Name::reverse("2001:db8::567:89ab".parse().unwrap()).to_string(),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
        );
    }

    #[test]
    fn wire_form_must_be_one_whole_name() {
        assert_eq!(Name::from_wire(b"\x01A\0").unwrap(), name("a."));
        for bad in [&b""[..], b"\x01a", b"\0\0", b"\x01a\xc0\x0c", b"\x40"] {
            assert_eq!(Name::from_wire(bad), Err(NameError::BadWire), "{bad:?}");
        }
    }

    #[test]
    fn labels_parent_and_prepend_agree() {
        let whole = name("a.b.c.");
        assert_eq!(whole.labels().collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert_eq!(whole.parent().unwrap().prepend(b"A").unwrap(), whole);
        assert_eq!(Name::root().parent(), None);
        assert_eq!(Name::root().label_count(), 0);
    }

    #[test]
    fn prepending_cannot_make_an_invalid_name() {
        assert!(Name::root().prepend(b"").is_err());
        assert!(Name::root().prepend(&[b'a'; 64]).is_err());
        let mut long = Name::root();
        while let Ok(longer) = long.prepend(&[b'a'; 63]) {
            long = longer;
        }
        assert_eq!(long.as_wire().len(), 193);
        assert!(
            long.prepend(&[b'a'; 61])
                .is_ok_and(|name| name.as_wire().len() == 255)
        );
        assert_eq!(
            long.prepend(&[b'a'; 62]),
            Err(NameError::TooLong { length: 256 })
        );
    }
}
