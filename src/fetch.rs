//! The only outgoing HTTP: size, time and redirect caps, a private-address guard.
//!
//! Addresses come from strangers (feeds, pages, their redirects), so a name is resolved here, every address it has is
//! checked, and only checked addresses are connected to. A literal IP address never reaches the resolver and is checked
//! before the request; so is every redirect, each as if it were the first request. A connection is used again for the very
//! name and port it was made for and for no other.
//!
//! We ask for gzip and for nothing else: it is read in 32 KiB, where a brotli or zstd body may ask its reader for a window of
//! hundreds of megabytes. What is packed otherwise, or twice, is refused and not guessed at.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use ipnet::IpNet;
pub use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_ENCODING, LOCATION};
pub use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use tokio::sync::{Mutex as Gate, OwnedMutexGuard as Turn};
use url::{Host, Url};

/// After decompression; the largest real feeds are a fifth of this.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// For one request with all its redirects and its whole body.
const TIME_MAX: Duration = Duration::from_secs(20);
/// The answer to a [`Fetch::tell`] is a status and a few words; more is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What browsers follow is more; what honest sites need is two.
const REDIRECTS_MAX: usize = 5;
/// A redirect to a longer address is refused: what is read there would be told by it, in every entry and every log row.
const ADDRESS_BYTES_MAX: usize = 2048;
/// A Source is asked once an hour, so a connection is kept for a redirect or a second Source on its host: thousands of idle ones would use up the descriptors.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// Hosts that are remembered before those nobody asks are forgotten.
const GATES_MAX: usize = 256;
/// Names of encodings that pack. Others are no encodings at all (servers call `utf-8` or `none` one), and then the body is as it stands.
const PACKED: [&str; 8] = ["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb"];

/// Fetches what others publish. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetch {
    client: reqwest::Client,
    allowed: Allowed,
    time_max: Duration,
    hosts: Hosts,
}

/// Networks that may be reached although they are not public.
type Allowed = Arc<[IpNet]>;

/// Finds the addresses of a name. Whatever it finds is checked like what the system's resolver finds.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// What a fetcher goes by. The default allows what is public and nothing else.
#[derive(Clone)]
pub struct Rules {
    /// Networks that may be reached although they are not public.
    pub allowed: Vec<IpNet>,
    /// Finds the addresses of a name: the system's resolver, unless told otherwise.
    pub lookup: Lookup,
    /// For one request with all its redirects and its whole body.
    pub time_max: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { allowed: Vec::new(), lookup: Arc::new(|name| Box::pin(look_up(name))), time_max: TIME_MAX }
    }
}

async fn look_up(name: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
}

/// Something to tell another server. It is not followed elsewhere.
#[derive(Debug, Clone)]
pub struct Message {
    /// GET or POST.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What came back, whatever the status.
#[derive(Debug, Clone)]
pub struct Response {
    /// The address that answered, after redirects.
    pub url: Url,
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Where the address that was asked says it is for good: the end of the permanent redirects (301, 308) it began with.
    pub moved: Option<Url>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address cannot be asked at all: not http(s), with a user or password, without a host.
    #[error("this address cannot be fetched: {0}")]
    Address(String),
    /// The address leads into a private network.
    #[error("{0} is or leads to a private address")]
    Private(String),
    /// More than five redirects.
    #[error("more than {REDIRECTS_MAX} redirects")]
    Redirects,
    /// The body is larger than we take.
    #[error("more than {} MiB", BODY_BYTES_MAX / 1024 / 1024)]
    TooLarge,
    /// The body is packed in a way we did not ask for.
    #[error("it is packed as {0:?}, and we asked for gzip")]
    Encoding(String),
    /// It took longer than we wait.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// Connection, TLS or protocol, with the cause in words.
    #[error("{0}")]
    Connection(String),
}

impl Fetch {
    /// A fetcher that names itself and `site` (an address people can write to about us). With `allow_private` nothing is refused: for tests and intranets.
    pub fn new(site: Option<&str>, allow_private: bool) -> Result<Self, FetchError> {
        let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)].map(|ip| IpNet::new_assert(ip, 0));
        Self::guarded(site, if allow_private { &all } else { &[] })
    }

    /// The same, but of the addresses that are not public only those in `allowed` may be reached.
    pub fn guarded(site: Option<&str>, allowed: &[IpNet]) -> Result<Self, FetchError> {
        Self::with(site, Rules { allowed: allowed.to_vec(), ..Rules::default() })
    }

    /// By rules of the caller's: for tests, and for whoever has a resolver of their own.
    pub fn with(site: Option<&str>, rules: Rules) -> Result<Self, FetchError> {
        let (allowed, time_max): (Allowed, _) = (rules.allowed.into(), rules.time_max);
        let contact = site.map(|site| format!(" (+{site})")).unwrap_or_default();
        let client = reqwest::Client::builder()
            .user_agent(format!("postrider/{}{contact}", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Guard { allowed: allowed.clone(), lookup: rules.lookup }))
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(IDLE_MAX)
            .build()
            .map_err(|error| FetchError::Connection(in_words(&error)))?;
        Ok(Self { client, allowed, time_max, hosts: Hosts::default() })
    }

    /// Tells another server something, within all limits but without following it elsewhere; a long answer is refused.
    pub async fn tell(&self, message: Message) -> Result<Response, FetchError> {
        let exchange = async {
            check_address(&message.url, &self.allowed)?;
            let request = self.client.request(message.method, message.url.clone()).headers(message.headers).body(message.body);
            let answer = request.send().await.map_err(connection)?;
            read(message.url, answer, ANSWER_BYTES_MAX).await
        };
        self.in_time(exchange).await
    }

    /// The checks an address must pass before anything is resolved or connected to.
    pub fn check(&self, url: &Url) -> Result<(), FetchError> {
        check_address(url, &self.allowed)
    }

    /// Fetches `url`, following redirects, within all limits.
    pub async fn get(&self, url: &Url) -> Result<Response, FetchError> {
        self.get_if(url, HeaderMap::new()).await
    }

    /// The same with headers of the caller's: the validators of what it has, so that "304 Not Modified" may come back. A host is asked for one thing at a
    /// time, also when redirects lead there; the wait for the first host is not counted as its slowness.
    pub async fn get_if(&self, url: &Url, headers: HeaderMap) -> Result<Response, FetchError> {
        check_address(url, &self.allowed)?;
        let turn = self.hosts.turn(url).await;
        self.in_time(self.follow(url, headers, turn)).await
    }

    async fn in_time(&self, exchange: impl Future<Output = Result<Response, FetchError>>) -> Result<Response, FetchError> {
        tokio::time::timeout(self.time_max, exchange).await.unwrap_or(Err(FetchError::Timeout(self.time_max)))
    }

    async fn follow(&self, url: &Url, headers: HeaderMap, mut turn: Turn<()>) -> Result<Response, FetchError> {
        let (mut url, mut moved, mut is_for_good) = (url.clone(), None, true);
        for _ in 0..=REDIRECTS_MAX {
            check_address(&url, &self.allowed)?;
            let answer = self.client.get(url.clone()).headers(headers.clone()).send().await.map_err(connection)?;
            let Some(next) = redirect(&url, &answer)? else {
                match still_packed(answer.headers()) {
                    Some(encoding) if answer.content_length() != Some(0) => return Err(FetchError::Encoding(encoding)),
                    _ => {}
                }
                let response = read(url, answer, BODY_BYTES_MAX).await?;
                drop(turn);
                return Ok(Response { moved, ..response });
            };
            is_for_good &= matches!(answer.status().as_u16(), 301 | 308);
            if is_for_good {
                moved = Some(next.clone());
            }
            if next.host() != url.host() {
                // Never two turns at once: two requests that wait for each other's host would wait for ever.
                drop((answer, turn));
                turn = self.hosts.turn(&next).await;
            }
            url = next;
        }
        Err(FetchError::Redirects)
    }
}

/// The hosts that are being asked.
#[derive(Debug, Clone, Default)]
struct Hosts(Arc<Mutex<HashMap<String, Arc<Gate<()>>>>>);

impl Hosts {
    /// Waits until nobody asks the host of `url`; nobody else does until the turn is dropped.
    async fn turn(&self, url: &Url) -> Turn<()> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if gates.len() >= GATES_MAX {
                gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            }
            gates.entry(url.host_str().unwrap_or_default().to_owned()).or_default().clone()
        };
        gate.lock_owned().await
    }
}

/// Reads the body piece by piece, so that a small file that unpacks to a huge one stops at the limit.
async fn read(url: Url, answer: reqwest::Response, bytes_max: usize) -> Result<Response, FetchError> {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    if answer.content_length().is_some_and(|length| length > bytes_max as u64) {
        return Err(FetchError::TooLarge);
    }
    let mut body = Vec::new();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(connection)?;
        if body.len() + piece.len() > bytes_max {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Response { url, status, headers, body, moved: None })
}

/// The encoding of a body that nobody has unpacked; the header of one that was is gone.
fn still_packed(headers: &HeaderMap) -> Option<String> {
    let named = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let is_packed = |value: &&str| value.split(',').any(|name| PACKED.contains(&name.trim().to_ascii_lowercase().as_str()));
    named.into_iter().find(is_packed).map(str::to_owned)
}

/// Where `answer` leads, if it is a redirect with a place to go.
fn redirect(from: &Url, answer: &reqwest::Response) -> Result<Option<Url>, FetchError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers().get(LOCATION) else { return Ok(None) };
    // Not `to_str`: many write the letters of other languages as they are.
    let location = str::from_utf8(location.as_bytes()).map_err(|_| FetchError::Address("its redirect is not text".to_owned()))?;
    let to = from.join(location).map_err(|error| FetchError::Address(format!("its redirect: {error}")))?;
    if to.as_str().len() > ADDRESS_BYTES_MAX {
        return Err(FetchError::Address(format!("its redirect leads to an address longer than {ADDRESS_BYTES_MAX} bytes")));
    }
    Ok(Some(to))
}

/// The checks a request must pass before anything is resolved or connected to.
fn check_address(url: &Url, allowed: &[IpNet]) -> Result<(), FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Address(format!("{}: is not http or https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Address("it contains a user or a password".to_owned()));
    }
    // `url` has already turned 0x7f.1, 2130706433 and 127.1 into an address.
    let ip = match url.host() {
        None => return Err(FetchError::Address("it has no host".to_owned())),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
    };
    if may_reach(ip, allowed) { Ok(()) } else { Err(FetchError::Private(ip.to_string())) }
}

/// Resolves names and refuses those with any address in a private network; the connection goes to the addresses checked here.
struct Guard {
    allowed: Allowed,
    lookup: Lookup,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, finding) = (self.allowed.clone(), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let found = finding.await?;
            // One private address is enough: nobody needs both, and which one is connected to is chance.
            if !found.iter().all(|ip| may_reach(*ip, &allowed)) {
                return Err(FetchError::Private(name.as_str().to_owned()).into());
            }
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

fn may_reach(ip: IpAddr, allowed: &[IpNet]) -> bool {
    is_public(ip) || allowed.iter().any(|network| network.contains(&ip))
}

/// Whether an address is on the public internet (IANA special-purpose registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b); // carrier-grade NAT, RFC 6598
    let protocols = a == 192 && b == 0 && c == 0; // RFC 6890
    let relay_anycast = a == 192 && b == 88 && c == 99; // 6to4, RFC 7526
    let benchmarks = a == 198 && (b == 18 || b == 19); // RFC 2544
    let special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation();
    !(special || shared || protocols || relay_anycast || benchmarks || a == 0 || a >= 224)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    // Only 2000::/3 is given out; the rest is loopback, ULA, link-local, site-local, multicast or mapped IPv4.
    // NAT64 (64:ff9b::/96) lies outside it too, and may reach private IPv4.
    let global = segments[0] & 0xe000 == 0x2000;
    let six_to_four = segments[0] == 0x2002; // holds an IPv4 address
    let protocols = segments[0] == 0x2001 && segments[1] < 0x0200; // Teredo, ORCHID, benchmarks
    let documentation = segments[0] == 0x2001 && segments[1] == 0x0db8 || segments[0] == 0x3fff && segments[1] < 0x1000;
    global && !six_to_four && !protocols && !documentation
}

/// reqwest's errors hide the cause in their chain; ours sits there when the guard refused.
fn connection(error: reqwest::Error) -> FetchError {
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        if let Some(FetchError::Private(name)) = inner.downcast_ref() {
            return FetchError::Private(name.clone());
        }
        cause = inner.source();
    }
    FetchError::Connection(in_words(&error))
}

/// The innermost cause, without the address (it may hold a token).
fn in_words(error: &reqwest::Error) -> String {
    let mut words = if error.is_connect() { "cannot connect".to_owned() } else { "the answer is broken".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.source().is_none() {
            words = format!("{words}: {inner}");
        }
        cause = inner.source();
    }
    words
}
