//! One request and what the answer is: nothing new, a feed, a page, gone, or a failure.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use url::Url;

use super::article::is_web;
use super::overview::asked_at;
use super::patience::Wishes;
use super::reader::Feed;
use super::robots::Robots;
use super::{Importer, pages, reader};
use crate::fetch::{HeaderMap, HeaderName, HeaderValue, Response};
use crate::model::source::{Source, SourceKind, Way};
use crate::store::sources::{Asked, SourceRow};

/// How long a robots.txt is good (RFC 9309, section 2.4).
const ROBOTS_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// The word the store keeps for a feed.
pub(super) const FEED: &str = "feed";
/// The word the store keeps for a page that is itself the article.
const PAGE: &str = "page";
/// The name by which robots.txt files know us.
const PRODUCT: &str = "postrider";
/// What we would like best. Feeds come first, because one address may serve both.
const ACCEPT: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, text/html;q=0.7, */*;q=0.5";

/// What a fault of ours is called.
const UNREADABLE: &str = "it cannot be read; please report this";

/// What is kept of an answer that was read and cannot be taken up.
pub(super) fn unreadable(asked: Asked) -> Asked {
    let Asked { url, status, is_conditional, bytes, .. } = asked;
    Asked { url, status, is_conditional, bytes, failed: true, said: UNREADABLE.to_owned(), ..Asked::default() }
}

/// What an answer brought.
pub(super) enum Brought {
    /// Nothing that has to be looked at.
    Nothing,
    /// A feed, and the address it came from.
    Feed(Box<Feed>, Url),
    /// A page that is itself the article, and its address.
    Page(Box<pages::Page>, Url),
}

/// An answer, judged.
pub(super) struct Answer {
    pub asked: Asked,
    pub wishes: Wishes,
    pub brought: Brought,
}

impl Importer {
    /// Asks a Source, and the feed its page names where it is one.
    pub(super) async fn request(&self, source: &Source, row: &SourceRow) -> Answer {
        let way = row.addresses().way();
        let url = Url::parse(asked_at(row)).unwrap_or_else(|_| source.url.clone());
        // Validators are of where it was; another address knows nothing of them.
        let anew = SourceRow { etag: None, last_modified: None, ..row.clone() };
        let row = if way == Way::Back { &anew } else { row };
        let is_page = source.kind == SourceKind::Page || source.kind == SourceKind::Auto && row.kind.as_deref() == Some(PAGE);
        if is_page && let Some(refused) = self.refused_by_robots(&url).await {
            return failed(Asked { url: url.into(), ..Asked::default() }, Wishes::default(), refused);
        }
        let answer = self.get(&url, row).await;
        let response = match answer {
            Ok(response) => response,
            Err((asked, said)) => {
                let mut wishes = Wishes::default();
                wishes.rest_as(row.rests.as_deref());
                return failed(asked, wishes, said);
            }
        };
        let mut answer = self.judged(source, row, response).await;
        // Once it is asked where it moved to, nothing tells of the move any more.
        if way == Way::Moved && answer.asked.moved_to.is_none() && !answer.asked.failed {
            answer.asked.moved_to.clone_from(&row.moved_to);
        }
        // The page is itself the feed by now.
        if way == Way::Back && row.found.is_some() && answer.asked.found.is_none() && !answer.asked.failed {
            answer.asked.found = Some(url.into());
        }
        answer
    }

    /// A conditional request, when there is anything to compare with.
    async fn get(&self, url: &Url, row: &SourceRow) -> Result<Response, (Asked, String)> {
        let headers = headers(row);
        let is_conditional = headers.contains_key("if-none-match") || headers.contains_key("if-modified-since");
        let response = self.fetch.get_if(url, headers).await;
        response.map_err(|error| (Asked { url: url.to_string(), is_conditional, ..Asked::default() }, error.to_string()))
    }

    async fn judged(&self, source: &Source, row: &SourceRow, response: Response) -> Answer {
        let now = self.clock.now();
        let mut wishes = Wishes::of_headers(|name| header(&response, name), now);
        // Until the feed says otherwise; a failure does not say it again either.
        wishes.rest_as(row.rests.as_deref());
        let mut asked = Asked {
            url: response.url.to_string(),
            status: Some(response.status),
            is_conditional: row.etag.is_some() || row.last_modified.is_some(),
            bytes: response.body.len(),
            etag: response.headers.get("etag").map(kept),
            last_modified: response.headers.get("last-modified").map(kept),
            moved_to: response.moved.as_ref().map(Url::to_string),
            ..Asked::default()
        };
        match response.status {
            304 => {
                asked.said = "unchanged".to_owned();
                Answer { asked, wishes, brought: Brought::Nothing }
            }
            410 => {
                asked.gone = true;
                failed(asked, wishes, "gone for good (410)".to_owned())
            }
            200 | 203 | 226 => self.body(source, row, response, asked, wishes).await,
            status => failed(asked, wishes, refusal(status)),
        }
    }

    /// Reads a body as what it is.
    async fn body(&self, source: &Source, row: &SourceRow, response: Response, mut asked: Asked, mut wishes: Wishes) -> Answer {
        // What was a feed stays one: a page in its place is that of a domain which ended, and nobody asked for it to be mailed.
        let is_feed = row.found.is_some() || row.kind.as_deref() == Some(FEED);
        // The page that named it may name another.
        let may_name = !is_feed || row.found.is_some() && row.addresses().way() == Way::Back;
        let kind = source.kind;
        let read = tokio::task::spawn_blocking(move || read(kind, is_feed, may_name, &response)).await;
        match read.unwrap_or_else(|_| Read::Wrong(UNREADABLE.to_owned())) {
            Read::Feed(feed, url) => {
                wishes.of_feed(&feed);
                asked.rests = Some(wishes.rests());
                asked.has_body = true;
                asked.kind = Some(FEED);
                asked.title.clone_from(&feed.title);
                asked.home = feed.link.as_deref().and_then(|link| url.join(link).ok()).filter(is_web).map(String::from);
                let entries = feed.entries.len();
                (asked.entries, asked.is_cut) = (Some(entries), feed.is_cut);
                asked.said = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
                if feed.is_cut {
                    asked.said.push_str(", cut short");
                    // The rest is there next time, whatever the validators say.
                    (asked.etag, asked.last_modified) = (None, None);
                }
                Answer { asked, wishes, brought: Brought::Feed(feed, url) }
            }
            Read::Page(page, url) => {
                // What was not known to be a page was not asked about before, nor was the host that a redirect led to.
                if let Some(refused) = self.refused_by_robots(&url).await {
                    return failed(asked, wishes, refused);
                }
                asked.has_body = true;
                asked.kind = Some(PAGE);
                asked.title.clone_from(&page.site_name);
                asked.said = "a page".to_owned();
                Answer { asked, wishes, brought: Brought::Page(page, url) }
            }
            Read::Names(feed) => Box::pin(self.named(source, row, feed, asked)).await,
            Read::Wrong(said) => failed(asked, wishes, said),
        }
    }

    /// The feed that a page names, asked at once: the page itself is of no use. The feed may be at another host, and is asked there like a redirect, which
    /// claims no host. From then on its host is the feed's.
    async fn named(&self, source: &Source, row: &SourceRow, feed: Url, page: Asked) -> Answer {
        let fresh = SourceRow { found: Some(feed.to_string()), etag: None, last_modified: None, failures: 0, ..row.clone() };
        let mut answer = match self.get(&feed, &fresh).await {
            Ok(response) => self.judged(source, &fresh, response).await,
            Err((asked, said)) => failed(asked, Wishes::default(), said),
        };
        if answer.asked.failed {
            answer.asked.said = format!("{} names the feed {feed}: {}", page.url, answer.asked.said);
        } else {
            answer.asked.found = Some(feed.into());
        }
        answer
    }

    /// Why a page may not be fetched, as its site says in robots.txt. Feeds are there to be fetched by programs, and nobody is asked about them.
    async fn refused_by_robots(&self, page: &Url) -> Option<String> {
        let site = page.origin().ascii_serialization();
        let now = self.clock.now();
        let kept = self.robots.lock().unwrap_or_else(PoisonError::into_inner).get(&site).cloned();
        let robots = match kept {
            Some((at, robots)) if now.since(at) < ROBOTS_KEPT => robots,
            _ => {
                let robots = Arc::new(self.robots_of(page).await);
                let mut all = self.robots.lock().unwrap_or_else(PoisonError::into_inner);
                all.retain(|_, (at, _)| now.since(*at) < ROBOTS_KEPT);
                super::robots::make_room(&mut all, &robots);
                all.insert(site.clone(), (now, robots.clone()));
                robots
            }
        };
        let path = &page[url::Position::BeforePath..url::Position::AfterQuery];
        (!robots.allows(PRODUCT, path)).then(|| format!("{site}/robots.txt does not allow it"))
    }

    /// Asked at the host of the page, while that is claimed for the page itself.
    async fn robots_of(&self, page: &Url) -> Robots {
        let Ok(url) = page.join("/robots.txt") else { return Robots::unreachable() };
        match self.fetch.get(&url).await {
            Ok(answer) if answer.status / 100 == 2 => Robots::parse(&answer.body),
            Ok(answer) if answer.status / 100 == 4 => Robots::unavailable(),
            _ => Robots::unreachable(),
        }
    }
}

fn headers(row: &SourceRow) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("accept"), HeaderValue::from_static(ACCEPT));
    for (name, value) in [("if-none-match", &row.etag), ("if-modified-since", &row.last_modified)] {
        if let Some(value) = value.as_deref().and_then(sent) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers.get(name).and_then(|value| value.to_str().ok())
}

/// A validator as the store keeps it: each byte a character, because it must go back byte for byte, whatever it is.
fn kept(value: &HeaderValue) -> String {
    value.as_bytes().iter().map(|byte| char::from(*byte)).collect()
}

fn sent(kept: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = kept.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// Its validators are not kept, nor do they take the place of older ones: "unchanged" would make a success of what failed, and hide it.
fn failed(asked: Asked, wishes: Wishes, said: String) -> Answer {
    Answer { asked: Asked { failed: true, said, etag: None, last_modified: None, ..asked }, wishes, brought: Brought::Nothing }
}

fn refusal(status: u16) -> String {
    let words = match status {
        401 | 403 => "access refused",
        404 => "not found",
        429 => "too many requests",
        500..=599 => "the server has trouble",
        300..=399 => "a redirect to nowhere",
        _ => "an answer we cannot use",
    };
    format!("{words} ({status})")
}

/// What a body is.
enum Read {
    Feed(Box<Feed>, Url),
    Page(Box<pages::Page>, Url),
    Names(Url),
    Wrong(String),
}

fn read(kind: SourceKind, is_feed: bool, may_name: bool, response: &Response) -> Read {
    let content_type = header(response, "content-type");
    let looks_like_page = || pages::looks_like(&response.body, content_type) == pages::Kind::Page;
    if kind == SourceKind::Auto
        && may_name
        && looks_like_page()
        && let Some(feed) = named_feed(response)
    {
        return Read::Names(feed);
    }
    let is_page = match kind {
        SourceKind::Page => true,
        SourceKind::Feed => false,
        SourceKind::Auto => !is_feed && looks_like_page(),
    };
    if !is_page {
        return match reader::read(&response.body, content_type, Some(&response.url)) {
            Ok(feed) => Read::Feed(Box::new(whole(feed)), response.url.clone()),
            Err(error) => Read::Wrong(error.to_string()),
        };
    }
    match pages::extract(&response.body, content_type, Some(&response.url)) {
        Ok(page) => Read::Page(Box::new(page), response.url.clone()),
        Err(error) => Read::Wrong(error.to_string()),
    }
}

/// A feed without the entry that its end cut in two: mailed by halves, it would never be mailed whole. Where others stand before it the reader has left it
/// out already.
fn whole(mut feed: Feed) -> Feed {
    if feed.is_cut && feed.entries.len() == 1 {
        feed.entries.clear();
    }
    feed
}

/// The first feed a page names. Places where feeds usually are were not named, and nobody guesses at other people's doors.
fn named_feed(response: &Response) -> Option<Url> {
    let found = pages::discover(&response.body, &response.url).ok()?;
    found.into_iter().find(|feed| feed.kind != pages::FeedKind::Unknown).map(|feed| feed.url)
}
