//! Nothing live leaves the sanitiser: vectors of our own and their mutations. Those of others: `corpora`.

use dom_query::Document;
use postrider::import::pages::{Profile, Rules, extract, sanitize};
use proptest::prelude::*;
use url::Url;

const PROFILES: [Profile; 3] = [Profile::Mail, Profile::Feed, Profile::Archive];
/// Pieces that vectors are made of.
const PIECES: [&str; 56] = [
    "<script>",
    "</script>",
    "<svg>",
    "</svg>",
    "<math>",
    "<mtext>",
    "<mglyph>",
    "<style>",
    "</style>",
    "<table>",
    "<td>",
    "<img src=x onerror=alert(1)>",
    "<a href=\"javascript:alert(1)\">",
    "<a href='java\tscript:x'>",
    "<iframe srcdoc=\"<script>x</script>\">",
    "</iframe>",
    "<noscript>",
    "</noscript>",
    "<title>",
    "</title>",
    "<textarea>",
    "</textarea>",
    "<p title=\"</noscript><img src=x onerror=y>\">",
    "<!--",
    "-->",
    "--!>",
    "<![CDATA[",
    "]]>",
    "<xmp>",
    "<plaintext>",
    "<template>",
    "</template>",
    "<form action=javascript:x>",
    "<button formaction=javascript:x>",
    "<input onfocus=x autofocus>",
    "<body onload=x>",
    "<base href=javascript:x//>",
    "<meta http-equiv=refresh content='0;url=javascript:x'>",
    "<link rel=stylesheet href=//x>",
    "<object data=data:text/html,x>",
    "<embed src=data:x>",
    "<div style=\"background:url(javascript:x)\">",
    "<annotation-xml encoding=text/html>",
    "<foreignObject>",
    "<desc>",
    "<select>",
    "<option>",
    "<details open ontoggle=x>",
    "<video src=x onerror=y>",
    "<source onerror=x>",
    "\u{0}",
    "&#x6a;avascript:",
    "\"",
    "'",
    ">",
    "<a xlink:href=javascript:x>",
];

/// What is live in `html`, by rules that know nothing of the sanitiser's.
pub fn live(html: &str) -> Option<String> {
    let doc = Document::from(format!("<!doctype html><html><head></head><body>{html}</body></html>"));
    // Frames stand in a page in place of its body.
    let Some(body) = doc.body() else { return Some("<frameset>".to_owned()) };
    for node in body.descendants() {
        let Some(element) = node.element_ref() else { continue };
        let tag: &str = &element.name.local;
        if !element.name.ns.ends_with("xhtml")
            || [
                "script", "style", "iframe", "frame", "object", "embed", "form", "input", "button", "meta", "link", "base", "template",
                "noscript",
            ]
            .contains(&tag)
        {
            return Some(format!("<{tag}>"));
        }
        for attribute in &element.attrs {
            let name: &str = &attribute.name.local;
            let value: String = attribute.value.chars().filter(|c| *c > ' ').flat_map(char::to_lowercase).collect();
            let address = ["href", "src", "action", "formaction", "poster", "data", "background", "srcset"].contains(&name);
            if name.starts_with("on")
                || name == "style"
                || name == "srcdoc"
                || address && !["http://", "https://", "mailto:"].iter().any(|it| value.starts_with(it))
            {
                return Some(format!("<{tag} {name}={value}>"));
            }
        }
    }
    None
}

/// What lives of a vector in each profile; what is clean stays as it is when it is cleaned again.
pub fn in_profiles(vector: &str) -> Vec<String> {
    let base = Url::parse("https://example.com/a/").expect("a base");
    let mut lives = Vec::new();
    for profile in PROFILES {
        let rules = Rules { profile, base: Some(&base), images: true };
        let Ok(clean) = sanitize(vector, &rules) else { continue };
        lives.extend(live(&clean).map(|live| format!("{profile:?}: {live} of {vector}\n->\n{clean}")));
        assert_eq!(sanitize(&clean, &rules).as_ref(), Ok(&clean), "sanitising twice changes {vector}");
    }
    lives
}

/// A vector where a program may have put it: in attributes.
pub fn in_attributes(vector: &str) -> String {
    let quoted = vector.replace('"', "&quot;");
    format!("<p title=\"{quoted}\">x</p><a href=\"{quoted}\">x</a><img src=\"{quoted}\" alt=\"{quoted}\"><code class=\"{quoted}\">x</code>")
}

/// What lives of a vector that stands in a page's title, body and link, in the extracted article and in its Markdown.
pub fn in_page(vector: &str) -> Vec<String> {
    let words = "<p>Words, words, and more words, so that this reads like an article that someone wrote, with commas.</p>".repeat(8);
    let quoted = vector.replace('"', "&quot;");
    extracted(&format!("<title>{vector}</title><article>{words}{vector}{words}<a href=\"{quoted}\">x</a></article>"))
}

/// What lives of a page.
fn extracted(html: &str) -> Vec<String> {
    let base = Url::parse("https://example.com/a/").expect("a base");
    let Ok(page) = extract(html.as_bytes(), None, Some(&base)) else { return Vec::new() };
    let mut options = comrak::Options::default();
    options.render.r#unsafe = true;
    let rendered = comrak::markdown_to_html(&page.markdown, &options);
    [page.html, rendered].iter().filter_map(|out| live(out).map(|live| format!("{live} of {html}\n->\n{out}"))).collect()
}

/// Nothing of it lives.
fn check(lives: Vec<String>) {
    assert!(lives.is_empty(), "{}", lives.join("\n"));
}

/// Ways in which scripts have come through sanitisers: odd nesting, odd namespaces, odd bytes, odd schemes.
pub const VECTORS: [&str; 34] = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//example.test/x.js></sCrIpT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img/src=x/onerror=alert(1)//",
    "<img src=\"x`y\" onerror=\"alert(1)\">",
    "<svg onload=alert(1)>",
    "<svg><script href=data:text/javascript,alert(1)></script></svg>",
    "<svg><animate attributeName=href values=javascript:alert(1) /><a id=x><text x=20 y=20>x</text></a></svg>",
    "<math><a xlink:href=\"javascript:alert(1)\">x</a></math>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"java\nscript:alert(1)\">x</a>",
    "<a href=\"&#x6A;avascript&colon;alert(1)\">x</a>",
    "<a href=\" \u{1}javascript:alert(1)\">x</a>",
    "<a href=\"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\">x</a>",
    "<a href=vbscript:msgbox(1)>x</a>",
    "<iframe srcdoc=\"&lt;script&gt;alert(1)&lt;/script&gt;\"></iframe>",
    "<object data=javascript:alert(1)></object><embed src=javascript:alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<title><a href=\"</title><img src=x onerror=alert(1)>\">",
    "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\"></textarea>",
    "<style>@import 'javascript:alert(1)';</style><p style=\"background:url(javascript:alert(1))\">x",
    "<p style=\"width:expression(alert(1))\" onmouseover=alert(1)>x</p>",
    "<meta http-equiv=refresh content=\"0;url=javascript:alert(1)\"><base href=javascript:alert(1)//>",
    "<form action=javascript:alert(1)><button formaction=javascript:alert(2)>x</button><input autofocus onfocus=alert(1)></form>",
    "<video><source onerror=alert(1)></video><audio src=x onerror=alert(1)></audio>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<!--><img src=x onerror=alert(1)>--><![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml version=\"1.0\"?><x xmlns=\"http://www.w3.org/1999/xhtml\"><script>alert(1)</script></x>",
    "<template><script>alert(1)</script></template><xmp><img src=x onerror=alert(1)></xmp><plaintext><script>",
    "<a href=\"https://example.org/\" target=_blank onclick=alert(1) ping=https://example.test/ download>x</a>",
    "\u{0}<s\u{0}cript>alert(1)</script>\u{feff}<img \u{0c}src=x\u{0c}onerror=alert(1)>",
];

#[test]
fn no_known_vector_lives_as_body_title_or_attribute() {
    for vector in VECTORS {
        check(in_profiles(vector));
        check(in_profiles(&in_attributes(vector)));
        check(in_page(vector));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_mixture_of_pieces_lives(picks in prop::collection::vec((0..PIECES.len(), "[a-z<>/\"'= &;]{0,3}"), 1..14)) {
        let vector: String = picks.iter().map(|(at, noise)| format!("{}{noise}", PIECES[*at])).collect();
        check(in_profiles(&vector));
        check(extracted(&format!("<article><p>Words, words, and more words, so that this reads like an article, with commas, and a body.</p>{vector}</article>")));
    }

    #[test]
    fn no_mutated_vector_lives(seed in any::<u64>(), cuts in prop::collection::vec((any::<u16>(), 0..PIECES.len(), any::<bool>()), 1..6)) {
        let mut vector: Vec<char> = VECTORS[(seed % VECTORS.len() as u64) as usize].chars().take(2000).collect();
        for (at, piece, remove) in cuts {
            let at = usize::from(at) % (vector.len() + 1);
            if remove && at < vector.len() { vector.remove(at); } else { vector.splice(at..at, PIECES[piece].chars()); }
        }
        check(in_profiles(&vector.into_iter().collect::<String>()));
    }

    #[test]
    fn no_bytes_make_extraction_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..PIECES.len()) {
        let mut html = PIECES[at].as_bytes().to_vec();
        html.extend(&bytes);
        let _ = extract(&html, None, None);
        let _ = postrider::import::pages::looks_like(&html, None);
    }
}
