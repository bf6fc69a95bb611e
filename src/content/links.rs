//! Where a link or picture in an article leads, as an absolute address.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use super::index::Index;
use super::meta::Draft;

/// What is wrong with a link.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable short name.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Where a link leads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Absolute address; empty when the link is not safe to follow.
    pub url: String,
    /// The file beside the article that is meant.
    pub file: Option<PathBuf>,
    /// What is wrong with it.
    pub problem: Option<Problem>,
}

/// Resolves the links of one article.
pub struct Links<'a> {
    index: &'a Index,
    /// The article's own address.
    page: Url,
    /// The folder it lies in, on disk.
    folder: PathBuf,
    /// The same folder below content/, without a slash at its end.
    section: &'a str,
}

impl<'a> Links<'a> {
    /// For the links of `draft`.
    pub fn new(index: &'a Index, draft: &'a Draft) -> Self {
        let page = Url::parse(&draft.article.url).unwrap_or_else(|_| index.site.clone());
        let section = draft.source.relative.rsplit_once('/').map_or("", |(folder, _)| folder);
        Self { index, page, folder: draft.folder(), section }
    }

    /// Resolves `written`.
    pub fn resolve(&self, written: &str) -> Target {
        let written = written.trim();
        if comrak::html::dangerous_url(written) || has_scheme(written, "javascript") || has_scheme(written, "vbscript") {
            return unsafe_link(written);
        }
        if let Some(internal) = written.strip_prefix("@/") {
            return self.article(internal, written);
        }
        if Url::parse(written).is_ok() || written.starts_with("//") || written.starts_with('#') || written.is_empty() {
            return Target { url: self.join(written), ..Target::default() };
        }
        match written.strip_prefix('/') {
            Some(rooted) => self.rooted(rooted),
            None => self.relative(written),
        }
    }

    fn join(&self, written: &str) -> String {
        self.page.join(written).map_or_else(|_| written.to_owned(), String::from)
    }

    /// A link to a file below content/: Zola's `@/trips/delta.md#anchor`.
    fn article(&self, internal: &str, written: &str) -> Target {
        let (file, fragment) = split_fragment(internal);
        if let Some(path) = self.index.page_of(file) {
            return Target { url: self.on_site(&format!("{path}{fragment}")), ..Target::default() };
        }
        if let Some(section) = file.strip_suffix("_index.md") {
            return Target { url: self.on_site(&format!("/{section}{fragment}")), ..Target::default() };
        }
        let hint = match self.index.nearest_file(file) {
            Some(near) => format!("did you mean `@/{near}`?"),
            None => "name the file by its path below the content folder".to_owned(),
        };
        let message = format!("there is no article at {written}");
        Target { url: self.on_site("/"), file: None, problem: Some(Problem { code: "link-broken", message, hint }) }
    }

    /// A link from the site's root. What else stands on the site is not known here, so only a near miss counts as a mistake.
    fn rooted(&self, rooted: &str) -> Target {
        let base = self.index.site.path();
        let within = format!("/{rooted}");
        let url = if base != "/" && within.starts_with(base) { self.join(&within) } else { self.on_site(rooted) };
        let path = &within[..within.find(['?', '#']).unwrap_or(within.len())];
        let is_page = path != "/" && !path.rsplit('/').next().is_some_and(|name| name.contains('.'));
        let near = if is_page && !self.index.has(path) { self.index.nearest_page(&format!("/{}/", path.trim_matches('/'))) } else { None };
        let problem = near.map(|near| Problem {
            code: "link-broken",
            message: format!("there is no article at {path}"),
            hint: format!("did you mean `{near}`?"),
        });
        Target { url, file: None, problem }
    }

    /// A link beside the article: another Markdown file, or a file to be published with it.
    fn relative(&self, written: &str) -> Target {
        let name = written.split(['?', '#']).next().unwrap_or(written);
        let name = percent_decode_str(name).decode_utf8_lossy();
        if name.ends_with(".md") {
            let (_, fragment) = split_fragment(written);
            return self.article(&format!("{}{fragment}", normal(self.section, &name)), written);
        }
        let url = self.join(written);
        let below = normal(self.section, &name);
        let file = self.folder.join(Path::new(name.as_ref()));
        let hidden = below.split('/').any(|part| part.starts_with('.'));
        if !hidden && self.index.may_publish(&file) {
            return Target { url, file: Some(file), problem: None };
        }
        if Url::parse(&url).is_ok_and(|url| self.index.has(&percent_decode_str(url.path()).decode_utf8_lossy())) {
            return Target { url, ..Target::default() };
        }
        let problem = Problem {
            code: "link-broken",
            message: format!("there is no file {name} beside the article"),
            hint: "put the file into the article's folder, or write the whole address".to_owned(),
        };
        Target { url, file: None, problem: Some(problem) }
    }

    fn on_site(&self, path: &str) -> String {
        self.index.site.join(path.trim_start_matches('/')).map_or_else(|_| format!("{}{path}", self.index.site), String::from)
    }
}

fn unsafe_link(written: &str) -> Target {
    let scheme = written.split(':').next().unwrap_or_default();
    let message = format!("a {scheme}: link does not work in mail and feeds and was taken out");
    let hint = "link to a page instead".to_owned();
    Target { url: String::new(), file: None, problem: Some(Problem { code: "html-unsafe", message, hint }) }
}

/// Whether an address has `scheme`, as a browser sees it: it skips control characters and spaces.
pub fn has_scheme(address: &str, scheme: &str) -> bool {
    let mut seen = address.chars().filter(|c| !c.is_control() && !c.is_whitespace());
    scheme.chars().chain([':']).all(|c| seen.next().is_some_and(|s| s.eq_ignore_ascii_case(&c)))
}

/// `file.md#anchor` → `file.md` and `#anchor`.
fn split_fragment(link: &str) -> (&str, &str) {
    link.split_at(link.find('#').unwrap_or(link.len()))
}

/// The path that `name`, seen from `folder`, means; beginning with `..` when it leads out of content/.
fn normal(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
