//! However a feed is broken, it is read or refused, and never panics.

use postrider::import::reader::{MAX_ENTRIES, read};
use url::Url;

/// Feeds that are tried.
const INPUTS: usize = 20_000;

/// A small generator of numbers that needs no crate and repeats itself on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit.max(1)
    }
}

/// Pieces that confuse readers of markup.
const PIECES: [&[u8]; 30] = [
    b"<",
    b">",
    b"&",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?",
    b"?>",
    b"\"",
    b"'",
    b"<item>",
    b"</item>",
    b"<entry>",
    b"</",
    b"/>",
    b"&#",
    b"&#x10FFFF;",
    b"<!DOCTYPE a [",
    b"]>",
    b" xml:base=\"",
    b" xmlns:a=\"b\"",
    b" type=\"xhtml\"",
    b"\0",
    b"\xFF\xFE",
    b"\xEF\xBB\xBF",
    b"\xC3",
    b"{\"items\":[",
    b"<content type=\"base64\">",
    b"<pubDate>+1:1-",
];

fn mutated(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(6) {
        let (at, to) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
        match dice.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
            2 => drop(bytes.drain(at.min(to)..at.max(to).min(at.min(to) + 64))),
            3 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap_or(0),
            4 => {
                let piece = bytes[at.min(to)..at.max(to)].to_vec();
                if bytes.len() + piece.len() < 1 << 18 {
                    bytes.splice(at..at, piece);
                }
            }
            5 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => bytes.rotate_left(at),
        }
    }
    bytes
}

#[test]
fn twenty_thousand_broken_feeds_neither_panic_nor_hang() {
    let seeds: Vec<Vec<u8>> = vec![
        b"<rss version='2.0'><channel><title>T</title><item><title>a &amp; b</title><link>http://example.org/</link><pubDate>Thu, 01 Jan 2004 19:48:21 GMT</pubDate><description><![CDATA[<p>x</p>]]></description></item></channel></rss>".to_vec(),
        b"<feed xmlns='http://www.w3.org/2005/Atom' xml:base='http://example.org/'><entry><title type='html'>&lt;b></title><content type='xhtml'><div><p>x</p></div></content><updated>2003-12-31T10:14:55Z</updated></entry></feed>".to_vec(),
        br#"{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","tags":["a"],"content_html":"<p>","date_published":"2003-12-31"}]}"#.to_vec(),
    ];
    let headers = [None, Some("text/xml; charset=utf-16"), Some("application/xml; charset=\"shift_jis\""), Some("text/html;charset")];
    let base = Url::parse("https://example.org/feed").ok();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for _ in 0..INPUTS {
        let bytes = mutated(&mut dice, &seeds);
        let outcome = read(&bytes, headers[dice.below(headers.len())], base.as_ref());
        assert!(outcome.is_err() || outcome.is_ok_and(|feed| feed.entries.len() <= MAX_ENTRIES));
    }
}
