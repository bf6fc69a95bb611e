//! The mail templates with rich sample data: what readers see, how big it is, how well it reads.

use std::path::Path;

use postrider::model::article::{Image, Origin};
use postrider::model::issue::{FrozenArticle, FrozenSite};
use postrider::template;
use serde_json::{Value, json};
use tera::Context;

/// The letter's body: everything Markdown makes.
const BODY: &str = include_str!("letter-body.html");

fn site() -> FrozenSite {
    FrozenSite {
        title: "The Harbour Letter".into(),
        url: "https://example.com/".into(),
        description: "Notes from a small harbour".into(),
        language: "en".into(),
        timezone: "Europe/Berlin".into(),
        postal_address: Some("Pier 4, 20457 Hamburg, Germany".into()),
        icon: None,
    }
}

fn article(number: usize) -> FrozenArticle {
    let titles = [
        "What the tide tables do not tell you",
        "A short history of the harbour crane",
        "Rope, in five knots",
        "Why every lighthouse keeper kept a diary, and what the diaries say about the weather, loneliness and tinned fish",
        "Letters from the pilot boat",
        "ملاحظات من الميناء القديم",
        "Ferries & <brackets> \"quoted\" 🚢",
        "How to read a nautical chart",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen",
        "The fog signal falls silent",
    ];
    FrozenArticle {
        id: format!("notes/{number}.md"),
        title: titles[number % titles.len()].into(),
        url: format!("https://example.com/notes/article-number-{number}/"),
        summary: summary(number),
        html: String::new(),
        text: String::new(),
        published: Some("2026-11-20T09:00:00+01:00".into()),
        authors: [vec!["Ada Marsh".to_owned()], vec!["Ada Marsh".into(), "Jo Reed".into()], vec![]][number % 3].clone(),
        tags: ["harbour", "history", "craft", "never shown"][..number % 5 % 4 + 1].iter().map(|tag| tag.to_string()).collect(),
        language: (number % 10 == 5).then(|| "ar".into()),
        image: [0, 2, 7].contains(&number).then(|| image(number)),
        origin: (number % 4 == 3).then(|| Origin {
            source: "pilots".into(),
            title: "Pilots’ Gazette".into(),
            url: "https://pilots.example.org/".into(),
        }),
        minutes: 2 + (number as u64 * 3) % 7,
    }
}

fn summary(number: usize) -> String {
    match number % 10 {
        5 => "كيف تغيّر الميناء خلال مئة عام، وما الذي بقي على حاله: المد والجزر، ورائحة الملح، وصوت النوارس في الصباح.".into(),
        9 => String::new(),
        _ => "Tables give the height of the water to the centimetre. The harbour master trusts them less than the smell of the mud, and for good reasons.".into(),
    }
}

fn image(number: usize) -> Image {
    let url = format!("https://example.com/notes/{number}.jpg");
    Image { url, alt: "The quay at low water".into(), width: Some(1104), height: Some(560), media_type: None, length_bytes: None }
}

/// What templates see of an Issue with these Articles, for a reader of this name.
fn context(articles: &[FrozenArticle], name: Option<&str>, test: bool) -> Context {
    let mut subscriber = json!({"email": "ada@example.org"});
    if let Some(name) = name {
        subscriber["name"] = Value::from(name);
    }
    let all = json!({
        "site": site(), "articles": articles, "article": articles.first(), "subscriber": subscriber,
        "list": {"id": "weekly", "name": "The weekly letter", "description": "new notes every Monday morning."},
        "issue": {"name": "weekly", "number": 1204, "date": "2026-11-22T23:30:00+00:00", "test": test,
            "subject": "What the tide tables do not tell you", "preheader": "And ten more notes from the harbour"},
        "unsubscribe_url": "https://example.com/u/AAAAAAAAAAAAAAAAAAAAAA", "preferences_url": "https://example.com/p/AAAAAAAAAAAAAAAAAAAAAA",
        "view_url": "https://example.com/v/AAAAAAAAAAAAAAAAAAAAAA",
    });
    Context::from_serialize(&all).unwrap()
}

fn render(name: &str, context: &Context) -> String {
    let tera = template::engine(&template::load(Path::new("/nonexistent")).unwrap()).unwrap_or_else(|faults| panic!("{faults}"));
    template::render(&tera, name, context).unwrap_or_else(|fault| panic!("{fault}"))
}

/// HTML as it is sent, and left under target/tmp for a look in a browser.
fn html(file: &str, name: &str, context: &Context) -> String {
    let options = css_inline::CSSInliner::options().minify_css(true).keep_at_rules(true).load_remote_stylesheets(false);
    let html = options.build().inline(&render(name, context)).unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mail");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(file), &html).unwrap();
    html
}

fn articles(count: usize) -> Vec<FrozenArticle> {
    (0..count).map(article).collect()
}

fn letter() -> Vec<FrozenArticle> {
    vec![FrozenArticle {
        html: BODY.into(),
        text: "First paragraph.\n\nSecond paragraph [1].\n\n[1] https://example.com/".into(),
        ..article(0)
    }]
}

#[test]
fn a_digest_stays_small() {
    for (count, size_bytes_max) in [(10, 12 * 1024), (20, 22 * 1024)] {
        let html = html(&format!("digest-{count}.html"), "email/digest.html", &context(&articles(count), Some("Ada"), false));
        assert!(html.len() <= size_bytes_max, "{count} articles make {} bytes, more than {size_bytes_max}", html.len());
    }
}

#[test]
fn a_digest_for_a_look() {
    html("digest-12.html", "email/digest.html", &context(&articles(12), None, true));
    html("letter.html", "email/letter.html", &context(&letter(), Some("Wolfeschlegelsteinhausenbergerdorff"), false));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mail");
    std::fs::write(dir.join("digest.txt"), render("email/digest.txt", &context(&articles(12), Some("Ada"), true))).unwrap();
    std::fs::write(dir.join("letter.txt"), render("email/letter.txt", &context(&letter(), None, false))).unwrap();
}
