//! A private Postfix or Exim that takes mail as a relay does and keeps every message with its envelope; gone on drop.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use postrider::model::Relay;
use postrider::model::relay::TlsMode;
use tempfile::TempDir;

use super::mail_server::until;

/// Which program answers.
enum Program {
    Postfix,
    Exim(Child),
}

/// A running server.
pub struct SmtpServer {
    dir: TempDir,
    port: u16,
    program: Program,
}

/// A delivered message: its envelope and its body with LF line ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub from: String,
    pub to: String,
    pub body: String,
}

impl SmtpServer {
    /// Postfix; `more` is added to its main.cf.
    pub fn postfix(more: &str) -> Self {
        let (dir, port) = lay_out();
        let fill = |model: &str| fill(model, dir.path(), port);
        for name in ["etc", "data"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let master = include_str!("../../peers/master.cf").to_owned() + "virtual    unix       - n n -   - virtual\n";
        fs::write(dir.path().join("etc/main.cf"), fill(include_str!("../../peers/relay-main.cf")) + more + "\n").unwrap();
        fs::write(dir.path().join("etc/master.cf"), fill(&master)).unwrap();
        fs::write(dir.path().join("access"), include_str!("../../peers/relay-access")).unwrap();
        give(&dir.path().join("data"), "postfix");
        give(&dir.path().join("mail"), "nobody");
        let server = Self { dir, port, program: Program::Postfix };
        assert!(server.postfix_does("start"), "Postfix did not start (it must be started as root)\n{}", server.logs());
        server.wait()
    }

    /// Exim; `more` is added to the main part of its configuration.
    pub fn exim(more: &str) -> Self {
        let (dir, port) = lay_out();
        let exim = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/exim/usr/sbin/exim4");
        let conf = fill(include_str!("../../peers/exim.conf"), dir.path(), port);
        let conf = conf.replace("@EXIM@", exim.to_str().unwrap()).replace("@MORE@", more);
        fs::write(dir.path().join("exim.conf"), conf).unwrap();
        for name in ["", "queue", "mail"] {
            give(&dir.path().join(name), "mail");
        }
        let child = Command::new(&exim)
            .arg("-C")
            .arg(dir.path().join("exim.conf"))
            .arg("-bdf")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("exim.err")).unwrap())
            .spawn()
            .expect("Exim is not installed: run scripts/setup");
        Self { dir, port, program: Program::Exim(child) }.wait()
    }

    /// As a relay of ours.
    pub fn relay(&self, tls: TlsMode, window: usize) -> Relay {
        Relay { window, ..crate::send::driver::relay(self.port, tls) }
    }

    /// Every message that was delivered, once there are `expected` and a moment later still no more.
    pub fn letters(&self, expected: usize) -> Vec<Letter> {
        let new = self.dir.path().join("mail/new");
        let new = if new.exists() || matches!(self.program, Program::Exim(_)) { new } else { self.dir.path().join("mail/all/new") };
        let count = || fs::read_dir(&new).map_or(0, Iterator::count);
        assert!(until(|| count() >= expected), "{} of {expected} messages were delivered\n{}", count(), self.logs());
        assert!(until(|| self.queue_is_empty()), "mail is left in the queue\n{}", self.logs());
        let mut letters: Vec<Letter> = fs::read_dir(&new).unwrap().map(|file| read(&file.unwrap().path())).collect();
        letters.sort();
        letters
    }

    fn queue_is_empty(&self) -> bool {
        let names: &[&str] = match self.program {
            Program::Postfix => &["maildrop", "incoming", "active", "deferred"],
            Program::Exim(_) => &["input"],
        };
        // Postfix hashes its deferred queue into folders, which stay.
        let busy = |path: PathBuf| fs::read_dir(path).is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| file.path().is_file())));
        !names.iter().any(|name| busy(self.dir.path().join("queue").join(name)))
    }

    fn wait(self) -> Self {
        let answers = until(|| TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        assert!(answers, "nobody answers on port {}\n{}", self.port, self.logs());
        self
    }

    fn postfix_does(&self, verb: &str) -> bool {
        let status = Command::new("postfix").arg("-c").arg(self.dir.path().join("etc")).arg(verb).stderr(Stdio::null()).status();
        status.expect("Postfix is not installed: run scripts/setup").success()
    }

    fn logs(&self) -> String {
        let text = |name| String::from_utf8_lossy(&fs::read(self.dir.path().join(name)).unwrap_or_default()).into_owned();
        let names = ["postfix.log", "main.log", "reject.log", "panic.log", "exim.err"];
        names
            .map(text)
            .into_iter()
            .flat_map(|log| log.lines().rev().take(40).map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        match &mut self.program {
            Program::Postfix => {
                self.postfix_does("stop");
            }
            Program::Exim(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// A directory with queue, mail and the test certificate, and a free port.
fn lay_out() -> (TempDir, u16) {
    let dir = tempfile::Builder::new().prefix("postrider-").tempdir_in("/tmp").unwrap();
    for name in ["queue", "mail"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("cert.pem"), crate::support::smtp::CERT).unwrap();
    fs::write(dir.path().join("key.pem"), crate::support::smtp::KEY).unwrap();
    // The servers' own users must be able to pass through.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (dir, port)
}

fn fill(model: &str, dir: &Path, port: u16) -> String {
    model.replace("@DIR@", dir.to_str().unwrap()).replace("@SMTP_PORT@", &port.to_string())
}

fn give(path: &Path, owner: &str) {
    let done = Command::new("chown").arg(owner).arg(path).status().unwrap().success();
    assert!(done, "{} could not be given to {owner}: the mail servers need root and scripts/setup", path.display());
}

fn read(file: &Path) -> Letter {
    let text = String::from_utf8_lossy(&fs::read(file).unwrap()).replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").expect("a header and a body");
    let path = |names: [&str; 2]| {
        let line = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)).then(|| value.trim().trim_matches(['<', '>']).to_owned())
        });
        line.unwrap_or_else(|| panic!("none of {names:?} in\n{head}"))
    };
    Letter { from: path(["Return-Path", "Return-path"]), to: path(["X-Original-To", "Envelope-to"]), body: body.to_owned() }
}
