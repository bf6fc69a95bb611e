//! Text, addresses and dates in the forms every feed reader and the W3C feed validator accept.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, Offset, Utc};
use sha2::{Digest, Sha256};
use url::{Position, Url};

/// Drops what XML 1.0 cannot carry and what the validator calls bad characters: controls (C0, DEL, C1), U+FFFD and the
/// noncharacters. Line ends become `\n`, as an XML parser would make them.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    // Nearly every text is plain, and told so at the speed of memory; the characters are looked at only in the others.
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n');
    if text.as_bytes().iter().all(plain) || !text.chars().any(|c| c == '\r' || is_unfit(c)) {
        return Cow::Borrowed(text);
    }
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(unified.chars().filter(|&c| !is_unfit(c)).collect())
}

fn is_unfit(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    control || c == '\u{fffd}' || matches!(c, '\u{fdd0}'..='\u{fdef}') || (c as u32 & 0xfffe) == 0xfffe
}

/// `clean`, on one line.
pub(super) fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Plain text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An absolute address in the characters of RFC 3986, or nothing when the text is none. `base` resolves relative ones.
pub(super) fn uri(text: &str, base: Option<&Url>) -> Option<String> {
    let text = text.trim();
    let url = Url::options().base_url(base).parse(text).ok()?;
    let (head, tail) = (&url[..Position::BeforePath], &url[Position::BeforePath..]);
    Some(format!("{head}{}", encode(tail, "/?#[]@!$&'()*+,;=:%").replace('[', "%5B").replace(']', "%5D")))
}

/// Percent-encodes every byte but letters, digits, `-._~` and the characters of `keep`.
pub(super) fn encode(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || (c.is_ascii() && ("-._~".contains(c) || keep.contains(c))) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A date as RSS wants it (RFC 822 with a four-digit year). The validator knows no zones of odd minutes: those go to UTC.
pub(super) fn rfc822(at: &DateTime<FixedOffset>) -> String {
    let at = if at.offset().local_minus_utc() % 1800 == 0 { *at } else { at.with_timezone(&Utc.fix()) };
    at.format("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// A date as Atom and JSON Feed want it (RFC 3339): whole seconds, an offset of whole minutes.
pub(super) fn rfc3339(at: &DateTime<FixedOffset>) -> String {
    whole(at).to_rfc3339()
}

/// The same instant without what a date in a feed does not carry: fractions of seconds, offsets with seconds.
pub(super) fn whole(at: &DateTime<FixedOffset>) -> DateTime<FixedOffset> {
    let seconds = DateTime::from_timestamp(at.timestamp(), 0).unwrap_or_default();
    let zone = if at.offset().local_minus_utc() % 60 == 0 { *at.offset() } else { Utc.fix() };
    seconds.with_timezone(&zone)
}

/// What a name becomes in a path: its letters and digits in lower case, joined by hyphens, in any script.
/// `C++` and `C#` stay apart; a name without any letter gets a number of its own.
pub(super) fn slug(name: &str) -> String {
    let spelled = name.replace('+', " plus ").replace('#', " sharp ");
    let words: Vec<String> = spelled.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    // Bytes, not characters, are what file systems limit.
    let mut slug = words.join("-");
    if slug.len() > SLUG_BYTES_MAX {
        slug = format!("{}-{}", &slug[..slug.floor_char_boundary(SLUG_BYTES_MAX)], hash(name));
    }
    if slug.is_empty() { hash(name) } else { slug }
}

/// Room for a hash behind it and a suffix of a temporary file within the usual limit of 255.
const SLUG_BYTES_MAX: usize = 120;

/// Eight hexadecimal digits that stand for `text`.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
