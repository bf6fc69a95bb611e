//! Draws Faults as people know them from compilers: the line, a caret, what is wrong, and what to do about it.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::fault::Place;
use crate::model::{Fault, Faults, Severity};

/// All of them as text with ANSI styles, one after another, without the summary. `anstream` takes the styles away where nobody wants them.
pub fn styled(faults: &Faults) -> String {
    draw(faults, &Renderer::styled())
}

/// The same without styles.
pub fn plain(faults: &Faults) -> String {
    draw(faults, &Renderer::plain())
}

/// Prints every fault and the summary to standard error: styled on a terminal, plain elsewhere and with `NO_COLOR`.
pub fn print(faults: &Faults) {
    if !faults.0.is_empty() {
        anstream::eprintln!("{}", styled(faults));
    }
    anstream::eprintln!("{}", summary(faults));
}

/// An array of faults, for `--json`.
pub fn json(faults: &Faults) -> String {
    // A Fault is texts and numbers: writing it cannot fail.
    serde_json::to_string_pretty(&faults.0).unwrap_or_else(|_| "[]".to_owned())
}

/// `2 errors, 1 warning`.
pub fn summary(faults: &Faults) -> String {
    format!("{}, {}", counted(faults.errors(), "error"), counted(faults.warnings(), "warning"))
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn draw(faults: &Faults, renderer: &Renderer) -> String {
    let drawn: Vec<String> = faults.0.iter().map(|fault| renderer.render(&[group(fault)])).collect();
    drawn.join("\n\n")
}

/// One fault as the drawing crate takes it.
fn group(fault: &Fault) -> Group<'_> {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(printable(&fault.message)).id(fault.code));
    if let Some(place) = &fault.place {
        group = if place.line == 0 {
            group.element(Origin::path(printable(&place.file.display().to_string())))
        } else {
            group.element(snippet(fault, place))
        };
    }
    match &fault.hint {
        Some(hint) => group.element(Level::HELP.with_name("hint").message(printable(hint))),
        None => group,
    }
}

/// The line with its caret.
fn snippet<'a>(fault: &'a Fault, place: &'a Place) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let byte = |chars: usize| place.source.char_indices().nth(chars).map_or(place.source.len(), |(at, _)| at);
    let start = place.column.saturating_sub(1);
    let span = byte(start)..byte(start + place.length);
    let annotation = AnnotationKind::Primary.span(span).label(fault.label.as_deref().map(printable));
    Snippet::source(place.source.as_str()).line_start(place.line).path(printable(&place.file.display().to_string())).annotation(annotation)
}

/// What somebody else wrote may hold escape codes; a terminal must not obey them.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{FFFD}' } else { c }).collect()
}
