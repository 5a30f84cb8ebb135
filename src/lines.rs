//! Log lines of queries: to standard output, without anybody who waits for it.
//!
//! Whoever has a line hands it over and goes on. A thread writes. Where more lines come than
//! whoever reads them can take, the rest is dropped and counted, and the log says how many.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::metrics::{Family, Scrape, Source};
use crate::mutex::locked;

/// How many lines may wait to be written.
const MOST_WAITING: usize = 8192;

/// How important a line is, as CoreDNS marks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Shown only where `debug` is on.
    Debug,
    /// As usual.
    Info,
    /// Odd.
    Warning,
    /// Wrong.
    Error,
}

impl Level {
    fn mark(self) -> &'static str {
        match self {
            Self::Debug => "[DEBUG] ",
            Self::Info => "[INFO] ",
            Self::Warning => "[WARNING] ",
            Self::Error => "[ERROR] ",
        }
    }
}

/// Where lines go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    target: Target,
    debug: AtomicBool,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Target {
    Writer(SyncSender<Message>),
    /// For tests: they are kept.
    Kept(Mutex<Vec<String>>),
}

enum Message {
    Line(String),
    /// Everything before it has been written when this is dropped.
    Flush(SyncSender<()>),
}

const DROPPED: Family = Family::counter(
    "callsign_log_lines_dropped_total",
    "Lines of the log that were dropped since nobody read them fast enough.",
);

impl Lines {
    /// Lines to standard output, by a thread of their own.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn to_standard_output() -> io::Result<Self> {
        let (sender, lines) = sync_channel(MOST_WAITING);
        let shared = Arc::new(Shared::new(Target::Writer(sender)));
        // The thread ends with the last of those that hand over lines.
        let counted = Arc::downgrade(&shared);
        let dropped = move || {
            let shared = counted.upgrade();
            shared.map_or(0, |it| it.dropped.load(Ordering::Relaxed))
        };
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || write(&lines, &mut io::stdout(), dropped))?;
        Ok(Self(shared))
    }

    /// Lines that are kept, for tests.
    #[must_use]
    pub fn kept() -> Self {
        Self(Arc::new(Shared::new(Target::Kept(Mutex::default()))))
    }

    /// Shows lines of the level `debug` from now on, or hides them.
    pub fn show_debug(&self, shown: bool) {
        self.0.debug.store(shown, Ordering::Relaxed);
    }

    /// Hands a line over; what makes it is called only if it is shown. Control characters are
    /// escaped: what strangers say must not look like lines of its own.
    pub fn write(&self, level: Level, text: impl FnOnce(&mut String)) {
        let Self(shared) = self;
        if level == Level::Debug && !shared.debug.load(Ordering::Relaxed) {
            return;
        }
        let mut line = String::with_capacity(160);
        line.push_str(level.mark());
        text(&mut line);
        if line.contains(char::is_control) {
            line = line.escape_debug().to_string();
        }
        match &shared.target {
            Target::Kept(lines) => locked(lines).push(line),
            Target::Writer(writer) => {
                if let Err(TrySendError::Full(_)) = writer.try_send(Message::Line(line)) {
                    shared.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Waits until all lines so far are written, but not longer than this.
    pub fn flush(&self, most: Duration) {
        if let Target::Writer(writer) = &self.0.target {
            let (done, written) = sync_channel(0);
            if writer.try_send(Message::Flush(done)).is_ok() {
                let _ = written.recv_timeout(most);
            }
        }
    }

    /// The lines that were kept since somebody last asked.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        match &self.0.target {
            Target::Kept(lines) => std::mem::take(&mut *locked(lines)),
            Target::Writer(_) => Vec::new(),
        }
    }
}

impl Source for Lines {
    fn collect(&self, scrape: &mut Scrape) {
        let dropped = self.0.dropped.load(Ordering::Relaxed);
        scrape.counter(&DROPPED, &[], dropped);
    }
}

impl Shared {
    fn new(target: Target) -> Self {
        Self {
            target,
            debug: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        }
    }
}

/// Writes lines as they come, several at once where there are. Nobody may be reading them.
fn write(lines: &Receiver<Message>, out: &mut impl Write, dropped: impl Fn() -> u64) {
    let mut text = String::new();
    let mut told = 0;
    while let Ok(first) = lines.recv() {
        let mut flushed = Vec::new();
        for message in std::iter::once(first).chain(lines.try_iter().take(MOST_WAITING)) {
            match message {
                Message::Line(line) => {
                    text.push_str(&line);
                    text.push('\n');
                }
                Message::Flush(done) => flushed.push(done),
            }
        }
        let missing = dropped();
        if missing > told {
            let number = missing - told;
            text.push_str(&format!(
                "[WARNING] {number} lines of the log are missing\n"
            ));
            told = missing;
        }
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        text.clear();
        drop(flushed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, whoever sends strange names writes lines into the log that look like ours,
    /// or debug lines fill the log of who did not ask for them.
    #[test]
    fn lines_are_marked_and_stay_single() {
        let lines = Lines::kept();
        lines.write(Level::Error, |line| line.push_str("a\n[INFO] b\u{1b}"));
        lines.write(Level::Debug, |line| line.push_str("hidden"));
        lines.show_debug(true);
        lines.write(Level::Debug, |line| line.push_str("shown"));
        assert_eq!(
            lines.take(),
            ["[ERROR] a\\n[INFO] b\\u{1b}", "[DEBUG] shown"]
        );
    }

    /// If this fails, a reader that is slow holds up queries, or nobody learns that lines are
    /// missing.
    #[test]
    fn what_is_dropped_is_told() {
        let (sender, receiver) = sync_channel(2);
        let lines = Lines(Arc::new(Shared::new(Target::Writer(sender))));
        for _ in 0..5 {
            lines.write(Level::Info, |line| line.push('x'));
        }
        let dropped = lines.0.dropped.load(Ordering::Relaxed);
        assert_eq!(dropped, 3);
        drop(lines);
        let mut out = Vec::new();
        write(&receiver, &mut out, || dropped);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(
            out,
            "[INFO] x\n[INFO] x\n[WARNING] 3 lines of the log are missing\n"
        );
    }
}
