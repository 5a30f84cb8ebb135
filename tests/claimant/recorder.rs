//! Writes the history of one claimant.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use callsign::clock::BootTime;
use callsign::identity::ownership::Stamp;
use callsign::identity::pool::PoolHandle;
use callsign::store::{Epoch, Slot};
use history::{Event, What};

type Claim = (Slot, Epoch);

/// How many uses of a claim that is said to be over are kept back until the pool says that it is
/// regained.
const KEPT_BACK: usize = 500;

/// Uses a slot whenever it is ours and writes down that it did.
///
/// What the pool says about its claim arrives later than the claim itself, and only the last word
/// of several: both the pool's state and the checks tell of a new claim, whichever comes first.
/// A claim that was lost and is regained has the same epoch, so there the pool's word is waited for.
pub(crate) struct Recorder {
    claimant: String,
    file: File,
    pool: PoolHandle,
    /// What the pool said last: its claim, and how many it has lost.
    told: (Option<Claim>, u64),
    /// The claim that was written down and has not ended.
    current: Option<Claim>,
    /// The claim that the pool said is over.
    over: Option<Claim>,
    /// Uses of that one, not written down yet.
    early: Vec<Stamp>,
    /// The claim that the pool's copy of the store has shown last.
    seen: Option<Claim>,
}

impl Recorder {
    pub(crate) fn new(history: &Path, claimant: &str, pool: PoolHandle) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(history)?;
        Ok(Self {
            claimant: claimant.to_owned(),
            file,
            pool,
            told: (None, 0),
            current: None,
            over: None,
            early: Vec::new(),
            seen: None,
        })
    }

    /// Records until the pool has ended.
    pub(crate) fn run(mut self, every: Duration) -> io::Result<()> {
        loop {
            self.look()?;
            let (claim, losses, ended) = {
                let state = self.pool.state.borrow();
                let slot = state.held.as_ref().map(|(slot, _)| *slot);
                (slot.zip(state.epoch), state.lost, state.ended)
            };
            self.follow(claim, losses)?;
            if let Some(stamp) = self.pool.ownership.check() {
                self.used(stamp)?;
            }
            if ended {
                return self.write_early();
            }
            std::thread::sleep(every);
        }
    }

    /// Looks whether the pool could know that its claim stands, or that it does not.
    fn look(&mut self) -> io::Result<()> {
        let claim = self.current;
        let shown = claim.filter(|(slot, epoch)| {
            let members = self.pool.members.borrow();
            members.get(*slot).is_some_and(|it| it.epoch == *epoch)
        });
        let before = std::mem::replace(&mut self.seen, shown);
        let at = BootTime::now().nanoseconds();
        match (before, shown) {
            (before, Some((slot, epoch))) if before != shown => {
                self.write(at, What::Seen { slot, epoch })
            }
            (Some((slot, epoch)), None) if before == claim => {
                self.write(at, What::Unseen { slot, epoch })
            }
            _ => Ok(()),
        }
    }

    fn follow(&mut self, claim: Option<Claim>, losses: u64) -> io::Result<()> {
        let (before, losses_before) = std::mem::replace(&mut self.told, (claim, losses));
        if (before, losses_before) == (claim, losses) {
            return Ok(());
        }
        let now = BootTime::now().nanoseconds();
        // Regained, and perhaps lost once more since.
        let regained = claim == self.over || losses != losses_before;
        if let Some(first) = self.early.first().filter(|_| regained) {
            self.begin(first.at.nanoseconds(), self.over)?;
            self.write_early()?;
        }
        if before.is_some() && before != claim {
            self.over = before;
        }
        let is_over = self.current == before || self.current == self.over;
        if self.current != claim && (claim.is_some() || is_over) {
            self.end(now)?;
        }
        if claim.is_some() && self.current != claim {
            self.begin(now, claim)?;
        }
        Ok(())
    }

    fn used(&mut self, stamp: Stamp) -> io::Result<()> {
        let claim = Some((stamp.slot, stamp.epoch));
        let at = stamp.at.nanoseconds();
        if self.current == claim {
            return self.write_use(stamp);
        }
        if self.over == claim {
            self.early.push(stamp);
            return match self.early.len() {
                // Nobody regained it: uses of what is over are a fault, and written down as such.
                KEPT_BACK.. => self.write_early(),
                _ => Ok(()),
            };
        }
        self.end(at.saturating_sub(1))?;
        self.begin(at, claim)?;
        self.write_use(stamp)
    }

    fn write_early(&mut self) -> io::Result<()> {
        let stamps = std::mem::take(&mut self.early);
        stamps
            .into_iter()
            .try_for_each(|stamp| self.write_use(stamp))
    }

    fn write_use(&mut self, stamp: Stamp) -> io::Result<()> {
        let Stamp { slot, epoch, at } = stamp;
        self.write(at.nanoseconds(), What::Used { slot, epoch })
    }

    fn begin(&mut self, at: u64, claim: Option<Claim>) -> io::Result<()> {
        self.current = claim;
        match claim {
            Some((slot, epoch)) => self.write(at, What::Claimed { slot, epoch }),
            None => Ok(()),
        }
    }

    fn end(&mut self, at: u64) -> io::Result<()> {
        match self.current.take() {
            Some((slot, epoch)) => self.write(at, What::Ended { slot, epoch }),
            None => Ok(()),
        }
    }

    /// One line, one write: whoever is killed leaves at most one half line behind.
    fn write(&mut self, at: u64, what: What) -> io::Result<()> {
        let claimant = self.claimant.clone();
        let line = history::line(&Event { at, claimant, what });
        self.file.write_all(line.as_bytes())
    }
}
