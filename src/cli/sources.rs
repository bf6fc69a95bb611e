//! `sources`: where foreign articles come from, how each is asked, and what came of it.

use super::args::{SourcesAction, SourcesArgs};
use super::output::{count, number, table};
use super::{Context, Exit, Failure, feeds, source_add};
use crate::app::App;
use crate::import::Importer;
use crate::import::overview::{self, Items, Verdict, asked_at, short, status};
use crate::model::Timestamp;
use crate::store::sources::{SourceRow, SourceState};

/// Entries and requests that `show` lists.
const SHOWN: u32 = 20;
/// More Sources than this are not named in a hint.
const KNOWN_MAX: usize = 12;
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

/// A configured Source in words and numbers.
fn described(row: &SourceRow, items: Items) -> Result<serde_json::Value, Failure> {
    let at = |at: Option<i64>| at.map(|at| Timestamp(at).rfc3339());
    Ok(serde_json::json!({
        "id": row.id, "url": row.url, "asked_at": asked_at(row), "title": row.title, "state": row.state, "status": status(row)?,
        "last_fetch": at(row.fetched_at), "last_change": at(row.changed_at), "next_fetch": (row.state == "active").then(|| Timestamp(row.next_at).rfc3339()),
        "failures": row.failures, "items": items,
    }))
}

async fn list(context: &Context, app: &App) -> Result<Exit, Failure> {
    let all = overview::configured(&app.config, &app.store).await?;
    if context.out.json {
        context.out.data(&all.iter().map(|(row, items)| described(row, *items)).collect::<Result<Vec<_>, _>>()?);
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        context.out.say("there is no source; add one with: postrider sources add https://example.org/");
        return Ok(Exit::Done);
    }
    let (site, now) = (&app.config.site, app.clock.now());
    let brief = |at: Option<i64>| overview::brief(site, at, now);
    let mut lines = vec![["source", "kept", "held", "left out", "last", "next", "status"].map(str::to_owned).to_vec()];
    for (row, items) in &all {
        let [kept, held, left_out] = [items.kept, items.held, items.dropped].map(number);
        lines.push(vec![row.id.clone(), kept, held, left_out, brief(row.fetched_at), overview::next(row, now, brief)?, status(row)?]);
    }
    context.out.line(table(&lines));
    Ok(Exit::Done)
}

async fn one(app: &App, id: &str) -> Result<(SourceRow, Items), Failure> {
    if let Some(found) = overview::one(&app.config, &app.store, id).await? {
        return Ok(found);
    }
    let known = || app.config.sources.iter().map(|source| source.id.as_str());
    let likeness = |known: &str| strsim::jaro_winkler(known, id);
    let hint = match known().max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        None => "config.toml has no [[source]]".to_owned(),
        Some(near) if likeness(near) > 0.75 => format!("did you mean `{near}`?"),
        Some(_) if known().count() <= KNOWN_MAX => format!("sources in config.toml: {}", known().collect::<Vec<_>>().join(", ")),
        Some(_) => "`postrider sources list` names them all".to_owned(),
    };
    Err(Failure::usage(format!("there is no source `{id}`"), hint))
}

async fn show(context: &Context, app: &App, id: &str) -> Result<Exit, Failure> {
    let (row, items) = one(app, id).await?;
    let (asks, left) = (app.store.asks(id).await?, overview::not_kept(&app.store, id, SHOWN).await?);
    if context.out.json {
        let mut data = described(&row, items)?;
        data["not_kept"] = left
            .iter()
            .map(|entry| serde_json::json!({"title": entry.title, "state": entry.state, "reason": entry.reason}))
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
    let (out, site) = (context.out, &app.config.site);
    out.line(format!("{id}  {}", row.title.as_deref().unwrap_or("(it has not told its title)")));
    out.line(format!("address     {}", row.url));
    if let Some(found) = &row.found {
        out.line(format!("feed        {found}"));
    }
    if let Some(moved) = row.moved_to.as_ref().filter(|_| row.moved_times > 0) {
        out.line(format!("moved to    {moved} ({}); put it into config.toml", count(row.moved_times.unsigned_abs(), "answer")));
    }
    out.line(format!("status      {}", status(&row)?));
    out.line(format!("last fetch  {}", short(site, row.fetched_at)));
    out.line(format!("next fetch  {}", overview::next(&row, app.clock.now(), |at| short(site, at))?));
    out.line(format!("items       {}", items.words()));
    if items.held > 0 {
        out.line(format!("            what is held waits for: postrider sources approve {id} [--no-mail | --drop]"));
    }
    if !left.is_empty() {
        out.line("\nnot taken up:");
        let cut = |text: &str| text.chars().take(TITLE_CHARS).collect::<String>();
        let rows = left.iter().map(|entry| vec![format!("  {}", cut(&entry.title)), entry.reason.clone().unwrap_or_default()]);
        out.line(table(&rows.collect::<Vec<_>>()));
    }
    if !asks.is_empty() {
        out.line("\nrequests:");
        let rows = asks.iter().map(|ask| {
            let status = ask.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let how = if ask.conditional == 1 { "conditional" } else { "full" };
            vec![format!("  {}", short(site, Some(ask.at))), status, how.to_owned(), ask.said.clone()]
        });
        out.line(table(&rows.collect::<Vec<_>>()));
    }
    Ok(Exit::Done)
}

/// Asks now, whatever the time says; still with validators and one thing a host at a time, so that it costs nobody much.
async fn fetch(context: &Context, app: &App, ids: &[String]) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for id in ids {
        rows.push(one(app, id).await?.0);
    }
    if ids.is_empty() {
        let all = overview::configured(&app.config, &app.store).await?;
        rows = all.into_iter().map(|(row, _)| row).filter(|row| row.state == SourceState::Active.word()).collect();
    }
    if rows.is_empty() {
        context.out.say("there is no source to ask");
    }
    let importer = Importer::new(&app.config, app.store.clone(), app.fetch.clone(), app.clock.clone());
    let (mut told, mut asking) = (Vec::new(), importer.ask_these(rows));
    while let Some(one) = asking.recv().await {
        let one = one?;
        match (one.asked.failed, context.out.json) {
            (true, false) => context.out.failed(one.words()),
            (false, false) => context.out.say(one.words()),
            (_, true) => {}
        }
        told.push(one);
    }
    let failed = told.iter().any(|one| one.asked.failed && !one.is_put_off);
    let is_put_off = told.iter().any(|one| one.is_put_off);
    if context.out.json {
        let all = told.iter().map(|one| {
            serde_json::json!({"source": one.source, "url": one.asked.url, "status": one.asked.status, "failed": one.asked.failed,
                "said": one.asked.said, "items": one.taken, "next_fetch": one.next_at.rfc3339()})
        });
        context.out.data(&all.collect::<Vec<_>>());
    }
    Ok(match (failed, is_put_off) {
        (true, _) => Exit::Remote,
        // Nobody is to blame: another process of ours was asking.
        (false, true) => Exit::Problems,
        (false, false) => Exit::Done,
    })
}

async fn approve(context: &Context, app: &App, id: &str, no_mail: bool, drop: bool) -> Result<Exit, Failure> {
    one(app, id).await?;
    let verdict = match (drop, no_mail) {
        (true, _) => Verdict::Drop,
        (false, true) => Verdict::NoMail,
        (false, false) => Verdict::Mail,
    };
    let taken = verdict.pass(&app.store, id, context.clock.now()).await?;
    if context.out.json {
        context.out.data(&serde_json::json!({"source": id, "entries": taken.new + taken.dropped, "merged": taken.merged}));
    } else {
        context.out.say(verdict.words(id, &taken));
    }
    Ok(Exit::Done)
}

async fn set(context: &Context, app: &App, id: &str, state: SourceState) -> Result<Exit, Failure> {
    one(app, id).await?;
    app.store.set_source(id, state).await?;
    if context.out.json {
        context.out.data(&serde_json::json!({"source": id, "state": state.word()}));
        return Ok(Exit::Done);
    }
    context.out.say(match state {
        SourceState::Paused => format!("{id} is not asked until: postrider sources resume {id}"),
        _ => format!("{id} is asked in its turn"),
    });
    Ok(Exit::Done)
}
