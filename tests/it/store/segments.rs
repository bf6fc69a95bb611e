//! Segments: what the store finds is what a plain reading of the expression says.

use postrider::cli::report;
use postrider::model::segment::{DateField, Pattern, Span, TextField};
use postrider::model::{Condition, Consent, Fault, Faults, Segment};
use postrider::store::subscribers::Person;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::*;

const DAY: i64 = 86_400;

fn parse(text: &str) -> Result<Segment, Fault> {
    Segment::parse(text, Path::new("--where"), &["a", "b", "weekly"])
}

fn condition(text: &str) -> Condition {
    parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).at(at(0), chrono_tz::Europe::Berlin)
}

/// A person, and when Issues were sent to them.
struct Who {
    person: Person,
    sent: Vec<Timestamp>,
}

/// The plain reading.
fn holds(condition: &Condition, who: &Who) -> bool {
    let subscriber = &who.person.subscriber;
    match condition {
        Condition::All(inner) => inner.iter().all(|one| holds(one, who)),
        Condition::Any(inner) => inner.iter().any(|one| holds(one, who)),
        Condition::Not(inner) => !holds(inner, who),
        Condition::Text(field, pattern) => {
            let text = match field {
                TextField::Email => Some(subscriber.email.as_str()),
                TextField::Domain => Some(subscriber.email.domain()),
                TextField::Name => subscriber.name.as_deref(),
                TextField::Language => subscriber.language.as_deref(),
                TextField::Timezone => subscriber.timezone.as_deref(),
            };
            fits(pattern, text.unwrap_or_default())
        }
        Condition::Attribute(key, pattern) => fits(pattern, &attribute(who, key).unwrap_or_default()),
        Condition::Number(key, compare, number) => {
            let told = attribute(who, key).filter(|text| text.len() <= 30 && is_number(text)).and_then(|text| text.parse::<f64>().ok());
            told.is_some_and(|told| compare.holds(told, number.as_str().parse().unwrap()))
        }
        Condition::Sent(compare, n) => compare.holds(i64::try_from(who.sent.len()).unwrap(), *n),
        Condition::Date(field, span) => {
            let at = match field {
                DateField::Joined => Some(subscriber.created_at),
                DateField::LastSent => who.sent.iter().max().copied(),
                DateField::Confirmed => confirmed(&who.person),
            };
            match span {
                Span::Never => at.is_none(),
                Span::Within { from, until } => {
                    at.is_some_and(|at| from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until))
                }
            }
        }
        Condition::Tag(pattern) => who.person.tags.iter().any(|tag| fits(pattern, tag)),
        Condition::On(list, state) => who.person.subscriptions.iter().any(|one| one.list == *list && one.state == *state),
        Condition::Suppressed => who.person.suppressed.is_some(),
    }
}

fn confirmed(person: &Person) -> Option<Timestamp> {
    let on = person.subscriptions.iter().filter(|one| one.state == CONFIRMED);
    let told = |id: &ListId| person.consents.iter().find(|row| row.list == *id).and_then(|row| row.consent.confirmed_at);
    on.map(|one| told(&one.list).unwrap_or(one.changed_at)).min()
}

fn attribute(who: &Who, key: &str) -> Option<String> {
    let value = who.person.subscriber.attributes.get(key)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').map_or(digits(text), |(whole, fraction)| digits(whole) && digits(fraction))
}

/// Whether a text fits a pattern, letter by letter.
fn fits(pattern: &Pattern, text: &str) -> bool {
    fn from(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skipped| from(rest, &text[skipped..])),
            Some((c, rest)) => text.first() == Some(c) && from(rest, &text[1..]),
        }
    }
    let chars = |text: &str| text.to_ascii_lowercase().chars().collect::<Vec<_>>();
    from(&chars(pattern.as_str()), &chars(text))
}

const NAMES: [&str; 8] = ["", "Ann", "ann", "100% Ben", "B_n!", "Zoë Ähre", "O'Neil \"x\"", "Robert'); DROP TABLE subscribers;--"];
const CITIES: [&str; 6] = ["Ulm", "ulm", "U_m", "Bad*Ort", "", "5"];
const TAGS: [&str; 6] = ["vip", "VIP", "v_p", "early bird", "50%", "blog"];
const ZONES: [&str; 4] = ["", "Europe/Berlin", "Europe/Paris", "America/New_York"];

/// Somebody at random.
fn people() -> impl Strategy<Value = NewSubscriber> {
    let ages = select(vec![
        json!(null),
        json!(12),
        json!(-3),
        json!(12.5),
        json!("12"),
        json!("12.0"),
        json!("-3"),
        json!("007"),
        json!("1e3"),
        json!(" 5"),
        json!("5."),
        json!("1.2.3"),
        json!("5-"),
        json!(true),
        json!(false),
        json!("true"),
        json!("99999999999999999999999999999999"),
    ]);
    let language = select(vec!["", "en", "en-GB", "de", "EN"]);
    let words = (select(NAMES.to_vec()), select(CITIES.to_vec()), select(ZONES.to_vec()), language);
    let tags = proptest::collection::btree_set(select(TAGS.to_vec()), 0..4);
    (words, ages, tags, 0..40_i64, proptest::option::of(0..40_i64), select(vec!["example.org", "example.com", "sub.example.org"])).prop_map(
        |((name, city, zone, language), age, tags, joined, confirmed, domain)| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let mut new = NewSubscriber::new(email(&format!("x@{domain}")));
            new.name = some(name);
            new.language = some(language);
            new.timezone = some(zone);
            if !city.is_empty() {
                new.attributes.insert("city".into(), city.into());
            }
            if !age.is_null() {
                new.attributes.insert("the age".into(), age);
            }
            new.tags = tags.into_iter().map(str::to_owned).collect();
            new.joined_at = Some(at(-joined * DAY / 2));
            new.consent = confirmed.and_then(|days| Consent { confirmed_at: Some(at(-days * DAY / 2)), ..Consent::default() }.told());
            new
        },
    )
}

/// An expression at random.
fn expressions() -> impl Strategy<Value = String> {
    let value = select(
        [NAMES.as_slice(), &CITIES, &TAGS, &ZONES, &["A*", "*%*", "*_*", "*!", "ex*mple", "*", "en", "en*", "x@*", "Europe/*"]].concat(),
    );
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let sign = || select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let equal = || select(vec!["=", "!="]);
    let field = select(vec!["email", "domain", "name", "language", "tz", "attr.city", "attr.\"the age\"", "attr.none"]);
    let number = select(vec!["12", "-3", "0", "12.5", "7", "5", "1000", "0012"]);
    let day =
        select(vec!["2026-09-21", "2026-09-15", "2026-09-01", "2027-01-01", "3 days ago", "2 weeks ago", "1 month ago", "30 hours ago"]);
    let dated = || select(vec!["joined", "confirmed", "last_sent"]);
    let tag = select(vec!["vip", "\"v_p\"", "v*", "*bird", "\"50%\"", "\"* b*\"", "none", "*", "BLOG"]);
    let on = select(vec![
        "list:a",
        "list:b",
        "pending:a",
        "pending:b",
        "unsubscribed:a",
        "suppressed",
        "joined = never",
        "confirmed = never",
        "last_sent != never",
    ]);
    let leaf = prop_oneof![
        (field, equal(), value).prop_map(move |(field, sign, value)| format!("{field} {sign} {}", quoted(value))),
        (sign(), number).prop_map(|(sign, number)| format!("attr.\"the age\" {sign} {number}")),
        (sign(), 0..4).prop_map(|(sign, n)| format!("sent {sign} {n}")),
        (dated(), sign(), day).prop_map(|(field, sign, day)| {
            let sign = if day.ends_with("ago") && sign.len() < 3 && sign.contains('=') && !sign.contains(['<', '>']) { "<" } else { sign };
            format!("{field} {sign} {day}")
        }),
        tag.prop_map(|tag| format!("tag:{tag}")),
        on.prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not {one}")),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" and "))),
            proptest::collection::vec(inner, 2..4).prop_map(|all| format!("({})", all.join(" or "))),
        ]
    })
}

/// People at random on two Lists, some suppressed, with Issues sent to some of them.
async fn crowd(desk: &Desk, runner: &mut TestRunner) -> Vec<Who> {
    let mut sent: BTreeMap<i64, Vec<Timestamp>> = BTreeMap::new();
    for n in 0..90_usize {
        let mut new = people().new_tree(runner).unwrap().current();
        new.email = email(&format!("P{n}@{}", new.email.domain()));
        let state = [CONFIRMED, SubscriptionState::Pending, SubscriptionState::Unsubscribed][n % 7 % 3];
        let moment = at(-i64::try_from(n).unwrap() * DAY / 3);
        let how = |id: &str| (list(id), state);
        for (id, state) in [how(if n % 2 == 0 { "a" } else { "b" })].into_iter().chain((n % 5 == 0).then(|| (list("a"), CONFIRMED))) {
            desk.store.upsert_subscribers(&[new.clone()], &id, state, "test", false, moment).await.unwrap();
        }
        if n % 11 == 0 {
            desk.store.suppress(&new.email, "complaint", at(0)).await.unwrap();
        }
    }
    for round in 0..3_i64 {
        let issue = desk.sending().await;
        let (lease, ids) = desk.claim(issue, 1_000, at(-round * DAY)).await;
        desk.store.commit(&lease, &[], &ids, at(-round * DAY)).await.unwrap();
        let (gets, fails): (Vec<_>, Vec<_>) = ids.iter().copied().partition(|id| (id.0 + round) % 3 != 0);
        let records: Vec<_> =
            gets.iter().copied().map(super::sent).chain(fails.into_iter().map(|id| failed(id, FailureClass::Policy))).collect();
        desk.store.commit(&lease, &records, &[], at(-round * 4 * DAY)).await.unwrap();
        desk.store.release(&lease, at(0)).await.unwrap();
        gets.iter().for_each(|id| sent.entry(id.0).or_default().push(at(-round * 4 * DAY)));
    }
    let people = desk.store.people(None, SubscriberId(0), 1_000).await.unwrap();
    people.into_iter().map(|person| Who { sent: sent.remove(&person.subscriber.id.0).unwrap_or_default(), person }).collect()
}

#[tokio::test]
async fn what_the_store_finds_is_what_the_expression_says() {
    let mut runner = TestRunner::deterministic();
    let desk = Desk::new().await;
    let crowd = crowd(&desk, &mut runner).await;
    assert!(crowd.iter().filter(|who| who.sent.len() > 1).count() > 5, "the crowd has readers of several issues");
    let mut found_any = 0;
    for _ in 0..600 {
        let text = expressions().new_tree(&mut runner).unwrap().current();
        let only = condition(&text);
        let expected: Vec<_> = crowd.iter().filter(|who| holds(&only, who)).map(|who| who.person.subscriber.email.clone()).collect();
        let found = desk.store.people_in(None, Some(&only), SubscriberId(0), 1_000).await;
        let found: Vec<_> =
            found.unwrap_or_else(|error| panic!("{text}: {error}")).into_iter().map(|person| person.subscriber.email).collect();
        assert_eq!(found, expected, "{text}");
        found_any += usize::from(!found.is_empty() && found.len() < crowd.len());
    }
    assert!(found_any > 200, "most expressions tell people apart: {found_any}");
}

#[tokio::test]
async fn an_attack_stays_a_value() {
    let desk = Desk::new().await;
    let drop = "Robert'); DROP TABLE subscribers;--";
    let named = |who: &str, name: &str| NewSubscriber { name: Some(name.into()), ..ann(who) };
    desk.join(&[named("bobby", drop), named("ann", "Ann")], "a", CONFIRMED).await;
    let found = async |text: &str| {
        let found =
            desk.store.people_in(None, Some(&condition(text)), SubscriberId(0), 10).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        found.into_iter().map(|person| person.subscriber.email.local().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&format!("name = \"{drop}\"")).await, ["bobby"]);
    assert_eq!(found("name = \"*drop table*\"").await, ["bobby"]);
    for attack in [
        "name = \"x' OR '1'='1\"",
        "name = \"x' OR 1=1 --\"",
        "tag:\"x%' OR '1'='1\"",
        "attr.\"city' OR '1'='1\" = \"Ulm\"",
        "attr.\"city}') OR 1=1 --\" > 3",
        "attr.\"$.a[0]\" = \"x\"",
        "attr.\"a.b\" = \"x\"",
        "email = \"$1\"",
        "name = \"%\"",
        "name = \"___\"",
        "domain = \"example_org\"",
    ] {
        assert_eq!(found(attack).await, Vec::<String>::new(), "{attack}");
    }
    assert_eq!(desk.store.people(None, SubscriberId(0), 10).await.unwrap().len(), 2, "everybody is still there");
}

#[test]
fn a_wrong_expression_is_shown_with_its_column_and_a_hint() {
    let wrong = [
        "",
        "nmae = \"Ann\"",
        "city = Ulm",
        "name = ",
        "name",
        "name == Ann",
        "name = \"Ann",
        "name > Ann",
        "tag:vip && tag:blog",
        "tag:vip tag:blog",
        "(tag:vip or tag:blog",
        "tag:vip)",
        "tag:v*p",
        "tag > vip",
        "list:wekly",
        "joined > yesterday",
        "joined = 30 days ago",
        "joined < 30 days",
        "joined < 30 moons ago",
        "joined > never",
        "joined > 2026-02-30",
        "sent > many",
        "not",
        "= 5",
        "attr.age > \"old\"",
        "Zoë = 1",
        "name = Ä; DROP",
    ];
    let faults: Vec<Fault> = wrong.iter().map(|text| parse(text).expect_err(text)).collect();
    insta::assert_snapshot!(report::plain(&Faults(faults)));
}

#[test]
fn expressions_that_are_too_long_or_too_deep_are_refused_at_once() {
    let deep = format!("{}tag:a{}", "(".repeat(100_000), ")".repeat(100_000));
    let nots = format!("{}tag:a", "not ".repeat(500));
    let nested = format!("{}tag:a{}", "(".repeat(21), ")".repeat(21));
    let many = vec!["tag:a"; 101].join(" or ");
    for (text, says) in [(deep, "at most 4000 bytes"), (nots, "more than 20"), (nested, "more than 20"), (many, "more than 100 tests")] {
        let fault = parse(&text).unwrap_err();
        assert!(fault.message.contains(says), "{}", fault.message);
    }
    let widest = vec!["attr.\"x\" = \"y\""; 100].join(" or ");
    assert!(parse(&widest).is_ok());
}

#[test]
fn days_are_those_of_the_zone_and_lengths_of_time_those_of_the_calendar() {
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).map(|at| Timestamp::from_datetime(&at)).unwrap();
    let span = |text: &str| match parse(text).unwrap().at(at("2026-03-31T12:00:00Z"), chrono_tz::Europe::Berlin) {
        Condition::Date(_, Span::Within { from, until }) => (from.map(Timestamp::rfc3339), until.map(Timestamp::rfc3339)),
        other => panic!("{text}: {other:?}"),
    };
    let utc = |text: &str| Some(text.to_owned());
    // The day on which summer time begins has 23 hours.
    assert_eq!(span("joined = 2026-03-29"), (utc("2026-03-28T23:00:00Z"), utc("2026-03-29T22:00:00Z")));
    assert_eq!(span("joined > 2026-03-29"), (utc("2026-03-29T22:00:00Z"), None));
    assert_eq!(span("joined >= 2026-03-29"), (utc("2026-03-28T23:00:00Z"), None));
    assert_eq!(span("joined < 2026-03-29"), (None, utc("2026-03-28T23:00:00Z")));
    assert_eq!(span("joined <= 2026-03-29"), (None, utc("2026-03-29T22:00:00Z")));
    assert_eq!(span("joined < 1 month ago"), (None, utc("2026-02-28T13:00:00Z")), "the 28th, there being no 31st");
    assert_eq!(span("joined > 3 days ago"), (utc("2026-03-28T13:00:00Z"), None), "the same time of day");
    assert_eq!(span("joined > 36 hours ago"), (utc("2026-03-30T00:00:00Z"), None));
}

#[test]
fn no_text_at_all_makes_the_parser_panic() {
    let mut runner = TestRunner::deterministic();
    let pieces = select(vec![
        "(",
        ")",
        "not ",
        "and ",
        "or ",
        "tag:",
        "attr.",
        "attr.\"",
        "\"",
        "'",
        "\\",
        "=",
        "!",
        "<",
        ">=",
        "joined",
        "9999-12-31",
        "4294967295",
        " years ago",
        "ä",
        "\u{2028}",
        "\0",
        "😀",
        "*",
        ":",
        "list:",
        "never",
        "-",
        ".",
        "1e9",
        "&",
        " ",
    ]);
    let texts = prop_oneof![".{0,60}", proptest::collection::vec(pieces, 0..20).prop_map(|pieces| pieces.concat())];
    for _ in 0..20_000 {
        let text = texts.new_tree(&mut runner).unwrap().current();
        match parse(&text) {
            Ok(segment) => drop(segment.at(at(0), chrono_tz::Tz::UTC)),
            Err(fault) => assert!(!report::plain(&Faults(vec![fault])).is_empty()),
        }
    }
    for oldest in ["joined < 4294967295 years ago", "joined > 4294967295 hours ago", "joined < 0000-01-01", "joined <= 9999-12-31"] {
        parse(oldest).unwrap().at(at(0), chrono_tz::Europe::Berlin);
    }
}

#[tokio::test]
async fn an_issue_goes_to_whom_the_segment_means_at_the_moment_of_making() {
    let desk = Desk::new().await;
    let tagged = |who: &str, tag: &str| NewSubscriber { tags: vec![tag.to_owned()], ..ann(who) };
    desk.join(&[tagged("vip", "vip"), tagged("dead", "vip"), tagged("other", "blog")], "a", CONFIRMED).await;
    desk.join(&[tagged("asked", "vip")], "a", SubscriptionState::Pending).await;
    desk.store.suppress(&email("dead@example.org"), "complaint", at(1)).await.unwrap();
    let only = condition("tag:vip and not suppressed");
    let new = NewIssue { only: Some(only), ..letter(&["a"]) };
    let audience = desk.store.audience(&new, at(2)).await.unwrap();
    assert_eq!(audience, Audience { recipients: 1, pending: 1, suppressed: 1, outside: 1, ..Audience::default() });
    let members = desk.store.audience_members(&new, "", 10, at(2)).await.unwrap();
    let told: Vec<_> = members.iter().map(|one| (one.email.as_str(), one.left_out.as_deref().unwrap_or("gets it"))).collect();
    let expected = [
        ("asked@example.org", "pending"),
        ("dead@example.org", "suppressed: complaint"),
        ("other@example.org", "outside the segment"),
        ("vip@example.org", "gets it"),
    ];
    assert_eq!(told, expected);
    let issue = desk.store.create_issue(&new, at(2)).await.unwrap();
    assert_eq!(desk.counts(issue).await.planned, 1);
    desk.join(&[tagged("other", "vip")], "a", CONFIRMED).await;
    assert_eq!(desk.counts(issue).await.planned, 1, "who fits later is not added");
}
