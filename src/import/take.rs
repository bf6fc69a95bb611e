//! What a fetch brought becomes arrivals: which entries are known, which are wanted, which wait for the editor.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::SecondsFormat;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::article::{Stored, is_web};
use super::ask::Brought;
use super::body;
use super::guard::{self, Place};
use super::identity::{self, Facts, Keys, Match};
use super::pages::{Page, address};
use super::reader::{Entry, Feed, plain_text};
use super::{Importer, filter};
use crate::model::Timestamp;
use crate::model::source::{Source, Updates};
use crate::store::Result;
use crate::store::imported::{Arrival, Arrivals, ImportState, Imported};
use crate::store::sources::SourceRow;

/// Grows when cleaning changes, so that what is still in a feed is cleaned anew. That is no edit, and nobody is told of it.
const RULES: &str = "3 ";
/// Number and hash of the entry that has a key.
type Known = HashMap<String, (i64, String)>;

/// An entry with what tells it from others.
struct Seen {
    what: What,
    url: Url,
    text: String,
    keys: Keys,
    facts: String,
}

impl Seen {
    /// When it says it appeared.
    fn published(&self) -> Option<Timestamp> {
        match &self.what {
            What::Entry(entry) => entry.published.or(entry.updated).map(|at| Timestamp::from_datetime(&at)),
            What::Page(_) => None,
        }
    }
}

/// Where an Article is made from.
enum What {
    Entry(Box<Entry>),
    Page(Box<Page>),
}

/// Everything a fetch brought, ready to be matched.
struct Batch {
    feed: Feed,
    seen: Vec<Seen>,
    is_page: bool,
}

/// What the entries of a fetch are, each in its place.
struct Judged {
    matches: Vec<Match>,
    held: Vec<bool>,
}

impl Importer {
    /// Finds out what is new and what has changed; nothing when it cannot be read. Reads the store and writes nothing.
    pub(super) async fn take(&self, source: &Arc<Source>, row: &SourceRow, brought: Brought, now: Timestamp) -> Result<Option<Arrivals>> {
        let for_batch = source.clone();
        let Some(read) = blocking(move || batch(&for_batch, brought)).await else { return Ok(None) };
        let Some(batch) = read else { return Ok(Some(Arrivals::default())) };
        let keys: Vec<String> = batch.seen.iter().flat_map(|seen| seen.keys.known_by.iter().cloned()).collect();
        let known = self.store.known_keys(&source.id, &keys).await?;
        let all: Vec<Keys> = batch.seen.iter().map(|seen| seen.keys.clone()).collect();
        let is_old =
            |at: usize| batch.seen[at].published().zip(row.fetched_at).is_some_and(|(at, last)| guard::is_old(at, Timestamp(last)));
        let matches = identity::matches(&all, |key| known.get(key).map(|(id, _)| *id), is_old);
        let before = self.edited(source, &batch, &matches, &known).await?;
        let judged = Judged { held: self.held(row, &batch, &matches).await?, matches };
        let (source, row) = (source.clone(), row.clone());
        Ok(blocking(move || arrivals(&source, &row, &batch, &judged, &known, &before, now)).await)
    }

    /// What is kept of the entries that were edited, where that counts.
    async fn edited(&self, source: &Source, batch: &Batch, matches: &[Match], known: &Known) -> Result<HashMap<i64, Imported>> {
        if source.updates == Updates::Ignore {
            return Ok(HashMap::new());
        }
        let facts: HashMap<i64, &str> = known.values().map(|(id, facts)| (*id, facts.as_str())).collect();
        let is_edited = |(seen, found): (&Seen, &Match)| match found {
            Match::Known(id) if facts.get(id) != Some(&seen.facts.as_str()) => Some(*id),
            _ => None,
        };
        let numbers: Vec<i64> = batch.seen.iter().zip(matches).filter_map(is_edited).collect();
        Ok(self.store.imported_by_number(&numbers).await?.into_iter().map(|kept| (kept.id, kept)).collect())
    }

    /// Which entries the storm guard holds. A feed without a baseline cannot have changed its ways, and mails nothing that is old.
    async fn held(&self, row: &SourceRow, batch: &Batch, matches: &[Match]) -> Result<Vec<bool>> {
        let mut held = vec![false; matches.len()];
        let (Some(_), Some(last)) = (row.baseline_at, row.fetched_at) else { return Ok(held) };
        let place = |(at, found): (usize, &Match)| match found {
            Match::Known(number) => Some((at, Place::Known(*number))),
            Match::New => Some((at, Place::New(batch.seen[at].published()))),
            Match::Twin(_) => None,
        };
        let (places, entries): (Vec<usize>, Vec<Place>) = matches.iter().enumerate().filter_map(place).unzip();
        if entries.iter().any(|entry| matches!(entry, Place::New(_))) {
            let before = self.store.last_entries(&row.id).await?;
            for (at, is_held) in places.into_iter().zip(guard::held(&entries, &before, Timestamp(last))) {
                held[at] = is_held;
            }
        }
        Ok(held)
    }
}

/// Reading and cleaning are work for a thread of their own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!("what a source brought could not be read: {error}");
            None
        }
    }
}

fn batch(source: &Source, brought: Brought) -> Option<Batch> {
    match brought {
        Brought::Nothing => None,
        Brought::Feed(mut feed, url) => {
            let entries = std::mem::take(&mut feed.entries);
            Some(Batch { seen: of_feed(source, &feed, entries, &url), feed: *feed, is_page: false })
        }
        Brought::Page(page, url) => {
            let url = page.canonical.clone().filter(is_web).unwrap_or(url);
            // One page is one Article, whatever becomes of its words.
            let guid = format!("page {}", source.url);
            let keys = identity::keys(&[Facts { guid: Some(&guid), link: Some(&url), title: &page.title, text: &page.text }]).pop()?;
            let facts = facts(source, &[&page.title, &page.html, page.published.as_deref().unwrap_or_default()]);
            let seen = Seen { text: page.text.clone(), what: What::Page(page), url, keys, facts };
            Some(Batch { seen: vec![seen], feed: Feed::default(), is_page: true })
        }
    }
}

fn of_feed(source: &Source, feed: &Feed, entries: Vec<Entry>, from: &Url) -> Vec<Seen> {
    let home = feed.link.as_deref().and_then(|link| from.join(link).ok()).filter(is_web).unwrap_or_else(|| from.clone());
    let body = |entry: &Entry| plain_text(entry.content.as_deref().or(entry.summary.as_deref()).unwrap_or_default());
    let texts: Vec<String> = entries.iter().map(body).collect();
    let links: Vec<Option<Url>> = entries.iter().map(|entry| link(entry, from)).collect();
    let given: Vec<Facts<'_>> = entries
        .iter()
        .zip(&texts)
        .zip(&links)
        .map(|((entry, text), link)| Facts {
            guid: entry.id.as_deref(),
            link: link.as_ref(),
            title: entry.title.as_deref().unwrap_or_default(),
            text,
        })
        .collect();
    let keys = identity::keys(&given);
    let all = entries.into_iter().zip(texts).zip(links).zip(keys);
    all.map(|(((entry, text), link), keys)| Seen {
        url: link.or_else(|| attached(&entry)).unwrap_or_else(|| home.clone()),
        facts: entry_facts(source, &entry),
        what: What::Entry(Box::new(entry)),
        text,
        keys,
    })
    .collect()
}

/// The page of an entry, when it has one in the web.
fn link(entry: &Entry, from: &Url) -> Option<Url> {
    let original = entry.original_link.as_deref().and_then(|link| Url::parse(link).ok());
    let named = || entry.link.as_deref().and_then(|link| from.join(link).ok());
    let by_id = || entry.id.as_deref().filter(|_| entry.is_permalink).and_then(|id| Url::parse(id).ok());
    let mut link = original.filter(is_web).or_else(|| named().filter(is_web)).or_else(|| by_id().filter(is_web))?;
    address::strip_trackers(&mut link);
    Some(link)
}

/// An entry without a page may still have a file.
fn attached(entry: &Entry) -> Option<Url> {
    body::files(entry).map(|(_, url)| url).next()
}

fn entry_facts(source: &Source, entry: &Entry) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let people: Vec<String> = entry.authors.iter().map(super::reader::Person::display).collect();
    let tags: Vec<&str> = entry.categories.iter().map(|category| category.term.as_str()).collect();
    let mut files: Vec<&str> = entry.enclosures.iter().map(|enclosure| enclosure.url.as_str()).collect();
    files.extend(entry.pictures.iter().flat_map(|picture| [Some(picture.url.as_str()), picture.alt.as_deref()]).flatten());
    let dates = format!("{:?} {:?}", entry.published, entry.updated);
    let (title, link, content, summary, image) = (
        text(&entry.title),
        text(entry.original_link.as_ref().map_or(&entry.link, |_| &entry.original_link)),
        text(&entry.content),
        text(&entry.summary),
        text(&entry.image),
    );
    facts(source, &[&title, &link, &content, &summary, &image, &people.join("\n"), &tags.join("\n"), &files.join("\n"), &dates])
}

/// A hash of an entry as it came, and of how it is cleaned.
fn facts(source: &Source, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update([u8::from(source.images)]);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).fold(RULES.to_owned(), |facts, byte| facts + &format!("{byte:02x}"))
}

fn arrivals(
    source: &Source,
    row: &SourceRow,
    batch: &Batch,
    judged: &Judged,
    known: &Known,
    before: &HashMap<i64, Imported>,
    now: Timestamp,
) -> Arrivals {
    let (mut out, mut order): (Vec<Arrival>, Vec<Option<i64>>) = Default::default();
    // Where in `out` that of a place of the feed stands.
    let mut at_place: HashMap<usize, usize> = HashMap::new();
    let mut twins: Vec<(usize, &Seen)> = Vec::new();
    for (at, (seen, found)) in batch.seen.iter().zip(&judged.matches).enumerate() {
        match found {
            Match::Known(id) => {
                order.push(Some(*id));
                if let Some(arrival) = known_arrival(source, batch, seen, *id, known, before, now) {
                    at_place.insert(at, out.len());
                    out.push(arrival);
                }
            }
            Match::New => {
                order.push(None);
                at_place.insert(at, out.len());
                out.push(new_arrival(source, row, batch, seen, known, judged.held[at]));
            }
            Match::Twin(first) => twins.push((*first, seen)),
        }
    }
    // One article that stands in the feed twice: it is known by the keys of both.
    for (first, twin) in twins {
        let has_new_key = twin.keys.known_by.iter().any(|key| !known.contains_key(key));
        match (at_place.get(&first), &judged.matches[first]) {
            (Some(at), _) => out[*at].keys.extend(twin.keys.known_by.iter().cloned()),
            (None, Match::Known(id)) if has_new_key => {
                let keys = twin.keys.known_by.clone();
                at_place.insert(first, out.len());
                out.push(Arrival { known: Some(*id), keys, ..arrival(&batch.seen[first]) });
            }
            _ => {}
        }
    }
    Arrivals { list: out, order }
}

/// Something to write of an entry that is known: new words, or a new key. `None` when there is neither.
fn known_arrival(
    source: &Source,
    batch: &Batch,
    seen: &Seen,
    id: i64,
    known: &Known,
    before: &HashMap<i64, Imported>,
    now: Timestamp,
) -> Option<Arrival> {
    let known_key = seen.keys.known_by.iter().find_map(|key| known.get(key).filter(|(number, _)| *number == id));
    let facts = known_key.map(|(_, facts)| facts.as_str());
    let has_new_key = seen.keys.known_by.iter().any(|key| !known.contains_key(key));
    if facts == Some(seen.facts.as_str()) && !has_new_key {
        return None;
    }
    let is_edit = facts.is_none_or(|facts| facts.starts_with(RULES));
    let article = before.get(&id).and_then(|kept| edited(source, batch, seen, kept, is_edit.then_some(now)));
    Some(Arrival { known: Some(id), article, ..arrival(seen) })
}

/// The new words of an Article, edited `at` some time or never; `None` when they are the old ones.
fn edited(source: &Source, batch: &Batch, seen: &Seen, kept: &Imported, at: Option<Timestamp>) -> Option<String> {
    let old = Stored::read(&kept.article).filter(|_| kept.state != ImportState::Dropped)?;
    let mut new = stored(source, batch, seen, old.id.clone());
    new.corrected = old.corrected;
    // A feed that stops telling a date, or dates everything anew, changes nothing about when an article appeared.
    new.published.clone_from(&old.published);
    let at = at.filter(|_| new.title != old.title || new.text != old.text);
    // Few feeds say that an entry was edited. Whoever reads ours should learn of it.
    let is_told = new.updated != old.updated && new.updated.is_some();
    if !is_told {
        let written = at.map(|at| at.utc().fixed_offset().to_rfc3339_opts(SecondsFormat::Secs, false));
        new.updated = written.or_else(|| old.updated.clone());
    }
    if let Some(at) = at.filter(|_| source.updates == Updates::Correct && kept.state == ImportState::Kept) {
        new.corrected = Some(at.0);
    }
    (new != old).then(|| new.write())
}

fn new_arrival(source: &Source, row: &SourceRow, batch: &Batch, seen: &Seen, known: &Known, is_held: bool) -> Arrival {
    let id = match &seen.what {
        What::Entry(entry) => first_id(entry, seen, known),
        What::Page(_) => identity::short(seen.url.as_str()),
    };
    let mut stored = stored(source, batch, seen, id);
    let unwanted = filter::unwanted(source, &stored.title, &seen.text, stored.language.as_deref());
    let (state, reason) = match (unwanted, is_held) {
        (Some(reason), _) => (ImportState::Dropped, Some(reason)),
        (None, true) => {
            let why = if seen.published().is_some() { "is older than the last fetch" } else { "has no date and stands where others stood" };
            (ImportState::Held, Some(format!("it looks new, and {why}: the feed may have changed its ids")))
        }
        (None, false) => (ImportState::Kept, None),
    };
    // A page was named because somebody wants it sent; what stands in a feed at first was there before us, unless it is dated after we first looked.
    let is_after = || seen.published().zip(row.read_at).is_some_and(|(published, read)| published > Timestamp(read));
    let is_news = batch.is_page || row.baseline_at.is_some() || is_after();
    if state == ImportState::Dropped {
        // Nobody reads it, and its row stays for ever.
        stored.forget_body();
    }
    Arrival { state, reason, is_news, article: Some(stored.write()), ..arrival(seen) }
}

fn stored(source: &Source, batch: &Batch, seen: &Seen, id: String) -> Stored {
    match &seen.what {
        What::Entry(entry) => Stored::of_entry(id, entry, &batch.feed, &seen.url, source),
        What::Page(page) => Stored::of_page(id, page, &seen.url, source),
    }
}

/// The id an Article keeps for ever: its guid, else its link, else a hash of it, whichever tells it from others and was nobody's before. Two Articles with
/// one id would be one to a Digest, and the second never mailed.
fn first_id(entry: &Entry, seen: &Seen, known: &Known) -> String {
    let is_free = |kind: &str| seen.keys.known_by.iter().any(|key| key.starts_with(kind) && !known.contains_key(key));
    match entry.id.as_deref().map(str::trim) {
        Some(guid) if is_free("guid ") => identity::short(guid),
        _ if is_free("link ") => identity::short(seen.url.as_str()),
        _ => seen.keys.whole.clone(),
    }
}

/// The keys of an entry; the rest is for those who make an arrival of it.
fn arrival(seen: &Seen) -> Arrival {
    let key = |kind: &str| seen.keys.known_by.iter().find(|key| key.starts_with(kind)).cloned();
    Arrival {
        known: None,
        keys: seen.keys.known_by.clone(),
        state: ImportState::Kept,
        reason: None,
        is_news: true,
        canonical: key("link "),
        content: key("text "),
        facts: seen.facts.clone(),
        article: None,
    }
}
