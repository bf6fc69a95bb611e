//! A window of whole messages in flight: RSET, MAIL, RCPT and BDAT LAST of each in one write, ahead of the answers (RFC 2920, RFC 3030).
//!
//! Opt-in, for a trusted relay far away: when such a connection breaks, every message in flight may be in doubt. RSET stands before each MAIL because
//! a server was seen that keeps a transaction alive after a refused BDAT and would send the next letter under the refused one's sender.

use super::content::Mail;
use super::smtp::{Connection, Delivered, Fate, LAST_WORDS};
use super::transaction::{Answers, Left};
use crate::model::outcome::Outcome;

/// Refused envelopes before the connection is renewed: Exim closes at the 11th RSET that no accepted message paid for, and others are in flight.
/// So many in a row, and the relay gets no window any more.
const REFUSED_MAX: usize = 3;

/// What is on the wire of one connection.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Messages written whose answers have not all been read.
    pub written: usize,
    /// The last of them was not handed over whole.
    cut: bool,
    /// Nothing more is written; what becomes of the connection when everything is answered.
    ending: Option<Fate>,
    /// No more answers come.
    pub ended: bool,
    /// The code of the last reply read.
    last_code: u16,
    /// Envelopes refused on this connection.
    refused: usize,
    /// The relay has shown that it does not stand a window.
    pub unfit: bool,
}

impl Flight {
    /// Nothing more is written; the worst reason counts.
    fn end(&mut self, fate: Fate) {
        self.ending = self.ending.take().max(Some(fate));
    }

    fn unfit(&mut self, fate: Fate) {
        self.unfit = true;
        self.end(fate);
    }
}

impl Connection {
    /// How many messages may be in flight behind the first. Nothing is added once the connection is ending.
    pub(super) fn window_ahead(&self) -> usize {
        match &self.flight {
            flight if flight.ending.is_some() => flight.written.saturating_sub(1),
            flight => (flight.written + self.messages_left).min(self.window).saturating_sub(1),
        }
    }

    /// The result of the first of `mails`; the others go out as far as the window allows. The fate is told with the last message in flight.
    pub(super) async fn send_in_window(&mut self, mails: &[&Mail]) -> Delivered {
        self.fill(mails).await;
        let answers = self.read_answers().await;
        let left = match &self.flight {
            flight if flight.cut && flight.written == 1 => Left::Part,
            flight if flight.last_code == 421 => Left::Dismissed,
            _ => Left::Whole,
        };
        self.flight.written = self.flight.written.saturating_sub(1);
        let (outcome, fate) = answers.judge_chunk(left);
        self.watch(&answers, &outcome, &fate);
        Delivered { outcome, fate: self.window_fate() }
    }

    /// Writes what the window allows, one write a message. A message that needs another way waits until nothing is in flight.
    async fn fill(&mut self, mails: &[&Mail]) {
        while let Some(mail) = mails.get(self.flight.written).copied() {
            let first = self.flight.written == 0;
            let full = self.flight.ending.is_some() || self.messages_left == 0 || self.flight.written >= self.window.max(1);
            if !first && (full || mail.careful || self.inadmissible(mail).is_some()) {
                return;
            }
            let mut block = Vec::with_capacity(mail.size_bytes + 512);
            block.extend_from_slice(b"RSET\r\n");
            self.push_sender_and_recipient(mail, &mut block);
            mail.push_chunk(&mut block);
            self.needs_rset = false;
            self.messages_left = self.messages_left.saturating_sub(1);
            self.flight.written += 1;
            if let Err((taken, _)) = self.wire.write(&block, self.timeouts.block).await {
                // Which answers were on their way is found out by reading.
                self.flight.cut = taken < block.len();
                self.flight.unfit(Fate::Lost);
            }
        }
    }

    /// Every command has its answer, in order, whatever was refused before. Answers may be held back until the server has dealt with all it has
    /// read, so each may take as long as the last.
    async fn read_answers(&mut self) -> Answers {
        let wait = if self.flight.cut { LAST_WORDS.min(self.timeouts.last) } else { self.timeouts.last };
        let mut answers = Answers::default();
        if self.flight.ended {
            return answers;
        }
        for place in [&mut answers.rset, &mut answers.mail, &mut answers.rcpt, &mut answers.last] {
            let Ok(reply) = self.wire.reply(wait).await else {
                self.flight.ended = true;
                self.flight.unfit(Fate::Lost);
                break;
            };
            self.flight.last_code = reply.code;
            *place = Some(reply);
        }
        // It does not know BDAT after all and takes the content for commands: nothing it says from here on is an answer.
        self.flight.ended |= answers.last.as_ref().is_some_and(|reply| matches!(reply.code, 500 | 502));
        answers
    }

    /// The guards: what takes the window away from this relay.
    fn watch(&mut self, answers: &Answers, outcome: &Outcome, fate: &Fate) {
        let asked = [&answers.rset, &answers.mail, &answers.rcpt, &answers.last];
        if asked.into_iter().flatten().any(|reply| reply.code == 421) {
            self.flight.unfit(Fate::Throttled);
        }
        if *fate >= Fate::Lost {
            self.flight.unfit(*fate);
        } else if *fate > Fate::Open {
            self.flight.end(*fate);
        }
        if matches!(outcome, Outcome::Sent(_)) {
            if *fate == Fate::Distrusted {
                tracing::error!("the relay took a message under the sender of another; no window for it any more");
            }
            self.refused = 0;
        } else if *outcome != Outcome::NotSent && asked.into_iter().flatten().any(|reply| !reply.is_ok()) {
            self.refused += 1;
            self.flight.refused += 1;
        }
        if self.refused >= REFUSED_MAX {
            self.flight.unfit(Fate::Renew);
        } else if self.flight.refused >= REFUSED_MAX {
            self.flight.end(Fate::Renew);
        }
    }

    fn window_fate(&mut self) -> Fate {
        self.mute |= self.flight.ended;
        if self.flight.written > 0 {
            return Fate::Open;
        }
        match self.flight.ending.take() {
            // Closed after it had told us to go away: that weighs more than the close.
            Some(Fate::Lost) if self.flight.last_code == 421 => Fate::Throttled,
            Some(fate) => fate,
            None if self.messages_left == 0 => Fate::Renew,
            None => Fate::Open,
        }
    }
}
