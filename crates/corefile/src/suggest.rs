//! What was meant by a misspelt word.

/// Longer words than this are not typing mistakes, and comparing them would take long.
const MAX_BYTES: usize = 64;

/// The candidate that `word` is most likely a misspelling of; `None` if none is close.
///
/// Upper and lower case count as the same. A word may differ by one edit for every three of its
/// letters, and by one at least; an edit inserts, removes or changes a letter, or swaps two neighbours
/// (the Damerau-Levenshtein distance). Of equally near candidates the first wins.
///
/// ```
/// assert_eq!(corefile::nearest("foward", ["cache", "forward"]), Some("forward"));
/// assert_eq!(corefile::nearest("zone", ["cache", "forward"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > MAX_BYTES {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_BYTES)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        // Replacing every letter is no misspelling of a short name.
        .filter(|&(distance, candidate)| {
            distance <= allowed && distance < candidate.chars().count()
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 7] = [
        "cache", "endpoint", "errors", "forward", "limit", "log", "any",
    ];

    #[test]
    fn typing_mistakes_find_their_word() {
        for (word, expected) in [
            ("endpont", "endpoint"),
            ("endpiont", "endpoint"),
            ("Cache", "cache"),
            ("error", "errors"),
            ("limits", "limit"),
            ("lgo", "log"),
        ] {
            assert_eq!(nearest(word, NAMES), Some(expected), "{word}");
        }
    }

    #[test]
    fn other_words_find_nothing() {
        for word in [
            "",
            "kubernetes",
            "x",
            "pattern",
            "ttl",
            &"forward".repeat(1000),
        ] {
            assert_eq!(nearest(word, NAMES), None, "{word}");
        }
    }
}
