//! Thirty days of asking by two processes, one with five restarts: nobody is asked sooner than they allow, nobody twice without need, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Timelike as _;
use postrider::import::articles;
use postrider::model::Timestamp;
use postrider::store::imported::ImportState;
use tokio_util::sync::CancellationToken;

use super::scene::{Beside, START, Scene, http_date};
use crate::support::http::until;
use crate::support::web::{Answer, Hit};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const DAYS: u64 = 30;
/// What every Source of this test is configured with.
const EVERY: Duration = Duration::from_secs(4 * HOUR);
/// Hours a feed wants to be spared in.
const RESTS: [u32; 6] = [1, 2, 3, 4, 5, 23];

const SOURCES: &str = r#"
[[source]]
id = "etag"
url = "http://etag.example.com:PORT/"
every = "4h"
[[source]]
id = "modified"
url = "http://modified.example.com:PORT/"
every = "4h"
[[source]]
id = "bare"
url = "http://bare.example.com:PORT/"
every = "4h"
[[source]]
id = "fresh"
url = "http://fresh.example.com:PORT/"
every = "4h"
[[source]]
id = "expires"
url = "http://expires.example.com:PORT/"
every = "4h"
[[source]]
id = "rests"
url = "http://rests.example.com:PORT/"
every = "4h"
[[source]]
id = "fails"
url = "http://fails.example.com:PORT/"
every = "4h"
[[source]]
id = "busy"
url = "http://busy.example.com:PORT/"
every = "4h"
[[source]]
id = "moved"
url = "http://moved.example.com:PORT/"
every = "4h"
[[source]]
id = "lent"
url = "http://lent.example.com:PORT/"
every = "4h"
[[source]]
id = "gone"
url = "http://gone.example.com:PORT/"
every = "4h"
[[source]]
id = "pair-a"
url = "http://pair.example.com:PORT/a"
every = "4h"
[[source]]
id = "pair-b"
url = "http://pair.example.com:PORT/b"
every = "4h"
"#;

fn secs_since_start(at: Timestamp) -> u64 {
    at.since(START).as_secs()
}

/// The number of articles a feed has published; it had five when we began, and brings one every 19 hours.
fn published(at: Timestamp) -> u64 {
    5 + secs_since_start(at) / (19 * HOUR)
}

fn published_at(number: u64) -> Timestamp {
    // The first five are older than we.
    Timestamp::from_secs(START.secs() + (i64::try_from(number).unwrap() - 5) * 19 * 3_600)
}

/// The feed as it is at this instant: its last ten articles.
fn feed(name: &str, hit: &Hit) -> String {
    let count = published(hit.at);
    let items: String = (count.saturating_sub(9).max(1)..=count)
        .rev()
        .map(|number| {
            format!(
                "<item><title>Article {number} of {name}</title><link>https://{name}.example.com/{number}</link><guid isPermaLink=\"false\">{name}-{number}</guid>\
                 <pubDate>{}</pubDate><description>What {name} has to say about the tide in its article number {number}, at some length.</description></item>",
                http_date(published_at(number))
            )
        })
        .collect();
    let rests: String = RESTS.iter().map(|hour| format!("<hour>{hour}</hour>")).collect();
    let rests = if name == "rests" { format!("<ttl>300</ttl><skipHours>{rests}</skipHours>") } else { String::new() };
    format!("<rss version=\"2.0\"><channel><title>{name}</title><link>https://{name}.example.com/</link>{rests}{items}</channel></rss>")
}

/// What the web answers; `hang` makes one Source very slow.
fn answer(hit: &Hit, hang: &AtomicBool) -> Answer {
    let host = hit.host.strip_suffix(".example.com").unwrap();
    let time = secs_since_start(hit.at);
    let port = hit.headers["host"].rsplit(':').next().unwrap().to_owned();
    let (tag, modified) = (format!("W/\"{}\"", published(hit.at)), http_date(published_at(published(hit.at))));
    let tagged = |name: &str| Answer::cached(hit, Some(&tag), None, feed(name, hit));
    let answer = match host {
        "modified" => Answer::cached(hit, None, Some(&modified), feed(host, hit)),
        "bare" => Answer::ok(feed(host, hit)),
        "fresh" => tagged(host).header("Cache-Control", "public, max-age=21600"),
        "expires" => Answer::cached(hit, Some(&tag), Some(&modified), feed(host, hit))
            .header("Expires", http_date(hit.at.plus(Duration::from_secs(5 * HOUR)))),
        "fails" if (8 * DAY..10 * DAY).contains(&time) => Answer::status(503),
        "busy" if (12 * DAY..13 * DAY).contains(&time) => Answer::status(429).header("Retry-After", "36000"),
        "moved" => Answer::to(301, format!("http://new.example.com:{port}/")),
        "new" => tagged("moved"),
        "lent" => Answer::to(302, format!("http://lender.example.com:{port}/")),
        "lender" => tagged("lent"),
        "gone" if time >= 15 * DAY => Answer::status(410),
        "pair" => tagged(if hit.path == "/a" { "pair-a" } else { "pair-b" }),
        other => tagged(other),
    };
    let is_slow = host == "etag" && hang.load(Ordering::Relaxed);
    answer.after(Duration::from_millis(if is_slow { 300 } else { 1 }))
}

/// How long after this answer its host may be asked again.
fn least_wait(hit: &Hit) -> Duration {
    let host = hit.host.strip_suffix(".example.com").unwrap();
    let time = secs_since_start(hit.at);
    let wished = match host {
        "fresh" => 6 * HOUR,
        // The header has whole seconds.
        "expires" => 5 * HOUR - 1,
        "rests" => 5 * HOUR,
        "busy" if (12 * DAY..13 * DAY).contains(&time) => 10 * HOUR,
        _ => 0,
    };
    EVERY.max(Duration::from_secs(wished))
}

/// Requests by host and path, in order.
fn by_address(hits: &[Hit]) -> BTreeMap<String, Vec<Hit>> {
    let mut all = BTreeMap::<String, Vec<Hit>>::new();
    for hit in hits {
        all.entry(format!("{}{}", hit.host.trim_end_matches(".example.com"), hit.path)).or_default().push(hit.clone());
    }
    all
}

/// Plays the month; gives the scene and when a fetch was cut off in its middle.
async fn play() -> (Scene, Timestamp) {
    let hang = Arc::new(AtomicBool::new(false));
    let told = hang.clone();
    let mut scene = Scene::new(SOURCES, move |hit| answer(hit, &told)).await;
    let beside: Beside = scene.beside(Duration::ZERO).await;
    let end = START.plus(Duration::from_secs(DAYS * DAY));
    let restarts: Vec<Timestamp> = [1, 6, 9, 14, 22].map(|day| START.plus(Duration::from_secs(day * DAY + 5 * HOUR))).to_vec();
    let (mut restarted, mut cut_at) = (0, None);
    while let Some(next) = scene.store.next_source_at().await.unwrap().filter(|next| *next < end) {
        scene.pass_until(next);
        if restarts.get(restarted).is_some_and(|at| *at <= next) && restarted != 3 {
            restarted += 1;
            scene.restart().await;
        }
        // In the middle of a fetch: the process is gone before the answer has come.
        let etag = scene.store.source("etag").await.unwrap().unwrap();
        if restarted == 3 && restarts[3] <= next && etag.next_at <= next.0 {
            hang.store(true, Ordering::Relaxed);
            let (importer, before) = (scene.importer.clone(), scene.web.hits().len());
            let asking = tokio::spawn(async move { importer.ask_due(&CancellationToken::new()).await });
            until("it is asked", async || scene.web.hits()[before..].iter().any(|hit| hit.host.starts_with("etag")).then_some(())).await;
            asking.abort();
            assert!(asking.await.unwrap_err().is_cancelled(), "cut off before its end");
            (cut_at, restarted) = (Some(scene.now()), 4);
            scene.restart().await;
            until("the server is done with it", async || scene.web.is_idle().then_some(())).await;
            hang.store(false, Ordering::Relaxed);
            continue;
        }
        tokio::join!(scene.ask(), beside.ask());
    }
    assert_eq!(restarted, restarts.len());
    (scene, cut_at.expect("a fetch was cut off"))
}

#[tokio::test]
async fn in_thirty_days_with_five_restarts_nobody_is_asked_too_often_and_nothing_is_lost() {
    let (scene, cut_at) = play().await;
    let hits = scene.web.hits();
    println!("{} requests in {DAYS} days", hits.len());
    let all = by_address(&hits);
    assert!(hits.iter().all(|hit| !hit.is_crowded), "two requests to one host at a time");
    assert_never_too_soon(&all, cut_at);
    assert_once_unconditional(&all);
    assert_moves(&scene, &all).await;
    assert_every_article_once(&scene, &all).await;
}

fn assert_never_too_soon(all: &BTreeMap<String, Vec<Hit>>, cut_at: Timestamp) {
    for (address, hits) in all {
        for two in hits.windows(2) {
            let (wait, least) = (two[1].at.since(two[0].at), least_wait(&two[0]));
            // Whoever was cut off in the middle has no answer yet; it is asked again when its lease is over.
            let least = if two[0].at == cut_at { Duration::from_secs(1_800) } else { least };
            assert!(wait >= least, "{address} was asked at {} and {wait:?} later; {least:?} were allowed", two[0].at.rfc3339());
            let hour = two[1].at.utc().hour();
            assert!(address != "rests/" || !RESTS.contains(&hour), "rests was asked at {}", two[1].at.rfc3339());
        }
        // Nor so seldom that it would only look polite: a tenth is what waits grow by, and nights are long.
        let seldom = hits.windows(2).map(|two| two[1].at.since(two[0].at)).max().unwrap_or_default();
        let most = match address.as_str() {
            "fails/" => 36 * HOUR,
            // The third failure in a row doubles the wait twice.
            "busy/" => 18 * HOUR,
            _ => 14 * HOUR,
        };
        assert!(seldom <= Duration::from_secs(most), "{address} was not asked for {seldom:?}");
    }
}

fn assert_once_unconditional(all: &BTreeMap<String, Vec<Hit>>) {
    for (address, hits) in all {
        let unconditional = hits.iter().filter(|hit| !hit.is_conditional()).count();
        if address == "bare/" {
            assert_eq!(unconditional, hits.len(), "there is nothing to compare with");
        } else {
            assert_eq!(unconditional, 1, "{address}: of {} requests", hits.len());
            assert!(!hits[0].is_conditional(), "{address}: the first of all");
        }
    }
    for hit in &all["etag/"][1..] {
        assert_eq!(hit.header("if-modified-since"), "", "nobody gave a date");
        assert!(hit.header("if-none-match").starts_with("W/\""), "as it came: {}", hit.header("if-none-match"));
    }
    for hit in &all["modified/"][1..] {
        let date = hit.header("if-modified-since");
        assert!(date.ends_with(" GMT") && hit.header("if-none-match").is_empty(), "as it came: {date}");
    }
}

async fn assert_moves(scene: &Scene, all: &BTreeMap<String, Vec<Hit>>) {
    assert_eq!(all["moved/"].len(), 3, "after three answers that say the same the old address is left alone");
    assert!(all["new/"].len() > 150, "and the new one is asked: {}", all["new/"].len());
    assert_eq!(all["lent/"].len(), all["lender/"].len(), "a redirect for now is asked for every time");
    let gone = scene.store.source("gone").await.unwrap().unwrap();
    assert_eq!(gone.state, "gone");
    let after = all["gone/"].iter().filter(|hit| secs_since_start(hit.at) >= 15 * DAY).count();
    assert_eq!(after, 1, "who says that it is gone is believed at once");
    let failed = all["fails/"].iter().filter(|hit| (8 * DAY..10 * DAY).contains(&secs_since_start(hit.at))).count();
    assert!((3..=6).contains(&failed), "who fails for two days is asked less and less: {failed} times");
    let busy = all["busy/"].iter().filter(|hit| (12 * DAY..13 * DAY).contains(&secs_since_start(hit.at))).count();
    assert!((2..=3).contains(&busy), "who says that it is busy for ten hours: {busy} times in a day");
    for row in scene.store.sources().await.unwrap() {
        assert_eq!(row.failures, i64::from(row.id == "gone"), "{}: {:?}", row.id, row.said);
    }
}

async fn assert_every_article_once(scene: &Scene, all: &BTreeMap<String, Vec<Hit>>) {
    let articles = articles(&scene.config, &scene.store).await.unwrap();
    let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
    for article in &articles {
        let source = article.origin.as_ref().unwrap().source.clone();
        assert!(seen.entry(source).or_default().insert(article.title.clone()), "{} came twice", article.title);
    }
    for source in &scene.config.sources {
        let served = match source.id.as_str() {
            "moved" => "new/".to_owned(),
            "lent" => "lender/".to_owned(),
            "pair-a" => "pair/a".to_owned(),
            "pair-b" => "pair/b".to_owned(),
            id => format!("{id}/"),
        };
        // What was published when it was asked last; a Source that is gone, or fails, shows nothing.
        let last = all[&served].iter().rfind(|hit| source.id != "gone" || secs_since_start(hit.at) < 15 * DAY).unwrap();
        let expected: BTreeSet<String> = (1..=published(last.at)).map(|number| format!("Article {number} of {}", source.id)).collect();
        assert_eq!(seen[&source.id], expected, "{}", source.id);
        let news = articles.iter().filter(|article| article.origin.as_ref().unwrap().source == source.id && !article.mail.skip_email);
        assert_eq!(news.count(), expected.len() - 5, "{}: what stood there at first is not news, and all else is", source.id);
    }
    let counts = scene.store.imported_counts(None).await.unwrap();
    assert!(counts.iter().all(|(_, state, _)| *state == ImportState::Kept), "nothing is held, merged or left out: {counts:?}");
}
