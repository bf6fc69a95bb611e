//! What a Source brings is neither lost nor doubled, and nothing that it says stops it for good.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::import::identity::{Facts, keys};
use postrider::import::{Stored, Told};
use postrider::model::Timestamp;
use postrider::store::imported::{ImportState, Imported, Taken};
use postrider::store::sources::{SourceRow, SourceState};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::scene::{START, Scene, http_date};
use crate::support::http::until;
use crate::support::web::{Answer, Hit};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn said(name: &str) -> String {
    format!(
        "What the keeper of the quay wrote down under the name {name}, at some length, with ropes and tides and the weather of the day."
    )
}

/// An entry with everything of its own, and no date.
fn item(name: &str) -> String {
    dated(name, "")
}

fn dated(name: &str, date: &str) -> String {
    entry(name, &format!("http://quay.example.org/{name}"), name, &said(name), date)
}

fn entry(guid: &str, link: &str, title: &str, text: &str, date: &str) -> String {
    let date = if date.is_empty() { String::new() } else { format!("<pubDate>{date}</pubDate>") };
    format!(
        "<item><title>{title}</title><link>{link}</link><guid isPermaLink=\"false\">{guid}</guid>{date}<description>{text}</description></item>"
    )
}

fn items(letter: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| item(&format!("{letter}{n}"))).collect()
}

fn feed(items: &[String]) -> String {
    format!("<rss version=\"2.0\"><channel><title>The Quay</title><link>http://quay.example.org/</link>{}</channel></rss>", items.concat())
}

/// A Source, and what its site shows.
struct Quay {
    scene: Scene,
    shown: Arc<Mutex<Answer>>,
}

impl Quay {
    async fn new(more: &str) -> Self {
        let shown = Arc::new(Mutex::new(Answer::status(503)));
        let told = shown.clone();
        let source = format!("[[source]]\nid = \"quay\"\nurl = \"http://quay.example.org:PORT/\"\nevery = \"1h\"\n{more}\n");
        Self { scene: Scene::new(&source, move |_| told.lock().unwrap().clone()).await, shown }
    }

    /// Two days later the site shows this: what came of the fetch.
    async fn fetched(&self, shown: impl Into<Vec<u8>>) -> Taken {
        *self.shown.lock().unwrap() = Answer::ok(shown);
        self.scene.pass(2 * DAY);
        let told = asked(&self.scene, "quay").await;
        assert!(!told.asked.failed, "{told:?}");
        told.taken
    }

    /// What may be mailed, by its titles, the oldest first.
    async fn news(&self) -> Vec<String> {
        all(&self.scene).await.iter().filter(|entry| entry.is_news).map(|entry| stored(entry).title).collect()
    }

    async fn row(&self) -> SourceRow {
        row(&self.scene, "quay").await
    }
}

fn stored(entry: &Imported) -> Stored {
    Stored::read(&entry.article).unwrap()
}

/// One Source is asked by hand.
async fn asked(scene: &Scene, id: &str) -> Told {
    scene.importer.ask_these(vec![row(scene, id).await]).recv().await.unwrap().unwrap()
}

/// All that is kept, the oldest first.
async fn all(scene: &Scene) -> Vec<Imported> {
    let of = async |is_news: bool| scene.store.imported(is_news, None, 1_000).await.unwrap();
    let mut all = [of(false).await, of(true).await].concat();
    all.sort_by_key(|entry| entry.id);
    all
}

async fn row(scene: &Scene, id: &str) -> SourceRow {
    scene.store.source(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_feed_that_was_empty_at_first_mails_nothing_that_is_older_than_our_first_look() {
    let quay = Quay::new("").await;
    assert_eq!(quay.fetched(feed(&[])).await, Taken::default());
    assert_eq!(quay.fetched(feed(&[])).await, Taken::default());
    let mut all: Vec<String> = (1..=30).map(|n| dated(&format!("old{n}"), "Mon, 01 Jan 2024 00:00:00 GMT")).collect();
    all.insert(0, dated("new", &http_date(quay.scene.now())));
    assert_eq!(quay.fetched(feed(&all)).await, Taken { new: 31, ..Taken::default() });
    assert_eq!(quay.news().await, ["new"], "it is dated after the feed was first read, and empty");
    all.insert(0, item("undated"));
    assert_eq!(quay.fetched(feed(&all)).await, Taken { new: 1, ..Taken::default() });
    assert_eq!(quay.news().await, ["new", "undated"], "from then on what was not there is new");
}

#[tokio::test]
async fn what_was_cut_off_at_the_first_fetch_is_not_news_when_it_appears() {
    let quay = Quay::new("").await;
    let all = items("a", 50);
    let whole = feed(&all);
    let cut = &whole[..whole.find("<title>a10<").unwrap()];
    assert_eq!(quay.fetched(cut).await, Taken { new: 9, ..Taken::default() });
    assert_eq!(quay.fetched(whole.as_str()).await, Taken { new: 41, ..Taken::default() }, "the others are taken up, and none is held");
    assert_eq!(quay.news().await, Vec::<String>::new(), "they were there before us");
    let more = [items("b", 1), all].concat();
    assert_eq!(quay.fetched(feed(&more)).await, Taken { new: 1, ..Taken::default() });
    assert_eq!(quay.news().await, ["b1"]);
}

#[tokio::test]
async fn a_feed_that_is_always_cut_off_has_news_once_it_brings_nothing_more() {
    let quay = Quay::new("").await;
    let cut = |items: &[String]| feed(items).replace("</channel></rss>", "<item><title>half");
    let all = items("a", 9);
    assert_eq!(quay.fetched(cut(&all)).await, Taken { new: 9, ..Taken::default() });
    assert_eq!(quay.fetched(cut(&all)).await, Taken::default());
    let more = [items("b", 1), all].concat();
    assert_eq!(quay.fetched(cut(&more)).await, Taken { new: 1, ..Taken::default() });
    assert_eq!(quay.news().await, ["b1"]);

    let quay = Quay::new("").await;
    let mut all = items("a", 9);
    for day in (0..14).step_by(2) {
        all.insert(0, item(&format!("day{day}")));
        quay.fetched(cut(&all)).await;
    }
    assert_eq!(quay.news().await, ["day10", "day12"], "one that brings something at every fetch is not waited for longer than a week");
}

/// Letters that no database packs into few.
fn noise(length: usize) -> String {
    let mut state = 7_u64;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[usize::try_from(state >> 33).unwrap() % 36])
    };
    (0..length).map(letter).collect()
}

#[tokio::test]
async fn a_guid_and_a_link_of_any_length_stop_no_source() {
    let quay = Quay::new("kind = \"feed\"").await;
    quay.fetched(feed(&items("a", 3))).await;
    let long = |text: &str| {
        let link = format!("http://quay.example.org/{}", noise(6_000));
        let both = [entry(&noise(6_000), &link, "Long", text, ""), entry("", &format!("{link}x"), "Long link", &said("another"), "")];
        feed(&[both.to_vec(), items("a", 3)].concat())
    };
    assert_eq!(quay.fetched(long(&said("long"))).await, Taken { new: 2, ..Taken::default() });
    assert_eq!(quay.fetched(long(&said("edited"))).await, Taken { changed: 1, ..Taken::default() }, "they are known");
    for entry in &all(&quay.scene).await[3..] {
        let id = stored(entry).id;
        assert!(id.starts_with("sha256:") && id.len() < 100, "the id of an article is kept in indexes, too: {id}");
    }
}

#[tokio::test]
async fn a_feed_that_shows_one_thing_a_day_under_one_title_and_address_has_news_every_day() {
    let quay = Quay::new("").await;
    for day in 1..=4 {
        let name = format!("day{day}");
        let today = entry(&name, "http://quay.example.org/table", "Table of tides", &said(&name), "");
        assert_eq!(quay.fetched(feed(&[today])).await, Taken { new: 1, ..Taken::default() }, "day {day}");
    }
    assert_eq!(quay.news().await.len(), 3, "all but the first");
    let edited = entry("day4", "http://quay.example.org/table", "Table of tides", &said("day4, corrected"), "");
    assert_eq!(quay.fetched(feed(&[edited])).await, Taken { changed: 1, ..Taken::default() });
    let newest = all(&quay.scene).await.pop().unwrap();
    assert!(stored(&newest).text.contains("corrected"), "the last one was edited, and none before it");
}

#[tokio::test]
async fn a_re_post_above_the_first_one_is_no_news_and_is_known_later() {
    let quay = Quay::new("").await;
    let others = items("a", 6);
    let one = entry("one", "http://quay.example.org/one", "Same", &said("same").repeat(2), "");
    let two = entry("two", "http://quay.example.org/two", "Same", &said("same").repeat(2), "");
    quay.fetched(feed(&[vec![one.clone()], others.clone()].concat())).await;
    assert_eq!(quay.fetched(feed(&[vec![two, one], others.clone()].concat())).await, Taken::default());
    let edited = entry("two", "http://quay.example.org/two", "Same, edited", &said("edited"), "");
    assert_eq!(quay.fetched(feed(&[vec![edited], others].concat())).await, Taken { changed: 1, ..Taken::default() }, "by its own guid");
}

#[tokio::test]
async fn what_was_held_and_came_from_elsewhere_meanwhile_is_not_mailed_again_when_it_is_approved() {
    let shown = Arc::new(Mutex::new([feed(&items("a", 8)), feed(&items("b", 8))]));
    let told = shown.clone();
    let sources =
        "[[source]]\nid = \"a\"\nurl = \"http://a.example.org:PORT/\"\n[[source]]\nid = \"b\"\nurl = \"http://b.example.org:PORT/\"\n";
    let scene =
        Scene::new(sources, move |hit: &Hit| Answer::ok(told.lock().unwrap()[usize::from(hit.host.starts_with('b'))].clone())).await;
    let fetched = async |id: &str, items: &[String]| {
        shown.lock().unwrap()[usize::from(id == "b")] = feed(items);
        scene.pass(2 * DAY);
        asked(&scene, id).await.taken
    };
    fetched("a", &items("a", 8)).await;
    fetched("b", &items("b", 8)).await;
    assert_eq!(fetched("a", &items("storm", 8)).await, Taken { held: 8, ..Taken::default() });
    let text = entry("b-text", "http://b.example.org/elsewhere", "storm3", &said("storm3"), "");
    let page = entry("b-page", "http://quay.example.org/storm4", "The same page", &said("the same page, in other words"), "");
    let brought = fetched("b", &[vec![text, page], items("b", 6)].concat()).await;
    assert_eq!(brought, Taken { new: 2, ..Taken::default() }, "what is held is nobody's article yet");
    let taken = scene.store.approve_held("a", true, scene.now()).await.unwrap();
    assert_eq!(taken, Taken { new: 6, merged: 2, ..Taken::default() });
    let left = scene.store.not_kept("a", 100).await.unwrap();
    let mut said: Vec<(String, ImportState, Option<&str>)> =
        left.iter().map(|entry| (stored(entry).title, entry.state, entry.reason.as_deref())).collect();
    said.sort_by(|one, other| one.0.cmp(&other.0));
    let merged = |title: &str| (title.to_owned(), ImportState::Merged, Some("b had it first"));
    assert_eq!(said, [merged("storm3"), merged("storm4")]);
    assert_eq!(scene.store.approve_held("a", true, scene.now()).await.unwrap(), Taken::default(), "nothing is held any more");
}

/// A page that names a feed, or nothing.
fn page(feed: Option<&str>) -> String {
    let link = feed.map(|feed| format!("<link rel=alternate type=application/rss+xml href=\"{feed}\">")).unwrap_or_default();
    format!(
        "<!doctype html><html><head><title>The Quay</title>{link}</head><body><article><h1>The Quay</h1>{}</article></body></html>",
        format!("<p>{}</p>", said("page")).repeat(6)
    )
}

#[tokio::test]
async fn a_feed_that_was_found_and_has_gone_is_looked_for_again_on_its_page() {
    let named = Arc::new(Mutex::new(Some("/one.xml")));
    let told = named.clone();
    let source = "[[source]]\nid = \"quay\"\nurl = \"http://quay.example.org:PORT/\"\nkind = \"auto\"\n";
    let scene = Scene::new(source, move |hit: &Hit| {
        let named = *told.lock().unwrap();
        match hit.path.as_str() {
            "/" if hit.is_conditional() => Answer::status(304),
            "/" => Answer::ok(page(named)).header("content-type", "text/html"),
            path if Some(path) == named => Answer::cached(hit, Some("\"v1\""), None, feed(&items("a", 5))),
            _ => Answer::status(404),
        }
    })
    .await;
    let ask = async |times: usize| {
        for _ in 0..times {
            scene.pass(2 * DAY);
            assert_eq!(scene.ask().await, 1);
        }
        row(&scene, "quay").await
    };
    assert!(ask(2).await.found.unwrap().ends_with("/one.xml"));
    *named.lock().unwrap() = Some("/two.xml");
    let found = ask(6).await;
    assert!(found.found.as_deref().unwrap().ends_with("/two.xml") && found.failures == 0, "{found:?}");
    let paths: Vec<String> = scene.web.hits().iter().skip(3).map(|hit| hit.path.clone()).collect();
    assert_eq!(paths, ["/one.xml", "/one.xml", "/one.xml", "/one.xml", "/one.xml", "/", "/two.xml"], "five failures, and then the page");
    assert_eq!(ask(1).await.failures, 0, "it is asked where it is now");
    assert_eq!(scene.web.hits().last().unwrap().path, "/two.xml");

    *named.lock().unwrap() = None;
    let lost = ask(6).await;
    assert_eq!(lost.failures, 6, "a page that names no feed any more is no article: {lost:?}");
    assert_eq!(scene.web.hits().last().unwrap().path, "/", "{lost:?}");
    assert_eq!(all(&scene).await.len(), 5, "the entries of the feed, each once");
    assert_eq!(ask(1).await.failures, 7);
    assert_eq!(scene.web.hits().last().unwrap().path, "/two.xml", "it may be what answers again first");
    *named.lock().unwrap() = Some("/three.xml");
    assert!(ask(1).await.found.unwrap().ends_with("/three.xml"));
}

#[tokio::test]
async fn a_text_that_changes_at_every_fetch_gives_its_entry_a_bounded_number_of_keys() {
    let quay = Quay::new("kind = \"feed\"").await;
    let text = |views: usize| format!("{} {views} views.", said("counted"));
    let link = "http://quay.example.org/counted";
    let counted = |views: usize, title: &str| feed(&[entry("counted", link, title, &text(views), "")]);
    for views in 0..30 {
        quay.fetched(counted(views, "Counted")).await;
    }
    let url = Url::parse(link).unwrap();
    let of = |views: usize| {
        let text = text(views);
        keys(&[Facts { guid: Some("counted"), link: Some(&url), title: "Counted", text: &text }]).remove(0).known_by
    };
    let all: Vec<String> = (0..30).flat_map(of).collect();
    let known = quay.scene.store.known_keys("quay", &all).await.unwrap();
    let texts: Vec<bool> = (0..30).map(|views| of(views).iter().any(|key| key.starts_with("text ") && known.contains_key(key))).collect();
    assert_eq!(texts, [vec![false; 22], vec![true; 8]].concat(), "the last eight texts");
    for kind in ["page ", "guid ", "link "] {
        assert!(known.keys().any(|key| key.starts_with(kind)), "{kind}is kept: {known:?}");
    }
    assert_eq!(quay.fetched(counted(0, "Another title")).await, Taken { changed: 1, ..Taken::default() }, "it is known by its guid");
}

#[tokio::test]
async fn a_source_that_was_gone_and_answers_again_is_asked_in_its_turn() {
    let quay = Quay::new("").await;
    *quay.shown.lock().unwrap() = Answer::status(410);
    assert_eq!(quay.scene.ask().await, 1);
    assert_eq!(quay.row().await.standing().unwrap(), SourceState::Gone);
    quay.scene.pass(2 * DAY);
    assert_eq!(quay.scene.ask().await, 0, "who is gone is not asked");
    assert!(asked(&quay.scene, "quay").await.asked.gone, "by hand it is, and is gone still");
    assert_eq!(quay.row().await.standing().unwrap(), SourceState::Gone);
    quay.fetched(feed(&items("a", 2))).await;
    assert_eq!(quay.row().await.standing().unwrap(), SourceState::Active, "it answered");
    quay.scene.pass(2 * DAY);
    assert_eq!(quay.scene.ask().await, 1);
    quay.scene.store.set_source("quay", SourceState::Paused).await.unwrap();
    quay.fetched(feed(&items("a", 3))).await;
    assert_eq!(quay.row().await.standing().unwrap(), SourceState::Paused, "who was paused by hand stays so");
}

#[tokio::test]
async fn a_clock_that_was_wrong_once_puts_off_no_source_for_years() {
    let quay = Quay::new("").await;
    quay.fetched(feed(&items("a", 2))).await;
    quay.scene.pass_until(START.plus(3_650 * DAY));
    assert_eq!(quay.scene.ask().await, 1);
    let now = START.plus(9 * DAY);
    quay.scene.set_back(now);
    let before = quay.scene.web.hits().len();
    let (importer, stop) = (quay.scene.importer.clone(), CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { importer.run(stop).await }
    });
    until("it is asked by the right clock", async || (quay.scene.web.hits().len() > before).then_some(())).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let next = Timestamp(quay.row().await.next_at);
    assert!(next > now && next < now.plus(DAY), "it waits as usual from then on: {}", next.rfc3339());
    assert_eq!(quay.scene.ask().await, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_asked_for_in_full_until_it_can() {
    let shown = Arc::new(Mutex::new(("\"v1\"", "no feed".to_owned())));
    let told = shown.clone();
    let source = "[[source]]\nid = \"quay\"\nurl = \"http://quay.example.org:PORT/\"\nkind = \"feed\"\n";
    let scene = Scene::new(source, move |hit: &Hit| {
        let (etag, body) = told.lock().unwrap().clone();
        Answer::cached(hit, Some(etag), None, body)
    })
    .await;
    let next = async |etag: &'static str, body: String| {
        *shown.lock().unwrap() = (etag, body);
        scene.pass(2 * DAY);
        asked(&scene, "quay").await
    };
    for failures in 1..=2 {
        assert!(next("\"v1\"", "no feed".to_owned()).await.asked.failed, "nobody says that it is unchanged");
        assert_eq!(row(&scene, "quay").await.failures, failures);
    }
    let read = next("\"v2\"", feed(&items("a", 3))).await;
    assert!(!read.asked.is_conditional && read.taken.new == 3, "{read:?}");
    // The validators of what was read last hold while something else fails.
    let wrong = next("\"v3\"", "no feed".to_owned()).await;
    assert!(wrong.asked.is_conditional && wrong.asked.failed, "{wrong:?}");
    let as_before = next("\"v2\"", feed(&items("a", 3))).await;
    assert_eq!((as_before.asked.status, as_before.asked.failed), (Some(304), false), "{as_before:?}");
}

#[tokio::test]
async fn what_was_left_out_is_kept_without_its_body() {
    let quay = Quay::new("exclude = [\"ropes\"]").await;
    for text in [said("x"), said("x, edited")] {
        quay.fetched(feed(&[entry("x", "http://quay.example.org/x", "Left out", &text, "")])).await;
        let left = quay.scene.store.not_kept("quay", 10).await.unwrap();
        let [entry] = left.as_slice() else { panic!("one is left out: {left:?}") };
        let kept = stored(entry);
        assert_eq!((entry.state, kept.title.as_str(), kept.url.as_str()), (ImportState::Dropped, "Left out", "http://quay.example.org/x"));
        assert!(kept.html.is_empty() && kept.text.is_empty() && kept.summary.is_empty(), "{kept:?}");
    }
}
