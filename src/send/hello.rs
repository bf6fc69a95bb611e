//! What a server offers in its answer to EHLO. Pure.

use lettre::transport::smtp::authentication::Mechanism;

use super::reply::RawReply;

/// The offers we know how to use. After HELO: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// SIZE (RFC 1870) is announced.
    pub size: bool,
    /// Its limit; nothing when none was said.
    pub size_bytes_max: Option<u64>,
    /// AUTH mechanisms we speak.
    pub auth: Vec<Mechanism>,
}

impl Hello {
    /// Reads the lines behind the first (which is the server's name). Keywords come in any case, AUTH also in its old form `AUTH=`.
    pub fn parse(reply: &RawReply) -> Self {
        let mut hello = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase().replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("PIPELINING") => hello.pipelining = true,
                Some("CHUNKING") => hello.chunking = true,
                Some("8BITMIME") => hello.eight_bit_mime = true,
                Some("SMTPUTF8") => hello.smtputf8 = true,
                Some("STARTTLS") => hello.starttls = true,
                Some("SIZE") => {
                    hello.size = true;
                    hello.size_bytes_max = words.next().and_then(|size| size.parse().ok()).filter(|&size| size > 0);
                }
                Some("AUTH") => hello.auth.extend(words.filter_map(mechanism)),
                _ => {}
            }
        }
        hello
    }
}

fn mechanism(word: &str) -> Option<Mechanism> {
    match word {
        "PLAIN" => Some(Mechanism::Plain),
        "LOGIN" => Some(Mechanism::Login),
        _ => None,
    }
}
