//! What one rendering may cost: bytes written and rounds of loops. Tera has no such limits, so each loop is made to count its rounds.

use std::cell::Cell;
use std::io::{self, Write};

use tera::{Context, Error, Kwargs, State, Tera, TeraResult, Value};

/// No mail and no page of ours is this big; a template that writes more is broken, and stopped before it fills the memory.
pub(super) const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// Rounds of all loops together, a second or so: loops in loops that write nothing would otherwise run for days.
pub(super) const ROUNDS_MAX: u64 = 1_000_000;

/// The call that [`with_rounds_counted`] puts at the head of every loop. It writes nothing.
const COUNT: &str = "{{ __round() }}";
/// The same where the author trims the blanks after the tag (`-%}`).
const COUNT_TRIMMED: &str = "{{ __round() -}}";

thread_local! {
    /// Rounds left in the rendering this thread is doing, if it is doing one of ours.
    static ROUNDS_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// How a rendering ended.
pub(super) enum End {
    Written(Vec<u8>),
    TooLarge,
    TooLong,
    Failed(Error),
}

/// Renders `name` within the limits.
pub(super) fn render(tera: &Tera, name: &str, context: &Context) -> End {
    let mut out = Limited { bytes: Vec::new(), overflowed: false };
    ROUNDS_LEFT.set(Some(ROUNDS_MAX));
    let result = tera.render_to(name, context, &mut out);
    let rounds_left = ROUNDS_LEFT.take();
    match result {
        Ok(()) => End::Written(out.bytes),
        Err(_) if out.overflowed => End::TooLarge,
        Err(_) if rounds_left == Some(0) => End::TooLong,
        Err(error) => End::Failed(error),
    }
}

/// Makes the counting call known to `tera`.
pub(super) fn register(tera: &mut Tera) {
    tera.register_function("__round", round);
}

fn round(_: Kwargs, _: &State) -> TeraResult<Value> {
    match ROUNDS_LEFT.get() {
        Some(0) => Err(Error::message(format!("the loops of this template go round more than {ROUNDS_MAX} times"))),
        left => {
            ROUNDS_LEFT.set(left.map(|left| left - 1));
            Ok(Value::safe_string(""))
        }
    }
}

/// `source` with a counting call after every `{% for … %}`. Lines stay as they are; [`without_counts`] takes the calls out of error reports.
pub(super) fn with_rounds_counted(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 64);
    let mut rest = source;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        let tag_length = tag_length(&rest[at..]);
        let tag = &rest[at..at + tag_length];
        out.push_str(&rest[..at + tag_length]);
        rest = &rest[at + tag_length..];
        match word(tag) {
            "for" if tag.ends_with("-%}") => out.push_str(COUNT_TRIMMED),
            "for" => out.push_str(COUNT),
            "raw" => rest = copy_raw(rest, &mut out),
            _ => {}
        }
    }
    out + rest
}

/// A line of a source so changed, as its author wrote it, and where `column` (from 1) is in it.
pub(super) fn without_counts(line: &str, column: usize) -> (String, usize) {
    let before: String = line.chars().take(column - 1).collect();
    let strip = |text: &str| text.replace(COUNT, "").replace(COUNT_TRIMMED, "");
    (strip(line), strip(&before).chars().count() + 1)
}

/// The bytes of the tag, expression or comment at the head of `text`. One that does not end takes everything: Tera will say so.
fn tag_length(text: &str) -> usize {
    if text.starts_with("{#") {
        return text.find("#}").map_or(text.len(), |end| end + 2);
    }
    let closing = if text.starts_with("{{") { "}}" } else { "%}" };
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if text[at..].starts_with(closing) => return at + 2,
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => {}
        }
    }
    text.len()
}

/// The first word of a `{% … %}`; of anything else nothing.
fn word(tag: &str) -> &str {
    let inside = tag.strip_prefix("{%").unwrap_or_default().trim_start_matches('-').trim_start();
    inside.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Copies what `{% raw %}` protects, up to its end tag, and gives the rest.
fn copy_raw<'a>(text: &'a str, out: &mut String) -> &'a str {
    let ends = text.match_indices("{%").find(|(at, _)| word(&text[*at..]) == "endraw");
    let (raw, rest) = text.split_at(ends.map_or(text.len(), |(at, _)| at));
    out.push_str(raw);
    rest
}

/// A buffer that refuses to grow beyond the limit. Tera hides the cause of a failed write, so it remembers.
struct Limited {
    bytes: Vec<u8>,
    overflowed: bool,
}

impl Write for Limited {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > OUTPUT_BYTES_MAX {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
