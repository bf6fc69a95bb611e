//! Delivery: one Issue to one Subscriber, its state, and the counts that always add up.

/// Where a Delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Waits for a Worker.
    Queued,
    /// A Worker has claimed it; nothing has left us.
    Leased,
    /// Its intent is durable: from here on a crash makes it unknown.
    Attempting,
    /// Accepted by the Relay.
    Sent,
    /// To be tried again.
    Deferred,
    /// Refused for good.
    Failed,
    /// Cut after the final dot and held for a person (`on_unknown = "hold"`).
    Unknown,
    /// Left out, with the reason.
    Skipped,
    /// The Issue was cancelled first.
    Cancelled,
}

impl DeliveryState {
    /// Every state, in ledger order.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Leased,
        Self::Attempting,
        Self::Sent,
        Self::Deferred,
        Self::Failed,
        Self::Unknown,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Leased => 1,
            Self::Attempting => 2,
            Self::Sent => 3,
            Self::Deferred => 4,
            Self::Failed => 5,
            Self::Unknown => 6,
            Self::Skipped => 7,
            Self::Cancelled => 8,
        }
    }

    /// From the store's number.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// How many Deliveries of an Issue stand where. `leased` counts leased and attempting together, as the ledger's identity does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// All of them.
    pub planned: u64,
    /// Waiting.
    pub queued: u64,
    /// Leased or attempting.
    pub leased: u64,
    /// Accepted by a Relay.
    pub sent: u64,
    /// To be tried again.
    pub deferred: u64,
    /// Refused for good.
    pub failed: u64,
    /// Held: it is not known whether it arrived.
    pub unknown: u64,
    /// Left out.
    pub skipped: u64,
    /// Cancelled.
    pub cancelled: u64,
}

impl Counts {
    /// Adds `n` Deliveries that stand in `state` (not to `planned`, which is counted by itself).
    pub fn add(&mut self, state: DeliveryState, n: u64) {
        match state {
            DeliveryState::Queued => self.queued += n,
            DeliveryState::Leased | DeliveryState::Attempting => self.leased += n,
            DeliveryState::Sent => self.sent += n,
            DeliveryState::Deferred => self.deferred += n,
            DeliveryState::Failed => self.failed += n,
            DeliveryState::Unknown => self.unknown += n,
            DeliveryState::Skipped => self.skipped += n,
            DeliveryState::Cancelled => self.cancelled += n,
        }
    }

    /// The ledger's identity: planned is the sum of all the others.
    pub fn add_up(&self) -> bool {
        let sum = self.queued + self.leased + self.sent + self.deferred + self.failed + self.unknown + self.skipped + self.cancelled;
        self.planned == sum
    }

    /// Whether anything is left to do now or later.
    pub fn is_finished(&self) -> bool {
        self.queued + self.leased + self.deferred == 0
    }
}
