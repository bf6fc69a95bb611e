//! Markdown made from HTML renders to the HTML it came from.

use std::collections::BTreeMap;

use dom_query::Document;
use postrider::import::pages::html_to_markdown;

fn render(markdown: &str) -> String {
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    comrak::markdown_to_html(markdown, &options)
}

/// What a document holds of each kind: the text of headings, items, cells, code and bold words; targets of links and pictures.
fn parts(html: &str) -> BTreeMap<&'static str, Vec<String>> {
    let doc = Document::fragment(html);
    let mut parts: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for (kind, selector) in [
        ("heading", "h1,h2,h3,h4,h5,h6"),
        ("item", "li"),
        ("cell", "td,th"),
        ("code", "pre"),
        ("bold", "strong,b"),
        ("link", "a[href]"),
        ("picture", "img"),
    ] {
        for node in doc.select(selector).nodes() {
            // Code has neither links nor emphasis in Markdown.
            if kind != "code" && node.ancestors_it(None).any(|it| it.has_name("pre")) {
                continue;
            }
            let value = match kind {
                "link" => node.attr("href").unwrap_or_default().to_string(),
                "picture" => node.attr("src").unwrap_or_default().to_string(),
                _ => node.text().split_whitespace().collect::<String>(),
            };
            if !value.is_empty() {
                parts.entry(kind).or_default().push(value);
            }
        }
    }
    parts
        .into_iter()
        .map(|(kind, mut values)| {
            values.sort();
            (kind, values)
        })
        .collect()
}

#[test]
fn what_two_texts_side_by_side_would_mean_together_they_do_not() {
    for (html, wanted) in [
        ("<p>&lt;<wbr>iframe src=x&gt;</p>", "<p>&lt;iframe src=x&gt;</p>"),
        ("<p>&amp;<wbr>lt;b&gt;</p>", "<p>&amp;lt;b&gt;</p>"),
        ("<p>Hurray!<a href=\"https://example.com/\">Look</a></p>", "<p>Hurray!<a href=\"https://example.com/\">Look</a></p>"),
        ("<p><b>C:\\</b> or D:\\<i>x</i></p>", "<p><strong>C:\\</strong> or D:\\<em>x</em></p>"),
        ("<p><i>a</i><i>b</i>, 2 *<b>x</b></p>", "<p><em>ab</em>, 2 *<strong>x</strong></p>"),
        ("<p>* no</p>", "<p>* no</p>"),
        ("<p><img src=\"https://example.com/i.png\" alt=\"C:\\\"></p>", "<p><img src=\"https://example.com/i.png\" alt=\"C:\\\" /></p>"),
        ("<p>a | b<br>--- | ---</p>", "<p>a | b<br />\n--- | ---</p>"),
    ] {
        let markdown = html_to_markdown(html, None).expect("Markdown");
        assert_eq!(render(&markdown).trim(), wanted, "{markdown}");
    }
    // Where nothing else parts them, a comment does, which shows nowhere.
    for (html, wanted) in [
        ("<p><b>Note:</b>text</p>", "<p><strong>Note:</strong>text</p>"),
        ("<p><b>Note:</b><i>text</i></p>", "<p><strong>Note:</strong><em>text</em></p>"),
        ("<p><b>「潮」</b>中文</p>", "<p><strong>「潮」</strong>中文</p>"),
        ("<p><code>a</code><code>b</code></p>", "<p><code>a</code><code>b</code></p>"),
    ] {
        let rendered = render(&html_to_markdown(html, None).expect("Markdown"));
        assert_eq!(rendered.replace("<!-- raw HTML omitted -->", "").trim(), wanted);
    }
}

#[test]
fn a_document_with_everything_survives_the_round_trip() {
    let html = "<h2>Head <em>ing</em> #1</h2><p>A <strong>bold</strong> and <em>italic</em> line with <code>a_b</code>, 1 * 2 * 3, [brackets] and <a href=\"https://example.com/a_(b)?x=1&amp;y=2\" title=\"T\">a <b>link</b></a>.</p>
        <ul><li>one<ul><li>two</li><li>three <img src=\"https://example.com/i.png\" alt=\"pic\"></li></ul></li><li>four</li></ul><ol start=\"4\"><li><p>para</p><pre><code class=\"language-sh\">$ ls `x`\n\n# done</code></pre></li><li>last</li></ol>
        <blockquote><p>quote</p><p>more</p></blockquote><table><thead><tr><th>h|1</th><th>h2</th></tr></thead><tbody><tr><td>c <b>d</b></td><td><a href=\"https://example.com/\">e</a></td></tr></tbody></table>
        <p>1. not a list</p><p># not a heading</p><p>- nor this<br>+ nor this</p><hr><p>&lt;script&gt;text&lt;/script&gt; &amp;amp;</p>";
    let markdown = html_to_markdown(html, None).expect("Markdown");
    let rendered = render(&markdown);
    assert_eq!(parts(html), parts(&rendered), "{markdown}\n---\n{rendered}");
    let text = |html: &str| Document::fragment(html).text().split_whitespace().collect::<String>();
    assert_eq!(text(html), text(&rendered), "{markdown}");
}
