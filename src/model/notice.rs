//! Notice: a mail of its own to one person, because of something they asked for. It is an Issue like any other, and a Delivery in the ledger.

use super::list::ListId;
use super::subscriber::SubscriptionState;

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Notice {
    /// "Please confirm": to somebody who asked to join.
    Confirm,
    /// "Welcome": to somebody who has joined.
    Welcome,
    /// "You are on the list already": to somebody who asked to join and need not.
    Known,
    /// "Is this your new address?": to the new address of somebody who wants to be mailed there.
    Move,
    /// "You are moving": to their old one.
    Moving,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 5] = [Self::Confirm, Self::Welcome, Self::Known, Self::Move, Self::Moving];

    /// Its name, which is that of its template too: `email/confirm.html`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Welcome => "welcome",
            Self::Known => "known",
            Self::Move => "move",
            Self::Moving => "moving",
        }
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.word() == word)
    }

    /// What the store calls the Issue of all who are told the same: the same words for the same content.
    pub fn key(self, list: &ListId, day: &str, content: &str) -> String {
        format!("{} {list} {day} {content}", self.word())
    }

    /// Which notice such a name means.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::from_word(key.split(' ').next().unwrap_or_default())
    }

    /// Whether it still goes to somebody who stands so. Who has confirmed meanwhile needs no question; who is asked whether to come back has left.
    pub const fn goes_to(self, state: SubscriptionState) -> bool {
        match self {
            Self::Confirm => !matches!(state, SubscriptionState::Confirmed),
            Self::Welcome | Self::Known => matches!(state, SubscriptionState::Confirmed),
            Self::Move | Self::Moving => true,
        }
    }
}
