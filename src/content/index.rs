//! What the addresses of all articles are, so that links between them can be resolved and doubles found.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use url::Url;

use crate::config::Config;
use crate::model::Fault;

use super::fields::nearest;
use super::files::{self, Source};
use super::meta::Draft;
use super::paths;

/// All addresses known on this site.
#[derive(Debug)]
pub struct Index {
    /// Path below content/ → address of the page. Broken files are here too: a link to one is not itself a mistake.
    pages: HashMap<String, String>,
    /// Every page and alias.
    paths: HashSet<String>,
    /// Wrong address → the page that is probably meant. Many articles share a link, and the search reads every address.
    near: Mutex<HashMap<String, Option<String>>>,
    /// The site's own address.
    pub site: Url,
    /// The content folder without symbolic links.
    real_root: PathBuf,
}

impl Index {
    /// Indexes all articles. Of two that claim the same address the later is left out, with a fault that names both.
    pub fn new(sources: &[Source], drafts: &mut Vec<Draft>, config: &Config, faults: &mut Vec<Fault>) -> Self {
        let mut pages: HashMap<String, String> = sources.iter().map(|source| (source.relative.clone(), guessed(source))).collect();
        drop_doubles(drafts, faults);
        let mut all = HashSet::new();
        for draft in drafts.iter() {
            pages.insert(draft.source.relative.clone(), draft.article.path.clone());
            // The id is a name too: nobody has to remember the date in a file's name.
            pages.entry(format!("{}.md", draft.article.id.0)).or_insert_with(|| draft.article.path.clone());
            all.insert(draft.article.path.clone());
            all.extend(draft.article.aliases.iter().map(|alias| format!("/{}/", alias.trim_matches('/'))));
        }
        warn_of_equal_slugs(drafts, faults);
        Self { pages, paths: all, near: Mutex::default(), site: config.site.url.clone(), real_root: files::real(&config.content_dir) }
    }

    /// Whether a file may be published: it lies in the content folder, also when symbolic links are followed.
    pub fn may_publish(&self, file: &Path) -> bool {
        file.is_file() && files::real(file).starts_with(&self.real_root)
    }

    /// The page of a file below content/.
    pub fn page_of(&self, relative: &str) -> Option<&str> {
        self.pages.get(relative).map(String::as_str)
    }

    /// Whether an article has this address.
    pub fn has(&self, path: &str) -> bool {
        self.paths.contains(&format!("/{}/", path.trim_matches('/')))
    }

    /// The file whose name is nearest to a wrong one.
    pub fn nearest_file(&self, relative: &str) -> Option<&str> {
        nearest(relative, self.pages.keys().map(String::as_str))
    }

    /// The page whose address is nearest to a wrong one.
    pub fn nearest_page(&self, path: &str) -> Option<String> {
        let known = self.near.lock().ok().and_then(|near| near.get(path).cloned());
        known.unwrap_or_else(|| {
            let found = nearest(path, self.paths.iter().map(String::as_str)).map(str::to_owned);
            if let Ok(mut near) = self.near.lock() {
                near.insert(path.to_owned(), found.clone());
            }
            found
        })
    }
}

/// The address a file has if its front matter names no other.
fn guessed(source: &Source) -> String {
    let from = paths::parse(&source.relative, source.bundle);
    paths::page(&from.section, &paths::slugify(&from.stem))
}

fn drop_doubles(drafts: &mut Vec<Draft>, faults: &mut Vec<Fault>) {
    let mut by_path: HashMap<String, String> = HashMap::with_capacity(drafts.len());
    let mut by_id: HashMap<String, String> = HashMap::with_capacity(drafts.len());
    drafts.retain(|draft| {
        let name = draft.source.file.display().to_string();
        let taken = by_path.get(&draft.article.path).map(|other| (other, "address", draft.article.path.as_str()));
        let taken = taken.or_else(|| by_id.get(&draft.article.id.0).map(|other| (other, "id", draft.article.id.0.as_str())));
        if let Some((other, what, value)) = taken {
            let message = format!("this article and {other} have the same {what} {value}");
            let hint = if what == "id" { "rename one of the files" } else { "rename one of the files, or give one another slug" };
            faults.push(Fault::error("path-taken", message).in_file(&draft.source.file).hint(hint));
            return false;
        }
        by_path.insert(draft.article.path.clone(), name.clone());
        by_id.insert(draft.article.id.0.clone(), name);
        true
    });
}

/// A command such as `send notes` must not pick one of two: say so before it matters.
fn warn_of_equal_slugs(drafts: &[Draft], faults: &mut Vec<Fault>) {
    let mut by_slug: HashMap<&str, &Draft> = HashMap::with_capacity(drafts.len());
    for draft in drafts {
        if let Some(other) = by_slug.insert(&draft.article.slug, draft) {
            let message = format!("this article and {} are both called `{}`", other.source.file.display(), draft.article.slug);
            let hint = format!("give one another slug, or name this one `{}` in commands", draft.article.path);
            faults.push(Fault::warning("slug-ambiguous", message).in_file(&draft.source.file).hint(hint));
        }
    }
}
