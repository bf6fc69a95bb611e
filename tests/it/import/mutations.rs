//! A thousand ways in which feeds are rewritten, one at a time and two at once, in random histories: no article is mailed twice, none is lost, and storms
//! are held, and nothing else is.
//!
//! Every article has a tag that tells which one it is in truth; nothing that tells entries apart looks at tags. After each fetch the worker keeps the
//! digest's schedule as it always does, and what counts is the articles of the issues that it froze, by their true names.
//!
//! Left out is what nobody can tell, because nothing that was known is left of the entry:
//! - in a feed without links, a text that is edited while there are no guids (its title alone is no sign: many a column has one title every week);
//! - guids that entries get which stood in the feed without any at first, in the very fetch in which the title is edited or the site moves;
//! - a text that is edited right after a fetch in which the site moved and the entry's own guid, which moved with it, was not to be seen;
//! - news without dates in an answer that is cut short, right after the feed was put in another order: it is held for the editor;
//! - a storm of entries without dates with news among them; a storm of all entries but one, without dates or with late ones, in a feed that was put in
//!   another order by the fetch before. A storm whose dates are new as well looks like news in every way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::model::{IssueId, Timestamp};
use postrider::store::imported::ImportState;
use postrider::store::runs::RunResult;
use postrider::worker::{self, Desk};

use super::scene::{START, Scene, atom_date, http_date};
use crate::support::web::Answer;

/// Numbers made from a number (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What a site's program gives its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guids {
    Address,
    Opaque,
    None,
}

/// How much of the text stands in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Long,
    Some,
    Short,
}

#[derive(Debug, Clone)]
struct Style {
    guids: Guids,
    texts: Texts,
    has_titles: bool,
    has_links: bool,
    has_dates: bool,
    is_atom: bool,
    window: usize,
}

impl Style {
    fn new(dice: &mut Dice) -> Self {
        let texts = dice.one(&[Texts::Long, Texts::Some, Texts::Short]);
        let mut style = Self {
            guids: dice.one(&[Guids::Address, Guids::Address, Guids::Opaque, Guids::None]),
            texts,
            has_titles: texts != Texts::Long || dice.below(4) > 0,
            has_links: true,
            has_dates: dice.below(6) > 0,
            is_atom: dice.below(2) == 0,
            window: 8 + dice.below(8),
        };
        // A feed all of whose entries lead to the home page must tell them apart by something.
        style.has_links = style.guids == Guids::None || texts == Texts::Short || dice.below(4) > 0;
        style
    }
}

/// What is rewritten before a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Scheme,
    Host,
    Churn,
    Title,
    Text,
    Reordered,
    Twice,
    SameGuid,
    NoGuid,
    NoGuids,
    Dates,
    Trackers,
    Truncated,
    DropOut,
    Fails,
    Empty,
    /// Everything that tells entries apart at once, and their dates stay.
    Storm,
    /// The same for all but one.
    StormButOne,
}

/// Two of these at once are still to be told.
const IN_PAIRS: [Change; 9] = [
    Change::Scheme,
    Change::Host,
    Change::Title,
    Change::Reordered,
    Change::Twice,
    Change::SameGuid,
    Change::NoGuid,
    Change::NoGuids,
    Change::Dates,
];

const CHANGES: [Change; 21] = [
    Change::Scheme,
    Change::Host,
    Change::Churn,
    Change::Title,
    Change::Title,
    Change::Text,
    Change::Text,
    Change::Reordered,
    Change::Twice,
    Change::Twice,
    Change::SameGuid,
    Change::NoGuid,
    Change::NoGuids,
    Change::Dates,
    Change::Trackers,
    Change::Truncated,
    Change::DropOut,
    Change::Fails,
    Change::Empty,
    Change::Storm,
    Change::StormButOne,
];

/// What changes about all entries of a site at once, how often.
#[derive(Debug, Clone, Copy, Default)]
struct Ways {
    hosts: usize,
    churns: usize,
    storms: usize,
}

/// An article as its site has it.
#[derive(Debug, Clone)]
struct Post {
    number: usize,
    edits: usize,
    text_edits: usize,
    date: Timestamp,
    /// A storm left it as it was.
    stays: Option<Ways>,
    /// It stood in the feed with a guid of its own.
    is_told: bool,
}

/// A site with its history.
struct Site {
    name: String,
    style: Style,
    dice: Dice,
    posts: Vec<Post>,
    scheme: &'static str,
    ways: Ways,
    has_guids: bool,
    trackers: usize,
    /// The last fetch did not show everything; the next one does.
    is_partial: bool,
    /// The last fetch showed everything in another order.
    is_mixed: bool,
    /// The site moved, and the last fetch did not show the new guid of every entry.
    is_hidden: bool,
    log: Vec<String>,
}

impl Site {
    fn new(number: usize, seed: u64) -> Self {
        let mut dice = Dice(seed ^ (number as u64) << 20);
        let style = Style::new(&mut dice);
        let mut site = Self {
            name: format!("site-{number}"),
            log: vec![format!("{style:?}")],
            has_guids: style.guids != Guids::None,
            style,
            dice,
            posts: Vec::new(),
            scheme: "http",
            ways: Ways::default(),
            trackers: 0,
            is_partial: false,
            is_mixed: false,
            is_hidden: false,
        };
        for back in (0..6).rev() {
            site.post(Timestamp::from_secs(START.secs() - (back + 1) * 30 * 3_600));
        }
        site
    }

    fn post(&mut self, date: Timestamp) {
        self.posts.push(Post { number: self.posts.len(), edits: 0, text_edits: 0, date, stays: None, is_told: false });
    }

    /// What is rewritten next: one thing, or two.
    fn changes(&mut self) -> Vec<Change> {
        if self.is_partial {
            return vec![Change::Nothing];
        }
        if self.dice.below(2) == 0 {
            return vec![self.dice.one(&CHANGES)];
        }
        let (one, other) = (self.dice.one(&IN_PAIRS), self.dice.one(&IN_PAIRS));
        // What it says in the head of this file: guids come back alone.
        let comes_back = !self.has_guids && self.style.guids != Guids::None;
        let alone = [one, other].into_iter().find(|change| comes_back && *change == Change::NoGuids);
        if one == other { vec![one] } else { alone.map_or_else(|| vec![one, other], |change| vec![change]) }
    }

    /// Time went from `last` to `now`: articles appear, and something is rewritten. Gives the document, or nothing where the server fails.
    fn step(&mut self, last: Timestamp, now: Timestamp) -> (Vec<Change>, Option<String>) {
        let mut changes = self.changes();
        self.is_partial =
            changes.iter().any(|change| matches!(change, Change::Truncated | Change::DropOut | Change::Fails | Change::Empty));
        // What it says in the head of this file.
        if self.is_mixed && changes == [Change::StormButOne] {
            changes = vec![Change::Storm];
        }
        let is_vague = self.is_mixed && !self.style.has_dates && changes == [Change::Truncated];
        if is_vague || self.is_hidden && changes == [Change::Text] {
            changes = vec![Change::Nothing];
            self.is_partial = false;
        }
        self.is_mixed = changes.contains(&Change::Reordered);
        self.is_hidden =
            changes.contains(&Change::Host) && changes.iter().any(|change| matches!(change, Change::SameGuid | Change::NoGuid));
        let is_storm = changes.iter().any(|change| matches!(change, Change::Storm | Change::StormButOne));
        let new = if is_storm && !self.style.has_dates { 0 } else { self.dice.one(&[0, 1, 1, 2]) };
        for n in 0..new {
            let span = now.since(last).as_secs();
            self.post(last.plus(Duration::from_secs(span * (n as u64 + 1) / 4 + 1)));
        }
        let window: Vec<usize> = (self.posts.len().saturating_sub(self.style.window)..self.posts.len()).rev().collect();
        self.log.push(format!("{} {changes:?}, {new} new of {}", now.rfc3339(), self.posts.len()));
        for change in &changes {
            let any = window[self.dice.below(window.len())];
            self.rewrite(*change, any, now);
        }
        let is_served = !changes.contains(&Change::Fails);
        let document = self.document(&changes, window);
        (changes, is_served.then_some(document))
    }

    fn rewrite(&mut self, change: Change, any: usize, now: Timestamp) {
        match change {
            Change::Scheme => self.scheme = if self.scheme == "http" { "https" } else { "http" },
            Change::Host => self.ways.hosts += 1,
            Change::Churn => self.ways.churns += 1,
            Change::Title => self.posts[any].edits += 1,
            // What it says in the head of this file.
            Change::Text if self.style.has_links || self.has_guids => self.posts[any].text_edits += 1,
            Change::NoGuids => self.has_guids = !self.has_guids && self.style.guids != Guids::None,
            Change::Dates => self.posts.iter_mut().for_each(|post| post.date = now),
            Change::Trackers => self.trackers += 1,
            Change::Storm | Change::StormButOne => {
                let before = self.ways;
                self.ways = Ways { hosts: before.hosts + 1, churns: before.churns + 1, storms: before.storms + 1 };
                for (at, post) in self.posts.iter_mut().enumerate() {
                    if change == Change::StormButOne && at == any {
                        post.stays = post.stays.or(Some(before));
                    } else {
                        post.text_edits += 1;
                        post.stays = None;
                    }
                }
            }
            _ => {}
        }
    }

    fn document(&mut self, changes: &[Change], mut window: Vec<usize>) -> String {
        let mut guids: HashMap<usize, Option<String>> = window.iter().map(|at| (*at, self.guid(*at))).collect();
        // What it says in the head of this file: none comes without its guid and gets it later.
        let told: Vec<usize> = window.iter().copied().filter(|at| self.posts[*at].is_told).collect();
        for change in changes {
            let one = told.get(self.dice.below(told.len().max(1))).copied();
            let other = told.get(self.dice.below(told.len().max(1))).copied();
            match (change, one, other) {
                (Change::Reordered, ..) => (1..window.len()).for_each(|at| window.swap(at, self.dice.below(at + 1))),
                (Change::Twice, ..) => window.extend([window[self.dice.below(window.len())], window[self.dice.below(window.len())]]),
                (Change::SameGuid, Some(one), Some(other)) => drop(guids.insert(one, guids[&other].clone())),
                (Change::NoGuid, Some(one), _) => drop(guids.insert(one, None)),
                (Change::DropOut, ..) => window.retain(|_| self.dice.below(3) > 0),
                (Change::Empty, ..) => window.clear(),
                _ => {}
            }
        }
        if !self.is_partial {
            window.iter().for_each(|at| self.posts[*at].is_told |= guids[at].is_some());
        }
        let entries: String = window.iter().map(|at| self.entry(*at, guids[at].as_deref())).collect();
        let name = &self.name;
        let document = match self.style.is_atom {
            true => format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>{name}</title>{entries}</feed>"),
            false => format!("<rss version=\"2.0\"><channel><title>{name}</title>{entries}</channel></rss>"),
        };
        match changes.contains(&Change::Truncated) {
            true => document[..document.len() * (30 + self.dice.below(65)) / 100].to_owned(),
            false => document,
        }
    }

    fn ways(&self, at: usize) -> Ways {
        self.posts[at].stays.unwrap_or(self.ways)
    }

    fn host(&self, at: usize) -> String {
        format!("{}.{}.example.org", self.name, self.ways(at).hosts)
    }

    fn guid(&self, at: usize) -> Option<String> {
        let (scheme, host, churns) = (self.scheme, self.host(at), self.ways(at).churns);
        match self.style.guids {
            _ if !self.has_guids => None,
            Guids::None => None,
            Guids::Address => Some(format!("{scheme}://{host}/?p={}", at * 10 + churns * 1_000_000)),
            Guids::Opaque => Some(format!("{churns}-{at}-{}", self.name)),
        }
    }

    fn text(&self, post: &Post) -> String {
        let (name, number, edits, storms) = (&self.name, post.number, post.text_edits, self.ways(post.number).storms);
        let words = |n: usize| format!("Sentence {n} of version {edits}-{storms} of number {number} of {name} is about ropes and tides. ");
        match self.style.texts {
            Texts::Short => format!("Note {edits}."),
            Texts::Some => words(0) + "Read more on the page of the harbour.",
            Texts::Long => (0..6).map(words).collect(),
        }
    }

    fn entry(&self, at: usize, guid: Option<&str>) -> String {
        let post = &self.posts[at];
        let (scheme, host) = (self.scheme, self.host(at));
        let tracker = if self.trackers > 0 { format!("?utm_source=feed{}", self.trackers) } else { String::new() };
        let link = match self.style.has_links {
            true => format!("{scheme}://{host}/posts/{at}{tracker}"),
            false => format!("{scheme}://{host}/"),
        };
        let title = match self.style.has_titles {
            true => format!("Number {at} of {}{}{}", self.name, ", corrected".repeat(post.edits), "!".repeat(self.ways(at).storms)),
            false => String::new(),
        };
        let (truth, text) = (format!("true-{}-{at}", self.name), self.text(post));
        match self.style.is_atom {
            true => {
                let id = guid.map(|guid| format!("<id>{guid}</id>")).unwrap_or_default();
                let date = atom_date(post.date);
                let dates =
                    if self.style.has_dates { format!("<published>{date}</published><updated>{date}</updated>") } else { String::new() };
                format!(
                    "<entry><category term=\"{truth}\"/>{id}<title>{title}</title><link href=\"{link}\"/>{dates}<content type=\"html\">&lt;p&gt;{text}&lt;/p&gt;</content></entry>"
                )
            }
            false => {
                let id = guid.map(|guid| format!("<guid isPermaLink=\"false\">{guid}</guid>")).unwrap_or_default();
                let date = if self.style.has_dates { format!("<pubDate>{}</pubDate>", http_date(post.date)) } else { String::new() };
                format!(
                    "<item><category>{truth}</category><title>{title}</title><link>{link}</link>{id}{date}<description>{text}</description></item>"
                )
            }
        }
    }
}

/// All sites, and what was mailed of them.
struct Play {
    scene: Scene,
    desk: Desk,
    sites: Vec<Site>,
    served: Arc<Mutex<HashMap<String, Option<String>>>>,
    /// The issue that carried each article, by its true name.
    mailed: BTreeMap<String, IssueId>,
    /// Articles of each site that were there at the first fetch.
    baseline: usize,
    storms_held: usize,
}

impl Play {
    async fn new(sites: usize, seed: u64) -> Self {
        let served = Arc::new(Mutex::new(HashMap::<String, Option<String>>::new()));
        let shown = served.clone();
        let tables: String = (0..sites)
            .map(|n| {
                format!("[[source]]\nid = \"site-{n}\"\nurl = \"http://site-{n}.example.com:PORT/\"\nkind = \"feed\"\nevery = \"1h\"\n")
            })
            .collect();
        let digest = "[[digest]]\nid = \"all\"\nlists = [\"weekly\"]\nschedule = \"0 0 * * * *\"\nsubject = \"News\"\nlimit = 200\n";
        let scene = Scene::new(&format!("{digest}{tables}"), move |hit| {
            let name = hit.host.trim_end_matches(".example.com");
            shown.lock().unwrap()[name].clone().map_or_else(|| Answer::status(503), Answer::ok)
        })
        .await;
        let desk = scene.desk().await;
        let sites: Vec<Site> = (0..sites).map(|number| Site::new(number, seed)).collect();
        let baseline = sites[0].posts.len();
        let mut play = Self { scene, desk, sites, served, mailed: BTreeMap::new(), baseline, storms_held: 0 };
        for at in 0..play.sites.len() {
            let window = (0..play.baseline).rev().collect();
            let document = play.sites[at].document(&[Change::Nothing], window);
            play.serve(at, Some(document));
        }
        play.mail().await;
        assert_eq!(play.scene.ask().await, play.sites.len());
        play.scene.pass(Duration::from_secs(3_600));
        play.mail().await;
        assert!(play.mailed.is_empty(), "what stands there at the first fetch is not mailed: {:?}", play.mailed);
        play
    }

    fn serve(&self, site: usize, document: Option<String>) {
        self.served.lock().unwrap().insert(self.sites[site].name.clone(), document);
    }

    /// Some hours later. Every site has been rewritten in some way.
    async fn step(&mut self, hours: u64) {
        let last = self.scene.now();
        self.scene.pass(Duration::from_secs(hours * 3_600));
        let now = self.scene.now();
        let mut changes = Vec::new();
        for at in 0..self.sites.len() {
            let (change, document) = self.sites[at].step(last, now);
            self.serve(at, document);
            changes.push(change);
        }
        assert_eq!(self.scene.ask().await, self.sites.len(), "every site is asked");
        self.mail().await;
        self.look_at_held(&changes).await;
    }

    /// The worker keeps the schedule: one issue at most is due. What it carries is mailed.
    async fn mail(&mut self) {
        let digest = &self.desk.config.digests[0];
        let Some(RunResult::Issue(issue)) = worker::fire_due(&self.desk, digest).await.unwrap() else { return };
        let frozen = self.scene.store.frozen(issue).await.unwrap();
        assert!(frozen.articles.len() < digest.limit, "an issue has room for all");
        for article in &frozen.articles {
            let truth = article.tags.iter().find(|tag| tag.starts_with("true-")).unwrap_or_else(|| panic!("{article:?}")).clone();
            let (name, number) = truth.trim_start_matches("true-").rsplit_once('-').unwrap();
            let log = || self.sites.iter().find(|site| site.name == name).unwrap().log.join("\n");
            let (number, id): (usize, &str) = (number.parse().unwrap(), &article.id);
            assert!(number >= self.baseline, "{truth} was there at the first fetch, and was mailed as {id}\n{}", log());
            let before = self.mailed.get(&truth);
            assert!(before.is_none(), "{truth} was in issue {before:?} and is in {issue:?}, as {id}\n{}", log());
            self.mailed.insert(truth, issue);
        }
    }

    /// A storm is held whole, and nothing else is. The editor knows that it is no news.
    async fn look_at_held(&mut self, changes: &[Vec<Change>]) {
        let counts = self.scene.store.imported_counts(None).await.unwrap();
        let held: HashMap<&str, usize> = counts
            .iter()
            .filter(|(_, state, _)| *state == ImportState::Held)
            .map(|(source, _, count)| (source.as_str(), usize::try_from(*count).unwrap()))
            .collect();
        for (site, changes) in self.sites.iter().zip(changes) {
            let count = held.get(site.name.as_str()).copied().unwrap_or_default();
            let is_storm = changes.iter().any(|change| matches!(change, Change::Storm | Change::StormButOne));
            if is_storm {
                assert!(count * 2 > site.style.window.min(site.posts.len()), "{count} held\n{}", site.log.join("\n"));
                self.storms_held += 1;
                self.scene.store.approve_held(&site.name, false, self.scene.now()).await.unwrap();
            } else {
                assert_eq!(count, 0, "no storm, and held\n{}", site.log.join("\n"));
            }
        }
    }

    /// Everything that came after the first fetch was mailed.
    fn assert_nothing_is_lost(&self) {
        for site in &self.sites {
            for number in self.baseline..site.posts.len() {
                let truth = format!("true-{}-{number}", site.name);
                assert!(self.mailed.contains_key(&truth), "{truth} was never mailed\n{}", site.log.join("\n"));
            }
        }
    }
}

async fn play(sites: usize, steps: usize) {
    let seed = std::env::var("POSTRIDER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2_026);
    let mut dice = Dice(seed);
    let mut play = Play::new(sites, seed).await;
    for _ in 0..steps {
        play.step(3 + dice.below(28) as u64).await;
    }
    // What was cut off last shows itself whole once more.
    play.sites.iter_mut().for_each(|site| site.is_partial = true);
    play.step(5).await;
    play.assert_nothing_is_lost();
    println!("seed {seed}: {} changes, {} articles mailed, {} storms held", sites * steps, play.mailed.len(), play.storms_held);
    assert!(play.storms_held > sites / 2 && play.mailed.len() > sites, "something happened");
}

#[tokio::test]
async fn a_thousand_rewritten_feeds_mail_nothing_twice_and_lose_nothing() {
    play(40, 25).await;
}

#[tokio::test]
#[ignore = "needs minutes"]
async fn ten_thousand_rewritten_feeds_mail_nothing_twice_and_lose_nothing() {
    play(100, 100).await;
}
