//! So many messages in so much time, without saving up: a relay that allows 100 a second is never given 200 in one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use crate::model::relay::Rate;

/// Permits come in steps no finer than this: timers are no finer either.
const STEP_MIN: Duration = Duration::from_millis(10);

/// Hands out the right to send one message at a time.
#[derive(Debug)]
pub struct Pacer {
    permits: Arc<Semaphore>,
    refill: tokio::task::JoinHandle<()>,
}

impl Pacer {
    /// Starts to count. The first message may go at once.
    pub fn new(rate: Rate) -> Self {
        let permits = Arc::new(Semaphore::new(0));
        let refill = tokio::spawn(refill(permits.clone(), rate));
        Self { permits, refill }
    }

    /// Waits until one message may go.
    pub async fn take(&self) {
        // The semaphore is never closed; were it, nothing would be held back.
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
    }

    /// Whether one message may go now; if so it is counted.
    pub fn try_take(&self) -> bool {
        self.permits.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    /// Gives back a right that was not used.
    pub fn give_back(&self) {
        self.permits.add_permits(1);
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.refill.abort();
    }
}

async fn refill(permits: Arc<Semaphore>, rate: Rate) {
    let step = rate.per.div_f64(f64::from(rate.messages)).max(STEP_MIN);
    let per_step = rate.per_second() * step.as_secs_f64();
    let mut ticks = interval(step);
    // A late tick is not made up for: two steps at once would be a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut credit = 0.0;
    loop {
        ticks.tick().await;
        // The small addition keeps 9.999… from becoming 9.
        credit = (credit + per_step + 1e-9).min(per_step.max(1.0) + 1.0);
        let room = (per_step.ceil() as usize).max(1).saturating_sub(permits.available_permits());
        let fresh = (credit.floor() as usize).min(room);
        credit -= fresh as f64;
        permits.add_permits(fresh);
    }
}
