//! The Sources in `dev`: how each stands, what it was asked, and what is held for the editor. The buttons do what `sources` does, to the same store.

use std::time::Duration;

use axum::extract::{Form, Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use url::Url;

use super::{State, context, page};
use crate::import::overview::{self, Items, NotKept, Verdict};
use crate::import::{Importer, Told};
use crate::store::imported::{ImportState, Taken};
use crate::store::sources::{AskRow, SourceRow, SourceState};

/// Where the list is.
const LIST: &str = "/dev/sources";
/// Entries of each kind that a page lists.
const SHOWN: u32 = 50;
/// Characters of a title.
const TITLE_CHARS_MAX: usize = 120;
/// How long a button waits for what it started; the asking goes on without it. Requests may take a little longer.
const PATIENCE: Duration = Duration::from_secs(12);

/// What a page shows of a Source.
#[derive(serde::Serialize)]
struct Shown {
    id: String,
    title: String,
    /// Its page for people, else its address; of the web.
    link: Option<String>,
    /// What the link reads.
    host: String,
    url: String,
    found: Option<String>,
    moved_to: Option<String>,
    status: String,
    /// `ok`, `bad` or `off`: how the status looks.
    look: &'static str,
    is_active: bool,
    last: String,
    next: String,
    items: Items,
}

/// A request of the past.
#[derive(serde::Serialize)]
struct Request {
    at: String,
    status: String,
    how: &'static str,
    said: String,
    /// Where it ended, when that is not the Source's own address.
    elsewhere: Option<String>,
}

/// What the last button did, told on the page that follows.
#[derive(serde::Deserialize)]
pub struct Said {
    said: Option<String>,
}

/// The page a button was on: the list, or else the Source's own.
#[derive(serde::Deserialize)]
pub struct Button {
    from: Option<String>,
}

/// The button that decides about what is held.
#[derive(serde::Deserialize)]
pub struct Decision {
    verdict: Verdict,
}

/// All Sources.
pub async fn list(Shared(state): Shared<State>, Query(query): Query<Said>) -> Response {
    let shown = async {
        let all = overview::configured(&state.desk.config, &state.desk.store).await?;
        all.into_iter().map(|(row, items)| shown(&state, row, items)).collect::<anyhow::Result<Vec<Shown>>>()
    };
    let sources = match shown.await {
        Ok(sources) => sources,
        Err(error) => return failed(&error),
    };
    let mut context = context(&state);
    context.insert("active", &sources.iter().filter(|source| source.is_active).count());
    context.insert("held", &sources.iter().map(|source| source.items.held).sum::<u64>());
    context.insert("sources", &sources);
    context.insert("said", &query.said.unwrap_or_default());
    page(&state, "web/sources.html", &context)
}

/// One Source.
pub async fn one(Shared(state): Shared<State>, Path(id): Path<String>, Query(query): Query<Said>) -> Response {
    match look(&state, &id).await {
        Ok(Some((source, entries, requests))) => {
            let (held, left): (Vec<NotKept>, Vec<NotKept>) = entries.into_iter().partition(|entry| entry.state == ImportState::Held);
            let hidden = |all: u64, shown: usize| all.saturating_sub(shown as u64);
            let mut context = context(&state);
            context.insert("held_hidden", &hidden(source.items.held, held.len()));
            context.insert("left_hidden", &hidden(source.items.dropped + source.items.merged, left.len()));
            context.insert("entries", &source.items.words());
            context.insert("source", &source);
            context.insert("held", &held);
            context.insert("left", &left);
            context.insert("requests", &requests);
            context.insert("said", &query.said.unwrap_or_default());
            page(&state, "web/source.html", &context)
        }
        Ok(None) => unknown(),
        Err(error) => failed(&error),
    }
}

type Seen = (Shown, Vec<NotKept>, Vec<Request>);

async fn look(state: &State, id: &str) -> anyhow::Result<Option<Seen>> {
    let desk = &state.desk;
    let Some((row, items)) = overview::one(&desk.config, &desk.store, id).await? else { return Ok(None) };
    let mut entries = overview::not_kept(&desk.store, id, SHOWN).await?;
    for entry in &mut entries {
        entry.title = cut(&entry.title);
    }
    let asked_at = overview::asked_at(&row).to_owned();
    let requests = desk.store.asks(id).await?.into_iter().map(|ask| request(state, &asked_at, ask)).collect();
    Ok(Some((shown(state, row, items)?, entries, requests)))
}

fn request(state: &State, asked_at: &str, ask: AskRow) -> Request {
    Request {
        at: overview::short(&state.desk.config.site, Some(ask.at)),
        status: ask.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        how: if ask.conditional == 1 { "conditional" } else { "full" },
        said: ask.said,
        elsewhere: (ask.url != asked_at).then_some(ask.url),
    }
}

fn shown(state: &State, row: SourceRow, items: Items) -> anyhow::Result<Shown> {
    let (site, now) = (&state.desk.config.site, state.desk.clock.now());
    let standing = row.standing()?;
    let link = row.home.as_deref().and_then(overview::web_address).or_else(|| overview::web_address(&row.url));
    let host = link.as_deref().and_then(|link| Url::parse(link).ok()?.host_str().map(str::to_owned)).unwrap_or_default();
    let title = row.title.as_deref().map(str::trim).filter(|title| !title.is_empty()).unwrap_or(&row.id);
    let look = match standing {
        SourceState::Paused => "off",
        SourceState::Gone => "bad",
        SourceState::Active if row.failures > 0 => "bad",
        SourceState::Active => "ok",
    };
    Ok(Shown {
        title: cut(title),
        link,
        host,
        status: overview::status(&row)?,
        look,
        is_active: standing == SourceState::Active,
        last: overview::short(site, row.fetched_at),
        next: overview::next(&row, now, |at| overview::short(site, at))?,
        items,
        id: row.id,
        url: row.url,
        found: row.found,
        moved_to: row.moved_to.filter(|_| row.moved_times > 0),
    })
}

/// A title of a length that a table has room for.
fn cut(title: &str) -> String {
    match title.char_indices().nth(TITLE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title.to_owned(),
    }
}

/// Asks all that are neither paused nor gone.
pub async fn fetch_all_post(Shared(state): Shared<State>) -> Response {
    let rows = match overview::configured(&state.desk.config, &state.desk.store).await {
        Ok(all) => all.into_iter().map(|(row, _)| row).filter(|row| row.state == SourceState::Active.word()).collect(),
        Err(error) => return failed(&error.into()),
    };
    told(LIST, fetch(&state, rows).await)
}

/// Asks one, due or not.
pub async fn fetch_post(Shared(state): Shared<State>, Path(id): Path<String>, Query(button): Query<Button>) -> Response {
    match overview::one(&state.desk.config, &state.desk.store, &id).await {
        Ok(Some((row, _))) => told(&button.address(&id), fetch(&state, vec![row]).await),
        Ok(None) => unknown(),
        Err(error) => failed(&error.into()),
    }
}

/// It is not asked any more.
pub async fn pause_post(shared: Shared<State>, id: Path<String>, button: Query<Button>) -> Response {
    set(shared, id, button, SourceState::Paused).await
}

/// It is asked in its turn again.
pub async fn resume_post(shared: Shared<State>, id: Path<String>, button: Query<Button>) -> Response {
    set(shared, id, button, SourceState::Active).await
}

async fn set(Shared(state): Shared<State>, Path(id): Path<String>, Query(button): Query<Button>, wanted: SourceState) -> Response {
    if !is_configured(&state, &id) {
        return unknown();
    }
    let words = if wanted == SourceState::Paused { "is not asked until it is resumed" } else { "is asked in its turn" };
    let done = state.desk.store.set_source(&id, wanted).await.map(|_| format!("{id} {words}"));
    told(&button.address(&id), done.map_err(Into::into))
}

/// Takes up what is held, or leaves it out.
pub async fn held_post(Shared(state): Shared<State>, Path(id): Path<String>, Form(form): Form<Decision>) -> Response {
    if !is_configured(&state, &id) {
        return unknown();
    }
    let desk = &state.desk;
    let done = form.verdict.pass(&desk.store, &id, desk.clock.now()).await.map(|taken| form.verdict.words(&id, &taken));
    told(&format!("{LIST}/{id}"), done.map_err(Into::into))
}

impl Button {
    fn address(&self, id: &str) -> String {
        if self.from.as_deref() == Some("list") { LIST.to_owned() } else { format!("{LIST}/{id}") }
    }
}

/// Asks Sources, politely as ever, and says what came of it. A slow site does not keep the button waiting for ever.
async fn fetch(state: &State, rows: Vec<SourceRow>) -> anyhow::Result<String> {
    if rows.is_empty() {
        return Ok("there is no source to ask".to_owned());
    }
    let Ok(turn) = state.asking.clone().try_acquire_owned() else {
        return Ok("sources are being asked already; look again in a moment".to_owned());
    };
    let (desk, stop) = (state.desk.clone(), state.stop.clone());
    let asking = tokio::spawn(async move {
        let _turn = turn;
        let importer = Importer::new(&desk.config, desk.store, desk.fetch, desk.clock);
        let (mut told, mut asked) = (Vec::new(), importer.ask_these(rows));
        while let Some(one) = asked.recv().await {
            told.push(one?);
            if stop.is_cancelled() {
                break;
            }
        }
        anyhow::Ok(told)
    });
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(told) => Ok(words(&told??)),
        Err(_) => Ok("they take their time and are still being asked; look again in a moment".to_owned()),
    }
}

/// What came of it: of one Source in its own words, of several in numbers.
fn words(told: &[Told]) -> String {
    match told {
        [] => "another process is asking just now; look again in a moment".to_owned(),
        [one] => one.words(),
        all => {
            let taken = all.iter().fold(Taken::default(), |sum, one| sum.and(&one.taken));
            let failed = all.iter().filter(|one| one.asked.failed).count();
            let failed = if failed > 0 { format!("; {failed} could not be fetched") } else { String::new() };
            format!("{} sources asked: {}{failed}", all.len(), taken.words())
        }
    }
}

fn is_configured(state: &State, id: &str) -> bool {
    state.desk.config.sources.iter().any(|source| source.id == id)
}

/// Back to a page, with what was done or went wrong.
fn told(address: &str, done: anyhow::Result<String>) -> Response {
    let said = done.unwrap_or_else(|error| {
        tracing::error!("a button of {address} failed: {error:#}");
        format!("that failed: {error:#}")
    });
    let said: String = url::form_urlencoded::byte_serialize(said.as_bytes()).collect();
    Redirect::to(&format!("{address}?said={said}")).into_response()
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "config.toml has no such source\n").into_response()
}

fn failed(error: &anyhow::Error) -> Response {
    tracing::error!("sources cannot be shown: {error:#}");
    (StatusCode::INTERNAL_SERVER_ERROR, "the sources cannot be shown; the log says why\n").into_response()
}
