//! Pace, patience and breakers, each by itself: pure, the time is an argument.

use std::time::Duration;

use chrono::NaiveDate;
use postrider::config::StoreUrl;
use postrider::model::outcome::{FailureClass, Outcome, Reply};
use postrider::model::relay::{Rate, WarmUp};
use postrider::model::{Relay, Timestamp};
use postrider::send::breaker::{Breaker, May};
use postrider::send::domains::{Answer, Domains, Gate};
use postrider::send::pace::{Backoff, Day, Pace, Turn, asks_to_slow_down, day_block};
use postrider::store::Store;
use postrider::store::paces::Slice;
use tokio::time::Instant;

use super::driver::relay;

fn secs(secs: f64) -> Duration {
    Duration::from_secs_f64(secs)
}

/// Takes as fast as it is allowed from `start` on for `time`, given slices one after the other; the instants.
fn taken(pace: &mut Pace, start: Instant, time: Duration) -> Vec<Duration> {
    let (mut now, mut given, mut taken) = (start, start, Vec::new());
    while now < start + time {
        if pace.wants_slice(now) {
            pace.grant(given.max(now));
            given = given.max(now) + pace.slice_length();
        }
        match pace.turn(now) {
            Turn::Now => {
                pace.take(now);
                taken.push(now - start);
            }
            Turn::At(at) => now = at,
            Turn::Ask => now += secs(0.001),
        }
    }
    taken
}

#[tokio::test]
async fn a_pace_gives_out_no_more_than_its_rate_and_no_less() {
    for (rate, time, expected) in [("100/s", 2.0, 200), ("400/min", 30.0, 200), ("10/h", 7200.0, 20), ("20000/s", 1.0, 20_000)] {
        let mut pace = Pace::new(Rate::parse(rate).unwrap());
        let taken = taken(&mut pace, Instant::now(), secs(time));
        let bounds = expected * 98 / 100..=expected + 2;
        assert!(bounds.contains(&taken.len()), "{rate}: {} messages in {time} s, expected {expected}", taken.len());
    }
}

#[tokio::test]
async fn what_a_pace_does_not_use_is_not_saved_up() {
    let mut pace = Pace::new(Rate::parse("100/s").unwrap());
    let start = Instant::now();
    pace.grant(start);
    for idle in [0.5, 0.9] {
        let now = start + secs(idle);
        let at_once = std::iter::from_fn(|| (pace.turn(now) == Turn::Now).then(|| pace.take(now))).count();
        assert!(at_once <= 2, "{at_once} at once after {idle} s without mail");
    }
    assert_eq!(pace.turn(start + secs(60.0)), Turn::Ask, "a slice that is over gives nothing");
}

#[tokio::test]
async fn patience_grows_with_every_slow_down_and_shrinks_with_accepted_mail() {
    let start = Instant::now();
    let first = Backoff::throttled(None, start, 0.0);
    assert_eq!(first.until - start, secs(10.0));
    assert_eq!(Backoff::throttled(Some(first), start + secs(1.0), 0.0), first, "said on several connections at once it is said once");
    let (mut last, mut waits) = (first, Vec::new());
    for _ in 0..12 {
        let now = last.until;
        last = Backoff::throttled(Some(last), now, 0.0);
        waits.push((last.until - now).as_secs());
    }
    assert_eq!(waits, [20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600]);
    let mut left = Some(last);
    let steps = std::iter::from_fn(|| left.map(|backoff| left = backoff.accepted())).count();
    assert_eq!(steps, 11, "each accepted message takes one step back");
    assert_eq!(Backoff::throttled(None, start, 1.0).until - start, secs(12.5), "jitter lengthens by up to a quarter");
}

#[test]
fn only_refusals_for_our_speed_slow_a_domain_down() {
    let said = |code: u16, enhanced: &str, text: &str| {
        let reply = Reply { code, enhanced: (!enhanced.is_empty()).then(|| enhanced.to_owned()), text: text.to_owned(), phase: "rcpt" };
        asks_to_slow_down(&Outcome::Deferred { class: FailureClass::Mailbox, reply, retry_after: None })
    };
    for (code, enhanced, text) in [
        (421, "", "busy"),
        (421, "4.7.28", "x"),
        (450, "4.7.1", "too fast"),
        (451, "4.7.650", "x"),
        (452, "4.3.1", "no room"),
        (451, "4.4.5", "x"),
    ] {
        assert!(said(code, enhanced, text), "{code} {enhanced} {text} asks us to slow down");
    }
    for (code, enhanced, text) in [
        (450, "4.2.0", "greylisted"),
        (451, "4.7.1", "4.7.1 Greylisting in action"),
        (452, "4.2.2", "mailbox full"),
        (450, "", "try later"),
    ] {
        assert!(!said(code, enhanced, text), "{code} {enhanced} {text} is about this Delivery alone");
    }
}

#[tokio::test]
async fn a_breaker_opens_at_a_failure_and_one_tries_for_all_when_it_closes() {
    let (mut breaker, start) = (Breaker::default(), Instant::now());
    assert_eq!(breaker.may(start), May::Dial);
    breaker.dial(start);
    assert_eq!(breaker.may(start), May::Wait, "while nothing is known one finds out for all");
    assert_eq!(breaker.failed(start, 1.0), Some(secs(1.0)));
    assert_eq!(breaker.may(start), May::At(start + secs(1.0)));
    assert_eq!(breaker.failed(start, 1.0), None, "left alone already");
    let mut now = start + secs(1.0);
    for expected in [2.0, 4.0, 8.0] {
        assert_eq!(breaker.may(now), May::Dial);
        breaker.dial(now);
        assert_eq!(breaker.may(now), May::Wait);
        assert_eq!(breaker.failed(now, 1.0), Some(secs(expected)));
        now += secs(expected);
    }
    assert!(breaker.is_down());
    breaker.dial(now);
    breaker.connected();
    assert_eq!(breaker.may(now), May::Dial, "it is back, for everybody");
    breaker.accepted();
    assert_eq!(breaker.failed(now, 1.0), Some(secs(1.0)), "accepted mail wipes the slate clean");
}

#[tokio::test]
async fn a_days_allowance_is_given_out_in_blocks_and_ends_with_the_day() {
    let (mut day, start) = (Day::default(), Instant::now());
    let ends = start + secs(100.0);
    assert_eq!(day.turn(start), Turn::Ask);
    day.grant(2, ends);
    for _ in 0..2 {
        assert_eq!(day.turn(start), Turn::Now);
        day.take();
    }
    assert_eq!(day.turn(start), Turn::Ask, "the block is used up; there may be another");
    day.grant(0, ends);
    assert_eq!((day.turn(start), day.full_until(start)), (Turn::At(ends), Some(ends)));
    assert_eq!((day.turn(ends), day.full_until(ends)), (Turn::Ask, None), "another day");
    // A day after the warm-up; one of the day before comes back.
    day.grant(u64::MAX, ends + secs(100.0));
    day.give_back();
    assert_eq!(day.turn(ends), Turn::Now, "there is no limit");
    assert_eq!((day_block(20), day_block(500), day_block(100_000)), (1, 10, 2_000));
}

#[test]
fn a_warm_up_allows_so_many_on_each_of_its_days_and_any_number_after_them() {
    let date = |text: &str| text.parse::<NaiveDate>().unwrap();
    let warm_up = WarmUp { start: date("2026-12-01"), days: vec![500, 1_000] };
    let most = |text| warm_up.most(date(text));
    assert_eq!([most("2026-11-20"), most("2026-12-01"), most("2026-12-02"), most("2026-12-03")], [Some(500), Some(500), Some(1_000), None]);
}

#[tokio::test]
async fn a_slow_domain_is_told_from_the_fast_ones_and_gets_its_share_of_the_time() {
    let mut domains = Domains::new(&relay(25, postrider::model::relay::TlsMode::None));
    let start = Instant::now();
    assert_eq!(domains.gate("slow.example.com", start), Gate::Open);
    domains.begin("slow.example.com", false, 4, start);
    assert_eq!(domains.gate("slow.example.com", start), Gate::At(start + secs(0.2)), "nobody has heard of it: one connection finds out");
    for n in 0..20 {
        let now = start + secs(0.01 * f64::from(n));
        domains.begin("fast.example.com", false, 4, now);
        domains.end("fast.example.com", secs(0.01), Answer::Accepted, now + secs(0.01), 0.0);
    }
    assert_eq!(domains.gate("slow.example.com", start + secs(0.3)), Gate::Slow, "it has not answered yet, the others have");
    let now = start + secs(2.0);
    domains.end("slow.example.com", secs(2.0), Answer::Accepted, now, 0.0);
    assert_eq!((domains.gate("slow.example.com", now), domains.gate("fast.example.com", now)), (Gate::Slow, Gate::Open));
    assert_eq!(domains.slow_turn(now), Turn::At(now + secs(10.0)), "2 s on one of 4 connections are a twentieth of 10 s");
    assert_eq!(domains.limit("slow.example.com", 4, now), Some(4));
    assert_eq!(domains.limit("fast.example.com", 4, now), None);
    domains.begin("fast.example.com", false, 4, now);
    domains.end("fast.example.com", secs(0.01), Answer::Throttled, now, 0.0);
    assert_eq!(domains.gate("fast.example.com", now), Gate::At(now + secs(10.0)), "it asked us to slow down");
}

/// Sends a message of so many seconds to a domain; gives when it was through.
fn through(domains: &mut Domains, domain: &str, seconds: f64, now: Instant) -> Instant {
    domains.begin(domain, false, 4, now);
    domains.end(domain, secs(seconds), Answer::Accepted, now + secs(seconds), 0.0);
    now + secs(seconds)
}

#[tokio::test]
async fn a_relay_that_becomes_slow_for_everybody_makes_no_domain_slow() {
    let mut domains = Domains::new(&relay(25, postrider::model::relay::TlsMode::None));
    let mut now = Instant::now();
    let all = ["a.example.com", "b.example.com", "c.example.com"];
    for round in 0..60 {
        for domain in all {
            now = through(&mut domains, domain, if round < 20 { 0.01 } else { 2.0 }, now);
        }
    }
    assert_eq!(all.map(|domain| domains.gate(domain, now)), [Gate::Open; 3], "nobody is faster, so nobody waits");
}

#[tokio::test]
async fn a_machine_that_slept_and_a_domain_that_is_alone_are_not_slow() {
    let mut domains = Domains::new(&relay(25, postrider::model::relay::TlsMode::None));
    let mut now = Instant::now();
    for _ in 0..20 {
        now = through(&mut domains, "a.example.com", 0.01, now);
        now = through(&mut domains, "b.example.com", 0.01, now);
    }
    now = through(&mut domains, "a.example.com", 3_600.0, now);
    now = through(&mut domains, "b.example.com", 0.01, now);
    assert_eq!(domains.gate("a.example.com", now), Gate::Open, "once is not slow");
    for _ in 0..20 {
        now = through(&mut domains, "a.example.com", 1.0, now);
    }
    assert_eq!(domains.gate("a.example.com", now), Gate::Open, "slower than nobody who has mail");
    for _ in 0..20 {
        now = through(&mut domains, "b.example.com", 0.01, now);
    }
    assert_eq!(domains.gate("a.example.com", now), Gate::Slow, "now there is somebody");
}

#[tokio::test]
async fn the_store_gives_out_every_slice_once_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::Sqlite(folder.path().join("p.db"));
    let now = Timestamp::from_secs(1_790_000_000);
    let slice = |pace: &str| Slice { pace: pace.to_owned(), length: secs(1.0) };
    let mut begins = Vec::new();
    for _ in 0..3 {
        // Another process each time: what it took is gone with it.
        let store = Store::open(&url, now).await.unwrap();
        begins.extend(store.reserve_slices(&[slice("relay a"), slice("relay b")], now).await.unwrap());
        store.close().await;
    }
    let second = |n| now.plus(secs(n));
    assert_eq!(begins, [second(0.0), second(0.0), second(1.0), second(1.0), second(2.0), second(2.0)]);
    let store = Store::open(&url, now).await.unwrap();
    let later = now.plus(secs(30.0));
    assert_eq!(store.reserve_slices(&[slice("relay a")], later).await.unwrap(), [later], "time that passed is not made up for");
    for _ in 0..30 {
        store.reserve_slices(&[slice("relay a")], later).await.unwrap();
    }
    let half_a_second_back = store.reserve_slices(&[slice("relay a")], now.plus(secs(29.5))).await.unwrap();
    assert_eq!(half_a_second_back, [later.plus(secs(31.0))], "what many workers were given ahead is given out once, by any clock");
    let minutes_ago = Timestamp::from_secs(1_790_000_000 - 300);
    assert_eq!(
        store.reserve_slices(&[slice("relay a")], minutes_ago).await.unwrap(),
        [minutes_ago],
        "a clock set back by minutes stops nobody for minutes"
    );
    let yesterday = Timestamp::from_secs(1_790_000_000 - 86_400);
    assert_eq!(
        store.reserve_slices(&[slice("relay a")], yesterday).await.unwrap(),
        [yesterday],
        "a clock that was wrong stops nobody for a day"
    );
}

#[tokio::test]
async fn the_store_gives_out_no_more_than_a_days_allowance() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_secs(1_790_000_000);
    let store = Store::open(&StoreUrl::Sqlite(folder.path().join("p.db")), now).await.unwrap();
    let mut given = 0;
    for _ in 0..40 {
        given += store.reserve_messages("new", 20_000, 7, 100).await.unwrap();
    }
    assert_eq!(given, 100, "14 blocks of 7 and the two that are left");
    assert_eq!(store.reserve_messages("new", 20_001, 7, 100).await.unwrap(), 7, "another day");
    assert_eq!(store.reserve_messages("other", 20_000, 7, 100).await.unwrap(), 7, "another relay");
}

#[tokio::test]
async fn a_domain_keeps_its_limits_among_any_number_of_others() {
    let limited = Relay { domain_connections: [("*".to_owned(), 1)].into(), ..relay(25, postrider::model::relay::TlsMode::None) };
    let (mut domains, now) = (Domains::new(&limited), Instant::now());
    for n in 0..10_010 {
        let name = format!("d{n}.example.com");
        assert_eq!(domains.gate(&name, now), Gate::Open);
        domains.begin(&name, false, 4, now);
        assert_eq!(domains.gate(&name, now), Gate::Shut, "the {n}th domain has its one connection");
        domains.end(&name, secs(0.01), Answer::Accepted, now, 0.0);
    }
}

#[tokio::test]
async fn patience_that_is_over_is_forgotten_when_there_are_too_many_domains() {
    let (mut domains, now) = (Domains::new(&relay(25, postrider::model::relay::TlsMode::None)), Instant::now());
    let mut throttled = |name: &str, now: Instant| {
        domains.begin(name, false, 4, now);
        domains.end(name, secs(0.01), Answer::Throttled, now, 0.0);
        domains.gate(name, now)
    };
    for n in 0..10_000 {
        assert_eq!(throttled(&format!("d{n}.example.com"), now), Gate::At(now + secs(10.0)));
    }
    let later = now + secs(11.0);
    throttled("another.example.com", later);
    assert_eq!(throttled("d0.example.com", later), Gate::At(later + secs(10.0)), "it was forgotten, so this is its first time");
    assert_eq!(
        throttled("d0.example.com", later + secs(11.0)),
        Gate::At(later + secs(31.0)),
        "it is remembered, so it waits twice as long"
    );
}
