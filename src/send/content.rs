//! A message made ready for the wire: checked, dots stuffed, ended by the lone dot. Once per message, before any relay is spoken to.

use memchr::memmem;

use crate::model::EmailAddress;

/// Longest line without its CR LF (RFC 5322 section 2.1.1).
const LINE_BYTES_MAX: usize = 998;

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
    pub fn new(from: EmailAddress, to: EmailAddress, message: &[u8]) -> Result<Self, String> {
        check_lines(message)?;
        let wire = stuff(message);
        Ok(Self { from, to, size_bytes: message.len(), eight_bit: !message.is_ascii(), careful: false, wire })
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

fn check_lines(message: &[u8]) -> Result<(), String> {
    let mut start = 0;
    for at in memchr::memchr2_iter(b'\r', b'\n', message) {
        // A LF is looked at together with its CR; alone it is bare, as is a CR that nothing or something else follows.
        let fits = match message[at] {
            b'\r' => message.get(at + 1) == Some(&b'\n'),
            _ => at > 0 && message[at - 1] == b'\r',
        };
        if !fits {
            return Err(format!("the message has a bare CR or LF at byte {at}"));
        }
        if message[at] == b'\n' {
            start = at + 1;
        } else if at - start > LINE_BYTES_MAX {
            return Err(format!("the message has a line of {} bytes at byte {start}; {LINE_BYTES_MAX} are allowed", at - start));
        }
    }
    if message.len() - start > LINE_BYTES_MAX {
        return Err(format!("the last line of the message has more than {LINE_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// Doubles the dot at the head of every line that has one, ends the last line, and adds the final dot.
fn stuff(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    if message.starts_with(b".") {
        wire.push(b'.');
    }
    let mut from = 0;
    for at in memmem::find_iter(message, b"\r\n.") {
        wire.extend_from_slice(&message[from..at + 3]);
        wire.push(b'.');
        from = at + 3;
    }
    wire.extend_from_slice(&message[from..]);
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
