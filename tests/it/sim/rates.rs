//! How fast mail goes beside what holds some of it up. Time is the simulator's, so rates are exact, and what takes minutes is over at once.

use std::time::Duration;

use postrider::model::{DeliveryState, IssueStatus};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::play::{domain, scene, sender};
use super::scene::{Inner, Scene};
use super::weather::{Kind, Plan, RelayPlan, Trouble};

const MILLI: Duration = Duration::from_millis(1);
/// Whatever is not reached within this is never reached.
const LONG: Duration = Duration::from_secs(20 * 60);

/// Sends in the world of `plan` until `reached`; what the judge saw, and when it was reached.
fn send_until(plan: &Plan, reached: impl Fn(&Inner) -> bool) -> (Scene, Option<Duration>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let scene = scene(StdRng::seed_from_u64(1), plan, false);
        let worker = scene.lock().new_worker();
        let (sender, stop) = (sender(&scene, plan, worker), CancellationToken::new());
        let (told, begun) = (stop.clone(), Instant::now());
        let task = tokio::spawn(async move { sender.run(told).await });
        let mut took = None;
        while took.is_none() && begun.elapsed() < LONG && scene.lock().fault.is_none() {
            sleep(50 * MILLI).await;
            took = reached(&scene.lock()).then(|| begun.elapsed());
        }
        stop.cancel();
        task.await.unwrap().unwrap();
        (scene, took)
    })
}

/// The same, where it must be reached and no promise broken.
fn time_until(plan: &Plan, reached: impl Fn(&Inner) -> bool) -> (Scene, Duration) {
    let (scene, took) = send_until(plan, reached);
    let inner = scene.lock();
    assert_eq!(inner.fault, None);
    let counts: Vec<_> = inner.shelf.iter().map(super::books::Books::counts).collect();
    let took = took.unwrap_or_else(|| panic!("not reached within {LONG:?}: {counts:?}"));
    drop(inner);
    (scene, took)
}

fn sent(inner: &Inner) -> usize {
    inner.shelf.iter().flat_map(|books| books.rows.values()).filter(|row| row.state == DeliveryState::Sent).count()
}

/// Messages a second to the first `domains`, from the beginning until all but one in a hundred of them are taken.
fn rate(scene: &Scene, domains: usize) -> f64 {
    let inner = scene.lock();
    let mut times: Vec<Instant> = (0..domains).flat_map(|nth| inner.taken_at(&domain(nth))).collect();
    times.sort();
    let most = times.len() - times.len() / 100;
    most as f64 / (times[most - 1] - times[0]).as_secs_f64()
}

fn relay(connections: usize, takes: Duration) -> RelayPlan {
    RelayPlan { connections, weight: 1, takes, window: 0 }
}

fn trouble(kind: Kind, from_secs: u64, until_secs: u64) -> Trouble {
    Trouble { kind, relay: 0, from: Duration::from_secs(from_secs), until: Duration::from_secs(until_secs) }
}

#[test]
fn row_16_nine_fast_domains_keep_their_rate_beside_a_slow_one() {
    let each = 500;
    let alone = Plan { domains: 9, people: 9 * each, relays: vec![relay(4, 10 * MILLI)], ..Plan::fair() };
    let beside = Plan { domains: 10, people: 10 * each, slow_domain: Duration::from_secs(2), ..alone.clone() };
    let fast =
        |inner: &Inner| inner.copies() >= 9 * each && (0..9).map(|nth| inner.taken_at(&domain(nth)).len()).sum::<usize>() == 9 * each;
    let (alone, beside) = (time_until(&alone, fast).0, time_until(&beside, fast).0);
    let (own, kept, slow) = (rate(&alone, 9), rate(&beside, 9), beside.lock().taken_at(&domain(9)).len());
    println!("nine fast domains: {own:.1} a second alone, {kept:.1} beside a slow one, which got {slow}");
    assert!(kept >= 0.9 * own, "nine fast domains get {own:.1} a second alone and {kept:.1} beside a slow one");
    assert!(slow > 0, "the slow one gets its share");
}

#[test]
fn row_6_a_relay_that_hangs_holds_up_no_other() {
    let relays = vec![relay(4, 5 * MILLI), relay(4, 5 * MILLI)];
    let well = Plan { people: 400, relays, ..Plan::fair() };
    let ill = Plan { troubles: vec![trouble(Kind::Hangs, 1, 70)], ..well.clone() };
    // Whoever is with the relay that hangs waits for its answer.
    let most = |inner: &Inner| sent(inner) >= 400 - 8;
    let (fast, took) = (time_until(&well, most).1, time_until(&ill, most).1);
    println!("{fast:?} with both relays, {took:?} when one of them hangs");
    assert!(took < Duration::from_secs(10), "with one of two relays hanging it takes {took:?}, with both {fast:?}");
}

#[test]
fn row_6_a_slow_relay_holds_up_no_other() {
    let well = Plan { people: 400, relays: vec![relay(4, 5 * MILLI)], ..Plan::fair() };
    let beside = Plan { relays: vec![relay(4, 5 * MILLI), relay(4, 500 * MILLI)], ..well.clone() };
    let most = |inner: &Inner| sent(inner) >= 400 - 8;
    let (alone, took) = (time_until(&well, most).1, time_until(&beside, most).1);
    println!("{alone:?} alone, {took:?} beside a relay that takes 2 s a message");
    assert!(took < 4 * alone, "a relay that takes {alone:?} alone takes {took:?} beside one that takes 2 s a message");
}

#[test]
fn row_11_an_issue_that_everybody_refuses_in_the_middle_pauses_soon() {
    for (connections, takes) in [(1, 5), (2, 5), (4, 5), (4, 25), (4, 125), (8, 25)] {
        let troubles = vec![trouble(Kind::Refuses, 10, LONG.as_secs())];
        let plan = Plan { people: 5_000, relays: vec![relay(connections, takes * MILLI)], troubles, ..Plan::fair() };
        let (_, took) = time_until(&plan, |inner| inner.shelf[0].status == IssueStatus::Paused);
        let most = Duration::from_secs(11) + 30 * 4 * takes * MILLI / connections as u32;
        assert!(took < most, "{connections} connections, {takes} ms an answer: refused from 10 s on, paused after {took:?}");
    }
}

#[test]
fn row_11_five_issues_that_everybody_refuses_all_pause_soon() {
    let plan = Plan { people: 200, issues: 5, troubles: vec![trouble(Kind::Refuses, 0, LONG.as_secs())], ..Plan::fair() };
    let (_, took) = time_until(&plan, |inner| inner.shelf.iter().all(|books| books.status == IssueStatus::Paused));
    assert!(took < Duration::from_secs(5), "refused from the first message, all paused after {took:?}");
}

#[test]
fn a_domain_held_to_a_slow_pace_holds_up_no_other() {
    let plan = Plan { people: 600, domains: 6, domain_pace: Some(60), ..Plan::fair() };
    let (_, took) = time_until(&plan, |inner| inner.taken_at(&domain(0)).len() == 100);
    assert!(took < Duration::from_secs(10), "100 messages to a domain that nobody holds back take {took:?} beside five with 60 an hour");
}
