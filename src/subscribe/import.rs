//! Import: CSV files are read in one thread and written in batches by another, so that a million rows take bounded memory.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::columns::{Columns, Row, Standing};
use super::format::{Field, Format};
use super::parts::Part;
use super::table::Table;
use crate::model::{EmailAddress, Fault, ListId, SubscriptionState, Timestamp};
use crate::store::imports::ImportTag;
use crate::store::subscribers::{NewSubscriber, Upserted};
use crate::store::upsert::Arrival;
use crate::store::{Store, StoreError};

/// Rows written in one transaction.
const BATCH_ROWS: usize = 4_000;
/// Batches read ahead of the writer.
const BATCHES_AHEAD: usize = 2;
/// Wrong rows that are kept with their reasons; the others are only counted.
const INVALID_KEPT: usize = 1_000;

/// How to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Onto which List.
    pub onto: Onto,
    /// In this state; a row that says `pending` is pending all the same, and one that left is kept as such.
    pub state: SubscriptionState,
    /// Kept with each Subscription.
    pub origin: Origin,
    /// Whose export it is, when the header does not tell.
    pub format: Option<Format>,
    /// What columns hold, when their names do not tell.
    pub map: Vec<(String, Field)>,
    /// Only say what would happen.
    pub dry_run: bool,
    /// The present instant.
    pub now: Timestamp,
}

/// Onto which List people go.
#[derive(Debug, Clone)]
pub enum Onto {
    /// All onto this one.
    List(ListId),
    /// Each onto the one its row names, which must be among these.
    Named(Vec<ListId>),
}

/// Where imported people come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A person's import on this day: it gets a tag of its own, by which it can be undone.
    Day(String),
    /// A standing source, by its name.
    Standing(String),
}

impl Import {
    /// Confirmed people onto `list`, as the file's header tells.
    pub fn onto(list: ListId, origin: Origin, now: Timestamp) -> Self {
        Self { onto: Onto::List(list), state: SubscriptionState::Confirmed, origin, format: None, map: Vec::new(), dry_run: false, now }
    }
}

/// What became of the rows: `rows` is the sum of all the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportReport {
    /// Rows read, without the header.
    pub rows: u64,
    /// Not known before, or not on this List before.
    pub new: u64,
    /// Known; something changed.
    pub updated: u64,
    /// Known; nothing changed.
    pub unchanged: u64,
    /// Suppressed, here or as the file says: never mailed.
    pub suppressed: u64,
    /// Left this List, here or as the file says: not mailed.
    pub unsubscribed: u64,
    /// No person can be made of them.
    pub invalid: u64,
    /// The address was in the file before.
    pub duplicate: u64,
    /// The tag of everybody it made or changed; a dry run has none.
    #[serde(skip)]
    pub tag: Option<String>,
    /// The first invalid rows.
    #[serde(skip)]
    pub problems: Vec<InvalidRow>,
}

/// A row that no person can be made of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InvalidRow {
    /// The file it stands in.
    pub file: Arc<PathBuf>,
    /// Its line in the file.
    pub line: u64,
    /// Why, in words.
    pub reason: String,
}

/// A line of the error file: everything a person may want to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Line in the file.
    pub line: u64,
    /// The address as it stands there.
    pub email: String,
    /// `error` (no person), `warning` (a person, but not all that was told), `note` (kept out, or there twice).
    pub level: &'static str,
    /// In words.
    pub message: String,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Rows done.
    pub rows: u64,
    /// What was remarkable since the last time.
    pub remarks: &'a [Remark],
}

/// Why an import stopped. What was written before stays, and importing the same file again doubles nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file.
    #[error("{0}")]
    File(Fault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A person of a batch.
struct Found {
    line: u64,
    new: NewSubscriber,
    why: Option<String>,
    /// The address was in the file before.
    again: bool,
}

/// A piece of the file.
#[derive(Default)]
struct Batch {
    rows: u64,
    /// People by List and by what the file says of them; without a List they go onto the one all go onto.
    people: BTreeMap<(Option<ListId>, Standing), Vec<Found>>,
    invalid: u64,
    problems: Vec<InvalidRow>,
    remarks: Vec<Remark>,
}

/// Brings the people of a CSV file onto a List. A wrong row is counted and does not stop the others. `name` is the file's, for faults.
pub async fn import(
    store: &Store,
    name: &Path,
    input: impl Read + Send + 'static,
    how: &Import,
    progress: impl FnMut(Progress<'_>),
) -> Result<ImportReport, ImportError> {
    import_parts(store, vec![Part { name: name.to_owned(), input: Box::new(input) }], how, progress).await
}

/// Brings the people of several files, one after another, as one import.
pub async fn import_parts(
    store: &Store,
    parts: Vec<Part>,
    how: &Import,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<ImportReport, ImportError> {
    let files = parts.iter().map(|part| part.name.display().to_string()).collect::<Vec<_>>().join(", ");
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let reader = Reader { how: how.clone(), hasher: RandomState::new(), seen: HashSet::new() };
    // Reading a file or a pipe blocks, and parsing beside the writer uses the second core. The reader ends when nobody listens.
    let reader = tokio::task::spawn_blocking(move || reader.read(parts, &sender));
    let (mut report, mut import) = (ImportReport::default(), None);
    while let Some(mut batch) = batches.recv().await {
        if let (Origin::Day(day), None, false) = (&how.origin, &import, how.dry_run || batch.rows == 0) {
            import = Some(store.begin_import(day, &files, how.now).await?);
        }
        let mut remarks = std::mem::take(&mut batch.remarks);
        write(store, batch, how, import.as_ref(), &mut report, &mut remarks).await?;
        remarks.sort_by_key(|remark| remark.line);
        progress(Progress { rows: report.rows, remarks: &remarks });
    }
    let read = reader.await.unwrap_or_else(|_| Err(Fault::error("csv-read", "the reader stopped unexpectedly")));
    read.map_err(ImportError::File)?;
    if let Some(import) = import {
        store.finish_import(&import, how.now).await?;
        report.tag = Some(import.tag);
    }
    Ok(report)
}

/// Keeps a List in step with its CSV file: adds who is new as confirmed. Who left or is suppressed stays out.
pub async fn sync_file(store: &Store, file: &Path, list: &ListId, now: Timestamp) -> Result<ImportReport, ImportError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let how = Import::onto(list.clone(), Origin::Standing(format!("file:{name}")), now);
    let input = std::fs::File::open(file).map_err(|error| {
        let fault = Fault::error("csv-open", format!("cannot be opened: {error}")).in_file(file);
        ImportError::File(fault.hint("it is named by `subscribers` of this list in config.toml"))
    })?;
    import(store, file, input, &how, |_| ()).await
}

/// What reads the files.
struct Reader {
    how: Import,
    hasher: RandomState,
    /// A hash is enough to count: a repeated address is still handed on, so a collision would lose nobody.
    seen: HashSet<u64>,
}

impl Reader {
    /// Reads all files, batch by batch.
    fn read(mut self, parts: Vec<Part>, batches: &mpsc::Sender<Batch>) -> Result<(), Fault> {
        let mut batch = Batch::default();
        for part in parts {
            let name = Arc::new(part.name);
            let mut table = Table::open(part.input, &name)?;
            let columns = header(&mut table, &name, &self.how)?;
            while let Some((line, cells)) = table.next()? {
                batch.rows += 1;
                match columns.read(&cells).and_then(|row| self.place(row)) {
                    Ok((list, row)) => self.keep(&mut batch, line, list, row),
                    Err(reason) => {
                        batch.invalid += 1;
                        let email = columns.address(&cells).to_owned();
                        batch.remarks.push(Remark { line, email, level: "error", message: reason.clone() });
                        batch.problems.push(InvalidRow { file: name.clone(), line, reason });
                    }
                }
                if batch.rows as usize >= BATCH_ROWS && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return Ok(());
                }
            }
        }
        // When nobody listens any more, the writer has its own error to tell.
        let _ = batches.blocking_send(batch);
        Ok(())
    }

    /// The List a row goes onto, when that is told row by row.
    fn place(&self, row: Row) -> Result<(Option<ListId>, Row), String> {
        let Onto::Named(lists) = &self.how.onto else { return Ok((None, row)) };
        let name = row.list.as_deref().ok_or("it names no list (--list ID names one for all)")?;
        let known = lists.iter().find(|list| list.as_str() == name);
        let list = known.cloned().ok_or_else(|| format!("there is no list {name:?}"))?;
        Ok((Some(list), row))
    }

    fn keep(&mut self, batch: &mut Batch, line: u64, list: Option<ListId>, row: Row) {
        let Row { new, standing, why, notes, .. } = row;
        for message in notes {
            batch.remarks.push(Remark { line, email: new.email.to_string(), level: "warning", message });
        }
        let again = !self.seen.insert(self.hasher.hash_one((new.email.key(), &list)));
        batch.people.entry((list, standing)).or_default().push(Found { line, new, why, again });
    }
}

/// Reads the header, or says what is missing.
pub(super) fn header(table: &mut Table, file: &Path, how: &Import) -> Result<Columns, Fault> {
    let Some((line, cells)) = table.next()? else {
        return Err(Fault::error("csv-empty", "the file is empty").in_file(file).hint("its first line names the columns: email,name"));
    };
    let has_person = cells.iter().any(|cell| EmailAddress::parse(cell).is_ok());
    let columns = Columns::of(&cells, how.format, &how.map).map_err(|fault| fault.in_file(file))?;
    columns.ok_or_else(|| {
        let fault = table.fault("csv-email", line, "no column holds addresses");
        let hint = if has_person {
            "this line looks like a person: put a line such as `email,name` above it"
        } else {
            "name one of the columns `email`, or say which one it is: --map COLUMN=email"
        };
        fault.hint(hint)
    })
}

/// Writes a batch and counts what became of it.
async fn write(
    store: &Store,
    batch: Batch,
    how: &Import,
    import: Option<&ImportTag>,
    report: &mut ImportReport,
    remarks: &mut Vec<Remark>,
) -> Result<(), StoreError> {
    report.rows += batch.rows;
    report.invalid += batch.invalid;
    let room = INVALID_KEPT.saturating_sub(report.problems.len());
    report.problems.extend(batch.problems.into_iter().take(room));
    let source = match (&how.origin, import) {
        (Origin::Standing(name), _) => name.as_str(),
        (Origin::Day(_), Some(import)) => import.tag.as_str(),
        (Origin::Day(_), None) => "import",
    };
    for ((list, standing), people) in batch.people {
        let list = match (&how.onto, &list) {
            (Onto::List(list), _) | (Onto::Named(_), Some(list)) => list,
            (Onto::Named(_), None) => continue,
        };
        let state = match standing {
            Standing::Active => how.state,
            Standing::Pending => SubscriptionState::Pending,
            Standing::OptedOut => SubscriptionState::Unsubscribed,
            Standing::Suppressed => {
                suppress(store, people, source, how, report, remarks).await?;
                continue;
            }
        };
        let (rows, told): (Vec<_>, Vec<_>) = people.into_iter().map(|found| (found.new, (found.line, found.again))).unzip();
        let arrival = Arrival { list, state, source, import, dry_run: how.dry_run, now: how.now };
        let results = store.bring(&rows, &arrival).await?;
        for ((row, result), (line, again)) in rows.iter().zip(results).zip(told) {
            count(report, remarks, result, again, line, &row.email);
        }
    }
    Ok(())
}

/// Suppresses those of whom the file says that they must never be mailed.
async fn suppress(
    store: &Store,
    people: Vec<Found>,
    source: &str,
    how: &Import,
    report: &mut ImportReport,
    remarks: &mut Vec<Remark>,
) -> Result<(), StoreError> {
    let reason = |found: &Found| format!("{} ({source})", found.why.as_deref().unwrap_or("suppressed"));
    let rows: Vec<(EmailAddress, String)> = people.iter().map(|found| (found.new.email.clone(), reason(found))).collect();
    store.suppress_all(&rows, how.dry_run, how.now).await?;
    for found in people {
        count(report, remarks, Upserted::Suppressed, found.again, found.line, &found.new.email);
    }
    Ok(())
}

/// Counts what became of one row, and says what is worth saying.
fn count(report: &mut ImportReport, remarks: &mut Vec<Remark>, result: Upserted, again: bool, line: u64, email: &EmailAddress) {
    let (counter, message) = match (again, result) {
        (true, _) => (&mut report.duplicate, Some("the address was in the file before")),
        (false, Upserted::New) => (&mut report.new, None),
        (false, Upserted::Updated) => (&mut report.updated, None),
        (false, Upserted::Unchanged) => (&mut report.unchanged, None),
        (false, Upserted::Suppressed) => (&mut report.suppressed, Some("suppressed: never mailed")),
        (false, Upserted::Unsubscribed) => (&mut report.unsubscribed, Some("opted out: not mailed")),
    };
    *counter += 1;
    if let Some(message) = message {
        remarks.push(Remark { line, email: email.to_string(), level: "note", message: message.to_owned() });
    }
}
