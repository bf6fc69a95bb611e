//! Corrections: what a source changed after it was mailed is told once, with the next issue.

use postrider::model::{Article, Timestamp};

use super::room::{DAY, Room, names, of, own};

fn told(planned: &postrider::digest::Planned) -> Vec<&str> {
    planned.corrected.iter().map(|article| article.slug.as_str()).collect()
}

impl Room {
    /// An article is corrected now.
    fn correct(&mut self, name: &str) {
        let now = self.now;
        let article = self.library.iter_mut().find(|article| article.slug == name).unwrap();
        article.corrected = Some(now);
    }

    /// What the next issue tells was corrected; the issue is made.
    async fn told_next(&mut self) -> Vec<String> {
        let planned = self.plan().await.unwrap();
        let told = told(&planned).into_iter().map(str::to_owned).collect();
        self.next().await.unwrap();
        told
    }
}

#[tokio::test]
async fn a_correction_is_told_once_with_the_next_issue_and_never_makes_one() {
    let mut room = Room::new("").await;
    room.library = vec![of("crane", "c1", 0), of("lamp", "l1", 0), Article { corrected: Some(Timestamp(0)), ..of("pilot", "p1", 0) }];
    assert_eq!(room.told_next().await, [""; 0], "what was corrected before it was mailed is no news");
    room.correct("c1");
    assert_eq!(room.next().await, Err("no new article since the last issue".to_owned()));
    room.library.push(own("news", 2));
    room.library.push(Article { corrected: Some(room.now), ..of("pilot", "p2", 2) });
    assert_eq!(room.told_next().await, ["c1"], "p2 is new itself");
    room.library.push(own("more", 4));
    assert_eq!(room.told_next().await, [""; 0]);
    room.correct("c1");
    room.correct("l1");
    room.library.push(own("again", 5));
    assert_eq!(room.told_next().await, ["c1", "l1"], "another correction is told again");
    assert!(room.store.corrections_since("all", Timestamp(0)).await.unwrap().len() == 3);
}

#[tokio::test]
async fn nothing_is_told_of_an_issue_that_was_called_off_nor_of_articles_no_issue_carried() {
    let mut room = Room::new("limit = 1").await;
    room.library = vec![of("crane", "c1", 0), of("crane", "archive", -5)];
    let planned = room.plan().await.unwrap();
    let issue = room.make(&planned).await;
    room.store.cancel_issue(issue, room.now).await.unwrap();
    room.now = Timestamp(room.now.0 + DAY);
    room.correct("c1");
    room.correct("archive");
    room.library.push(own("news", 2));
    assert_eq!(room.told_next().await, [""; 0]);
}

#[tokio::test]
async fn many_corrections_are_spread_over_issues() {
    let mut room = Room::new("limit = 200").await;
    room.library = (0..30).map(|n| of("crane", &format!("c{n:02}"), 0)).collect();
    assert_eq!(room.next().await.unwrap().len(), 30);
    let now = room.now;
    room.library.iter_mut().for_each(|article| article.corrected = Some(now));
    let mut seen = Vec::new();
    for n in 0..3 {
        room.library.push(own(&format!("own{n}"), 2 + n));
        seen.push(room.told_next().await);
    }
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [20, 10, 0]);
    assert!(seen[0].iter().all(|name| !seen[1].contains(name)), "{seen:?}");
}

#[tokio::test]
async fn an_article_that_left_the_library_is_not_told_of() {
    let mut room = Room::new("").await;
    room.library = vec![of("crane", "c1", 0), own("own1", 0)];
    assert_eq!(room.next().await, names(&["own1", "c1"]));
    room.correct("c1");
    room.library.iter_mut().for_each(|article| article.draft = article.slug == "c1");
    room.library.push(own("news", 2));
    assert_eq!(room.told_next().await, [""; 0]);
}
