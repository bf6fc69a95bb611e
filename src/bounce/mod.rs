//! Mail that comes to us: what a message means. Nothing here writes, and nothing answers by mail.
//!
//! So far one kind is understood: somebody writes to the address for leaving (`[bounce] unsubscribe`, with a token behind a `+`).

mod head;

use crate::model::EmailAddress;
use crate::model::link::SHORT_CHARS;

pub use head::{Head, read_head};

/// Headers in which a mail server, or the sender, names whom a message is for.
const RECIPIENTS: [&str; 6] = ["delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc"];

/// What a message means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Whoever holds these tokens wants to leave; whether they are ours is still to be found out.
    Leave(Vec<String>),
    /// Nothing that is to be done: why.
    Nothing(&'static str),
}

/// Judges a message by its head. `leave_at` is the address for leaving.
pub fn judge(head: &Head, leave_at: &EmailAddress) -> Verdict {
    if let Some(why) = answers_by_itself(head) {
        return Verdict::Nothing(why);
    }
    let mut found: Vec<String> = Vec::new();
    for token in RECIPIENTS.iter().flat_map(|name| head.all(name)).flat_map(|value| tokens(value, leave_at)) {
        if !found.contains(&token) {
            found.push(token);
        }
    }
    if found.is_empty() { Verdict::Nothing("it is not to the address for leaving, or has no token there") } else { Verdict::Leave(found) }
}

/// Why a message was written by a program in answer to another one: it means nothing, whoever it is to.
/// `auto-generated` is no such answer: a provider whose reader pressed "unsubscribe" writes so (RFC 3834).
fn answers_by_itself(head: &Head) -> Option<&'static str> {
    let says =
        |name: &str, words: &[&str]| head.all(name).any(|value| words.iter().any(|word| first_word(value).eq_ignore_ascii_case(word)));
    if says("auto-submitted", &["auto-replied", "auto-notified"])
        || says("precedence", &["auto_reply"])
        || head.all("x-autoreply").chain(head.all("x-autorespond")).next().is_some()
    {
        return Some("it is an automatic answer");
    }
    says("content-type", &["multipart/report"]).then_some("it is a report on a delivery, which this version does not read")
}

/// What stands before the first blank, `;` or `,`.
fn first_word(value: &str) -> &str {
    value.trim_start().split([' ', '\t', ';', ',']).next().unwrap_or_default()
}

/// The tokens in `local+TOKEN@domain`, wherever such an address stands in a header.
fn tokens(value: &str, leave_at: &EmailAddress) -> Vec<String> {
    let value = value.to_ascii_lowercase();
    let (before, behind) = (format!("{}+", leave_at.local().to_ascii_lowercase()), format!("@{}", leave_at.domain()));
    let token = |(at, _): (usize, &str)| {
        // What stands before must not be part of a longer address.
        let starts = !value[..at].ends_with(|c: char| c.is_alphanumeric() || "._+-".contains(c));
        let rest = value.get(at + before.len()..)?;
        let (token, rest) = (rest.get(..SHORT_CHARS)?, rest.get(SHORT_CHARS..)?);
        let ends = rest.strip_prefix(&behind).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "-.".contains(c)));
        (starts && ends).then(|| token.to_owned())
    };
    value.match_indices(&before).filter_map(token).collect()
}
