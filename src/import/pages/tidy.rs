//! Tidying foreign content as a tree: absolute addresses, real pictures, no trackers, no pixels, nothing hidden.

use dom_query::NodeRef;
use url::Url;

use super::{address, split};

const LINK_SCHEMES: [&str; 3] = ["http", "https", "mailto"];
const MEDIA_SCHEMES: [&str; 2] = ["http", "https"];
/// Where pages keep the address of a picture that is loaded late, best first.
const LAZY: [&str; 9] = [
    "data-src",
    "data-original",
    "data-lazy-src",
    "data-lazy",
    "data-original-src",
    "data-hi-res-src",
    "data-full-src",
    "data-image",
    "data-url",
];
const LAZY_SETS: [&str; 3] = ["data-srcset", "data-lazy-srcset", "srcset"];
/// Words in addresses of pictures that only hold a place.
const PLACEHOLDERS: [&str; 9] =
    ["placeholder", "spacer.", "blank.gif", "blank.png", "transparent.", "/1x1", "loading.gif", "lazy-load", "grey.gif"];
/// A picture of a set need not be wider than this: it is shown in a column.
const WIDTH_MAX: f32 = 1600.0;
/// Players whose address becomes a link, since frames are never kept.
const PLAYERS: [&str; 6] =
    ["www.youtube.com", "www.youtube-nocookie.com", "player.vimeo.com", "www.dailymotion.com", "w.soundcloud.com", "player.twitch.tv"];

/// How many neighbours of a picture are looked at for another address of it: each of a hundred thousand pictures may have as many.
const NEIGHBOURS_MAX: usize = 64;
/// Bytes by which addresses may grow when they are made absolute, and as many more for each node: a short link to a long base repeats all of that.
/// Where they are used up, addresses that are not absolute already are taken out.
const ADDED_BYTES_MIN: usize = 8 * 1024;
const ADDED_BYTES_PER_NODE: usize = 128;

/// What addresses are relative to, as long as there is room for what it adds to them.
struct Base<'u> {
    url: Option<&'u Url>,
    room: usize,
}

impl Base<'_> {
    fn absolute(&mut self, value: &str, schemes: &[&str]) -> Option<Url> {
        let url = address::absolute(value, self.url.filter(|_| self.room > 0), schemes)?;
        self.room = self.room.saturating_sub(url.as_str().len().saturating_sub(value.len()));
        Some(url)
    }
}

/// Tidies all below `root`. Pictures give way to their descriptions unless `images`.
pub(super) fn tidy(root: &NodeRef<'_>, base: Option<&Url>, images: bool) {
    let mut pictures = Vec::new();
    let nodes = root.descendants();
    let base = &mut Base { url: base, room: ADDED_BYTES_MIN + nodes.len() * ADDED_BYTES_PER_NODE };
    for node in nodes {
        let Some(name) = node.node_name() else { continue };
        if is_hidden(&node) {
            node.remove_from_parent();
            continue;
        }
        match &*name {
            "a" => link(&node, base),
            "img" | "amp-img" => picture(&node, base, images),
            "noscript" => noscript(&node),
            "iframe" => player(&node, base),
            "audio" | "video" | "source" => media(&node, base),
            "font" | "section" | "article" | "main" | "header" | "footer" | "aside" => plain(&node, &name),
            "picture" => pictures.push(node),
            _ => {}
        }
    }
    // Only now: until here the sources tell the image its address.
    for picture in pictures {
        picture.element_children().iter().filter(|it| it.has_name("source")).for_each(NodeRef::remove_from_parent);
        picture.rename("span");
    }
    split::long_texts(root);
}

/// Elements that mean nothing outside their page.
fn plain(node: &NodeRef<'_>, name: &str) {
    node.rename(if name == "font" { "span" } else { "div" });
}

fn is_hidden(node: &NodeRef<'_>) -> bool {
    if node.has_attr("hidden") {
        return true;
    }
    let Some(style) = node.attr("style") else { return false };
    let style: String = style.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    style.split(';').any(|rule| {
        let rule = rule.strip_suffix("!important").unwrap_or(rule);
        matches!(
            rule,
            "display:none"
                | "visibility:hidden"
                | "mso-hide:all"
                | "opacity:0"
                | "font-size:0"
                | "font-size:0px"
                | "max-height:0"
                | "max-height:0px"
        )
    })
}

fn link(node: &NodeRef<'_>, base: &mut Base<'_>) {
    let Some(href) = node.attr("href") else { return };
    match base.absolute(&href, &LINK_SCHEMES) {
        Some(url) => set(node, "href", &href, url.as_str()),
        None => node.remove_attr("href"),
    }
}

/// Sets an attribute only when that changes it: most addresses are right already.
fn set(node: &NodeRef<'_>, name: &str, before: &str, after: &str) {
    if before != after {
        node.set_attr(name, after);
    }
}

fn picture(node: &NodeRef<'_>, base: &mut Base<'_>, images: bool) {
    let source = picture_source(node, base);
    let pixel = is_tiny(node) || source.as_ref().is_some_and(address::is_pixel);
    if pixel {
        node.remove_from_parent();
        return;
    }
    match source.filter(|_| images) {
        Some(source) => {
            if &*node.node_name().unwrap_or_default() != "img" {
                node.rename("img");
            }
            let before = node.attr("src").unwrap_or_default();
            set(node, "src", &before, source.as_str());
        }
        None => {
            let alt = node.attr("alt").unwrap_or_default();
            if images || alt.trim().is_empty() {
                node.remove_from_parent();
            } else {
                node.rename("span");
                node.remove_all_attrs();
                node.set_text(alt);
            }
        }
    }
}

/// The address of the picture itself, not of what holds its place until a script runs.
fn picture_source(node: &NodeRef<'_>, base: &mut Base<'_>) -> Option<Url> {
    let mut read = |value: &str| base.absolute(value, &MEDIA_SCHEMES);
    let own = node.attr("src").and_then(|value| read(&value));
    if let Some(own) = own.as_ref().filter(|own| !PLACEHOLDERS.iter().any(|word| own.as_str().contains(word))) {
        return Some(own.clone());
    }
    let lazy = LAZY.iter().filter_map(|name| node.attr(name)).find_map(|value| read(&value));
    let found = lazy.or_else(|| LAZY_SETS.iter().filter_map(|name| node.attr(name)).find_map(|set| best_of(&set).and_then(&mut read)));
    found.or_else(|| source_beside(node).and_then(|value| read(&value))).or(own)
}

/// The first source of the `<picture>` that holds this image.
fn source_beside(node: &NodeRef<'_>) -> Option<String> {
    let parent = node.parent()?;
    parent.children_it(false).take(NEIGHBOURS_MAX).filter(|it| it.has_name("source")).find_map(|it| {
        let set = it.attr("srcset").or_else(|| it.attr("data-srcset"))?;
        best_of(&set).map(str::to_owned)
    })
}

/// The widest picture of a set that is not wider than needed.
fn best_of(set: &str) -> Option<&str> {
    let mut best: Option<(f32, &str)> = None;
    let mut rest = set;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return best.map(|(_, url)| url);
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        let bare = url.trim_end_matches(',');
        let (size, after) = if bare.len() < url.len() { ("", after) } else { after.split_once(',').unwrap_or((after, "")) };
        rest = after;
        let size = size.trim();
        let width = match size.strip_suffix(['w', 'x']).and_then(|number| number.parse::<f32>().ok()) {
            Some(number) if size.ends_with('x') => number * 800.0,
            Some(number) => number,
            None => 800.0,
        };
        let better = |other: f32| if width <= WIDTH_MAX { width > other || other > WIDTH_MAX } else { width < other };
        if best.is_none_or(|(other, _)| better(other)) {
            best = Some((width, bare));
        }
    }
}

/// Whether a picture is declared as one point.
fn is_tiny(node: &NodeRef<'_>) -> bool {
    let style: String = node.attr("style").map(|style| style.chars().filter(|c| !c.is_whitespace()).collect()).unwrap_or_default();
    let tiny = |name: &str| {
        let attribute = node.attr(name).is_some_and(|value| matches!(value.trim().trim_end_matches("px"), "0" | "1"));
        attribute || style.split(';').any(|rule| matches!(rule.strip_prefix(name), Some(":0" | ":0px" | ":1px")))
    };
    tiny("width") && tiny("height")
}

/// What a page shows without scripts is the real picture, unless one stands beside it already.
fn noscript(node: &NodeRef<'_>) {
    let shows = |it: NodeRef<'_>| it.has_name("img") || it.descendants_it().take(NEIGHBOURS_MAX).any(|inner| inner.has_name("img"));
    let beside = node.prev_element_sibling().is_some_and(shows);
    if beside { node.remove_from_parent() } else { node.rename("span") }
}

fn player(node: &NodeRef<'_>, base: &mut Base<'_>) {
    let source = node.attr("src").and_then(|value| base.absolute(&value, &MEDIA_SCHEMES));
    let known = source.filter(|url| url.host_str().is_some_and(|host| PLAYERS.contains(&host)));
    let Some(url) = known else {
        node.remove_from_parent();
        return;
    };
    let title = node.attr("title").filter(|title| !title.trim().is_empty()).unwrap_or_else(|| url.as_str().into());
    node.remove_all_attrs();
    node.rename("a");
    node.set_attr("href", url.as_str());
    node.set_text(title);
}

fn media(node: &NodeRef<'_>, base: &mut Base<'_>) {
    for name in ["src", "poster"] {
        let Some(before) = node.attr(name) else { continue };
        match base.absolute(&before, &MEDIA_SCHEMES) {
            Some(url) => set(node, name, &before, url.as_str()),
            None => node.remove_attr(name),
        }
    }
    if !node.has_name("source") {
        node.set_attr("controls", "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dom_query::Document;

    fn tidied(html: &str) -> String {
        let base = Url::parse("https://example.com/blog/").expect("a base");
        let doc = Document::fragment(html);
        tidy(&doc.root(), Some(&base), true);
        doc.html_root().inner_html().to_string()
    }

    #[test]
    fn a_late_picture_gets_its_own_address() {
        assert_eq!(tidied(r#"<img src="data:image/gif;base64,R0" data-src="a.jpg">"#).matches("https://example.com/blog/a.jpg").count(), 1);
        assert!(
            tidied(r#"<img src="/placeholder.png" data-srcset="s.jpg 300w, m.jpg 1200w, l.jpg 3000w">"#)
                .contains("src=\"https://example.com/blog/m.jpg\"")
        );
        assert!(
            tidied(r#"<picture><source srcset="p.webp 2x"><img alt="x"></picture>"#).contains("src=\"https://example.com/blog/p.webp\"")
        );
        let beside = tidied(r#"<picture><source srcset="p.webp 2x"><img src="p.jpg"></picture>"#);
        assert_eq!(beside, r#"<span><img src="https://example.com/blog/p.jpg"></span>"#);
        assert!(tidied(r#"<img src="real.jpg" srcset="other.jpg 2x">"#).contains("src=\"https://example.com/blog/real.jpg\""));
    }

    /// Each picture would look at all its neighbours, each `<noscript>` at all of what stands before it: minutes.
    #[test]
    fn fifty_thousand_pictures_in_a_row_take_no_time() {
        let pictures = tidied(&format!("<p>{}</p>", "<img>".repeat(50_000)));
        assert_eq!(pictures, "<p></p>");
        let noscripts =
            tidied(&format!("<div><img src=a.jpg>{}</div>{}", "<b></b>".repeat(50_000), "<noscript>x</noscript>".repeat(50_000)));
        assert_eq!(noscripts.matches("noscript").count(), 0);
    }

    #[test]
    fn a_long_base_is_not_repeated_without_end() {
        let base = Url::parse(&format!("https://example.com/{}/", "b".repeat(2000))).expect("a base");
        let links = "<a href=x>x</a><img src=y>".repeat(10_000);
        let doc = Document::fragment(links.as_str());
        tidy(&doc.root(), Some(&base), true);
        let out = doc.html_root().inner_html();
        assert!(out.len() < 6_000_000, "{} bytes became {}", links.len(), out.len());
        assert!(out.contains("bbb/x\"") && out.ends_with("<a>x</a>"), "the first are absolute and the last are none");
    }

    #[test]
    fn sets_may_have_commas_in_their_addresses() {
        assert_eq!(
            best_of("https://example.org/w_300,h_200/a.jpg 300w, https://example.org/w_900,h_600/a.jpg 900w"),
            Some("https://example.org/w_900,h_600/a.jpg")
        );
        assert_eq!(best_of("a.jpg, b.jpg 2x"), Some("b.jpg"));
        assert_eq!(best_of(" , "), None);
    }

    #[test]
    fn pixels_and_hidden_parts_are_removed() {
        let html = r#"<p>text<img src="https://example.org/o.gif" width="1" height="1"><img src="https://example.org/p.gif" style="width: 1px; height:1px">
            <img src="https://pixel.wp.com/g.gif"><span style="DISPLAY : none !important">pre</span><span hidden>x</span></p>"#;
        let out = tidied(html);
        assert!(!out.contains("<img") && !out.contains("<span"), "{out}");
    }

    #[test]
    fn a_film_in_a_frame_becomes_a_link() {
        assert_eq!(
            tidied(
                r#"<iframe src="https://www.youtube.com/embed/x1" title="The film" onload="x()"></iframe><iframe src="https://ads.test/"></iframe>"#
            ),
            r#"<a href="https://www.youtube.com/embed/x1">The film</a>"#
        );
    }

    #[test]
    fn pictures_left_out_leave_their_description() {
        let doc = Document::fragment(
            r#"<p><img src="https://example.org/a.jpg" alt="A cat &lt;b&gt;"><img src="https://example.org/b.jpg"></p>"#,
        );
        tidy(&doc.root(), None, false);
        assert_eq!(doc.html_root().inner_html().as_ref(), "<p><span>A cat &lt;b&gt;</span></p>");
    }
}
