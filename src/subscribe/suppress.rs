//! A file of addresses that must never be mailed: a CSV file with a column of addresses, or one address a line.

use std::path::Path;
use std::sync::Arc;

use super::columns::Columns;
use super::export::unescaped;
use super::format::Field;
use super::import::{ImportError, InvalidRow, Progress};
use super::parts::Part;
use super::table::Table;
use crate::model::{EmailAddress, Fault, Timestamp};
use crate::store::Store;

/// Rows written in one transaction.
const BATCH_ROWS: usize = 4_000;
/// Wrong rows that are kept with their reasons.
const INVALID_KEPT: usize = 1_000;
/// Longest reason that is kept.
const REASON_CHARS_MAX: usize = 200;

/// What became of the rows: `rows` is the sum of all the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct SuppressReport {
    /// Rows read.
    pub rows: u64,
    /// Suppressed from now on.
    pub new: u64,
    /// Suppressed before.
    pub unchanged: u64,
    /// No address.
    pub invalid: u64,
    /// The first invalid rows.
    #[serde(skip)]
    pub problems: Vec<InvalidRow>,
}

impl SuppressReport {
    /// This and that together.
    pub fn plus(mut self, other: Self) -> Self {
        self.problems.extend(other.problems);
        Self {
            rows: self.rows + other.rows,
            new: self.new + other.new,
            unchanged: self.unchanged + other.unchanged,
            invalid: self.invalid + other.invalid,
            problems: self.problems,
        }
    }
}

/// Where address and reason stand.
struct Places {
    email: usize,
    reason: Option<usize>,
}

/// Suppresses everybody in a file; `reason` is for rows that give none.
pub async fn suppress_file(
    store: &Store,
    part: Part,
    reason: &str,
    now: Timestamp,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<SuppressReport, ImportError> {
    let name = Arc::new(part.name);
    let mut table = Table::open(part.input, &name).map_err(ImportError::File)?;
    let places = places(&mut table, &name).map_err(ImportError::File)?;
    let (mut report, mut batch) = (SuppressReport::default(), Vec::new());
    loop {
        // A batch is a few milliseconds of reading, so it may be done between two waits for the store.
        while batch.len() < BATCH_ROWS {
            let Some((line, cells)) = table.next().map_err(ImportError::File)? else { break };
            report.rows += 1;
            let cell = |at: usize| cells.get(at).map_or("", |cell| unescaped(cell.trim()));
            match EmailAddress::parse(cell(places.email)) {
                Ok(email) => {
                    let told = places.reason.map(cell).filter(|told| !told.is_empty());
                    let words = super::values::one_line(told.unwrap_or(reason)).chars().take(REASON_CHARS_MAX).collect();
                    batch.push((email, words));
                }
                Err(fault) => {
                    report.invalid += 1;
                    if report.problems.len() < INVALID_KEPT {
                        report.problems.push(InvalidRow { file: name.clone(), line, reason: fault.to_string() });
                    }
                }
            }
        }
        if batch.is_empty() {
            return Ok(report);
        }
        for fresh in store.suppress_all(&batch, false, now).await? {
            *(if fresh { &mut report.new } else { &mut report.unchanged }) += 1;
        }
        batch.clear();
        progress(Progress { rows: report.rows, remarks: &[] });
    }
}

/// Reads the header, if there is one: a first line with an address in it is no header.
fn places(table: &mut Table, name: &Path) -> Result<Places, Fault> {
    let empty = || Fault::error("csv-empty", "the file is empty").in_file(name).hint("one address a line, or a column named `email`");
    let Some((line, cells)) = table.next()? else { return Err(empty()) };
    if let Some(email) = cells.iter().position(|cell| EmailAddress::parse(cell.trim()).is_ok()) {
        table.again();
        return Ok(Places { email, reason: None });
    }
    let columns = Columns::of(&cells, None, &[])?;
    let Some(columns) = columns else {
        let fault = table.fault("csv-email", line, "no column holds addresses");
        return Err(fault.hint("one address a line, or a column named `email`"));
    };
    let at = |wanted: &Field| columns.named.iter().position(|(_, field)| field == wanted);
    Ok(Places { email: at(&Field::Email).unwrap_or(0), reason: at(&Field::Attribute("reason".to_owned())) })
}
