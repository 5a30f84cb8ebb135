//! Lowering the TTLs of a reply that is already written.

use crate::wire::Reader;

/// Lowers the TTL of every record in `message` that is above `longest` seconds. Records begin at
/// `position` and fill the rest.
pub(super) fn limit(message: &mut [u8], mut position: usize, longest: u32) {
    while let Some((at, ttl, next)) = ttl(message, position) {
        if ttl > longest
            && let Some(place) = message.get_mut(at..at + 4)
        {
            place.copy_from_slice(&longest.to_be_bytes());
        }
        position = next;
    }
}

/// Where the TTL of the record at `position` stands, its value, and where the next record begins.
fn ttl(message: &[u8], position: usize) -> Option<(usize, u32, usize)> {
    let mut reader = Reader::new(message, position);
    reader.skip_name()?;
    reader.take(4)?;
    let at = reader.position();
    let ttl = reader.u32()?;
    let length = reader.u16()?;
    reader.take(usize::from(length))?;
    Some((at, ttl, reader.position()))
}
