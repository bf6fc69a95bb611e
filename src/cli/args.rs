//! The command line, as clap reads it. The words here are the help people get.

mod sources;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use sources::{ImportArticleArgs, SourceAddArgs, SourcesAction, SourcesArgs};

/// Articles become feeds and e-mail digests, and every subscriber gets each once.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// The publication's configuration
    #[arg(long, global = true, default_value = "config.toml", env = "POSTRIDER_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more (-vv: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order one meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new publication: config, one article, what to do next
    Init(InitArgs),
    /// Make a new article file with front matter
    New(NewArgs),
    /// Look at config, content, templates and feeds: every fault with its place and a hint
    Check,
    /// Write feeds and archive pages as static files
    Build(BuildArgs),
    /// Render the next issue as one reader would get it: issue.html, issue.txt, issue.eml
    Preview(PreviewArgs),
    /// Freeze an issue and deliver it
    Send(SendArgs),
    /// Look at issues, and pause, resume, cancel or retry them
    Issues(IssuesArgs),
    /// The people: list, show, add, remove, import, undo, export, erase
    Subscribers(SubscribersArgs),
    /// The lists and how many people are on each
    Lists,
    /// Foreign feeds and pages: list, add, fetch, show, approve, pause
    Sources(SourcesArgs),
    /// Make an article file of a page on the web, or of a file
    Import(ImportArticleArgs),
    /// The coming runs
    Schedule(ScheduleArgs),
    /// Addresses that are never mailed
    Suppressions(SuppressionsArgs),
    /// Mail that comes to us: a message on standard input, or files
    Bounce(BounceArgs),
    /// The service: schedules, deliveries, the web
    Run(RunArgs),
    /// Everything on this machine: mail is caught in a local inbox, nothing leaves
    Dev(DevArgs),
    /// Look at the store, the relays and the DNS records
    Doctor,
    /// Keys that sign the mail
    Dkim(DkimArgs),
    /// The key that signs the links in mails
    Links(LinksArgs),
    /// Print a completion script
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder; it must be empty or not exist
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The publication's name (asked for on a terminal)
    #[arg(long)]
    pub title: Option<String>,
    /// Its address on the web
    #[arg(long)]
    pub url: Option<String>,
    /// The address mails come from
    #[arg(long)]
    pub email: Option<String>,
}

/// `new`
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The title
    pub title: String,
}

/// `build`
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The folder to write into
    #[arg(long, default_value = "public", value_name = "DIR")]
    pub out: PathBuf,
}

/// `preview`
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// A digest's id, or an article's slug or file
    #[arg(value_name = "DIGEST|ARTICLE")]
    pub name: String,
    /// Render it as this subscriber gets it
    #[arg(long = "as", value_name = "EMAIL")]
    pub reader: Option<String>,
    /// The folder to write into
    #[arg(long, default_value = "preview", value_name = "DIR")]
    pub out: PathBuf,
}

/// `send`
#[derive(Debug, Args)]
pub struct SendArgs {
    /// A digest's id, or an article's slug or file
    #[arg(value_name = "DIGEST|ARTICLE")]
    pub name: String,
    /// To this list (again for more); without it, where the digest or article says
    #[arg(long = "list", value_name = "ID")]
    pub lists: Vec<String>,
    /// A [TEST] to this address only; nothing is kept
    #[arg(long, value_name = "EMAIL", conflicts_with_all = ["at", "dry_run"])]
    pub to: Option<String>,
    /// Not now but at this time, in the site's zone: "2026-12-01 09:00", "tomorrow 09:00", "18:30"
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Only to those who are meant by this expression: 'tag:vip and joined > 2026-01-01'
    #[arg(long = "where", value_name = "EXPR", conflicts_with = "to")]
    pub only: Option<String>,
    /// Say who would get it, who would not, and why; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// `issues`
#[derive(Debug, Args)]
pub struct IssuesArgs {
    /// What about them (list when absent)
    #[command(subcommand)]
    pub action: Option<IssuesAction>,
}

/// What can be done about issues.
#[derive(Debug, Subcommand)]
pub enum IssuesAction {
    /// The newest issues
    List,
    /// One issue: its counts and its troubles
    Show {
        /// Number
        id: i64,
    },
    /// Stop it where it stands
    Pause {
        /// Number
        id: i64,
    },
    /// Let it go on
    Resume {
        /// Number
        id: i64,
    },
    /// Call it off: what has not left does not leave
    Cancel {
        /// Number
        id: i64,
    },
    /// Send to the rest: failed, unknown and cancelled deliveries
    Retry {
        /// Number
        id: i64,
    },
}

/// `subscribers`
#[derive(Debug, Args)]
pub struct SubscribersArgs {
    /// What about them
    #[command(subcommand)]
    pub action: SubscribersAction,
}

/// What can be done about subscribers.
#[derive(Debug, Subcommand)]
pub enum SubscribersAction {
    /// Everybody, or everybody on a list
    List {
        /// Only this list
        #[arg(long, value_name = "ID")]
        list: Option<String>,
        /// Only those who are meant by this expression: 'tag:vip and joined > 2026-01-01'
        #[arg(long = "where", value_name = "EXPR")]
        only: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// One person: lists, states, attributes
    Show {
        /// Address
        email: String,
    },
    /// Put one person on a list
    Add {
        /// Address
        email: String,
        /// The list
        #[arg(long, value_name = "ID")]
        list: String,
        /// Name
        #[arg(long)]
        name: Option<String>,
        /// Not confirmed yet
        #[arg(long)]
        pending: bool,
    },
    /// Take one person off a list
    Remove {
        /// Address
        email: String,
        /// The list; every list when absent
        #[arg(long, value_name = "ID")]
        list: Option<String>,
    },
    /// Bring in a CSV file: our own, or what another system exports
    Import(ImportArgs),
    /// Take back what an import did, as far as nobody has done anything since
    Undo {
        /// The import's tag: import:2026-11-22-1
        tag: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Write a CSV file to standard output
    Export {
        /// Only this list
        #[arg(long, value_name = "ID")]
        list: Option<String>,
        /// Only those who are meant by this expression: 'tag:vip and joined > 2026-01-01'
        #[arg(long = "where", value_name = "EXPR")]
        only: Option<String>,
        /// Everything we hold of one person, as JSON
        #[arg(long, value_name = "EMAIL", conflicts_with_all = ["list", "only"])]
        person: Option<String>,
    },
    /// Forget a person; only that the address is never mailed again is kept, as a hash
    Erase {
        /// Address
        email: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// `subscribers import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// CSV files, or a zip of them (- reads standard input)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The list they go on; a file that Postrider exported may name one for each
    #[arg(long, value_name = "ID")]
    pub list: Option<String>,
    /// Whose export it is, when its header does not tell: listmonk, keila, ghost, mailchimp, substack, beehiiv, buttondown, kit, brevo, csv
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// What a column holds: 'Given=first_name', 'Plan=attr.plan', 'Notes=-' (again for more)
    #[arg(long, value_name = "COLUMN=FIELD")]
    pub map: Vec<String>,
    /// Write every row that is wrong or kept out to this CSV file: line, email, level, message
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// They have confirmed already (elsewhere)
    #[arg(long, conflicts_with = "pending")]
    pub confirmed: bool,
    /// They have not confirmed yet
    #[arg(long)]
    pub pending: bool,
    /// Count and report; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// `schedule`
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// How many coming runs to show
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub next: usize,
}

/// `suppressions`
#[derive(Debug, Args)]
pub struct SuppressionsArgs {
    /// What about them (list when absent)
    #[command(subcommand)]
    pub action: Option<SuppressionsAction>,
}

/// What can be done about suppressions.
#[derive(Debug, Subcommand)]
pub enum SuppressionsAction {
    /// All of them
    List,
    /// Never mail this address
    Add {
        /// Address
        email: String,
        /// Why
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Allow it again
    Remove {
        /// Address
        email: String,
    },
    /// Never mail the addresses of a file: a CSV file with a column `email` and perhaps `reason`, or one address a line
    Import {
        /// The file (- reads standard input)
        file: PathBuf,
        /// Why, for rows that do not tell
        #[arg(long, default_value = "imported")]
        reason: String,
    },
}

/// `bounce`
#[derive(Debug, Args)]
pub struct BounceArgs {
    /// Messages as files; without one, a message on standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What this process does
    #[arg(long, value_delimiter = ',', default_value = "web,schedule,fetch,send,bounce", value_name = "ROLES")]
    pub roles: Vec<String>,
}

/// `dev`
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Where to listen; [web] listen when absent
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// `links`
#[derive(Debug, Args)]
pub struct LinksArgs {
    /// What about it
    #[command(subcommand)]
    pub action: LinksAction,
}

/// What can be done about it.
#[derive(Debug, Subcommand)]
pub enum LinksAction {
    /// Sign with a new key; the one before stays good, older ones for leaving only
    Renew {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// `dkim`
#[derive(Debug, Args)]
pub struct DkimArgs {
    /// What about them
    #[command(subcommand)]
    pub action: DkimAction,
}

/// What can be done about keys.
#[derive(Debug, Subcommand)]
pub enum DkimAction {
    /// Make a key; print its DNS record and the lines for config.toml
    Generate(GenerateArgs),
}

/// `dkim generate`
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// An Ed25519 key, to sign beside RSA (which has 2048 bits)
    #[arg(long)]
    pub ed25519: bool,
    /// The key's name in the DNS; `postrider`, or `postrider-ed25519`, when absent
    #[arg(long, value_name = "S")]
    pub selector: Option<String>,
    /// The signing domain; from [dkim] or the first [[list]] when absent
    #[arg(long, value_name = "D")]
    pub domain: Option<String>,
    /// The file to write, which must not exist; SELECTOR.dkim.pem beside config.toml when absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
