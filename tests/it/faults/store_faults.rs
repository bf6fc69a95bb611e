//! Rows 18 and 19: a store that is full, fails, is locked or read-only. Nothing is sent without its intent, and nothing is lost or doubled by the wait.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::syscalls::traced;
use super::{all_sent, another_program, eventually};
use crate::crash::Scene;
use crate::send::ledger::{Desk, HTML, assert_once, reader, to};
use crate::support::smtp::{Act, FULL, Server};

#[tokio::test]
async fn row_19_a_store_locked_for_two_seconds_only_delays() {
    locked_for(Duration::from_secs(2)).await;
}

#[tokio::test]
#[ignore = "takes over a minute: run scripts/test"]
async fn row_19_a_store_locked_for_longer_than_a_statement_waits_only_delays() {
    locked_for(Duration::from_secs(65)).await;
}

/// Another program holds the store in mid-send.
async fn locked_for(time: Duration) {
    let desk = Desk::new(400).await;
    let server = Server::start(FULL, |event| if event.verb == "DOT" { Act::Late(Duration::from_millis(3)) } else { Act::Usual }).await;
    let (sender, issue) = (desk.sender(&[to(&server)]), desk.issue);
    let running = tokio::spawn(async move { sender.run_issue(issue, &CancellationToken::new()).await });
    eventually("the first are sent", async || server.recipients().len() >= 20).await;

    let mut other = another_program(&desk).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    // What has its intent may still go; then it must be still.
    tokio::time::sleep(time / 2).await;
    let still = server.recipients().len();
    tokio::time::sleep(time / 2).await;
    assert!(still < 400 && server.recipients().len() == still, "sending went on without a store: {still}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();

    running.await.unwrap().unwrap();
    assert_eq!(desk.counts().await, all_sent(400));
    assert_once(server.recipients(), 400);
}

#[tokio::test]
async fn row_19_thousands_who_left_are_passed_over_in_steps_so_that_others_can_write_in_between() {
    let rows: Vec<_> = (0..20_000).map(|i| reader(&format!("r{i}@example.com"), None)).collect();
    let desk = Desk::with(&rows, HTML).await;
    let left = "UPDATE subscriptions SET state = 2 WHERE subscriber_id <= 19990";
    sqlx::query(left).execute(&mut another_program(&desk).await).await.unwrap();
    desk.store.sendable_issues(desk.now()).await.unwrap();
    let (store, issue, now) = (desk.store.clone(), desk.issue, desk.now());
    let claim = tokio::spawn(async move { store.claim(issue, "worker", 512, Duration::from_secs(60), now).await });
    let mut steps = BTreeSet::new();
    while !claim.is_finished() {
        steps.insert(desk.counts().await.skipped);
    }
    let (_, claimed) = claim.await.unwrap().unwrap().expect("ten are left");
    assert_eq!((claimed.len(), desk.counts().await.skipped), (10, 19_990));
    assert!(steps.iter().any(|step| (1..19_990).contains(step)), "all were passed over in one transaction: {steps:?}");
}

#[test]
fn row_19_a_read_only_store_is_refused_in_words_and_nothing_is_sent() {
    let scene = Scene::with(3, "");
    let file = scene.publication.path("postrider.db");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o444);
    let out = scene.publication.run(&["send", "weekly", "--yes"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("read-only"), "{said}");
    assert_eq!(scene.sink.count(), 0);
    mode(0o644);
    scene.finish(scene.start(&["send", "weekly", "--yes"]));
}

#[test]
#[ignore = "needs root and tmpfs: run scripts/test"]
fn row_18_a_full_disk_stops_the_send_and_room_lets_it_go_on() {
    let scene = Scene::with(400, "connections = 2\nrate = \"200/s\"");
    let disk = SmallDisk::under(&scene);
    let worker = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_for(20);
    let filler = disk.fill();
    std::thread::sleep(Duration::from_secs(2));
    let still = scene.sink.count();
    std::thread::sleep(Duration::from_secs(2));
    assert!(still < 400 && scene.sink.count() == still, "sending went on with a full disk: {still}, then {}", scene.sink.count());
    std::fs::remove_file(filler).unwrap();
    scene.finish(worker);
    assert_eq!(scene.duplicates(), 0, "a wait doubles nothing");
}

#[test]
#[ignore = "needs strace: run scripts/test"]
fn row_18_and_19_a_journal_that_fails_for_a_while_stops_the_send_and_loses_and_doubles_nothing() {
    let cases = [
        ("fsync,fdatasync", "EIO", 8..=14),
        ("pwrite64", "EIO", 110..=116),
        ("pwrite64", "ENOSPC", 110..=116),
        ("pwrite64", "EROFS", 110..=116),
    ];
    for (calls, error, when) in cases {
        let scene = Scene::with(200, "connections = 2\nrate = \"200/s\"");
        let fault = format!("inject={calls}:error={error}:when={}..{}", when.start(), when.end());
        let worker = traced(&scene, calls, &fault, &["send", "weekly", "--yes"]);
        scene.finish(worker);
        assert_eq!(scene.duplicates(), 0, "{error} at {calls}");
        let log = scene.publication.read("worker.log");
        assert!(log.contains("the store failed, sending waits"), "{error} at {calls} was to be met in mid-send:\n{log}");
    }
}

/// A file system of three megabytes with the store on it; gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn under(scene: &Scene) -> Self {
        let dir = scene.publication.path("db");
        std::fs::create_dir(&dir).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(&dir).status().unwrap();
        assert!(mounted.success(), "a small disk must be mounted: is this root?");
        let disk = Self(dir);
        // With its journal: a process that has ended may have left its last rows there.
        for part in ["", "-wal", ".seen"] {
            let name = format!("postrider.db{part}");
            let file = scene.publication.path(&name);
            if file.exists() {
                std::fs::copy(file, disk.0.join(&name)).unwrap();
            }
        }
        let config = scene.publication.read("config.toml");
        scene.publication.write("config.toml", &config.replace("sqlite://postrider.db", "sqlite://db/postrider.db"));
        disk
    }

    /// Writes until there is no room; gives the file.
    fn fill(&self) -> PathBuf {
        let file = self.0.join("filler");
        fill(&file);
        file
    }
}

fn fill(file: &Path) {
    use std::io::Write as _;
    let mut filler = std::fs::File::create(file).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a worker that is about to die may still have it open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
