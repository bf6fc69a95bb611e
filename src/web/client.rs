//! Who a client is, behind proxies or not.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

/// The header in which each proxy adds who asked it, at the end. (Of `Forwarded` and this one, a proxy writes one and passes the other
/// on as the client wrote it; believing both would be believing clients.)
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address a request came from, kept with it.
#[derive(Debug, Clone, Copy)]
struct Client(IpAddr);

/// The address of the client who made this request: what limits count by.
pub fn client_ip(parts: &Parts) -> IpAddr {
    parts.extensions.get::<Client>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0)
}

/// Keeps with a request who made it: `peer`, or, when that is a trusted proxy, the last address in `X-Forwarded-For` that is none.
pub(super) fn note(parts: &mut Parts, peer: IpAddr, trusted: &[IpNet]) {
    let client = Client(behind(peer, &parts.headers, trusted));
    parts.extensions.insert(client);
}

fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    let hops: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().flat_map(|value| value.to_str().unwrap_or("?").split(',')).collect();
    for hop in hops.into_iter().rev() {
        if !trusted.iter().any(|network| network.contains(&client)) {
            break;
        }
        // What is no address was not written by a proxy: the last one that is stays.
        let Some(address) = address(hop.trim()) else { break };
        client = address;
    }
    client
}

/// An address, also with a port, also in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(hop, |(address, _)| address);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| Some(bare.parse::<std::net::SocketAddr>().ok()?.ip()));
    parsed.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut parts = axum::http::Request::new(()).into_parts().0;
        for value in forwarded {
            parts.headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        note(&mut parts, peer.parse().unwrap(), &trusted);
        client_ip(&parts).to_string()
    }

    #[test]
    fn a_client_is_who_connects_unless_a_trusted_proxy_names_another() {
        for (peer, forwarded, expected) in [
            ("198.51.100.7", &[][..], "198.51.100.7"),
            ("198.51.100.7", &["203.0.113.9"], "198.51.100.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // What stands before the last stranger was written by strangers.
            ("127.0.0.1", &["1.2.3.4, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
            ("127.0.0.1", &["1.2.3.4", "203.0.113.9", "10.1.2.3, 10.9.9.9"], "203.0.113.9"),
            ("127.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("127.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("127.0.0.1", &["1.2.3.4, unknown, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &["10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &[""], "127.0.0.1"),
        ] {
            assert_eq!(seen(peer, forwarded), expected, "{peer} with {forwarded:?}");
        }
    }
}
