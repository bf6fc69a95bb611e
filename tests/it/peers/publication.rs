//! A publication in a temporary directory, driven through the real binary as a person would.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::store::url_for_config;

/// The directory with config.toml, content/ and the store.
pub struct Publication {
    dir: TempDir,
}

impl Publication {
    /// With one list and one digest, both called `weekly`, and one relay: `relay` holds the lines of its table.
    pub fn new(relay: &str) -> Self {
        Self::on(&url_for_config(), relay)
    }

    /// The same with its store at this address.
    pub fn on(store: &str, relay: &str) -> Self {
        let publication = Self { dir: tempfile::tempdir().unwrap() };
        publication.write("config.toml", &CONFIG.replace("@RELAY@", relay).replace("@STORE@", store));
        publication
    }

    /// Writes a file; its folders are made.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Where a file of it is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in a file; nothing when it cannot be read.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// Opens a file to write at its end.
    pub fn append(&self, path: &str) -> fs::File {
        fs::File::options().create(true).append(true).open(self.path(path)).unwrap()
    }

    /// Writes an article of a few paragraphs, published on that day of November 2026.
    pub fn article(&self, day: u32, title: &str, body: &str) {
        let front = format!("+++\ntitle = {}\ndate = 2026-11-{day:02}T08:00:00Z\n+++\n", Value::from(title));
        self.write(&format!("content/article-{day:02}.md"), &(front + "\n" + body));
    }

    /// Puts these people, `(address, name)`, on the list as confirmed.
    pub fn import(&self, people: &[(String, String)]) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let rows = people.iter().map(|(email, name)| format!("{},{}\n", quoted(email), quoted(name)));
        self.write("people.csv", &std::iter::once("email,name\n".to_owned()).chain(rows).collect::<String>());
        let report = self.json(&["subscribers", "import", "people.csv", "--list", "weekly", "--confirmed", "--yes"]);
        assert_eq!(report["new"], people.len(), "the import took not everybody: {report}");
    }

    /// The binary with these arguments, not yet started; nothing of the caller's environment configures it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        let inherited = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("POSTRIDER_"));
        inherited.for_each(|name| {
            command.env_remove(name);
        });
        command.args(args).current_dir(self.dir.path());
        command
    }

    /// Runs it to its end, whatever that is.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it with `--json`, wants success, and gives what it printed.
    pub fn json(&self, args: &[&str]) -> Value {
        let out = self.run(&[&["--json"], args].concat());
        assert!(out.status.success(), "postrider {} failed: {}", args.join(" "), said(&out));
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: postrider --json {} printed {}", args.join(" "), said(&out)))
    }

    /// The first Issue as `issues show` tells it, its ledger checked; nothing when there is none yet.
    pub fn issue(&self) -> Option<Value> {
        let out = self.run(&["--json", "issues", "show", "1"]);
        out.status.success().then(|| {
            let issue: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&out)));
            assert_adds_up(&issue);
            issue
        })
    }
}

/// The ledger's identity: planned is the sum of all the others.
pub fn assert_adds_up(issue: &Value) {
    let count = |name: &str| issue[name].as_u64().unwrap_or_else(|| panic!("no count {name} in {issue}"));
    let parts = ["queued", "leased", "sent", "deferred", "failed", "unknown", "skipped", "cancelled"];
    assert_eq!(count("planned"), parts.into_iter().map(count).sum::<u64>(), "the ledger does not add up: {issue}");
}

/// Exit status, stdout and stderr, for a failing test.
pub fn said(out: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n--- stdout\n{}\n--- stderr\n{}", out.status, text(&out.stdout), text(&out.stderr))
}

const CONFIG: &str = r#"
[site]
title = "Notes from the Harbour"
url = "https://letters.example.org"
description = "What happens between the piers"
language = "en"
timezone = "Europe/Berlin"
author = "Ada Example"
postal_address = "1 Pier Road, 20457 Hamburg"

[store]
url = "@STORE@"

[[relay]]
name = "local"
@RELAY@

[[list]]
id = "weekly"
name = "Harbour Weekly"
description = "You asked for it at letters.example.org"
from = "Ada Example <ada@letters.example.org>"
opt_in = "double"
public = true

[[digest]]
id = "weekly"
lists = ["weekly"]
subject = "The week in {{ articles | length }} stories"
template = "digest"
limit = 10

[[feed]]
id = "main"
title = "Notes from the Harbour"
formats = ["rss", "atom", "json"]
"#;
