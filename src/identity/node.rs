//! Who a node is across restarts.
//!
//! ```text
//! /var/lib/callsign/
//!     node-id                             a random number, written once
//!     seats/0.lock                        locked by the process that has the seat, while it lives
//!     seats/0/SPACE.json                  what the seat claimed in one space, which is named in it
//! ```
//!
//! Several processes of one machine share the state folder. Each takes the lowest *seat* that is
//! free, so that they differ from each other, and each finds its own slot again after a restart.
//!
//! A claim that is still in the store although its process is dead may be taken over by the next
//! process on the seat, and by nobody else. Having the same node key is no proof: disks are
//! copied. See [`NodeIdentity::may_take_over`].

mod memory;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use self::memory::Memory;
use crate::clock::BootTime;
use crate::identity::record::Record;
use crate::mutex::locked;
use crate::reason;
use crate::store::local::lock::{self, LockFile, Part};
use crate::store::local::{file, usable, user_state_folder};
use crate::store::{HeldBy, Slot};

/// The state folder of the machine.
const MACHINE_FOLDER: &str = "/var/lib/callsign";

/// How many processes of one machine may share a state folder.
const SEATS: u32 = 1024;

/// How much of a space's name is in its file's name, in bytes: file systems take 255, and a number
/// and `.json.new` come after it.
const LONGEST_NAME: usize = 200;

/// How many instances of this process are known as its own.
const OWN: usize = 256;

/// How often another process's writing of `node-id` is waited for, 10 ms each time.
const ID_TRIES: u32 = 100;

/// Who this process is, as far as it can prove it.
#[derive(Debug)]
pub struct NodeIdentity {
    /// The node key, which goes into records and reservations: the same after a restart, and
    /// another one in every process that lives at the same time, unless it was configured.
    pub key: String,
    boot: String,
    seat: Option<Seat>,
    /// The last instances of this process.
    own: Mutex<VecDeque<String>>,
}

/// A place in the state folder that only one living process has.
#[derive(Debug)]
struct Seat {
    number: u32,
    /// Keeps the seat for as long as the process lives.
    lock: LockFile,
    /// Where the seat's claims are written down.
    folder: PathBuf,
    /// By space, what processes before this one wrote down and what this one has since.
    memories: Mutex<HashMap<String, Remembered>>,
}

/// What is known of a seat's claims in one space.
#[derive(Clone, Debug, Default)]
struct Remembered {
    /// As the last process left it.
    inherited: Option<Memory>,
    /// As it stands in the file now.
    current: Option<Memory>,
}

/// Takes a seat in the state folder and finds out who this process is.
///
/// Without `folder` the first that can be used is taken: systemd's `$STATE_DIRECTORY`,
/// `/var/lib/callsign`, `$XDG_STATE_HOME/callsign`, `~/.local/state/callsign`. `explicit_key` is
/// the configured node key, which replaces the random one; what is remembered between restarts
/// still belongs to the seat.
///
/// This never fails: without a folder the key is random, nothing is remembered, and the second
/// value is a sentence for the program's output that says why.
#[must_use]
pub fn open(folder: Option<&Path>, explicit_key: Option<&str>) -> (NodeIdentity, Option<String>) {
    open_first(&wanted_or_usual(folder), explicit_key)
}

/// The state folder that [`open`] would use. No seat is taken.
///
/// # Errors
///
/// One line: why there is none.
pub fn folder(folder: Option<&Path>) -> Result<PathBuf, String> {
    let mut reasons = Vec::new();
    for folder in wanted_or_usual(folder) {
        match usable(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => reasons.push(format!("{}: {}", folder.display(), reason::of(&error))),
        }
    }
    Err(reasons.join("; "))
}

/// The seats of a state folder that were ever taken.
#[derive(Debug, Default)]
pub struct Seats {
    /// Those that no process has. They are ours as long as this lives.
    pub free: Vec<NodeIdentity>,
    /// The node keys of those that processes have, and the number of each process, as it has written
    /// it down.
    pub taken: Vec<(String, Option<u32>)>,
}

/// Takes all seats that are free. `explicit_key` is the configured node key, as in [`open`].
///
/// # Errors
///
/// One line: the state folder cannot be used.
pub fn seats(wanted: Option<&Path>, explicit_key: Option<&str>) -> Result<Seats, String> {
    let folder = folder(wanted)?;
    let failed = |error: io::Error| format!("{}: {}", folder.display(), reason::of(&error));
    let mut seats = Seats::default();
    let place = folder.join("seats");
    usable(&place).map_err(failed)?;
    let id = node_id(&folder)?;
    for number in 0..SEATS {
        let path = place.join(format!("{number}.lock"));
        if !path.exists() {
            continue;
        }
        let key = || explicit_key.map_or_else(|| format!("{id}-{number}"), str::to_owned);
        match Seat::take_number(&place, number).map_err(failed)? {
            Some(seat) => {
                let node = NodeIdentity::new(key(), boot_id(), Some(seat));
                seats.free.push(node);
            }
            None => {
                let process = match lock::signed(&path) {
                    Ok(HeldBy::Process { id, .. }) => Some(id),
                    _ => None,
                };
                seats.taken.push((key(), process));
            }
        }
    }
    Ok(seats)
}

/// The folder that is wanted, or those that are tried where none is.
fn wanted_or_usual(folder: Option<&Path>) -> Vec<PathBuf> {
    match folder {
        Some(folder) => vec![folder.to_owned()],
        None => candidates(|name| std::env::var_os(name)),
    }
}

fn candidates(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    // systemd separates several by colons; the first is as good as any.
    if let Some(list) = variable("STATE_DIRECTORY") {
        folders.extend(std::env::split_paths(&list).find(|path| path.is_absolute()));
    }
    folders.push(PathBuf::from(MACHINE_FOLDER));
    folders.extend(user_state_folder(variable).map(|state| state.join("callsign")));
    folders
}

fn open_first(
    candidates: &[PathBuf],
    explicit_key: Option<&str>,
) -> (NodeIdentity, Option<String>) {
    let boot = boot_id();
    let mut reasons = Vec::new();
    for folder in candidates {
        match Seat::take(folder) {
            Ok((id, seat)) => {
                let key =
                    explicit_key.map_or_else(|| format!("{id}-{}", seat.number), str::to_owned);
                let seat = Some(seat);
                return (NodeIdentity::new(key, boot, seat), None);
            }
            Err(reason) => reasons.push(reason),
        }
    }
    let note = format!(
        "this node will not find its name again after a restart, because it has no state folder: {}",
        reasons.join("; ")
    );
    let key = explicit_key.map_or_else(random_hex, str::to_owned);
    (NodeIdentity::new(key, boot, None), Some(note))
}

impl NodeIdentity {
    fn new(key: String, boot: String, seat: Option<Seat>) -> Self {
        let own = Mutex::default();
        Self {
            key,
            boot,
            seat,
            own,
        }
    }

    /// The boot id of the machine, for the record; empty where it is unknown.
    #[must_use]
    pub fn boot_id(&self) -> &str {
        &self.boot
    }

    /// The number of the seat; [`None`] where there is no state folder.
    #[must_use]
    pub fn seat(&self) -> Option<u32> {
        Some(self.seat.as_ref()?.number)
    }

    /// Writes down which slot is about to be claimed by which instance. `space` is the canonical
    /// pattern; where claims on equal patterns are made in several stores, put something before it
    /// that tells the stores apart.
    ///
    /// Call it before the claim is sent: what is not written down can never be taken over. It
    /// writes to the disk and may take as long as that does. Without a state folder nothing is
    /// written.
    ///
    /// # Errors
    ///
    /// One line that names the file. The claim can go on; it will just not be found again.
    pub fn remember(&self, space: &str, instance: &str, slot: Slot) -> Result<(), String> {
        let mut own = locked(&self.own);
        own.truncate(OWN - 1);
        own.push_front(instance.to_owned());
        drop(own);
        let Some(seat) = &self.seat else {
            return Ok(());
        };
        let path = seat.path(space);
        let failed =
            |error: io::Error| format!("cannot write {}: {}", path.display(), reason::of(&error));
        let place = seat.lock.place().map_err(failed)?;
        let mut memories = locked(&seat.memories);
        let known = seat.recall(&mut memories, space);
        let next = Memory::after(
            known.current.as_ref(),
            space,
            instance,
            slot,
            &self.boot,
            place,
        );
        next.write(&path).map_err(failed)?;
        known.current = Some(next);
        Ok(())
    }

    /// Whether a claim that stands in the store is one of our own, of a process that is dead.
    ///
    /// True only if a process before this one wrote down the record's instance on this seat,
    /// under the boot id that the machine has now and that the record has; and if the seat's lock
    /// file, which we hold locked, is the very file (device and inode) that was locked then. The
    /// kernel has given the lock to us, so that process is no more. In a copied folder the file is
    /// another one, and on another machine the boot id is.
    #[must_use]
    pub fn may_take_over(&self, space: &str, record: &Record) -> bool {
        let (Some(seat), Some(member)) = (&self.seat, &record.member) else {
            return false;
        };
        let mut memories = locked(&seat.memories);
        let Some(inherited) = &seat.recall(&mut memories, space).inherited else {
            return false;
        };
        let Ok(place) = seat.lock.place() else {
            return false;
        };
        !self.boot.is_empty()
            && member.boot == self.boot
            && inherited.is_of(&self.boot, place)
            && inherited.has(&member.inst)
            && seat.lock.is_in_place()
    }

    /// Whether this very process wrote the record, for a pool that it is about to give up or that
    /// has just ended. Such a record is no sign of another node with the same key.
    #[must_use]
    pub fn is_own(&self, record: &Record) -> bool {
        let own = locked(&self.own);
        record
            .instance()
            .is_some_and(|instance| own.iter().any(|it| it == instance))
    }

    /// Whether a process before this one wrote down the record's instance on this seat, whether or
    /// not that process is known to be dead.
    ///
    /// Less than [`NodeIdentity::may_take_over`]: also true of a claim from before the machine's
    /// restart, which ends by itself, and of one of the original in a copied folder, which may
    /// well be alive.
    #[must_use]
    pub fn has_written(&self, space: &str, record: &Record) -> bool {
        let (Some(seat), Some(instance)) = (&self.seat, record.instance()) else {
            return false;
        };
        let mut memories = locked(&seat.memories);
        let inherited = &seat.recall(&mut memories, space).inherited;
        inherited
            .as_ref()
            .is_some_and(|memory| memory.has(instance))
    }

    /// The slot that this seat claimed last in a space, the one to try first.
    #[must_use]
    pub fn last_slot(&self, space: &str) -> Option<Slot> {
        let seat = self.seat.as_ref()?;
        let mut memories = locked(&seat.memories);
        let known = seat.recall(&mut memories, space);
        Some(known.current.as_ref()?.slot)
    }
}

impl Seat {
    /// Takes the lowest free seat of a state folder, and reads the folder's node id.
    fn take(folder: &Path) -> Result<(String, Self), String> {
        let failed = |error: io::Error| format!("{}: {}", folder.display(), reason::of(&error));
        let folder = std::path::absolute(folder).map_err(failed)?;
        usable(&folder).map_err(failed)?;
        let seats = folder.join("seats");
        usable(&seats).map_err(failed)?;
        let id = node_id(&folder)?;
        for number in 0..SEATS {
            if let Some(seat) = Self::take_number(&seats, number).map_err(failed)? {
                return Ok((id, seat));
            }
        }
        let name = folder.display();
        Err(format!("{name}: all {SEATS} seats are taken"))
    }

    /// Takes a seat among `seats`; [`None`] where another process has it.
    fn take_number(seats: &Path, number: u32) -> io::Result<Option<Self>> {
        let lock = LockFile::open(&seats.join(format!("{number}.lock")))?;
        if !lock.try_lock(Part::Life)? || !lock.is_in_place() {
            return Ok(None);
        }
        let folder = seats.join(number.to_string());
        usable(&folder)?;
        // For people: which process has the seat.
        let _ = lock.sign();
        Ok(Some(Self {
            number,
            lock,
            folder,
            memories: Mutex::default(),
        }))
    }

    /// The file of a space: its name, or where that is too long for a file its beginning and a
    /// number made of all of it.
    fn path(&self, space: &str) -> PathBuf {
        let mut name = file::escape(space);
        if name.len() > LONGEST_NAME {
            name.truncate(LONGEST_NAME);
            // Writing to a string cannot fail. No escaped name has a tilde.
            let _ = write!(name, "~{:016x}", fingerprint(space));
        }
        self.folder.join(format!("{name}.json"))
    }

    /// What is known of a space, read from its file the first time.
    fn recall<'a>(
        &self,
        memories: &'a mut HashMap<String, Remembered>,
        space: &str,
    ) -> &'a mut Remembered {
        memories.entry(space.to_owned()).or_insert_with(|| {
            let path = self.path(space);
            let found = Memory::read(&path, space).unwrap_or_else(|reason| {
                tracing::warn!("{} is ignored: {reason}", path.display());
                None
            });
            Remembered {
                inherited: found.clone(),
                current: found,
            }
        })
    }
}

/// FNV-1a of 64 bits (draft-eastlake-fnv): the same in every version of this program.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Reads the node id of a state folder, and writes one where there is none or a damaged one.
fn node_id(folder: &Path) -> Result<String, String> {
    let path = folder.join("node-id");
    let failed = |error: io::Error| format!("{}: {}", path.display(), reason::of(&error));
    if let Ok(Some(id)) = read_id(&path) {
        return Ok(id);
    }
    // One process writes, the others wait and read.
    let lock = LockFile::open(&folder.join("node-id.lock")).map_err(failed)?;
    for attempt in 0..ID_TRIES {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !lock.try_lock(Part::Gate).map_err(failed)? {
            continue;
        }
        match read_id(&path) {
            Ok(Some(id)) => return Ok(id),
            Ok(None) => {}
            Err(reason) => {
                tracing::warn!("{} gets a new number: {reason}", path.display());
            }
        }
        let id = random_hex();
        let text = format!("{id}\n");
        file::replace(&path, &path.with_extension("new"), text.as_bytes()).map_err(failed)?;
        return Ok(id);
    }
    let name = folder.display();
    Err(format!(
        "{name}: another process has not finished to write node-id"
    ))
}

fn read_id(path: &Path) -> Result<Option<String>, String> {
    let Some(bytes) = file::read(path, 256).map_err(|error| reason::of(&error))? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let id = text.trim_end();
    if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(Some(id.to_owned()))
    } else {
        Err("not a number of 32 hexadecimal digits".to_owned())
    }
}

/// The boot id: a random number that the kernel draws when the machine starts. Empty where it
/// cannot be read.
#[must_use]
pub fn boot_id() -> String {
    let bytes = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let id = text.trim();
    let plain = id
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if plain && id.len() <= 64 {
        id.to_owned()
    } else {
        String::new()
    }
}

/// A random number of 128 bits as 32 hexadecimal digits.
///
/// It must be unique, not secret: where the kernel has no random numbers, it is made of the time
/// since boot, the process and a counter.
#[must_use]
pub fn random_hex() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let (time, rest) = bytes.split_at_mut(8);
        let (process, number) = rest.split_at_mut(4);
        time.copy_from_slice(&BootTime::now().nanoseconds().to_be_bytes());
        process.copy_from_slice(&std::process::id().to_be_bytes());
        number.copy_from_slice(&count.to_be_bytes());
    }
    bytes
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests;
