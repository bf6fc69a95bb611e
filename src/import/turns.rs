//! Whose turn it is: Sources whose time has come, several at once, and of each host one after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::overview::asked_at;
use super::{Importer, Told, patience};
use crate::store::Result;
use crate::store::sources::SourceRow;

/// Hosts that are asked at once.
const HOSTS_MAX: usize = 16;
/// Sources that are taken from the store and not asked yet, for a host that is busy.
const TAKEN_MAX: usize = 64;
/// Whoever takes a Source has so long to ask it: all that are taken may belong to one slow host.
pub(super) const LEASE: Duration = Duration::from_secs(TAKEN_MAX as u64 * 30);
/// How often is looked whether something is due. Sources are asked once a minute at most.
const LOOK: Duration = Duration::from_secs(1);

/// The Sources of hosts at work: the queue of each, without the one that is asked.
type Busy = HashMap<String, VecDeque<SourceRow>>;

impl Importer {
    /// Asks until told to stop. What is on its way is finished first: it takes half a minute at most.
    pub async fn run(&self, stop: CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            let asked = match self.is_due().await {
                Ok(true) => self.ask_due(&stop).await.map(|_| ()),
                looked => looked.map(|_| ()),
            };
            if let Err(error) = asked {
                tracing::error!("sources were not asked: {error}");
            }
            drop(tokio::time::timeout(LOOK, stop.cancelled()).await);
        }
        Ok(())
    }

    /// Asks all Sources that are due now. How many were.
    pub async fn ask_due(&self, stop: &CancellationToken) -> Result<usize> {
        let (mut busy, mut running, mut asked): (Busy, JoinSet<(String, Result<()>)>, usize) = Default::default();
        let (mut taken, mut result): (VecDeque<SourceRow>, _) = (VecDeque::new(), Ok(()));
        loop {
            while running.len() < HOSTS_MAX && !stop.is_cancelled() && result.is_ok() {
                if let Some(row) = taken.pop_front() {
                    self.start(row, &mut busy, &mut running);
                    continue;
                }
                let waiting = busy.values().map(VecDeque::len).sum::<usize>();
                let free = TAKEN_MAX.saturating_sub(waiting + running.len()).min(HOSTS_MAX);
                if free == 0 {
                    break;
                }
                match self.claim(u32::try_from(free).unwrap_or(1)).await {
                    Ok(due) if due.is_empty() => break,
                    Ok(due) => taken.extend(due),
                    Err(error) => result = Err(error),
                }
            }
            let Some(done) = running.join_next().await else { break };
            asked += 1;
            let Ok((host, kept)) = done else { continue };
            result = result.and(kept);
            let next = busy.get_mut(&host).and_then(VecDeque::pop_front);
            match next {
                Some(row) if !stop.is_cancelled() => self.spawn(host, row, &mut running),
                // What was taken and is not asked any more is given again when its lease ends, or by the next process.
                _ => drop(busy.remove(&host)),
            }
        }
        result.map(|()| asked)
    }

    /// Asks these now, due or not: several hosts at once, and each host one thing at a time. What came of each is told as it comes, and nothing of one that
    /// somebody else took meanwhile; when nobody listens any more, no other is asked.
    pub fn ask_these(&self, rows: Vec<SourceRow>) -> mpsc::Receiver<Result<Told>> {
        let mut by_host: Vec<(String, Vec<String>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in rows {
            let host = host(&row);
            let place = *places.entry(host.clone()).or_insert(by_host.len());
            if place == by_host.len() {
                by_host.push((host, Vec::new()));
            }
            by_host[place].1.push(row.id);
        }
        let (tell, told) = mpsc::channel(1);
        let hosts = Arc::new(Mutex::new(by_host.into_iter().map(|(_, ids)| ids).collect::<VecDeque<_>>()));
        for _ in 0..HOSTS_MAX {
            tokio::spawn(self.clone().ask_hosts(hosts.clone(), tell.clone()));
        }
        told
    }

    /// Asks one host after the other.
    async fn ask_hosts(self, hosts: Arc<Mutex<VecDeque<Vec<String>>>>, tell: mpsc::Sender<Result<Told>>) {
        let next = || hosts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while let Some(ids) = next() {
            for id in ids {
                if tell.is_closed() {
                    return;
                }
                if let Some(told) = self.ask_now(&id).await.transpose() {
                    drop(tell.send(told).await);
                }
            }
        }
    }

    /// A look that writes nothing: most find nothing to do.
    async fn is_due(&self) -> Result<bool> {
        let now = self.clock.now();
        let put_off = now.plus(self.wait_max());
        let (next, last) = (self.store.next_source_at().await?, self.store.last_source_at().await?);
        Ok(next.is_some_and(|at| at <= now) || last.is_some_and(|at| at > put_off))
    }

    async fn claim(&self, limit: u32) -> Result<Vec<SourceRow>> {
        let due = self.store.claim_sources(limit, LEASE, self.wait_max(), self.clock.now()).await?;
        Ok(due.into_iter().filter(|row| self.sources.contains_key(&row.id)).collect())
    }

    /// No Source waits longer, unless a clock was wrong.
    fn wait_max(&self) -> Duration {
        patience::wait_max(self.sources.values().map(|source| source.every).max().unwrap_or_default())
    }

    fn start(&self, row: SourceRow, busy: &mut Busy, running: &mut JoinSet<(String, Result<()>)>) {
        let host = host(&row);
        match busy.get_mut(&host) {
            Some(queue) => queue.push_back(row),
            None => {
                busy.insert(host.clone(), VecDeque::new());
                self.spawn(host, row, running);
            }
        }
    }

    fn spawn(&self, host: String, row: SourceRow, running: &mut JoinSet<(String, Result<()>)>) {
        let importer = self.clone();
        running.spawn(async move {
            let kept = importer.ask(&row).await.map(|_| ());
            (host, kept)
        });
    }
}

/// The host a Source is asked at.
fn host(row: &SourceRow) -> String {
    Url::parse(asked_at(row)).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
