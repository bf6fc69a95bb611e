//! Addresses and display names. What parses here is safe in a header, an envelope and a log of counts.

use std::fmt;

/// Longest local part (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Longest address: a path of 256 octets less its two angle brackets (RFC 5321 section 4.5.3.1.3).
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest display name we take; longer ones are a mistake or an attack.
const NAME_CHARS_MAX: usize = 200;

/// A mail address: `local@domain`, the domain in lower-case ASCII (punycode) with at least one dot.
/// Quoted local parts, comments and address literals are refused: they are legal, and in practice always errors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// What is wrong with an address. In English it says so itself; pages say it in the visitor's language, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressFault {
    /// There is none.
    Empty,
    /// It has a character that no address has.
    Character(char),
    /// It has no `@`.
    NoAt,
    /// What stands before the `@`, in words.
    Local(String),
    /// What stands after it, in words.
    Domain(String),
    /// It is too long.
    Long,
}

impl AddressFault {
    /// The key of its text in `locales/`.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Empty => "address-empty",
            Self::Character(_) => "address-character",
            Self::NoAt => "address-no-at",
            Self::Local(_) => "address-local",
            Self::Domain(_) => "address-domain",
            Self::Long => "address-long",
        }
    }
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the address is empty"),
            Self::Character(bad) => write!(f, "an address cannot contain {bad:?}"),
            Self::NoAt => f.write_str("an address needs an @"),
            Self::Local(why) | Self::Domain(why) => f.write_str(why),
            Self::Long => write!(f, "an address has at most {ADDRESS_BYTES_MAX} bytes"),
        }
    }
}

impl From<AddressFault> for String {
    fn from(fault: AddressFault) -> Self {
        fault.to_string()
    }
}

impl EmailAddress {
    /// Parses an address; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(AddressFault::Empty);
        }
        if let Some(bad) = text.chars().find(|&c| forbidden_in_header(c) || c.is_whitespace()) {
            return Err(AddressFault::Character(bad));
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressFault::NoAt)?;
        check_local(local).map_err(AddressFault::Local)?;
        let domain = parse_domain(domain).map_err(AddressFault::Domain)?;
        if local.len() + 1 + domain.len() > ADDRESS_BYTES_MAX {
            return Err(AddressFault::Long);
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The form under which a person is known once: the whole address in lower case.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// Whether the envelope needs SMTPUTF8 (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.0.is_ascii()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Ok(Self::parse(&text)?)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

/// dot-atom of RFC 5322 section 3.2.3, with the UTF-8 letters of RFC 6532.
fn check_local(local: &str) -> Result<(), String> {
    if local.is_empty() || local.len() > LOCAL_BYTES_MAX {
        return Err(format!("the part before the @ has 1 to {LOCAL_BYTES_MAX} bytes"));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err("the part before the @ cannot begin, end or double a dot".to_owned());
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) || (!c.is_ascii() && c.is_alphanumeric());
    match local.chars().find(|&c| !fits(c)) {
        Some(bad) => Err(format!("the part before the @ cannot contain {bad:?}")),
        None => Ok(()),
    }
}

/// A public DNS name in lower-case ASCII: at least two labels, not all digits at the end.
pub fn parse_domain(domain: &str) -> Result<String, String> {
    let wrong = || format!("{domain:?} is not a mail domain");
    if domain.starts_with('[') {
        return Err("an IP address in place of a domain is not accepted".to_owned());
    }
    let ascii = match url::Host::parse(domain) {
        Ok(url::Host::Domain(name)) => name,
        _ => return Err(wrong()),
    };
    let labels: Vec<&str> = ascii.split('.').collect();
    let label_fits = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last_is_number = labels.last().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if labels.len() < 2 || last_is_number || !labels.iter().all(label_fits) {
        return Err(wrong());
    }
    Ok(ascii)
}

/// Characters that could end or add a header line, or that no header may carry.
pub fn forbidden_in_header(c: char) -> bool {
    c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Parses a display name: trimmed, no line breaks or control characters, at most 200 characters. Empty text is no name.
pub fn parse_name(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(bad) = text.chars().find(|&c| forbidden_in_header(c)) {
        return Err(format!("a name cannot contain {bad:?}"));
    }
    if text.chars().count() > NAME_CHARS_MAX {
        return Err(format!("a name has at most {NAME_CHARS_MAX} characters"));
    }
    Ok(Some(text.to_owned()))
}

/// A name with an address: `Ann Example <ann@example.org>`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mailbox {
    /// Display name.
    pub name: Option<String>,
    /// Address.
    pub address: EmailAddress,
}

impl Mailbox {
    /// Parses `Name <address>`, `"Name" <address>` or a bare address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some(inner) = text.strip_suffix('>') else {
            return Ok(Self { name: None, address: EmailAddress::parse(text)? });
        };
        let (name, address) = inner.rsplit_once('<').ok_or("a > without a <")?;
        let name = name.trim().trim_matches('"');
        Ok(Self { name: parse_name(name)?, address: EmailAddress::parse(address)? })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}
