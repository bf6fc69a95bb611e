//! `subscribers`: list, show, add, remove, import, export.

use std::io::Write as _;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::{ImportArgs, SubscribersAction, SubscribersArgs};
use super::output::{count, number, table};
use super::suppressions::parse;
use super::target::parse_list;
use super::{Context, Exit, Failure};
use crate::app::App;
use crate::model::email::parse_name;
use crate::model::{EmailAddress, Fault, SubscriberId, SubscriptionState};
use crate::store::subscribers::{NewSubscriber, Person, Upserted};
use crate::subscribe;

/// Rows read at a time.
const PAGE: u32 = 1000;

/// Does one of the actions.
pub async fn run(context: &Context, args: SubscribersArgs) -> Result<Exit, Failure> {
    let app = context.app().await?;
    match args.action {
        SubscribersAction::List { list, limit } => self::list(context, &app, list, limit).await,
        SubscribersAction::Show { email } => show(context, &app, &email).await,
        SubscribersAction::Add { email, list, name, pending } => add(context, &app, &email, &list, name, pending).await,
        SubscribersAction::Remove { email, list } => remove(context, &app, &email, list).await,
        SubscribersAction::Import(args) => import(context, &app, args).await,
        SubscribersAction::Export { list } => export(&app, list).await,
    }
}

async fn list(context: &Context, app: &App, list: Option<String>, limit: u32) -> Result<Exit, Failure> {
    let list = list.map(|name| parse_list(app, &name)).transpose()?;
    let mut people: Vec<Person> = Vec::new();
    while people.len() < limit as usize {
        let after = people.last().map_or(SubscriberId(0), |person| person.subscriber.id);
        let page = app.store.people(list.as_ref(), after, PAGE.min(limit - people.len() as u32)).await?;
        if page.is_empty() {
            break;
        }
        people.extend(page);
    }
    if context.out.json {
        context.out.data(&people);
    } else if people.is_empty() {
        context.out.say("nobody yet: `postrider subscribers add EMAIL --list ID`, or `import FILE --list ID`");
    } else {
        let rows: Vec<Vec<String>> = people.iter().map(row).collect();
        context.out.line(table(&rows));
    }
    Ok(Exit::Done)
}

fn row(person: &Person) -> Vec<String> {
    let states: Vec<String> = person.subscriptions.iter().map(|one| format!("{} {}", one.list, one.state.word())).collect();
    let suppressed = person.suppressed.as_ref().map(|why| format!("suppressed: {why}")).unwrap_or_default();
    vec![person.subscriber.email.to_string(), person.subscriber.name.clone().unwrap_or_default(), states.join(", "), suppressed]
}

async fn find(app: &App, email: &EmailAddress) -> Result<Person, Failure> {
    let missing = || Fault::error("unknown-subscriber", format!("{email} is not a subscriber"));
    app.store.person(email).await?.ok_or_else(|| Failure::new(Exit::Problems, missing()))
}

async fn show(context: &Context, app: &App, email: &str) -> Result<Exit, Failure> {
    let person = find(app, &parse(email)?).await?;
    if context.out.json {
        context.out.data(&person);
        return Ok(Exit::Done);
    }
    let who = &person.subscriber;
    context.out.line(format!("{}{}", who.email, who.name.as_ref().map(|name| format!("  {name}")).unwrap_or_default()));
    context.out.line(format!("known since {}", who.created_at.in_zone(app.config.site.timezone).format("%-d %B %Y")));
    for one in &person.subscriptions {
        let since = one.changed_at.in_zone(app.config.site.timezone).format("%-d %B %Y");
        context.out.line(format!("  {:<16} {} since {since} ({})", one.list.as_str(), one.state.word(), one.source));
    }
    if let Some(why) = &person.suppressed {
        context.out.line(format!("  suppressed: {why}"));
    }
    for (key, value) in &who.attributes {
        context.out.line(format!("  {key} = {value}"));
    }
    Ok(Exit::Done)
}

async fn add(context: &Context, app: &App, email: &str, list: &str, name: Option<String>, pending: bool) -> Result<Exit, Failure> {
    let list = parse_list(app, list)?;
    let bad_name = |error| Failure::new(Exit::Usage, Fault::error("name", error));
    let new = NewSubscriber {
        email: parse(email)?,
        name: parse_name(&name.unwrap_or_default()).map_err(bad_name)?,
        attributes: serde_json::Map::new(),
        language: None,
        timezone: None,
        joined_at: None,
    };
    let state = if pending { SubscriptionState::Pending } else { SubscriptionState::Confirmed };
    let results = app.store.upsert_subscribers(std::slice::from_ref(&new), &list, state, "cli", false, app.clock.now()).await?;
    let (exit, words) = match results.first() {
        Some(Upserted::New) => (Exit::Done, format!("{} is on {list}, {}", new.email, state.word())),
        Some(Upserted::Updated) => (Exit::Done, format!("{} was known; updated", new.email)),
        Some(Upserted::Unchanged) | None => (Exit::Done, format!("{} was on {list} already", new.email)),
        Some(Upserted::Suppressed) => {
            (Exit::Problems, format!("{} is suppressed; nothing was written (see `postrider suppressions`)", new.email))
        }
        Some(Upserted::Unsubscribed) => (Exit::Problems, format!("{} left {list}; only they can come back", new.email)),
    };
    context.out.say(words);
    Ok(exit)
}

async fn remove(context: &Context, app: &App, email: &str, list: Option<String>) -> Result<Exit, Failure> {
    let only = list.map(|name| parse_list(app, &name)).transpose()?;
    let person = find(app, &parse(email)?).await?;
    let mut left = Vec::new();
    for one in person.subscriptions.iter().filter(|one| only.as_ref().is_none_or(|list| *list == one.list)) {
        let now = app.clock.now();
        if app.store.set_subscription(person.subscriber.id, &one.list, SubscriptionState::Unsubscribed, "cli", now).await? {
            left.push(one.list.to_string());
        }
    }
    let email = &person.subscriber.email;
    context.out.say(if left.is_empty() { format!("{email} was on none of them") } else { format!("{email} is off {}", left.join(", ")) });
    Ok(Exit::Done)
}

async fn import(context: &Context, app: &App, args: ImportArgs) -> Result<Exit, Failure> {
    let list = parse_list(app, &args.list)?;
    let state = import_state(context, app, &args, &list)?;
    let reader: Box<dyn std::io::Read + Send> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let missing = |error| Failure::new(Exit::Usage, Fault::error("file", format!("cannot read {}: {error}", args.file.display())));
        Box::new(std::fs::File::open(&args.file).map_err(missing)?)
    };
    let bar = if context.out.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(
        ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let job = subscribe::Import {
        file: args.file.clone(),
        list: list.clone(),
        state,
        source: format!("import:{}", app.clock.now().in_zone(app.config.site.timezone).format("%Y-%m-%d")),
        dry_run: args.dry_run,
        now: app.clock.now(),
    };
    let report = subscribe::import(&app.store, reader, &job, |progress| bar.set_position(progress.rows)).await;
    bar.finish_and_clear();
    let report = report.map_err(|error| match error {
        subscribe::ImportError::File(fault) => Failure::from(fault),
        subscribe::ImportError::Store(error) => error.into(),
    })?;
    for problem in &report.problems {
        context.out.note(format!("{}:{}: {}", args.file.display(), problem.line, problem.reason));
    }
    if context.out.json {
        context.out.data(&report);
    } else {
        context.out.say(sentence(&report, args.dry_run));
    }
    Ok(if report.invalid > 0 { Exit::Problems } else { Exit::Done })
}

/// The state imported people get: as the flags say, or asked for. An import without a word about consent is not guessed.
fn import_state(context: &Context, app: &App, args: &ImportArgs, list: &crate::model::ListId) -> Result<SubscriptionState, Failure> {
    if args.pending {
        return Ok(SubscriptionState::Pending);
    }
    if args.confirmed || args.dry_run {
        return Ok(SubscriptionState::Confirmed);
    }
    let name = app.config.list(list).map_or(list.as_str(), |list| list.name.as_str());
    match context.out.ask(&format!("Have these people asked for \"{name}\"?")) {
        Some(true) => Ok(SubscriptionState::Confirmed),
        Some(false) => Ok(SubscriptionState::Pending),
        None if args.yes => Ok(SubscriptionState::Confirmed),
        None => Err(Failure::usage("say whether these people have confirmed", "add --confirmed or --pending")),
    }
}

fn sentence(counts: &subscribe::ImportReport, dry_run: bool) -> String {
    let parts = [
        (counts.new, "new"),
        (counts.updated, "updated"),
        (counts.unchanged, "known"),
        (counts.unsubscribed, "opted out (kept out)"),
        (counts.suppressed, "suppressed (kept out)"),
        (counts.invalid, "invalid"),
        (counts.duplicate, "duplicate"),
    ];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{} {words}", number(*n))).collect();
    let end = if dry_run { " Nothing written." } else { "" };
    format!("{}: {}.{end}", count(counts.rows, "row"), if said.is_empty() { "nothing in it".to_owned() } else { said.join(", ") })
}

async fn export(app: &App, list: Option<String>) -> Result<Exit, Failure> {
    let list = list.map(|name| parse_list(app, &name)).transpose()?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    subscribe::export(&app.store, list.as_ref(), &mut out).await?;
    out.flush()?;
    Ok(Exit::Done)
}
