//! The links in mails. GET shows a page with a button; only POST acts (RFC 8058 POSTs by itself).

use axum::extract::{Path, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::headers::MAIL_CSP;
use super::tongue::{Tongue, context};
use super::{State, page};
use crate::compose::{Compiled, Languages, Reader};
use crate::model::SubscriptionState;
use crate::model::link::{Grant, Purpose};
use crate::subscribe;

/// The page behind the unsubscribe link: what would be left, and a button.
pub async fn unsubscribe(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::Unsubscribe, &token) else { return invalid(&state, &tongue) };
    let tongue = tongue.of(&state, &grant).await;
    let standing = match standing(&state, &grant).await {
        Ok(standing) => standing,
        Err(error) => return failed(&error),
    };
    show(&state, &tongue, &token, &grant, if standing == Some(SubscriptionState::Unsubscribed) { "left" } else { "ask" })
}

/// Leaves the List at once; doing it again changes nothing.
pub async fn unsubscribe_post(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::Unsubscribe, &token) else { return invalid(&state, &tongue) };
    let tongue = tongue.of(&state, &grant).await;
    match subscribe::unsubscribe(&state.desk.store, &state.desk.key, &token, state.desk.clock.now()).await {
        Ok(_) => show(&state, &tongue, &token, &grant, "left"),
        Err(error) => failed(&error),
    }
}

/// Undoes it.
pub async fn resubscribe_post(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::Unsubscribe, &token) else { return invalid(&state, &tongue) };
    let tongue = tongue.of(&state, &grant).await;
    match subscribe::resubscribe(&state.desk.store, &state.desk.key, &token, state.desk.clock.now()).await {
        Ok(_) => show(&state, &tongue, &token, &grant, "back"),
        Err(error) => failed(&error),
    }
}

/// The Issue as this reader got it.
pub async fn view(Shared(state): Shared<State>, tongue: Tongue, Path(token): Path<String>) -> Response {
    let Some(grant) = state.desk.key.verify(Purpose::View, &token) else { return invalid(&state, &tongue) };
    match rendered(&state, &grant).await {
        Ok(Some(html)) => ([(header::CONTENT_SECURITY_POLICY, MAIL_CSP)], Html(html)).into_response(),
        Ok(None) => invalid(&state, &tongue),
        Err(error) => {
            tracing::error!("an issue cannot be shown: {error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, "this issue cannot be shown; the log says why\n").into_response()
        }
    }
}

async fn rendered(state: &State, grant: &Grant) -> anyhow::Result<Option<String>> {
    let store = &state.desk.store;
    if store.issue(grant.issue).await?.is_none() {
        return Ok(None);
    }
    let (Some(subscriber), mut frozen) = (store.subscriber(grant.subscriber).await?, store.frozen(grant.issue).await?) else {
        return Ok(None);
    };
    if !frozen.lists.contains_key(&grant.list) {
        return Ok(None);
    }
    let link = |purpose: Purpose| state.desk.config.site.absolute(&format!("{}/{}", purpose.path(), state.desk.key.token(purpose, grant)));
    let reader = Reader {
        subscriber,
        unsubscribe_url: link(Purpose::Unsubscribe),
        unsubscribe_address: None,
        preferences_url: link(Purpose::Preferences),
        view_url: link(Purpose::View),
        // Whoever a page was forwarded to must not confirm for somebody else.
        confirm_url: String::new(),
        message_id: String::new(),
    };
    if let Some(language) = Languages::of(&frozen).other_for(reader.subscriber.language.as_deref()) {
        frozen.language = Some(language.to_owned());
    }
    // The Articles this reader got, which may be some of them only.
    let part = store.part(grant.issue, grant.subscriber).await?;
    let frozen = frozen.share(part.as_deref()).into_owned();
    let list = grant.list.clone();
    let html = tokio::task::spawn_blocking(move || -> anyhow::Result<String> { Ok(Compiled::new(&frozen, &list)?.render(&reader)?.html) })
        .await??;
    Ok(Some(html))
}

async fn standing(state: &State, grant: &Grant) -> crate::store::Result<Option<SubscriptionState>> {
    subscribe::standing(&state.desk.store, grant).await
}

/// The page after or before leaving.
fn show(state: &State, tongue: &Tongue, token: &str, grant: &Grant, step: &str) -> Response {
    let mut context = context(state, tongue);
    context.insert("list_name", &list_name(state, grant));
    context.insert("token", token);
    context.insert("step", step);
    let less = !subscribe::preferences::rhythms(&state.desk.config, &grant.list).is_empty();
    context.insert("preferences", &less.then(|| state.desk.key.token(Purpose::Preferences, grant)));
    page(state, "web/unsubscribe.html", &context)
}

fn list_name(state: &State, grant: &Grant) -> String {
    state.desk.config.list(&grant.list).map_or_else(|| grant.list.to_string(), |list| list.name.clone())
}

/// The page behind a link that is none of ours.
pub fn invalid(state: &State, tongue: &Tongue) -> Response {
    let mut response = page(state, "web/invalid.html", &context(state, tongue));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// What is said when the store does not answer.
pub fn failed(error: &crate::store::StoreError) -> Response {
    tracing::error!("a reader's link could not be followed: {error}");
    (StatusCode::SERVICE_UNAVAILABLE, "this did not work just now; please try again in a minute\n").into_response()
}
