//! The name that this machine has for itself.

/// The machine's host name, at most 255 octets; `localhost` where it has none.
pub(crate) fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = name.to_string_lossy();
    match name.is_empty() {
        true => "localhost".into(),
        false => name.into_owned(),
    }
}
