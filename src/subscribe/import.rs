//! Import: a CSV file is read in one thread and written in batches by another, so that a million rows take bounded memory.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::columns::{Columns, Row};
use super::table::Table;
use crate::model::{EmailAddress, Fault, ListId, SubscriptionState, Timestamp};
use crate::store::subscribers::{NewSubscriber, Upserted};
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
    /// Name of the file, for faults.
    pub file: PathBuf,
    /// Onto this List.
    pub list: ListId,
    /// In this state; a row that says `pending` is pending all the same.
    pub state: SubscriptionState,
    /// Kept with each Subscription: `import:2026-11-22-1`.
    pub source: String,
    /// Only say what would happen.
    pub dry_run: bool,
    /// The present instant.
    pub now: Timestamp,
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
    /// Suppressed: left out.
    pub suppressed: u64,
    /// Left this List, or the file says they left: left out.
    pub unsubscribed: u64,
    /// No person can be made of them.
    pub invalid: u64,
    /// The address was in the file before.
    pub duplicate: u64,
    /// The first invalid rows.
    #[serde(skip)]
    pub problems: Vec<InvalidRow>,
}

/// A row that no person can be made of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InvalidRow {
    /// Its line in the file.
    pub line: u64,
    /// Why, in words.
    pub reason: String,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows done.
    pub rows: u64,
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

/// A piece of the file.
#[derive(Default)]
struct Batch {
    rows: u64,
    /// People; whether the file says pending; whether the address was in the file before.
    people: Vec<(NewSubscriber, bool, bool)>,
    opted_out: u64,
    invalid: u64,
    problems: Vec<InvalidRow>,
}

/// Brings the people of a CSV file onto a List. A wrong row is counted and does not stop the others.
pub async fn import(
    store: &Store,
    input: impl Read + Send + 'static,
    how: &Import,
    mut progress: impl FnMut(Progress),
) -> Result<ImportReport, ImportError> {
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let file = how.file.clone();
    // Reading a file or a pipe blocks, and parsing beside the writer uses the second core. The reader ends when nobody listens.
    let reader = tokio::task::spawn_blocking(move || read(Box::new(input), &file, &sender));
    let mut report = ImportReport::default();
    while let Some(batch) = batches.recv().await {
        write(store, batch, how, &mut report).await?;
        progress(Progress { rows: report.rows });
    }
    match reader.await {
        Ok(Ok(())) => Ok(report),
        Ok(Err(fault)) => Err(ImportError::File(fault)),
        Err(_) => Err(ImportError::File(Fault::error("csv-read", "the reader stopped unexpectedly").in_file(&how.file))),
    }
}

/// Keeps a List in step with its CSV file: adds who is new as confirmed. Who left or is suppressed stays out.
pub async fn sync_file(store: &Store, file: &Path, list: &ListId, now: Timestamp) -> Result<ImportReport, ImportError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let how = Import {
        file: file.to_owned(),
        list: list.clone(),
        state: SubscriptionState::Confirmed,
        source: format!("file:{name}"),
        dry_run: false,
        now,
    };
    let input = std::fs::File::open(file).map_err(|error| {
        let fault = Fault::error("csv-open", format!("cannot be opened: {error}")).in_file(file);
        ImportError::File(fault.hint("it is named by `subscribers` of this list in config.toml"))
    })?;
    import(store, input, &how, |_| ()).await
}

/// Reads the whole file, batch by batch.
fn read(input: Box<dyn Read + Send>, file: &Path, batches: &mpsc::Sender<Batch>) -> Result<(), Fault> {
    let mut table = Table::open(input, file)?;
    let columns = header(&mut table, file)?;
    let (hasher, mut seen) = (RandomState::new(), HashSet::new());
    let mut batch = Batch::default();
    while let Some((line, cells)) = table.next()? {
        batch.rows += 1;
        match columns.read(&cells) {
            Ok(Row::Person { new, pending }) => {
                // A hash is enough to count: a repeated address is still handed on, so a collision would lose nobody.
                let again = !seen.insert(hasher.hash_one(new.email.key()));
                batch.people.push((*new, pending, again));
            }
            Ok(Row::OptedOut) => batch.opted_out += 1,
            Err(reason) => {
                batch.invalid += 1;
                batch.problems.push(InvalidRow { line, reason });
            }
        }
        if batch.rows as usize >= BATCH_ROWS && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    // When nobody listens any more, the writer has its own error to tell.
    let _ = batches.blocking_send(batch);
    Ok(())
}

/// Reads the header, or says what is missing.
fn header(table: &mut Table, file: &Path) -> Result<Columns, Fault> {
    let Some((line, cells)) = table.next()? else {
        return Err(Fault::error("csv-empty", "the file is empty").in_file(file).hint("its first line names the columns: email,name"));
    };
    let has_person = cells.iter().any(|cell| EmailAddress::parse(cell).is_ok());
    Columns::of(&cells).ok_or_else(|| {
        let fault = table.fault("csv-email", line, "no column holds addresses");
        let hint = if has_person {
            "this line looks like a person: put a line such as `email,name` above it"
        } else {
            "name one of the columns `email`"
        };
        fault.hint(hint)
    })
}

/// Writes a batch and counts what became of it.
async fn write(store: &Store, batch: Batch, how: &Import, report: &mut ImportReport) -> Result<(), StoreError> {
    report.rows += batch.rows;
    report.invalid += batch.invalid;
    report.unsubscribed += batch.opted_out;
    let room = INVALID_KEPT.saturating_sub(report.problems.len());
    report.problems.extend(batch.problems.into_iter().take(room));
    let (pending, others): (Vec<_>, Vec<_>) = batch.people.into_iter().partition(|(_, pending, _)| *pending);
    for (people, state) in [(pending, SubscriptionState::Pending), (others, how.state)] {
        if people.is_empty() {
            continue;
        }
        let (rows, again): (Vec<_>, Vec<_>) = people.into_iter().map(|(new, _, again)| (new, again)).unzip();
        let results = store.upsert_subscribers(&rows, &how.list, state, &how.source, how.dry_run, how.now).await?;
        for (result, again) in results.into_iter().zip(again) {
            *match (again, result) {
                (true, _) => &mut report.duplicate,
                (false, Upserted::New) => &mut report.new,
                (false, Upserted::Updated) => &mut report.updated,
                (false, Upserted::Unchanged) => &mut report.unchanged,
                (false, Upserted::Suppressed) => &mut report.suppressed,
                (false, Upserted::Unsubscribed) => &mut report.unsubscribed,
            } += 1;
        }
    }
    Ok(())
}
