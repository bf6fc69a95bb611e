//! What `preview` and `send` are about: a Digest or an Article, found by name and frozen.

use std::path::Path;
use std::sync::Arc;

use super::{Context, Exit, Failure};
use crate::app::App;
use crate::compose::{Compiled, ComposeError, Reader};
use crate::digest::{self, Choice, Draft, Planned, Press};
use crate::model::{Article, ArticleState, Condition, Digest, Fault, Library, ListId, Segment};
use crate::{import, preflight, worker};

/// What a name on the command line means.
pub enum Target {
    /// A Digest.
    Digest(Box<Digest>),
    /// An Article, as a letter.
    Letter(Arc<Article>),
}

/// Finds a Digest or an Article by name. Faults of other articles are shown and do not stand in the way.
pub async fn find(context: &Context, app: &App, name: &str) -> Result<(Target, Library), Failure> {
    let (library, faults) = worker::library(&app.config, &app.store).await?;
    context.out.faults(&faults);
    if let Some(digest) = app.config.digest(name) {
        return Ok((Target::Digest(Box::new(digest.clone())), library));
    }
    if let Some(article) = library.find(name) {
        return Ok((Target::Letter(article.clone()), library));
    }
    let mut known: Vec<&str> = app.config.digests.iter().map(|digest| digest.id.as_str()).collect();
    known.extend(library.all().iter().map(|article| article.slug.as_str()));
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let hint = match nearest {
        Some(near) if strsim::jaro_winkler(near, name) > 0.75 => format!("did you mean `{near}`?"),
        _ => "name a digest of config.toml, or an article by its slug or file".to_owned(),
    };
    Err(Failure::new(Exit::Usage, Fault::error("unknown-name", format!("there is no digest and no article `{name}`")).hint(hint)))
}

/// An Issue that is not in the store.
pub struct Pressed {
    /// As it would be frozen.
    pub draft: Draft,
    /// Why the Digest has no Issue now, when this one only stands in for it.
    pub not_due: Option<String>,
}

impl Pressed {
    /// Says that these Articles are no news, if they are not.
    pub fn tell(&self, context: &Context) {
        if let Some(reason) = &self.not_due {
            context.out.note(format!("nothing new is due ({reason}): this shows the newest articles as if none had been mailed"));
        }
    }
}

/// Why an Issue cannot be made for one reader, with its place.
pub fn broken(app: &App, digest: Option<&str>, compiled: &Compiled, reader: &Reader, error: &ComposeError) -> Failure {
    let fault = compiled.fault_for(reader).unwrap_or_else(|| Fault::error("template", error.to_string()));
    match digest {
        Some(digest) => app.config.placed(digest, fault.into()).into(),
        None => fault.into(),
    }
}

/// Freezes the next Issue of the target. With `repeat` (previews, tests) one that is not due shows Articles that went out before.
/// Nothing to send gives the reason.
pub async fn freeze(
    app: &App,
    target: &Target,
    library: &Library,
    lists: &[ListId],
    repeat: bool,
) -> Result<Result<Pressed, String>, Failure> {
    let now = app.clock.now();
    let press = Press { config: &app.config, templates: &app.templates, now };
    match target {
        Target::Digest(recipe) => {
            let recipe = if lists.is_empty() { (**recipe).clone() } else { Digest { lists: lists.to_vec(), ..(**recipe).clone() } };
            let mut planned = digest::plan(&app.config, &app.store, &recipe, library, now, now).await?;
            let mut not_due = None;
            if repeat && let Err(reason) = &planned {
                let again = Digest { min: 1, ..recipe.clone() };
                if let Choice::Articles(chosen) = digest::choose(&app.config, &again, library, &Default::default(), now) {
                    not_due = Some(reason.clone());
                    planned = Ok(Planned::of(&app.config, chosen.articles, &recipe.lists));
                }
            }
            match planned {
                Ok(mut planned) => {
                    worker::for_mail(&mut planned);
                    let number = app.store.next_number(Some(&recipe.id)).await?;
                    Ok(Ok(Pressed { draft: press.digest(&recipe, &planned, number)?, not_due }))
                }
                Err(reason) => Ok(Err(reason)),
            }
        }
        Target::Letter(article) => {
            let lists = if lists.is_empty() { letter_lists(app, article)? } else { lists.to_vec() };
            let imported = article.origin.is_some().then(|| Arc::new(import::for_mail(article)));
            let draft = press.letter(imported.as_ref().unwrap_or(article), &lists)?;
            Ok(Ok(Pressed { draft, not_due: None }))
        }
    }
}

/// The Lists a letter goes to when the command names none: those of its front matter, or the only one there is.
fn letter_lists(app: &App, article: &Article) -> Result<Vec<ListId>, Failure> {
    if !article.mail.lists.is_empty() {
        return Ok(article.mail.lists.clone());
    }
    if let [only] = app.config.lists.as_slice() {
        return Ok(vec![only.id.clone()]);
    }
    Err(Failure::usage(
        "a letter needs a list to go to",
        "name one with --list ID, or in the front matter: [postrider] lists = [\"weekly\"]",
    ))
}

/// Lists named with `--list`.
pub fn parse_lists(app: &App, names: &[String]) -> Result<Vec<ListId>, Failure> {
    names.iter().map(|name| parse_list(app, name)).collect()
}

/// A List named on the command line; it must be in the configuration.
pub fn parse_list(app: &App, name: &str) -> Result<ListId, Failure> {
    let known: Vec<&str> = app.config.lists.iter().map(|list| list.id.as_str()).collect();
    match app.config.lists.iter().find(|list| list.id.as_str() == name) {
        Some(list) => Ok(list.id.clone()),
        None => Err(Failure::usage(format!("there is no list `{name}`"), format!("lists in config.toml: {}", known.join(", ")))),
    }
}

/// A `--where`, as it is meant now.
pub fn parse_where(app: &App, text: &str) -> Result<Condition, Failure> {
    let lists: Vec<&str> = app.config.lists.iter().map(|list| list.id.as_str()).collect();
    let segment = Segment::parse(text, Path::new("--where"), &lists).map_err(|fault| Failure::new(Exit::Usage, fault))?;
    Ok(segment.at(app.clock.now(), app.config.site.timezone))
}

/// Runs the checks before a send and shows what they found; errors stop it.
pub fn checked(context: &Context, app: &App, target: &Target, draft: &Draft) -> Result<(), Failure> {
    let mut faults = preflight::check(&app.config, &draft.new.frozen, &draft.sample);
    faults.0.extend(draft.lints.0.iter().cloned());
    if let Target::Letter(article) = target {
        let state = article.state(app.clock.now());
        if state != ArticleState::Live {
            let message = format!("\"{}\" is not published: {}", article.title, state_words(state));
            faults.push(Fault::error("not-live", message).in_file(&article.file).hint("change its front matter, or send a test with --to"));
        }
    }
    if faults.errors() > 0 {
        return Err(faults.into());
    }
    context.out.faults(&faults);
    Ok(())
}

const fn state_words(state: ArticleState) -> &'static str {
    match state {
        ArticleState::Draft => "it is a draft",
        ArticleState::Scheduled => "its date lies ahead",
        ArticleState::Expired => "it has expired",
        ArticleState::Live => "it is live",
    }
}
