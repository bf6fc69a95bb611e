//! Storms of entries without dates, fetch after fetch: the places of the last fetch are kept in the store, and tell.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::store::imported::ImportState;

use super::scene::Scene;
use crate::support::web::Answer;

/// A feed in one line: each letter is an entry of its own, without a date.
fn feed(entries: &str) -> String {
    let entry = |letter: char| {
        let n = u32::from(letter);
        format!(
            "<item><title>Entry {n}</title><link>http://quay.example.org/{n}</link><guid isPermaLink=\"false\">{n}</guid>\
             <description>What the keeper of the quay wrote down under number {n}, at some length and without a date.</description></item>"
        )
    };
    let entries: String = entries.chars().map(entry).collect();
    format!("<rss version=\"2.0\"><channel><title>The Quay</title><link>http://quay.example.org/</link>{entries}</channel></rss>")
}

/// A source that shows one feed after the other.
async fn quay() -> (Scene, Arc<Mutex<String>>) {
    let shown = Arc::new(Mutex::new(String::new()));
    let told = shown.clone();
    let source = "[[source]]\nid = \"quay\"\nurl = \"http://quay.example.org:PORT/\"\nkind = \"feed\"\nevery = \"1h\"\n";
    let scene = Scene::new(source, move |_| Answer::ok(feed(&told.lock().unwrap()))).await;
    (scene, shown)
}

/// Two hours later the feed is another; gives how many are kept, and how many wait for the editor.
async fn fetched(scene: &Scene, shown: &Arc<Mutex<String>>, entries: &str) -> (u64, u64) {
    scene.pass(Duration::from_secs(2 * 3_600));
    *shown.lock().unwrap() = entries.to_owned();
    assert_eq!(scene.ask().await, 1, "{entries}");
    let counts = scene.store.imported_counts(Some("quay")).await.unwrap();
    let of = |wanted: ImportState| counts.iter().filter(|(_, state, _)| *state == wanted).map(|(.., count)| count).sum();
    (of(ImportState::Kept), of(ImportState::Held))
}

#[tokio::test]
async fn a_storm_without_dates_is_held_though_one_entry_is_known_still_and_six_new_ones_of_ten_are_not() {
    let (mut scene, shown) = quay().await;
    for (entries, kept, held, why) in [
        ("abcdefghij", 10, 0, "at first"),
        ("klmnopabcd", 16, 0, "six new ones of ten push six out"),
        ("", 16, 0, "an empty answer"),
        ("qklmnopabc", 17, 0, "one after it"),
        ("qrstuvwxyz", 17, 9, "all but the first are others, and it is where it was"),
        ("qrstuvwxyz", 17, 9, "again"),
        ("ABqrstuvwx", 19, 9, "what comes after a storm is news"),
        ("qklmnopabc", 19, 9, "the old ones are back"),
        ("CDEFGHIJKc", 19, 18, "all but the last"),
        ("CDEFGHIJKc", 19, 18, "again"),
        ("LMNOPQRSTC", 28, 18, "nine new ones of ten push nine out"),
    ] {
        scene.restart().await;
        assert_eq!(fetched(&scene, &shown, entries).await, (kept, held), "{entries}: {why}");
    }
}

#[tokio::test]
async fn the_first_entries_of_a_feed_that_was_empty_are_its_baseline_and_not_held() {
    let (scene, shown) = quay().await;
    for (entries, kept) in [("", 0), ("", 0), ("abcdef", 6), ("ghijklabcdef", 12)] {
        assert_eq!(fetched(&scene, &shown, entries).await, (kept, 0), "{entries}");
    }
    let of = async |is_news: bool| scene.store.imported(is_news, None, 100).await.unwrap().len();
    assert_eq!((of(false).await, of(true).await), (6, 6), "what stands there first has no date that tells it came after us");
}
