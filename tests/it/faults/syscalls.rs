//! Rows 2 and 3: the real binary, killed at every n-th system call that matters.

use std::process::Command;

use crate::crash::{Scene, Worker, duplicates_max_per_kill};
use crate::peers::mail_server::until;

/// More system calls of a kind than a send of three has; a send that has more is no longer the one these tests are about.
const CALLS_MAX: u32 = 60;

/// The binary under strace, with this fault at these system calls.
pub fn traced(scene: &Scene, calls: &str, fault: &str, args: &[&str]) -> Worker {
    let inner = scene.publication.command(args);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", fault]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(inner.get_current_dir().unwrap());
    // strace counts thread by thread: with one of ours, the n-th call is the n-th call.
    command.env("TOKIO_WORKER_THREADS", "1");
    scene.spawn(command)
}

/// Waits for the end; true when the fault killed it.
fn was_killed(mut worker: Worker) -> bool {
    let mut ended = None;
    until(|| {
        ended = worker.0.try_wait().unwrap();
        ended.is_some()
    });
    let status = ended.expect("a send of three ends");
    !status.success() && status.code().is_none_or(|code| code > 1)
}

#[test]
#[ignore = "needs strace: run scripts/test"]
fn row_2_a_send_of_three_killed_at_every_system_call_loses_nobody() {
    for calls in ["sendto", "fsync,fdatasync", "pwrite64"] {
        // Pages are written by the dozen: every fourth will do.
        let step = if calls == "pwrite64" { 4 } else { 1 };
        let mut kills = 0;
        for n in (1..=CALLS_MAX).step_by(step) {
            let scene = Scene::with(3, "connections = 1");
            let killed = was_killed(traced(&scene, calls, &format!("inject={calls}:signal=KILL:when={n}"), &["send", "weekly", "--yes"]));
            let again: &[&str] = if scene.issue().is_some() { &["run", "--roles", "send"] } else { &["send", "weekly", "--yes"] };
            if scene.issue().is_none_or(|issue| issue["status"] != "done") {
                scene.finish(scene.start(again));
            }
            assert_eq!(scene.sink.tally().by_recipient.len(), 3, "killed at {calls} {n}");
            assert!(scene.duplicates() <= 1, "killed at {calls} {n}: {} duplicates", scene.duplicates());
            if !killed {
                break;
            }
            kills += 1;
        }
        println!("{calls}: {kills} kills");
        assert!((3..CALLS_MAX).contains(&kills), "{kills} kills at {calls}: is it still the call that is made?");
    }
}

#[test]
#[ignore = "needs strace: run scripts/test"]
fn row_3_pause_resume_and_cancel_killed_at_every_sync_leave_the_old_state_or_the_new() {
    // So slow that it still goes on when the last of the killed commands has started.
    let scene = Scene::with(600, "connections = 2\nrate = \"60/s\"");
    let worker = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_for(50);
    let kill = |n: u32, action: &str| {
        was_killed(traced(&scene, "fsync,fdatasync", &format!("inject=fsync,fdatasync:signal=KILL:when={n}"), &["issues", action, "1"]))
    };
    let status = || scene.issue_kept()["status"].as_str().unwrap().to_owned();
    let (mut kills, mut resumed) = (0, 0_u32);
    for n in 1..=20 {
        let killed = kill(n, "pause");
        kills += u32::from(killed);
        assert!(["sending", "paused"].contains(&status().as_str()), "pause killed at {n}: {}", status());
        if !killed || status() == "paused" {
            break;
        }
    }
    drop(worker);
    if status() != "paused" {
        assert!(scene.publication.run(&["issues", "pause", "1"]).status.success());
    }
    let mut sent_before = scene.issue_kept()["sent"].as_u64().unwrap();
    for n in (1..=20).step_by(3) {
        resumed += 1;
        let killed = kill(n, "resume");
        let issue = scene.issue_kept();
        assert!(issue["sent"].as_u64().unwrap() >= sent_before, "resume killed at {n} starts over: {issue}");
        sent_before = issue["sent"].as_u64().unwrap();
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "{kills} kills in all");
    let bound = duplicates_max_per_kill(1) * u64::from(resumed + 1);
    if status() != "done" {
        // The worker that was dropped with its lease, then each resume, may have had letters in flight.
        scene.finish(scene.start(&["run", "--roles", "send"]));
    }
    assert!(scene.duplicates() <= bound, "{} duplicates", scene.duplicates());
}

#[test]
#[ignore = "needs strace: run scripts/test"]
fn row_3_a_cancel_killed_at_every_sync_cancels_everybody_or_nobody() {
    let mut kills = 0;
    for n in 1..=20 {
        let scene = Scene::with(50, "connections = 1");
        let held = scene.publication.run(&["send", "weekly", "--yes", "--at", "2099-01-01 09:00"]);
        assert!(held.status.success(), "{}", crate::peers::publication::said(&held));
        let fault = format!("inject=fsync,fdatasync:signal=KILL:when={n}");
        let killed = was_killed(traced(&scene, "fsync,fdatasync", &fault, &["issues", "cancel", "1"]));
        let issue = scene.issue_kept();
        let whole = if issue["status"] == "cancelled" { &issue["cancelled"] } else { &issue["queued"] };
        assert_eq!(whole, 50, "cancel killed at {n}: {issue}");
        assert!(killed || issue["status"] == "cancelled", "acknowledged and not done: {issue}");
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!((1..20).contains(&kills), "{kills} kills");
}
