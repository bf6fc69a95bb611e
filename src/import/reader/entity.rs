//! Character references: numbers, XML's five names and HTML's. Nothing is expanded to anything but one or two characters,
//! and what is unknown stays as it stands.

use std::borrow::Cow;

use markup5ever::data::NAMED_ENTITIES;

/// Longest name HTML knows is 32 letters (`CounterClockwiseContourIntegral`).
const NAME_MAX: usize = 40;

/// What the bytes 0x80 to 0x9F mean in Windows-1252; numbers in that range always mean these.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// Resolves the references in `raw` once.
pub fn resolve(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', raw.as_bytes()) else {
        return Cow::Borrowed(raw);
    };
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((length, [first, second])) => {
                for character in [first, second].into_iter().flatten() {
                    out.push(character);
                }
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
        next = memchr::memchr(b'&', rest.as_bytes());
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The reference at the head of `text` (which starts with `&`): its length and its one or two characters.
pub fn reference(text: &str) -> Option<(usize, [Option<char>; 2])> {
    let bytes = text.as_bytes();
    match bytes {
        [b'&', b'#', ..] => return number(bytes),
        // Escaped HTML is made of these four.
        [b'&', b'l', b't', b';', ..] => return Some((4, [Some('<'), None])),
        [b'&', b'g', b't', b';', ..] => return Some((4, [Some('>'), None])),
        [b'&', b'a', b'm', b'p', b';', ..] => return Some((5, [Some('&'), None])),
        [b'&', b'q', b'u', b'o', b't', b';', ..] => return Some((6, [Some('"'), None])),
        _ => {}
    }
    let window = &bytes[1..bytes.len().min(NAME_MAX)];
    let end = window.iter().position(|byte| !byte.is_ascii_alphanumeric()).filter(|end| *end > 0)?;
    if window[end] != b';' {
        return None;
    }
    let characters = match &text[1..=end] {
        "apos" => [Some('\''), None],
        name => {
            let (first, second) = NAMED_ENTITIES.get(&text[1..=end + 1]).filter(|(first, _)| *first != 0).or_else(|| lower(name))?;
            [char::from_u32(*first), char::from_u32(*second).filter(|c| *c != '\0')]
        }
    };
    Some((end + 2, characters))
}

/// `&NBSP;` and the like: some producers shout.
fn lower(name: &str) -> Option<&'static (u32, u32)> {
    let lower = format!("{};", name.to_ascii_lowercase());
    NAMED_ENTITIES.get(lower.as_str()).filter(|(first, _)| *first != 0)
}

fn number(bytes: &[u8]) -> Option<(usize, [Option<char>; 2])> {
    let (start, radix) = if matches!(bytes.get(2), Some(b'x' | b'X')) { (3, 16) } else { (2, 10) };
    let mut code = 0u32;
    let mut at = start;
    while let Some(digit) = bytes.get(at).and_then(|byte| char::from(*byte).to_digit(radix)) {
        code = code.saturating_mul(radix).saturating_add(digit);
        at += 1;
    }
    if at == start {
        return None;
    }
    at += usize::from(bytes.get(at) == Some(&b';'));
    Some((at, [character(code), None]))
}

/// The character a number stands for; none for what XML forbids, and for controls.
fn character(code: u32) -> Option<char> {
    match code {
        0x80..=0x9F => WINDOWS_1252.get(code as usize - 0x80).copied().filter(|c| !c.is_control()),
        9 | 10 | 13 => char::from_u32(code),
        0..0x20 | 0x7F | 0xFFFE | 0xFFFF => None,
        _ => Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
    }
}

/// Text as HTML: the three characters that would be markup become references.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for piece in text.split_inclusive(['&', '<', '>']) {
        let (plain, special) = piece.split_at(piece.trim_end_matches(['&', '<', '>']).len());
        out.push_str(plain);
        match special {
            "&" => out.push_str("&amp;"),
            "<" => out.push_str("&lt;"),
            ">" => out.push_str("&gt;"),
            _ => {}
        }
    }
    out
}

/// Text as HTML that keeps its lines: a podcast's or video's description lives by them. Text that is indented was only
/// broken by whoever laid out the XML.
pub fn escape_lines(text: &str) -> String {
    let html = escape(text.trim());
    let is_indented = html.lines().skip(1).any(|line| line.starts_with([' ', '\t']));
    if is_indented { html } else { html.lines().collect::<Vec<_>>().join("<br>\n") }
}

/// Undoes the accident of UTF-8 taken for Latin-1 and encoded again: `Ã©` is meant as `é`. Text for which this is
/// possible by chance is practically unknown, as every character above ASCII must fit the pattern.
pub fn undo_double_utf8(text: String) -> String {
    if text.is_ascii() || text.chars().any(|c| u32::from(c) > 0xFF) {
        return text;
    }
    let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
    String::from_utf8(bytes).unwrap_or(text)
}
