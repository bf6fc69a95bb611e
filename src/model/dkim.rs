//! DKIM: the domain that answers for our mail, and the keys it signs with (RFC 6376, RFC 8463).
//! What of a message is signed is the matter of `compose`.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;

use super::email::parse_domain;

/// Longest string inside a TXT record (RFC 1035 section 3.3.14).
const TXT_STRING_MAX: usize = 255;
/// Longest selector: with `._domainkey.` and a domain it must stay a DNS name.
const SELECTOR_MAX: usize = 100;

/// `[dkim]`: who signs, with one key or with two.
#[derive(Debug)]
pub struct Dkim {
    /// The signing domain, d=.
    pub domain: String,
    /// RSA first, which every receiver can verify; then Ed25519, if there is one.
    pub keys: Vec<Key>,
}

impl Dkim {
    /// Parses a signing domain.
    pub fn parse_domain(text: &str) -> Result<String, String> {
        parse_domain(text)
            .map_err(|reason| format!("{reason}\nwrite the part of your From addresses behind the @, such as letters.example.com"))
    }

    /// Whether mail from `from_domain` is signed by its own domain or one above it, as DMARC wants it.
    pub fn covers(&self, from_domain: &str) -> bool {
        from_domain.strip_suffix(self.domain.as_str()).is_some_and(|below| below.is_empty() || below.ends_with('.'))
    }
}

/// The two ways to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-sha256` (RFC 6376).
    Rsa,
    /// `ed25519-sha256` (RFC 8463).
    Ed25519,
}

impl Algorithm {
    /// As a signature's a= says it.
    pub const fn signature_name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }

    /// As a DNS record's k= says it.
    pub const fn key_name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// As people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// Which of a domain's keys is meant, s=: one or more DNS labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(String);

impl Selector {
    /// Parses a selector.
    pub fn parse(text: &str) -> Result<Self, String> {
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.len() <= SELECTOR_MAX && text.split('.').all(label_fits) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!("{text:?} is not a selector\na selector is a word of letters, digits and hyphens, such as \"postrider\" or \"s2026\""))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the DNS record for this selector at `domain`.
    pub fn record_name(&self, domain: &str) -> String {
        format!("{}._domainkey.{domain}", self.0)
    }
}

/// A private key under its selector. It never prints.
pub struct Key {
    /// Where receivers find the public half.
    pub selector: Selector,
    secret: Secret,
}

enum Secret {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {} ***)", self.selector.0, self.algorithm().signature_name())
    }
}

/// What the name server says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// This key's public half.
    Matches,
    /// This key's public half, and that receivers should not rely on it yet (t=y).
    Testing,
    /// No record.
    Missing,
    /// Another key.
    Differs,
    /// An empty p=: the key was withdrawn.
    Revoked,
}

impl Key {
    /// Reads a private key in PEM: PKCS#8, and for RSA also PKCS#1. A second line of the error is a hint.
    pub fn read(algorithm: Algorithm, selector: Selector, pem: &[u8]) -> Result<Self, String> {
        if pem.windows(9).any(|window| window == b"ENCRYPTED") {
            return Err("the key is locked with a passphrase\nunlock it: openssl pkey -in KEY -out UNLOCKED".to_owned());
        }
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
            "there is no private key in PEM form\nit begins with -----BEGIN PRIVATE KEY-----; `postrider dkim generate` makes one"
                .to_owned()
        })?;
        let secret = match (algorithm, &der) {
            (Algorithm::Rsa, PrivateKeyDer::Pkcs1(der)) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()), None),
            (Algorithm::Rsa, PrivateKeyDer::Pkcs8(der)) => {
                rsa(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()), ed25519(der.secret_pkcs8_der()))
            }
            (Algorithm::Ed25519, PrivateKeyDer::Pkcs8(der)) => ed25519(der.secret_pkcs8_der())
                .map(Secret::Ed25519)
                .ok_or_else(|| "this is not an Ed25519 key\nmake one: postrider dkim generate --ed25519".to_owned()),
            _ => Err(format!("this is not an {} key\n`postrider dkim generate` makes one", algorithm.title())),
        };
        Ok(Self { selector, secret: secret? })
    }

    /// Makes a new key (RSA: 2048 bits) and gives it with its PEM, PKCS#8 as openssl writes it.
    pub fn generate(algorithm: Algorithm, selector: Selector) -> Result<(Self, SecretString), String> {
        let failed = |_| "the system has no random numbers to make a key of".to_owned();
        match algorithm {
            Algorithm::Rsa => {
                let pair = RsaKeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?;
                let der = pair.as_der().map_err(failed)?;
                let pem = pem(der.as_ref());
                Ok((Self { selector, secret: Secret::Rsa(Box::new(pair)) }, pem))
            }
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                let der = pair.to_pkcs8v1().map_err(failed)?;
                let pem = pem(der.as_ref());
                Ok((Self { selector, secret: Secret::Ed25519(pair) }, pem))
            }
        }
    }

    /// How it signs.
    pub const fn algorithm(&self) -> Algorithm {
        match self.secret {
            Secret::Rsa(_) => Algorithm::Rsa,
            Secret::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature of `data`, whose SHA-256 both algorithms sign.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, String> {
        match &self.secret {
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature);
                signed.map_err(|_| "the RSA key cannot sign".to_owned())?;
                Ok(signature)
            }
            // RFC 8463 section 3: what Ed25519 signs is the hash, not the data.
            Secret::Ed25519(pair) => Ok(pair.sign(digest::digest(&digest::SHA256, data).as_ref()).as_ref().to_vec()),
        }
    }

    /// The value of the TXT record receivers look up.
    pub fn record(&self) -> String {
        format!("v=DKIM1; k={}; p={}", self.algorithm().key_name(), self.public())
    }

    /// The public half as p= has it.
    fn public(&self) -> String {
        match &self.secret {
            // The public half of a key that was accepted can always be written.
            Secret::Rsa(pair) => pair.public_key().as_der().map(|der| STANDARD.encode(der.as_ref())).unwrap_or_default(),
            Secret::Ed25519(pair) => STANDARD.encode(pair.public_key().as_ref()),
        }
    }

    /// What the texts of the TXT records at [`Selector::record_name`] say of this key.
    pub fn published(&self, texts: &[String]) -> Published {
        let records: Vec<Vec<(&str, String)>> = texts.iter().map(|text| tags(text)).filter(|tags| is_record(tags)).collect();
        let judge = |tags: &Vec<(&str, String)>| {
            let value = |name: &str| tags.iter().find(|(tag, _)| *tag == name).map(|(_, value)| value.as_str());
            let same_kind = value("k").unwrap_or("rsa") == self.algorithm().key_name();
            match value("p") {
                Some("") => Published::Revoked,
                Some(public) if same_kind && public == self.public() => {
                    let testing = value("t").is_some_and(|flags| flags.split(':').any(|flag| flag == "y"));
                    if testing { Published::Testing } else { Published::Matches }
                }
                _ => Published::Differs,
            }
        };
        let found: Vec<Published> = records.iter().map(judge).collect();
        let best = [Published::Matches, Published::Testing, Published::Revoked, Published::Differs];
        best.into_iter().find(|state| found.contains(state)).unwrap_or(Published::Missing)
    }
}

/// The tags of a record, blanks taken out of their values.
fn tags(text: &str) -> Vec<(&str, String)> {
    let tag = |part: &'_ str| part.split_once('=').map(|(_, value)| value.split_whitespace().collect::<String>());
    text.split(';').filter_map(|part| Some((part.split('=').next()?.trim(), tag(part)?))).collect()
}

/// Whether this is a DKIM record at all: a wildcard may answer with anything.
fn is_record(tags: &[(&str, String)]) -> bool {
    tags.iter().any(|(tag, _)| *tag == "p") && tags.iter().all(|(tag, value)| *tag != "v" || value == "DKIM1")
}

/// A TXT value as a zone file has it: strings of at most 255 bytes in quotes, which resolvers join again.
pub fn zone_file_strings(value: &str) -> String {
    // A record is ASCII: chunks of bytes are chunks of characters.
    let chunks = value.as_bytes().chunks(TXT_STRING_MAX).map(|chunk| format!("\"{}\"", String::from_utf8_lossy(chunk)));
    chunks.collect::<Vec<_>>().join(" ")
}

fn rsa(pair: Result<RsaKeyPair, aws_lc_rs::error::KeyRejected>, other: Option<Ed25519KeyPair>) -> Result<Secret, String> {
    match (pair, other) {
        (Ok(pair), _) => Ok(Secret::Rsa(Box::new(pair))),
        (_, Some(_)) => Err("this is an Ed25519 key\nname it with ed25519_key_file; key_file names an RSA key".to_owned()),
        (Err(_), None) => Err("this is not an RSA key of 2048 to 8192 bits\n`postrider dkim generate` makes one of 2048 bits".to_owned()),
    }
}

/// Openssl leaves the public half out, others put it in: both are read.
fn ed25519(pkcs8: &[u8]) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()
}

fn pem(der: &[u8]) -> SecretString {
    let text = STANDARD.encode(der);
    // Base64 is ASCII: chunks of bytes are chunks of characters.
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect::<String>();
    SecretString::from(format!("-----BEGIN PRIVATE KEY-----\n{lines}-----END PRIVATE KEY-----\n"))
}
