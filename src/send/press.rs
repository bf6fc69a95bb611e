//! A Delivery made into a message: compiled once per Issue and List, then one call per reader.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::compose::{Compiled, Languages, Reader};
use crate::model::link::{Grant, LinkKey, Purpose};
use crate::model::{Dkim, EmailAddress, Faults, Frozen, IssueId, ListId, Notice, Timestamp};
use crate::store::deliveries::Leased;

use super::content::Mail;

/// Most parts that are kept compiled at a time: readers who chose the same share one, and a list has few that are asked for often.
const PARTS_MAX: usize = 256;

/// Makes the messages of one Issue.
pub struct Press {
    issue: IssueId,
    frozen: Frozen,
    key: LinkKey,
    site_url: String,
    dkim: Option<Arc<Dkim>>,
    leave_at: Option<EmailAddress>,
    languages: Languages,
    /// By language, `""` for the Issue's own, and List.
    compiled: Mutex<HashMap<String, HashMap<ListId, Arc<Compiled>>>>,
    /// The same with some of the Articles only, by language, List and part.
    parts: Mutex<HashMap<(String, ListId, String), Arc<Compiled>>>,
    /// Of the last message.
    length: AtomicUsize,
}

impl Press {
    /// For one Issue. `site_url` ends with a slash; every message is signed by `dkim` and names `leave_at`, if there are such.
    pub fn new(
        issue: IssueId,
        frozen: Frozen,
        key: LinkKey,
        site_url: String,
        dkim: Option<Arc<Dkim>>,
        leave_at: Option<EmailAddress>,
    ) -> Self {
        let languages = Languages::of(&frozen);
        Self {
            issue,
            frozen,
            key,
            site_url,
            dkim,
            leave_at,
            languages,
            compiled: Mutex::default(),
            parts: Mutex::default(),
            length: AtomicUsize::default(),
        }
    }

    /// Compiles for every List, so that an Issue nobody can be sent is refused before any mail leaves. Slow: not for the async threads.
    pub fn compile_all(&self) -> Result<(), Faults> {
        self.frozen.lists.keys().try_for_each(|list| self.compiled(list, None).map(|_| ()))
    }

    /// The message for one reader, ready for the wire. An error concerns this reader alone.
    pub fn mail(&self, leased: &Leased, date: Timestamp) -> Result<Mail, String> {
        let list = self.frozen.lists.get(&leased.list).ok_or_else(|| format!("the issue does not go to the list {}", leased.list))?;
        let from = &list.from.address;
        let language = self.languages.other_for(leased.subscriber.language.as_deref());
        let compiled = match &leased.part {
            None => self.compiled(&leased.list, language),
            Some(part) => self.part(&leased.list, language, part),
        };
        let compiled = compiled.map_err(|faults| faults.to_string())?;
        // As long as the one before, and the final dot: nothing is moved while it grows.
        let mut message = Vec::with_capacity(self.length.load(Relaxed) + 64);
        compiled.message(&self.reader(leased, from), date, &mut message).map_err(|error| error.to_string())?;
        self.length.store(message.len(), Relaxed);
        Mail::new(from.clone(), leased.subscriber.email.clone(), message)
    }

    fn compiled(&self, list: &ListId, language: Option<&str>) -> Result<Arc<Compiled>, Faults> {
        // Compiling under the lock makes the second caller wait instead of compiling again.
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let said = language.unwrap_or_default();
        if let Some(compiled) = compiled.get(said).and_then(|lists| lists.get(list)) {
            return Ok(compiled.clone());
        }
        let fresh = self.compile(&self.frozen, list, language)?;
        compiled.entry(said.to_owned()).or_default().insert(list.clone(), fresh.clone());
        Ok(fresh)
    }

    fn part(&self, list: &ListId, language: Option<&str>, part: &str) -> Result<Arc<Compiled>, Faults> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (language.unwrap_or_default().to_owned(), list.clone(), part.to_owned());
        if let Some(compiled) = parts.get(&key) {
            return Ok(compiled.clone());
        }
        if parts.len() >= PARTS_MAX {
            parts.clear();
        }
        let fresh = self.compile(&self.frozen.share(Some(part)), list, language)?;
        parts.insert(key, fresh.clone());
        Ok(fresh)
    }

    fn compile(&self, frozen: &Frozen, list: &ListId, language: Option<&str>) -> Result<Arc<Compiled>, Faults> {
        let compiled = match language {
            None => Compiled::new(frozen, list)?,
            Some(language) => Compiled::new(&Frozen { language: Some(language.to_owned()), ..frozen.clone() }, list)?,
        };
        Ok(Arc::new(compiled.signed(self.dkim.clone())))
    }

    fn reader(&self, leased: &Leased, from: &EmailAddress) -> Reader {
        let grant = Grant { issue: self.issue, subscriber: leased.subscriber.id, list: leased.list.clone() };
        let link = |purpose: Purpose| format!("{}{}/{}", self.site_url, purpose.path(), self.key.token(purpose, &grant));
        Reader {
            subscriber: leased.subscriber.clone(),
            unsubscribe_url: link(Purpose::Unsubscribe),
            unsubscribe_address: self
                .leave_at
                .as_ref()
                .map(|address| format!("{}+{}@{}", address.local(), self.key.short_token(&grant), address.domain())),
            preferences_url: link(Purpose::Preferences),
            view_url: link(Purpose::View),
            confirm_url: match Notice::from_word(&self.frozen.name).filter(|_| self.issue.is_notice()) {
                None => String::new(),
                Some(Notice::Move) => link(Purpose::Move),
                Some(_) => link(Purpose::Confirm),
            },
            message_id: self.message_id(leased, from),
        }
    }

    /// The same for every Attempt of a Delivery, unguessable for everybody else.
    fn message_id(&self, leased: &Leased, from: &EmailAddress) -> String {
        let mac = self.key.mac(&[b"message-id", &self.issue.0.to_be_bytes(), &leased.subscriber.id.0.to_be_bytes()]);
        format!("{:032x}@{}", u128::from_be_bytes(std::array::from_fn(|i| mac[i])), from.domain())
    }
}
