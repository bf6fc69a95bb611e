//! The head of a message as it came, from whomever: read in bounded memory, taken apart without trust.

use std::io::{Read, Result, copy, sink};

/// So much of a message is looked at: its head is far smaller, and what is longer is not written by a mail program.
const HEAD_BYTES_MAX: u64 = 256 * 1024;

/// Header fields, unfolded, in their order; names in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head(Vec<(String, String)>);

/// Reads a whole message and keeps its head. The rest is read too, because a mail server whose pipe breaks takes the delivery for failed.
pub fn read_head(mut input: impl Read) -> Result<Head> {
    let mut bytes = Vec::new();
    input.by_ref().take(HEAD_BYTES_MAX).read_to_end(&mut bytes)?;
    copy(&mut input, &mut sink())?;
    Ok(Head::parse(&bytes))
}

impl Head {
    /// Takes the beginning of a message apart: lines end with LF or CR LF, up to the first empty one. What is no field ("From ann@… Mon Nov 23",
    /// as mail servers write in front) is passed over.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
            if line.is_empty() {
                break;
            }
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push_str(&line);
                }
                continue;
            }
            match line.split_once(':') {
                Some((name, value)) if name.bytes().all(|b| b.is_ascii_graphic()) => {
                    fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                _ => {}
            }
        }
        Self(fields)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
