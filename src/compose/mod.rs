//! Issue + reader → finished message. Compiled once, spliced per reader; the full path stays as the reference.

mod context;
mod full;
mod headers;
mod html;
mod links;
mod mime;

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
pub struct Compiled {
    shared: full::Shared,
    lints: Faults,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("lints", &self.lints).finish_non_exhaustive()
    }
}

impl Compiled {
    /// Compiles; refuses an Issue that no reader could be sent (template errors, over the limits). Everything Tera can do without a reader is done here.
    pub fn new(frozen: &Frozen, list: &ListId) -> Result<Self, Faults> {
        Ok(Self { shared: full::Shared::new(frozen, list)?, lints: Faults::default() })
    }

    /// Appends the finished message for `reader` (RFC 5322, CR LF, 7 bit, not dot-stuffed) to `out`.
    pub fn message(&self, reader: &Reader, date: Timestamp, out: &mut Vec<u8>) -> Result<(), ComposeError> {
        let start = out.len();
        let result = self.shared.message(reader, date, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// What the reader sees, by the full path.
    pub fn render(&self, reader: &Reader) -> Result<Rendered, ComposeError> {
        self.shared.render(reader)
    }

    /// Why this Issue takes the full path for every reader, if it does: lints at file:line.
    pub fn lints(&self) -> &Faults {
        &self.lints
    }
}

/// The message for one reader by the full path: render, inline, link, encode, all anew. The reference.
pub fn full(frozen: &Frozen, list: &ListId, reader: &Reader, date: Timestamp) -> Result<Vec<u8>, ComposeError> {
    let shared = full::Shared::new(frozen, list).map_err(|faults| ComposeError(faults.to_string()))?;
    let mut out = Vec::new();
    shared.message(reader, date, &mut out)?;
    Ok(out)
}
