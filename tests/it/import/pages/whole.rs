//! Whole pages in, whole articles out.

use postrider::import::pages::*;
use url::Url;

fn base() -> Url {
    Url::parse("https://example.com/posts/one").expect("a base")
}

fn article(paragraphs: usize) -> String {
    (0..paragraphs)
        .map(|n| format!("<p>Paragraph {n}, with enough words, and commas, that it reads like prose of a person who likes to write.</p>"))
        .collect()
}

#[test]
fn a_page_becomes_an_article_in_html_text_and_markdown() {
    let html = format!(
        "<!doctype html><html lang=en><head><title>Stones | Example</title><meta property=og:site_name content=Example><link rel=canonical href=/posts/one></head>
        <body><nav><a href=/>Home</a><a href=/about>About</a></nav><article><h1>Stones</h1>{}<h2>Tools</h2><ul><li>a <b>hammer</b></li><li>time</li></ul>
        <pre><code class=language-rust>fn main() {{}}</code></pre><img src=data:image/gif;base64,R0 data-src=/i.jpg alt=Stone>
        <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>{}<a href='/x?utm_source=y&amp;p=1'>more</a></article><footer>Report abuse</footer></body></html>",
        article(6),
        article(3)
    );
    let page = extract(html.as_bytes(), Some("text/html"), Some(&base())).expect("an article");
    assert_eq!(page.title, "Stones");
    assert_eq!(page.canonical.as_ref().map(Url::as_str), Some("https://example.com/posts/one"));
    assert_eq!((page.site_name.as_deref(), page.language.as_deref()), (Some("Example"), Some("en")));
    for part in [
        "## Tools",
        "- a **hammer**\n- time",
        "```rust\nfn main() {}\n```",
        "![Stone](https://example.com/i.jpg)",
        "| a | b |",
        "[more](https://example.com/x?p=1)",
    ] {
        assert!(page.markdown.contains(part), "{part} is not in\n{}", page.markdown);
    }
    assert!(page.html.contains("<table>") && !page.html.contains("data-src") && !page.html.contains("utm_source"));
    assert!(page.text.contains("Paragraph 0") && !page.text.contains("Report abuse") && !page.text.contains("About"));
}

#[test]
fn a_flattened_page_is_restored() {
    let text = "Search this site\nThe Title\n\nThe Title\n\nA paragraph that says something, at some length, about the title above.\n\n  1. Head\n    Text & more.\n\nReport abuse";
    let page = extract(text.as_bytes(), Some("text/plain"), None).expect("an article");
    assert_eq!(page.title, "The Title");
    assert_eq!(page.markdown, "A paragraph that says something, at some length, about the title above.\n\n1. **Head**\\\n   Text & more.");
}

#[test]
fn a_text_file_that_a_browser_saved_is_restored_too() {
    let html = "<html><head></head><body><pre>The Title\n\nA paragraph that says something, at some length, about the title above.\n\n- one\n- two\n</pre></body></html>";
    let page = extract(html.as_bytes(), Some("text/html"), None).expect("an article");
    assert_eq!((page.title.as_str(), page.markdown.ends_with("\n\n- one\n- two")), ("The Title", true));
}

#[test]
fn hostile_pages_end_soon_and_never_panic() {
    let deep = "<div>".repeat(100_000) + &article(5);
    let mixed = "<b><i><a href=x><table><td>".repeat(20_000) + &article(5);
    let attributes: String = (0..1_000_000).map(|n| format!(" a{n}")).collect();
    let wide = format!("<p{attributes}>x</p>{}", article(5));
    let svg = "<svg><g>".repeat(50_000);
    let unclosed = "<p>x<b>".repeat(50_000);
    for html in [deep, mixed, wide, svg, unclosed, "<".repeat(1_000_000), "<!--".repeat(100_000), "<script>".repeat(100_000)] {
        let _ = extract(html.as_bytes(), None, Some(&base()));
    }
    assert_eq!(extract(&vec![b' '; INPUT_BYTES_MAX + 1], None, None), Err(PageError::TooLarge));
    assert_eq!(extract(b"", None, None), Err(PageError::NoArticle));
}

#[test]
fn nothing_that_runs_leaves_the_sanitiser_in_any_profile() {
    let html = r#"<p onclick=x()>a<script>alert(1)</script><a href="java&#10;script:x">b</a><img src=x onerror=y><svg><a xlink:href="javascript:x"><text>c</text></a></svg>
        <math><mtext><table><mglyph><style><img src=x onerror=y></style></mglyph></table></mtext></math><form action=x><button formaction=javascript:x>d</button></form>
        <iframe srcdoc="<script>x</script>"></iframe><div style="background:url(https://example.org/t.gif)">e</div><noscript><p title="</noscript><img src=x onerror=y>"></noscript></p>"#;
    for profile in [Profile::Mail, Profile::Feed, Profile::Archive] {
        let clean = sanitize(html, &Rules { profile, base: Some(&base()), images: true }).expect("within bounds");
        let lower = clean.to_lowercase();
        for word in ["<script", "onerror", "onclick", "style", "svg", "iframe", "form", "xlink"] {
            assert!(!lower.contains(word), "{word} in {clean}");
        }
        let again = sanitize(&clean, &Rules { profile, base: Some(&base()), images: true });
        assert_eq!(again.as_deref(), Ok(clean.as_str()), "what is clean stays as it is");
        assert!(clean.contains('a') && clean.contains('b') && clean.contains('e'));
    }
}

#[test]
fn profiles_differ_in_players_folds_and_links() {
    let html = r#"<details><summary>s</summary>t</details><audio src="a.mp3" autoplay></audio><a href="/x" target=_blank rel=me>l</a>"#;
    let clean = |profile| sanitize(html, &Rules { profile, base: Some(&base()), images: true }).expect("within bounds");
    assert_eq!(clean(Profile::Mail), r#"st<a href="https://example.com/x">l</a>"#);
    assert!(clean(Profile::Feed).contains(r#"src="https://example.com/posts/a.mp3""#) && !clean(Profile::Feed).contains("autoplay"));
    assert!(
        clean(Profile::Archive).starts_with("<details><summary>s</summary>t</details>")
            && clean(Profile::Archive).contains(r#"rel="noopener noreferrer""#)
    );
}
