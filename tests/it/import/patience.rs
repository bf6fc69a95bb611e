//! When a Source is asked again: never sooner than it allows, never later than a day and a little, and later and later while it fails.

use std::time::Duration;

use chrono::{Datelike as _, Timelike as _};
use postrider::import::patience::{WAIT_MAX, Wishes, after_answer, after_failure};
use postrider::model::Timestamp;
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// 2026-11-23, a Monday, 12:00:00 UTC.
const NOON: Timestamp = Timestamp::from_secs(1_795_435_200);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What these headers wish at noon.
fn wishes(headers: &[(&str, &str)]) -> Wishes {
    Wishes::of_headers(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value), NOON)
}

/// How long a Source that is asked every hour waits after these headers, without jitter.
fn wait(headers: &[(&str, &str)]) -> Duration {
    after_answer(HOUR, &wishes(headers), 0.0, NOON).since(NOON)
}

#[test]
fn noon_is_noon_on_a_monday() {
    assert_eq!(NOON.rfc3339(), "2026-11-23T12:00:00Z");
    assert_eq!(NOON.utc().weekday().num_days_from_monday(), 0);
}

#[test]
fn a_source_that_wishes_nothing_is_asked_as_often_as_the_editor_wants() {
    assert_eq!(wait(&[]), HOUR);
    assert_eq!(after_answer(secs(60), &Wishes::default(), 0.0, NOON).since(NOON), secs(60));
    assert_eq!(after_answer(48 * HOUR, &Wishes::default(), 0.0, NOON).since(NOON), 24 * HOUR, "and once a day at least");
}

#[test]
fn each_wish_alone_puts_it_off() {
    for (header, value) in [
        ("cache-control", "public, max-age=7200"),
        ("cache-control", "MAX-AGE = \"7200\""),
        ("cache-control", "max-age=10, max-age=7200"),
        ("expires", "Mon, 23 Nov 2026 14:00:00 GMT"),
        ("expires", "Monday, 23-Nov-26 14:00:00 GMT"),
        ("expires", "Mon Nov 23 14:00:00 2026"),
        ("expires", " Mon, 23 Nov 2026 16:00:00 +0200 "),
        ("retry-after", "7200"),
        ("retry-after", " 7200 "),
        ("retry-after", "Mon, 23 Nov 2026 14:00:00 GMT"),
    ] {
        assert_eq!(wait(&[(header, value)]), secs(7_200), "{header}: {value}");
    }
    let ttl = Wishes { ttl: Some(secs(7_200)), ..Wishes::default() };
    assert_eq!(after_answer(HOUR, &ttl, 0.0, NOON).since(NOON), secs(7_200));
}

#[test]
fn the_longest_of_all_wishes_counts() {
    let all = [("cache-control", "max-age=7200"), ("expires", "Mon, 23 Nov 2026 15:00:00 GMT"), ("retry-after", "14400")];
    assert_eq!(wait(&all), secs(14_400));
    assert_eq!(wait(&all[..2]), secs(10_800));
    let with_ttl = Wishes { ttl: Some(secs(18_000)), ..wishes(&all) };
    assert_eq!(after_answer(HOUR, &with_ttl, 0.0, NOON).since(NOON), secs(18_000));
    assert_eq!(after_answer(6 * HOUR, &with_ttl, 0.0, NOON).since(NOON), 6 * HOUR, "the editor's is the longest");
}

#[test]
fn no_wish_is_obeyed_for_more_than_a_day() {
    for (header, value) in [
        ("cache-control", "max-age=31536000"),
        ("cache-control", "max-age=99999999999999999999999999"),
        ("expires", "Thu, 31 Dec 2037 23:55:55 GMT"),
        ("retry-after", "864000"),
        ("retry-after", "99999999999999999999999999"),
        ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(wait(&[(header, value)]), WAIT_MAX, "{header}: {value}");
    }
    let ttl = Wishes { ttl: Some(Duration::MAX), ..Wishes::default() };
    assert_eq!(after_answer(HOUR, &ttl, 0.0, NOON).since(NOON), WAIT_MAX);
}

#[test]
fn what_is_over_broken_or_no_wish_puts_nothing_off() {
    for (header, value) in [
        ("cache-control", "no-cache, no-store, must-revalidate"),
        ("cache-control", "max-age=0"),
        ("cache-control", "max-age=-5"),
        ("cache-control", "max-age="),
        ("cache-control", "max-age"),
        ("cache-control", "s-maxage=7200"),
        ("cache-control", "x-max-age=7200"),
        ("expires", "0"),
        ("expires", "-1"),
        ("expires", ""),
        ("expires", "never"),
        ("expires", "Mon, 23 Nov 2026"),
        ("expires", "Mon, 99 Nov 2026 14:00:00 GMT"),
        ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("expires", "Mon, 23 Nov 2026 11:59:59 GMT"),
        ("retry-after", "-7200"),
        ("retry-after", "soon"),
        ("retry-after", ""),
        ("retry-after", "Sun, 22 Nov 2026 14:00:00 GMT"),
    ] {
        assert_eq!(wait(&[(header, value)]), HOUR, "{header}: {value}");
    }
}

#[test]
fn the_age_of_a_cached_copy_does_not_shorten_the_wait() {
    assert_eq!(wait(&[("cache-control", "max-age=7200"), ("age", "7000")]), secs(7_200));
}

#[test]
fn a_server_whose_clock_is_wrong_is_given_the_time_it_means() {
    // Its clock is six hours behind: by ours, what it says is over already.
    let behind = [("date", "Mon, 23 Nov 2026 06:00:00 GMT"), ("expires", "Mon, 23 Nov 2026 08:00:00 GMT")];
    assert_eq!(wait(&behind), secs(7_200));
    // It is six hours ahead: asking later than it means is polite, and asking before the instant it names is not.
    let ahead = [("date", "Mon, 23 Nov 2026 18:00:00 GMT"), ("expires", "Mon, 23 Nov 2026 20:00:00 GMT")];
    assert_eq!(wait(&ahead), 8 * HOUR);
    let over = [("date", "Mon, 23 Nov 2026 08:00:00 GMT"), ("expires", "Mon, 23 Nov 2026 06:00:00 GMT")];
    assert_eq!(wait(&over), HOUR);
}

#[test]
fn waits_grow_by_up_to_a_tenth_and_never_shrink() {
    for (roll, more) in [(0.0, 0.0), (0.5, 0.05), (1.0, 0.1), (-3.0, 0.0), (7.0, 0.1)] {
        let wait = after_answer(HOUR, &Wishes::default(), roll, NOON).since(NOON);
        assert_eq!(wait, HOUR + HOUR.mul_f64(more), "a roll of {roll}");
    }
}

#[test]
fn skipped_hours_and_days_are_waited_out() {
    let at = |skip_hours: &[u32], skip_days: &[u32]| {
        let wishes = Wishes { skip_hours: skip_hours.to_vec(), skip_days: skip_days.to_vec(), ..Wishes::default() };
        after_answer(HOUR, &wishes, 0.0, NOON).rfc3339()
    };
    assert_eq!(at(&[12], &[]), "2026-11-23T13:00:00Z", "the hour it would be asked in is not skipped");
    assert_eq!(at(&[13, 14], &[]), "2026-11-23T15:00:00Z");
    assert_eq!(at(&(13..24).collect::<Vec<_>>(), &[]), "2026-11-24T00:00:00Z", "the next day has its hours again");
    assert_eq!(at(&(13..=24).collect::<Vec<_>>(), &[]), "2026-11-24T01:00:00Z", "24 is what some write for 0");
    assert_eq!(at(&[], &[0]), "2026-11-24T00:00:00Z");
    assert_eq!(at(&[0, 1], &[0, 1, 2]), "2026-11-26T02:00:00Z");
    assert_eq!(at(&[], &[0, 1, 2, 3, 4, 5]), "2026-11-29T00:00:00Z", "a feed may be asked on Sundays alone");
    let everything = "2026-11-23T13:00:00Z";
    assert_eq!(at(&(0..24).collect::<Vec<_>>(), &[]), everything, "what spares itself whole is not obeyed");
    assert_eq!(at(&[], &[0, 1, 2, 3, 4, 5, 6]), everything);
}

#[test]
fn those_that_skip_the_same_hours_are_not_asked_together_when_they_end() {
    let wishes = Wishes { skip_hours: vec![13], ..Wishes::default() };
    let at: Vec<i64> = [0.1, 0.5, 0.9].iter().map(|roll| after_answer(HOUR, &wishes, *roll, NOON).since(NOON).as_secs() as i64).collect();
    assert!(at.windows(2).all(|two| two[1] - two[0] >= 60), "{at:?}");
    assert!(at.iter().all(|secs| (7_200..7_200 + 900).contains(secs)), "{at:?}");
}

#[test]
fn failures_double_the_wait_up_to_a_day() {
    let hours = |failures| after_failure(HOUR, &Wishes::default(), failures, 0.0, NOON).since(NOON).as_secs() / 3_600;
    let waits: Vec<u64> = (1..=9).map(hours).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 24, 24, 24, 24]);
    assert_eq!(hours(u32::MAX), 24);
    let minutes = |failures| after_failure(secs(60), &Wishes::default(), failures, 0.0, NOON).since(NOON).as_secs() / 60;
    assert_eq!([1, 7, 8, 1_000].map(minutes), [1, 64, 64, 64], "who is asked every minute is asked every hour at least");
    let seldom = after_failure(24 * HOUR, &Wishes::default(), 5, 0.0, NOON).since(NOON);
    assert_eq!(seldom, 24 * HOUR, "failing makes nobody be asked more often than the editor wants");
    let huge = after_failure(Duration::MAX, &Wishes::default(), 5, 0.0, NOON).since(NOON);
    assert_eq!(huge, 24 * HOUR, "no wait overflows");
}

#[test]
fn a_failure_may_wish_too() {
    let busy = wishes(&[("retry-after", "36000")]);
    assert_eq!(after_failure(HOUR, &busy, 1, 0.0, NOON).since(NOON), secs(36_000));
    assert_eq!(after_failure(HOUR, &busy, 5, 0.0, NOON).since(NOON), 16 * HOUR, "what was doubled is longer");
    let cached = wishes(&[("cache-control", "max-age=7200")]);
    assert_eq!(after_failure(HOUR, &cached, 1, 0.0, NOON).since(NOON), secs(7_200), "until then the same would come out of the cache");
}

/// Any wish, from none to nonsense.
fn any_wishes() -> impl Strategy<Value = Wishes> {
    let length = || proptest::option::of(prop_oneof![0_u64..200_000, Just(u64::MAX), 0_u64..u64::MAX].prop_map(Duration::from_secs));
    let instant = proptest::option::of((-200_000_i64..200_000).prop_map(|by| Timestamp::from_secs(NOON.secs() + by)));
    let hours = proptest::collection::vec(0_u32..30, 0..26);
    let days = proptest::collection::vec(0_u32..9, 0..8);
    (length(), instant, length(), length(), hours, days).prop_map(|(max_age, expires, retry_after, ttl, skip_hours, skip_days)| Wishes {
        max_age,
        expires,
        retry_after,
        ttl,
        skip_hours,
        skip_days,
    })
}

fn is_skipped(at: Timestamp, wishes: &Wishes) -> bool {
    let at = at.utc();
    wishes.skip_hours.iter().any(|hour| hour % 24 == at.hour()) || wishes.skip_days.contains(&at.weekday().num_days_from_monday())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_asked_sooner_than_it_allows_or_later_than_a_day_and_a_little(
        wishes in any_wishes(), every in 60_u64..=86_400, roll in 0.0_f64..=1.0, failures in 0_u32..40,
    ) {
        let every = secs(every);
        let until = wishes.expires.map(|at| at.since(NOON));
        let wished = [wishes.max_age, until, wishes.retry_after, wishes.ttl].into_iter().flatten().map(|wish| wish.min(WAIT_MAX)).max();
        let least = every.max(wished.unwrap_or_default());
        let skips_whole = (0..168).all(|hour| is_skipped(NOON.plus(hour * HOUR), &wishes));
        for at in [after_answer(every, &wishes, roll, NOON), after_failure(every, &wishes, failures, roll, NOON)] {
            let wait = at.since(NOON);
            prop_assert!(wait >= least, "{wait:?} is sooner than {least:?}");
            prop_assert!(skips_whole || !is_skipped(at, &wishes), "{} is skipped", at.rfc3339());
            let rests = !wishes.skip_hours.is_empty() || !wishes.skip_days.is_empty();
            let most = WAIT_MAX.mul_f64(1.1) + if rests { 169 * HOUR } else { Duration::ZERO };
            prop_assert!(wait <= most, "{wait:?} is later than {most:?}");
        }
        let answered = after_answer(every, &wishes, roll, NOON);
        if wishes.skip_hours.is_empty() && wishes.skip_days.is_empty() {
            prop_assert!(answered.since(NOON) <= least.mul_f64(1.1) + secs(1), "a wait without a reason");
        }
    }

    #[test]
    fn no_header_is_misread_into_a_panic(value in "\\PC{0,60}") {
        for header in ["cache-control", "expires", "retry-after", "date"] {
            after_answer(HOUR, &wishes(&[(header, &value), ("expires", "Mon, 23 Nov 2026 14:00:00 GMT")]), 0.5, NOON);
        }
    }
}
