//! What makes an entry the same as one that is known, and when the guard holds what looks new. A small shelf of keys stands for the store.

use std::collections::HashMap;

use postrider::import::guard::{NewEntry, held};
use postrider::import::identity::{Facts, Keys, Match, keys, matches};
use postrider::model::Timestamp;
use url::Url;

/// An entry of a feed.
#[derive(Debug, Clone, Default, PartialEq)]
struct Item {
    guid: Option<String>,
    link: Option<Url>,
    title: String,
    text: String,
}

impl Item {
    fn facts(&self) -> Facts<'_> {
        Facts { guid: self.guid.as_deref(), link: self.link.as_ref(), title: &self.title, text: &self.text }
    }
}

fn text(number: usize) -> String {
    format!("The harbour master wrote article number {number} about tides, ropes and the weather; it has some words. ").repeat(3)
}

/// A sound entry with everything of its own.
fn item(number: usize) -> Item {
    Item {
        guid: Some(format!("https://example.org/?p={number}")),
        link: Some(Url::parse(&format!("https://example.org/posts/{number}")).unwrap()),
        title: format!("Article {number}"),
        text: text(number),
    }
}

fn link(link: &str) -> Option<Url> {
    Some(Url::parse(link).unwrap())
}

/// What the store does: numbers for new entries, keys stay with whoever had them first.
#[derive(Default)]
struct Shelf {
    known: HashMap<String, i64>,
    count: i64,
}

impl Shelf {
    /// A shelf that has seen these.
    fn of(items: &[Item]) -> Self {
        let mut shelf = Self::default();
        shelf.fetch(items);
        shelf
    }

    /// What a fetch finds, and keeps: for each entry its number; those that are new have the highest.
    fn fetch(&mut self, items: &[Item]) -> Vec<i64> {
        let all = keys_of(items);
        let found = matches(&all, |key| self.known.get(key).copied());
        let mut numbers: Vec<i64> = Vec::new();
        for (keys, found) in all.iter().zip(&found) {
            let number = match found {
                Match::Known(number) => *number,
                Match::Twin(first) => numbers[*first],
                Match::New => {
                    self.count += 1;
                    self.count
                }
            };
            for key in &keys.known_by {
                self.known.entry(key.clone()).or_insert(number);
            }
            numbers.push(number);
        }
        numbers
    }
}

fn keys_of(items: &[Item]) -> Vec<Keys> {
    keys(&items.iter().map(Item::facts).collect::<Vec<_>>())
}

/// Five sound entries, changed each in one way: all are known, each as itself.
#[track_caller]
fn assert_known(what: &str, change: impl Fn(usize, &mut Item)) {
    let before: Vec<Item> = (1..=5).map(item).collect();
    let mut after = before.clone();
    after.iter_mut().enumerate().for_each(|(at, item)| change(at + 1, item));
    assert_ne!(before, after, "{what} changes nothing");
    let mut shelf = Shelf::of(&before);
    assert_eq!(shelf.fetch(&after), [1, 2, 3, 4, 5], "{what}");
    assert_eq!(shelf.fetch(&before), [1, 2, 3, 4, 5], "{what}, and back again");
}

#[test]
fn an_entry_is_the_same_however_one_thing_about_it_changes() {
    assert_known("guids move to http", |number, item| item.guid = Some(format!("http://example.org/?p={number}")));
    assert_known("guids move to www and get a slash", |number, item| item.guid = Some(format!("https://www.example.org/?p={number}")));
    assert_known("guids are new", |number, item| item.guid = Some(format!("urn:new:{number}")));
    assert_known("guids are gone", |_, item| item.guid = None);
    assert_known("guids are all the same", |_, item| item.guid = Some("https://example.org/feed".to_owned()));
    assert_known("guids are the site's address", |_, item| item.guid = Some("https://example.org/".to_owned()));
    assert_known("guids are empty", |_, item| item.guid = Some(" ".to_owned()));
    assert_known("links move to http", |number, item| item.link = link(&format!("http://example.org/posts/{number}")));
    assert_known("links tell where a click came from", |number, item| {
        item.link = link(&format!("https://example.org/posts/{number}?utm_source=rss&fbclid=1"));
    });
    assert_known("links move to another host", |number, item| item.link = link(&format!("https://example.com/blog/{number}")));
    assert_known("links are gone", |_, item| item.link = None);
    assert_known("links are all the home page", |_, item| item.link = link("https://example.org/"));
    assert_known("links are all one page", |_, item| item.link = link("https://example.org/news"));
    assert_known("titles are edited", |number, item| item.title = format!("Corrected: article {number}"));
    assert_known("titles are gone", |_, item| item.title.clear());
    assert_known("texts are edited", |number, item| item.text = format!("{} And one more sentence.", text(number)));
    assert_known("texts are gone", |_, item| item.text.clear());
    assert_known("texts are cut short", |number, item| item.text = text(number)[..70].to_owned());
}

#[test]
fn an_entry_is_the_same_when_a_site_moves_with_everything_it_has() {
    assert_known("the site moves to https and another host", |number, item| {
        item.guid = Some(format!("https://new.example.com/?p={number}"));
        item.link = link(&format!("https://new.example.com/posts/{number}"));
    });
    let without_guid = |item: &mut Item| item.guid = None;
    let mut before: Vec<Item> = (1..=5).map(item).collect();
    before.iter_mut().for_each(without_guid);
    let mut after = before.clone();
    for (number, item) in (1..).zip(&mut after) {
        item.title = format!("Corrected: article {number}");
        item.link = link(&format!("https://example.org/posts/corrected-article-{number}"));
    }
    assert_eq!(Shelf::of(&before).fetch(&after), [1, 2, 3, 4, 5], "addresses follow titles, and there are no guids");
    assert_known("the program is another, the addresses stay", |number, item| {
        item.guid = Some(format!("tag:example.org,2026:{number}"));
        item.text = format!("Only the beginning of article {number}");
    });
    assert_known("the program is another, and knows no guids", |number, item| {
        item.guid = None;
        item.title = format!("Post {number}");
        item.text.clear();
    });
}

#[test]
fn the_order_of_a_feed_means_nothing() {
    let items: Vec<Item> = (1..=5).map(item).collect();
    let mut shelf = Shelf::of(&items);
    let reversed: Vec<Item> = items.iter().rev().cloned().collect();
    assert_eq!(shelf.fetch(&reversed), [5, 4, 3, 2, 1]);
}

#[test]
fn entries_that_drop_out_and_come_back_are_known() {
    let items: Vec<Item> = (1..=5).map(item).collect();
    let mut shelf = Shelf::of(&items);
    assert_eq!(shelf.fetch(&items[..2]), [1, 2]);
    assert_eq!(shelf.fetch(&[]), Vec::<i64>::new());
    assert_eq!(shelf.fetch(&[items[4].clone(), item(6), items[0].clone()]), [5, 6, 1]);
}

#[test]
fn a_new_entry_is_new_whatever_it_has_in_common_with_others() {
    let news = |change: &dyn Fn(&mut Item)| {
        let mut shelf = Shelf::of(&(1..=3).map(item).collect::<Vec<_>>());
        let mut new = item(4);
        change(&mut new);
        shelf.fetch(&[new, item(1), item(2), item(3)])
    };
    // In front of all others, and behind them.
    let all = [4, 1, 2, 3];
    let behind = |change: &dyn Fn(&mut Item)| {
        let mut shelf = Shelf::of(&(1..=3).map(item).collect::<Vec<_>>());
        let mut new = item(4);
        change(&mut new);
        shelf.fetch(&[item(1), item(2), item(3), new])
    };
    assert_eq!(behind(&|new| new.text = item(1).text), [1, 2, 3, 4], "a text of another, behind it");
    assert_eq!(behind(&|new| new.title = item(1).title), [1, 2, 3, 4], "a title of another, behind it");
    assert_eq!(news(&|new| new.title = item(1).title), all, "a title of another");
    assert_eq!(news(&|new| new.text = item(1).text), all, "a text of another");
    assert_eq!(news(&|new| new.link = item(1).link), all, "a link of another");
    assert_eq!(news(&|new| new.guid = item(1).guid), all, "a guid of another");
    assert_eq!(news(&|new| (new.guid, new.link) = (item(1).guid, item(1).link)), all, "a guid and a link of another");
    assert_eq!(news(&|new| (new.guid, new.link) = (None, None)), all, "neither guid nor link");
}

#[test]
fn entries_numbered_by_their_place_are_told_apart_by_their_pages() {
    let at_place = |place: usize, number: usize| Item { guid: Some(format!("item-{place}")), text: String::new(), ..item(number) };
    let mut shelf = Shelf::of(&[at_place(1, 3), at_place(2, 2), at_place(3, 1)]);
    let after = [at_place(1, 4), at_place(2, 3), at_place(3, 2)];
    assert_eq!(shelf.fetch(&after), [4, 1, 2], "the first is new, the others moved down");
}

#[test]
fn pictures_that_all_lead_to_one_page_and_say_the_same_are_all_new() {
    // One entry at a time, with a guid of its own.
    let picture = |day: usize, page: &str, words: usize| Item {
        guid: Some(format!("picture-{day}")),
        link: link(page),
        title: format!("Picture of day {day}"),
        text: "Here you see the picture of today, which you may also look at on our page; prints are for sale. ".repeat(words),
    };
    for page in ["https://example.org/", "https://example.org/latest", "https://example.org/?page=latest"] {
        for words in [0, 1, 5] {
            let mut shelf = Shelf::default();
            let numbers: Vec<i64> = (1..=4).flat_map(|day| shelf.fetch(&[picture(day, page, words)])).collect();
            assert_eq!(numbers, [1, 2, 3, 4], "{page}, one at a time");
            let numbers =
                shelf.fetch(&[picture(4, page, words), picture(5, page, words), picture(6, page, words), picture(3, page, words)]);
            assert_eq!(numbers, [4, 5, 6, 3], "{page}, several at once");
        }
    }
}

#[test]
fn places_on_one_page_are_different_entries() {
    let change = |version: usize| Item {
        guid: Some(format!("https://example.org/changes#v{version}")),
        link: link(&format!("https://example.org/changes#v{version}")),
        title: format!("Version {version}"),
        text: String::new(),
    };
    let mut shelf = Shelf::default();
    assert_eq!((1..=3).flat_map(|version| shelf.fetch(&[change(version)])).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(shelf.fetch(&[change(4), change(3), change(2)]), [4, 3, 2]);
}

#[test]
fn what_stands_in_a_feed_twice_is_one_article() {
    let mut shelf = Shelf::default();
    assert_eq!(shelf.fetch(&[item(1), item(1), item(2)]), [1, 1, 2]);
    assert_eq!(shelf.fetch(&[item(2), item(1), item(2), item(1)]), [2, 1, 2, 1], "later too, and in another order");
    assert_eq!(shelf.fetch(&[item(3)]), [3]);
    assert_eq!(shelf.fetch(&[item(3), item(3), item(1)]), [3, 3, 1], "one that was known is known when it is doubled");
    let short = Item { text: "Short.".to_owned(), ..item(4) };
    assert_eq!(shelf.fetch(std::slice::from_ref(&short)), [4]);
    assert_eq!(shelf.fetch(&[short.clone(), short]), [4, 4]);
    let again = Item { guid: Some("urn:again".to_owned()), link: link("https://mirror.example.com/5"), ..item(5) };
    assert_eq!(shelf.fetch(&[item(5), again]), [5, 5], "under two addresses, with one title and one text");
}

#[test]
fn notes_that_say_the_same_little_are_not_one() {
    let note = |number: usize| Item { title: "Photo".to_owned(), text: "Click!".to_owned(), ..item(number) };
    let mut shelf = Shelf::default();
    assert_eq!(shelf.fetch(&[note(1), note(2)]), [1, 2]);
    assert_eq!(shelf.fetch(&[note(3), note(1), note(2)]), [3, 1, 2]);
    let untitled = |number: usize| Item { title: String::new(), text: String::new(), ..item(number) };
    assert_eq!(shelf.fetch(&[untitled(7), untitled(8)]), [4, 5]);
    assert_eq!(shelf.fetch(&[untitled(9), untitled(8), untitled(7)]), [6, 5, 4]);
}

#[test]
fn entries_with_nothing_of_their_own_are_told_apart_by_what_they_say() {
    let bare = |title: &str, text: &str| Item { title: title.to_owned(), text: text.to_owned(), ..Item::default() };
    let mut shelf = Shelf::default();
    assert_eq!(shelf.fetch(&[bare("Tide", "High."), bare("Tide", "Low.")]), [1, 2]);
    assert_eq!(shelf.fetch(&[bare("Tide", "Low."), bare("Rope", "Long."), bare("TIDE", "high")]), [2, 3, 1]);
    let long = "Nobody who waits for the tide waits alone, and the harbour master counts them all.";
    let mut edited = Shelf::of(&[bare("Tide", long), bare("Rope", "Long.")]);
    assert_eq!(
        edited.fetch(&[bare("Rope", "Long."), bare("The tide", long)]),
        [2, 1],
        "a title is edited, and there is nothing but a text"
    );
    let one_link = |title: &str| Item { link: link("https://example.org/news"), ..bare(title, "") };
    assert_eq!(shelf.fetch(&[one_link("First"), one_link("Second")]), [4, 5]);
    assert_eq!(shelf.fetch(&[one_link("Third"), one_link("First"), one_link("Second")]), [6, 4, 5]);
}

#[test]
fn two_that_share_a_guid_are_still_told_apart_when_one_is_left() {
    let (one, two) = (Item { guid: Some("same".to_owned()), ..item(1) }, Item { guid: Some("same".to_owned()), ..item(2) });
    let mut shelf = Shelf::of(std::slice::from_ref(&one));
    assert_eq!(shelf.fetch(&[two.clone(), one.clone()]), [2, 1]);
    assert_eq!(shelf.fetch(std::slice::from_ref(&two)), [2], "its page and its text say more than a guid that was another's");
    assert_eq!(shelf.fetch(&[one]), [1]);
}

/// An instant so many hours after the last fetch, or before it.
fn hours(hours: i64) -> NewEntry {
    NewEntry { published: Some(Timestamp::from_secs(LAST.secs() + hours * 3_600)) }
}

const LAST: Timestamp = Timestamp::from_secs(1_795_435_200);
const UNDATED: NewEntry = NewEntry { published: None };

/// How many of these are held in a feed of so many entries.
fn held_of(new: &[NewEntry], total: usize) -> usize {
    held(new, total, LAST).iter().filter(|held| **held).count()
}

#[test]
fn what_is_new_is_not_held() {
    assert_eq!(held_of(&[], 10), 0);
    assert_eq!(held_of(&[hours(1)], 10), 0);
    assert_eq!(held_of(&[hours(1); 10], 10), 0, "a feed that was not asked for a week may bring only new entries");
    assert_eq!(held_of(&[hours(5); 500], 500), 0);
    assert_eq!(held_of(&[hours(-10), hours(-20)], 10), 0, "authors date by the day, and caches are late");
    assert_eq!(held_of(&[hours(-10), hours(-10), hours(1)], 4), 0, "most are new, one is known, and none is really old");
    assert_eq!(held_of(&[hours(-1_000); 4], 10), 0, "a few old ones are an author who fills gaps");
    assert_eq!(held_of(&[hours(-1_000); 20], 100), 0);
    assert_eq!(held_of(&[UNDATED], 10), 0);
    assert_eq!(held_of(&[UNDATED; 9], 10), 0, "where one is known still, what says nothing of its date is news");
    assert_eq!(held_of(&[hours(-1_000)], 1), 0, "a feed of one entry is no feed to count shares in");
}

#[test]
fn a_storm_is_held_and_what_is_surely_new_in_it_is_not() {
    assert_eq!(held_of(&[hours(-1_000); 10], 10), 10);
    assert_eq!(held_of(&[hours(-1_000); 6], 10), 6);
    assert_eq!(held_of(&[hours(-1_000); 21], 100), 21, "twenty old ones at once are too many in any feed");
    assert_eq!(held_of(&[UNDATED; 6], 6), 6);
    let mixed: Vec<NewEntry> = [vec![hours(-1_000); 6], vec![hours(2); 2]].concat();
    assert_eq!(held(&mixed, 8, LAST), [true, true, true, true, true, true, false, false]);
    let late = [hours(-1_000), hours(-500), hours(-100), hours(-20), hours(-1), hours(1)];
    assert_eq!(held(&late, 6, LAST), [true, true, true, true, true, false], "in a storm, late ones are not given the benefit of the doubt");
    let busy = [hours(-1), hours(-3), hours(-5), hours(-8), hours(-13)];
    assert_eq!(held_of(&busy, 5), 5, "a site that writes every few hours has nothing old to show; that nothing is known any more tells it");
    assert_eq!(held_of(&[hours(-1), hours(-3), hours(5), hours(8), hours(13)], 5), 0);
}
