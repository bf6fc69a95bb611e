//! Arguments, output, exit codes: one file a command.

mod args;
mod article;
mod bounce;
mod build;
mod check;
mod config_file;
mod deliver;
mod dev;
mod dkim;
mod doctor;
mod feeds;
mod import;
mod init;
mod issues;
mod links;
mod lists;
mod new;
mod output;
mod preview;
pub mod report;
mod run;
mod schedule;
mod send;
mod source_add;
mod sources;
mod standing;
mod subscribers;
mod suppressions;
mod target;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::app::{self, App};
use crate::config::Config;
use crate::model::{Clock, Fault, Faults};
use crate::store::StoreError;
use crate::{telemetry, template};

use args::{Cli, Command};
pub use output::Output;

/// How a command ended: the contract of exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: done, with failures the user can fix.
    Problems,
    /// 2: used wrongly.
    Usage,
    /// 3: config or content invalid.
    Invalid,
    /// 4: the remote side (SMTP, DNS, HTTP).
    Remote,
    /// 70: a bug of ours.
    Bug,
    /// 75: to be tried again; only towards a mail server, which keeps the mail then (EX_TEMPFAIL).
    TryAgain,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Problems => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Remote => 4,
            Self::Bug => 70,
            Self::TryAgain => 75,
        }
    }
}

/// A command that could not do its work: how to exit, and what to say.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    faults: Faults,
}

impl Failure {
    fn new(exit: Exit, fault: Fault) -> Self {
        Self { exit, faults: fault.into() }
    }

    /// Used wrongly.
    fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, Fault::error("usage", message).hint(hint))
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self { exit: Exit::Invalid, faults }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Faults::from(fault).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (exit, hint) = match &error {
            StoreError::Open(_) => (Exit::Invalid, Some("look at [store] url in config.toml")),
            StoreError::Remote(_) => (Exit::Remote, Some("look at [store] url in config.toml; `postrider doctor` looks again")),
            StoreError::Busy => (Exit::Problems, Some("`postrider run` or another `send` is at work; wait for it, or stop it")),
            StoreError::Corrupt(_) => (Exit::Bug, None),
            StoreError::Fenced | StoreError::Refused(_) | StoreError::Database(_) => (Exit::Problems, None),
        };
        let mut fault = Fault::error("store", with_causes(&error));
        fault.hint = hint.map(str::to_owned);
        Self::new(exit, fault)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Faults>() {
            Ok(faults) => faults.into(),
            Err(error) => match error.downcast::<StoreError>() {
                Ok(error) => error.into(),
                Err(error) => Self::new(Exit::Problems, Fault::error("failed", format!("{error:#}"))),
            },
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Problems, Fault::error("io", error.to_string()))
    }
}

/// An error with its causes, each once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

/// What every command is handed.
pub struct Context {
    config_file: PathBuf,
    out: Output,
    clock: Clock,
}

impl Context {
    /// The configuration; its warnings are shown.
    fn config(&self) -> Result<Config, Failure> {
        if !self.config_file.exists() {
            let message = format!("there is no {} here", self.config_file.display());
            return Err(Failure::new(
                Exit::Invalid,
                Fault::error("config-missing", message).hint("`postrider init` makes a new publication, or name the file with --config"),
            ));
        }
        let (config, warnings) = Config::load(&self.config_file, std::env::vars())?;
        self.out.faults(&warnings);
        Ok(config)
    }

    /// The opened application.
    async fn app(&self) -> Result<App, Failure> {
        let config = self.config()?;
        let templates = template::load(&config.templates_dir)?;
        Ok(App::open(config, templates, self.clock.clone()).await?)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return ExitCode::from(code.code());
        }
    };
    let out = Output::new(cli.json, cli.quiet);
    start_log(&cli, &out);
    let context = Context { config_file: cli.config, out, clock: app::system_clock() };
    // A panic is a bug of ours; the message stays, the backtrace is for those who ask for it.
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dispatch(&context, cli.command)));
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            context.out.faults(&failure.faults);
            failure.exit
        }
        Err(_) => {
            context.out.note("this is a bug of postrider; please report it with the message above");
            Exit::Bug
        }
    };
    ExitCode::from(exit.code())
}

/// The service says what it does; other commands only what went wrong, unless asked.
fn start_log(cli: &Cli, out: &Output) {
    let service = i8::from(matches!(cli.command, Command::Run(_)));
    let level = if cli.quiet { -1 } else { i8::try_from(cli.verbose).unwrap_or(i8::MAX).saturating_add(service) };
    let rules = std::env::var("POSTRIDER_LOG").ok();
    if let Err(wrong) = telemetry::init(telemetry::Verbosity(level), rules.as_deref()) {
        out.note(wrong);
    }
}

fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(async {
        match command {
            Command::Init(args) => init::run(context, args),
            Command::New(args) => new::run(context, &args),
            Command::Check => check::run(context),
            Command::Build(args) => build::run(context, &args).await,
            Command::Preview(args) => preview::run(context, args).await,
            Command::Send(args) => send::run(context, args).await,
            Command::Issues(args) => issues::run(context, args).await,
            Command::Subscribers(args) => subscribers::run(context, args).await,
            Command::Lists => lists::run(context).await,
            Command::Sources(args) => sources::run(context, args).await,
            Command::Import(args) => article::run(context, args).await,
            Command::Schedule(args) => schedule::run(context, &args),
            Command::Suppressions(args) => suppressions::run(context, args).await,
            Command::Links(args) => links::run(context, args).await,
            Command::Bounce(args) => bounce::run(context, args).await,
            Command::Run(args) => run::run(context, &args).await,
            Command::Dev(args) => dev::run(context, args).await,
            Command::Doctor => doctor::run(context).await,
            Command::Dkim(args) => dkim::run(context, args),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "postrider", &mut std::io::stdout());
                Ok(Exit::Done)
            }
            Command::Man => {
                clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
                Ok(Exit::Done)
            }
        }
    });
    // Blocking work that outlives the command (a name lookup, say) does not hold it up.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}
