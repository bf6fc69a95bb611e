//! One rendering of rewritten templates, watched: which slots it wrote, and which reader data steered it with what outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tera::{Kwargs, State, Tera, TeraResult, Value};

use super::rewrite::{Expression, KEY, RENAMED, SLOT};

/// Digits of a slot's number in its sentinel.
const DIGITS: usize = 4;
/// Ends a sentinel.
const END: &str = "qz";

/// A use of an expression, with the values its other variables had there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Use {
    pub(super) expression: usize,
    pub(super) captured: Vec<Option<Value>>,
}

/// What a steering expression came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Bool(bool),
    /// Kind, escaping and value in one text.
    Value(String),
}

/// What a rendering left behind.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) slots: Vec<Use>,
    pub(super) keys: Vec<(Use, Outcome)>,
    /// How many sentinels were written, counting repeats.
    pub(super) calls: usize,
    /// Why the rendering cannot be trusted.
    pub(super) fault: Option<String>,
}

/// Watches renderings, one at a time.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Begins every sentinel: a word no author and no reader can guess.
    nonce: String,
    expressions: Arc<Vec<Expression>>,
    trace: Mutex<Trace>,
}

impl Recorder {
    pub(super) fn new(expressions: Arc<Vec<Expression>>) -> Arc<Self> {
        let nonce = format!("zq{:013x}k", rand::random::<u64>() >> 12);
        Arc::new(Self { nonce, expressions, trace: Mutex::default() })
    }

    /// Makes the functions of rewritten templates known to `engine`.
    pub(super) fn register(self: &Arc<Self>, engine: &mut Tera) {
        let recorder = Arc::clone(self);
        engine.register_function(SLOT, move |arguments: Kwargs, state: &State| recorder.slot(&arguments, state));
        let recorder = Arc::clone(self);
        engine.register_function(KEY, move |arguments: Kwargs, state: &State| recorder.key(&arguments, state));
    }

    /// What was recorded since the last time.
    pub(super) fn take(&self) -> Trace {
        std::mem::take(&mut self.lock())
    }

    /// How many sentinels were written since then.
    pub(super) fn calls(&self) -> usize {
        self.lock().calls
    }

    /// `__slot(n=…)`: writes a sentinel in place of the expression, which is not evaluated.
    fn slot(&self, arguments: &Kwargs, state: &State) -> TeraResult<Value> {
        let used = self.used(arguments, state)?;
        let mut trace = self.lock();
        trace.calls += 1;
        let known = trace.slots.iter().position(|slot| slot.captured.is_empty() && *slot == used);
        let slot = known.unwrap_or_else(|| {
            trace.slots.push(used);
            trace.slots.len() - 1
        });
        if slot >= 10_usize.pow(DIGITS as u32) {
            trace.fault = Some("more than 10,000 slots".to_owned());
        }
        Ok(Value::safe_string(&format!("{}{slot:0DIGITS$}{END}", self.nonce)))
    }

    /// `__key(n=…, v=…)`: gives `v` through and records what it came to.
    fn key(&self, arguments: &Kwargs, state: &State) -> TeraResult<Value> {
        let used = self.used(arguments, state)?;
        let value = arguments.get::<Value>("v")?.unwrap_or_else(Value::undefined);
        let outcome = Outcome::of(&value, self.expressions[used.expression].condition);
        let mut trace = self.lock();
        let known = used.captured.is_empty() && trace.keys.iter().any(|(key, _)| *key == used);
        if !known {
            trace.keys.push((used, outcome));
        }
        Ok(value)
    }

    fn used(&self, arguments: &Kwargs, state: &State) -> TeraResult<Use> {
        let number = arguments.must_get::<usize>("n")?;
        let expression = self.expressions.get(number).ok_or_else(|| tera::Error::message("no such expression"))?;
        let mut captured = Vec::with_capacity(expression.captures.len());
        for name in &expression.captures {
            captured.push(state.get::<Value>(name)?);
        }
        // Components have their own scope: what is not visible there would be evaluated differently elsewhere.
        let is_visible = state.get::<Value>(&format!("{RENAMED}subscriber"))?.is_some();
        if !is_visible || captured.iter().flatten().any(holds_safe) {
            self.lock().fault = Some("an expression mixes reader data with ready-made HTML, or cannot see the reader".to_owned());
        }
        Ok(Use { expression: number, captured })
    }

    fn lock(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sentinels in `text` with their slots; nothing when one is damaged.
    pub(super) fn sentinels(&self, text: &str) -> Option<Vec<(std::ops::Range<usize>, usize)>> {
        let mut found = Vec::new();
        for (start, _) in text.match_indices(&self.nonce) {
            let digits = start + self.nonce.len();
            let slot = text.get(digits..digits + DIGITS)?.parse().ok()?;
            let end = digits + DIGITS + END.len();
            if text.get(digits + DIGITS..end)? != END {
                return None;
            }
            found.push((start..end, slot));
        }
        let lower = text.to_lowercase();
        (lower.matches(&self.nonce).count() == found.len()).then_some(found)
    }
}

impl Outcome {
    /// What `value` came to.
    pub(super) fn of(value: &Value, condition: bool) -> Self {
        match value.as_bool() {
            Some(value) if condition => Self::Bool(value),
            _ => {
                let json = serde_json::to_string(value).unwrap_or_default();
                Self::Value(format!("{:?} {} {json}", value.kind(), value.is_safe()))
            }
        }
    }

    /// As text, for a template that evaluates one.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Value(text) => text.clone(),
        }
    }

    /// From that text.
    pub(super) fn from_text(text: &str, condition: bool) -> Self {
        match text {
            "true" | "false" if condition => Self::Bool(text == "true"),
            _ => Self::Value(text.to_owned()),
        }
    }
}

/// Whether a value is, or holds, text that Tera does not escape.
fn holds_safe(value: &Value) -> bool {
    match (value.as_array(), value.as_map()) {
        (Some(array), _) => array.iter().any(holds_safe),
        (_, Some(map)) => map.values().any(holds_safe),
        _ => value.is_string() && value.is_safe(),
    }
}
