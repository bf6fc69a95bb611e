//! SMTP replies off the wire: multi-line, with or without an enhanced code, in any bytes. Pure.

use crate::model::outcome::Reply;

/// Longest reply we read; RFC 5321 allows 512 octets a line, and no sane reply has hundreds of lines.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// What the store keeps of a reply's text.
const TEXT_CHARS_MAX: usize = 500;

/// One whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReply {
    /// The code of its last line.
    pub code: u16,
    /// Its lines without codes.
    pub lines: Vec<String>,
}

/// What came is not SMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled;

impl RawReply {
    /// Takes the first whole reply off the front of `input`: the reply and how many bytes it had. Nothing when it is not all there.
    pub fn take(input: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &input[at..]) {
            let line = input[at..at + end].strip_suffix(b"\r").unwrap_or(&input[at..at + end]);
            at += end + 1;
            let (code, more, text) = parse_line(line)?;
            lines.push(String::from_utf8_lossy(text).into_owned());
            if !more {
                return Ok(Some((Self { code, lines }, at)));
            }
        }
        if input.len() > REPLY_BYTES_MAX { Err(Garbled) } else { Ok(None) }
    }

    /// Whether it accepts: 2xx.
    pub fn is_ok(&self) -> bool {
        self.code / 100 == 2
    }

    /// The reply as the store keeps it.
    pub fn to_reply(&self, phase: &'static str) -> Reply {
        let enhanced = self.enhanced();
        let lines = self.lines.iter().enumerate().map(|(i, line)| match enhanced {
            // Servers repeat the enhanced code on every line; once is enough for people.
            Some(code) if i > 0 => line.strip_prefix(code).map_or(line.as_str(), str::trim_start),
            _ => line.as_str(),
        });
        Reply { code: self.code, enhanced: enhanced.map(str::to_owned), text: clean(&lines.collect::<Vec<_>>().join(" ")), phase }
    }

    /// The enhanced status code, when it agrees with the code (RFC 2034 section 4).
    fn enhanced(&self) -> Option<&str> {
        let word = self.lines.first()?.split_ascii_whitespace().next()?;
        let mut parts = word.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let fits = parts.next().is_none() && class == (self.code / 100).to_string() && number(subject) && number(detail);
        fits.then_some(word)
    }
}

/// A reply that was never read: what happened instead.
pub fn no_reply(phase: &'static str, text: &str) -> Reply {
    Reply { code: 0, enhanced: None, text: clean(text), phase }
}

/// One line, without control characters, cut to what the store keeps.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// Code, whether more lines follow, and the text.
fn parse_line(line: &[u8]) -> Result<(u16, bool, &[u8]), Garbled> {
    let digits = line.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit)).ok_or(Garbled)?;
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if !(200..600).contains(&code) {
        return Err(Garbled);
    }
    match line.get(3) {
        None => Ok((code, false, &[])),
        Some(b' ') => Ok((code, false, &line[4..])),
        Some(b'-') => Ok((code, true, &line[4..])),
        Some(_) => Err(Garbled),
    }
}
