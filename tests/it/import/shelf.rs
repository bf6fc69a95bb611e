//! What several Sources have is one Article, and none of them hides what another has.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::digest::{Choice, Past, choose};
use postrider::model::{ArticleId, Library};
use postrider::store::carried::Beginning;
use postrider::store::imported::Taken;
use postrider::worker::library;

use super::scene::Scene;
use crate::support::web::{Answer, Hit};

const HOUR: Duration = Duration::from_secs(3_600);

/// Two sources, and digests of both, and of the second.
const TWO: &str = r#"
[[source]]
id = "planet"
url = "http://planet.example.org:PORT/"
kind = "feed"
[[source]]
id = "quay"
url = "http://quay.example.com:PORT/"
kind = "feed"
tags = ["boats"]
[[digest]]
id = "all"
lists = ["weekly"]
schedule = "0 0 9 * * Mon"
subject = "News"
limit = 20
[[digest]]
id = "quay"
lists = ["weekly"]
schedule = "0 0 9 * * Mon"
subject = "News"
sources = ["quay"]
[[digest]]
id = "boats"
lists = ["weekly"]
schedule = "0 0 9 * * Mon"
subject = "News"
tags = ["boats"]
"#;

/// An entry as a feed has it: its link, and the number that its words are about.
fn item(link: &str, n: u64, more: &str) -> String {
    format!(
        "<item><title>Entry {n}</title><link>{link}</link><guid isPermaLink=\"false\">{link} {n}</guid>{more}\
         <description>What the keeper of the quay wrote down under number {n}, at some length, so that it is known again.</description></item>"
    )
}

fn feed(home: &str, items: &str) -> Answer {
    Answer::ok(format!("<rss version=\"2.0\"><channel><title>{home}</title><link>http://{home}/</link>{items}</channel></rss>"))
}

type Shown = Arc<Mutex<(String, String)>>;

/// The first and the second source show these items.
async fn two(planet: &str, quay: &str) -> (Scene, Shown) {
    let shown: Shown = Arc::new(Mutex::new((planet.to_owned(), quay.to_owned())));
    let told = shown.clone();
    let answer = move |hit: &Hit| {
        let (planet, quay) = told.lock().unwrap().clone();
        if hit.host.starts_with("planet") { feed("planet.example.org", &planet) } else { feed("quay.example.com", &quay) }
    };
    (Scene::new(TWO, answer).await, shown)
}

/// Hours later one of the two shows something else, and that one is asked first.
async fn next(scene: &Scene, shown: &Shown, planet: &str, quay: &str, first: &str) {
    scene.pass(HOUR * 3);
    *shown.lock().unwrap() = (planet.to_owned(), quay.to_owned());
    asked(scene, first).await;
    scene.ask().await;
}

/// One is asked now.
async fn asked(scene: &Scene, id: &str) {
    let row = scene.store.source(id).await.unwrap().unwrap();
    assert!(scene.importer.ask_these(vec![row]).recv().await.unwrap().unwrap().taken.is_something(), "{id} brings something");
}

async fn shelf(scene: &Scene) -> Library {
    library(&Arc::new(scene.config.clone()), &scene.store).await.unwrap().0
}

/// The titles of a first issue of a digest.
async fn mailed(scene: &Scene, digest: &str) -> Vec<String> {
    chosen(scene, digest, &Past::default()).await
}

/// The titles of an issue of a digest that has this past.
async fn chosen(scene: &Scene, digest: &str, past: &Past) -> Vec<String> {
    let digest = scene.config.digests.iter().find(|known| known.id == digest).unwrap();
    match choose(&scene.config, digest, &shelf(scene).await, past, scene.now()) {
        Choice::Articles(chosen) => chosen.articles.iter().map(|article| article.title.clone()).collect(),
        Choice::Nothing(_) => Vec::new(),
    }
}

#[tokio::test]
async fn what_two_sources_have_is_in_the_digests_of_both_and_once_in_that_of_all() {
    let old = [item("http://planet.example.org/0", 100, ""), item("http://quay.example.com/0", 200, "")];
    let (scene, shown) = two(&old[0], &old[1]).await;
    scene.ask().await;
    let new = item("http://quay.example.com/1", 1, "");
    next(&scene, &shown, &format!("{new}{}", old[0]), &format!("{new}{}", old[1]), "planet").await;
    for digest in ["all", "quay", "boats"] {
        assert_eq!(mailed(&scene, digest).await, ["Entry 1"], "{digest}");
    }
    let library = shelf(&scene).await;
    let article = library.all().iter().find(|article| article.title == "Entry 1").unwrap();
    assert_eq!(article.source(), "planet", "it is the article of the one that had it first");
    assert!(article.is_of("quay"));
}

#[tokio::test]
async fn what_was_there_before_us_in_one_source_and_is_news_of_another_is_news() {
    let new = item("http://quay.example.com/1", 1, "");
    let old = [item("http://planet.example.org/0", 100, ""), item("http://quay.example.com/0", 200, "")];
    let (scene, shown) = two(&format!("{new}{}", old[0]), &old[1]).await;
    scene.ask().await;
    assert_eq!(mailed(&scene, "all").await, [""; 0]);
    next(&scene, &shown, &format!("{new}{}", old[0]), &format!("{new}{}", old[1]), "quay").await;
    assert_eq!(mailed(&scene, "all").await, ["Entry 1"]);
}

#[tokio::test]
async fn a_source_that_gets_another_id_keeps_its_entries_its_news_and_who_they_are() {
    let old = item("http://quay.example.com/0", 200, "");
    let (mut scene, shown) = two("", &old).await;
    scene.ask().await;
    let new = item("http://quay.example.com/1", 1, "");
    next(&scene, &shown, "", &format!("{new}{old}"), "quay").await;
    let ids = |library: Library| library.all().iter().map(|article| article.id.clone()).collect::<Vec<ArticleId>>();
    let before = ids(shelf(&scene).await);
    assert_eq!(before.len(), 2);
    scene.config.sources[1].id = "harbour".to_owned();
    scene.restart().await;
    next(&scene, &shown, "", &format!("{new}{old}"), "harbour").await;
    let library = shelf(&scene).await;
    assert!(library.all().iter().all(|article| article.source() == "harbour"));
    assert_eq!(ids(library), before, "an issue that carried them knows them again");
    assert_eq!(mailed(&scene, "all").await, ["Entry 1"], "what was not mailed yet still is");
}

#[tokio::test]
async fn entries_without_pages_of_their_own_and_places_on_one_page_hide_each_other_from_nobody() {
    let places = |source: u64| -> String {
        (0..3).map(|n| item(&format!("http://quay.example.com/changes#{source}-{n}"), source * 10 + n, "")).collect()
    };
    let homes = |source: u64| -> String { (0..2).map(|n| item("http://quay.example.com/", source * 10 + 5 + n, "")).collect() };
    let (scene, _) = two(&(places(1) + &homes(1)), &(places(2) + &homes(2))).await;
    scene.ask().await;
    assert_eq!(shelf(&scene).await.all().len(), 10);
}

#[tokio::test]
async fn a_source_with_years_of_entries_leaves_the_others_their_places() {
    let old = item("http://quay.example.com/0", 200, "");
    let (scene, shown) = two("", &old).await;
    asked(&scene, "quay").await;
    scene.pass(HOUR * 3);
    shown.lock().unwrap().1 = item("http://quay.example.com/1", 1, "") + &old;
    asked(&scene, "quay").await;
    let years: String = (0..10_001).map(|n| item(&format!("http://planet.example.org/{n}"), 1_000 + n, "")).collect();
    shown.lock().unwrap().0 = years;
    asked(&scene, "planet").await;
    let library = shelf(&scene).await;
    let of_quay = library.all().iter().filter(|article| article.source() == "quay").count();
    assert_eq!((of_quay, library.all().len()), (2, 5_002), "its own, and half of the places for the other");
    let has = |n: u64| library.all().iter().any(|article| article.title == format!("Entry {n}"));
    assert!(has(1_000) && has(5_999) && !has(6_000), "the newest, which stand first in a feed");
    assert_eq!(mailed(&scene, "all").await, ["Entry 1"]);
}

/// So much news of the first source that nothing which came before has a place.
const NEWS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
    INSERT INTO imported (id, source_id, state, is_news, facts, seen_at, changed_at, article)
    SELECT 1000000 + n.i, 'planet', 0, 1, '', old.seen_at, old.changed_at + 1, old.article FROM n, imported old WHERE old.id = 1";

#[tokio::test]
async fn news_that_is_the_same_as_what_is_too_old_to_be_at_hand_is_mailed_unless_that_was_news_itself() {
    let new = item("http://quay.example.com/1", 1, "");
    let old = item("http://quay.example.com/0", 200, "");
    let (scene, shown) = two(&new, &old).await;
    asked(&scene, "planet").await;
    asked(&scene, "quay").await;
    scene.by_hand(NEWS).await;
    let is_news = async || shelf(&scene).await.all().iter().any(|article| article.slug == "planet-1" && !article.mail.skip_email);
    assert!(!is_news().await);
    next(&scene, &shown, &new, &format!("{new}{old}"), "quay").await;
    assert!(is_news().await, "it was there before us in one source, long ago, and is news of the other");
    scene.by_hand("UPDATE imported SET is_news = 1 WHERE id = 1").await;
    assert!(!is_news().await, "it was mailed in its time");
}

/// Eight old entries of the second source, numbered from here.
fn eight(from: u64) -> String {
    let date = "<pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate>";
    (from..from + 8).map(|n| item(&format!("http://quay.example.com/{n}"), n, date)).collect()
}

#[tokio::test]
async fn what_was_held_makes_news_of_what_another_source_has_only_where_the_editor_wants_it_mailed() {
    for as_news in [false, true] {
        let (scene, shown) = two("", &eight(100)).await;
        scene.ask().await;
        next(&scene, &shown, "", &eight(200), "quay").await;
        next(&scene, &shown, &item("http://quay.example.com/200", 200, ""), &eight(200), "planet").await;
        assert_eq!(mailed(&scene, "all").await, [""; 0], "it was there before us in the one, and is held in the other");
        let taken = scene.store.approve_held("quay", as_news, scene.now()).await.unwrap();
        assert_eq!(taken, Taken { new: 7, merged: 1, ..Taken::default() });
        let mailed = mailed(&scene, "all").await;
        assert_eq!(mailed.len(), if as_news { 8 } else { 0 }, "{mailed:?}");
    }
}

#[tokio::test]
async fn what_was_held_before_the_first_issue_of_a_digest_is_mailed_once_the_editor_says_so() {
    let (scene, shown) = two("", &eight(100)).await;
    scene.ask().await;
    next(&scene, &shown, "", &eight(200), "quay").await;
    let past = Past { beginning: Some(Beginning { own: scene.now(), imported: scene.now() }), ..Past::default() };
    scene.pass(HOUR);
    assert_eq!(scene.store.approve_held("quay", true, scene.now()).await.unwrap(), Taken { new: 8, ..Taken::default() });
    assert_eq!(chosen(&scene, "all", &past).await.len(), 8, "nobody had it before");
}

#[tokio::test]
async fn entries_without_dates_are_mailed_as_their_feed_has_them_and_the_last_that_came_first() {
    let link = |n: u64| format!("http://quay.example.com/{n}");
    let items = |numbers: &[u64]| numbers.iter().map(|n| item(&link(*n), *n, "")).collect::<String>();
    let (scene, shown) = two("", &items(&[1])).await;
    scene.ask().await;
    next(&scene, &shown, "", &items(&[14, 3, 12, 2, 1]), "quay").await;
    next(&scene, &shown, "", &items(&[7, 16, 14, 3, 12, 2, 1]), "quay").await;
    assert_eq!(mailed(&scene, "quay").await, ["Entry 7", "Entry 16", "Entry 14", "Entry 3", "Entry 12", "Entry 2"]);
}
