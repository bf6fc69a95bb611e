//! The feed reader against feedparser, on feedparser's own test feeds and on those of the W3C's validator.
//!
//! What feedparser found in each file is told by `expected.json` (entries with title, link, id, published, updated), and for authors and contents,
//! which it lacks, by feedparser itself (`tests/peers/feedparser_truth.py`). Equal means:
//!
//! * *entries*: a file has as many. The other fields are compared in these files alone, entry by entry, in order;
//! * *link*: the same string, where both may have none;
//! * *date*: the same instant to the second, or none, both for published and for updated. feedparser's updated falls back to published, so ours does here;
//! * *title*, *author*, *content*: the same words, whatever the white space between them, as they stand or once tags, scripts and styles are taken off and
//!   references resolved (by an HTML parser, not by the reader), since our titles are plain text and feedparser's HTML, and feedparser's contents are
//!   sanitised and ours not yet. Contents without a word must have the same addresses of links and pictures. Of our authors one must be feedparser's,
//!   written `Name (address)`. feedparser has one content where we tell content from summary: it must be one of the two.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, FixedOffset};
use dom_query::Document;
use postrider::import::reader::{Entry, Person, read};
use serde_json::Value;

use super::{Score, folder, squeezed};

/// Percent of entries in which a field must be equal.
const FIELDS_GOAL: f64 = 98.0;

/// What a collection of that many files has come to.
struct Reached {
    files: usize,
    equal: [(&'static str, usize); 6],
}

#[test]
#[ignore = "needs POSTRIDER_CORPORA and feedparser: run scripts/test"]
fn feedparsers_feeds_are_read_as_feedparser_reads_them() {
    let equal = [("entries", 1066), ("title", 605), ("link", 602), ("date", 600), ("author", 604), ("content", 601)];
    compare("feeds/feedparser", 97.0, &Reached { files: 1067, equal });
}

#[test]
#[ignore = "needs POSTRIDER_CORPORA and feedparser: run scripts/test"]
fn the_validators_feeds_are_read_as_feedparser_reads_them() {
    let equal = [("entries", 923), ("title", 684), ("link", 680), ("date", 684), ("author", 678), ("content", 682)];
    compare("feeds/w3c", 99.0, &Reached { files: 924, equal });
}

fn compare(collection: &str, entries_goal: f64, reached: &Reached) {
    let folder = folder(collection);
    let expected: BTreeMap<String, Value> = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let fuller = fuller_truth(&folder);
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for (file, expected) in &expected {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file} of expected.json: {error}"));
        compare_file(&mut scores, file, &bytes, expected, &fuller[file]);
    }
    let mut short = Vec::new();
    for (field, best) in reached.equal {
        let score = &scores[field];
        let goal = if field == "entries" { entries_goal } else { FIELDS_GOAL };
        println!("{collection}: {field} equal in {} of {}, {:.2} % (goal {goal} %)", score.equal, score.compared, score.percent());
        let best = if expected.len() == reached.files { best } else { 0 };
        if score.percent() < goal || score.equal < best {
            short.push(format!(
                "{field}: {:.2} %, {} of {}; the goal is {goal} %, and {best} have been reached\n  {}",
                score.percent(),
                score.equal,
                score.compared,
                score.wrong.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n  ")
            ));
        }
    }
    assert!(short.is_empty(), "{collection} is read worse than it should be:\n{}", short.join("\n"));
}

/// Authors and contents, as the installed feedparser finds them.
fn fuller_truth(folder: &Path) -> Value {
    let python = ".cache/venv/bin/python";
    let run = Command::new(python).arg("tests/peers/feedparser_truth.py").arg(folder).output();
    let run = run.unwrap_or_else(|error| panic!("{python}, which scripts/setup installs: {error}"));
    assert!(run.status.success(), "feedparser_truth.py: {}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

fn compare_file(scores: &mut BTreeMap<&'static str, Score>, file: &str, bytes: &[u8], expected: &Value, fuller: &Value) {
    let ours = read(bytes, None, None).map(|feed| feed.entries).unwrap_or_default();
    let theirs = expected["entries"].as_array().unwrap();
    let is_equal = ours.len() == theirs.len();
    scores.entry("entries").or_default().note(is_equal, || format!("{file}: {} entries for {}", ours.len(), theirs.len()));
    if !is_equal {
        return;
    }
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        for (field, found, wanted, is_equal) in compare_entry(ours, theirs, &fuller[at]) {
            scores.entry(field).or_default().note(is_equal, || format!("{file}: {found} for {wanted}"));
        }
    }
}

type Compared = (&'static str, String, String, bool);

fn compare_entry(ours: &Entry, theirs: &Value, fuller: &Value) -> [Compared; 5] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (title, link) = (text(&ours.title), text(&ours.link));
    let dates = [shown(ours.published), shown(ours.updated.or(ours.published))];
    let their_dates = [date(&theirs["published"]), date(&theirs["updated"])];
    let authors: Vec<String> = ours.authors.iter().map(Person::display).collect();
    let contents: Vec<String> = [&ours.content, &ours.summary].into_iter().flatten().cloned().collect();
    [
        ("title", title.clone(), word(&theirs["title"]), is_same_text(&title, &word(&theirs["title"]))),
        ("link", link.clone(), word(&theirs["link"]), link == word(&theirs["link"])),
        ("date", format!("{dates:?}"), format!("{their_dates:?}"), dates == their_dates),
        one_of("author", authors, &word(&fuller["author"]), is_same_text),
        one_of("content", contents, &word(&fuller["content"]), is_same_content),
    ]
}

/// Whether one of ours is theirs, or neither has any.
fn one_of(field: &'static str, ours: Vec<String>, theirs: &str, is_same: fn(&str, &str) -> bool) -> Compared {
    let is_equal = ours.iter().any(|ours| is_same(ours, theirs)) || (theirs.is_empty() && ours.iter().all(String::is_empty));
    (field, format!("{ours:?}"), format!("{theirs:?}"), is_equal)
}

fn is_same_text(ours: &str, theirs: &str) -> bool {
    let [ours, theirs] = [ours, theirs].map(|text| [squeezed(text), words(text)]);
    ours.iter().any(|ours| theirs.contains(ours))
}

fn is_same_content(ours: &str, theirs: &str) -> bool {
    is_same_text(ours, theirs) && (!words(theirs).is_empty() || addresses(ours) == addresses(theirs))
}

/// What a browser would show of a text.
fn words(html: &str) -> String {
    let tree = Document::fragment(html);
    tree.select("script, style").remove();
    squeezed(&tree.text())
}

fn addresses(html: &str) -> Vec<String> {
    let tree = Document::fragment(html);
    let marked = tree.select("a[href], img[src], audio[src], video[src]");
    marked
        .nodes()
        .iter()
        .filter_map(|node| node.attr("src").or_else(|| node.attr("href")))
        .map(|address| address.trim().to_owned())
        .collect()
}

/// feedparser's dates: six numbers, in UTC.
fn date(value: &Value) -> Option<String> {
    let parts: Vec<i64> = value.as_array()?.iter().filter_map(Value::as_i64).collect();
    let [year, month, day, hour, minute, second] = parts[..] else { panic!("six numbers, not {value}") };
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
}

fn shown(at: Option<DateTime<FixedOffset>>) -> Option<String> {
    at.map(|at| at.naive_utc().format("%Y-%m-%d %H:%M:%S").to_string())
}
