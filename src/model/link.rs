//! Signed links: who may do what, without a login and without an address in the link.
//!
//! A token is `base64url(purpose, issue, subscriber, list, MAC)` with HMAC-SHA256 cut to 128 bits. It is bound to one purpose,
//! never expires for unsubscribing, and says nothing to whom it is forwarded to.
//!
//! A mail address has no room for that: there a token is `base32(issue, subscriber, MAC)`, in small letters, because some servers do not keep
//! capitals. The List is part of the MAC alone; whoever verifies it tries the Lists the person is on.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::issue::IssueId;
use super::list::ListId;
use super::subscriber::SubscriberId;

/// Bytes of the MAC that go into a token: 128 bits cannot be guessed.
const MAC_BYTES: usize = 16;
/// Bytes before the list id: purpose, issue, subscriber.
const HEAD_BYTES: usize = 1 + 8 + 8;

/// Bytes of an id in a token for an address: more than there are people.
const SHORT_ID_BYTES: usize = 6;
/// Bytes of a token for an address.
const SHORT_BYTES: usize = 2 * SHORT_ID_BYTES + MAC_BYTES;
/// Characters of a token for an address.
pub const SHORT_CHARS: usize = (SHORT_BYTES * 8).div_ceil(5);
/// The letters of base32 (RFC 4648), small.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a link is for; a token for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Leave the List (RFC 8058).
    Unsubscribe,
    /// See and change preferences.
    Preferences,
    /// See the Issue as this reader got it.
    View,
    /// Confirm a Subscription.
    Confirm,
    /// Confirm a new address.
    Move,
}

impl Purpose {
    const fn byte(self) -> u8 {
        match self {
            Self::Unsubscribe => b'u',
            Self::Preferences => b'p',
            Self::View => b'v',
            Self::Confirm => b'c',
            Self::Move => b'm',
        }
    }

    /// The first part of the path such a link has.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Unsubscribe => "unsubscribe",
            Self::Preferences => "preferences",
            Self::View => "view",
            Self::Confirm => "confirm",
            Self::Move => "move",
        }
    }
}

/// Who is meant by a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The Issue it came with; 0 when none.
    pub issue: IssueId,
    /// The person.
    pub subscriber: SubscriberId,
    /// The List.
    pub list: ListId,
}

/// The publication's signing key, with those it had before. It never prints.
///
/// The newest signs. For a link to leave every key it ever had is good, because such a link never expires; for all others the newest and the one
/// before it. So a key that has leaked is worth little once it was renewed twice.
#[derive(Clone)]
pub struct LinkKey {
    newest: Hmac<Sha256>,
    /// Newest first.
    older: Arc<[Hmac<Sha256>]>,
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(***)")
    }
}

impl LinkKey {
    /// From secret bytes of any length (HMAC takes every length).
    pub fn new(secret: &[u8]) -> Self {
        Self { newest: keyed(secret), older: Arc::default() }
    }

    /// The same with a newer secret, which signs from now on.
    #[must_use]
    pub fn renewed(&self, secret: &[u8]) -> Self {
        let older = std::iter::once(&self.newest).chain(&*self.older).cloned().collect();
        Self { newest: keyed(secret), older }
    }

    /// A MAC over several fields, each preceded by its length, for ids that must be stable and unguessable: by the first key of all,
    /// so that it is the same however often the key was renewed.
    pub fn mac(&self, fields: &[&[u8]]) -> [u8; 32] {
        finish(self.older.last().unwrap_or(&self.newest), fields)
    }

    /// The same by the newest key, for what is of today.
    pub fn seal(&self, fields: &[&[u8]]) -> [u8; 32] {
        finish(&self.newest, fields)
    }

    /// The keys that are good for a purpose.
    fn good_for(&self, purpose: Purpose) -> impl Iterator<Item = &Hmac<Sha256>> {
        let older = if purpose == Purpose::Unsubscribe { self.older.len() } else { 1 };
        std::iter::once(&self.newest).chain(self.older.iter().take(older))
    }

    /// The token that lets `grant` do `purpose`.
    pub fn token(&self, purpose: Purpose, grant: &Grant) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + 64 + MAC_BYTES);
        bytes.push(purpose.byte());
        bytes.extend_from_slice(&grant.issue.0.to_be_bytes());
        bytes.extend_from_slice(&grant.subscriber.0.to_be_bytes());
        bytes.extend_from_slice(grant.list.as_str().as_bytes());
        let mac = self.seal(&[&bytes]);
        bytes.extend_from_slice(&mac[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The token that lets whoever writes to an address with it leave the List.
    pub fn short_token(&self, grant: &Grant) -> String {
        let mut bytes = short_ids(grant).to_vec();
        let mac = self.seal(&[SHORT, &bytes, grant.list.as_str().as_bytes()]);
        bytes.extend_from_slice(&mac[..MAC_BYTES]);
        base32(&bytes)
    }

    /// Whom a token of an address claims to mean; true only once [`LinkKey::verify_short`] says so.
    pub fn short_claim(token: &str) -> Option<SubscriberId> {
        let bytes = from_base32(token)?;
        Some(SubscriberId(id(&bytes[SHORT_ID_BYTES..2 * SHORT_ID_BYTES])))
    }

    /// Who a token of an address means, when it is ours and for one of `lists`.
    pub fn verify_short<'a>(&self, token: &str, mut lists: impl Iterator<Item = &'a ListId>) -> Option<Grant> {
        let bytes = from_base32(token)?;
        let (ids, mac) = bytes.split_at(2 * SHORT_ID_BYTES);
        let list = lists.find(|list| {
            let fields = [SHORT, ids, list.as_str().as_bytes()];
            self.good_for(Purpose::Unsubscribe).any(|key| is_by(key, &fields, mac))
        })?;
        let (issue, subscriber) = ids.split_at(SHORT_ID_BYTES);
        Some(Grant { issue: IssueId(id(issue)), subscriber: SubscriberId(id(subscriber)), list: list.clone() })
    }

    /// Who a token for `purpose` means, or nothing when it is not ours. Compares in constant time.
    pub fn verify(&self, purpose: Purpose, token: &str) -> Option<Grant> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let split = bytes.len().checked_sub(MAC_BYTES)?;
        let (body, mac) = bytes.split_at(split);
        if body.len() <= HEAD_BYTES || body[0] != purpose.byte() {
            return None;
        }
        if !self.good_for(purpose).any(|key| is_by(key, &[body], mac)) {
            return None;
        }
        Some(Grant {
            issue: IssueId(i64::from_be_bytes(body[1..9].try_into().ok()?)),
            subscriber: SubscriberId(i64::from_be_bytes(body[9..17].try_into().ok()?)),
            list: ListId::parse(std::str::from_utf8(&body[17..]).ok()?).ok()?,
        })
    }
}

/// The purpose of tokens in addresses: leaving, and nothing else.
const SHORT: &[u8] = b"leave by mail";

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    // `new_from_slice` of HMAC accepts every length, so the other branch is never taken.
    Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

fn over(key: &Hmac<Sha256>, fields: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for field in fields {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    mac
}

fn finish(key: &Hmac<Sha256>, fields: &[&[u8]]) -> [u8; 32] {
    over(key, fields).finalize().into_bytes().into()
}

/// Whether a MAC, cut to its length, was made by this key. In constant time.
fn is_by(key: &Hmac<Sha256>, fields: &[&[u8]], mac: &[u8]) -> bool {
    over(key, fields).verify_truncated_left(mac).is_ok()
}

/// Issue and subscriber in few bytes. An id that does not fit makes a token that means nobody.
fn short_ids(grant: &Grant) -> [u8; 2 * SHORT_ID_BYTES] {
    let mut bytes = [0; 2 * SHORT_ID_BYTES];
    let (issue, subscriber) = bytes.split_at_mut(SHORT_ID_BYTES);
    issue.copy_from_slice(&grant.issue.0.to_be_bytes()[8 - SHORT_ID_BYTES..]);
    subscriber.copy_from_slice(&grant.subscriber.0.to_be_bytes()[8 - SHORT_ID_BYTES..]);
    bytes
}

fn id(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |id, byte| id << 8 | i64::from(*byte))
}

fn base32(bytes: &[u8]) -> String {
    let digit = |n: usize| {
        let bits = (0..5).map(|bit| n * 5 + bit).map(|bit| bytes.get(bit / 8).map_or(0, |byte| byte >> (7 - bit % 8) & 1));
        char::from(BASE32[bits.fold(0, |digit, bit| digit << 1 | usize::from(bit))])
    };
    (0..(bytes.len() * 8).div_ceil(5)).map(digit).collect()
}

/// The bytes of a token in an address, in small letters or capitals; nothing when it has not the length of one.
fn from_base32(text: &str) -> Option<[u8; SHORT_BYTES]> {
    if text.len() != SHORT_CHARS {
        return None;
    }
    let mut bytes = [0; SHORT_BYTES];
    for (n, letter) in text.bytes().enumerate() {
        let value = BASE32.iter().position(|known| *known == letter.to_ascii_lowercase())?;
        for bit in (0..5).filter(|bit| value >> (4 - bit) & 1 == 1) {
            // The last letter has a bit more than there are bytes; ours is 0.
            *bytes.get_mut((n * 5 + bit) / 8)? |= 0x80 >> ((n * 5 + bit) % 8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_key_signs_and_the_former_ones_are_good_for_leaving() {
        let grant = Grant { issue: IssueId(7), subscriber: SubscriberId(42), list: ListId::parse("weekly").unwrap() };
        let first = LinkKey::new(b"one");
        let keys = [
            first.clone(),
            first.renewed(b"two"),
            first.renewed(b"two").renewed(b"three"),
            first.renewed(b"two").renewed(b"three").renewed(b"four"),
        ];
        for (made, by) in keys.iter().enumerate() {
            for (read, key) in keys.iter().enumerate() {
                let is_good = |purpose: Purpose| key.verify(purpose, &by.token(purpose, &grant)).is_some();
                assert_eq!(is_good(Purpose::Unsubscribe), made <= read, "made by key {made}, read by {read}");
                for purpose in [Purpose::Preferences, Purpose::View, Purpose::Confirm] {
                    assert_eq!(is_good(purpose), made <= read && made + 1 >= read, "{purpose:?} made by key {made}, read by {read}");
                }
                let short = key.verify_short(&by.short_token(&grant), std::iter::once(&grant.list));
                assert_eq!(short.is_some(), made <= read, "by mail: made by key {made}, read by {read}");
            }
            assert_eq!(by.mac(&[b"x"]), first.mac(&[b"x"]), "what must be stable stays");
            assert_eq!(by.seal(&[b"x"]) == first.seal(&[b"x"]), made == 0);
        }
        assert!(!format!("{:?}", keys[3]).contains("one"));
    }

    #[test]
    fn a_token_of_an_address_means_one_person_one_issue_and_one_list() {
        let (key, other) = (LinkKey::new(b"one"), LinkKey::new(b"two"));
        let [weekly, daily] = ["weekly", "daily"].map(|id| ListId::parse(id).unwrap());
        for (issue, subscriber) in [(0, 1), (7, 42), (1_000_000_000_042, 1 << 40), ((1 << 47) - 1, (1 << 47) - 1)] {
            let grant = Grant { issue: IssueId(issue), subscriber: SubscriberId(subscriber), list: weekly.clone() };
            let token = key.short_token(&grant);
            assert_eq!(token.len(), SHORT_CHARS);
            assert!(token.bytes().all(|b| BASE32.contains(&b)), "{token}");
            assert_eq!(LinkKey::short_claim(&token), Some(grant.subscriber));
            for written in [token.clone(), token.to_uppercase()] {
                assert_eq!(key.verify_short(&written, [&daily, &weekly].into_iter()), Some(grant.clone()), "{written}");
            }
            assert_eq!(key.verify_short(&token, [&daily].into_iter()), None, "for another list");
            assert_eq!(other.verify_short(&token, [&weekly].into_iter()), None, "by another key");
            for at in 0..token.len() {
                let letter = if token.as_bytes()[at] == b'a' { "b" } else { "a" };
                let forged = format!("{}{letter}{}", &token[..at], &token[at + 1..]);
                assert_eq!(key.verify_short(&forged, [&weekly].into_iter()), None, "{forged}");
            }
        }
        for odd in ["", "a", &"a".repeat(44), &"a".repeat(46), &"1".repeat(45), &"é".repeat(45)] {
            assert_eq!((LinkKey::short_claim(odd), key.verify_short(odd, [&weekly].into_iter())), (None, None), "{odd}");
        }
    }
}
