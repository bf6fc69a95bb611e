//! From a Relay to a Connection that takes mail: TCP without delay, TLS, EHLO, AUTH. Every step has its time limit and its own kind of failure.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::Auth;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::hello::Hello;
use super::reply::{RawReply, no_reply};
use super::smtp::{Connection, Mode, Timeouts};
use super::tcp::PromptTcp;
use super::wire::{Broken, Duplex, Wire};
use super::world::{Dial, Dialled};
use crate::model::Relay;
use crate::model::outcome::Reply;
use crate::model::relay::TlsMode;

/// What kept us from a connection; it decides whether waiting helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFault {
    /// DNS, TCP, silence, or "not now": it may pass by itself.
    Unreachable,
    /// TLS is required and not to be had. Never answered by plain text.
    Tls,
    /// The login was refused, or cannot be tried.
    Auth,
    /// A 5xx: this relay does not want us.
    Refused,
}

/// A connection that did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// Its kind.
    pub fault: ConnectFault,
    /// What was said, or what happened.
    pub reply: Reply,
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.reply.code {
            0 => f.write_str(&self.reply.text),
            code => write!(f, "{code} {} (at {})", self.reply.text, self.reply.phase),
        }
    }
}

impl ConnectError {
    fn new(fault: ConnectFault, phase: &'static str, text: impl std::fmt::Display) -> Self {
        Self { fault, reply: no_reply(phase, &text.to_string()) }
    }

    fn broken(phase: &'static str) -> impl Fn(Broken) -> Self {
        move |broken| Self::new(ConnectFault::Unreachable, phase, broken)
    }

    fn refused(reply: &RawReply, phase: &'static str, permanent: ConnectFault) -> Self {
        let fault = if reply.code >= 500 { permanent } else { ConnectFault::Unreachable };
        Self { fault, reply: reply.to_reply(phase) }
    }
}

/// Whom we trust in TLS: the machine's certificates, as lettre does, and any roots given besides.
#[derive(Clone, Default)]
pub struct Trust {
    extra_roots: Vec<CertificateDer<'static>>,
    /// Made at the first TLS: reading the machine's certificates takes milliseconds, and sessions resume only within one of these.
    connector: OnceLock<TlsConnector>,
}

impl Trust {
    /// Trusts these besides the machine's certificates.
    pub fn with_roots(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self { extra_roots, connector: OnceLock::new() }
    }

    fn connector(&self) -> Result<TlsConnector, rustls::Error> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector.clone());
        }
        let made = self.make()?;
        Ok(self.connector.get_or_init(|| made).clone())
    }

    fn make(&self) -> Result<TlsConnector, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(self.extra_roots.clone(), provider.clone())?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Connects to `relay` over TCP, secures and logs in, ready for the first envelope.
pub async fn connect(relay: &Relay, trust: &Trust, mode: Mode, timeouts: &Timeouts) -> Result<Connection, ConnectError> {
    connect_through(&Tcp, relay, trust, mode, timeouts).await
}

/// The same by another way than TCP.
pub async fn connect_through(
    way: &dyn Dial,
    relay: &Relay,
    trust: &Trust,
    mode: Mode,
    timeouts: &Timeouts,
) -> Result<Connection, ConnectError> {
    let Dialled { stream, local } = way.dial(relay, timeouts.connect).await?;
    let mut greeter = Greeter { relay, trust, wait: timeouts.greeting, block: timeouts.block };
    let (mut wire, mut secure) = match relay.tls {
        TlsMode::Implicit => (Wire::new(greeter.handshake(stream, "connect").await?), true),
        _ => (Wire::new(stream), false),
    };
    let greeting = wire.reply(greeter.wait).await.map_err(ConnectError::broken("connect"))?;
    if !greeting.is_ok() {
        return Err(ConnectError::refused(&greeting, "connect", ConnectFault::Refused));
    }
    let mut hello = greeter.ehlo(&mut wire).await?;
    if !secure && wants_starttls(relay, &hello)? {
        wire = greeter.starttls(wire).await?;
        secure = true;
        // RFC 3207 section 4.2: what was offered in the clear counts for nothing.
        hello = greeter.ehlo(&mut wire).await?;
    }
    if relay.user.is_some() {
        greeter.auth(&mut wire, &hello, secure || local).await?;
    }
    Ok(Connection::new(wire, hello, mode, relay, timeouts.clone()))
}

/// The real way: TCP.
pub struct Tcp;

impl Dial for Tcp {
    fn dial<'a>(&'a self, relay: &'a Relay, wait: Duration) -> BoxFuture<'a, Result<Dialled, ConnectError>> {
        Box::pin(async move {
            let tcp = dial(relay, wait).await?;
            let local = tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
            Ok(Dialled { stream: Box::new(PromptTcp::new(tcp, relay.window > 0)), local })
        })
    }
}

/// TCP to the first address that answers.
async fn dial(relay: &Relay, wait: Duration) -> Result<TcpStream, ConnectError> {
    let unreachable = |text: String| ConnectError::new(ConnectFault::Unreachable, "connect", text);
    let place = format!("{}:{}", relay.host, relay.port);
    let found = timeout(wait, tokio::net::lookup_host((relay.host.as_str(), relay.port))).await;
    let addresses = found.map_err(|_| unreachable(format!("{place}: no answer from DNS")))?;
    let mut last = unreachable(format!("{place}: no address"));
    for address in addresses.map_err(|error| unreachable(format!("{place}: {error}")))? {
        match timeout(wait, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without this each reply waits for a delayed acknowledgement: 22 messages a second instead of thousands.
                stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = unreachable(format!("{place}: {error}")),
            Err(_) => last = unreachable(format!("{place}: no answer within {} s", wait.as_secs())),
        }
    }
    Err(last)
}

/// Whether to speak STARTTLS; an error where it is required and missing.
fn wants_starttls(relay: &Relay, hello: &Hello) -> Result<bool, ConnectError> {
    match relay.tls {
        TlsMode::Required if !hello.starttls => {
            let text = format!("relay {:?} does not offer STARTTLS, and tls=required: nothing is sent in plain text", relay.name);
            Err(ConnectError::new(ConnectFault::Tls, "starttls", text))
        }
        TlsMode::Required => Ok(true),
        TlsMode::Opportunistic => Ok(hello.starttls),
        TlsMode::Implicit | TlsMode::None => Ok(false),
    }
}

/// The steps between TCP and the first envelope.
struct Greeter<'a> {
    relay: &'a Relay,
    trust: &'a Trust,
    wait: Duration,
    block: Duration,
}

impl Greeter<'_> {
    /// EHLO, or HELO where EHLO is unknown.
    async fn ehlo(&mut self, wire: &mut Wire) -> Result<Hello, ConnectError> {
        let name = self.relay.hello.clone().map_or_else(ClientId::default, ClientId::Domain);
        let reply = self.ask(wire, &format!("EHLO {name}\r\n"), "ehlo").await?;
        if reply.is_ok() {
            return Ok(Hello::parse(&reply));
        }
        if !matches!(reply.code, 500 | 501 | 502 | 504) {
            return Err(ConnectError::refused(&reply, "ehlo", ConnectFault::Refused));
        }
        let reply = self.ask(wire, &format!("HELO {name}\r\n"), "ehlo").await?;
        if reply.is_ok() { Ok(Hello::default()) } else { Err(ConnectError::refused(&reply, "ehlo", ConnectFault::Refused)) }
    }

    async fn starttls(&mut self, mut wire: Wire) -> Result<Wire, ConnectError> {
        let reply = self.ask(&mut wire, "STARTTLS\r\n", "starttls").await?;
        if !reply.is_ok() {
            // A relay that is just starting says 4xx, and mends itself.
            let fault = if reply.code < 500 { ConnectFault::Unreachable } else { ConnectFault::Tls };
            return Err(ConnectError { fault, reply: reply.to_reply("starttls") });
        }
        let slipped = || ConnectError::new(ConnectFault::Tls, "starttls", "the server sent more before TLS began");
        let io = wire.into_inner().ok_or_else(slipped)?;
        Ok(Wire::new(self.handshake(io, "starttls").await?))
    }

    async fn handshake(&self, io: impl Duplex + 'static, phase: &'static str) -> Result<impl Duplex + 'static, ConnectError> {
        let fault = |text: String| ConnectError::new(ConnectFault::Tls, phase, text);
        let name = ServerName::try_from(self.relay.host.clone()).map_err(|error| fault(format!("{}: {error}", self.relay.host)))?;
        let connector = self.trust.connector().map_err(|error| fault(error.to_string()))?;
        let done = timeout(self.wait, connector.connect(name, io)).await;
        let done = done.map_err(|_| ConnectError::new(ConnectFault::Unreachable, phase, "no answer to the TLS handshake"))?;
        done.map_err(|error| {
            let text = format!("TLS with {}: {error}", self.relay.host);
            // What TLS itself objects to does not mend itself; a connection that ends here may be a relay that is just starting.
            match error.kind() {
                std::io::ErrorKind::InvalidData => fault(text),
                _ => ConnectError::new(ConnectFault::Unreachable, phase, text),
            }
        })
    }

    /// Logs in with PLAIN or LOGIN. The password goes over TLS or loopback only, and into no text.
    async fn auth(&mut self, wire: &mut Wire, hello: &Hello, protected: bool) -> Result<(), ConnectError> {
        let fault = |text: &str| ConnectError::new(ConnectFault::Auth, "auth", text);
        let (Some(user), Some(password)) = (&self.relay.user, &self.relay.password) else {
            return Err(fault("the relay has a user but no password; set password_file"));
        };
        if !protected {
            return Err(fault("a password is sent over TLS only; use tls=required or smtps://"));
        }
        let offered = |mechanism: &Mechanism| hello.auth.contains(mechanism);
        let Some(mechanism) = [Mechanism::Plain, Mechanism::Login].into_iter().find(offered) else {
            return Err(fault("the relay offers neither AUTH PLAIN nor AUTH LOGIN"));
        };
        let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
        let command = Auth::new(mechanism, credentials.clone(), None).map_err(|error| fault(&error.to_string()))?;
        let mut reply = self.ask(wire, &command.to_string(), "auth").await?;
        // LOGIN asks twice: for the user and for the password.
        for _ in 0..2 {
            if reply.code != 334 {
                break;
            }
            let challenge: Response =
                format!("334 {}\r\n", reply.lines.concat()).parse().map_err(|_| fault("a challenge that cannot be read"))?;
            let answer = Auth::new_from_response(mechanism, credentials.clone(), &challenge).map_err(|error| fault(&error.to_string()))?;
            reply = self.ask(wire, &answer.to_string(), "auth").await?;
        }
        if reply.is_ok() { Ok(()) } else { Err(ConnectError::refused(&reply, "auth", ConnectFault::Auth)) }
    }

    /// One command, one reply; nothing is pipelined before the first envelope.
    async fn ask(&self, wire: &mut Wire, command: &str, phase: &'static str) -> Result<RawReply, ConnectError> {
        // What was said before a broken write is worth more than the broken write.
        let written = wire.write(command.as_bytes(), self.block).await;
        match (wire.reply(self.wait).await, written) {
            (Ok(reply), _) => Ok(reply),
            (Err(_), Err((_, broken))) | (Err(broken), Ok(())) => Err(ConnectError::broken(phase)(broken)),
        }
    }
}
