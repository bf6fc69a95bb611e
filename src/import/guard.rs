//! The storm guard: a feed whose entries all look new although they are old has changed its ways and not its content. Such entries wait for the editor.
//!
//! What tells an old entry that looks new from news is its date. Where it has none, or one that is only a little older than the last fetch (authors date by
//! the day, and feeds come through caches), its place does: news come in at one end of a feed and push old entries out at the other, so whatever is still
//! there has lost nothing on the side where the new ones stand. An entry that was rewritten stands where one that was there at the last fetch is gone. So
//! those of the last fetch count as *replaced* that are gone and have a new one on their side of what is still there; each that is still there is asked,
//! and the one that sees the fewest is believed, because a feed may have been put in another order as well.
//!
//! Six new ones of ten, and even nine, are news when they stand before the rest and the end of the feed is what went. Nine of ten are a storm when the one
//! that is left is where it was. Of a feed that keeps its first entry for ever (a notice that is pinned) and changes all others between two fetches nobody
//! can tell; nor of one that is sorted by favour and changes most of what it has: these are held, and the editor decides.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::model::Timestamp;

/// More old entries than this that look new are a storm in any feed.
const OLD_MAX: usize = 20;
/// In a feed of fewer entries nothing can be told by shares.
const ENTRIES_MIN: usize = 3;
/// What is dated so long before the last fetch, and was not there then, is old.
const LATE: Duration = Duration::from_secs(48 * 3_600);

/// An entry in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One that is known, by its number.
    Known(i64),
    /// One that matched none that is known, and when it says it was published.
    New(Option<Timestamp>),
}

/// Whether what is dated so, and was not there at the last fetch, is old.
pub fn is_old(published: Timestamp, last_fetch: Timestamp) -> bool {
    published <= late(last_fetch)
}

/// The last moment that is long before the last fetch.
fn late(last_fetch: Timestamp) -> Timestamp {
    Timestamp(last_fetch.0.saturating_sub(i64::try_from(LATE.as_micros()).unwrap_or(i64::MAX)))
}

/// Which entries of a fetch are held: none, or all new ones but those dated after `last_fetch`, which is when the feed was read last, or found unchanged.
/// `before` has the numbers of the entries it had then, in their order, where that is known.
pub fn held(entries: &[Place], before: &[i64], last_fetch: Timestamp) -> Vec<bool> {
    let late = late(last_fetch);
    let is_old = |entry: &Place| matches!(entry, Place::New(Some(at)) if *at <= late);
    let is_unsure = |entry: &Place| matches!(entry, Place::New(at) if at.is_none_or(|at| at > late && at <= last_fetch));
    let old = entries.iter().filter(|entry| is_old(entry)).count();
    let unsure: Vec<bool> = entries.iter().map(is_unsure).collect();
    let doubtful = old + replaced(entries, before, &unsure);
    let is_storm = doubtful > OLD_MAX || entries.len() >= ENTRIES_MIN && doubtful * 2 > entries.len();
    // Once so much is wrong that it is a storm, nothing gets the benefit of the doubt.
    entries.iter().zip(unsure).map(|(entry, is_unsure)| is_storm && (is_unsure || is_old(entry))).collect()
}

/// How many of the entries of the last fetch are gone and have one of the `unsure` new ones on their side of what is still there, as that sees it which sees
/// the fewest. Where nothing is known any more, every unsure one counts.
fn replaced(entries: &[Place], before: &[i64], unsure: &[bool]) -> usize {
    let still: HashSet<i64> =
        entries.iter().filter_map(|entry| if let Place::Known(number) = entry { Some(*number) } else { None }).collect();
    let new = unsure.iter().filter(|unsure| **unsure).count();
    if still.is_empty() {
        return new;
    }
    let (mut gone, mut gone_before) = (0, HashMap::new());
    for number in before {
        if still.contains(number) {
            gone_before.insert(*number, gone);
        } else {
            gone += 1;
        }
    }
    let (mut fewest, mut passed) = (gone.min(new), 0);
    for (entry, unsure) in entries.iter().zip(unsure) {
        passed += usize::from(*unsure);
        if let Place::Known(number) = entry
            && let Some(in_front) = gone_before.get(number)
        {
            fewest = fewest.min(passed.min(*in_front) + (new - passed).min(gone - in_front));
        }
    }
    fewest
}
