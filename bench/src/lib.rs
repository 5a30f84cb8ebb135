//! Measures on one machine what Callsign's answers cost: servers and questions for them, a client
//! that asks and checks, and tables. The programs are `answers` and `upkeep`; README.md says how to
//! run them and what the numbers mean. What claims cost is measured by the package beside it, `herd`.

#![forbid(unsafe_code)]

pub mod asker;
pub mod client;
pub mod contestant;
pub mod engine;
pub mod etcd;
pub mod expected;
pub mod flags;
pub mod gateway;
pub mod machine;
pub mod peers;
pub mod pool;
pub mod process;
pub mod questions;
pub mod rows;
pub mod stream;
pub mod table;
pub mod upkeep;

/// What went wrong, for the reader of the terminal.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The value that `part` of 100 do not exceed, of values in ascending order.
#[must_use]
pub fn percentile<T: Copy + Default>(sorted: &[T], part: usize) -> T {
    let rank = (sorted.len() * part).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong rank would flatter the slowest claimants.
    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!(
            [1, 50, 99, 100].map(|part| percentile(&values, part)),
            [2, 100, 198, 200]
        );
        assert_eq!(percentile(&[7], 50), 7);
        assert_eq!(percentile::<u32>(&[], 99), 0);
    }
}
