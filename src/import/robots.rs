//! What a site's robots.txt allows: RFC 9309, with `Crawl-delay`, which many sites write though no RFC knows it.
//!
//! A path and the patterns are brought into one form of percent-encoding when they are read, so that matching compares bytes. A pattern
//! is its pieces between stars; each piece is looked for once behind the one before it, so no pattern takes more than linear time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;

use crate::model::Timestamp;

/// More of a file is not read, as the RFC allows.
const BYTES_MAX: usize = 500 * 1024;
/// A longer path is not compared with the rules, of which a file can hold tens of thousands, but refused: no page has one.
const PATH_BYTES_MAX: usize = 8 * 1024;
/// Rules and agents that are remembered of all sites together, some 15 MB: a file of the largest size has forty thousand, an honest one has twenty.
const KEPT_MAX: usize = 200_000;
/// The one path that no rule can forbid.
const OWN_PATH: &str = "/robots.txt";

/// What one site allows. Made once for each answer, asked for each page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Robots {
    groups: Vec<Group>,
    /// Whether the site could not say what it allows, so that nothing is.
    is_closed: bool,
}

/// Lines that belong together: for whom, and what.
#[derive(Debug, Clone, PartialEq, Default)]
struct Group {
    /// Product tokens in lower case; `*` stands for everyone.
    agents: Vec<Vec<u8>>,
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

/// An `Allow` or `Disallow` line.
#[derive(Debug, Clone, PartialEq)]
struct Rule {
    /// The path pattern, encoded as paths are, without a `$` at its end.
    pattern: Vec<u8>,
    is_allow: bool,
    /// Whether a `$` asked that nothing follows.
    is_whole: bool,
}

impl Robots {
    /// Reads a robots.txt. Nothing in it is an error: a line that is no rule is passed over.
    pub fn parse(text: &[u8]) -> Self {
        let mut robots = Self::default();
        let mut takes_agents = false;
        for line in lines(text) {
            let Some((key, value)) = record(line) else { continue };
            match key.to_ascii_lowercase().as_slice() {
                b"user-agent" => {
                    if !takes_agents {
                        robots.groups.push(Group::default());
                        takes_agents = true;
                    }
                    if let Some(group) = robots.groups.last_mut() {
                        group.agents.push(token(value).to_ascii_lowercase());
                    }
                }
                b"allow" | b"disallow" => {
                    takes_agents = false;
                    // Without a path the line has no effect, and rules before the first User-agent are nobody's.
                    if let Some(group) = robots.groups.last_mut().filter(|_| !value.is_empty()) {
                        group.rules.push(Rule::new(value, key.len() == b"allow".len()));
                    }
                }
                // As the RFC asks of records it does not know, this ends no group.
                b"crawl-delay" => {
                    if let Some(group) = robots.groups.last_mut() {
                        group.delay = group.delay.max(seconds(value));
                    }
                }
                _ => {}
            }
        }
        robots
    }

    /// What a site allows that has no robots.txt (any answer of 400 to 499): everything.
    pub fn unavailable() -> Self {
        Self::default()
    }

    /// What a site allows that could not say it (an answer of 500 to 599, or none): nothing, until it can.
    pub fn unreachable() -> Self {
        Self { groups: Vec::new(), is_closed: true }
    }

    /// Whether `agent`, a product token or a whole User-Agent header, may fetch a path with its query.
    pub fn allows(&self, agent: &str, path_and_query: &str) -> bool {
        let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
        if path == OWN_PATH {
            return true;
        }
        if self.is_closed {
            return false;
        }
        let mut rules = self.groups_of(agent).flat_map(|group| &group.rules).peekable();
        if rules.peek().is_none() {
            return true;
        }
        if path_and_query.len() > PATH_BYTES_MAX {
            return false;
        }
        let path = encoded_path(path_and_query);
        // The longest pattern decides; of two as long, the one that allows.
        let strongest = rules.filter(|rule| rule.matches(&path)).map(|rule| (rule.length(), rule.is_allow)).max();
        strongest.is_none_or(|(_, is_allow)| is_allow)
    }

    /// How long `agent` is asked to wait between two requests. The caller decides how much of it is reasonable.
    pub fn crawl_delay(&self, agent: &str) -> Option<Duration> {
        self.groups_of(agent).filter_map(|group| group.delay).max()
    }

    /// How many rules and agents it has.
    fn size(&self) -> usize {
        1 + self.groups.iter().map(|group| group.agents.len() + group.rules.len()).sum::<usize>()
    }

    /// All groups for an agent, as if they were one; those for everyone only when none names it.
    fn groups_of(&self, agent: &str) -> impl Iterator<Item = &Group> {
        let agent = token(agent.trim_start().as_bytes()).to_ascii_lowercase();
        let is_named = self.groups.iter().any(|group| group.agents.contains(&agent));
        let wanted = if is_named { agent } else { b"*".to_vec() };
        self.groups.iter().filter(move |group| group.agents.contains(&wanted))
    }
}

/// Forgets what the largest of the sites said, until there is room for one more.
pub fn make_room(sites: &mut HashMap<String, (Timestamp, Arc<Robots>)>, new: &Robots) {
    let mut kept = sites.values().map(|(_, robots)| robots.size()).sum::<usize>() + new.size();
    while kept > KEPT_MAX {
        let Some(largest) = sites.iter().max_by_key(|(_, (_, robots))| robots.size()).map(|(site, _)| site.clone()) else { return };
        kept -= sites.remove(&largest).map_or(0, |(_, robots)| robots.size());
    }
}

impl Rule {
    fn new(value: &[u8], is_allow: bool) -> Self {
        let (value, is_whole) = value.strip_suffix(b"$").map_or((value, false), |value| (value, true));
        let mut pattern = encoded(value, b"*");
        // Stars in a row say no more than one.
        pattern.dedup_by(|next, before| *next == b'*' && *before == b'*');
        Self { pattern, is_allow, is_whole }
    }

    fn length(&self) -> usize {
        self.pattern.len() + usize::from(self.is_whole)
    }

    fn matches(&self, path: &[u8]) -> bool {
        let mut pieces = self.pattern.split(|&byte| byte == b'*');
        let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return !self.is_whole || rest.is_empty() };
        // The first place of each piece leaves the most for those behind it, so no other place need be tried.
        for piece in pieces {
            match memmem::find(rest, piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        if self.is_whole { rest.ends_with(last) } else { memmem::find(rest, last).is_some() }
    }
}

/// The lines of a file, without comments. A last line that the limit cuts off is left out: half of a path forbids too much.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let kept = match text.get(..BYTES_MAX) {
        Some(head) if text.len() > BYTES_MAX => &head[..head.iter().rposition(is_end).unwrap_or(0)],
        _ => text,
    };
    let kept = kept.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(kept);
    kept.split(move |byte| is_end(byte)).map(|line| &line[..memchr::memchr(b'#', line).unwrap_or(line.len())])
}

/// Key and value of a line.
fn record(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

/// The product token at the head of a User-Agent: `Name` of `Name/1.0 (+https://example.org/)`.
fn token(agent: &[u8]) -> &[u8] {
    let end = agent.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'(' | b',' | b';'));
    &agent[..end.unwrap_or(agent.len())]
}

/// A number of seconds, with or without a fraction.
fn seconds(value: &[u8]) -> Option<Duration> {
    let seconds: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A path with its query, encoded as patterns are.
fn encoded_path(path: &str) -> Vec<u8> {
    let path = if path.starts_with('/') { Cow::Borrowed(path) } else { Cow::Owned(format!("/{path}")) };
    encoded(path.as_bytes(), b"")
}

/// One form for all ways to write a path: unreserved characters bare; everything outside a path's characters as `%XX`; what is neither
/// stays as it is written, since `%2F` in a path is no slash. In a query the general delimiters mean nothing, so they are bare there.
/// A star or dollar that stands for itself is `%2A` or `%24`; the bytes of `bare` stay bare.
fn encoded(text: &[u8], bare: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut in_query = false;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let escaped = if byte == b'%' { hex_pair(text.get(at + 1..at + 3)) } else { None };
        at += if escaped.is_some() { 3 } else { 1 };
        match escaped {
            Some(byte) if is_unreserved(byte) || matches!(byte, b':' | b'@' | b'[' | b']') || in_query && matches!(byte, b'/' | b'?') => {
                out.push(byte);
            }
            Some(byte) => push_escaped(byte, &mut out),
            None if is_unreserved(byte) || b":@[]/?!&'()+,;=".contains(&byte) || bare.contains(&byte) => {
                in_query |= byte == b'?';
                out.push(byte);
            }
            None => push_escaped(byte, &mut out),
        }
    }
    out
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn hex_pair(digits: Option<&[u8]>) -> Option<u8> {
    let &[high, low] = digits? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "Postrider/1.0 (+https://example.org/bot)";

    fn allows(rules: &str, path: &str) -> bool {
        Robots::parse(format!("User-agent: *\n{rules}").as_bytes()).allows(AGENT, path)
    }

    #[test]
    fn without_rules_all_is_allowed_and_without_an_answer_nothing() {
        for robots in
            [Robots::unavailable(), Robots::parse(b""), Robots::parse(b"<html><p>Not found: 404</p>"), Robots::parse(b"Disallow: /")]
        {
            assert!(robots.allows(AGENT, "/") && robots.allows(AGENT, "/a?b=c"));
        }
        assert!(!Robots::unreachable().allows(AGENT, "/") && Robots::unreachable().allows(AGENT, "/robots.txt"));
        assert!(allows("Disallow:", "/a") && !allows("Disallow: /", "/a") && !allows("Disallow: /", ""));
        assert!(allows("Disallow: /", "/robots.txt") && allows("Disallow: /", "/robots.txt?x") && !allows("Disallow: /", "/robots.txt2"));
    }

    #[test]
    fn the_group_that_names_the_agent_is_taken_and_else_the_one_for_everyone() {
        let robots = Robots::parse(
            b"user-agent: *\nDisallow: /\n\nUser-Agent: examplebot\nUser-agent: POSTRIDER/2 (x)\nDisallow: /private\n\nUser-agent: free\nDisallow:\n",
        );
        assert!(
            robots.allows(AGENT, "/public") && !robots.allows("postrider", "/private/1") && !robots.allows("ExampleBot/1.0", "/private")
        );
        assert!(
            robots.allows("free", "/x")
                && !robots.allows("other", "/x")
                && !robots.allows("post", "/x")
                && !robots.allows("Postrider2", "/x")
        );
    }

    #[test]
    fn groups_of_the_same_agent_are_one_and_unknown_lines_end_no_group() {
        let text = b"User-agent: a\nSitemap: https://example.org/s.xml\nUser-agent: postrider\nDisallow: /one\rUser-agent: b\r\nDisallow: /b\nUSER-AGENT : Postrider\nDisallow:/two # why\n";
        let robots = Robots::parse(text);
        for (agent, allowed) in [("postrider", [false, false, true]), ("a", [false, true, true]), ("b", [true, true, false])] {
            assert_eq!(["/one", "/two", "/b"].map(|path| robots.allows(agent, path)), allowed, "{agent}");
        }
    }

    #[test]
    fn the_longest_pattern_decides_and_allow_wins_a_tie() {
        let rules = "Disallow: /shop\nAllow: /shop/open\nDisallow: /shop/open/not\nAllow: /p\nDisallow: /p\nDisallow: /*.htm\nAllow: /page\nAllow: /$\nDisallow: /x";
        for (path, allowed) in [
            ("/", true),
            ("/shop", false),
            ("/shopping", false),
            ("/shop/open", true),
            ("/shop/open/not/1", false),
            ("/p", true),
            ("/page.htm", false),
            ("/SHOP", true),
            ("/x", false),
        ] {
            assert_eq!(allows(rules, path), allowed, "{path}");
        }
    }

    #[test]
    fn stars_stand_for_anything_and_a_dollar_for_the_end() {
        for (pattern, path, matched) in [
            ("*", "/", true),
            ("/fish*", "/fish", true),
            ("/fish*", "/a/fish", false),
            ("/*fish", "/a/fish/b", true),
            ("/fish/", "/fish", false),
            ("/*.php$", "/a.php", true),
            ("/*.php$", "/a.php?b", false),
            ("/*.php$", "/a.php/b.php", true),
            ("/a*b*c$", "/a-b-b-c", true),
            ("/a*b*c$", "/a-c-b", false),
            ("/a*bc$", "/abc", true),
            ("/ab*bc$", "/abc", false),
            ("/a***b", "/ab", true),
            ("/a$b", "/a$b", true),
            ("/a%24", "/a$b", true),
            ("/a%2Ab", "/a*b", true),
            ("/a%2Ab", "/axb", false),
            ("$", "/", false),
            ("fish", "/fish", false),
        ] {
            assert_eq!(!allows(&format!("Disallow: {pattern}"), path), matched, "{pattern} on {path}");
        }
    }

    #[test]
    fn every_way_to_write_a_path_is_the_same_path() {
        for (pattern, path, matched) in [
            ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", true),
            ("/foo/bar?baz=https%3a%2f%2ffoo.bar", "/foo/bar?baz=https://foo.bar", true),
            ("/foo/bar/ツ", "/foo/bar/%E3%83%84", true),
            ("/foo/bar/%e3%83%84", "/foo/bar/ツ", true),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz", true),
            ("/foo/bar/baz", "/foo/b%61r/%62%61%7A", true),
            ("/a%2Fb", "/a/b", false),
            ("/a%2fb", "/a%2Fb", true),
            ("/a b", "/a%20b", true),
            ("/100%", "/100%25", true),
            ("/*/print", "/x?from=/y/print", true),
        ] {
            assert_eq!(!allows(&format!("Disallow: {pattern}"), path), matched, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_delay_is_told_for_the_agent_it_is_meant_for() {
        let robots = Robots::parse(b"User-agent: *\nCrawl-delay: 2.5\nDisallow: /x\nUser-agent: postrider\ncrawl-delay: 1\nCrawl-Delay: 10\nUser-agent: c\nDisallow: /c\n");
        assert_eq!(robots.crawl_delay("other"), Some(Duration::from_millis(2500)));
        assert_eq!(robots.crawl_delay(AGENT), Some(Duration::from_secs(10)));
        // The delay ended no group: /c is forbidden to both.
        assert!(!robots.allows(AGENT, "/c") && !robots.allows("c", "/c"));
        for wrong in ["-1", "NaN", "inf", "1e300", "soon", ""] {
            assert_eq!(Robots::parse(format!("User-agent: *\nCrawl-delay: {wrong}").as_bytes()).crawl_delay("x"), None, "{wrong}");
        }
    }

    #[test]
    fn a_byte_order_mark_any_bytes_and_a_cut_line_do_no_harm() {
        assert!(!Robots::parse(b"\xEF\xBB\xBFUser-agent: *\nDisallow: /caf\xE9").allows(AGENT, "/caf%E9"));
        let mut long = b"User-agent: *\nDisallow: /kept\n".to_vec();
        long.resize(BYTES_MAX - 12, b'#');
        long.extend(b"\nDisallow: /private\nDisallow: /behind\n");
        let robots = Robots::parse(&long);
        assert!(
            !robots.allows(AGENT, "/kept")
                && robots.allows(AGENT, "/p")
                && robots.allows(AGENT, "/private")
                && robots.allows(AGENT, "/behind")
        );
    }

    /// The meaning of a pattern, written down as slowly as can be.
    fn matches_slowly(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern, path) {
            ([], _) => true,
            ([b'$'], _) => path.is_empty(),
            ([b'*', rest @ ..], _) => (0..=path.len()).any(|at| matches_slowly(rest, &path[at..])),
            ([first, rest @ ..], [byte, path @ ..]) => first == byte && matches_slowly(rest, path),
            _ => false,
        }
    }

    #[test]
    fn matching_agrees_with_the_meaning_of_patterns() {
        let mut state = 7u64;
        let mut pick = |from: &[u8], length: u64| {
            let mut text = vec![b'/'];
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 33
            };
            (0..next() % length).for_each(|_| text.push(from[next() as usize % from.len()]));
            text
        };
        let mut matched = 0;
        for _ in 0..200_000 {
            let (mut pattern, path) = (pick(b"ab/**", 8), pick(b"ab/", 10));
            if pick(b"x", 3).len() > 2 {
                pattern.push(b'$');
            }
            let found = Rule::new(&pattern, true).matches(&path);
            assert_eq!(found, matches_slowly(&pattern, &path), "{} on {}", pattern.escape_ascii(), path.escape_ascii());
            matched += u32::from(found);
        }
        assert!((20_000..180_000).contains(&matched), "both answers are tried: {matched}");
    }

    #[test]
    fn huge_files_are_forgotten_when_there_are_many_and_small_ones_stay() {
        let huge = Robots::parse(format!("User-agent: *\n{}", "Disallow:/a\n".repeat(40_000)).as_bytes());
        let mut sites = HashMap::new();
        for n in 0..20 {
            for (name, robots) in [("small", Robots::parse(b"User-agent: *\nDisallow: /")), ("huge", huge.clone())] {
                make_room(&mut sites, &robots);
                sites.insert(format!("{name}{n}"), (Timestamp(n), Arc::new(robots)));
            }
        }
        let kept = |name: &str| sites.keys().filter(|site| site.starts_with(name)).count();
        assert_eq!((kept("small"), kept("huge")), (20, KEPT_MAX / huge.size()));
    }

    #[test]
    fn hostile_files_and_paths_take_bounded_time() {
        let path = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));
        let stars = format!("User-agent: *\nDisallow: /{}b$", "a*".repeat(10_000));
        let many = format!("User-agent: *\n{}", "Disallow:/*aab\n".repeat(34_000));
        let steps = format!("User-agent: *\n{}", "Disallow:/*a*aa*ab$\n".repeat(25_000));
        let agents = "User-agent: postrider\nAllow:\n".repeat(17_000);
        let dense = format!("User-agent: *\n{}", "Disallow:/*abaa\n".repeat(32_000));
        let pairs = format!("/{}", "ab".repeat(PATH_BYTES_MAX / 2 - 1));
        for (text, path) in [(stars, &path), (many, &path), (steps, &path), (agents, &path), (dense, &pairs)] {
            assert!(Robots::parse(text.as_bytes()).allows(AGENT, path));
        }
        assert!(!allows("Disallow: /x", &"/a".repeat(PATH_BYTES_MAX)) && allows("", &"/a".repeat(PATH_BYTES_MAX)));
    }
}
