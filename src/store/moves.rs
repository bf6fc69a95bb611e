//! A reader's new address: asked for on the page of preferences, and theirs once it is confirmed from there.

use super::person::forget;
use super::sign_ups::{NoticeIssue, Patience, deliver, may_bother};
use super::sql::{Tx, args};
use super::suppressions::suppressed;
use super::{Result, Store};
use crate::model::{EmailAddress, ListId, SubscriberId, SubscriptionState, Timestamp};

/// Somebody asks to be mailed elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    /// Who asks.
    pub from: SubscriberId,
    /// The new address.
    pub to: &'a EmailAddress,
    /// As a member of this List they are written to.
    pub list: &'a ListId,
}

/// What the button in the mail to the new address did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// They are mailed there, this person from now on; true when it was so already.
    Done(SubscriberId, bool),
    /// Nobody asked, or too long ago, or the one who asked is gone.
    Expired,
}

impl Store {
    /// Writes to the new address, with `confirm`, and to the old one, with `tell`; nothing moves yet. To which Issues, or none: an address that is suppressed,
    /// or was written to often enough, hears nothing.
    pub async fn ask_move(
        &self,
        wanted: Move<'_>,
        (confirm, tell): (&NoticeIssue, &NoticeIssue),
        patience: Patience,
        now: Timestamp,
    ) -> Result<Vec<crate::model::IssueId>> {
        let mut tx = self.engine.write().await?;
        tx.row::<(i64,)>(format!("SELECT next FROM counters WHERE name = 'subscriber'{}", tx.locked()), args![]).await?;
        let key = wanted.to.key();
        let own: Option<(i64,)> =
            tx.row("SELECT id FROM subscribers WHERE id = $1 AND email_key <> $2", args![wanted.from, key.as_str()]).await?;
        if own.is_none()
            || !suppressed(&mut tx, std::slice::from_ref(&key)).await?.is_empty()
            || !may_bother(&mut tx, &key, patience, now).await?
        {
            return Ok(Vec::new());
        }
        let to = candidate(&mut tx, wanted, now).await?;
        let issues =
            vec![deliver(&mut tx, confirm, wanted.list, to, now).await?, deliver(&mut tx, tell, wanted.list, wanted.from, now).await?];
        tx.commit().await?;
        Ok(issues)
    }

    /// Whose new address the person `to` stands for, asked for since then.
    pub async fn move_to(&self, to: SubscriberId, since: Timestamp) -> Result<Option<SubscriberId>> {
        let sql = "SELECT m.from_id FROM moves m JOIN subscribers s ON s.id = m.from_id WHERE m.subscriber_id = $1 AND m.asked_at >= $2";
        let row: Option<(i64,)> = self.engine.read().await?.row(sql, args![to, since]).await?;
        Ok(row.map(|(id,)| SubscriberId(id)))
    }

    /// Moves whoever asked since then to the address of `to`, who has confirmed it. Somebody new gives the address and is gone, so that every link the one
    /// who asked ever got stays theirs; somebody who was here already gets the Subscriptions, and the other one has none any more.
    pub async fn confirm_move(&self, to: SubscriberId, since: Timestamp, now: Timestamp) -> Result<Moved> {
        let mut tx = self.engine.write().await?;
        tx.row::<(i64,)>(format!("SELECT next FROM counters WHERE name = 'subscriber'{}", tx.locked()), args![]).await?;
        let sql = "SELECT m.from_id, m.is_new, s.email_key, s.email FROM moves m JOIN subscribers f ON f.id = m.from_id
             LEFT JOIN subscribers s ON s.id = m.subscriber_id WHERE m.subscriber_id = $1 AND m.asked_at >= $2";
        type Row = (i64, i64, Option<String>, Option<String>);
        let Some((from, is_new, key, email)) = tx.row::<Row>(sql, args![to, since]).await? else { return Ok(Moved::Expired) };
        let from = SubscriberId(from);
        let (Some(key), Some(email)) = (key, email) else { return Ok(Moved::Done(from, true)) };
        let moved = if is_new == 1 && !is_member(&mut tx, to).await? {
            forget(&mut tx, to, now).await?;
            let sql = "UPDATE subscribers SET email_key = $2, email = $3, changed_at = $4 WHERE id = $1";
            tx.run(sql, args![from, key.as_str(), email, now]).await?;
            keep(&mut tx, to, from, true, now).await?;
            Moved::Done(from, false)
        } else {
            Moved::Done(to, !hand_over(&mut tx, from, to, now).await?)
        };
        tx.run("DELETE FROM bothered WHERE email_key = $1", args![key]).await?;
        tx.commit().await?;
        Ok(moved)
    }
}

/// The person of the new address, made if need be, who asks to be confirmed.
async fn candidate(tx: &mut Tx, wanted: Move<'_>, now: Timestamp) -> Result<SubscriberId> {
    let key = wanted.to.key();
    let sql = "SELECT s.id, COALESCE(m.is_new, 0) FROM subscribers s LEFT JOIN moves m ON m.subscriber_id = s.id WHERE s.email_key = $1";
    let found: Option<(i64, i64)> = tx.row(sql, args![key.as_str()]).await?;
    let (to, is_new) = match found {
        Some((id, is_new)) => (SubscriberId(id), is_new == 1),
        None => {
            let id = SubscriberId(tx.numbers("subscriber", 1).await?);
            let sql = "INSERT INTO subscribers (id, email_key, email, name, attributes, language, timezone, created_at)
                 SELECT $1, $2, $3, name, '{}', language, timezone, $4 FROM subscribers WHERE id = $5";
            tx.run(sql, args![id, key.as_str(), wanted.to.as_str(), now, wanted.from]).await?;
            (id, true)
        }
    };
    keep(tx, to, wanted.from, is_new, now).await?;
    let sql = "INSERT INTO subscriptions (list_id, subscriber_id, state, source, changed_at) VALUES ($1, $2, $3, 'moved', $4)
         ON CONFLICT (list_id, subscriber_id) DO NOTHING";
    tx.run(sql, args![wanted.list, to, SubscriptionState::Pending.code(), now]).await?;
    Ok(to)
}

async fn keep(tx: &mut Tx, to: SubscriberId, from: SubscriberId, is_new: bool, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO moves (subscriber_id, from_id, is_new, asked_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (subscriber_id) DO UPDATE SET from_id = excluded.from_id, is_new = excluded.is_new, asked_at = excluded.asked_at";
    tx.run(sql, args![to, from, is_new, now]).await.map(|_| ())
}

/// Whether a person is, or was, on a List.
async fn is_member(tx: &mut Tx, id: SubscriberId) -> Result<bool> {
    let sql = "SELECT subscriber_id FROM subscriptions WHERE subscriber_id = $1 AND state <> $2";
    Ok(tx.row::<(i64,)>(sql, args![id, SubscriptionState::Pending.code()]).await?.is_some())
}

/// Gives one person's confirmed Subscriptions, with what they chose, to another; false when there was nothing to give.
async fn hand_over(tx: &mut Tx, from: SubscriberId, to: SubscriberId, now: Timestamp) -> Result<bool> {
    let (confirmed, left) = (SubscriptionState::Confirmed.code(), SubscriptionState::Unsubscribed.code());
    let sql = "INSERT INTO preferences (list_id, subscriber_id, rhythm, topics, since)
         SELECT list_id, $2, rhythm, topics, since FROM preferences WHERE subscriber_id = $1
         ON CONFLICT (list_id, subscriber_id) DO NOTHING";
    tx.run(sql, args![from, to]).await?;
    let sql = "INSERT INTO readings (digest, subscriber_id, through) SELECT digest, $2, through FROM readings WHERE subscriber_id = $1
         ON CONFLICT (digest, subscriber_id) DO NOTHING";
    tx.run(sql, args![from, to]).await?;
    let sql = "INSERT INTO consents (subscriber_id, list_id, source, asked_at, asked_ip, confirmed_at, confirmed_ip, wording)
         SELECT $2, list_id, source, asked_at, asked_ip, $3, confirmed_ip, wording FROM consents WHERE subscriber_id = $1
         ON CONFLICT (subscriber_id, list_id) DO NOTHING";
    tx.run(sql, args![from, to, now]).await?;
    let sql = "INSERT INTO subscriptions (list_id, subscriber_id, state, source, changed_at)
         SELECT list_id, $2, $3, 'moved', $4 FROM subscriptions WHERE subscriber_id = $1 AND state = $3
         ON CONFLICT (list_id, subscriber_id) DO UPDATE SET state = excluded.state, source = excluded.source, changed_at = excluded.changed_at
         WHERE subscriptions.state <> excluded.state";
    tx.run(sql, args![from, to, confirmed, now]).await?;
    let sql = "UPDATE subscriptions SET state = $2, source = 'moved', changed_at = $3 WHERE subscriber_id = $1 AND state = $4";
    let gone = tx.run(sql, args![from, left, now, confirmed]).await?;
    tx.run("UPDATE subscribers SET changed_at = $3 WHERE id IN ($1, $2)", args![from, to, now]).await?;
    Ok(gone > 0)
}
