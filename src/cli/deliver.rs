//! Delivering in the foreground: `send`, `issues resume` and `issues retry` wait here until the Issue is done.
//!
//! Numbers come from the ledger, never from memory. When a service sends from the same store, this only watches it.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::output::{duration, number};
use super::{Context, Exit, Failure, issues};
use crate::app::{self, App, Stopwatch};
use crate::model::link::LinkKey;
use crate::model::{Counts, Fault, IssueId, IssueStatus, Outcome};
use crate::send::{SendError, Sender};
use crate::store::StoreError;
use crate::store::issues::IssueRow;

/// How often the ledger is looked at for progress.
const LOOK: Duration = Duration::from_millis(250);

/// A sender for this application; without a relay there is none.
pub fn sender(app: &App) -> Result<Sender, Failure> {
    if app.config.relays.is_empty() {
        let fault = Fault::error("relay-missing", "there is no [[relay]] to send through");
        return Err(fault.hint("declare one in config.toml: [[relay]] with name and url").into());
    }
    Ok(Sender::new(app.store.clone(), &app.config, app.key.clone(), app.clock.clone()))
}

/// A Message-ID for a message that is in no ledger.
pub fn test_message_id(key: &LinkKey, unique: &str, domain: &str) -> String {
    let mac = key.mac(&[b"test", unique.as_bytes()]);
    let hex: String = mac[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}@{domain}")
}

/// An outcome in words.
pub fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Sent(reply) | Outcome::Unknown(reply) | Outcome::Deferred { reply, .. } | Outcome::Failed { reply, .. } => {
            let code = if reply.code > 0 { format!("{} ", reply.code) } else { String::new() };
            format!("{code}{} (at {})", reply.text, reply.phase)
        }
        Outcome::NotSent | Outcome::Waits(_) => "nothing left this machine".to_owned(),
    }
}

/// How the delivering part ended.
enum Ended {
    /// The Issue is done, paused or cancelled.
    Settled,
    /// Stopped by a signal.
    Stopped,
    /// The relays cannot be reached.
    Remote(String),
}

/// Delivers until the Issue is done, paused or cancelled; says what became of it.
pub async fn to_the_end(context: &Context, app: &App, id: IssueId) -> Result<Exit, Failure> {
    let watch = Stopwatch::start();
    let stop = app::stop_on_signals();
    let ended = match app.store.sender_lock() {
        Ok(lock) => {
            app.store.recover(lock.is_alone(), app.config.send.on_unknown, app.clock.now()).await?;
            let ended = until_settled(context, app, id, &stop).await;
            drop(lock);
            ended?
        }
        Err(StoreError::Busy) => {
            context.out.note("the running service delivers it");
            watch_only(context, app, id, &stop).await?
        }
        Err(error) => return Err(error.into()),
    };
    report(context, app, id, ended, watch.elapsed()).await
}

/// Sends what is due, waits for what is deferred, and so on until the Issue is settled.
async fn until_settled(context: &Context, app: &App, id: IssueId, stop: &CancellationToken) -> Result<Ended, Failure> {
    loop {
        let ended = send_and_watch(context, app, id, stop).await?;
        let settled = app.store.issue(id).await?.is_none_or(|row| is_settled(&row));
        if settled || !matches!(ended, Ended::Settled) {
            return Ok(ended);
        }
        let (now, counts) = (app.clock.now(), app.store.counts(id).await?);
        let next = app.store.next_due().await?.unwrap_or(now).max(now.plus(LOOK));
        let at = next.in_zone(app.config.site.timezone).format("%H:%M").to_string();
        context.out.note(format!("{}; waiting (Ctrl-C is safe: `postrider run` goes on)", issues::sentence(&counts, Some(at))));
        while app.clock.now() < next {
            let settled = app.store.issue(id).await?.is_none_or(|row| is_settled(&row));
            if settled || tokio::time::timeout(LOOK, stop.cancelled()).await.is_ok() {
                return Ok(if settled { Ended::Settled } else { Ended::Stopped });
            }
        }
    }
}

async fn send_and_watch(context: &Context, app: &App, id: IssueId, stop: &CancellationToken) -> Result<Ended, Failure> {
    let sender = sender(app)?;
    let token = stop.clone();
    let mut task = tokio::spawn(async move { sender.run_issue(id, &token).await });
    let bar = progress_bar(context);
    let ended = loop {
        tokio::select! {
            ended = &mut task => break ended,
            () = tokio::time::sleep(LOOK) => show(&bar, &app.store.counts(id).await?),
        }
    };
    bar.finish_and_clear();
    match ended.map_err(|bug| anyhow::anyhow!("a bug stopped the sender: {bug}"))? {
        Ok(()) if stop.is_cancelled() => Ok(Ended::Stopped),
        Ok(()) => Ok(Ended::Settled),
        Err(SendError::Unreachable(reason)) => Ok(Ended::Remote(reason)),
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}

async fn watch_only(context: &Context, app: &App, id: IssueId, stop: &CancellationToken) -> Result<Ended, Failure> {
    let bar = progress_bar(context);
    loop {
        let settled = app.store.issue(id).await?.is_none_or(|row| is_settled(&row));
        show(&bar, &app.store.counts(id).await?);
        if settled || tokio::time::timeout(LOOK, stop.cancelled()).await.is_ok() {
            bar.finish_and_clear();
            return Ok(if settled { Ended::Settled } else { Ended::Stopped });
        }
    }
}

fn is_settled(row: &IssueRow) -> bool {
    matches!(row.status, IssueStatus::Done | IssueStatus::Paused | IssueStatus::Cancelled)
}

fn progress_bar(context: &Context) -> ProgressBar {
    if context.out.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = "{bar:30} {human_pos} of {human_len}  {rate}, {eta} left  {msg}";
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // A rate with four decimals says nothing more; a writer that fails has no reader.
        let _ = write!(out, "{:.0}/s", state.per_sec());
    };
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate));
    bar
}

fn show(bar: &ProgressBar, counts: &Counts) {
    bar.set_length(counts.planned);
    bar.set_position(counts.planned - counts.queued - counts.leased - counts.deferred);
    let troubles = [(counts.deferred, "deferred"), (counts.failed, "failed"), (counts.unknown, "in doubt")];
    let said: Vec<String> = troubles.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", number(*n))).collect();
    bar.set_message(said.join(", "));
}

async fn report(context: &Context, app: &App, id: IssueId, ended: Ended, time: Duration) -> Result<Exit, Failure> {
    let row = app.store.issue(id).await?.ok_or_else(|| Fault::error("unknown-issue", "the issue is gone"))?;
    let counts = app.store.counts(id).await?;
    if context.out.json {
        context.out.data(&issues::json(&row, &counts));
    } else {
        let what = format!("issue {} \"{}\": {}", id.0, row.subject, issues::sentence(&counts, None));
        context.out.say(format!("{what} ({} in {})", row.status.word(), duration(time)));
    }
    let go_on = format!("nothing is lost: `postrider issues resume {}` or `postrider run` goes on", id.0);
    match ended {
        Ended::Remote(reason) => Err(Failure::new(Exit::Remote, Fault::error("relay", reason).hint(go_on))),
        Ended::Stopped => {
            context.out.note(format!("stopped. {go_on}"));
            Ok(Exit::Problems)
        }
        Ended::Settled => Ok(settled_exit(context, &row, &counts)),
    }
}

fn settled_exit(context: &Context, row: &IssueRow, counts: &Counts) -> Exit {
    match row.status {
        IssueStatus::Paused => {
            let why = row.reason.clone().unwrap_or_default();
            context.out.note(format!("paused: {why}. `postrider issues resume {}` goes on", row.id.0));
            Exit::Problems
        }
        _ if counts.failed + counts.unknown > 0 => {
            context.out.note(format!("see `postrider issues show {}`", row.id.0));
            Exit::Problems
        }
        _ => Exit::Done,
    }
}
