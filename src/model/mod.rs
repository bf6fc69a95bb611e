//! The glossary as types: one file a noun. Parsing constructors and state transitions only;
//! no input or output, no clock, no SQL. A value that exists is valid: nothing inside re-checks.

pub mod article;
pub mod delivery;
pub mod digest;
pub mod dkim;
pub mod email;
pub mod fault;
pub mod feed;
pub mod issue;
pub mod library;
pub mod link;
pub mod list;
pub mod outcome;
pub mod relay;
pub mod schedule;
pub mod site;
pub mod source;
pub mod subscriber;
pub mod time;

pub use article::{Article, ArticleId, ArticleState};
pub use delivery::{Counts, DeliveryState};
pub use digest::Digest;
pub use dkim::Dkim;
pub use email::{EmailAddress, Mailbox};
pub use fault::{Fault, Faults, Severity};
pub use feed::Feed;
pub use issue::{Frozen, IssueId, IssueStatus};
pub use library::Library;
pub use list::{List, ListId};
pub use outcome::{FailureClass, Outcome};
pub use relay::Relay;
pub use schedule::Schedule;
pub use site::Site;
pub use subscriber::{Subscriber, SubscriberId, SubscriptionState};
pub use time::{Clock, Timestamp};
