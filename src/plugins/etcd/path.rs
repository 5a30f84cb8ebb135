//! Which key of etcd a name stands for: `a.skydns.local.` is `/skydns/local/skydns/a` where the
//! path is `/skydns`.

use answer::LookupName;

/// The longest path, in octets.
pub(super) const LONGEST_PATH: usize = 256;

/// The longest key: each octet of a name may need four.
const LONGEST_KEY: usize = LONGEST_PATH + 4 * 255 + 8;

/// A key, on the stack.
pub(super) struct Key {
    bytes: [u8; LONGEST_KEY],
    length: usize,
}

impl Key {
    /// The key for the name's last labels, the first `from` left out. `path` begins with a slash
    /// and does not end with one.
    pub(super) fn of(path: &[u8], name: &LookupName, from: usize) -> Self {
        let mut key = Self {
            bytes: [0; LONGEST_KEY],
            length: 0,
        };
        path.iter().for_each(|byte| key.push(*byte));
        for index in (from..name.label_count()).rev() {
            key.push(b'/');
            name.label(index).iter().for_each(|byte| key.label(*byte));
        }
        key
    }

    /// Names below this one.
    pub(super) fn below(mut self) -> Self {
        self.push(b'/');
        self
    }

    /// The key without the slash that [`Self::below`] has put behind it.
    pub(super) fn itself(&self) -> &[u8] {
        let bytes = self.as_bytes();
        bytes.strip_suffix(b"/").unwrap_or(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// An octet of a label, escaped as names are written in Go's DNS library, whose text the keys
    /// are made of.
    fn label(&mut self, byte: u8) {
        match byte {
            b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                self.push(b'\\');
                self.push(byte);
            }
            b'!'..=b'~' => self.push(byte),
            _ => {
                self.push(b'\\');
                self.push(b'0' + byte / 100);
                self.push(b'0' + byte / 10 % 10);
                self.push(b'0' + byte % 10);
            }
        }
    }

    fn push(&mut self, byte: u8) {
        // The room is for the longest path and the longest name.
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }
}

/// Which label from the left is the wildcard that stands nearest to the root, if there is one.
pub(super) fn wildcard(name: &LookupName) -> Option<usize> {
    (0..name.label_count()).rfind(|index| is_wildcard(name.label(*index)))
}

/// Whether a label of a question stands for all labels.
fn is_wildcard(label: &[u8]) -> bool {
    matches!(label, b"*" | b"any")
}

/// Whether a key is at or below a name in which labels stand for all labels.
pub(super) fn matches(path: &[u8], name: &LookupName, key: &[u8]) -> bool {
    let Some(mut rest) = key.strip_prefix(path) else {
        return false;
    };
    for index in (0..name.label_count()).rev() {
        let Some(after) = rest.strip_prefix(b"/") else {
            return false;
        };
        let end = after.iter().position(|byte| *byte == b'/');
        let (label, next) = after
            .split_at_checked(end.unwrap_or(after.len()))
            .unwrap_or((after, b""));
        rest = next;
        if is_wildcard(name.label(index)) {
            continue;
        }
        let mut wanted = Key {
            bytes: [0; LONGEST_KEY],
            length: 0,
        };
        name.label(index)
            .iter()
            .for_each(|byte| wanted.label(*byte));
        if wanted.as_bytes() != label {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use answer::Name;

    use super::*;

    fn name(text: &str) -> LookupName {
        LookupName::from(&Name::parse(text).unwrap())
    }

    /// If this fails, names are looked for under keys that CoreDNS does not use.
    #[test]
    fn labels_are_reversed_and_escaped() {
        for (text, expected) in [
            ("a.b.skydns.local.", "/skydns/local/skydns/b/a"),
            (".", "/skydns"),
            (r"_http._tcp.x\.y\@z.a", r"/skydns/a/x\.y\@z/_tcp/_http"),
            (r"\000\255.a", r"/skydns/a/\000\255"),
        ] {
            let key = Key::of(b"/skydns", &name(text), 0);
            assert_eq!(key.as_bytes(), expected.as_bytes(), "{text}");
        }
        let mut longest = Name::root();
        while let Ok(longer) = longest.prepend(&[0; 60]) {
            longest = longer;
        }
        let path = [b'p'; LONGEST_PATH];
        let key = Key::of(&path, &LookupName::from(&longest), 0).below();
        assert!(key.as_bytes().ends_with(br"\000/"));
    }

    /// If this fails, a question with an asterisk finds what it should not.
    #[test]
    fn wildcards_are_in_the_question() {
        let asked = name("x.*.skydns.local");
        assert_eq!(wildcard(&asked), Some(1));
        assert_eq!(wildcard(&name("any.b.any.local")), Some(2));
        assert_eq!(wildcard(&name("anything.local")), None);
        let fits = |key: &str| matches(b"/skydns", &asked, key.as_bytes());
        assert!(fits("/skydns/local/skydns/east/x"));
        assert!(fits("/skydns/local/skydns/west/x/below"));
        assert!(!fits("/skydns/local/skydns/east/y"));
        assert!(!fits("/skydns/local/skydns/east"));
        assert!(!fits("/other/local/skydns/east/x"));
    }
}
