//! How many messages one thread composes in a second: the built-in digest with 20 articles,
//! by splicing and by the full path, unsigned and signed. `cargo bench --bench compose`.
#![allow(clippy::unwrap_used, missing_docs)]

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postrider::compose::{Compiled, Reader, full};
use postrider::model::dkim::{Algorithm, Dkim, Key, Selector};
use postrider::model::issue::{Frozen, FrozenArticle, FrozenList, FrozenSite};
use postrider::model::{EmailAddress, ListId, Mailbox, Subscriber, SubscriberId, Timestamp};

const DATE: Timestamp = Timestamp::from_secs(1_795_338_000);
/// How long each way is measured, five times; the middle one counts.
const ROUND: Duration = Duration::from_millis(400);

fn main() {
    let list = ListId::parse("weekly").unwrap();
    let frozen = digest(&list);
    let readers: Vec<Reader> = (0..1_000).map(reader).collect();
    let started = Instant::now();
    let compiled = Compiled::new(&frozen, &list).unwrap();
    println!("compile             {:>10.1} ms, {} lints", started.elapsed().as_secs_f64() * 1e3, compiled.lints().0.len());
    let mut out = Vec::new();
    let splice = rate(|i| {
        out.clear();
        compiled.message(&readers[i % readers.len()], DATE, &mut out).unwrap();
        out.len()
    });
    println!("message             {:>10} bytes", out.len());
    let render = rate(|i| compiled.render(&readers[i % readers.len()]).unwrap().html.len());
    let whole = rate(|i| full(&frozen, &list, &readers[i % readers.len()], DATE).unwrap().len());
    println!("splice              {splice:>10.0} msgs/s");
    println!("full path, rendered {render:>10.0} msgs/s, {:.0} times slower", splice / render);
    println!("full path, all anew {whole:>10.0} msgs/s, {:.0} times slower", splice / whole);
    for (what, algorithms) in [
        ("spliced, Ed25519    ", &[Algorithm::Ed25519][..]),
        ("spliced, RSA-2048   ", &[Algorithm::Rsa]),
        ("spliced, both       ", &[Algorithm::Rsa, Algorithm::Ed25519]),
    ] {
        let signing = Compiled::new(&frozen, &list).unwrap().signed(Some(Arc::new(signer(algorithms))));
        let signed = rate(|i| {
            out.clear();
            signing.message(&readers[i % readers.len()], DATE, &mut out).unwrap();
            out.len()
        });
        println!("{what}{signed:>10.0} msgs/s, {:.1} µs for the signature", 1e6 / signed - 1e6 / splice);
    }
}

/// Signs with new keys.
fn signer(algorithms: &[Algorithm]) -> Dkim {
    let key = |algorithm: &Algorithm| Key::generate(*algorithm, Selector::parse(algorithm.key_name()).unwrap()).unwrap().0;
    Dkim { domain: "example.org".into(), keys: algorithms.iter().map(key).collect() }
}

/// Calls a second: the median of five rounds.
fn rate(mut work: impl FnMut(usize) -> usize) -> f64 {
    let mut rounds: Vec<f64> = (0..5)
        .map(|_| {
            let started = Instant::now();
            let mut done = 0;
            while started.elapsed() < ROUND {
                black_box(work(done));
                done += 1;
            }
            done as f64 / started.elapsed().as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[2]
}

fn reader(number: usize) -> Reader {
    let name = ["Ann Example", "Zoë", "Bo", "李小龍", "O'Hara & Sons"][number % 5];
    Reader {
        subscriber: Subscriber {
            id: SubscriberId(number as i64),
            email: EmailAddress::parse(&format!("reader{number}@example.com")).unwrap(),
            name: (!number.is_multiple_of(7)).then(|| format!("{name} {number}")),
            attributes: serde_json::Map::new(),
            language: Some("en".into()),
            timezone: None,
            created_at: Timestamp(0),
        },
        unsubscribe_address: None,
        unsubscribe_url: format!("https://example.org/unsubscribe/{number:040}"),
        preferences_url: format!("https://example.org/preferences/{number:040}"),
        view_url: format!("https://example.org/view/{number:040}"),
        confirm_url: String::new(),
        message_id: format!("7.{number}.abcdef@example.org"),
    }
}

fn digest(list: &ListId) -> Frozen {
    let mut templates = postrider::template::load(Path::new("/nowhere")).unwrap();
    templates.retain(|name, _| !name.starts_with("web/"));
    let weekly = FrozenList {
        name: "The Weekly".into(),
        description: "One mail a week".into(),
        from: Mailbox::parse("Example Post <post@example.org>").unwrap(),
        reply_to: None,
    };
    Frozen {
        name: "weekly".into(),
        number: 7,
        subject: "{{ articles[0].title }}".into(),
        preheader: "{{ articles[1].title }} and more".into(),
        template: "digest".into(),
        templates,
        articles: (1..=20).map(article).collect(),
        lists: BTreeMap::from([(list.clone(), weekly)]),
        site: FrozenSite {
            title: "Example".into(),
            url: "https://example.org/".into(),
            description: "Samples".into(),
            language: "en".into(),
            timezone: "Europe/Berlin".into(),
            postal_address: Some("1 Sample Street, 12345 Sample Town".into()),
            icon: None,
        },
        date: "2026-11-22T09:00:00+01:00".into(),
        fresh: None,
        sections: Vec::new(),
        corrections: Vec::new(),
        language: None,
        test: false,
    }
}

fn article(number: usize) -> FrozenArticle {
    FrozenArticle {
        id: format!("a{number}"),
        title: format!("Article {number}: how tea is made, and by whom"),
        url: format!("https://example.org/articles/{number}/"),
        summary: "A paragraph about tea, its leaves, its water and its many friends, long enough to be a real summary of an article."
            .into(),
        html: String::new(),
        text: String::new(),
        published: Some("2026-11-20T08:00:00+01:00".into()),
        authors: vec!["Ann Example".into()],
        tags: vec!["tea".into(), "water".into()],
        language: None,
        image: None,
        origin: None,
        minutes: 3,
    }
}
