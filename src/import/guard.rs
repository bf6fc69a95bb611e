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
    /// Whether it says nothing, or that it was there before `then`.
    fn is_doubtful(self, then: Timestamp) -> bool {
        self.published.is_none_or(|at| at <= then)
    }
}

/// Which of the new entries of a fetch are held: none, or all that say they were there at the last fetch already, or say nothing of when they are from.
/// `total` counts all entries of the feed; `last_fetch` is when it was read last, or found unchanged.
///
/// Authors date by the day and feeds come through caches, so what is a little older than the last fetch may well be new. Once so much is wrong that it is a
/// storm, it no longer gets the benefit of the doubt.
pub fn held(new: &[NewEntry], total: usize, last_fetch: Timestamp) -> Vec<bool> {
    let late = Timestamp(last_fetch.0.saturating_sub(i64::try_from(LATE.as_micros()).unwrap_or(i64::MAX)));
    let count = |is: &dyn Fn(&NewEntry) -> bool| new.iter().filter(|entry| is(entry)).count();
    let old = count(&|entry| entry.published.is_some() && entry.is_doubtful(late));
    // What says nothing of when it is from is likely news as long as the feed still has something that is known.
    let is_strange = new.len() == total;
    let doubtful = count(&|entry| entry.is_doubtful(late) && (is_strange || entry.published.is_some()));
    let before = count(&|entry| entry.is_doubtful(last_fetch));
    // A feed of which nothing at all is known any more is looked at more closely: a site that writes much may hold nothing that is old.
    let is_most = doubtful * 2 > total || is_strange && before * 2 > total;
    let is_storm = old > OLD_MAX || total >= ENTRIES_MIN && is_most;
    new.iter().map(|entry| is_storm && entry.is_doubtful(last_fetch)).collect()
}
