//! The relays of the simulations: an SMTP server small enough to be trusted, in every mood the weather allows. They keep a record of their own of what they took.

use std::time::Duration;

use futures_util::future::BoxFuture;
use postrider::model::outcome::Reply;
use postrider::model::{Relay, SubscriberId};
use postrider::send::connect::{ConnectError, ConnectFault};
use postrider::send::world::{Dial, Dialled};
use rand::RngExt as _;
use tokio::time::sleep;

use super::line::Line;
use super::scene::Scene;
use super::weather::{Kind, RelayPlan};

/// The way of one worker to the relays.
pub struct Way {
    pub scene: Scene,
    pub worker: usize,
}

impl Dial for Way {
    fn dial<'a>(&'a self, relay: &'a Relay, wait: Duration) -> BoxFuture<'a, Result<Dialled, ConnectError>> {
        Box::pin(async move {
            let nth: usize = relay.name.trim_start_matches("relay").parse().unwrap();
            let plan = self.scene.lock().plan.relays[nth].clone();
            sleep(plan.takes).await;
            let gone = self.scene.lock().trouble_of(nth).is_some_and(|trouble| trouble.kind == Kind::Gone);
            if gone || self.scene.happens(|weather| weather.no_connection) {
                self.scene.tell(|| format!("worker {} finds nobody at relay {nth}", self.worker));
                sleep(if gone { Duration::ZERO } else { wait / 10 }).await;
                let reply = Reply { code: 0, enhanced: None, text: "nobody there".into(), phase: "connect" };
                return Err(ConnectError { fault: ConnectFault::Unreachable, reply });
            }
            let line = Line::default();
            let stream = Box::new(line.end(&self.scene, self.worker));
            // Whoever runs in circles is held up, so that the simulation ends.
            if self.scene.lock().connected(self.worker, nth) {
                sleep(Duration::from_secs(1)).await;
            }
            let server =
                Server { scene: self.scene.clone(), worker: self.worker, relay: nth, plan, line, input: Vec::new(), chunked: false };
            tokio::spawn(async move {
                // However a conversation ends, it is over.
                let _ = server.converse().await;
            });
            Ok(Dialled { stream, local: true })
        })
    }
}

/// The end of a conversation.
struct Over;
type Spoken<T> = Result<T, Over>;

struct Server {
    scene: Scene,
    worker: usize,
    relay: usize,
    plan: RelayPlan,
    line: Line,
    input: Vec<u8>,
    /// CHUNKING was offered: whole messages may be on their way.
    chunked: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody has read them.
        if self.chunked {
            self.scene.lock().may_arrive(self.worker);
        }
        self.line.end_it(false);
    }
}

impl Server {
    async fn converse(mut self) -> Spoken<()> {
        self.greet().await?;
        let (mut sender, mut to) = (false, None);
        loop {
            let line = self.next_line().await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.hello().await?,
                "MAIL" => sender = self.mail().await?,
                "RCPT" if sender => to = self.rcpt(&line).await?,
                "DATA" if to.is_some() => {
                    if let Some(who) = to
                        && self.data().await?
                    {
                        self.content(who).await?;
                        (sender, to) = (false, None);
                    }
                }
                "BDAT" => {
                    self.chunk(&line, to.filter(|_| sender)).await?;
                    (sender, to) = (false, None);
                }
                "RSET" => {
                    (sender, to) = (false, None);
                    self.say("250 2.0.0 forgotten").await?;
                }
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Ok(());
                }
                "RCPT" | "DATA" => self.say("503 5.5.1 not now").await?,
                _ => self.say("500 5.5.2 what").await?,
            }
        }
    }

    async fn greet(&mut self) -> Spoken<()> {
        if self.scene.happens(|weather| weather.greeting_silent) {
            self.told("says nothing");
            sleep(Duration::from_secs(400)).await;
            return Err(Over);
        }
        self.refuse(|weather| weather.greeting_554, "554 5.7.1 you are not welcome").await?;
        self.refuse(|weather| weather.greeting_421, "421 4.3.2 too many of you").await?;
        self.say("220 relay.example.com ESMTP").await?;
        Ok(())
    }

    async fn hello(&mut self) -> Spoken<()> {
        let pipelining = !self.scene.happens(|weather| weather.no_pipelining);
        let says = match (pipelining, self.plan.window) {
            (true, 0) => "250-relay.example.com\r\n250-PIPELINING\r\n250 SIZE 1000000",
            (true, _) => "250-relay.example.com\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 1000000",
            _ => "250 relay.example.com",
        };
        self.chunked = pipelining && self.plan.window > 0;
        self.say(says).await?;
        Ok(())
    }

    async fn mail(&mut self) -> Spoken<bool> {
        self.scene.lock().paced(self.worker, self.relay);
        self.cut(|weather| weather.envelope_cut, "at MAIL")?;
        self.refuse(|weather| weather.mail_421, "421 4.7.0 not now").await?;
        if self.scene.happens(|weather| weather.mail_4xx) {
            self.told("defers a sender");
            self.say("451 4.3.0 later").await?;
            return Ok(false);
        }
        self.say("250 2.1.0 ok").await?;
        Ok(true)
    }

    async fn rcpt(&mut self, line: &str) -> Spoken<Option<SubscriberId>> {
        self.cut(|weather| weather.envelope_cut, "at RCPT")?;
        let address = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let Some(who) = self.scene.lock().who(&address) else {
            self.scene.lock().wrong(format!("the relay was asked to take mail for a stranger: {line}"));
            return Err(Over);
        };
        self.refuse(|weather| weather.rcpt_421, "421 4.7.0 not now").await?;
        let refusal = if self.scene.lock().dead_addresses.contains(&address) {
            "550 5.1.1 no such user"
        } else if self.scene.happens(|weather| weather.rcpt_5xx) {
            "554 5.7.1 not from you"
        } else if self.scene.happens(|weather| weather.rcpt_4xx) {
            "452 4.2.2 mailbox full"
        } else {
            self.say("250 2.1.5 ok").await?;
            return Ok(Some(who));
        };
        self.told_of(who, refusal);
        if refusal.starts_with('5') {
            self.scene.lock().refused.insert(who);
        }
        self.say(refusal).await?;
        Ok(None)
    }

    async fn data(&mut self) -> Spoken<bool> {
        self.cut(|weather| weather.envelope_cut, "at DATA")?;
        self.refuse(|weather| weather.data_421, "421 4.3.0 not now").await?;
        if self.scene.happens(|weather| weather.blames_pipelining) {
            self.told("says that it cannot stand pipelining");
            self.say("503 5.5.1 improper use of SMTP command pipelining").await?;
            return Ok(false);
        }
        if self.scene.happens(|weather| weather.data_4xx) {
            self.told("defers at DATA");
            self.say("451 4.3.0 later").await?;
            return Ok(false);
        }
        self.say("354 go on").await?;
        Ok(true)
    }

    /// From the first byte of a message to the answer behind its final dot.
    async fn content(&mut self, who: SubscriberId) -> Spoken<()> {
        while self.input.is_empty() {
            self.more().await?;
        }
        self.scene.lock().content_begins(self.worker, who);
        if self.scene.happens(|weather| weather.content_cut) {
            self.told_of(who, "the connection breaks inside its content");
            return Err(self.end(true));
        }
        let end = loop {
            if let Some(at) = memchr::memmem::find(&self.input, b"\r\n.\r\n") {
                break at + 5;
            }
            self.more().await?;
        };
        let message: Vec<u8> = self.input.drain(..end).collect();
        self.judge(who, &message).await
    }

    /// BDAT LAST: content that is counted. It comes whether the envelope was taken or not.
    async fn chunk(&mut self, line: &str, to: Option<SubscriberId>) -> Spoken<()> {
        let mut words = line.split(' ').skip(1);
        let length: usize = words.next().and_then(|length| length.parse().ok()).unwrap_or_default();
        if words.next() != Some("LAST") {
            self.scene.lock().wrong(format!("the relay was told {line}"));
            return Err(Over);
        }
        while self.input.is_empty() {
            self.more().await?;
        }
        if let Some(who) = to {
            self.scene.lock().content_begins(self.worker, who);
            if self.scene.happens(|weather| weather.content_cut) {
                self.told_of(who, "the connection breaks inside its content");
                return Err(self.end(true));
            }
        }
        while self.input.len() < length {
            self.more().await?;
        }
        let message: Vec<u8> = self.input.drain(..length).collect();
        match to {
            Some(who) => self.judge(who, &message).await,
            None => self.say("503 5.5.1 no recipient").await,
        }
    }

    async fn judge(&mut self, who: SubscriberId, message: &[u8]) -> Spoken<()> {
        self.stand().await?;
        if self.scene.happens(|weather| weather.dot_refused_cut) {
            self.told_of(who, "the connection breaks behind the final dot, and nothing was taken");
            return Err(self.end(true));
        }
        if self.scene.happens(|weather| weather.dot_421) {
            self.told_of(who, "421 behind the final dot");
            self.say("421 4.3.0 not now").await?;
            return Err(self.end(false));
        }
        for (refuses, says) in [
            (self.scene.happens(|weather| weather.dot_4xx), "451 4.3.0 later"),
            (self.scene.happens(|weather| weather.dot_5xx), "550 5.7.26 not authenticated"),
            (self.trouble() == Some(Kind::Refuses), "550 5.7.1 not from you"),
        ] {
            if refuses {
                self.told_of(who, says);
                if says.starts_with('5') {
                    self.scene.lock().refused.insert(who);
                }
                self.say(says).await?;
                return Ok(());
            }
        }
        let id = header(message, "Message-ID: ");
        let copy = self.scene.lock().accept(self.worker, who, id, &self.line);
        self.answer(who, copy).await
    }

    /// The message is taken. What becomes of the 250?
    async fn answer(&mut self, who: SubscriberId, copy: usize) -> Spoken<()> {
        if self.scene.happens(|weather| weather.answer_lost) {
            self.told_of(who, "it is taken, and the answer is lost");
            return Err(self.end(true));
        }
        if self.scene.happens(|weather| weather.answer_late) {
            let wait = Duration::from_millis(self.scene.draw(|rng| 10_u64.pow(rng.random_range(2..6)) * rng.random_range(1..8)));
            self.told_of(who, &format!("it is taken, and the answer comes {wait:?} later"));
            sleep(wait).await;
        } else {
            self.told_of(who, "it is taken");
        }
        let slow = self.scene.lock().slowness_of(who);
        sleep(self.plan.takes + slow).await;
        self.stand().await?;
        let pieces = if self.scene.happens(|weather| weather.answer_in_pieces) {
            vec!["250-2.0.0 we ha", "ve it\r\n25", "0 ok\r", "\n"]
        } else {
            vec!["250 2.0.0 ok\r\n"]
        };
        for (n, piece) in pieces.iter().enumerate() {
            let mark = self.line.say(piece.as_bytes());
            if n + 1 == pieces.len() {
                self.scene.lock().answered(copy, mark);
            }
            if pieces.len() > 1 {
                sleep(Duration::from_millis(3)).await;
            }
        }
        if self.scene.happens(|weather| weather.cut_after) {
            let torn = self.scene.draw(|rng| rng.random_bool(0.5));
            self.told_of(who, if torn { "the connection is torn behind the answer" } else { "the relay closes behind the answer" });
            return Err(self.end(torn));
        }
        Ok(())
    }

    async fn refuse(&mut self, rate: impl Fn(&super::weather::Weather) -> u32, says: &str) -> Spoken<()> {
        if !self.scene.happens(rate) {
            return Ok(());
        }
        self.told(says);
        self.say(says).await?;
        Err(self.end(false))
    }

    fn cut(&self, rate: impl Fn(&super::weather::Weather) -> u32, place: &str) -> Spoken<()> {
        if !self.scene.happens(rate) {
            return Ok(());
        }
        let torn = self.scene.draw(|rng| rng.random_bool(0.5));
        self.told(&format!("the connection ends {place}"));
        Err(self.end(torn))
    }

    fn end(&self, torn: bool) -> Over {
        self.line.end_it(torn);
        Over
    }

    async fn say(&self, reply: &str) -> Spoken<()> {
        if !self.plan.takes.is_zero() {
            sleep(self.plan.takes).await;
        }
        self.stand().await?;
        self.line.say(format!("{reply}\r\n").as_bytes());
        Ok(())
    }

    fn trouble(&self) -> Option<Kind> {
        self.scene.lock().trouble_of(self.relay).map(|trouble| trouble.kind)
    }

    /// A relay that is gone says nothing more; one that hangs says it later.
    async fn stand(&self) -> Spoken<()> {
        loop {
            match self.trouble() {
                Some(Kind::Gone) => return Err(self.end(true)),
                Some(Kind::Hangs) => sleep(Duration::from_secs(1)).await,
                _ => return Ok(()),
            }
        }
    }

    async fn next_line(&mut self) -> Spoken<String> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.input) {
                let line: Vec<u8> = self.input.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Spoken<()> {
        let bytes = self.line.read().await;
        self.input.extend_from_slice(&bytes);
        if bytes.is_empty() { Err(Over) } else { Ok(()) }
    }

    fn told(&self, what: &str) {
        self.scene.tell(|| format!("relay {}, to worker {}: {what}", self.relay, self.worker));
    }

    fn told_of(&self, who: SubscriberId, what: &str) {
        let mut scene = self.scene.lock();
        let name = scene.name(who);
        scene.tell(|| format!("relay {}, to worker {}, of {name}: {what}", self.relay, self.worker));
    }
}

fn header(message: &[u8], name: &str) -> String {
    let start = memchr::memmem::find(message, name.as_bytes()).map_or(0, |at| at + name.len());
    let end = memchr::memchr(b'\r', &message[start..]).map_or(message.len(), |at| start + at);
    String::from_utf8_lossy(&message[start..end]).trim().to_owned()
}
