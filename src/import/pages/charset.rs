//! From bytes to text, as browsers decide it: byte order mark, then the header, then `<meta>`, then a guess.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How far into the page a declaration is looked for. Browsers look at 1,024 bytes; long licence comments push it further down.
const PRESCAN_BYTES_MAX: usize = 4096;
/// How much of the page the guess is made from: more changes no guess and costs time.
const GUESS_BYTES_MAX: usize = 256 * 1024;

/// Decodes a page. `content_type` is the header's value; `tld` (without the dot) helps the guess.
pub fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>, tld: Option<&str>) -> Cow<'a, str> {
    encoding_of(bytes, content_type, tld).decode(bytes).0
}

fn encoding_of(bytes: &[u8], content_type: Option<&str>, tld: Option<&str>) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    let header = content_type.and_then(|value| charset_in(value.as_bytes())).and_then(Encoding::for_label_no_replacement);
    let declared = || declared_in_page(&bytes[..bytes.len().min(PRESCAN_BYTES_MAX)]);
    header.or_else(|| utf16_without_mark(bytes)).or_else(declared).unwrap_or_else(|| guess(bytes, tld))
}

/// UTF-16 that begins with `<` and has lost its mark: every second byte is zero.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes.get(..4)? {
        [b'<', 0, _, 0] => Some(UTF_16LE),
        [0, b'<', 0, _] => Some(UTF_16BE),
        _ => None,
    }
}

fn guess(bytes: &[u8], tld: Option<&str>) -> &'static Encoding {
    // Text that happens to be UTF-8 is UTF-8; asking first is also far quicker than guessing.
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[..bytes.len().min(GUESS_BYTES_MAX)], true);
    let tld = tld.filter(|tld| !tld.is_empty() && tld.bytes().all(|byte| byte.is_ascii_lowercase()));
    detector.guess(tld.map(str::as_bytes), Utf8Detection::Allow)
}

/// What the page says of itself: `<meta charset>`, `<meta http-equiv>` or an XML declaration.
fn declared_in_page(head: &[u8]) -> Option<&'static Encoding> {
    let lower = head.to_ascii_lowercase();
    let mut at = 0;
    while let Some(found) = lower[at..].iter().position(|&byte| byte == b'<') {
        let tag = &lower[at + found..];
        at += found + 1;
        if tag.starts_with(b"<!--") {
            at += find(tag, b"-->").unwrap_or(tag.len() - 1);
            continue;
        }
        let end = tag.iter().position(|&byte| byte == b'>').unwrap_or(tag.len());
        let label = if tag.starts_with(b"<meta") {
            charset_in(&tag[..end])
        } else if tag.starts_with(b"<?xml") {
            value_of(&tag[..end], b"encoding")
        } else {
            None
        };
        if let Some(encoding) = label.and_then(Encoding::for_label_no_replacement) {
            return Some(as_readable(encoding));
        }
    }
    None
}

/// A declaration that could be read as ASCII cannot be UTF-16: browsers take UTF-8 then.
fn as_readable(encoding: &'static Encoding) -> &'static Encoding {
    match encoding.name() {
        "UTF-16LE" | "UTF-16BE" => UTF_8,
        "x-user-defined" => WINDOWS_1252,
        _ => encoding,
    }
}

fn charset_in(value: &[u8]) -> Option<&[u8]> {
    value_of(value, b"charset")
}

/// The value after `name=` in a tag or header, quoted or not.
fn value_of<'v>(text: &'v [u8], name: &[u8]) -> Option<&'v [u8]> {
    let mut rest = text;
    loop {
        let at = rest.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))?;
        rest = &rest[at + name.len()..];
        let after = rest.trim_ascii_start();
        if let Some(value) = after.strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
            let end = value.iter().position(|byte| b"\"'; \t\r\n/>?".contains(byte)).unwrap_or(value.len());
            return Some(&value[..end]);
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_wins_over_the_header() {
        assert_eq!(decode(b"\xef\xbb\xbf<p>\xc3\xa4", Some("text/html; charset=iso-8859-1"), None), "<p>ä");
        assert_eq!(decode(b"\xff\xfe<\0p\0>\0\xe4\0", None, None), "<p>ä");
    }

    #[test]
    fn the_header_wins_over_meta_and_meta_over_the_guess() {
        assert_eq!(decode(b"<meta charset=utf-8><p>\xe4", Some("text/html; charset=\"ISO-8859-1\""), None), "<meta charset=utf-8><p>ä");
        assert!(
            decode(b"<!-- <meta charset=utf-8> --><META http-equiv='Content-Type' content='text/html; charset=koi8-r'><p>\xc1", None, None)
                .ends_with('а')
        );
        assert!(decode(b"<?xml version='1.0' encoding='windows-1251'?><p>\xe0", None, None).ends_with('а'));
    }

    #[test]
    fn a_meta_that_says_utf_16_means_utf_8() {
        assert!(decode("<meta charset=utf-16><p>ä".as_bytes(), None, None).ends_with('ä'));
    }

    #[test]
    fn undeclared_text_is_guessed() {
        assert!(decode("<p>Grüße aus Köln, schöne Tage".as_bytes(), None, None).contains("Köln"));
        assert!(decode(b"<p>Gr\xfc\xdfe aus K\xf6ln, sch\xf6ne Tage", None, Some("de")).contains("Köln"));
    }
}
