//! What may be shown in public of what was sent, on both engines.

use std::path::Path;

use postrider::model::Segment;

use super::*;

#[tokio::test]
async fn mailings_to_whole_lists_are_for_the_archive_until_they_are_called_off() {
    let desk = Desk::with_readers(2).await;
    let make = async |new: NewIssue| desk.store.create_issue(&new, at(0)).await.unwrap();
    let everybody = Segment::parse("email = \"*\"", Path::new("--where"), &["a"]).unwrap().at(at(0), chrono_tz::UTC);
    let whole = make(letter(&["a"])).await;
    let part = make(NewIssue { only: Some(everybody), ..letter(&["a"]) }).await;
    let later = make(NewIssue { scheduled_at: Some(at(100)), ..letter(&["a"]) }).await;
    assert_eq!(desk.store.whole_issues().await.unwrap(), [], "nothing goes yet");
    desk.store.sendable_issues(at(0)).await.unwrap();
    assert_eq!(desk.store.whole_issues().await.unwrap(), [whole], "what goes to a part ({part:?}) or later ({later:?}) is not for all");
    assert!(!desk.store.has_left(whole).await.unwrap(), "nothing has left");

    let (lease, people) = desk.claim(whole, 1, at(1)).await;
    desk.store.commit(&lease, &[], &people, at(1)).await.unwrap();
    assert!(!desk.store.has_left(whole).await.unwrap(), "to attempt is not to send");
    desk.store.commit(&lease, &[sent(people[0])], &[], at(2)).await.unwrap();
    assert!(desk.store.has_left(whole).await.unwrap());
    let past = desk.store.past_issue(whole).await.unwrap().unwrap();
    assert_eq!((past.subject.as_str(), past.number, past.sent_at), ("News", None, at(1)), "a letter, from when it began to go out");

    desk.store.pause_issue(whole, "a look", at(3)).await.unwrap();
    assert_eq!(desk.store.whole_issues().await.unwrap(), [whole], "a pause hides nothing");
    desk.store.cancel_issue(whole, at(4)).await.unwrap();
    assert_eq!(desk.store.whole_issues().await.unwrap(), [], "what is called off is taken back");
    desk.store.sendable_issues(at(200)).await.unwrap();
    assert_eq!(desk.store.whole_issues().await.unwrap(), [later], "its time has come");
    assert_eq!(desk.store.past_issue(IssueId(99)).await.unwrap(), None);
}

#[tokio::test]
async fn an_archived_digest_keeps_no_bodies_and_a_letter_keeps_its_own() {
    let desk = Desk::with_readers(1).await;
    let article = |title: &str| postrider::model::issue::FrozenArticle {
        id: title.to_owned(),
        title: title.to_owned(),
        url: format!("https://example.org/{title}/"),
        summary: "In short.".into(),
        html: "<p>At length.</p>".into(),
        text: "-- At _length_ [1] ------\nand   ÄNGSTLICH.".into(),
        published: None,
        authors: Vec::new(),
        tags: Vec::new(),
        language: None,
        image: None,
        origin: None,
        minutes: 1,
    };
    let with = |new: NewIssue| NewIssue { frozen: Frozen { articles: vec![article("one"), article("two")], ..new.frozen.clone() }, ..new };
    let one = desk.store.create_issue(&with(letter(&["a"])), at(0)).await.unwrap();
    let two = desk.store.create_issue(&NewIssue { digest: Some("weekly".into()), ..with(letter(&["a"])) }, at(0)).await.unwrap();
    let (one, mut two) = (desk.store.past_issue(one).await.unwrap().unwrap(), desk.store.past_issue(two).await.unwrap().unwrap());
    assert_eq!(one.letter().map(|article| article.html.as_str()), Some("<p>At length.</p>"));
    assert!(two.letter().is_none() && two.number == Some(1) && two.articles.iter().all(|article| article.html.is_empty()), "{two:?}");
    for words in ["news", "one", "in short.", "at length and ängstlich."] {
        assert!(two.words.contains(words), "{words} is searched for in {:?}", two.words);
    }
    let only_old = Frozen { fresh: Some(0), ..with(letter(&["a"])).frozen };
    let some_new = Frozen { fresh: Some(1), ..only_old.clone() };
    let made = async |frozen: Frozen| {
        let issue = desk.store.create_issue(&NewIssue { frozen, ..letter(&["a"]) }, at(1)).await.unwrap();
        desk.store.past_issue(issue).await.unwrap()
    };
    assert_eq!(made(only_old).await, None, "what brings nothing new is for those who read at their own rhythm");
    let shown = made(some_new).await.unwrap();
    assert_eq!(shown.articles.iter().map(|article| article.title.as_str()).collect::<Vec<_>>(), ["one"], "and so is what is not new");
    two.forget_text();
    assert!(two.words.contains("in short.") && !two.words.contains("at length"), "{:?}", two.words);
}
