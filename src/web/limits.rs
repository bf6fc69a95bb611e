//! How often one network may do what makes us write mail or ask other servers. Kept in memory: a restart forgives, which harms nobody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Timestamp;

/// Sign-ups from one network in an hour: an office signs up, a list of stolen addresses does not.
const JOINS_MAX: u32 = 20;
/// Requests to the hub: each makes us ask a server that a stranger named. A reader of many feeds needs one for each in some days.
const HUB_ASKS_MAX: u32 = 100;
const WINDOW_SECS: i64 = 3_600;
/// So many networks are remembered; beyond that, those whose hour is over are forgotten, and then everybody.
const NETWORKS_MAX: usize = 50_000;

/// What is limited.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Sign-ups.
    pub joins: Limit,
    /// Requests to the hub.
    pub hub_asks: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self { joins: Limit::new(JOINS_MAX), hub_asks: Limit::new(HUB_ASKS_MAX) }
    }
}

/// One limit, and the counts of networks in this hour.
#[derive(Debug, Clone)]
pub struct Limit {
    most: u32,
    counts: Arc<Mutex<HashMap<IpAddr, (i64, u32)>>>,
}

impl Limit {
    fn new(most: u32) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// Whether the network may once more now; counts it.
    pub fn allows(&self, network: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now.secs() / WINDOW_SECS;
        if counts.len() >= NETWORKS_MAX {
            counts.retain(|_, (of, _)| *of == hour);
            if counts.len() >= NETWORKS_MAX {
                counts.clear();
            }
        }
        let count = counts.entry(network).or_insert((hour, 0));
        if count.0 != hour {
            *count = (hour, 0);
        }
        count.1 = count.1.saturating_add(1);
        count.1 <= self.most
    }
}

/// Seconds until the hour is over.
pub fn hour_left(now: Timestamp) -> i64 {
    WINDOW_SECS - now.secs().rem_euclid(WINDOW_SECS)
}

/// The network an address belongs to: /24 of IPv4, /64 of IPv6, which is what one customer has.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}
