//! Tests of schedules: the model's cron on wall-clock time, and which Runs are due.

use chrono::{TimeZone, Utc};
use chrono_tz::Tz;
use postrider::model::digest::Missed;
use postrider::model::{Schedule, Timestamp};
use postrider::schedule::{ABANDONED, Decision, DueRun, decide, due, unfinished};
use postrider::store::Store;
use postrider::store::runs::RunResult;
use proptest::prelude::*;

use crate::support::store::Place;

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, zone.parse().unwrap()).unwrap_or_else(|error| panic!("{expression:?}: {error}"))
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_datetime(&chrono::DateTime::parse_from_rfc3339(text).unwrap())
}

/// The first `n` due instants after `after`, as local times with their offset.
fn next(expression: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    schedule.after(at(after)).take(n).map(|due| due.in_zone(schedule.zone()).format("%m-%d %H:%M:%S%:z").to_string()).collect()
}

#[test]
fn daily_times_move_with_the_wall_clock_across_the_turn_of_summer_time() {
    let table = [
        // Berlin, spring: 02:30 does not exist on 29 March 2026 and becomes 03:00.
        (
            "0 30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            vec!["03-28 02:30:00+01:00", "03-29 03:00:00+02:00", "03-30 02:30:00+02:00"],
        ),
        // Berlin, autumn: 02:30 comes twice on 25 October 2026 and fires at the first.
        (
            "0 30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T00:00:00Z",
            vec!["10-24 02:30:00+02:00", "10-25 02:30:00+02:00", "10-26 02:30:00+01:00"],
        ),
        // Several moments of one gap are one.
        ("0 0,15,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", vec!["03-29 03:00:00+02:00", "03-30 02:00:00+02:00"]),
        // New York, both turns.
        ("0 30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", vec!["03-08 03:00:00-04:00", "03-09 02:30:00-04:00"]),
        ("0 30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", vec!["11-01 01:30:00-04:00", "11-02 01:30:00-05:00"]),
        // Lord Howe turns by half an hour.
        ("0 15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", vec!["10-04 02:30:00+11:00", "10-05 02:15:00+11:00"]),
        ("0 45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", vec!["04-05 01:45:00+11:00", "04-06 01:45:00+10:30"]),
        // Kolkata never turns and is off by half an hour.
        ("0 0 9 * * *", "Asia/Kolkata", "2026-03-28T00:00:00Z", vec!["03-28 09:00:00+05:30", "03-29 09:00:00+05:30"]),
    ];
    for (expression, zone, after, expected) in table {
        assert_eq!(next(expression, zone, after, expected.len()), expected, "{expression} in {zone} after {after}");
    }
}

#[test]
fn hourly_and_finer_schedules_run_in_both_passes_of_a_fold_and_make_up_nothing_in_a_gap() {
    let table = [
        (
            "0 0 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            vec!["10-25 02:00:00+02:00", "10-25 02:00:00+01:00", "10-25 03:00:00+01:00"],
        ),
        ("0 0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", vec!["03-29 01:00:00+01:00", "03-29 03:00:00+02:00"]),
        ("0 30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", vec!["03-29 01:30:00+01:00", "03-29 03:30:00+02:00"]),
        (
            "0 */20 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:30:00Z",
            vec!["04-05 01:40:00+11:00", "04-05 01:40:00+10:30", "04-05 02:00:00+10:30"],
        ),
    ];
    for (expression, zone, after, expected) in table {
        assert_eq!(next(expression, zone, after, expected.len()), expected, "{expression} in {zone} after {after}");
    }
}

#[test]
fn asking_from_within_a_fold_loses_and_repeats_nothing() {
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        for expression in ["0 */10 * * * *", "0 0 2 * * *", "0 45 1 * * *", "30 */7 1-3 * * *"] {
            let schedule = schedule(expression, zone);
            for day in ["2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01"] {
                let start = at(&format!("{day}T00:00:00Z"));
                let end = Timestamp(start.0 + 36 * 3_600_000_000);
                let all: Vec<Timestamp> = schedule.after(start).take_while(|due| *due < end).collect();
                assert!(all.is_sorted_by(|a, b| a < b), "{expression} in {zone} on {day} is out of order");
                let mut stepwise = vec![];
                let mut from = start;
                while let Some(due) = schedule.after(from).next().filter(|due| *due < end) {
                    stepwise.push(due);
                    from = due;
                }
                assert_eq!(all, stepwise, "{expression} in {zone} on {day}: walking step by step differs");
            }
        }
    }
}

#[test]
fn five_fields_names_and_both_sundays_are_understood() {
    let same = [
        ("0 9 * * 1", "0 0 9 * * Mon"),
        ("0 9 * * 0", "0 0 9 * * sunday"),
        ("0 9 * * 7", "0 0 9 * * SUN"),
        ("0 9 * * Fri-Mon", "0 0 9 * * 0,1,5,6"),
        ("0 9 * * 5-7", "0 0 9 * * fri,sat,sun"),
        ("0 9 1 Jan-Mar *", "0 0 9 1 1,2,3 ?"),
        ("*/30 9 * * *", "0 0/30 9 * * *"),
        ("0 9-17/4 * * *", "0 0 9,13,17 * * *"),
    ];
    for (one, other) in same {
        let after = "2026-01-01T00:00:00Z";
        assert_eq!(next(one, "UTC", after, 20), next(other, "UTC", after, 20), "{one:?} and {other:?}");
    }
    assert_eq!(next("0 0 9 1-7 * Mon", "UTC", "2026-01-01T00:00:00Z", 2), ["01-05 09:00:00+00:00", "02-02 09:00:00+00:00"]);
}

#[test]
fn leap_days_come_every_four_years_and_days_that_never_come_are_refused() {
    let leap = schedule("0 0 12 29 2 *", "UTC");
    let years: Vec<String> = leap.after(at("2026-01-01T00:00:00Z")).take(3).map(|due| due.utc().format("%Y").to_string()).collect();
    assert_eq!(years, ["2028", "2032", "2036"]);
    assert!(Schedule::parse("0 0 12 30 2 *", Tz::UTC).is_err());
    assert!(Schedule::parse("0 0 12 31 2,4,6,9,11 *", Tz::UTC).is_err());
    // Past the last year it knows, a schedule ends instead of hanging.
    assert_eq!(leap.after(at("2099-01-01T00:00:00Z")).next(), None);
}

#[test]
fn a_wrong_expression_is_explained_in_words() {
    let wrong = [
        "",
        "9 o'clock",
        "* * * *",
        "0 0 9 * * Mon 2026",
        "0 0 24 * * *",
        "0 60 9 * * *",
        "0 0 9 0 * *",
        "0 0 9 * 13 *",
        "0 0 9 * * 8",
        "0 0 9 * * Mun",
        "0 0 9 * Montag *",
        "0 0 17-9 * * *",
        "0 */0 9 * * *",
        "0 0 9 L * *",
        "0 0 9 * * Mon#1",
        "0 0 9 30 Feb *",
        "0 0 9,, * * *",
        "@weekly",
    ];
    let errors: Vec<String> = wrong.iter().map(|text| format!("{text:?}: {}", Schedule::parse(text, Tz::UTC).unwrap_err())).collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn ten_missed_moments_never_make_ten_letters() {
    let daily = schedule("0 0 9 * * *", "UTC");
    let last = at("2026-11-01T09:00:00Z");
    // Each makes up for all of them, from the first.
    let run = |due: &str, held| Decision::Run(DueRun { due: at(due), first: at("2026-11-02T09:00:00Z"), held });
    let table = [
        ("nothing has passed", Missed::Once, "2026-11-02T08:59:59Z", Decision::Wait),
        ("on the second", Missed::Once, "2026-11-02T09:00:00Z", run("2026-11-02T09:00:00Z", false)),
        ("on time", Missed::Skip, "2026-11-02T09:05:00Z", run("2026-11-02T09:00:00Z", false)),
        ("on time, ask", Missed::Ask, "2026-11-02T09:04:00Z", run("2026-11-02T09:00:00Z", false)),
        ("down over one, once", Missed::Once, "2026-11-02T15:00:00Z", run("2026-11-02T09:00:00Z", false)),
        ("down over one, skip", Missed::Skip, "2026-11-02T09:05:01Z", Decision::LetGo(at("2026-11-02T09:00:00Z"))),
        ("down over one, ask", Missed::Ask, "2026-11-02T15:00:00Z", run("2026-11-02T09:00:00Z", true)),
        ("down over ten, once", Missed::Once, "2026-11-11T20:00:00Z", run("2026-11-11T09:00:00Z", false)),
        ("down over ten, skip", Missed::Skip, "2026-11-11T20:00:00Z", Decision::LetGo(at("2026-11-11T09:00:00Z"))),
        ("down over ten, back on time", Missed::Skip, "2026-11-11T09:00:30Z", run("2026-11-11T09:00:00Z", false)),
        ("down over ten, ask", Missed::Ask, "2026-11-11T20:00:00Z", run("2026-11-11T09:00:00Z", true)),
        ("the clock jumped back", Missed::Once, "2026-10-31T09:00:00Z", Decision::Wait),
        ("the clock jumped back to the same moment", Missed::Once, "2026-11-01T09:00:00Z", Decision::Wait),
    ];
    for (case, missed, now, expected) in table {
        assert_eq!(decide(&daily, missed, last, at(now)), expected, "{case}");
    }
}

#[test]
fn a_schedule_of_every_second_is_not_walked_through_after_a_year_of_rest() {
    let every_second = schedule("* * * * * *", "Europe/Berlin");
    let now = at("2026-11-02T09:00:00Z");
    let last = at("2025-11-02T09:00:00Z");
    let run = DueRun { due: now, first: last.plus(std::time::Duration::from_secs(1)), held: false };
    assert_eq!(decide(&every_second, Missed::Once, last, now), Decision::Run(run));
}

/// Expressions both parsers read alike. croner's `first-last/step` and ours agree; weekdays are numbers 0-7.
fn expression() -> impl Strategy<Value = String> {
    let field = |min: u32, max: u32| {
        prop_oneof![
            3 => Just("*".to_owned()),
            4 => (min..=max).prop_map(|value| value.to_string()),
            2 => (min..=max, min..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (2..=max.max(2)).prop_map(|step| format!("*/{step}")),
            2 => proptest::collection::vec(min..=max, 1..4).prop_map(|values| values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        ]
    };
    (field(0, 59), field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
        .prop_map(|(second, minute, hour, day, month, weekday)| format!("{second} {minute} {hour} {day} {month} {weekday}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn on_plain_days_we_agree_with_croner(expression in expression(), start in 1_760_000_000i64..1_900_000_000) {
        let ours = schedule(&expression, "UTC");
        let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).dom_and_dow(true).build();
        let oracle = parser.parse(&expression).unwrap();
        let after = Utc.timestamp_opt(start, 0).unwrap();
        let found: Vec<i64> = ours.after(Timestamp::from_secs(start)).take(5).map(Timestamp::secs).collect();
        let expected: Vec<i64> = oracle.iter_after(after).take(5).map(|at| at.timestamp()).collect();
        prop_assert_eq!(found, expected, "{} after {}", expression, after);
    }

    #[test]
    fn in_any_zone_instants_rise_and_differ(expression in expression(), start in 1_760_000_000i64..1_900_000_000, zone in 0..chrono_tz::TZ_VARIANTS.len()) {
        let schedule = Schedule::parse(&expression, chrono_tz::TZ_VARIANTS[zone]).unwrap();
        let found: Vec<Timestamp> = schedule.after(Timestamp::from_secs(start)).take(30).collect();
        prop_assert!(found.iter().all(|at| *at > Timestamp::from_secs(start)));
        prop_assert!(found.is_sorted_by(|a, b| a < b), "{} in {}", expression, chrono_tz::TZ_VARIANTS[zone]);
    }
}

/// A new store, with its guard.
async fn store(now: Timestamp) -> (Place, Store) {
    let place = Place::new();
    let store = place.open(now).await;
    (place, store)
}

fn run(due: &str) -> Option<DueRun> {
    Some(DueRun { due: at(due), first: at(due), held: false })
}

#[tokio::test]
async fn a_digest_never_seen_before_starts_to_count_now_and_each_moment_is_claimed_once() {
    let (_dir, store) = store(at("2026-11-01T00:00:00Z")).await;
    let daily = schedule("0 0 9 * * *", "UTC");
    let ask = async |now: &str| due(&store, "daily", &daily, Missed::Once, at(now)).await.unwrap();
    assert_eq!(ask("2026-11-01T12:00:00Z").await, None, "what passed before the first sight is not missed");
    assert_eq!(ask("2026-11-02T08:59:00Z").await, None);
    assert_eq!(ask("2026-11-02T09:00:01Z").await, run("2026-11-02T09:00:00Z"));
    assert_eq!(ask("2026-11-02T09:00:02Z").await, None, "somebody has it");
    assert_eq!(ask("2026-11-01T09:00:02Z").await, None, "the clock jumped back");
    let ten = DueRun { due: at("2026-11-12T09:00:00Z"), first: at("2026-11-03T09:00:00Z"), held: false };
    assert_eq!(ask("2026-11-12T20:00:00Z").await, Some(ten), "one Run for ten missed moments");
    assert_eq!(ask("2026-11-12T20:00:01Z").await, None);
    assert_eq!(ask("2026-11-13T09:00:00Z").await, run("2026-11-13T09:00:00Z"));
}

#[tokio::test]
async fn a_changed_schedule_finds_nothing_due_in_the_past() {
    let (_dir, store) = store(at("2026-11-01T00:00:00Z")).await;
    let weekly = schedule("0 0 9 * * Mon", "UTC");
    due(&store, "d", &weekly, Missed::Once, at("2026-11-01T12:00:00Z")).await.unwrap();
    assert_eq!(due(&store, "d", &weekly, Missed::Once, at("2026-11-02T09:00:00Z")).await.unwrap(), run("2026-11-02T09:00:00Z"));
    let daily = schedule("0 0 9 * * *", "UTC");
    assert_eq!(
        due(&store, "d", &daily, Missed::Once, at("2026-11-05T14:00:00Z")).await.unwrap(),
        None,
        "Tuesday to Thursday were never promised"
    );
    assert_eq!(due(&store, "d", &daily, Missed::Once, at("2026-11-06T09:00:00Z")).await.unwrap(), run("2026-11-06T09:00:00Z"));
}

#[tokio::test]
async fn a_skipped_moment_is_recorded_and_never_open() {
    let (_dir, store) = store(at("2026-11-01T00:00:00Z")).await;
    let daily = schedule("0 0 9 * * *", "UTC");
    due(&store, "d", &daily, Missed::Skip, at("2026-11-01T12:00:00Z")).await.unwrap();
    assert_eq!(due(&store, "d", &daily, Missed::Skip, at("2026-11-04T12:00:00Z")).await.unwrap(), None);
    assert_eq!(store.last_run("d").await.unwrap(), Some(at("2026-11-04T09:00:00Z")));
    assert_eq!(unfinished(&store, "d", Missed::Skip, at("2026-11-04T13:00:00Z")).await.unwrap(), []);
}

#[tokio::test]
async fn a_run_claimed_before_a_crash_is_given_again_until_it_is_finished() {
    let (_dir, store) = store(at("2026-11-01T00:00:00Z")).await;
    let daily = schedule("0 0 9 * * *", "UTC");
    due(&store, "d", &daily, Missed::Once, at("2026-11-01T12:00:00Z")).await.unwrap();
    let claimed = due(&store, "d", &daily, Missed::Once, at("2026-11-02T09:00:00Z")).await.unwrap().unwrap();
    let later = at("2026-11-02T09:30:00Z");
    assert_eq!(unfinished(&store, "d", Missed::Once, later).await.unwrap(), [claimed]);
    // Where several workers keep the schedules, it is at the earliest given again when the one who took it over is long about it.
    let later = later.plus(ABANDONED);
    assert_eq!(unfinished(&store, "d", Missed::Ask, later).await.unwrap(), [DueRun { held: true, ..claimed }]);
    store.finish_run("d", claimed.due, &RunResult::Nothing("no new articles".to_owned()), later).await.unwrap();
    assert_eq!(unfinished(&store, "d", Missed::Once, later).await.unwrap(), []);
}

#[tokio::test]
async fn two_workers_that_ask_at_once_get_one_run_between_them() {
    let (_dir, store) = store(at("2026-11-01T00:00:00Z")).await;
    let daily = schedule("0 0 9 * * *", "UTC");
    due(&store, "d", &daily, Missed::Once, at("2026-11-01T12:00:00Z")).await.unwrap();
    let ask = || due(&store, "d", &daily, Missed::Once, at("2026-11-02T09:00:00Z"));
    let answers = tokio::join!(ask(), ask(), ask(), ask());
    let answers = [answers.0.unwrap(), answers.1.unwrap(), answers.2.unwrap(), answers.3.unwrap()];
    assert_eq!(answers.iter().flatten().count(), 1, "{answers:?}");
}
