//! Pause, resume and cancel from another process: they act within a second on a send under way, and hold whatever happens to the processes.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::crash::Worker;
use crate::peers::mail_server::until;
use crate::peers::publication::{Publication, said};
use crate::support::smtp::{Act, Event, FULL, Server, say};

/// Connections to the slow relay: so many messages are in flight.
const CONNECTIONS: usize = 10;
/// A command from another process acts within this.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A publication whose relay answers as the script says, and a server that remembers what came.
struct Scene {
    publication: Publication,
    relay: Server,
    readers: usize,
    runtime: Runtime,
}

impl Scene {
    fn new(readers: usize, script: impl Fn(&Event) -> Act + Send + Sync + 'static) -> Self {
        let runtime = Runtime::new().unwrap();
        let relay = runtime.block_on(Server::start(FULL, script));
        let lines = format!("url = \"smtp://{}?tls=none\"\nconnections = {CONNECTIONS}", relay.addr);
        let publication = Publication::new(&lines);
        publication.article(1, "A story", "Once upon a time in a harbour.\n");
        publication.import(&(0..readers).map(|i| (format!("reader{i}@inbox.test"), format!("Reader {i}"))).collect::<Vec<_>>());
        Self { publication, relay, readers, runtime }
    }

    /// A relay that takes `delay` for each message.
    fn slow(readers: usize, delay: Duration) -> Self {
        Self::new(readers, move |event| if event.verb == "DOT" { Act::Late(delay) } else { Act::Usual })
    }

    fn start(&self, args: &[&str]) -> Worker {
        let log = self.publication.append("worker.log");
        Worker(self.publication.command(args).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// Runs a command that is expected to succeed.
    fn ok(&self, args: &[&str]) -> Output {
        let out = self.publication.run(args);
        assert!(out.status.success(), "postrider {args:?}: {}\n{}", said(&out), self.log());
        out
    }

    fn log(&self) -> String {
        self.publication.read("worker.log")
    }

    fn issue(&self) -> Value {
        self.publication.issue().expect("there is an issue")
    }

    /// How many messages the relay has taken.
    fn accepted(&self) -> usize {
        self.relay.accepted().len()
    }

    /// How many messages the relay has been given the content of, whether or not it has answered.
    fn begun(&self) -> usize {
        (1..=4 * CONNECTIONS).flat_map(|connection| self.relay.verbs(connection)).filter(|verb| verb == "DOT").count()
    }

    fn wait_until(&self, what: &str, reached: impl FnMut() -> bool) {
        assert!(until(reached), "waited in vain until {what}: {:?}\n{}", self.publication.issue(), self.log());
    }

    /// Lets the running send go on for so long. Nothing is waited for: the test is that nothing comes.
    fn pass(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// How often somebody got it again.
    fn duplicates(&self) -> usize {
        let mut everybody = self.relay.recipients();
        let all = everybody.len();
        everybody.sort();
        everybody.dedup();
        assert_eq!(everybody.len(), self.readers, "somebody was lost");
        all - self.readers
    }
}

/// Waits for its own end; how it ended and how long that took.
fn ended(worker: &mut Worker) -> (Option<i32>, Duration) {
    let start = Instant::now();
    let mut status = None;
    until(|| {
        status = worker.0.try_wait().unwrap();
        status.is_some()
    });
    (status.expect("it does not end").code(), start.elapsed())
}

#[test]
fn a_pause_stops_a_send_in_another_process_at_the_next_message_border() {
    let scene = Scene::slow(200, Duration::from_secs(2));
    let mut send = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_until("all connections are at work", || scene.begun() >= CONNECTIONS);
    scene.ok(&["issues", "pause", "1"]);
    let in_flight = scene.begun();
    scene.pass(AT_ONCE);
    let begun = scene.begun();
    let (code, _) = ended(&mut send);
    assert_eq!(code, Some(1), "a paused send ends with 1\n{}", scene.log());
    assert!(scene.log().contains("paused by hand; `postrider issues resume 1` goes on"), "{}", scene.log());
    assert_eq!(scene.begun(), begun, "messages were begun more than a second after the pause");
    assert!(begun <= in_flight + CONNECTIONS, "{begun} were begun, {in_flight} before the pause");
    let issue = scene.issue();
    assert_eq!((&issue["status"], &issue["sent"], &issue["leased"]), (&"paused".into(), &scene.accepted().into(), &0.into()), "{issue}");
    assert_eq!(scene.accepted(), begun, "what was in flight was awaited and counted");
}

#[test]
fn a_pause_survives_a_kill_right_after_it_and_a_resume_goes_on_at_once() {
    let scene = Scene::slow(120, Duration::from_millis(300));
    let mut service = scene.start(&["run", "--roles", "send"]);
    let mut send = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_until("mail goes out", || scene.accepted() >= CONNECTIONS);
    scene.ok(&["issues", "pause", "1"]);
    service.kill();
    send.kill();
    let (before, mut service) = (scene.accepted(), scene.start(&["run", "--roles", "send"]));
    scene.pass(3 * AT_ONCE);
    let issue = scene.issue();
    assert_eq!(issue["status"], "paused", "{issue}");
    assert!(scene.accepted() <= before + CONNECTIONS, "a paused issue went on after the restart");
    let (resumed, paused_at) = (Instant::now(), scene.accepted());
    let mut resume = scene.start(&["issues", "resume", "1"]);
    scene.wait_until("mail goes out again", || scene.accepted() > paused_at);
    // The service looks every second, the command has to start, and the relay takes its time for the first message.
    assert!(resumed.elapsed() < 3 * AT_ONCE, "the first mail after the resume took {:?}", resumed.elapsed());
    assert_eq!(ended(&mut resume).0, Some(0), "{}", scene.log());
    assert_eq!(scene.issue()["sent"], scene.readers, "{}", scene.issue());
    let duplicates = scene.duplicates();
    assert!(duplicates <= 2 * CONNECTIONS, "{duplicates} came twice; a kill allows what was in flight");
    service.stop();
}

#[test]
fn a_cancel_calls_off_what_has_not_left_and_counts_what_has() {
    let scene = Scene::slow(100, Duration::from_secs(1));
    let mut send = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_until("all connections are at work", || scene.begun() >= CONNECTIONS);
    scene.ok(&["issues", "cancel", "1"]);
    let in_flight = scene.begun();
    let (_, took) = ended(&mut send);
    assert!(took < 3 * AT_ONCE, "a cancelled send went on for {took:?}");
    let issue = scene.issue();
    assert!(scene.begun() <= in_flight + CONNECTIONS, "{issue}");
    assert_eq!((&issue["status"], &issue["sent"]), (&"cancelled".into(), &scene.accepted().into()), "{issue}");
    assert_eq!(issue["cancelled"], scene.readers - scene.accepted(), "{issue}");
}

#[test]
fn a_send_that_waits_for_deferred_mail_obeys_a_pause_within_a_second() {
    let scene = Scene::new(3, |event| if event.verb == "RCPT" { say("450 4.2.0 greylisted") } else { Act::Usual });
    let mut send = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_until("all are deferred", || scene.publication.issue().is_some_and(|issue| issue["deferred"] == 3));
    scene.ok(&["issues", "pause", "1"]);
    let (code, took) = ended(&mut send);
    assert_eq!(code, Some(1), "{}", scene.log());
    assert!(took <= AT_ONCE, "it took {took:?}");
}

#[test]
fn a_send_that_waits_for_mail_in_doubt_obeys_a_cancel_within_a_second() {
    let scene = Scene::new(1, |event| if event.verb == "DOT" { Act::Reset } else { Act::Usual });
    let mut send = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_until("it is in doubt", || scene.publication.issue().is_some_and(|issue| issue["deferred"] == 1));
    scene.ok(&["issues", "cancel", "1"]);
    let (_, took) = ended(&mut send);
    assert!(took <= AT_ONCE, "it took {took:?}");
    assert_eq!(scene.issue()["cancelled"], 1, "{}", scene.issue());
}

#[test]
fn a_resume_takes_over_from_a_send_that_ends_by_the_pause() {
    let scene = Scene::slow(30, Duration::from_millis(1500));
    let mut send = scene.start(&["send", "weekly", "--yes"]);
    scene.wait_until("all connections are at work", || scene.begun() >= CONNECTIONS);
    scene.ok(&["issues", "pause", "1"]);
    // The first process still waits for the answers of the relay.
    scene.pass(AT_ONCE / 2);
    scene.ok(&["issues", "resume", "1"]);
    ended(&mut send);
    assert_eq!((scene.issue()["sent"].as_u64(), scene.duplicates()), (Some(30), 0), "{}", scene.issue());
}
