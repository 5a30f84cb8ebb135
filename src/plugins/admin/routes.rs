//! What is found where.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, Request};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Serialize;
use tokio::time::timeout;

use super::guard::{Guard, Refusal};
use super::numbers::{self, Numbers};
use super::pools::{self, Pool};
use super::{Desk, MOST_STREAMS, containers, page, stream};
use crate::journal::Happening;

/// The longest body of a request, in bytes.
const LONGEST_BODY: usize = 1024;

/// What all of it means, for programs (OpenAPI 3.1).
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every answer says to browsers: nothing of others is loaded, framed, kept or guessed.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Who may have something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everybody who can reach it: what the form for the token needs.
    Everybody,
    /// Whoever knows the token; others are shown the form.
    Page,
    /// Whoever knows the token.
    Data,
}

/// Every path, and what answers there.
pub(super) fn all(desk: &Arc<Desk>, guard: &Guard) -> Vec<(&'static str, MethodRouter)> {
    let form = guard.clone();
    let login = post(async move |request: Request| login(&form, request).await);
    let mut routes = vec![
        ("/", Access::Page, get(async || html(page::PAGE))),
        (
            "/page.css",
            Access::Everybody,
            text("text/css; charset=utf-8", page::STYLE),
        ),
        (
            "/page.js",
            Access::Everybody,
            text("text/javascript; charset=utf-8", page::SCRIPT),
        ),
        (
            "/icon.svg",
            Access::Everybody,
            text("image/svg+xml", page::ICON),
        ),
        ("/login", Access::Everybody, login),
    ];
    routes.extend(
        data(desk)
            .into_iter()
            .map(|(path, route)| (path, Access::Data, route)),
    );
    let guarded = |(path, access, route): (&'static str, Access, MethodRouter)| {
        let guard = guard.clone();
        let layer = from_fn(move |request: Request, next: Next| {
            let guard = guard.clone();
            async move { watched(&guard, access, request, next).await }
        });
        (path, route.layer(layer))
    };
    routes.into_iter().map(guarded).collect()
}

/// The paths that programs ask.
pub(super) fn data(desk: &Arc<Desk>) -> Vec<(&'static str, MethodRouter)> {
    let with = |answer: fn(&Desk) -> Response| {
        let desk = desk.clone();
        get(async move || answer(&desk))
    };
    let members = {
        let desk = desk.clone();
        get(
            async move |Path(pool): Path<String>, RawQuery(query): RawQuery| {
                members(&desk, &pool, query.as_deref().unwrap_or_default())
            },
        )
    };
    let events = {
        let desk = desk.clone();
        get(async move |request: Request| stream::open(&desk, &request))
    };
    let containers = {
        let desk = desk.clone();
        get(async move |RawQuery(query): RawQuery| {
            containers(&desk, query.as_deref().unwrap_or_default()).await
        })
    };
    let happenings = {
        let desk = desk.clone();
        get(async move |RawQuery(query): RawQuery| {
            happenings(&desk, query.as_deref().unwrap_or_default())
        })
    };
    vec![
        ("/api/v1/pools", with(pools)),
        ("/api/v1/pools/{pool}/members", members),
        ("/api/v1/containers", containers),
        ("/api/v1/queries", with(queries)),
        ("/api/v1/cache", with(cache)),
        ("/api/v1/stores", with(stores)),
        ("/api/v1/events", happenings),
        ("/api/v1/version", with(version)),
        ("/api/v1/openapi.json", text("application/json", OPENAPI)),
        ("/events", events),
    ]
}

fn pools(desk: &Desk) -> Response {
    #[derive(Serialize)]
    struct Pools<'a> {
        pools: Vec<Pool<'a>>,
    }
    let views = desk.pools.views();
    let named = pools::named(&views).into_iter();
    json(&Pools {
        pools: named.map(|(id, view)| Pool::of(id, view)).collect(),
    })
}

fn members(desk: &Desk, pool: &str, query: &str) -> Response {
    let Ok(from) = number(query, "from=") else {
        return problem(StatusCode::BAD_REQUEST, "`from` is no slot");
    };
    let views = desk.pools.views();
    match pools::named(&views).iter().find(|(id, _)| id == pool) {
        Some((_, view)) => json(&pools::Page::of(view, from)),
        None => problem(StatusCode::NOT_FOUND, "there is no such pool"),
    }
}

async fn containers(desk: &Desk, query: &str) -> Response {
    let Ok(from) = number(query, "from=") else {
        return problem(StatusCode::BAD_REQUEST, "`from` is no number");
    };
    let onlookers = containers::onlookers(desk);
    let lines = containers::lines(&onlookers).await;
    let engines = containers::engines(&onlookers);
    json(&containers::Page::of(&engines, lines, from))
}

fn happenings(desk: &Desk, query: &str) -> Response {
    #[derive(Serialize)]
    struct Happenings<'a> {
        events: Vec<&'a Happening>,
    }
    let Ok(after) = number(query, "after=") else {
        return problem(StatusCode::BAD_REQUEST, "`after` is no number");
    };
    let events = desk.journal.after(after);
    json(&Happenings {
        events: events.iter().map(|it| &**it).collect(),
    })
}

fn queries(desk: &Desk) -> Response {
    #[derive(Serialize)]
    struct Queries {
        at: u64,
        queries: numbers::Queries,
    }
    let Numbers { at, queries, .. } = Numbers::read(desk);
    json(&Queries { at, queries })
}

fn cache(desk: &Desk) -> Response {
    #[derive(Serialize)]
    struct Cache {
        at: u64,
        cache: numbers::Cache,
    }
    let Numbers { at, cache, .. } = Numbers::read(desk);
    json(&Cache { at, cache })
}

fn stores(desk: &Desk) -> Response {
    #[derive(Serialize)]
    struct Stores<'a> {
        stores: Vec<pools::StoreHealth<'a>>,
    }
    let views = desk.pools.views();
    let named = pools::named(&views);
    json(&Stores {
        stores: pools::StoreHealth::of(&named),
    })
}

fn version(desk: &Desk) -> Response {
    #[derive(Serialize)]
    struct Version {
        version: &'static str,
        system: &'static str,
        machine: &'static str,
        uptime_seconds: u64,
        streams: usize,
    }
    json(&Version {
        version: env!("CARGO_PKG_VERSION"),
        system: std::env::consts::OS,
        machine: std::env::consts::ARCH,
        uptime_seconds: desk.journal.uptime().as_secs(),
        streams: MOST_STREAMS.saturating_sub(desk.streams.available_permits()),
    })
}

/// The number behind a key with its `=` in a query; 0 where the key is not there.
fn number<T: FromStr + Default>(query: &str, key: &str) -> Result<T, T::Err> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(key));
    values.next().map_or(Ok(T::default()), str::parse)
}

/// Lets a request through, or says why not.
async fn watched(guard: &Guard, access: Access, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let checked = match access {
        Access::Everybody => guard.expects(headers),
        Access::Page | Access::Data => guard.admits(headers),
    };
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(Refusal::Host) => problem(
            StatusCode::FORBIDDEN,
            "the name in `Host` is none of this machine: ask `localhost`",
        ),
        Err(Refusal::Token) if access == Access::Page => form(""),
        Err(Refusal::Token) => {
            let mut refused = problem(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
            let name = HeaderName::from_static("www-authenticate");
            let headers = refused.headers_mut();
            headers.insert(name, HeaderValue::from_static("Bearer"));
            refused
        }
    };
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// Takes the form in which a user gives the token.
async fn login(guard: &Guard, request: Request) -> Response {
    let read = timeout(PATIENCE, to_bytes(request.into_body(), LONGEST_BODY)).await;
    let Ok(Ok(body)) = read else {
        return form("That was too long.");
    };
    let given = body
        .split(|byte| *byte == b'&')
        .find_map(|pair| pair.strip_prefix(b"token="));
    let cookie = given.and_then(|given| guard.cookie(decoded(given)?.trim()));
    match cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        None => form("That is not the token."),
        Some(cookie) => {
            let mut headers = HeaderMap::new();
            headers.insert(SET_COOKIE, cookie);
            headers.insert(LOCATION, HeaderValue::from_static("./"));
            (StatusCode::SEE_OTHER, headers, Body::empty()).into_response()
        }
    }
}

/// A value of a form: `application/x-www-form-urlencoded`.
fn decoded(value: &[u8]) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = value.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The form for the token, with a message of ours.
fn form(message: &'static str) -> Response {
    (
        StatusCode::UNAUTHORIZED,
        html(&page::LOGIN.replace("{message}", message)),
    )
        .into_response()
}

fn html(text: &str) -> Response {
    (
        [(CONTENT_TYPE, "text/html; charset=utf-8")],
        text.to_owned(),
    )
        .into_response()
}

fn text(kind: &'static str, text: &'static str) -> MethodRouter {
    get(async move || ([(CONTENT_TYPE, kind)], text))
}

/// An answer with this in it.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        // Nothing that we tell has keys that JSON could refuse.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer that says what is wrong.
pub(super) fn problem(status: StatusCode, message: &'static str) -> Response {
    #[derive(Serialize)]
    struct Problem {
        error: &'static str,
    }
    (status, json(&Problem { error: message })).into_response()
}
