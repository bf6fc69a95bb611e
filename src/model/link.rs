//! Signed links: who may do what, without a login and without an address in the link.
//!
//! A token is `base64url(purpose, issue, subscriber, list, MAC)` with HMAC-SHA256 cut to 128 bits. It is bound to one purpose,
//! never expires for unsubscribing, and says nothing to whom it is forwarded to.

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

/// The publication's signing key. It never prints.
#[derive(Clone)]
pub struct LinkKey(Hmac<Sha256>);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(***)")
    }
}

impl LinkKey {
    /// From secret bytes of any length (HMAC takes every length).
    pub fn new(secret: &[u8]) -> Self {
        // `new_from_slice` of HMAC accepts every length, so the other branch is never taken.
        Self(Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// A MAC over several fields, each preceded by its length, for ids that must be stable and unguessable.
    pub fn mac(&self, fields: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }

    /// The token that lets `grant` do `purpose`.
    pub fn token(&self, purpose: Purpose, grant: &Grant) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + 64 + MAC_BYTES);
        bytes.push(purpose.byte());
        bytes.extend_from_slice(&grant.issue.0.to_be_bytes());
        bytes.extend_from_slice(&grant.subscriber.0.to_be_bytes());
        bytes.extend_from_slice(grant.list.as_str().as_bytes());
        let mac = self.mac(&[&bytes]);
        bytes.extend_from_slice(&mac[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Who a token for `purpose` means, or nothing when it is not ours. Compares in constant time.
    pub fn verify(&self, purpose: Purpose, token: &str) -> Option<Grant> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let split = bytes.len().checked_sub(MAC_BYTES)?;
        let (body, mac) = bytes.split_at(split);
        if body.len() <= HEAD_BYTES || body[0] != purpose.byte() {
            return None;
        }
        let mut expected = self.0.clone();
        expected.update(&(body.len() as u64).to_be_bytes());
        expected.update(body);
        expected.verify_truncated_left(mac).ok()?;
        Some(Grant {
            issue: IssueId(i64::from_be_bytes(body[1..9].try_into().ok()?)),
            subscriber: SubscriberId(i64::from_be_bytes(body[9..17].try_into().ok()?)),
            list: ListId::parse(std::str::from_utf8(&body[17..]).ok()?).ok()?,
        })
    }
}
