//! The command line as people use it: the first ten minutes, and what happens when they get it wrong.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder in which the real binary is run.
struct Desk(TempDir);

impl Desk {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A publication as `init` makes it, with one article that is live.
    fn publication() -> Self {
        let desk = Self::empty();
        desk.ok(&["init", ".", "--title", "The Test Letter", "--url", "https://letter.example.com", "--email", "desk@letter.example.com"]);
        desk.write("content/2026-01-05-first.md", "+++\ntitle = \"The first\"\n+++\nA **bold** start.\n");
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replace(from, to));
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(args).current_dir(self.path()).env("NO_COLOR", "1").env("RUST_BACKTRACE", "0").env_remove("TZ");
        command.stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// Runs, expects exit code 0, gives standard output.
    fn ok(&self, args: &[&str]) -> String {
        self.fails(args, 0).0
    }

    /// Runs, expects `code`, gives standard output and standard error.
    fn fails(&self, args: &[&str], code: i32) -> (String, String) {
        let output = self.run(args);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "postrider {args:?} was expected to exit with {code}\n{out}\n{err}");
        (out, err)
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }
}

#[test]
fn init_makes_a_publication_that_checks_and_builds_at_once() {
    let desk = Desk::empty();
    let said = desk.ok(&["init", "my-letter"]);
    assert!(said.contains("created config.toml, content/hello.md"), "{said}");
    assert!(said.contains("next: cd my-letter && postrider dev"), "{said}");
    let config = desk.path().join("my-letter/config.toml");
    let config = config.to_str().unwrap();
    let checked = desk.ok(&["--config", config, "check"]);
    assert!(checked.contains("0 errors"), "{checked}");
    let built = desk.ok(&["--config", config, "build"]);
    assert!(built.contains("built 1 article, 3 feeds"), "{built}");
    assert!(desk.path().join("my-letter/public/rss.xml").exists(), "the default folder lies beside config.toml");
}

#[test]
fn init_refuses_a_folder_that_is_not_empty_and_writes_nothing() {
    let desk = Desk::empty();
    desk.write("notes.txt", "mine");
    let (_, error) = desk.fails(&["init", "."], 2);
    assert!(error.contains("not empty; nothing was written"), "{error}");
    assert!(!desk.path().join("config.toml").exists());
}

#[test]
fn new_makes_an_article_and_never_overwrites_one() {
    let desk = Desk::publication();
    let said = desk.ok(&["new", "Second thoughts, later"]);
    let file = said.trim().strip_prefix("created ").unwrap();
    assert!(file.starts_with("content/20") && file.ends_with("-second-thoughts-later.md"), "{said}");
    desk.fails(&["new", "Second thoughts, later"], 1);
    desk.fails(&["new", " "], 2);
}

#[test]
fn a_typo_in_the_config_is_shown_with_its_line_and_the_key_that_was_meant() {
    let desk = Desk::publication();
    desk.edit("config.toml", "timezone = ", "timzone = ");
    let (_, error) = desk.fails(&["check"], 3);
    assert!(error.contains("config.toml:") && error.contains("timzone") && error.contains("did you mean \"timezone\"?"), "{error}");
    let (_, error) = desk.fails(&["send", "weekly", "--yes"], 3);
    assert!(error.contains("did you mean"), "{error}");
}

#[test]
fn a_broken_article_is_named_and_does_not_hide_the_others() {
    let desk = Desk::publication();
    desk.write("content/broken.md", "+++\ntitle = \"No end\ndate = 2026-01-06\n+++\nText\n");
    let (_, error) = desk.fails(&["check"], 3);
    assert!(error.contains("content/broken.md:2"), "{error}");
    let (_, error) = desk.fails(&["build"], 3);
    assert!(error.contains("content/broken.md:2"), "{error}");
    let feed = std::fs::read_to_string(desk.path().join("public/rss.xml")).unwrap();
    assert!(feed.contains("The first"), "the article that can be read is published");
}

#[test]
fn without_a_config_the_hint_says_how_to_begin() {
    let (_, error) = Desk::empty().fails(&["build"], 3);
    assert!(error.contains("there is no config.toml here") && error.contains("postrider init"), "{error}");
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_was_meant() {
    let desk = Desk::publication();
    desk.fails(&["sned"], 2);
    desk.fails(&["send"], 2);
    let (_, error) = desk.fails(&["send", "weekley", "--yes"], 2);
    assert!(error.contains("did you mean `weekly`?"), "{error}");
    let (_, error) = desk.fails(&["send", "weekly", "--list", "dayly"], 2);
    assert!(error.contains("lists in config.toml: weekly"), "{error}");
    let (_, error) = desk.fails(&["subscribers", "add", "no-address", "--list", "weekly"], 2);
    assert!(error.contains("needs an @"), "{error}");
    let (_, error) = desk.fails(&["subscribers", "add", "a@example.org", "--list", "weekly", "--name", "A\r\nBcc: b@example.org"], 2);
    assert!(error.contains("a name cannot contain '\\r'"), "{error}");
    let (_, error) = desk.fails(&["run", "--roles", "sent"], 2);
    assert!(error.contains("web, schedule, fetch, send, bounce"), "{error}");
}

#[test]
fn preview_writes_html_text_and_message_and_prints_their_sizes() {
    let desk = Desk::publication();
    let said = desk.ok(&["preview", "weekly", "--out", "p"]);
    assert!(said.contains("KiB of 102.0 KiB"), "{said}");
    for name in ["issue.html", "issue.txt", "issue.eml"] {
        let text = std::fs::read_to_string(desk.path().join("p").join(name)).unwrap();
        assert!(text.contains("The first"), "{name} has the article");
    }
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly", "--name", "Ann Example"]);
    desk.ok(&["preview", "first", "--as", "ann@example.org", "--out", "p"]);
    let message = std::fs::read_to_string(desk.path().join("p/issue.eml")).unwrap();
    assert!(
        message.contains("To: Ann Example <ann@example.org>") || message.contains("To: \"Ann Example\" <ann@example.org>"),
        "{message}"
    );
    desk.fails(&["preview", "weekly", "--as", "nobody@example.org"], 1);
}

#[test]
fn a_dry_run_says_who_gets_it_who_does_not_and_why_and_writes_nothing() {
    let desk = Desk::publication();
    for (email, more) in
        [("ann@example.org", &[][..]), ("ben@example.org", &["--pending"]), ("cy@example.org", &[]), ("di@example.org", &[])]
    {
        desk.ok(&[&["subscribers", "add", email, "--list", "weekly"], more].concat());
    }
    desk.ok(&["subscribers", "remove", "cy@example.org", "--list", "weekly"]);
    desk.ok(&["suppressions", "add", "di@example.org", "--reason", "asked by letter"]);
    let said = desk.ok(&["send", "weekly", "--dry-run"]);
    assert!(said.starts_with("1 would get it, 3 would not (1 opted out, 1 unconfirmed, 1 suppressed)"), "{said}");
    assert!(
        said.contains("gets it  ann@example.org") && said.contains("not      di@example.org (weekly): suppressed: asked by letter"),
        "{said}"
    );
    let data = desk.json(&["--json", "send", "weekly", "--dry-run"]);
    assert_eq!((&data["recipients"], &data["pending"]), (&1.into(), &1.into()), "{data}");
    assert_eq!(desk.json(&["--json", "issues"]), serde_json::json!([]), "a dry run makes no issue");
    assert!(desk.json(&["--json", "subscribers", "list"]).as_array().unwrap().len() == 4);
}

#[test]
fn without_a_terminal_nobody_is_mailed_unless_yes_is_said() {
    let desk = Desk::publication();
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly"]);
    let (_, error) = desk.fails(&["send", "weekly"], 2);
    assert!(error.contains("this would mail 1 reader") && error.contains("--yes"), "{error}");
}

#[test]
fn a_relay_that_is_down_loses_nothing_and_exits_with_4() {
    let desk = Desk::publication();
    // A port that was free a moment ago: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    desk.edit("config.toml", "smtp://127.0.0.1:2525", &format!("smtp://127.0.0.1:{port}"));
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly"]);
    let (_, error) = desk.fails(&["send", "weekly", "--yes"], 4);
    assert!(error.contains("nothing is lost"), "{error}");
    let issue = desk.json(&["--json", "issues", "show", "1"]);
    assert_eq!(issue["planned"], 1, "{issue}");
    let waiting = issue["queued"].as_u64().unwrap() + issue["deferred"].as_u64().unwrap();
    assert_eq!(waiting, 1, "the delivery waits: {issue}");
    let (_, error) = desk.fails(&["send", "first", "--to", "me@example.org"], 4);
    assert!(error.contains("the test message was not sent"), "{error}");
}

#[test]
fn an_issue_is_scheduled_in_the_sites_zone_and_can_be_cancelled() {
    let desk = Desk::publication();
    desk.edit("config.toml", "timezone = \"UTC\"", "timezone = \"Europe/Paris\"");
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly"]);
    let said = desk.ok(&["send", "weekly", "--at", "tomorrow 09:00", "--yes"]);
    assert!(said.contains("09:00 Europe/Paris (in ") && said.contains("cancel: postrider issues cancel 1"), "{said}");
    assert_eq!(desk.json(&["--json", "issues", "show", "1"])["status"], "scheduled");
    desk.ok(&["issues", "cancel", "1"]);
    let issue = desk.json(&["--json", "issues", "show", "1"]);
    assert_eq!((&issue["status"], &issue["cancelled"]), (&"cancelled".into(), &1.into()), "{issue}");
    let (_, error) = desk.fails(&["send", "weekly", "--at", "yesterday", "--yes"], 2);
    assert!(error.contains("tomorrow 09:00"), "{error}");
}

#[test]
fn the_same_article_is_never_in_two_issues_of_a_digest() {
    let desk = Desk::publication();
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly"]);
    desk.ok(&["send", "weekly", "--at", "tomorrow 09:00", "--yes"]);
    let said = desk.ok(&["send", "weekly", "--yes"]);
    assert!(said.contains("no issue of weekly: no new article since the last issue"), "{said}");
}

#[test]
fn schedule_prints_the_coming_runs_with_their_zone() {
    let desk = Desk::publication();
    let runs = desk.json(&["--json", "schedule", "--next", "3"]);
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        assert_eq!(run["digest"], "weekly");
        let at = chrono::DateTime::parse_from_rfc3339(run["at"].as_str().unwrap()).unwrap();
        assert_eq!(at.format("%a %H:%M:%S").to_string(), "Mon 09:00:00");
    }
    assert!(desk.ok(&["schedule", "--next", "1"]).contains("09:00:00  UTC"));
}

#[test]
fn an_import_reports_what_became_of_every_row() {
    let desk = Desk::publication();
    desk.ok(&["subscribers", "add", "gone@example.org", "--list", "weekly"]);
    desk.ok(&["subscribers", "remove", "gone@example.org"]);
    desk.write(
        "people.csv",
        "\u{feff}E-Mail;Name;City\nann@example.org;Ann;Lisbon\nnot an address;X;Y\nann@example.org;Ann;Lisbon\ngone@example.org;G;H\n",
    );
    let output = desk.run(&["--json", "subscribers", "import", "people.csv", "--list", "weekly", "--confirmed", "--yes"]);
    assert_eq!(output.status.code(), Some(1), "there are rows the user can mend");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = serde_json::json!({"rows": 4, "new": 1, "updated": 0, "unchanged": 0, "suppressed": 0, "unsubscribed": 1, "invalid": 1, "duplicate": 1});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&report[key], value, "{key} of {report}");
    }
    assert!(report["tag"].as_str().unwrap().starts_with("import:20"), "{report}");
    let problems = String::from_utf8(output.stderr).unwrap();
    assert!(problems.contains("people.csv:3"), "{problems}");
    let person = desk.json(&["--json", "subscribers", "show", "ann@example.org"]);
    assert_eq!(
        person["subscriber"]["attributes"]["City"].as_str().or(person["subscriber"]["attributes"]["city"].as_str()),
        Some("Lisbon"),
        "{person}"
    );
}

/// What is printed without the days and temporary folders of this run.
fn timeless(text: &str) -> String {
    let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
    text.replace(&today, "TODAY")
}

#[test]
fn an_import_shows_what_the_file_is_taken_for_before_it_writes() {
    let desk = Desk::publication();
    let fixture = |name: &str| format!("{}/tests/it/fixtures/imports/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(fixture("mailchimp-subscribed.csv"), desk.path().join("subscribed.csv")).unwrap();
    std::fs::copy(fixture("mailchimp-cleaned.csv"), desk.path().join("cleaned.csv")).unwrap();
    let args = ["subscribers", "import", "subscribed.csv", "cleaned.csv", "--list", "weekly"];
    let (out, error) = desk.fails(&[&args[..], &["--dry-run"]].concat(), 0);
    insta::assert_snapshot!(timeless(&format!("{error}{out}")));
    assert_eq!(desk.json(&["--json", "subscribers", "list"]), serde_json::json!([]), "a dry run writes nothing");
    let (_, error) = desk.fails(&args, 2);
    assert!(error.contains("say whether these people have confirmed"), "nobody is there to be asked: {error}");
    let (out, error) = desk.fails(&[&args[..], &["--confirmed"]].concat(), 0);
    assert!(out.contains("3 rows: 2 new, 1 suppressed (never mailed)."), "{out}");
    assert!(timeless(&error).contains("postrider subscribers undo import:TODAY-1"), "{error}");
    let said = desk.ok(&["subscribers", "undo", error.split("undo ").nth(1).unwrap().trim()]);
    assert_eq!(said, "taken back: 2 people, 2 subscriptions, 0 pending again\n");
    assert_eq!(desk.json(&["--json", "subscribers", "list"]), serde_json::json!([]));
    assert_eq!(desk.json(&["--json", "suppressions"]).as_array().unwrap().len(), 1, "what is dead stays dead");
    let (_, error) = desk.fails(&["subscribers", "undo", "import:1999-01-01-1"], 2);
    assert!(error.contains("there was no import yet"), "{error}");
}

#[test]
fn the_error_file_of_an_import_can_be_mended_and_imported_again() {
    let desk = Desk::publication();
    desk.write("people.csv", "Given;Contact\nAnn;ann@example.org\nBen;ben at example.org\n");
    let args =
        ["subscribers", "import", "people.csv", "--list", "weekly", "--confirmed", "--map", "Contact=email", "--errors", "wrong.csv"];
    let (out, error) = desk.fails(&[&args[..], &["--map", "Given=first_name"]].concat(), 1);
    assert!(out.contains("2 rows: 1 new, 1 invalid."), "{out}");
    assert!(error.contains("row by row: wrong.csv"), "{error}");
    let wrong = std::fs::read_to_string(desk.path().join("wrong.csv")).unwrap();
    assert_eq!(wrong, "line,email,level,message\n3,ben at example.org,error,an address cannot contain ' '\n");
    assert_eq!(desk.json(&["--json", "subscribers", "show", "ann@example.org"])["subscriber"]["name"], "Ann");
    let (_, error) = desk.fails(&[&args[..], &["--map", "Given=frist_name"]].concat(), 2);
    assert!(error.contains("did you mean \"first_name\"?"), "{error}");
    let (_, error) = desk.fails(&[&args[..], &["--format", "mailchump"]].concat(), 2);
    assert!(error.contains("mailchimp"), "{error}");
    let (_, error) = desk.fails(&["subscribers", "import", "people.csv", "--confirmed", "--map", "Contact=email"], 2);
    assert!(error.contains("which list") && error.contains("weekly"), "{error}");
}

#[test]
fn a_person_gets_everything_that_is_held_of_them_and_can_be_forgotten() {
    let desk = Desk::publication();
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly", "--name", "Ann"]);
    desk.fails(&["send", "weekly", "--at", "tomorrow 09:00", "--yes"], 0);
    let held: serde_json::Value = serde_json::from_str(&desk.ok(&["subscribers", "export", "--person", "ann@example.org"])).unwrap();
    assert_eq!((&held["person"]["subscriber"]["name"], &held["deliveries"][0]["issue"]), (&"Ann".into(), &1.into()), "{held}");
    let said = desk.ok(&["subscribers", "erase", "ann@example.org"]);
    assert!(said.contains("1 delivery stays without a name"), "{said}");
    let (_, error) = desk.fails(&["subscribers", "add", "ann@example.org", "--list", "weekly"], 1);
    assert!(!error.contains("bug"), "{error}");
    assert!(desk.ok(&["suppressions"]).starts_with("(an erased person)"));
    let held: serde_json::Value = serde_json::from_str(&desk.ok(&["subscribers", "export", "--person", "ann@example.org"])).unwrap();
    assert_eq!((&held["person"], &held["suppression"]["reason"]), (&serde_json::Value::Null, &"erased".into()), "{held}");
    desk.fails(&["subscribers", "export", "--person", "nobody@example.org"], 1);
    let issue = desk.json(&["--json", "issues", "show", "1"]);
    assert_eq!((&issue["planned"], &issue["skipped"]), (&1.into(), &1.into()), "{issue}");
    let store = std::fs::read(desk.path().join("postrider.db")).unwrap();
    assert!(!store.windows(15).any(|bytes| bytes.eq_ignore_ascii_case(b"ann@example.org")), "the address stands nowhere in the file");
}

#[test]
fn suppressions_are_imported_from_a_file() {
    let desk = Desk::publication();
    desk.write("dead.txt", "a@example.org\nno address\nb@example.org\n");
    let (out, error) = desk.fails(&["suppressions", "import", "dead.txt", "--reason", "old bounces"], 1);
    assert_eq!(out, "3 rows: 2 never mailed from now on, 0 known, 1 invalid\n");
    assert!(error.contains("dead.txt:2:"), "{error}");
    assert_eq!(desk.json(&["--json", "suppressions"])[0]["reason"], "old bounces");
}

#[test]
fn a_segment_chooses_who_is_listed_exported_and_mailed() {
    let desk = Desk::publication();
    desk.write(
        "people.csv",
        "email,tz,tags\nann@example.org,Europe/Paris,vip\nben@example.org,Europe/Rome,\ncy@example.org,Asia/Tokyo,vip\n",
    );
    desk.ok(&["subscribers", "import", "people.csv", "--list", "weekly", "--confirmed"]);
    let europe = "tz = \"Europe/*\" and joined > 2026-01-01";
    assert_eq!(desk.json(&["--json", "subscribers", "list", "--where", europe]).as_array().unwrap().len(), 2);
    assert_eq!(desk.ok(&["subscribers", "export", "--where", "tag:vip and not domain = example.com"]).lines().count(), 3);
    let said = desk.ok(&["send", "weekly", "--where", europe, "--dry-run"]);
    assert!(said.starts_with("2 would get it, 1 would not (1 outside the segment)"), "{said}");
    assert!(said.contains("not      cy@example.org (weekly): outside the segment"), "{said}");
    // The digest's own segment holds beside that of the command.
    desk.edit("config.toml", "lists = [\"weekly\"]", "lists = [\"weekly\"]\nwhere = 'tag:vip'");
    let said = desk.ok(&["send", "weekly", "--dry-run"]);
    assert!(said.starts_with("2 would get it, 1 would not"), "{said}");
    desk.ok(&["send", "weekly", "--where", europe, "--at", "tomorrow 09:00", "--yes"]);
    assert_eq!(desk.json(&["--json", "issues", "show", "1"])["planned"], 1);
    let (_, error) = desk.fails(&["send", "weekly", "--where", "tag:none", "--yes"], 0);
    assert!(error.is_empty(), "nothing new to send comes first: {error}");
    let (_, error) = desk.fails(&["subscribers", "list", "--where", "timezon = UTC"], 2);
    assert!(error.contains("--where:1:1") && error.contains("did you mean `tz`?"), "{error}");
}

#[test]
fn a_wrong_segment_of_a_digest_is_shown_in_config_toml_at_its_column() {
    let desk = Desk::publication();
    desk.edit("config.toml", "lists = [\"weekly\"]", "lists = [\"weekly\"]\nwhere = 'tag:vip and list:wekly'");
    let (_, plain) = desk.fails(&["check"], 3);
    desk.edit("config.toml", "where = 'tag:vip and list:wekly'", "where = \"name = \\\"Ann\\\" or sent > many\"");
    let (_, escaped) = desk.fails(&["check"], 3);
    insta::assert_snapshot!(format!("{plain}\n{escaped}"));
}

#[test]
fn csv_garbage_is_refused_in_words_and_writes_nothing() {
    let desk = Desk::publication();
    desk.write("noise.csv", "\0\0\0garbage\0without\nany header\n");
    let (_, error) = desk.fails(&["subscribers", "import", "noise.csv", "--list", "weekly", "--confirmed"], 3);
    assert!(error.contains("noise.csv"), "{error}");
    desk.fails(&["subscribers", "import", "missing.csv", "--list", "weekly", "--confirmed"], 2);
    assert_eq!(desk.json(&["--json", "subscribers", "list"]), serde_json::json!([]));
}

#[test]
fn export_and_import_are_each_others_mirror() {
    let desk = Desk::publication();
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly", "--name", "Ann, \"the\" Example"]);
    desk.ok(&["subscribers", "add", "bo@example.org", "--list", "weekly", "--name", "=cmd()"]);
    let csv = desk.ok(&["subscribers", "export", "--list", "weekly"]);
    assert!(csv.contains("'=cmd()"), "formula cells are disarmed: {csv}");
    let other = Desk::publication();
    other.write("people.csv", &csv);
    other.ok(&["subscribers", "import", "people.csv", "--list", "weekly", "--confirmed"]);
    assert_eq!(other.ok(&["subscribers", "export", "--list", "weekly"]).lines().count(), csv.lines().count());
    let again = other.json(&["--json", "subscribers", "import", "people.csv", "--list", "weekly", "--confirmed"]);
    assert_eq!(again["unchanged"], 2, "{again}");
}

#[test]
fn a_list_with_a_csv_file_is_kept_in_step_with_it() {
    let desk = Desk::publication();
    desk.edit("config.toml", "id = \"weekly\"\nname", "id = \"weekly\"\nsubscribers = \"people.csv\"\nname");
    let (_, error) = desk.fails(&["lists"], 3);
    assert!(error.contains("there is no file people.csv"), "{error}");
    desk.write("people.csv", "email\nann@example.org\n");
    assert_eq!(desk.json(&["--json", "lists"])[0]["confirmed"], 1);
    desk.ok(&["subscribers", "remove", "ann@example.org"]);
    desk.write("people.csv", "email\nann@example.org\nbo@example.org\n");
    let lists = desk.json(&["--json", "lists"]);
    assert_eq!((&lists[0]["confirmed"], &lists[0]["unsubscribed"]), (&1.into(), &1.into()), "who left stays out: {lists}");
}

#[test]
fn a_template_that_loops_without_end_is_refused_before_any_mail_leaves() {
    let desk = Desk::publication();
    std::fs::create_dir_all(desk.path().join("templates/email")).unwrap();
    desk.write("templates/email/digest.html", "{% for a in range(end=30000) %}{% for b in range(end=30000) %}x{% endfor %}{% endfor %}");
    desk.ok(&["subscribers", "add", "ann@example.org", "--list", "weekly"]);
    let (_, error) = desk.fails(&["send", "weekly", "--yes"], 3);
    assert!(error.contains("email/digest.html"), "{error}");
    assert_eq!(desk.json(&["--json", "issues"]), serde_json::json!([]), "no issue was made");
}

#[test]
fn an_undefined_variable_in_a_template_is_shown_with_its_line() {
    let desk = Desk::publication();
    std::fs::create_dir_all(desk.path().join("templates/email")).unwrap();
    desk.write("templates/email/digest.txt", "Hello\n{{ sitte.title }}\n");
    let (_, error) = desk.fails(&["check"], 3);
    assert!(error.contains("email/digest.txt:2"), "{error}");
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let desk = Desk::empty();
    assert!(desk.ok(&["completions", "bash"]).contains("postrider"));
    assert!(desk.ok(&["man"]).contains(".TH"));
    assert!(desk.ok(&["--version"]).starts_with("postrider "));
}

#[test]
fn help_fits_a_screen_and_names_every_command() {
    insta::assert_snapshot!(Desk::empty().ok(&["--help"]));
}

#[test]
fn a_dkim_key_is_made_once_and_its_lines_work_as_printed() {
    let desk = Desk::publication();
    let said = desk.ok(&["dkim", "generate"]);
    let more = desk.ok(&["dkim", "generate", "--ed25519"]);
    for (said, name) in [(&said, "postrider._domainkey.letter.example.com"), (&more, "postrider-ed25519._domainkey.letter.example.com")] {
        assert!(said.contains(&format!("name   {name}\n")), "{said}");
        assert!(!said.contains("PRIVATE KEY"), "the key itself is not printed:\n{said}");
    }
    for name in ["postrider.dkim.pem", "postrider-ed25519.dkim.pem"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(desk.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name} is for its owner alone");
    }
    // The lines go into config.toml as they stand; [dkim] comes once.
    let lines = |said: &str| said.split("[dkim]\n").nth(1).unwrap().replace("\n  ", "\n").trim().to_owned();
    let config = std::fs::read_to_string(desk.path().join("config.toml")).unwrap();
    desk.write("config.toml", &format!("{config}\n[dkim]\n{}\n{}\n", lines(&said), lines(&more)));
    let (_, warned) = desk.fails(&["lists"], 0);
    assert_eq!(warned, "", "nothing to warn of");

    let key = std::fs::read(desk.path().join("postrider.dkim.pem")).unwrap();
    let (_, error) = desk.fails(&["dkim", "generate"], 1);
    assert!(error.contains("is there already"), "{error}");
    assert_eq!(std::fs::read(desk.path().join("postrider.dkim.pem")).unwrap(), key, "a key is never overwritten");
}

#[test]
fn dkim_generate_says_as_json_what_it_made_and_refuses_what_no_dns_takes() {
    let desk = Desk::empty();
    let args = ["--json", "dkim", "generate", "--domain", "Letters.Example.Org", "--selector", "s2026", "--out", "my.pem"];
    let made = desk.json(&args);
    assert_eq!((&made["domain"], &made["selector"]), (&"letters.example.org".into(), &"s2026".into()));
    assert_eq!((&made["algorithm"], &made["file"]), (&"rsa-sha256".into(), &"my.pem".into()));
    assert_eq!(made["record"]["name"], "s2026._domainkey.letters.example.org");
    let value = made["record"]["value"].as_str().unwrap();
    assert!(value.starts_with("v=DKIM1; k=rsa; p=MIIB"), "{value}");
    let zone = made["record"]["zone_file"].as_str().unwrap();
    let strings: Vec<&str> = zone.split('"').skip(1).step_by(2).collect();
    assert!(strings.len() == 2 && strings.iter().all(|string| string.len() <= 255), "{zone}");
    assert_eq!(strings.concat(), value, "resolvers join the strings");
    for (args, says) in [
        (&["--domain", "no domain"][..], "not a mail domain"),
        (&["--domain", "example.org", "--selector", "a b"], "not a selector"),
        (&[], "which domain"),
    ] {
        let (_, error) = desk.fails(&[&["dkim", "generate"], args].concat(), 2);
        assert!(error.contains(says) && error.contains("hint"), "{error}");
    }
}
