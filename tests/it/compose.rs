//! Tests of the compose room, through its door.

use std::collections::BTreeMap;

use mail_parser::{HeaderName, MessageParser, MimeHeaders as _};
use postrider::compose::{Compiled, ComposeError, Reader, full};
use postrider::model::issue::{Frozen, FrozenArticle, FrozenCorrection, FrozenList, FrozenSection, FrozenSite};
use postrider::model::{EmailAddress, ListId, Mailbox, Subscriber, SubscriberId, Timestamp};
use serde_json::{Map, Value, json};

use crate::dkim::{both_keys, ed25519_only, records, verify};

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
        fresh: None,
        sections: Vec::new(),
        corrections: Vec::new(),
        language: None,
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
        unsubscribe_address: None,
        preferences_url: "https://example.org/preferences/abc".into(),
        view_url: "https://example.org/view/abc".into(),
        confirm_url: "https://example.org/confirm/abc".into(),
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
fn who_may_leave_by_mail_finds_the_address_behind_the_page_in_one_header() {
    let leaver = |address: &str| Reader { unsubscribe_address: Some(address.to_owned()), ..ann() };
    let long = format!("{}+{}@{}.example", "a".repeat(18), "b".repeat(45), "c".repeat(60));
    for address in ["leave+abc@example.org", long.as_str()] {
        let reader = leaver(address);
        let header = seen(&full_message(&frozen("Hi", HTML, TEXT), &reader).unwrap()).header;
        let expected =
            format!("List-Unsubscribe: <{}>,\r\n <mailto:{address}?subject=unsubscribe>\r\nList-Unsubscribe-Post: ", ann().unsubscribe_url);
        assert!(header.contains(&expected), "{header}");
    }
    let mut far = leaver("leave+abc@example.org");
    far.unsubscribe_url = format!("https://example.org/{}", "u".repeat(870));
    assert!(full_message(&frozen("Hi", HTML, TEXT), &far).is_ok(), "each of the two has a line of its own");
    for bad in [
        "",
        "leave",
        "a@b>\r\nBcc: x@example.org",
        "a b@example.org",
        "a@b?cc=x@example.org",
        "a@b,c@d",
        "ä@example.org",
        &"x@".repeat(200),
    ] {
        assert!(full_message(&frozen("Hi", HTML, TEXT), &leaver(bad)).is_err(), "{bad:?} is refused");
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

/// Readers made to break things.
fn hostile() -> Vec<Reader> {
    let values = [
        "",
        " ",
        "  two  ",
        "Ann",
        "李小龍 \u{1f980}\u{200d}",
        "a\"b'c <d>&amp; e=\u{a0}f>",
        "</p></title></style><script>alert(1)</script>",
        "-->",
        "{{ subscriber.email }}{% if x %}",
        "*bold* _it_ [x](y) `code`",
        "zq7k2mvx9w0007qz",
        "zq0000000000000k0000qz",
        "..",
        ".",
        "From me",
        "F",
        "=3D=",
        "a\tb",
        "a\nb",
        "a\r\n.\r\nb",
        "\u{1f}",
        "\u{feff}x",
        "\u{2028}",
        "&nbsp;&#0;&notit;",
        "javascript:alert(1)",
        "/relative",
        "//evil.example",
        "x:y",
        "\\\" \\n",
        "ß\u{301}\u{202e}rtl",
        &"long ".repeat(400),
        &"ü".repeat(700),
        &"<&\">".repeat(200),
    ];
    let mut readers: Vec<Reader> = vec![reader(None, json!({}))];
    for (i, value) in values.iter().enumerate() {
        let fits = postrider::model::email::parse_name(value).ok().flatten();
        let mut one = reader(fits.as_deref(), json!({"city": value, "plan": values[(i * 7 + 3) % values.len()], "nested": value}));
        one.subscriber.language = (i % 3 > 0).then(|| ["en", "de"][i % 2].to_owned());
        readers.push(one);
    }
    for odd in [
        json!(3),
        json!(-0.5),
        json!(1e300),
        json!(true),
        json!(false),
        json!(null),
        json!([1, "<b>"]),
        json!({"a": "<i>"}),
        json!(0),
        json!(18446744073709551615u64),
    ] {
        readers.push(reader(Some("Odd"), json!({"city": odd, "plan": "gold", "email": "hidden", "name": 7})));
    }
    let mut links = reader(Some("Links"), json!({"city": "Rom", "plan": "gold"}));
    links.unsubscribe_url = "https://example.org/u?a=1&b=%22&c='x'".into();
    links.view_url = "relative/view".into();
    links.preferences_url = String::new();
    links.unsubscribe_address = Some("leave+abcdefghijklmnopqrstuvwxyz234567abcdefghijklm@example.org".into());
    readers.push(links);
    readers
}

/// Signs what came of both ways: what is put in front verifies and changes nothing else.
fn both_ways_verify(spliced: &[u8], full: &[u8]) {
    let dkim = ed25519_only();
    for message in [spliced, full] {
        let mut signed = message.to_vec();
        postrider::compose::sign(&dkim, NOON, &mut signed).unwrap();
        assert_eq!(verify::all_good(&signed, &records(&dkim)).len(), 1);
        assert!(signed.ends_with(message), "the message itself stays as it was");
    }
}

/// Sends every reader through both ways and compares what arrives; gives whether the Issue was compiled.
fn both_ways_agree(frozen: &Frozen, readers: &[Reader]) -> bool {
    let compiled = Compiled::new(frozen, &list_id()).unwrap_or_else(|faults| panic!("{faults}\n{}", frozen.templates["email/t.html"]));
    let mut spliced = 0;
    for reader in readers {
        let expected = full_message(frozen, reader);
        let mut found = Vec::new();
        match (compiled.message(reader, NOON, &mut found), expected) {
            (Ok(()), Ok(expected)) => {
                let person = &reader.subscriber;
                assert_eq!(
                    seen(&found),
                    seen(&expected),
                    "for {:?} {:?} in\n{}",
                    person.name,
                    person.attributes,
                    frozen.templates["email/t.html"]
                );
                both_ways_verify(&found, &expected);
                // A splice breaks its lines at the slots, so its octets tell which way a message took.
                spliced += usize::from(found != expected);
            }
            (Err(found), Err(expected)) => assert_eq!(found, expected),
            (found, expected) => {
                panic!("{found:?} is not {:?} for {reader:?}", expected.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
            }
        }
    }
    let is_compiled = compiled.lints().0.is_empty();
    assert!(
        !is_compiled || spliced > readers.len() / 2,
        "only {spliced} of {} messages were spliced of\n{}",
        readers.len(),
        frozen.templates["email/t.html"]
    );
    assert!(is_compiled || spliced == 0, "a refused Issue is never spliced");
    is_compiled
}

#[test]
fn the_fast_path_gives_every_reader_what_the_full_path_gives() {
    let rich = "<html><head><title>{{ issue.subject }}</title><style>p{color:red}.a:first-child{margin:0}</style></head><body>\
        <div>{{ issue.preheader }}</div>{% if subscriber.name %}<p>Dear {{ subscriber.name }}</p>{% else %}<p>Hello</p>{% endif %}\
        {% for a in articles %}<p class=\"a\"><a href=\"{{ a.url }}?s={{ subscriber.city | default(value='x') }}\">{{ loop.index ~ \" \" ~ (subscriber.plan | default(value=\"-\") | str) }}</a></p>\
        {%- if loop.first and subscriber.language == \"de\" -%} <i title=\"{{ subscriber.city | default(value=\"\") }}\">Guten Tag</i>{%- endif -%}{% endfor %}\
        <a href=\"{{ view_url }}\">view</a> <a href='{{ preferences_url }}'>p</a> <a href=\"{{ unsubscribe_url }}\">u</a></body></html>";
    let text = "Hi {{ subscriber.name | default(value=\"you\") | upper }}{% if subscriber.language == 'de' %} (de){% endif %}\n\
        {{ subscriber.city | default(value='nowhere') }}.\n{{ unsubscribe_url }}\n";
    for subject in [
        "News",
        "News for {{ subscriber.name | default(value='you') }}",
        "{{ subscriber.city | default(value='x') }}: {% if subscriber.plan %}{{ subscriber.plan }}{% endif %}",
    ] {
        let frozen = Frozen { preheader: "For {{ subscriber.email }}".into(), ..frozen(subject, rich, text) };
        assert!(both_ways_agree(&frozen, &hostile()), "{subject} is compiled");
    }
}

#[test]
fn a_trap_is_compiled_exactly_or_refused() {
    let compiled = [
        "<p>{{ subscriber.name | default(value='}}') }}</p>",
        "<p>{{ subscriber.name | default(value=\"{% raw %}\") }}</p>{% raw %}{{ subscriber.name }}{% endraw %}",
        "<p>a  {{- subscriber.email -}}  b</p>  {%- if subscriber.name -%}  <b> x </b>  {%- endif -%}  end",
        "{# {{ subscriber.name }} #}<p title=\"{{ subscriber.plan | default(value='p') }}\">x</p>",
        "<p>{% set who = subscriber.language | default(value='en') %}{{ who }}</p>",
        "<ul>{% for c in subscriber.language | default(value='xx') %}<li>{{ c }}{{ subscriber.email }}</li>{% endfor %}</ul>",
        "<p>{% filter upper %}{{ subscriber.language | default(value='en') }}{% endfilter %}</p>",
        "<p>{% set x %}{{ subscriber.language | default(value='') }}{% endset %}{% if x == '' %}none{% else %}{{ x }}{% endif %}</p>",
        "<table>{% if subscriber.language == 'de' %}<tr><td>{{ subscriber.email }}</td></tr>{% else %}<tr><th>x</th></tr>{% endif %}</table>",
        "<p class=\"{% if subscriber.language == 'de' %}a{% else %}b{% endif %}\">x</p><style>.a{color:red}</style>",
        "{% for a in articles %}{% for t in a.tags %}<p>{{ t ~ loop.index ~ a.title ~ subscriber.email }}</p>{% endfor %}{% endfor %}",
        "<p>{{ articles[0].title ~ subscriber.email | upper }}{{ (1 + 2) ~ unsubscribe_url }}</p>",
        "<p>{{ subscriber.email if subscriber.language == 'de' else 'other' }}</p>",
        "<p>{{ subscriber?.attributes?.missing | default(value='none') }}</p>",
        "<p>{% if subscriber.missing is defined %}yes{% else %}no{% endif %}{% if not subscriber.name %}anon{% endif %}</p>",
        "<p>{% set m = subscriber.missing %}{% if m %}x{% endif %}{{ m | default(value='d') }}</p>",
        "<title>{{ subscriber.email }}</title><p>{{ list.name }}</p>",
    ];
    for html in compiled {
        assert!(both_ways_agree(&frozen("Hi", html, TEXT), &hostile()), "{html} is compiled");
    }
    let refused = [
        "<p title={{ subscriber.email }}>x</p>",
        "<p style=\"color: {{ subscriber.plan | default(value='red') }}\">x</p>",
        "<p class=\"{{ subscriber.plan | default(value='a') }}\">x</p><p id='{{ subscriber.email }}'></p>",
        "<style>p { color: {{ subscriber.plan | default(value='red') }} }</style><p>x</p>",
        "<script>var x = \"{{ subscriber.email }}\"</script>",
        "<p>x</p><!-- {{ subscriber.email }} -->",
        "<p>x</p><!--[if mso]><a href=\"{{ unsubscribe_url }}\">x</a><![endif]-->",
        "<table>{{ subscriber.plan | default(value='') }}<tr><td>x</td></tr></table>",
        "<{{ subscriber.language | default(value='b') }}>x",
        "<pre>{{ subscriber.plan | default(value='x') }}</pre>",
        "<textarea>{{ subscriber.email }}</textarea>",
        "<head>{{ subscriber.plan | default(value='') }}<title>x</title></head><body>y</body>",
        "<style>p:empty { color: red }</style><p>{{ subscriber.plan | default(value='') }}</p>",
        "<style>a[href^=\"https\"] { color: red }</style><a href=\"{{ subscriber.plan | default(value='x') }}\">x</a>",
        "<p>{{ subscriber.plan | default(value='x') | safe }}</p>",
        "<p>{{ subscriber.plan | default(value='x') | str | escape }}</p>",
        "<p>{{ subscriber.plan | default(value='x') | str | newlines_to_br }}</p>",
        "<p>{% set b = '<b>' | safe %}{{ b ~ subscriber.email }}</p>",
        "{% for subscriber in articles %}<p>{{ subscriber.title }}</p>{% endfor %}",
        "{% set subscriber = articles[0] %}<p>{{ subscriber.title }}</p>",
        "<p>{{ [x for x in [subscriber.email]] | first }}</p>",
        "<p>{{ {\"a\": subscriber.email} | get(key='a') }}</p>",
        "{% component C(a) %}<b>{{ a }}{{ subscriber | default(value='none') }}</b>{% endcomponent C %}<p>{{ <C a=\"x\" /> }}</p>",
        "<a href=\"x{{ subscriber.plan | default(value=':y') }}\">x</a>",
        "{% filter upper %}{% include \"email/part.html\" %}{% endfilter %}",
        "{% set x %}{% include \"email/part.html\" %}{% endset %}{% if x == '' %}none{% endif %}",
        "{% include \"email/part.html\" %}{% if __tera_context.subscriber.plan | default(value='') == '..' %}x{% endif %}",
    ];
    for html in refused {
        let mut frozen = frozen("Hi", html, TEXT);
        frozen.templates.insert("email/part.html".into(), "{{ subscriber.plan | default(value='') }}".into());
        assert!(!both_ways_agree(&frozen, &hostile()), "{html} is refused");
    }
}

#[test]
fn inheritance_components_and_includes_are_compiled_exactly_or_refused() {
    let base = "<html><body>{% block a %}<p>base {{ subscriber.email }}</p>{% endblock %}{% block b %}<i>{{ subscriber.plan | default(value='') }}</i>{% endblock %}</body></html>";
    let card = "{% component Card(title) %}<div title=\"{{ title }}\"><h2>{{ title }}</h2>{{ body }}</div>{% endcomponent Card %}";
    let cases = [
        ("{% extends \"email/base.html\" %}{% block a %}<b>{{ super() }}</b> and {{ subscriber.email }}{% endblock %}", true),
        ("{% extends \"email/base.html\" %}{% block b %}{{ super() | upper }}{% endblock %}", false),
        ("{% extends \"email/base.html\" %}{% block b %}{% if super() == '<i></i>' %}none{% endif %}{% endblock %}", false),
        ("{% include \"email/part.html\" %}{% for a in articles %}{% include \"email/part.html\" %}{% endfor %}", true),
        (
            "{% <Card title={subscriber.language | default(value=\"x\")}> %}<p>{{ subscriber.language | default(value='') }}</p>{% </Card> %}",
            true,
        ),
        ("<p>{{ <Card title={subscriber.language | default(value=\"x\")} /> }}</p>", true),
        ("<p>{{ <Card title=\"plain\" /> }}{{ subscriber.email }}</p>", true),
    ];
    for (html, is_compiled) in cases {
        let mut frozen = frozen("Hi", html, TEXT);
        frozen.templates.insert("email/base.html".into(), base.into());
        frozen.templates.insert("email/card.html".into(), card.replace("{{ body }}", "{{ body | default(value='') }}"));
        frozen.templates.insert(
            "email/part.html".into(),
            "<p>{{ subscriber.plan | default(value='') }} {{ (a.title if a is defined else 'no article') ~ subscriber.email }}</p>".into(),
        );
        assert_eq!(both_ways_agree(&frozen, &hostile()), is_compiled, "{html}");
    }
}

/// The digest that comes with Postrider.
fn built_in(articles: usize) -> Frozen {
    let nowhere = tempfile::tempdir().unwrap();
    let mut templates = postrider::template::load(nowhere.path()).unwrap();
    templates.retain(|name, _| !name.starts_with("web/"));
    let articles = (1..=articles).map(article).collect();
    Frozen { template: "digest".into(), templates, articles, ..frozen("{{ articles[0].title }}", "", "") }
}

#[test]
fn the_built_in_mails_are_compiled() {
    for template in ["digest", "letter", "confirm", "known", "welcome"] {
        for test in [false, true] {
            let frozen = Frozen { template: template.into(), test, ..built_in(3) };
            let compiled = Compiled::new(&frozen, &list_id()).unwrap_or_else(|faults| panic!("{faults}"));
            assert!(compiled.lints().0.is_empty(), "{template}: {}", compiled.lints());
            let (mut found, expected) = (Vec::new(), full_message(&frozen, &ann()).unwrap());
            compiled.message(&ann(), NOON, &mut found).unwrap();
            assert_eq!(seen(&found), seen(&expected));
            assert_ne!(found, expected, "{template} is spliced");
        }
    }
}

#[test]
fn headings_and_corrections_are_compiled_as_well_also_for_a_part_of_an_issue() {
    let section = |title: &str, articles: &[&str]| FrozenSection {
        title: Some(title.into()),
        url: Some("https://boats.example.org/".into()),
        articles: articles.iter().map(|id| (*id).to_owned()).collect(),
        ..FrozenSection::default()
    };
    let rest = FrozenSection { rest: true, articles: vec!["a4".into()], ..FrozenSection::default() };
    let correction = |id: &str, is_new| FrozenCorrection {
        id: id.into(),
        title: format!("Corrected {id} <b>"),
        url: "https://boats.example.org/x".into(),
        language: None,
        origin: None,
        is_new,
    };
    let mut frozen = Frozen { sections: vec![section("Boats", &["a3", "a1"]), section("Ropes", &["a2"]), rest], ..built_in(4) };
    frozen.corrections = vec![correction("c1", true), correction("c2", false), correction("a2", false)];
    let shown = |frozen: &Frozen| {
        assert!(both_ways_agree(frozen, &hostile()));
        let text = seen(&full_message(frozen, &ann()).unwrap()).text;
        ["BOATS", "ROPES", "OTHER", "CORRECTED SINCE", "Corrected c1", "Corrected c2", "Corrected a2"].map(|words| text.contains(words))
    };
    frozen.templates.insert("email/t.html".into(), String::new());
    assert_eq!(shown(&frozen), [true, true, true, true, true, false, false]);
    assert_eq!(shown(&frozen.share(Some("0100111"))), [false, true, false, true, true, true, false], "a2 comes as it is now");
    assert_eq!(shown(&frozen.share(Some("1001000"))), [true, false, true, false, false, false, false]);
}

#[test]
fn a_signed_issue_signs_every_message_whichever_way_it_is_made() {
    let dkim = std::sync::Arc::new(both_keys());
    let spliced = built_in(3);
    // An Issue whose style rules look at what readers change is rendered anew for each of them.
    let whole = frozen("Hi", "<style>p:empty { color: red }</style><p>{{ subscriber.name }}</p>", TEXT);
    for (frozen, is_compiled) in [(&spliced, true), (&whole, false)] {
        let plain = Compiled::new(frozen, &list_id()).unwrap();
        assert_eq!(plain.lints().0.is_empty(), is_compiled, "{}", plain.lints());
        let signing = Compiled::new(frozen, &list_id()).unwrap().signed(Some(dkim.clone()));
        let (mut unsigned, mut signed) = (Vec::new(), b"what stood there before".to_vec());
        plain.message(&ann(), NOON, &mut unsigned).unwrap();
        signing.message(&ann(), NOON, &mut signed).unwrap();
        let signed = signed.strip_prefix(b"what stood there before").expect("only what is behind is signed");
        postrider::compose::sign(&dkim, NOON, &mut unsigned).unwrap();
        assert_eq!(String::from_utf8_lossy(signed), String::from_utf8_lossy(&unsigned), "the same octets either way");
        let good = verify::all_good(signed, &records(&dkim));
        assert_eq!(good.len(), 2);
        for name in ["list-unsubscribe", "list-unsubscribe-post", "list-id", "reply-to", "feedback-id"] {
            assert!(good.iter().all(|good| good.headers.iter().any(|header| header == name)), "{name} is not signed: {good:?}");
        }
        check_octets(signed);
    }
}

#[test]
fn a_whole_message_looks_like_this() {
    let mut message = Vec::new();
    let frozen = Frozen { articles: vec![article(1)], ..frozen("News for {{ subscriber.name }}", HTML, TEXT) };
    Compiled::new(&frozen, &list_id()).unwrap().message(&reader(Some("Zoë"), json!({})), NOON, &mut message).unwrap();
    insta::assert_snapshot!(String::from_utf8(message).unwrap().replace("\r\n", "\n"));
}

#[test]
fn one_compiled_issue_serves_many_threads() {
    let html =
        "<p>{% if subscriber.plan == 'gold' %}Gold{% elif subscriber.plan %}{{ subscriber.plan }}{% endif %} {{ subscriber.city }}</p>";
    let compiled = Compiled::new(&frozen("Hi", html, TEXT), &list_id()).unwrap();
    let compiled = &compiled;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for i in 0..50 {
                    let plan = ["gold", "silver", ""][i % 3];
                    let city = format!("City {thread}-{i}");
                    let mut out = b"kept".to_vec();
                    compiled.message(&reader(Some("Ann"), json!({"plan": plan, "city": city})), NOON, &mut out).unwrap();
                    let html = seen(out.strip_prefix(b"kept").unwrap()).html;
                    let shown = if plan == "gold" { "Gold" } else { plan };
                    assert!(html.contains(&format!("<p>{shown} {city}</p>")), "{html}");
                }
            });
        }
    });
}

#[test]
fn a_template_that_differs_for_everybody_stays_exact_beyond_the_limit_of_variants() {
    let html = "<p>{% set name = subscriber.name %}{{ name }}</p>";
    let compiled = Compiled::new(&frozen("Hi", html, TEXT), &list_id()).unwrap();
    for i in 0..200 {
        let mut out = Vec::new();
        compiled.message(&reader(Some(&format!("Reader {i}")), json!({})), NOON, &mut out).unwrap();
        assert!(seen(&out).html.contains(&format!("<p>Reader {i}</p>")));
    }
}

#[test]
fn a_failed_message_leaves_nothing_behind() {
    let compiled = Compiled::new(&frozen("Hi", "<p>{{ subscriber.city }}</p>", TEXT), &list_id()).unwrap();
    let mut out = b"before".to_vec();
    assert!(compiled.message(&reader(None, json!({})), NOON, &mut out).is_err(), "the city is not known");
    assert_eq!(out, b"before");
    compiled.message(&reader(None, json!({"city": "Rom"})), NOON, &mut out).unwrap();
}

#[test]
fn a_refusal_says_where_and_why() {
    let html = "<p>x</p>\n<p>{{ subscriber.name | safe }}</p>";
    let compiled = Compiled::new(&frozen("Hi", html, TEXT), &list_id()).unwrap();
    let lint = &compiled.lints().0[0];
    let place = lint.place.as_ref().unwrap();
    assert_eq!((lint.code, place.file.to_str().unwrap(), place.line), ("slow-template", "email/t.html", 2));
    assert!(lint.label.as_ref().unwrap().contains("`safe`"), "{lint:?}");
}

#[test]
fn an_issue_that_fails_for_everybody_is_refused_before_any_mail_leaves() {
    let faults = Compiled::new(&frozen("Hi", "<p>{{ site.titel }}</p>", TEXT), &list_id()).unwrap_err();
    assert_eq!(faults.0[0].place.as_ref().unwrap().line, 1, "{faults}");
    assert!(Compiled::new(&frozen("{{ subscriber.city }}", HTML, TEXT), &list_id()).is_ok(), "readers may have a city");
}

/// Any text, with everything that means something to HTML, Tera, MIME or us more often than chance.
fn any_value() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let bits = prop::sample::select(vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "&amp;",
        "{{",
        "}}",
        "{%",
        "*",
        "_",
        "[x](y)",
        "`",
        " ",
        "  ",
        "\u{a0}",
        ".",
        "..",
        "F",
        "From ",
        "=",
        "=?",
        "?=",
        "=\n",
        "zq",
        "k0000qz",
        "https://",
        "/",
        "#",
        "é",
        "李",
        "\u{1f980}",
        "\u{202e}",
        "\t",
        "\n",
        "\r",
        "\0",
        "\u{feff}",
        "<!--",
        "-->",
        "</p>",
        "x",
        "Ann",
    ]);
    prop_oneof![
        3 => prop::collection::vec(bits.prop_map(str::to_owned), 0..12).prop_map(|bits| bits.concat()),
        1 => any::<String>(),
        1 => "[a-z ]{0,300}",
    ]
}

#[test]
fn any_reader_gets_from_a_splice_what_the_full_path_gives() {
    use proptest::prelude::*;
    let html = "<title>{{ issue.subject }}</title><p>Hi {{ subscriber.name | default(value=\"you\") }}</p>{% for a in articles %}{% if loop.last and subscriber.plan %}\
        <a href=\"{{ a.url }}?q={{ subscriber.city }}\" title='{{ subscriber.plan }}'>{{ subscriber.city ~ a.title }}</a>{% endif %}{% endfor %}\
        <a href=\"{{ subscriber.city }}\">x</a>";
    let text = "{{ subscriber.city }}\n.{{ subscriber.plan | default(value='none') }}.\n";
    let small = Frozen { preheader: "{{ subscriber.city }}".into(), ..frozen("{{ subscriber.city }} and {{ issue.number }}", html, text) };
    let issues = [small, built_in(2)];
    let dkim = std::sync::Arc::new(ed25519_only());
    let signed = |frozen: &Frozen| Compiled::new(frozen, &list_id()).unwrap().signed(Some(dkim.clone()));
    let compiled: Vec<Compiled> = issues.iter().map(signed).collect();
    assert!(compiled.iter().all(|compiled| compiled.lints().0.is_empty()), "both are compiled");
    let readers = (any_value(), any_value(), prop::option::of(any_value()), any::<bool>());
    proptest!(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() }, |((name, city, plan, is_digest) in readers)| {
        let name = postrider::model::email::parse_name(&name).ok().flatten();
        let reader = reader(name.as_deref(), plan.map_or_else(|| json!({"city": city}), |plan| json!({"city": city, "plan": plan})));
        let compiled = &compiled[usize::from(is_digest)];
        let mut found = Vec::new();
        match (compiled.message(&reader, NOON, &mut found), compiled.render(&reader)) {
            (Ok(()), Ok(expected)) => {
                prop_assert_eq!(verify::verify(&found, &records(&dkim)).iter().filter(|judged| judged.is_ok()).count(), 1);
                let found = seen(&found);
                prop_assert_eq!(found.subject.trim(), expected.subject.trim());
                prop_assert_eq!(found.html, expected.html);
                prop_assert_eq!(found.text, expected.text.replace("\r\n", "\n").replace('\r', "\n"));
            }
            (found, expected) => prop_assert!(found.is_err(), "{found:?} {expected:?}"),
        }
    });
}
