//! The directive, and what its paths answer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

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

/// What is served under the paths for programs, and what their description says.
fn description() -> Value {
    serde_json::from_str(super::routes::OPENAPI).expect("JSON")
}

/// If this fails, whoever reads the description looks for paths that are not there, or does not find
/// those that are.
#[test]
fn every_path_for_programs_is_described_and_no_other() {
    let server = Server::block("admin\nwhoami");
    let described = description();
    let described: BTreeSet<&str> = described["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .map(String::as_str)
        .collect();
    let served = server.admin_paths(8053);
    let for_programs = served
        .into_iter()
        .filter(|path| path.starts_with("/api/") || *path == "/events");
    assert_eq!(for_programs.collect::<BTreeSet<_>>(), described);
}

/// If this fails, a program that was made after the description does not understand the answers.
#[test]
fn answers_are_as_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "admin\nprometheus\ncache\nidentity {{\npattern a{{{{.ID}}}}.example.\nmeta a b\nport http 80\nstore local {}\n}}\ndocker {{\nendpoint unix://{}\n}}\nforward . 127.0.0.1:1",
        folder.path().join("names").display(),
        folder.path().join("none").display(),
    );
    let server = Server::block(&text);
    let local = [("host", "localhost")];
    let end = Instant::now() + Duration::from_secs(20);
    let get = |path: &str| {
        let (status, text) = server.get_with(8053, path, &local);
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        (status, answer)
    };
    while get("/api/v1/pools").1["pools"][0]["held"] != 1 {
        assert!(Instant::now() < end, "no name is held");
        std::thread::sleep(Duration::from_millis(5));
    }
    let description = description();
    let mut looked_at = 0;
    for (path, operations) in description["paths"].as_object().expect("paths") {
        let schema =
            &operations["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert_eq!(path, "/events");
            continue;
        }
        let (status, answer) = get(&path.replace("{pool}", "node"));
        assert_eq!(status, 200, "{path}");
        let mut wrong = Vec::new();
        check(&description, schema, &answer, path, &mut wrong);
        assert_eq!(wrong, [""; 0], "{answer}");
        looked_at += 1;
    }
    assert!(looked_at > 8);
    // The stream tells the same things, and errors are as described.
    let problem = &description["components"]["schemas"]["Problem"];
    for (path, expected) in [
        ("/api/v1/pools/none/members", 404),
        ("/api/v1/pools/node/members?from=-1", 400),
        ("/api/v1/containers?from=x", 400),
        ("/api/v1/events?after=x", 400),
    ] {
        let (status, answer) = get(path);
        assert_eq!(status, expected, "{path}");
        let mut wrong = Vec::new();
        check(&description, problem, &answer, path, &mut wrong);
        assert_eq!(wrong, [""; 0], "{answer}");
    }
    // The check itself finds what is wrong.
    let pools = json!({"pools": [{"id": 1, "more": true}]});
    let mut wrong = Vec::new();
    let schema = &description["components"]["schemas"]["Pools"];
    check(&description, schema, &pools, "", &mut wrong);
    assert!(
        wrong.iter().any(|it| it == "/pools/0/id: not string"),
        "{wrong:?}"
    );
    assert!(wrong.iter().any(|it| it == "/pools/0/more: not described"));
    assert!(wrong.iter().any(|it| it == "/pools/0/limit: missing"));
}

/// Compares a value with a schema, as far as ours use JSON Schema; more than is described is wrong too.
fn check(description: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#").expect("a local reference");
        let schema = description.pointer(name).expect("a schema");
        return check(description, schema, value, at, wrong);
    }
    if let Some(several) = schema["oneOf"].as_array() {
        let fits = |schema: &&Value| {
            let mut wrong = Vec::new();
            check(description, schema, value, at, &mut wrong);
            wrong.is_empty()
        };
        if several.iter().filter(fits).count() != 1 {
            wrong.push(format!("{at}: not one of several"));
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => panic!("{at}: a schema without a type: {schema}"),
    };
    if !allowed.contains(&kind) {
        wrong.push(format!("{at}: not {}", allowed.join(" or ")));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        wrong.push(format!("{at}: none of the words"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(
            description,
            &schema["items"],
            item,
            &format!("{at}/{index}"),
            wrong,
        );
    }
    let (properties, others) = (
        schema["properties"].as_object(),
        &schema["additionalProperties"],
    );
    for (key, item) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{key}");
        match properties.and_then(|it| it.get(key)) {
            Some(schema) => check(description, schema, item, &at, wrong),
            None if others.is_object() => check(description, others, item, &at, wrong),
            None if properties.is_none() => {}
            None => wrong.push(format!("{at}: not described")),
        }
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        let key = key.as_str().expect("a name");
        if value.is_object() && value.get(key).is_none() {
            wrong.push(format!("{at}/{key}: missing"));
        }
    }
}
