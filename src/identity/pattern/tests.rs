use answer::{LookupName, Name};
use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text, "worker").unwrap()
}

fn lookup(text: &str) -> LookupName {
    LookupName::from(&Name::parse(text).unwrap())
}

#[test]
fn names_follow_from_the_pattern() {
    for (text, canonical, first, list, apex) in [
        (
            "worker{{.ID}}.tf.local.",
            "worker%d.tf.local.",
            "worker1.tf.local.",
            "worker.tf.local.",
            "tf.local.",
        ),
        // Relative, and in mixed case.
        (
            "Worker{{.ID}}.TF",
            "worker%d.tf.",
            "worker1.tf.",
            "worker.tf.",
            "tf.",
        ),
        (
            "{{.Pool}}{{.ID}}.x",
            "worker%d.x.",
            "worker1.x.",
            "worker.x.",
            "x.",
        ),
        (
            "n{{printf \"%03d\" .ID}}.x.",
            "n%03d.x.",
            "n001.x.",
            "n.x.",
            "x.",
        ),
        (
            "n{{printf \"%1d\" .ID}}.x.",
            "n%d.x.",
            "n1.x.",
            "n.x.",
            "x.",
        ),
        // What joined the number goes with it.
        (
            "node-{{.ID}}.x.",
            "node-%d.x.",
            "node-1.x.",
            "node.x.",
            "x.",
        ),
        (
            "{{.ID}}_node.x.",
            "%d_node.x.",
            "1_node.x.",
            "node.x.",
            "x.",
        ),
        ("a-{{.ID}}-b.x.", "a-%d-b.x.", "a-1-b.x.", "a-b.x.", "x."),
        ("a{{.ID}}b.x.", "a%db.x.", "a1b.x.", "ab.x.", "x."),
        ("_{{.ID}}_.x.", "_%d_.x.", "_1_.x.", "x.", "x."),
        // A label that is nothing else goes whole.
        (
            "{{.ID}}.workers.x.",
            "%d.workers.x.",
            "1.workers.x.",
            "workers.x.",
            "workers.x.",
        ),
        (
            "node{{.ID}}.rack{{.ID}}.x.",
            "node%d.rack%d.x.",
            "node1.rack1.x.",
            "node.rack.x.",
            "x.",
        ),
        (
            "node.{{.ID}}.x.",
            "node.%d.x.",
            "node.1.x.",
            "node.x.",
            "x.",
        ),
    ] {
        let pattern = pattern(text);
        assert_eq!(pattern.canonical(), canonical);
        assert_eq!(pattern.text(1), first);
        assert_eq!(pattern.name(1), Some(Name::parse(first).unwrap()));
        assert_eq!(pattern.list_name(), Name::parse(list).unwrap(), "{text}");
        assert_eq!(pattern.apex(), Name::parse(apex).unwrap(), "{text}");
    }
}

/// The one who wrote the Corefile sees a caret under the mistake.
#[test]
fn patterns_that_make_no_host_names_are_refused_at_their_place() {
    let long = "a".repeat(61);
    for (text, place, message) in [
        ("worker.tf.local.", "worker.tf.local.", "no number"),
        ("", "", "no number"),
        ("worker{{.Id}}.tf.", ".Id", "no field"),
        ("worker{{.Hostname}}.tf.", ".Hostname", "no field"),
        ("worker{{.ID}}", "{{.ID}}", "no domain"),
        ("{{.ID}}.", "{{.ID}}", "no domain"),
        ("x.{{.ID}}.", "{{.ID}}", "no domain"),
        ("worker {{.ID}}.tf.", " ", "' '"),
        ("wörker{{.ID}}.tf.", "ö", "'ö'"),
        ("worker%d{{.ID}}.tf.", "%", "'%'"),
        (
            "worker{{printf \"%3d\" .ID}}.tf.",
            "{{printf \"%3d\" .ID}}",
            "spaces",
        ),
        (
            "worker{{printf \"%-3d\" .ID}}.tf.",
            "{{printf \"%-3d\" .ID}}",
            "spaces",
        ),
        ("worker{{.ID}}..tf.", ".", "empty"),
        (".worker{{.ID}}.tf.", ".", "empty"),
        ("worker{{.ID}}.tf..", ".", "empty"),
        ("-{{.ID}}.tf.", "-", "begins or ends"),
        ("{{.ID}}-.tf.", "-", "begins or ends"),
        ("{{.ID}}.tf-.", "-", "begins or ends"),
        (
            "n{{printf \"%063d\" .ID}}.tf.",
            "n{{printf \"%063d\" .ID}}",
            "64 characters",
        ),
        (
            &format!("{{{{.ID}}}}{}.tf.", long.repeat(2)),
            &format!("{{{{.ID}}}}{}", long.repeat(2)),
            "123 characters",
        ),
    ] {
        let error = Pattern::parse(text, "worker").unwrap_err();
        assert_eq!(
            &text[error.offset..error.offset + error.length],
            place,
            "{text}: {error}"
        );
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(!error.help.is_empty(), "{text}: {error}");
    }
    let whole = format!("{{{{.ID}}}}{}", ".abcdefg".repeat(32));
    let error = Pattern::parse(&whole, "").unwrap_err();
    assert!(error.message.contains("too long"), "{error}");
    let error = Pattern::parse("{{.Pool}}{{.ID}}.x.", "my pool").unwrap_err();
    assert_eq!((error.offset, error.length), (0, 9));
    assert!(error.message.contains("pool's name \"my pool\""), "{error}");
}

/// A limit that only the last nodes of a cluster would run into is found by the first.
#[test]
fn the_limit_decides_how_long_names_get() {
    let pattern = pattern(&format!("{}{{{{.ID}}}}.x.", "a".repeat(61)));
    assert_eq!(pattern.check_limit(99), Ok(()));
    let error = pattern.check_limit(100).unwrap_err();
    assert_eq!((error.offset, error.length), (0, 68));
    assert!(
        error.message.contains("64 characters in slot 100"),
        "{error}"
    );
    assert!(pattern.name(99).is_some());
    assert_eq!(pattern.name(100), None);
    assert_eq!(pattern.slot_of_text(&pattern.text(99)), Some(99));
    assert_eq!(pattern.slot_of_text(&pattern.text(100)), None);
    assert_eq!(pattern.name(0), None);
    // The longest name there is: 255 octets in wire form.
    let longest = format!("{{{{.ID}}}}ab{}.", ".abcdef".repeat(35) + ".abc");
    let longest = Pattern::parse(&longest, "").unwrap();
    assert_eq!(longest.name(1).unwrap().as_wire().len(), 254);
    assert_eq!(longest.check_limit(99), Ok(()));
    assert!(longest.check_limit(100).is_err());
}

/// What is no name of a slot must not be taken for one: its holder could not be found again.
#[test]
fn only_the_exact_name_gives_the_slot() {
    let plain = pattern("worker{{.ID}}.tf.local.");
    let wide = pattern("n{{printf \"%03d\" .ID}}.x.");
    let double = pattern("{{.ID}}{{.ID}}0.{{printf \"%02d\" .ID}}.x.");
    for (pattern, name, slot) in [
        (&plain, "worker4.tf.local.", Some(4)),
        (&plain, "worker4294967295.tf.local.", Some(u32::MAX)),
        (&plain, "worker4294967296.tf.local.", None),
        (&plain, "worker18446744073709551617.tf.local.", None),
        (&plain, "worker04.tf.local.", None),
        (&plain, "worker0.tf.local.", None),
        (&plain, "worker.tf.local.", None),
        (&plain, "worker+4.tf.local.", None),
        (&plain, "worker4x.tf.local.", None),
        (&plain, "worker4.tf.local", None),
        (&plain, "worker4.tf.local.x.", None),
        (&plain, "", None),
        (&wide, "n004.x.", Some(4)),
        (&wide, "n4.x.", None),
        (&wide, "n0004.x.", None),
        (&wide, "n000.x.", None),
        (&wide, "n1234.x.", Some(1234)),
        (&double, "12120.12.x.", Some(12)),
        (&double, "220.02.x.", Some(2)),
        (&double, "230.02.x.", None),
        (&double, "12120.13.x.", None),
    ] {
        assert_eq!(pattern.slot_of_text(name), slot, "{name}");
        if let Ok(parsed) = Name::parse(name)
            && name.ends_with('.')
        {
            let parsed = LookupName::from(&parsed);
            assert_eq!(pattern.slot_above(&parsed, 0), slot, "{name}");
        }
    }
    // Labels with dots in them that read like a name of the pool.
    for wire in [&b"\x0aworker4.tf\x05local\0"[..], b"\x10worker4.tf.local\0"] {
        assert!(!plain.owns(&LookupName::from_wire(wire).unwrap()));
    }
}

/// Two pools and a zone file share a domain: none may answer for the names of another.
#[test]
fn a_pool_owns_its_names_and_what_lies_below_them() {
    let pattern = pattern("worker{{.ID}}.tf.local.");
    for owned in [
        "worker4.tf.local.",
        "worker4000.tf.local.",
        "worker.tf.local.",
        "_tf._tcp.worker4.tf.local.",
        "_tf._tcp.worker.tf.local.",
    ] {
        assert!(pattern.owns(&lookup(owned)), "{owned}");
    }
    for foreign in [
        ".",
        "local.",
        "tf.local.",
        "foo.tf.local.",
        "worker04.tf.local.",
        "_tcp.tf.local.",
        "worker4.tf.local.x.",
        "xworker4.tf.local.",
    ] {
        assert!(!pattern.owns(&lookup(foreign)), "{foreign}");
    }
    let numbers = self::pattern("{{.ID}}.workers.x.");
    assert!(numbers.owns(&lookup("foo.workers.x.")));
    assert!(!numbers.owns(&lookup("x.")));
}

#[test]
fn what_stores_and_the_start_ask_of_a_pattern() {
    let numbers = pattern("{{.ID}}.workers.local.");
    assert!(numbers.first_label_is_only_number());
    assert!(numbers.ends_with_mdns_local());
    assert_eq!(numbers.literal_prefix(), "");
    let named = pattern("a.b{{.ID}}.notlocal.");
    assert!(!named.first_label_is_only_number());
    assert!(!named.ends_with_mdns_local());
    assert_eq!(named.literal_prefix(), "a.b");
    assert_eq!(pattern("{{.Pool}}{{.ID}}.x"), pattern("worker{{.ID}}.X."));
}

proptest! {
    /// A Corefile with any pattern in it is accepted or refused with a place inside the pattern.
    #[test]
    fn any_text_is_a_pattern_or_refused(text in "([a-zA-Z0-9._-]|\\{\\{\\.(ID|Pool)\\}\\}|.){0,40}", pool in ".{0,8}") {
        match Pattern::parse(&text, &pool) {
            Ok(pattern) => {
                prop_assert!(pattern.name(1).is_some());
                prop_assert!(!pattern.apex().is_root());
                prop_assert!(pattern.list_name().is_at_or_below(&pattern.apex()));
                prop_assert_eq!(pattern.slot_above(&(&pattern.list_name()).into(), 0), None);
            }
            Err(error) => {
                prop_assert!(text.get(error.offset..error.offset + error.length).is_some());
            }
        }
    }

    /// A node that finds its name in the store must find its own slot in it.
    #[test]
    fn the_inverse_is_exact(pattern in patterns(), slot in slots()) {
        let text = pattern.text(slot);
        let name = pattern.name(slot).unwrap();
        prop_assert_eq!(pattern.slot_of_text(&text), Some(slot));
        let name = LookupName::from(&name);
        prop_assert_eq!(pattern.slot_above(&name, 0), Some(slot));
        prop_assert!(pattern.owns(&name));
    }

    /// The same as above from the other side: names that nearly fit.
    #[test]
    fn whatever_has_a_slot_is_that_slots_name(pattern in patterns(), text in "[ab0-3-]{0,6}(\\.[ab0-3]{1,2}){0,2}\\.x\\.") {
        if let Some(slot) = pattern.slot_of_text(&text) {
            prop_assert_eq!(pattern.text(slot), text);
        }
    }

    /// Ownership as one would write it with text and all slots.
    #[test]
    fn ownership_agrees_with_a_naive_model(pattern in patterns(), text in "[ab0-3]{1,3}(\\.[ab0-3]{1,2}){0,2}(\\.x)?\\.") {
        let name = Name::parse(&text).unwrap();
        let owners = (1..4000).filter_map(|slot| pattern.name(slot));
        let owned = owners.chain([pattern.list_name()]).any(|owner| name.is_at_or_below(&owner));
        prop_assert_eq!(pattern.owns(&LookupName::from(&name)), owned, "{} {}", pattern.canonical(), text);
    }
}

/// Patterns in which digits, numbers and widths meet in all ways.
fn patterns() -> impl Strategy<Value = Pattern> {
    let piece = prop_oneof![
        Just("{{.ID}}".to_owned()),
        Just("{{printf \"%02d\" .ID}}".to_owned()),
        Just("{{printf \"%012d\" .ID}}".to_owned()),
        "[ab0-3.-]",
    ];
    proptest::collection::vec(piece, 1..5).prop_filter_map("no pattern", |pieces| {
        Pattern::parse(&(pieces.concat() + ".x."), "worker").ok()
    })
}

fn slots() -> impl Strategy<Value = Slot> {
    prop_oneof![1..=1200_u32, 1..=Slot::MAX, Just(Slot::MAX)]
}
