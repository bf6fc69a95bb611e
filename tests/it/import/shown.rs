//! What readers see of an entry: its lines, its title and summary, its pictures, files, links and topics.

use std::time::Duration;

use postrider::import::articles;
use postrider::model::{Article, Library};

use super::scene::Scene;
use crate::support::web::Answer;

const SOURCE: &str = "[[source]]\nid = \"quay\"\nurl = \"http://feeds.example.com:PORT/quay/feed.xml\"\n";
const TELLING: &str = "The gates of the lock stay open until the tide has turned, which takes until nine.";

/// The Articles of a feed, in its order.
async fn of(feed: String) -> Vec<Article> {
    with(SOURCE, feed).await
}

async fn with(source: &str, feed: String) -> Vec<Article> {
    let scene = Scene::new(source, move |_| Answer::ok(feed.clone())).await;
    scene.ask().await;
    let mut found = articles(&scene.config, &scene.store).await.unwrap();
    found.sort_by(|a, b| a.slug.len().cmp(&b.slug.len()).then(a.slug.cmp(&b.slug)));
    found
}

fn rss(items: &[&str]) -> String {
    let items: String = items
        .iter()
        .enumerate()
        .map(|(n, item)| {
            format!("<item><guid isPermaLink=\"false\">{n}</guid><pubDate>Sun, 01 Nov 2026 07:00:00 GMT</pubDate>{item}</item>")
        })
        .collect();
    format!(
        "<rss version=\"2.0\" xmlns:media=\"http://search.yahoo.com/mrss/\" xmlns:feedburner=\"http://rssnamespace.org/feedburner/ext/1.0\">\
         <channel><title>The Quay</title><link>https://quay.example.org/</link>{items}</channel></rss>"
    )
}

async fn one(item: &str) -> Article {
    of(rss(&[item])).await.pop().expect("one article")
}

/// Of a body in HTML.
async fn body(html: &str) -> Article {
    one(&format!("<title>T</title><link>https://quay.example.org/a/</link><description><![CDATA[{html}]]></description>")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_without_tags_keeps_every_line() {
    let text = "Closed on Monday\n\nThe office opens again on Tuesday at nine, when the boats that went out on Sunday are\n back in the harbour.\n\nSearch this site\nContact us\n- one\n- two\n14. November";
    assert_eq!(
        body(text).await.html,
        "<p>Closed on Monday</p><p>The office opens again on Tuesday at nine, when the boats that went out on Sunday are back in the harbour.</p>\
         <p>Search this site<br>Contact us<br>- one<br>- two<br>14. November</p>"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_without_tags_is_html_all_the_same() {
    let article =
        body("Tom &amp; Jerry don&#8217;t miss the boat,\nand they&#8217;re early &#8211; a &lt;b&gt; is no tag here. [&#8230;]").await;
    assert_eq!(article.html, "<p>Tom &amp; Jerry don’t miss the boat,<br>and they’re early – a &lt;b&gt; is no tag here. […]</p>");
    assert_eq!(article.summary, "Tom & Jerry don’t miss the boat, and they’re early – a <b> is no tag here. […]");
}

#[tokio::test(flavor = "multi_thread")]
async fn relative_links_lead_to_the_entry_unless_the_document_gives_a_base() {
    let html = "<p>It ended.<a href=\"#footnote-1\">1</a> <a href=\"map.html\">Map</a> <img src=\"/chart.png\" alt=\"Chart\"></p>";
    let article = body(html).await;
    for address in ["https://quay.example.org/a/#footnote-1", "https://quay.example.org/a/map.html", "https://quay.example.org/chart.png"] {
        assert!(article.html.contains(&format!("\"{address}\"")), "{address} in {}", article.html);
    }
    let atom = "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:base=\"https://base.example.org/x/\"><title>Q</title><entry><title>T</title><id>urn:1</id>\
                <link href=\"a/\"/><content type=\"html\">&lt;p&gt;&lt;a href=\"map.html\"&gt;Map&lt;/a&gt;&lt;/p&gt;</content></entry></feed>";
    let article = of(atom.to_owned()).await.remove(0);
    assert!(article.html.contains("\"https://base.example.org/x/map.html\""), "{}", article.html);
    let json = "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"Q\",\"items\":[{\"id\":\"1\",\"url\":\"https://quay.example.org/b/\",\
                \"content_html\":\"<p><a href='#n'>n</a></p>\"}]}";
    let article = of(json.to_owned()).await.remove(0);
    assert!(article.html.contains("\"https://quay.example.org/b/#n\""), "{}", article.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_leads_to_its_page_and_not_to_who_counts_its_readers() {
    let burnt = one(
        "<title>T</title><link>http://proxy.example.net/~r/quay/~3/abc/</link><feedburner:origLink>https://quay.example.org/a/?utm_source=feed&amp;id=7</feedburner:origLink>",
    )
    .await;
    assert_eq!(burnt.url, "https://quay.example.org/a/?id=7");
    let tracked = one("<title>T</title><link>https://quay.example.org/a/?utm_source=rss&amp;utm_medium=feed&amp;id=7#part</link>").await;
    assert_eq!(tracked.url, "https://quay.example.org/a/?id=7#part");
    let odd =
        one("<title>T</title><link>https://quay.example.org/a/</link><feedburner:origLink>javascript:alert(1)</feedburner:origLink>").await;
    assert_eq!(odd.url, "https://quay.example.org/a/", "only an address of the web replaces another");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_title_is_called_by_what_it_says_or_shows_or_by_its_file_or_its_day() {
    let wide = "潮が引くと港の底が見えて、船は泥の上に静かに横たわり、子どもたちは貝を探しに走って行く。".repeat(3);
    let all = of(rss(&[
        "<link>https://quay.example.org/1</link><description>&lt;p&gt;Good morning!&lt;/p&gt;</description>",
        "<description>&lt;p&gt;&lt;a href=\"https://quay.example.org/t\"&gt;#boats&lt;/a&gt;&lt;/p&gt;&lt;p&gt;Look: https://quay.example.org/a/rather/long/address there&lt;/p&gt;</description>",
        &format!("<description>{wide}</description>"),
        "<media:content url=\"https://quay.example.org/a.jpg\" medium=\"image\"><media:description>Two gulls</media:description></media:content>",
        "<enclosure url=\"https://quay.example.org/sounds/storm%20at%20night.mp3\" type=\"audio/mpeg\" length=\"5\"/>",
        "<link>https://quay.example.org/6</link>",
    ]))
    .await;
    let said: Vec<(&str, &str)> = all.iter().map(|article| (article.title.as_str(), article.summary.as_str())).collect();
    assert_eq!(said[0], ("Good morning!", ""), "a summary does not repeat the title");
    assert_eq!(said[1].0, "Look: quay.example.org there", "topics alone make no title, and of an address only its host is a word");
    assert_eq!(said[2].0, "潮が引くと港の底が見えて、船は泥の上に静かに横たわり…", "a wide letter takes two columns of eighty");
    assert_eq!(said[3..].iter().map(|(title, _)| *title).collect::<Vec<_>>(), ["Two gulls", "storm at night.mp3", "The Quay, 2026-11-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_made_of_a_text_has_no_hole_where_an_address_was_and_none_of_any_kind_is_endless() {
    let title = async |text: String| one(&format!("<description>{text}</description>")).await.title;
    let text = "Read them at (https://www.example.org/tides/2026), before you sail to www.example.com/isles".to_owned();
    assert_eq!(title(text).await, "Read them at (example.org), before you sail to");
    assert_eq!(title("https://example.org/a Ten cranes lift one winch".to_owned()).await, "Ten cranes lift one winch");
    let accents = title(format!("Tides{}", "\u{301}".repeat(5000))).await;
    assert!(accents.chars().count() <= 80 * 4 + 1, "{} characters", accents.chars().count());

    let file = format!(
        "<enclosure url=\"https://quay.example.org/storm%1b%5b31m%0aat%20night{}.mp3\" type=\"audio/mpeg&#9;&#10;x\"/>",
        "%20x".repeat(500)
    );
    let article = one(&file).await;
    assert!(article.title.starts_with("storm[31m at night x x") && article.title.ends_with('…'), "{}", article.title);
    assert!(article.html.contains(">storm[31m at night x"), "{}", article.html);
    assert!(article.html.contains("(audio/mpeg x)"), "{}", article.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_behind_the_text_although_the_text_has_a_longer_name_with_the_same_beginning() {
    let pictures = "<media:content url=\"https://quay.example.org/p/1\" medium=\"image\"/><enclosure url=\"https://quay.example.org/p/2\" type=\"Image/JPEG\"/>";
    let text = format!(
        "<title>T</title><description>&lt;p&gt;{TELLING} &lt;a href=\"https://quay.example.org/12/2026\"&gt;More&lt;/a&gt;&lt;/p&gt;</description>{pictures}"
    );
    let html = one(&text).await.html;
    assert!(html.contains("src=\"https://quay.example.org/p/1\"") && html.contains("src=\"https://quay.example.org/p/2\""), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_once_kept_its_feed_from_being_read_is_read_with_all_others() {
    let broken = [
        "<pre>   <sup><br></sup></pre><p>The gates stay open.</p>",
        "<div class=\"footnote\"><a class=\"footnote-number\"><span class=\"katex\"><p>The gates stay open.</p></span></a></div>",
    ];
    let mut items: Vec<String> =
        broken.iter().map(|html| format!("<title>T</title><description><![CDATA[{html}]]></description>")).collect();
    items.push("<title>Last</title><description>Words.</description>".to_owned());
    let all = of(rss(&items.iter().map(String::as_str).collect::<Vec<_>>())).await;
    let texts: Vec<&str> = all.iter().map(|article| article.text.trim()).collect();
    assert_eq!(texts, ["The gates stay open.", "The gates stay open.", "Words."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_the_text_does_not_show_stand_behind_it() {
    let pictures = "<media:content url=\"https://quay.example.org/a.jpg\" medium=\"image\"/>\
        <media:content url=\"https://quay.example.org/b.jpg?w=140\" type=\"image/jpeg\"><media:description>A \"bee\" &amp; a wasp</media:description></media:content>\
        <media:content url=\"https://quay.example.org/b.jpg?w=700\" type=\"image/jpeg\"/>\
        <media:content url=\"https://secure.gravatar.com/avatar/1\" medium=\"image\"/>\
        <enclosure url=\"https://quay.example.org/c.png\" type=\"image/png\" length=\"7\"/>";
    let text =
        format!("<title>T</title><description>&lt;p&gt;{TELLING} &lt;img src=\"/a.jpg\" alt=\"Sea\"&gt;&lt;/p&gt;</description>{pictures}");
    let html = one(&text).await.html;
    let sources: Vec<&str> = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(
        sources,
        ["https://quay.example.org/a.jpg", "https://quay.example.org/b.jpg?w=140", "https://quay.example.org/c.png"],
        "each once, whatever its sizes, and nobody's portrait: {html}"
    );
    assert!(html.contains("alt=\"A &quot;bee&quot; &amp; a wasp\""), "{html}");
    let bare = with(&format!("{SOURCE}images = false\n"), rss(&[&text])).await.remove(0);
    assert!(!bare.html.contains("<img") && bare.html.contains("bee"), "without pictures their words stay: {}", bare.html);
    let lead = "<title>T</title><description>Words.</description><media:content url=\"https://quay.example.org/a.jpg\" medium=\"image\"/>";
    assert!(!one(lead).await.html.contains("<img"), "a single one stands beside the title");
    let alone =
        "<media:content url=\"https://quay.example.org/a.jpg\" medium=\"image\"><media:description>Sea</media:description></media:content>";
    assert_eq!(one(alone).await.html.matches("<img").count(), 1, "what says nothing shows its picture");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_is_what_the_text_says_first() {
    let changes = body("<h2>What's Changed</h2><ul><li>Fix <code>lift()</code></li><li>Add a crane</li></ul><p>Full list: https://quay.example.org/all-of-the-changes</p>").await;
    assert_eq!(changes.summary, "Fix lift() · Add a crane", "of a heading and a list, the list");
    let short = body("<p>Ten cranes lift one winch.</p><hr><p><a href=\"/x\">Ten cranes</a> was originally published in Harbour Life, where people talk.</p>").await;
    assert_eq!(short.summary, "Ten cranes lift one winch.");
    let dated = body(&format!("<p>21 November 2026</p><p>By Ann Moss</p><p>{TELLING}</p>")).await;
    assert_eq!(dated.summary, TELLING, "a date and a name are passed over");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_names_are_decoded_once_more_where_their_feed_escaped_them_twice() {
    let article =
        one("<title>T</title><category><![CDATA[Q &amp; A]]></category><category>R&amp;D</category><category>Ropes</category>").await;
    assert_eq!(article.tags, ["Q & A", "R&D", "Ropes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_linked_with_their_size_and_attached_to_our_own_feeds() {
    let item = "<title>T</title><link>https://quay.example.org/1</link><description>Words.</description>\
        <media:content url=\"https://quay.example.org/v/1?version=3\" type=\"application/x-shockwave-flash\"/>\
        <enclosure url=\"https://quay.example.org/notes.pdf\" length=\"12345\" type=\"application/pdf\"/>\
        <enclosure url=\"https://quay.example.org/1.mp3\" length=\"0\" type=\"\"/>\
        <enclosure url=\"https://quay.example.org/1.mp4\" length=\"4000000\" type=\"video/mp4\"/>";
    let scene = Scene::new(&format!("{SOURCE}[[feed]]\nid = \"main\"\n"), move |_| Answer::ok(rss(&[item]))).await;
    scene.ask().await;
    let article = articles(&scene.config, &scene.store).await.unwrap().remove(0);
    for link in [">notes.pdf</a> (application/pdf, 13 kB)", ">1.mp3</a> (file)", ">1.mp4</a> (video/mp4, 4.0 MB)"] {
        assert!(article.html.contains(link), "{link} in {}", article.html);
    }
    assert!(!article.html.contains("version=3"), "nothing plays Flash: {}", article.html);
    let site = publish(&scene, article);
    let json: serde_json::Value = serde_json::from_str(&site("feed.json")).unwrap();
    let expected = serde_json::json!([
        {"url": "https://quay.example.org/notes.pdf", "mime_type": "application/pdf", "size_in_bytes": 12345},
        {"url": "https://quay.example.org/1.mp3", "mime_type": "audio/mpeg"},
        {"url": "https://quay.example.org/1.mp4", "mime_type": "video/mp4", "size_in_bytes": 4000000},
    ]);
    assert_eq!(json["items"][0]["attachments"], expected);
    let rss = rss::Channel::read_from(site("rss.xml").as_bytes()).unwrap();
    let enclosure = rss.items()[0].enclosure().expect("an enclosure");
    assert_eq!(
        (enclosure.url(), enclosure.mime_type(), enclosure.length()),
        ("https://quay.example.org/1.mp3", "audio/mpeg", "0"),
        "RSS has room for one: the first that plays"
    );
    let atom = atom_syndication::Feed::read_from(site("atom.xml").as_bytes()).unwrap();
    let links: Vec<(&str, Option<&str>, Option<&str>)> = atom.entries()[0]
        .links()
        .iter()
        .filter(|link| link.rel() == "enclosure")
        .map(|link| (link.href(), link.mime_type(), link.length()))
        .collect();
    assert_eq!(
        links[1..],
        [
            ("https://quay.example.org/1.mp3", Some("audio/mpeg"), None),
            ("https://quay.example.org/1.mp4", Some("video/mp4"), Some("4000000")),
        ]
    );
}

/// The feeds of one Article, by their file names.
fn publish(scene: &Scene, article: Article) -> impl Fn(&str) -> String {
    let site = postrider::feed::publish(&scene.config, &Library::new(vec![article]), scene.now()).expect("the article can be published");
    move |file| match &site[file].body {
        postrider::feed::Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        postrider::feed::Body::File(path) => panic!("{} was not expected", path.display()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cleaned_by_new_rules_is_no_correction() {
    let source = format!("{SOURCE}updates = \"correct\"\n");
    let words = std::sync::Arc::new(std::sync::Mutex::new("First words."));
    let told = words.clone();
    let scene =
        Scene::new(&source, move |_| Answer::ok(rss(&[&format!("<title>T</title><description>{}</description>", told.lock().unwrap())])))
            .await;
    scene.ask().await;
    // As if an older program had kept it, which cleaned in another way.
    scene.by_hand("UPDATE imported SET facts = '1 of old', article = REPLACE(article, 'First', 'Frist')").await;
    let again = async || {
        scene.pass(Duration::from_secs(86_400));
        scene.ask().await;
        articles(&scene.config, &scene.store).await.unwrap().remove(0)
    };
    let cleaned = again().await;
    assert_eq!((cleaned.text.as_str(), cleaned.corrected, cleaned.updated), ("First words.", None, None));
    *words.lock().unwrap() = "Other words.";
    let edited = again().await;
    assert_eq!(edited.text, "Other words.");
    assert!(edited.corrected.is_some() && edited.updated.is_some(), "an edit is told");
}
