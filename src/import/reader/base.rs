//! Relative addresses: the document's own, and every `xml:base` inside it.

use std::cell::Cell;

use url::Url;

use super::BASE_BYTES_MAX;

/// Bytes by which making addresses absolute may lengthen a document in all: every address repeats its base, and twenty thousand entries may
/// have hundreds each. Beyond it addresses stay as they are.
const ADDED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The bases in scope, innermost last.
pub struct Bases {
    document: Option<Url>,
    inner: Vec<Url>,
    /// Bytes by which addresses may still grow.
    room: Cell<usize>,
}

impl Bases {
    /// Starts with the address the document came from.
    pub fn new(document: Option<&Url>) -> Self {
        let document = document.filter(|url| is_short(url)).cloned();
        Self { document, inner: Vec::new(), room: Cell::new(ADDED_BYTES_MAX) }
    }

    /// How many are in scope; [`Self::leave`] takes this number.
    pub fn mark(&self) -> usize {
        self.inner.len()
    }

    /// Forgets the bases noted since `mark`.
    pub fn leave(&mut self, mark: usize) {
        self.inner.truncate(mark);
    }

    /// The innermost base that the document itself gives.
    pub fn given(&self) -> Option<&Url> {
        self.inner.last()
    }

    /// The base in force.
    pub fn current(&self) -> Option<&Url> {
        self.inner.last().or(self.document.as_ref())
    }

    /// Notes an `xml:base`. Only the web's schemes count: a base of `javascript:` would turn links into scripts.
    pub fn enter(&mut self, base: &str) {
        let joined = match self.current() {
            Some(outer) => outer.join(base.trim()),
            None => Url::parse(base.trim()),
        };
        if let Ok(url) = joined
            && matches!(url.scheme(), "http" | "https" | "ftp")
            && is_short(&url)
        {
            self.inner.push(url);
        }
    }

    /// An address made absolute, where it is relative and a base is known; as given otherwise.
    pub fn resolve(&self, address: &str) -> String {
        let address = address.trim();
        if address.is_empty() || has_scheme(address) {
            return address.to_owned();
        }
        let joined = self.current().filter(|_| self.room.get() > 0).and_then(|base| base.join(address).ok());
        let Some(url) = joined else { return address.to_owned() };
        self.room.set(self.room.get().saturating_sub(url.as_str().len().saturating_sub(address.len())));
        url.into()
    }
}

fn is_short(url: &Url) -> bool {
    url.as_str().len() <= BASE_BYTES_MAX
}

/// Whether an address starts with `scheme:`.
fn has_scheme(address: &str) -> bool {
    address.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}
