//! `suppressions`: addresses that are never mailed.

use std::path::PathBuf;

use super::args::{SuppressionsAction, SuppressionsArgs};
use super::output::{count, number, table};
use super::{Context, Exit, Failure, import};
use crate::app::App;
use crate::model::{EmailAddress, Fault};
use crate::store::suppressions::Suppression;
use crate::subscribe::{self, SuppressReport};

/// Rows read at a time.
const PAGE: u32 = 1000;

/// Lists, adds or removes.
pub async fn run(context: &Context, args: SuppressionsArgs) -> Result<Exit, Failure> {
    let app = context.app().await?;
    match args.action.unwrap_or(SuppressionsAction::List) {
        SuppressionsAction::List => list(context, &app).await?,
        SuppressionsAction::Add { email, reason } => {
            let email = parse(&email)?;
            let new = app.store.suppress(&email, &reason, context.clock.now()).await?;
            context.out.say(if new { format!("{email} is never mailed from now on") } else { format!("{email} was suppressed already") });
        }
        SuppressionsAction::Remove { email } => {
            let email = parse(&email)?;
            let was = app.store.unsuppress(&email).await?;
            context.out.say(if was { format!("{email} may be mailed again") } else { format!("{email} was not suppressed") });
        }
        SuppressionsAction::Import { file, reason } => return import(context, &app, file, &reason).await,
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, app: &App) -> Result<(), Failure> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = app.store.suppressions(&after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.email);
        all.extend(page);
    }
    if context.out.json {
        context.out.data(&all);
    } else if all.is_empty() {
        context.out.say("no address is suppressed");
    } else {
        let address = |row: &Suppression| if row.is_hash() { "(an erased person)".to_owned() } else { row.email.clone() };
        let rows: Vec<Vec<String>> = all.iter().map(|row| vec![address(row), row.created_at.rfc3339(), row.reason.clone()]).collect();
        context.out.line(table(&rows));
    }
    Ok(())
}

async fn import(context: &Context, app: &App, file: PathBuf, reason: &str) -> Result<Exit, Failure> {
    let mut report = SuppressReport::default();
    for part in import::opened(&[file])? {
        let one = subscribe::suppress_file(&app.store, part, reason, context.clock.now(), |_| ()).await.map_err(import::failure)?;
        report = report.plus(one);
    }
    for problem in &report.problems {
        context.out.note(format!("{}:{}: {}", problem.file.display(), problem.line, problem.reason));
    }
    if context.out.json {
        context.out.data(&report);
    } else {
        let [new, known, invalid] = [report.new, report.unchanged, report.invalid].map(number);
        context.out.say(format!("{}: {new} never mailed from now on, {known} known, {invalid} invalid", count(report.rows, "row")));
    }
    Ok(if report.invalid > 0 { Exit::Problems } else { Exit::Done })
}

/// An address typed on the command line.
pub fn parse(text: &str) -> Result<EmailAddress, Failure> {
    EmailAddress::parse(text).map_err(|error| Failure::new(Exit::Usage, Fault::error("address", format!("{text:?}: {error}"))))
}
