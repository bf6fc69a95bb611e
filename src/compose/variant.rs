//! One compiled form of an Issue: the bytes that are the same for all readers who steer the templates alike,
//! and the expressions that differ.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tera::{Context, Kwargs, State, Tera, Value};

use super::Reader;
use super::full::OUTPUT_BYTES_MAX;
use super::rewrite::Expression;
use super::splice::{Cut, Encoded, Field, Place, Values};
use super::trace::{Outcome, Use};
use super::{mime, native};
use crate::template;

/// Between the values of a template that writes many; no value may contain it.
const SEPARATOR: char = '\u{1f}';
/// The template of [`Tera`] values, and of one key.
const NAME: &str = "values.txt";

/// What a reader is asked only once a message, and only when Tera is needed.
pub(super) struct Asked<'r> {
    pub(super) reader: &'r Reader,
    /// The reader's names, renamed, for Tera.
    pub(super) context: &'r std::cell::OnceCell<Context>,
    pub(super) make: &'r dyn Fn() -> Context,
}

impl Asked<'_> {
    fn context(&self, captured: &Context) -> Context {
        let mut context = captured.clone();
        context.extend(self.context.get_or_init(self.make).clone());
        context
    }
}

/// A steering expression, ready to be evaluated for any reader.
#[derive(Debug)]
pub(super) struct Key {
    used: Use,
    condition: bool,
    test: Option<native::Test>,
    template: Option<Evaluator>,
}

/// A compiled form.
#[derive(Debug)]
pub(super) struct Variant {
    slots: Vec<Source>,
    /// Evaluates all slots that need Tera in one go.
    template: Option<Evaluator>,
    fields: Vec<Field>,
    text: Encoded,
    html: Encoded,
}

/// Where the value of a slot comes from.
#[derive(Debug)]
enum Source {
    Native(native::Output),
    /// The n-th value of the template.
    Tera(usize),
}

/// A small template with the values it captured.
struct Evaluator {
    engine: Tera,
    captured: Context,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Evaluator")
    }
}

impl Evaluator {
    fn new(source: String, uses: &[&Use]) -> Option<Self> {
        let mut engine = template::engine(&BTreeMap::new()).ok()?;
        engine.register_function("__outcome", |arguments: Kwargs, _: &State| {
            let value = arguments.get::<Value>("v")?.unwrap_or_else(Value::undefined);
            let condition = arguments.get::<bool>("condition")?.unwrap_or_default();
            Ok::<_, tera::Error>(Outcome::of(&value, condition).text())
        });
        engine.add_raw_template(NAME, &source).ok()?;
        let mut captured = Context::new();
        for (i, used) in uses.iter().enumerate() {
            for (j, value) in used.captured.iter().enumerate() {
                if let Some(value) = value {
                    captured.insert_value(format!("c{i}_{j}"), value.clone());
                }
            }
        }
        Some(Self { engine, captured })
    }

    fn run(&self, asked: &Asked) -> Option<String> {
        template::render(&self.engine, NAME, &asked.context(&self.captured)).ok()
    }
}

impl Key {
    pub(super) fn new(used: Use, expressions: &[Expression]) -> Option<Self> {
        let expression = &expressions[used.expression];
        let test = expression.test.clone().filter(|_| expression.condition);
        let template = if test.is_none() {
            let source = format!("{{{{ __outcome(condition={}, v={}) }}}}", expression.condition, expression.source("c0"));
            Some(Evaluator::new(source, &[&used])?)
        } else {
            None
        };
        Some(Self { condition: expression.condition, used, test, template })
    }

    /// What it comes to for a reader; nothing when only the full path can tell.
    pub(super) fn outcome(&self, asked: &Asked) -> Option<Outcome> {
        match (&self.test, &self.template) {
            (Some(test), _) => test.holds(asked.reader).map(Outcome::Bool),
            (None, Some(template)) => Some(Outcome::from_text(&template.run(asked)?, self.condition)),
            (None, None) => None,
        }
    }

    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.used.expression == other.used.expression
    }
}

impl Variant {
    /// Encodes the two cuts and prepares the expressions of their slots.
    pub(super) fn new(slots: Vec<Use>, expressions: &[Expression], text: &Cut, html: &Cut) -> Option<Self> {
        let mut sources = Vec::with_capacity(slots.len());
        let mut by_tera: Vec<&Use> = Vec::new();
        let mut source = String::new();
        for slot in &slots {
            let expression = &expressions[slot.expression];
            if let Some(output) = &expression.output {
                sources.push(Source::Native(output.clone()));
                continue;
            }
            if !by_tera.is_empty() {
                source.push(SEPARATOR);
            }
            source.push_str(&format!("{{{{ {} }}}}", expression.source(&format!("c{}", by_tera.len()))));
            sources.push(Source::Tera(by_tera.len()));
            by_tera.push(slot);
        }
        let template = if by_tera.is_empty() { None } else { Some(Evaluator::new(source, &by_tera)?) };
        let mut fields = Vec::new();
        let text = Encoded::new(text, &mut fields);
        let html = Encoded::new(html, &mut fields);
        Some(Self { slots: sources, template, fields, text, html })
    }

    /// The reader's values, encoded; nothing when only the full path is exact.
    pub(super) fn values(&self, asked: &Asked) -> Option<Values> {
        let written = match &self.template {
            Some(template) => Some(template.run(asked)?),
            None => None,
        };
        let by_tera: Vec<&str> = written.as_deref().map_or_else(Vec::new, |text| text.split(SEPARATOR).collect());
        let wanted = self.slots.iter().filter(|slot| matches!(slot, Source::Tera(_))).count();
        if by_tera.len() != wanted {
            return None;
        }
        let mut values = Values::with_capacity(self.fields.len());
        let mut bytes = 0;
        for field in &self.fields {
            let value = match &self.slots[field.slot] {
                Source::Native(output) => output.value(asked.reader)?,
                Source::Tera(i) => Cow::Borrowed(by_tera[*i]),
            };
            if !is_tame(&value, field.place) {
                return None;
            }
            bytes += value.len();
            values.push(&value, field.place);
        }
        let largest = self.text.text_bytes.max(self.html.text_bytes) + bytes * 6 * (1 + self.text.slots() + self.html.slots());
        (bytes < 512 || largest <= OUTPUT_BYTES_MAX).then_some(values)
    }

    /// Appends the body of the message.
    pub(super) fn write(&self, values: &Values, out: &mut Vec<u8>) {
        out.reserve(self.text.bytes() + self.html.bytes() + 2_048);
        out.extend_from_slice(mime::TEXT_HEAD.as_bytes());
        self.text.write(values, out);
        out.extend_from_slice(mime::HTML_HEAD.as_bytes());
        self.html.write(values, out);
        out.extend_from_slice(mime::TAIL.as_bytes());
    }
}

/// Whether a value is written the same by the splice and by the full path: parsers change control characters and
/// byte order marks, and a link that is not plainly absolute may become another.
fn is_tame(value: &str, place: Place) -> bool {
    let is_odd = |c: char| c.is_control() || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let leads = place != Place::LinkStart || ["https://", "http://", "mailto:"].iter().any(|scheme| value.starts_with(scheme));
    leads && !value.contains(is_odd)
}
