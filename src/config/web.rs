//! `[web]` beside its address: whom the service believes, and how long it waits for whom.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::reader::Section;

/// Connections a process with the usual 1,024 descriptors can serve beside its store and its relays.
const CONNECTIONS: usize = 800;
const CONNECTIONS_MAX: usize = 100_000;
/// More would keep a telephone busy for a minute.
const WORK_BITS_MAX: usize = 24;

/// Rules of the HTTP service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPolicy {
    /// Proxies whose word on who the client is counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections served at once; one more is told to come back.
    pub connections: usize,
    /// Zero bits a browser has to find before a sign-up is taken; none when 0.
    pub proof_of_work: u32,
    /// How long a client may take for the head of a request, and keep a connection without one.
    pub head_within: Duration,
    /// How long a request with its body may take, except for files on their way.
    pub request_within: Duration,
    /// How long a client may take nothing of what it is sent.
    pub stalled_within: Duration,
    /// How long open requests are waited for at the end.
    pub drained_within: Duration,
}

impl Default for WebPolicy {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            connections: CONNECTIONS,
            proof_of_work: 0,
            head_within: Duration::from_secs(15),
            request_within: Duration::from_secs(30),
            stalled_within: Duration::from_secs(30),
            drained_within: Duration::from_secs(8),
        }
    }
}

/// Reads `[web]` but for its address.
pub(super) fn read(section: &Section<'_>) -> WebPolicy {
    let trusted_proxies = networks(section, "trusted_proxies");
    let connections = section.count("connections", CONNECTIONS, 1..=CONNECTIONS_MAX);
    let proof_of_work = u32::try_from(section.count("proof_of_work", 0, 0..=WORK_BITS_MAX)).unwrap_or_default();
    WebPolicy { trusted_proxies, connections, proof_of_work, ..WebPolicy::default() }
}

/// An array of addresses and networks.
pub(super) fn networks(section: &Section<'_>, key: &'static str) -> Vec<IpNet> {
    section.texts(key).into_iter().filter_map(|text| section.check(network(&text.value), "bad-value", text.origin)).collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    let one = text.parse::<IpAddr>().map(IpNet::from).ok();
    one.or_else(|| text.parse().ok()).ok_or_else(|| format!("{text:?} is no address and no network\nwrite \"127.0.0.1\" or \"10.0.0.0/8\""))
}
