//! What answers people who ask something of the pages: sign-ups are looked at, and everybody is told by a notice.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Desk, stopped_within};
use crate::digest::Press;
use crate::model::issue::FrozenArticle;
use crate::model::list::Welcome;
use crate::model::{EmailAddress, IssueId, ListId, Notice, Subscriber, Timestamp};
use crate::store::moves::Move;
use crate::store::sign_ups::{Answer, NoticeIssue};
use crate::subscribe::join::PATIENCE;
use crate::template;

/// How often sign-ups are looked at: whoever signs up waits for a mail.
const SIGN_UP_LOOK: Duration = Duration::from_millis(250);
/// So many are looked at in one go.
const SIGN_UPS_MAX: u32 = 100;
/// Addresses that are written to for strangers in an hour; whoever asks later is answered later. A flood makes us wait, and nobody's inbox full.
const BOTHERED_MAX: u64 = 1_000;

/// Looks at sign-ups until told to stop: makes people pending and tells them.
pub async fn keep_sign_ups(desk: Desk, stop: CancellationToken) -> anyhow::Result<()> {
    let mut patient = false;
    loop {
        match settle_sign_ups(&desk).await {
            Ok(held) if held != patient => {
                patient = held;
                if held {
                    tracing::warn!("more than {BOTHERED_MAX} addresses were typed into forms within an hour; the others wait");
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!("sign-ups wait: {error:#}"),
        }
        if stopped_within(&stop, SIGN_UP_LOOK).await {
            return Ok(());
        }
    }
}

/// One look; whether some have to wait because there are too many.
async fn settle_sign_ups(desk: &Desk) -> anyhow::Result<bool> {
    let waiting = desk.store.sign_ups(SIGN_UPS_MAX).await?;
    if waiting.is_empty() {
        return Ok(false);
    }
    let now = desk.clock.now();
    let hour_ago = Timestamp::from_secs(now.secs() - 3_600);
    let mut left = BOTHERED_MAX.saturating_sub(desk.store.bothered_since(hour_ago).await?);
    let mut notices: BTreeMap<(ListId, Option<String>), [NoticeIssue; 2]> = BTreeMap::new();
    for sign_up in waiting {
        if left == 0 {
            return Ok(true);
        }
        left -= 1;
        let Some(list) = desk.config.list(&sign_up.list) else {
            desk.store.drop_sign_up(&sign_up).await?;
            continue;
        };
        let which = (list.id.clone(), language(desk, sign_up.language.as_deref()));
        if !notices.contains_key(&which) {
            let make = |what: Notice| notice(desk, what, &list.id, which.1.clone(), &[], now);
            notices.insert(which.clone(), [make(Notice::Confirm)?, make(Notice::Known)?]);
        }
        let answer = desk.store.settle_sign_up(&sign_up, list.opt_in, &notices[&which], PATIENCE, now).await?;
        match answer {
            Some(Answer::Told(_, issue)) => catch(desk, issue).await?,
            Some(Answer::Joined) => {
                if let Some(person) = desk.store.person(&sign_up.email).await? {
                    welcome(desk, &list.id, &person.subscriber).await?;
                }
            }
            Some(Answer::Silent) | None => {}
        }
    }
    Ok(false)
}

/// Welcomes somebody to a List that welcomes; with what its last Issue brought, unless they had that.
pub async fn welcome(desk: &Desk, list: &ListId, to: &Subscriber) -> anyhow::Result<()> {
    let how = desk.config.list(list).map_or(Welcome::No, |list| list.welcome);
    if how == Welcome::No {
        return Ok(());
    }
    let last = if how == Welcome::LastIssue { desk.store.last_issue(list).await? } else { None };
    let articles = match last {
        Some((issue, frozen)) if !desk.store.has_had(issue, list, to.id).await? => told(frozen.share(None).into_owned().articles),
        _ => Vec::new(),
    };
    let now = desk.clock.now();
    let notice = notice(desk, Notice::Welcome, list, language(desk, to.language.as_deref()), &articles, now)?;
    let issue = desk.store.tell(&notice, list, to.id, now).await?;
    catch(desk, issue).await
}

/// Articles a welcome tells of; more would be an Issue of its own.
const WELCOME_ARTICLES_MAX: usize = 10;

/// What a welcome tells of Articles: what a list of them shows, not what they say.
fn told(articles: Vec<FrozenArticle>) -> Vec<FrozenArticle> {
    let short = |article: FrozenArticle| FrozenArticle { html: String::new(), text: String::new(), ..article };
    articles.into_iter().take(WELCOME_ARTICLES_MAX).map(short).collect()
}

/// Writes to a new address of somebody's, and to the old one. Nothing moves before the new one has said yes.
pub async fn ask_move(desk: &Desk, list: &ListId, from: &Subscriber, to: &EmailAddress) -> anyhow::Result<()> {
    let Some(list) = desk.config.list(list).map(|list| list.id.clone()) else { return Ok(()) };
    let now = desk.clock.now();
    let make = |what: Notice| notice(desk, what, &list, language(desk, from.language.as_deref()), &[], now);
    let notices = (make(Notice::Move)?, make(Notice::Moving)?);
    let wanted = Move { from: from.id, to, list: &list };
    for issue in desk.store.ask_move(wanted, (&notices.0, &notices.1), PATIENCE, now).await? {
        catch(desk, issue).await?;
    }
    Ok(())
}

/// Where nothing leaves this machine, a notice is delivered to the local inbox now; else whoever sends from the ledger delivers it.
async fn catch(desk: &Desk, notice: IssueId) -> anyhow::Result<()> {
    if desk.is_confined {
        desk.store.sendable_issues(desk.clock.now()).await?;
        desk.sender().run_issue(notice, &CancellationToken::new()).await?;
    }
    Ok(())
}

/// The language to speak to somebody who wants `wanted`, when it is another than the site's and there are texts in it.
fn language(desk: &Desk, wanted: Option<&str>) -> Option<String> {
    let languages = template::languages(&desk.templates);
    let known = template::pick(&languages, wanted?)?;
    (template::pick(&languages, &desk.config.site.language) != Some(known)).then(|| known.to_owned())
}

/// A notice as the configuration and the templates make it today.
fn notice(
    desk: &Desk,
    notice: Notice,
    list: &ListId,
    language: Option<String>,
    articles: &[FrozenArticle],
    now: Timestamp,
) -> anyhow::Result<NoticeIssue> {
    let draft = Press { config: &desk.config, templates: &desk.templates, now }.notice(notice, list, language, articles)?;
    let frozen = draft.new.frozen;
    let content = desk.key.mac(&[b"notice", &serde_json::to_vec(&frozen)?]);
    let content: String = content.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let day = frozen.date.get(..10).unwrap_or_default().to_owned();
    Ok(NoticeIssue { notice, key: notice.key(list, &day, &content), subject: draft.new.subject, frozen })
}
