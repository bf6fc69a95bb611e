//! Delivery: one Issue to one Subscriber, its state, and the counts that always add up.

/// Where a Delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
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

    /// The word people and JSON output see.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Attempting => "attempting",
            Self::Sent => "sent",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
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

    /// These and those together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            planned: self.planned + other.planned,
            queued: self.queued + other.queued,
            leased: self.leased + other.leased,
            sent: self.sent + other.sent,
            deferred: self.deferred + other.deferred,
            failed: self.failed + other.failed,
            unknown: self.unknown + other.unknown,
            skipped: self.skipped + other.skipped,
            cancelled: self.cancelled + other.cancelled,
        }
    }

    /// The counts with their names in JSON output and metrics, without `planned`.
    pub const fn parts(&self) -> [(&'static str, u64); 8] {
        [
            ("queued", self.queued),
            ("leased", self.leased),
            ("sent", self.sent),
            ("deferred", self.deferred),
            ("failed", self.failed),
            ("unknown", self.unknown),
            ("skipped", self.skipped),
            ("cancelled", self.cancelled),
        ]
    }

    /// The ledger's identity: planned is the sum of all the others.
    pub fn add_up(&self) -> bool {
        self.planned == self.parts().iter().map(|(_, n)| n).sum::<u64>()
    }

    /// Whether anything is left to do now or later.
    pub fn is_finished(&self) -> bool {
        self.queued + self.leased + self.deferred == 0
    }
}
