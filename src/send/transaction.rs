//! What the answers to one envelope mean. Pure: answers in, the next step out; rules 5, 8 and 9 of the driver as one table.

use super::classify;
use super::reply::RawReply;
use super::smtp::Fate;
use crate::model::outcome::Outcome;

/// The answers to RSET (when it was said), MAIL, RCPT and DATA; nothing where the connection ended first or the command was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// To RSET.
    pub rset: Option<RawReply>,
    /// To MAIL.
    pub mail: Option<RawReply>,
    /// To RCPT.
    pub rcpt: Option<RawReply>,
    /// To DATA.
    pub data: Option<RawReply>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send the content.
    Content,
    /// Refused in good order; RSET before the next MAIL.
    Refused(Outcome),
    /// Refused, and the server waits for content: a lone dot, then RSET.
    LoneDot(Outcome),
    /// Close the connection without another word of content.
    Close(Outcome, Fate),
}

impl Answers {
    /// The next step. A 503 or 554 after a refusal in the same envelope only follows from it and is never the reason.
    pub fn judge(&self) -> Step {
        if self.rset.as_ref().is_some_and(|reply| !reply.is_ok()) {
            return Step::Close(Outcome::NotSent, Fate::Distrusted);
        }
        let Some(mail) = &self.mail else { return Step::Close(Outcome::NotSent, Fate::Lost) };
        if !mail.is_ok() {
            return self.mail_refused(mail);
        }
        let Some(rcpt) = &self.rcpt else { return Step::Close(Outcome::NotSent, Fate::Lost) };
        if !rcpt.is_ok() {
            return self.rcpt_refused(rcpt);
        }
        match &self.data {
            None => Step::Close(Outcome::NotSent, Fate::Lost),
            Some(data) if data.code == 354 => Step::Content,
            Some(data) => refused_by(data, "data"),
        }
    }

    fn mail_refused(&self, mail: &RawReply) -> Step {
        let recipient_taken = self.rcpt.as_ref().is_some_and(RawReply::is_ok);
        // The server still holds the transaction before: content would go out under the wrong sender, a lone dot as an empty mail.
        if self.waits_for_content() {
            return Step::Close(Outcome::NotSent, Fate::Distrusted);
        }
        if recipient_taken {
            return Step::Refused(Outcome::NotSent);
        }
        if is_throttle(mail) {
            return Step::Close(Outcome::NotSent, Fate::Throttled);
        }
        refused_by(mail, "mail")
    }

    fn rcpt_refused(&self, rcpt: &RawReply) -> Step {
        match refused_by(rcpt, "rcpt") {
            Step::Refused(outcome) if self.waits_for_content() => Step::LoneDot(outcome),
            Step::Close(outcome, _) if self.waits_for_content() => Step::Close(outcome, Fate::Lost),
            step => step,
        }
    }

    fn waits_for_content(&self) -> bool {
        self.data.as_ref().is_some_and(|data| data.code == 354)
    }
}

/// The step after the first refusal of an envelope.
fn refused_by(reply: &RawReply, phase: &'static str) -> Step {
    match reply.code {
        421 => Step::Close(classify::outcome(reply.to_reply(phase)), Fate::Throttled),
        // Nothing was refused before, so server and driver disagree about the state; and 500 may mean "no pipelining".
        503 => Step::Close(Outcome::NotSent, Fate::Distrusted),
        _ if blames_pipelining(reply) => Step::Close(Outcome::NotSent, Fate::Distrusted),
        _ => Step::Refused(classify::outcome(reply.to_reply(phase))),
    }
}

/// MAIL 421, 450 or 451 with 4.7.x: a limit on us, nothing about the message.
fn is_throttle(mail: &RawReply) -> bool {
    let enhanced = mail.to_reply("mail").enhanced;
    mail.code == 421 || (matches!(mail.code, 450 | 451) && enhanced.is_some_and(|code| code.starts_with("4.7.")))
}

/// 500 or 554 because commands came too early for this server.
pub fn blames_pipelining(reply: &RawReply) -> bool {
    if !matches!(reply.code, 500 | 503 | 554) {
        return false;
    }
    let text = reply.lines.concat().to_ascii_lowercase();
    text.contains("pipelining") || text.contains("synchroni")
}
