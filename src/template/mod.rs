//! Tera 2: the built-in templates, those that override them on disk, our filters, and limits.

mod builtin;
mod fault;
mod filters;
mod folder;
mod limits;
mod texts;

use std::collections::BTreeMap;
use std::path::Path;

pub use texts::{is_texts, languages, pick};

use crate::model::{Fault, Faults};

/// Template sources by name (`email/digest.html`, `web/article.html` …): built in, overridden by files of `dir`.
pub fn load(dir: &Path) -> Result<BTreeMap<String, String>, Faults> {
    let mut sources: BTreeMap<String, String> =
        builtin::TEMPLATES.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    sources.extend(folder::read(dir)?);
    Ok(sources)
}

/// Writes the built-in templates into `dir` for editing; existing files stay. Gives the names written.
pub fn write_defaults(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut written = Vec::new();
    for (name, text) in builtin::TEMPLATES {
        if folder::write_new(&dir.join(name), text)? {
            written.push(name.to_string());
        }
    }
    Ok(written)
}

/// An engine over `sources` with our filters and limits; faults name the template, line and column.
/// Names that end in `.html` or `.xml` are escaped; a variable that is not defined is an error.
pub fn engine(sources: &BTreeMap<String, String>) -> Result<tera::Tera, Faults> {
    engine_with(sources, |_| ())
}

/// The same, with functions that `extend` registers before the sources are read.
pub fn engine_with(sources: &BTreeMap<String, String>, extend: impl FnOnce(&mut tera::Tera)) -> Result<tera::Tera, Faults> {
    let mut tera = tera::Tera::new();
    tera.autoescape_on([".html", ".xml"]);
    filters::register(&mut tera);
    limits::register(&mut tera);
    texts::register(&mut tera, texts::Texts::new(sources)?);
    extend(&mut tera);
    let templates = sources.iter().filter(|(name, _)| !texts::is_texts(name));
    match tera.add_raw_templates(templates.map(|(name, text)| (name, limits::with_rounds_counted(text)))) {
        Ok(()) => Ok(tera),
        Err(error) => Err(fault::every_fault(sources, &error)),
    }
}

/// Renders `name`, which may write at most 1 MiB (`template-too-large`) in a million rounds of its loops (`template-too-long`).
pub fn render(tera: &tera::Tera, name: &str, context: &tera::Context) -> Result<String, Fault> {
    match limits::render(tera, name, context) {
        limits::End::Written(bytes) => String::from_utf8(bytes).map_err(|_| fault::not_utf8(name)),
        limits::End::TooLarge => Err(fault::too_large(name)),
        limits::End::TooLong => Err(fault::too_long(name)),
        limits::End::Failed(error) => Err(fault::of_render(name, &error)),
    }
}

/// One of the texts of pages and mails (`locales/`), as an engine's templates would write it; its key when there is none.
pub fn say(tera: &tera::Tera, key: &str, language: &str, values: &[(&str, &str)]) -> String {
    let mut context = tera::Context::new();
    context.insert("language", language);
    let mut call = format!("{{{{ t(key=\"{key}\"");
    for (name, value) in values {
        context.insert((*name).to_owned(), value);
        call.push_str(&format!(", {name}={name}"));
    }
    call.push_str(") }}");
    tera.render_str(&call, &context, false).unwrap_or_else(|_| key.to_owned())
}

/// What Tera says of a failed build or rendering, as faults with place and hint (for those that call Tera themselves).
pub fn faults_of(error: &tera::Error) -> Faults {
    fault::from_error(error)
}
