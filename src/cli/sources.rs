//! `sources`: where foreign articles come from, how each is asked, and what came of it.

use std::collections::HashMap;

use super::args::{SourcesAction, SourcesArgs};
use super::output::{count, counted, number, table};
use super::{Context, Exit, Failure, feeds, source_add};
use crate::app::App;
use crate::import::{Importer, Stored, Told};
use crate::model::{Fault, Timestamp};
use crate::store::imported::ImportState;
use crate::store::sources::{SourceRow, SourceState};

/// Entries and requests that `show` lists.
const SHOWN: u32 = 20;
/// Characters of a title in a table.
const TITLE_CHARS: usize = 60;

/// Lists, shows, asks, adds, approves, pauses.
pub async fn run(context: &Context, args: SourcesArgs) -> Result<Exit, Failure> {
    match args.action.unwrap_or(SourcesAction::List) {
        SourcesAction::List => list(context, &context.app().await?).await,
        SourcesAction::Show { id } => show(context, &context.app().await?, &id).await,
        SourcesAction::Fetch { ids } => fetch(context, &context.app().await?, &ids).await,
        SourcesAction::Approve { id, no_mail, drop } => approve(context, &context.app().await?, &id, no_mail, drop).await,
        SourcesAction::Pause { id } => set(context, &context.app().await?, &id, SourceState::Paused).await,
        SourcesAction::Resume { id } => set(context, &context.app().await?, &id, SourceState::Active).await,
        SourcesAction::Add(args) => source_add::add(context, args).await,
        SourcesAction::Import { file } => source_add::import(context, &file),
        SourcesAction::Export => source_add::export(context).await,
        SourcesAction::Read { target, base } => feeds::read(context, &target, base.as_ref()).await,
    }
}

/// How many entries of a Source stand how.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
struct Items {
    kept: u64,
    held: u64,
    dropped: u64,
    merged: u64,
}

/// The counts of every Source.
async fn items(app: &App) -> Result<HashMap<String, Items>, Failure> {
    let mut all: HashMap<String, Items> = HashMap::new();
    for (source, state, n) in app.store.imported_counts().await? {
        let items = all.entry(source).or_default();
        match state {
            ImportState::Kept => items.kept = n,
            ImportState::Held => items.held = n,
            ImportState::Dropped => items.dropped = n,
            ImportState::Merged => items.merged = n,
        }
    }
    Ok(all)
}

/// A configured Source in words and numbers.
fn described(row: &SourceRow, items: Items) -> serde_json::Value {
    let at = |at: Option<i64>| at.map(|at| Timestamp(at).rfc3339());
    serde_json::json!({
        "id": row.id, "url": row.url, "asked_at": asked_at(row), "title": row.title, "state": row.state, "status": status(row),
        "last_fetch": at(row.fetched_at), "last_change": at(row.changed_at), "next_fetch": (row.state == "active").then(|| Timestamp(row.next_at).rfc3339()),
        "failures": row.failures, "items": items,
    })
}

/// The address it is really asked at.
fn asked_at(row: &SourceRow) -> &str {
    row.found.as_deref().unwrap_or(&row.url)
}

/// How a Source stands, in words.
fn status(row: &SourceRow) -> String {
    let said = row.said.as_deref().unwrap_or("not fetched yet");
    match (row.state.as_str(), row.failures) {
        ("paused", _) => "paused".to_owned(),
        ("gone", _) => "gone for good (410)".to_owned(),
        (_, 0) => said.to_owned(),
        (_, 1) => format!("failed: {said}"),
        (_, n) => format!("failed {n} times: {said}"),
    }
}

async fn list(context: &Context, app: &App) -> Result<Exit, Failure> {
    let (rows, items) = (configured(app).await?, items(app).await?);
    let of = |row: &SourceRow| items.get(&row.id).copied().unwrap_or_default();
    if context.out.json {
        context.out.data(&rows.iter().map(|row| described(row, of(row))).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        context.out.say("there is no source; add one with: postrider sources add https://example.org/");
        return Ok(Exit::Done);
    }
    let mut lines = vec![["source", "kept", "held", "last fetch", "next fetch", "status"].map(str::to_owned).to_vec()];
    for row in &rows {
        let items = of(row);
        lines.push(vec![row.id.clone(), number(items.kept), number(items.held), short(app, row.fetched_at), next(app, row), status(row)]);
    }
    context.out.line(table(&lines));
    Ok(Exit::Done)
}

/// The rows of the Sources that config.toml has, in its order.
async fn configured(app: &App) -> Result<Vec<SourceRow>, Failure> {
    let mut rows = app.store.sources().await?;
    let place = |row: &SourceRow| app.config.sources.iter().position(|source| source.id == row.id);
    rows.retain(|row| place(row).is_some());
    rows.sort_by_key(place);
    Ok(rows)
}

/// When it is asked next.
fn next(app: &App, row: &SourceRow) -> String {
    match row.state.as_str() {
        "active" if row.next_at <= app.clock.now().0 => "now".to_owned(),
        "active" => short(app, Some(row.next_at)),
        _ => "-".to_owned(),
    }
}

/// A moment in the site's zone, without what is the same for all.
fn short(app: &App, at: Option<i64>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| Timestamp(at).in_zone(app.config.site.timezone).format("%d %b %H:%M").to_string())
}

async fn one(app: &App, id: &str) -> Result<SourceRow, Failure> {
    if app.config.sources.iter().all(|source| source.id != id) {
        let known: Vec<&str> = app.config.sources.iter().map(|source| source.id.as_str()).collect();
        let hint = if known.is_empty() {
            "config.toml has no [[source]]".to_owned()
        } else {
            format!("sources in config.toml: {}", known.join(", "))
        };
        return Err(Failure::usage(format!("there is no source `{id}`"), hint));
    }
    let missing = || Failure::new(Exit::Problems, Fault::error("unknown-source", format!("the store does not know {id}")));
    app.store.source(id).await?.ok_or_else(missing)
}

async fn show(context: &Context, app: &App, id: &str) -> Result<Exit, Failure> {
    let row = one(app, id).await?;
    let (items, asks, left) =
        (items(app).await?.remove(id).unwrap_or_default(), app.store.asks(id).await?, app.store.not_kept(id, SHOWN).await?);
    let title = |json: &str| Stored::read(json).map(|stored| stored.title).unwrap_or_default();
    if context.out.json {
        let mut data = described(&row, items);
        data["not_kept"] = left
            .iter()
            .map(|entry| serde_json::json!({"title": title(&entry.article), "state": entry.state, "reason": entry.reason}))
            .collect::<Vec<_>>()
            .into();
        data["requests"] = asks
            .iter()
            .map(|ask| {
                serde_json::json!({"at": Timestamp(ask.at).rfc3339(), "url": ask.url, "status": ask.status, "conditional": ask.conditional == 1,
                    "bytes": ask.bytes, "said": ask.said, "next": Timestamp(ask.next_at).rfc3339()})
            })
            .collect::<Vec<_>>()
            .into();
        context.out.data(&data);
        return Ok(Exit::Done);
    }
    let out = context.out;
    out.line(format!("{id}  {}", row.title.as_deref().unwrap_or("(it has not told its title)")));
    out.line(format!("address     {}", row.url));
    if let Some(found) = &row.found {
        out.line(format!("feed        {found}"));
    }
    if let Some(moved) = row.moved_to.as_ref().filter(|_| row.moved_times > 0) {
        out.line(format!("moved to    {moved} ({}); put it into config.toml", count(row.moved_times.unsigned_abs(), "answer")));
    }
    out.line(format!("status      {}", status(&row)));
    out.line(format!("last fetch  {}", short(app, row.fetched_at)));
    out.line(format!("next fetch  {}", next(app, &row)));
    out.line(format!(
        "items       {} kept, {} held, {} left out, {} known from elsewhere",
        items.kept, items.held, items.dropped, items.merged
    ));
    if !left.is_empty() {
        out.line("\nnot taken up:");
        let cut = |text: String| text.chars().take(TITLE_CHARS).collect::<String>();
        let rows = left.iter().map(|entry| vec![format!("  {}", cut(title(&entry.article))), entry.reason.clone().unwrap_or_default()]);
        out.line(table(&rows.collect::<Vec<_>>()));
    }
    if !asks.is_empty() {
        out.line("\nrequests:");
        let rows = asks.iter().map(|ask| {
            let status = ask.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let how = if ask.conditional == 1 { "conditional" } else { "full" };
            vec![format!("  {}", short(app, Some(ask.at))), status, how.to_owned(), ask.said.clone()]
        });
        out.line(table(&rows.collect::<Vec<_>>()));
    }
    Ok(Exit::Done)
}

/// Asks now, one after the other, whatever the time says; still with validators, so that it costs nobody much.
async fn fetch(context: &Context, app: &App, ids: &[String]) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for id in ids {
        rows.push(one(app, id).await?);
    }
    if ids.is_empty() {
        rows = configured(app).await?.into_iter().filter(|row| row.state == "active").collect();
    }
    if rows.is_empty() {
        context.out.say("there is no source to ask");
    }
    let importer = Importer::new(&app.config, app.store.clone(), app.fetch.clone(), app.clock.clone());
    let mut told = Vec::new();
    for row in &rows {
        let Some(one) = importer.ask_now(&row.id).await? else { continue };
        if !context.out.json {
            context.out.say(words(&one));
        }
        told.push(one);
    }
    let failed = told.iter().any(|one| one.asked.failed);
    if context.out.json {
        let all = told.iter().map(|one| {
            serde_json::json!({"source": one.source, "url": one.asked.url, "status": one.asked.status, "failed": one.asked.failed,
                "said": one.asked.said, "items": one.taken, "next_fetch": one.next_at.rfc3339()})
        });
        context.out.data(&all.collect::<Vec<_>>());
    }
    Ok(if failed { Exit::Remote } else { Exit::Done })
}

fn words(told: &Told) -> String {
    let Told { source, asked, taken, is_baseline, .. } = told;
    if asked.failed {
        return format!("{source}: not fetched: {}", asked.said);
    }
    let first = if *is_baseline && taken.new > 0 { " (what stands there at first is not mailed)" } else { "" };
    format!("{source}: {}; {}{first}", asked.said, taken.words())
}

async fn approve(context: &Context, app: &App, id: &str, no_mail: bool, drop: bool) -> Result<Exit, Failure> {
    one(app, id).await?;
    let now = context.clock.now();
    let (n, done) = if drop {
        (app.store.drop_held(id, now).await?, "left out")
    } else if no_mail {
        (app.store.approve_held(id, false, now).await?, "taken up; not mailed")
    } else {
        (app.store.approve_held(id, true, now).await?, "taken up; the next issue may bring them")
    };
    if context.out.json {
        context.out.data(&serde_json::json!({"source": id, "entries": n}));
    } else {
        context.out.say(if n == 0 {
            format!("{id}: nothing is held")
        } else {
            format!("{id}: {} {done}", counted(n, "held entry", "held entries"))
        });
    }
    Ok(Exit::Done)
}

async fn set(context: &Context, app: &App, id: &str, state: SourceState) -> Result<Exit, Failure> {
    one(app, id).await?;
    app.store.set_source(id, state).await?;
    context.out.say(match state {
        SourceState::Paused => format!("{id} is not asked until: postrider sources resume {id}"),
        _ => format!("{id} is asked in its turn"),
    });
    Ok(Exit::Done)
}
