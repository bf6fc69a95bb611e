//! A scriptable SMTP server: it behaves like a decent one, except where the script says otherwise.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub const CERT: &[u8] = include_bytes!("localhost.cert.pem");
pub const KEY: &[u8] = include_bytes!("localhost.key.pem");

/// What the server is about to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which connection, from 1.
    pub connection: usize,
    /// How many MAIL commands came on this connection so far, this one included.
    pub mail: usize,
    /// `CONNECT`, `EHLO`, `HELO`, `STARTTLS`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `CONTENT` (354 was said, content comes), `DOT` (it has come), `BDAT` (it has come with its octets), `RSET`, `QUIT`.
    pub verb: String,
    /// The whole line.
    pub line: String,
    /// The recipients taken so far.
    pub to: Vec<String>,
    /// How many connections are open, this one included.
    pub open: usize,
}

/// What the script does in place of the usual answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// As usual.
    Usual,
    /// These lines, CR LF included, bytes as they are.
    Say(Vec<u8>),
    /// These, and then FIN.
    SayAndClose(Vec<u8>),
    /// RST.
    Reset,
    /// FIN.
    Close,
    /// Nothing, for ever.
    Silence,
    /// As usual, but later.
    Late(Duration),
    /// As usual, one byte each time.
    Drip(Duration),
    /// At DOT: takes the message, and RST in place of the answer.
    TakeAndReset,
}

pub fn say(line: &str) -> Act {
    Act::Say(format!("{line}\r\n").into_bytes())
}

pub fn say_and_close(line: &str) -> Act {
    Act::SayAndClose(format!("{line}\r\n").into_bytes())
}

/// A message that was answered 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub from: String,
    pub to: Vec<String>,
    pub content: Vec<u8>,
}

#[derive(Debug, Default)]
pub struct Seen {
    /// `connection verb`, every event in order.
    pub events: Vec<Event>,
    pub accepted: Vec<Accepted>,
    /// Verbs after which more input had already arrived.
    pub pipelined: Vec<String>,
    /// Whether a RCPT or content came in plain text.
    pub plain_mail: bool,
}

type Script = dyn Fn(&Event) -> Act + Send + Sync;

#[derive(Clone)]
pub struct Server {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

pub const CHUNKING: &[&str] = &["PIPELINING", "CHUNKING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];
pub const FULL: &[&str] = &["PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];

impl Server {
    /// Starts with these EHLO keywords and a script.
    pub async fn start(ehlo: &[&str], script: impl Fn(&Event) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { addr: listener.local_addr().unwrap(), seen: Arc::default() };
        let ehlo: Arc<Vec<String>> = Arc::new(ehlo.iter().map(|&keyword| keyword.to_owned()).collect());
        let (script, seen): (Arc<Script>, _) = (Arc::new(script), server.seen.clone());
        tokio::spawn(async move {
            let mut connection = 0;
            let alive = Arc::new(());
            while let Ok((stream, _)) = listener.accept().await {
                connection += 1;
                let (ehlo, script, seen, alive) = (ehlo.clone(), script.clone(), seen.clone(), alive.clone());
                tokio::spawn(async move {
                    let client = Client { ehlo, script, seen, alive, connection, mail: 0, from: None, to: Vec::new(), tls: false };
                    client.run(stream).await;
                });
            }
        });
        server
    }

    pub fn accepted(&self) -> Vec<Accepted> {
        self.seen.lock().unwrap().accepted.clone()
    }

    pub fn recipients(&self) -> Vec<String> {
        self.accepted().into_iter().flat_map(|message| message.to).collect()
    }

    /// The verbs of one connection.
    pub fn verbs(&self, connection: usize) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.events.iter().filter(|event| event.connection == connection).map(|event| event.verb.clone()).collect()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().events.iter().map(|event| event.line.clone()).collect()
    }

    pub fn pipelined(&self) -> Vec<String> {
        self.seen.lock().unwrap().pipelined.clone()
    }

    pub fn plain_mail(&self) -> bool {
        self.seen.lock().unwrap().plain_mail
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

struct Client {
    ehlo: Arc<Vec<String>>,
    script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
    /// As many handles as there are connections, and one.
    alive: Arc<()>,
    connection: usize,
    mail: usize,
    from: Option<String>,
    to: Vec<String>,
    tls: bool,
}

enum Next {
    Code(u16),
    End,
    /// The end, with the message taken.
    Taken,
}

impl Client {
    async fn run(mut self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        // A second handle on the socket, to reset it under whatever is wrapped around it.
        let std = stream.into_std().unwrap();
        let socket = socket2::Socket::from(std.try_clone().unwrap());
        let mut io: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(TcpStream::from_std(std).unwrap()));
        if !matches!(self.answer(&mut io, &socket, "CONNECT", "", "220 test ESMTP").await, Next::Code(_)) {
            return;
        }
        while let Some(line) = read_line(&mut io).await {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = line.split(' ').next().unwrap().to_ascii_uppercase();
            let mut chunk = vec![0; if verb == "BDAT" { octets(&line) } else { 0 }];
            if io.read_exact(&mut chunk).await.is_err() {
                return;
            }
            self.mail += usize::from(verb == "MAIL");
            let usual = self.usual(&verb, &line);
            let Next::Code(code) = self.answer(&mut io, &socket, &verb, &line, &usual).await else { return };
            self.apply(&verb, &line, code);
            if verb == "BDAT" {
                self.chunk(chunk, code);
            }
            match (verb.as_str(), code) {
                ("QUIT", _) => return,
                ("STARTTLS", 220) => {
                    let Ok(secure) = accept_tls(io.into_inner()).await else { return };
                    io = BufReader::new(Box::new(secure));
                    self.tls = true;
                }
                ("DATA", 354) if !self.content(&mut io, &socket).await => return,
                _ => {}
            }
        }
    }

    fn usual(&self, verb: &str, line: &str) -> String {
        match verb {
            "EHLO" => {
                let lines: Vec<String> = self.ehlo.iter().map(|keyword| format!("250-{keyword}\r\n")).collect();
                format!("250-test\r\n{}250 HELP", lines.concat())
            }
            "MAIL" if self.from.is_some() => "503 5.5.1 Nested MAIL".into(),
            "RCPT" if self.from.is_none() => "503 5.5.1 MAIL first".into(),
            "DATA" if self.to.is_empty() => "503 5.5.1 RCPT first".into(),
            "DATA" => "354 go".into(),
            "BDAT" if self.to.is_empty() => "503 5.5.1 RCPT first".into(),
            "BDAT" => "250 2.0.0 taken".into(),
            "STARTTLS" => "220 go".into(),
            "AUTH" if line.contains("AHVzZXIAcGFzcw==") => "235 2.7.0 welcome".into(),
            "AUTH" => "535 5.7.8 no".into(),
            "QUIT" => "221 2.0.0 bye".into(),
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 2.0.0 ok".into(),
            _ => "500 5.5.2 what".into(),
        }
    }

    fn apply(&mut self, verb: &str, line: &str, code: u16) {
        let path = || line.split(['<', '>']).nth(1).unwrap_or("").to_owned();
        match (verb, code / 100) {
            ("MAIL", 2) => self.from = Some(path()),
            ("RCPT", 2) => self.to.push(path()),
            ("RSET" | "EHLO", 2) => self.clear(),
            _ => {}
        }
        if verb == "RCPT" && !self.tls {
            self.seen.lock().unwrap().plain_mail = true;
        }
    }

    /// BDAT LAST was answered: the transaction is over.
    fn chunk(&mut self, content: Vec<u8>, code: u16) {
        if code / 100 == 2 {
            let accepted = Accepted { from: self.from.clone().unwrap_or_default(), to: self.to.clone(), content };
            self.seen.lock().unwrap().accepted.push(accepted);
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// Takes the content; false when the session is over.
    async fn content(&mut self, io: &mut BufReader<Box<dyn Stream>>, socket: &socket2::Socket) -> bool {
        if matches!(self.answer(io, socket, "CONTENT", "", "").await, Next::End) {
            return false;
        }
        let mut content = Vec::new();
        loop {
            let Some(line) = read_line(io).await else { return false };
            if line == b".\r\n" && (content.is_empty() || content.ends_with(b"\r\n")) {
                break;
            }
            content.extend_from_slice(&line);
        }
        let accepted = Accepted { from: self.from.clone().unwrap_or_default(), to: self.to.clone(), content };
        let code = self.answer(io, socket, "DOT", "", "250 2.0.0 taken").await;
        if matches!(code, Next::Code(200..300) | Next::Taken) {
            self.seen.lock().unwrap().accepted.push(accepted);
        }
        self.clear();
        matches!(code, Next::Code(_))
    }

    async fn answer(&mut self, io: &mut BufReader<Box<dyn Stream>>, socket: &socket2::Socket, verb: &str, line: &str, usual: &str) -> Next {
        let (verb_, line_, to, open) = (verb.to_owned(), line.to_owned(), self.to.clone(), Arc::strong_count(&self.alive) - 1);
        let event = Event { connection: self.connection, mail: self.mail, verb: verb_, line: line_, to, open };
        let act = (self.script)(&event);
        {
            let mut seen = self.seen.lock().unwrap();
            seen.events.push(event);
            if !io.buffer().is_empty() && verb != "CONTENT" {
                seen.pipelined.push(verb.to_owned());
            }
        }
        let (reply, close) = match act.clone() {
            Act::Usual => (format!("{usual}\r\n").into_bytes(), false),
            Act::Late(wait) => {
                tokio::time::sleep(wait).await;
                (format!("{usual}\r\n").into_bytes(), false)
            }
            Act::Drip(_) if verb == "CONTENT" => return Next::Code(354),
            Act::Drip(wait) => {
                for byte in format!("{usual}\r\n").bytes() {
                    tokio::time::sleep(wait).await;
                    if io.get_mut().write_all(&[byte]).await.is_err() {
                        return Next::End;
                    }
                }
                return Next::Code(usual.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0));
            }
            Act::Say(reply) => (reply, false),
            Act::SayAndClose(reply) => (reply, true),
            Act::Close => return Next::End,
            Act::Silence => return std::future::pending().await,
            Act::Reset | Act::TakeAndReset => {
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                return if matches!(act, Act::Reset) { Next::End } else { Next::Taken };
            }
        };
        if verb == "CONTENT" && reply == b"\r\n" {
            return Next::Code(354);
        }
        if io.get_mut().write_all(&reply).await.is_err() || io.get_mut().flush().await.is_err() || close {
            return Next::End;
        }
        let digits: String = reply.iter().take(3).map(|&b| char::from(b)).collect();
        Next::Code(digits.parse().unwrap_or(0))
    }
}

/// The length in `BDAT n LAST`.
fn octets(line: &str) -> usize {
    let mut words = line.split(' ').skip(1);
    let octets = words.next().and_then(|n| n.parse().ok()).expect("BDAT with a length");
    assert_eq!(words.next(), Some("LAST"), "we never send half a message: {line}");
    octets
}

async fn read_line(io: &mut BufReader<Box<dyn Stream>>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    match io.read_until(b'\n', &mut line).await {
        Ok(n) if n > 0 && line.ends_with(b"\n") => Some(line),
        _ => None,
    }
}

async fn accept_tls(io: Box<dyn Stream>) -> std::io::Result<tokio_rustls::server::TlsStream<Box<dyn Stream>>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert()], PrivateKeyDer::from_pem_slice(KEY).unwrap())
        .unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(io).await
}

/// The certificate of the test server, for `localhost`.
pub fn cert() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(CERT).unwrap()
}
