//! Relay: an SMTP server that takes our mail onward.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// `smtps://`: TLS from the first byte (RFC 8314).
    Implicit,
    /// `?tls=required`: STARTTLS or no mail at all. The default.
    Required,
    /// `?tls=opportunistic`: STARTTLS when offered.
    Opportunistic,
    /// `?tls=none`: plain, for a relay on this machine.
    None,
}

/// A `[[relay]]` table.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Stable name.
    pub name: String,
    /// Host to connect to.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection.
    pub tls: TlsMode,
    /// User for AUTH.
    pub user: Option<String>,
    /// Password for AUTH; it cannot be printed.
    pub password: Option<SecretString>,
    /// Most connections open at once.
    pub connections: usize,
    /// Messages before a connection is renewed.
    pub messages_per_connection: usize,
    /// Most messages in a time.
    pub rate: Option<Rate>,
    /// Most messages in a time to one recipient domain.
    pub domain_rates: BTreeMap<String, Rate>,
    /// False for servers that announce PIPELINING and lie.
    pub pipelining: bool,
    /// Whole messages in flight on one connection with CHUNKING; 0 where it is not asked for.
    pub window: usize,
    /// The name we say in EHLO; the machine's when absent.
    pub hello: Option<String>,
}

/// So many messages in so much time: `100/s`, `400/min`, `10000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Messages.
    pub messages: u32,
    /// In this time.
    pub per: Duration,
}

impl Rate {
    /// Parses `N/s`, `N/min` or `N/h`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rate such as \"100/s\", \"400/min\" or \"10000/h\"");
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let messages: u32 = number.trim().parse().map_err(|_| wrong())?;
        let per = match unit.trim() {
            "s" | "sec" | "second" => Duration::from_secs(1),
            "m" | "min" | "minute" => Duration::from_secs(60),
            "h" | "hour" => Duration::from_secs(3600),
            _ => return Err(wrong()),
        };
        if messages == 0 {
            return Err("a rate of 0 would never send; pause the issue instead".to_owned());
        }
        Ok(Self { messages, per })
    }

    /// Messages a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.messages) / self.per.as_secs_f64()
    }
}
