//! When a deferred Delivery is tried again, and when a relay. Pure: jitter is an argument between 0 and 1.

use std::time::Duration;

/// First wait of a Delivery: greylisting lets one in after 5 minutes or so.
pub const FIRST_DELAY: Duration = Duration::from_secs(5 * 60);
/// Longest wait between two Attempts.
pub const DELAY_MAX: Duration = Duration::from_secs(4 * 3600);
/// A Delivery is given up when it would have waited longer than this (RFC 5321 section 4.5.4.1: 4-5 days).
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 24 * 3600);
/// First wait before a relay is connected to again.
pub const RECONNECT_FIRST: Duration = Duration::from_secs(1);
/// Longest wait before a relay is connected to again: an outage, however long, holds mail up no longer than this after its end.
pub const RECONNECT_MAX: Duration = Duration::from_secs(20);

/// How long the Delivery waits that has just been deferred, with `attempts` Attempts before this one; nothing when it is given up.
/// The wait doubles from 5 minutes to 4 hours and is lengthened by up to a quarter, so that what was deferred together does not come back together.
pub fn delay(attempts: u32, jitter: f64) -> Option<Duration> {
    let waited: Duration = (0..attempts).map(|n| doubled(FIRST_DELAY, n, DELAY_MAX)).sum();
    let next = doubled(FIRST_DELAY, attempts, DELAY_MAX);
    (waited + next <= GIVE_UP_AFTER).then(|| next.mul_f64(1.0 + 0.25 * jitter.clamp(0.0, 1.0)))
}

/// How long a relay is left alone after `failures` (at least one) failures to connect in a row: half the step is jitter.
pub fn reconnect_delay(failures: u32, jitter: f64) -> Duration {
    doubled(RECONNECT_FIRST, failures.saturating_sub(1), RECONNECT_MAX).mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// `first` doubled `times` times, at most `max`.
fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    2u32.checked_pow(times).and_then(|factor| first.checked_mul(factor)).map_or(max, |delay| delay.min(max))
}
