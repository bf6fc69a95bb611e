//! An Article in a line and in a paragraph: its title and its summary, as its Source gives them, else made of its text.

use unicode_width::UnicodeWidthChar as _;
use url::Url;

use super::controls;

/// Columns of a summary, and of a title made from a text: a letter of a wide script takes two, and says as much as two.
const SUMMARY_COLUMNS_MAX: usize = 280;
const TITLE_COLUMNS_MAX: usize = 80;
/// A title longer than this is a text.
const TITLE_COLUMNS_KEPT: usize = 300;
/// Characters of a column at most: accents and joiners take none, and may be any number.
const COLUMN_CHARS_MAX: usize = 4;
/// A shorter paragraph that is no sentence is a heading, or a date, or a name.
const PARAGRAPH_CHARS_MIN: usize = 40;
/// How many paragraphs are looked at for one that says something.
const PARAGRAPHS_MAX: usize = 20;
/// A paragraph with one of these, and no longer than that, says where the text appeared and not what it is about.
const CREDITS: [&str; 3] = ["originally published", "first appeared", "appeared first"];
const CREDIT_CHARS_MAX: usize = 200;
/// Signs that end a sentence.
const ENDS: [char; 11] = ['.', '!', '?', '…', '。', '！', '？', '؟', '।', '"', '”'];
/// Signs behind which a text without spaces may be cut, and which no cut text ends with.
const PAUSES: [char; 12] = [',', ';', ':', '.', '–', '—', '、', '，', '。', '；', '：', '\u{200d}'];

/// A title on one line, as it was given; empty when none was.
pub fn given_title(title: &str) -> String {
    cut(title, TITLE_COLUMNS_KEPT)
}

/// A title for a text that has none: how the text begins, of addresses only the host, and that only between words. None where the text is none.
pub fn made_title(html: &str, text: &str) -> Option<String> {
    let lines: Vec<String> = beginnings(html, text).iter().map(|line| without_addresses(line)).filter(|line| says_words(line)).collect();
    let is_tags = |line: &&String| line.split(' ').all(|word| word.starts_with('#'));
    let line = lines.iter().find(|line| !is_tags(line)).or(lines.first())?;
    Some(cut(line, TITLE_COLUMNS_MAX))
}

/// A summary: what is said of the text, else how it begins; nothing where that only repeats the title.
pub fn summary(said: Option<String>, html: &str, text: &str, title: &str) -> String {
    let said = said.map(|said| one_line(&said)).filter(|said| !said.is_empty());
    let mut all = said.into_iter().chain(beginnings(html, text));
    cut(&all.find(|said| !repeats(said, title)).unwrap_or_default(), SUMMARY_COLUMNS_MAX)
}

/// A line that is a name.
pub fn name(text: &str) -> String {
    cut(text, TITLE_COLUMNS_MAX)
}

/// Whether a line says nothing that the title does not.
fn repeats(line: &str, title: &str) -> bool {
    let plain = |text: &str| without_addresses(text).to_lowercase().trim_end_matches(['…', '.', '!', ' ']).to_owned();
    let line = plain(line);
    line.is_empty() || line == plain(title)
}

/// The paragraphs that say something, in their order; behind them the first of all, be it a heading, a date or a name.
fn beginnings(html: &str, text: &str) -> Vec<String> {
    let has_list = html.contains("<li");
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()).take(PARAGRAPHS_MAX);
    let mut all: Vec<(bool, String)> = paragraphs
        .map(|paragraph| {
            let is_list = has_list && paragraph.contains('\n');
            let line = if is_list { paragraph.lines().map(one_line).collect::<Vec<_>>().join(" · ") } else { one_line(paragraph) };
            (is_list || is_telling(&line), line)
        })
        .collect();
    let first = all.first().map(|(_, line)| line.clone());
    all.retain(|(tells, _)| *tells);
    all.into_iter().map(|(_, line)| line).chain(first).collect()
}

fn is_telling(line: &str) -> bool {
    let length = line.chars().count();
    let is_sentence = line.ends_with(ENDS) && (line.contains(' ') || !line.is_ascii());
    let lower = || line.to_lowercase();
    let is_credit = length <= CREDIT_CHARS_MAX && CREDITS.iter().any(|credit| lower().contains(credit));
    (length >= PARAGRAPH_CHARS_MIN || is_sentence) && !is_credit
}

fn says_words(line: &str) -> bool {
    line.chars().any(char::is_alphanumeric)
}

/// A line without the addresses in it, which in some scripts no space parts from the words. Between words the host of one stays: there it is one of them.
fn without_addresses(line: &str) -> String {
    let start = |word: &str| if word.starts_with("www.") { Some(0) } else { word.find("https://").or_else(|| word.find("http://")) };
    let parts: Vec<(&str, &str)> = line.split_whitespace().map(|word| word.split_at(start(word).unwrap_or(word.len()))).collect();
    let last_word = parts.iter().rposition(|(bare, _)| says_words(bare)).unwrap_or(0);
    let mut words: Vec<String> = Vec::new();
    for (at, (bare, address)) in parts.into_iter().enumerate() {
        let is_between = at < last_word && (says_words(bare) || words.iter().any(|word| says_words(word)));
        let host = if is_between { host(address) } else { None };
        words.extend(Some(format!("{bare}{}", host.unwrap_or_default())).filter(|word| !word.is_empty()));
    }
    words.join(" ")
}

/// The host of an address, with the signs that follow the address in its sentence.
fn host(address: &str) -> Option<String> {
    let bare = address.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '/');
    let url = Url::parse(bare).or_else(|_| Url::parse(&format!("https://{bare}"))).ok()?;
    let host = url.host_str()?;
    Some(format!("{}{}", host.strip_prefix("www.").unwrap_or(host), &address[bare.len()..]))
}

/// Text on one line.
pub fn one_line(text: &str) -> String {
    controls::without(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Cuts before the word that would make it too wide.
fn cut(text: &str, columns_max: usize) -> String {
    let text = one_line(text);
    let mut columns = 0;
    let beyond = text.char_indices().enumerate().find(|(chars, (_, c))| {
        columns += c.width().unwrap_or(0);
        columns > columns_max || *chars >= columns_max * COLUMN_CHARS_MAX
    });
    let Some((_, (limit, _))) = beyond else { return text };
    let space = text[..limit].rfind(|c: char| c == ' ' || !c.is_ascii() && PAUSES.contains(&c));
    let end = space.filter(|space| *space > limit / 2).unwrap_or(limit);
    format!("{}…", text[..end].trim_end_matches(|c: char| c.is_whitespace() || PAUSES.contains(&c)))
}
