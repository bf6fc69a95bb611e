//! config.toml and the environment, read into one checked [`Config`]; all faults at once, each with file, line and hint.

mod dkim;
mod env;
mod load;
mod reader;
mod relay;
mod sections;
mod source;
mod sources;
mod starter;
mod store;
mod tree;
mod web;
mod written;

pub use sources::{source_block, source_values};
pub use starter::starter;
pub use store::{PostgresUrl, StoreUrl};
pub use web::WebPolicy;
pub use written::Written;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use crate::model::feed::Feed;
use crate::model::source::Source;
use crate::model::{Digest, Dkim, EmailAddress, Fault, Faults, List, ListId, Relay, Site};

/// The documented default configuration, compiled in; `init` writes a shorter one.
pub const DEFAULT: &str = include_str!("../../config.toml");

/// Everything the program was told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// The folder relative paths are meant from: the one config.toml lies in.
    pub root: PathBuf,
    /// `[site]`.
    pub site: Site,
    /// `[content] dir`, absolute or from the working directory.
    pub content_dir: PathBuf,
    /// `[templates] dir`.
    pub templates_dir: PathBuf,
    /// `[store]`.
    pub store: StoreUrl,
    /// `[web] listen`.
    pub listen: SocketAddr,
    /// The rest of `[web]`.
    pub web: WebPolicy,
    /// `[fetch] allow_private`: networks that may be reached although they are not public.
    pub allow_private: Vec<IpNet>,
    /// `[metrics] listen`; nothing is served without it.
    pub metrics: Option<SocketAddr>,
    /// `[send]`.
    pub send: SendPolicy,
    /// `[bounce] unsubscribe`: whoever writes to it, with a token, leaves; nobody can without it.
    pub leave_at: Option<EmailAddress>,
    /// `[dkim]`: every message that leaves is signed when it is there.
    pub dkim: Option<Arc<Dkim>>,
    /// `[[relay]]`, in order of preference.
    pub relays: Vec<Relay>,
    /// `[[list]]`.
    pub lists: Vec<List>,
    /// `[[digest]]`.
    pub digests: Vec<Digest>,
    /// `[[feed]]`.
    pub feeds: Vec<Feed>,
    /// Ids of Feeds that are gone for good.
    pub gone_feeds: Vec<String>,
    /// `[[source]]`.
    pub sources: Vec<Source>,
    /// Where the templates of Digests stand.
    pub written: Vec<Written>,
}

/// `[send]`: rules of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPolicy {
    /// What becomes of a Delivery that was cut after the final dot.
    pub on_unknown: OnUnknown,
}

/// What becomes of an unknown Delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// Sent again with the same Message-ID (the default: nobody is lost, a few get it twice).
    #[default]
    Resend,
    /// Held for a person (nobody gets it twice, a few may not get it).
    Hold,
}

impl Config {
    /// Reads `file`, applies `POSTRIDER_*` from `env`, reads `*_file` secrets, and checks everything.
    /// Gives the configuration with its warnings, or all faults at once.
    pub fn load(file: &Path, env: impl Iterator<Item = (String, String)>) -> Result<(Self, Faults), Faults> {
        load::load(file, env)
    }

    /// The same of `text`, as if it stood in `file`.
    pub fn parse(file: &Path, text: &str, env: impl Iterator<Item = (String, String)>) -> Result<(Self, Faults), Faults> {
        load::parse(file, text, env)
    }

    /// Reads one `[[source]]` that stands alone, or says what is wrong with it.
    pub fn source(block: &str) -> Result<Source, Fault> {
        let first = |faults: Faults| faults.0.into_iter().next().unwrap_or_else(|| Fault::error("bad-value", "this is no [[source]]"));
        load::one_source(block).map_err(first)
    }

    /// Faults of a Digest's subject and preheader, which are templates, as faults of config.toml.
    pub fn placed(&self, digest: &str, faults: Faults) -> Faults {
        written::placed(&self.written, digest, faults)
    }

    /// The List with this id.
    pub fn list(&self, id: &ListId) -> Option<&List> {
        self.lists.iter().find(|list| list.id == *id)
    }

    /// The Digest with this id.
    pub fn digest(&self, id: &str) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.id == id)
    }
}

/// The folder `file` lies in.
fn root_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `path` as it is meant in config.toml: from the folder of the file.
fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}
