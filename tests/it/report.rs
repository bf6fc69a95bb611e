//! Tests of how faults are drawn.

use std::path::Path;

use postrider::cli::report;
use postrider::model::{Fault, Faults};

const TEXT: &str = "+++\ntitle = \"Häfen\"\n+++\n\nTäglich ![](chart.png) im Hafen\n";

fn faults() -> Faults {
    let file = Path::new("content/2026-11-22-first-issue.md");
    let image = TEXT.find("![]").unwrap();
    let mut faults = Faults::default();
    faults.push(
        Fault::warning("alt-missing", "image has no alternative text")
            .at(file, TEXT, image..image + 14)
            .label("write what the picture shows")
            .hint("![Ships in the harbour](chart.png)"),
    );
    faults
        .push(Fault::error("syntax", "the front matter is not closed").at(file, TEXT, TEXT.len()..TEXT.len()).hint("add a line with +++"));
    faults.push(Fault::error("no-date", "there is no date").in_file(file));
    faults.push(
        Fault::error("unknown-variable", "POSTRIDER_SITE_TITLE is not a variable of ours").hint("did you mean POSTRIDER_SITE__TITLE?"),
    );
    faults
}

#[test]
fn faults_are_drawn_with_a_caret_and_a_hint() {
    insta::assert_snapshot!(format!("{}\n\n{}", report::plain(&faults()), report::summary(&faults())));
}

#[test]
fn faults_as_json_are_an_array() {
    insta::assert_snapshot!(report::json(&Faults(faults().0.into_iter().take(1).collect())));
}

#[test]
fn styles_only_add_escape_codes() {
    let stripped = anstream::adapter::strip_str(&report::styled(&faults())).to_string();
    assert_eq!(stripped, report::plain(&faults()));
    assert!(report::styled(&faults()).contains("\u{1b}["));
}

#[test]
fn escape_codes_in_what_strangers_wrote_do_not_reach_the_terminal() {
    let text = "title = \"\u{1b}]0;owned\u{7}\u{1b}[2J\"\n";
    let fault = Fault::error("bad-value", "bad \u{1b}[2J").at(Path::new("a.md"), text, 8..20).label("\u{1b}[2J").hint("\u{7}");
    let drawn = report::plain(&fault.into());
    assert!(!drawn.contains(['\u{1b}', '\u{7}']), "{drawn:?}");
}
