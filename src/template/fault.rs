//! Tera's errors as faults: Tera draws a report with the place in it, and from that report we take the place back.

use std::collections::BTreeMap;
use std::path::Path;

use super::limits::{OUTPUT_BYTES_MAX, ROUNDS_MAX, without_counts};
use crate::model::fault::Place;
use crate::model::{Fault, Faults, Severity};

/// Words of Tera 2.4 for "did you mean": it does not tell which it has.
const TERA_FILTERS: [&str; 36] = [
    "abs",
    "capitalize",
    "default",
    "escape",
    "escape_html",
    "escape_xml",
    "first",
    "float",
    "get",
    "group_by",
    "indent",
    "int",
    "join",
    "keys",
    "last",
    "length",
    "lower",
    "newlines_to_br",
    "nth",
    "pairs",
    "pluralize",
    "replace",
    "reverse",
    "round",
    "safe",
    "sort",
    "split",
    "str",
    "title",
    "trim",
    "trim_end",
    "trim_start",
    "truncate",
    "unique",
    "upper",
    "values",
];
const TERA_TESTS: [&str; 17] = [
    "array",
    "bool",
    "containing",
    "defined",
    "divisible_by",
    "ending_with",
    "even",
    "float",
    "integer",
    "iterable",
    "map",
    "none",
    "number",
    "odd",
    "starting_with",
    "string",
    "undefined",
];
const TERA_FUNCTIONS: [&str; 2] = ["range", "throw"];

/// Every fault of a set of templates. Tera stops at the first template it cannot parse,
/// so each is parsed alone; what is unknown across templates is reported once all of them parse.
pub(super) fn every_fault(sources: &BTreeMap<String, String>, first: &tera::Error) -> Faults {
    let mut faults = Faults::default();
    for (name, text) in sources {
        let alone = tera::Tera::new().add_raw_template(name, text);
        if let Err(error) = alone
            && matches!(error.kind(), tera::ErrorKind::SyntaxError(_))
        {
            faults.0.extend(from_error(&error).0);
        }
    }
    if faults.0.is_empty() { with_hints(from_error(first), sources) } else { faults }
}

/// The fault of a failed rendering of `name`.
pub(super) fn of_render(name: &str, error: &tera::Error) -> Fault {
    let first = from_error(error).0.into_iter().next();
    first.unwrap_or_else(|| Fault::error("template-failed", error.to_string()).in_file(Path::new(name)))
}

/// The fault of a rendering that was stopped for its size.
pub(super) fn too_large(name: &str) -> Fault {
    let message = format!("`{name}` wrote more than {} KiB and was stopped", OUTPUT_BYTES_MAX / 1024);
    Fault::error("template-too-large", message)
        .in_file(Path::new(name))
        .hint("look for a loop that runs too often, or shorten what it writes")
}

/// The fault of a rendering that was stopped for its loops.
pub(super) fn too_long(name: &str) -> Fault {
    let message = format!("the loops of `{name}` went round more than {ROUNDS_MAX} times and were stopped");
    Fault::error("template-too-long", message).in_file(Path::new(name)).hint("look for a loop inside a loop, or a `range` that is too long")
}

/// The fault of a rendering that wrote broken text, which only a fault of ours could cause.
pub(super) fn not_utf8(name: &str) -> Fault {
    Fault::error("template-failed", format!("`{name}` wrote text that is not UTF-8")).in_file(Path::new(name))
}

/// The faults in what Tera says: one for each `error:` of its report.
pub(super) fn from_error(error: &tera::Error) -> Faults {
    let text = error.to_string();
    let mut faults: Vec<Fault> = Vec::new();
    for report in text.split("\n\n") {
        match (report.strip_prefix("note: "), faults.last_mut()) {
            (Some(note), Some(fault)) => fault.label = Some(note.lines().next().unwrap_or_default().to_owned()),
            _ => faults.push(from_report(report)),
        }
    }
    Faults(faults)
}

/// One report: `error: MESSAGE`, ` --> FILE:LINE:COLUMN`, ` |`, `LINE | SOURCE`, ` | ^^^`.
fn from_report(report: &str) -> Fault {
    let report = report.strip_prefix("error: ").unwrap_or(report);
    let Some((message, rest)) = report.split_once("\n ") else { return finished(report, None) };
    finished(message, place(rest))
}

fn place(rest: &str) -> Option<Place> {
    let mut lines = rest.lines();
    let (before, column) = lines.next()?.trim_start().strip_prefix("--> ")?.rsplit_once(':')?;
    let (file, line) = before.rsplit_once(':')?;
    let source = lines.nth(1)?.split_once(" | ")?.1;
    let length = lines.next().map_or(1, |carets| carets.matches('^').count());
    let (line, column) = (line.parse().ok()?, column.parse::<usize>().ok()?);
    let (source, column) = without_counts(source, column.max(1));
    Some(Place { file: file.into(), line, column, length: length.max(1), source })
}

fn finished(message: &str, place: Option<Place>) -> Fault {
    let (message, known) = match message.split_once(" Available ") {
        Some((message, list)) => (message, list.split_once(": ").map_or("", |(_, names)| names)),
        None => (message, ""),
    };
    let message = message.trim_end_matches('.').to_owned();
    let hint = hint(&message, &known.split(", ").filter(|name| !name.is_empty()).collect::<Vec<_>>());
    Fault { severity: Severity::Error, code: code(&message), message, place, label: None, hint }
}

/// The stable short name of what Tera says in words.
fn code(message: &str) -> &'static str {
    const CODES: [(&str, &str); 9] = [
        ("Unknown filter", "template-unknown-filter"),
        ("Unknown test", "template-unknown-test"),
        ("Unknown function", "template-unknown-function"),
        ("Unknown component", "template-unknown-component"),
        ("Unknown template", "template-missing"),
        ("Template '", "template-missing"),
        ("Variable `", "template-undefined"),
        ("Field `", "template-undefined"),
        ("Tried to render a variable that is undefined", "template-undefined"),
    ];
    CODES.iter().find(|(words, _)| message.starts_with(words)).map_or("template-failed", |(_, code)| code)
}

/// What to do: a name that looks like the unknown one, or the way to make a variable optional.
fn hint(message: &str, known: &[&str]) -> Option<String> {
    let wrong = message.split('`').nth(1).unwrap_or_default();
    let ours = super::filters::NAMES;
    let filters: Vec<&str> = TERA_FILTERS.into_iter().chain(ours).chain(["wordcount"]).collect();
    match code(message) {
        "template-unknown-filter" => did_you_mean(wrong, &filters),
        "template-unknown-test" => did_you_mean(wrong, &TERA_TESTS),
        "template-unknown-function" => did_you_mean(wrong, &TERA_FUNCTIONS).or_else(|| did_you_mean(wrong, &filters)),
        "template-undefined" => did_you_mean(wrong, known)
            .or_else(|| Some("give it a value with `| default(value=\"…\")`, or ask `is defined` first".to_owned())),
        _ => None,
    }
}

/// Adds to faults about missing templates which one may be meant.
fn with_hints(mut faults: Faults, sources: &BTreeMap<String, String>) -> Faults {
    let names: Vec<&str> = sources.keys().map(String::as_str).collect();
    for fault in &mut faults.0 {
        if fault.code == "template-missing" {
            fault.hint = did_you_mean(fault.message.split('`').nth(1).unwrap_or_default(), &names);
        }
    }
    faults
}

fn did_you_mean(wrong: &str, known: &[&str]) -> Option<String> {
    let near = |name: &&&str| strsim::jaro_winkler(wrong, name);
    let best = known.iter().max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(&best) > 0.8).then(|| format!("did you mean `{best}`?"))
}
