//! `sources` and `import` as people type them, against a web server on this machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::files::Files;

/// A publication with a web beside it.
pub struct Desk {
    dir: TempDir,
    pub web: Files,
}

impl Desk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("web")).unwrap();
        let web = Files::serve(&dir.path().join("web"));
        let desk = Self { dir, web };
        desk.ok(
            &["init", "pub", "--title", "The Test Letter", "--url", "https://letter.example.com", "--email", "desk@letter.example.com"],
            ".",
        );
        let config = desk.read("pub/config.toml");
        desk.write("pub/config.toml", &format!("{config}\n[fetch]\nallow_private = [\"127.0.0.1\"]\n"));
        desk
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text.replace("@/", &format!("{}/", self.web.url))).unwrap();
    }

    /// Adds a source to config.toml.
    pub fn source(&self, id: &str, file: &str, more: &str) {
        let config = self.read("pub/config.toml");
        std::fs::write(
            self.path().join("pub/config.toml"),
            format!("{config}\n[[source]]\nid = \"{id}\"\nurl = \"{}/{file}\"\n{more}\n", self.web.url),
        )
        .unwrap();
    }

    pub fn run(&self, args: &[&str], code: i32, dir: &str) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(args).current_dir(self.path().join(dir)).env("NO_COLOR", "1").stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "postrider {args:?} was expected to exit with {code}\n{out}\n{err}");
        (out, err)
    }

    pub fn ok(&self, args: &[&str], dir: &str) -> String {
        self.run(args, 0, dir).0
    }

    /// In the publication's folder.
    pub fn say(&self, args: &[&str]) -> String {
        self.ok(args, "pub")
    }

    pub fn fails(&self, args: &[&str], code: i32) -> String {
        self.run(args, code, "pub").1.replace(&self.web.url, "@")
    }

    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.say(&[&["--json"], args].concat())).unwrap()
    }
}

const TEXT: &str = "The lamp was lit at six, and the keeper wrote it down in the book that lies beside the stove, as every evening.";

pub fn item(guid: &str, title: &str, day: u32) -> String {
    format!(
        "<item><title>{title}</title><link>@/{guid}</link><guid isPermaLink=\"false\">{guid}</guid><pubDate>{day:02} Nov 2026 10:00:00 GMT</pubDate>\
         <description>{title}: {TEXT} {guid}</description></item>"
    )
}

pub fn feed(items: &[String]) -> String {
    format!("<rss version=\"2.0\"><channel><title>The Lighthouse</title><link>@/</link>{}</channel></rss>", items.concat())
}

const PAGE: &str = "<html lang=en><head><title>Stones</title><meta name=author content=\"Ida Example\"><meta property=article:published_time content=2026-03-04>\
    <link rel=canonical href=/stones><link rel=alternate type=application/rss+xml href=/feed.xml></head><body><nav>Skip to content</nav><article><h1>Stones</h1>";

pub fn page() -> String {
    format!(
        "{PAGE}{}<h2>Tools</h2><ul><li>a <b>hammer</b></li><li>time</li></ul></article></body></html>",
        format!("<p>{TEXT}</p>").repeat(8)
    )
}

#[test]
fn read_says_how_a_feed_is_understood_and_keeps_nothing() {
    let desk = Desk::new();
    desk.write(
        "web/feed.xml",
        &feed(&[
            item("a", "First", 20),
            "<item><title>No link &amp; no guid</title><enclosure url=\"@/a.mp3\" type=\"audio/mpeg\" length=\"7\"/></item>".to_owned(),
        ]),
    );
    let address = format!("{}/feed.xml", desk.web.url);
    let read = desk.json(&["sources", "read", &address]);
    assert_eq!((&read["format"], &read["title"]), (&"rss20".into(), &"The Lighthouse".into()));
    assert_eq!(read["entries"][0]["published"], "2026-11-20T10:00:00Z");
    assert_eq!(read["entries"][1]["title"], "No link & no guid");
    assert_eq!(
        read["entries"][1]["enclosures"][0],
        serde_json::json!({"url": format!("{}/a.mp3", desk.web.url), "type": "audio/mpeg", "length": 7})
    );
    let keys: Vec<&String> = read["entries"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "title", "link", "author", "published", "updated", "content", "enclosures"]);
    // A file is read without any publication around it; relative links need to be told where they come from.
    desk.write("web/relative.xml", "<rss><channel><item><link>/b</link></item></channel></rss>");
    let read: Value =
        serde_json::from_str(&desk.ok(&["--json", "sources", "read", "relative.xml", "--base", "https://example.org/x/"], "web")).unwrap();
    assert_eq!(read["entries"][0]["link"], "https://example.org/b");
    assert!(!desk.path().join("pub/postrider.db").exists(), "reading keeps nothing");
}

#[test]
fn what_is_no_feed_is_refused_with_the_feeds_its_page_names() {
    let desk = Desk::new();
    desk.write("web/page.html", &page());
    let address = format!("{}/page.html", desk.web.url);
    let said = desk.fails(&["sources", "read", &address], 3);
    assert!(said.contains("error[not-a-feed]") && said.contains("the page names: @/feed.xml"), "{said}");
    let said = desk.fails(&["sources", "read", &format!("{}/none.xml", desk.web.url)], 4);
    assert!(said.contains("answers with status 404"), "{said}");
    let said = desk.fails(&["sources", "read", "nowhere.xml"], 2);
    assert!(said.contains("cannot read nowhere.xml"), "{said}");
    let said = desk.fails(&["sources", "read", "http://192.168.7.7/feed.xml"], 4);
    assert!(said.contains("private address") && said.contains("allow_private"), "{said}");
}

#[test]
fn add_finds_the_feed_of_a_page_and_writes_it_into_the_configuration() {
    let desk = Desk::new();
    desk.write("web/page.html", &page());
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20)]));
    let address = format!("{}/page.html", desk.web.url);
    let added = desk.json(&["sources", "add", &address, "--tag", "stones"]);
    assert_eq!((&added["id"], &added["kind"], &added["title"]), (&"the-lighthouse".into(), &"feed".into(), &"The Lighthouse".into()));
    let config = desk.read("pub/config.toml");
    assert!(config.contains(&format!("url = \"{}/feed.xml\"", desk.web.url)) && config.contains("tags = [\"stones\"]"), "{config}");
    let said = desk.fails(&["sources", "add", &format!("{}/feed.xml", desk.web.url)], 1);
    assert!(said.contains("is the source the-lighthouse already"), "{said}");
    let added = desk.json(&["sources", "add", &address, "--page", "--id", "stones"]);
    assert_eq!((&added["id"], &added["kind"]), (&"stones".into(), &"page".into()));
    // What would not be a configuration is not written.
    let before = desk.read("pub/config.toml");
    desk.write("web/other.xml", &feed(&[]));
    let said = desk.fails(&["sources", "add", &format!("{}/other.xml", desk.web.url), "--id", "Not An Id"], 3);
    assert!(said.contains("bad-id"), "{said}");
    assert_eq!(desk.read("pub/config.toml"), before, "the configuration stays as it was");
}

#[test]
fn a_source_is_fetched_once_and_asked_again_with_what_it_gave() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20), item("b", "Second", 21)]));
    desk.source("light", "feed.xml", "tags = [\"sea\"]");
    let listed = desk.json(&["sources", "list"]);
    assert_eq!((&listed[0]["status"], &listed[0]["last_fetch"]), (&"not fetched yet".into(), &Value::Null));
    assert_eq!(desk.say(&["sources", "fetch"]), "light: 2 entries; 2 new (what stands there at first is not mailed)\n");
    assert_eq!(desk.say(&["sources", "fetch", "light"]), "light: unchanged; nothing new\n");
    desk.write("web/feed.xml", &feed(&[item("c", "Third", 22), item("a", "First, corrected", 20), item("b", "Second", 21)]));
    assert_eq!(desk.say(&["sources", "fetch"]), "light: 3 entries; 1 new, 1 changed\n");
    assert_eq!(desk.web.asked(), ["200 /feed.xml", "304 /feed.xml", "200 /feed.xml"]);

    let preview = desk.json(&["preview", "weekly"]);
    assert!(preview["preheader"].as_str().unwrap().contains("Third"), "{preview}");
    let text = desk.read("pub/preview/issue.txt");
    assert!(text.contains("Third") && !text.contains("Second") && !text.contains("corrected"), "only what came later is mailed:\n{text}");
    desk.say(&["build"]);
    let feed: Value = serde_json::from_str(&desk.read("pub/public/feed.json")).unwrap();
    let titles: Vec<&str> = feed["items"].as_array().unwrap().iter().filter_map(|item| item["title"].as_str()).collect();
    for title in ["First, corrected", "Second", "Third"] {
        assert!(titles.contains(&title), "the republished feed has what stood there and what came: {titles:?}");
    }
    let shown = desk.json(&["sources", "show", "light"]);
    assert_eq!((&shown["items"]["kept"], &shown["status"], &shown["title"]), (&3.into(), &"3 entries".into(), &"The Lighthouse".into()));
    assert_eq!(shown["requests"].as_array().map(Vec::len), Some(3));
    assert!(shown["last_fetch"].is_string() && shown["next_fetch"].is_string(), "{shown}");
}

#[test]
fn a_feed_that_changes_its_ways_is_held_for_the_editor() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&(1..=8).map(|n| item(&format!("a{n}"), &format!("Old {n}"), n)).collect::<Vec<_>>()));
    desk.source("light", "feed.xml", "");
    desk.say(&["sources", "fetch"]);
    // The site moves: other ids, addresses and words, and dates of long ago.
    desk.write("web/feed.xml", &feed(&(1..=8).map(|n| item(&format!("moved-{n}"), &format!("Anew {n}"), n)).collect::<Vec<_>>()));
    assert_eq!(desk.say(&["sources", "fetch"]), "light: 8 entries; 8 held\n");
    let (out, _) = desk.run(&["sources", "show", "light"], 0, "pub");
    assert!(out.contains("postrider sources approve light"), "{out}");
    assert!(out.contains("8 held") && out.contains("Anew 3") && out.contains("the feed may have changed its ids"), "{out}");
    let digest = desk.say(&["preview", "weekly"]);
    assert!(!digest.contains("Anew"), "what is held is not mailed: {digest}");
    assert_eq!(desk.say(&["sources", "approve", "light", "--no-mail"]), "light: 8 held entries taken up; not mailed\n");
    assert_eq!(desk.say(&["sources", "approve", "light"]), "light: nothing is held\n");
    assert_eq!(desk.json(&["sources", "list"])[0]["items"], serde_json::json!({"kept": 16, "held": 0, "dropped": 0, "merged": 0}));
}

#[test]
fn words_and_languages_that_are_not_wanted_are_left_out_with_the_reason() {
    let desk = Desk::new();
    desk.source("light", "feed.xml", "include = [\"lamp\"]\nexclude = [\"advert\"]\nlanguages = [\"en\"]");
    let german =
        item("d", "Deutsch", 20).replace("<title>", "<dc:language xmlns:dc=\"http://purl.org/dc/elements/1.1/\">de</dc:language><title>");
    let other = item("c", "Tides", 20).replace(TEXT, "Nothing but water, and the moon above it, and more water where that came from.");
    desk.write(
        "web/feed.xml",
        &feed(&[item("a", "Kept", 20), item("b", "An advert", 20), other, german, item("e", "Adverts are other words", 20)]),
    );
    desk.say(&["sources", "fetch"]);
    let shown = desk.json(&["sources", "show", "light"]);
    let why = |title: &str| {
        let all = shown["not_kept"].as_array().unwrap();
        all.iter().find(|entry| entry["title"] == title).and_then(|entry| entry["reason"].as_str()).unwrap_or("taken up").to_owned()
    };
    assert_eq!(why("An advert"), "it has the word \"advert\"");
    assert_eq!(why("Tides"), "it has none of the words of `include`");
    assert_eq!(why("Deutsch"), "its language is de");
    assert_eq!((why("Kept"), why("Adverts are other words")), ("taken up".to_owned(), "taken up".to_owned()));
}

#[test]
fn one_story_on_two_sites_is_one_article_of_the_first() {
    let desk = Desk::new();
    desk.source("light", "feed.xml", "");
    desk.source("bay", "bay.xml", "");
    desk.write("web/feed.xml", &feed(&[item("story", "Seals", 20)]));
    let same_address = item("x1", "Seals again", 21)
        .replace("@/x1", "@/story?utm_source=bay")
        .replace(TEXT, "Other words altogether, and enough of them to be told apart from anything.");
    let same_text = item("x2", "Seals", 21).replace(&format!("{TEXT} x2"), &format!("{TEXT} story"));
    desk.write("web/bay.xml", &feed(&[same_address, same_text, item("own", "Of the bay", 22)]));
    assert_eq!(desk.say(&["sources", "fetch", "light"]), "light: 1 entry; 1 new (what stands there at first is not mailed)\n");
    assert_eq!(
        desk.say(&["sources", "fetch", "bay"]),
        "bay: 3 entries; 1 new, 2 known from elsewhere (what stands there at first is not mailed)\n"
    );
    let shown = desk.say(&["sources", "show", "bay"]);
    assert!(shown.contains("light had it first"), "{shown}");
}

#[test]
fn a_paused_source_is_not_asked_and_one_that_is_gone_says_so() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[]));
    desk.source("light", "feed.xml", "");
    assert_eq!(desk.say(&["sources", "pause", "light"]), "light is not asked until: postrider sources resume light\n");
    assert_eq!(desk.say(&["sources", "fetch"]), "there is no source to ask\n");
    assert_eq!(desk.json(&["sources", "list"])[0]["status"], "paused");
    desk.say(&["sources", "resume", "light"]);
    assert!(desk.say(&["sources", "fetch"]).starts_with("light: 0 entries"));
    std::fs::remove_file(desk.path().join("web/feed.xml")).unwrap();
    let (out, _) = desk.run(&["sources", "fetch"], 4, "pub");
    assert_eq!(out, "light: not fetched: not found (404)\n");
    let (out, err) = desk.run(&["-q", "sources", "fetch"], 4, "pub");
    assert_eq!((out.as_str(), err.as_str()), ("", "light: not fetched: not found (404)\n"), "what fails is said however quiet");
    assert_eq!(desk.json(&["sources", "list"])[0]["status"], "failed 2 times: not found (404)");
    let said = desk.fails(&["sources", "pause", "lihgt"], 2);
    assert!(said.contains("there is no source `lihgt`") && said.contains("light"), "{said}");
}

#[test]
fn a_page_is_an_article_and_robots_txt_is_obeyed() {
    let desk = Desk::new();
    desk.write("web/page.html", &page());
    desk.source("stones", "page.html", "kind = \"page\"");
    assert_eq!(desk.say(&["sources", "fetch"]), "stones: a page; 1 new\n");
    let preview = desk.json(&["preview", "weekly"]);
    assert!(preview["preheader"].as_str().unwrap().contains("Stones"), "a page was named to be mailed: {preview}");
    let titles = |desk: &Desk| desk.read("pub/preview/issue.txt").lines().filter(|line| line.contains(". Stones")).count();
    assert_eq!(titles(&desk), 1);
    desk.say(&["import", &format!("{}/page.html", desk.web.url)]);
    desk.say(&["preview", "weekly"]);
    assert_eq!(titles(&desk), 1, "a page that somebody made an article of is not in the issue twice");
    desk.write("web/robots.txt", "User-agent: postrider\nDisallow: /page\n");
    let (out, _) = desk.run(&["sources", "fetch"], 4, "pub");
    assert!(out.contains("/robots.txt does not allow it"), "{out}");
    assert_eq!(desk.web.asked().last().map(String::as_str), Some("200 /robots.txt"), "the page was not asked for");
}

#[test]
fn subscriptions_go_in_and_out_as_opml() {
    let desk = Desk::new();
    desk.write(
        "pub/subscriptions.opml",
        "<?xml version=\"1.0\"?><opml version=\"1.0\"><head><title>x</title></head><body><outline text=\"Sea\"><outline type=\"rss\" text=\"The Light &amp; Co\" \
         xmlUrl=\"@/feed.xml\" htmlUrl=\"@/\"/><outline text=\"Bay\" xmlUrl=\"@/bay.xml\"/></outline><outline text=\"Bay again\" xmlUrl=\"@/bay.xml\"/></body></opml>",
    );
    assert_eq!(desk.say(&["sources", "import", "subscriptions.opml"]), "added 2 sources, 0 were there already\n");
    assert_eq!(desk.say(&["sources", "import", "subscriptions.opml"]), "added 0 sources, 2 were there already\n");
    let config = desk.read("pub/config.toml");
    assert!(config.contains("id = \"the-light-co\"") && config.contains("tags = [\"Sea\"]"), "{config}");
    let out = desk.say(&["sources", "export"]);
    desk.write("pub/out.opml", &out);
    assert!(out.contains("The Light &amp; Co") && out.contains(&format!("xmlUrl=\"{}/feed.xml\"", desk.web.url)), "{out}");
    assert_eq!(desk.say(&["sources", "import", "out.opml"]), "added 0 sources, 2 were there already\n");
    // One wrong address is told and keeps nothing else out. What may be secret in config.toml stays so.
    let config = desk.path().join("pub/config.toml");
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    desk.write("pub/mixed.opml", "<opml><body>\n<outline xmlUrl='gopher://sea.example.org/'/>\n<outline text='Cape' xmlUrl='https://cape.example.org/feed'/></body></opml>");
    let (out, said) = desk.run(&["sources", "import", "mixed.opml"], 1, "pub");
    assert_eq!(out, "added 1 source, 0 were there already, 1 left out\n");
    assert!(said.contains("line 2: \"gopher://sea.example.org/\" is left out"), "{said}");
    assert_eq!(std::fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(desk.read("pub/config.toml").contains("https://cape.example.org/feed"));
    // A link to a file elsewhere stays a link, and nothing is left beside either.
    let elsewhere = desk.path().join("elsewhere.toml");
    std::fs::rename(&config, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &config).unwrap();
    desk.write("pub/one.opml", "<opml><body><outline text='Bight' xmlUrl='https://bight.example.org/feed'/></body></opml>");
    desk.say(&["sources", "import", "one.opml"]);
    assert!(config.is_symlink() && std::fs::read_to_string(&elsewhere).unwrap().contains("bight.example.org"));
    let left: Vec<_> = std::fs::read_dir(desk.path().join("pub")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".config-")), "{left:?}");
    desk.write("pub/broken.opml", "not opml at all");
    let said = desk.fails(&["sources", "import", "broken.opml"], 3);
    assert!(said.contains("bad-opml"), "{said}");
}

#[test]
fn a_feed_that_gives_way_to_a_page_is_a_failure_and_mails_nothing() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20)]));
    desk.source("light", "feed.xml", "");
    desk.say(&["sources", "fetch"]);
    desk.write("web/feed.xml", &page());
    let (out, _) = desk.run(&["sources", "fetch"], 4, "pub");
    assert!(out.starts_with("light: not fetched: "), "{out}");
    assert!(desk.say(&["sources", "show", "light"]).contains("1 kept, 0 held"), "the page is no article");
    desk.write("web/feed.xml", &feed(&[item("b", "Second", 22), item("a", "First", 20)]));
    assert!(desk.say(&["sources", "fetch"]).contains("1 new"), "it is a feed again");
}

#[test]
fn an_entry_that_was_cut_in_two_is_taken_when_it_is_whole() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20)]));
    desk.source("light", "feed.xml", "");
    desk.say(&["sources", "fetch"]);
    let whole = feed(&[item("b", "Second", 22), item("a", "First", 20)]);
    let cut = whole.find("as every evening").expect("the middle of a text");
    desk.write("web/feed.xml", &whole[..cut]);
    assert_eq!(desk.say(&["sources", "fetch"]), "light: 0 entries, cut short; nothing new\n");
    desk.write("web/feed.xml", &whole);
    assert!(desk.say(&["sources", "fetch"]).contains("2 entries; 1 new"));
}

#[test]
fn readers_of_our_feeds_learn_that_an_entry_of_others_was_edited_and_where_it_is_from() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20)]));
    desk.source("light", "feed.xml", "");
    desk.say(&["sources", "fetch"]);
    let atom = || {
        desk.say(&["build"]);
        let atom = desk.read("pub/public/atom.xml");
        let entry = atom.split("<entry>").find(|entry| entry.contains(">First")).unwrap_or_else(|| panic!("{atom}")).to_owned();
        let updated = entry.split("<updated>").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned).expect("a date");
        (entry, updated)
    };
    let (entry, updated) = atom();
    assert_eq!(updated, "2026-11-20T10:00:00+00:00");
    assert!(entry.contains(&format!("href=\"{}/feed.xml\" rel=\"self\"", desk.web.url)), "{entry}");
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20).replace("at six", "at seven")]));
    desk.say(&["sources", "fetch"]);
    let (entry, updated) = atom();
    assert!(entry.contains("at seven") && updated.as_str() > "2026-11-20T10:00:00+00:00", "{entry}");
    let again = {
        desk.say(&["sources", "fetch"]);
        atom().1
    };
    assert_eq!(again, updated, "an edit is told once");
    let rss = desk.read("pub/public/rss.xml");
    assert!(rss.contains(&format!("<source url=\"{}/feed.xml\">The Lighthouse</source>", desk.web.url)), "{rss}");
}

#[test]
fn words_that_no_entry_can_have_are_a_fault_of_config_toml() {
    let desk = Desk::new();
    desk.source("light", "feed.xml", "include = [\"tide\", \"---\"]");
    let said = desk.fails(&["check"], 3);
    assert!(said.contains("\"---\" has no letter and no digit") && said.contains("config.toml:"), "{said}");
}

#[test]
fn what_is_no_page_is_not_imported() {
    let desk = Desk::new();
    desk.write("web/feed.xml", &feed(&[item("a", "First", 20)]));
    let said = desk.fails(&["import", &format!("{}/feed.xml", desk.web.url)], 3);
    assert!(said.contains("this is a feed and no page") && said.contains("postrider sources add"), "{said}");
    for (name, bytes) in [
        (
            "picture",
            [b"\x89PNG\r\n\x1a\n".as_slice(), &(0..20_000).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>()]
                .concat(),
        ),
        (
            "document",
            b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj, and words enough to be taken for a text by whoever wants to".repeat(9),
        ),
    ] {
        std::fs::write(desk.path().join("pub").join(name), bytes).unwrap();
        let said = desk.fails(&["import", name], 3);
        assert!(said.contains("no article was found"), "{name}: {said}");
    }
}

#[test]
fn import_makes_an_article_file_of_a_page_that_can_be_edited_and_built() {
    let desk = Desk::new();
    desk.write("web/page.html", &page());
    let address = format!("{}/page.html", desk.web.url);
    let dry = desk.json(&["import", &address, "--dry-run"]);
    let keys: Vec<&String> = dry.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["title", "author", "published", "canonical", "html", "markdown", "text"]);
    assert_eq!(
        (&dry["title"], &dry["author"], &dry["canonical"]),
        (&"Stones".into(), &"Ida Example".into(), &format!("{}/stones", desk.web.url).into())
    );
    assert!(dry["markdown"].as_str().unwrap().contains("## Tools\n\n- a **hammer**\n- time"), "{}", dry["markdown"]);
    assert!(!dry["text"].as_str().unwrap().contains("Skip to content"));

    assert_eq!(desk.say(&["import", &address, "--as", "article"]), "created content/2026-03-04-stones.md\n");
    let file = desk.read("pub/content/2026-03-04-stones.md");
    assert!(file.starts_with("+++\ntitle = \"Stones\"\ndate = 2026-03-04\n") && file.contains("authors = [\"Ida Example\"]"), "{file}");
    assert!(file.contains("description = \"The lamp was lit at six"), "it begins as the page does: {file}");
    let said = desk.fails(&["import", &address], 1);
    assert!(said.contains("is there already; nothing was written"), "{said}");
    desk.say(&["build"]);
    let html = desk.read("pub/public/stones/index.html");
    assert!(
        html.contains("<strong>hammer</strong>") && html.contains(&format!("<link rel=\"canonical\" href=\"{}/stones\"", desk.web.url)),
        "{html}"
    );
    // A saved file needs no publication to be looked at.
    let dry: Value =
        serde_json::from_str(&desk.ok(&["--json", "import", "page.html", "--dry-run", "--base", "https://example.org/a"], "web")).unwrap();
    assert_eq!(dry["canonical"], "https://example.org/stones");
    desk.write("web/empty.html", "<html><body></body></html>");
    let said = desk.fails(&["import", &format!("{}/empty.html", desk.web.url)], 3);
    assert!(said.contains("no article was found"), "{said}");
}
