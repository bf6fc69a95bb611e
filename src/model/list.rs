//! List: a named audience, declared in config.toml.

use std::fmt;
use std::path::PathBuf;

use super::email::Mailbox;

/// The id of a List: lower-case letters, digits, `-` and `_`, at most 64. It goes into headers and addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ListId(String);

impl ListId {
    /// Parses an id; says what is wrong with a bad one.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_id(text).map(Self)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule for every id in config.toml: it becomes part of headers, paths and file names.
pub fn parse_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 64 {
        return Err("an id has 1 to 64 characters".to_owned());
    }
    match text.chars().find(|&c| !fits(c)) {
        Some(bad) => Err(format!("an id has only a-z, 0-9, - and _, not {bad:?}")),
        None => Ok(text.to_owned()),
    }
}

/// How a person joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptIn {
    /// A confirmation mail is answered first.
    Double,
    /// At once.
    Single,
}

/// How a person who has joined is welcomed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Welcome {
    /// Not at all.
    No,
    /// By a mail.
    Mail,
    /// By a mail with what the last Issue of the List brought.
    LastIssue,
}

/// A `[[list]]` table.
#[derive(Debug, Clone)]
pub struct List {
    /// Stable id.
    pub id: ListId,
    /// Name people see.
    pub name: String,
    /// One sentence: what one gets and how often.
    pub description: String,
    /// The From of its mails.
    pub from: Mailbox,
    /// Where answers go, if elsewhere.
    pub reply_to: Option<Mailbox>,
    /// How one joins.
    pub opt_in: OptIn,
    /// Whether whoever joins is welcomed by a mail.
    pub welcome: Welcome,
    /// Tags that readers may choose among.
    pub topics: Vec<String>,
    /// Shown on public pages.
    pub public: bool,
    /// A CSV file the List is kept in step with.
    pub subscribers: Option<PathBuf>,
}
