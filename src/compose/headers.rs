//! The header of a message. Everything that comes from outside passes one check: nothing can add a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{ComposeError, Reader, mime};
use crate::model::email::forbidden_in_header;
use crate::model::{Frozen, ListId, Mailbox, Timestamp};

/// Longest value we write; receivers and signers cope badly with longer ones.
const VALUE_BYTES_MAX: usize = 2_000;
/// Longest link in a header: it is never folded, and a line has at most 998 octets.
const LINK_BYTES_MAX: usize = 900;
/// Longest address (RFC 5321).
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest encoded word (RFC 2047 section 2).
const WORD_MAX: usize = 75;
/// Where we begin a new line.
const LINE_MAX: usize = 76;
/// Longest text that is written as it is; longer text becomes encoded words, which can be folded.
const PLAIN_MAX: usize = 60;

/// The lines that are the same for every reader of an Issue on a List.
#[derive(Debug)]
pub(super) struct Headers {
    from: Vec<u8>,
    list: Vec<u8>,
}

impl Headers {
    /// Writes the shared lines once; refuses values that no header may carry.
    pub(super) fn new(frozen: &Frozen, id: &ListId) -> Result<Self, ComposeError> {
        let list = frozen.lists.get(id).ok_or_else(|| ComposeError(format!("the Issue does not go to the list `{id}`")))?;
        let domain = list.from.address.domain();
        let mut from = Vec::new();
        mailbox("From", &list.from, &mut from)?;
        let mut out = Vec::new();
        if let Some(reply_to) = &list.reply_to {
            mailbox("Reply-To", reply_to, &mut out)?;
        }
        named("List-Id", Some(&list.name), &format!("<{id}.{domain}>"), &mut out)?;
        link("List-Archive", &frozen.site.url, &mut out)?;
        let issue = token(&frozen.name);
        text_line("Feedback-ID", &format!("{issue}-{}:{id}:postrider:{domain}", frozen.number), &mut out);
        let language = frozen.language.as_ref().unwrap_or(&frozen.site.language);
        if !language.is_empty() && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            text_line("Content-Language", language, &mut out);
        }
        text_line("MIME-Version", "1.0", &mut out);
        text_line("Content-Type", &format!("multipart/alternative;\r\n boundary=\"{}\"", mime::BOUNDARY), &mut out);
        Ok(Self { from, list: out })
    }

    /// Appends the whole header for one reader, without the empty line behind it. `subject` is the finished field ([`subject`]).
    pub(super) fn write(&self, reader: &Reader, subject: &[u8], date: Timestamp, out: &mut Vec<u8>) -> Result<(), ComposeError> {
        out.extend_from_slice(&self.from);
        named("To", reader.subscriber.name.as_deref(), &address(reader), out)?;
        out.extend_from_slice(subject);
        text_line("Date", &date.utc().to_rfc2822(), out);
        message_id(&reader.message_id, out)?;
        leave(reader, out)?;
        text_line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click", out);
        out.extend_from_slice(&self.list);
        Ok(())
    }
}

fn address(reader: &Reader) -> String {
    format!("<{}>", reader.subscriber.email)
}

/// The Subject field. The text is already one line ([`super::full::one_line`]).
pub(super) fn subject(text: &str, out: &mut Vec<u8>) -> Result<(), ComposeError> {
    check("the subject", text)?;
    out.extend_from_slice(b"Subject: ");
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        encoded_words(text, "Subject: ".len(), out);
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Whether text can stand in a header as it is.
fn is_plain(text: &str) -> bool {
    text.len() <= PLAIN_MAX
        && text.bytes().all(|b| matches!(b, b' '..=b'~'))
        && !text.contains("=?")
        && !text.starts_with(' ')
        && !text.ends_with(' ')
}

fn mailbox(field: &str, mailbox: &Mailbox, out: &mut Vec<u8>) -> Result<(), ComposeError> {
    named(field, mailbox.name.as_deref(), &format!("<{}>", mailbox.address), out)
}

/// `Field: Name <angle>`, folded before the angle bracket when it would be too long.
fn named(field: &str, name: Option<&str>, angle: &str, out: &mut Vec<u8>) -> Result<(), ComposeError> {
    check(field, angle)?;
    let start = out.len();
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b": ");
    match name.filter(|name| !name.is_empty()) {
        None if field == "List-Id" => out.extend_from_slice(angle.as_bytes()),
        None => out.extend_from_slice(angle.trim_matches(['<', '>']).as_bytes()),
        Some(name) => {
            check("the name", name)?;
            phrase(name, out.len() - start, out);
            let line_start = out[start..].iter().rposition(|&b| b == b'\n').map_or(start, |i| start + i + 1);
            let fits = out.len() - line_start + 1 + angle.len() <= LINE_MAX;
            out.extend_from_slice(if fits { b" " } else { b"\r\n " });
            out.extend_from_slice(angle.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// A display name: as it is, quoted, or in encoded words.
fn phrase(name: &str, column: usize, out: &mut Vec<u8>) {
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~ ".contains(&b);
    if !is_plain(name) {
        encoded_words(name, column, out);
    } else if name.bytes().all(is_atom) && !name.contains("  ") {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'"');
        for byte in name.bytes() {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
}

/// RFC 2047: words of at most 75 octets on lines of at most 76, each of whole characters; Q or B, whichever is shorter.
fn encoded_words(text: &str, column: usize, out: &mut Vec<u8>) {
    let q_bytes: usize = text.bytes().map(|b| if is_q_literal(b) { 1 } else { 3 }).sum();
    let use_q = q_bytes <= text.len().div_ceil(3) * 4;
    let overhead = "=?utf-8?q??=".len();
    let mut room = WORD_MAX.saturating_sub(column + overhead);
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() || first {
        let split = fitting(rest, room, use_q);
        if !first {
            out.extend_from_slice(b"\r\n ");
        }
        word(&rest[..split], use_q, out);
        rest = &rest[split..];
        room = WORD_MAX - overhead - 1;
        first = false;
    }
}

/// How many bytes of `text`, cut between characters, fit into `room` octets once encoded; at least one character.
fn fitting(text: &str, room: usize, use_q: bool) -> usize {
    let mut end = 0;
    let mut used = 0;
    for (i, c) in text.char_indices() {
        let next = i + c.len_utf8();
        used = if use_q {
            used + text[i..next].bytes().map(|b| if is_q_literal(b) { 1 } else { 3 }).sum::<usize>()
        } else {
            next.div_ceil(3) * 4
        };
        if used > room && end > 0 {
            break;
        }
        end = next;
    }
    end
}

fn word(text: &str, use_q: bool, out: &mut Vec<u8>) {
    if use_q {
        out.extend_from_slice(b"=?utf-8?q?");
        for byte in text.bytes() {
            match byte {
                b' ' => out.push(b'_'),
                _ if is_q_literal(byte) => out.push(byte),
                _ => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
            }
        }
    } else {
        out.extend_from_slice(b"=?utf-8?b?");
        out.extend_from_slice(STANDARD.encode(text).as_bytes());
    }
    out.extend_from_slice(b"?=");
}

/// The octets Q leaves alone in a phrase (RFC 2047 section 5, rule 3), and the blank, which becomes `_`.
fn is_q_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'*' | b'+' | b'-' | b'/' | b' ')
}

fn text_line(field: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn message_id(id: &str, out: &mut Vec<u8>) -> Result<(), ComposeError> {
    let fits = |b: u8| b.is_ascii_graphic() && !b"<>()\",:;\\[]".contains(&b);
    if id.is_empty() || id.len() > 200 || !id.contains('@') || !id.bytes().all(fits) {
        return Err(ComposeError(format!("{id:?} is not a Message-ID")));
    }
    text_line("Message-ID", &format!("<{id}>"), out);
    Ok(())
}

/// A link in angle brackets, on a line of its own when it is long, never folded inside.
fn link(field: &str, url: &str, out: &mut Vec<u8>) -> Result<(), ComposeError> {
    let fits = |b: u8| b.is_ascii_graphic() && !b"<>\"\\".contains(&b);
    if url.len() > LINK_BYTES_MAX || !url.starts_with("http") || !url.bytes().all(fits) {
        return Err(ComposeError(format!("{field} needs an http(s) link of at most {LINK_BYTES_MAX} characters, not {url:?}")));
    }
    let fold = if field.len() + 4 + url.len() > LINE_MAX { "\r\n " } else { " " };
    out.extend_from_slice(format!("{field}:{fold}<{url}>\r\n").as_bytes());
    Ok(())
}

/// How to leave: the link that a mail program POSTs to, and the address that one without a way to POST writes to.
fn leave(reader: &Reader, out: &mut Vec<u8>) -> Result<(), ComposeError> {
    link("List-Unsubscribe", &reader.unsubscribe_url, out)?;
    let Some(address) = &reader.unsubscribe_address else { return Ok(()) };
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"@+-._".contains(&b);
    if address.len() > ADDRESS_BYTES_MAX || !address.contains('@') || !address.bytes().all(fits) {
        return Err(ComposeError(format!("{address:?} cannot stand in a mailto: link")));
    }
    out.truncate(out.len() - "\r\n".len());
    out.extend_from_slice(format!(",\r\n <mailto:{address}?subject=unsubscribe>\r\n").as_bytes());
    Ok(())
}

/// `text` with everything that has a meaning in a Feedback-ID replaced.
fn token(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().take(64).map(kept).collect()
}

/// Refuses what could end or add a header line.
fn check(what: &str, value: &str) -> Result<(), ComposeError> {
    if let Some(bad) = value.chars().find(|&c| forbidden_in_header(c)) {
        return Err(ComposeError(format!("{what} cannot contain {bad:?}")));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(ComposeError(format!("{what} is longer than {VALUE_BYTES_MAX} octets")));
    }
    Ok(())
}
