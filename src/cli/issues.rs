//! `issues`: look at issues, and pause, resume, cancel or retry them.

use super::args::{IssuesAction, IssuesArgs};
use super::output::{count, number, table};
use super::{Context, Exit, Failure, deliver};
use crate::app::App;
use crate::model::{Counts, Fault, IssueId, IssueStatus, Timestamp};
use crate::store::issues::IssueRow;

/// How many issues `issues list` shows.
const LIST: u32 = 50;
/// How many troubled deliveries `issues show` names.
const TROUBLES: u32 = 20;

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
            context.out.note(format!("{} back in the queue", count(again, "delivery").replace("deliverys", "deliveries")));
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
    context.out.say(format!("{word} issue {id}: {}", sentence(&counts, None)));
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
    let row = known(app, id).await?;
    let counts = app.store.counts(id).await?;
    let troubles = app.store.troubles(id, TROUBLES).await?;
    if context.out.json {
        let mut data = json(&row, &counts);
        data["troubles"] = serde_json::to_value(&troubles).unwrap_or_default();
        context.out.data(&data);
        return Ok(Exit::Done);
    }
    let zone = app.config.site.timezone;
    let time = |at: Option<Timestamp>| at.map(|at| at.in_zone(zone).format("%a %-d %b %Y %H:%M:%S %Z").to_string());
    context.out.line(format!("issue {}  {}", row.id.0, row.subject));
    context.out.line(format!("status   {}{}", row.status.word(), row.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default()));
    for (name, at) in
        [("frozen", Some(row.created_at)), ("goes out", row.scheduled_at), ("started", row.started_at), ("ended", row.finished_at)]
    {
        if let Some(at) = time(at) {
            context.out.line(format!("{name:<8} {at}"));
        }
    }
    context.out.line(sentence(&counts, None));
    for trouble in &troubles {
        let why = trouble.reply.clone().unwrap_or_default();
        let again = trouble.next_at.map(|at| format!(", again at {}", at.in_zone(zone).format("%H:%M"))).unwrap_or_default();
        context.out.line(format!("  {} {}{again}: {why}", trouble.state, trouble.email));
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

/// The counts as people read them: "1,142 sent, 37 left out, 3 will be tried again at 09:20".
pub fn sentence(counts: &Counts, again: Option<String>) -> String {
    let again = again.map(|at| format!(" at {at}")).unwrap_or_default();
    let parts = [
        (counts.sent, "sent".to_owned()),
        (counts.queued + counts.leased, "waiting".to_owned()),
        (counts.deferred, format!("will be tried again{again}")),
        (counts.failed, "failed".to_owned()),
        (counts.unknown, "in doubt".to_owned()),
        (counts.skipped, "left out".to_owned()),
        (counts.cancelled, "cancelled".to_owned()),
    ];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{} {words}", number(*n))).collect();
    if said.is_empty() { "nobody to send to".to_owned() } else { said.join(", ") }
}
