//! The language a visitor is spoken to in: the best of Accept-Language (RFC 9110 section 12.5.4) there are texts in, else the site's.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::State;
use crate::model::link::Grant;
use crate::template;

/// The language.
#[derive(Debug, Clone)]
pub struct Tongue(pub String);

impl FromRequestParts<State> for Tongue {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Infallible> {
        let wanted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let known = template::languages(&state.desk.templates);
        Ok(Self(best(wanted, &known).unwrap_or_else(|| state.desk.config.site.language.clone())))
    }
}

impl Tongue {
    /// That of the person a link means, when they told us theirs; else the visitor's.
    pub async fn of(self, state: &State, grant: &Grant) -> Self {
        let Ok(Some(person)) = state.desk.store.subscriber(grant.subscriber).await else { return self };
        let known = template::languages(&state.desk.templates);
        let own = person.language.as_deref().and_then(|wanted| template::pick(&known, wanted));
        own.map_or(self, |language| Self(language.to_owned()))
    }
}

/// What every page of ours is told, and the language it speaks.
pub fn context(state: &State, tongue: &Tongue) -> tera::Context {
    let mut context = super::context(state);
    context.insert("language", &tongue.0);
    context
}

/// The known language with the highest weight; of equal weights the first.
fn best(wanted: &str, known: &[String]) -> Option<String> {
    let mut ranges: Vec<(&str, f32)> = wanted.split(',').filter_map(range).collect();
    ranges.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranges.into_iter().find_map(|(language, _)| template::pick(known, language)).map(str::to_owned)
}

/// `de-AT;q=0.8`; nothing when it is refused (`q=0`).
fn range(text: &str) -> Option<(&str, f32)> {
    let (language, weight) = text.split_once(';').unwrap_or((text, "q=1"));
    let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
    (weight > 0.0).then(|| (language.trim(), weight))
}
