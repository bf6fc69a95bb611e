//! Tests of the compose room, through its door.

use std::collections::BTreeMap;

use mail_parser::{HeaderName, MessageParser, MimeHeaders as _};
use postrider::compose::{Compiled, ComposeError, Reader, full};
use postrider::model::issue::{Frozen, FrozenArticle, FrozenList, FrozenSite};
use postrider::model::{EmailAddress, ListId, Mailbox, Subscriber, SubscriberId, Timestamp};
use serde_json::{Map, Value, json};

/// 22 November 2026, 09:00 UTC.
const NOON: Timestamp = Timestamp::from_secs(1_795_338_000);

fn list_id() -> ListId {
    ListId::parse("weekly").unwrap()
}

fn article(number: usize) -> FrozenArticle {
    FrozenArticle {
        id: format!("a{number}"),
        title: format!("Article {number}: tea & <cake>"),
        url: format!("https://example.org/a{number}/"),
        summary: "Café, \u{1f980} and a fairly long line of prose that has to be broken somewhere by quoted-printable.".into(),
        html: format!("<p>Body {number} with <a href=\"/deep/{number}\">a link</a>.</p>"),
        text: format!("Body {number}.\n.leading dot\nFrom here on."),
        published: Some("2026-11-20T08:00:00+01:00".into()),
        authors: vec!["Ann Example".into()],
        tags: vec!["tea".into()],
        language: None,
        image: None,
        origin: None,
        minutes: 3,
    }
}

fn frozen(subject: &str, html: &str, text: &str) -> Frozen {
    let list = FrozenList {
        name: "The Weekly".into(),
        description: "One mail a week".into(),
        from: Mailbox::parse("Example Post <post@example.org>").unwrap(),
        reply_to: Some(Mailbox::parse("answers@example.org").unwrap()),
    };
    Frozen {
        name: "weekly".into(),
        number: 7,
        subject: subject.into(),
        preheader: "Three articles".into(),
        template: "t".into(),
        templates: BTreeMap::from([("email/t.html".into(), html.into()), ("email/t.txt".into(), text.into())]),
        articles: (1..=3).map(article).collect(),
        lists: BTreeMap::from([(list_id(), list)]),
        site: FrozenSite {
            title: "Example".into(),
            url: "https://example.org/".into(),
            description: "Samples".into(),
            language: "en".into(),
            timezone: "Europe/Berlin".into(),
            postal_address: Some("1 Sample Street".into()),
            icon: None,
        },
        date: "2026-11-22T09:00:00+01:00".into(),
        test: false,
    }
}

fn reader(name: Option<&str>, attributes: Value) -> Reader {
    Reader {
        subscriber: Subscriber {
            id: SubscriberId(5),
            email: EmailAddress::parse("ann@example.com").unwrap(),
            name: name.map(str::to_owned),
            attributes: attributes.as_object().cloned().unwrap_or_else(Map::new),
            language: Some("en".into()),
            timezone: None,
            created_at: Timestamp(0),
        },
        unsubscribe_url: "https://example.org/unsubscribe/abc?x=1&y=2".into(),
        preferences_url: "https://example.org/preferences/abc".into(),
        view_url: "https://example.org/view/abc".into(),
        message_id: "7.5.abc@example.org".into(),
    }
}

fn ann() -> Reader {
    reader(Some("Ann"), json!({"city": "Berlin"}))
}

/// A message taken apart, as a mail program sees it.
#[derive(Debug, PartialEq)]
struct Seen {
    subject: String,
    html: String,
    text: String,
    header: String,
}

fn seen(message: &[u8]) -> Seen {
    check_octets(message);
    let parsed = MessageParser::default().parse(message).expect("a message that parses");
    assert_eq!((parsed.html_body_count(), parsed.text_body_count()), (1, 1), "one part of each kind");
    let html = parsed.body_html(0).expect("html").replace("\r\n", "\n");
    let text = parsed.body_text(0).expect("text").replace("\r\n", "\n");
    let header = String::from_utf8_lossy(message).split("\r\n\r\n").next().unwrap_or_default().to_owned();
    Seen { subject: parsed.subject().unwrap_or_default().to_owned(), html, text, header }
}

/// What no server can misread: 7 bit (but for addresses), CR LF only, short lines, no dot and no "From " in front.
fn check_octets(message: &[u8]) {
    let text = String::from_utf8(message.to_vec()).expect("UTF-8");
    for line in text.split("\r\n") {
        assert!(line.len() <= 998, "a line of {} octets", line.len());
        assert!(!line.contains(['\r', '\n', '\0']), "a bare CR, LF or NUL in {line:?}");
        assert!(!line.starts_with('.'), "a leading dot in {line:?}");
    }
    let body = text.split_once("\r\n\r\n").expect("a body").1;
    assert!(body.is_ascii(), "the body is 7 bit");
    assert!(body.split("\r\n").all(|line| line.len() <= 76 && !line.starts_with("From ")), "quoted-printable lines");
}

fn full_message(frozen: &Frozen, reader: &Reader) -> Result<Vec<u8>, ComposeError> {
    full(frozen, &list_id(), reader, NOON)
}

const HTML: &str = "<html><head><title>{{ issue.subject }}</title><style>p { color: #123456 }</style></head><body>\
    <p>Hello {{ subscriber.name | default(value=\"reader\") }}</p>{% for a in articles %}<h2><a href=\"{{ a.url }}\">{{ a.title }}</a></h2>\
    <p>{{ a.summary }}</p>{% endfor %}<a href=\"about/\">About</a><a href=\"{{ unsubscribe_url }}\">Leave</a></body></html>";
const TEXT: &str = ".Hello {{ subscriber.name | default(value=\"reader\") }}\nFrom us\n{% for a in articles %}{{ a.title }}\n{{ a.url }}\n{% endfor %}\
    Leave: {{ unsubscribe_url }}\n";

#[test]
fn a_message_has_one_part_of_each_kind_and_the_headers_providers_demand() {
    let message = full_message(&frozen("News for {{ subscriber.name }}", HTML, TEXT), &ann()).unwrap();
    let parsed = MessageParser::default().parse(&message).unwrap();
    let seen = seen(&message);
    assert_eq!(seen.subject, "News for Ann");
    assert!(seen.html.contains("<p style=\"color: #123456;\">Hello Ann</p>"), "{}", seen.html);
    assert!(seen.html.contains("<a href=\"https://example.org/about/\">"), "relative links become absolute");
    assert!(seen.html.contains("Article 1: tea &amp; &lt;cake&gt;"), "{}", seen.html);
    assert!(seen.text.starts_with(".Hello Ann\nFrom us\nArticle 1: tea & <cake>\n"), "{}", seen.text);
    for line in [
        "From: Example Post <post@example.org>",
        "To: Ann <ann@example.com>",
        "Date: Sun, 22 Nov 2026 09:00:00 +0000",
        "Message-ID: <7.5.abc@example.org>",
        "List-Unsubscribe: <https://example.org/unsubscribe/abc?x=1&y=2>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Reply-To: answers@example.org",
        "List-Id: The Weekly <weekly.example.org>",
        "List-Archive: <https://example.org/>",
        "Feedback-ID: weekly-7:weekly:postrider:example.org",
        "MIME-Version: 1.0",
    ] {
        assert!(seen.header.split("\r\n").any(|found| found == line), "{line} is missing from\n{}", seen.header);
    }
    assert_eq!(parsed.content_type().unwrap().c_subtype.as_deref(), Some("alternative"));
    assert!(parsed.header(HeaderName::Other("Auto-Submitted".into())).is_none(), "a newsletter is not an automatic answer");
}

#[test]
fn a_test_message_says_so_in_its_subject() {
    let frozen = Frozen { test: true, ..frozen("News", HTML, TEXT) };
    assert_eq!(seen(&full_message(&frozen, &ann()).unwrap()).subject, "[TEST] News");
}

#[test]
fn a_variable_that_is_not_defined_is_an_error_and_a_default_is_not() {
    let error = full_message(&frozen("{{ subscriber.town }}", HTML, TEXT), &ann()).unwrap_err();
    assert!(error.0.contains("undefined") || error.0.contains("not defined"), "{error}");
    let frozen = frozen("{{ subscriber.town | default(value='there') }}{% if subscriber.town %}!{% endif %}", HTML, TEXT);
    assert_eq!(seen(&full_message(&frozen, &ann()).unwrap()).subject, "there");
}

#[test]
fn names_survive_headers_whatever_they_contain() {
    for name in [
        "Ann",
        "Ann O'Hara",
        "Dr. \"A\" \\ B",
        "Zoë",
        "李小龍 \u{1f980}",
        "=?utf-8?q?x?=",
        "a,b;c:<d>@e",
        "two  blanks",
        &"ü".repeat(200),
        &"x".repeat(200),
    ] {
        let message = full_message(&frozen("For {{ subscriber.name }}", HTML, TEXT), &reader(Some(name), json!({}))).unwrap();
        let parsed = MessageParser::default().parse(&message).unwrap();
        let to = parsed.to().unwrap().first().unwrap();
        assert_eq!(to.name(), Some(name), "the name is read back");
        assert_eq!(to.address(), Some("ann@example.com"));
        assert_eq!(seen(&message).subject, format!("For {name}"));
        let longest = seen(&message).header.split("\r\n").map(str::len).max().unwrap();
        assert!(longest <= 78, "header lines are folded: {longest}\n{}", seen(&message).header);
    }
}

#[test]
fn nothing_can_add_a_header() {
    let clean = seen(&full_message(&frozen("Hi", HTML, TEXT), &ann()).unwrap()).header.split("\r\n").count();
    for bad in ["\r\nBcc: x@example.org", "\n.\n", "\r", "\0", "\u{2028}Bcc: x", "\u{85}Bcc: x", "\u{b}"] {
        let mut poisoned = ann();
        poisoned.subscriber.name = Some(format!("Ann{bad}"));
        assert!(full_message(&frozen("Hi", HTML, TEXT), &poisoned).is_err(), "the name with {bad:?} is refused");
        for field in 0..2 {
            let mut poisoned = ann();
            let value = if field == 0 { &mut poisoned.unsubscribe_url } else { &mut poisoned.message_id };
            value.push_str(bad);
            assert!(full_message(&frozen("Hi", HTML, TEXT), &poisoned).is_err(), "field {field} with {bad:?} is refused");
        }
        let subject = frozen("Hi {{ subscriber.city }}", HTML, TEXT);
        let message = full_message(&subject, &reader(Some("Ann"), json!({"city": format!("x{bad}")}))).unwrap();
        assert_eq!(seen(&message).header.split("\r\n").count(), clean, "the subject stays one line with {bad:?}");
    }
}

#[test]
fn a_template_that_cannot_be_read_is_a_fault_with_its_place() {
    let faults = Compiled::new(&frozen("Hi", "<p>{{ oops", TEXT), &list_id()).unwrap_err();
    assert_eq!(faults.0[0].place.as_ref().unwrap().file.to_str(), Some("email/t.html"));
    let gone = Frozen { template: "gone".into(), ..frozen("Hi", HTML, TEXT) };
    assert_eq!(Compiled::new(&gone, &list_id()).unwrap_err().0[0].code, "template-missing");
}

#[test]
fn a_mail_has_a_limit() {
    for bomb in ["{% for i in range(end=100000) %}<p>a long enough line</p>{% endfor %}", "{{ range(end=3000000000) }}"] {
        let frozen = frozen("Hi", bomb, TEXT);
        assert!(full_message(&frozen, &ann()).is_err(), "{bomb} is refused");
    }
    let deep = "<div>".repeat(5_000);
    assert!(full_message(&frozen("Hi", &deep, TEXT), &ann()).unwrap_err().0.contains("nested"));
}
