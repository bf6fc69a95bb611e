//! Which stage runs when; role by role. Each loop does one step at a time, and stops between steps.

mod library;
mod notices;
mod past;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use library::{for_mail, keep_fetching, library};
pub use notices::{ask_move, keep_sign_ups, welcome};
pub use past::Past;

use crate::config::Config;
use crate::digest::{self, Press};
use crate::fetch::Fetch;
use crate::model::digest::Approval;
use crate::model::feed::Hub;
use crate::model::link::LinkKey;
use crate::model::{Clock, Digest, IssueId, Timestamp};
use crate::store::Store;
use crate::store::issues::{LocalHour, NewIssue};
use crate::store::runs::RunResult;
use crate::websub::{self, Topic};
use crate::{content, feed, schedule, send, subscribe};

/// How often the content folder is looked at for changes.
const CONTENT_LOOK: Duration = Duration::from_secs(2);
/// What could not be published is tried again after this.
const PUBLISH_AGAIN: Duration = Duration::from_secs(60);
/// How often Schedules are looked at: a Run starts at most this late.
const SCHEDULE_LOOK: Duration = Duration::from_millis(500);
/// How often is looked who has not been told of a change yet.
const HUB_LOOK: Duration = Duration::from_secs(5);

/// What a process does: `run --roles web,schedule,send`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Serves the site and the links in mails.
    Web,
    /// Fires due Runs.
    Schedule,
    /// Fetches Sources.
    Fetch,
    /// Delivers.
    Send,
    /// Reads bounces.
    Bounce,
}

impl Role {
    /// Every role, with its name on the command line.
    pub const ALL: [(&'static str, Self); 5] =
        [("web", Self::Web), ("schedule", Self::Schedule), ("fetch", Self::Fetch), ("send", Self::Send), ("bounce", Self::Bounce)];
}

/// The published site as it is now; replaced whole when content changes.
#[derive(Debug, Clone, Default)]
pub struct PublishedSite {
    site: watch::Sender<Arc<feed::Site>>,
    archive: Arc<RwLock<Arc<feed::Archive>>>,
}

/// Tells when the site is published anew.
pub type Changes = watch::Receiver<Arc<feed::Site>>;

impl PublishedSite {
    /// The site as it is now.
    pub fn get(&self) -> Arc<feed::Site> {
        self.site.borrow().clone()
    }

    /// What tells when it is published anew.
    pub fn changes(&self) -> Changes {
        self.site.subscribe()
    }

    /// What answers searches in the archive.
    pub fn archive(&self) -> Arc<feed::Archive> {
        self.archive.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it; nobody is told of a site that is the same.
    fn set(&self, site: feed::Site, archive: feed::Archive) {
        *self.archive.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(archive);
        self.site.send_if_modified(|current| {
            let changed = **current != site;
            if changed {
                *current = Arc::new(site);
            }
            changed
        });
    }
}

/// Keeps the Lists that name a CSV file in step with it: a file that has changed since it was last read is read again.
/// Gives a line of words for each that was.
pub async fn sync_subscribers(config: &Config, store: &Store, now: Timestamp) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    for list in &config.lists {
        let Some(file) = &list.subscribers else { continue };
        let key = format!("subscribers-file:{}", list.id);
        let seen = file_stamp(file).map_err(|error| anyhow::anyhow!("cannot read {} of list {}: {error}", file.display(), list.id))?;
        if store.meta(&key).await?.as_deref() == Some(seen.as_str()) {
            continue;
        }
        let report = subscribe::sync_file(store, file, &list.id, now).await?;
        store.set_meta(&key, &seen).await?;
        said.push(format!("{}: {} new, {} invalid of {} rows in {}", list.id, report.new, report.invalid, report.rows, file.display()));
    }
    Ok(said)
}

/// What tells that a file has changed: its name, size and time.
fn file_stamp(file: &Path) -> std::io::Result<String> {
    let meta = std::fs::metadata(file)?;
    let changed = meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(format!("{} {} {}", file.display(), meta.len(), changed.as_micros()))
}

/// What the loops of one process share.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Configuration.
    pub config: Arc<Config>,
    /// Clock.
    pub clock: Clock,
    /// Store.
    pub store: Store,
    /// Signs links.
    pub key: LinkKey,
    /// Template sources.
    pub templates: Arc<BTreeMap<String, String>>,
    /// What the web role serves.
    pub site: PublishedSite,
    /// Reaches other servers.
    pub fetch: Fetch,
    /// Nothing leaves this machine (`dev`): nobody sends from the ledger, and notices go to the local inbox at once.
    pub is_confined: bool,
}

impl Desk {
    /// A sender on this store and configuration.
    pub fn sender(&self) -> send::Sender {
        send::Sender::new(self.store.clone(), &self.config, self.key.clone(), self.clock.clone())
    }
}

/// Reads content, publishes it with the archive of the `past` in memory and, with `out`, on disk. Gives when the site becomes another by itself.
pub async fn publish_once(desk: &Desk, past: &Past, out: Option<&Path>) -> anyhow::Result<Option<Timestamp>> {
    let (config, now, out) = (desk.config.clone(), desk.clock.now(), out.map(Path::to_owned));
    let past = past.issues();
    let (library, faults) = library(&config, &desk.store).await?;
    for fault in &faults.0 {
        tracing::warn!(code = fault.code, "{fault}");
    }
    let next = library.next_change(now);
    let (site, archive, changed) = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let (site, archive) = feed::publish_with(&config, &library, &past, now)?;
        let changed = out.map(|out| feed::write(&site, &out)).transpose()?.unwrap_or_default();
        Ok((site, archive, changed))
    })
    .await??;
    if changed > 0 {
        tracing::info!(files = changed, "published");
    }
    desk.site.set(site, archive);
    Ok(next)
}

/// What the site is made of: a number that changes with the content folder, and one that changes with what was imported.
pub type Look = (u64, i64);

/// Looks at what the site is made of. To be done before it is read, so that a change meanwhile is seen by the next look.
pub async fn look(desk: &Desk) -> Look {
    let imported = if desk.config.sources.is_empty() { Ok(0) } else { desk.store.imported_stamp().await };
    (content::fingerprint(&desk.config), imported.unwrap_or_default())
}

/// Publishes again whenever the content folder, what was imported, or what was sent is not as it was at the `last` look, and at `next`: an Article becomes
/// visible at its date without anything changing.
pub async fn keep_published(
    desk: Desk,
    mut past: Past,
    out: Option<PathBuf>,
    mut last: Look,
    mut next: Option<Timestamp>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while !stopped_within(&stop, CONTENT_LOOK).await {
        let seen = look(&desk).await;
        let has_news = past.look(&desk).await;
        let now = desk.clock.now();
        if seen != last || has_news || next.is_some_and(|next| next <= now) {
            last = seen;
            next = publish_once(&desk, &past, out.as_deref()).await.unwrap_or_else(|error| {
                tracing::error!("not published: {error:#}");
                Some(now.plus(PUBLISH_AGAIN))
            });
        }
    }
    Ok(())
}

/// The feed documents that have a hub, by their addresses.
pub fn topics(config: &Config, site: &feed::Site) -> BTreeMap<String, Topic> {
    let own = Hub::Own.address(&config.site);
    let topic = |page: &feed::Page| -> Option<(String, Topic)> {
        let (about, feed::Body::Bytes(body)) = (page.feed.as_ref()?, &page.body) else { return None };
        let hub = about.hub.clone()?;
        let topic = Topic { url: about.url.clone(), is_ours: hub == own, hub, content_type: page.content_type, body: body.clone() };
        Some((about.url.clone(), topic))
    };
    site.values().filter_map(topic).collect()
}

/// Tells hubs, and the subscribers of our own, what has changed; at once when the site is published anew, and again when somebody could
/// not be reached.
pub async fn keep_hubs(desk: Desk, stop: CancellationToken) -> anyhow::Result<()> {
    let mut changes = desk.site.changes();
    loop {
        let site = changes.borrow_and_update().clone();
        let topics = topics(&desk.config, &site);
        let mut noted = false;
        loop {
            // Whoever is being told when we are stopped is told again by the next process: its claim runs out.
            let told = tokio::select! {
                told = tell_hubs(&desk, &topics, &mut noted) => told,
                () = stop.cancelled() => return Ok(()),
            };
            if let Err(error) = told {
                tracing::warn!("hubs were not told of changes: {error}");
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = changes.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Ok(()),
                },
                () = tokio::time::sleep(HUB_LOOK), if !topics.is_empty() => {}
            }
        }
    }
}

/// Notes, once, what has changed, and tells whoever is to be told by now.
async fn tell_hubs(desk: &Desk, topics: &BTreeMap<String, Topic>, noted: &mut bool) -> crate::store::Result<()> {
    if topics.is_empty() {
        return Ok(());
    }
    if !*noted {
        websub::note(&desk.store, topics.values(), desk.clock.now()).await?;
        *noted = true;
    }
    websub::tell(&desk.store, &desk.fetch, topics, &desk.clock).await
}

/// Fires due Runs until told to stop; Runs that a crash left open come first.
pub async fn keep_schedules(desk: Desk, stop: CancellationToken) -> anyhow::Result<()> {
    let mut look_for_unfinished = true;
    loop {
        for digest in &desk.config.digests {
            if look_for_unfinished && let Err(error) = finish_abandoned(&desk, digest).await {
                tracing::error!(digest = digest.id, "a run that was left open was not done: {error:#}");
            }
            if let Err(error) = fire_due(&desk, digest).await {
                tracing::error!(digest = digest.id, "the schedule was not kept: {error:#}");
            }
        }
        // Where there are other workers, one of them may die at any time.
        look_for_unfinished = desk.store.is_shared();
        if stopped_within(&stop, SCHEDULE_LOOK).await {
            return Ok(());
        }
    }
}

/// Does the Runs of `digest` that a crash left open.
async fn finish_abandoned(desk: &Desk, digest: &Digest) -> anyhow::Result<()> {
    for run in schedule::unfinished(&desk.store, &digest.id, digest.missed, desk.clock.now()).await? {
        finish(desk, digest, run).await?;
    }
    Ok(())
}

/// Delivers until told to stop; then drains.
pub async fn keep_sending(desk: Desk, stop: CancellationToken) -> anyhow::Result<()> {
    let mut told = false;
    let lock = loop {
        match desk.store.sender_lock() {
            Ok(lock) => break lock,
            Err(crate::store::StoreError::Busy) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!("another process sends from this store; waiting for it");
                }
                if stopped_within(&stop, Duration::from_secs(2)).await {
                    return Ok(());
                }
            }
            Err(error) => return Err(error.into()),
        }
    };
    let recovered = desk.store.recover(lock.is_alone(), desk.config.send.on_unknown, desk.clock.now()).await?;
    if recovered.requeued + recovered.unknown > 0 {
        tracing::warn!(requeued = recovered.requeued, unknown = recovered.unknown, "taken over from a process that died");
    }
    let result = desk.sender().run(stop).await;
    drop(lock);
    Ok(result?)
}

/// Does the Run of `digest` that is due now, if there is one and nobody else has it.
pub async fn fire_due(desk: &Desk, digest: &Digest) -> anyhow::Result<Option<RunResult>> {
    let Some(schedule) = &digest.schedule else { return Ok(None) };
    match schedule::due(&desk.store, &digest.id, schedule, digest.missed, desk.clock.now()).await? {
        Some(run) => finish(desk, digest, run).await.map(Some),
        None => Ok(None),
    }
}

/// Makes the Issue of a claimed Run and records how the Run ended. A Run that a crash left open is done again: an Article is
/// never twice in a Digest, so nothing is mailed double.
async fn finish(desk: &Desk, digest: &Digest, run: schedule::DueRun) -> anyhow::Result<RunResult> {
    let now = desk.clock.now();
    let before_copy = desk.store.restored_at().await?.is_some_and(|at| run.first <= at);
    let result = freeze_digest(desk, digest, &run, hold_reason(digest, run.held, before_copy), now).await?;
    match &result {
        RunResult::Issue(id) => tracing::info!(digest = digest.id, due = run.due.rfc3339(), issue = id.0, "due: issue made"),
        RunResult::Nothing(reason) => tracing::info!(digest = digest.id, due = run.due.rfc3339(), "due: no issue: {reason}"),
    }
    desk.store.finish_run(&digest.id, run.due, &result, now).await?;
    Ok(result)
}

/// Why an Issue made by a Schedule waits for a person, if it does.
fn hold_reason(digest: &Digest, held: bool, before_copy: bool) -> Option<String> {
    if before_copy {
        Some(
            "it was due before this store was put back from a copy, so it may have gone out already; look, then resume or cancel it"
                .to_owned(),
        )
    } else if held {
        Some("its time passed while nothing ran; send it with `postrider issues resume`".to_owned())
    } else if digest.approval == Approval::Required {
        Some("waits for approval; send it with `postrider issues resume`".to_owned())
    } else {
        None
    }
}

/// Freezes the next Issue of a Digest and keeps it, or says why there is none.
async fn freeze_digest(
    desk: &Desk,
    digest: &Digest,
    run: &schedule::DueRun,
    hold: Option<String>,
    now: Timestamp,
) -> anyhow::Result<RunResult> {
    let (library, faults) = library(&desk.config, &desk.store).await?;
    if faults.errors() > 0 {
        tracing::warn!(errors = faults.errors(), "some articles cannot be read; the issue is made from the others");
    }
    let mut planned = match digest::plan(&desk.config, &desk.store, digest, &library, run.due, now).await? {
        Ok(planned) => planned,
        Err(reason) => return Ok(RunResult::Nothing(reason)),
    };
    for_mail(&mut planned);
    let number = desk.store.next_number(Some(&digest.id)).await?;
    let (press_desk, recipe) = (desk.clone(), digest.clone());
    let draft = tokio::task::spawn_blocking(move || {
        Press { config: &press_desk.config, templates: &press_desk.templates, now }.digest(&recipe, &planned, number)
    })
    .await??;
    let local = digest.local.map(|zone| LocalHour { first: run.due, zone });
    let new = NewIssue { hold, local, ..draft.new };
    if !new.edition.is_for_all() && desk.store.audience(&new, now).await?.recipients == 0 {
        return Ok(RunResult::Nothing("no new article since the last issue".to_owned()));
    }
    let id: IssueId = desk.store.create_issue(&new, now).await?;
    Ok(RunResult::Issue(id))
}

/// Waits for `time`; true when told to stop meanwhile.
async fn stopped_within(stop: &CancellationToken, time: Duration) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_ok()
}
