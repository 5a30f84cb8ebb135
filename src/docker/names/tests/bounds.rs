//! Too much of something.

use super::*;

/// If this fails, an image with a label of a megabyte keeps everybody's names from being answered.
#[test]
fn one_container_has_so_many_names_and_no_more() {
    let list: Vec<String> = (0..50_000).map(|it| format!("n{it} a..{it}")).collect();
    let greedy = label(
        container("greedy", &["n=10.0.0.5"]),
        "dns.name",
        &list.join(","),
    );
    let names = usual(vec![greedy]);
    assert_eq!(all(&names, "greedy.docker"), some(&["10.0.0.5"]));
    assert_eq!(all(&names, "n1.docker"), some(&["10.0.0.5"]));
    assert_eq!(all(&names, "n49999.docker"), None);
    let problems = names.problems().count();
    assert!(problems <= 1000, "{problems}");
}

/// If this fails, what thousands of replicas said that ended at once, say because their engine is
/// away for too long, is answered for ever.
#[test]
fn what_no_reply_can_hold_does_not_outlive_its_containers() {
    let replicas = |count: u32| {
        let replica = |number: u32| {
            let it = composed(&format!("c{number}"), "web", number, &["n=10.0.0.1"]);
            label(it, "dns.txt", &format!("{number:0>250}"))
        };
        state((0..count).map(replica).collect())
    };
    let mut names = Names::new(NameOptions::default(), 1);
    for count in [10, 400] {
        names.update(&[replicas(count)], &[false], &[]);
        assert!(all(&names, "web.docker").is_some());
    }
    names.update(&[EngineState::default()], &[false], &[]);
    assert_eq!(all(&names, "web.docker"), None);
}
