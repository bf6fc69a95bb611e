//! Nothing live leaves the sanitiser: known vectors where the corpus is at hand, our own and their mutations everywhere.

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
    let body = doc.body().expect("a body");
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

fn check(vector: &str) {
    let base = Url::parse("https://example.com/a/").expect("a base");
    for profile in PROFILES {
        let Ok(clean) = sanitize(vector, &Rules { profile, base: Some(&base), images: true }) else { continue };
        assert_eq!(live(&clean), None, "{profile:?}: {vector}\n->\n{clean}");
        let again = sanitize(&clean, &Rules { profile, base: Some(&base), images: true }).expect("clean HTML");
        assert_eq!(again, clean, "sanitising twice changes {vector}");
    }
}

fn check_page(html: &str) {
    let base = Url::parse("https://example.com/a/").expect("a base");
    let Ok(page) = extract(html.as_bytes(), None, Some(&base)) else { return };
    assert_eq!(live(&page.html), None, "{html}\n->\n{}", page.html);
    let mut options = comrak::Options::default();
    options.render.r#unsafe = true;
    let rendered = comrak::markdown_to_html(&page.markdown, &options);
    assert_eq!(live(&rendered), None, "{html}\n->\n{}\n->\n{rendered}", page.markdown);
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

fn vectors() -> Vec<String> {
    let root = std::env::var("POSTRIDER_CORPORA").unwrap_or_default();
    let mut vectors: Vec<String> = VECTORS.map(str::to_owned).to_vec();
    if let Ok(text) = std::fs::read_to_string(format!("{root}/xss/h5sc-vectors.txt")) {
        vectors.extend(
            text.split("<div id=\"")
                .map(|part| part.split_once("\">").map_or(part, |(_, vector)| vector).replace("//[\"'`-->]]>]</div>", "")),
        );
    }
    if let Ok(text) = std::fs::read_to_string(format!("{root}/xss/blns.json")) {
        vectors.extend(serde_json::from_str::<Vec<String>>(&text).expect("a list"));
    }
    vectors
}

#[test]
fn no_known_vector_lives_as_body_title_or_attribute() {
    let words = "<p>Words, words, and more words, so that this reads like an article that someone wrote, with commas.</p>".repeat(8);
    let all = vectors();
    for vector in &all {
        check(vector);
        let quoted = vector.replace('"', "&quot;");
        check(&format!(
            "<p title=\"{quoted}\">x</p><a href=\"{quoted}\">x</a><img src=\"{quoted}\" alt=\"{quoted}\"><code class=\"{quoted}\">x</code>"
        ));
        check_page(&format!("<title>{vector}</title><article>{words}{vector}{words}<a href=\"{quoted}\">x</a></article>"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_mixture_of_pieces_lives(picks in prop::collection::vec((0..PIECES.len(), "[a-z<>/\"'= &;]{0,3}"), 1..14)) {
        let vector: String = picks.iter().map(|(at, noise)| format!("{}{noise}", PIECES[*at])).collect();
        check(&vector);
        check_page(&format!("<article><p>Words, words, and more words, so that this reads like an article, with commas, and a body.</p>{vector}</article>"));
    }

    #[test]
    fn no_mutated_vector_lives(seed in any::<u64>(), cuts in prop::collection::vec((any::<u16>(), 0..PIECES.len(), any::<bool>()), 1..6)) {
        let all = vectors();
        let mut vector: Vec<char> = all[(seed % all.len() as u64) as usize].chars().take(2000).collect();
        for (at, piece, remove) in cuts {
            let at = usize::from(at) % (vector.len() + 1);
            if remove && at < vector.len() { vector.remove(at); } else { vector.splice(at..at, PIECES[piece].chars()); }
        }
        check(&vector.into_iter().collect::<String>());
    }

    #[test]
    fn no_bytes_make_extraction_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..PIECES.len()) {
        let mut html = PIECES[at].as_bytes().to_vec();
        html.extend(&bytes);
        let _ = extract(&html, None, None);
        let _ = postrider::import::pages::looks_like(&html, None);
    }
}
