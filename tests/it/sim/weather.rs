//! What may go wrong in one simulation, and how often: drawn from its seed. Most kinds of fault are absent from most seeds, so that each is also seen alone.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// How often each thing happens, in thousandths of the occasions it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weather {
    pub no_connection: u32,
    pub greeting_421: u32,
    pub greeting_554: u32,
    pub greeting_silent: u32,
    pub no_pipelining: u32,
    pub mail_421: u32,
    pub mail_4xx: u32,
    pub rcpt_421: u32,
    pub rcpt_4xx: u32,
    pub rcpt_5xx: u32,
    pub data_4xx: u32,
    pub data_421: u32,
    pub envelope_cut: u32,
    pub content_cut: u32,
    pub dot_4xx: u32,
    pub dot_421: u32,
    pub dot_5xx: u32,
    pub dot_refused_cut: u32,
    pub answer_lost: u32,
    pub answer_late: u32,
    pub answer_in_pieces: u32,
    pub blames_pipelining: u32,
    pub cut_after: u32,
    pub store_fails: u32,
    pub store_answer_lost: u32,
    pub store_slow: u32,
    pub store_hangs: u32,
}

impl Weather {
    /// From a seed.
    pub fn draw(rng: &mut StdRng) -> Self {
        let mut rare = || if rng.random_ratio(1, 5) { [5, 30, 120][rng.random_range(0..3)] } else { 0 };
        let mut weather = Self {
            no_connection: rare(),
            greeting_421: rare(),
            greeting_554: rare() / 5,
            greeting_silent: rare() / 5,
            no_pipelining: rare() * 5,
            mail_421: rare(),
            mail_4xx: rare(),
            rcpt_421: rare(),
            rcpt_4xx: rare(),
            rcpt_5xx: rare(),
            data_4xx: rare(),
            data_421: rare(),
            envelope_cut: rare(),
            content_cut: rare(),
            dot_4xx: rare(),
            dot_421: rare(),
            dot_5xx: rare(),
            dot_refused_cut: rare(),
            answer_lost: rare(),
            answer_late: rare(),
            answer_in_pieces: rare() * 5,
            blames_pipelining: rare() / 5,
            cut_after: rare(),
            store_fails: rare(),
            store_answer_lost: rare(),
            store_slow: rare(),
            store_hangs: rare() / 10,
        };
        // Now and then a relay that takes nothing at all.
        if rng.random_ratio(1, 60) {
            weather.dot_5xx = 1000;
        }
        weather
    }

    fn store_is_well(&self) -> bool {
        self.store_fails + self.store_answer_lost + self.store_slow + self.store_hangs == 0
    }
}

/// What befalls one relay, or the store, for a while. Everything else is well in such a world, so that what must go on can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Connections break, and nobody is there.
    Gone,
    /// Everything is taken in and nothing is answered.
    Hangs,
    /// Every message is refused for policy.
    Refuses,
    /// The store, and not a relay, refuses every statement.
    StoreDown,
}

/// From when until when, since the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub kind: Kind,
    /// Whose.
    pub relay: usize,
    pub from: Duration,
    pub until: Duration,
}

/// One relay.
#[derive(Debug, Clone)]
pub struct RelayPlan {
    pub connections: usize,
    pub weight: u32,
    /// Its time for one answer.
    pub takes: Duration,
    /// Messages in flight with CHUNKING, if it offers that.
    pub window: usize,
}

/// Everything that is fixed for one simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Readers of each Issue.
    pub people: usize,
    pub issues: usize,
    /// How many domains they are at.
    pub domains: usize,
    /// At most so many an hour for each reader's domain but the first, if there is such a limit.
    pub domain_pace: Option<u32>,
    pub relays: Vec<RelayPlan>,
    /// How much longer than usual the last of the domains takes.
    pub slow_domain: Duration,
    pub messages_per_connection: usize,
    pub pipelining: bool,
    /// Messages a second through each relay, if they have a pace.
    pub pace: Option<u32>,
    /// The store's time for one statement.
    pub store_takes: Duration,
    pub hold: bool,
    /// As on SQLite: one worker at a time, and the next knows that those before are dead.
    pub alone: bool,
    pub workers: usize,
    /// Persons who do things to the Issues and to their Subscriptions.
    pub operators: bool,
    pub deeds: usize,
    pub weather: Weather,
    pub troubles: Vec<Trouble>,
    /// Of a hundred addresses, so many do not exist.
    pub dead_percent: u32,
}

impl Plan {
    /// A world in which nothing goes wrong: one relay, one worker, one Issue.
    pub fn fair() -> Self {
        Self {
            people: 40,
            issues: 1,
            domains: 1,
            domain_pace: None,
            relays: vec![RelayPlan { connections: 4, weight: 1, takes: Duration::from_millis(5), window: 0 }],
            slow_domain: Duration::ZERO,
            messages_per_connection: 10_000,
            pipelining: true,
            pace: None,
            store_takes: Duration::from_millis(1),
            hold: false,
            alone: true,
            workers: 1,
            operators: false,
            deeds: 0,
            weather: Weather::default(),
            troubles: Vec::new(),
            dead_percent: 0,
        }
    }

    /// From a seed. Most worlds have weather; some have troubles in place of it.
    pub fn draw(rng: &mut StdRng) -> Self {
        let alone = rng.random_ratio(1, 2);
        let many = rng.random_ratio(1, 8);
        let relays = if rng.random_ratio(1, 4) { rng.random_range(2..=3) } else { 1 };
        let mut plan = Self {
            people: if rng.random_ratio(1, 48) { rng.random_range(100..240) } else { rng.random_range(4..=28) },
            issues: if many { rng.random_range(2..=5) } else { 1 },
            relays: (0..relays).map(|nth| RelayPlan::draw(nth, rng)).collect(),
            messages_per_connection: [1, 3, 10, 100][rng.random_range(0..4)],
            pipelining: rng.random_ratio(4, 5),
            pace: rng.random_ratio(1, 6).then(|| [2, 5, 20][rng.random_range(0..3)]),
            store_takes: Duration::from_millis([0, 0, 1, 10][rng.random_range(0..4)]),
            hold: rng.random_ratio(1, 5),
            alone,
            workers: if alone { 1 } else { rng.random_range(1..=3) },
            operators: rng.random_ratio(1, 2),
            deeds: rng.random_range(0..9),
            weather: if rng.random_ratio(1, 12) { Weather::default() } else { Weather::draw(rng) },
            dead_percent: if rng.random_ratio(1, 4) { 10 } else { 0 },
            ..Self::fair()
        };
        if plan.issues > 1 {
            plan.people = (plan.people / 3).max(3);
        }
        if rng.random_ratio(1, 10) {
            plan.befall(rng);
        }
        plan
    }

    /// Troubles in place of the weather, and mail enough to be in the middle of it.
    fn befall(&mut self, rng: &mut StdRng) {
        self.weather = Weather::default();
        self.people = if self.issues > 1 { rng.random_range(10..30) } else { rng.random_range(40..90) };
        self.deeds = self.deeds.min(4);
        for relay in &mut self.relays {
            relay.takes = Duration::from_millis([5, 20, 50, 100][rng.random_range(0..4)]);
        }
        if rng.random_ratio(1, 4) {
            (self.domains, self.domain_pace) = (rng.random_range(2..=3), Some([60, 100][rng.random_range(0..2)]));
            self.people = rng.random_range(6..=20);
        }
        for _ in 0..rng.random_range(1..=2) {
            let kind = [Kind::Gone, Kind::Hangs, Kind::Refuses, Kind::Refuses, Kind::StoreDown][rng.random_range(0..5)];
            let from = Duration::from_millis(rng.random_range(0..4_000));
            let until = from + Duration::from_secs(rng.random_range(20..130));
            self.troubles.push(Trouble { kind, relay: rng.random_range(0..self.relays.len()), from, until });
        }
    }

    /// Most messages that one worker has on its way at once.
    pub fn in_flight(&self) -> usize {
        let shared: usize = self.relays.iter().filter(|relay| relay.weight > 0).map(|relay| relay.connections).sum();
        let window = self.relays.iter().map(|relay| relay.window.max(1)).max();
        shared * window.unwrap_or(1)
    }

    /// Whether the store never has anything wrong with it.
    pub fn store_is_well(&self) -> bool {
        self.weather.store_is_well() && self.has_no(Kind::StoreDown)
    }

    /// Whether every relay answers soon whatever it is told, if it is there.
    pub fn relays_answer(&self) -> bool {
        self.weather.answer_late + self.weather.greeting_silent == 0 && self.has_no(Kind::Hangs)
    }

    fn has_no(&self, kind: Kind) -> bool {
        self.troubles.iter().all(|trouble| trouble.kind != kind)
    }
}

impl RelayPlan {
    /// The first always shares the mail.
    fn draw(nth: usize, rng: &mut StdRng) -> Self {
        Self {
            connections: rng.random_range(1..=4),
            weight: if nth == 0 { rng.random_range(1..=3) } else { rng.random_range(0..=2) },
            takes: Duration::from_millis([0, 1, 5, 20, 200][rng.random_range(0..5)]),
            window: if rng.random_ratio(1, 8) { 4 } else { 0 },
        }
    }
}
