//! The checks before a send: one set for the command line, the web and CI. Pure: everything they look at is handed in.

use crate::compose::Rendered;
use crate::config::Config;
use crate::model::{Fault, Faults, Frozen};

/// Gmail clips a mail at 102 KB; we refuse at 100 and warn at 90.
const HTML_BYTES_MAX: usize = 100 * 1024;
const HTML_BYTES_WARN: usize = 90 * 1024;
/// Subjects outside this many characters are cut or overlooked.
const SUBJECT_CHARS: std::ops::RangeInclusive<usize> = 10..=78;
/// Words an editor leaves to come back to.
const UNFINISHED: [&str; 4] = ["TODO", "FIXME", "lorem ipsum", "TKTK"];

/// Looks at an Issue as a reader would get it: errors stop the send, warnings are worth a look.
pub fn check(config: &Config, frozen: &Frozen, sample: &Rendered) -> Faults {
    let mut faults = Faults::default();
    check_subject(sample, &mut faults);
    check_size(sample, &mut faults);
    check_body(sample, &mut faults);
    check_articles(frozen, &mut faults);
    if config.site.postal_address.is_none() {
        faults.push(
            Fault::warning("postal-address-missing", "the mail has no postal address")
                .hint("most countries ask for one: set postal_address under [site] in config.toml"),
        );
    }
    if config.relays.is_empty() {
        faults.push(
            Fault::error("relay-missing", "there is no [[relay]] to send through")
                .hint("declare one in config.toml: [[relay]] with name and url"),
        );
    }
    faults
}

fn check_subject(sample: &Rendered, faults: &mut Faults) {
    let length = sample.subject.chars().count();
    if !SUBJECT_CHARS.contains(&length) {
        let message = format!("the subject has {length} characters");
        faults.push(Fault::warning("subject-length", message).hint("10 to 78 characters are read whole on most screens"));
    }
    let letters: Vec<char> = sample.subject.chars().filter(|c| c.is_alphabetic()).collect();
    let capitals = letters.iter().filter(|c| c.is_uppercase()).count();
    if letters.len() >= 10 && capitals * 2 > letters.len() && letters.iter().any(|c| c.is_lowercase() || c.is_uppercase()) {
        faults.push(
            Fault::warning("subject-capitals", "more than half of the subject is in capitals").hint("spam filters take it for shouting"),
        );
    }
    if sample.preheader.trim().is_empty() {
        faults.push(
            Fault::warning("preheader-missing", "the preheader is empty")
                .hint("mail programs show it behind the subject: write one sentence"),
        );
    }
}

fn check_size(sample: &Rendered, faults: &mut Faults) {
    let bytes = sample.html.len();
    let shown = format!("the HTML part has {:.1} KiB", bytes as f64 / 1024.0);
    if bytes > HTML_BYTES_MAX {
        faults.push(
            Fault::error("size", shown).hint("Gmail cuts a mail at 102 KB: fewer articles (limit = …) or summaries instead of whole texts"),
        );
    } else if bytes > HTML_BYTES_WARN {
        faults.push(Fault::warning("size", shown).hint("Gmail cuts a mail at 102 KB"));
    }
}

fn check_body(sample: &Rendered, faults: &mut Faults) {
    if sample.text.trim().is_empty() {
        faults.push(Fault::error("text-empty", "the plain-text part is empty").hint("the .txt template of this digest renders nothing"));
    }
    for (part, body) in [("HTML", &sample.html), ("plain-text", &sample.text)] {
        if !body.contains("/unsubscribe/") {
            let message = format!("the {part} part has no unsubscribe link");
            faults.push(Fault::error("unsubscribe-missing", message).hint("put {{ unsubscribe_url }} into the template"));
        }
    }
    if sample.html.contains("src=\"data:") {
        faults.push(
            Fault::warning("data-uri", "a picture is embedded as a data: URI")
                .hint("Gmail and Outlook do not show those: publish it beside the article"),
        );
    }
}

fn check_articles(frozen: &Frozen, faults: &mut Faults) {
    for article in &frozen.articles {
        let whole = format!("{} {} {}", article.title, article.summary, article.text);
        for word in UNFINISHED.iter().filter(|word| whole.contains(**word)) {
            faults
                .push(Fault::warning("unfinished", format!("`{word}` stands in \"{}\"", article.title)).hint("finish it, or take it out"));
        }
        if article.image.as_ref().is_some_and(|image| image.alt.trim().is_empty()) {
            faults.push(
                Fault::warning("alt-missing", format!("the picture of \"{}\" has no alternative text", article.title))
                    .hint("many readers see mails without pictures: write what it shows"),
            );
        }
    }
}
