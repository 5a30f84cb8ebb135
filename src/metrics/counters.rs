//! Numbers that many threads add to and hardly ever the same one.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Numbers in two cache lines, which are fetched together.
const PER_LINE: usize = 16;

/// A row of numbers, each thread's apart from the others', summed for who asks. Adding takes no
/// lock, and in the long run no two threads write to one cache line.
#[derive(Debug)]
pub struct Counters {
    lines: Box<[Line]>,
    lines_per_thread: usize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; PER_LINE]);

impl Counters {
    /// So many numbers, all zero.
    #[must_use]
    pub fn new(numbers: usize) -> Self {
        let lines_per_thread = numbers.div_ceil(PER_LINE).max(1);
        let lines = (0..lines_per_thread * threads()).map(|_| Line::default());
        Self {
            lines: lines.collect(),
            lines_per_thread,
        }
    }

    /// Adds to a number.
    pub fn add(&self, number: usize, more: u64) {
        self.own().add(number, more);
    }

    /// Adds one to a number.
    pub fn count(&self, number: usize) {
        self.add(number, 1);
    }

    /// The numbers of the thread that calls, for who adds to several.
    pub fn own(&self) -> Own<'_> {
        Own(self.of_thread(this_thread()))
    }

    /// The sum of what all threads have added to a number; it wraps round after 2⁶⁴.
    #[must_use]
    pub fn total(&self, number: usize) -> u64 {
        let cells = (0..threads()).filter_map(|thread| cell(self.of_thread(thread), number));
        cells.fold(0, |sum, cell| {
            sum.wrapping_add(cell.load(Ordering::Relaxed))
        })
    }

    fn of_thread(&self, thread: usize) -> &[Line] {
        let own = thread * self.lines_per_thread..(thread + 1) * self.lines_per_thread;
        self.lines.get(own).unwrap_or_default()
    }
}

/// The numbers of one thread, made by [`Counters::own`].
#[derive(Clone, Copy, Debug)]
pub struct Own<'c>(&'c [Line]);

impl Own<'_> {
    /// Adds to a number.
    pub fn add(self, number: usize, more: u64) {
        if let Some(cell) = cell(self.0, number) {
            cell.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Adds one to a number.
    pub fn count(self, number: usize) {
        self.add(number, 1);
    }
}

fn cell(lines: &[Line], number: usize) -> Option<&AtomicU64> {
    lines.get(number / PER_LINE)?.0.get(number % PER_LINE)
}

/// How many threads have numbers of their own: the UDP workers of an address, and those of the
/// runtime. Where there are more, some share.
fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| {
        let processors = available_parallelism().map_or(1, usize::from);
        (2 * processors).next_power_of_two().clamp(4, 64)
    })
}

fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OWN.with(|own| {
        own.get().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed) % threads();
            own.set(Some(number));
            number
        })
    })
}

/// A histogram within [`Counters`]: how many values are at most as large as each bound, and their
/// sum.
#[derive(Clone, Copy, Debug)]
pub struct Distribution {
    /// The first of its numbers.
    pub first: usize,
    /// The upper bounds, ascending; whatever is larger counts as well.
    pub bounds: &'static [u64],
    /// How many make one of the unit that the name says.
    pub per_unit: f64,
}

impl Distribution {
    /// How many numbers it takes.
    #[must_use]
    pub const fn cells(bounds: &[u64]) -> usize {
        bounds.len() + 2
    }

    /// Counts a value.
    pub fn observe(&self, counters: Own<'_>, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        counters.count(self.first + bucket);
        counters.add(self.first + self.bounds.len() + 1, value);
    }

    /// What was counted.
    pub(super) fn read(&self, counters: &Counters) -> Histogram {
        let mut below = 0;
        let buckets = self.bounds.iter().enumerate().map(|(bucket, bound)| {
            below += counters.total(self.first + bucket);
            (*bound as f64 / self.per_unit, below)
        });
        let buckets = buckets.collect();
        let sum = counters.total(self.first + self.bounds.len() + 1);
        Histogram {
            buckets,
            count: below + counters.total(self.first + self.bounds.len()),
            sum: sum as f64 / self.per_unit,
        }
    }
}

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    /// The bounds, each with how many values are at most as large.
    pub(super) buckets: Vec<(f64, u64)>,
    /// How many values there are.
    pub(super) count: u64,
    /// Their sum.
    pub(super) sum: f64,
}

impl Histogram {
    /// Adds another with the same bounds.
    pub(super) fn add(&mut self, other: &Self) {
        for ((_, below), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
            *below += more;
        }
        self.count += other.count;
        self.sum += other.sum;
    }
}
