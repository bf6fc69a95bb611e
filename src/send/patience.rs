//! Patience with a ledger that fails.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::model::IssueId;
use crate::store::{Result, StoreError};

/// Pause between two tries of a step of the ledger that failed; a line is logged at the first and then once a minute.
const LEDGER_AGAIN: Duration = Duration::from_secs(1);
const LEDGER_LOG_EVERY: u32 = 60;
/// A stop waits so long for a ledger that cannot answer; then recovery judges what was on its way.
const LEDGER_DRAIN: Duration = Duration::from_secs(6);

/// A step of the ledger that failed is made again, the same, until the store can: nothing is sent meanwhile without its intent, and no result is dropped.
/// Once told to stop it waits no longer than [`LEDGER_DRAIN`].
pub async fn surely<'a, T>(issue: IssueId, stop: &CancellationToken, step: impl Fn() -> BoxFuture<'a, Result<T>>) -> Result<T> {
    let mut patience = std::pin::pin!(async {
        stop.cancelled().await;
        tokio::time::sleep(LEDGER_DRAIN).await;
    });
    let mut tries: u32 = 0;
    loop {
        let result = tokio::select! {
            biased;
            result = step() => result,
            () = &mut patience => return Err(StoreError::Refused("the store did not answer before the stop".to_owned())),
        };
        let Err(StoreError::Database(error)) = result else { return result };
        if tries.is_multiple_of(LEDGER_LOG_EVERY) {
            tracing::error!(issue = issue.0, tries, "the store failed, sending waits: {error}");
        }
        tries += 1;
        tokio::select! {
            () = tokio::time::sleep(LEDGER_AGAIN) => {}
            () = &mut patience => return Err(StoreError::Database(error)),
        }
    }
}
