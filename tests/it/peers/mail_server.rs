//! A private Postfix with a private Dovecot behind it, in a directory of their own and on free ports of loopback, gone on drop.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

/// How long the servers may take to answer after they were started, and mail to reach its mailbox.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two servers. Every address at inbox.test exists, but gone@inbox.test.
pub struct MailServer {
    dir: TempDir,
    dovecot: Child,
    /// Where Postfix takes mail.
    pub smtp_port: u16,
    imap_port: u16,
}

/// One message as tests/peers/read_mailboxes.py found it.
#[derive(Debug, Deserialize)]
pub struct Mail {
    pub size_bytes: usize,
    pub headers: Vec<(String, String)>,
    pub raw_headers: String,
    pub to: Vec<(String, String)>,
    pub defects: Vec<String>,
    pub content_types: Vec<String>,
    pub ascii: bool,
    pub longest_line: usize,
    pub text: Option<String>,
    pub html: Option<String>,
    pub links: Vec<String>,
}

impl Mail {
    /// The value of the one header called `name`.
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let (_, value) = found.next().unwrap_or_else(|| panic!("no {name} in:\n{}", self.raw_headers));
        assert!(found.next().is_none(), "more than one {name} in:\n{}", self.raw_headers);
        value
    }
}

impl MailServer {
    /// Starts both and waits until they answer.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("postrider-").tempdir_in("/tmp").unwrap();
        let (smtp_port, imap_port) = two_free_ports();
        lay_out(dir.path(), smtp_port, imap_port);
        let dovecot = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(dir.path().join("dovecot.conf"))
            .stderr(fs::File::create(dir.path().join("dovecot.err")).unwrap())
            .spawn()
            .expect("Dovecot is not installed: run scripts/setup");
        let server = Self { dir, dovecot, smtp_port, imap_port };
        assert!(server.postfix("start"), "Postfix did not start (it must be started as root)\n{}", server.logs());
        server.wait_for("SMTP", smtp_port);
        server.wait_for("IMAP", imap_port);
        server
    }

    /// The relay address for config.toml.
    pub fn relay_url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.smtp_port)
    }

    /// What is sent to any address at leave.test goes to the standard input of this command from now on, run as nobody.
    pub fn hand_over_to(&self, program: &Path, args: &str) {
        // Nobody may look into the folder of a build.
        let copy = self.dir.path().join("program");
        fs::copy(program, &copy).unwrap();
        let script = self.dir.path().join("leave");
        fs::write(&script, format!("#!/bin/sh\nexec {} {args}\n", copy.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Takes a message as any server does that another one sends to.
    pub fn submit(&self, to: &str, message: &str) {
        let mut wire = TcpStream::connect(("127.0.0.1", self.smtp_port)).unwrap();
        let mut lines = BufReader::new(wire.try_clone().unwrap()).lines();
        let mut reply = || loop {
            let line = lines.next().expect("a reply").unwrap();
            assert!(matches!(line.as_bytes()[0], b'2' | b'3'), "Postfix said {line}");
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        };
        reply();
        for said in
            ["HELO test.example", "MAIL FROM:<ann@example.org>", &format!("RCPT TO:<{to}>"), "DATA", &format!("{message}\r\n."), "QUIT"]
        {
            wire.write_all(format!("{said}\r\n").as_bytes()).unwrap();
            reply();
        }
    }

    /// What is in the mailbox of each address, once the queue of Postfix is empty.
    pub fn mailboxes<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Vec<Mail>> {
        self.wait_until_the_queue_is_empty();
        let mut helper = Command::new("python3")
            .arg("tests/peers/read_mailboxes.py")
            .arg(self.imap_port.to_string())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is not installed: run scripts/setup");
        let list = addresses.into_iter().fold(String::new(), |all, one| all + one + "\n");
        // The helper reads all of its input before it writes.
        helper.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let out = helper.wait_with_output().unwrap();
        assert!(out.status.success(), "the mailboxes could not be read\n{}", self.logs());
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// What dkimpy says of the mails of each address and of changed copies of them; `records` are DNS names with their TXT values.
    pub fn judge_signatures(&self, addresses: &[&str], records: &serde_json::Value) -> serde_json::Value {
        self.wait_until_the_queue_is_empty();
        let mut helper = Command::new(".cache/venv/bin/python")
            .arg("tests/peers/verify_dkim.py")
            .arg(self.imap_port.to_string())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("dkimpy is not installed: run scripts/setup");
        let asked = serde_json::json!({"addresses": addresses, "records": records});
        // The helper reads all of its input before it writes.
        helper.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
        let out = helper.wait_with_output().unwrap();
        assert!(out.status.success(), "the signatures could not be judged\n{}", self.logs());
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// How many messages the program took, and how many were refused or put off.
    pub fn handed_over(&self) -> (usize, usize) {
        let log = self.log("postfix.log");
        let (taken, others): (Vec<&str>, Vec<&str>) =
            log.lines().filter(|line| line.contains("relay=leave,")).partition(|line| line.contains("status=sent"));
        (taken.len(), others.len())
    }

    /// How many messages Postfix has taken from us.
    pub fn messages_accepted(&self) -> usize {
        self.log("postfix.log").lines().filter(|line| line.contains("/smtpd[") && line.contains(": client=")).count()
    }

    fn wait_until_the_queue_is_empty(&self) {
        let busy = |name: &str| fs::read_dir(self.dir.path().join("queue").join(name)).is_ok_and(|mut found| found.next().is_some());
        let empty = until(|| !["maildrop", "incoming", "active"].into_iter().any(busy));
        assert!(empty, "Postfix still has mail in its queue\n{}", self.logs());
        assert!(!self.log("postfix.log").contains("status=deferred"), "Dovecot refused mail\n{}", self.logs());
    }

    fn wait_for(&self, what: &str, port: u16) {
        let answers = until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(answers, "nobody answers {what} on port {port}\n{}", self.logs());
    }

    fn postfix(&self, verb: &str) -> bool {
        let status = Command::new("postfix").arg("-c").arg(self.dir.path().join("etc")).arg(verb).stderr(Stdio::null()).status();
        status.expect("Postfix is not installed: run scripts/setup").success()
    }

    fn log(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join(name)).unwrap_or_default()).into_owned()
    }

    fn logs(&self) -> String {
        ["postfix.log", "dovecot.log", "dovecot.err"].map(|name| format!("--- {name}\n{}", self.log(name))).concat()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.postfix("stop");
        // TERM, not KILL: Dovecot's master then stops its own children.
        let _ = Command::new("kill").arg(self.dovecot.id().to_string()).status();
        let _ = self.dovecot.wait();
    }
}

/// Asks again every 20 ms until `done` or patience ends.
pub fn until(mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if done() {
            return true;
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes the configurations from their models in tests/peers/ and makes the directories with their owners.
fn lay_out(dir: &Path, smtp_port: u16, imap_port: u16) {
    let fill = |model: &str| {
        let model = model.replace("@DIR@", &dir.display().to_string());
        model.replace("@SMTP_PORT@", &smtp_port.to_string()).replace("@IMAP_PORT@", &imap_port.to_string())
    };
    for name in ["etc", "queue", "data", "mail", "dovecot"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    fs::write(dir.join("etc/main.cf"), fill(include_str!("../../peers/main.cf"))).unwrap();
    fs::write(dir.join("etc/master.cf"), fill(include_str!("../../peers/master.cf"))).unwrap();
    fs::write(dir.join("dovecot.conf"), fill(include_str!("../../peers/dovecot.conf"))).unwrap();
    // The servers' own users must be able to pass through.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    give(dir.join("data"), "postfix");
    give(dir.join("mail"), "nobody");
}

fn give(path: PathBuf, owner: &str) {
    let done = Command::new("chown").arg(owner).arg(&path).status().unwrap().success();
    assert!(done, "{} could not be given to {owner}: the mail servers need root and scripts/setup", path.display());
}

/// Both are held until both are known, so that they differ.
fn two_free_ports() -> (u16, u16) {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (one, two) = (bind(), bind());
    (one.local_addr().unwrap().port(), two.local_addr().unwrap().port())
}
