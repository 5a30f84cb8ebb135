//! Server-sent events (the HTML standard, 9.2): everything at first, then what changes.
//!
//! Each reader has a task that looks a few times a second and tells what differs from what it has
//! told before. So a herd that claims a thousand names costs a reader a few messages, and what it is
//! behind by is bounded: a few messages in its queue, and what it was told last. A reader that does
//! not take a message in time is hung up on; it can come back and is told everything again.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::Desk;
use super::containers::{self, Engine};
use super::numbers::Numbers;
use super::pools::{self, Changes, Member, Pool};
use super::routes::problem;
use crate::admin::Hangup;
use crate::docker::EngineState;
use crate::identity::members::Members;
use crate::identity::pools::PoolView;
use crate::journal::Happening;
use crate::store::Entry;

/// How often somebody looks for changes.
const LOOK: Duration = Duration::from_millis(200);

/// How often numbers are told at most.
const COUNT: Duration = Duration::from_secs(1);

/// How long nothing is said at most.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How long a reader may take for a message when its queue is full.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages may wait for a reader.
const QUEUE: usize = 4;

/// About how long a message with members is at most, in bytes.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// The most slots that a message says are free.
const MOST_FREED: usize = 1000;

/// How long a stream lasts before its reader has to ask again: less than a connection may.
const LIFETIME: Duration = Duration::from_secs(240);

/// Begins a stream, unless there are too many.
pub(super) fn open(desk: &Arc<Desk>, request: &Request) -> Response {
    let Ok(permit) = desk.streams.clone().try_acquire_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open");
    };
    let hangup = request.extensions().get::<Hangup>().cloned();
    let (sender, receiver) = mpsc::channel(QUEUE);
    let outlet = Outlet {
        sender,
        said: Instant::now(),
    };
    tokio::spawn(tell(Arc::downgrade(desk), outlet, hangup, permit));
    let body = Body::new(Stream(receiver));
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// Tells what happens until the reader or the configuration is gone.
async fn tell(
    desk: Weak<Desk>,
    mut outlet: Outlet,
    hangup: Option<Hangup>,
    _permit: OwnedSemaphorePermit,
) {
    let end = Instant::now() + LIFETIME;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    let mut result = outlet.send("retry: 1000\n\n".into()).await;
    while result.is_ok() && Instant::now() < end {
        looks.tick().await;
        // Under another configuration others tell.
        let Some(desk) = desk.upgrade() else {
            return;
        };
        let news = News::gather(&desk, &mut told);
        // A reader that is slow does not keep an old configuration.
        drop(desk);
        result = told.tell(&news, &mut outlet).await;
        if result.is_ok() {
            result = outlet.beat().await;
        }
    }
    if result == Err(Gone::Slow)
        && let Some(hangup) = hangup
    {
        hangup.hang_up();
    }
}

/// What there is to be told of at one moment.
struct News {
    views: Vec<PoolView>,
    engines: Vec<(String, EngineState)>,
    numbers: Option<Numbers>,
    happenings: Vec<Arc<Happening>>,
}

impl News {
    fn gather(desk: &Desk, told: &mut Told) -> Self {
        let is_due = told.counted.is_none_or(|at| at.elapsed() >= COUNT);
        Self {
            views: desk.pools.views(),
            engines: containers::engines(&containers::onlookers(desk)),
            numbers: is_due.then(|| {
                told.counted = Some(Instant::now());
                Numbers::read(desk)
            }),
            happenings: desk.journal.after(told.happened),
        }
    }
}

/// What a reader was told.
#[derive(Default)]
struct Told {
    /// All pools, as text.
    pools: Option<String>,
    /// Their members, by their ids and patterns.
    members: HashMap<(String, String), Members>,
    engines: Vec<(String, EngineState)>,
    /// The same, as text.
    engines_text: Option<String>,
    /// When numbers were read last.
    counted: Option<Instant>,
    numbers: Option<Numbers>,
    /// The number of the last event.
    happened: u64,
}

impl Told {
    /// Tells what is different.
    async fn tell(&mut self, news: &News, outlet: &mut Outlet) -> Result<(), Gone> {
        self.tell_pools(&news.views, outlet).await?;
        if let Some(last) = news.happenings.last() {
            self.happened = last.number;
            let happenings: Vec<&Happening> = news.happenings.iter().map(|it| &**it).collect();
            outlet.event("happenings", &text(&happenings)).await?;
        }
        if let Some(numbers) = &news.numbers {
            let same = |it: &Numbers| it.queries == numbers.queries && it.cache == numbers.cache;
            if !self.numbers.as_ref().is_some_and(same) {
                outlet.event("numbers", &text(numbers)).await?;
                self.numbers = Some(numbers.clone());
            }
        }
        let changed = self.engines != news.engines;
        let engines: Vec<Engine<'_>> = news.engines.iter().map(Engine::of).collect();
        let shown = text(&engines);
        // Also how long they have been away.
        if changed || self.engines_text.as_ref() != Some(&shown) {
            let told = Engines { engines, changed };
            outlet.event("engines", &text(&told)).await?;
            self.engines.clone_from(&news.engines);
            self.engines_text = Some(shown);
        }
        Ok(())
    }

    async fn tell_pools(&mut self, views: &[PoolView], outlet: &mut Outlet) -> Result<(), Gone> {
        let named = pools::named(views);
        let pools: Vec<Pool<'_>> = named
            .iter()
            .map(|(id, view)| Pool::of(id.clone(), view))
            .collect();
        let text = text(&pools);
        if self.pools.as_ref() != Some(&text) {
            outlet.event("pools", &text).await?;
            self.pools = Some(text);
        }
        let key = |id: &String, view: &PoolView| (id.clone(), view.status.pattern.clone());
        let keys: Vec<_> = named.iter().map(|(id, view)| key(id, view)).collect();
        self.members.retain(|key, _| keys.contains(key));
        for ((id, view), key) in named.iter().zip(keys) {
            let before = self.members.get(&key);
            let is_whole = before.is_none();
            let nothing = Members::default();
            let (new, gone) = view.members.differences(before.unwrap_or(&nothing));
            tell_members(id, view, &new, &gone, is_whole, outlet).await?;
            self.members.insert(key, view.members.clone());
        }
        Ok(())
    }
}

/// Engines, and whether names may be others now.
#[derive(Serialize)]
struct Engines<'a> {
    engines: Vec<Engine<'a>>,
    changed: bool,
}

/// Tells of members that came, changed or went, in messages that are not too long.
async fn tell_members(
    id: &str,
    view: &PoolView,
    new: &[&Entry],
    gone: &[&Entry],
    is_whole: bool,
    outlet: &mut Outlet,
) -> Result<(), Gone> {
    let (mut new, mut gone) = (new.iter().peekable(), gone.iter().peekable());
    let mut whole = is_whole;
    while whole || new.peek().is_some() || gone.peek().is_some() {
        let mut members = Vec::new();
        let mut length = 0;
        while length < LONGEST_MESSAGE
            && let Some(entry) = new.next()
        {
            let member = Member::of(&view.space, entry);
            length += member.weight();
            members.push(member);
        }
        let changes = Changes {
            pool: id,
            whole,
            members,
            freed: gone.by_ref().take(MOST_FREED).map(|it| it.slot).collect(),
        };
        outlet.event("members", &text(&changes)).await?;
        whole = false;
    }
    Ok(())
}

fn text(value: &impl Serialize) -> String {
    // Nothing that we tell has keys that JSON could refuse.
    serde_json::to_string(value).unwrap_or_default()
}

/// Why nothing can be told any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// The reader has closed its connection.
    Closed,
    /// It does not read.
    Slow,
}

/// Where messages go.
struct Outlet {
    sender: mpsc::Sender<Bytes>,
    /// When something was said last.
    said: Instant,
}

impl Outlet {
    /// Tells an event; its data is one line.
    async fn event(&mut self, name: &str, data: &str) -> Result<(), Gone> {
        self.send(format!("event: {name}\ndata: {data}\n\n").into())
            .await
    }

    /// Says that we are there, if nothing else was said for long.
    async fn beat(&mut self) -> Result<(), Gone> {
        if self.sender.is_closed() {
            return Err(Gone::Closed);
        }
        if self.said.elapsed() < HEARTBEAT {
            return Ok(());
        }
        self.send(": still here\n\n".into()).await
    }

    async fn send(&mut self, message: Bytes) -> Result<(), Gone> {
        self.said = Instant::now();
        match timeout(PATIENCE, self.sender.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Gone::Closed),
            Err(_) => Err(Gone::Slow),
        }
    }
}

/// The messages as the body of an answer.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let message = self.0.poll_recv(context);
        message.map(|message| message.map(|bytes| Ok(Frame::data(bytes))))
    }
}
