//! Delivering in the foreground: `send`, `issues resume` and `issues retry` wait here until the Issue is done.
//!
//! Numbers come from the ledger, never from memory. When a service sends from the same store, this only watches it.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::output::{duration, number, wrapped};
use super::standing::{self, Standing};
use super::{Context, Exit, Failure, issues};
use crate::app::{self, App, Stopwatch};
use crate::model::link::LinkKey;
use crate::model::{Counts, Fault, IssueId, IssueStatus, Outcome};
use crate::send::{SendError, Sender};
use crate::store::StoreError;
use crate::store::issues::IssueRow;

/// How often the ledger is looked at for progress.
const LOOK: Duration = Duration::from_millis(250);
/// Pause before sending goes on after the database failed, and how often it is tried.
const STORE_AGAIN: Duration = Duration::from_secs(1);
const STORE_TRIES: u32 = 60;

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
    /// The store failed for now: why.
    StoreFailed(String),
}

/// Delivers until the Issue is done, paused or cancelled; says what became of it.
pub async fn to_the_end(context: &Context, app: &App, id: IssueId) -> Result<Exit, Failure> {
    let watch = Stopwatch::start();
    let stop = app::stop_on_signals();
    let mut told = false;
    let ended = loop {
        match app.store.sender_lock() {
            Ok(lock) => {
                app.store.recover(lock.is_alone(), app.config.send.on_unknown, app.clock.now()).await?;
                let ended = until_settled(context, app, id, &stop).await;
                drop(lock);
                break ended?;
            }
            Err(StoreError::Busy) => {
                if !std::mem::replace(&mut told, true) {
                    context.out.note("another process delivers it; this one watches");
                }
                if let Some(ended) = watch_only(context, app, id, &stop).await? {
                    break ended;
                }
            }
            Err(error) => return Err(error.into()),
        }
    };
    report(context, app, id, ended, watch.elapsed()).await
}

/// Sends what is due, waits for what is deferred or held by other workers, and so on until the Issue is settled.
async fn until_settled(context: &Context, app: &App, id: IssueId, stop: &CancellationToken) -> Result<Ended, Failure> {
    let (mut said, mut failures) = (None, 0);
    loop {
        let ended = send_and_watch(context, app, id, stop).await?;
        if let (Ended::StoreFailed(why), true) = (&ended, failures < STORE_TRIES) {
            failures += 1;
            context.out.note(format!("{why}; trying again (Ctrl-C is safe)"));
            if tokio::time::timeout(STORE_AGAIN, stop.cancelled()).await.is_ok() {
                return Ok(Ended::Stopped);
            }
            continue;
        }
        let settled = app.store.issue(id).await?.is_none_or(|row| is_settled(&row));
        if settled || !matches!(ended, Ended::Settled) {
            return Ok(ended);
        }
        // What another worker held when it died is taken back here, as in a service.
        app.store.recover(false, app.config.send.on_unknown, app.clock.now()).await?;
        let (now, counts, due) = (app.clock.now(), app.store.counts(id).await?, app.store.next_due().await?);
        let next = due.unwrap_or(now).max(now.plus(LOOK));
        if due.is_some() && due != said {
            let at = next.in_zone(app.config.site.timezone).format("%H:%M").to_string();
            note(context, &format!("{}; the next try is at {at} (Ctrl-C is safe: `postrider run` goes on)", issues::sentence(&counts)));
            said = due;
        }
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
    let mut bar = Bar::new(context);
    let ended = loop {
        tokio::select! {
            ended = &mut task => break ended,
            () = tokio::time::sleep(bar.rest) => match bar.show(app, id).await {
                // A database that is away for a moment is no reason to stop sending: the sender says so itself.
                Err(_) if app.store.is_shared() => {}
                shown => shown?,
            },
        }
    };
    bar.clear();
    match ended.map_err(|bug| anyhow::anyhow!("a bug stopped the sender: {bug}"))? {
        Ok(()) if stop.is_cancelled() => Ok(Ended::Stopped),
        Ok(()) => Ok(Ended::Settled),
        Err(SendError::Unreachable(reason)) => Ok(Ended::Remote(reason)),
        Err(SendError::Store(error @ StoreError::Database(_) | error @ StoreError::Fenced)) if app.store.is_shared() => {
            Ok(Ended::StoreFailed(error.to_string()))
        }
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}

/// Watches until the Issue is settled, or until nobody sends from the store any more: then this process can.
async fn watch_only(context: &Context, app: &App, id: IssueId, stop: &CancellationToken) -> Result<Option<Ended>, Failure> {
    let mut bar = Bar::new(context);
    let ended = loop {
        if app.store.issue(id).await?.is_none_or(|row| is_settled(&row)) {
            break Some(Ended::Settled);
        }
        if app.store.sender_lock().is_ok() {
            break None;
        }
        bar.show(app, id).await?;
        if tokio::time::timeout(bar.rest, stop.cancelled()).await.is_ok() {
            break Some(Ended::Stopped);
        }
    };
    bar.clear();
    Ok(ended)
}

fn is_settled(row: &IssueRow) -> bool {
    matches!(row.status, IssueStatus::Done | IssueStatus::Paused | IssueStatus::Cancelled)
}

/// The progress on a terminal, read from the ledger.
struct Bar {
    bar: ProgressBar,
    /// How long to wait before the next look.
    rest: Duration,
}

impl Bar {
    fn new(context: &Context) -> Self {
        if context.out.json || !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), rest: LOOK };
        }
        let style = ProgressStyle::with_template("{bar:16} {human_pos} of {human_len}  {msg}");
        Self { bar: ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())), rest: LOOK }
    }

    async fn show(&mut self, app: &App, id: IssueId) -> Result<(), Failure> {
        if self.bar.is_hidden() {
            return Ok(());
        }
        let watch = Stopwatch::start();
        let (counts, pace) = (app.store.counts(id).await?, app.store.pace(id, app.clock.now()).await?);
        // The look itself must not slow down what it looks at.
        self.rest = LOOK.max(10 * watch.elapsed());
        let waiting = counts.queued + counts.leased;
        self.bar.set_length(counts.planned);
        self.bar.set_position(counts.planned - waiting - counts.deferred);
        let left = pace.time_for(waiting).filter(|_| waiting > 0).map(|left| format!("{} left", duration(left)));
        let troubles = [(counts.deferred, "deferred"), (counts.failed, "failed"), (counts.unknown, "in doubt")];
        let troubles = troubles.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", number(n)));
        self.bar.set_message([standing::rate(pace)].into_iter().chain(left).chain(troubles).collect::<Vec<_>>().join(", "));
        Ok(())
    }

    fn clear(self) {
        self.bar.finish_and_clear();
    }
}

async fn report(context: &Context, app: &App, id: IssueId, ended: Ended, time: Duration) -> Result<Exit, Failure> {
    let row = app.store.issue(id).await?.ok_or_else(|| Fault::error("unknown-issue", "the issue is gone"))?;
    let counts = app.store.counts(id).await?;
    if context.out.json {
        context.out.data(&Standing::read(app, id).await?.json());
    } else {
        let what = format!("issue {} \"{}\": {}", id.0, row.subject, issues::sentence(&counts));
        context.out.say(wrapped("", &format!("{what} ({} in {})", row.status.word(), duration(time))).join("\n"));
    }
    let go_on = format!("nothing is lost: `postrider issues resume {}` or `postrider run` goes on", id.0);
    match ended {
        Ended::StoreFailed(reason) => Err(Failure::new(Exit::Remote, Fault::error("store", reason).hint(go_on))),
        Ended::Remote(reason) => Err(Failure::new(Exit::Remote, Fault::error("relay", reason).hint(go_on))),
        Ended::Stopped => {
            note(context, &format!("stopped. {go_on}"));
            Ok(Exit::Problems)
        }
        Ended::Settled => Ok(settled_exit(context, &row, &counts)),
    }
}

fn note(context: &Context, text: &str) {
    context.out.note(wrapped("", text).join("\n"));
}

fn settled_exit(context: &Context, row: &IssueRow, counts: &Counts) -> Exit {
    match row.status {
        IssueStatus::Paused => {
            note(context, &format!("{}; `postrider issues resume {}` goes on", standing::status_words(row), row.id.0));
            Exit::Problems
        }
        _ if counts.failed + counts.unknown > 0 => {
            context.out.note(format!("see `postrider issues show {}`", row.id.0));
            Exit::Problems
        }
        _ => Exit::Done,
    }
}
