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
            feed: None,
            also: Vec::new(),
            seen_at: None,
            number: 0,
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
        "sections": [{"title": null, "url": null, "rest": false, "articles": articles}], "corrections": [],
        "site": site(), "articles": articles, "article": articles.first(), "subscriber": subscriber,
        "list": {"id": "weekly", "name": "The weekly letter", "description": "new notes every Monday morning."},
        "issue": {"name": "weekly", "number": 1204, "date": "2026-11-22T23:30:00+00:00", "test": test,
            "subject": "What the tide tables do not tell you", "preheader": "And ten more notes from the harbour"},
        "unsubscribe_url": "https://example.com/u/AAAAAAAAAAAAAAAAAAAAAA", "preferences_url": "https://example.com/p/AAAAAAAAAAAAAAAAAAAAAA",
        "view_url": "https://example.com/v/AAAAAAAAAAAAAAAAAAAAAA", "confirm_url": "", "language": "en",
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

/// The same with headings, each over some of the Articles, and corrections at the end.
fn with_headings(articles: &[FrozenArticle], headings: &[(Option<&str>, std::ops::Range<usize>)]) -> Context {
    let mut context = context(articles, Some("Ada"), false);
    let section = |(title, range): &(Option<&str>, std::ops::Range<usize>)| {
        let url = title.map(|_| "https://pilots.example.org/");
        json!({"title": title, "url": url, "rest": false, "articles": articles[range.clone()]})
    };
    let mut sections: Vec<Value> = headings.iter().map(section).collect();
    sections.push(json!({"title": null, "url": null, "rest": true, "articles": [article(8)]}));
    context.insert("sections", &sections);
    let corrections: Vec<Value> = [3, 4, 5].map(article).iter().map(|article| {
        json!({"id": article.id, "title": article.title, "url": article.url, "language": article.language, "origin": article.origin})
    }).collect();
    context.insert("corrections", &corrections);
    context
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
    for (count, size_bytes_max) in [(10, 12 * 1024 + 512), (20, 22 * 1024)] {
        let html = html(&format!("digest-{count}.html"), "email/digest.html", &context(&articles(count), Some("Ada"), false));
        assert!(html.len() <= size_bytes_max, "{count} articles make {} bytes, more than {size_bytes_max}", html.len());
    }
}

#[test]
fn mails_are_well_formed_in_both_directions() {
    let long = "Wolfeschlegelsteinhausenbergerdorff ".repeat(4);
    for (file, name, context) in [
        ("digest-12.html", "email/digest.html", context(&articles(12), None, true)),
        ("letter.html", "email/letter.html", context(&letter(), Some(&long), false)),
        ("digest-1.html", "email/digest.html", context(&articles(1), Some("<b>&\"'"), false)),
    ] {
        let html = html(file, name, &context);
        assert_balanced(&html);
        assert!(html.contains(r#"lang="en" dir="ltr""#) && !html.contains("{{"), "{name}");
        assert_eq!(html.contains("Test message"), file == "digest-12.html", "{name}: the test mark");
        assert!(html.matches("<img").count() == html.matches(" alt=\"").count(), "{name}: a picture without alternative text");
    }
    let digest = render("email/digest.html", &context(&articles(12), None, false));
    assert!(digest.contains(r#"<td class="line" lang="ar" dir="rtl">"#) && digest.contains("Hello friend,"));
}

#[test]
fn a_reader_is_always_escaped_and_always_finds_the_way_out() {
    for name in ["email/digest.html", "email/letter.html"] {
        let html = render(name, &context(&letter(), Some("<script>\"'&"), false));
        assert!(!html.contains("<script"), "{name}");
        for href in ["/u/", "/p/", "/v/", "/rss.xml"] {
            assert!(html.contains(href), "{name} has no link to {href}");
        }
        for words in ["You get this because", "Pier 4, 20457 Hamburg", "Unsubscribe"] {
            assert!(html.contains(words), "{name} does not say {words:?}");
        }
    }
}

#[test]
fn an_address_that_is_not_of_the_web_is_not_linked() {
    let bad = FrozenArticle { url: "javascript:alert(1)".into(), ..article(0) };
    for name in ["email/digest.html", "email/letter.html"] {
        assert!(!render(name, &context(std::slice::from_ref(&bad), None, false)).contains("javascript:"), "{name}");
    }
}

#[test]
fn plain_text_keeps_its_columns_and_wastes_no_lines() {
    let text = render("email/digest.txt", &context(&articles(12), Some("Ada"), true));
    let lines: Vec<&str> = text.lines().collect();
    let blank = lines.iter().filter(|line| line.trim().is_empty()).count();
    assert!(blank * 10 < lines.len(), "{blank} of {} lines are blank", lines.len());
    let wide: Vec<_> =
        lines.iter().filter(|line| unicode_width::UnicodeWidthStr::width(**line) > 72 && !line.starts_with("https:")).collect();
    assert!(wide.is_empty(), "{wide:?}");
    let many = FrozenArticle {
        authors: vec!["Ann Example of the Pilots’ Gazette".into(), "Bo Example of the Lighthouse and Sons".into()],
        ..article(0)
    };
    let text = render("email/digest.txt", &context(&[many], None, false));
    assert!(
        text.contains("\nAnn Example of the Pilots’ Gazette, Bo Example of the Lighthouse and\nSons · "),
        "a long byline is wrapped: {text}"
    );
    insta::assert_snapshot!("digest_text", render("email/digest.txt", &context(&articles(4), Some("Ada"), true)));
    insta::assert_snapshot!("letter_text", render("email/letter.txt", &context(&letter(), None, false)));
}

#[test]
fn the_html_of_a_digest_is_as_it_was() {
    insta::assert_snapshot!("digest_html", html("digest-2.html", "email/digest.html", &context(&articles(2), Some("Ada"), false)));
}

#[test]
fn headings_stand_over_their_articles_and_corrections_at_the_end() {
    let articles = articles(8);
    let context = with_headings(&articles, &[(None, 0..2), (Some("Pilots’ Gazette"), 2..5), (Some("The <Lighthouse> & Sons"), 5..8)]);
    let html = html("digest-sections.html", "email/digest.html", &context);
    assert_balanced(&html);
    let text = render("email/digest.txt", &context);
    insta::assert_snapshot!("digest_sections_text", text);
    for (what, marks) in [
        (
            "html",
            [
                ">Pilots’ Gazette</a></td>",
                ">The &lt;Lighthouse&gt; &amp; Sons</a></td>",
                ">Other</span></td>",
                ">Corrected since</span></td>",
            ],
        ),
        ("text", ["PILOTS’ GAZETTE\n", "THE <LIGHTHOUSE> & SONS\n", "OTHER\n", "CORRECTED SINCE\n"]),
    ] {
        let written = if what == "html" { &html } else { &text };
        let places: Vec<usize> =
            marks.iter().map(|mark| written.find(mark).unwrap_or_else(|| panic!("no {mark:?} in the {what}: {written}"))).collect();
        assert!(places.is_sorted(), "{what}: {places:?}");
    }
    assert_eq!(html.matches(r#"class="lead""#).count(), 1, "one article leads, whatever the headings");
}

#[test]
fn every_article_names_its_source_and_leads_to_it() {
    let named = FrozenArticle { origin: article(3).origin, authors: vec!["Pilots’ Gazette".into()], ..article(0) };
    let hostile = Origin {
        source: "pilots".into(),
        title: "<b>\"&".into(),
        url: "javascript:alert(1)".into(),
        feed: None,
        also: Vec::new(),
        seen_at: None,
        number: 0,
    };
    let articles = [article(3), FrozenArticle { origin: Some(hostile), ..article(0) }, named];
    let html = render("email/digest.html", &context(&articles, None, false));
    assert_eq!(html.matches(r#"<a class="from" href="https://pilots.example.org/">Pilots’ Gazette</a> ·"#).count(), 2, "{html}");
    assert!(html.contains(r##"<a class="from" href="#">&lt;b&gt;&quot;&amp;</a> ·"##) && !html.contains("javascript:"), "{html}");
    assert!(!html.contains(r#"<p class="meta">Pilots’ Gazette ·"#), "who is author and source is named once");
    let text = render("email/digest.txt", &context(&articles, None, false));
    assert_eq!(text.matches("\nPilots’ Gazette: https://pilots.example.org/").count(), 2, "{text}");
}

#[test]
fn every_colour_is_readable_in_light_and_dark() {
    let (light, dark) = (["#fffdf9", "#f4f0e7"], ["#17191c", "#24272c"]);
    let (light_text, dark_text) = (["#1c1f23", "#5f6368", "#b3261e"], ["#e8e6e1", "#a9acb2", "#ff8a80"]);
    for (grounds, texts) in [(light, light_text), (dark, dark_text)] {
        for (ground, text) in grounds.iter().flat_map(|ground| texts.iter().map(move |text| (ground, text))) {
            let contrast = contrast(ground, text);
            assert!(contrast >= 4.5, "{text} on {ground} has a contrast of {contrast:.2}");
        }
    }
    let lines = ["#dcd7cc", "#3b3f45"];
    let known: Vec<&str> = [&light[..], &dark, &light_text, &dark_text, &lines].concat();
    for (name, source) in template::load(Path::new("/nonexistent")).unwrap().into_iter().filter(|(name, _)| name.starts_with("email/")) {
        for colour in source.split('#').skip(1).filter_map(|rest| rest.get(..6)).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            assert!(known.contains(&format!("#{colour}").as_str()), "{name}: #{colour} is not a colour of this test");
        }
    }
}

/// WCAG contrast of two colours written #rrggbb.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |c: f64| if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(channel(1)) + 0.7152 * linear(channel(3)) + 0.0722 * linear(channel(5))
    };
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}

/// Fails unless every element that needs an end tag has it, in order. Comments (Outlook's among them) are skipped.
fn assert_balanced(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let end = if rest.starts_with("<!--") { rest.find("-->").unwrap() + 3 } else { rest.find('>').unwrap() + 1 };
        let tag = &rest[1..end - 1];
        rest = &rest[end..];
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "an end tag out of order before {:?}", &rest.chars().take(60).collect::<String>());
        } else if !tag.starts_with('!') && !["meta", "img", "br", "hr"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "elements without an end tag");
}
