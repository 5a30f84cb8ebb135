//! The directive, and what its paths answer.

use crate::plugins::harness::Server;

const TOKEN: &str = "0123456789abcdef";

/// If this fails, a mistake is not shown where it is, the page is open to everybody, or the token is
/// shown to whoever reads the log.
#[test]
fn mistakes_are_shown_and_tokens_are_not() {
    for (text, message) in [
        ("admin\nadmin", "`admin` is given twice"),
        ("admin 8053", "expected a colon and a port after it"),
        (
            "admin :8053",
            "others can reach this address, and there is no token",
        ),
        (
            "admin 192.0.2.1:8053",
            "not an address of this machine alone",
        ),
        ("admin [::]:8053", "and there is no token"),
        ("admin {\ntoken\n}", "takes 1 to 2 arguments"),
        (
            "admin {\ntoken short\n}",
            "a token has 16 to 256 characters",
        ),
        ("admin {\ntoken 0123456789abcde;\n}", "letters, digits"),
        (
            "admin {\ntoken 0123456789abcdef 0123456789abcdef\n}",
            "more than one word",
        ),
        (
            "admin {\ntoken 0123456789abcdef\ntoken 0123456789abcdef\n}",
            "given twice",
        ),
        ("admin {\ntokn 0123456789abcdef\n}", "did you mean `token`?"),
        (
            "admin :8053 {\ntoken 0123456789abcdef x y\n}",
            "takes 1 to 2 arguments",
        ),
    ] {
        let shown = Server::mistakes(text);
        assert!(shown.contains(message), "{text}: {shown}");
        assert!(!shown.contains("0123456789"), "{text}: {shown}");
        assert!(!shown.contains("short"), "{text}: {shown}");
    }
    for fine in [
        "admin",
        "admin localhost:9000",
        "admin 127.0.0.2:9000",
        "admin [::1]:9000",
        "admin :8053 {\ntoken 0123456789abcdef\n}",
        "admin 192.0.2.1:8053 {\ntoken file /run/secrets/callsign\n}",
    ] {
        assert_eq!(Server::mistakes(fine), "", "{fine}");
    }
}

/// If this fails, two blocks ask for the page with two tokens, and one of these does not open it or is
/// not asked for.
#[test]
fn there_is_one_page() {
    let mut mistakes = Server::mistakes("admin\n}\nexample. {\nadmin :80");
    assert!(mistakes.contains("in one server block"), "{mistakes}");
    assert!(mistakes.contains("given here first"), "{mistakes}");
    mistakes = Server::mistakes("admin\n}\nexample. {\nwhoami");
    assert_eq!(mistakes, "");
}

/// If this fails, who may not look sees something, or who may sees nothing.
#[test]
fn what_needs_the_token_is_not_told_without_it() {
    let server = Server::block(&format!("admin :8053 {{\ntoken {TOKEN}\n}}\nwhoami"));
    let bearer = format!("Bearer {TOKEN}");
    let with = [("authorization", bearer.as_str())];
    for path in [
        "/",
        "/api/v1/pools",
        "/api/v1/pools/node/members",
        "/api/v1/none",
    ] {
        let (status, text) = server.get(8053, path);
        let expected = if path.ends_with("none") { 404 } else { 401 };
        assert_eq!(status, expected, "{path}: {text}");
        assert!(!text.contains(TOKEN), "{text}");
    }
    assert_eq!(server.get_with(8053, "/", &with).0, 200);
    let (status, text) = server.get_with(8053, "/api/v1/pools", &with);
    assert_eq!((status, text.as_str()), (200, "{\"pools\":[]}"));
    let missing = server.get_with(8053, "/api/v1/pools/node/members", &with);
    assert_eq!(missing.0, 404);
    for open in ["/page.css", "/page.js", "/icon.svg"] {
        assert_eq!(server.get(8053, open).0, 200, "{open}");
    }
    assert_eq!(server.get(8053, "/login").0, 405);
}
