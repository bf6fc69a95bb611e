//! Which Articles an Issue carries, and what freezing keeps.

use std::collections::HashSet;
use std::path::Path;

use postrider::config::Config;
use postrider::content;
use postrider::digest::{Choice, Past, Planned, Press, choose, sample_reader};
use postrider::model::{Library, Timestamp};
use postrider::{preflight, template};
use tempfile::TempDir;

mod corrections;
mod room;
mod sections;
mod sources;

/// 1 December 2026, noon.
fn now() -> Timestamp {
    Timestamp::from_datetime(&chrono::DateTime::parse_from_rfc3339("2026-12-01T12:00:00Z").unwrap())
}

/// A publication whose one digest has `keys`, with these articles: file name, front matter, body.
fn publication(keys: &str, articles: &[(&str, &str)]) -> (TempDir, Config, Library) {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[site]\ntitle = \"T\"\nurl = \"https://letter.example.com\"\npostal_address = \"1 Test Street\"\n\
         [[relay]]\nname = \"r\"\nurl = \"smtp://127.0.0.1:2525\"\n\
         [[list]]\nid = \"all\"\nname = \"All\"\ndescription = \"Everything\"\nfrom = \"T <t@letter.example.com>\"\n\
         [[digest]]\nid = \"all\"\nlists = [\"all\"]\nsubject = \"News of the week: {{{{ articles[0].title }}}}\"\n{keys}\n"
    );
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    std::fs::create_dir(dir.path().join("content")).unwrap();
    for (name, front) in articles {
        write(dir.path(), name, front);
    }
    let (config, _) = Config::load(&dir.path().join("config.toml"), std::iter::empty()).unwrap();
    let (library, faults) = content::load(&config);
    assert_eq!(faults.errors(), 0, "{faults}");
    (dir, config, library)
}

fn write(dir: &Path, name: &str, front: &str) {
    std::fs::write(dir.join(format!("content/{name}.md")), format!("+++\ntitle = \"About {name}\"\n{front}\n+++\nText of {name}.\n"))
        .unwrap();
}

fn chosen(config: &Config, library: &Library, carried: &HashSet<String>) -> Vec<String> {
    let past = Past { over: carried.clone(), ..Past::default() };
    match choose(config, &config.digests[0], library, &past, now()) {
        Choice::Articles(chosen) => chosen.articles.iter().map(|article| article.slug.clone()).collect(),
        Choice::Nothing(reason) => vec![format!("nothing: {reason}")],
    }
}

/// The ids of articles with these slugs.
fn ids(library: &Library, slugs: &[&str]) -> HashSet<String> {
    library.all().iter().filter(|article| slugs.contains(&article.slug.as_str())).map(|article| article.id.0.clone()).collect()
}

const FIVE: [(&str, &str); 5] = [
    ("a", "date = 2026-11-01"),
    ("b", "date = 2026-11-02"),
    ("c", "date = 2026-11-03"),
    ("d", "date = 2026-11-04"),
    ("e", "date = 2026-11-05"),
];

#[test]
fn the_first_issue_takes_the_newest_and_the_archive_before_them_never_drips_out() {
    let (_dir, config, library) = publication("limit = 2", &FIVE);
    assert_eq!(chosen(&config, &library, &HashSet::new()), ["e", "d"]);
    assert_eq!(chosen(&config, &library, &ids(&library, &["e", "d"])), ["nothing: no new article since the last issue"]);
}

#[test]
fn what_the_limit_left_out_and_what_came_late_goes_into_the_next_issue() {
    let (_dir, config, library) = publication("limit = 2", &FIVE);
    // b was the first issue; c, d and e came since, with dates before or after whatever was sent.
    assert_eq!(chosen(&config, &library, &ids(&library, &["b"])), ["e", "d"]);
    assert_eq!(chosen(&config, &library, &ids(&library, &["b", "e", "d"])), ["c"]);
}

#[test]
fn drafts_future_expired_and_unmailed_articles_are_left_out() {
    let more = [
        ("live", "date = 2026-11-01"),
        ("draft", "date = 2026-11-01\ndraft = true"),
        ("future", "date = 2026-12-24"),
        ("expired", "date = 2026-11-01\nexpiryDate = 2026-11-15"),
        ("quiet", "date = 2026-11-01\n[postrider]\nskip_email = true"),
    ];
    let (_dir, config, library) = publication("", &more);
    assert_eq!(chosen(&config, &library, &HashSet::new()), ["live"]);
}

#[test]
fn tags_and_authors_are_filters_in_any_case() {
    let articles = [("sea", "date = 2026-11-01\ntags = [\"Sea\"]\nauthors = [\"Ann\"]"), ("land", "date = 2026-11-02\ntags = [\"land\"]")];
    let (_dir, config, library) = publication("tags = [\"sea\"]", &articles);
    assert_eq!(chosen(&config, &library, &HashSet::new()), ["sea"]);
    let (_dir, config, library) = publication("authors = [\"ann\"]", &articles);
    assert_eq!(chosen(&config, &library, &HashSet::new()), ["sea"]);
}

#[test]
fn fewer_than_the_minimum_is_no_issue_with_the_reason() {
    let (_dir, config, library) = publication("min = 6", &FIVE);
    assert_eq!(chosen(&config, &library, &HashSet::new()), ["nothing: 5 articles are new, and min = 6"]);
}

#[test]
fn a_frozen_issue_needs_nothing_outside_itself() {
    let (dir, config, library) = publication("", &FIVE);
    let templates = template::load(&config.templates_dir).unwrap();
    let choice = choose(&config, &config.digests[0], &library, &Past::default(), now());
    let Choice::Articles(chosen) = choice else { panic!("there are articles") };
    let planned = Planned::of(&config, chosen.articles, &config.digests[0].lists);
    let draft = Press { config: &config, templates: &templates, now: now() }.digest(&config.digests[0], &planned, 7).unwrap();
    let kept = serde_json::to_string(&draft.new.frozen).unwrap();
    drop(dir);
    let frozen: postrider::model::Frozen = serde_json::from_str(&kept).unwrap();
    let again = postrider::compose::Compiled::new(&frozen, &draft.new.lists[0]).unwrap().render(&sample_reader(&frozen, None)).unwrap();
    assert_eq!(again, draft.sample);
    assert_eq!(draft.new.subject, "News of the week: About e");
}

#[test]
fn a_title_with_template_marks_is_a_title_and_not_a_template() {
    let (_dir, config, library) = publication("", &[("x", "date = 2026-11-01")]);
    let templates = template::load(&config.templates_dir).unwrap();
    let mut article = (*library.all()[0]).clone();
    article.title = "How {{ subscriber.email }} and {% if %} work, \"quoted\" \\ back".to_owned();
    let letter = Press { config: &config, templates: &templates, now: now() }
        .letter(&std::sync::Arc::new(article), &config.digests[0].lists)
        .unwrap();
    assert!(letter.new.subject.starts_with("How {{ subscriber.email }} and {% if %} work"), "{}", letter.new.subject);
}

#[test]
fn the_checks_before_a_send_find_what_readers_would() {
    let (_dir, config, library) = publication("", &[("x", "date = 2026-11-01\ndescription = \"TODO write this\"")]);
    let templates = template::load(&config.templates_dir).unwrap();
    let press = Press { config: &config, templates: &templates, now: now() };
    let letter = press.letter(&library.all()[0].clone(), &config.digests[0].lists).unwrap();
    let found: Vec<&str> = preflight::check(&config, &letter.new.frozen, &letter.sample).0.iter().map(|fault| fault.code).collect();
    assert_eq!(found, ["subject-length", "unfinished"]);
    let mut bad = letter.sample.clone();
    bad.html = "x".repeat(101 * 1024);
    bad.text.clear();
    let faults = preflight::check(&config, &letter.new.frozen, &bad);
    let found: Vec<&str> = faults.0.iter().map(|fault| fault.code).collect();
    assert_eq!(found, ["subject-length", "size", "text-empty", "unsubscribe-missing", "unsubscribe-missing", "unfinished"]);
    assert_eq!(faults.errors(), 4, "{faults}");
}
