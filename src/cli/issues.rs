//! `issues`: look at issues, and pause, resume, cancel or retry them.

use super::args::{IssuesAction, IssuesArgs};
use super::output::{counted, number, table};
use super::standing::Standing;
use super::{Context, Exit, Failure, deliver};
use crate::app::App;
use crate::model::{Counts, Fault, IssueId, IssueStatus, Timestamp};
use crate::store::issues::IssueRow;

/// How many issues `issues list` shows.
const LIST: u32 = 50;

/// Does one of the actions.
pub async fn run(context: &Context, args: IssuesArgs) -> Result<Exit, Failure> {
    let app = context.app().await?;
    let now = app.clock.now();
    match args.action.unwrap_or(IssuesAction::List) {
        IssuesAction::List => list(context, &app).await,
        IssuesAction::Show { id } => show(context, &app, IssueId(id)).await,
        IssuesAction::Pause { id } => {
            known(&app, IssueId(id)).await?;
            app.store.pause_issue(IssueId(id), "paused by hand", now).await?;
            ended(context, &app, id, "paused").await
        }
        IssuesAction::Cancel { id } => {
            known(&app, IssueId(id)).await?;
            app.store.cancel_issue(IssueId(id), now).await?;
            ended(context, &app, id, "cancelled").await
        }
        IssuesAction::Resume { id } => {
            let row = known(&app, IssueId(id)).await?;
            // An Issue that is under way already needs nobody's leave: this command then only goes on delivering it.
            if row.status != IssueStatus::Sending {
                app.store.resume_issue(IssueId(id), now).await?;
            }
            let later = row.scheduled_at.filter(|at| *at > now);
            if let Some(at) = later {
                context.out.say(format!("issue {id} goes out at {}", at.in_zone(app.config.site.timezone).format("%a %-d %b %Y %H:%M %Z")));
                return Ok(Exit::Done);
            }
            deliver::to_the_end(context, &app, IssueId(id)).await
        }
        IssuesAction::Retry { id } => {
            known(&app, IssueId(id)).await?;
            let again = app.store.retry_issue(IssueId(id), now).await?;
            context.out.note(format!("{} back in the queue", counted(again, "delivery", "deliveries")));
            deliver::to_the_end(context, &app, IssueId(id)).await
        }
    }
}

async fn known(app: &App, id: IssueId) -> Result<IssueRow, Failure> {
    let missing = || {
        Failure::new(Exit::Problems, Fault::error("unknown-issue", format!("there is no issue {}", id.0)).hint("see `postrider issues`"))
    };
    app.store.issue(id).await?.ok_or_else(missing)
}

async fn ended(context: &Context, app: &App, id: i64, word: &str) -> Result<Exit, Failure> {
    if context.out.json {
        return show(context, app, IssueId(id)).await;
    }
    let counts = app.store.counts(IssueId(id)).await?;
    context.out.say(format!("{word} issue {id}: {}", sentence(&counts)));
    Ok(Exit::Done)
}

async fn list(context: &Context, app: &App) -> Result<Exit, Failure> {
    let issues = app.store.issues(LIST).await?;
    if context.out.json {
        let mut rows = Vec::new();
        for row in &issues {
            rows.push(json(row, &app.store.counts(row.id).await?));
        }
        context.out.data(&rows);
        return Ok(Exit::Done);
    }
    if issues.is_empty() {
        context.out.say("no issue yet: `postrider send DIGEST` makes the first");
        return Ok(Exit::Done);
    }
    let mut rows = vec![["id", "status", "planned", "sent", "failed", "when", "subject"].map(str::to_owned).to_vec()];
    for row in &issues {
        let counts = app.store.counts(row.id).await?;
        let when = row.finished_at.or(row.scheduled_at).unwrap_or(row.created_at).in_zone(app.config.site.timezone);
        rows.push(vec![
            row.id.0.to_string(),
            row.status.word().to_owned(),
            number(counts.planned),
            number(counts.sent),
            number(counts.failed),
            when.format("%Y-%m-%d %H:%M").to_string(),
            row.subject.clone(),
        ]);
    }
    context.out.line(table(&rows));
    Ok(Exit::Done)
}

async fn show(context: &Context, app: &App, id: IssueId) -> Result<Exit, Failure> {
    known(app, id).await?;
    let standing = Standing::read(app, id).await?;
    if context.out.json {
        context.out.data(&standing.json());
    } else {
        standing.lines().iter().for_each(|line| context.out.line(line));
    }
    Ok(Exit::Done)
}

/// The contract's JSON for an Issue.
pub fn json(row: &IssueRow, counts: &Counts) -> serde_json::Value {
    let mut data = serde_json::json!({"id": row.id, "subject": row.subject, "status": row.status});
    if let (Some(data), Ok(serde_json::Value::Object(counts))) = (data.as_object_mut(), serde_json::to_value(counts)) {
        data.extend(counts);
        let more = serde_json::json!({
            "digest": row.digest, "number": row.number, "reason": row.reason,
            "created_at": row.created_at.rfc3339(),
            "scheduled_at": row.scheduled_at.map(Timestamp::rfc3339),
            "started_at": row.started_at.map(Timestamp::rfc3339),
            "finished_at": row.finished_at.map(Timestamp::rfc3339),
        });
        data.extend(more.as_object().cloned().unwrap_or_default());
    }
    data
}

/// The counts that are not nought, each with its word.
pub fn parts(counts: &Counts) -> Vec<(u64, &'static str)> {
    let parts = [
        (counts.sent, "sent"),
        (counts.queued + counts.leased, "waiting"),
        (counts.deferred, "to be tried again"),
        (counts.failed, "failed"),
        (counts.unknown, "in doubt"),
        (counts.skipped, "left out"),
        (counts.cancelled, "cancelled"),
    ];
    parts.into_iter().filter(|(n, _)| *n > 0).collect()
}

/// The counts as people read them: "1,142 sent, 37 left out, 3 to be tried again".
pub fn sentence(counts: &Counts) -> String {
    let said: Vec<String> = parts(counts).iter().map(|(n, words)| format!("{} {words}", number(*n))).collect();
    if said.is_empty() { "nobody to send to".to_owned() } else { said.join(", ") }
}
