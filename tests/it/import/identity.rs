//! What makes an entry the same as one that is known, and when the guard holds what looks new. A small shelf of keys stands for the store.

use std::collections::HashMap;

use postrider::import::guard::{Place, held};
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

/// What the store does: numbers for new entries; keys stay with whoever had them first, and a page with its title goes to whoever has it now.
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
        let found = matches(&all, |key| self.known.get(key).copied(), |_| false);
        let number = |found: &Match| match found {
            Match::Known(number) => *number,
            Match::Twin(_) => 0,
            Match::New => {
                self.count += 1;
                self.count
            }
        };
        let numbers: Vec<i64> = found.iter().map(number).collect();
        let of = |found: &Match, number: i64| if let Match::Twin(first) = found { numbers[*first] } else { number };
        let numbers: Vec<i64> = found.iter().zip(&numbers).map(|(found, number)| of(found, *number)).collect();
        for (keys, number) in all.iter().zip(&numbers) {
            for key in &keys.known_by {
                let kept = self.known.entry(key.clone()).or_insert(*number);
                if key.starts_with("page ") {
                    *kept = *number;
                }
            }
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
fn an_entry_is_the_same_when_a_site_moves_and_its_title_is_edited_at_once() {
    let old = |what: &str, number: usize| {
        let mut item = item(number);
        item.text = if what.contains("short") { format!("Note {}.", number % 2) } else { text(number) };
        item.link = if what.contains("without links") { link("https://example.org/") } else { item.link };
        item.guid = item.guid.filter(|_| !what.contains("without guids"));
        item
    };
    for what in ["", "short", "without links", "without guids", "short, without guids"] {
        let before: Vec<Item> = (1..=5).map(|number| old(what, number)).collect();
        let moved = |item: &Item| {
            let to = |url: &str| url.replace("example.org", "new.example.com");
            let link = item.link.as_ref().and_then(|link| Url::parse(&to(link.as_str())).ok());
            Item { guid: item.guid.as_deref().map(to), link, title: format!("Corrected: {}", item.title), ..item.clone() }
        };
        let after: Vec<Item> = before.iter().map(moved).collect();
        assert_eq!(Shelf::of(&before).fetch(&after), [1, 2, 3, 4, 5], "{what}");
    }
    let before: Vec<Item> = (1..=5).map(|number| old("without links", number)).collect();
    let after: Vec<Item> = before.iter().map(|item| Item { guid: None, title: format!("{}!", item.title), ..item.clone() }).collect();
    assert_eq!(Shelf::of(&before).fetch(&after), [1, 2, 3, 4, 5], "guids are gone, titles are edited, and there are no links");
}

#[test]
fn articles_of_different_sites_have_one_place_and_are_two() {
    let of = |site: &str, text: &str| Item {
        guid: Some(format!("https://{site}.example.org/?p=12")),
        link: link(&format!("https://{site}.example.org/weekly")),
        title: "This week".to_owned(),
        text: text.to_owned(),
    };
    for (one, other) in [("Much was done on the pier.", "Nothing was done in the mill."), ("", "")] {
        let mut shelf = Shelf::of(&[of("pier", one)]);
        assert_eq!(shelf.fetch(&[of("mill", other)]), [2], "a feed that gathers shows one at a time");
        assert_eq!(shelf.fetch(&[of("pier", one), of("mill", other)]), [1, 2]);
    }
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
fn a_re_post_is_no_news_above_the_first_one_and_below_it() {
    let again = Item { guid: Some("urn:again".to_owned()), link: link("https://mirror.example.com/5"), ..item(5) };
    assert_eq!(Shelf::of(&[item(5), item(6)]).fetch(&[item(5), again.clone(), item(6)]), [1, 1, 2], "below");
    let mut shelf = Shelf::of(&[item(5), item(6)]);
    assert_eq!(shelf.fetch(&[again.clone(), item(5), item(6)]), [1, 1, 2], "above");
    let edited = Item { text: format!("{} And one more sentence.", item(5).text), ..again };
    assert_eq!(shelf.fetch(&[edited, item(6)]), [1, 2], "it is known by its own guid from then on");
}

/// What a feed shows that has one thing a day, always under one title and one address.
fn daily(day: usize) -> Item {
    Item {
        guid: Some(format!("day-{day}")),
        link: link("https://example.org/table"),
        title: "Table of tides".to_owned(),
        text: text(100 + day),
    }
}

#[test]
fn what_stands_under_one_title_and_address_every_day_is_new_every_day() {
    let mut shelf = Shelf::of(&[daily(1)]);
    assert_eq!(shelf.fetch(&[daily(2)]), [2]);
    assert_eq!(shelf.fetch(&[daily(2)]), [2]);
    assert_eq!(shelf.fetch(&[daily(3)]), [3]);
    let edited = Item { text: format!("{} And one more sentence.", daily(3).text), ..daily(3) };
    assert_eq!(shelf.fetch(&[edited]), [3], "it is edited");
    assert_eq!(shelf.fetch(&[daily(1)]), [1], "yesterday's comes back");
    assert_eq!(shelf.fetch(&[daily(4), daily(3)]), [4, 3], "two at once");
    assert_eq!(shelf.fetch(&[daily(5)]), [5]);

    let short = |day: usize| Item { text: format!("High water at {day} o'clock."), ..daily(day) };
    let mut shelf = Shelf::of(&[short(1)]);
    assert_eq!((shelf.fetch(&[short(2)]), shelf.fetch(&[short(3)])), (vec![2], vec![3]), "with few words");
    let mut shelf = Shelf::of(&[daily(1), item(1), item(2)]);
    assert_eq!(shelf.fetch(&[daily(2), item(1), item(2)]), [4, 2, 3], "among others");
    assert_eq!(shelf.fetch(&[daily(3), item(3), item(1)]), [5, 6, 2]);
}

#[test]
fn what_was_edited_and_got_another_guid_is_known_where_something_tells_it() {
    let edited = |guid: &str| Item { guid: Some(guid.to_owned()), text: format!("{} And one more sentence.", text(1)), ..item(1) };
    assert_eq!(
        Shelf::of(&[item(1), item(2)]).fetch(&[edited("https://example.org/posts/1#3"), item(2)]),
        [1, 2],
        "a mark that counts edits"
    );
    let renamed = Item { guid: Some("urn:2".to_owned()), ..item(2) };
    assert_eq!(Shelf::of(&[item(1), item(2)]).fetch(&[edited("urn:1"), renamed]), [1, 2], "all have other guids");
    let same_text = Item { guid: Some("urn:1".to_owned()), ..item(1) };
    assert_eq!(Shelf::of(&[item(1), item(2)]).fetch(&[same_text, item(2)]), [1, 2], "the text is the same");
    let shelf = Shelf::of(&[item(1), item(2)]);
    let keys = keys_of(&[edited("urn:1"), item(2)]);
    let found = |is_old: bool| matches(&keys, |key| shelf.known.get(key).copied(), |_| is_old);
    assert_eq!(found(true), [Match::Known(1), Match::Known(2)], "its date says that it is old");
    assert_eq!(found(false), [Match::New, Match::Known(2)], "nothing does");
}

#[test]
fn keys_are_short_however_long_guids_and_links_are() {
    let long = |number: usize| Item {
        guid: Some(format!("{}{number}", "guid".repeat(2_000))),
        link: link(&format!("https://example.org/{}{number}", "deep/".repeat(2_000))),
        ..item(number)
    };
    for keys in keys_of(&[long(1), long(2), item(3)]) {
        assert!(keys.known_by.len() >= 4 && keys.known_by.iter().all(|key| key.len() <= 410), "{keys:?}");
    }
    let mut shelf = Shelf::of(&[long(1), long(2)]);
    let edited = |item: Item| Item { title: "Other".to_owned(), text: "Other.".to_owned(), ..item };
    assert_eq!(shelf.fetch(&[edited(Item { link: None, ..long(2) }), long(3), Item { guid: None, ..edited(long(1)) }]), [2, 3, 1]);
    let short = keys_of(&[item(3)]).remove(0).known_by;
    assert!(short.contains(&"guid //example.org?p=3".to_owned()) && short.contains(&"link example.org/posts/3".to_owned()), "{short:?}");
}

#[test]
fn a_point_between_numbers_and_the_sign_of_a_language_tell_two_entries_apart() {
    let said = |name: &str| Item {
        guid: Some(format!("tag:example.org,2026:{name}")),
        link: link(&format!("https://example.org/{}", name.replace(['+', '#'], "x"))),
        title: format!("Keeper {name}"),
        text: format!("Keeper {name} is out. Faults are mended and the lamp burns longer; whoever uses it should take it up soon."),
    };
    for (one, other) in [("1.11.0", "1.1.10"), ("2.10", "21.0"), ("for C++", "for C#"), ("for C", "for C++")] {
        let mut shelf = Shelf::default();
        let both = shelf.fetch(&[said(one), said(other)]);
        assert_ne!(both[0], both[1], "{one} and {other} in one fetch");
        let mut shelf = Shelf::of(&[said(one)]);
        assert_eq!(shelf.fetch(&[said(one), said(other)]).len(), 2);
        assert_eq!(shelf.count, 2, "{other} after {one}");
    }
    let quoted = |text: &str| Item { text: text.repeat(3), ..item(1) };
    let shelf = &mut Shelf::of(&[quoted("“Tides” – he said – come … and go. It’s 5 o’clock. ")]);
    let again = Item { guid: None, link: None, ..quoted("\"Tides\" - he said - come ... and go.\u{a0}It's 5 o'clock. ") };
    assert_eq!(shelf.fetch(&[again]), [1], "quotes, dashes and spaces are nothing");
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

#[test]
fn a_guid_that_went_over_to_another_entry_takes_none_with_it() {
    let bare = |number: usize| Item { link: None, ..item(number) };
    let taken = Item { guid: bare(2).guid, ..bare(1) };
    let left = Item { guid: None, ..bare(2) };
    assert_eq!(Shelf::of(&[bare(1), bare(2)]).fetch(&[taken.clone(), left.clone()]), [1, 2]);
    assert_eq!(Shelf::of(&[bare(1), bare(2)]).fetch(&[left, taken.clone()]), [2, 1], "in the other order");
    let corrected = Item { text: text(1), title: item(1).title, ..bare(2) };
    assert_eq!(
        Shelf::of(&[bare(1), bare(2)]).fetch(&[bare(1), corrected]),
        [1, 2],
        "where the text is another's as well, the guid is all there is"
    );
    let edited = Item { text: text(9), ..bare(2) };
    assert_eq!(Shelf::of(&[bare(1), bare(2)]).fetch(&[bare(1), edited]), [1, 2], "the guid of what was edited is believed");
}

#[test]
fn a_guid_that_two_have_on_a_site_that_moved_says_nothing_of_either() {
    let note = |number: usize, guid: usize, host: &str, text: &str| Item {
        guid: Some(format!("https://{host}/?p={guid}")),
        link: link(&format!("https://{host}/posts/{number}")),
        text: text.to_owned(),
        ..item(number)
    };
    let mut shelf = Shelf::of(&[note(1, 1, "example.org", "Note 0."), note(2, 2, "example.org", "Note 0.")]);
    assert_eq!(shelf.fetch(&[note(1, 1, "example.org", "Note 0."), note(2, 2, "example.org", "Note 1.")]), [1, 2]);
    let moved = [note(1, 2, "example.com", "Note 0."), note(2, 2, "example.com", "Note 1.")];
    assert_eq!(shelf.fetch(&moved), [1, 2], "what the second said once is no sign of it under a guid that the first has as well");
}

const LAST: Timestamp = Timestamp::from_secs(1_795_435_200);

/// A feed in one line, a sign for each entry from the first: a letter is one that is known; `?` is new and says nothing of when it is from; `-` is new and
/// dated long before the last fetch, `~` a few hours before it, `+` a few hours after it.
fn places(feed: &str) -> Vec<Place> {
    let hours = |hours: i64| Place::New(Some(Timestamp::from_secs(LAST.secs() + hours * 3_600)));
    let place = |sign: char| match sign {
        '?' => Place::New(None),
        '-' => hours(-1_000),
        '~' => hours(-5),
        '+' => hours(5),
        known => Place::Known(i64::from(u32::from(known))),
    };
    feed.chars().map(place).collect()
}

/// The feed `now` after it was `before`, with `#` for what is held.
fn guarded(before: &str, now: &str) -> String {
    let before: Vec<i64> = before.chars().map(|known| i64::from(u32::from(known))).collect();
    let entries = places(now);
    let marks = held(&entries, &before, LAST);
    assert_eq!(marks.len(), entries.len());
    now.chars().zip(marks).map(|(sign, held)| if held { '#' } else { sign }).collect()
}

/// So many known entries.
fn known(count: u32) -> String {
    (0..count).filter_map(|n| char::from_u32(0x4e00 + n)).collect()
}

#[test]
fn entries_without_dates_are_news_where_they_push_and_a_storm_where_they_replace() {
    let ten = "abcdefghij";
    for (before, now, why) in [
        (ten, "abcdefghij", "nothing is new"),
        (ten, "?abcdefghi", "one at the top"),
        (ten, "??????abcd", "six of ten"),
        (ten, "?????????a", "nine of ten, and what was the newest is the last now"),
        (ten, "ghij??????", "the newest are at the end of this feed"),
        (ten, "j?????????", "nine of ten there"),
        ("a", "??a", "a small feed grows"),
        ("abc", "??a", "two of three"),
        ("abc", "abc?????", "it grows at its end"),
        (ten, "a??????bcd", "one is pinned"),
        (ten, "ab??????cd", "two are"),
        (ten, "??????acde", "the author took one away as well"),
        (ten, "??????dbca", "in another order, too"),
        ("ab", "??abcdefgh", "it was cut short at the last fetch"),
        ("", "??????abcd", "what stood there last is not known"),
        (ten, "abcd?fghij", "one has nothing left to be known by"),
        (ten, "a?c?e?g?i?", "half of it: an editor has been busy"),
        ("a", "?", "in a feed of one entry nothing can be told by shares"),
    ] {
        assert_eq!(guarded(before, now), now, "{before} became {now}, nothing is held: {why}");
    }
    for (before, now, held, why) in [
        (ten, "??????????", "##########", "all ids are others"),
        (ten, "a?????????", "a#########", "the first is known still, and where it was"),
        (ten, "?????????j", "#########j", "the last"),
        (ten, "????e?????", "####e#####", "one in the middle"),
        (ten, "??c????h??", "##c####h##", "two"),
        (ten, "a??d?????j", "a##d#####j", "three of ten"),
        (ten, "????c?????", "####c#####", "with two that are news: nobody can tell which"),
        (ten, "?????c????", "#####c####", "with three"),
        (ten, "?????????????j", "#############j", "the feed shows more than before"),
        (ten, "???d??", "###d##", "and less"),
        (ten, "d?????????", "d#########", "in another order, too"),
        (ten, "??????", "######", "less, and nothing known"),
        ("", "??????", "######", "what stood there last is not known, and nothing is any more"),
        ("abc", "?b?", "#b#", "a small feed"),
    ] {
        assert_eq!(guarded(before, now), held, "{before} became {now}: {why}");
    }
    let (many, rest) = (known(100), known(79));
    assert_eq!(guarded(&many, &format!("{rest}{}", "?".repeat(21))), format!("{rest}{}", "#".repeat(21)), "too many in any feed");
    assert_eq!(guarded(&many, &format!("{}{rest}", "?".repeat(21))), format!("{}{rest}", "?".repeat(21)), "as many that push");
}

#[test]
fn what_is_new_is_not_held() {
    let ten = "abcdefghij";
    for (now, why) in [
        ("", "an empty feed"),
        ("+abcdefghi", "one"),
        ("++++++++++", "a feed that was not asked for a week may bring only new entries"),
        ("~~abcdefgh", "authors date by the day, and caches are late"),
        ("~~+a", "most are new, one is known, and none is really old"),
        ("----abcdef", "a few old ones are an author who fills gaps"),
        ("-", "a feed of one entry is no feed to count shares in"),
        ("~~+++", "nothing is known, and most is dated after the last fetch"),
    ] {
        assert_eq!(guarded(ten, now), now, "{why}");
    }
    assert_eq!(guarded("", &"+".repeat(500)), "+".repeat(500));
    let filled = format!("{}{}", "-".repeat(20), known(80));
    assert_eq!(guarded(&known(80), &filled), filled);
}

#[test]
fn a_storm_is_held_and_what_is_surely_new_in_it_is_not() {
    let ten = "abcdefghij";
    for (now, held, why) in [
        ("----------", "##########", "all are old"),
        ("---------j", "#########j", "all but one"),
        ("~~~~~~~~~j", "#########j", "all but one of a site that writes much"),
        ("~~~---d~~~", "######d###", "some are old, and the others stand where others stood"),
        ("------++", "######++", "what is surely new goes out"),
        ("----~~+", "######+", "in a storm, late ones are not given the benefit of the doubt"),
        ("~~~~~", "#####", "a site that writes every few hours has nothing old to show; that nothing is known any more tells it"),
        ("---???", "######", "some are dated"),
    ] {
        assert_eq!(guarded(ten, now), held, "{why}");
    }
    let (rest, old) = (known(79), "-".repeat(21));
    assert_eq!(
        guarded(&rest, &format!("{old}{rest}")),
        format!("{}{rest}", "#".repeat(21)),
        "twenty old ones at once are too many in any feed"
    );
}
