//! Issues: frozen mailings, their status, and which Articles they carried.

use super::{Result, Store};
use crate::model::{Counts, Frozen, IssueId, IssueStatus, ListId, Timestamp};

/// What freezing hands over.
#[derive(Debug, Clone)]
pub struct NewIssue {
    /// Digest id, when it is one of a Digest.
    pub digest: Option<String>,
    /// Subject as people read it in lists of Issues (rendered without a reader).
    pub subject: String,
    /// Everything needed to render it.
    pub frozen: Frozen,
    /// Ids of its Articles: none may be in another Issue of the same Digest.
    pub articles: Vec<String>,
    /// Lists it goes to; a person on several gets it as a member of the first.
    pub lists: Vec<ListId>,
    /// Not before this instant; at once when absent.
    pub scheduled_at: Option<Timestamp>,
    /// Waits for a person, with the reason, until it is resumed.
    pub hold: Option<String>,
}

/// An Issue as lists of Issues show it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct IssueRow {
    /// Number.
    pub id: IssueId,
    /// Digest id, if of one.
    pub digest: Option<String>,
    /// Which number of its Digest.
    pub number: i64,
    /// Subject.
    pub subject: String,
    /// Where it stands.
    pub status: IssueStatus,
    /// Why it is paused, in words.
    pub reason: Option<String>,
    /// Frozen at.
    pub created_at: Timestamp,
    /// Goes out at.
    pub scheduled_at: Option<Timestamp>,
    /// First Delivery claimed at.
    pub started_at: Option<Timestamp>,
    /// Done or cancelled at.
    pub finished_at: Option<Timestamp>,
}

/// Why people on the Lists of an Issue would not get it, and how many would.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Audience {
    /// Would get it.
    pub recipients: u64,
    /// Have not confirmed.
    pub pending: u64,
    /// Have left.
    pub unsubscribed: u64,
    /// Are suppressed.
    pub suppressed: u64,
}

/// One person of an audience, for a dry run that names names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AudienceMember {
    /// Address.
    pub email: String,
    /// The List that decides.
    pub list: ListId,
    /// Why not, or nothing when they would get it: `pending`, `unsubscribed`, `suppressed: REASON`.
    pub left_out: Option<String>,
}

impl Store {
    /// Keeps a new Issue and makes its Deliveries (confirmed and not suppressed, at this moment) in one transaction.
    /// Refused when an Article of it is already in another Issue of the same Digest.
    pub async fn create_issue(&self, new: &NewIssue, now: Timestamp) -> Result<IssueId> {
        let _ = (new, now);
        todo!()
    }

    /// The next number an Issue of `digest` would have.
    pub async fn next_number(&self, digest: Option<&str>) -> Result<u64> {
        let _ = digest;
        todo!()
    }

    /// One Issue.
    pub async fn issue(&self, id: IssueId) -> Result<Option<IssueRow>> {
        let _ = id;
        todo!()
    }

    /// The newest Issues first.
    pub async fn issues(&self, limit: u32) -> Result<Vec<IssueRow>> {
        let _ = limit;
        todo!()
    }

    /// What an Issue froze.
    pub async fn frozen(&self, id: IssueId) -> Result<Frozen> {
        let _ = id;
        todo!()
    }

    /// How many of its Deliveries stand where. One consistent read.
    pub async fn counts(&self, id: IssueId) -> Result<Counts> {
        let _ = id;
        todo!()
    }

    /// Which of `articles` were already in an Issue of `digest`.
    pub async fn already_in(&self, digest: &str, articles: &[String]) -> Result<std::collections::HashSet<String>> {
        let _ = (digest, articles);
        todo!()
    }

    /// The instant the last Issue of `digest` was frozen.
    pub async fn last_issue_at(&self, digest: &str) -> Result<Option<Timestamp>> {
        let _ = digest;
        todo!()
    }

    /// Who would get an Issue to these Lists, counted. The first List on which a person stands decides.
    pub async fn audience(&self, lists: &[ListId]) -> Result<Audience> {
        let _ = lists;
        todo!()
    }

    /// The same by name, above `after` (an address), at most `limit`.
    pub async fn audience_members(&self, lists: &[ListId], after: &str, limit: u32) -> Result<Vec<AudienceMember>> {
        let _ = (lists, after, limit);
        todo!()
    }

    /// Stops an Issue (scheduled or sending) with the reason.
    pub async fn pause_issue(&self, id: IssueId, reason: &str, now: Timestamp) -> Result<()> {
        let _ = (id, reason, now);
        todo!()
    }

    /// Lets a paused Issue go on where it stood.
    pub async fn resume_issue(&self, id: IssueId, now: Timestamp) -> Result<()> {
        let _ = (id, now);
        todo!()
    }

    /// Calls an Issue off: everything queued or deferred becomes cancelled.
    pub async fn cancel_issue(&self, id: IssueId, now: Timestamp) -> Result<()> {
        let _ = (id, now);
        todo!()
    }

    /// Sends to the rest: failed (but not by the address's own fault), unknown and cancelled Deliveries become queued again. How many.
    pub async fn retry_issue(&self, id: IssueId, now: Timestamp) -> Result<u64> {
        let _ = (id, now);
        todo!()
    }
}
