//! Row 20: a store put back from yesterday's copy, with Runs overdue. What may have gone out already waits for a person.

use std::time::Duration;

use crate::crash::Scene;
use crate::peers::mail_server::until;

/// A publication whose Digest is due every second; three readers.
fn every_second() -> Scene {
    let scene = Scene::with(3, "");
    let config = scene.publication.read("config.toml");
    scene.publication.write("config.toml", &config.replace("template = \"digest\"", "template = \"digest\"\nschedule = \"* * * * * *\""));
    scene
}

/// Copies a store at rest: the file and, where there is one, its journal.
fn copy_store(scene: &Scene, from: &str, to: &str) {
    for part in ["", "-wal", "-shm"] {
        let (from, to) = (scene.publication.path(&format!("{from}{part}")), scene.publication.path(&format!("{to}{part}")));
        let _ = std::fs::remove_file(&to);
        if part != "-shm" && from.exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// The issues there are, newest first: status and reason.
fn issues(scene: &Scene) -> Vec<(String, String)> {
    let issues = scene.publication.json(&["issues", "list"]);
    let word = |issue: &serde_json::Value, key: &str| issue[key].as_str().unwrap_or_default().to_owned();
    issues.as_array().unwrap().iter().map(|issue| (word(issue, "status"), word(issue, "reason"))).collect()
}

#[test]
fn row_20_a_store_put_back_from_a_copy_sends_no_overdue_issue_by_itself() {
    let scene = every_second();
    let mut service = scene.start(&["run", "--roles", "schedule,send"]);
    scene.wait_for(3);
    service.stop();
    copy_store(&scene, "postrider.db", "yesterday.db");

    scene.publication.article(2, "Another story", "It went on.\n");
    let mut service = scene.start(&["run", "--roles", "schedule,send"]);
    scene.wait_for(6);
    service.stop();

    copy_store(&scene, "yesterday.db", "postrider.db");
    let mut service = scene.start(&["run", "--roles", "schedule,send"]);
    assert!(until(|| issues(&scene).len() == 2), "the overdue issue is made, to be looked at");
    std::thread::sleep(Duration::from_millis(1_500));
    service.stop();
    let issues = issues(&scene);
    assert_eq!(issues[0].0, "paused", "{issues:?}");
    assert!(issues[0].1.contains("put back from a copy"), "{issues:?}");
    assert_eq!(scene.sink.count(), 6, "and nothing left by itself");

    let resumed = scene.publication.json(&["issues", "resume", "2"]);
    assert_eq!((&resumed["sent"], scene.sink.count()), (&3.into(), 9), "a person may still send it");
}

#[test]
fn row_20_an_issue_half_sent_in_the_copy_is_held_and_not_sent_to_the_rest_by_itself() {
    let scene = Scene::with(200, "connections = 1\nrate = \"400/s\"");
    let mut worker = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_for(40);
    worker.stop();
    copy_store(&scene, "postrider.db", "yesterday.db");
    scene.finish(scene.start(&["run", "--roles", "send"]));

    copy_store(&scene, "yesterday.db", "postrider.db");
    let mut service = scene.start(&["run", "--roles", "send"]);
    std::thread::sleep(Duration::from_millis(1_500));
    service.stop();
    assert_eq!(scene.sink.count(), 200, "nobody got a second copy by itself");
    assert_eq!(issues(&scene)[0].0, "paused");
    let log = scene.publication.read("worker.log");
    assert!(log.contains("put back from a copy"), "{log}");
}
