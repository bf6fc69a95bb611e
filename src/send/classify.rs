//! Whose fault a refusal is. Pure: a reply in, an Outcome out; the table of docs/delivery as code.

use crate::model::outcome::{FailureClass, Outcome, Reply};

/// What a reply to RCPT, DATA or the final dot (or a refused MAIL) makes of the Delivery.
pub fn outcome(reply: Reply) -> Outcome {
    let class = class(&reply);
    match reply.code / 100 {
        2 => Outcome::Sent(reply),
        // A full mailbox is said with 552 as often as with 452, and empties.
        5 if class == FailureClass::Mailbox => Outcome::Deferred { class, reply, retry_after: None },
        5 => Outcome::Failed { class, reply },
        _ => Outcome::Deferred { class, reply, retry_after: None },
    }
}

/// Whose fault a 4xx or 5xx is.
pub fn class(reply: &Reply) -> FailureClass {
    let before_mail = matches!(reply.phase, "connect" | "ehlo" | "starttls" | "auth");
    if before_mail || reply.code == 421 || is_auth(reply.code) {
        return FailureClass::Relay;
    }
    match reply.enhanced.as_deref().and_then(subject_and_detail) {
        Some((subject, detail)) => by_enhanced(reply, subject, detail),
        None => by_code(reply),
    }
}

/// Codes that speak of our login and TLS (RFC 4954), whatever the enhanced code.
fn is_auth(code: u16) -> bool {
    matches!(code, 432 | 454 | 530 | 534 | 535 | 538)
}

fn subject_and_detail(enhanced: &str) -> Option<(u16, u16)> {
    let mut parts = enhanced.split('.').skip(1).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// By the enhanced status code (RFC 3463 and its registry).
fn by_enhanced(reply: &Reply, subject: u16, detail: u16) -> FailureClass {
    let about_the_sender = reply.phase == "mail";
    match (subject, detail) {
        (7, _) | (1, 7 | 8) => FailureClass::Policy,
        (2, 3) | (3, 4) | (6, _) => FailureClass::Content,
        (2, 2) => FailureClass::Mailbox,
        _ if about_the_sender => FailureClass::Relay,
        (1, 1 | 2 | 3 | 10) | (2, 1) if reply.code >= 500 => FailureClass::Address,
        (5, _) => FailureClass::Relay,
        _ if reply.code < 500 => FailureClass::Mailbox,
        (0, 0) => by_code(reply),
        _ => FailureClass::Other,
    }
}

/// By the code and the step alone.
fn by_code(reply: &Reply) -> FailureClass {
    match (reply.phase, reply.code) {
        ("rcpt", 552) => FailureClass::Mailbox,
        ("data" | "final", 552 | 554) | ("mail", 552) => FailureClass::Content,
        ("mail", _) | (_, 500..=504 | 555) => FailureClass::Relay,
        (_, 400..=499) => FailureClass::Mailbox,
        _ => FailureClass::Other,
    }
}
