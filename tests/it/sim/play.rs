//! One simulation from its seed to its judgement: workers are hired, killed, frozen and stopped, operators and readers do things, and then all is calm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use postrider::config::OnUnknown;
use postrider::model::issue::{Frozen, FrozenList, FrozenSite};
use postrider::model::link::LinkKey;
use postrider::model::relay::{Rate, TlsMode};
use postrider::model::{Clock, EmailAddress, IssueId, IssueStatus, ListId, Mailbox, Relay, Subscriber, SubscriberId};
use postrider::send::Sender;
use postrider::send::connect::Trust;
use postrider::send::smtp::Timeouts;
use postrider::send::world::World;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::books::{Books, ISSUE};
use super::desk::Desk;
use super::relay::Way;
use super::scene::{BEGIN, PEOPLE_MAX, Scene};
use super::weather::{Plan, RelayPlan};

/// So long a worker that is told to stop waits for answers.
const DRAIN: Duration = Duration::from_secs(8);
/// And so long it has to end.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Where nobody makes it wait it needs less: the next message border, a commit, QUIT, and where a connection broke before, the 5 s for which it is
/// asked for answers that were on their way.
const STOP_MAX: Duration = Duration::from_secs(6);
/// When all is calm everything must have its end within so many looks at the ledger; the last may be days later.
const LOOKS_MAX: usize = 300;
/// No run may take longer, whatever the relay does.
const RUN_MAX: Duration = Duration::from_secs(2 * 3600);

/// A simulation that is over.
pub struct Played {
    pub seen: Seen,
    /// The promise that was broken, if any.
    pub wrong: Option<String>,
    pub story: Vec<String>,
}

/// What a simulation saw.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub people: usize,
    pub copies: usize,
    pub workers: usize,
}

/// Plays one seed; with `told` the story is kept, which takes longer.
pub fn play(seed: u64, told: bool) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut rng = StdRng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng);
        let scene = scene(rng, &plan, told);
        scene.tell(|| format!("seed {seed}: {plan:?}"));
        let mut play = Play { scene: scene.clone(), plan, lives: Vec::new() };
        play.begin();
        for _ in 0..play.plan.deeds {
            play.wait().await;
            play.deed().await;
        }
        play.wait().await;
        play.outlast().await;
        play.calm().await;
        let mut inner = scene.lock();
        if inner.fault.is_none() {
            inner.judge();
        }
        let seen = Seen { people: play.plan.people, copies: inner.copies(), workers: inner.workers.len() };
        Played { seen, wrong: inner.fault.take(), story: inner.story() }
    })
}

struct Life {
    worker: usize,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Play {
    scene: Scene,
    plan: Plan,
    lives: Vec<Life>,
}

impl Play {
    fn begin(&mut self) {
        let mut inner = self.scene.lock();
        for who in inner.everybody() {
            if inner.rng.random_ratio(self.plan.dead_percent, 100) {
                let name = inner.name(who);
                inner.dead_addresses.insert(name);
            }
        }
        drop(inner);
        (0..self.plan.workers).for_each(|_| self.hire());
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        self.scene.draw(draw)
    }

    async fn wait(&self) {
        let micros = self.draw(|rng| match rng.random_range(0..8) {
            0..4 => rng.random_range(0..50_000),
            4..7 => rng.random_range(0..2_000_000),
            _ => rng.random_range(0..130_000_000),
        });
        sleep(Duration::from_micros(micros)).await;
    }

    /// A new worker; as a service, or as a command that runs in the foreground again and again.
    fn hire(&mut self) {
        let mut inner = self.scene.lock();
        let worker = inner.new_worker();
        inner.tell(|| format!("worker {worker} starts"));
        let died = inner.workers[worker].died.clone();
        // A command in the foreground sends one Issue.
        let service = inner.rng.random_ratio(2, 3) || inner.plan.issues > 1;
        drop(inner);
        let (scene, plan, stop) = (self.scene.clone(), self.plan.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let work = async move {
            let desk = Desk { scene: scene.clone(), worker };
            if plan.alone {
                // Refused by a store that is ill; then leases end in their time.
                let _ = desk.recover(true, on_unknown(&plan), scene.now(worker)).await;
            }
            let sender = sender(&scene, &plan, worker);
            while service && !stopped.is_cancelled() {
                let _ = sender.run(stopped.clone()).await;
            }
            while !stopped.is_cancelled() {
                let _ = desk.recover(false, on_unknown(&plan), scene.now(worker)).await;
                let _ = sender.run_issue(ISSUE, &stopped).await;
                let _ = timeout(Duration::from_secs(5), stopped.cancelled()).await;
            }
        };
        let task = tokio::spawn(async move {
            tokio::select! {
                biased;
                () = died.notified() => {}
                () = work => {}
            }
        });
        self.lives.push(Life { worker, stop, task });
    }

    async fn deed(&mut self) {
        self.bury();
        if self.lives.is_empty() || (!self.plan.alone && self.lives.len() < 3 && self.draw(|rng| rng.random_ratio(1, 6))) {
            return self.hire();
        }
        let which = self.draw(|rng| rng.random_range(0..self.lives.len()));
        let worker = self.lives[which].worker;
        match self.draw(|rng| rng.random_range(0..20)) {
            0..7 => {
                let steps = self.draw(|rng| 1 << rng.random_range(0..11)) - 1;
                let more = self.draw(|rng| rng.random_range(0..=steps / 2));
                self.scene.lock().doom(worker, steps + more);
            }
            7..10 => {
                let life = self.lives.remove(which);
                self.stop(life).await;
            }
            10..12 => self.freeze(worker),
            12 => {
                let skew = self.draw(|rng| 10_i64.pow(rng.random_range(5..11)) * rng.random_range(-8..=8));
                let mut inner = self.scene.lock();
                inner.tell(|| format!("the clock of worker {worker} is {} s off", skew / 1_000_000));
                inner.workers[worker].skew_micros = skew;
            }
            _ if self.plan.operators => self.meddle(),
            _ => {}
        }
    }

    /// Forgets the dead.
    fn bury(&mut self) {
        let scene = self.scene.clone();
        self.lives.retain(|life| !scene.lock().is_dead(life.worker) && !life.task.is_finished());
    }

    fn freeze(&self, worker: usize) {
        let wait = Duration::from_millis(self.draw(|rng| 10_u64.pow(rng.random_range(2..6)) * rng.random_range(1..4)));
        self.scene.freeze(worker, true);
        let scene = self.scene.clone();
        tokio::spawn(async move {
            sleep(wait).await;
            scene.freeze(worker, false);
        });
    }

    /// What persons do.
    fn meddle(&self) {
        let which = self.draw(|rng| rng.random_range(0..self.plan.issues));
        let who = SubscriberId(which as i64 * PEOPLE_MAX + self.draw(|rng| rng.random_range(1..=self.plan.people as i64)));
        let deed = self.draw(|rng| rng.random_range(0..12));
        let mut inner = self.scene.lock();
        let (now, issue) = (inner.now(), IssueId(which as i64 + 1));
        // Whatever is refused changes nothing.
        let _ = match deed {
            0..5 => {
                let name = inner.name(who);
                inner.tell(|| format!("{name} leaves"));
                inner.left.insert(who);
                inner.book(issue).leave(who);
                Ok(())
            }
            5..8 => {
                inner.tell(|| format!("somebody pauses issue {}", issue.0));
                inner.book(issue).pause("by hand")
            }
            8..10 => {
                inner.tell(|| format!("somebody resumes issue {}", issue.0));
                inner.book(issue).resume()
            }
            10 => {
                inner.tell(|| format!("somebody sends issue {} to the rest", issue.0));
                inner.book(issue).retry().map(|_| ())
            }
            _ => {
                inner.tell(|| format!("somebody cancels issue {}", issue.0));
                inner.cancelled_ever = true;
                inner.book(issue).cancel(now)
            }
        };
    }

    /// SIGTERM: what is on its way is awaited, nothing new begins, and soon it is over.
    async fn stop(&self, life: Life) {
        let (healthy, worker) = (self.plan.store_is_well(), life.worker);
        self.scene.freeze(worker, false);
        self.scene.tell(|| format!("worker {worker} is told to stop"));
        let told = Instant::now();
        life.stop.cancel();
        let ended = timeout(Duration::from_secs(3600), life.task).await;
        let took = told.elapsed();
        let mut inner = self.scene.lock();
        inner.tell(|| format!("worker {worker} has ended after {took:?}"));
        inner.workers[worker].ended = true;
        if ended.is_err() || (healthy && took > DRAIN_MAX + 20 * self.plan.store_takes) {
            inner.wrong(format!("worker {worker} was told to stop and needed {took:?}"));
        }
        if healthy && self.plan.relays_answer() && !inner.is_dead(worker) {
            if took > STOP_MAX + 20 * self.plan.store_takes {
                inner.wrong(format!("worker {worker} was told to stop, everybody answers at once, and it needed {took:?}"));
            }
            inner.judge_left(worker);
        }
        // Who was not done in time was cut off, as was who waited for a store that did not answer.
        if took >= DRAIN || !healthy {
            inner.doubt(worker);
        }
        if healthy && self.plan.weather.answer_late == 0 && !inner.is_dead(worker) {
            inner.judge_stopped(worker);
        }
    }

    /// Troubles are lived through: those who were in them go on, or say why not.
    async fn outlast(&mut self) {
        let Some(last) = self.plan.troubles.iter().map(|trouble| trouble.until).max() else { return };
        self.bury();
        if self.lives.is_empty() {
            self.hire();
        }
        let rests = |status| matches!(status, IssueStatus::Done | IssueStatus::Cancelled | IssueStatus::Paused);
        while self.scene.lock().elapsed() < last + Duration::from_secs(90) {
            let at_rest = {
                let inner = self.scene.lock();
                inner.fault.is_some() || inner.shelf.iter().all(|books| rests(books.status))
            };
            if at_rest {
                return;
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    /// Faults cease, and everything must have its end.
    async fn calm(&mut self) {
        self.scene.tell(|| "all is calm from here on".into());
        self.scene.lock().calm = true;
        self.bury();
        for life in std::mem::take(&mut self.lives) {
            if self.draw(|rng| rng.random_ratio(1, 2)) {
                self.stop(life).await;
            } else {
                self.scene.lock().doom(life.worker, 0);
            }
        }
        let worker = self.scene.lock().new_worker();
        let desk = Desk { scene: self.scene.clone(), worker };
        let sender = sender(&self.scene, &self.plan, worker);
        for _ in 0..LOOKS_MAX {
            self.scene.lock().shelf.iter_mut().for_each(|books| drop(books.resume()));
            let now = self.scene.now(worker);
            desk.recover(false, on_unknown(&self.plan), now).await.unwrap();
            let (stop, issues) = (CancellationToken::new(), self.plan.issues as i64);
            let runs = (1..=issues).map(|issue| sender.run_issue(IssueId(issue), &stop));
            match timeout(RUN_MAX, futures_util::future::try_join_all(runs)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return self.scene.lock().wrong(format!("all is calm, and sending ends with: {error}")),
                Err(_) => return self.scene.lock().wrong("all is calm, and sending never ends".into()),
            }
            let wait = {
                let inner = self.scene.lock();
                let over =
                    |books: &Books| matches!(books.status, IssueStatus::Done | IssueStatus::Cancelled) && books.counts().is_finished();
                if inner.fault.is_some() || inner.shelf.iter().all(over) {
                    return;
                }
                let next = inner.shelf.iter().flat_map(|books| [books.next_due(), books.lease_over()]).flatten().min();
                next.map_or(Duration::ZERO, |next| next.since(inner.now()))
            };
            sleep(wait + Duration::from_secs(1)).await;
        }
        self.scene.lock().wrong("all is calm, and the issue is never done".into());
    }
}

fn on_unknown(plan: &Plan) -> OnUnknown {
    if plan.hold { OnUnknown::Hold } else { OnUnknown::Resend }
}

pub fn sender(scene: &Scene, plan: &Plan, worker: usize) -> Sender {
    let mut domain_rates = BTreeMap::new();
    if let Some(messages) = plan.domain_pace {
        let rate = Rate { messages, per: Duration::from_secs(3600) };
        domain_rates = (1..plan.domains).map(|nth| (domain(nth), rate)).collect();
    }
    let relay = |(nth, relay): (usize, &RelayPlan)| Relay {
        name: format!("relay{nth}"),
        host: format!("relay{nth}.example.com"),
        port: 25,
        tls: TlsMode::None,
        user: None,
        password: None,
        connections: relay.connections,
        messages_per_connection: plan.messages_per_connection,
        rate: plan.pace.map(|messages| Rate { messages, per: Duration::from_secs(1) }),
        domain_rates: domain_rates.clone(),
        domain_connections: Default::default(),
        weight: relay.weight,
        warm_up: None,
        pipelining: plan.pipelining,
        window: relay.window,
        hello: Some("here.example.org".into()),
    };
    let relays: Vec<Relay> = plan.relays.iter().enumerate().map(relay).collect();
    let (time, chance) = (scene.clone(), scene.clone());
    let world = World {
        dial: Arc::new(Way { scene: scene.clone(), worker }),
        chance: Arc::new(move || chance.draw(|rng| rng.random())),
        threads: false,
    };
    let desk = Desk { scene: scene.clone(), worker };
    let clock = Clock::new(move || time.now(worker));
    let key = LinkKey::new(b"secret");
    Sender::with(desk, &relays, on_unknown(plan), "https://example.org/", key, clock, Trust::default(), Timeouts::default()).within(world)
}

pub fn list() -> ListId {
    ListId::parse("a").unwrap()
}

/// The ledger and all about it, before anybody has come.
pub fn scene(rng: StdRng, plan: &Plan, told: bool) -> Scene {
    let books = |nth: usize| Books::new(IssueId(nth as i64 + 1), readers(nth, plan.people, plan.domains), list(), letter(), BEGIN);
    Scene::new(rng, plan.clone(), (0..plan.issues).map(books).collect(), told)
}

/// The domains that readers are at.
pub fn domain(nth: usize) -> String {
    if nth == 0 { "example.com".to_owned() } else { format!("d{nth}.example.org") }
}

/// Readers 1, 2 … of the first Issue.
pub fn people(count: usize) -> Vec<Subscriber> {
    readers(0, count, 1)
}

/// The readers of an Issue, with a name each; nobody reads two.
fn readers(issue: usize, count: usize, domains: usize) -> Vec<Subscriber> {
    const NAMES: [&str; 10] = ["ann", "bob", "cleo", "dan", "eve", "finn", "gina", "hugo", "iris", "jan"];
    let person = |n: usize| Subscriber {
        id: SubscriberId(issue as i64 * PEOPLE_MAX + n as i64 + 1),
        email: EmailAddress::parse(&format!("{}{}@{}", NAMES[n % NAMES.len()], issue * 1_000 + n / NAMES.len(), domain(n % domains)))
            .unwrap(),
        name: None,
        attributes: serde_json::Map::new(),
        language: None,
        timezone: None,
        created_at: BEGIN,
    };
    (0..count).map(person).collect()
}

/// The smallest letter there is.
pub fn letter() -> Frozen {
    let from = Mailbox::parse("Example Post <post@example.org>").unwrap();
    let site = FrozenSite {
        title: "Example".into(),
        url: "https://example.org/".into(),
        description: String::new(),
        language: "en".into(),
        timezone: "Europe/Berlin".into(),
        postal_address: None,
        icon: None,
    };
    let html = "<p>Hello</p>".to_owned();
    Frozen {
        name: "hello".into(),
        number: 1,
        subject: "Hello".into(),
        preheader: String::new(),
        template: "t".into(),
        templates: BTreeMap::from([("email/t.html".into(), html), ("email/t.txt".into(), "Hello\n".into())]),
        articles: Vec::new(),
        lists: BTreeMap::from([(list(), FrozenList { name: "A".into(), description: String::new(), from, reply_to: None })]),
        site,
        date: "2026-11-22T09:00:00+01:00".into(),
        fresh: None,
        sections: Vec::new(),
        corrections: Vec::new(),
        language: None,
        test: false,
    }
}
