//! Durations as Go writes them, which is how Corefiles do.

use std::time::Duration;

/// The longest duration of Go, 2⁶³−1 ns: about 292 years.
const MAX_NANOSECONDS: u128 = i64::MAX as u128;

/// Reads a duration in the syntax of Go's `time.ParseDuration`.
///
/// A duration is a row of decimal numbers, each with an optional fraction and a unit, such as `300ms`,
/// `1.5s` or `1h30m`; the parts are added. The units are `ns`, `us` (also `µs`), `ms`, `s`, `m` and `h`.
/// `0` needs no unit. A leading `+` is allowed. `None` for anything else: a negative duration, which no
/// directive has a use for, or one longer than Go's 292 years.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(corefile::duration("1m30s"), Some(Duration::from_secs(90)));
/// assert_eq!(corefile::duration("90"), None);
/// ```
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total += nanoseconds(whole, fraction, unit)?;
        if total > MAX_NANOSECONDS {
            return None;
        }
        rest = after;
    }
    Some(Duration::from_nanos(u64::try_from(total).ok()?))
}

/// `text` split after its leading digits.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

fn nanoseconds(whole: &str, fraction: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look the same.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let mut value: u128 = 0;
    for digit in whole.bytes() {
        value = value * 10 + u128::from(digit - b'0');
        if value > MAX_NANOSECONDS {
            return None;
        }
    }
    value *= unit;
    // Digits past the sixteenth are less than a nanosecond of any unit.
    let mut scale = unit * 10_u128.pow(16);
    let mut part = 0;
    for digit in fraction.bytes().take(16) {
        scale /= 10;
        part += u128::from(digit - b'0') * scale;
    }
    Some(value + part / 10_u128.pow(16))
}

/// A duration as [`duration`] reads it, in its largest unit that needs no fraction: `90s`, `24h`.
pub(crate) fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 || seconds == 0 || !seconds.is_multiple_of(60) {
        format!("{duration:?}")
    } else if !seconds.is_multiple_of(3600) {
        format!("{}m", seconds / 60)
    } else {
        format!("{}h", seconds / 3600)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_go_accepts_is_accepted() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("+0", 0),
            ("0s", 0),
            ("300ms", 300_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+5s", 5_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1s1s", 2_000_000_000),
            ("1us2\u{b5}s3\u{3bc}s", 6_000),
            ("0.0000000001s", 0),
            ("0.33333333333333333333h", 1_200_000_000_000 - 1),
            ("9223372036854775807ns", 9_223_372_036_854_775_807),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_nanos(nanoseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_go_refuses_and_negative_durations_are_refused() {
        for text in [
            "",
            "+",
            "5",
            "-5s",
            "s",
            ".s",
            "1",
            "1x",
            "1 s",
            "1e3s",
            "1d",
            "++1s",
            "1s ",
            "1.2.3s",
            "9223372036854775808ns",
            "9999999999999999999999999999999999999999999h",
            "3000000h",
            "\u{663}s",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    proptest! {
        // A range named in a message must be one that the user can type back.
        #[test]
        fn what_is_shown_reads_back(nanoseconds in 0..=i64::MAX as u64) {
            for value in [nanoseconds, nanoseconds / 1_000_000_000 * 1_000_000_000] {
                let value = Duration::from_nanos(value);
                prop_assert_eq!(duration(&shown(value)), Some(value));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}|[0-9.+nusmhµ]{0,40}") {
            let _ = duration(&text);
        }
    }
}
