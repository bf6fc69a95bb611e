//! Signs a finished message (RFC 6376, RFC 8463): relaxed/relaxed, SHA-256, no l=. Whatever path made the message, this
//! sees only its octets. Everything here is one pass over them: nothing recurses, whatever a header holds.

use std::ops::Range;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ComposeError;
use crate::model::dkim::Key;
use crate::model::{Dkim, Timestamp};

/// Signed as often as they stand there, and once more: a second one, put in on the way, breaks the signature. It could
/// otherwise show a reader another sender, subject, addressee or body than the signed one.
const OVERSIGNED: [&str; 10] =
    ["from", "reply-to", "subject", "to", "cc", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding"];
/// Signed where they stand there. A mailing list that one of our readers is may add its own.
const SIGNED: [&str; 6] = ["list-id", "list-archive", "list-unsubscribe", "list-unsubscribe-post", "feedback-id", "content-language"];
/// Where a line of a signature is folded.
const LINE_MAX: usize = 76;
/// Characters of a signature on one line.
const BASE64_LINE: usize = 72;
/// How much of a body is looked at in one go; short enough to be looked at twice where there is something to change.
const BLOCK: usize = 128;

/// Puts a DKIM-Signature for each key in front of the message that begins at `start` of `out`.
pub(super) fn sign(dkim: &Dkim, date: Timestamp, start: usize, out: &mut Vec<u8>) -> Result<(), ComposeError> {
    let message = &out[start..];
    let (fields, body) = split(message)?;
    let (names, signed) = headers(message, &fields);
    let body_hash = body_hash(&message[body]);
    let mut signatures = Vec::with_capacity(1_500 * dkim.keys.len());
    for key in &dkim.keys {
        let from = signatures.len();
        unsigned(dkim, key, date, &names, &body_hash, &mut signatures);
        let mut data = signed.clone();
        let colon = from + "DKIM-Signature".len();
        relaxed(b"dkim-signature", &signatures[colon + 1..], &mut data);
        let signature = key.sign(&data).map_err(ComposeError)?;
        fold_base64(&STANDARD.encode(signature), &mut signatures);
        signatures.extend_from_slice(b"\r\n");
    }
    out.splice(start..start, signatures);
    Ok(())
}

/// A header field: its name, and what stands behind the colon, without the last line break.
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// The fields of a message and where its body begins.
fn split(message: &[u8]) -> Result<(Vec<Field>, Range<usize>), ComposeError> {
    let mut fields: Vec<Field> = Vec::with_capacity(20);
    let mut at = 0;
    while at < message.len() {
        let end = memchr::memmem::find(&message[at..], b"\r\n").map_or(message.len(), |i| at + i);
        let next = (end + 2).min(message.len());
        if end == at {
            return Ok((fields, next..message.len()));
        }
        match (fields.last_mut(), is_blank(message[at])) {
            (Some(field), true) => field.value.end = end,
            (_, _) => {
                let colon = memchr::memchr(b':', &message[at..end]).filter(|colon| *colon > 0);
                let colon = at + colon.ok_or_else(|| ComposeError("a line of the header is no header field".to_owned()))?;
                fields.push(Field { name: at..colon, value: colon + 1..end });
            }
        }
        at = next;
    }
    Ok((fields, message.len()..message.len()))
}

/// The names for h=, and the canonical fields in the same order.
fn headers(message: &[u8], fields: &[Field]) -> (Vec<&'static str>, Vec<u8>) {
    let mut names = Vec::with_capacity(32);
    let mut canonical = Vec::with_capacity(4_096);
    for (name, is_oversigned) in OVERSIGNED.iter().map(|name| (*name, true)).chain(SIGNED.iter().map(|name| (*name, false))) {
        // Several of one name are taken from the last to the first (RFC 6376 section 5.4.2).
        let same = |field: &&Field| message[field.name.clone()].trim_ascii_end().eq_ignore_ascii_case(name.as_bytes());
        for field in fields.iter().rev().filter(same) {
            names.push(name);
            relaxed(name.as_bytes(), &message[field.value.clone()], &mut canonical);
            canonical.extend_from_slice(b"\r\n");
        }
        if is_oversigned {
            names.push(name);
        }
    }
    (names, canonical)
}

/// Appends a field in canonical form (RFC 6376 section 3.4.2): unfolded, blanks made one, without its line break.
fn relaxed(lower_name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(lower_name);
    out.push(b':');
    let words = value.split(|&b| is_blank(b) || b == b'\r' || b == b'\n').filter(|word| !word.is_empty());
    for (i, word) in words.enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// bh=: the hash of the canonical body (RFC 6376 section 3.4.4): runs of blanks made one, none at the end of a line,
/// and no empty lines at the end.
fn body_hash(body: &[u8]) -> String {
    let mut hash = Context::new(&SHA256);
    let end = body.iter().rposition(|&b| !is_blank(b) && b != b'\r' && b != b'\n').map_or(0, |last| last + 1);
    let body = &body[..end];
    let mut done = 0;
    while let Some(at) = next_change(body, done) {
        hash.update(&body[done..at]);
        done = at + body[at..].iter().take_while(|&&b| is_blank(b)).count();
        if body.get(done) != Some(&b'\r') {
            hash.update(b" ");
        }
    }
    hash.update(&body[done..]);
    if !body.is_empty() {
        hash.update(b"\r\n");
    }
    STANDARD.encode(hash.finish().as_ref())
}

/// Where the next blank is that must not stay as it is. Whole blocks are looked at without a branch, which the compiler
/// turns into vector instructions: most of them have none.
fn next_change(body: &[u8], from: usize) -> Option<usize> {
    let mut start = from;
    while start + 1 < body.len() {
        let end = (start + BLOCK).min(body.len() - 1);
        let pairs = || body[start..end].iter().zip(&body[start + 1..=end]);
        if pairs().fold(false, |found, (&blank, &next)| found | changes(blank, next)) {
            return pairs().position(|(&blank, &next)| changes(blank, next)).map(|i| start + i);
        }
        start = end;
    }
    None
}

const fn changes(blank: u8, next: u8) -> bool {
    (blank == b'\t') | ((blank == b' ') & ((next == b' ') | (next == b'\t') | (next == b'\r')))
}

const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Appends a DKIM-Signature up to its empty b=, which comes last: so nothing stands behind what is left out of the signed text.
fn unsigned(dkim: &Dkim, key: &Key, date: Timestamp, names: &[&str], body_hash: &str, out: &mut Vec<u8>) {
    let algorithm = key.algorithm().signature_name();
    let (domain, selector, time) = (&dkim.domain, key.selector.as_str(), date.utc().timestamp());
    let head = format!("DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed; t={time};\r\n d={domain}; s={selector};\r\n h=");
    out.extend_from_slice(head.as_bytes());
    let mut column = " h=".len();
    for (i, name) in names.iter().enumerate() {
        let last = i + 1 == names.len();
        if i > 0 && column + name.len() + 1 > LINE_MAX {
            out.extend_from_slice(b"\r\n ");
            column = 1;
        }
        out.extend_from_slice(name.as_bytes());
        out.push(if last { b';' } else { b':' });
        column += name.len() + 1;
    }
    out.extend_from_slice(format!("\r\n bh={body_hash};\r\n b=").as_bytes());
}

fn fold_base64(text: &str, out: &mut Vec<u8>) {
    for (i, line) in text.as_bytes().chunks(BASE64_LINE).enumerate() {
        if i > 0 {
            out.extend_from_slice(b"\r\n ");
        }
        out.extend_from_slice(line);
    }
}
