//! What becomes of an Issue, in numbers: counts, pace, and failures by recipient domain and by reason. Read from the ledger each time, through
//! indexes that make it cheap while an Issue of a million goes out.

use super::issues::missing;
use super::sql::{Tx, args};
use super::{Result, Store, StoreError};
use crate::model::{Counts, DeliveryState, FailureClass, IssueId, IssueStatus, Pace, Timestamp, pace};

/// Deliveries that ended, or wait, for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReasonGroup {
    /// Where they stand: deferred, failed, unknown or skipped.
    pub state: DeliveryState,
    /// Whose fault it is, if anybody's.
    pub class: Option<FailureClass>,
    /// The SMTP code, if any.
    pub code: Option<i64>,
    /// What was said most often.
    pub reply: Option<String>,
    /// How many.
    pub count: u64,
}

/// Deliveries to one recipient domain that did not go through, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DomainGroup {
    /// The domain, in lower case.
    pub domain: String,
    /// To be tried again.
    pub deferred: u64,
    /// Refused for good.
    pub failed: u64,
    /// Held: it is not known whether they arrived.
    pub unknown: u64,
}

/// What is open in the whole store at one moment, for monitoring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// How many Issues stand where.
    pub issues: Vec<(IssueStatus, u64)>,
    /// The Deliveries of all Issues that are not over, together.
    pub counts: Counts,
    /// How many of them a worker could claim now.
    pub due: u64,
}

/// Each count by an index of its own: asked as one `GROUP BY state`, every row of the Issue would be read.
const COUNTS: &str = "SELECT 0, COUNT(*) FROM deliveries WHERE issue_id = $1 AND state = 0
     UNION ALL SELECT 3, COUNT(*) FROM deliveries WHERE issue_id = $1 AND state = 3
     UNION ALL SELECT 4, COUNT(*) FROM deliveries WHERE issue_id = $1 AND state = 4
     UNION ALL SELECT state, COUNT(*) FROM deliveries WHERE issue_id = $1 AND lease IS NOT NULL GROUP BY state
     UNION ALL SELECT state, COUNT(*) FROM deliveries WHERE issue_id = $1 AND state > 4 GROUP BY state";

/// The recipient's domain, in words both engines know: behind the last `@`, found by cutting off everything that is none from the end.
const DOMAIN: &str = "substr(s.email_key, length(rtrim(s.email_key, replace(s.email_key, '@', ''))) + 1)";

impl Store {
    /// How many of an Issue's Deliveries stand where. One consistent read.
    pub async fn counts(&self, id: IssueId) -> Result<Counts> {
        let mut tx = self.engine.read().await?;
        let planned: Option<(i64,)> = tx.row("SELECT planned FROM issues WHERE id = $1", args![id]).await?;
        let (planned,) = planned.ok_or_else(|| missing(id))?;
        let mut counts = Counts { planned: planned.unsigned_abs(), ..Counts::default() };
        add_states(&mut tx, id, &mut counts).await?;
        Ok(counts)
    }

    /// How fast an Issue goes now, by what was recorded as sent.
    pub async fn pace(&self, id: IssueId, now: Timestamp) -> Result<Pace> {
        let mut tx = self.engine.read().await?;
        let since = Timestamp(now.0.saturating_sub(i64::try_from(pace::NOW.as_micros()).unwrap_or(i64::MAX)));
        let sql = "SELECT COUNT(*), MIN(changed_at) FROM deliveries WHERE issue_id = $1 AND state = 3 AND changed_at > $2";
        let (sent, first) = tx.row::<(i64, Option<i64>)>(sql, args![id, since]).await?.unwrap_or_default();
        Ok(Pace::new(sent.unsigned_abs(), first.map(Timestamp), now))
    }

    /// When the first and the last of an Issue's deferred Deliveries are tried again.
    pub async fn next_tries(&self, id: IssueId) -> Result<Option<(Timestamp, Timestamp)>> {
        let mut tx = self.engine.read().await?;
        let sql = "SELECT MIN(next_at), MAX(next_at) FROM deliveries WHERE issue_id = $1 AND state = 4";
        let row = tx.row::<(Option<i64>, Option<i64>)>(sql, args![id]).await?.unwrap_or_default();
        Ok(row.0.zip(row.1).map(|(first, last)| (Timestamp(first), Timestamp(last))))
    }

    /// Why Deliveries of an Issue did not go through, or not yet, or were left out: the largest groups first, at most `limit`.
    pub async fn reasons(&self, id: IssueId, limit: u32) -> Result<Vec<ReasonGroup>> {
        let mut tx = self.engine.read().await?;
        let mut groups = Vec::new();
        // Twice, because each state has its own index. What was left out is its own reason, so its groups are by text.
        for open in ["state = 4", "state > 4 AND state < 8"] {
            let sql = format!(
                "SELECT state, class, code, reply, total FROM (
                     SELECT state, class, code, reply, CAST(SUM(COUNT(*)) OVER (PARTITION BY kind, state, class, code) AS BIGINT) AS total,
                         ROW_NUMBER() OVER (PARTITION BY kind, state, class, code ORDER BY COUNT(*) DESC, reply) AS place
                     FROM (SELECT state, class, code, reply, CASE WHEN state = 7 THEN reply END AS kind FROM deliveries
                           WHERE issue_id = $1 AND {open}) AS troubled
                     GROUP BY kind, state, class, code, reply
                 ) AS said WHERE place = 1 ORDER BY total DESC, state, code, reply LIMIT $2"
            );
            type Columns = (i64, Option<String>, Option<i64>, Option<String>, i64);
            for (state, class, code, reply, count) in tx.rows::<Columns>(sql, args![id, limit]).await? {
                let class = class.as_deref().and_then(FailureClass::from_word);
                groups.push(ReasonGroup { state: state_of(state)?, class, code, reply, count: count.unsigned_abs() });
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups.truncate(limit as usize);
        Ok(groups)
    }

    /// The recipient domains with the most Deliveries of an Issue that did not go through, or not yet; at most `limit`.
    pub async fn domains(&self, id: IssueId, limit: u32) -> Result<Vec<DomainGroup>> {
        let mut tx = self.engine.read().await?;
        let part = |open: &str| {
            format!(
                "SELECT {DOMAIN} AS domain, d.state AS state, COUNT(*) AS n FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
                 WHERE d.issue_id = $1 AND {open} GROUP BY 1, 2"
            )
        };
        let sum = |state: u8| format!("CAST(SUM(CASE WHEN state = {state} THEN n ELSE 0 END) AS BIGINT)");
        let sql = format!(
            "SELECT domain, {}, {}, {} FROM ({} UNION ALL {}) AS troubled GROUP BY domain ORDER BY SUM(n) DESC, domain LIMIT $2",
            sum(4),
            sum(5),
            sum(6),
            part("d.state = 4"),
            part("d.state > 4 AND d.state < 7")
        );
        let rows = tx.rows::<(String, i64, i64, i64)>(sql, args![id, limit]).await?;
        let group = |(domain, deferred, failed, unknown): (String, i64, i64, i64)| DomainGroup {
            domain,
            deferred: deferred.unsigned_abs(),
            failed: failed.unsigned_abs(),
            unknown: unknown.unsigned_abs(),
        };
        Ok(rows.into_iter().map(group).collect())
    }

    /// What is open in the whole store, in one read.
    pub async fn open_work(&self, now: Timestamp) -> Result<Open> {
        let mut tx = self.engine.read().await?;
        let mut open = Open::default();
        for (word, n) in tx.rows::<(String, i64)>("SELECT status, COUNT(*) FROM issues GROUP BY status", args![]).await? {
            let status = IssueStatus::from_word(&word).ok_or_else(|| StoreError::Corrupt(format!("issue status {word:?}")))?;
            open.issues.push((status, n.unsigned_abs()));
        }
        let sql = "SELECT id, planned, status FROM issues WHERE finished_at IS NULL ORDER BY id";
        for (id, planned, status) in tx.rows::<(i64, i64, String)>(sql, args![]).await? {
            let (id, mut counts) = (IssueId(id), Counts { planned: planned.unsigned_abs(), ..Counts::default() });
            add_states(&mut tx, id, &mut counts).await?;
            if status == IssueStatus::Sending.word() {
                let sql = "SELECT COUNT(*) FROM deliveries WHERE issue_id = $1 AND state = 4 AND next_at <= $2";
                let (deferred,) = tx.row::<(i64,)>(sql, args![id, now]).await?.unwrap_or_default();
                open.due += counts.queued + deferred.unsigned_abs();
            }
            open.counts = open.counts.plus(counts);
        }
        Ok(open)
    }
}

/// Counts the Deliveries of an Issue by state.
async fn add_states(tx: &mut Tx, id: IssueId, counts: &mut Counts) -> Result<()> {
    for (code, n) in tx.rows::<(i64, i64)>(COUNTS, args![id]).await? {
        counts.add(state_of(code)?, n.unsigned_abs());
    }
    Ok(())
}

fn state_of(code: i64) -> Result<DeliveryState> {
    DeliveryState::from_code(code).ok_or_else(|| StoreError::Corrupt(format!("delivery state {code}")))
}
