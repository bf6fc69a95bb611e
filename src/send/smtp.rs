//! One connection and its transactions: phase-aware outcomes, pipelining of the next envelope behind the final dot, and the rules found on real servers.
//!
//! The default mode is *pipe1*: content, final dot and the next message's MAIL, RCPT and DATA go out in one write (RFC 2920), so a message costs one
//! round trip, and at most one message of a connection can be in doubt. A window (`window`) is for relays far away that were asked.

use std::time::Duration;

use super::classify;
use super::content::Mail;
use super::hello::Hello;
use super::reply::{RawReply, no_reply};
use super::transaction::{self, Answers, Step};
use super::window::Flight;
use super::wire::{Broken, Wire};
use crate::model::Relay;
use crate::model::outcome::{FailureClass, Outcome};
use crate::telemetry::metrics::{Phase, Timer};

/// Refused envelopes since the last accepted message before the connection is renewed: Postfix sleeps a second per error above 10
/// (an envelope makes two), and Exim closes at the 11th RSET.
const REFUSED_MAX: usize = 4;
/// A broken connection is asked this long for replies that were on their way.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);
/// QUIT waits this long: nothing depends on its answer.
const QUIT_WAIT: Duration = Duration::from_secs(2);

/// How long each step may take (RFC 5321 section 4.5.3.2; the final dot by RFC 1047, since a short wait makes duplicates).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// DNS and TCP, each address.
    pub connect: Duration,
    /// Greeting, EHLO, TLS handshake, AUTH.
    pub greeting: Duration,
    /// Answer to MAIL and to RCPT.
    pub envelope: Duration,
    /// Answer to DATA.
    pub data: Duration,
    /// Each block of content that the kernel takes.
    pub block: Duration,
    /// Answer to the final dot.
    pub last: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { connect: secs(30), greeting: secs(300), envelope: secs(300), data: secs(120), block: secs(180), last: secs(600) }
    }
}

/// How much is sent ahead of the replies. A relay that cannot stand one mode is driven in the next lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// One command, one reply: four round trips a message.
    Sequential,
    /// MAIL, RCPT and DATA together: two round trips.
    Grouped,
    /// And these behind the previous final dot: one.
    Pipe1,
    /// Several whole messages ahead of their answers: less than one.
    Window,
}

impl Mode {
    /// The word the store keeps.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Grouped => "grouped",
            Self::Pipe1 => "pipe1",
            Self::Window => "window",
        }
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Sequential, Self::Grouped, Self::Pipe1, Self::Window].into_iter().find(|mode| mode.word() == word)
    }

    /// The next lower mode.
    pub const fn lower(self) -> Self {
        match self {
            Self::Window => Self::Pipe1,
            Self::Pipe1 => Self::Grouped,
            Self::Grouped | Self::Sequential => Self::Sequential,
        }
    }
}

/// What becomes of the connection after a message, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Takes the next message.
    Open,
    /// Has done its share, or was refused too often: QUIT and connect anew, no fault.
    Renew,
    /// The relay asks us to slow down.
    Throttled,
    /// Is gone.
    Lost,
    /// The server refused what none refuses, such as RSET: connect anew, and in a lower mode when it does so again.
    Dead,
    /// The server and we lost count of each other: connect anew in a lower mode.
    Distrusted,
}

/// The result of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Of the message.
    pub outcome: Outcome,
    /// Of the connection.
    pub fate: Fate,
}

/// A connection ready for mail.
pub struct Connection {
    pub(super) wire: Wire,
    hello: Hello,
    mode: Mode,
    pub(super) timeouts: Timeouts,
    pub(super) messages_left: usize,
    /// Nothing was asked since it was made ready.
    untouched: bool,
    /// Envelopes refused since the last message that was accepted.
    pub(super) refused: usize,
    /// The last transaction was refused half-way: RSET goes before the next MAIL.
    pub(super) needs_rset: bool,
    /// The envelope of the next message is on the wire already.
    opened: bool,
    /// Commands sent ahead were answered in order at least once.
    in_step: bool,
    /// Messages in flight with CHUNKING, at most.
    pub(super) window: usize,
    pub(super) flight: Flight,
    /// The other side is in an unknown state: nothing may be said any more, not even QUIT.
    pub(super) mute: bool,
}

impl Connection {
    pub(super) fn new(wire: Wire, hello: Hello, mode: Mode, relay: &Relay, timeouts: Timeouts) -> Self {
        // Only what is announced, after TLS, counts: OpenSMTPD loses the message of a client that tries.
        let mode = match mode {
            _ if !hello.pipelining => Mode::Sequential,
            Mode::Window if !hello.chunking || relay.window == 0 => Mode::Pipe1,
            mode => mode,
        };
        Self {
            wire,
            hello,
            mode,
            timeouts,
            messages_left: relay.messages_per_connection.max(1),
            untouched: true,
            refused: 0,
            needs_rset: false,
            opened: false,
            in_step: false,
            window: relay.window,
            flight: Flight::default(),
            mute: false,
        }
    }

    /// How much is sent ahead: no more than was asked for, and than the server announces.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The relay has shown that it should not get a window any more.
    pub fn is_unfit_for_window(&self) -> bool {
        self.flight.unfit
    }

    /// How many messages may be handed to [`Self::send`] behind the first, so that they go out ahead of its answer.
    pub fn ahead(&self) -> usize {
        match self.mode {
            Mode::Sequential | Mode::Grouped => 0,
            Mode::Pipe1 => usize::from(self.messages_left > 1),
            Mode::Window => self.window_ahead(),
        }
    }

    /// Whether the message that comes next has its envelope on the wire and nothing more: closing now sends nothing of it.
    pub fn only_opened(&self) -> bool {
        self.opened
    }

    /// Sends the first of `mails` and gives its result. Of those behind it, at most [`Self::ahead`], as much as the mode allows goes out at once;
    /// while the connection is [`Fate::Open`] the next call must begin with the second of them. Any other fate means that none of them was sent.
    pub async fn send(&mut self, mails: &[&Mail]) -> Delivered {
        let [mail, following @ ..] = mails else { return Delivered { outcome: Outcome::NotSent, fate: Fate::Open } };
        let next = following.first().copied();
        let idle = !self.opened && self.flight.written == 0;
        if idle && let Some(outcome) = self.inadmissible(mail) {
            return Delivered { outcome, fate: Fate::Open };
        }
        if idle && self.wire.has_input().await {
            // It said goodbye while nothing was going on, as servers do after some minutes: nobody's fault. One that does so before anything was
            // asked of it does not want us now, and would do it again and again.
            self.mute = true;
            let fate = if self.untouched { Fate::Throttled } else { Fate::Renew };
            return Delivered { outcome: Outcome::NotSent, fate };
        }
        self.untouched = false;
        if self.mode == Mode::Window && !(idle && mail.careful) {
            return self.send_in_window(mails).await;
        }
        self.messages_left = self.messages_left.saturating_sub(1);
        match self.envelope(mail).await {
            Step::Content => self.content(mail, next).await,
            Step::Refused(outcome) => self.refused(outcome),
            Step::LoneDot(outcome) => self.lone_dot(outcome).await,
            Step::Close(outcome, fate) => self.close(outcome, fate),
        }
    }

    /// What the server offers, for people.
    pub fn describe(&self) -> String {
        let mut offers = vec![if self.hello.pipelining { "PIPELINING" } else { "no PIPELINING" }.to_owned()];
        offers.extend(self.hello.size_bytes_max.map(|max| format!("SIZE {max}")));
        offers.extend(self.hello.smtputf8.then(|| "SMTPUTF8".to_owned()));
        offers.join(", ")
    }

    /// Says QUIT, if it can still be said without being taken for content, and closes.
    pub async fn quit(mut self) {
        if !self.mute && !self.opened && self.flight.written == 0 && self.wire.write(b"QUIT\r\n", QUIT_WAIT).await.is_ok() {
            // Courtesy only: the answer changes nothing.
            let _ = self.wire.reply(QUIT_WAIT).await;
        }
        self.wire.shutdown(QUIT_WAIT).await;
    }

    /// What this server cannot take, said before it is asked (it would accept an address it then garbles).
    pub(super) fn inadmissible(&self, mail: &Mail) -> Option<Outcome> {
        let failed = |class, text: &str| Some(Outcome::Failed { class, reply: no_reply("mail", text) });
        if mail.needs_smtputf8() && !self.hello.smtputf8 {
            return failed(FailureClass::Relay, "the address needs SMTPUTF8, which the relay does not offer");
        }
        if mail.eight_bit && !self.hello.eight_bit_mime {
            return failed(FailureClass::Content, "the message has 8-bit text and the relay does not offer 8BITMIME");
        }
        let max = self.hello.size_bytes_max.unwrap_or(u64::MAX);
        if mail.size_bytes as u64 > max {
            let text = format!("the message has {} bytes; the relay takes {max}", mail.size_bytes);
            return failed(FailureClass::Content, &text);
        }
        None
    }

    /// Gets the envelope of `mail` answered.
    async fn envelope(&mut self, mail: &Mail) -> Step {
        let timer = Timer::start();
        let opened = std::mem::take(&mut self.opened);
        let rset = std::mem::take(&mut self.needs_rset);
        let answers = if self.mode == Mode::Sequential || (mail.careful && !opened) {
            self.ask_one_by_one(mail, rset).await
        } else {
            if !opened {
                let mut group = Vec::with_capacity(256);
                if rset {
                    group.extend_from_slice(b"RSET\r\n");
                }
                self.push_envelope(mail, &mut group);
                // If this breaks, what the server had said before is read below.
                let _ = self.wire.write(&group, self.timeouts.block).await;
            }
            match self.read_group(rset).await {
                // Closed without a word after the first commands sent ahead: some servers do that in place of an error.
                (answers, Some(Broken::Closed)) if !self.in_step && answers == Answers::default() => {
                    return Step::Close(Outcome::NotSent, Fate::Distrusted);
                }
                (answers, broken) => {
                    self.in_step |= broken.is_none();
                    answers
                }
            }
        };
        timer.phase(Phase::Envelope);
        match answers.judge() {
            // Command by command nobody loses count: then it is the relay's own confusion, and the message waits.
            Step::Close(Outcome::NotSent, Fate::Distrusted) if self.mode == Mode::Sequential => {
                let reply = answers.refusal().unwrap_or_else(|| no_reply("mail", "the relay did not keep step"));
                Step::Close(Outcome::Deferred { class: FailureClass::Relay, reply, retry_after: None }, Fate::Dead)
            }
            step => step,
        }
    }

    fn push_envelope(&self, mail: &Mail, out: &mut Vec<u8>) {
        self.push_sender_and_recipient(mail, out);
        out.extend_from_slice(b"DATA\r\n");
    }

    pub(super) fn push_sender_and_recipient(&self, mail: &Mail, out: &mut Vec<u8>) {
        out.extend_from_slice(self.mail_command(mail).as_bytes());
        out.extend_from_slice(rcpt_command(mail).as_bytes());
    }

    fn mail_command(&self, mail: &Mail) -> String {
        let mut command = format!("MAIL FROM:<{}>", mail.from);
        if self.hello.size {
            command.push_str(&format!(" SIZE={}", mail.size_bytes));
        }
        if mail.eight_bit {
            command.push_str(" BODY=8BITMIME");
        }
        if mail.needs_smtputf8() {
            command.push_str(" SMTPUTF8");
        }
        command + "\r\n"
    }

    /// Replies come in the order of the commands, whatever they say. A 421 is not the end by itself: some servers answer on.
    async fn read_group(&mut self, rset: bool) -> (Answers, Option<Broken>) {
        let envelope = self.timeouts.envelope;
        let mut answers = Answers::default();
        let waits = [(rset, envelope), (true, envelope), (true, envelope), (true, self.timeouts.data)];
        let places = [&mut answers.rset, &mut answers.mail, &mut answers.rcpt, &mut answers.data];
        let mut broken = None;
        for (place, (_, wait)) in places.into_iter().zip(waits).filter(|(_, (asked, _))| *asked) {
            match self.wire.reply(wait).await {
                Ok(reply) => *place = Some(reply),
                Err(why) => {
                    broken = Some(why);
                    break;
                }
            }
        }
        (answers, broken)
    }

    /// One command, one reply, and not on after a refusal.
    async fn ask_one_by_one(&mut self, mail: &Mail, rset: bool) -> Answers {
        let envelope = self.timeouts.envelope;
        let mut answers = Answers::default();
        if rset {
            answers.rset = self.ask("RSET\r\n", envelope).await;
            if !answers.rset.as_ref().is_some_and(RawReply::is_ok) {
                return answers;
            }
        }
        answers.mail = self.ask(&self.mail_command(mail), envelope).await;
        if answers.mail.as_ref().is_some_and(RawReply::is_ok) {
            answers.rcpt = self.ask(&rcpt_command(mail), envelope).await;
        }
        if answers.rcpt.as_ref().is_some_and(RawReply::is_ok) {
            answers.data = self.ask("DATA\r\n", self.timeouts.data).await;
        }
        answers
    }

    async fn ask(&mut self, command: &str, wait: Duration) -> Option<RawReply> {
        // A broken write still lets us read a reply that was on its way.
        let _ = self.wire.write(command.as_bytes(), self.timeouts.block).await;
        self.wire.reply(wait).await.ok()
    }

    /// DATA was answered 354: content, final dot, and the next envelope in one write.
    async fn content(&mut self, mail: &Mail, next: Option<&Mail>) -> Delivered {
        if self.wire.has_surplus() {
            // Nothing was asked after DATA. What is there already would be taken for the answer to the final dot.
            return self.close(Outcome::NotSent, Fate::Distrusted);
        }
        // Behind what may be the last refusal in a row nothing rides, or a connection that only meets refusals would never be renewed.
        let ends = self.messages_left == 0 || self.refused + 1 >= REFUSED_MAX;
        let rides = |next: &&Mail| self.mode == Mode::Pipe1 && !ends && !next.careful && self.inadmissible(next).is_none();
        let next = next.filter(rides);
        let timer = Timer::start();
        let written = match next {
            None => self.wire.write(&mail.wire, self.timeouts.block).await,
            Some(next) => {
                let mut block = Vec::with_capacity(mail.wire.len() + 512);
                block.extend_from_slice(&mail.wire);
                self.push_envelope(next, &mut block);
                self.wire.write(&block, self.timeouts.block).await
            }
        };
        let dot_left = !matches!(&written, Err((taken, _)) if *taken < mail.wire.len());
        let wait = if written.is_ok() { self.timeouts.last } else { LAST_WORDS.min(self.timeouts.last) };
        let answer = self.wire.reply(wait).await;
        timer.phase(Phase::Content);
        match answer {
            Ok(reply) if dot_left => self.answered(reply, next.is_some(), written.is_ok()),
            // The dot was not sent, so nothing was accepted, whatever was said; a refusal in mid-content is a refusal.
            Ok(reply) if reply.code > 421 => self.close(classify::outcome(reply.to_reply("final")), Fate::Lost),
            Ok(_) => self.close(Outcome::NotSent, Fate::Lost),
            Err(_) if !dot_left => self.close(Outcome::NotSent, Fate::Lost),
            Err(broken) => self.close(Outcome::Unknown(no_reply("final", &broken.to_string())), Fate::Lost),
        }
    }

    /// The answer to the final dot. The transaction is over whatever it says: no RSET is needed.
    fn answered(&mut self, reply: RawReply, next_sent: bool, whole: bool) -> Delivered {
        self.refused = if reply.is_ok() { 0 } else { self.refused + 1 };
        let throttled = reply.code == 421;
        if transaction::blames_pipelining(&reply) {
            // It announced PIPELINING and lies: no 250, so nothing was accepted.
            return self.close(Outcome::NotSent, Fate::Distrusted);
        }
        let outcome = match reply.code / 100 {
            3 => Outcome::Unknown(reply.to_reply("final")),
            _ => classify::outcome(reply.to_reply("final")),
        };
        if throttled {
            return self.close(outcome, Fate::Throttled);
        }
        if !whole || matches!(outcome, Outcome::Unknown(_)) {
            return self.close(outcome, Fate::Lost);
        }
        self.opened = next_sent;
        Delivered { outcome, fate: self.fate() }
    }

    /// The envelope was refused in good order.
    fn refused(&mut self, outcome: Outcome) -> Delivered {
        self.needs_rset = true;
        self.refused += 1;
        Delivered { outcome, fate: self.fate() }
    }

    /// Every recipient was refused and yet the server waits for content: it gets a lone dot (RFC 2920), whose answer means nothing.
    async fn lone_dot(&mut self, outcome: Outcome) -> Delivered {
        let written = self.wire.write(b".\r\n", self.timeouts.block).await;
        let answered: Result<_, Broken> = self.wire.reply(self.timeouts.last).await;
        if written.is_err() || answered.is_err() {
            return self.close(outcome, Fate::Lost);
        }
        self.refused(outcome)
    }

    fn close(&mut self, outcome: Outcome, fate: Fate) -> Delivered {
        // After a throttle the server is in good order and may be told QUIT; after anything else, silence is the only safe word.
        self.mute = fate != Fate::Throttled;
        Delivered { outcome, fate }
    }

    fn fate(&self) -> Fate {
        let renew = !self.opened && (self.messages_left == 0 || self.refused >= REFUSED_MAX);
        if renew { Fate::Renew } else { Fate::Open }
    }
}

fn rcpt_command(mail: &Mail) -> String {
    format!("RCPT TO:<{}>\r\n", mail.to)
}
