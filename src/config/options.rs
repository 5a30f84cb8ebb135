//! How the program was started: what the command line says and the Corefile cannot.

use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use corefile::MAX_FILE_BYTES;

use super::built_in;
use crate::reason;

/// The port of DNS over UDP and TCP (RFC 1035 §4.2).
pub const DNS_PORT: u16 = 53;

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Standard input, read once at the start.
    StandardInput,
    /// What is served without a Corefile: a name for this node, those of its containers, and what
    /// this machine's own name servers say of other names.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::StandardInput => formatter.write_str("standard input"),
            Self::BuiltIn => formatter.write_str("the built-in configuration"),
        }
    }
}

/// What a start was asked to do.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Where the configuration comes from.
    pub origin: Origin,
    /// The port of the keys that name none.
    pub dns_port: u16,
    /// The addresses that are served without a Corefile; none for all of the machine.
    pub addresses: Vec<SocketAddr>,
    /// Whether another port may be taken when `dns_port` cannot be had: only without a Corefile
    /// and without the flag.
    pub may_change_port: bool,
    /// Where the number of the process is written.
    pub pid_file: Option<PathBuf>,
    /// Whether the banner is left out.
    pub quiet: bool,
    /// Where the node keeps who it is; [`None`] for the usual place.
    pub state_folder: Option<PathBuf>,
    /// Whether a full pool ends the program.
    pub require_claim: bool,
}

impl Default for StartOptions {
    /// The built-in configuration on port 53.
    fn default() -> Self {
        Self {
            origin: Origin::BuiltIn,
            dns_port: DNS_PORT,
            addresses: Vec::new(),
            may_change_port: false,
            pid_file: None,
            quiet: false,
            state_folder: None,
            require_claim: false,
        }
    }
}

impl StartOptions {
    /// Reads the configuration for a server that is started so.
    ///
    /// # Errors
    ///
    /// See [`Origin::read`].
    pub fn read(&self) -> Result<Text, String> {
        match self.origin {
            Origin::BuiltIn => Ok(built_in::text(self.dns_port, &self.addresses)),
            _ => self.origin.read(self.dns_port),
        }
    }
}

/// The text of a configuration, with what the parser needs to know of it.
#[derive(Clone, Debug)]
pub struct Text {
    /// What messages call it.
    pub name: String,
    /// What imports with a relative path start from.
    pub directory: PathBuf,
    /// The text itself.
    pub text: String,
    /// What the banner says of it: what a configuration that nobody has written does.
    pub remark: Option<String>,
}

impl Origin {
    /// Reads the text, for a server that serves `dns_port` where nothing else is said.
    ///
    /// # Errors
    ///
    /// One line that says which file cannot be read and why.
    pub fn read(&self, dns_port: u16) -> Result<Text, String> {
        let (name, directory, text) = match self {
            Self::File(path) => {
                let text = std::fs::File::open(path)
                    .and_then(read_text)
                    .map_err(|error| {
                        format!(
                            "cannot read the Corefile {}: {}",
                            path.display(),
                            reason::of(&error)
                        )
                    })?;
                let directory = path.parent().unwrap_or(Path::new("")).to_owned();
                (path.display().to_string(), directory, text)
            }
            Self::StandardInput => {
                let text = read_text(io::stdin().lock()).map_err(|error| {
                    format!("cannot read standard input: {}", reason::of(&error))
                })?;
                ("stdin".to_owned(), PathBuf::new(), text)
            }
            Self::BuiltIn => return Ok(built_in::text(dns_port, &[])),
        };
        Ok(Text {
            name,
            directory,
            text,
            remark: None,
        })
    }
}

/// Reads one byte more than is allowed at most, so that the parser sees that it is too much.
fn read_text(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MAX_FILE_BYTES as u64 + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a missing or unreadable Corefile is reported without its name or reason.
    #[test]
    fn an_unreadable_file_is_named() {
        let message = |path: &str| Origin::File(path.into()).read(DNS_PORT).unwrap_err();
        assert_eq!(
            message("/nowhere/Corefile"),
            "cannot read the Corefile /nowhere/Corefile: no such file or directory"
        );
        assert_eq!(
            message("/"),
            "cannot read the Corefile /: it is a directory"
        );
    }
}
