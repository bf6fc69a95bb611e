//! `subscribers import`: what the files are taken for is shown before anything is written.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::args::ImportArgs;
use super::output::{count, number, table};
use super::target::parse_list;
use super::{Context, Exit, Failure};
use crate::app::App;
use crate::model::{Fault, ListId, SubscriptionState};
use crate::subscribe::{self, Errors, Field, Format, Import, ImportError, ImportReport, Look, Onto, Origin, Part, Sample, Standing};

/// Columns of a mapping that are shown one by one.
const COLUMNS_SHOWN: usize = 60;
/// Characters of a value in a sample.
const VALUE_CHARS: usize = 40;

/// Looks, asks, imports, reports.
pub async fn run(context: &Context, app: &App, args: ImportArgs) -> Result<Exit, Failure> {
    let how = import_of(context, app, &args)?;
    let mut parts = Vec::new();
    let mut looks = Vec::new();
    for part in opened(&args.files)? {
        let name = part.name.clone();
        let (look, part) = subscribe::look_ahead(part, &how)?;
        show(context, &name, &look);
        looks.push(look);
        parts.push(part);
    }
    let is_ours = looks.iter().all(|look| look.columns.iter().any(|(_, field)| *field == Field::List));
    if matches!(how.onto, Onto::Named(_)) && !is_ours {
        let lists: Vec<&str> = app.config.lists.iter().map(|list| list.id.as_str()).collect();
        return Err(Failure::usage("which list do they go on?", format!("--list ID; lists in config.toml: {}", lists.join(", "))));
    }
    let state = state(context, app, &args, &how.onto)?;
    let how = Import { state, ..how };
    let is_asked = context.out.is_interactive() && !args.yes && !how.dry_run;
    if is_asked && !agreed(context, app, &args, &how).await? {
        return Err(Failure::new(Exit::Problems, Fault::error("not-imported", "nothing was written")));
    }
    let report = with_bar(context, app, parts, &how, args.errors.as_deref()).await?;
    Ok(said(context, &report, looks.first(), &how, args.errors.as_deref()))
}

/// What the flags say, without a word about who has confirmed.
fn import_of(context: &Context, app: &App, args: &ImportArgs) -> Result<Import, Failure> {
    let onto = match &args.list {
        Some(name) => Onto::List(parse_list(app, name)?),
        None => Onto::Named(app.config.lists.iter().map(|list| list.id.clone()).collect()),
    };
    let wrong = |error: String| match error.split_once('\n') {
        Some((message, hint)) => Failure::usage(message, hint),
        None => Failure::new(Exit::Usage, Fault::error("usage", error)),
    };
    let mut map = Vec::new();
    for pair in &args.map {
        let (column, field) =
            pair.rsplit_once('=').ok_or_else(|| Failure::usage(format!("{pair:?} maps nothing"), "--map COLUMN=FIELD"))?;
        map.push((column.to_owned(), Field::parse(field.trim()).map_err(wrong)?));
    }
    let now = context.clock.now();
    Ok(Import {
        onto,
        state: SubscriptionState::Confirmed,
        origin: Origin::Day(now.in_zone(app.config.site.timezone).format("%Y-%m-%d").to_string()),
        format: args.format.as_deref().map(Format::parse).transpose().map_err(wrong)?,
        map,
        dry_run: args.dry_run,
        now,
    })
}

/// The files, and what stands in a zip.
pub fn opened(files: &[PathBuf]) -> Result<Vec<Part>, Failure> {
    subscribe::parts(files).map_err(|fault| match fault.code {
        "file" => Failure::new(Exit::Usage, fault),
        _ => fault.into(),
    })
}

/// What a file is taken for: its columns and its first rows.
fn show(context: &Context, name: &Path, look: &Look) {
    let whole = match look.whole {
        Some(Standing::OptedOut) => ", people who unsubscribed",
        Some(Standing::Suppressed) => ", addresses that are dead",
        _ => "",
    };
    context.out.note(format!("{}: {}{whole}", name.display(), look.format.name()));
    let columns = look.columns.iter().take(COLUMNS_SHOWN);
    let mut rows: Vec<Vec<String>> = columns.map(|(column, field)| vec![format!("  {column}"), field.words()]).collect();
    if look.columns.len() > COLUMNS_SHOWN {
        rows.push(vec!["  …".to_owned(), format!("and {} more", look.columns.len() - COLUMNS_SHOWN)]);
    }
    context.out.note(table(&rows));
    context.out.note("the first rows:");
    for sample in &look.sample {
        context.out.note(format!("  {}", words(sample)));
    }
}

/// A row in words: `ann@example.org  active  name: Ann, tags: vip`.
fn words(sample: &Sample) -> String {
    match sample {
        Sample::Wrong(why) => format!("(no person: {why})"),
        Sample::Person { email, standing, details } => {
            let standing = match standing {
                Standing::Active => "active",
                Standing::Pending => "pending",
                Standing::OptedOut => "opted out",
                Standing::Suppressed => "suppressed",
            };
            let short = |value: &str| value.chars().take(VALUE_CHARS).collect::<String>();
            let details: Vec<String> = details.iter().map(|(name, value)| format!("{name}: {}", short(value))).collect();
            format!("{email}  {standing}  {}", details.join(", ")).trim_end().to_owned()
        }
    }
}

/// The state imported people get: as the flags say, or asked for. An import without a word about consent is not guessed.
fn state(context: &Context, app: &App, args: &ImportArgs, onto: &Onto) -> Result<SubscriptionState, Failure> {
    if args.pending {
        return Ok(SubscriptionState::Pending);
    }
    if args.confirmed || args.dry_run {
        return Ok(SubscriptionState::Confirmed);
    }
    let name = |list: &ListId| app.config.list(list).map_or(list.to_string(), |list| list.name.clone());
    let question = match onto {
        Onto::List(list) => format!("Have these people asked for \"{}\"?", name(list)),
        Onto::Named(_) => "Have these people asked for these lists?".to_owned(),
    };
    match context.out.ask(&question) {
        Some(true) => Ok(SubscriptionState::Confirmed),
        Some(false) => Ok(SubscriptionState::Pending),
        None if args.yes => Ok(SubscriptionState::Confirmed),
        None => Err(Failure::usage("say whether these people have confirmed", "add --confirmed or --pending")),
    }
}

/// Counts what would happen, and asks.
async fn agreed(context: &Context, app: &App, args: &ImportArgs, how: &Import) -> Result<bool, Failure> {
    let dry = Import { dry_run: true, ..how.clone() };
    let report = with_bar(context, app, opened(&args.files)?, &dry, None).await?;
    context.out.note(sentence(&report, true));
    Ok(context.out.ask("Import them?") == Some(true))
}

async fn with_bar(context: &Context, app: &App, parts: Vec<Part>, how: &Import, errors: Option<&Path>) -> Result<ImportReport, Failure> {
    let unwritten =
        |file: &Path, error| Failure::new(Exit::Usage, Fault::error("file", format!("cannot write {}: {error}", file.display())));
    let mut remarks = match errors {
        Some(file) => Some(File::create(file).and_then(|out| Errors::new(BufWriter::new(out))).map_err(|error| unwritten(file, error))?),
        None => None,
    };
    let bar = if context.out.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(
        ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let mut broken = None;
    let report = subscribe::import_parts(&app.store, parts, how, |progress| {
        bar.set_position(progress.rows);
        if let Some(Err(error)) = remarks.as_mut().map(|remarks| remarks.add(progress.remarks)) {
            broken = Some(error);
        }
    })
    .await;
    bar.finish_and_clear();
    let ended = remarks.map_or(Ok(()), Errors::finish);
    let report = report.map_err(failure)?;
    match (errors, broken.map_or(ended, Err)) {
        (Some(file), Err(error)) => Err(unwritten(file, error)),
        _ => Ok(report),
    }
}

/// An import that stopped.
pub fn failure(error: ImportError) -> Failure {
    match error {
        ImportError::File(fault) => Failure::from(fault),
        ImportError::Store(error) => error.into(),
    }
}

/// The report, and how the command ends.
fn said(context: &Context, report: &ImportReport, look: Option<&Look>, how: &Import, errors: Option<&Path>) -> Exit {
    for problem in &report.problems {
        context.out.note(format!("{}:{}: {}", problem.file.display(), problem.line, problem.reason));
    }
    if context.out.json {
        let mut data = serde_json::to_value(report).unwrap_or_default();
        data["format"] = look.map(|look| look.format.name()).into();
        data["tag"] = report.tag.clone().into();
        context.out.data(&data);
    } else {
        context.out.say(sentence(report, how.dry_run));
    }
    if let Some(file) = errors {
        context.out.note(format!("wrong and kept out, row by row: {}", file.display()));
    }
    if let Some(tag) = report.tag.as_ref().filter(|_| report.new + report.updated > 0) {
        context.out.note(format!("everybody it changed bears the tag {tag}; to take it back: postrider subscribers undo {tag}"));
    }
    if report.invalid > 0 { Exit::Problems } else { Exit::Done }
}

fn sentence(counts: &ImportReport, dry_run: bool) -> String {
    let parts = [
        (counts.new, "new"),
        (counts.updated, "updated"),
        (counts.unchanged, "known"),
        (counts.unsubscribed, "opted out (not mailed)"),
        (counts.suppressed, "suppressed (never mailed)"),
        (counts.invalid, "invalid"),
        (counts.duplicate, "duplicate"),
    ];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{} {words}", number(*n))).collect();
    let end = if dry_run { " Nothing written." } else { "" };
    format!("{}: {}.{end}", count(counts.rows, "row"), if said.is_empty() { "nothing in it".to_owned() } else { said.join(", ") })
}
