//! Bytes to text: marks, declarations, guesses. A document that lies about its charset is read as what it is.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Fewer bytes above ASCII than this are too few to tell one Latin charset from another.
const EVIDENCE_MIN: usize = 6;
/// How far into a document an XML declaration is looked for.
const DECLARATION_WITHIN: usize = 1024;

/// Turns a document into text without characters that XML forbids.
pub fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    let text = decode_any(bytes, content_type);
    match text {
        Cow::Borrowed(text) => clean(text),
        Cow::Owned(text) => match clean(&text) {
            Cow::Borrowed(kept) if kept.len() == text.len() => Cow::Owned(text),
            other => Cow::Owned(other.into_owned()),
        },
    }
}

fn decode_any<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    if let Some(text) = by_mark(bytes) {
        return text;
    }
    let from_header = content_type.and_then(charset_parameter).and_then(known);
    let declared = declared_in_xml(bytes);
    let from_xml = declared.and_then(known);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return valid_utf8(bytes, text, from_header.or(from_xml));
    }
    if is_mostly_utf8(bytes) {
        return Cow::Owned(patched_utf8(bytes));
    }
    for encoding in [from_header, from_xml].into_iter().flatten() {
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
            return text;
        }
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    let evidence = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    // A pound sign and two quotation marks do not make a document Polish: little evidence leaves the web's own default.
    let encoding = if evidence < EVIDENCE_MIN && is_latin(guess) { WINDOWS_1252 } else { guess };
    encoding.decode_without_bom_handling(bytes).0
}

/// Whether a guess is one of the Latin cousins that differ from one another in a few letters only.
fn is_latin(guess: &'static Encoding) -> bool {
    let cousins =
        ["windows-1250", "windows-1254", "windows-1257", "windows-1258", "ISO-8859-2", "ISO-8859-4", "ISO-8859-10", "ISO-8859-13"];
    cousins.contains(&guess.name())
}

/// Bytes that are UTF-8 are taken as UTF-8 even when they were declared Latin-1, the most common lie of all; any other
/// declaration that fits the bytes is believed (ISO-2022-JP and the like are valid UTF-8 by construction).
fn valid_utf8<'a>(bytes: &'a [u8], text: &'a str, declared: Option<&'static Encoding>) -> Cow<'a, str> {
    match declared {
        Some(encoding) if encoding != UTF_8 && encoding != WINDOWS_1252 && (!bytes.is_ascii() || !encoding.is_ascii_compatible()) => {
            encoding.decode_without_bom_handling_and_without_replacement(bytes).unwrap_or(Cow::Borrowed(text))
        }
        _ => Cow::Borrowed(text),
    }
}

/// A byte order mark, or the pattern that the first characters leave in UTF-16 and UTF-32.
fn by_mark(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match bytes {
        [0, 0, 0xFE, 0xFF, rest @ ..] => Some(Cow::Owned(utf32(rest, u32::from_be_bytes))),
        [0xFF, 0xFE, 0, 0, rest @ ..] => Some(Cow::Owned(utf32(rest, u32::from_le_bytes))),
        [0, 0, 0, low, ..] if *low != 0 => Some(Cow::Owned(utf32(bytes, u32::from_be_bytes))),
        [low, 0, 0, 0, ..] if *low != 0 => Some(Cow::Owned(utf32(bytes, u32::from_le_bytes))),
        [0xEF, 0xBB, 0xBF, rest @ ..] => match std::str::from_utf8(rest) {
            Ok(text) => Some(Cow::Borrowed(text)),
            Err(_) => Some(Cow::Owned(patched_utf8(rest))),
        },
        [0xFE, 0xFF, rest @ ..] => Some(UTF_16BE.decode_without_bom_handling(rest).0),
        [0xFF, 0xFE, rest @ ..] => Some(UTF_16LE.decode_without_bom_handling(rest).0),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some(UTF_16BE.decode_without_bom_handling(bytes).0),
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some(UTF_16LE.decode_without_bom_handling(bytes).0),
        _ => None,
    }
}

fn utf32(bytes: &[u8], to_code: fn([u8; 4]) -> u32) -> String {
    let mut text = String::with_capacity(bytes.len() / 4);
    for unit in bytes.as_chunks::<4>().0 {
        text.push(char::from_u32(to_code(*unit)).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    text
}

/// An encoding by its label. The bytes are known not to be UTF-16 here, so a declaration of it cannot be true.
fn known(label: &str) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(label.trim().as_bytes())?;
    (encoding != REPLACEMENT && encoding != UTF_16LE && encoding != UTF_16BE).then_some(encoding)
}

fn charset_parameter(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

fn declared_in_xml(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(DECLARATION_WITHIN)];
    let start = memchr::memmem::find(head, b"<?xml")?;
    let length = memchr::memchr(b'>', &head[start..])?;
    let declaration = std::str::from_utf8(&head[start..start + length]).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    value[1..].split_once(quote).map(|(label, _)| label)
}

/// Whether a document is UTF-8 with a few broken bytes (cut in the middle of a character, one pasted quotation) and not
/// another charset: its sound multi-byte characters outnumber the broken bytes by far.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut sound, mut broken) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        sound += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    sound > 0 && sound >= broken.saturating_mul(4)
}

/// UTF-8 in which a broken byte is read as Windows-1252, where such bytes come from.
fn patched_utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(&WINDOWS_1252.decode_without_bom_handling(chunk.invalid()).0);
    }
    text
}

const fn is_forbidden(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7F
}

/// The text without a leading mark and without control characters.
fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim_start_matches('\u{FEFF}');
    let has_control = text.as_bytes().iter().fold(false, |found, byte| found | is_forbidden(*byte));
    if !has_control {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !(c.is_ascii() && is_forbidden(*c as u8))).collect())
}
