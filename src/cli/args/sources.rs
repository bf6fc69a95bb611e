//! The command line of `sources` and `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::import::address::{self, WrongAddress};

/// `import`
#[derive(Debug, Args)]
pub struct ImportArticleArgs {
    /// A page's address, or an HTML or text file
    #[arg(value_name = "URL|FILE")]
    pub target: String,
    /// What to make of it
    #[arg(long = "as", value_name = "KIND", default_value = "article", value_parser = ["article"])]
    pub kind: String,
    /// The address a file was saved from
    #[arg(long, value_name = "URL", value_parser = base)]
    pub base: Option<url::Url>,
    /// Say what was understood; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `sources`
#[derive(Debug, Args)]
pub struct SourcesArgs {
    /// What to do; without it, list
    #[command(subcommand)]
    pub action: Option<SourcesAction>,
}

/// What `sources` does.
#[derive(Debug, Subcommand)]
pub enum SourcesAction {
    /// All sources with their last and next fetch
    List,
    /// One source: its entries, what was left out and why, its last requests
    Show {
        /// Its id
        id: String,
    },
    /// Ask now, due or not
    Fetch {
        /// Only these
        ids: Vec<String>,
    },
    /// Look what stands at an address and add it to config.toml
    Add(SourceAddArgs),
    /// Take up what is held: entries that look new and are old
    Approve {
        /// The source's id
        id: String,
        /// Take them up and never mail them
        #[arg(long, conflicts_with = "drop")]
        no_mail: bool,
        /// Leave them out
        #[arg(long)]
        drop: bool,
    },
    /// Do not ask it any more
    Pause {
        /// Its id
        id: String,
    },
    /// Ask it again, also when it was gone
    Resume {
        /// Its id
        id: String,
    },
    /// Say how a feed is understood; nothing is kept
    Read {
        /// A feed's address or file
        #[arg(value_name = "URL|FILE")]
        target: String,
        /// The address a file was saved from
        #[arg(long, value_name = "URL", value_parser = base)]
        base: Option<url::Url>,
    },
    /// Add the feeds of an OPML file to config.toml
    Import {
        /// The file
        file: PathBuf,
    },
    /// Print the sources as OPML
    Export,
}

/// `sources add`
#[derive(Debug, Args)]
pub struct SourceAddArgs {
    /// A feed's or a page's address
    pub url: String,
    /// The id; without it, made from the title
    #[arg(long)]
    pub id: Option<String>,
    /// The page itself is the article, whatever feeds it names
    #[arg(long)]
    pub page: bool,
    /// A tag for its articles (again for more)
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
}

/// The address a file was saved from, or why it can be none and what to type.
fn base(text: &str) -> Result<url::Url, String> {
    address::parse(text).map_err(|WrongAddress { cause, hint }| format!("{cause}\n\nhint: {hint}"))
}
