//! Joining: the page with the form, the form on somebody's own site, the endpoint for a site's own script, and the page behind the link in the mail.
//! Whoever asks gets the same answer, known or not: nothing but a row is written while they wait.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{Form, Path, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::client::client_ip;
use super::limits::network;
use super::links::{failed, invalid};
use super::tongue::{Tongue, context};
use super::{PROOF, State, own_path, page};
use crate::model::List;
use crate::model::email::AddressFault;
use crate::model::link::{Grant, Purpose};
use crate::model::list::OptIn;
use crate::subscribe::join::{self, Checked, Confirmed, Origin, Typed};
use crate::{template, worker};

/// The fields of the form.
#[derive(Debug, Default, Deserialize)]
pub struct Fields {
    #[serde(default)]
    email: String,
    /// One List, or several with blanks between them.
    #[serde(default)]
    list: String,
    #[serde(default)]
    name: Option<String>,
    /// People do not see it.
    #[serde(default)]
    website: String,
    #[serde(default)]
    stamp: Option<String>,
    /// What the browser found (assets/proof.js).
    #[serde(default)]
    proof: Option<String>,
}

/// What a site's own script sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    email: String,
    lists: Vec<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    website: String,
    #[serde(default)]
    language: Option<String>,
    /// Both only where a proof of work is asked for.
    #[serde(default)]
    stamp: Option<String>,
    #[serde(default)]
    proof: Option<String>,
}

/// The page with every public List.
pub async fn lists(Shared(state): Shared<State>, tongue: Tongue) -> Response {
    let lists: Vec<&List> = public(&state).collect();
    form(&state, &tongue, &lists, &Fields::default(), Wrong::Nothing)
}

/// The page with one.
pub async fn list(Shared(state): Shared<State>, tongue: Tongue, Path(id): Path<String>) -> Response {
    let found: Vec<&List> = public(&state).filter(|list| list.id.as_str() == id).collect();
    form(&state, &tongue, &found, &Fields::default(), Wrong::Nothing)
}

/// Keeps what the form says.
pub async fn join_post(Shared(state): Shared<State>, tongue: Tongue, parts: Parts, Form(fields): Form<Fields>) -> Response {
    let ids: Vec<String> = fields.list.split_whitespace().map(str::to_owned).collect();
    let typed = Typed {
        email: &fields.email,
        lists: &ids,
        name: fields.name.as_deref(),
        trap: &fields.website,
        stamp: fields.stamp.as_deref(),
        proof: fields.proof.as_deref(),
    };
    let source = if fields.stamp.is_some() { "page" } else { "form" };
    let origin = Origin { source, ip: Some(client_ip(&parts).to_string()), language: Some(tongue.0.clone()) };
    let shown = || public(&state).filter(|list| ids.iter().any(|id| id == list.id.as_str())).collect::<Vec<_>>();
    match keep(&state, &typed, &origin, client_ip(&parts)).await {
        Kept::Yes => sent(&state, &tongue, &fields.email, &shown()),
        Kept::Again => form(&state, &tongue, &shown(), &fields, Wrong::Again),
        Kept::BadAddress(why) => {
            let why = template::say(&state.tera, why.key(), &tongue.0, &[]);
            form(&state, &tongue, &shown(), &fields, Wrong::Address(&why))
        }
        Kept::Unproven => form(&state, &tongue, &shown(), &fields, Wrong::Unproven),
        Kept::NoList => invalid(&state, &tongue),
        Kept::TooMany => {
            (StatusCode::TOO_MANY_REQUESTS, "too many sign-ups come from your network; please try again in an hour\n").into_response()
        }
        Kept::Failed => (StatusCode::SERVICE_UNAVAILABLE, "this did not work just now; please try again in a minute\n").into_response(),
    }
}

/// The same for a script, in JSON.
pub async fn api_post(Shared(state): Shared<State>, parts: Parts, Json(asked): Json<Asked>) -> Response {
    let typed = Typed {
        email: &asked.email,
        lists: &asked.lists,
        name: asked.name.as_deref(),
        trap: &asked.website,
        stamp: asked.stamp.as_deref(),
        proof: asked.proof.as_deref(),
    };
    let origin = Origin { source: "api", ip: Some(client_ip(&parts).to_string()), language: asked.language.clone() };
    let (status, said) = match keep(&state, &typed, &origin, client_ip(&parts)).await {
        Kept::Yes | Kept::Again => {
            let lists = public(&state).filter(|list| asked.lists.iter().any(|id| id == list.id.as_str()));
            let status = if is_single(lists) { "thank you" } else { "check your mail" };
            (StatusCode::ACCEPTED, serde_json::json!({"status": status}))
        }
        Kept::Unproven => {
            let why = "a proof of work is needed: GET this address tells what";
            (StatusCode::UNPROCESSABLE_ENTITY, serde_json::json!({"error": why, "field": "proof"}))
        }
        Kept::BadAddress(why) => (StatusCode::UNPROCESSABLE_ENTITY, serde_json::json!({"error": why.to_string(), "field": "email"})),
        Kept::NoList => (StatusCode::UNPROCESSABLE_ENTITY, serde_json::json!({"error": "there is no such list", "field": "lists"})),
        Kept::TooMany => (StatusCode::TOO_MANY_REQUESTS, serde_json::json!({"error": "too many sign-ups from this network"})),
        Kept::Failed => (StatusCode::SERVICE_UNAVAILABLE, serde_json::json!({"error": "try again in a minute"})),
    };
    (status, [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(said)).into_response()
}

/// What a script needs before it asks, where a proof of work is wanted.
pub async fn api(Shared(state): Shared<State>) -> Response {
    let desk = &state.desk;
    let told = serde_json::json!({
        "proof_of_work": desk.config.web.proof_of_work,
        "stamp": join::stamp(&desk.key, desk.clock.now()),
    });
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"), (header::CACHE_CONTROL, "no-store")], Json(told)).into_response()
}

/// What a browser asks before it lets a script of another site send JSON.
pub async fn api_options() -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// What became of a form.
enum Kept {
    Yes,
    Again,
    BadAddress(AddressFault),
    Unproven,
    NoList,
    TooMany,
    Failed,
}

async fn keep(state: &State, typed: &Typed<'_>, origin: &Origin, ip: IpAddr) -> Kept {
    let desk = &state.desk;
    let now = desk.clock.now();
    let language = origin.language.as_deref().unwrap_or(&desk.config.site.language);
    let wording = |list: &List| template::say(&state.tera, "subscribe-wording", language, &[("list", &list.name)]);
    let sign_ups = match join::check(&desk.key, &desk.config.lists, desk.config.web.proof_of_work, typed, origin, wording, now) {
        Checked::Kept(sign_ups) => sign_ups,
        Checked::Program => return Kept::Yes,
        Checked::Again => return Kept::Again,
        Checked::BadAddress(why) => return Kept::BadAddress(why),
        Checked::Unproven => return Kept::Unproven,
        Checked::NoList => return Kept::NoList,
    };
    if !state.limits.joins.allows(network(ip), now) {
        return Kept::TooMany;
    }
    for sign_up in &sign_ups {
        if let Err(error) = desk.store.keep_sign_up(sign_up).await {
            tracing::error!("a sign-up could not be kept: {error}");
            return Kept::Failed;
        }
    }
    Kept::Yes
}

/// The page behind the link in the mail: what is confirmed, and a button.
pub async fn confirm(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::Confirm, &token) else { return invalid(&state, &tongue) };
    let tongue = tongue.of(&state, &grant).await;
    let now = state.desk.clock.now();
    let store = &state.desk.store;
    let step = match join::confirmable(store, &grant, now).await {
        Ok(None) => Ok("expired"),
        Ok(Some(subscriber)) => join::is_confirmed(store, &subscriber, &grant.list).await.map(|on| if on { "joined" } else { "ask" }),
        Err(error) => Err(error),
    };
    match step {
        Ok(step) => confirm_page(&state, &tongue, &token, &grant, step),
        Err(error) => failed(&error),
    }
}

/// Confirms; doing it again changes nothing.
pub async fn confirm_post(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>, parts: Parts) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::Confirm, &token) else { return invalid(&state, &tongue) };
    let tongue = tongue.of(&state, &grant).await;
    let ip = client_ip(&parts).to_string();
    match join::confirm(&state.desk.store, &grant, Some(&ip), state.desk.clock.now()).await {
        Ok(Confirmed::Joined { subscriber, changed }) => {
            if changed && let Err(error) = worker::welcome(&state.desk, &grant.list, &subscriber).await {
                tracing::error!("a welcome could not be queued: {error:#}");
            }
            confirm_page(&state, &tongue, &token, &grant, "joined")
        }
        Ok(Confirmed::Expired) => confirm_page(&state, &tongue, &token, &grant, "expired"),
        Err(error) => failed(&error),
    }
}

fn confirm_page(state: &State, tongue: &Tongue, token: &str, grant: &Grant, step: &str) -> Response {
    let mut context = context(state, tongue);
    let list = state.desk.config.list(&grant.list);
    context.insert("list_name", &list.map_or_else(|| grant.list.to_string(), |list| list.name.clone()));
    context.insert("list_id", grant.list.as_str());
    context.insert("token", token);
    context.insert("step", step);
    context.insert("preferences", &state.desk.key.token(Purpose::Preferences, &Grant { ..grant.clone() }));
    page(state, "web/confirm.html", &context)
}

fn public(state: &State) -> impl Iterator<Item = &List> {
    state.desk.config.lists.iter().filter(|list| list.public)
}

/// Whether one is on all of these at once, without a mail to answer.
fn is_single<'a>(mut lists: impl Iterator<Item = &'a List>) -> bool {
    lists.all(|list| list.opt_in == OptIn::Single)
}

/// What is wrong with a form.
enum Wrong<'a> {
    Nothing,
    /// It has to be sent once more.
    Again,
    /// The address, and why.
    Address(&'a str),
    /// The proof of work.
    Unproven,
}

/// The page with the form: `lists` to choose from, what was typed, and what is wrong with it.
fn form(state: &State, tongue: &Tongue, lists: &[&List], fields: &Fields, wrong: Wrong<'_>) -> Response {
    if lists.is_empty() {
        return invalid(state, tongue);
    }
    let mut context = context(state, tongue);
    let offered: Vec<_> =
        lists.iter().map(|list| serde_json::json!({"id": list.id.as_str(), "name": list.name, "description": list.description})).collect();
    context.insert("lists", &offered);
    context.insert("email", &fields.email);
    context.insert("name", &fields.name.clone().unwrap_or_default());
    context.insert("again", &matches!(wrong, Wrong::Again));
    context.insert("wrong", if let Wrong::Address(why) = wrong { why } else { "" });
    context.insert("unproven", &matches!(wrong, Wrong::Unproven));
    context.insert("is_single", &is_single(lists.iter().copied()));
    let work = state.desk.config.web.proof_of_work;
    if work > 0 {
        let address = lists[0].reply_to.as_ref().unwrap_or(&lists[0].from).address.as_str();
        context.insert("work", &serde_json::json!({"bits": work, "script": own_path(state, &PROOF), "address": address}));
    }
    context.insert("stamp", &join::stamp(&state.desk.key, state.desk.clock.now()));
    let mut response = page(state, "web/subscribe.html", &context);
    if matches!(wrong, Wrong::Address(_) | Wrong::Unproven) {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    no_store(response.headers_mut());
    response
}

/// The same page for everybody whose address could be read.
fn sent(state: &State, tongue: &Tongue, email: &str, lists: &[&List]) -> Response {
    let mut context = context(state, tongue);
    context.insert("is_single", &is_single(lists.iter().copied()));
    context.insert("email", email.trim());
    let mut response = page(state, "web/sent.html", &context);
    no_store(response.headers_mut());
    response
}

fn no_store(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
}
