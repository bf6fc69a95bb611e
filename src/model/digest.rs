//! Digest: the standing recipe of a mailing: which Articles, template, Lists and Schedule.

use super::list::ListId;
use super::rhythm::Rhythm;
use super::schedule::Schedule;
use super::segment::Segment;

/// What happens with due moments that passed while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// One Issue makes up for all of them.
    #[default]
    Once,
    /// They are let go.
    Skip,
    /// An Issue is prepared and waits for a person.
    Ask,
}

/// Whether a person must look before an Issue goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Approval {
    /// It goes.
    #[default]
    None,
    /// It waits until `issues resume`.
    Required,
}

/// How Articles rank: who comes first in the mail, and who waits when there is not room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    Date,
    /// Those of the heaviest Source first, and of one weight the newest. Our own are the heaviest.
    Weight,
}

/// What the Articles of an Issue are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sections {
    /// Nothing.
    #[default]
    None,
    /// Their Sources.
    Source,
    /// Their tags.
    Tag,
}

/// A `[[digest]]` table.
#[derive(Debug, Clone)]
pub struct Digest {
    /// Stable id.
    pub id: String,
    /// Lists it goes to; a reader on several gets it once, as a member of the first.
    pub lists: Vec<ListId>,
    /// Only to those of them who are meant by this.
    pub only: Option<Segment>,
    /// When; a Digest without one is sent by hand.
    pub schedule: Option<Schedule>,
    /// Each reader gets it when the clock on their wall shows the hour of the schedule; this is the zone of those who told none.
    /// The schedule itself is then in the zone where a day begins first.
    pub local: Option<chrono_tz::Tz>,
    /// Rhythms readers may choose beside "each issue".
    pub rhythms: Vec<Rhythm>,
    /// Subject, a Tera template.
    pub subject: String,
    /// Preheader, a Tera template.
    pub preheader: Option<String>,
    /// Name of its template: `digest` means email/digest.html and email/digest.txt.
    pub template: String,
    /// Only Articles with one of these tags.
    pub tags: Vec<String>,
    /// Only Articles of these sources (`own` = content/).
    pub sources: Vec<String>,
    /// Only Articles of these authors.
    pub authors: Vec<String>,
    /// At most this many Articles, the first in `order`.
    pub limit: usize,
    /// At most this many Articles of one Source; any number when 0. Our own are not counted.
    pub per_source: usize,
    /// Who comes first.
    pub order: Order,
    /// The headings of its mails.
    pub sections: Sections,
    /// Fewer than this many that could go out now: no Issue.
    pub min: usize,
    /// What about missed moments.
    pub missed: Missed,
    /// Whether a person must look first.
    pub approval: Approval,
}
