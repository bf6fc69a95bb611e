//! Hosts: of each, one Source at a time is asked, whoever asks. Whoever takes a Source takes its host with it.
//!
//! On PostgreSQL rows are locked in one order: a Source, then its host. Whoever may come to lock several hosts (an answer may move a Source to another one)
//! stands in line for that before anything else, behind the number of imported entries, which an answer needs anyway: so no two of them wait for each other.
//! Who looks for hosts that are free has no Source yet, and so waits for nobody: what another transaction holds is passed over.
//!
//! Leases of hosts are measured on the store's clock, because those of several machines differ; when a Source is due is said by whoever asked it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::leases::micros;
use super::sources::{COLUMNS, SourceRow};
use super::sql::{Tx, args, in_list, pieces, value_rows};
use super::{Result, Store};
use crate::model::Timestamp;
use crate::model::source::Addresses;

/// How long a host is left to whoever waits for it by hand; they say again and again that they wait.
const WANTED: Duration = Duration::from_secs(2);
/// Rows in one INSERT.
const INSERT_ROWS: usize = 256;
/// When the first Source of a row of `hosts` is due.
const FIRST_AT: &str = "(SELECT MIN(sources.next_at) FROM sources WHERE sources.host = hosts.host AND sources.state = 'active')";
/// What [`Placed`] is read from.
pub(super) const PLACED: &str = "id, url, found, moved_to, moved_times, failures, host, next_at";

/// For how long something is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leases {
    /// The Source: when its worker dies, it is not asked again before. It is not renewed.
    pub source: Duration,
    /// Its host, which others wait for: short, and renewed while it is asked.
    pub host: Duration,
}

/// A Source that was taken, and its host with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lent {
    /// The Source. The time until its lease ends is the proof of whoever has it.
    pub source: SourceRow,
    host: String,
    epoch: i64,
}

/// What came of wanting one Source.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is taken.
    Lent(Box<Lent>),
    /// Its host is being asked by somebody else, and left to us next if we ask again soon.
    Busy(Box<SourceRow>),
}

/// Where a Source stands and when it is due.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Placed {
    pub id: String,
    pub url: String,
    found: Option<String>,
    moved_to: Option<String>,
    moved_times: i64,
    failures: i64,
    host: Option<String>,
    pub next_at: i64,
}

impl Placed {
    fn host(&self) -> String {
        let (found, moved_to) = (self.found.as_deref(), self.moved_to.as_deref());
        Addresses { url: &self.url, found, moved_to, moved_times: self.moved_times, failures: self.failures }.host()
    }
}

impl Store {
    /// Takes up to `limit` Sources whose time has come, each of another host that nobody asks: the hosts that have waited longest, and of each the Source that
    /// has. One whose worker dies is given again when its lease ends, and not at a restart.
    pub async fn claim_sources(&self, limit: u32, leases: Leases, now: Timestamp) -> Result<Vec<Lent>> {
        loop {
            let (lent, is_all) = self.claim_sources_once(limit, leases, now).await?;
            if is_all || !lent.is_empty() {
                return Ok(lent);
            }
        }
    }

    /// One transaction of that; and whether there was no other host to look at.
    async fn claim_sources_once(&self, limit: u32, leases: Leases, now: Timestamp) -> Result<(Vec<Lent>, bool)> {
        let mut tx = self.engine.write().await?;
        let sql = format!(
            "SELECT host, epoch FROM hosts WHERE next_at <= $1 AND until <= {clock} AND wanted <= {clock} ORDER BY next_at LIMIT $2{}",
            tx.claimed(),
            clock = tx.clock("$1")
        );
        let free: Vec<(String, i64)> = tx.rows(sql, args![now, limit]).await?;
        if free.is_empty() {
            return Ok((Vec::new(), true));
        }
        let mut args = args![now];
        let list = in_list(&mut args, free.iter().map(|(host, _)| host.as_str()));
        let sql = format!(
            "SELECT {COLUMNS} FROM sources WHERE state = 'active' AND next_at <= $1 AND id IN (
                 SELECT (SELECT f.id FROM sources f WHERE f.host = hosts.host AND f.state = 'active' ORDER BY f.next_at LIMIT 1)
                 FROM hosts WHERE hosts.host IN ({list})){}",
            tx.claimed()
        );
        let due: Vec<SourceRow> = tx.rows(sql, args).await?;
        let mut first: HashMap<String, SourceRow> = due.into_iter().filter_map(|source| Some((source.host.clone()?, source))).collect();
        let (mut lent, mut idle) = (Vec::new(), Vec::new());
        for (host, epoch) in free {
            match first.remove(&host) {
                Some(source) => lent.push(Lent { source, host, epoch: epoch + 1 }),
                None => idle.push(host),
            }
        }
        lend(&mut tx, &mut lent, leases, now).await?;
        if !idle.is_empty() {
            // Of these, what was due was paused since. However many there are, they do not stand before others for ever.
            let mut args = args![];
            let list = in_list(&mut args, idle);
            tx.run(format!("UPDATE hosts SET next_at = {FIRST_AT} WHERE host IN ({list})"), args).await?;
        }
        tx.commit().await?;
        Ok((lent, false))
    }

    /// Takes one Source, due or not, unless its host is being asked; nothing when there is none.
    pub async fn claim_source(&self, id: &str, leases: Leases, now: Timestamp) -> Result<Option<Claim>> {
        let mut tx = self.engine.write().await?;
        let row: Option<SourceRow> = tx.row(format!("SELECT {COLUMNS} FROM sources WHERE id = $1{}", tx.locked()), args![id]).await?;
        let Some(source) = row else { return Ok(None) };
        let host = source.host.clone().unwrap_or_default();
        let clock = tx.clock("$2");
        let sql = format!("SELECT CASE WHEN until > {clock} THEN 1 ELSE 0 END, epoch FROM hosts WHERE host = $1{}", tx.locked());
        let row: Option<(i32, i64)> = tx.row(sql, args![host.as_str(), now]).await?;
        let Some((is_busy, epoch)) = row else { return Ok(None) };
        let claim = if is_busy == 1 {
            tx.run(format!("UPDATE hosts SET wanted = {clock} + $3 WHERE host = $1"), args![host.as_str(), now, micros(WANTED)]).await?;
            Claim::Busy(Box::new(source))
        } else {
            let mut lent = [Lent { source, host, epoch: epoch + 1 }];
            lend(&mut tx, &mut lent, leases, now).await?;
            let [lent] = lent;
            Claim::Lent(Box::new(lent))
        };
        tx.commit().await?;
        Ok(Some(claim))
    }

    /// Keeps a host for so long from now; false when somebody else has taken it since.
    pub async fn renew_host(&self, lent: &Lent, lease: Duration, now: Timestamp) -> Result<bool> {
        let mut tx = self.engine.write().await?;
        let clock = tx.clock("$3");
        let sql = format!("UPDATE hosts SET until = {clock} + $4, next_at = {clock} + $4 WHERE host = $1 AND epoch = $2");
        let renewed = tx.run(sql, args![lent.host.as_str(), lent.epoch, now, micros(lease)]).await?;
        tx.commit().await?;
        Ok(renewed > 0)
    }

    /// Gives back what was taken and not asked: the hosts are free, and the Sources due at `next_at`, or, without it, when their leases end.
    pub async fn give_back(&self, all: &[Lent], next_at: Option<Timestamp>) -> Result<()> {
        let mut tx = self.engine.write().await?;
        in_line(&mut tx).await?;
        for lent in all {
            if lock(&mut tx, lent).await?
                && let Some(next_at) = next_at
            {
                tx.run("UPDATE sources SET next_at = $2 WHERE id = $1", args![lent.source.id.as_str(), next_at]).await?;
            }
            release(&mut tx, lent).await?;
        }
        tx.commit().await
    }
}

/// Writes down that these are taken. Their hosts are locked, and so are they.
async fn lend(tx: &mut Tx, all: &mut [Lent], leases: Leases, now: Timestamp) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    // The microsecond that is added tells it from a lease that began at the same moment.
    let until = now.plus(leases.source).0;
    let until = if all.iter().any(|lent| lent.source.next_at == until) { until + 1 } else { until };
    let mut args = args![until];
    let list = in_list(&mut args, all.iter().map(|lent| lent.source.id.as_str()));
    tx.run(format!("UPDATE sources SET next_at = $1 WHERE id IN ({list})"), args).await?;
    let clock = tx.clock("$1");
    let mut args = args![now, micros(leases.host)];
    let list = in_list(&mut args, all.iter().map(|lent| lent.host.as_str()));
    let sql =
        format!("UPDATE hosts SET until = {clock} + $2, next_at = {clock} + $2, epoch = epoch + 1, wanted = 0 WHERE host IN ({list})");
    tx.run(sql, args).await?;
    for lent in all {
        lent.source.next_at = until;
    }
    Ok(())
}

/// Waits for all others who may lock several hosts, before anything is locked. On SQLite whoever writes is alone.
pub(super) async fn in_line(tx: &mut Tx) -> Result<()> {
    let sql = format!("SELECT next FROM counters WHERE name = 'imported'{}", tx.locked());
    tx.row::<(i64,)>(sql, args![]).await.map(|_| ())
}

/// Whether a Source is still lent to whoever has this. Nobody changes it or its host before the transaction ends, so that what is found out then about when
/// the host is due holds.
pub(super) async fn lock(tx: &mut Tx, lent: &Lent) -> Result<bool> {
    let sql = format!("SELECT sources.next_at FROM sources JOIN hosts ON hosts.host = $2 WHERE sources.id = $1{}", tx.locked());
    let until: Option<(i64,)> = tx.row(sql, args![lent.source.id.as_str(), lent.host.as_str()]).await?;
    Ok(until == Some((lent.source.next_at,)))
}

/// Lets others ask the host, which was locked; not when somebody else has taken it since.
pub(super) async fn release(tx: &mut Tx, lent: &Lent) -> Result<()> {
    let sql = format!("UPDATE hosts SET until = 0, next_at = {FIRST_AT} WHERE host = $1 AND epoch = $2");
    tx.run(sql, args![lent.host.as_str(), lent.epoch]).await.map(|_| ())
}

/// Keeps the hosts of Sources that have come to stand elsewhere: the one place where a Source gets its host. Of all it is seen to that their hosts are looked
/// at when they are due, as far as `are_new` or they stand elsewhere.
pub(super) async fn place(tx: &mut Tx, all: &[Placed], are_new: bool) -> Result<()> {
    // In one order for everybody, so that no two wait for each other.
    let mut due: BTreeMap<String, i64> = BTreeMap::new();
    for placed in all {
        let host = placed.host();
        let has_moved = placed.host.as_ref() != Some(&host);
        if has_moved {
            tx.run("UPDATE sources SET host = $2 WHERE id = $1", args![placed.id.as_str(), host.as_str()]).await?;
        }
        if has_moved || are_new {
            let at = due.entry(host).or_insert(placed.next_at);
            *at = placed.next_at.min(*at);
        }
    }
    let due: Vec<(String, i64)> = due.into_iter().collect();
    for piece in pieces(&due, INSERT_ROWS) {
        let mut args = Vec::with_capacity(piece.len() * 5);
        let rows = value_rows(
            &mut args,
            piece.iter().map(|(host, at)| [host.as_str().into(), (*at).into(), 0_i64.into(), 0_i64.into(), 0_i64.into()]),
        );
        let sql = format!(
            "INSERT INTO hosts (host, next_at, until, epoch, wanted) VALUES {rows} ON CONFLICT (host) DO UPDATE
             SET next_at = CASE WHEN hosts.next_at <= excluded.next_at THEN hosts.next_at ELSE excluded.next_at END"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}

/// Those of `all` whose host is not written down as it is.
pub(super) fn misplaced(all: Vec<Placed>) -> Vec<Placed> {
    all.into_iter().filter(|placed| placed.host.as_ref() != Some(&placed.host())).collect()
}
