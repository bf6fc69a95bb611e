//! Tera 2: the built-in templates, those that override them on disk, our filters, and limits.

mod builtin;
mod fault;
mod filters;
mod folder;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use crate::model::{Fault, Faults};

/// No mail and no page of ours is this big; a template that writes more is broken, and stopped before it fills the memory.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

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
    let mut tera = tera::Tera::new();
    tera.autoescape_on([".html", ".xml"]);
    filters::register(&mut tera);
    match tera.add_raw_templates(sources) {
        Ok(()) => Ok(tera),
        Err(error) => Err(fault::every_fault(sources, &error)),
    }
}

/// Renders `name`, which may write at most 1 MiB (`template-too-large`).
pub fn render(tera: &tera::Tera, name: &str, context: &tera::Context) -> Result<String, Fault> {
    let mut out = Limited { bytes: Vec::new(), overflowed: false };
    let result = tera.render_to(name, context, &mut out);
    if out.overflowed {
        return Err(fault::too_large(name, OUTPUT_BYTES_MAX));
    }
    result.map_err(|error| fault::of_render(name, &error))?;
    String::from_utf8(out.bytes).map_err(|_| Fault::error("template-failed", format!("`{name}` wrote text that is not UTF-8")))
}

/// What Tera says of a failed build or rendering, as faults with place and hint (for those that call Tera themselves).
pub fn faults_of(error: &tera::Error) -> Faults {
    fault::from_error(error)
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
