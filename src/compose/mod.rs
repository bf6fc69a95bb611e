//! Issue + reader → finished message. Compiled once, spliced per reader; the full path stays as the reference.

use crate::model::{Faults, Frozen, ListId, Subscriber, Timestamp};

/// One reader, with the links made for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// The person.
    pub subscriber: Subscriber,
    /// Leaves the List with one click (RFC 8058).
    pub unsubscribe_url: String,
    /// Preferences.
    pub preferences_url: String,
    /// This Issue in the browser.
    pub view_url: String,
    /// Message-ID without angle brackets, the same for every Attempt of this Delivery.
    pub message_id: String,
}

/// What a reader sees, before MIME: for previews and as the reference of every test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject, one line.
    pub subject: String,
    /// Preheader, one line.
    pub preheader: String,
    /// HTML with CSS inlined.
    pub html: String,
    /// Plain text.
    pub text: String,
}

/// Why a message could not be made for one reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ComposeError(pub String);

/// An Issue compiled for one List: shared by all workers, `Send + Sync`.
#[derive(Debug)]
pub struct Compiled {}

impl Compiled {
    /// Compiles; refuses an Issue that no reader could be sent (template errors, over the limits). Everything Tera can do without a reader is done here.
    pub fn new(frozen: &Frozen, list: &ListId) -> Result<Self, Faults> {
        let _ = (frozen, list);
        todo!()
    }

    /// Appends the finished message for `reader` (RFC 5322, CR LF, 7 bit, not dot-stuffed) to `out`.
    pub fn message(&self, reader: &Reader, date: Timestamp, out: &mut Vec<u8>) -> Result<(), ComposeError> {
        let _ = (reader, date, out);
        todo!()
    }

    /// What the reader sees, by the full path.
    pub fn render(&self, reader: &Reader) -> Result<Rendered, ComposeError> {
        let _ = reader;
        todo!()
    }

    /// Why this Issue takes the full path for every reader, if it does: lints at file:line.
    pub fn lints(&self) -> &Faults {
        todo!()
    }
}

/// The message for one reader by the full path: render, inline, link, encode, all anew. The reference.
pub fn full(frozen: &Frozen, list: &ListId, reader: &Reader, date: Timestamp) -> Result<Vec<u8>, ComposeError> {
    let _ = (frozen, list, reader, date);
    todo!()
}
