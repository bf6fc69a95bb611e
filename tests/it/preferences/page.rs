//! The page of preferences, through the real service.

use postrider::model::link::{Grant, Purpose};
use postrider::model::{IssueId, ListId, SubscriberId};

use crate::join::{Answer, Harbour, link, subject};

const MORE: &str = r#"

[[list]]
id = "daily"
name = "Harbour Daily"
from = "Ada Example <ada@letters.example.org>"

[[list]]
id = "crew"
name = "Crew only"
from = "Ada Example <ada@letters.example.org>"
public = false
"#;

/// Three lists, one of them private; the weekly one has topics and may be had monthly.
fn harbour() -> Harbour {
    let harbour = Harbour::configured(|config| {
        config
            .replace("public = true", "public = true\ntopics = [\"tides\", \"piers & cranes\"]")
            .replace("limit = 10", "limit = 10\nrhythms = [\"monthly\"]")
            + MORE
    });
    harbour.publication.import(&[("ann@example.org".to_owned(), "Ann".to_owned())]);
    harbour
}

/// The path of somebody's page.
fn page(harbour: &Harbour, email: &str) -> String {
    let id = harbour.person(email)["subscriber"]["id"].as_i64().unwrap_or_else(|| panic!("{}", harbour.person(email)));
    let grant = Grant { issue: IssueId(0), subscriber: SubscriberId(id), list: ListId::parse("weekly").unwrap() };
    format!("/preferences/{}", harbour.key().token(Purpose::Preferences, &grant))
}

/// The form as the page shows it, with every list on it, and these fields.
fn save(harbour: &Harbour, path: &str, fields: &str) -> Answer {
    harbour.post(path, &format!("shown=weekly&shown=daily&{fields}"))
}

/// List and state of every Subscription.
fn states(harbour: &Harbour, email: &str) -> Vec<(String, String)> {
    let person = harbour.person(email);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    person["subscriptions"].as_array().unwrap().iter().map(|one| (text(&one["list"]), text(&one["state"]))).collect()
}

fn pair(list: &str, state: &str) -> (String, String) {
    (list.to_owned(), state.to_owned())
}

#[test]
fn a_reader_chooses_lists_rhythm_topics_zone_language_name_and_a_pause_and_sees_them_again() {
    let harbour = harbour();
    let path = page(&harbour, "ann@example.org");
    let shown = harbour.get(&path);
    assert_eq!(shown.status, 200, "{shown:?}");
    for expected in ["Harbour Weekly", "Harbour Daily", "Once a month, all in one", "piers &amp; cranes", "ann@example.org", "Deutsch"] {
        assert!(shown.body.contains(expected), "{expected:?} was expected in {}", shown.body);
    }
    assert!(!shown.body.contains("Crew only"), "a private list is named to nobody who is not on it");
    assert!(shown.body.len() < 20_000, "{} octets", shown.body.len());
    assert!(shown.head.to_lowercase().contains("cache-control: no-store"), "{}", shown.head);
    let saved = save(
        &harbour,
        &path,
        "on=weekly&on=daily&rhythm-weekly=monthly&topic-weekly=tides&name=Ann%20B.&language=de&timezone=Asia%2FTokyo&pause=2099-01-01",
    );
    assert_eq!(saved.status, 422, "a date beyond three years is a slip: {saved:?}");
    assert!(saved.body.contains("within the next three years"), "{}", saved.body);
    assert_eq!(states(&harbour, "ann@example.org"), [pair("weekly", "confirmed")], "nothing was changed");
    let day = (postrider::app::system_clock().now().utc() + chrono::TimeDelta::days(30)).format("%Y-%m-%d");
    let fields = "on=weekly&on=daily&rhythm-weekly=monthly&topic-weekly=tides&name=Ann%0D%0AB.&language=de&timezone=Asia%2FTokyo";
    let saved = save(&harbour, &path, &format!("{fields}&pause={day}"));
    assert!(saved.status == 200 && saved.body.contains("Gespeichert."), "in German from now on: {saved:?}");
    assert!(saved.body.contains(&format!("value=\"{day}\"")), "{}", saved.body);
    let person = harbour.person("ann@example.org");
    assert_eq!(person["subscriber"]["name"], "Ann  B.", "one line: {person}");
    assert_eq!((&person["subscriber"]["language"], &person["subscriber"]["timezone"]), (&"de".into(), &"Asia/Tokyo".into()));
    assert_eq!(states(&harbour, "ann@example.org"), [pair("daily", "confirmed"), pair("weekly", "confirmed")]);
    assert_eq!(person["preferences"][0]["rhythm"], "monthly");
    assert_eq!(person["preferences"][0]["topics"], serde_json::json!(["tides"]));
    let consent = person["consents"].as_array().unwrap().iter().find(|one| one["list"] == "daily").cloned();
    let wording = consent.as_ref().and_then(|one| one["wording"].as_str()).unwrap_or_default().to_owned();
    assert!(wording.contains("Harbour Daily"), "what they agreed to is kept: {person}");
    let again = harbour.get(&path).body;
    assert!(again.contains("<option value=\"monthly\" selected>") && again.contains("value=\"tides\" checked"), "{again}");
    assert!(!again.contains("value=\"piers &amp; cranes\" checked"), "{again}");
    let left = save(&harbour, &path, "on=daily");
    assert_eq!(left.status, 200);
    assert_eq!(states(&harbour, "ann@example.org"), [pair("daily", "confirmed"), pair("weekly", "unsubscribed")]);
}

#[test]
fn looking_changes_nothing_and_a_form_changes_only_the_lists_it_showed() {
    let harbour = harbour();
    let path = page(&harbour, "ann@example.org");
    let before = harbour.person("ann@example.org");
    for method in ["GET", "HEAD", "OPTIONS"] {
        for suffix in ["", "/address", "/data", "/erase"] {
            harbour.http(method, &format!("{path}{suffix}"), "text/plain", "");
        }
    }
    assert_eq!(harbour.person("ann@example.org"), before);
    // A closed list takes no form; neither does one that was not on the page.
    save(&harbour, &path, "on=weekly&on=crew&shown=crew");
    assert_eq!(states(&harbour, "ann@example.org"), [pair("weekly", "confirmed")]);
    harbour.post(&path, "shown=daily&on=daily");
    assert_eq!(states(&harbour, "ann@example.org"), [pair("daily", "confirmed"), pair("weekly", "confirmed")], "weekly was not shown");
    let odd = save(&harbour, &path, "on=weekly&timezone=Mars%2FOlympus");
    assert!(odd.status == 422 && odd.body.contains("no such time zone"), "{odd:?}");
    let odd = save(&harbour, &path, "on=weekly&on=daily&rhythm-weekly=daily&language=%3Cscript%3E&topic-weekly=%3Cb%3E");
    assert_eq!(odd.status, 200);
    assert!(!odd.body.contains("<script") && !odd.body.contains("<b>"), "{}", odd.body);
    assert_eq!(harbour.person("ann@example.org")["preferences"][0]["rhythm"], "each", "a rhythm that is not offered is each issue");
    assert_eq!(harbour.get("/preferences/AAAA").status, 404);
    assert_eq!(harbour.get(&path.replace("/preferences/", "/unsubscribe/")).status, 404, "a token is good for one purpose");
}

#[test]
fn a_new_address_is_taken_when_it_says_yes_and_the_old_links_stay_good() {
    let harbour = harbour();
    let path = page(&harbour, "ann@example.org");
    let asked = harbour.post(&format!("{path}/address"), "email=ann.new%40example.org");
    assert!(asked.status == 200 && asked.body.contains("on its way to the new address"), "{asked:?}");
    let told = harbour.mails("ann@example.org", 1).remove(0);
    assert_eq!(subject(&told), "Your address is about to change");
    let mail = harbour.mails("ann.new@example.org", 1).remove(0);
    assert_eq!(subject(&mail), "Is this your new address?");
    assert!(!String::from_utf8_lossy(&mail.content).contains("ann@example.org"), "the new address is told nothing of the old one");
    let yes = link(&mail, "move");
    for method in ["GET", "HEAD", "OPTIONS"] {
        harbour.http(method, &yes, "text/plain", "");
    }
    assert_eq!(states(&harbour, "ann@example.org"), [pair("weekly", "confirmed")], "looking moves nobody");
    for _ in 0..2 {
        let moved = harbour.post(&yes, "");
        assert!(moved.status == 200 && moved.body.contains("That is done."), "as often as it is pressed: {moved:?}");
    }
    assert_eq!(states(&harbour, "ann.new@example.org"), [pair("weekly", "confirmed")]);
    assert!(harbour.get(&path).body.contains("ann.new@example.org"), "the links of the old mails are theirs still");
    let gone = harbour.publication.run(&["subscribers", "show", "ann@example.org"]);
    assert_eq!(gone.status.code(), Some(1), "the old address is not kept: {gone:?}");
}

#[test]
fn a_new_address_that_is_known_already_takes_the_subscriptions_over_and_the_page_does_not_tell() {
    let harbour = harbour();
    harbour.publication.import(&[("bo@example.org".to_owned(), String::new())]);
    let out = harbour.publication.run(&["subscribers", "remove", "bo@example.org", "--list", "weekly"]);
    assert!(out.status.success(), "{out:?}");
    let path = page(&harbour, "ann@example.org");
    save(&harbour, &path, "on=weekly&rhythm-weekly=monthly");
    let known = harbour.post(&format!("{path}/address"), "email=bo%40example.org");
    let unknown = harbour.post(&format!("{path}/address"), "email=other%40example.org");
    assert_eq!((known.status, known.body), (unknown.status, unknown.body));
    let yes = link(&harbour.mails("bo@example.org", 1)[0], "move");
    assert_eq!(states(&harbour, "bo@example.org"), [pair("weekly", "unsubscribed")]);
    assert!(harbour.post(&yes, "").body.contains("That is done."));
    assert_eq!(states(&harbour, "bo@example.org"), [pair("weekly", "confirmed")], "they asked for it from their own mailbox");
    assert_eq!(states(&harbour, "ann@example.org"), [pair("weekly", "unsubscribed")]);
    assert_eq!(harbour.person("bo@example.org")["preferences"][0]["rhythm"], "monthly");
    let wrong = harbour.post(&format!("{path}/address"), "email=nobody");
    assert_eq!(wrong.status, 422, "{wrong:?}");
}

#[test]
fn a_suppressed_address_hears_nothing_of_a_move_and_nobody_is_asked_twice_a_day() {
    let harbour = harbour();
    let out = harbour.publication.run(&["suppressions", "add", "gone@example.org", "--reason", "asked by phone"]);
    assert!(out.status.success(), "{out:?}");
    let path = page(&harbour, "ann@example.org");
    for email in ["gone%40example.org", "ann%40example.org", "next%40example.org", "next%40example.org"] {
        let asked = harbour.post(&format!("{path}/address"), &format!("email={email}"));
        assert!(asked.status == 200 && asked.body.contains("on its way"), "the page does not tell: {asked:?}");
    }
    harbour.mails("next@example.org", 1);
    harbour.mails("ann@example.org", 1);
    let mut to = harbour.relay.recipients();
    to.sort();
    assert_eq!(to, ["ann@example.org", "next@example.org"]);
}

#[test]
fn a_reader_takes_their_data_along_and_is_forgotten_when_they_are_sure() {
    let harbour = harbour();
    let path = page(&harbour, "ann@example.org");
    let data = harbour.get(&format!("{path}/data"));
    assert_eq!(data.status, 200);
    assert!(data.head.to_lowercase().contains("content-disposition: attachment"), "{}", data.head);
    let dossier: serde_json::Value = serde_json::from_str(&data.body).unwrap_or_else(|error| panic!("{error}: {}", data.body));
    assert_eq!(dossier["person"]["subscriber"]["email"], "ann@example.org");
    let unsure = harbour.post(&format!("{path}/erase"), "");
    assert!(unsure.status == 422 && unsure.body.contains("Tick the box"), "{unsure:?}");
    let erased = harbour.post(&format!("{path}/erase"), "sure=yes");
    assert!(erased.status == 200 && erased.body.contains("You are forgotten."), "{erased:?}");
    assert_eq!(harbour.get(&path).status, 404);
    harbour.publication.write("again.csv", "email\nann@example.org\n");
    let import = harbour.publication.json(&["subscribers", "import", "again.csv", "--list", "weekly", "--confirmed", "--yes"]);
    assert_eq!(import["suppressed"], 1, "{import}");
    let gone = harbour.publication.run(&["subscribers", "show", "ann@example.org"]);
    assert_eq!(gone.status.code(), Some(1), "no import brings them back: {gone:?}");
}

#[test]
fn the_page_to_leave_offers_less_often_where_there_is_a_choice() {
    let harbour = harbour();
    let path = page(&harbour, "ann@example.org");
    let id = harbour.person("ann@example.org")["subscriber"]["id"].as_i64().unwrap();
    let grant = Grant { issue: IssueId(0), subscriber: SubscriberId(id), list: ListId::parse("weekly").unwrap() };
    let leave = harbour.get(&format!("/unsubscribe/{}", harbour.key().token(Purpose::Unsubscribe, &grant)));
    assert!(leave.body.contains("Less often instead") && leave.body.contains(&path), "{}", leave.body);
}
