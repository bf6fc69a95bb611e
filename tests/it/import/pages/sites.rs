//! Whole pages of site builders: all of the article, none of the site.

use postrider::import::pages::extract;
use url::Url;

/// A section as site builders write it: many wrappers, classes that mean nothing.
fn section(inner: &str) -> String {
    format!(
        "<section class=\"yaqOZd\"><div class=\"IFuOkc\"></div><div class=\"mYVXT\"><div class=\"LS81yb VICjCf\" tabindex=\"-1\"><div class=\"hJDwNd-AhqUyc-uQSCkd\">\
         <div class=\"jXK9ad D2fZ2\"><div class=\"oKdM2c\"><div class=\"tyJCtd mGzaTb baZpAe\">{inner}</div></div></div></div></div></div></section>"
    )
}

fn site() -> String {
    let text = |words: &str| format!("<p dir=\"ltr\" class=\"CDt4Ke zfr3Q\"><span class=\"C9DxTc\">{words}</span></p>");
    let sections = [
        section("<h1 id=\"h.1\" class=\"zfr3Q duRjpb\"><span>How Walls of Stone Keep Standing</span></h1>"),
        section(&text(
            "Walls without mortar stand for centuries, and it is not luck: friction, weight, and patience keep each stone where it lies.",
        )),
        section(&format!(
            "<h2 class=\"zfr3Q\">What Is a Dry Wall?</h2>{}",
            text("A dry wall is built from stones alone, laid so that each one rests on two below, and each is held by those above it.")
        )),
        section(
            "<h2 class=\"zfr3Q\">What You Need</h2><ul class=\"n8H08c\"><li class=\"zfr3Q\"><p><strong>Stones:</strong> more than you think, and of all sizes.</p></li><li><p><strong>Time:</strong> a day for each two metres.</p></li></ul>",
        ),
        section(&format!(
            "<h2>The Steps</h2>{}<ol><li><p><strong>Dig a Trench</strong><br>It should reach firm ground, below the roots.</p></li><li><p><strong>Lay the Base</strong><br>Use the largest stones, and tilt them inwards.</p></li></ol>",
            text("Take your time, and do not skip any of these, since the wall will remember it:")
        )),
        section(&text("In the end, a wall is a conversation with gravity, and gravity is patient, but so is stone.")),
    ];
    format!(
        "<!doctype html><html lang=\"en-US\"><head><title>Example Walls - How Walls of Stone Keep Standing</title><meta property=\"og:title\" content=\"How Walls of Stone Keep Standing\"></head>
         <body><div jscontroller=\"x\"><div role=\"banner\"><div>Search this site</div><div role=\"button\">Embedded Files</div><div role=\"button\">Skip to main content</div><div role=\"button\">Skip to navigation</div></div>
         <nav class=\"JzO0Vc\"><ul><li><a href=\"/home\">Home</a></li><li><a href=\"/walls\">Walls</a></li><li><a href=\"/contact\">Contact</a></li></ul></nav>
         <div role=\"main\" class=\"UtePc\">{}</div><footer><div>Google Sites</div><div>Report abuse</div><div>Page details</div><div>Page updated</div></footer>
         <div id=\"cookie-notice\"><p>This site uses cookies from us to deliver its services, to personalise, and to analyse traffic.</p><a>Learn more</a><a>Got it</a></div></div></body></html>",
        sections.join("")
    )
}

#[test]
fn a_site_of_many_sections_gives_all_of_the_article_and_nothing_of_the_site() {
    let page = extract(
        site().as_bytes(),
        Some("text/html; charset=utf-8"),
        Some(&Url::parse("https://sites.example.com/view/walls").expect("a base")),
    )
    .expect("an article");
    assert_eq!(page.title, "How Walls of Stone Keep Standing");
    for part in [
        "friction, weight, and patience",
        "## What Is a Dry Wall?",
        "- **Stones:** more",
        "- **Time:** a day",
        "## The Steps",
        "1. **Dig a Trench**",
        "2. **Lay the Base**",
        "gravity is patient",
    ] {
        assert!(page.markdown.contains(part), "{part} is missing in\n{}", page.markdown);
    }
    for chrome in ["Search this", "Embedded", "Skip to", "Home", "Google Sites", "Report", "Page updated", "Page details", "cookies"] {
        assert!(!page.markdown.contains(chrome), "{chrome} is in\n{}", page.markdown);
    }
}
