//! What editors keep: their sources as OPML, config.toml when several change it, and what they are told when something is wrong.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::commands::{Desk, feed, item, page};

/// The `[[source]]` tables of config.toml.
fn sources(desk: &Desk) -> Vec<toml::Value> {
    let config: toml::Table = desk.read("pub/config.toml").parse().expect("config.toml is TOML");
    config.get("source").and_then(toml::Value::as_array).cloned().unwrap_or_default()
}

/// A publication with every key of `[[source]]` in use.
fn with_sources() -> Desk {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20)]));
    desk.write("web/page.html", &page());
    desk.source(
        "light",
        "feed.xml",
        "title = \"The \\\"north\\\" light\"\nkind = \"feed\"\nevery = \"90min\"\ntags = [\"salt, sea\", \"/a/b\", \"<&>'\\\"\", \"Größe\"]\nupdates = \"correct\"\n\
         include = [\"lamp, oil\"]\nexclude = [\"advert\"]\nlanguages = [\"en\", \"de\"]\nweight = 7\nimages = false",
    );
    desk.source("stones_1", "page.html", "kind = \"page\"\ntags = [\"salt, sea\"]");
    desk.source("found", "page.html?it-names-a-feed", "");
    desk.source("light-in-german", "feed.xml", "languages = [\"de\"]\nevery = \"1d\"");
    desk
}

#[test]
fn what_is_exported_makes_the_same_sources_in_an_empty_publication() {
    let desk = with_sources();
    desk.write("web/page.html?it-names-a-feed", &page());
    desk.say(&["sources", "fetch"]);
    assert_eq!(desk.json(&["sources", "show", "found"])["asked_at"], format!("{}/feed.xml", desk.web.url), "its feed was found");
    let out = desk.say(&["sources", "export"]);
    let other = Desk::new();
    std::fs::write(other.path().join("pub/out.opml"), &out).unwrap();
    assert_eq!(other.say(&["sources", "import", "out.opml"]), "added 4 sources, 0 were there already\n");
    assert_eq!(sources(&other), sources(&desk), "every key is as it was:\n{out}");
    assert_eq!(other.say(&["sources", "import", "out.opml"]), "added 0 sources, 4 were there already\n");
    assert_eq!(other.say(&["sources", "export"]).lines().count(), out.lines().count());

    // What other programs see: OPML 2.0, a feed as a feed, a page as a link.
    assert!(out.contains("<opml version=\"2.0\" xmlns:postrider=\"urn:postrider:source\">"), "{out}");
    assert!(out.contains(&format!("<outline type=\"link\" text=\"stones_1\" url=\"{}/page.html\"", desk.web.url)), "{out}");
    assert_eq!(out.matches("type=\"rss\"").count(), 3, "{out}");
    // What another program keeps of it, without our attributes, is a list as any other: a feed once, a link not at all.
    let theirs = out.replace(" xmlns:postrider=\"urn:postrider:source\"", "");
    let third = Desk::new();
    std::fs::write(third.path().join("pub/theirs.opml"), theirs).unwrap();
    assert_eq!(third.say(&["sources", "import", "theirs.opml"]), "added 1 source, 0 were there already\n");
    assert_eq!(sources(&third)[0].get("id").and_then(toml::Value::as_str), Some("the-north-light"));
}

#[test]
fn an_id_of_the_list_that_another_address_has_is_told_and_another_is_made() {
    let desk = Desk::new();
    desk.source("light", "other.xml", "");
    let list = "<opml version='2.0' xmlns:p='urn:postrider:source'><body><outline type='rss' text='The Light' xmlUrl='https://light.example.org/feed' p:id='light' p:weight='3'/>\n\
                <outline type='rss' text='Soon' xmlUrl='https://soon.example.org/feed' p:id='soon' p:every='soon'/>\n\
                <outline type='rss' text='Tags' xmlUrl='https://tags.example.org/feed' p:id='tags' p:tags='sea'/></body></opml>";
    desk.write("pub/list.opml", list);
    let (out, said) = desk.run(&["sources", "import", "list.opml"], 1, "pub");
    assert_eq!(out, "added 1 source, 0 were there already, 2 left out\n");
    assert!(
        said.contains("warning[id-taken]: list.opml: \"light\" is the id of another source in config.toml; this one is \"light-2\""),
        "{said}"
    );
    assert!(said.contains("hint: whatever names it"), "{said}");
    assert!(said.contains("line 2: \"https://soon.example.org/feed\" is left out: \"soon\" is not a length of time"), "{said}");
    assert!(said.contains("hint: write \"30min\", \"1h\" or \"1d\""), "{said}");
    assert!(said.contains("line 3: \"https://tags.example.org/feed\" is left out: tags is no list of texts"), "{said}");
    let added = sources(&desk).pop().expect("a source");
    assert_eq!((added["id"].as_str(), added["weight"].as_integer()), (Some("light-2"), Some(3)));
    desk.write("pub/list.opml", &list.replace("light.example.org", "cape.example.org"));
    let (out, _) = desk.run(&["--json", "sources", "import", "list.opml"], 1, "pub");
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(out["renamed"], serde_json::json!([{"id": "light", "now": "light-3"}]));
}

/// The binary, not yet run, in the publication's folder.
fn command(desk: &Desk, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(args).current_dir(desk.path().join("pub")).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn sources_that_are_added_at_the_same_moment_are_all_there() {
    let desk = Desk::new();
    let (feeds, lists) = (4, 4);
    for n in 0..feeds {
        // Their titles are one, so that their ids would be.
        desk.write(&format!("web/feed{n}.xml"), &feed(&[item("a", "First", 20)]));
    }
    for n in 0..lists {
        let list = format!(
            "<opml><body><outline text='The Lighthouse' xmlUrl='https://list{n}.example.org/'/><outline text='Pier' xmlUrl='https://pier.example.org/'/></body></opml>"
        );
        desk.write(&format!("pub/list{n}.opml"), &list);
    }
    let added = (0..feeds).map(|n| command(&desk, &["sources", "add", &format!("{}/feed{n}.xml", desk.web.url)]).spawn().unwrap());
    let imported = (0..lists).map(|n| command(&desk, &["sources", "import", &format!("list{n}.opml")]).spawn().unwrap());
    let running: Vec<_> = added.chain(imported).collect();
    let mut added = 0;
    for one in running {
        let output = one.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // On a very slow machine one may wait too long for its turn: then it says so.
        assert!(output.status.success() || output.status.code() == Some(1) && said.contains("error[busy]"), "{:?}: {said}", output.status);
        added += usize::from(output.status.success());
    }
    assert!(added > 1, "they wait for each other");
    let mut ids: Vec<String> = sources(&desk).iter().filter_map(|source| Some(source.get("id")?.as_str()?.to_owned())).collect();
    ids.sort();
    assert_eq!(ids.iter().filter(|id| id.starts_with("the-lighthouse")).count(), added, "each that was added is there: {ids:?}");
    assert!(ids.iter().filter(|id| *id == "pier").count() <= 1 && ids.len() <= added + 1, "what all lists name is there once: {ids:?}");
    assert!(desk.say(&["check"]).contains("0 errors"), "config.toml is whole");
}

const ONE: &str = "<opml><body><outline text='Bight' xmlUrl='https://bight.example.org/feed'/></body></opml>";

#[test]
fn who_finds_config_toml_in_other_hands_for_long_says_so_and_changes_nothing() {
    let desk = Desk::new();
    desk.write("pub/one.opml", ONE);
    let before = desk.read("pub/config.toml");
    let held = std::fs::File::open(desk.path().join("pub/config.toml")).unwrap();
    held.lock().unwrap();
    let said = desk.fails(&["sources", "import", "one.opml"], 1);
    assert!(
        said.contains("error[busy]: somebody else is changing config.toml; nothing was written") && said.contains("hint: try again"),
        "{said}"
    );
    assert_eq!(desk.read("pub/config.toml"), before);
    drop(held);
    assert_eq!(desk.say(&["sources", "import", "one.opml"]), "added 1 source, 0 were there already\n");
}

#[test]
fn what_an_editor_saves_while_a_source_is_being_added_is_not_overwritten() {
    let desk = Desk::new();
    desk.write("pub/one.opml", ONE);
    let config = desk.path().join("pub/config.toml");
    let relay = "url = \"smtp://127.0.0.1:2525\"";
    let text = desk.read("pub/config.toml");
    assert!(text.contains(relay), "{text}");
    std::fs::write(&config, text.replace(relay, "url = \"smtp://me@127.0.0.1:2525\"\npassword_file = \"pipe\"")).unwrap();
    // The password comes from a pipe, so that the program waits for us each time it looks at config.toml. Each time somebody has just saved.
    let pipe = desk.path().join("pub/pipe");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success(), "mkfifo makes a pipe");
    let file = config.clone();
    std::thread::spawn(move || {
        for n in 1.. {
            let Ok(mut writer) = std::fs::OpenOptions::new().write(true).open(&pipe) else { return };
            let Ok(text) = std::fs::read_to_string(&file) else { return };
            let _ = std::fs::write(&file, format!("{text}# saved {n}\n"));
            let _ = std::io::Write::write_all(&mut writer, b"word\n");
            drop(writer);
            // So that who reads sees the end, and not the next line.
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let said = desk.fails(&["sources", "import", "one.opml"], 1);
    assert!(said.contains("error[changed]: config.toml was changed meanwhile; nothing was written"), "{said}");
    let text = desk.read("pub/config.toml");
    assert!(text.contains("# saved 2\n") && !text.contains("bight"), "what was saved stands there, and nothing else:\n{text}");
    assert_eq!(beside(&desk.path().join("pub")), Vec::<String>::new());
}

/// Files that were only there to be renamed.
fn beside(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".config")).collect()
}

#[test]
fn where_sources_are_written_as_an_array_it_is_told_how_to_write_them() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20)]));
    let config = desk.read("pub/config.toml");
    let url = format!("{}/feed.xml", desk.web.url);
    std::fs::write(desk.path().join("pub/config.toml"), format!("source = [{{ id = \"one\", url = \"{url}?1\" }}]\n{config}")).unwrap();
    let told = desk.fails(&["sources", "add", &url], 3);
    assert!(told.contains("write each of them as a [[source]]"), "{told}");
    let told = desk.fails(&["sources", "import", "none.opml"], 2);
    assert!(told.contains("cannot read none.opml") && told.contains("name the OPML file"), "{told}");
}

#[test]
fn a_config_toml_that_is_read_only_is_not_replaced() {
    let desk = Desk::new();
    desk.write("pub/one.opml", ONE);
    let (config, before) = (desk.path().join("pub/config.toml"), desk.read("pub/config.toml"));
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o444)).unwrap();
    let said = desk.fails(&["sources", "import", "one.opml"], 2);
    assert!(said.contains("error[file]: cannot write config.toml: it is read-only") && said.contains("hint: chmod u+w /"), "{said}");
    assert_eq!((desk.read("pub/config.toml"), std::fs::metadata(&config).unwrap().mode() & 0o777), (before, 0o444));
}

#[test]
fn who_may_not_write_the_folder_is_told_so() {
    let desk = Desk::new();
    desk.write("pub/one.opml", ONE);
    let (folder, before) = (desk.path().join("pub"), desk.read("pub/config.toml"));
    let program = desk.path().join("postrider");
    std::fs::copy(env!("CARGO_BIN_EXE_postrider"), &program).unwrap();
    let allow = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    allow(desk.path(), 0o755);
    allow(&folder, 0o555);
    let mut command = Command::new(&program);
    command.args(["sources", "import", "one.opml"]).current_dir(&folder).env("NO_COLOR", "1");
    // Root may write everything, and so becomes nobody.
    if std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
        command.gid(65_534).uid(65_534);
    }
    let output = command.output().unwrap();
    allow(&folder, 0o755);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("cannot write config.toml: Permission denied") && said.contains("the folder it lies in, must be writable"),
        "{said}"
    );
    assert_eq!((desk.read("pub/config.toml"), beside(&folder)), (before, vec![]));
}

#[test]
fn a_config_toml_that_is_a_link_stays_one_and_paths_are_meant_from_where_it_lies() {
    let desk = Desk::new();
    desk.write("pub/one.opml", ONE);
    let config = desk.path().join("pub/config.toml");
    std::fs::create_dir(desk.path().join("shared")).unwrap();
    std::fs::rename(&config, desk.path().join("shared/site.toml")).unwrap();
    std::os::unix::fs::symlink("site.toml", desk.path().join("shared/again.toml")).unwrap();
    std::os::unix::fs::symlink("../shared/again.toml", &config).unwrap();
    desk.write("pub/people.csv", "email\n");
    let text = desk.read("pub/config.toml");
    desk.write("shared/site.toml", &text.replacen("[[digest]]", "subscribers = \"people.csv\"\n\n[[digest]]", 1));
    assert_eq!(desk.say(&["sources", "import", "one.opml"]), "added 1 source, 0 were there already\n");
    assert_eq!(std::fs::read_link(&config).unwrap(), PathBuf::from("../shared/again.toml"));
    assert!(desk.path().join("shared/again.toml").is_symlink() && desk.read("shared/site.toml").contains("bight.example.org"));
    assert_eq!((beside(&desk.path().join("pub")), beside(&desk.path().join("shared"))), (vec![], vec![]));
    // A link that leads nowhere is a file that is not there.
    std::fs::remove_file(desk.path().join("shared/site.toml")).unwrap();
    let said = desk.fails(&["sources", "import", "one.opml"], 3);
    assert!(said.contains("there is no config.toml here"), "{said}");
}

/// Puts `subject` into the digest, and gives line and column where `part` of it stands.
fn subject(desk: &Desk, subject: &str, part: &str) -> String {
    let text: Vec<String> = desk.read("pub/config.toml").lines().map(str::to_owned).collect();
    let line = text.iter().position(|line| line.starts_with("subject = ")).expect("the digest has a subject");
    let written = format!("subject = \"{subject}\"");
    let column = written.find(part).expect("a part of the subject") + 1;
    let all: Vec<&str> = text.iter().enumerate().map(|(n, old)| if n == line { written.as_str() } else { old.as_str() }).collect();
    desk.write("pub/config.toml", &(all.join("\n") + "\n"));
    format!(" config.toml:{}:{column}\n", line + 1)
}

#[test]
fn a_wrong_subject_is_shown_in_config_toml_with_its_cause_and_a_hint() {
    let desk = Desk::new();
    desk.write("pub/content/2026-01-05-first.md", "+++\ntitle = \"The first\"\n+++\nA start.\n");
    desk.say(&["subscribers", "add", "ann@example.org", "--list", "weekly"]);
    let wrong = [
        ("News of {{ site.titel }}", "titel", "titel", "did you mean `title`?"),
        ("News of {{ site.title", "title", "", "subject is a template"),
        ("News of {{ site.title | uper }}", "uper", "uper", "did you mean `upper`?"),
        ("For {{ subscriber.nmae }}", "nmae", "nmae", "give it a value with"),
    ];
    for (text, part, cause, hint) in wrong {
        let place = subject(&desk, text, part);
        for args in
            [&["check"][..], &["preview", "weekly"], &["send", "weekly", "--dry-run"], &["send", "weekly", "--to", "ann@example.org"]]
        {
            let said = desk.fails(args, 3);
            let has_place = said.contains(place.rsplit_once(':').expect("a column").0);
            assert!(has_place && said.contains("subject = ") && said.contains('^'), "{args:?} shows the line with {text:?}:\n{said}");
            assert!(said.contains(cause) && said.contains(&format!("hint: {hint}")), "{args:?} says what is wrong with {text:?}:\n{said}");
            assert!(cause.is_empty() || said.contains(&place), "{args:?} shows the column{place}:\n{said}");
        }
    }
    // A digest that nothing fits yet, as one of sources alone.
    let place = subject(&desk, "{{ site.title | uper }}", "uper");
    std::fs::remove_file(desk.path().join("pub/content/2026-01-05-first.md")).unwrap();
    let said = desk.fails(&["check"], 3);
    assert!(said.contains(&place) && said.contains("did you mean `upper`?"), "{said}");
    let output = command(&desk, &["check"]).env("POSTRIDER_DIGEST__0__SUBJECT", "{{ site.title | lowr }}").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("POSTRIDER_DIGEST__0__SUBJECT: ") && said.contains("did you mean `lower`?"), "{said}");
}

#[test]
fn faults_of_what_would_be_written_name_config_toml_and_no_other_file() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[]));
    let said = desk.fails(&["sources", "add", &format!("{}/feed.xml", desk.web.url), "--id", "Not An Id"], 3);
    assert!(
        said.contains("an id has only a-z, 0-9, - and _, not 'N'") && !said.contains(".toml"),
        "no line of a file is wrong yet: {said}"
    );
    desk.source("light", "feed.xml", "every = \"soon\"");
    desk.write("pub/one.opml", ONE);
    for args in [&["sources", "import", "one.opml"][..], &["sources", "add", "https://bight.example.org/"]] {
        let said = desk.fails(args, 3);
        assert!(said.contains(" config.toml:") && !said.contains(".config-"), "{said}");
    }
}

#[test]
fn a_preview_of_what_is_not_due_says_that_it_is_no_news() {
    let desk = Desk::new();
    desk.write("pub/content/2026-01-05-first.md", "+++\ntitle = \"The first\"\n+++\nA start.\n");
    let preview = |code| {
        let (out, said) = desk.run(&["--json", "preview", "weekly"], code, "pub");
        let out: serde_json::Value = serde_json::from_str(&out).expect("a preview as JSON");
        (out["not_due"].clone(), said)
    };
    let (not_due, said) = preview(0);
    assert!(not_due.is_null() && !said.contains("nothing new is due"), "the first article is news: {said}");
    desk.say(&["subscribers", "add", "ann@example.org", "--list", "weekly"]);
    desk.say(&["send", "weekly", "--at", "tomorrow 09:00", "--yes"]);
    let (not_due, said) = preview(0);
    assert_eq!(not_due, "no new article since the last issue");
    let words = "nothing new is due (no new article since the last issue): this shows the newest articles as if none had been mailed";
    assert!(said.contains(words), "{said}");
    let (out, said) = desk.run(&["preview", "weekly"], 0, "pub");
    assert!(said.contains(words) && out.contains("The first"), "{out}{said}");
    // What is new but too little is told with its number.
    let config = desk.read("pub/config.toml").replacen("[[feed]]", "min = 3\n\n[[feed]]", 1);
    desk.write("pub/config.toml", &config);
    desk.write("pub/content/2026-11-05-second.md", "+++\ntitle = \"The second\"\n+++\nMore.\n");
    assert_eq!(preview(0).0, "1 article is new, and min = 3");
    // A letter is due when its editor says so.
    let (out, _) = desk.run(&["--json", "preview", "first"], 0, "pub");
    assert!(out.contains("\"not_due\": null"), "{out}");
}

#[test]
fn a_source_that_would_be_asked_less_than_daily_is_warned_of() {
    let desk = Desk::new();
    desk.source("light", "feed.xml", "every = \"2d\"");
    let (out, said) = desk.run(&["check"], 0, "pub");
    assert!(out.contains("0 errors"), "{out}");
    assert!(said.contains("warning[asked-daily]: every = \"2d\" counts as a day: a source is asked once a day at least"), "{said}");
    assert!(said.contains(" config.toml:") && said.contains("hint: write \"1d\""), "{said}");
    desk.source("bay", "bay.xml", "every = \"1d\"");
    assert_eq!(desk.run(&["check"], 0, "pub").1.matches("asked-daily").count(), 1, "a day is a day");
}

#[test]
fn whoever_mistypes_an_address_is_told_what_to_type() {
    let desk = Desk::new();
    let wrong = [
        ("ftp://sea.example.org/feed", "it begins with ftp:", "https://sea.example.org/feed"),
        ("file:///srv/feed.xml", "it begins with file:", "postrider sources read /srv/feed.xml"),
        ("feed:https://sea.example.org/feed", "it begins with feed:", "write https://sea.example.org/feed"),
        ("feed://sea.example.org/feed", "it begins with feed:", "write https://sea.example.org/feed"),
        ("https://me:pass-word@sea.example.org/feed?a=1", "it contains a user or a password", "write https://sea.example.org/feed?a=1"),
        ("mailto:ann@example.org", "it begins with mailto:", "write it in full: https://example.org/feed.xml"),
        ("https://", "empty host", "write it in full: https://example.org/feed.xml"),
    ];
    for (address, cause, hint) in wrong {
        for args in [&["sources", "add", address][..], &["sources", "read", address], &["import", address]] {
            let said = desk.fails(args, 2);
            assert!(said.contains("error[bad-address]") && said.contains(cause), "{args:?}: {said}");
            assert!(said.contains("hint: ") && said.contains(hint) && !said.contains("pass-word"), "{args:?} says what to type: {said}");
        }
    }
    // Without a scheme it may be a file where one can be read.
    for (address, hint) in [
        ("sea.example.org/feed", "write https://sea.example.org/feed"),
        ("//sea.example.org/feed", "write https://sea.example.org/feed"),
        ("sea.example.org:8080/feed", "write https://sea.example.org:8080/feed"),
        ("sea.example.org", "write https://sea.example.org/"),
        ("", "write it in full: https://example.org/feed.xml"),
    ] {
        let said = desk.fails(&["sources", "add", address], 2);
        assert!(said.contains("it does not begin with https://") && said.contains(&format!("hint: {hint}")), "{address}: {said}");
        for args in [&["sources", "read", address][..], &["import", address]] {
            let said = desk.fails(args, 2);
            assert!(
                said.contains("there is no such file") && said.contains("name a file that is there") && said.contains(hint),
                "{args:?}: {said}"
            );
        }
    }
    let said = desk.fails(&["sources", "read", "list.opml", "--base", "sea.example.org/feed"], 2);
    assert!(
        said.contains("'--base <URL>': it does not begin with https://") && said.contains("hint: write https://sea.example.org/feed"),
        "{said}"
    );
    // In a list, with its line. What readers write before an address is no fault there.
    let outlines: String = wrong.iter().map(|(address, ..)| format!("<outline text='x' xmlUrl='{address}'/>\n")).collect();
    desk.write("pub/list.opml", &format!("<opml><body>\n{outlines}<outline xmlUrl='sea.example.org/feed'/></body></opml>"));
    let (out, said) = desk.run(&["sources", "import", "list.opml"], 1, "pub");
    assert_eq!(out, "added 1 source, 1 were there already, 6 left out\n");
    for line in [2, 3, 6, 7, 8, 9] {
        assert!(said.contains(&format!("line {line}: ")), "line {line} is told: {said}");
    }
    assert_eq!((said.matches("warning[bad-address]").count(), said.matches("hint: ").count()), (6, 6), "each with a hint: {said}");
    assert!(said.contains("hint: write https://sea.example.org/feed") && !said.contains("pass-word"), "{said}");
    assert_eq!(sources(&desk).len(), 1);
}
