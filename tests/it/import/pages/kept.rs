//! What publishing tools write in ways of their own is not lost on the way to an article.

use postrider::import::pages::{Page, Profile, Rules, extract, sanitize};
use url::Url;

const WORDS: &str =
    "The harbour was full of boats that day, and of people who had come to see them, since nobody, young or old, wanted to miss it.";

/// An article with `inner` between its paragraphs, as a page of `title`.
fn page(title: &str, inner: &str) -> Page {
    let html = format!(
        "<html><head><title>{title}</title></head><body><main><h1>Bell buoy</h1><div><p>{WORDS}</p><p>{WORDS}</p>{inner}<p>{WORDS}</p><p>{WORDS}</p></div></main></body></html>"
    );
    extract(html.as_bytes(), None, Some(&Url::parse("https://example.com/a/").expect("a base"))).expect("an article")
}

#[test]
fn a_wiki_page_keeps_its_headings_and_loses_what_edits_them() {
    let section = "<div class='mw-heading mw-heading2'><h2 id=History>History</h2><span class=mw-editsection>[<a href=/w?action=edit>edit</a>]</span></div>";
    let page = page("Bell buoy - Harbourpedia", &format!("<div id=catlinks>Categories: Buoys</div>{section}<p>{WORDS}</p>"));
    assert_eq!(page.title, "Bell buoy");
    assert!(page.markdown.contains("\n## History\n") && !page.markdown.contains("edit"), "{}", page.markdown);
    assert!(!page.text.contains("Categories"), "{}", page.text);
}

#[test]
fn a_formula_is_said_in_pages_and_in_entries_of_feeds() {
    let katex = "<span class=katex><span class=katex-mathml><math><semantics><mrow><mi>E</mi></mrow><annotation encoding=application/x-tex>E = mc^2</annotation></semantics></math></span><span class=katex-html aria-hidden=true>E=mc2</span></span>";
    let inner = format!("<p>Energy is {katex}, and <math><msup><mi>x</mi><mn>2</mn></msup></math> is no more.</p>");
    let found = page("Bell buoy", &inner);
    assert!(found.markdown.contains("Energy is `$E = mc^2$`, and x<sup>2</sup> is no more."), "{}", found.markdown);
    assert!(found.text.contains("Energy is $E = mc^2$, and x² is no more."), "{}", found.text);
    let entry = sanitize(&inner, &Rules { profile: Profile::Mail, base: None, images: true }).expect("within bounds");
    assert_eq!(entry, "<p>Energy is <code>$E = mc^2$</code>, and <span>x<sup>2</sup></span> is no more.</p>");
}

#[test]
fn a_picture_between_a_paragraph_and_a_part_of_the_page_stays_there() {
    let html = format!(
        "<html><body><main><h1>Soup</h1><p>{WORDS}</p><img src=soup.jpg alt='A pot'><div><h2>How</h2><p>{WORDS}</p><p>{WORDS}</p></div></main></body></html>"
    );
    let page = extract(html.as_bytes(), None, Some(&Url::parse("https://example.com/a/").expect("a base"))).expect("an article");
    assert!(page.markdown.contains(&format!("{WORDS}\n\n![A pot](https://example.com/a/soup.jpg)\n\n## How")), "{}", page.markdown);
}

#[test]
fn code_keeps_its_language_tasks_their_boxes_and_columns_their_side() {
    let inner = "<h2>Install<a class=headerlink href=#i>¶</a></h2><div class=highlight-python><pre>import x</pre></div>
        <ul class=contains-task-list><li><input type=checkbox checked> lift</li><li><input type=checkbox> drop</li></ul>
        <table><tr><th>Flag</th><th align=right>Default</th></tr><tr><td rowspan=2>up</td><td>1</td></tr><tr><td>2</td></tr></table>";
    let page = page("Bell buoy — winch 2.4 documentation", inner);
    assert_eq!(page.title, "Bell buoy");
    for part in
        ["## Install\n", "```python\nimport x\n```", "- [x] lift\n- [ ] drop", "| Flag | Default |\n| --- | ---: |\n| up | 1 |\n|  | 2 |"]
    {
        assert!(page.markdown.contains(part), "{part} is not in\n{}", page.markdown);
    }
}

#[test]
fn bold_by_style_stays_a_footnote_keeps_its_words_and_a_form_of_the_site_goes() {
    let inner = "<p>We rowed <span style='font-weight:700'>1,204 km</span>.<a class=footnote-anchor href=#f1>1</a></p>
        <div class=newsletter-signup><h4>Sign up</h4><p>The key stories of the day.</p><form><input></form></div>
        <p>See <a href='https://www.google.com/url?q=https%3A%2F%2Fexample.org%2Fshop&amp;sa=D'>the shop</a>.</p>
        <div class=footnote><a id=f1 class=footnote-number href=#a1>1</a><div class=footnote-content><p>In 1997.</p></div></div>";
    let page = page("Bell buoy", inner);
    for part in ["**1,204 km**.<sup>1</sup>", "[the shop](https://example.org/shop)", "<sup>1</sup> In 1997."] {
        assert!(page.markdown.contains(part), "{part} is not in\n{}", page.markdown);
    }
    assert!(!page.text.contains("key stories"), "{}", page.text);
}

#[test]
fn a_forum_names_its_author_alone_and_no_buttons() {
    let page = page(
        "Bell buoy",
        "<div class=author><a href=/u>sail_or</a> <span>Joined: 2019 Posts: 45</span></div><p><a href=/r>Report</a> <a href=/q>Quote</a></p>",
    );
    assert_eq!(page.author.as_deref(), Some("sail_or"));
    assert!(!page.text.contains("Report"), "{}", page.text);
}

#[test]
fn a_picture_leaves_no_sources() {
    let html = r#"<picture><source srcset="a.webp 1x"><img src="https://example.com/a.jpg" alt="A table"></picture>"#;
    let clean = sanitize(html, &Rules { profile: Profile::Feed, base: None, images: true }).expect("within bounds");
    assert_eq!(clean, r#"<span><img src="https://example.com/a.jpg" alt="A table"></span>"#);
}
