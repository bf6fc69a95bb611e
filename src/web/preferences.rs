//! The page of preferences behind the link in every mail: what somebody gets, how often, in which language; a new address; their data; and being forgotten.

use axum::extract::{Form, Path, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::client::client_ip;
use super::limits::network;
use super::links::{failed, invalid};
use super::tongue::{Tongue, context};
use super::zones::ZONES;
use super::{State, page};
use crate::model::link::{Grant, Purpose};
use crate::model::{EmailAddress, Timestamp};
use crate::store::moves::Moved;
use crate::store::subscribers::Person;
use crate::subscribe::join::CONFIRM_WITHIN_SECS;
use crate::subscribe::preferences::{self, Offer, WrongWish};
use crate::{template, worker};

/// What the page says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Saved,
    /// A mail went to the new address.
    Moving,
    BadZone,
    BadPause,
    BadAddress,
    /// Deleting was not ticked.
    NotSure,
}

impl Said {
    const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Saved => "preferences-saved",
            Self::Moving => "preferences-moving",
            Self::BadZone => "preferences-bad-zone",
            Self::BadPause => "preferences-bad-pause",
            Self::BadAddress => "preferences-bad-address",
            Self::NotSure => "preferences-not-sure",
        }
    }
}

/// Whom a link means.
struct Visitor {
    grant: Grant,
    person: Person,
    tongue: Tongue,
}

/// Who is meant by a token, or the page that says it does not work.
async fn visitor(state: &State, tongue: Tongue, token: &str) -> Result<Visitor, Box<Response>> {
    let Some(grant) = state.desk.key.verify(Purpose::Preferences, token) else { return Err(Box::new(invalid(state, &tongue))) };
    let found = async {
        let Some(subscriber) = state.desk.store.subscriber(grant.subscriber).await? else { return Ok(None) };
        state.desk.store.person(&subscriber.email).await
    };
    match found.await {
        Ok(Some(person)) => {
            let tongue = tongue.of(state, &grant).await;
            Ok(Visitor { grant, person, tongue })
        }
        Ok(None) => Err(Box::new(invalid(state, &tongue))),
        Err(error) => Err(Box::new(failed(&error))),
    }
}

/// The page.
pub async fn preferences(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    match visitor(&state, tongue, &token).await {
        Ok(visitor) => show(&state, &visitor, &token, Said::Nothing),
        Err(response) => *response,
    }
}

/// Keeps what the form says.
pub async fn preferences_post(
    Shared(state): Shared<State>,
    tongue: Tongue,
    Path(token): Path<String>,
    parts: Parts,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let before = match visitor(&state, tongue.clone(), &token).await {
        Ok(visitor) => visitor,
        Err(response) => return *response,
    };
    let desk = &state.desk;
    let offers = preferences::offers(&desk.config, &before.person, &before.grant);
    let wording = |offer: &Offer| template::say(&state.tera, "subscribe-wording", &before.tongue.0, &[("list", &offer.name)]);
    let now = desk.clock.now();
    let wish = match preferences::wish(&fields, &offers, desk.config.site.timezone, wording, now) {
        Ok(wish) => wish,
        Err(WrongWish::Zone) => return show(&state, &before, &token, Said::BadZone),
        Err(WrongWish::Pause) => return show(&state, &before, &token, Said::BadPause),
    };
    if let Err(error) = desk.store.keep_wish(before.grant.subscriber, &wish, Some(&client_ip(&parts).to_string()), now).await {
        return failed(&error);
    }
    match visitor(&state, tongue, &token).await {
        Ok(after) => show(&state, &after, &token, Said::Saved),
        Err(response) => *response,
    }
}

/// Writes to a new address, which confirms it.
pub async fn address_post(
    Shared(state): Shared<State>,
    tongue: Tongue,
    Path(token): Path<String>,
    parts: Parts,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let visitor = match visitor(&state, tongue, &token).await {
        Ok(visitor) => visitor,
        Err(response) => return *response,
    };
    let typed = fields.iter().find(|(key, _)| key == "email").map_or("", |(_, value)| value.as_str());
    let Ok(to) = EmailAddress::parse(typed) else { return show(&state, &visitor, &token, Said::BadAddress) };
    // Whatever became of it, the page says the same: it must not tell who is known to us.
    if state.limits.joins.allows(network(client_ip(&parts)), state.desk.clock.now())
        && let Err(error) = worker::ask_move(&state.desk, &visitor.grant.list, &visitor.person.subscriber, &to).await
    {
        tracing::error!("a new address could not be asked: {error:#}");
        return (StatusCode::SERVICE_UNAVAILABLE, "this did not work just now; please try again in a minute\n").into_response();
    }
    show(&state, &visitor, &token, Said::Moving)
}

/// Everything that is held of a person, as JSON.
pub async fn data(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let visitor = match visitor(&state, tongue, &token).await {
        Ok(visitor) => visitor,
        Err(response) => return *response,
    };
    match state.desk.store.dossier(&visitor.person.subscriber.email).await {
        Ok(dossier) => {
            let text = serde_json::to_string_pretty(&dossier).unwrap_or_default();
            let headers = [
                (header::CONTENT_TYPE, "application/json"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, text).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// Forgets a person who ticked that they are sure.
pub async fn erase_post(
    Shared(state): Shared<State>,
    tongue: Tongue,
    Path(token): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let visitor = match visitor(&state, tongue, &token).await {
        Ok(visitor) => visitor,
        Err(response) => return *response,
    };
    if !fields.iter().any(|(key, value)| key == "sure" && value == "yes") {
        return show(&state, &visitor, &token, Said::NotSure);
    }
    match state.desk.store.erase(&visitor.person.subscriber.email, state.desk.clock.now()).await {
        Ok(_) => note(&state, &visitor.tongue, "erased", None),
        Err(error) => failed(&error),
    }
}

/// The page behind the link in the mail to a new address: a button.
pub async fn moving(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::Move, &token) else { return invalid(&state, &tongue) };
    match state.desk.store.move_to(grant.subscriber, week_ago(&state)).await {
        Ok(Some(_)) => note(&state, &tongue, "move", Some(&token)),
        Ok(None) => note(&state, &tongue, "move-expired", None),
        Err(error) => failed(&error),
    }
}

/// Moves them; doing it again changes nothing.
pub async fn moving_post(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::Move, &token) else { return invalid(&state, &tongue) };
    match state.desk.store.confirm_move(grant.subscriber, week_ago(&state), state.desk.clock.now()).await {
        Ok(Moved::Done(..)) => note(&state, &tongue, "moved", None),
        Ok(Moved::Expired) => note(&state, &tongue, "move-expired", None),
        Err(error) => failed(&error),
    }
}

fn week_ago(state: &State) -> Timestamp {
    Timestamp::from_secs(state.desk.clock.now().secs() - CONFIRM_WITHIN_SECS)
}

/// A page with a title, a sentence, and perhaps a button.
fn note(state: &State, tongue: &Tongue, what: &str, token: Option<&str>) -> Response {
    let mut context = context(state, tongue);
    context.insert("what", what);
    context.insert("token", &token);
    private(page(state, "web/note.html", &context))
}

fn show(state: &State, visitor: &Visitor, token: &str, said: Said) -> Response {
    let mut context = context(state, &visitor.tongue);
    let (person, site) = (&visitor.person, &state.desk.config.site);
    let zone = person.subscriber.timezone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(site.timezone);
    let own = person.subscriber.timezone.as_deref();
    let mut zones: Vec<&str> = ZONES.iter().copied().chain(own).chain([site.timezone.name()]).collect();
    zones.sort_unstable();
    zones.dedup();
    let now = state.desk.clock.now();
    let pause = person.paused_until.filter(|until| *until > now).map(|until| until.in_zone(zone).date_naive().to_string());
    context.insert("token", token);
    context.insert("said", said.word());
    context.insert("is_wrong", &!matches!(said, Said::Nothing | Said::Saved | Said::Moving));
    context.insert("email", person.subscriber.email.as_str());
    context.insert("name", person.subscriber.name.as_deref().unwrap_or_default());
    context.insert("language_chosen", person.subscriber.language.as_deref().unwrap_or_default());
    context.insert("languages", &template::languages(&state.desk.templates));
    context.insert("timezone", own.unwrap_or_default());
    context.insert("zones", &zones);
    context.insert("pause", &pause.unwrap_or_default());
    context.insert("today", &now.in_zone(zone).date_naive().to_string());
    context.insert("lists", &preferences::offers(&state.desk.config, person, &visitor.grant));
    let mut response = page(state, "web/preferences.html", &context);
    if matches!(said, Said::BadZone | Said::BadPause | Said::BadAddress | Said::NotSure) {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    private(response)
}

/// Nobody between us and the reader keeps a page that is about one person.
fn private(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
