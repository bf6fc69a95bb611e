//! The rights of a person: everything we hold of them, and forgetting it.

use super::sql::args;
use super::subscribers::Person;
use super::suppressions::{Suppression, veil};
use super::{Result, Store, StoreError};
use crate::model::{DeliveryState, EmailAddress, IssueId, ListId, SubscriberId, Timestamp};

/// Everything that is held of one person.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Dossier {
    /// The address that was asked about.
    pub email: EmailAddress,
    /// The person with Subscriptions, tags and consents.
    pub person: Option<Person>,
    /// What was sent to them, or not, oldest first.
    pub deliveries: Vec<DeliveryRow>,
    /// That they must not be mailed.
    pub suppression: Option<Suppression>,
}

/// One Delivery with the Issue it was of.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DeliveryRow {
    /// Number of the Issue.
    pub issue: IssueId,
    /// Its subject, without a reader.
    pub subject: String,
    /// Its Digest, if of one.
    pub digest: Option<String>,
    /// As a member of this List.
    pub list: ListId,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// Since when it is as it is.
    pub changed_at: Timestamp,
    /// What the other side said last, or why it was left out.
    pub reply: Option<String>,
}

/// What erasing found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// There was such a person.
    pub person: bool,
    /// So many Deliveries stay, without a name.
    pub deliveries: u64,
}

type DeliveryColumns = (i64, String, Option<String>, String, i64, i64, i64, Option<String>);

impl Store {
    /// Everything that is held of the person with this address; nothing when nothing is.
    pub async fn dossier(&self, email: &EmailAddress) -> Result<Option<Dossier>> {
        let person = self.person(email).await?;
        let suppression = self.suppression(email).await?;
        let Some(person) = person else {
            return Ok(suppression.map(|suppression| Dossier {
                email: email.clone(),
                person: None,
                deliveries: Vec::new(),
                suppression: Some(suppression),
            }));
        };
        // By way of the Issues, because a person's Deliveries are found by the key (issue, subscriber) alone.
        let sql = "SELECT i.id, i.subject, i.digest, d.list_id, d.state, d.attempts, d.changed_at, d.reply FROM issues i
             JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = $1 ORDER BY i.id";
        let rows: Vec<DeliveryColumns> = self.engine.read().await?.rows(sql, args![person.subscriber.id]).await?;
        let deliveries = rows.into_iter().map(delivery).collect::<Result<_>>()?;
        Ok(Some(Dossier { email: email.clone(), person: Some(person), deliveries, suppression }))
    }

    /// Forgets the person with this address, and every suppression by address; a hash stays, so that no import, form or hand brings them back
    /// (see [`Store::unsuppress`]). The ledger keeps its counts.
    pub async fn erase(&self, email: &EmailAddress, now: Timestamp) -> Result<Erased> {
        let key = self.link_key().await?;
        let mut tx = self.engine.write().await?;
        // Where several processes write, an import of the same person waits here, and then finds the hash.
        let sql = format!("SELECT next FROM counters WHERE name = 'subscriber'{}", tx.locked());
        tx.row::<(i64,)>(sql, args![]).await?;
        let found: Option<(i64,)> = tx.row("SELECT id FROM subscribers WHERE email_key = $1", args![email.key()]).await?;
        veil(&mut tx, &key, &email.key(), now).await?;
        for table in ["sign_ups", "bothered"] {
            tx.run(format!("DELETE FROM {table} WHERE email_key = $1"), args![email.key()]).await?;
        }
        let mut erased = Erased { person: found.is_some(), deliveries: 0 };
        if let Some((id,)) = found {
            forget(&mut tx, SubscriberId(id), now).await?;
            let sql = "SELECT COUNT(*) FROM issues i JOIN deliveries d ON d.issue_id = i.id AND d.subscriber_id = $1";
            let row: Option<(i64,)> = tx.row(sql, args![id]).await?;
            erased.deliveries = row.map_or(0, |(n,)| n.unsigned_abs());
        }
        tx.commit().await?;
        Ok(erased)
    }

    /// Removes a person and all that is known of them; true when there was one. Nothing keeps them from coming back: [`Store::erase`] does.
    pub async fn erase_subscriber(&self, id: SubscriberId, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let erased = forget(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(erased)
    }
}

/// Removes a person. The ledger keeps their number without a name, and what waited for them is skipped.
pub(super) async fn forget(tx: &mut super::sql::Tx, id: SubscriberId, now: Timestamp) -> Result<bool> {
    tx.run("DELETE FROM moves WHERE from_id = $1", args![id]).await?;
    for table in ["subscriptions", "consents", "import_moves", "preferences", "readings", "moves"] {
        tx.run(format!("DELETE FROM {table} WHERE subscriber_id = $1"), args![id]).await?;
    }
    let erased = tx.run("DELETE FROM subscribers WHERE id = $1", args![id]).await?;
    // A reply may quote the address.
    let sql = "UPDATE deliveries SET reply = NULL WHERE issue_id IN (SELECT id FROM issues) AND subscriber_id = $1 AND reply IS NOT NULL";
    tx.run(sql, args![id]).await?;
    let sql = "UPDATE deliveries SET state = 7, next_at = NULL, changed_at = $2, reply = 'erased'
         WHERE issue_id IN (SELECT id FROM issues) AND subscriber_id = $1 AND state IN (0, 4)";
    tx.run(sql, args![id, now]).await?;
    Ok(erased > 0)
}

fn delivery((issue, subject, digest, list, state, attempts, changed_at, reply): DeliveryColumns) -> Result<DeliveryRow> {
    Ok(DeliveryRow {
        issue: IssueId(issue),
        subject,
        digest,
        list: ListId::parse(&list).map_err(StoreError::Corrupt)?,
        state: DeliveryState::from_code(state).ok_or_else(|| StoreError::Corrupt(format!("delivery state {state}")))?,
        attempts,
        changed_at: Timestamp(changed_at),
        reply,
    })
}
