//! From the directive to what is served.

use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use corefile::{Diagnostic, Directive, Secret, Span};

use super::super::health::address_of;
use super::super::{Build, Definition, Service, Setup};
use super::guard::{Guard, Token};
use super::{Desk, routes};
use crate::config::ListenAddress;
use crate::reason;

/// See the module.
pub const ADMIN: Definition = Definition {
    name: "admin",
    syntax: SYNTAX,
    setup,
};

/// Nobody may see a token.
pub const TOKEN: Secret = Secret {
    name: "token",
    shown: 0,
};

const SYNTAX: &str = "\
admin [ADDRESS] {
    token TOKEN | file PATH
}";
const LINE: &str = "admin [ADDRESS]";
const TOKEN_LINE: &str = "token TOKEN, or token file PATH";

/// On this machine alone.
const USUAL: ListenAddress =
    ListenAddress::One(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8053));

/// The largest file that may have a token in it, in bytes.
const LARGEST_FILE: u64 = 4096;

fn setup(setup: &mut Setup<'_>) {
    setup.once();
    let Some(directive) = setup.directives.first() else {
        return;
    };
    let name = directive.name.span;
    if let Some(first) = setup.process.admin {
        let error = Diagnostic::error(name, "`admin` is given twice")
            .label("may be given only once, in one server block")
            .context(first, "given here first");
        setup.diagnostics.push(error);
    }
    setup.process.admin.get_or_insert(name);
    let address = setup.diagnostics.keep(address_of(directive, LINE, USUAL));
    let mut token = None;
    let mut first: Option<&Directive> = None;
    for option in directive.options() {
        let read = match (option.name(), first) {
            ("token", Some(first)) => Err(option.repeated(first)),
            ("token", None) => {
                first = Some(option);
                source(option, setup).map(Some)
            }
            _ => Err(option.name.unknown("option", &["token"])),
        };
        token = setup.diagnostics.keep(read).flatten().or(token);
    }
    let Some(address) = address else {
        return;
    };
    if first.is_none() && !is_loopback(address) {
        let span = directive.arguments.first().map_or(name, |word| word.span);
        let error = Diagnostic::error(span, "others can reach this address, and there is no token")
            .label("not an address of this machine alone")
            .help("add `token TOKEN` or `token file PATH`, or listen on `localhost:8053`");
        setup.diagnostics.push(error);
    }
    let place = (address, directive.line());
    setup.add_service(directive, Box::new(Page { place, token }));
}

fn is_loopback(address: ListenAddress) -> bool {
    match address {
        ListenAddress::Every(_) => false,
        ListenAddress::One(address) => address.ip().to_canonical().is_loopback(),
    }
}

/// Where the token is.
enum TokenSource {
    Corefile(Token),
    File(PathBuf),
}

fn source(option: &Directive, setup: &Setup<'_>) -> Result<TokenSource, Diagnostic> {
    option.no_block(TOKEN_LINE)?;
    match option.between(1, 2, TOKEN_LINE)? {
        [word] => match Token::parse(&word.text) {
            Ok(token) => Ok(TokenSource::Corefile(token)),
            Err(message) => Err(Diagnostic::error(word.span, message).label("not accepted")),
        },
        [file, path] if file.text == "file" => Ok(TokenSource::File(setup.block.path(&path.text))),
        words => Err(
            Diagnostic::error(option.line(), "more than one word for a token")
                .label(if words.is_empty() {
                    "none"
                } else {
                    "expected one word, or `file PATH`"
                })
                .help(format!("syntax: {TOKEN_LINE}")),
        ),
    }
}

/// Reads a token from a file, without the white space around it.
fn from_file(path: &Path) -> Result<Token, String> {
    let cannot = |error: &std::io::Error| {
        format!(
            "cannot read the token in {}: {}",
            path.display(),
            reason::of(error)
        )
    };
    let read = || -> std::io::Result<Option<String>> {
        // A pipe would be waited for.
        if !fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        let mut text = String::new();
        File::open(path)?
            .take(LARGEST_FILE + 1)
            .read_to_string(&mut text)?;
        Ok((text.len() as u64 <= LARGEST_FILE).then_some(text))
    };
    match read() {
        Ok(Some(text)) => {
            Token::parse(text.trim()).map_err(|message| format!("{}: {message}", path.display()))
        }
        Ok(None) => Err(format!(
            "{} is no file of at most {LARGEST_FILE} bytes with a token",
            path.display()
        )),
        Err(error) => Err(cannot(&error)),
    }
}

struct Page {
    place: (ListenAddress, Span),
    token: Option<TokenSource>,
}

impl Service for Page {
    fn build(self: Box<Self>, build: &mut Build<'_>) -> Result<(), String> {
        let token = match self.token {
            None => None,
            Some(TokenSource::Corefile(token)) => Some(token),
            Some(TokenSource::File(path)) => Some(from_file(&path)?),
        };
        let (address, _) = self.place;
        let loopback = match address {
            ListenAddress::One(bound) if is_loopback(address) => Some(bound),
            _ => None,
        };
        let guard = Guard::new(token, loopback, address.port());
        let desk = Desk::new(build);
        for (path, handler) in routes::all(&desk, &guard) {
            build.admin.route(self.place, path, handler);
        }
        Ok(())
    }
}
