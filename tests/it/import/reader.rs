//! What the reader does with sound feeds of every format and with the ways in which feeds are broken.

use postrider::import::reader::*;
use url::Url;

fn feed(text: &str) -> Feed {
    read(text.as_bytes(), None, None).expect("a feed")
}

/// The one entry of an RSS 2.0 feed.
fn item(inner: &str) -> Entry {
    let text = format!("<rss version=\"2.0\"><channel><title>T</title><item>{inner}</item></channel></rss>");
    feed(&text).entries.remove(0)
}

/// The one entry of an Atom 1.0 feed.
fn entry(inner: &str) -> Entry {
    feed(&format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry>{inner}</entry></feed>")).entries.remove(0)
}

#[test]
fn rss_gives_everything_it_says() {
    let text = r#"<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>The &amp; Times</title><link>https://example.org/</link>
        <atom:link rel="self" href="https://example.org/rss.xml" type="application/rss+xml"/><atom:link rel="hub" href="https://hub.example.org/"/>
        <description>All of it</description><language>en-gb</language><lastBuildDate>Thu, 01 Jan 2004 19:48:21 GMT</lastBuildDate><ttl>60</ttl>
        <managingEditor>ed@example.org (Ed)</managingEditor><image><url>/icon.png</url><title>Not the title</title></image>
        <skipHours><hour>0</hour><hour>23</hour></skipHours><skipDays><day>Sunday</day></skipDays>
        <item><title>One</title><link>/one</link><guid isPermaLink="false">tag:1</guid><pubDate>Thu, 01 Jan 2004 19:48:21 GMT</pubDate>
        <dc:creator>Jane Doe</dc:creator><category domain="x">News</category><category>Sport</category><description>Short &lt;b&gt;text&lt;/b&gt;</description>
        <content:encoded><![CDATA[<p>Long & full</p>]]></content:encoded><enclosure url="/a.mp3" type="audio/mpeg" length="123"/>
        <source url="https://example.com/rss">Elsewhere</source><comments>/one#comments</comments></item></channel></rss>"#;
    let base = Url::parse("https://example.org/rss.xml").expect("an address");
    let feed = read(text.as_bytes(), Some("application/rss+xml"), Some(&base)).expect("a feed");
    assert_eq!(
        (feed.format.as_str(), feed.title.as_deref(), feed.link.as_deref()),
        ("rss20", Some("The & Times"), Some("https://example.org/"))
    );
    assert_eq!((feed.self_link.as_deref(), feed.hub.as_deref()), (Some("https://example.org/rss.xml"), Some("https://hub.example.org/")));
    assert_eq!((feed.ttl_minutes, feed.skip_hours, feed.skip_days), (Some(60), vec![0, 23], vec!["Sunday".to_owned()]));
    assert_eq!((feed.language.as_deref(), feed.icon.as_deref()), (Some("en-gb"), Some("https://example.org/icon.png")));
    assert_eq!(feed.author.map(|author| author.display()).as_deref(), Some("Ed (ed@example.org)"));
    let one = &feed.entries[0];
    assert_eq!((one.id.as_deref(), one.is_permalink, one.link.as_deref()), (Some("tag:1"), false, Some("https://example.org/one")));
    assert_eq!((one.content.as_deref(), one.summary.as_deref()), (Some("<p>Long & full</p>"), Some("Short <b>text</b>")));
    assert_eq!(one.authors[0].name.as_deref(), Some("Jane Doe"));
    assert_eq!(one.categories.iter().map(|category| category.term.as_str()).collect::<Vec<_>>(), ["News", "Sport"]);
    assert_eq!((one.enclosures[0].url.as_str(), one.enclosures[0].length), ("https://example.org/a.mp3", Some(123)));
    assert_eq!(one.source.as_ref().and_then(|source| source.title.as_deref()), Some("Elsewhere"));
    assert_eq!(one.comments.as_deref(), Some("https://example.org/one#comments"));
}

#[test]
fn atom_text_is_understood_by_its_type() {
    assert_eq!(entry("<title>1 &lt; 2 &amp;amp; &lt;b&gt;</title>").title.as_deref(), Some("1 < 2 &amp; <b>"));
    assert_eq!(entry("<title type=\"html\">a &lt;b&gt;bold&lt;/b&gt; &amp;amp; title</title>").title.as_deref(), Some("a bold & title"));
    assert_eq!(
        entry("<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>x <i>y</i></div></title>").title.as_deref(),
        Some("x y")
    );
    assert_eq!(entry("<content>a &lt; b</content>").content.as_deref(), Some("a &lt; b"));
    assert_eq!(entry("<content type='html'>&lt;p>a&lt;/p></content>").content.as_deref(), Some("<p>a</p>"));
    let xhtml =
        "<content type='xhtml'><h:div xmlns:h='http://www.w3.org/1999/xhtml'><h:p class='c'>a &amp; b<h:br/></h:p></h:div></content>";
    assert_eq!(entry(xhtml).content.as_deref(), Some("<p class=\"c\">a &amp; b<br /></p>"));
    assert_eq!(entry("<content type='application/octet-stream'>PHA+aGk8L3A+</content>").content.as_deref(), Some("<p>hi</p>"));
}

#[test]
fn atom_gives_links_people_and_source() {
    let one = entry(
        "<id>urn:1</id><link rel='edit' href='/edit'/><link rel='alternate' type='text/html' href='https://example.org/1'/>\
         <link rel='enclosure' href='https://example.org/1.mp3' length='9'/><author><name>Jane</name><email>j@example.org</email><uri>https://j.example.org</uri></author>\
         <author><name>Joe</name></author><published>2003-12-31T10:14:55Z</published><updated>2004-01-01T00:00:00Z</updated>\
         <source><title>Origin</title><link href='https://example.com/'/><entry>no</entry></source>",
    );
    assert_eq!((one.link.as_deref(), one.id.as_deref(), one.enclosures.len()), (Some("https://example.org/1"), Some("urn:1"), 1));
    assert_eq!(one.authors.iter().map(Person::display).collect::<Vec<_>>(), ["Jane (j@example.org)", "Joe"]);
    assert_eq!(one.source, Some(SourceRef { title: Some("Origin".into()), url: Some("https://example.com/".into()) }));
    assert!(one.updated > one.published);
}

#[test]
fn older_and_rarer_formats_are_told_apart() {
    let format = |text: &str| feed(text).format.as_str();
    assert_eq!(
        format(
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'><item rdf:about='x'/></rdf:RDF>"
        ),
        "rss10"
    );
    assert_eq!(
        format("<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://my.netscape.com/rdf/simple/0.9/'/>"),
        "rss090"
    );
    assert_eq!(format("<!DOCTYPE rss PUBLIC '-//Netscape Communications//DTD RSS 0.91//EN' 'x'><rss version='0.91'/>"), "rss091n");
    assert_eq!(format("<rss version='0.91'/>"), "rss091u");
    assert_eq!(format("<rss/>"), "rss");
    assert_eq!(format("<feed version='0.3' xmlns='http://purl.org/atom/ns#'/>"), "atom03");
    let cdf = feed(
        "<CHANNEL HREF='https://example.org/'><TITLE>C</TITLE><ITEM HREF='https://example.org/1' LASTMOD='2003-12-31'><TITLE>One</TITLE><ABSTRACT>a</ABSTRACT></ITEM></CHANNEL>",
    );
    assert_eq!(
        (cdf.format.as_str(), cdf.entries[0].link.as_deref(), cdf.entries[0].summary.as_deref()),
        ("cdf", Some("https://example.org/1"), Some("a"))
    );
    assert!(cdf.entries[0].updated.is_some());
}

#[test]
fn json_feed_is_read_and_wrong_types_are_skipped() {
    let text = r#"{"version":"https://jsonfeed.org/version/1.1","title":"J","home_page_url":"https://example.org/","authors":[{"name":"A"}],"hubs":[{"type":"WebSub","url":"https://h.test/"}],
        "items":[{"id":1,"url":"/1","title":"One","content_html":"<p>a</p>","date_published":"2003-12-31T10:14:55Z","tags":["x",2,{}],"attachments":[{"url":"/a.mp3","size_in_bytes":9}],"authors":null},
                 "nonsense",{"id":"2","content_text":"a < b","author":{"name":"B"},"image":[1]}]}"#;
    let feed = read(text.as_bytes(), None, Url::parse("https://example.org/feed.json").ok().as_ref()).expect("a feed");
    assert_eq!((feed.format.as_str(), feed.hub.as_deref(), feed.entries.len()), ("json11", Some("https://h.test/"), 3));
    let one = &feed.entries[0];
    assert_eq!((one.id.as_deref(), one.link.as_deref(), one.categories.len()), (Some("1"), Some("https://example.org/1"), 2));
    assert_eq!((one.enclosures[0].length, one.published.is_some()), (Some(9), true));
    assert_eq!((feed.entries[2].content.as_deref(), feed.entries[2].authors[0].name.as_deref()), (Some("a &lt; b"), Some("B")));
    let cut = self::feed(r#"{"version":"https://jsonfeed.org/version/1","items":[{"id":"1","title":"whole"},{"id":"2","title":"cu"#);
    assert_eq!((cut.entries.len(), cut.is_cut), (1, true));
}

#[test]
fn a_cut_feed_keeps_its_whole_items() {
    let text = "<rss version='2.0'><channel><title>T</title><item><title>1</title></item><item><title>2</title></item><item><title>3</title><description>half";
    let feed = feed(text);
    assert_eq!((feed.entries.len(), feed.is_cut), (2, true));
    assert!(!self::feed("<rss><channel><item><title>1</title></item></channel></rss").is_cut);
}

#[test]
fn tags_that_do_not_match_lose_nothing() {
    let feed = feed(
        "<rss><channel><title>T<link>https://example.org/</link><item><title>1<link>/1</link><description>d</item><item><TITLE>2</title></channel>",
    );
    assert_eq!((feed.title.as_deref(), feed.link.as_deref(), feed.entries.len()), (Some("T"), Some("https://example.org/"), 2));
    assert_eq!(
        (feed.entries[0].title.as_deref(), feed.entries[0].link.as_deref(), feed.entries[0].summary.as_deref()),
        (Some("1"), Some("/1"), Some("d"))
    );
    assert_eq!(feed.entries[1].title.as_deref(), Some("2"));
}

#[test]
fn references_and_ampersands_are_read_as_meant() {
    assert_eq!(
        item("<title>Fish & chips &copy; &hellip; &#8217;&#146;&#x41; &unknown; AT&T</title>").title.as_deref(),
        Some("Fish & chips © … ’’A &unknown; AT&T")
    );
    assert_eq!(item("<link>https://example.org/?a=1&b=2&copy=3</link>").link.as_deref(), Some("https://example.org/?a=1&b=2&copy=3"));
    let laughs = "<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><rss><channel><title>&b;</title></channel></rss>";
    assert_eq!(feed(laughs).title.as_deref(), Some("&b;"));
}

#[test]
fn titles_are_plain_text_whatever_they_carry() {
    assert_eq!(item("<title><![CDATA[A <em>fine</em> title]]></title>").title.as_deref(), Some("A fine title"));
    assert_eq!(item("<title>The &lt;blink&gt; tag</title>").title.as_deref(), Some("The <blink> tag"));
    assert_eq!(item("<title>AT&amp;amp;T</title>").title.as_deref(), Some("AT&T"));
    assert_eq!(item("<title>a\n  b</title>").title.as_deref(), Some("a b"));
    assert_eq!(item("<media:title>m</media:title><title>t</title>").title.as_deref(), Some("t"));
}

#[test]
fn control_characters_and_undeclared_prefixes_are_no_obstacle() {
    let one = item(
        "<title>a\u{0}\u{b}b</title><content:encoded>&lt;p&gt;x&lt;/p&gt;</content:encoded><dc:creator>D</dc:creator><foo:title>no</foo:title>",
    );
    assert_eq!((one.title.as_deref(), one.content.as_deref(), one.authors[0].name.as_deref()), (Some("ab"), Some("<p>x</p>"), Some("D")));
}

#[test]
fn xml_base_reaches_links_and_the_texts_base() {
    let text = "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='https://example.org/a/'><entry xml:base='b/'><link href='c'/><content type='html' xml:base='d/'>x</content></entry><entry xml:base='javascript:alert(1)'><link href='e'/></entry></feed>";
    let feed = feed(text);
    assert_eq!(
        (feed.entries[0].link.as_deref(), feed.entries[0].base.as_deref()),
        (Some("https://example.org/a/b/c"), Some("https://example.org/a/b/d/"))
    );
    assert_eq!(feed.entries[1].link.as_deref(), Some("https://example.org/a/e"));
}

#[test]
fn every_encoding_is_read_whether_or_not_it_is_declared() {
    let text = |declared: &str| {
        format!("<?xml version=\"1.0\"{declared}?><rss version=\"2.0\"><channel><title>Grüße, “Ångström” — ё</title></channel></rss>")
    };
    let title = |bytes: &[u8], header: Option<&str>| read(bytes, header, None).expect("a feed").title.expect("a title");
    let wanted = "Grüße, “Ångström” — ё";
    let plain = text("");
    let big: Vec<u8> = plain.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let little: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide: Vec<u8> = plain.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for bytes in [
        plain.as_bytes().to_vec(),
        [&[0xEF, 0xBB, 0xBF], plain.as_bytes()].concat(),
        big.clone(),
        [&[0xFE, 0xFF][..], &big].concat(),
        little.clone(),
        [&[0xFF, 0xFE][..], &little].concat(),
        wide.clone(),
        [&[0xFF, 0xFE, 0, 0][..], &wide].concat(),
    ] {
        assert_eq!(title(&bytes, None), wanted);
    }
    assert_eq!(
        title(text(" encoding=\"iso-8859-1\"").as_bytes(), Some("text/xml; charset=iso-8859-1")),
        wanted,
        "UTF-8 that was declared Latin-1"
    );
    assert_eq!(title(text(" encoding=\"utf-16\"").as_bytes(), None), wanted, "UTF-8 that was declared UTF-16");
    let koi = encoding_rs::KOI8_R.encode("<?xml version='1.0' encoding='koi8-r'?><rss><title>Привет</title></rss>").0.into_owned();
    assert_eq!(title(&koi, None), "Привет");
    let mixed = [b"<rss><title>Gr\xC3\xBC\xC3\x9Fe \xC3\xA4\xC3\xB6 \x93x".as_slice(), b"</title></rss>"].concat();
    assert_eq!(title(&mixed, None), "Grüße äö “x");
    assert_eq!(feed("<rss><title>Ã©tÃ©</title></rss>").title.as_deref(), Some("été"));
}

#[test]
fn podcasts_and_media_are_attached() {
    let one = item(
        "<itunes:author>A</itunes:author><itunes:image href='https://example.org/i.png'/><media:group><media:content url='https://example.org/v.mp4' type='video/mp4'/></media:group><media:thumbnail url='t.png'/><itunes:keywords>a, b</itunes:keywords>",
    );
    assert_eq!(
        (one.image.as_deref(), one.enclosures[0].url.as_str(), one.categories.len()),
        (Some("https://example.org/i.png"), "https://example.org/v.mp4", 2)
    );
}

#[test]
fn plain_descriptions_keep_their_lines_unless_the_xml_was_only_laid_out() {
    assert_eq!(item("<media:description>a &lt; b\nc</media:description>").summary.as_deref(), Some("a &lt; b<br>\nc"));
    assert_eq!(item("<itunes:summary>\n    a\n    b\n  </itunes:summary>").summary.as_deref(), Some("a\n    b"));
}

#[test]
fn of_several_alternates_a_page_wins_and_among_pages_atoms_last() {
    let links =
        "<link href='/a.pdf' type='application/pdf'/><link href='/en'/><link href='/de' hreflang='de'/><link href='/x' rel='related'/>";
    assert_eq!(entry(links).link.as_deref(), Some("/de"));
    assert_eq!(item("<guid>https://example.org/g</guid>").link.as_deref(), Some("https://example.org/g"));
    assert_eq!(item("<guid isPermaLink='false'>https://example.org/g</guid>").link, None);
}

#[test]
fn what_is_no_feed_is_refused_in_words() {
    assert_eq!(read(b"", None, None), Err(ReadError::Empty));
    assert_eq!(read(b" \n", None, None), Err(ReadError::Empty));
    for text in ["<html><head><title>x</title></head><body>y</body></html>", "hello", "{\"a\":1}", "[]", "{", "<", "&", "<!DOCTYPE html>"] {
        assert_eq!(read(text.as_bytes(), None, None), Err(ReadError::NotAFeed), "{text}");
    }
}

#[test]
fn bombs_are_refused() {
    let deep = format!("<rss><channel>{}", "<a>".repeat(100));
    assert_eq!(read(deep.as_bytes(), None, None), Err(ReadError::TooDeep));
    let deep = format!("<feed><entry><content type='xhtml'>{}", "<div>".repeat(100));
    assert_eq!(read(deep.as_bytes(), None, None), Err(ReadError::TooDeep));
    let wide = format!("<rss {}>", "a='b' ".repeat(300));
    assert_eq!(read(wide.as_bytes(), None, None), Err(ReadError::TooManyAttributes));
    assert_eq!(feed(&format!("<rss>{}</rss>", "<item/>".repeat(MAX_ENTRIES + 1))).entries.len(), MAX_ENTRIES);
    let open = format!("<rss><channel><item><description>{}", "<p>a<br>".repeat(1000));
    assert!(
        read(format!("{open}</description></item></channel></rss>").as_bytes(), None, None).is_ok(),
        "paragraphs that are never closed are no bomb"
    );
}
