//! Relay: an SMTP server that takes our mail onward.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{Days, NaiveDate};
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
    /// Most messages in a time to one recipient domain; `*` stands for every domain that is not named.
    pub domain_rates: BTreeMap<String, Rate>,
    /// Most connections that carry mail to one recipient domain at once; `*` as above.
    pub domain_connections: BTreeMap<String, usize>,
    /// Its share of the mail, in proportion to the others'; 0 is used only while no other can be had.
    pub weight: u32,
    /// How much it may send on its first days.
    pub warm_up: Option<WarmUp>,
    /// False for servers that announce PIPELINING and lie.
    pub pipelining: bool,
    /// Whole messages in flight on one connection with CHUNKING; 0 where it is not asked for.
    pub window: usize,
    /// The name we say in EHLO; the machine's when absent.
    pub hello: Option<String>,
}

/// What `named` says of `domain`: its own entry, or that of `*`.
pub fn of_domain<'a, T>(named: &'a BTreeMap<String, T>, domain: &str) -> Option<&'a T> {
    named.get(domain).or_else(|| named.get("*"))
}

/// How many messages a relay nobody knows yet may send on each of its first days (UTC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUp {
    /// The first of these days.
    pub start: NaiveDate,
    /// Messages on each, in order; after the last there is no limit.
    pub days: Vec<u64>,
}

impl WarmUp {
    /// Most messages on `day`: before the start as many as on the first day, after the end any number.
    pub fn most(&self, day: NaiveDate) -> Option<u64> {
        let passed = usize::try_from((day - self.start).num_days()).unwrap_or(0);
        self.days.get(passed).copied()
    }

    /// The day after the last.
    pub fn end(&self) -> Option<NaiveDate> {
        self.start.checked_add_days(Days::new(self.days.len() as u64))
    }
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

    /// The time from one message to the next.
    pub fn interval(self) -> Duration {
        self.per / self.messages
    }

    /// Messages a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.messages) / self.per.as_secs_f64()
    }
}
