//! Row 17: one poison recipient fails alone, one poison article stops the Issue before any mail leaves.

use postrider::model::{Counts, IssueStatus};

use super::another_program;
use crate::crash::Scene;
use crate::peers::publication::said;
use crate::send::ledger::{Desk, HTML, reader, to};
use crate::support::smtp::{Act, FULL, Server};

#[tokio::test]
async fn row_17_line_breaks_in_a_name_or_an_attribute_never_reach_a_header_and_stop_nobody() {
    let names = ["Ann\r\nBcc: victim@example.com", "Ann\nX: y", "\u{202e}Ann\0", "=?utf-8?q?=0D=0ABcc:_x?="];
    let mut rows: Vec<_> = names.iter().enumerate().map(|(i, name)| reader(&format!("r{i}@example.com"), Some(*name))).collect();
    rows.push(reader("plain@example.com", None));
    rows[0].attributes.insert("town".into(), "Here\r\n.\r\nMAIL FROM:<evil@example.com>".into());
    let html = HTML.replace(
        "</body>",
        "<p>{{ subscriber.name | default(value=\"friend\") }} of {{ subscriber.attributes.town | default(value=\"\") }}</p></body>",
    );
    let desk = Desk::with(&rows, &html).await;
    let server = Server::start(FULL, |_| Act::Usual).await;
    let counts = desk.deliver(&[to(&server)]).await;
    assert_eq!(counts.sent + counts.failed, 5, "{counts:?}");
    assert!(server.recipients().contains(&"plain@example.com".to_owned()), "the others are not stopped");
    assert!(server.lines().iter().all(|line| !line.contains("victim@") && !line.contains("evil@")), "{:?}", server.lines());
    for message in server.accepted() {
        let text = String::from_utf8_lossy(&message.content).into_owned();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("\r\nBcc:") && !head.contains("\r\nX:"), "{head}");
    }
}

#[tokio::test]
async fn row_17_a_reader_whose_mail_cannot_be_rendered_fails_alone_with_the_reason() {
    let mut rows: Vec<_> = (0..50).map(|i| reader(&format!("r{i}@example.com"), None)).collect();
    rows[7].attributes.insert("poison".into(), true.into());
    let html = HTML.replace(
        "</body>",
        "{% if subscriber.attributes.poison %}{{ throw(message=\"poison\") }}{% endif %}{% if subscriber.poison %}{{ 1 / 0 }}{{ nothing.at.all }}{% endif %}</body>",
    );
    let desk = Desk::with(&rows, &html).await;
    let server = Server::start(FULL, |_| Act::Usual).await;
    let counts = desk.deliver(&[to(&server)]).await;
    assert_eq!(counts, Counts { planned: 50, sent: 49, failed: 1, ..Counts::default() });
    let troubles = desk.store.troubles(desk.issue, 5).await.unwrap();
    assert!(troubles[0].email == "r7@example.com" && troubles[0].class.as_deref() == Some("compose"), "{troubles:?}");
}

#[tokio::test]
async fn row_17_a_reader_whose_row_cannot_be_read_is_left_out_alone_with_the_reason() {
    let rows: Vec<_> = (0..600).map(|i| reader(&format!("r{i}@example.com"), None)).collect();
    let desk = Desk::with(&rows, HTML).await;
    for (who, column, value) in [("r7", "email", "no address at all"), ("r8", "attributes", "{\"town\": ")] {
        let sql = format!("UPDATE subscribers SET {column} = $1 WHERE email_key = '{who}@example.com'");
        let changed = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(value).execute(&mut another_program(&desk).await).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{who}");
    }
    let server = Server::start(FULL, |_| Act::Usual).await;
    let counts = desk.deliver(&[to(&server)]).await;
    assert_eq!(counts, Counts { planned: 600, sent: 598, skipped: 2, ..Counts::default() });
    assert_eq!(desk.row().await.status, IssueStatus::Done);
    let why: Vec<String> = desk.store.troubles(desk.issue, 5).await.unwrap().into_iter().filter_map(|trouble| trouble.reply).collect();
    assert!(why[0].contains("the address of subscriber 8") && why[1].contains("the attributes of subscriber 9"), "{why:?}");
}

#[test]
fn row_17_an_article_of_20_megabytes_or_nested_5000_deep_is_refused_before_any_mail_leaves() {
    let bodies = [
        ("20 MB", "All work and no play. ".repeat(20_000_000 / 22)),
        ("5,000 quotes deep", format!("{} deep\n", ">".repeat(5_000))),
        ("5,000 tags deep", format!("{}deep{}\n", "<div>".repeat(5_000), "</div>".repeat(5_000))),
        ("5,000 lists deep", format!("{}deep\n", "- ".repeat(5_000))),
    ];
    for (what, body) in bodies {
        let scene = Scene::with(3, "");
        scene.publication.article(2, "Poison", &body);
        let out = scene.publication.run(&["send", "article-02", "--list", "weekly", "--yes"]);
        let code = out.status.code();
        let refused = matches!(code, Some(1..=4)) && scene.sink.count() == 0;
        let sent = code == Some(0) && scene.sink.count() == 3;
        // What is deep may be flattened and sent; it may not crash, hang, or go to some.
        assert!(refused || (sent && what != "20 MB"), "{what}: {} mails, {}", scene.sink.count(), said(&out));
    }
}
