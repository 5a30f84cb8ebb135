//! `callsign completions` and `callsign man`.

use super::*;

/// If this fails, what shells and readers are told is not what the program understands.
#[test]
fn completions_and_manual() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let ended = place.run(&["completions", shell]);
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
        for word in ["evict", "members", "watch"] {
            assert!(ended.out.contains(word), "{shell} does not know {word}");
        }
    }
    let script = place.run(&["completions", "bash"]).out;
    let file = place.write("completions", &script);
    crate::support::run::output(Command::new("bash").arg("-n").arg(file));
    let page = place.run(&["man"]).out;
    assert!(page.contains(".TH callsign 1"), "{page}");
    assert!(page.contains(".SH \"CALLSIGN EVICT\""), "{page}");
    assert!(!page.contains("GUARD"), "what nobody should call is shown");
}
