//! Tests of the content room, through its door.

use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDate;
use postrider::config::{self, Config};
use postrider::content;
use postrider::model::{Article, ArticleState, Faults, Library, Severity, Timestamp};
use proptest::prelude::*;

/// A publication in a folder of its own.
struct Publication {
    dir: tempfile::TempDir,
    config: Config,
}

impl Publication {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("content")).unwrap();
        let file = dir.path().join("config.toml");
        let text = config::starter("Test Letter", "https://letter.example.com", "ann@example.com", "Europe/Berlin");
        let text = format!("{text}\n[[list]]\nid = \"harbour-news\"\nname = \"News\"\nfrom = \"Ann <ann@example.com>\"\n");
        std::fs::write(&file, text).unwrap();
        let (config, _) = Config::load(&file, std::iter::empty()).unwrap();
        let publication = Self { dir, config };
        for (name, text) in files {
            publication.write(name, text.as_bytes());
        }
        publication
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let file = self.dir.path().join("content").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    fn load(&self) -> (Library, Faults) {
        content::load(&self.config)
    }

    /// The faults as a person reads them, without the folder of the test.
    fn report(&self) -> String {
        let (_, faults) = self.load();
        let root = format!("{}/", self.dir.path().display());
        let mut out = String::new();
        for fault in &faults.0 {
            let severity = if fault.severity == Severity::Error { "error" } else { "warning" };
            out.push_str(&format!("{severity}[{}]: {}\n", fault.code, fault.message));
            if let Some(place) = &fault.place {
                out.push_str(&format!("  --> {}:{}:{}\n", place.file.display(), place.line, place.column));
                if place.line > 0 {
                    let caret = format!("{}{}", " ".repeat(place.column - 1), "^".repeat(place.length));
                    out.push_str(&format!("   | {}\n   | {caret} {}\n", place.source, fault.label.as_deref().unwrap_or("")));
                }
            }
            if let Some(hint) = &fault.hint {
                out.push_str(&format!("   hint: {hint}\n"));
            }
        }
        out.replace(&root, "").lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

/// The only article of a publication with only this file, which must have no error.
fn article(name: &str, text: &str) -> Arc<Article> {
    let publication = Publication::new(&[(name, text)]);
    let (library, faults) = publication.load();
    assert_eq!(faults.errors(), 0, "no error was expected, but: {faults}");
    assert_eq!(library.all().len(), 1, "one article was expected");
    Arc::clone(&library.all()[0])
}

/// An article with this body.
fn body(markdown: &str) -> Arc<Article> {
    article("a.md", &format!("+++\ntitle = \"A\"\ndate = 2026-11-01\n+++\n{markdown}"))
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

const ZOLA: &str = r#"+++
title = "Tides & times"
description = "A summary"
date = 2026-11-20T08:30:00+01:00
updated = 2026-11-21
draft = true
slug = "tides"
authors = ["Ann", "Ben"]
aliases = ["old/tides"]
[taxonomies]
tags = ["sea", "moon"]
[extra]
anything = { goes = "here" }
[extra.postrider]
lists = ["harbour-news"]
subject = "Tides this week"
preheader = "High water at nine"
skip_feed = true
send_at = 2026-11-23 09:00:00
+++
Text.
"#;

const HUGO_YAML: &str = r#"---
title: "Tides & times"
summary: A summary
publishDate: 2026-11-20T08:30:00+01:00
lastmod: 2026-11-21
draft: true
slug: tides
author: [Ann, Ben]
aliases:
  - /old/tides/
tags: [sea, moon]
weight: 10
params:
  postrider:
    lists: harbour-news
    subject: Tides this week
    preheader: High water at nine
    skip_feed: true
    send_at: 2026-11-23 09:00
---
Text.
"#;

const HUGO_JSON: &str = r#"{
  "title": "Tides & times",
  "description": "A summary",
  "date": "2026-11-20T08:30:00+01:00",
  "lastmod": "2026-11-21",
  "draft": true,
  "slug": "tides",
  "authors": ["Ann", {"name": "Ben"}],
  "aliases": ["/old/tides"],
  "tags": ["sea", "moon"],
  "postrider": {"lists": ["harbour-news"], "subject": "Tides this week", "preheader": "High water at nine", "skip_feed": true, "send_at": "2026-11-23 09:00"}
}

Text.
"#;

#[test]
fn front_matter_means_the_same_in_all_three_languages() {
    for (language, text) in [
        ("TOML", ZOLA),
        ("YAML", HUGO_YAML),
        ("JSON", HUGO_JSON),
        ("YAML with CRLF", &HUGO_YAML.replace('\n', "\r\n")),
        ("TOML with a BOM", &format!("\u{feff}{ZOLA}")),
    ] {
        let a = article("section/any-name.md", text);
        assert_eq!(a.title, "Tides & times", "{language}");
        assert_eq!(a.id.0, "section/any-name", "{language}");
        assert_eq!((a.slug.as_str(), a.path.as_str()), ("tides", "/section/tides/"), "{language}");
        assert_eq!(a.url, "https://letter.example.com/section/tides/", "{language}");
        assert_eq!(a.summary, "A summary", "{language}");
        assert_eq!(a.published.unwrap().to_rfc3339(), "2026-11-20T08:30:00+01:00", "{language}");
        assert_eq!(a.updated.unwrap().to_rfc3339(), "2026-11-21T00:00:00+01:00", "{language}");
        assert!(a.draft, "{language}");
        assert_eq!(a.authors, ["Ann", "Ben"], "{language}");
        assert_eq!(a.tags, ["sea", "moon"], "{language}");
        assert_eq!(a.aliases.iter().map(|alias| alias.trim_matches('/')).collect::<Vec<_>>(), ["old/tides"], "{language}");
        assert_eq!(a.mail.lists.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["harbour-news"], "{language}");
        assert_eq!(a.mail.subject.as_deref(), Some("Tides this week"), "{language}");
        assert_eq!(a.mail.preheader.as_deref(), Some("High water at nine"), "{language}");
        assert!(a.mail.skip_feed && !a.mail.skip_email, "{language}");
        assert_eq!(a.mail.send_at.unwrap().rfc3339(), "2026-11-23T08:00:00Z", "{language}");
        assert_eq!(a.html, "<p>Text.</p>\n", "{language}");
    }
}

#[test]
fn dates_are_read_in_every_common_form_and_in_the_zone_of_the_site() {
    for (written, expected) in [
        ("2026-11-22", "2026-11-22T00:00:00+01:00"),
        ("2026-07-22 09:00", "2026-07-22T09:00:00+02:00"),
        ("2026-11-22 09:00:30", "2026-11-22T09:00:30+01:00"),
        ("2026-11-22T09:00", "2026-11-22T09:00:00+01:00"),
        ("2026-11-22T09:00:00Z", "2026-11-22T09:00:00+00:00"),
        ("2026-11-22T09:00:00.250-05:00", "2026-11-22T09:00:00.250-05:00"),
        ("2026-11-22 09:00:00 -0500", "2026-11-22T09:00:00-05:00"),
        ("2026-11-22 09:00:00 Z", "2026-11-22T09:00:00+00:00"),
        ("2026-03-29 02:30", "2026-03-29T03:30:00+02:00"),
        ("2026-10-25 02:30", "2026-10-25T02:30:00+02:00"),
    ] {
        let yaml = article("a.md", &format!("---\ntitle: A\ndate: {written}\n---\n"));
        assert_eq!(yaml.published.unwrap().to_rfc3339(), expected, "YAML {written}");
        let toml = article("a.md", &format!("+++\ntitle = \"A\"\ndate = \"{written}\"\n+++\n"));
        assert_eq!(toml.published.unwrap().to_rfc3339(), expected, "TOML text {written}");
    }
    for written in ["2026-11-22", "2026-11-22T09:00:00", "2026-11-22 09:00:00", "2026-11-22T09:00:00+01:00"] {
        let a = article("a.md", &format!("+++\ntitle = \"A\"\ndate = {written}\n+++\n"));
        assert_eq!(a.published.unwrap().date_naive(), NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(), "TOML {written}");
    }
}

#[test]
fn the_file_name_gives_date_slug_and_an_id_that_does_not_change_with_them() {
    let before = article("trips/2026-11-22-delta-days.md", "+++\ntitle = \"Delta\"\n+++\nOne.");
    assert_eq!(before.published.unwrap().to_rfc3339(), "2026-11-22T00:00:00+01:00");
    assert_eq!((before.id.0.as_str(), before.path.as_str()), ("trips/delta-days", "/trips/delta-days/"));
    let after = article("trips/2026-12-24-delta-days.md", "+++\ntitle = \"Other\"\nslug = \"other\"\n+++\nTwo.");
    assert_eq!(after.id, before.id);
    assert_eq!(after.path, "/trips/other/");
    let unicode = article("港の手紙 No 7.md", "+++\ntitle = \"A\"\ndate = 2026-11-01\n+++\n");
    assert_eq!(unicode.path, "/港の手紙-no-7/");
    assert_eq!(unicode.url, "https://letter.example.com/%E6%B8%AF%E3%81%AE%E6%89%8B%E7%B4%99-no-7/");
}

#[test]
fn the_site_author_signs_what_names_no_author() {
    let mut publication = Publication::new(&[("a.md", "+++\ntitle = \"A\"\ndate = 2026-11-01\n+++\n")]);
    publication.config.site.author = Some("Ann Harbour".to_owned());
    assert_eq!(publication.load().0.all()[0].authors, ["Ann Harbour"]);
}

#[test]
fn broken_files_are_named_with_place_and_hint_and_hide_no_others() {
    let publication = Publication::new(&[
        ("01-good.md", "+++\ntitle = \"Good\"\ndate = 2026-11-01\n+++\nText."),
        ("02-no-front.md", "# Just text\n"),
        ("03-open.md", "+++\ntitle = \"Open\"\n\nText."),
        ("04-toml.md", "+++\ntitle = \"Tom\ndate = 2026-11-01\n+++\n"),
        ("05-yaml.md", "---\ntitle: [one, two\ndate: 2026-11-01\n---\n"),
        ("06-json.md", "{\n  \"title\": \"J\",\n  \"date\" 3\n}\n"),
        ("07-no-title.md", "+++\ndate = 2026-11-01\n+++\n"),
        ("08-empty-title.md", "---\ntitle: \"\"\ndate: 2026-11-01\n---\n"),
        ("09-date.md", "---\ntitle: Date\ndate: 32 November\n---\n"),
        ("10-types.md", "+++\ntitle = \"T\"\ndate = 2026-11-01\ndraft = \"yes\"\ntags = { a = 1 }\n+++\n"),
        ("11-own-key.md", "---\ntitle: Own\ndate: 2026-11-01\npostrider:\n  skip_mail: true\n  colour: red\n---\n"),
        ("12-list.md", "+++\ntitle = \"L\"\ndate = 2026-11-01\n[postrider]\nlists = [\"harbour-new\", \"pigeons\"]\n+++\n"),
        ("13-no-date.md", "+++\ntitle = \"Undated\"\n+++\n"),
        ("14-json-key.md", "{\"title\": \"J\", \"date\": \"2026-11-01\", \"postrider\": {\"sujbect\": \"x\"}}\n"),
        ("a/same.md", "+++\ntitle = \"S\"\ndate = 2026-11-01\n+++\n"),
        ("a/2026-11-02-same.md", "+++\ntitle = \"S\"\n+++\n"),
        ("b/same.md", "+++\ntitle = \"S\"\ndate = 2026-11-01\n+++\n"),
        ("_index.md", "+++\nnot = \"an article\"\n+++\n"),
        (".hidden.md", "nothing"),
        (".git/x.md", "nothing"),
    ]);
    publication.write("15-latin.md", b"+++\ntitle = \"Caf\xe9\"\n+++\n");
    insta::assert_snapshot!("faults", publication.report());
    let (library, _) = publication.load();
    let mut titles: Vec<_> = library.all().iter().map(|a| a.title.as_str()).collect();
    titles.sort();
    assert_eq!(titles, ["Good", "S", "S", "Undated"]);
}

#[test]
fn a_missing_content_folder_is_a_fault() {
    let publication = Publication::new(&[]);
    std::fs::remove_dir(publication.dir.path().join("content")).unwrap();
    let (library, faults) = publication.load();
    assert!(library.all().is_empty());
    assert_eq!(faults.0[0].code, "content-missing");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_out_of_the_content_folder_is_a_fault_and_is_not_read() {
    let publication = Publication::new(&[("a.md", "+++\ntitle = \"A\"\ndate = 2026-11-01\n+++\n")]);
    let outside = publication.dir.path().join("secret.md");
    std::fs::write(&outside, "+++\ntitle = \"Secret\"\ndate = 2026-11-01\n+++\n").unwrap();
    let content = publication.dir.path().join("content");
    std::os::unix::fs::symlink(&outside, content.join("leak.md")).unwrap();
    std::os::unix::fs::symlink(publication.dir.path(), content.join("leak")).unwrap();
    std::os::unix::fs::symlink(content.join("a.md"), content.join("b.md")).unwrap();
    let (library, faults) = publication.load();
    let codes: Vec<_> = faults.0.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["symlink-outside", "symlink-outside"]);
    assert_eq!(library.all().len(), 2, "a.md and the link to it inside the folder");
}

#[test]
fn a_bundle_publishes_what_lies_beside_it_and_knows_the_size_of_its_pictures() {
    let text =
        "+++\ntitle = \"Trip\"\ndate = 2026-11-01\nimages = [\"chart.png\"]\n+++\n![The chart](chart.png)\n\n[log](sub/log%20book.txt)\n";
    let publication = Publication::new(&[("trips/2026-11-01-delta/index.md", text), ("trips/2026-11-01-delta/sub/log book.txt", "log")]);
    publication.write("trips/2026-11-01-delta/chart.png", &png(640, 360));
    let (library, faults) = publication.load();
    assert_eq!(faults, Faults::default());
    let trip = &library.all()[0];
    assert_eq!((trip.id.0.as_str(), trip.path.as_str()), ("trips/delta", "/trips/delta/"));
    let paths: Vec<_> = trip.assets.iter().map(|asset| asset.path.as_str()).collect();
    assert_eq!(paths, ["/trips/delta/chart.png", "/trips/delta/sub/log book.txt"]);
    let image = trip.image.as_ref().unwrap();
    assert_eq!(image.url, "https://letter.example.com/trips/delta/chart.png");
    assert_eq!((image.width, image.height, image.length_bytes), (Some(640), Some(360), Some(33)));
    assert_eq!((image.media_type.as_deref(), image.alt.as_str()), (Some("image/png"), "The chart"));
    insta::assert_snapshot!(trip.html, @r#"
    <p><img src="https://letter.example.com/trips/delta/chart.png" alt="The chart" width="640" height="360" /></p>
    <p><a href="https://letter.example.com/trips/delta/sub/log%20book.txt">log</a></p>
    "#);
}

#[test]
fn links_are_absolute_and_broken_ones_are_warned_of() {
    let publication = Publication::new(&[
        (
            "a.md",
            "+++\ntitle = \"A\"\ndate = 2026-11-01\n+++\n[zola](@/trips/delta.md#sea) [github](trips/delta.md) [root](/trips/delta/?a=1&b=2)\n[mail](mailto:ann@example.com) [out](https://example.org/x) [here](#top) <https://example.org/y>\n\n[gone](@/trips/dleta.md) [near](/trips/dela/) [page](/about/)\n\n![A chart](missing.png) [run](javascript:alert(1))\n",
        ),
        ("trips/2026-11-02-delta.md", "+++\ntitle = \"Delta\"\n+++\n[back](../a.md)\n"),
    ]);
    insta::assert_snapshot!("link_faults", publication.report());
    let (library, _) = publication.load();
    insta::assert_snapshot!("link_html", library.find("a").unwrap().html);
    assert!(library.find("delta").unwrap().html.contains("href=\"https://letter.example.com/a/\""));
}

#[test]
fn pictures_without_alternative_text_and_unfinished_passages_are_warned_of() {
    let text = "+++\ntitle = \"The TK issue\"\ndate = 2026-11-01\n+++\n\nHello.\n\n![](chart.png)\n\nÄöü, TODO: say more. `TODO` in code is meant.\n\n> Lorem ipsum dolor\n";
    let publication = Publication::new(&[("a.md", text)]);
    publication.write("chart.png", &png(10, 10));
    insta::assert_snapshot!("lint", publication.report());
}

#[test]
fn html_of_authors_stays_but_nothing_in_it_runs() {
    let a = body(
        "Hello <b onclick=\"x()\">bold</b> <kbd>Esc</kbd>\n\n<script>alert(1)</script>\n\n<div style=\"color:red\" onmouseover='y()'><a href=\"JAVA&#115;cript:z()\">a</a><img src=\"x.png\" alt=\"X\"></div>\n\n<!-- a note to myself -->\n\n<iframe srcdoc=\"<script>1</script>\" src=\"data:text/html,1\"></iframe>\n",
    );
    insta::assert_snapshot!("author_html", a.html);
    for odd in ["<a<script>alert(1)</script>", "x <b title='<script>'>y</b>"] {
        let html = body(odd).html.clone();
        assert!(!html.contains("<script"), "{odd} became {html}");
    }
    let unclosed = body("Hello\n\n<div title=\"\n\nnever closed");
    assert!(!unclosed.html.contains("<div"), "HTML that is never closed is shown as text: {}", unclosed.html);
}

#[test]
fn code_is_coloured_with_inline_styles() {
    let a = body("```rust\n// A tide\nfn height(hours: f64) -> f64 { let name = \"sea\"; 4.2 }\n```\n\n    plain <b>\n");
    insta::assert_snapshot!("code_html", a.html);
}

#[test]
fn summary_is_given_or_marked_or_the_first_paragraph_cut_at_a_word() {
    assert_eq!(
        body("# Head\n\nFirst *para* with [link](https://example.org) and `code`.\n\nSecond.").summary,
        "First para with link and code."
    );
    assert_eq!(body("One.\n\nTwo.\n\n<!-- more -->\n\nThree.").summary, "One. Two.");
    let long = body(&"word ".repeat(100));
    assert!(long.summary.chars().count() <= 240 && long.summary.ends_with("word…"), "{}", long.summary);
    assert!(body(&"港".repeat(400)).summary.chars().count() == 241);
    assert_eq!(body("Two words, and `code`.").words, 4);
    assert_eq!(body("港の手紙です").words, 3);
}

#[test]
fn states_follow_draft_date_and_expiry() {
    let now = Timestamp::from_secs(1_795_000_000); // 18 November 2026
    assert_eq!(body("x").state(now), ArticleState::Live);
    assert_eq!(article("a.md", "+++\ntitle = \"A\"\ndate = 2026-12-01\n+++\n").state(now), ArticleState::Scheduled);
    assert_eq!(article("a.md", "+++\ntitle = \"A\"\ndate = 2026-10-01\nexpiryDate = 2026-11-01\n+++\n").state(now), ArticleState::Expired);
    assert_eq!(article("a.md", "+++\ntitle = \"A\"\ndate = 2026-10-01\ndraft = true\n+++\n").state(now), ArticleState::Draft);
}

const EVERYTHING: &str = include_str!("fixtures/everything.md");

#[test]
fn the_text_part_is_written_from_the_tree() {
    let a = article("everything.md", EVERYTHING);
    insta::assert_snapshot!("everything_text", a.text);
    insta::assert_snapshot!("everything_html", a.html);
}

#[test]
fn a_new_article_loads_as_it_is() {
    let (text, name) = content::scaffold("First \"issue\": a/b \\ tide", NaiveDate::from_ymd_opt(2026, 11, 22).unwrap());
    assert_eq!(name, "2026-11-22-first-issue-a-b-tide.md");
    let a = article(&name, &text);
    assert_eq!(a.title, "First \"issue\": a/b \\ tide");
    assert_eq!(a.published.unwrap().to_rfc3339(), "2026-11-22T00:00:00+01:00");
    assert_eq!(content::scaffold("!!!", NaiveDate::from_ymd_opt(2026, 1, 2).unwrap()).1, "2026-01-02-untitled.md");
}

#[test]
fn the_fingerprint_changes_when_a_file_does() {
    let publication = Publication::new(&[("a.md", "one")]);
    let before = content::fingerprint(&publication.config);
    assert_eq!(before, content::fingerprint(&publication.config));
    publication.write("a.md", b"longer");
    let after = content::fingerprint(&publication.config);
    assert_ne!(before, after);
    publication.write("chart.png", b"x");
    assert_ne!(after, content::fingerprint(&publication.config));
}

#[test]
fn the_sample_articles_are_faultless() {
    let mut publication = Publication::new(&[]);
    publication.config.content_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("content");
    let (library, faults) = publication.load();
    assert_eq!(faults, Faults::default());
    assert!(library.all().len() >= 8, "{} samples", library.all().len());
    let lines = || library.all().iter().flat_map(|a| a.text.lines());
    let (blank, all) = (lines().filter(|line| line.is_empty()).count(), lines().count());
    assert!(blank * 10 < all, "fewer than a tenth of the lines are blank, not {blank} of {all}");
    insta::assert_snapshot!("sample_text", library.find("how-this-letter-is-set").unwrap().text);
    for a in library.all() {
        assert!(a.image.as_ref().is_none_or(|image| !image.alt.is_empty()), "{}: the lead picture has alternative text", a.slug);
        assert!((40..=240).contains(&a.summary.chars().count()), "{}: summary of {} characters", a.slug, a.summary.chars().count());
        let widest = a
            .text
            .lines()
            .filter(|line| !line.starts_with('[') && !line.starts_with("    "))
            .map(unicode_width::UnicodeWidthStr::width)
            .max();
        assert!(widest <= Some(72), "{}: a line of {widest:?} columns\n{}", a.slug, a.text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_markdown_is_rendered_without_panic_and_without_script(pieces in proptest::collection::vec(piece(), 0..40)) {
        let a = body(&pieces.concat());
        let html = a.html.to_ascii_lowercase();
        prop_assert!(!html.contains("<script"), "{html}");
        prop_assert!(!html.contains("href=\"javascript:"), "{html}");
        let tags = html.split('<').skip(1).filter_map(|tag| tag.split('>').next());
        for tag in tags {
            prop_assert!(!tag.contains(" onclick="), "{html}");
        }
    }

    #[test]
    fn any_bytes_are_an_article_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200), fence in "(\\+\\+\\+|---|\\{)?\n?") {
        let publication = Publication::new(&[]);
        publication.write("a.md", &[fence.as_bytes(), &bytes].concat());
        let (library, faults) = publication.load();
        prop_assert!(library.all().len() + faults.errors() >= 1);
    }
}

/// Pieces that Markdown and HTML parsers trip over.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[ \\n\\t>*_#`~|:\\-+\\[\\]()!<&;\"'=/0-9a-z^]{0,12}",
        proptest::sample::select(vec![
            "<script>alert(1)</script>",
            "<div onclick=x>",
            "</div>",
            "<b onclick=\"",
            "\n\n",
            "[a](javascript:alert(1))",
            "![](x",
            "<!--",
            "-->",
            "\n| a | b |\n|---|---|\n| c |\n",
            "\n```rust\n",
            "\n> ",
            "\n- [ ] ",
            "\n1. ",
            "[^1]",
            "\n[^1]: ",
            "<a href=\"java\nscript:x\">",
            "&#106;avascript:",
            "<textarea>",
            "<title>",
            "<svg><script>",
            "👩‍👩‍👧",
            "港",
            "\u{202e}",
            "\0",
            "<img src=x onclick=alert(1)",
        ])
        .prop_map(str::to_owned),
    ]
}
