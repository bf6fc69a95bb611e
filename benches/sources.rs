//! Claims about other people's feeds and pages: a 10 MB feed of 10,000 items is read in 150 ms, 1,000 feeds are fetched, read, cleaned and stored five times
//! as fast as Python's feedparser fetches and reads them, and pages are extracted at 12 MB a second.
//! `cargo bench --bench sources -- [FEEDS] [--only reader|feeds|pages]`. The second claim needs Python 3: feedparser is taken from where scripts/setup put it,
//! or installed into target/. The third takes its pages from $POSTRIDER_CORPORA when that is set, else it writes some.
#![allow(clippy::unwrap_used, missing_docs)]

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(dead_code)]
#[path = "../tests/it/support/web.rs"]
mod web;

use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postrider::config::{Config, StoreUrl};
use postrider::fetch::{Fetch, Lookup, Rules};
use postrider::import::{Importer, pages, reader};
use postrider::model::{Clock, Timestamp};
use postrider::store::Store;
use tokio_util::sync::CancellationToken;
use url::Url;
use web::{Answer, Web};

/// As scripts/setup installs it.
const FEEDPARSER: &str = "feedparser==6.0.14";
/// Items in each of the thousand feeds.
const ITEMS: usize = 50;
/// Each is measured so often; the middle one counts.
const ROUNDS: usize = 5;
/// Fetches and reads feeds one after the other, as its users do; prints the seconds and the entries.
const PYTHON: &str = "import sys, time, feedparser\nbase, count = sys.argv[1], int(sys.argv[2])\nstart, entries = time.time(), 0\n\
    for n in range(count):\n    entries += len(feedparser.parse(f'{base}/{n}.xml').entries)\nprint(time.time() - start, entries)\n";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let feeds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000);
    let only = args.iter().position(|arg| arg == "--only").and_then(|at| args.get(at + 1));
    let wants = |part: &str| only.is_none_or(|only| only == part);
    if wants("reader") {
        read_large();
    }
    if wants("feeds") {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(fetch_many(feeds));
    }
    if wants("pages") {
        extract();
    }
}

/// The middle one of some measurements.
fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn date(number: usize) -> String {
    let at = Timestamp::from_secs(1_795_000_000 - 3_600 * i64::try_from(number).unwrap());
    at.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// An RSS feed of `items`, each with some `words` sentences of escaped HTML.
fn feed(name: &str, items: usize, words: usize) -> String {
    let items: String = (0..items)
        .map(|n| {
            let text: String = (0..words)
                .map(|i| format!("&lt;p&gt;Sentence {i} of item {n} of {name} tells of &lt;b&gt;tides&lt;/b&gt; &amp;amp; &lt;a href=\"/ropes/{i}\"&gt;ropes&lt;/a&gt;.&lt;/p&gt;\n"))
                .collect();
            format!(
                "<item><title>Item {n} of {name} &amp; more</title><link>https://{name}.example.com/posts/{n}</link>\
                 <guid isPermaLink=\"false\">tag:{name}.example.com,2026:{n}</guid><pubDate>{}</pubDate><dc:creator>Jane Doe</dc:creator>\
                 <category>tides</category><category>ropes</category><description>{text}</description></item>\n",
                date(n)
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><channel><title>{name}</title>\
         <link>https://{name}.example.com/</link><description>About {name}</description>{items}</channel></rss>"
    )
}

fn read_large() {
    let document = feed("large", 10_000, 5);
    let base = Url::parse("https://large.example.com/feed.xml").unwrap();
    let once = || {
        let start = Instant::now();
        let feed = black_box(reader::read(document.as_bytes(), Some("application/rss+xml; charset=utf-8"), Some(&base)).unwrap());
        assert_eq!(feed.entries.len(), 10_000);
        start.elapsed().as_secs_f64() * 1_000.0
    };
    once();
    let ms = middle((0..ROUNDS).map(|_| once()).collect());
    println!("reader: a feed of {:.1} MB with 10,000 items: {ms:.0} ms (goal 150)", document.len() as f64 / 1e6);
}

async fn fetch_many(feeds: usize) {
    let documents: Arc<Vec<String>> = Arc::new((0..feeds).map(|n| feed(&format!("site-{n}"), ITEMS, 6)).collect());
    let bytes: usize = documents.iter().map(String::len).sum();
    println!("feeds: {feeds} of {ITEMS} items each, {:.1} MB in all", bytes as f64 / 1e6);
    let shown = documents.clone();
    let web = Web::start(move |hit| {
        let number = hit.path.trim_start_matches('/').trim_end_matches(".xml").parse::<usize>().unwrap_or(usize::MAX);
        shown
            .get(number)
            .map_or_else(|| Answer::status(404), |feed| Answer::ok(feed.as_str()).header("Content-Type", "application/rss+xml"))
    })
    .await;
    let (mut ours, mut again, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let python = python();
    // In turns, because a machine is not as fast in every second.
    for _ in 0..3 {
        let (first, second) = postrider(&web, feeds).await;
        ours.push(first);
        again.push(second);
        if let Some(python) = &python {
            theirs.push(feedparser(python, &web, feeds).await);
        }
    }
    let (ours, again) = (middle(ours), middle(again));
    println!(
        "feeds: postrider fetched, read, cleaned and stored them in {ours:.2} s ({:.0}/s); a second time, nothing new: {again:.2} s",
        feeds as f64 / ours
    );
    if theirs.is_empty() {
        println!("feeds: no feedparser to compare with: python3 with venv and pip is needed");
        return;
    }
    let theirs = middle(theirs);
    println!(
        "feeds: feedparser fetched and read them in {theirs:.2} s ({:.0}/s); ratio {:.1} (goal 5)",
        feeds as f64 / theirs,
        theirs / ours
    );
}

/// Seconds for the first fetch of all, and for one that brings nothing new. Each Source has a host of its own, as in the web; all lead to the one server.
async fn postrider(web: &Web, feeds: usize) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let mut text =
        "[site]\ntitle = \"Bench\"\nurl = \"https://bench.example.com\"\n[[list]]\nid = \"all\"\nfrom = \"Bench <bench@example.com>\"\n"
            .to_owned();
    for n in 0..feeds {
        let url = web.url_at(&format!("site-{n}.example.com"), &format!("/{n}.xml"));
        text.push_str(&format!("[[source]]\nid = \"site-{n}\"\nurl = \"{url}\"\n"));
    }
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    let (config, _) = Config::load(&folder.path().join("config.toml"), std::iter::empty()).unwrap_or_else(|faults| panic!("{faults}"));
    let now = Timestamp::from_secs(1_795_000_000);
    let store = Store::open(&StoreUrl::Sqlite(folder.path().join("p.db")), now).await.unwrap();
    let sources: Vec<(&str, &str)> = config.sources.iter().map(|source| (source.id.as_str(), source.url.as_str())).collect();
    store.sync_sources(&sources, now).await.unwrap();
    let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }));
    let rules = Rules { allowed: vec!["127.0.0.1/32".parse().unwrap()], lookup, ..Rules::default() };
    let fetch = Fetch::with(None, rules).unwrap();
    let mut seconds = Vec::new();
    for hours in [0, 3] {
        let clock = Clock::fixed(now.plus(Duration::from_secs(hours * 3_600)));
        let importer = Importer::new(&config, store.clone(), fetch.clone(), clock);
        let start = Instant::now();
        assert_eq!(importer.ask_due(&CancellationToken::new()).await.unwrap(), feeds);
        seconds.push(start.elapsed().as_secs_f64());
        let kept: u64 = store.imported_counts(None).await.unwrap().into_iter().map(|(_, _, count)| count).sum();
        assert_eq!(kept, (feeds * ITEMS) as u64, "every item is kept, once");
    }
    store.close().await;
    (seconds[0], seconds[1])
}

/// A Python that has feedparser, if there is any.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let has_it = |python: &Path| Command::new(python).args(["-c", "import feedparser"]).output().is_ok_and(|out| out.status.success());
    let known = root.join(".cache/venv/bin/python");
    if has_it(&known) {
        return Some(known);
    }
    let venv = root.join("target/bench-venv");
    let own = venv.join("bin/python");
    if !has_it(&own) {
        Command::new("python3").args(["-m", "venv"]).arg(&venv).status().ok().filter(|status| status.success())?;
        let pip = Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", FEEDPARSER]).status();
        pip.ok().filter(|status| status.success())?;
    }
    has_it(&own).then_some(own)
}

async fn feedparser(python: &Path, web: &Web, feeds: usize) -> f64 {
    let mut command = Command::new(python);
    command.args(["-c", PYTHON, &format!("http://{}", web.address), &feeds.to_string()]);
    let out = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    let mut words = said.split_whitespace();
    let seconds = words.next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&out.stderr))).parse().unwrap();
    assert_eq!(words.next().unwrap().parse::<usize>().unwrap(), feeds * ITEMS, "feedparser reads every item");
    seconds
}

fn extract() {
    let (pages, whence) = match std::env::var_os("POSTRIDER_CORPORA") {
        Some(folder) => (html_below(Path::new(&folder)), "of $POSTRIDER_CORPORA"),
        None => ((0..50).map(page).collect(), "written for this"),
    };
    assert!(!pages.is_empty(), "there are no pages");
    let bytes: usize = pages.iter().map(Vec::len).sum();
    let base = Url::parse("https://pages.example.com/one").unwrap();
    let all = || {
        let start = Instant::now();
        let found = pages.iter().filter(|page| black_box(pages::extract(page, Some("text/html"), Some(&base))).is_ok()).count();
        (start.elapsed().as_secs_f64(), found)
    };
    let found = all().1;
    let seconds = middle((0..ROUNDS).map(|_| all().0).collect());
    println!(
        "pages: {} {whence}, {:.1} MB, an article in {found}: {:.1} MB/s on one thread (goal 12)",
        pages.len(),
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / seconds
    );
}

/// All pages below a folder; those that are packed are unpacked.
fn html_below(folder: &Path) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().is_file() || name.starts_with("expected") {
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        if name.ends_with(".html.gz") {
            let mut page = Vec::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut page).unwrap();
            pages.push(page);
        } else if name.ends_with(".html") {
            pages.push(bytes);
        }
    }
    pages
}

/// A page as sites have them: an article between menus, lists of links and a footer.
fn page(number: usize) -> Vec<u8> {
    let menu: String = (0..80).map(|i| format!("<li class=\"menu-item\"><a href=\"/section/{i}\">Section {i}</a></li>")).collect();
    let related: String = (0..40)
        .map(|i| format!("<div class=\"card\"><img src=\"/i/{i}.jpg\" alt=\"\"><a href=\"/story/{i}\">Another story, number {i}</a></div>"))
        .collect();
    let text: String = (0..60)
        .map(|i| format!("<p>Paragraph {i} of article {number} tells at some length of tides, of <a href=\"/ropes/{i}\">ropes</a>, of the harbour and of <em>everybody</em> who waits there, because nobody who waits for the tide waits alone.</p>\n"))
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><title>Article {number} | The Harbour</title><meta property=\"og:title\" content=\"Article {number}\">\
         <style>{}</style></head><body><nav><ul>{menu}</ul></nav><main><article><h1>Article {number}</h1>{text}</article></main>\
         <aside>{related}</aside><footer><ul>{menu}</ul><p>All rights reserved.</p></footer></body></html>",
        ".card { margin: 0 } ".repeat(200)
    )
    .into_bytes()
}
