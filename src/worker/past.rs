//! What has been sent, for the public archive: each Issue is read from the store once and kept.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Desk;
use crate::model::{IssueId, PastIssue};
use crate::store::{Result, StoreError};

/// The newest so many Issues are found by every word of their text; older ones by their subjects, titles and summaries.
const WITH_TEXT_MAX: usize = 1_000;

/// The Issues the public archive may show.
#[derive(Debug, Default)]
pub struct Past {
    /// The newest first.
    issues: Vec<Arc<PastIssue>>,
    /// Those that are not for everybody, or cannot be read: they are not read again.
    others: HashSet<IssueId>,
}

impl Past {
    /// The Issues as they were at the last look, the newest first.
    pub fn issues(&self) -> Vec<Arc<PastIssue>> {
        self.issues.clone()
    }

    /// Looks what has been sent by now; true when that is not what it was. Where no List is public nothing is looked at. When the store does
    /// not answer, the past stays what it was.
    pub async fn look(&mut self, desk: &Desk) -> bool {
        if !desk.config.lists.iter().any(|list| list.public) {
            return false;
        }
        match self.read(desk).await {
            Ok(changed) => changed,
            Err(error) => {
                tracing::warn!("the archive is not brought up to date: {error}");
                false
            }
        }
    }

    async fn read(&mut self, desk: &Desk) -> Result<bool> {
        let known: HashMap<IssueId, Arc<PastIssue>> = self.issues.iter().map(|issue| (issue.id, issue.clone())).collect();
        let mut now: Vec<Arc<PastIssue>> = Vec::new();
        for id in desk.store.whole_issues().await? {
            match known.get(&id) {
                Some(issue) => now.push(issue.clone()),
                None if self.others.contains(&id) || !desk.store.has_left(id).await? => {}
                None => now.extend(self.first_seen(desk, id).await?.map(Arc::new)),
            }
        }
        for issue in now.iter_mut().skip(WITH_TEXT_MAX) {
            if issue.articles.iter().any(|article| !article.text.is_empty()) {
                Arc::make_mut(issue).forget_text();
            }
        }
        let same = now.iter().map(|issue| issue.id).eq(self.issues.iter().map(|issue| issue.id));
        self.issues = now;
        Ok(!same)
    }

    /// An Issue that is new to us, if it went to a public List.
    async fn first_seen(&mut self, desk: &Desk, id: IssueId) -> Result<Option<PastIssue>> {
        let is_public = |issue: &PastIssue| desk.config.lists.iter().any(|list| list.public && issue.lists.contains(&list.id));
        let issue = match desk.store.past_issue(id).await {
            Err(StoreError::Corrupt(what)) => {
                tracing::warn!(issue = id.0, "an issue cannot be shown in the archive: {what}");
                None
            }
            read => read?.filter(is_public),
        };
        if issue.is_none() {
            self.others.insert(id);
        }
        Ok(issue)
    }
}
