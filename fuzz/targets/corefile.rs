//! Any text as a Corefile: no panic, and mistakes that can be shown.

#![no_main]

use std::io;
use std::path::{Path, PathBuf};

use callsign::config::{self, DNS_PORT, Text};
use corefile::{Environment, Sources};
use libfuzzer_sys::fuzz_target;

/// Variables and files that are not the machine's.
struct Made;

impl Environment for Made {
    fn variable(&self, name: &str) -> Option<String> {
        (name.len() == 1).then(|| "{$B} } {".to_owned())
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        match path.to_str() {
            Some("a") => Ok("whoami\nimport b\n".to_owned()),
            Some("b") => Ok(". {\n import a\n}\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(if pattern.as_os_str().len() == 1 { vec!["a".into(), "b".into()] } else { Vec::new() })
    }
}

fuzz_target!(|text: &str| {
    let mut sources = Sources::new();
    let text = Text { remark: None, name: "Corefile".into(), directory: PathBuf::new(), text: text.into() };
    match config::check(&mut sources, &text, DNS_PORT, &Made) {
        Ok(configuration) => {
            let _ = config::render(&configuration.warnings, &sources, false);
            assert!(configuration.endpoints.iter().all(|endpoint| !endpoint.zones.is_empty()));
        }
        Err(diagnostics) => {
            let shown = config::render(&diagnostics, &sources, false);
            assert!(shown.contains("error"), "an error says that it is one:\n{shown}");
        }
    }
});
