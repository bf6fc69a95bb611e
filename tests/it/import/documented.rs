//! What docs/json.md shows is what the program prints.

use std::collections::BTreeSet;

use serde_json::Value;

use super::commands::{Desk, feed, item, page};

const DOCS: &str = include_str!("../../../docs/json.md");

/// The examples of the page: under which heading, and the JSON.
fn examples() -> Vec<(&'static str, Value)> {
    let sections = DOCS.split("\n## `").skip(1).map(|section| {
        let (heading, rest) = section.split_once('`').expect("a heading ends");
        let json = rest.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
        let json = json.unwrap_or_else(|| panic!("{heading} has an example"));
        (heading, serde_json::from_str(json).unwrap_or_else(|error| panic!("the example of {heading} is JSON: {error}\n{json}")))
    });
    sections.collect()
}

/// Every key with the way to it: `items.kept`, `[].id`.
fn keys(value: &Value, way: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                found.insert(format!("{way}.{key}"));
                keys(inner, &format!("{way}.{key}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, &format!("{way}[]"), found)),
        _ => {}
    }
}

/// A small story in which every command has something to say: heading and output.
fn story() -> Vec<(&'static str, Value)> {
    let desk = Desk::new();
    let at = |file: &str| format!("{}/{file}", desk.web.url);
    let old: Vec<String> = (1..=8).map(|n| item(&format!("a{n}"), &format!("Old {n}"), n)).collect();
    desk.write("web/feed.xml", &feed(&old));
    desk.write("web/page.html", &page());
    let podcast = item("e1", "Episode one", 20).replace(
        "</item>",
        "<author>ann@example.org (Ann Example)</author><enclosure url=\"@/e1.mp3\" type=\"audio/mpeg\" length=\"1024\"/></item>",
    );
    desk.write("web/podcast.xml", &feed(&[podcast]));
    desk.write(
        "pub/list.opml",
        "<opml xmlns:postrider='urn:postrider:source'><body><outline text='Light' xmlUrl='https://light.example.org/' postrider:id='the-lighthouse'/>\n\
         <outline text='Sea' xmlUrl='ftp://sea.example.org/feed'/><outline text='The Lighthouse' xmlUrl='@/feed.xml'/></body></opml>",
    );
    let json = |args: &[&str], code| {
        let (out, _) = desk.run(&[args, &["--json"]].concat(), code, "pub");
        serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{args:?} prints JSON: {error}\n{out}"))
    };
    let add = json(&["sources", "add", &at("feed.xml"), "--tag", "sea"], 0);
    let fetch = json(&["sources", "fetch"], 0);
    let moved: Vec<String> = (1..=8).map(|n| item(&format!("moved-{n}"), &format!("Anew {n}"), n)).collect();
    desk.write("web/feed.xml", &feed(&moved));
    desk.say(&["sources", "fetch"]);
    let list = json(&["sources", "list"], 0);
    let show = json(&["sources", "show", "the-lighthouse"], 0);
    let approve = json(&["sources", "approve", "the-lighthouse", "--no-mail"], 0);
    let pause = json(&["sources", "pause", "the-lighthouse"], 0);
    let read = json(&["sources", "read", &at("podcast.xml")], 0);
    let import = json(&["sources", "import", "list.opml"], 1);
    let dry_run = json(&["import", &at("page.html"), "--dry-run"], 0);
    let article = json(&["import", &at("page.html")], 0);
    let preview = json(&["preview", "stones"], 0);
    vec![
        ("postrider sources list --json", list),
        ("postrider sources show ID --json", show),
        ("postrider sources add URL --json", add),
        ("postrider sources fetch --json", fetch),
        ("postrider sources approve ID --json", approve),
        ("postrider sources pause ID --json", pause),
        ("postrider sources read URL --json", read),
        ("postrider sources import FILE --json", import),
        ("postrider import URL --dry-run --json", dry_run),
        ("postrider import URL --json", article),
        ("postrider preview DIGEST --json", preview),
    ]
}

#[test]
fn the_json_in_the_docs_has_the_keys_that_the_program_prints() {
    let (examples, story) = (examples(), story());
    for (command, printed) in &story {
        let shown = examples.iter().find(|(heading, _)| heading == command).map(|(_, json)| json);
        let shown = shown.unwrap_or_else(|| panic!("docs/json.md has no example of {command}; it prints\n{printed:#}"));
        let (mut wanted, mut found) = (BTreeSet::new(), BTreeSet::new());
        keys(printed, "", &mut wanted);
        keys(shown, "", &mut found);
        assert!(!wanted.is_empty(), "{command} prints keys");
        assert_eq!(found, wanted, "the keys of {command} in docs/json.md are those it prints:\n{printed:#}");
    }
    assert_eq!(examples.len(), story.len(), "each example of the page is one of a command");
}
