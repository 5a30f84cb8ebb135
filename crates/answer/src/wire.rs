//! Reading and measuring bytes in the DNS wire format (RFC 1035 §3 and §4) without indexing.

/// The longest name in wire form, with its length octets and the root's (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 255;

/// The longest label, in octets (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;

/// The last offset that a compression pointer can hold (14 bits, RFC 1035 §4.1.4).
pub(crate) const LAST_POINTER: usize = 0x3fff;

/// Measures the uncompressed name at the start of `bytes`.
///
/// Returns its length with the root's octet, or `None` when it is cut short, longer than 255
/// octets, or holds anything but ordinary labels (a compression pointer, an extended label).
pub(crate) fn name_length(bytes: &[u8]) -> Option<usize> {
    let mut position = 0;
    loop {
        let length = usize::from(*bytes.get(position)?);
        position += 1;
        if length == 0 {
            return Some(position);
        }
        position += length;
        // One more octet, at least the root's, must follow.
        if length > MAX_LABEL || position >= MAX_NAME {
            return None;
        }
    }
}

/// The name in wire form without its first label; `None` for the root.
pub(crate) fn parent(name: &[u8]) -> Option<&[u8]> {
    match name.split_first() {
        None | Some((0, _)) => None,
        Some((&length, rest)) => rest.get(usize::from(length)..),
    }
}

/// Whether the first label of a name in wire form is the asterisk label (RFC 4592 §2.1.1).
pub(crate) fn is_wildcard(name: &[u8]) -> bool {
    name.starts_with(b"\x01*")
}

/// Reads forward through a message; every read is checked and a failed one returns `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts reading `bytes` at `position`, which may lie past the end.
    pub(crate) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    /// Where the next read begins, counted from the start of the message.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Whether everything has been read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Reads the next `length` octets.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(length)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }

    /// Reads one octet.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Reads two octets, most significant first.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Reads four octets, most significant first.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Reads an uncompressed name.
    pub(crate) fn name(&mut self) -> Option<&'a [u8]> {
        let length = name_length(self.bytes.get(self.position..)?)?;
        self.take(length)
    }

    /// Steps over a name that may end in a compression pointer. The pointer is not followed.
    pub(crate) fn skip_name(&mut self) -> Option<()> {
        self.pointer().map(drop)
    }

    /// Steps over a name and gives the offset that it points to at its end, if it does.
    pub(crate) fn pointer(&mut self) -> Option<Option<usize>> {
        let start = self.position;
        loop {
            let length = self.u8()?;
            match length {
                0 => return Some(None),
                1..=63 => {
                    self.take(usize::from(length))?;
                }
                0xc0..=0xff => {
                    let low = self.u8()?;
                    let target = u16::from_be_bytes([length & 0x3f, low]);
                    return Some(Some(usize::from(target)));
                }
                _ => return None,
            }
            if self.position - start > MAX_NAME {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_is_255_octets() {
        let mut name = Vec::new();
        for _ in 0..127 {
            name.extend_from_slice(b"\x01a");
        }
        name.push(0);
        assert_eq!(name_length(&name), Some(255));
        name.splice(0..2, *b"\x02aa");
        assert_eq!(name_length(&name), None, "256 octets");
    }

    #[test]
    fn pointers_and_cut_names_are_not_uncompressed_names() {
        assert_eq!(name_length(b"\x01a\xc0\x0c"), None);
        assert_eq!(name_length(b"\x40a"), None);
        assert_eq!(name_length(b"\x03ab"), None);
        assert_eq!(name_length(b""), None);
        assert_eq!(name_length(b"\0"), Some(1));
    }

    #[test]
    fn skipping_does_not_follow_a_pointer_into_a_loop() {
        let mut reader = Reader::new(b"\xc0\x00\x07", 0);
        assert_eq!(reader.skip_name(), Some(()));
        assert_eq!(reader.u8(), Some(7));
        assert_eq!(Reader::new(b"\x80\0", 0).skip_name(), None);
    }
}
