//! Paces: time and allowances that are given out once, so that neither a restart nor a second worker goes faster than what is allowed.

use std::time::Duration;

use super::sql::args;
use super::{Result, Store};
use crate::model::Timestamp;

/// Nobody asks further ahead than one slice beside the one in use, so time is given out at most so many slices ahead (by 32 workers), and as much as
/// their clocks may differ. What is kept beyond it comes from a clock that was wrong, and would stop everybody until then.
const SLICES_AHEAD_MAX: i64 = 64;
const CLOCKS_APART_MAX: Duration = Duration::from_secs(60);
/// Time given out that passed so long ago means nothing any more.
const OLD: Duration = Duration::from_secs(60);

/// A slice of time somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Of which pace.
    pub pace: String,
    /// How long.
    pub length: Duration,
}

impl Store {
    /// Gives out slices of time, each once: where each begins, now or when what was given out before is over.
    pub async fn reserve_slices(&self, slices: &[Slice], now: Timestamp) -> Result<Vec<Timestamp>> {
        let mut tx = self.engine.write().await?;
        let old = Timestamp(now.0 - i64::try_from(OLD.as_micros()).unwrap_or(0));
        tx.run("DELETE FROM paces WHERE until_at < $1", args![old]).await?;
        let mut begin = Vec::with_capacity(slices.len());
        for slice in slices {
            let length = i64::try_from(slice.length.as_micros()).unwrap_or(i64::MAX / 128);
            let far = now.plus(CLOCKS_APART_MAX).0.saturating_add(length.saturating_mul(SLICES_AHEAD_MAX));
            let sql = "INSERT INTO paces (pace, until_at) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
                 ON CONFLICT (pace) DO UPDATE SET until_at = CAST($3 AS BIGINT) +
                     CASE WHEN paces.until_at < $2 OR paces.until_at > $4 THEN CAST($2 AS BIGINT) ELSE paces.until_at END
                 RETURNING until_at";
            let row: Option<(i64,)> = tx.row(sql, args![slice.pace.as_str(), now, length, far]).await?;
            let (until,) = row.ok_or(sqlx::Error::RowNotFound)?;
            begin.push(Timestamp(until - length));
        }
        tx.commit().await?;
        Ok(begin)
    }

    /// Gives out up to `wanted` of the `most` messages that `relay` may send on `day` (days since 1970). Nothing is left when it gives none.
    pub async fn reserve_messages(&self, relay: &str, day: i64, wanted: u64, most: u64) -> Result<u64> {
        let small = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut tx = self.engine.write().await?;
        let sql = "INSERT INTO allowances (relay, day, taken) VALUES ($1, $2, 0) ON CONFLICT (relay, day) DO NOTHING";
        tx.run(sql, args![relay, day]).await?;
        // All that is wanted, or one: whoever looks first and takes then would take too much beside another worker.
        for given in [wanted, 1] {
            let sql = "UPDATE allowances SET taken = taken + $3 WHERE relay = $1 AND day = $2 AND taken <= $4";
            if given <= most && tx.run(sql, args![relay, day, small(given), small(most - given)]).await? > 0 {
                tx.commit().await?;
                return Ok(given);
            }
        }
        Ok(0)
    }
}
