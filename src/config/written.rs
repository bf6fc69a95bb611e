//! Where the templates of a `[[digest]]` stand in config.toml: a fault inside one is shown there.

use super::reader::Section;
use super::tree::{Origin, Value};
use crate::model::fault::Place;
use crate::model::{Fault, Faults, Severity};

/// A text of a Digest that is a template.
#[derive(Debug, Clone)]
pub struct Written {
    digest: String,
    /// `subject` or `preheader`, which is also what the template is called.
    key: &'static str,
    /// In config.toml, with its quotes.
    place: Option<Place>,
    /// The variable it was given by.
    variable: Option<String>,
    /// Whether it stands there letter by letter, between two quotes.
    is_plain: bool,
}

impl Written {
    /// Where `key` of the Digest stands, if it does.
    pub(super) fn read(section: &Section<'_>, key: &'static str, digest: &str) -> Option<Self> {
        let node = section.node(key)?;
        let (Value::Text(text) | Value::Raw(text)) = &node.value else { return None };
        let is_plain = matches!(&node.origin, Origin::File(span) if span.len() == text.len() + 2 && text.trim() == text);
        let variable = match &node.origin {
            Origin::Variable(name) => Some(name.clone()),
            Origin::File(_) | Origin::Absent => None,
        };
        Some(Self { digest: digest.to_owned(), key, place: section.place(&node.origin), variable, is_plain })
    }

    /// A fault of the template, as one of config.toml.
    fn placed(&self, mut fault: Fault) -> Fault {
        let inner = fault.place.take().filter(|place| place.line > 0);
        if let Some(variable) = &self.variable {
            fault.message = format!("{variable}: {}", fault.message);
        }
        fault.place = match (&self.place, &inner) {
            (Some(outer), Some(inner)) if self.is_plain && inner.line == 1 => {
                Some(Place { column: outer.column + inner.column, length: inner.length, ..outer.clone() })
            }
            (outer, Some(inner)) => {
                fault.label = Some(format!("at {:?}, column {}", inner.source, inner.column));
                outer.clone()
            }
            (outer, None) => outer.clone(),
        };
        if fault.hint.is_none() && fault.severity == Severity::Error {
            fault.hint = Some(format!("{} is a template: {{{{ articles[0].title }}}} stands for a value (docs/templates.md)", self.key));
        }
        fault
    }
}

/// Faults of a Digest's own templates as faults of config.toml; the others stay as they are.
pub(super) fn placed(all: &[Written], digest: &str, faults: Faults) -> Faults {
    let one = |fault: Fault| {
        let is_in = |written: &&Written| {
            written.digest == digest && fault.place.as_ref().is_some_and(|place| place.file.as_os_str() == written.key)
        };
        match all.iter().find(is_in) {
            Some(written) => written.placed(fault),
            None => fault,
        }
    };
    Faults(faults.0.into_iter().map(one).collect())
}
