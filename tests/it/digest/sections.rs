//! Headings of mails, for everybody and for readers who get only a part of an issue.

use std::sync::Arc;

use postrider::compose::Compiled;
use postrider::config::Config;
use postrider::digest::{Planned, Press, sample_reader};
use postrider::model::issue::FrozenSection;
use postrider::model::{Article, EmailAddress, Frozen, IssueId, ListId, PastIssue, Rhythm, SubscriptionState};
use postrider::store::issues::NewIssue;
use postrider::store::preferences::{ListWish, Wish};
use postrider::store::subscribers::NewSubscriber;
use postrider::template;

use super::room::{Room, config, day, of, own, tagged};

fn list() -> ListId {
    ListId::parse("all").unwrap()
}

/// The issue as it would be kept.
fn pressed(config: &Config, planned: &Planned, number: u64) -> NewIssue {
    let templates = template::load(&config.templates_dir).unwrap();
    let press = Press { config, templates: &templates, now: day(1) };
    press.digest(&config.digests[0], planned, number).unwrap().new
}

/// The headings and the articles under them, as the frozen issue has them; the rest is `…`.
fn headings(sections: &[FrozenSection]) -> Vec<String> {
    let title = |section: &FrozenSection| if section.rest { "…".to_owned() } else { section.title.clone().unwrap_or_default() };
    sections.iter().map(|section| format!("{}: {}", title(section), section.articles.join(" "))).collect()
}

fn frozen(keys: &str, articles: Vec<Article>) -> Frozen {
    let (_dir, config) = config(keys);
    let articles = articles.into_iter().map(Arc::new).collect();
    pressed(&config, &Planned::of(&config, articles, &config.digests[0].lists), 1).frozen
}

/// What a reader of this share sees: the plain text from the first heading on, without rules.
fn text(frozen: &Frozen) -> Vec<String> {
    let rendered = Compiled::new(frozen, &list()).unwrap().render(&sample_reader(frozen, None)).unwrap();
    let is_told = |line: &&str| {
        let of_article = line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(". ");
        of_article || *line == line.to_uppercase() && line.chars().any(char::is_alphabetic) && *line != "T"
    };
    rendered.text.lines().filter(is_told).map(str::to_owned).collect()
}

fn mixed() -> Vec<Article> {
    vec![
        tagged(of("lamp", "l1", 0), &["Tides"]),
        tagged(of("crane", "c1", -1), &["steel", "Cranes"]),
        tagged(own("own1", -2), &["cranes"]),
        of("pilot", "p1", -3),
        tagged(of("lamp", "l2", -4), &["cranes", "tides"]),
    ]
}

#[test]
fn by_source_own_articles_come_first_and_need_no_heading() {
    let frozen = frozen("sections = \"source\"", mixed());
    assert_eq!(headings(&frozen.sections), [": own1.md", "The lamp: lamp/l1 lamp/l2", "The crane: crane/c1", "The pilot: pilot/p1"]);
    let expected = ["1. About own1", "THE LAMP", "2. About l1", "3. About l2", "THE CRANE", "4. About c1", "THE PILOT", "5. About p1"];
    assert_eq!(text(&frozen), expected);
    let rendered = Compiled::new(&frozen, &list()).unwrap().render(&sample_reader(&frozen, None)).unwrap();
    assert_eq!(rendered.subject, "News of the week: About own1", "articles[0] is the first in the mail");
    assert_eq!(rendered.preheader, "About own1 · About l1 · About l2 · About c1 · About p1");
    assert!(rendered.html.contains(">The lamp</a></td>"), "{}", rendered.html);
}

#[test]
fn the_archive_shows_the_articles_in_the_order_of_the_mail() {
    let frozen = frozen("sections = \"source\"", mixed());
    let past = PastIssue::new(IssueId(1), false, "News".to_owned(), day(1), frozen);
    let ids: Vec<&str> = past.articles.iter().map(|article| article.id.as_str()).collect();
    assert_eq!(ids, ["own1.md", "lamp/l1", "lamp/l2", "crane/c1", "pilot/p1"]);
}

#[test]
fn by_tag_an_article_stands_under_the_first_of_the_digests_tags_it_bears() {
    let frozen = frozen("sections = \"tag\"\ntags = [\"Steel\", \"tides\", \"cranes\"]", mixed());
    assert_eq!(headings(&frozen.sections), ["Steel: crane/c1", "tides: lamp/l1 lamp/l2", "cranes: own1.md", "…: pilot/p1"]);
    assert_eq!(text(&frozen).iter().rev().take(2).collect::<Vec<_>>(), ["5. About p1", "OTHER"]);
}

#[test]
fn without_tags_of_its_own_a_digest_begins_with_the_tag_most_articles_bear() {
    let frozen = frozen("sections = \"tag\"", mixed());
    assert_eq!(headings(&frozen.sections), ["Cranes: crane/c1 own1.md lamp/l2", "Tides: lamp/l1", "…: pilot/p1"]);
    let untagged = self::frozen("sections = \"tag\"", vec![own("a", 0), own("b", -1)]);
    assert_eq!(text(&untagged), ["1. About a", "2. About b"], "a lone rest needs no heading");
}

#[test]
fn without_sections_no_article_has_a_heading_and_old_issues_render_as_before() {
    let frozen = frozen("", mixed());
    let json = serde_json::to_value(&frozen).unwrap();
    assert!(json.get("sections").is_none() && json.get("corrections").is_none(), "as issues were kept before there were headings");
    let old: Frozen = serde_json::from_value(json).unwrap();
    assert_eq!(text(&old), ["1. About l1", "2. About c1", "3. About own1", "4. About p1", "5. About l2"]);
}

#[test]
fn a_reader_who_gets_a_part_sees_no_heading_without_an_article() {
    let frozen = frozen("sections = \"source\"", mixed());
    assert_eq!(text(&frozen.share(Some("01010"))), ["THE CRANE", "1. About c1", "THE PILOT", "2. About p1"]);
    assert_eq!(text(&frozen.share(Some("00100"))), ["1. About own1"]);
}

#[tokio::test]
async fn readers_who_read_seldom_get_headings_and_corrections_of_what_they_were_sent_and_each_article_once() {
    let mut room = Room::new("sections = \"source\"\nrhythms = [\"weekly\"]\nschedule = \"0 0 9 * * *\"\nper_source = 1").await;
    let email = EmailAddress::parse("weekly@example.org").unwrap();
    let new = NewSubscriber::new(email.clone());
    room.store.upsert_subscribers(&[new], &list(), SubscriptionState::Confirmed, "test", false, day(0)).await.unwrap();
    let id = room.store.person(&email).await.unwrap().unwrap().subscriber.id;
    let wish = ListWish { list: list(), on: true, rhythm: Rhythm::Weekly, topics: None, wording: String::new() };
    assert!(room.store.keep_wish(id, &Wish { lists: vec![wish], ..Wish::default() }, None, day(0)).await.unwrap());
    // Tuesday, 1 December: the first turn of the week is theirs too. Then they wait until Monday the 7th.
    room.library = vec![own("own1", 0), of("crane", "c1", 0)];
    let mut got = Vec::new();
    for n in 1..=7 {
        match n {
            2 => room.library.extend([of("lamp", "l1", 2), of("lamp", "l2", 2)]),
            3 => room.library.iter_mut().filter(|article| article.slug == "c1").for_each(|article| article.corrected = Some(day(3))),
            4 => room.library.push(own("own4", 4)),
            5 => room.library.iter_mut().filter(|article| article.slug == "l1").for_each(|article| article.corrected = Some(day(5))),
            6 => room.library.push(of("pilot", "p6", 6)),
            _ => {}
        }
        room.now = day(n);
        let Ok(planned) = room.plan().await else { continue };
        let number = room.store.next_number(Some("all")).await.unwrap();
        let issue = room.store.create_issue(&pressed(&room.config, &planned, number), room.now).await.unwrap();
        let dossier = room.store.dossier(&email).await.unwrap().unwrap();
        let frozen = room.store.frozen(issue).await.unwrap();
        if dossier.deliveries.iter().any(|delivery| delivery.issue == issue) {
            let part = room.store.part(issue, id).await.unwrap();
            got.push((n, text(&frozen.share(part.as_deref()))));
        }
        let everybody: Vec<&str> = frozen.corrections.iter().filter(|told| told.is_new).map(|told| told.id.as_str()).collect();
        assert_eq!(
            everybody,
            match n {
                3 => vec!["crane/c1"],
                6 => vec!["lamp/l1"],
                _ => vec![],
            },
            "day {n}"
        );
    }
    let days: Vec<i64> = got.iter().map(|(day, _)| *day).collect();
    assert_eq!(days, [1, 7], "{got:?}");
    assert_eq!(got[0].1, ["1. About own1", "THE CRANE", "2. About c1"]);
    let week = ["1. About own4", "THE PILOT", "2. About p6", "THE LAMP", "3. About l2", "4. About l1", "CORRECTED SINCE"];
    assert_eq!(got[1].1, week, "l1 comes as it is now, so that only c1 was corrected");
    assert!(got[1].1.iter().filter(|line| line.as_str() == "CORRECTED SINCE").count() == 1);
}
