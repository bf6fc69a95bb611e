//! Pace: how fast an Issue goes now, and how long it still takes. Pure.

use std::time::Duration;

use super::Timestamp;

/// "Now" is this long: long enough for a relay with a slow rate, short enough to show that one has stopped.
pub const NOW: Duration = Duration::from_secs(60);
/// Results come in groups: a pace over less than this would be that of one group.
const SPAN_MIN: Duration = Duration::from_secs(1);

/// How fast an Issue goes now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Accepted messages a second.
    pub per_second: f64,
}

impl Pace {
    /// By `sent` messages of which the first was recorded at `first`, all of them within [`NOW`].
    pub fn new(sent: u64, first: Option<Timestamp>, now: Timestamp) -> Self {
        let span = first.map_or(NOW, |first| now.since(first)).clamp(SPAN_MIN, NOW);
        Self { per_second: sent as f64 / span.as_secs_f64() }
    }

    /// How long `waiting` messages take; nothing when none is accepted at present.
    pub fn time_for(self, waiting: u64) -> Option<Duration> {
        let seconds = waiting as f64 / self.per_second;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn ago(secs: u64) -> Option<Timestamp> {
        Some(Timestamp(NOON.0 - i64::try_from(secs * 1_000_000).unwrap()))
    }

    #[test]
    fn the_pace_is_that_of_the_time_in_which_something_was_sent() {
        assert_eq!(Pace::new(600, ago(60), NOON).per_second, 10.0);
        assert_eq!(Pace::new(600, ago(3), NOON).per_second, 200.0);
        assert_eq!(Pace::new(64, ago(0), NOON).per_second, 64.0, "one group of results is not a pace of its own");
        assert_eq!(Pace::new(0, None, NOON).per_second, 0.0);
    }

    #[test]
    fn the_time_left_is_unknown_while_nothing_is_accepted() {
        assert_eq!(Pace::new(600, ago(60), NOON).time_for(1_000), Some(Duration::from_secs(100)));
        assert_eq!(Pace::new(0, None, NOON).time_for(1_000), None);
        assert_eq!(Pace::new(600, ago(60), NOON).time_for(0), Some(Duration::ZERO));
        assert_eq!(Pace::new(0, None, NOON).time_for(0), None, "nothing is left, and nothing is said of it");
    }
}
