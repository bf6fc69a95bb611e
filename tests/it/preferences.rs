//! What readers choose: rhythm, topics, a pause, the hour of their own clock; months of a daily digest in seconds, on a clock of our own.

mod killed;
mod page;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use postrider::app::App;
use postrider::config::Config;
use postrider::model::{Clock, EmailAddress, IssueId, ListId, Rhythm, SubscriberId, SubscriptionState, Timestamp};
use postrider::store::preferences::{ListWish, Wish};
use postrider::store::runs::RunResult;
use postrider::store::subscribers::NewSubscriber;
use postrider::{content, digest, template, worker};
use tempfile::TempDir;

use crate::support::store::url_for_config;

/// A publication on a clock of its own.
struct Harbour {
    dir: TempDir,
    app: App,
    now: Arc<AtomicI64>,
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_datetime(&chrono::DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn list() -> ListId {
    ListId::parse("all").unwrap()
}

fn email(name: &str) -> EmailAddress {
    EmailAddress::parse(&format!("{name}@example.org")).unwrap()
}

/// What people want who say nothing else.
fn usual() -> ListWish {
    ListWish { list: list(), on: true, rhythm: Rhythm::Each, topics: None, wording: String::new() }
}

impl Harbour {
    /// Its digest has these keys; it begins on Sunday, 1 March 2026.
    async fn open(keys: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "[site]\ntitle = \"T\"\nurl = \"https://letter.example.com\"\npostal_address = \"1 Test Street\"\ntimezone = \"Europe/Berlin\"\n\
             [store]\nurl = \"{}\"\n[[relay]]\nname = \"r\"\nurl = \"smtp://127.0.0.1:2525?tls=none\"\n\
             [[list]]\nid = \"all\"\nname = \"All\"\ndescription = \"Everything\"\nfrom = \"T <t@letter.example.com>\"\ntopics = [\"tides\", \"harbour\"]\n\
             [[digest]]\nid = \"news\"\nlists = [\"all\"]\nsubject = \"News: {{{{ articles[0].title }}}}\"\n{keys}\n",
            url_for_config()
        );
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        std::fs::create_dir_all(dir.path().join("content")).unwrap();
        let (config, faults) =
            Config::load(&dir.path().join("config.toml"), std::iter::empty()).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(faults.errors(), 0, "{faults}");
        let templates = template::load(&config.templates_dir).unwrap();
        let now = Arc::new(AtomicI64::new(at("2026-03-01T00:00:00+01:00").0));
        let told = now.clone();
        let app = App::open(config, templates, Clock::new(move || Timestamp(told.load(SeqCst)))).await.unwrap();
        Self { dir, app, now }
    }

    fn set(&self, at: Timestamp) {
        self.now.store(at.0, SeqCst);
    }

    /// An article with a date and tags.
    fn article(&self, name: &str, date: &str, tags: &[&str]) {
        let text = format!("+++\ntitle = \"About {name}\"\ndate = {date}\ntags = {tags:?}\n+++\nText of {name}.\n");
        std::fs::write(self.dir.path().join(format!("content/{name}.md")), text).unwrap();
    }

    async fn join(&self, name: &str, zone: Option<&str>) -> SubscriberId {
        let new = NewSubscriber { timezone: zone.map(str::to_owned), ..NewSubscriber::new(email(name)) };
        let store = &self.app.store;
        store.upsert_subscribers(&[new], &list(), SubscriptionState::Confirmed, "test", false, self.app.clock.now()).await.unwrap();
        store.person(&email(name)).await.unwrap().unwrap().subscriber.id
    }

    async fn wish(&self, id: SubscriberId, wish: ListWish, paused_until: Option<Timestamp>) {
        let zone = self.app.store.subscriber(id).await.unwrap().unwrap().timezone;
        let wish = Wish { lists: vec![wish], paused_until, timezone: zone, ..Wish::default() };
        assert!(self.app.store.keep_wish(id, &wish, None, self.app.clock.now()).await.unwrap());
    }

    /// Looks whether the digest is due.
    async fn look(&self) -> Option<RunResult> {
        worker::fire_due(&self.app.desk(false), &self.app.config.digests[0]).await.unwrap()
    }

    /// The slugs a person was to get, by Issue.
    async fn got(&self, name: &str) -> BTreeMap<i64, Vec<String>> {
        let store = &self.app.store;
        let dossier = store.dossier(&email(name)).await.unwrap().unwrap();
        let id = dossier.person.unwrap().subscriber.id;
        let mut got = BTreeMap::new();
        for delivery in dossier.deliveries {
            let part = store.part(delivery.issue, id).await.unwrap();
            let frozen = store.frozen(delivery.issue).await.unwrap();
            let share = frozen.share(part.as_deref());
            got.insert(delivery.issue.0, share.articles.iter().map(|article| article.title.replace("About ", "")).collect());
        }
        got
    }
}

fn texts(slugs: &[&str]) -> Vec<String> {
    slugs.iter().map(|slug| (*slug).to_owned()).collect()
}

/// A pseudo-random number below `n`, always the same for the same seed.
fn roll(seed: &mut u64, n: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % n
}

#[tokio::test]
async fn in_eleven_weeks_of_changing_their_rhythm_nobody_gets_an_article_twice_and_nobody_misses_one() {
    let harbour = Harbour::open("schedule = \"0 0 9 * * *\"\nrhythms = [\"weekly\", \"monthly\"]").await;
    let mut people: Vec<(String, SubscriberId, i64)> = Vec::new();
    for n in 0..6 {
        let name = format!("r{n}");
        let id = harbour.join(&name, None).await;
        people.push((name, id, harbour.app.clock.now().0));
    }
    harbour.look().await;
    let mut seed = 7;
    let mut written: Vec<(String, i64)> = Vec::new();
    let first = at("2026-03-02T00:00:00+01:00");
    for day in 0..77_u64 {
        let morning = first.plus(Duration::from_secs(day * 86_400));
        let date = morning.in_zone(chrono_tz::Europe::Berlin).format("%Y-%m-%d").to_string();
        for n in 0..roll(&mut seed, 3) {
            let name = format!("d{day}-{n}");
            harbour.article(&name, &date, &[]);
            written.push((name, day as i64));
        }
        harbour.set(morning.plus(Duration::from_secs(10 * 3_600)));
        harbour.look().await;
        // At noon somebody changes their mind; the last of them never does.
        harbour.set(morning.plus(Duration::from_secs(12 * 3_600)));
        let who = roll(&mut seed, 12);
        if who < 5 {
            let rhythm = [Rhythm::Each, Rhythm::Weekly, Rhythm::Monthly][roll(&mut seed, 3) as usize];
            harbour.wish(people[who as usize].1, ListWish { rhythm, ..usual() }, None).await;
        }
    }
    // All want each issue from now on, so that whatever waits comes with the next.
    for (_, id, _) in &people {
        harbour.wish(*id, usual(), None).await;
    }
    harbour.article("last", "2026-05-19", &[]);
    harbour.set(at("2026-05-19T10:00:00+02:00"));
    assert!(matches!(harbour.look().await, Some(RunResult::Issue(_))));
    let all: BTreeSet<String> = written.iter().map(|(name, _)| name.clone()).chain(["last".to_owned()]).collect();
    assert!(all.len() > 50, "{} articles", all.len());
    let mut mails = Vec::new();
    for (name, ..) in &people {
        let got = harbour.got(name).await;
        let mut seen: HashMap<String, i64> = HashMap::new();
        for (issue, slugs) in &got {
            for slug in slugs {
                if let Some(before) = seen.insert(slug.clone(), *issue) {
                    panic!("{name} got {slug} with issue {before} and again with issue {issue}");
                }
            }
        }
        let missed: Vec<&String> = all.iter().filter(|slug| !seen.contains_key(*slug)).collect();
        assert!(missed.is_empty(), "{name} never got {missed:?}");
        mails.push(got.len());
    }
    assert!(mails[..5].iter().min() < mails.last(), "those who changed got fewer mails than the one with each issue: {mails:?}");
    assert_ledger_adds_up(&harbour).await;
}

/// Planned is the sum of the others for every Issue.
async fn assert_ledger_adds_up(harbour: &Harbour) {
    for issue in harbour.app.store.issues(1_000).await.unwrap() {
        let counts = harbour.app.store.counts(issue.id).await.unwrap();
        assert!(counts.add_up(), "issue {}: {counts:?}", issue.id.0);
    }
}

#[tokio::test]
async fn a_weekly_reader_of_a_daily_digest_gets_one_mail_on_monday_with_the_week_in_it() {
    let harbour = Harbour::open("schedule = \"0 0 9 * * *\"\nrhythms = [\"weekly\"]").await;
    harbour.join("each", None).await;
    let weekly = harbour.join("weekly", None).await;
    harbour.wish(weekly, ListWish { rhythm: Rhythm::Weekly, ..usual() }, None).await;
    harbour.look().await;
    // From Monday the 2nd to Sunday the 8th, and nothing new on Monday the 9th.
    for day in 2..=8 {
        harbour.article(&format!("a{day}"), &format!("2026-03-{day:02}"), &[]);
        harbour.set(at(&format!("2026-03-{day:02}T09:00:00+01:00")));
        assert!(matches!(harbour.look().await, Some(RunResult::Issue(_))), "day {day}");
    }
    let monday = harbour.got("weekly").await;
    assert_eq!(monday.into_values().collect::<Vec<_>>(), [texts(&["a2"])], "the first turn of the week is theirs too");
    harbour.set(at("2026-03-09T09:00:00+01:00"));
    let Some(RunResult::Issue(issue)) = harbour.look().await else { panic!("an issue for the weekly reader alone was expected") };
    assert_eq!(harbour.got("weekly").await[&issue.0], texts(&["a8", "a7", "a6", "a5", "a4", "a3"]));
    assert!(!harbour.got("each").await.contains_key(&issue.0), "whoever gets each issue has had all of it");
    let row = harbour.app.store.issue(issue).await.unwrap().unwrap();
    assert_eq!(row.subject, "News: About a8");
    harbour.set(at("2026-03-10T09:00:00+01:00"));
    assert_eq!(harbour.look().await, Some(RunResult::Nothing("no new article since the last issue".into())));
}

#[tokio::test]
async fn readers_with_topics_get_the_articles_on_them_and_those_on_none() {
    let harbour = Harbour::open("schedule = \"0 0 9 * * *\"").await;
    for name in ["all", "tides", "harbour", "none"] {
        let id = harbour.join(name, None).await;
        if name != "all" {
            let topics = if name == "none" { vec![] } else { vec![name.to_owned()] };
            harbour.wish(id, ListWish { topics: Some(topics), ..usual() }, None).await;
        }
    }
    harbour.look().await;
    harbour.article("spring", "2026-03-01", &["Tides", "moon"]);
    harbour.article("crane", "2026-03-01", &["harbour"]);
    harbour.article("both", "2026-03-01", &["harbour", "tides"]);
    harbour.article("news", "2026-03-01", &["other"]);
    harbour.set(at("2026-03-02T09:00:00+01:00"));
    assert!(matches!(harbour.look().await, Some(RunResult::Issue(IssueId(1)))));
    let got = async |name: &str| harbour.got(name).await.remove(&1).unwrap_or_default().into_iter().collect::<BTreeSet<_>>();
    let set = |slugs: &[&str]| texts(slugs).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(got("all").await, set(&["spring", "crane", "both", "news"]));
    assert_eq!(got("tides").await, set(&["spring", "both", "news"]));
    assert_eq!(got("harbour").await, set(&["crane", "both", "news"]));
    assert_eq!(got("none").await, set(&["news"]));
    // An Issue with nothing for them does not come.
    harbour.article("low", "2026-03-03", &["tides"]);
    harbour.set(at("2026-03-03T09:00:00+01:00"));
    assert!(matches!(harbour.look().await, Some(RunResult::Issue(IssueId(2)))));
    assert!(!harbour.got("harbour").await.contains_key(&2) && harbour.got("tides").await.contains_key(&2));
    assert_ledger_adds_up(&harbour).await;
}

#[tokio::test]
async fn a_letter_goes_to_those_who_chose_its_topic_and_at_once_whatever_their_rhythm() {
    let harbour = Harbour::open("rhythms = [\"weekly\"]").await;
    let weekly = harbour.join("weekly", None).await;
    harbour.wish(weekly, ListWish { rhythm: Rhythm::Weekly, ..usual() }, None).await;
    let tides = harbour.join("tides", None).await;
    harbour.wish(tides, ListWish { topics: Some(texts(&["tides"])), ..usual() }, None).await;
    harbour.article("crane", "2026-02-01", &["harbour"]);
    let (library, _) = content::load(&harbour.app.config);
    let press = digest::Press { config: &harbour.app.config, templates: &harbour.app.templates, now: harbour.app.clock.now() };
    let draft = press.letter(library.find("crane").unwrap(), &[list()]).unwrap();
    let audience = harbour.app.store.audience(&draft.new, harbour.app.clock.now()).await.unwrap();
    assert_eq!((audience.recipients, audience.off_topic, audience.later), (1, 1, 0), "{audience:?}");
    let issue = harbour.app.store.create_issue(&draft.new, harbour.app.clock.now()).await.unwrap();
    assert_eq!(harbour.got("weekly").await[&issue.0], texts(&["crane"]));
    assert!(harbour.got("tides").await.is_empty());
}

#[tokio::test]
async fn the_dry_run_says_who_waits_who_paused_and_who_wants_other_topics() {
    let harbour = Harbour::open("schedule = \"0 0 9 * * *\"\nrhythms = [\"weekly\"]").await;
    harbour.join("each", None).await;
    let weekly = harbour.join("weekly", None).await;
    harbour.wish(weekly, ListWish { rhythm: Rhythm::Weekly, ..usual() }, None).await;
    let tides = harbour.join("tides", None).await;
    harbour.wish(tides, ListWish { topics: Some(texts(&["tides"])), ..usual() }, None).await;
    let away = harbour.join("away", None).await;
    harbour.wish(away, usual(), Some(at("2026-04-01T00:00:00+02:00"))).await;
    harbour.look().await;
    harbour.set(at("2026-03-02T09:00:00+01:00"));
    harbour.look().await;
    harbour.article("crane", "2026-03-02", &["harbour"]);
    harbour.set(at("2026-03-03T09:00:00+01:00"));
    let (library, _) = content::load(&harbour.app.config);
    let (app, now) = (&harbour.app, harbour.app.clock.now());
    // The first run of the week was on Monday, so the weekly reader waits.
    let planned = digest::plan(&app.config, &app.store, &app.config.digests[0], &library, now, now).await.unwrap().unwrap();
    let press = digest::Press { config: &app.config, templates: &app.templates, now };
    let draft = press.digest(&app.config.digests[0], &planned, 1).unwrap();
    let audience = app.store.audience(&draft.new, now).await.unwrap();
    assert_eq!((audience.recipients, audience.paused, audience.later, audience.off_topic), (1, 1, 1, 1), "{audience:?}");
    let members = app.store.audience_members(&draft.new, "", 10, now).await.unwrap();
    let said: Vec<(&str, Option<&str>)> = members.iter().map(|one| (one.email.as_str(), one.left_out.as_deref())).collect();
    let expected = [
        ("away@example.org", Some("paused until 2026-04-01")),
        ("each@example.org", None),
        ("tides@example.org", Some("none of their topics")),
        ("weekly@example.org", Some("not their turn")),
    ];
    assert_eq!(said, expected);
    let issue = app.store.create_issue(&draft.new, now).await.unwrap();
    assert_eq!(app.store.counts(issue).await.unwrap().planned, 1);
}

#[tokio::test]
async fn whoever_pauses_gets_nothing_even_of_what_is_queued_and_afterwards_only_what_is_new() {
    let harbour = Harbour::open("schedule = \"0 0 9 * * *\"\nrhythms = [\"weekly\"]").await;
    let ann = harbour.join("ann", None).await;
    harbour.join("bo", None).await;
    harbour.look().await;
    harbour.article("one", "2026-03-02", &[]);
    harbour.set(at("2026-03-02T09:00:00+01:00"));
    assert!(matches!(harbour.look().await, Some(RunResult::Issue(IssueId(1)))));
    // Between freezing and sending.
    harbour.wish(ann, usual(), Some(at("2026-03-05T00:00:00+01:00"))).await;
    let store = &harbour.app.store;
    let now = harbour.app.clock.now();
    store.sendable_issues(now).await.unwrap();
    let (lease, leased) = store.claim(IssueId(1), "w", 10, Duration::from_secs(60), now).await.unwrap().unwrap();
    assert_eq!(leased.len(), 1, "bo alone is mailed");
    let troubles = store.troubles(IssueId(1), 10).await.unwrap();
    assert_eq!(troubles[0].reply.as_deref(), Some("paused until 2026-03-05"), "{troubles:?}");
    // And after claiming: the last look before the intent.
    let bo = leased[0].subscriber.id;
    harbour.wish(bo, usual(), Some(at("2026-03-03T00:00:00+01:00"))).await;
    assert_eq!(store.commit(&lease, &[], &[bo], now).await.unwrap(), [], "an intent of somebody who has paused does not stand");
    for day in [3, 4, 5] {
        harbour.article(&format!("a{day}"), &format!("2026-03-{day:02}"), &[]);
        harbour.set(at(&format!("2026-03-{day:02}T09:00:00+01:00")));
        harbour.look().await;
    }
    let got: Vec<Vec<String>> = harbour.got("ann").await.into_values().collect();
    assert_eq!(got, [texts(&["one"]), texts(&["a5"])], "what came out meanwhile is passed over; the first was skipped");
    assert_ledger_adds_up(&harbour).await;
}

#[tokio::test]
async fn whoever_leaves_and_comes_back_gets_nothing_from_between() {
    let harbour = Harbour::open("schedule = \"0 0 9 * * *\"\nrhythms = [\"weekly\"]").await;
    let ann = harbour.join("ann", None).await;
    harbour.wish(ann, ListWish { rhythm: Rhythm::Weekly, ..usual() }, None).await;
    harbour.join("bo", None).await;
    harbour.look().await;
    for day in 2..=9 {
        harbour.article(&format!("a{day}"), &format!("2026-03-{day:02}"), &[]);
        harbour.set(at(&format!("2026-03-{day:02}T09:00:00+01:00")));
        harbour.look().await;
        harbour.set(at(&format!("2026-03-{day:02}T12:00:00+01:00")));
        match day {
            3 => harbour.wish(ann, ListWish { on: false, rhythm: Rhythm::Weekly, ..usual() }, None).await,
            6 => harbour.wish(ann, ListWish { rhythm: Rhythm::Weekly, ..usual() }, None).await,
            _ => {}
        }
    }
    let got: Vec<Vec<String>> = harbour.got("ann").await.into_values().collect();
    assert_eq!(got, [texts(&["a2"]), texts(&["a9", "a8", "a7"])]);
}

#[tokio::test]
async fn a_digest_for_local_time_reaches_each_reader_at_that_hour_of_their_own_clock() {
    let harbour = Harbour::open("schedule = \"0 30 7 * * *\"\ndeliver = \"local\"").await;
    let zones = [("tokyo", Some("Asia/Tokyo")), ("berlin", None), ("york", Some("America/New_York")), ("odd", Some("Nowhere/Land"))];
    for (name, zone) in zones {
        harbour.join(name, zone).await;
    }
    harbour.set(at("2026-03-27T00:00:00Z"));
    harbour.look().await;
    harbour.article("one", "2026-03-27", &[]);
    // 07:30 on the 29th comes first at UTC+14; in Berlin the clocks go forward that night.
    harbour.set(at("2026-03-28T17:29:59Z"));
    assert!(matches!(harbour.look().await, Some(RunResult::Issue(IssueId(1)))), "the one of the day before");
    harbour.article("two", "2026-03-28", &[]);
    harbour.set(at("2026-03-28T17:30:00Z"));
    assert!(matches!(harbour.look().await, Some(RunResult::Issue(IssueId(2)))));
    let waits = harbour.app.store.troubles(IssueId(2), 10).await.unwrap();
    let by_name: BTreeMap<&str, (&str, Option<&str>)> =
        waits.iter().map(|one| (one.email.split('@').next().unwrap(), (one.state.as_str(), one.reply.as_deref()))).collect();
    assert_eq!(by_name["tokyo"], ("deferred", Some("waits until it is 07:30 in Asia/Tokyo")));
    let times: BTreeMap<&str, String> =
        waits.iter().map(|one| (one.email.split('@').next().unwrap(), one.next_at.unwrap().rfc3339())).collect();
    let expected = [
        ("berlin", "2026-03-29T05:30:00Z"),
        ("odd", "2026-03-29T05:30:00Z"),
        ("tokyo", "2026-03-28T22:30:00Z"),
        ("york", "2026-03-29T11:30:00Z"),
    ];
    assert_eq!(times.into_iter().collect::<Vec<_>>(), expected.map(|(name, at)| (name, at.to_owned())));
    let store = &harbour.app.store;
    let claim = async |at: Timestamp| match store.claim(IssueId(2), "w", 10, Duration::from_secs(60), at).await.unwrap() {
        Some((_, leased)) => leased.into_iter().map(|one| one.subscriber.email.to_string()).collect(),
        None => Vec::new(),
    };
    store.sendable_issues(at("2026-03-28T17:30:01Z")).await.unwrap();
    assert!(claim(at("2026-03-28T22:29:59Z")).await.is_empty(), "nobody before their hour");
    assert_eq!(claim(at("2026-03-28T22:30:00Z")).await, ["tokyo@example.org"]);
    assert_eq!(claim(at("2026-03-29T05:30:00Z")).await.len(), 2);
    let next: Vec<Timestamp> = harbour.app.config.digests[0].schedule.as_ref().unwrap().after(at("2026-03-28T17:30:00Z")).take(1).collect();
    assert_eq!(next, [at("2026-03-29T17:30:00Z")]);
}

/// What a share is made of, at its edges.
#[test]
fn a_share_holds_the_newest_sixty_and_never_less_than_what_is_new() {
    use postrider::model::edition::{Carried, SHARE_MAX};
    use postrider::model::{Edition, Share};
    let carried = |age: usize| Carried { age, tags: vec![] };
    let mut edition = Edition { articles: (0..100).map(carried).collect(), ..Edition::default() };
    edition.articles[0].age = 0;
    let Share::Part(part) = edition.share(&list(), Rhythm::Each, None, 100) else { panic!("a part was expected") };
    assert_eq!(part.find('0'), Some(SHARE_MAX));
    edition.articles = (0..100).map(|_| carried(0)).collect();
    assert_eq!(edition.share(&list(), Rhythm::Each, None, 0), Share::Whole);
    edition.articles = vec![carried(1)];
    assert_eq!(edition.share(&list(), Rhythm::Each, None, 1), Share::Later, "an issue without news waits for one with");
}
