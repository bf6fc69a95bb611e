//! What a Digest remembers of its Issues: the Articles and pages it carried, where it began, and what it told was corrected. None of it is
//! forgotten, so that nothing goes out twice in years.

use std::collections::{HashMap, HashSet};

use super::issues::NewIssue;
use super::sql::{CHUNK, CHUNK_IN_ORDER, Tx, Value, args, in_list, pieces, value_rows};
use super::{Result, Store, StoreError};
use crate::model::{IssueId, Timestamp};

/// What an Issue adds to the memory of its Digest, beside the Articles it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Where the Digest began, when this is its first Issue.
    pub beginning: Option<Beginning>,
    /// The pages it carries, as keys, each with the Source whose Article it is.
    pub pages: Vec<(String, String)>,
    /// Articles that are never carried, because their page was.
    pub repeats: Vec<String>,
    /// Articles it tells were corrected, each with when.
    pub corrections: Vec<(String, Timestamp)>,
}

/// What is older was there before a Digest's first Issue and is never mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// Of all Articles, by their date.
    pub own: Timestamp,
    /// Of those of Sources, by when they came: what came later is no archive, however old it is.
    pub imported: Timestamp,
}

impl Store {
    /// Which of `articles` are over for `digest`: they were in an Issue, or their page was.
    pub async fn already_in(&self, digest: &str, articles: &[String]) -> Result<HashSet<String>> {
        let mut tx = self.engine.read().await?;
        let mut known = HashSet::new();
        for articles in articles.chunks(CHUNK_IN_ORDER) {
            let mut args = args![digest];
            let ids = in_list(&mut args, articles.iter().map(String::as_str));
            let sql = format!("SELECT article_id FROM issue_articles WHERE digest = $1 AND article_id IN ({ids})");
            known.extend(tx.rows::<(String,)>(sql, args).await?.into_iter().map(|(id,)| id));
        }
        Ok(known)
    }

    /// Which of `pages` were in an Issue of `digest`, each with the Source whose Article it was.
    pub async fn pages_in(&self, digest: &str, pages: &[String]) -> Result<HashMap<String, String>> {
        let mut tx = self.engine.read().await?;
        let mut known = HashMap::new();
        for pages in pages.chunks(CHUNK_IN_ORDER) {
            let mut args = args![digest];
            let list = in_list(&mut args, pages.iter().map(String::as_str));
            let sql = format!("SELECT page, source_id FROM issue_pages WHERE digest = $1 AND page IN ({list})");
            known.extend(tx.rows::<(String, String)>(sql, args).await?);
        }
        Ok(known)
    }

    /// Where `digest` began, once it has.
    pub async fn beginning(&self, digest: &str) -> Result<Option<Beginning>> {
        let sql = "SELECT own_from, imported_from FROM beginnings WHERE digest = $1";
        let row: Option<(i64, i64)> = self.engine.read().await?.row(sql, args![digest]).await?;
        Ok(row.map(|(own, imported)| Beginning { own: Timestamp(own), imported: Timestamp(imported) }))
    }

    /// Since when readers of `digest` have known each of `articles`: when an Issue carried it, or the last correction of it they were told.
    /// Those that none carried are missing, and those of Issues that were called off.
    pub async fn known_since(&self, digest: &str, articles: &[String]) -> Result<HashMap<String, Timestamp>> {
        let mut tx = self.engine.read().await?;
        let mut known = HashMap::new();
        for articles in articles.chunks(CHUNK_IN_ORDER) {
            let mut args = args![digest];
            let ids = in_list(&mut args, articles.iter().map(String::as_str));
            let sql = format!(
                "SELECT a.article_id, i.created_at,
                     (SELECT MAX(c.corrected_at) FROM issue_corrections c WHERE c.digest = a.digest AND c.article_id = a.article_id)
                 FROM issue_articles a JOIN issues i ON i.id = a.issue_id
                 WHERE a.digest = $1 AND a.is_repeat = 0 AND i.status <> 'cancelled' AND a.article_id IN ({ids})"
            );
            let rows: Vec<(String, i64, Option<i64>)> = tx.rows(sql, args).await?;
            known.extend(rows.into_iter().map(|(id, carried, told)| (id, Timestamp(carried.max(told.unwrap_or(carried))))));
        }
        Ok(known)
    }

    /// The Articles that Issues of `digest` since an instant told were corrected, each with when the Issue was made, the last first.
    pub async fn corrections_since(&self, digest: &str, since: Timestamp) -> Result<Vec<(String, Timestamp)>> {
        let sql = "SELECT c.article_id, i.created_at FROM issue_corrections c JOIN issues i ON i.id = c.issue_id
             WHERE c.digest = $1 AND i.created_at > $2 AND i.status <> 'cancelled' ORDER BY i.created_at DESC";
        let rows: Vec<(String, i64)> = self.engine.read().await?.rows(sql, args![digest, since]).await?;
        Ok(rows.into_iter().map(|(article, made)| (article, Timestamp(made))).collect())
    }
}

/// Keeps all of it with a new Issue; an Article that the Digest carried before refuses the Issue.
pub(super) async fn keep(tx: &mut Tx, id: IssueId, new: &NewIssue) -> Result<()> {
    let Some(digest) = &new.digest else { return Ok(()) };
    refuse_carried(tx, digest, &new.articles).await?;
    keep_articles(tx, digest, id, &new.articles, false).await?;
    let memory = &new.remembered;
    keep_articles(tx, digest, id, &memory.repeats, true).await?;
    for pages in pieces(&memory.pages, CHUNK) {
        let mut args = Vec::new();
        let row =
            |(page, source): &(String, String)| [digest.as_str().into(), page.as_str().into(), source.as_str().into(), Value::from(id)];
        let rows = value_rows(&mut args, pages.iter().map(row));
        let sql =
            format!("INSERT INTO issue_pages (digest, page, source_id, issue_id) VALUES {rows} ON CONFLICT (digest, page) DO NOTHING");
        tx.run(sql, args).await?;
    }
    for (article, at) in &memory.corrections {
        let sql = "INSERT INTO issue_corrections (digest, article_id, issue_id, corrected_at) VALUES ($1, $2, $3, $4)";
        tx.run(sql, args![digest.as_str(), article.as_str(), id, *at]).await?;
    }
    if let Some(Beginning { own, imported }) = memory.beginning {
        let sql = "INSERT INTO beginnings (digest, own_from, imported_from) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING";
        tx.run(sql, args![digest.as_str(), own, imported]).await?;
    }
    Ok(())
}

async fn refuse_carried(tx: &mut Tx, digest: &str, articles: &[String]) -> Result<()> {
    for articles in pieces(articles, CHUNK) {
        let mut args = args![digest];
        let ids = in_list(&mut args, articles.iter().map(String::as_str));
        let sql = format!("SELECT article_id, issue_id FROM issue_articles WHERE digest = $1 AND article_id IN ({ids}) LIMIT 1");
        if let Some((article, issue)) = tx.row::<(String, i64)>(sql, args).await? {
            return Err(StoreError::Refused(format!("article {article} was already in issue {issue} of digest {digest}")));
        }
    }
    Ok(())
}

/// An Article named twice in one Issue is one Article.
async fn keep_articles(tx: &mut Tx, digest: &str, id: IssueId, articles: &[String], is_repeat: bool) -> Result<()> {
    for articles in pieces(articles, CHUNK) {
        let mut args = Vec::new();
        let row = |article: &String| [digest.into(), article.as_str().into(), Value::from(id), is_repeat.into()];
        let rows = value_rows(&mut args, articles.iter().map(row));
        let sql = format!(
            "INSERT INTO issue_articles (digest, article_id, issue_id, is_repeat) VALUES {rows} ON CONFLICT (digest, article_id) DO NOTHING"
        );
        tx.run(sql, args).await?;
    }
    Ok(())
}
