//! How often one network may do what makes us write mail. Kept in memory: a restart forgives, which harms nobody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Timestamp;

/// Sign-ups from one network in an hour: an office signs up, a list of stolen addresses does not.
const JOINS_MAX: u32 = 20;
const WINDOW_SECS: i64 = 3_600;
/// So many networks are remembered; beyond that, those whose hour is over are forgotten, and then everybody.
const NETWORKS_MAX: usize = 50_000;

/// The counts of networks in this hour.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Mutex<HashMap<IpAddr, (i64, u32)>>>);

impl Limits {
    /// Whether one more sign-up may come from there now; counts it.
    pub fn may_join(&self, network: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        count.1 += 1;
        count.1 <= JOINS_MAX
    }
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
