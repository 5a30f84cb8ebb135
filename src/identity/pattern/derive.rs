//! What follows from a pattern's pieces: its spelling in a store, its list name, its apex.

use super::Piece;

/// A label of a pattern: the texts before, between and behind its numbers. One text: no number.
pub(super) type Label = Vec<String>;

/// The labels of a pattern, from left to right, without the root's.
pub(super) fn labels(pieces: &[Piece]) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut label = vec![String::new()];
    for piece in pieces {
        let Piece::Text(text) = piece else {
            label.push(String::new());
            continue;
        };
        for (position, text) in text.split('.').enumerate() {
            if position > 0 {
                labels.push(std::mem::replace(&mut label, vec![String::new()]));
            }
            if let Some(last) = label.last_mut() {
                last.push_str(text);
            }
        }
    }
    // All patterns end with a dot: what is left is the root's empty label.
    labels
}

/// `worker%d.tf.local.`
pub(super) fn canonical(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Number { width: 0 | 1 } => "%d".to_owned(),
            Piece::Number { width } => format!("%0{width}d"),
        })
        .collect()
}

/// The labels without their numbers, and without what joined these to the rest.
pub(super) fn list_name(labels: &[Label]) -> String {
    labels
        .iter()
        .map(|label| without_numbers(label))
        .filter(|label| !label.is_empty())
        .map(|label| label + ".")
        .collect()
}

fn without_numbers(label: &[String]) -> String {
    let (first, rest) = match label {
        [] => return String::new(),
        [first, rest @ ..] => (first, rest),
    };
    let mut joined = first.clone();
    for text in rest {
        // Of `a-{{.ID}}-b` one hyphen stays, of `{{.ID}}-b` none.
        let superfluous = joined.is_empty() || joined.ends_with(JOINTS);
        joined.push_str(match superfluous {
            true => text.trim_start_matches(JOINTS),
            false => text,
        });
    }
    if rest
        .last()
        .is_some_and(|last| last.trim_matches(JOINTS).is_empty())
    {
        joined.truncate(joined.trim_end_matches(JOINTS).len());
    }
    joined
}

/// What joins a number to a word.
const JOINTS: [char; 2] = ['-', '_'];

/// The labels behind the last one with a number.
pub(super) fn apex(labels: &[Label]) -> String {
    let count = labels
        .iter()
        .rev()
        .take_while(|label| label.len() == 1)
        .count();
    labels
        .iter()
        .skip(labels.len() - count)
        .map(|label| label.concat() + ".")
        .collect()
}

/// Whether the first label is nothing but numbers.
pub(super) fn first_label_is_only_number(labels: &[Label]) -> bool {
    labels
        .first()
        .is_some_and(|label| label.iter().all(String::is_empty))
}
