//! Whose turn it is: Sources whose time has come, several hosts at once, and each host one thing at a time, whoever else asks.

use std::collections::{HashMap, VecDeque};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Importer, Told, patience};
use crate::model::Timestamp;
use crate::store::Result;
use crate::store::hosts::{Claim, Leases, Lent};
use crate::store::imported::Taken;
use crate::store::sources::{Asked, SourceRow};

/// Hosts that are asked at once.
const HOSTS_MAX: usize = 16;
/// Hosts that are taken and wait for others to end, so that one commit takes several; no more, because another process might ask them meanwhile.
const WAITING_MAX: usize = 8;
/// What a worker that died was asking is asked again after half an hour, because what kills us should do so seldom. Its host is there for others sooner; of
/// whoever lives, two renewals in a row may fail before it is.
const LEASES: Leases = Leases { source: Duration::from_secs(30 * 60), host: Duration::from_secs(30) };
/// How often is looked whether something is due. Sources are asked once a minute at most.
const LOOK: Duration = Duration::from_secs(1);
/// Whoever asks by hand waits so long for a host that somebody else asks.
const PATIENCE: Duration = Duration::from_secs(60);
/// And looks so often whether it is free.
const AGAIN: Duration = Duration::from_millis(250);

impl Importer {
    /// Asks until told to stop. What is on its way is finished first: it takes half a minute at most.
    pub async fn run(&self, stop: CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            if let Err(error) = self.ask_due(&stop).await {
                tracing::error!("sources were not asked: {error}");
            }
            drop(tokio::time::timeout(LOOK, stop.cancelled()).await);
        }
        Ok(())
    }

    /// Asks all Sources that are due now. How many were.
    pub async fn ask_due(&self, stop: &CancellationToken) -> Result<usize> {
        self.put_right().await?;
        let (mut running, mut asked, mut result) = (JoinSet::new(), 0, Ok(()));
        let places = Arc::new(Semaphore::new(HOSTS_MAX));
        loop {
            if running.len() <= HOSTS_MAX && !stop.is_cancelled() && result.is_ok() {
                match self.claim(HOSTS_MAX + WAITING_MAX - running.len()).await {
                    Ok(due) => due.into_iter().for_each(|lent| {
                        running.spawn(self.clone().ask_in_turn(lent, places.clone(), stop.clone()));
                    }),
                    Err(error) => result = Err(error),
                }
            }
            // Meanwhile others may come due, or be let go by another process.
            let Ok(ended) = tokio::time::timeout(LOOK, running.join_next()).await else { continue };
            let Some(ended) = ended else { break };
            asked += 1;
            // The host of one that panicked is free when its lease ends.
            result = result.and(ended.unwrap_or(Ok(())));
        }
        result.map(|()| asked)
    }

    /// Asks a Source as soon as there is a place.
    async fn ask_in_turn(self, lent: Lent, places: Arc<Semaphore>, stop: CancellationToken) -> Result<()> {
        let Some(_place) = self.while_held(&lent, places.acquire()).await else { return Ok(()) };
        if stop.is_cancelled() {
            return self.store.give_back(slice::from_ref(&lent), Some(self.clock.now())).await;
        }
        self.ask(&lent).await.map(|_| ())
    }

    /// Does something while the host is ours; it ends there and then, and nothing comes of it, when the host may be somebody else's.
    ///
    /// Only the host that a Source is asked at is ours. A redirect leads where it leads: `fetch` has it wait for whatever this process asks there, and to claim
    /// a host of the store in mid-request would let two processes wait for each other.
    pub(super) async fn while_held<T>(&self, lent: &Lent, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.until_lost(lent) => {
                tracing::warn!(source = lent.source.id, "not asked: this process was held up, and another one may be asking its host by now");
                None
            }
        }
    }

    /// Renews the lease of a host at a third of its length, until somebody else has it, or may have.
    async fn until_lost(&self, lent: &Lent) {
        let mut until = self.clock.now().plus(LEASES.host);
        loop {
            tokio::time::sleep(LEASES.host / 3).await;
            let now = self.clock.now();
            // A database that does not answer us may answer others.
            match tokio::time::timeout(until.since(now), self.store.renew_host(lent, LEASES.host, now)).await {
                Ok(Ok(true)) => until = now.plus(LEASES.host),
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(error)) => tracing::warn!("the lease of a host was not renewed: {error}"),
            }
        }
    }

    /// Asks these now, due or not: several hosts at once, and each host one thing at a time. What came of each is told as it comes, and nothing of one that
    /// somebody else took meanwhile; when nobody listens any more, no other is asked.
    pub fn ask_these(&self, rows: Vec<SourceRow>) -> mpsc::Receiver<Result<Told>> {
        let mut by_host: Vec<Vec<String>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in rows {
            let place = *places.entry(row.addresses().host()).or_insert(by_host.len());
            if place == by_host.len() {
                by_host.push(Vec::new());
            }
            by_host[place].push(row.id);
        }
        let (tell, told) = mpsc::channel(1);
        let (hosts, importer) = (Arc::new(Mutex::new(VecDeque::from(by_host))), self.clone());
        tokio::spawn(async move {
            if let Err(error) = importer.put_right().await {
                drop(tell.send(Err(error)).await);
                return;
            }
            for _ in 0..HOSTS_MAX {
                tokio::spawn(importer.clone().ask_hosts(hosts.clone(), tell.clone()));
            }
        });
        told
    }

    /// Asks one host after the other.
    async fn ask_hosts(self, hosts: Arc<Mutex<VecDeque<Vec<String>>>>, tell: mpsc::Sender<Result<Told>>) {
        let next = || hosts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while let Some(ids) = next() {
            let mut is_busy = false;
            for id in ids {
                if tell.is_closed() {
                    return;
                }
                // Who waited for a host once does not wait for it again.
                let patience = if is_busy { Duration::ZERO } else { PATIENCE };
                let told = self.ask_now(&id, patience, &tell).await;
                if let Some(told) = told.transpose() {
                    is_busy = told.as_ref().is_ok_and(|told| told.is_put_off);
                    drop(tell.send(told).await);
                }
            }
        }
    }

    /// Takes one Source and asks it now, due or not. While somebody else asks its host, it waits, and is the next to have it.
    async fn ask_now(&self, id: &str, patience: Duration, tell: &mpsc::Sender<Result<Told>>) -> Result<Option<Told>> {
        let until = self.clock.now().plus(patience);
        loop {
            let now = self.clock.now();
            match self.store.claim_source(id, LEASES, now).await? {
                None => return Ok(None),
                Some(Claim::Busy(_)) if tell.is_closed() => return Ok(None),
                Some(Claim::Lent(lent)) => return self.ask(&lent).await,
                Some(Claim::Busy(row)) if now >= until => return Ok(Some(put_off(&row))),
                Some(Claim::Busy(_)) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// What would wait longer than any Source may was put off by a clock that was wrong, and is due, and its host is free.
    async fn put_right(&self) -> Result<()> {
        let now = self.clock.now();
        let latest = now.plus(patience::wait_max());
        match self.store.last_source_at().await? {
            Some(last) if last > latest => self.store.put_right(latest, now).await,
            _ => Ok(()),
        }
    }

    /// Takes what is due. A look writes nothing when there is nothing: most find nothing.
    async fn claim(&self, most: usize) -> Result<Vec<Lent>> {
        let most = u32::try_from(most).unwrap_or(1);
        loop {
            let now = self.clock.now();
            if self.store.next_source_at().await?.is_none_or(|at| at > now) {
                return Ok(Vec::new());
            }
            let due = self.store.claim_sources(most, LEASES, now).await?;
            let (ours, others): (Vec<Lent>, Vec<Lent>) = due.into_iter().partition(|lent| self.sources.contains_key(&lent.source.id));
            if !others.is_empty() {
                // No longer configured, or not yet in this process.
                self.store.give_back(&others, None).await?;
            }
            if !ours.is_empty() || others.is_empty() {
                return Ok(ours);
            }
        }
    }
}

/// What is told of a Source that was not asked.
fn put_off(row: &SourceRow) -> Told {
    let (url, said) = (row.url.clone(), "another process is asking its site, one thing after the other; try again in a minute".to_owned());
    let asked = Asked { url, said, failed: true, ..Asked::default() };
    let (source, next_at) = (row.id.clone(), Timestamp(row.next_at));
    Told { source, asked, taken: Taken::default(), is_baseline: false, next_at, is_put_off: true }
}
