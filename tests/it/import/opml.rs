//! Lists of feeds as readers export them, as people break them, and as attackers would.

use postrider::import::opml::*;
use url::Url;

fn listed(opml: &str) -> Vec<(String, String, Vec<String>)> {
    let outlines = read(opml.as_bytes()).expect("a list").outlines;
    outlines.into_iter().map(|it| (it.title, it.xml_url.to_string(), it.tags)).collect()
}

fn one(attributes: &str) -> Result<Outline, OpmlError> {
    let outlines = read(format!("<opml version='2.0'><body>\n<outline {attributes}/></body></opml>").as_bytes())?.outlines;
    Ok(outlines.into_iter().next().expect("one feed"))
}

fn expect(found: &[(String, String, Vec<String>)], wanted: &[(&str, &str, &[&str])]) {
    let found: Vec<(&str, &str, Vec<&str>)> =
        found.iter().map(|(title, url, tags)| (title.as_str(), url.as_str(), tags.iter().map(String::as_str).collect())).collect();
    let wanted: Vec<(&str, &str, Vec<&str>)> = wanted.iter().map(|(title, url, tags)| (*title, *url, tags.to_vec())).collect();
    assert_eq!(found, wanted);
}

/// A reader in the browser: version 1.0, folders one deep, a feed in two folders, a folder without feeds.
const BROWSER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>

<opml version="1.0">
    <head>
        <title>Ada subscriptions in Lectern Cloud</title>
    </head>
    <body>
        <outline text="Craft" title="Craft">
            <outline type="rss" text="Stones &amp; Sticks" title="Stones &amp; Sticks" xmlUrl="https://stones.example.org/feed/?a=1&amp;b=2" htmlUrl="https://stones.example.org/"/>
            <outline type="rss" text="The Lathe" title="The Lathe" xmlUrl="http://lathe.example.com/rss" htmlUrl="http://lathe.example.com"/>
        </outline>
        <outline text="Daily" title="Daily">
            <outline type="rss" text="The Lathe, again" title="The Lathe" xmlUrl="http://lathe.example.com/rss" htmlUrl="http://lathe.example.com"/>
        </outline>
        <outline text="Empty" title="Empty"/>
        <outline type="rss" text="Loose &#8212; ends" title="" xmlUrl="https://loose.example.org/atom.xml" htmlUrl=""/>
    </body>
</opml>
"#;

/// A program on the desktop: version 2.0, nested folders, attributes of its own, comments, dates, no titles.
const DESKTOP: &str = r#"<?xml version="1.0"?>
<!-- exported by Papertray 4.2 -->
<opml version="2.0" xmlns:tray="https://papertray.example.com/ns">
<head><title>Papertray</title><dateCreated>Mon, 23 Nov 2026 09:00:00 GMT</dateCreated><expansionState>0,3</expansionState></head>
<body>
<outline text="All Feeds" isOpen="true"><outline text="Science"><outline
    text="Rocks"><outline tray:id='17' text='"Quartz" &lt;weekly>'
      description="" xmlUrl='https://quartz.example.org/feed.json' type='json' category='/Minerals/Silicates,hard, science'></outline></outline>
    <outline type="rss" text="Moss" xmlUrl="https://moss.example.org/rss" version="RSS2" useNotification="false"/></outline>
</outline>
<outline type="link" text="A page" url="https://page.example.org/"/>
<outline type="rss" text="Plain url" url="https://url.example.org/rss"/>
</body>
</opml>"#;

/// A telephone: no version, no declaration, attribute names in capitals, bare ampersands, HTML's references, feed: addresses.
const PHONE: &str = "\u{FEFF}<OPML><BODY><OUTLINE TEXT=News & Weather TITLE='News'>
<outline TEXT=\"Fish & Chips\" TYPE=rss XMLURL=\"http://fish.example.com/feed?x=1&y=2&copy=3\" HTMLURL='not a url'>
</outline><outline text='Caf&eacute;&nbsp;One &unknown; &#x1F600;' xmlurl='feed://cafe.example.org/feed' />
<Outline title=\"Two\n   lines\" xmlUrl=' feed:https://two.example.org/feed\n'/></OUTLINE></BODY></OPML>\n\n";

#[test]
fn lists_of_three_readers_are_understood() {
    expect(
        &listed(BROWSER),
        &[
            ("Stones & Sticks", "https://stones.example.org/feed/?a=1&b=2", &["Craft"]),
            ("The Lathe", "http://lathe.example.com/rss", &["Craft", "Daily"]),
            ("Loose — ends", "https://loose.example.org/atom.xml", &[]),
        ],
    );
    expect(
        &listed(DESKTOP),
        &[
            (
                "\"Quartz\" <weekly>",
                "https://quartz.example.org/feed.json",
                &["All Feeds", "Science", "Rocks", "Minerals", "Silicates", "hard"],
            ),
            ("Moss", "https://moss.example.org/rss", &["All Feeds", "Science"]),
            ("Plain url", "https://url.example.org/rss", &[]),
        ],
    );
    expect(
        &listed(PHONE),
        &[
            ("Fish & Chips", "http://fish.example.com/feed?x=1&y=2&copy=3", &["News"]),
            ("Café One &unknown; 😀", "http://cafe.example.org/feed", &["News"]),
            ("Two lines", "https://two.example.org/feed", &["News"]),
        ],
    );
    let sites: Vec<Option<String>> =
        read(BROWSER.as_bytes()).expect("a list").outlines.into_iter().map(|it| it.html_url.map(String::from)).collect();
    assert_eq!(sites, [Some("https://stones.example.org/".to_owned()), Some("http://lathe.example.com/".to_owned()), None]);
    assert_eq!(read(PHONE.as_bytes()).expect("a list").outlines[0].html_url, None);
}

#[test]
fn a_wrong_or_missing_charset_is_found_out() {
    let list = |declared: &str| {
        format!(
            "<?xml version='1.0' encoding='{declared}'?><opml><body><outline text='Grüße aus Köln, schöne Tage, Äpfel und Öl' xmlUrl='https://example.org/'/></body></opml>"
        )
    };
    let latin = |text: String| text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect::<Vec<u8>>();
    let utf16 = |text: String| [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for bytes in
        [list("iso-8859-1").into_bytes(), latin(list("utf-8")), latin(list("iso-8859-1")), utf16(list("utf-8")), list("klingon").into()]
    {
        assert_eq!(read(&bytes).expect("a list").outlines[0].title, "Grüße aus Köln, schöne Tage, Äpfel und Öl");
    }
}

#[test]
fn no_entity_is_expanded_and_no_doctype_read() {
    let opml = "<!DOCTYPE opml [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;'><!ENTITY x SYSTEM 'file:///etc/passwd'>]>
        <opml><body><outline text='&b;&x;&amp;lt;' xmlUrl='https://example.org/?&x;'/></body></opml>";
    expect(&listed(opml), &[("&b;&x;&lt;", "https://example.org/?&x;", &[])]);
}

#[test]
fn what_has_no_title_is_called_by_its_host_and_long_words_are_cut() {
    assert_eq!(one("xmlUrl='https://www.example.org/feed'").expect("a feed").title, "www.example.org");
    let feed = one(&format!("text='{}' category='{}' xmlUrl='https://example.org/'", "t ".repeat(1000), "é".repeat(100))).expect("a feed");
    assert_eq!(feed.title.chars().count(), 300);
    assert!(feed.title.ends_with("t…"));
    assert_eq!(feed.tags, [format!("{}…", "é".repeat(64))]);
    assert_eq!(one("text='a&#10;b&#0;\u{1}\u{85}c&#xFFFE; &#x7F; d' xmlUrl='https://example.org/'").expect("a feed").title, "a b c d");
}

#[test]
fn errors_tell_the_line_and_what_is_wrong_there() {
    let said = |opml: &str| read(opml.as_bytes()).expect_err("an error").to_string();
    assert_eq!(said(" \n"), "the file is empty");
    assert_eq!(
        said("\n<?xml version='1.0'?>\n<!-- <html> --><html><body>"),
        "line 3: this is not OPML: it begins with <html> where <opml> belongs"
    );
    assert_eq!(said("{\"feeds\":[]}"), "line 1: this is not OPML: it begins with text where <opml> belongs");
    let body = |outline: &str| said(&format!("<opml>\n<body>\n\n<!-- <outline -->\n{outline}\n</body></opml>"));
    assert_eq!(body(&"<outline text='a'>".repeat(63)), "line 5: elements nest deeper than 64");
    let attributes: String = (0..300).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(body(&format!("<outline{attributes}/>")), "line 5: an element carries more than 256 attributes");
    let many: String = (0..=OUTLINES_MAX).map(|n| format!("<outline xmlUrl='https://example.org/{n}'/>\n")).collect();
    assert_eq!(body(&many), format!("line {}: the list has more than 20000 feeds", 5 + OUTLINES_MAX));
    assert_eq!(read(&vec![b' '; BYTES_MAX + 1]), Err(OpmlError::TooLarge));
}

#[test]
fn a_wrong_address_is_told_with_its_line_and_keeps_no_other_feed_out() {
    let list = read(
        b"<opml>\n<body><outline text='x'\nxmlUrl='example.org/feed'/>
        <outline xmlUrl='file:///etc/passwd'/>\n<outline xmlUrl='https://me:secret@example.org/'/><outline xmlUrl='https://example.org/'/></body></opml>",
    )
    .expect("a list");
    let said: Vec<String> = list.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "line 2: \"example.org/feed\" is left out: it does not begin with https://",
            "line 4: \"file:///etc/passwd\" is left out: it begins with file: in place of https:",
            "line 5: \"https://example.org/\" is left out: it contains a user or a password",
        ]
    );
    assert_eq!(list.outlines.iter().map(|outline| outline.xml_url.as_str()).collect::<Vec<_>>(), ["https://example.org/"]);
}

#[test]
fn a_password_in_an_address_of_whatever_kind_is_repeated_nowhere() {
    for address in [
        "feed:https://ann:secret@example.org/",
        "feed://ann:secret@example.org/",
        "ann:secret@example.org/x",
        "https://ann:se@cret@[x/",
        "https://ann:se/cret@example.org/",
    ] {
        let list = read(format!("<opml><body><outline xmlUrl='{address}'/></body></opml>").as_bytes()).expect("a list");
        let told = format!("{} {:?}", list.refused[0], list.refused[0].hint);
        assert!(!told.contains("cret") && list.outlines.is_empty(), "{told}");
    }
}

#[test]
fn a_file_that_is_cut_off_is_never_half_a_list() {
    let end = BROWSER.find("</opml").expect("an end");
    for end in (0..=end + "</opm".len()).filter(|&end| BROWSER.is_char_boundary(end)) {
        assert!(read(&BROWSER.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    assert_eq!(read(&BROWSER.as_bytes()[..end]), Err(OpmlError::CutOff { line: 17 }));
}

#[test]
fn hostile_lists_take_bounded_time() {
    let fill = |piece: &str| piece.repeat(10_000_000 / piece.len());
    let inside = |text: String| format!("<opml><body>{text}</body></opml>");
    let feed = |name: &str, text: String| inside(format!("<outline {name}='{text}' xmlUrl='https://example.org/'/>"));
    let folders = format!("<outline text='{}'>", "w ".repeat(2000)).repeat(60);
    let cases = [
        inside(fill("<!--")),
        inside(fill("<outline xmlUrl='https://example.org/'/>")),
        inside(fill("<outline text='")),
        inside(fill("<a></a>")),
        inside(fill("</a>")),
        feed("text", fill("a ")),
        feed("text", fill("&amp;")),
        feed("category", fill("/")),
        feed("category", fill(",")),
        feed("category", fill(",/a")),
        inside(
            folders + &(0..15_000).map(|n| format!("<outline category='a,b,c,d' xmlUrl='https://example.org/{n}'/>")).collect::<String>(),
        ),
    ];
    for opml in cases {
        let _ = read(opml.as_bytes());
    }
}

fn outline(title: &str, address: &str, tags: &[&str]) -> Outline {
    let xml_url = Url::parse(address).expect("an address");
    let html_url = xml_url.join("/").ok();
    Outline { title: title.to_owned(), xml_url, html_url, tags: tags.iter().map(|&tag| tag.to_owned()).collect(), own: None }
}

#[test]
fn what_is_written_is_opml_2_0_with_folders() {
    let list = [
        outline("One", "https://one.example.org/feed?a=1&b=\"2\"", &["News & <more>", "x", "y, z", "/w"]),
        outline("Two", "https://two.example.org/feed", &[]),
        outline("Three", "https://three.example.org/feed", &["News & <more>"]),
    ];
    let wanted = r#"<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0">
  <head>
    <title>The sources of &quot;Example&quot;</title>
    <dateCreated>Mon, 23 Nov 2026 09:00:00 +0000</dateCreated>
  </head>
  <body>
    <outline text="News &amp; &lt;more&gt;">
      <outline type="rss" text="One" xmlUrl="https://one.example.org/feed?a=1&amp;b=%222%22" htmlUrl="https://one.example.org/" category="x,y  z,w"/>
      <outline type="rss" text="Three" xmlUrl="https://three.example.org/feed" htmlUrl="https://three.example.org/"/>
    </outline>
    <outline type="rss" text="Two" xmlUrl="https://two.example.org/feed" htmlUrl="https://two.example.org/"/>
  </body>
</opml>
"#;
    assert_eq!(write("The sources of \"Example\"", "Mon, 23 Nov 2026 09:00:00 +0000", &list), wanted);
}

#[test]
fn what_is_written_reads_as_the_same_list() {
    let odd = "\u{0}a\u{1}&amp; <b>\u{B}\u{FFFE}\u{FFFF} \"quoted\" 'too' ]]> 😀 é\u{202E}";
    let list = [
        outline(odd, "https://example.org/?q=%22&x='1'", &["Größe & \"Maß\"", "second", "third"]),
        outline("Plain", "http://example.com/", &["Größe & \"Maß\""]),
        outline("日本語", "https://xn--bcher-kva.example/feed#part", &["own, folder"]),
        outline("Bare", "https://bare.example.org/", &[]),
    ];
    let written = write("Title", "Mon, 23 Nov 2026 09:00:00 +0000", &list);
    assert!(written.chars().all(|c| c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}') || matches!(c, '\t' | '\n' | '\r')));
    let again = read(written.as_bytes()).expect("a list").outlines;
    let mut wanted = list.to_vec();
    wanted[0].title = "a&amp; <b> \"quoted\" 'too' ]]> 😀 é\u{202E}".to_owned();
    assert_eq!(again, wanted);
    assert_eq!(read(write("", "", &again).as_bytes()).map(|list| list.outlines), Ok(again));
}
