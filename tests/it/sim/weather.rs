//! What may go wrong in one simulation, and how often: drawn from its seed. Most kinds of fault are absent from most seeds, so that each is also seen alone.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// How often each thing happens, in thousandths of the occasions it has.
#[derive(Debug, Clone, Default)]
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
}

/// Everything that is fixed for one simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    pub people: usize,
    pub connections: usize,
    pub messages_per_connection: usize,
    pub pipelining: bool,
    /// Messages a second, if the relay has a pace.
    pub pace: Option<u32>,
    /// The relay's time for one answer.
    pub relay_takes: Duration,
    /// The store's time for one statement.
    pub store_takes: Duration,
    pub hold: bool,
    /// As on SQLite: one worker at a time, and the next knows that those before are dead.
    pub alone: bool,
    pub workers: usize,
    /// Persons who do things to the Issue and to their Subscriptions.
    pub operators: bool,
    pub deeds: usize,
    pub weather: Weather,
    /// Of a hundred addresses, so many do not exist.
    pub dead_percent: u32,
}

impl Plan {
    /// From a seed.
    pub fn draw(rng: &mut StdRng) -> Self {
        let alone = rng.random_ratio(1, 2);
        let millis = |choices: &[u64], rng: &mut StdRng| Duration::from_millis(choices[rng.random_range(0..choices.len())]);
        Self {
            people: if rng.random_ratio(1, 24) { rng.random_range(100..240) } else { rng.random_range(5..=60) },
            connections: rng.random_range(1..=4),
            messages_per_connection: [1, 3, 10, 100][rng.random_range(0..4)],
            pipelining: rng.random_ratio(4, 5),
            pace: rng.random_ratio(1, 6).then(|| [2, 5, 20][rng.random_range(0..3)]),
            relay_takes: millis(&[0, 1, 5, 20, 200], rng),
            store_takes: millis(&[0, 0, 1, 10], rng),
            hold: rng.random_ratio(1, 5),
            alone,
            workers: if alone { 1 } else { rng.random_range(1..=3) },
            operators: rng.random_ratio(1, 2),
            deeds: rng.random_range(0..10),
            weather: if rng.random_ratio(1, 12) { Weather::default() } else { Weather::draw(rng) },
            dead_percent: if rng.random_ratio(1, 4) { 10 } else { 0 },
        }
    }
}
