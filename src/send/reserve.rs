//! Asks the store for the time and the messages that the shop needs, and hands them over.

use std::time::Duration;

use tokio::time::Instant;

use super::ledger::Ledger;
use super::pace::{Pace, day_block};
use super::shop::{Ask, Shop};
use super::world::instant;
use crate::model::{Clock, Timestamp};
use crate::store::Result;
use crate::store::paces::Slice;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// So long a store is waited for; whoever sends has other things to do.
const WAIT: Duration = Duration::from_secs(2);

/// Gets what the shop asks for. What cannot be had now is asked for again: not at once, but when somebody looks next.
pub async fn reserve(shop: &Shop, ledger: &dyn Ledger, clock: &Clock) {
    let asking = Asking { shop, asks: shop.take_asks() };
    let got = match tokio::time::timeout(WAIT, get(shop, ledger, clock, &asking.asks)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!("the store gave out no time for sending; asking again: {error}");
            false
        }
        Err(_) => false,
    };
    drop(asking);
    if got {
        shop.changed.notify_waiters();
    }
}

/// What is being asked for. Whoever asks may be gone before the answer comes, with its Issue: then others ask again.
struct Asking<'a> {
    shop: &'a Shop,
    asks: Vec<Ask>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shop.lock().asking.retain(|ask| !self.asks.contains(ask));
    }
}

async fn get(shop: &Shop, ledger: &dyn Ledger, clock: &Clock, asks: &[Ask]) -> Result<()> {
    let wanted: Vec<(&Ask, Slice)> = asks.iter().filter_map(|ask| Some((ask, shop.slice(ask)?))).collect();
    if !wanted.is_empty() {
        let (slices, now): (Vec<Slice>, _) = (wanted.iter().map(|(_, slice)| slice.clone()).collect(), clock.now());
        let here = instant();
        let begins = ledger.reserve_slices(&slices, now).await?;
        for ((ask, _), begin) in wanted.iter().zip(begins) {
            shop.grant(ask, here + begin.since(now));
        }
    }
    for ask in asks {
        let Ask::Day(relay) = ask else { continue };
        let (now, here) = (clock.now(), instant());
        let day = now.0.div_euclid(DAY_US);
        let ends = here + Timestamp((day + 1) * DAY_US).since(now);
        let (name, most) = shop.allowance_of(*relay, now);
        let messages = match most {
            Some(most) => ledger.reserve_messages(&name, day, day_block(most), most).await?,
            None => u64::MAX,
        };
        shop.grant_messages(*relay, messages, ends);
    }
    Ok(())
}

impl Shop {
    /// What is to be asked for; it is being asked for from now on.
    fn take_asks(&self) -> Vec<Ask> {
        let mut inner = self.lock();
        let asks = std::mem::take(&mut inner.asks);
        inner.asking.extend(asks.iter().cloned());
        asks.into_iter().collect()
    }

    /// The slice that an ask means.
    fn slice(&self, ask: &Ask) -> Option<Slice> {
        let mut inner = self.lock();
        match ask {
            Ask::Pace(relay) => {
                let door = &inner.doors[*relay];
                Some(Slice { pace: format!("relay {}", door.relay.name), length: door.pace.as_ref().map(Pace::slice_length)? })
            }
            Ask::Domain(relay, domain) => {
                let door = &mut inner.doors[*relay];
                let length = door.domains.wants_slice(domain, instant())?;
                Some(Slice { pace: format!("relay {} domain {domain}", door.relay.name), length })
            }
            Ask::Day(_) => None,
        }
    }

    fn grant(&self, ask: &Ask, from: Instant) {
        let mut inner = self.lock();
        match ask {
            Ask::Pace(relay) => {
                if let Some(pace) = &mut inner.doors[*relay].pace {
                    pace.grant(from);
                }
            }
            Ask::Domain(relay, domain) => inner.doors[*relay].domains.grant(domain, from),
            Ask::Day(_) => {}
        }
    }

    /// A relay's name and how many messages it may send today.
    fn allowance_of(&self, relay: usize, now: Timestamp) -> (String, Option<u64>) {
        let inner = self.lock();
        let relay = &inner.doors[relay].relay;
        (relay.name.clone(), relay.warm_up.as_ref().and_then(|warm_up| warm_up.most(now.utc().date_naive())))
    }

    fn grant_messages(&self, relay: usize, messages: u64, ends: Instant) {
        self.lock().doors[relay].day.grant(messages, ends);
    }
}
