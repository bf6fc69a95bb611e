//! `suppressions`: addresses that are never mailed.

use super::args::{SuppressionsAction, SuppressionsArgs};
use super::output::table;
use super::{Context, Exit, Failure};
use crate::model::{EmailAddress, Fault};

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
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, app: &crate::app::App) -> Result<(), Failure> {
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
        let rows: Vec<Vec<String>> = all.iter().map(|row| vec![row.email.clone(), row.created_at.rfc3339(), row.reason.clone()]).collect();
        context.out.line(table(&rows));
    }
    Ok(())
}

/// An address typed on the command line.
pub fn parse(text: &str) -> Result<EmailAddress, Failure> {
    EmailAddress::parse(text).map_err(|error| Failure::new(Exit::Usage, Fault::error("address", format!("{text:?}: {error}"))))
}
