//! All members on a terminal, drawn again whenever something changes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::members::HEADS;
use super::{Cluster, Follower, Member};
use crate::clock::BootTime;
use crate::console::{plain, stdout_has_colors, terminal, try_say};
use crate::freshness::Freshness;
use crate::run::roster::Roster;
use crate::store::{Entry, HeldBy, Slot};
use crate::table;

/// How soon one picture may follow another.
const PAUSE: Duration = Duration::from_millis(100);

/// How often is drawn where nothing changes: the terminal may have another size.
const AGAIN: Duration = Duration::from_secs(1);

/// How often the roster, and the leases that are shown, are looked at.
const LOOK: Duration = Duration::from_secs(3);

/// The lines of a picture that are not members.
const FRAME: usize = 3;

/// Draws until nobody reads it any more.
pub(crate) async fn screen(cluster: &Cluster, mut follower: Follower) {
    if try_say("\x1b[2J").is_err() {
        return;
    }
    let mut picture = Picture::default();
    let mut look_at = Instant::now();
    loop {
        let size = terminal().unwrap_or((80, 24));
        if Instant::now() >= look_at {
            let shown = follower.members.entries().take(size.1);
            // A store that is away is shown as such.
            if follower.trouble.is_none() {
                picture.held_by = cluster.held_by(shown).await.unwrap_or_default();
                picture.roster = cluster.roster().await;
            }
            look_at = Instant::now() + LOOK;
        }
        let lines = picture.lines(cluster, &follower, size);
        // Each line is cleared behind its end, so that nothing flickers.
        let text: String = lines.iter().map(|it| format!("{it}\x1b[K\r\n")).collect();
        if try_say(&format!("\x1b[H{text}\x1b[J")).is_err() {
            return;
        }
        let drawn = Instant::now();
        tokio::select! {
            () = follower.news() => sleep_until(drawn + PAUSE).await,
            () = sleep_until(drawn + AGAIN) => {}
        }
    }
}

/// What is known beside the members.
#[derive(Default)]
struct Picture {
    held_by: BTreeMap<Slot, HeldBy>,
    roster: Option<Roster>,
}

impl Picture {
    fn lines(
        &self,
        cluster: &Cluster,
        follower: &Follower,
        (width, height): (usize, usize),
    ) -> Vec<String> {
        let members = &follower.members;
        let colors = stdout_has_colors();
        let room = height.saturating_sub(FRAME);
        let fits = members.len() <= room;
        // The last line says how many more there are.
        let room = if fits { room } else { room.saturating_sub(1) };
        let entries: Vec<&Entry> = members.entries().take(room).collect();
        let pattern = &cluster.space.pattern;
        let shown: Vec<Member> = entries
            .iter()
            .map(|entry| Member::new(pattern, entry, self.roster.as_ref()))
            .collect();
        let rows = shown.iter().map(|it| it.row(self.held_by.get(&it.slot())));
        let mut table = table::lines(HEADS, rows, Some(width)).into_iter();
        let mut lines = vec![table::cut(&plain(&self.head(cluster, follower)), width)];
        lines.extend(table.next().map(|head| paint(colors, "1", head)));
        for (line, member) in table.zip(&shown) {
            lines.push(paint(colors && member.is_down(), "31", line));
        }
        if !fits {
            lines.push(format!("and {} more", members.len() - shown.len()));
        }
        lines
    }

    fn head(&self, cluster: &Cluster, follower: &Follower) -> String {
        let (pool, limit) = (&cluster.pool, cluster.space.limit);
        let (store, held) = (cluster.store.describe(), follower.members.len());
        let mut head = format!("{pool}: {held} of {limit} names are held, in {store}");
        if let Freshness::Away { since } = follower.members.freshness {
            let seconds = BootTime::now().since(since).as_secs();
            let reason = follower.trouble.as_deref().unwrap_or_default();
            head = format!("{pool}: as it was {seconds} s ago: {reason}");
        }
        head
    }
}

fn paint(colors: bool, code: &str, line: String) -> String {
    match colors {
        true => format!("\x1b[{code}m{line}\x1b[0m"),
        false => line,
    }
}
