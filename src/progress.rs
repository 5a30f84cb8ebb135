//! What is told while something is waited for: one line at a time, on standard error.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::console::complain;

/// How soon a line may follow another one.
const PAUSE: Duration = Duration::from_millis(500);

/// How often the same is told again, with the time that has passed.
const AGAIN: Duration = Duration::from_secs(30);

/// How waiting goes.
pub(crate) struct Progress {
    since: Instant,
    /// What was told last, and when.
    told: String,
    told_at: Option<Instant>,
    /// When there is something to tell.
    due: Instant,
}

impl Progress {
    /// Waiting begins.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            since: now,
            told: String::new(),
            told_at: None,
            due: now,
        }
    }

    /// Tells how it stands, unless that was told or something else was told just now.
    pub(crate) fn tell(&mut self, text: String) {
        let now = Instant::now();
        let same = text == self.told;
        let pause = if same { AGAIN } else { PAUSE };
        // What is over in a moment is not told at all.
        let due = self.told_at.unwrap_or(self.since) + pause;
        if due > now {
            self.due = due;
            return;
        }
        let waited = now.duration_since(self.since).as_secs();
        complain(&format!("callsign: {text} ({waited} s)"));
        self.told = text;
        self.told_at = Some(now);
        self.due = now + AGAIN;
    }

    /// Waits until there is something to tell.
    pub(crate) async fn due(&self) {
        sleep_until(self.due).await;
    }

    /// Tells that the time is over.
    pub(crate) fn timed_out(&self) {
        let waited = self.since.elapsed().as_secs();
        let told = &self.told;
        complain(&format!("callsign: gave up after {waited} s: {told}"));
    }
}
