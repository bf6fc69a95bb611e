//! `schedule`: the coming runs with their zone.

use super::args::ScheduleArgs;
use super::output::table;
use super::{Context, Exit, Failure};
use crate::model::Timestamp;

/// Prints the next runs of all digests, in order.
pub fn run(context: &Context, args: &ScheduleArgs) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = context.clock.now();
    let mut runs: Vec<(Timestamp, &str, &str, chrono_tz::Tz)> = Vec::new();
    for digest in &config.digests {
        if let Some(schedule) = &digest.schedule {
            runs.extend(schedule.after(now).take(args.next).map(|at| {
                let clock = if digest.local.is_some() { "each reader's clock" } else { schedule.zone().name() };
                (at, digest.id.as_str(), clock, schedule.zone())
            }));
        }
    }
    runs.sort_by_key(|(at, digest, ..)| (*at, *digest));
    runs.truncate(args.next);
    if context.out.json {
        let rows: Vec<_> =
            runs.iter().map(|(at, digest, _, zone)| serde_json::json!({"digest": digest, "at": at.in_zone(*zone).to_rfc3339()})).collect();
        context.out.data(&rows);
    } else if runs.is_empty() {
        context.out.say("no digest has a schedule: set schedule = \"0 0 9 * * Mon\" under [[digest]]");
    } else {
        let rows: Vec<Vec<String>> = runs
            .iter()
            .map(|(at, digest, clock, zone)| {
                vec![at.in_zone(*zone).format("%a %-d %b %Y %H:%M:%S").to_string(), (*clock).to_owned(), (*digest).to_owned()]
            })
            .collect();
        context.out.line(table(&rows));
    }
    Ok(Exit::Done)
}
