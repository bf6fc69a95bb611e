//! The storm guard: a feed whose entries all look new although they are old has changed its ways and not its content. Such entries wait for the editor.

use std::time::Duration;

use crate::model::Timestamp;

/// More old entries than this that look new are a storm in any feed.
const OLD_MAX: usize = 20;
/// In a feed of fewer entries nothing can be told by shares.
const ENTRIES_MIN: usize = 3;
/// What is dated so long before the last fetch, and was not there then, is old: feeds come through caches, and authors date by the day.
const LATE: Duration = Duration::from_secs(48 * 3_600);

/// An entry that matched none that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewEntry {
    /// When it says it was published.
    pub published: Option<Timestamp>,
}

impl NewEntry {
    /// Whether it must have been there at the last fetch.
    fn is_old(self, last_fetch: Timestamp) -> bool {
        self.published.is_some_and(|at| at.plus(LATE) < last_fetch)
    }
}

/// Which of the new entries of a fetch are held: none, or all that are old, or say nothing of when they are from. `total` counts all entries of the feed.
pub fn held(new: &[NewEntry], total: usize, last_fetch: Timestamp) -> Vec<bool> {
    let doubtful = |entry: &NewEntry| entry.published.is_none() || entry.is_old(last_fetch);
    let old = new.iter().filter(|entry| entry.is_old(last_fetch)).count();
    let doubted = new.iter().filter(|entry| doubtful(entry)).count();
    let is_storm = old > OLD_MAX || total >= ENTRIES_MIN && doubted * 2 > total;
    new.iter().map(|entry| is_storm && doubtful(entry)).collect()
}
