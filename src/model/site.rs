//! Site: who publishes, from where, in which language and zone.

use chrono_tz::Tz;
use url::Url;

/// The `[site]` table.
#[derive(Debug, Clone)]
pub struct Site {
    /// The publication's name.
    pub title: String,
    /// Its address, always with a trailing slash.
    pub url: Url,
    /// One sentence about it.
    pub description: String,
    /// BCP 47 language tag.
    pub language: String,
    /// Zone in which schedules, dates and `--at` are meant.
    pub timezone: Tz,
    /// Author of Articles that name none.
    pub author: Option<String>,
    /// Postal address for the footer of every mail (the law in many countries).
    pub postal_address: Option<String>,
    /// Absolute address of a square picture for feeds and mails.
    pub icon: Option<String>,
}

impl Site {
    /// `path` (with or without its first slash) as an absolute address on this site.
    pub fn absolute(&self, path: &str) -> String {
        format!("{}{}", self.url, path.trim_start_matches('/'))
    }
}
