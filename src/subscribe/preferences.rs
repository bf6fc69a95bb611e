//! The page of preferences: what it offers a person, and what they want by the form they sent.

use chrono::{NaiveDate, TimeZone as _};
use chrono_tz::Tz;

use super::join::clean_name;
use crate::config::Config;
use crate::model::link::Grant;
use crate::model::{List, ListId, Rhythm, SubscriptionState, Timestamp};
use crate::store::preferences::{ListWish, Wish};
use crate::store::subscribers::Person;

/// Nobody pauses for longer: a date beyond is a slip of the hand.
const PAUSE_DAYS_MAX: i64 = 3 * 366;

/// A List as the page shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Offer {
    /// The List.
    pub id: ListId,
    /// Its name.
    pub name: String,
    /// What one gets.
    pub description: String,
    /// Whether they get it.
    pub on: bool,
    /// Rhythms to choose among; none when there is no choice.
    pub rhythms: Vec<Rhythm>,
    /// The one they chose.
    pub rhythm: Rhythm,
    /// Topics to choose among, and whether each is chosen.
    pub topics: Vec<(String, bool)>,
}

/// What is wrong with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongWish {
    /// No zone of that name.
    Zone,
    /// No date, or one out of reach.
    Pause,
}

/// The Lists a person may choose from: the public ones, those they are on, and the one whose mail brought them here.
pub fn offers(config: &Config, person: &Person, grant: &Grant) -> Vec<Offer> {
    let state = |list: &List| person.subscriptions.iter().find(|one| one.list == list.id).map(|one| one.state);
    let is_shown = |list: &&List| list.public || list.id == grant.list || state(list) == Some(SubscriptionState::Confirmed);
    let offer = |list: &List| {
        let chosen = person.preferences.iter().find(|one| one.list == list.id);
        let topics = chosen.and_then(|chosen| chosen.topics.as_ref());
        let is_chosen = |topic: &String| topics.is_none_or(|topics| topics.iter().any(|one| one == topic));
        let rhythms = rhythms(config, &list.id);
        Offer {
            id: list.id.clone(),
            name: list.name.clone(),
            description: list.description.clone(),
            on: state(list) == Some(SubscriptionState::Confirmed),
            rhythm: chosen.map(|chosen| chosen.rhythm).filter(|rhythm| rhythms.contains(rhythm)).unwrap_or_default(),
            rhythms,
            topics: list.topics.iter().map(|topic| (topic.clone(), is_chosen(topic))).collect(),
        }
    };
    config.lists.iter().filter(is_shown).map(offer).collect()
}

/// How often a List can be had: as seldom as any Digest that goes there offers.
pub fn rhythms(config: &Config, list: &ListId) -> Vec<Rhythm> {
    let digests = || config.digests.iter().filter(|digest| digest.lists.contains(list));
    let mut rhythms: Vec<Rhythm> = digests().flat_map(|digest| digest.rhythms.iter().copied()).collect();
    if !rhythms.is_empty() {
        rhythms.push(Rhythm::Each);
    }
    rhythms.sort_unstable();
    rhythms.dedup();
    rhythms
}

/// What the form says, about the Lists of `offers` it showed alone; `wording` is what taking one up agrees to.
pub fn wish(
    fields: &[(String, String)],
    offers: &[Offer],
    site_zone: Tz,
    wording: impl Fn(&Offer) -> String,
    now: Timestamp,
) -> Result<Wish, WrongWish> {
    let all = |name: &str| fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>();
    let one = |name: &str| all(name).into_iter().next().filter(|value| !value.is_empty());
    let timezone = match one("timezone") {
        Some(name) => Some(name.parse::<Tz>().map_err(|_| WrongWish::Zone)?),
        None => None,
    };
    let (shown, on) = (all("shown"), all("on"));
    let list = |offer: &Offer| {
        let id = offer.id.to_string();
        let chosen = all(&format!("topic-{id}"));
        let topics: Vec<String> = offer.topics.iter().map(|(topic, _)| topic.clone()).filter(|topic| chosen.contains(topic)).collect();
        let rhythm = one(&format!("rhythm-{id}")).and_then(|word| Rhythm::from_word(&word)).filter(|rhythm| offer.rhythms.contains(rhythm));
        ListWish {
            list: offer.id.clone(),
            on: on.contains(&id),
            rhythm: rhythm.unwrap_or_default(),
            // All of them means those to come as well.
            topics: (topics.len() < offer.topics.len()).then_some(topics),
            wording: wording(offer),
        }
    };
    Ok(Wish {
        name: one("name").map(|name| clean_name(&name)).filter(|name| !name.is_empty()),
        language: one("language"),
        paused_until: one("pause").map(|text| pause(&text, timezone.unwrap_or(site_zone), now)).transpose()?.flatten(),
        timezone: timezone.map(|zone| zone.name().to_owned()),
        lists: offers.iter().filter(|offer| shown.contains(&offer.id.to_string())).map(list).collect(),
    })
}

/// The first moment of a day, written 2026-12-24; nothing when it has come.
fn pause(text: &str, zone: Tz, now: Timestamp) -> Result<Option<Timestamp>, WrongWish> {
    let day: NaiveDate = text.parse().map_err(|_| WrongWish::Pause)?;
    let start = day.and_hms_opt(0, 0, 0).ok_or(WrongWish::Pause)?;
    // A day whose first hour the clocks leave out begins with the second.
    let start =
        zone.from_local_datetime(&start).earliest().or_else(|| zone.from_local_datetime(&(start + chrono::TimeDelta::hours(1))).earliest());
    let until = Timestamp::from_datetime(&start.ok_or(WrongWish::Pause)?);
    if until.since(now).as_secs() > PAUSE_DAYS_MAX.unsigned_abs() * 86_400 {
        return Err(WrongWish::Pause);
    }
    Ok((until > now).then_some(until))
}
