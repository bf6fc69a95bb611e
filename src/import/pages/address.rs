//! Addresses in foreign content: absolute, of a harmless scheme, and without what only tracks readers.

use url::Url;

/// Query parameters that carry nothing but tracking.
const TRACKERS: [&str; 42] = [
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "gad_source",
    "gad_campaignid",
    "msclkid",
    "yclid",
    "ysclid",
    "twclid",
    "ttclid",
    "igshid",
    "igsh",
    "li_fat_id",
    "mkt_tok",
    "s_cid",
    "_openstat",
    "__s",
    "__hssc",
    "__hstc",
    "__hsfp",
    "hsctatracking",
    "vero_id",
    "vero_conv",
    "oly_anon_id",
    "oly_enc_id",
    "wickedid",
    "rb_clickid",
    "ref_src",
    "ref_url",
    "ml_subscriber",
    "ml_subscriber_hash",
    "ck_subscriber_id",
    "sscid",
    "epik",
    "_branch_match_id",
    "cvid",
    "ocid",
    "srsltid",
    "_kx",
];
/// Beginnings of such parameters.
const TRACKER_PREFIXES: [&str; 10] = ["utm_", "mc_", "pk_", "mtm_", "hsa_", "_hs", "matomo_", "piwik_", "sc_", "itm_"];

/// Hosts, and paths behind `/`, that serve pictures nobody is meant to see. `.x` matches the host and all below it.
const PIXEL_HOSTS: [&str; 24] = [
    "pixel.wp.com",
    "stats.wp.com",
    "feeds.wordpress.com",
    "doubleclick.net",
    "google-analytics.com",
    "googleadservices.com",
    "googlesyndication.com",
    "googletagmanager.com",
    "quantserve.com",
    "scorecardresearch.com",
    "bat.bing.com",
    "analytics.twitter.com",
    "ct.pinterest.com",
    "px.ads.linkedin.com",
    "track.hubspot.com",
    "feedsportal.com",
    "imrworldwide.com",
    "chartbeat.net",
    "pixel.mathtag.com",
    "ads.pubmatic.com",
    "pi.feedsportal.com",
    "eotrx.substackcdn.com",
    "clicks.mlsend.com",
    "log.outbrain.com",
];
const PIXEL_PATHS: [&str; 14] = [
    "/track/open",
    "/wf/open",
    "/open.gif",
    "/open.aspx",
    "/pixel.gif",
    "/pixel.png",
    "/tracking-pixel",
    "/trackopen",
    "/beacon.gif",
    "/_/stat",
    "/~r/",
    "/blogger.googleusercontent.com/tracker",
    "/tracker/",
    "/e/eo",
];

/// The address as an absolute one without trackers; nothing when its scheme is not in `schemes` or it is relative and `base` is unknown.
pub fn absolute(value: &str, base: Option<&Url>, schemes: &[&str]) -> Option<Url> {
    let value = value.trim_matches(|c: char| c <= ' ');
    if value.is_empty() {
        return None;
    }
    let mut url = match base {
        Some(base) => base.join(value).ok()?,
        None => Url::parse(value).ok()?,
    };
    if !schemes.contains(&url.scheme()) {
        return None;
    }
    if let Some(inner) = behind_google(&url).filter(|inner| schemes.contains(&inner.scheme())) {
        url = inner;
    }
    strip_trackers(&mut url);
    Some(url)
}

/// The address behind one of Google's that counts its readers: Google's sites and documents write all their links so.
fn behind_google(url: &Url) -> Option<Url> {
    let host = url.host_str()?;
    let is_counter = matches!(host, "www.google.com" | "google.com") && url.path() == "/url";
    let target = || url.query_pairs().find(|(name, _)| matches!(&**name, "q" | "url")).and_then(|(_, value)| Url::parse(&value).ok());
    is_counter.then(target)?
}

/// Takes tracking parameters out and leaves every other byte of the address as it was.
pub fn strip_trackers(url: &mut Url) {
    if let Some(query) = url.query() {
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_tracker(pair)).collect();
        let kept = kept.join("&");
        if kept.len() != query.len() {
            url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
        }
    }
    if url.fragment().is_some_and(|fragment| fragment.starts_with("xtor=") || fragment.split('&').all(is_tracker)) {
        url.set_fragment(None);
    }
}

/// Whether a parameter only tells where a reader came from; Medium's feeds write `source=rss-…`.
fn is_tracker(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.strip_prefix("amp;").unwrap_or(name).to_ascii_lowercase();
    TRACKERS.contains(&name.as_str())
        || TRACKER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name == "source" && value.starts_with("rss")
}

/// Whether a picture at this address only counts its readers.
pub fn is_pixel(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let path = url.path();
    PIXEL_HOSTS.iter().any(|known| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        || PIXEL_PATHS.iter().any(|known| path.contains(known))
        || host == "www.facebook.com" && path == "/tr"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(value: &str) -> Option<String> {
        let base = Url::parse("https://example.com/a/b.html").expect("a base");
        absolute(value, Some(&base), &["http", "https", "mailto"]).map(String::from)
    }

    #[test]
    fn relative_addresses_become_absolute() {
        assert_eq!(link("../c?x=1#y").as_deref(), Some("https://example.com/c?x=1#y"));
        assert_eq!(link("//example.org/p").as_deref(), Some("https://example.org/p"));
        assert_eq!(link("mailto:a@example.org").as_deref(), Some("mailto:a@example.org"));
        assert_eq!(absolute("c.html", None, &["https"]), None);
    }

    #[test]
    fn other_schemes_are_refused() {
        for value in ["javascript:alert(1)", " java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "", " "] {
            assert_eq!(link(value), None, "{value}");
        }
    }

    #[test]
    fn trackers_go_and_the_rest_of_the_address_stays() {
        assert_eq!(link("/p?utm_source=x&id=7&fbclid=1&q=a%20b+c").as_deref(), Some("https://example.com/p?id=7&q=a%20b+c"));
        assert_eq!(link("/p?mc_cid=1&mc_eid=2").as_deref(), Some("https://example.com/p"));
        assert_eq!(link("/p?source=rss----1&x=1").as_deref(), Some("https://example.com/p?x=1"));
        assert_eq!(link("/p?source=harbour").as_deref(), Some("https://example.com/p?source=harbour"));
        assert_eq!(link("/p?a=1&amp;utm_medium=m#utm_source=x").as_deref(), Some("https://example.com/p?a=1"));
        assert_eq!(link("/p#part").as_deref(), Some("https://example.com/p#part"));
    }

    #[test]
    fn an_address_is_what_stands_behind_a_counter() {
        let wrapped = "https://www.google.com/url?q=https%3A%2F%2Foars.example.org%2Fshop%3Fa%3D1&sa=D&usg=x";
        assert_eq!(link(wrapped).as_deref(), Some("https://oars.example.org/shop?a=1"));
        assert_eq!(link("https://www.google.com/url?q=javascript:x").as_deref(), Some("https://www.google.com/url?q=javascript:x"));
        assert_eq!(link("https://example.net/url?q=https://a.test/").as_deref(), Some("https://example.net/url?q=https://a.test/"));
    }

    #[test]
    fn pixels_are_known_by_host_and_path() {
        let pixel = |value: &str| is_pixel(&Url::parse(value).expect("an address"));
        assert!(
            pixel("https://pixel.wp.com/b.gif?x")
                && pixel("https://a.doubleclick.net/x")
                && pixel("https://example.com/track/open.php?u=1")
        );
        assert!(!pixel("https://notdoubleclick.net/x.png") && !pixel("https://example.com/photo.jpg"));
    }
}
