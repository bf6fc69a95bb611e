//! Cron + time zone → due Runs, each claimed once.
//!
//! The worker calls [`unfinished`] when it starts and [`due`] on every tick, makes the Issue of what it is given,
//! and records the end with `Store::finish_run`. Claims have a unique key (digest, instant), so any number of workers
//! may ask; a crash between claim and end leaves an open Run, which [`unfinished`] gives again.

use std::time::Duration;

use crate::model::digest::Missed;
use crate::model::{Schedule, Timestamp};
use crate::store::runs::RunResult;
use crate::store::{Result, Store};

/// A Run this late still counts as on time: a restart or a busy minute is no missed moment.
pub const GRACE: Duration = Duration::from_secs(5 * 60);

/// A Run open for so long has lost its worker: to freeze an Issue takes seconds, and clocks of machines differ by less.
pub const ABANDONED: Duration = Duration::from_secs(120);

/// A Run claimed for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRun {
    /// The due moment; with the digest's id it is the key of the Run.
    pub due: Timestamp,
    /// The first of the moments it makes up for.
    pub first: Timestamp,
    /// Whether its Issue waits for a person, because the moment was missed and `missed = "ask"`.
    pub held: bool,
}

/// What becomes of the moments since the last Run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// No moment has passed.
    Wait,
    /// One Run, for the latest moment; it makes up for all before it.
    Run(DueRun),
    /// The latest moment is let go, and all before it.
    LetGo(Timestamp),
}

/// Claims the Run of digest `id` that is due at `now`, if there is one and nobody has it.
/// A digest never seen before starts to count at `now`; so does one whose schedule was changed.
pub async fn due(store: &Store, id: &str, schedule: &Schedule, missed: Missed, now: Timestamp) -> Result<Option<DueRun>> {
    let since = first_sight(store, id, schedule, now).await?;
    let last = store.last_run(id).await?.map_or(since, |last| last.max(since));
    match decide(schedule, missed, last, now) {
        Decision::Wait => Ok(None),
        Decision::Run(run) => Ok(store.claim_run(id, run.due, now).await?.then_some(run)),
        Decision::LetGo(due) => {
            if store.claim_run(id, due, now).await? {
                let late = now.since(due).as_secs() / 60;
                let reason = format!("missed by {late} min and let go (missed = \"skip\")");
                store.finish_run(id, due, &RunResult::Nothing(reason), now).await?;
            }
            Ok(None)
        }
    }
}

/// Runs of digest `id` that were claimed and never ended: a crash came between. They are to be done again, before any other;
/// if the crash came after the Issue was frozen, freezing refuses to do it twice. Where several workers keep the schedules, a Run is taken over
/// only when it is [`ABANDONED`], and by one of them; where there is one, it asks when it starts, before its own Runs are open.
pub async fn unfinished(store: &Store, id: &str, missed: Missed, now: Timestamp) -> Result<Vec<DueRun>> {
    let age = if store.is_shared() { ABANDONED } else { Duration::ZERO };
    let open = store.take_over_runs(id, age, now).await?;
    Ok(open.into_iter().map(|due| DueRun { due, first: due, held: is_held(missed, due, now) }).collect())
}

/// What to do about the moments after `last` and up to `now`. However many passed, there is one Run at most.
pub fn decide(schedule: &Schedule, missed: Missed, last: Timestamp, now: Timestamp) -> Decision {
    let Some(due) = latest(schedule, last, now) else { return Decision::Wait };
    if missed == Missed::Skip && now.since(due) > GRACE {
        return Decision::LetGo(due);
    }
    let first = schedule.after(last).next().unwrap_or(due);
    Decision::Run(DueRun { due, first, held: is_held(missed, due, now) })
}

fn is_held(missed: Missed, due: Timestamp, now: Timestamp) -> bool {
    missed == Missed::Ask && now.since(due) > GRACE
}

/// The latest moment after `last` and up to `now`. Looks back over ever longer times, so that a schedule that runs
/// every second is not walked through from the start after a month of rest.
fn latest(schedule: &Schedule, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if last >= now {
        return None;
    }
    let mut back_micros: i64 = 60_000_000;
    loop {
        let from = last.max(Timestamp(now.0.saturating_sub(back_micros)));
        if let Some(found) = schedule.after(from).take_while(|at| *at <= now).last() {
            return Some(found);
        }
        if from == last {
            return None;
        }
        back_micros = back_micros.saturating_mul(8);
    }
}

/// Since when moments of this digest count. Kept with the schedule itself: a new schedule must not find moments of the past due.
async fn first_sight(store: &Store, id: &str, schedule: &Schedule, now: Timestamp) -> Result<Timestamp> {
    let key = format!("schedule-since:{id}");
    let rule = format!("{} {}", schedule.zone(), schedule.expression());
    let kept = store.meta(&key).await?;
    if let Some((since, kept_rule)) = kept.as_deref().and_then(|kept| kept.split_once(' '))
        && kept_rule == rule
        && let Ok(since) = since.parse()
    {
        return Ok(Timestamp(since));
    }
    store.set_meta(&key, &format!("{} {rule}", now.0)).await?;
    Ok(now)
}
