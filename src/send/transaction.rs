//! What the answers to one envelope mean. Pure: answers in, the next step out; rules 5, 8 and 9 of the driver as one table.

use super::classify;
use super::reply::{RawReply, no_reply};
use super::smtp::Fate;
use crate::model::outcome::{Outcome, Reply};

/// The answers to RSET (when it was said), MAIL, RCPT, DATA and BDAT LAST; nothing where the connection ended first or the command was not said.
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
    /// To BDAT LAST, in place of DATA.
    pub last: Option<RawReply>,
}

/// How much of a message in a window has left us, and how the server took its leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All of it.
    Whole,
    /// Not its last octet: nobody can have accepted it.
    Part,
    /// All of it, but the last the server said was 421: it has closed the channel and took nothing behind it.
    Dismissed,
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
        if self.is_estranged() {
            return Step::Close(Outcome::NotSent, Fate::Dead);
        }
        if self.rset.as_ref().is_some_and(|reply| reply.code == 421) {
            return Step::Close(Outcome::NotSent, Fate::Throttled);
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

    /// The first refusal in it.
    pub fn refusal(&self) -> Option<Reply> {
        let asked = [(&self.mail, "mail"), (&self.rcpt, "rcpt"), (&self.data, "data")];
        asked.into_iter().find_map(|(reply, phase)| reply.as_ref().filter(|reply| reply.code >= 400).map(|reply| reply.to_reply(phase)))
    }

    /// The result of a message in a window, and what it says about the connection.
    pub fn judge_chunk(&self, left: Left) -> (Outcome, Fate) {
        let (outcome, fate) = match (&self.last, &self.mail, &self.rcpt) {
            (Some(last), Some(mail), _) if last.is_ok() && !mail.is_ok() => (sent_by_another(last), Fate::Distrusted),
            // Somebody has the content, and not the one it was for.
            (Some(last), _, Some(rcpt)) if last.is_ok() && !rcpt.is_ok() => (classify::outcome(rcpt.to_reply("rcpt")), Fate::Distrusted),
            (Some(last), ..) if last.is_ok() => (Outcome::Sent(last.to_reply("final")), Fate::Open),
            // The server still holds the transaction before, in spite of RSET.
            (_, Some(mail), Some(rcpt)) if !mail.is_ok() && rcpt.is_ok() => (Outcome::NotSent, Fate::Distrusted),
            (_, Some(mail), _) if !mail.is_ok() => self.chunk_refused(self.mail_refused(mail)),
            (_, _, Some(rcpt)) if !rcpt.is_ok() => self.chunk_refused(refused_by(rcpt, "rcpt")),
            _ => self.chunk_not_taken(left),
        };
        (outcome, if self.is_estranged() { fate.max(Fate::Dead) } else { fate })
    }

    /// RSET was refused, which a server in its right mind does not do.
    fn is_estranged(&self) -> bool {
        self.rset.as_ref().is_some_and(|rset| !rset.is_ok() && rset.code != 421)
    }

    /// A refusal of the envelope; behind a refused RSET it says nothing about the message.
    fn chunk_refused(&self, step: Step) -> (Outcome, Fate) {
        match step {
            Step::Refused(_) if self.is_estranged() => (Outcome::NotSent, Fate::Dead),
            Step::Refused(outcome) | Step::LoneDot(outcome) => (outcome, Fate::Open),
            Step::Close(outcome, fate) => (outcome, fate),
            Step::Content => (Outcome::NotSent, Fate::Distrusted),
        }
    }

    /// As far as we have heard, the envelope was not refused and the content was not taken.
    fn chunk_not_taken(&self, left: Left) -> (Outcome, Fate) {
        match &self.last {
            Some(last) if last.code / 100 == 3 => (Outcome::Unknown(last.to_reply("final")), Fate::Lost),
            Some(last) if matches!(last.code, 500 | 502 | 503) || blames_pipelining(last) => (Outcome::NotSent, Fate::Distrusted),
            Some(last) if last.code == 421 => (classify::outcome(last.to_reply("final")), Fate::Throttled),
            Some(last) => (classify::outcome(last.to_reply("final")), Fate::Open),
            None => match left {
                Left::Part => (Outcome::NotSent, Fate::Lost),
                Left::Dismissed => (Outcome::NotSent, Fate::Throttled),
                Left::Whole => (Outcome::Unknown(no_reply("final", "the connection was closed before the answer")), Fate::Lost),
            },
        }
    }

    fn mail_refused(&self, mail: &RawReply) -> Step {
        if is_out_of_step(mail) {
            return Step::Close(Outcome::NotSent, Fate::Distrusted);
        }
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
            Step::Close(outcome, fate) if self.waits_for_content() => Step::Close(outcome, fate.max(Fate::Lost)),
            step => step,
        }
    }

    fn waits_for_content(&self) -> bool {
        self.data.as_ref().is_some_and(|data| data.code == 354)
    }
}

/// A server took a message whose MAIL it had refused: under the sender of the one before. It has left, so it is not sent again.
fn sent_by_another(last: &RawReply) -> Outcome {
    let mut reply = last.to_reply("final");
    reply.text = format!("taken under the sender of another message: {}", reply.text);
    Outcome::Sent(reply)
}

/// The step after the first refusal of an envelope.
fn refused_by(reply: &RawReply, phase: &'static str) -> Step {
    match reply.code {
        // Not what was asked for, and no refusal: it answers another command. Whatever follows would be taken for something else, too.
        _ if is_out_of_step(reply) => Step::Close(Outcome::NotSent, Fate::Distrusted),
        421 => Step::Close(classify::outcome(reply.to_reply(phase)), Fate::Throttled),
        // Nothing was refused before, so server and driver disagree about the state; and 500 may mean "no pipelining".
        503 => Step::Close(Outcome::NotSent, Fate::Distrusted),
        _ if blames_pipelining(reply) => Step::Close(Outcome::NotSent, Fate::Distrusted),
        _ => Step::Refused(classify::outcome(reply.to_reply(phase))),
    }
}

/// Neither the answer that was waited for nor a refusal: a line too many came before it.
fn is_out_of_step(reply: &RawReply) -> bool {
    reply.code < 400
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
