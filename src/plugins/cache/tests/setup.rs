//! Mistakes in the directive.

use super::*;

/// If this fails, a Corefile that CoreDNS takes is refused.
#[test]
fn every_option_in_every_form() {
    for right in [
        "cache",
        "cache 30",
        "cache example. 10.0.0.0/24",
        "cache 30 example.",
        "cache {\nsuccess 1\ndenial 5000 30 5\n}",
        "cache {\nprefetch 10\n}",
        "cache {\nprefetch 0 1m\n}",
        "cache {\nprefetch 2 1m30s 90%\n}",
        "cache {\nserve_stale\n}",
        "cache {\nserve_stale verify\n}",
        "cache {\nserve_stale 1h verify 100ms 30s 30s\n}",
        "cache {\nserve_stale 1h immediate 30s 30s\nserve_stale_policy prefer_positive\n}",
        "cache {\nservfail 0\nkeepttl\n}",
        "cache {\ndisable success\ndisable denial a. b.\n}",
    ] {
        assert_eq!(Server::mistakes(right), "", "{right}");
    }
}

/// If this fails, a mistake is found at run time, or not at all, or shown at the wrong word.
#[test]
fn every_mistake_is_shown() {
    for (wrong, message) in [
        ("cache 0", "`0` is out of range"),
        ("cache -1", "`-1` is out of range"),
        ("cache a..b", "`a..b`"),
        ("cache\ncache", "`cache` is given twice"),
        (
            "cache {\nsuccess\n}",
            "syntax: success CAPACITY [TTL [MINTTL]]",
        ),
        ("cache {\nsuccess 0\n}", "`0` is out of range"),
        ("cache {\ndenial 1 0\n}", "`0` is out of range"),
        ("cache {\ndenial 1 2 3 4\n}", "1 to 3 arguments"),
        (
            "cache {\nsuccess 1\nsuccess 2\n}",
            "`success` is given twice",
        ),
        ("cache {\nprefetch\n}", "syntax: prefetch"),
        ("cache {\nprefetch 1 1m 50\n}", "expected `10%` to `90%`"),
        ("cache {\nprefetch 1 1m 91%\n}", "expected `10%` to `90%`"),
        ("cache {\nserve_stale 1\n}", "a duration needs a unit"),
        (
            "cache {\nserve_stale 1h verified\n}",
            "accepted here: immediate, verify",
        ),
        (
            "cache {\nserve_stale 1h immediate 1s 2s 3s\n}",
            "ends before this",
        ),
        (
            "cache {\nserve_stale_policy x\n}",
            "accepted here: prefer_positive",
        ),
        ("cache {\nservfail 301s\n}", "`301s` is out of range"),
        ("cache {\nservfail -1s\n}", "`-1s` is not a duration"),
        ("cache {\ndisable\n}", "syntax: disable"),
        ("cache {\ndisable all\n}", "accepted here: success, denial"),
        (
            "cache {\ndisable denial\ndisable denial a.\n}",
            "`disable` is given twice",
        ),
        ("cache {\nkeepttl on\n}", "no arguments"),
        ("cache {\nkeep_ttl\n}", "did you mean `keepttl`?"),
    ] {
        let shown = Server::mistakes(wrong);
        assert!(shown.contains(message), "{wrong}\n{shown}");
    }
    let shown = Server::mistakes("cache 0 a..b {\nservfail x\nkeepttl {\n}\n}");
    for message in ["`0`", "`a..b`", "`x`", "`keepttl` takes no block"] {
        assert!(shown.contains(message), "{message}\n{shown}");
    }
}
