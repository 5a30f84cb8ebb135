//! What the system says of a failure, in the words in which we say it.

use std::io;

/// The reason of an error, to stand behind a colon: no number, no capital letter.
#[must_use]
pub fn of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        // What reading a text says; whoever makes such an error of their own has better words.
        io::ErrorKind::InvalidData if error.get_ref().is_none() => {
            "it is not UTF-8 text".to_owned()
        }
        _ => of_text(&error.to_string()),
    }
}

/// The same of an error that is known only by its text.
#[must_use]
pub fn of_text(text: &str) -> String {
    let Some((words, _)) = text.split_once(" (os error") else {
        return text.to_owned();
    };
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, the same failure is told in several ways, or with a number that helps nobody.
    #[test]
    fn reasons_are_words() {
        let missing = std::fs::read("/none").unwrap_err();
        assert_eq!(of(&missing), "no such file or directory");
        let folder = std::fs::read("/").unwrap_err();
        assert_eq!(of(&folder), "it is a directory");
        let binary = io::read_to_string(&b"\xff"[..]).unwrap_err();
        assert_eq!(of(&binary), "it is not UTF-8 text");
        let ours = io::Error::new(io::ErrorKind::InvalidData, "Too long");
        assert_eq!(of(&ours), "Too long");
        let refused = "Connection refused (os error 111)";
        assert_eq!(of_text(refused), "connection refused");
        assert_eq!(of_text(""), "");
    }
}
