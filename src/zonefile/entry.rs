//! An entry of a zone file: a line, or several within parentheses, as words.

/// The longest entry, in octets: the longest record data with every octet as `\DDD`, and some more.
const MAX_ENTRY: usize = 512 * 1024;

/// The words of an entry. What is not printable ASCII stands escaped in them as `\DDD`.
#[derive(Debug, Default)]
pub(super) struct Entry {
    text: String,
    words: Vec<Word>,
    /// Parentheses that are open.
    depth: u32,
    starts_blank: bool,
}

/// A word: what stands between blanks, or within quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    start: usize,
    end: usize,
    /// It stood in quotes.
    pub(super) quoted: bool,
    /// It follows the word before without a blank, as the quotes do in `alpn="h2"`.
    pub(super) joined: bool,
}

impl Entry {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.words.clear();
        self.depth = 0;
        self.starts_blank = false;
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }

    pub(super) fn text(&self, word: Word) -> &str {
        self.text.get(word.start..word.end).unwrap_or_default()
    }

    /// Whether a blank stood before the first word: the owner is that of the record before.
    pub(super) fn starts_blank(&self) -> bool {
        self.starts_blank
    }

    /// Takes in one line, with or without its line feed. Returns whether the entry ends with it.
    pub(super) fn push_line(&mut self, line: &[u8]) -> Result<bool, String> {
        if self.words.is_empty() && self.depth == 0 {
            self.starts_blank = matches!(line.first(), Some(b' ' | b'\t'));
        }
        let mut octets = line.iter().copied().peekable();
        let mut blank = true;
        while let Some(&octet) = octets.peek() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => blank = true,
                b';' => break,
                b'(' => {
                    self.depth += 1;
                    blank = true;
                }
                b')' => {
                    self.depth = self
                        .depth
                        .checked_sub(1)
                        .ok_or("a closing parenthesis without an opening one")?;
                    blank = true;
                }
                _ => {
                    self.word(&mut octets, blank)?;
                    blank = false;
                    continue;
                }
            }
            octets.next();
        }
        Ok(self.depth == 0)
    }

    /// Says that there is no further line.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.depth {
            0 => Ok(()),
            _ => Err("a parenthesis is not closed".into()),
        }
    }

    fn word(
        &mut self,
        octets: &mut std::iter::Peekable<impl Iterator<Item = u8>>,
        blank: bool,
    ) -> Result<(), String> {
        let start = self.text.len();
        let quoted = octets.next_if_eq(&b'"').is_some();
        loop {
            let ends = match octets.peek() {
                None | Some(b'\r' | b'\n') if quoted => {
                    return Err("a quote is not closed in its line".into());
                }
                None => true,
                Some(b'"') => true,
                Some(b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b';') => !quoted,
                Some(_) => false,
            };
            if ends {
                break;
            }
            match octets.next() {
                Some(b'\\') => match octets.next() {
                    None | Some(b'\r' | b'\n') => {
                        return Err("a backslash stands at the end of a line".into());
                    }
                    Some(octet @ b'!'..=b'~') => {
                        self.text.push('\\');
                        self.text.push(char::from(octet));
                    }
                    Some(octet) => self.escape(octet),
                },
                Some(octet @ b' '..=b'~') => self.text.push(char::from(octet)),
                Some(octet) => self.escape(octet),
                None => break,
            }
        }
        if quoted {
            octets.next();
        }
        if self.text.len() > MAX_ENTRY {
            return Err(format!("more than {MAX_ENTRY} octets without an end"));
        }
        self.words.push(Word {
            start,
            end: self.text.len(),
            quoted,
            joined: !blank && !self.words.is_empty(),
        });
        Ok(())
    }

    fn escape(&mut self, octet: u8) {
        self.text.push('\\');
        for digit in [octet / 100, octet / 10 % 10, octet % 10] {
            self.text.push(char::from(b'0' + digit));
        }
    }
}
