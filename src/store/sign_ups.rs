//! Sign-ups: what strangers typed into a form, and the notices that answer them.

use super::issues::status;
use super::sql::{Tx, args};
use super::suppressions::suppressed;
use super::{Result, Store, StoreError};
use crate::model::list::OptIn;
use crate::model::{EmailAddress, Frozen, IssueId, ListId, Notice, SubscriberId, SubscriptionState, Timestamp};

/// Somebody asks to join a List.
#[derive(Debug, Clone, PartialEq)]
pub struct SignUp {
    /// The address that was typed.
    pub email: EmailAddress,
    /// The List.
    pub list: ListId,
    /// The name that was typed, already checked.
    pub name: Option<String>,
    /// Language of the page.
    pub language: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// `page`, `form` or `api`.
    pub source: String,
    /// What they were shown.
    pub wording: String,
    /// When.
    pub asked_at: Timestamp,
}

/// How much strangers may make us write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Notices to one address, until it confirms.
    pub times_max: u32,
    /// Between two to one address, in microseconds.
    pub pause: i64,
}

/// What became of a sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// They are told this, by a Delivery of this Issue.
    Told(Notice, IssueId),
    /// They joined at once (a List with `opt_in = "single"`).
    Joined,
    /// The address is suppressed, or was written to often enough.
    Silent,
}

/// The Issue of a notice, as it is made when the first person is told it.
#[derive(Debug, Clone)]
pub struct NoticeIssue {
    /// Which.
    pub notice: Notice,
    /// Its name in the store ([`Notice::key`]).
    pub key: String,
    /// Subject as people read it.
    pub subject: String,
    /// What it says.
    pub frozen: Frozen,
}

/// A row of `sign_ups`.
type Columns = (String, String, Option<String>, Option<String>, Option<String>, String, String, i64);

impl Store {
    /// Keeps a sign-up until somebody looks at it. The same again while it waits changes nothing, so ten thousand for one address are one.
    pub async fn keep_sign_up(&self, new: &SignUp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        let sql = "INSERT INTO sign_ups (email_key, list_id, email, name, language, ip, source, wording, asked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (email_key, list_id) DO NOTHING";
        let (name, language, ip) = (new.name.as_deref(), new.language.as_deref(), new.ip.as_deref());
        let (source, wording) = (new.source.as_str(), new.wording.as_str());
        tx.run(sql, args![new.email.key(), &new.list, new.email.as_str(), name, language, ip, source, wording, new.asked_at]).await?;
        tx.commit().await
    }

    /// Sign-ups nobody has looked at, the oldest first.
    pub async fn sign_ups(&self, limit: u32) -> Result<Vec<SignUp>> {
        let sql = "SELECT email, list_id, name, language, ip, source, wording, asked_at FROM sign_ups ORDER BY asked_at LIMIT $1";
        let rows: Vec<Columns> = self.engine.read().await?.rows(sql, args![limit]).await?;
        rows.into_iter().map(sign_up).collect()
    }

    /// Forgets one: its List is gone.
    pub async fn drop_sign_up(&self, old: &SignUp) -> Result<()> {
        let mut tx = self.engine.write().await?;
        tx.run("DELETE FROM sign_ups WHERE email_key = $1 AND list_id = $2", args![old.email.key(), &old.list]).await?;
        tx.commit().await
    }

    /// How many addresses were written to for strangers since then.
    pub async fn bothered_since(&self, since: Timestamp) -> Result<u64> {
        let sql = "SELECT COUNT(*) FROM bothered WHERE last_at > $1";
        let row: Option<(i64,)> = self.engine.read().await?.row(sql, args![since]).await?;
        Ok(row.unwrap_or_default().0.unsigned_abs())
    }

    /// Looks at one sign-up: the person is on the List as pending (or, where one joins at once, confirmed), what they agreed to is kept, and they are
    /// told by a Delivery of one of `notices`. One transaction; a second worker that looks at the same finds nothing.
    pub async fn settle_sign_up(
        &self,
        new: &SignUp,
        opt_in: OptIn,
        notices: &[NoticeIssue],
        patience: Patience,
        now: Timestamp,
    ) -> Result<Option<Answer>> {
        let mut tx = self.engine.write().await?;
        // Whoever makes people, or settles sign-ups, does it one at a time: what is looked up here must hold when it is written.
        tx.row::<(i64,)>(format!("SELECT next FROM counters WHERE name = 'subscriber'{}", tx.locked()), args![]).await?;
        let key = new.email.key();
        if tx.run("DELETE FROM sign_ups WHERE email_key = $1 AND list_id = $2", args![key.as_str(), &new.list]).await? == 0 {
            return Ok(None);
        }
        let answer = if suppressed(&mut tx, std::slice::from_ref(&key)).await?.is_empty() {
            settle(&mut tx, new, opt_in, notices, patience, now).await?
        } else {
            Answer::Silent
        };
        tx.commit().await?;
        Ok(Some(answer))
    }

    /// Tells one person: a Delivery of the notice's Issue of today. Nothing changes when they were told today.
    pub async fn tell(&self, notice: &NoticeIssue, list: &ListId, to: SubscriberId, now: Timestamp) -> Result<IssueId> {
        let mut tx = self.engine.write().await?;
        let issue = deliver(&mut tx, notice, list, to, now).await?;
        tx.commit().await?;
        Ok(issue)
    }

    /// Confirms a Subscription that is pending, or that its owner left before; true when it was not confirmed yet.
    pub async fn confirm(&self, id: SubscriberId, list: &ListId, ip: Option<&str>, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let confirmed = SubscriptionState::Confirmed.code();
        // It is theirs from now on, whoever brought them: taking back an import leaves it alone.
        let sql = "UPDATE subscriptions SET state = $3, source = 'confirmed', changed_at = $4
             WHERE list_id = $1 AND subscriber_id = $2 AND state <> $3";
        let changed = tx.run(sql, args![list, id, confirmed, now]).await? > 0;
        if changed {
            let sql = "UPDATE consents SET confirmed_at = $3, confirmed_ip = $4 WHERE subscriber_id = $1 AND list_id = $2";
            tx.run(sql, args![id, list, now, ip]).await?;
            tx.run("UPDATE subscribers SET changed_at = $2 WHERE id = $1", args![id, now]).await?;
            let sql = "DELETE FROM bothered WHERE email_key = (SELECT email_key FROM subscribers WHERE id = $1)";
            tx.run(sql, args![id]).await?;
        }
        tx.commit().await?;
        Ok(changed)
    }
}

fn sign_up((email, list, name, language, ip, source, wording, asked_at): Columns) -> Result<SignUp> {
    Ok(SignUp {
        email: EmailAddress::parse(&email).map_err(|fault| StoreError::Corrupt(fault.to_string()))?,
        list: ListId::parse(&list).map_err(StoreError::Corrupt)?,
        name,
        language,
        ip,
        source,
        wording,
        asked_at: Timestamp(asked_at),
    })
}

/// The decision, for an address that may be mailed.
async fn settle(tx: &mut Tx, new: &SignUp, opt_in: OptIn, notices: &[NoticeIssue], patience: Patience, now: Timestamp) -> Result<Answer> {
    let person = person(tx, new, now).await?;
    let sql = "SELECT state FROM subscriptions WHERE list_id = $1 AND subscriber_id = $2";
    let state: Option<(i64,)> = tx.row(sql, args![&new.list, person]).await?;
    let state = state.and_then(|(code,)| SubscriptionState::from_code(code));
    let known = state == Some(SubscriptionState::Confirmed);
    if !known {
        // Who left comes back by confirming, never by being typed in: their Subscription stays as it is until then.
        let first = if opt_in == OptIn::Single { SubscriptionState::Confirmed } else { SubscriptionState::Pending };
        let sql = "INSERT INTO subscriptions (list_id, subscriber_id, state, source, changed_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (list_id, subscriber_id) DO NOTHING";
        tx.run(sql, args![&new.list, person, first.code(), new.source.as_str(), now]).await?;
        consent(tx, new, person).await?;
        if state.is_none() && opt_in == OptIn::Single {
            return Ok(Answer::Joined);
        }
    }
    let wanted = if known { Notice::Known } else { Notice::Confirm };
    let Some(issue) = notices.iter().find(|issue| issue.notice == wanted) else { return Ok(Answer::Silent) };
    if !may_bother(tx, &new.email.key(), patience, now).await? {
        return Ok(Answer::Silent);
    }
    Ok(Answer::Told(wanted, deliver(tx, issue, &new.list, person, now).await?))
}

/// The person with this address, made if need be.
async fn person(tx: &mut Tx, new: &SignUp, now: Timestamp) -> Result<SubscriberId> {
    let key = new.email.key();
    let found: Option<(i64,)> = tx.row("SELECT id FROM subscribers WHERE email_key = $1", args![key.as_str()]).await?;
    if let Some((id,)) = found {
        return Ok(SubscriberId(id));
    }
    let id = tx.numbers("subscriber", 1).await?;
    let sql =
        "INSERT INTO subscribers (id, email_key, email, name, attributes, language, created_at) VALUES ($1, $2, $3, $4, '{}', $5, $6)";
    tx.run(sql, args![id, key, new.email.as_str(), new.name.as_deref(), new.language.as_deref(), now]).await?;
    Ok(SubscriberId(id))
}

/// What they agreed to, as of now: a confirmation belongs to the last question.
async fn consent(tx: &mut Tx, new: &SignUp, person: SubscriberId) -> Result<()> {
    let sql = "INSERT INTO consents (subscriber_id, list_id, source, asked_at, asked_ip, wording) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (subscriber_id, list_id) DO UPDATE SET source = excluded.source, asked_at = excluded.asked_at, asked_ip = excluded.asked_ip,
             confirmed_at = NULL, confirmed_ip = NULL, wording = excluded.wording";
    let (source, wording) = (new.source.as_str(), new.wording.as_str());
    tx.run(sql, args![person, &new.list, source, new.asked_at, new.ip.as_deref(), wording]).await.map(|_| ())
}

/// Whether a stranger may make us write to this address once more; counts it.
pub(super) async fn may_bother(tx: &mut Tx, key: &str, patience: Patience, now: Timestamp) -> Result<bool> {
    let before: Option<(i64, i64)> = tx.row("SELECT times, last_at FROM bothered WHERE email_key = $1", args![key]).await?;
    if before.is_some_and(|(times, last)| times >= i64::from(patience.times_max) || last > now.0 - patience.pause) {
        return Ok(false);
    }
    let sql = "INSERT INTO bothered (email_key, times, last_at) VALUES ($1, 1, $2)
         ON CONFLICT (email_key) DO UPDATE SET times = bothered.times + 1, last_at = excluded.last_at";
    tx.run(sql, args![key, now]).await?;
    Ok(true)
}

/// A Delivery of the notice's Issue, which is made with the first and goes on being sent with every other.
pub(super) async fn deliver(tx: &mut Tx, notice: &NoticeIssue, list: &ListId, to: SubscriberId, now: Timestamp) -> Result<IssueId> {
    let issue = issue_of(tx, notice, now).await?;
    status(tx, issue).await?;
    let sql = "INSERT INTO deliveries (issue_id, subscriber_id, list_id, state, attempts, changed_at) VALUES ($1, $2, $3, 0, 0, $4)
         ON CONFLICT (issue_id, subscriber_id) DO NOTHING";
    let planned = tx.run(sql, args![issue, to, list, now]).await?;
    if planned > 0 {
        let sql = "UPDATE issues SET planned = planned + 1, finished_at = NULL,
             status = CASE WHEN status = 'done' THEN 'sending' ELSE status END WHERE id = $1";
        tx.run(sql, args![issue]).await?;
    }
    Ok(issue)
}

/// The number of the notice's Issue, made if need be.
async fn issue_of(tx: &mut Tx, notice: &NoticeIssue, now: Timestamp) -> Result<IssueId> {
    let known = "SELECT id FROM issues WHERE notice = $1";
    if let Some((id,)) = tx.row::<(i64,)>(known, args![notice.key.as_str()]).await? {
        return Ok(IssueId(id));
    }
    let id = IssueId(tx.numbers("notice", 1).await?);
    let frozen = serde_json::to_string(&notice.frozen).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let sql = "INSERT INTO issues (id, digest, number, subject, status, planned, created_at, frozen, notice)
         VALUES ($1, NULL, 1, $2, 'sending', 0, $3, $4, $5) ON CONFLICT (notice) DO NOTHING";
    tx.run(sql, args![id, notice.subject.as_str(), now, frozen, notice.key.as_str()]).await?;
    let (id,) = tx.row::<(i64,)>(known, args![notice.key.as_str()]).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(IssueId(id))
}
