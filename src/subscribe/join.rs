//! Joining a List by a form: what is checked before anything is kept, and what a kept sign-up becomes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::proof;
use crate::model::email::AddressFault;
use crate::model::link::{Grant, LinkKey};
use crate::model::{EmailAddress, List, ListId, Subscriber, Timestamp};
use crate::store::sign_ups::{Patience, SignUp};
use crate::store::{Result, Store};

/// Nobody fills a form faster; programs do.
const FILL_MIN_SECS: i64 = 2;
/// A page left open longer is loaded anew.
const FILL_MAX_SECS: i64 = 24 * 3_600;
/// A confirmation link is good for a week; its notice is of a day.
pub const CONFIRM_WITHIN_SECS: i64 = 8 * 24 * 3_600;
/// Longest name taken from a form.
const NAME_CHARS_MAX: usize = 80;
/// Bytes of a stamp's MAC.
const MAC_BYTES: usize = 16;

/// At most one notice a day, and three in all, go to an address that does not confirm.
pub const PATIENCE: Patience = Patience { times_max: 3, pause: 24 * 3_600 * 1_000_000 };

/// What was typed and sent.
#[derive(Debug, Clone, Default)]
pub struct Typed<'a> {
    /// The address.
    pub email: &'a str,
    /// Ids of Lists; all public ones that were offered, or fewer.
    pub lists: &'a [String],
    /// A name, if the form asks for one.
    pub name: Option<&'a str>,
    /// A field that people do not see: whoever fills it is a program.
    pub trap: &'a str,
    /// When the form was shown ([`stamp`]); a form on another site has none.
    pub stamp: Option<&'a str>,
    /// The number the browser found, where a proof of work is asked for.
    pub proof: Option<&'a str>,
}

/// Where it came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `page`, `form` or `api`.
    pub source: &'static str,
    /// The address of the machine.
    pub ip: Option<String>,
    /// Language of the page.
    pub language: Option<String>,
}

/// What a form leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// To be kept, one for each List.
    Kept(Vec<SignUp>),
    /// A program sent it: it is told what people are told, and nothing is kept.
    Program,
    /// Sent too fast, too late, or from a form without a stamp: the page is shown with what was typed, to be sent once more.
    Again,
    /// Not an address: why.
    BadAddress(AddressFault),
    /// The proof of work is missing or wrong.
    Unproven,
    /// None of our Lists, or one that is not for everybody.
    NoList,
}

/// Tells when a form was shown, so that it cannot be sent at once or for ever.
pub fn stamp(key: &LinkKey, now: Timestamp) -> String {
    let secs = now.secs().to_be_bytes();
    let mac = key.seal(&[b"sign-up form", &secs]);
    URL_SAFE_NO_PAD.encode([&secs[..], &mac[..MAC_BYTES]].concat())
}

/// How many seconds ago a stamp was made; nothing when it is not ours.
fn age_secs(key: &LinkKey, stamp: &str, now: Timestamp) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(stamp).ok()?;
    let shown = i64::from_be_bytes(*bytes.first_chunk::<8>()?);
    (stamp == self::stamp(key, Timestamp::from_secs(shown))).then(|| now.secs().saturating_sub(shown))
}

/// Looks at a form; `wording` is what it says people agree to, `work` how many bits of proof are asked for. Nothing that depends on who is
/// known already is decided here.
pub fn check(
    key: &LinkKey,
    lists: &[List],
    work: u32,
    typed: &Typed<'_>,
    from: &Origin,
    wording: impl Fn(&List) -> String,
    now: Timestamp,
) -> Checked {
    if !typed.trap.is_empty() {
        return Checked::Program;
    }
    let email = match EmailAddress::parse(typed.email) {
        Ok(email) => email,
        Err(why) => return Checked::BadAddress(why),
    };
    let wanted: Vec<&List> = lists.iter().filter(|list| list.public && typed.lists.iter().any(|id| id == list.id.as_str())).collect();
    if wanted.is_empty() {
        return Checked::NoList;
    }
    // A site's own script has no page of ours to be shown, and a program is what it is: no time is too short for it.
    let by_script = from.source == "api";
    let least = if by_script { 0 } else { FILL_MIN_SECS };
    let timely = typed.stamp.is_some_and(|stamp| age_secs(key, stamp, now).is_some_and(|age| (least..=FILL_MAX_SECS).contains(&age)));
    if !by_script && !timely {
        return Checked::Again;
    }
    if work > 0 && !(timely && proof::holds(work, typed.stamp.unwrap_or_default(), typed.email.trim(), typed.proof)) {
        return Checked::Unproven;
    }
    let name = typed.name.map(clean_name).filter(|name| !name.is_empty());
    let sign_up = |list: &List| SignUp {
        email: email.clone(),
        list: list.id.clone(),
        name: name.clone(),
        language: from.language.clone(),
        ip: from.ip.clone(),
        source: from.source.to_owned(),
        wording: wording(list),
        asked_at: now,
    };
    Checked::Kept(wanted.into_iter().map(sign_up).collect())
}

/// A name as a header may carry it.
pub(super) fn clean_name(name: &str) -> String {
    let line: String = name.chars().map(|c| if crate::model::email::forbidden_in_header(c) { ' ' } else { c }).collect();
    line.trim().chars().take(NAME_CHARS_MAX).collect()
}

/// What a confirmation link did.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmed {
    /// The person is on the List.
    Joined {
        /// Who.
        subscriber: Subscriber,
        /// False when it was so already: links are pressed twice.
        changed: bool,
    },
    /// The link is too old, or the person is gone.
    Expired,
}

/// Whether a grant to confirm is still good, and for whom.
pub async fn confirmable(store: &Store, grant: &Grant, now: Timestamp) -> Result<Option<Subscriber>> {
    let Some(issue) = store.issue(grant.issue).await? else { return Ok(None) };
    if now.secs() - issue.created_at.secs() > CONFIRM_WITHIN_SECS {
        return Ok(None);
    }
    store.subscriber(grant.subscriber).await
}

/// Confirms the Subscription a grant means.
pub async fn confirm(store: &Store, grant: &Grant, ip: Option<&str>, now: Timestamp) -> Result<Confirmed> {
    match confirmable(store, grant, now).await? {
        Some(subscriber) => {
            let changed = store.confirm(grant.subscriber, &grant.list, ip, now).await?;
            Ok(Confirmed::Joined { subscriber, changed })
        }
        None => Ok(Confirmed::Expired),
    }
}

/// Whether the Subscription is confirmed already.
pub async fn is_confirmed(store: &Store, subscriber: &Subscriber, list: &ListId) -> Result<bool> {
    use crate::model::SubscriptionState::Confirmed;
    let person = store.person(&subscriber.email).await?;
    Ok(person.is_some_and(|person| person.subscriptions.iter().any(|one| one.list == *list && one.state == Confirmed)))
}
