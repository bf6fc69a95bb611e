//! How well feeds and pages are read, measured on public collections that the project does not contain: `$POSTRIDER_CORPORA` names
//! their folder, docs/testing.md says what lies there. Each test prints its figures and asserts the goals of docs/benchmarks.md.
//!
//! A collection of a size that has been measured before must not come out worse than it did then, even where the goal is still kept.

use std::path::PathBuf;

mod feeds;
mod pages;
mod payloads;

/// One folder of the corpora. Whoever asks for these tests without them is told so.
fn folder(name: &str) -> PathBuf {
    let root = std::env::var_os("POSTRIDER_CORPORA").map(PathBuf::from);
    let root = root.expect("POSTRIDER_CORPORA must name the folder of the corpora (docs/testing.md, \"The corpora\")");
    let folder = root.join(name);
    assert!(folder.is_dir(), "there is no folder {} (docs/testing.md, \"The corpora\")", folder.display());
    folder
}

/// How many of how many were as they should be, and what was not.
#[derive(Default)]
struct Score {
    equal: usize,
    compared: usize,
    wrong: Vec<String>,
}

impl Score {
    fn note(&mut self, is_equal: bool, what: impl FnOnce() -> String) {
        self.compared += 1;
        if is_equal {
            self.equal += 1;
        } else {
            self.wrong.push(what());
        }
    }

    fn percent(&self) -> f64 {
        100.0 * self.equal as f64 / self.compared.max(1) as f64
    }
}

/// The words of a text, however they are spaced.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
