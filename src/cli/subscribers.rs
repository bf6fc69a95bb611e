//! `subscribers`: list, show, add, remove, undo, export, erase. What `import` does stands in a file of its own.

use std::io::Write as _;

use super::args::{SubscribersAction, SubscribersArgs};
use super::output::{count, counted, table};
use super::suppressions::parse;
use super::target::{parse_list, parse_where};
use super::{Context, Exit, Failure, import};
use crate::app::App;
use crate::model::email::parse_name;
use crate::model::{Consent, EmailAddress, Fault, Rhythm, SubscriberId, SubscriptionState, Timestamp};
use crate::store::subscribers::{NewSubscriber, Person, Upserted};
use crate::subscribe;

/// Rows read at a time.
const PAGE: u32 = 1000;
/// Imports that are named to somebody who asked for another.
const TAGS_NAMED: u32 = 5;

/// Does one of the actions.
pub async fn run(context: &Context, args: SubscribersArgs) -> Result<Exit, Failure> {
    let app = context.app().await?;
    match args.action {
        SubscribersAction::List { list, only, limit } => self::list(context, &app, list, only, limit).await,
        SubscribersAction::Show { email } => show(context, &app, &email).await,
        SubscribersAction::Add { email, list, name, pending } => add(context, &app, &email, &list, name, pending).await,
        SubscribersAction::Remove { email, list } => remove(context, &app, &email, list).await,
        SubscribersAction::Import(args) => import::run(context, &app, args).await,
        SubscribersAction::Undo { tag, yes } => undo(context, &app, &tag, yes).await,
        SubscribersAction::Export { person: Some(email), .. } => dossier(context, &app, &email).await,
        SubscribersAction::Export { list, only, person: None } => export(&app, list, only).await,
        SubscribersAction::Erase { email, yes } => erase(context, &app, &email, yes).await,
    }
}

async fn list(context: &Context, app: &App, list: Option<String>, only: Option<String>, limit: u32) -> Result<Exit, Failure> {
    let list = list.map(|name| parse_list(app, &name)).transpose()?;
    let only = only.map(|text| parse_where(app, &text)).transpose()?;
    let mut people: Vec<Person> = Vec::new();
    while people.len() < limit as usize {
        let after = people.last().map_or(SubscriberId(0), |person| person.subscriber.id);
        let page = app.store.people_in(list.as_ref(), only.as_ref(), after, PAGE.min(limit - people.len() as u32)).await?;
        if page.is_empty() {
            break;
        }
        people.extend(page);
    }
    if context.out.json {
        context.out.data(&people);
    } else if people.is_empty() && only.is_some() {
        context.out.say("nobody is meant by that");
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
    for row in &person.consents {
        context.out.line(format!("  agreed to {}: {}", row.list, consent_words(&row.consent)));
    }
    for one in &person.preferences {
        let topics = one
            .topics
            .as_ref()
            .map(|topics| format!(", about {}", if topics.is_empty() { "nothing special".to_owned() } else { topics.join(", ") }));
        context.out.line(format!("  wants {} {}{}", one.list, rhythm_words(one.rhythm), topics.unwrap_or_default()));
    }
    if let Some(until) = person.paused_until.filter(|until| *until > app.clock.now()) {
        context.out.line(format!("  paused until {}", until.in_zone(app.config.site.timezone).format("%-d %B %Y")));
    }
    if !person.tags.is_empty() {
        context.out.line(format!("  tags: {}", person.tags.join(", ")));
    }
    if let Some(why) = &person.suppressed {
        context.out.line(format!("  suppressed: {why}"));
    }
    for (key, value) in &who.attributes {
        context.out.line(format!("  {key} = {value}"));
    }
    Ok(Exit::Done)
}

const fn rhythm_words(rhythm: Rhythm) -> &'static str {
    match rhythm {
        Rhythm::Each => "with each issue",
        Rhythm::Daily => "once a day",
        Rhythm::Weekly => "once a week",
        Rhythm::Monthly => "once a month",
    }
}

/// `asked 2024-02-29T10:00:00Z from 192.0.2.1 (import:2026-11-22-1)`.
fn consent_words(consent: &Consent) -> String {
    let step = |word: &str, at: Option<Timestamp>, ip: &Option<String>| {
        let from = ip.as_ref().map(|ip| format!(" from {ip}")).unwrap_or_default();
        at.map(|at| format!("{word} {}{from}", at.rfc3339())).or_else(|| (!from.is_empty()).then(|| format!("{word}{from}")))
    };
    let steps = [step("asked", consent.asked_at, &consent.asked_ip), step("confirmed", consent.confirmed_at, &consent.confirmed_ip)];
    let said: Vec<String> = steps.into_iter().flatten().collect();
    format!("{} ({})", said.join(", "), consent.source.as_deref().unwrap_or("unknown"))
}

async fn add(context: &Context, app: &App, email: &str, list: &str, name: Option<String>, pending: bool) -> Result<Exit, Failure> {
    let list = parse_list(app, list)?;
    let bad_name = |error| Failure::new(Exit::Usage, Fault::error("name", error));
    let new = NewSubscriber { name: parse_name(&name.unwrap_or_default()).map_err(bad_name)?, ..NewSubscriber::new(parse(email)?) };
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

async fn export(app: &App, list: Option<String>, only: Option<String>) -> Result<Exit, Failure> {
    let list = list.map(|name| parse_list(app, &name)).transpose()?;
    let only = only.map(|text| parse_where(app, &text)).transpose()?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    subscribe::export(&app.store, list.as_ref(), only.as_ref(), &mut out).await?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Everything we hold of one person: always JSON, because it is for them and their next program.
async fn dossier(context: &Context, app: &App, email: &str) -> Result<Exit, Failure> {
    let email = parse(email)?;
    match app.store.dossier(&email).await? {
        Some(dossier) => {
            context.out.data(&dossier);
            Ok(Exit::Done)
        }
        None => Err(Failure::new(Exit::Problems, Fault::error("unknown-subscriber", format!("nothing is held of {email}")))),
    }
}

async fn erase(context: &Context, app: &App, email: &str, yes: bool) -> Result<Exit, Failure> {
    let email = parse(email)?;
    if !yes && context.out.ask(&format!("Forget {email} for good?")) == Some(false) {
        return Err(Failure::new(Exit::Problems, Fault::error("not-erased", "nothing was erased")));
    }
    let erased = app.store.erase(&email, app.clock.now()).await?;
    if context.out.json {
        context.out.data(&erased);
    } else if erased.person {
        let counts = counted(erased.deliveries, "delivery stays", "deliveries stay");
        context.out.say(format!("{email} is forgotten: {counts} without a name, and a hash keeps the address from being mailed again"));
    } else {
        context.out.say(format!("{email} was not a subscriber; a hash keeps the address from being mailed from now on"));
    }
    Ok(Exit::Done)
}

async fn undo(context: &Context, app: &App, tag: &str, yes: bool) -> Result<Exit, Failure> {
    if !yes && context.out.ask(&format!("Take back {tag}?")) == Some(false) {
        return Err(Failure::new(Exit::Problems, Fault::error("not-undone", "nothing was taken back")));
    }
    let Some(undone) = app.store.undo_import(tag, app.clock.now()).await? else {
        let known = app.store.import_tags(TAGS_NAMED).await?;
        let hint =
            if known.is_empty() { "there was no import yet".to_owned() } else { format!("the newest imports: {}", known.join(", ")) };
        return Err(Failure::new(Exit::Usage, Fault::error("unknown-import", format!("there is no import {tag:?}")).hint(hint)));
    };
    if context.out.json {
        context.out.data(&undone);
        return Ok(Exit::Done);
    }
    let people = counted(undone.people, "person", "people");
    context.out.say(format!("taken back: {people}, {}, {} pending again", count(undone.subscriptions, "subscription"), undone.pending));
    let left = [
        (undone.opted_out, "opted out, and stay so that nothing brings them back in"),
        (undone.mailed, "were mailed since"),
        (undone.changed, "are on other lists, or were changed since"),
        (undone.known, "were known before; what the import changed of their details stays"),
    ];
    for (n, why) in left.into_iter().filter(|(n, _)| *n > 0) {
        context.out.say(format!("left: {} {why}", counted(n, "person", "people")));
    }
    Ok(Exit::Done)
}
