//! Digests of many sources: rank, quotas, limit, and pages that never go out twice.

use std::collections::{HashMap, HashSet};

use postrider::config::Config;
use postrider::model::digest::Order;
use postrider::model::{Article, page_key};
use proptest::prelude::*;
use url::Url;

use super::room::{DAY, Room, config, day, first, names, of, own};
use super::{now, publication};

/// Three of each source, two own ones, the newest first in each: crane3 (day 0) is newer than lamp3, lamp3 than pilot3.
fn shelf() -> Vec<Article> {
    let mut articles = vec![own("own1", -20), own("own2", -19)];
    for n in 1..=3 {
        articles.push(of("crane", &format!("crane{n}"), n * 3 - 9));
        articles.push(of("lamp", &format!("lamp{n}"), n * 3 - 10));
        articles.push(of("pilot", &format!("pilot{n}"), n * 3 - 11));
    }
    articles
}

#[test]
fn the_newest_come_first_whatever_their_source() {
    let (_dir, config) = config("limit = 5");
    assert_eq!(first(&config, shelf()), ["crane3", "lamp3", "pilot3", "crane2", "lamp2"]);
}

#[test]
fn a_quota_leaves_places_to_the_other_sources_and_own_articles_have_none() {
    let (_dir, config) = config("limit = 20\nper_source = 1");
    assert_eq!(first(&config, shelf()), ["crane3", "lamp3", "pilot3", "own2", "own1"]);
}

#[test]
fn by_weight_own_articles_come_first_then_the_heaviest_source_and_of_one_weight_the_newest() {
    let (_dir, weighed) = config("limit = 20\norder = \"weight\"");
    let expected = ["own2", "own1", "lamp3", "lamp2", "lamp1", "crane3", "pilot3", "crane2", "pilot2", "crane1", "pilot1"];
    assert_eq!(first(&weighed, shelf()), expected);
    let (_dir, both) = config("limit = 5\nper_source = 2\norder = \"weight\"");
    // A new digest begins with the newest that fit into one issue; own articles from before that are the archive.
    assert_eq!(first(&both, shelf()), ["lamp3", "lamp2", "crane3", "pilot3", "crane2"]);
}

#[tokio::test]
async fn rank_then_quota_then_limit_and_what_is_over_waits_for_the_next_issue() {
    let mut room = Room::new("limit = 3\nper_source = 1\norder = \"weight\"").await;
    room.library = vec![own("begin", 0)];
    assert_eq!(room.next().await, names(&["begin"]));
    room.library.extend([of("crane", "c1", -3), of("crane", "c2", -2), of("lamp", "l1", -9), of("lamp", "l2", -8), of("pilot", "p1", 1)]);
    room.library.extend([own("news", 1)]);
    assert_eq!(room.next().await, names(&["news", "l2", "p1"]));
    assert_eq!(room.next().await, names(&["l1", "c2"]));
    assert_eq!(room.next().await, names(&["c1"]));
    assert_eq!(room.next().await, Err("no new article since the last issue".to_owned()));
}

#[tokio::test]
async fn what_is_over_the_quota_of_the_first_issue_is_not_taken_for_the_archive() {
    let mut room = Room::new("limit = 20\nper_source = 1").await;
    room.library = shelf();
    assert_eq!(room.next().await, names(&["crane3", "lamp3", "pilot3", "own2", "own1"]));
    assert_eq!(room.next().await, names(&["crane2", "lamp2", "pilot2"]));
    // An old article of our own that turns up later is archive; what a source brings is news whatever its date.
    room.library.push(own("ancient", -900));
    room.library.push(of("lamp", "late", -900));
    assert_eq!(room.next().await, names(&["crane1", "lamp1", "pilot1"]));
    assert_eq!(room.next().await, names(&["late"]));
    assert!(room.next().await.is_err());
}

#[tokio::test]
async fn a_new_digest_over_years_of_imports_begins_with_the_newest() {
    let mut room = Room::new("limit = 3").await;
    room.library = (0..40).map(|n| of("crane", &format!("c{n}"), -n)).collect();
    assert_eq!(room.next().await, names(&["c0", "c1", "c2"]));
    assert!(room.next().await.is_err(), "the archive never drips out");
}

#[tokio::test]
async fn news_that_comes_late_is_due_though_the_first_issue_was_full_of_younger_ones() {
    let mut room = Room::new("limit = 2").await;
    let came = |mut article: Article, at: i64| {
        article.origin.as_mut().unwrap().seen_at = Some(day(at));
        article
    };
    room.now = day(5);
    room.library = (1..5).map(|n| came(of("crane", &format!("c{n}"), n), n)).collect();
    assert_eq!(room.next().await, names(&["c4", "c3"]));
    assert!(room.next().await.is_err(), "the rest is archive");
    room.now = day(7);
    room.library.push(came(of("lamp", "late", 1), 6));
    assert_eq!(room.next().await, names(&["late"]));
}

/// The same page, as people write its address.
fn same_page(source: &str, name: &str, n: i64) -> Article {
    Article { url: "http://www.crane.example.org/c1/?utm_source=lamp#more".to_owned(), ..of(source, name, n) }
}

#[test]
fn a_page_is_in_an_issue_once_and_the_first_in_rank_has_it() {
    let canonical = Some("https://crane.example.org/c1".to_owned());
    let articles = || {
        let by_canonical = Article { canonical_url: canonical.clone(), ..own("copy", -7) };
        vec![of("crane", "c1", -5), same_page("lamp", "l1", -6), by_canonical, of("pilot", "p1", -8)]
    };
    let (_dir, by_date) = config("");
    assert_eq!(first(&by_date, articles()), ["c1", "p1"]);
    let (_dir, by_weight) = config("order = \"weight\"");
    assert_eq!(first(&by_weight, articles()), ["copy", "p1"]);
}

#[test]
fn an_address_that_is_no_articles_own_makes_nothing_a_repeat() {
    let at = |url: &str, article: Article| Article { url: url.to_owned(), ..article };
    let (_dir, config) = config("");
    // All entries of a source on one page, told apart by where on it; all at its home page; two that name no page at all.
    let articles = vec![
        at("https://crane.example.org/log#2", of("crane", "c2", -1)),
        at("https://crane.example.org/log#1", of("crane", "c1", -2)),
        at("https://lamp.example.org/", of("lamp", "l1", -3)),
        at("https://lamp.example.org", of("pilot", "p1", -4)),
        at("", of("pilot", "p2", -5)),
        at("", of("lamp", "l2", -6)),
    ];
    assert_eq!(first(&config, articles), ["c2", "c1", "l1", "p1", "p2", "l2"]);
}

#[tokio::test]
async fn a_page_that_was_sent_is_known_years_later_when_its_article_is_long_gone() {
    let mut room = Room::new("").await;
    room.library = vec![of("crane", "c1", 0), of("pilot", "p1", 0)];
    assert_eq!(room.next().await, names(&["c1", "p1"]));
    room.now = day(2_000);
    room.library = vec![same_page("lamp", "l1", 1_999), of("lamp", "l2", 1_999)];
    assert_eq!(room.next().await, names(&["l2"]));
    // It is over from then on: nobody looks at its page again.
    let over = room.store.already_in(&room.digest().id, &["lamp/l1".to_owned(), "lamp/l3".to_owned()]).await.unwrap();
    assert_eq!(over, HashSet::from(["lamp/l1".to_owned()]));
    room.library.push(of("lamp", "l3", 2_001));
    assert_eq!(room.next().await, names(&["l3"]));
    let carried = room.store.carried_since(&room.digest().id, day(1_999)).await.unwrap();
    assert_eq!(carried.len(), 2, "a repeat is carried by no issue: {carried:?}");
}

#[tokio::test]
async fn pages_of_issues_from_before_pages_were_kept_are_known_from_the_articles() {
    let mut room = Room::new("").await;
    room.library = vec![of("crane", "c1", 0), own("own1", -1)];
    let mut planned = room.plan().await.unwrap();
    planned.remembered = Default::default();
    room.make(&planned).await;
    room.library.extend([same_page("lamp", "l1", 1), of("pilot", "p1", -500), own("ancient", -500)]);
    room.now = day(2);
    assert_eq!(room.next().await, names(&["p1"]));
    room.library = vec![same_page("pilot", "p2", 2), of("pilot", "p3", 2)];
    assert_eq!(room.next().await, names(&["p3"]), "they are kept with the first issue that is made since");
}

#[tokio::test]
async fn an_issue_that_is_refused_leaves_nothing_to_remember() {
    let mut room = Room::new("").await;
    room.library = vec![of("crane", "c1", 0), of("pilot", "p1", 0)];
    let planned = room.plan().await.unwrap();
    let number = planned.articles.len() as u64;
    assert!(room.make_as(&planned, number).await.is_err(), "the first issue is number 1");
    assert_eq!(room.store.beginning("all").await.unwrap(), None);
    let pages = ["crane.example.org/c1".to_owned(), "pilot.example.org/p1".to_owned()];
    assert!(room.store.pages_in("all", &pages).await.unwrap().is_empty());
    assert_eq!(room.next().await, names(&["c1", "p1"]));
    assert_eq!(room.store.pages_in("all", &pages).await.unwrap().len(), 2);
}

#[tokio::test]
async fn thousands_of_articles_are_looked_up_in_pieces() {
    let mut room = Room::new("limit = 200").await;
    room.library = (0..1_500).map(|n| of("crane", &format!("c{n:04}"), -n / 100)).chain([own("own", 0)]).collect();
    let mut carried = 0;
    while let Ok(names) = room.next().await {
        carried += names.len();
        room.config.digests[0].min = 1;
    }
    assert_eq!(carried, 201, "the first 200, and the one that is as new as the last of them");
    room.library.extend(
        (0..1_500).map(|n| Article { url: format!("https://crane.example.org/c{:04}", n % 200), ..of("lamp", &format!("l{n:04}"), 1) }),
    );
    let reason = room.next().await.unwrap_err();
    assert_eq!(reason, "no new article since the last issue; not counting 1500 links that were sent already");
}

#[tokio::test]
async fn another_digest_may_carry_the_same_page() {
    let mut room = Room::new("").await;
    room.library = vec![of("crane", "c1", 0)];
    assert_eq!(room.next().await, names(&["c1"]));
    room.config.digests[0].id = "other".to_owned();
    room.library.push(same_page("lamp", "l1", 1));
    assert_eq!(room.next().await, names(&["l1"]));
}

#[tokio::test]
async fn the_minimum_counts_what_would_go_out_and_the_reason_says_what_does_not() {
    let mut room = Room::new("min = 3\nper_source = 1").await;
    room.config.digests[0].min = 1;
    room.library = vec![of("crane", "c1", 0)];
    assert_eq!(room.next().await, names(&["c1"]));
    room.config.digests[0].min = 3;
    room.library.extend([same_page("lamp", "l1", 1), of("pilot", "p1", 1), of("pilot", "p2", 1), of("pilot", "p3", 1), own("own1", 1)]);
    let reason = "2 articles are new, and min = 3; not counting 1 link that was sent already; 2 more wait for per_source = 1";
    assert_eq!(room.next().await, Err(reason.to_owned()));
    room.library.push(of("crane", "c2", 1));
    assert_eq!(room.next().await, names(&["own1", "c2", "p1"]));
    room.library = vec![same_page("pilot", "p9", 2)];
    assert_eq!(room.next().await, Err("no new article since the last issue; not counting 1 link that was sent already".to_owned()));
}

fn faults(keys: &str) -> String {
    let (dir, ..) = publication("", &[]);
    let file = dir.path().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap() + keys + "\n[[source]]\nid = \"crane\"\nurl = \"https://crane.example.org/\"\n";
    std::fs::write(&file, text).unwrap();
    Config::load(&file, std::iter::empty()).map_or_else(|faults| faults.to_string(), |_| String::new())
}

#[test]
fn keys_that_would_never_let_an_issue_out_are_faults() {
    assert_eq!(faults("sources = [\"crane\", \"own\"]\nper_source = 2\nmin = 3"), "");
    let found = faults("sources = [\"crane\"]\nper_source = 2\nmin = 3");
    assert!(found.contains("min = 3 is above what per_source = 2 lets through, 2: the digest would never go out"), "{found}");
    let found = faults("order = \"wieght\"");
    assert!(found.contains("order is \"date\" or \"weight\", not \"wieght\""), "{found}");
    assert!(faults("sections = \"sources\"").contains("sections is \"none\" or \"source\" or \"tag\""));
    assert!(faults("per_source = 201").contains("per_source must be between 0 and 200"));
}

/// One arrival: of which source (0 is ours), how old, and on whose page, if on one that was there before.
type Arrival = (usize, i64, Option<prop::sample::Index>);

fn arrivals() -> impl Strategy<Value = Vec<Vec<Arrival>>> {
    let arrival = (0_usize..4, 0_i64..400, prop::option::weighted(0.3, any::<prop::sample::Index>()));
    prop::collection::vec(prop::collection::vec(arrival, 0..6), 1..14)
}

/// One digest with its keys, to the end: every round new articles and an issue, then issues until there is nothing left.
async fn play(rounds: Vec<Vec<Arrival>>, limit: usize, per_source: usize, by_weight: bool, min: usize) -> Result<(), TestCaseError> {
    let mut room = Room::new("").await;
    let recipe = &mut room.config.digests[0];
    (recipe.limit, recipe.per_source, recipe.order) = (limit, per_source, if by_weight { Order::Weight } else { Order::Date });
    room.library = vec![own("begin", 0)];
    prop_assert_eq!(room.next().await, names(&["begin"]));
    room.config.digests[0].min = min.min(limit);
    let mut carried: Vec<Article> = Vec::new();
    let (rounds_with_news, mut round) = (rounds.len(), 0);
    let mut rounds = rounds.into_iter();
    loop {
        for (n, (source, age, page)) in rounds.next().unwrap_or_default().into_iter().enumerate() {
            let name = format!("r{round}n{n}");
            let today = (room.now.0 - now().0) / DAY + 1;
            let mut article = match source {
                0 => own(&name, today),
                source => of(["crane", "lamp", "pilot"][source - 1], &name, today - age),
            };
            if let Some(page) = page.filter(|_| room.library.len() > 1) {
                let whose = &room.library[1 + page.index(room.library.len() - 1)];
                article.url = format!("{}?utm_campaign={name}", whose.url.split('?').next().unwrap_or_default());
            }
            room.library.push(article);
        }
        round += 1;
        if round > rounds_with_news {
            room.config.digests[0].min = 1;
        }
        let planned = room.plan().await;
        let Ok(got) = room.next().await else {
            prop_assert!(planned.is_err());
            if round > rounds_with_news { break } else { continue }
        };
        prop_assert!(got.len() <= limit && got.len() >= room.config.digests[0].min, "{} articles", got.len());
        let planned = planned.unwrap();
        let mut of_source: HashMap<&str, usize> = HashMap::new();
        planned
            .articles
            .iter()
            .filter(|article| article.origin.is_some())
            .for_each(|article| *of_source.entry(article.source()).or_default() += 1);
        prop_assert!(per_source == 0 || of_source.values().all(|count| *count <= per_source), "{of_source:?}");
        carried.extend(planned.articles.iter().map(|article| (**article).clone()));
        prop_assert!(round < 500, "it never ends");
    }
    check_carried(&room, &carried)
}

/// Nothing twice, and nothing lost but what stands for a page that was carried.
fn check_carried(room: &Room, carried: &[Article]) -> Result<(), TestCaseError> {
    let page = |article: &Article| page_key(&Url::parse(&article.url).unwrap());
    let mut ids = HashSet::new();
    let mut pages: HashMap<String, &str> = HashMap::new();
    for article in carried {
        prop_assert!(ids.insert(&article.id), "{:?} was carried twice", article.id);
        let before = pages.insert(page(article), article.source());
        prop_assert!(
            before.is_none_or(|source| source == article.source() && source != "own"),
            "the page of {:?} was carried twice",
            article.id
        );
    }
    for article in room.library.iter().skip(1).filter(|article| !ids.contains(&article.id)) {
        prop_assert!(pages.contains_key(&page(article)), "{:?} was lost", article.id);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_arrives_and_whatever_the_limits_nothing_is_carried_twice_and_nothing_is_lost(
        rounds in arrivals(), limit in 1_usize..6, per_source in 0_usize..4, by_weight: bool, min in 0_usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(rounds, limit, per_source, by_weight, min))?;
    }
}
