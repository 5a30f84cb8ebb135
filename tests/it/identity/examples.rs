//! The Corefiles that users are given to start from.

use std::path::Path;

use super::eventually;
use crate::support::namespace::Namespace;

/// If this fails, a user's first Corefile does not work.
#[test]
fn every_example_starts() {
    let network = Namespace::new();
    let _etcd = network.etcd("localhost");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("there are examples")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|it| it == "Corefile"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let corefile = std::fs::read_to_string(&file).expect("text");
        let pools = corefile.lines().map(str::trim_start);
        let pools =
            pools.filter(|line| line.starts_with("identity ") || line.starts_with("idetcd "));
        let file = file.display().to_string();
        let mut callsign = network.callsign(network.place(), &["-conf", &file]);
        let said = callsign.output_has("This node is ", pools.count());
        for line in said.lines().filter_map(|line| line.strip_prefix("Try: ")) {
            eventually(&format!("{file}: {line} prints something"), || {
                (!network.run(line).is_empty()).then_some(())
            });
        }
        assert!(!said.contains("ERROR"), "{said}");
        callsign.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(callsign.ended().success(), "{file}");
    }
}
