//! The fast path: finds or compiles the variant for a reader and splices the values in. Whatever it cannot do exactly
//! it leaves to the full path.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tera::{Context, Tera};

use super::context::READER_NAMES;
use super::full::{self, Shared};
use super::rewrite::{self, Expression, RENAMED};
use super::trace::{Outcome, Recorder};
use super::tree::{Search, Tree};
use super::variant::{Asked, Key, Variant};
use super::{ComposeError, Reader, context, guard, headers, native, splice};
use crate::model::{Fault, Faults, Frozen, Timestamp};
use crate::template;

/// Most variants of an Issue. Above it a reader takes the full path: templates that differ for every reader gain nothing.
const VARIANTS_MAX: usize = 128;

/// The compiled forms of an Issue.
pub(super) struct Fast {
    engine: Tera,
    expressions: Arc<Vec<Expression>>,
    recorder: Arc<Recorder>,
    /// Whether subject or preheader differ per reader.
    lines_vary: bool,
    subject: Subject,
    /// Readers take a snapshot; only a compilation replaces it.
    forms: RwLock<Arc<Forms>>,
    compiling: Mutex<()>,
    /// Why no reader may take the fast path any more.
    stopped: OnceLock<Faults>,
}

/// Where the Subject field of a message comes from.
enum Subject {
    /// It is the same for everybody.
    Field(Vec<u8>),
    /// It is written without Tera, unless a reader's values are odd. The preheader, which may fail, is the same for everybody.
    Line(native::Line),
    /// Tera writes it for each reader.
    Tera,
}

#[derive(Default)]
struct Forms {
    tree: Tree,
    count: usize,
}

/// Why a variant could not be compiled.
enum Refusal {
    /// The reader takes the full path.
    Reader,
    /// Everybody does.
    Issue(String),
}

impl Fast {
    /// Prepares the fast path; the faults say why there is none.
    pub(super) fn new(frozen: &Frozen, shared: &Shared, sample: &Reader) -> Result<Self, Faults> {
        let lines_vary = [&frozen.subject, &frozen.preheader].iter().any(|line| rewrite::mentions_reader(line));
        let roots = [shared.html.name.as_str(), shared.text_name.as_str()];
        let mut rewritten = rewrite::rewrite(&frozen.templates, &roots, lines_vary);
        if !rewritten.refusals.is_empty() {
            return Err(Faults(rewritten.refusals));
        }
        let texts = frozen.templates.iter().filter(|(name, _)| template::is_texts(name));
        rewritten.sources.extend(texts.map(|(name, text)| (name.clone(), text.clone())));
        let expressions = Arc::new(rewritten.expressions);
        let recorder = Recorder::new(Arc::clone(&expressions));
        let engine = engine(&rewritten.sources, &recorder).map_err(|why| lint(shared, &why))?;
        let subject = if lines_vary { subject_by_reader(frozen) } else { subject_of(shared, sample) };
        let fast = Self {
            engine,
            expressions,
            recorder,
            lines_vary,
            subject,
            forms: RwLock::default(),
            compiling: Mutex::new(()),
            stopped: OnceLock::new(),
        };
        fast.check_names().map_err(|why| lint(shared, &why))?;
        if let Err(Refusal::Issue(why)) = fast.compile(shared, sample) {
            return Err(lint(shared, &why));
        }
        Ok(fast)
    }

    /// Why it stopped, if it did.
    pub(super) fn stopped(&self) -> Option<&Faults> {
        self.stopped.get()
    }

    /// Appends the message for `reader`; `false` when the full path has to do it.
    pub(super) fn message(&self, shared: &Shared, reader: &Reader, date: Timestamp, out: &mut Vec<u8>) -> Result<bool, ComposeError> {
        if self.stopped.get().is_some() {
            return Ok(false);
        }
        let line = match &self.subject {
            Subject::Line(line) => line.value(reader).map(|written| shared.subject_line(&written)).transpose()?,
            Subject::Field(_) | Subject::Tera => None,
        };
        let own = OnceCell::new();
        if self.lines_vary && line.is_none() {
            let _ = own.set(shared.context_for(reader)?);
        }
        let cell = OnceCell::new();
        // Where the context cannot be made, the values cannot either, and the full path tells why.
        let make_own = || own.get_or_init(|| shared.context_for(reader).unwrap_or_default());
        let make = || renamed(self.lines_vary.then(make_own), reader);
        let asked = Asked { reader, context: &cell, make: &make };
        let Some(variant) = self.variant(shared, &asked) else { return Ok(false) };
        let Some(values) = variant.values(&asked) else { return Ok(false) };
        if let Subject::Field(subject) = &self.subject {
            shared.headers.write(reader, subject, date, out)?;
        } else {
            let Some(line) = line.as_deref().or_else(|| own.get().map(|own| full::line(own, full::SUBJECT))) else { return Ok(false) };
            let mut subject = Vec::new();
            headers::subject(line, &mut subject)?;
            shared.headers.write(reader, &subject, date, out)?;
        }
        variant.write(&values, out);
        Ok(true)
    }

    /// The variant for a reader, compiled now if nobody like them came before.
    fn variant(&self, shared: &Shared, asked: &Asked) -> Option<Arc<Variant>> {
        let forms = self.forms();
        match forms.tree.find(|key| key.outcome(asked)) {
            Search::Found(variant) => return Some(variant),
            Search::Odd => return None,
            Search::Missing if forms.count >= VARIANTS_MAX => return None,
            Search::Missing => {}
        }
        let _one_at_a_time = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Search::Found(variant) = self.forms().tree.find(|key| key.outcome(asked)) {
            return Some(variant);
        }
        if self.forms().count >= VARIANTS_MAX || self.stopped.get().is_some() {
            return None;
        }
        match self.compile(shared, asked.reader) {
            Ok(variant) => Some(variant),
            Err(Refusal::Reader) => None,
            Err(Refusal::Issue(why)) => {
                // Messages spliced before were exact: each variant is checked by itself.
                let _ = self.stopped.set(lint(shared, &why));
                None
            }
        }
    }

    fn forms(&self) -> Arc<Forms> {
        Arc::clone(&self.forms.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Renders the templates with `reader` steering, and adds what came out to the forms.
    fn compile(&self, shared: &Shared, reader: &Reader) -> Result<Arc<Variant>, Refusal> {
        let context = self.context(shared, reader).map_err(|_| Refusal::Reader)?;
        self.recorder.take();
        let raw_html = full::run(&self.engine, &shared.html.name, &context);
        let html_calls = self.recorder.calls();
        let raw_text = full::run(&self.engine, &shared.text_name, &context);
        let trace = self.recorder.take();
        if let Some(why) = trace.fault {
            return Err(Refusal::Issue(why));
        }
        // A template error may be this reader's alone; the full path tells it to them.
        let (Ok(raw_html), Ok(raw_text)) = (raw_html, raw_text) else { return Err(Refusal::Reader) };
        let html = self.cut_html(shared, &raw_html, html_calls).map_err(Refusal::Issue)?;
        let found = guard::count(&self.recorder, &raw_text, trace.calls - html_calls).map_err(Refusal::Issue)?;
        let text = splice::cut_text(&raw_text, &found).map_err(Refusal::Issue)?;
        let unreadable = || Refusal::Issue("an expression with reader data cannot be evaluated by itself".to_owned());
        let variant = Variant::new(trace.slots, &self.expressions, &text, &html).ok_or_else(unreadable)?;
        let mut way = Vec::with_capacity(trace.keys.len());
        for (used, outcome) in trace.keys {
            way.push((Arc::new(Key::new(used, &self.expressions).ok_or_else(unreadable)?), outcome));
        }
        self.add(&way, Arc::new(variant))
    }

    /// The HTML with its slots, after every guard.
    fn cut_html(&self, shared: &Shared, raw: &str, calls: usize) -> Result<splice::Cut, String> {
        let before = guard::count(&self.recorder, raw, calls)?;
        let inlined = shared.html.inline(raw).map_err(|error| error.0)?;
        let after = self.recorder.sentinels(&inlined).ok_or("reader data in a place that HTML does not keep")?;
        guard::same_slots(&before, &after)?;
        let cut = splice::cut_html(&inlined, &after, &shared.html.base)?;
        guard::styles(raw, &cut)?;
        guard::probe(&shared.html, raw, &before, &cut)?;
        Ok(cut)
    }

    fn add(&self, way: &[(Arc<Key>, Outcome)], variant: Arc<Variant>) -> Result<Arc<Variant>, Refusal> {
        let old = self.forms();
        let tree = old.tree.with(way, Arc::clone(&variant)).ok_or(Refusal::Reader)?;
        let new = Arc::new(Forms { tree, count: old.count + 1 });
        *self.forms.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(variant)
    }

    /// What rewritten templates see: the reader only under the new names.
    fn context(&self, shared: &Shared, reader: &Reader) -> Result<Context, ComposeError> {
        let own = shared.context_for(reader)?;
        let mut context = own.clone();
        for name in READER_NAMES {
            context.remove(name);
        }
        if self.lines_vary
            && let Some(issue) = shared.context.get("issue")
        {
            context.insert_value("issue", issue.clone());
        }
        context.extend(renamed(Some(&own), reader));
        Ok(context)
    }

    /// No template may use a reader name that was not renamed.
    fn check_names(&self) -> Result<(), String> {
        for name in self.engine.get_template_names() {
            let used = self.engine.get_template_variables(name).map_err(|error| error.to_string())?;
            if let Some(left) = READER_NAMES.iter().find(|name| used.contains(**name)) {
                return Err(format!("`{left}` is used in `{name}` in a way that cannot be compiled"));
            }
        }
        Ok(())
    }
}

/// The reader's names as rewritten templates know them, from `own` if it is there.
fn renamed(own: Option<&Context>, reader: &Reader) -> Context {
    let made;
    let own = match own {
        Some(own) => own,
        None => {
            let mut new = Context::new();
            context::set_reader(&mut new, reader);
            made = new;
            &made
        }
    };
    let mut context = Context::new();
    for name in READER_NAMES.iter().chain(&["issue"]) {
        if let Some(value) = own.get(name) {
            context.insert_value(format!("{RENAMED}{name}"), value.clone());
        }
    }
    context
}

fn engine(sources: &BTreeMap<String, String>, recorder: &Arc<Recorder>) -> Result<Tera, String> {
    template::engine_with(sources, |engine| recorder.register(engine)).map_err(|faults| faults.to_string())
}

/// The Subject field of an Issue whose subject is the same for everybody.
fn subject_of(shared: &Shared, sample: &Reader) -> Subject {
    let field = || -> Result<Vec<u8>, ComposeError> {
        let mut field = Vec::new();
        headers::subject(full::line(&shared.context_for(sample)?, full::SUBJECT), &mut field)?;
        Ok(field)
    };
    field().map_or(Subject::Tera, Subject::Field)
}

/// The same where it differs, or the preheader does.
fn subject_by_reader(frozen: &Frozen) -> Subject {
    let line = if rewrite::mentions_reader(&frozen.preheader) { None } else { native::Line::parse(&frozen.subject) };
    line.map_or(Subject::Tera, Subject::Line)
}

fn lint(shared: &Shared, why: &str) -> Faults {
    let fault = Fault::warning("slow-template", format!("this Issue is rendered anew for every reader, which is slower: {why}"));
    fault.in_file(Path::new(&shared.html.name)).hint("docs/templates.md tells what can be compiled").into()
}
