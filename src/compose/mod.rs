//! Issue + reader → finished message. Compiled once, spliced per reader; the full path stays as the reference.

mod context;
mod dkim;
mod fast;
mod full;
mod guard;
mod headers;
mod html;
mod links;
mod mime;
mod native;
mod rewrite;
mod scan;
mod splice;
mod trace;
mod tree;
mod variant;

use std::sync::Arc;

use crate::model::{Dkim, EmailAddress, Fault, Faults, Frozen, ListId, Subscriber, SubscriberId, Timestamp};
use crate::template;

/// One reader, with the links made for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// The person.
    pub subscriber: Subscriber,
    /// Leaves the List with one click (RFC 8058).
    pub unsubscribe_url: String,
    /// The address that does the same for whoever writes to it, where there is one (RFC 2369).
    pub unsubscribe_address: Option<String>,
    /// Preferences.
    pub preferences_url: String,
    /// This Issue in the browser.
    pub view_url: String,
    /// Confirms a Subscription; empty but in notices.
    pub confirm_url: String,
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
    fast: Option<fast::Fast>,
    lints: Faults,
    dkim: Option<Arc<Dkim>>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("lints", self.lints()).finish_non_exhaustive()
    }
}

impl Compiled {
    /// Compiles; refuses an Issue that no reader could be sent (template errors, over the limits). Everything Tera can do without a reader is done here.
    pub fn new(frozen: &Frozen, list: &ListId) -> Result<Self, Faults> {
        let frozen = &*frozen.share(None);
        let shared = full::Shared::new(frozen, list)?;
        let sample = sample()?;
        shared.try_out(&sample)?;
        let (fast, lints) = match fast::Fast::new(frozen, &shared, &sample) {
            Ok(fast) => (Some(fast), Faults::default()),
            Err(lints) => (None, lints),
        };
        Ok(Self { shared, fast, lints, dkim: None })
    }

    /// Its messages are signed from now on. The keys are the site's when it sends: they are no part of the frozen Issue.
    #[must_use]
    pub fn signed(self, dkim: Option<Arc<Dkim>>) -> Self {
        Self { dkim, ..self }
    }

    /// Appends the finished message for `reader` (RFC 5322, CR LF, 7 bit, not dot-stuffed) to `out`.
    pub fn message(&self, reader: &Reader, date: Timestamp, out: &mut Vec<u8>) -> Result<(), ComposeError> {
        let start = out.len();
        let result = self.either(reader, date, out).and_then(|()| match &self.dkim {
            Some(dkim) => dkim::sign(dkim, date, start, out),
            None => Ok(()),
        });
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// The fast path where it is exact, else the full one.
    fn either(&self, reader: &Reader, date: Timestamp, out: &mut Vec<u8>) -> Result<(), ComposeError> {
        if let Some(fast) = &self.fast
            && fast.message(&self.shared, reader, date, out)?
        {
            return Ok(());
        }
        self.shared.message(reader, date, out)
    }

    /// What the reader sees, by the full path.
    pub fn render(&self, reader: &Reader) -> Result<Rendered, ComposeError> {
        self.shared.render(reader)
    }

    /// Why no mail can be rendered for this reader, with its place: for whoever is to mend it. None when one can.
    pub fn fault_for(&self, reader: &Reader) -> Option<Fault> {
        self.shared.first_fault(reader)
    }

    /// Why this Issue takes the full path for every reader, if it does: lints at file:line.
    pub fn lints(&self) -> &Faults {
        self.fast.as_ref().and_then(|fast| fast.stopped()).unwrap_or(&self.lints)
    }
}

/// Somebody to try an Issue out with, who has everything but attributes.
fn sample() -> Result<Reader, Faults> {
    let email = EmailAddress::parse("reader@example.com").map_err(|why| Fault::error("sample-invalid", why))?;
    Ok(Reader {
        subscriber: Subscriber {
            id: SubscriberId(0),
            email,
            name: Some("Ann Example".to_owned()),
            attributes: serde_json::Map::new(),
            language: Some("en".to_owned()),
            timezone: Some("Europe/Berlin".to_owned()),
            created_at: Timestamp(0),
        },
        unsubscribe_url: "https://example.com/unsubscribe/sample".to_owned(),
        unsubscribe_address: None,
        preferences_url: "https://example.com/preferences/sample".to_owned(),
        view_url: "https://example.com/view/sample".to_owned(),
        confirm_url: "https://example.com/confirm/sample".to_owned(),
        message_id: "sample@example.com".to_owned(),
    })
}

/// The languages an Issue can speak to its readers in.
#[derive(Debug, Clone)]
pub struct Languages {
    known: Vec<String>,
    own: Option<String>,
}

impl Languages {
    /// Those that were frozen with it.
    pub fn of(frozen: &Frozen) -> Self {
        let known = template::languages(&frozen.templates);
        let own = template::pick(&known, frozen.language.as_ref().unwrap_or(&frozen.site.language)).map(str::to_owned);
        Self { known, own }
    }

    /// The one for a reader who wants `wanted`, when it is another than the Issue's own.
    pub fn other_for(&self, wanted: Option<&str>) -> Option<&str> {
        template::pick(&self.known, wanted?).filter(|language| self.own.as_deref() != Some(language))
    }
}

/// The message for one reader by the full path: render, inline, link, encode, all anew. The reference.
pub fn full(frozen: &Frozen, list: &ListId, reader: &Reader, date: Timestamp) -> Result<Vec<u8>, ComposeError> {
    let shared = full::Shared::new(&frozen.share(None), list).map_err(|faults| ComposeError(faults.to_string()))?;
    let mut out = Vec::new();
    shared.message(reader, date, &mut out)?;
    Ok(out)
}

/// Signs a finished message: a DKIM-Signature for each key in front of it.
pub fn sign(dkim: &Dkim, date: Timestamp, message: &mut Vec<u8>) -> Result<(), ComposeError> {
    dkim::sign(dkim, date, 0, message)
}
