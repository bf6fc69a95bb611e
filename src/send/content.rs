//! A message made ready for the wire: checked, dots stuffed, ended by the lone dot. Once per message, before any relay is spoken to.

use memchr::memmem;

use crate::model::EmailAddress;

/// Longest line without its CR LF (RFC 5322 section 2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// Bytes counted at a time: fewer than a byte can count.
const BLOCK: usize = 240;
/// So many whole blocks without a feed may be a line that is too long; two of them with parts of two others have 958 bytes at most.
const BLOCKS_WITHOUT_FEED_MAX: usize = 3;

/// An envelope with one recipient and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Return path.
    pub from: EmailAddress,
    /// Recipient.
    pub to: EmailAddress,
    /// Size of the message itself, as SIZE= counts it.
    pub size_bytes: usize,
    /// Whether it has bytes above 127.
    pub eight_bit: bool,
    /// Its recipient's domain refuses so many that DATA waits for the answer to RCPT.
    pub careful: bool,
    /// The stuffed content with its final dot.
    pub(super) wire: Vec<u8>,
}

impl Mail {
    /// Makes `message` (RFC 5322, CR LF) ready. Bare CR or LF could smuggle a second message, so they are refused, as are lines no server must take.
    pub fn new(from: EmailAddress, to: EmailAddress, message: Vec<u8>) -> Result<Self, String> {
        let survey = Survey::of(&message);
        let dotted = if survey.tame { Vec::new() } else { dotted_lines(&message)? };
        let (size_bytes, eight_bit) = (message.len(), survey.eight_bit);
        Ok(Self { from, to, size_bytes, eight_bit, careful: false, wire: stuff(message, &dotted) })
    }

    /// Adds `BDAT n LAST` and the content as BDAT carries it: without stuffing and without the final dot.
    pub(super) fn push_chunk(&self, out: &mut Vec<u8>) {
        let stuffed = self.wire.strip_suffix(b".\r\n").unwrap_or(&self.wire);
        let doubled: Vec<usize> = memmem::find_iter(stuffed, b"\r\n.").map(|at| at + 2).collect();
        let mut from = usize::from(stuffed.starts_with(b"."));
        out.extend_from_slice(format!("BDAT {} LAST\r\n", stuffed.len() - from - doubled.len()).as_bytes());
        for at in doubled {
            out.extend_from_slice(&stuffed[from..at]);
            from = at + 1;
        }
        out.extend_from_slice(&stuffed[from..]);
    }

    /// Whether the envelope needs SMTPUTF8.
    pub fn needs_smtputf8(&self) -> bool {
        self.from.needs_smtputf8() || self.to.needs_smtputf8()
    }
}

/// What one fast look at a message tells: most need no second.
struct Survey {
    /// Every line break is CR LF, no line begins with a dot, and none is long.
    tame: bool,
    eight_bit: bool,
}

impl Survey {
    /// Counts in blocks, so that the compiler makes vectors of it.
    fn of(message: &[u8]) -> Self {
        let (mut feeds, mut returns, mut pairs, mut dots, mut high) = (0, 0, 0, usize::from(message.first() == Some(&b'.')), 0_u8);
        let (mut without, mut long) = (0, false);
        for start in (0..message.len()).step_by(BLOCK) {
            let here = &message[start..message.len().min(start + BLOCK)];
            let (mut feed, mut cr, mut pair, mut dot) = (0_u8, 0_u8, 0_u8, 0_u8);
            for byte in here {
                feed += u8::from(*byte == b'\n');
                cr += u8::from(*byte == b'\r');
                high |= byte;
            }
            for (byte, next) in here.iter().zip(&message[start + 1..]) {
                pair += u8::from((*byte == b'\r') & (*next == b'\n'));
                dot += u8::from((*byte == b'\n') & (*next == b'.'));
            }
            feeds += usize::from(feed);
            returns += usize::from(cr);
            pairs += usize::from(pair);
            dots += usize::from(dot);
            without = if feed == 0 { without + 1 } else { 0 };
            long |= without == BLOCKS_WITHOUT_FEED_MAX;
        }
        Self { tame: feeds == pairs && returns == pairs && dots == 0 && !long, eight_bit: high >= 0x80 }
    }
}

/// Where lines begin with a dot, once every line is found to be one that every server takes.
fn dotted_lines(message: &[u8]) -> Result<Vec<usize>, String> {
    let (mut dotted, mut start, mut lines) = (Vec::new(), 0, 0);
    for end in memchr::memchr_iter(b'\n', message).chain(std::iter::once(message.len())) {
        if message.get(start) == Some(&b'.') {
            dotted.push(start);
        }
        let is_last = end == message.len();
        if !is_last && (end == start || message[end - 1] != b'\r') {
            return Err(bare(end));
        }
        let length = if is_last { end - start } else { end - 1 - start };
        if length > LINE_BYTES_MAX {
            return Err(format!("the message has a line of {length} bytes at byte {start}; {LINE_BYTES_MAX} are allowed"));
        }
        lines += usize::from(!is_last);
        start = end + 1;
    }
    // Each LF has its CR, so one CR too many is a bare one: only then it is worth looking for.
    if memchr::memchr_iter(b'\r', message).count() != lines {
        let lone = |at: &usize| message.get(at + 1) != Some(&b'\n');
        return Err(bare(memchr::memchr_iter(b'\r', message).find(lone).unwrap_or_default()));
    }
    Ok(dotted)
}

fn bare(at: usize) -> String {
    format!("the message has a bare CR or LF at byte {at}")
}

/// Doubles the dots at `dotted`, ends the last line, and adds the final dot.
fn stuff(message: Vec<u8>, dotted: &[usize]) -> Vec<u8> {
    let ended = message.is_empty() || message.ends_with(b"\n");
    let mut wire = message;
    if !dotted.is_empty() {
        let message = std::mem::take(&mut wire);
        wire.reserve(message.len() + dotted.len() + 5);
        let mut from = 0;
        for at in dotted {
            wire.extend_from_slice(&message[from..*at]);
            wire.push(b'.');
            from = *at;
        }
        wire.extend_from_slice(&message[from..]);
    }
    if !ended {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
