//! Readers who chose: a rhythm, topics, a pause. Who gets which part of an Issue is decided by [`Edition`]; here is who they are. They are looked
//! up from the side of the few who chose, so that a List where nobody did costs nothing.

use super::audience::{SUPPRESSED, meant};
use super::issues::NewIssue;
use super::sql::{Tx, Value, args, in_list, pieces, value_rows};
use super::standing::{decided_list, each_once, rank};
use super::subscribers::parse_tags;
use super::{Result, Store, StoreError};
use crate::model::{Condition, Edition, IssueId, ListId, Rhythm, Share, SubscriptionState, Timestamp};

/// People who chose the same and stand at the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choosers {
    /// The List that decides about them.
    pub list: ListId,
    /// How often they want its mails.
    pub rhythm: Rhythm,
    /// The topics they want; all, when absent.
    pub topics: Option<Vec<String>>,
    /// How many of the earlier Issues they have not had.
    pub behind: usize,
    /// How many they are.
    pub people: u64,
}

impl Choosers {
    /// What they get.
    pub fn share(&self, edition: &Edition) -> Share {
        edition.share(&self.list, self.rhythm, self.topics.as_deref(), self.behind)
    }
}

/// Whom an Issue is for, before anybody chose.
pub(super) struct Asked<'a> {
    pub digest: Option<&'a str>,
    /// Each once.
    pub lists: &'a [ListId],
    pub only: Option<&'a Condition>,
    /// When the earlier Issues were made, the last first.
    pub earlier: &'a [Timestamp],
    pub now: Timestamp,
}

impl Store {
    /// Those on `lists` who chose and would get an Issue of `digest`, by what they chose.
    pub async fn choosers(
        &self,
        digest: &str,
        lists: &[ListId],
        only: Option<&Condition>,
        earlier: &[Timestamp],
        now: Timestamp,
    ) -> Result<Vec<Choosers>> {
        let asked = Asked { digest: Some(digest), lists: &each_once(lists), only, earlier, now };
        groups(&mut self.engine.read().await?, &asked).await
    }

    /// When the Issues of `digest` since an instant were made, the last first, without those that were called off.
    pub async fn made_since(&self, digest: &str, since: Timestamp) -> Result<Vec<Timestamp>> {
        let sql = "SELECT created_at FROM issues WHERE digest = $1 AND created_at > $2 AND status <> 'cancelled' ORDER BY created_at DESC";
        let rows: Vec<(i64,)> = self.engine.read().await?.rows(sql, args![digest, since]).await?;
        Ok(rows.into_iter().map(|(at,)| Timestamp(at)).collect())
    }

    /// The Articles those Issues carried, each with when its Issue was made.
    pub async fn carried_since(&self, digest: &str, since: Timestamp) -> Result<Vec<(String, Timestamp)>> {
        let sql = "SELECT a.article_id, i.created_at FROM issue_articles a JOIN issues i ON i.id = a.issue_id
             WHERE a.digest = $1 AND a.is_repeat = 0 AND i.created_at > $2 AND i.status <> 'cancelled' ORDER BY i.created_at DESC";
        let rows: Vec<(String, i64)> = self.engine.read().await?.rows(sql, args![digest, since]).await?;
        Ok(rows.into_iter().map(|(article, at)| (article, Timestamp(at))).collect())
    }

    /// When the turn of `digest` before `turn` was: its last Run, or its last Issue by hand.
    pub async fn turn_before(&self, digest: &str, turn: Timestamp) -> Result<Option<Timestamp>> {
        let sql = "SELECT MAX(at) FROM (
                 SELECT MAX(due_at) AS at FROM runs WHERE schedule = $1 AND due_at < $2
                 UNION ALL
                 SELECT MAX(created_at) AS at FROM issues WHERE digest = $1
                     AND id NOT IN (SELECT issue_id FROM runs WHERE schedule = $1 AND issue_id IS NOT NULL)
             ) AS t";
        let row: Option<(Option<i64>,)> = self.engine.read().await?.row(sql, args![digest, turn]).await?;
        Ok(row.and_then(|(at,)| at).map(Timestamp))
    }
}

/// Leaves those to the others who chose, and those who have paused; over `d`, with the instant in the placeholder `now`.
pub(super) fn left_out(lists: &[ListId], now: &str) -> String {
    format!(
        " AND NOT EXISTS (SELECT 1 FROM preferences p WHERE p.subscriber_id = d.subscriber_id AND p.list_id = {})
         AND subscriber_id NOT IN ({PAUSED} > {now})",
        decided_list(lists)
    )
}

/// The `id`s of those who have paused until after the instant that follows.
pub(super) const PAUSED: &str = "SELECT id FROM subscribers WHERE paused_until";

/// A query of `(subscriber_id, list_id, rhythm, topics, behind)` of those who chose and would get it. The Lists become the first of `args`.
pub(super) fn query(tx: &Tx, args: &mut Vec<Value>, asked: &Asked<'_>) -> String {
    let rank = rank(args, asked.lists);
    let lists = (1..=asked.lists.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    args.extend(args![asked.digest, asked.now, SubscriptionState::Confirmed.code()]);
    let [digest, now, confirmed] = std::array::from_fn(|n| format!("${}", args.len() - 2 + n));
    // Where somebody stands in the row of Issues: nothing from before they came, chose or paused.
    let stands = format!("{}(COALESCE(r.through, p.since), x.changed_at, COALESCE(s.paused_until, 0))", tx.greatest());
    let mut behind = String::new();
    for (n, made) in asked.earlier.iter().enumerate() {
        args.push((*made).into());
        behind.push_str(&format!(" WHEN {stands} >= ${} THEN {n}", args.len()));
    }
    let behind = if behind.is_empty() { "0".to_owned() } else { format!("CASE{behind} ELSE {} END", asked.earlier.len()) };
    let meant = asked.only.map(|only| format!(" AND p.subscriber_id IN ({})", meant(tx, args, only))).unwrap_or_default();
    format!(
        "SELECT p.subscriber_id, p.list_id, p.rhythm, p.topics, CAST({behind} AS BIGINT) AS behind FROM (
             SELECT c.*, (SELECT MIN({rank}) FROM subscriptions WHERE subscriber_id = c.subscriber_id AND list_id IN ({lists})) AS rank
             FROM preferences c WHERE c.list_id IN ({lists})
         ) AS p
         JOIN subscriptions x ON x.list_id = p.list_id AND x.subscriber_id = p.subscriber_id
         JOIN subscribers s ON s.id = p.subscriber_id
         LEFT JOIN readings r ON r.digest = {digest} AND r.subscriber_id = p.subscriber_id
         WHERE p.rank % 10 = {confirmed} AND p.list_id = {} AND (s.paused_until IS NULL OR s.paused_until <= {now})
             AND p.subscriber_id NOT IN ({SUPPRESSED}){meant}",
        decided_list(asked.lists)
    )
}

/// Those who chose, by what they chose.
pub(super) async fn groups(tx: &mut Tx, asked: &Asked<'_>) -> Result<Vec<Choosers>> {
    let mut args = Vec::new();
    let query = query(tx, &mut args, asked);
    let sql = format!("SELECT list_id, rhythm, topics, behind, COUNT(*) FROM ({query}) AS c GROUP BY list_id, rhythm, topics, behind");
    let rows: Vec<(String, i64, Option<String>, i64, i64)> = tx.rows(sql, args).await?;
    rows.into_iter().map(choosers).collect()
}

/// Reads a row of [`groups`].
pub(super) fn choosers((list, rhythm, topics, behind, people): (String, i64, Option<String>, i64, i64)) -> Result<Choosers> {
    Ok(Choosers {
        list: ListId::parse(&list).map_err(StoreError::Corrupt)?,
        rhythm: Rhythm::from_code(rhythm).ok_or_else(|| StoreError::Corrupt(format!("rhythm {rhythm}")))?,
        topics: topics.map(|topics| parse_tags(&topics).map(str::to_owned).collect()),
        behind: usize::try_from(behind).unwrap_or_default(),
        people: people.unsigned_abs(),
    })
}

/// One Delivery for each of those who chose and get something of a new Issue; how many. Whoever has had their turn stands at its end from now on.
pub(super) async fn expand(tx: &mut Tx, id: IssueId, new: &NewIssue, lists: &[ListId], now: Timestamp) -> Result<u64> {
    // An Issue nobody can choose from is for everybody alike.
    let edition = &new.edition;
    if edition.articles.is_empty() {
        return everybody(tx, id, new, lists, now).await;
    }
    let asked = Asked { digest: new.digest.as_deref(), lists, only: new.only.as_ref(), earlier: &edition.earlier, now };
    let groups = groups(tx, &asked).await?;
    let mut shares: Vec<(&Choosers, Option<String>)> = Vec::new();
    let mut had: Vec<i64> = Vec::new();
    for group in &groups {
        let share = group.share(edition);
        if share != Share::Later {
            had.push(group.rhythm.code());
        }
        match share {
            Share::Whole => shares.push((group, None)),
            Share::Part(part) => shares.push((group, Some(part))),
            Share::Nothing | Share::Later => {}
        }
    }
    let mut planned = 0;
    for shares in pieces(&shares, 16) {
        planned += give(tx, id, &asked, shares).await?;
    }
    if let (Some(digest), false) = (asked.digest, had.is_empty()) {
        note(tx, digest, &asked, &had).await?;
    }
    Ok(planned)
}

/// Deliveries of an Issue that has no parts, for those who chose.
async fn everybody(tx: &mut Tx, id: IssueId, new: &NewIssue, lists: &[ListId], now: Timestamp) -> Result<u64> {
    let asked = Asked { digest: None, lists, only: new.only.as_ref(), earlier: &[], now };
    let groups = groups(tx, &asked).await?;
    let shares: Vec<_> = groups.iter().map(|group| (group, None)).collect();
    let mut planned = 0;
    for shares in pieces(&shares, 16) {
        planned += give(tx, id, &asked, shares).await?;
    }
    Ok(planned)
}

async fn give(tx: &mut Tx, id: IssueId, asked: &Asked<'_>, shares: &[(&Choosers, Option<String>)]) -> Result<u64> {
    let mut args = Vec::new();
    let query = query(tx, &mut args, asked);
    args.extend(args![id, asked.now]);
    let (issue, now) = (args.len() - 1, args.len());
    let rows = value_rows(
        &mut args,
        shares.iter().map(|(group, part)| {
            let topics = group.topics.as_ref().map(|topics| super::subscribers::topics_text(topics));
            [(&group.list).into(), group.rhythm.code().into(), topics.into(), group.behind.into(), part.clone().into()]
        }),
    );
    let sql = format!(
        "WITH share (list_id, rhythm, topics, behind, part) AS (VALUES {rows})
         INSERT INTO deliveries (issue_id, subscriber_id, list_id, state, attempts, changed_at, part)
         SELECT ${issue}, c.subscriber_id, c.list_id, 0, 0, ${now}, share.part FROM ({query}) AS c
         JOIN share ON share.list_id = c.list_id AND share.rhythm = c.rhythm AND share.behind = c.behind
             AND COALESCE(share.topics, '*') = COALESCE(c.topics, '*') ORDER BY c.subscriber_id"
    );
    tx.run(sql, args).await
}

/// Keeps that those of these rhythms have had their turn.
async fn note(tx: &mut Tx, digest: &str, asked: &Asked<'_>, had: &[i64]) -> Result<()> {
    let mut args = Vec::new();
    let query = query(tx, &mut args, asked);
    args.extend(args![digest, asked.now]);
    let (digest, now) = (args.len() - 1, args.len());
    let rhythms = in_list(&mut args, had.iter().copied());
    let sql = format!(
        "INSERT INTO readings (digest, subscriber_id, through) SELECT ${digest}, subscriber_id, ${now} FROM ({query}) AS c WHERE rhythm IN ({rhythms})
         ON CONFLICT (digest, subscriber_id) DO UPDATE SET through = excluded.through"
    );
    tx.run(sql, args).await.map(|_| ())
}
