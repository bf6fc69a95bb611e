//! What several Sources have is one Article, and none of them hides what another has.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::digest::{Choice, Past, choose};
use postrider::model::{ArticleId, Library};
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
    let digest = scene.config.digests.iter().find(|known| known.id == digest).unwrap();
    match choose(&scene.config, digest, &shelf(scene).await, &Past::default(), scene.now()) {
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
    assert_eq!(mailed(&scene, "all").await, ["Entry 1"]);
}
