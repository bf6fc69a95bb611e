//! Rows 5 and 21: two processes on one SQLite file, and one that is stopped for a while. Rows 1, 3 and 4 are in `crash`.

use std::process::Command;
use std::time::Duration;

use crate::crash::{Scene, Worker, duplicates_max_per_kill};
use crate::peers::mail_server::until;

fn signal(worker: &Worker, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &worker.0.id().to_string()]).status().unwrap().success());
}

/// A send under way in one process, and another process that wants to send too.
fn two_processes() -> (Scene, Worker, Worker) {
    let scene = Scene::with(300, "connections = 2\nrate = \"300/s\"");
    let first = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_for(30);
    let second = scene.start(&["run", "--roles", "send"]);
    assert!(
        until(|| scene.publication.read("worker.log").contains("another process sends from this store")),
        "the second waits and says so"
    );
    (scene, first, second)
}

#[test]
fn row_21_a_second_process_on_one_file_waits_and_each_reader_gets_one() {
    let (scene, first, mut second) = two_processes();
    scene.finish(first);
    second.stop();
    assert_eq!(scene.duplicates(), 0);
}

#[test]
fn row_21_a_second_process_takes_over_when_the_first_is_killed() {
    let (scene, mut first, second) = two_processes();
    first.kill();
    scene.finish(second);
    assert!(scene.duplicates() <= duplicates_max_per_kill(1), "{} duplicates", scene.duplicates());
}

#[test]
fn row_5_a_process_that_was_stopped_for_a_while_goes_on_and_nobody_sends_beside_it() {
    let (scene, first, mut second) = two_processes();
    signal(&first, "STOP");
    std::thread::sleep(Duration::from_millis(300));
    let still = scene.sink.count();
    // Longer than the second waits between two looks.
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(scene.sink.count(), still, "the second sent what the first had claimed");
    signal(&first, "CONT");
    scene.finish(first);
    second.stop();
    assert_eq!(scene.duplicates(), 0);
}
