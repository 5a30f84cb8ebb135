//! `callsign doctor`.

use super::*;

/// What it finds: check, verdict, text and the command that mends it.
fn findings(ended: &Ended) -> Vec<Value> {
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("no array: {ended:?}"))
}

fn of<'f>(findings: &'f [Value], check: &str) -> &'f Value {
    let found = findings.iter().find(|it| it["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {findings:?}"))
}

/// If this fails, somebody whose machine is well is told that it is not, or the other way round.
#[test]
fn what_is_well_and_what_is_wrong() {
    let mut etcd = Etcd::start();
    let pool = Pool::etcd(&etcd);
    let well = findings(&pool.run("doctor", &["--json"]));
    // How old this machine's etcd is does not matter here.
    assert_ne!(of(&well, "store")["verdict"], "wrong");
    let last = well.iter().rfind(|it| it["check"] == "store");
    let text = last.expect("the members")["text"].as_str();
    assert!(
        text.is_some_and(|text| text.ends_with("0 of 8 names of worker are held")),
        "{well:?}"
    );
    assert_eq!(of(&well, "clock")["verdict"], "ok");
    assert_eq!(of(&well, "state folder")["verdict"], "ok");
    etcd.kill();
    let ended = pool.run("doctor", &[]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let mend = format!("         curl -sS {}/health\n", etcd.url());
    assert!(
        ended.out.contains("wrong    store: etcd http"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains(&mend), "{}", ended.out);
}

/// If this fails, nobody is told why a node does not find its name again.
#[test]
fn a_folder_that_cannot_be_used() {
    let pool = Pool::local();
    pool.place.write("file", "");
    let words = ["doctor", "--json", "--store", "{folder}/names"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
    command.args(words.map(|word| pool.place.filled(word)));
    command.args(["--state", &pool.place.filled("{folder}/file/state")]);
    let ended = Place::run_command(&mut command);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let found = findings(&ended);
    let folder = of(&found, "state folder");
    assert_eq!(folder["verdict"], "wrong");
    let mend = folder["mend"].as_str().expect("a command");
    assert!(mend.starts_with("sudo install -d "), "{mend}");
    assert_eq!(of(&found, "store")["verdict"], "ok");
}
