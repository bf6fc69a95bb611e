//! The fault matrix: what goes wrong with relays, processes, disks and clocks, one named test a row. docs/testing.md has the table.
//!
//! Expected of every row unless it says otherwise: nobody lost, duplicates at most what was in flight, goes on by itself.

mod classes;
mod clocks;
mod limits;
mod outages;
mod poison;
mod processes;
mod refusals;
mod restored;
mod servers;
mod store_faults;
mod syscalls;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use postrider::model::{Counts, SubscriberId};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::send::ledger::Desk;
use crate::support::smtp::Accepted;

/// All of `n` readers have it.
fn all_sent(n: u64) -> Counts {
    Counts { planned: n, sent: n, ..Counts::default() }
}

/// All of `n` readers wait.
fn all_waiting(n: u64) -> Counts {
    Counts { planned: n, queued: n, ..Counts::default() }
}

/// Waits until it holds, without a guess how long that takes.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(30), "still not after 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A connection of another program to the store of `desk`.
async fn another_program(desk: &Desk) -> SqliteConnection {
    let file = desk.place.file().expect("this test is about SQLite");
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap()
}

/// How many Attempts each Delivery has cost, as the ledger counts them.
async fn attempts(desk: &Desk) -> HashMap<SubscriberId, i64> {
    let sql = "SELECT subscriber_id, attempts FROM deliveries";
    let rows: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(&mut another_program(desk).await).await.unwrap();
    rows.into_iter().map(|(id, attempts)| (SubscriberId(id), attempts)).collect()
}

/// The Message-ID of a message.
fn message_id(message: &Accepted) -> String {
    crate::send::ledger::header(&String::from_utf8_lossy(&message.content), "Message-ID:")
}
