//! Rows 5 and 22: workers that sleep past their lease, and clocks that jump.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use std::process::Command;

use postrider::config::OnUnknown;
use postrider::send::{SendError, UNRECORDED_MAX};
use postrider::store::StoreError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{all_sent, eventually, message_id};
use crate::crash::Scene;
use crate::send::ledger::{Desk, assert_once, to};
use crate::support::smtp::{Act, FULL, Server};

const DAY_MICROS: i64 = 86_400_000_000;

#[tokio::test]
async fn row_22_a_clock_that_jumps_by_a_day_in_mid_send_breaks_no_lease_and_doubles_nothing() {
    for jump in [DAY_MICROS, -DAY_MICROS] {
        let desk = Desk::new(600).await;
        let time = desk.time.clone();
        let server = Server::start(FULL, move |event| {
            if event.verb == "DOT" && event.mail == 50 && event.connection == 1 {
                time.fetch_add(jump, SeqCst);
            }
            Act::Usual
        })
        .await;
        assert_eq!(desk.deliver(&[to(&server)]).await, all_sent(600), "a jump of {} h", jump / 3_600_000_000);
        assert_once(server.recipients(), 600);
    }
}

#[tokio::test]
async fn row_5_a_worker_that_slept_past_its_lease_records_nothing_when_another_took_over() {
    let desk = Desk::new(100).await;
    // The first worker's relay answers the fifth letter only when it is told to: the worker sleeps meanwhile.
    let asleep = Arc::new(Notify::new());
    let gate = asleep.clone();
    let slow = Server::start(FULL, move |event| {
        if event.verb == "DOT" && event.mail >= 5 {
            gate.notify_one();
            return Act::Silence;
        }
        Act::Usual
    })
    .await;
    let (first, issue, stop) = (desk.sender(&[to(&slow)]), desk.issue, CancellationToken::new());
    let late = tokio::spawn(async move { first.run_issue(issue, &stop).await });
    asleep.notified().await;
    eventually("the first letters are recorded", async || desk.counts().await.sent >= 4).await;

    desk.later(Duration::from_secs(3_600));
    let taken = desk.store.recover(false, OnUnknown::Resend, desk.now()).await.unwrap();
    assert!(taken.unknown > 0 && taken.requeued + taken.unknown <= 96, "{taken:?}");
    let good = Server::start(FULL, |_| Act::Usual).await;
    assert_eq!(desk.deliver(&[to(&good)]).await, all_sent(100), "the second worker does the rest");

    // The silence of its relay ends by its time limit; what the first worker then has to say comes too late.
    let end = late.await.unwrap();
    assert!(matches!(end, Err(SendError::Store(StoreError::Fenced))), "the late worker was to be fenced: {end:?}");
    assert_eq!(desk.counts().await, all_sent(100), "and recorded nothing");
    let copies = [slow.accepted(), good.accepted()].concat();
    let ids: HashSet<String> = copies.iter().map(message_id).collect();
    assert!(ids.len() == 100 && copies.len() <= 100 + 2 + UNRECORDED_MAX, "{} copies of {} letters", copies.len(), ids.len());
}

#[test]
#[ignore = "needs faketime: run scripts/test"]
fn row_22_the_real_program_lives_through_a_clock_that_jumps_a_day_ahead_and_back() {
    let library = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"];
    let library = library.into_iter().find(|file| std::path::Path::new(file).exists()).expect("libfaketime is installed");
    let scene = Scene::with(300, "connections = 2\nrate = \"150/s\"");
    scene.publication.write("offset", "+0\n");
    let mut command: Command = scene.publication.command(&["send", "weekly", "--yes"]);
    // Only the wall clock jumps: the steady one never does.
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", scene.publication.path("offset"));
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    let worker = scene.spawn(command);
    for (mails, offset) in [(60, "+1d\n"), (160, "-1d\n")] {
        scene.wait_for(mails);
        scene.publication.write("offset", offset);
    }
    scene.finish(worker);
    assert_eq!(scene.duplicates(), 0, "a jump doubles nothing");
    let started = scene.issue_kept()["started_at"].as_str().unwrap().to_owned();
    let ended = scene.issue_kept()["finished_at"].as_str().unwrap().to_owned();
    assert!(ended < started, "the clock did jump: begun {started}, ended {ended}");
}
