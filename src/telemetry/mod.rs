//! Log lines and metrics. Lines are text on a terminal, JSON otherwise, always on standard error, never an address or a secret.
//!
//! The rule for every room: log ids, counts and domains. An address, a name, a subject or a reply text belongs into the store.

pub mod metrics;

mod process;
mod text;

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// How much is said: `-q` is -1, nothing 0, each `-v` one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verbosity(pub i8);

impl Verbosity {
    /// The level of our own lines. Libraries stay one level quieter: they log what we must not.
    fn level(self) -> LevelFilter {
        match self.0 {
            ..=-1 => LevelFilter::ERROR,
            0 => LevelFilter::WARN,
            1 => LevelFilter::INFO,
            2 => LevelFilter::DEBUG,
            3.. => LevelFilter::TRACE,
        }
    }
}

/// Starts logging. `rules` is the value of `POSTRIDER_LOG` (`debug`, `postrider::send=trace,warn` …) and wins over `-v` and `-q`.
/// Gives what is wrong with the rules, when they cannot be read; then the verbosity holds. A second call changes nothing.
pub fn init(verbosity: Verbosity, rules: Option<&str>) -> Result<(), String> {
    let (filter, fault) = match rules.map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (by_verbosity(verbosity), Some(format!("POSTRIDER_LOG cannot be read: {error}"))),
        None => (by_verbosity(verbosity), None),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_timer(SystemTime);
    let started = if std::io::stderr().is_terminal() {
        lines.with_ansi(std::env::var_os("NO_COLOR").is_none()).with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).with_ansi(false).try_init()
    };
    // The only failure is a logger that is already there: in tests many commands run in one process.
    drop(started);
    fault.map_or(Ok(()), Err)
}

fn by_verbosity(verbosity: Verbosity) -> EnvFilter {
    // The HTML parser warns of each element of a page that it puts elsewhere: hundreds of lines for one page, and nothing anybody could do about it.
    EnvFilter::new(format!("warn,html5ever=error,postrider={}", verbosity.level()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_page_says_nothing_line_by_line() {
        for verbosity in [-1, 0, 1, 3] {
            let rules = by_verbosity(Verbosity(verbosity)).to_string();
            assert!(rules.split(',').any(|rule| rule == "html5ever=error"), "{rules}");
        }
    }
}
