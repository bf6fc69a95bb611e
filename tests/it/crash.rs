//! The real binary, killed in the middle of a send: nobody is lost, nobody gets more than the promised few twice, and the ledger always adds up.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use postrider::inbox::{Inbox, Options};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::peers::mail_server::until;
use crate::peers::publication::Publication;

/// Connections the relay of these tests allows.
pub const CONNECTIONS: u64 = 4;
/// Results that may wait to be recorded.
const UNRECORDED_MAX: u64 = 64;
/// What one kill may send twice, with so many messages in flight on a connection.
pub const fn duplicates_max_per_kill(window: u64) -> u64 {
    CONNECTIONS * window + UNRECORDED_MAX
}
/// A worker told to stop has this long.
const DRAIN_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_send_killed_three_times_loses_nobody() {
    kill_and_go_on(200, 3, "400/s", 1);
}

#[test]
#[ignore = "takes some minutes: run scripts/test"]
fn a_send_of_10000_killed_a_hundred_times_loses_nobody() {
    kill_and_go_on(10_000, 100, "1000/s", 1);
}

#[test]
fn a_send_with_eight_messages_in_flight_a_connection_killed_three_times_loses_nobody() {
    kill_and_go_on(400, 3, "2000/s", 8);
}

#[test]
fn a_send_told_to_stop_drains_and_goes_on_without_loss_or_duplicate() {
    let (mut random, readers) = (seeded(), 200);
    let scene = Scene::new(readers, "400/s", 1);
    let mut worker = scene.start(&["send", "weekly", "--yes"]);
    for quarter in 0..3 {
        // One that has sent nothing may not be up yet, and then a signal ends it as it ends any program.
        let at_least = scene.sink.count() + 1;
        scene.wait_for(at_least.max(readers * quarter / 4 + random.random_range(1..readers / 4)));
        worker.stop();
        let issue = scene.issue_kept();
        assert_eq!(issue["leased"], 0, "a drained worker left something in doubt: {issue}");
        assert_eq!(issue["sent"], scene.sink.count(), "what was accepted and what was recorded differ: {issue}");
        worker = scene.start(&["run", "--roles", "send"]);
    }
    scene.finish(worker);
    assert_eq!(scene.duplicates(), 0, "a worker that was allowed to drain sent something twice");
}

#[test]
#[ignore = "takes half a minute: run scripts/test"]
fn a_kill_while_the_issue_is_made_leaves_all_of_it_or_nothing() {
    let (mut random, readers) = (seeded(), 2_000);
    let first_mail_after = time_to_first_mail(readers);
    for _ in 0..8 {
        let scene = Scene::new(readers, "4000/s", 1);
        let mut worker = scene.start(&["send", "weekly", "--yes"]);
        std::thread::sleep(first_mail_after.mul_f64(random.random_range(0.0..1.0)));
        worker.kill();
        let again: &[&str] = if scene.issue().is_some() { &["run", "--roles", "send"] } else { &["send", "weekly", "--yes"] };
        scene.finish(scene.start(again));
        assert!(scene.duplicates() <= duplicates_max_per_kill(1), "{} mails came twice", scene.duplicates());
    }
}

/// Kills the worker with signal 9 at random instants of one send, starts another each time, and looks at the books after every kill.
fn kill_and_go_on(readers: u64, kills: u64, rate: &str, window: u64) {
    let mut random = seeded();
    let scene = Scene::new(readers, rate, window);
    let mut instants: Vec<u64> = (0..kills).map(|_| random.random_range(1..readers)).collect();
    instants.sort_unstable();
    let mut worker = scene.start(&["send", "weekly", "--yes"]);
    for mails in instants {
        scene.wait_for(mails);
        // Between two mails too: into the commit, the connection, the start.
        std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
        worker.kill();
        let issue = scene.issue_kept();
        let accepted = scene.sink.tally().by_recipient.len();
        assert!(issue["sent"].as_u64().unwrap() <= accepted as u64, "more is recorded as sent than was accepted, {accepted}: {issue}");
        worker = scene.start(&["run", "--roles", "send"]);
    }
    scene.finish(worker);
    let (found, allowed) = (scene.duplicates(), kills * duplicates_max_per_kill(window));
    println!("{kills} kills: {found} duplicates of {allowed} allowed");
    assert!(found <= allowed, "{found} mails came twice; {kills} kills allow {allowed}");
}

/// How long an undisturbed send takes to its first mail.
fn time_to_first_mail(readers: u64) -> Duration {
    let scene = Scene::new(readers, "4000/s", 1);
    let start = Instant::now();
    let _worker = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_for(1);
    start.elapsed()
}

/// Random numbers from CRASH_SEED, or from a new seed; a failing test shows which.
fn seeded() -> StdRng {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random::<u32>);
    println!("to repeat: CRASH_SEED={seed}");
    StdRng::seed_from_u64(seed.into())
}

/// A publication with a list of readers, and an SMTP server in this process that counts what it accepts.
pub struct Scene {
    pub publication: Publication,
    pub sink: Inbox,
    pub readers: u64,
    _runtime: Runtime,
}

impl Scene {
    fn new(readers: u64, rate: &str, window: u64) -> Self {
        let window = if window > 1 { format!("\nwindow = {window}") } else { String::new() };
        Self::with(readers, &format!("connections = {CONNECTIONS}\nrate = \"{rate}\"{window}"))
    }

    /// With these lines more in the relay's table.
    pub fn with(readers: u64, relay: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let counting = Options { discard: true, ..Options::default() };
        let sink = runtime.block_on(Inbox::bind_with(([127, 0, 0, 1], 0).into(), counting)).unwrap();
        let port = sink.addr().port();
        let relay = format!("url = \"smtp://127.0.0.1:{port}?tls=none\"\n{relay}");
        let publication = Publication::new(&relay);
        publication.article(1, "A story", "Once upon a time in a harbour.\n");
        publication.import(&(0..readers).map(|i| (format!("reader{i}@inbox.test"), format!("Reader {i}"))).collect::<Vec<_>>());
        Self { publication, sink, readers, _runtime: runtime }
    }

    pub fn start(&self, args: &[&str]) -> Worker {
        self.spawn(self.publication.command(args))
    }

    /// Starts a command with its output in worker.log.
    pub fn spawn(&self, mut command: std::process::Command) -> Worker {
        let log = self.publication.append("worker.log");
        Worker(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// Waits until so many mails were accepted.
    pub fn wait_for(&self, mails: u64) {
        let reached = until(|| self.sink.count() >= mails);
        assert!(reached, "only {} of {mails} mails came\n{}", self.sink.count(), self.publication.read("worker.log"));
    }

    /// The Issue, if it exists: then with all its Deliveries.
    pub fn issue(&self) -> Option<Value> {
        let issue = self.publication.issue()?;
        assert_eq!(issue["planned"], self.readers, "half an issue: {issue}");
        Some(issue)
    }

    pub fn issue_kept(&self) -> Value {
        self.issue().expect("mail has left, so there is an issue")
    }

    /// Waits until the Issue is done, stops the worker, and wants a mail for everybody, each with one Message-ID of its own.
    pub fn finish(&self, mut worker: Worker) {
        let done = until(|| self.issue().is_some_and(|issue| issue["status"] == "done"));
        assert!(done, "the issue is not done: {:?}\n{}", self.issue(), self.publication.read("worker.log"));
        worker.stop();
        let (issue, tally) = (self.issue_kept(), self.sink.tally());
        assert_eq!(issue["sent"], self.readers, "{issue}");
        assert_eq!(tally.by_recipient.len() as u64, self.readers, "somebody was lost");
        assert_eq!(tally.by_message_id.len() as u64, self.readers, "a mail sent twice came with another Message-ID");
    }

    pub fn duplicates(&self) -> u64 {
        self.sink.count() - self.readers
    }
}

/// A running `postrider`; dies with the test.
pub struct Worker(pub Child);

impl Worker {
    /// SIGKILL.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and waits for a clean end (one that had already ended cleanly is fine).
    pub fn stop(&mut self) {
        let start = Instant::now();
        let mut ended = self.0.try_wait().unwrap();
        if ended.is_none() {
            std::process::Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
            until(|| {
                ended = self.0.try_wait().unwrap();
                ended.is_some()
            });
        }
        let status = ended.expect("the worker ignores SIGTERM");
        // 1 is what `send` says when it was stopped before the end.
        assert!(matches!(status.code(), Some(0 | 1)), "after SIGTERM: {status}");
        assert!(start.elapsed() <= DRAIN_MAX, "draining took {:?}", start.elapsed());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
