//! Tests of the config room, through its door.

use std::path::Path;

use postrider::config::{self, Config};
use postrider::model::Faults;

/// Loads `text` as config.toml with `env`.
fn load(text: &str, env: &[(&str, &str)]) -> Result<(Config, Faults), Faults> {
    let dir = tempfile::tempdir().unwrap();
    load_in(dir.path(), text, env)
}

fn load_in(dir: &Path, text: &str, env: &[(&str, &str)]) -> Result<(Config, Faults), Faults> {
    let file = dir.join("config.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file, env.iter().map(|(k, v)| (k.to_string(), v.to_string())))
}

#[test]
fn the_documented_default_runs_as_it_is() {
    let (config, faults) = load(config::DEFAULT, &[]).unwrap();
    assert_eq!(faults, Faults::default());
    assert_eq!(config.site.title, "The Harbour Letter");
    assert_eq!(config.site.url.as_str(), "https://harbour.example.com/");
}

#[test]
fn the_starter_file_is_valid_whatever_the_title_is() {
    for title in ["My Letter", "Ann's \"quoted\" <letter>, & more \\ things", "港の手紙", "a\nb"] {
        let text = config::starter(title, "http://localhost:4000", "ann@example.com", "Europe/Paris");
        match load(&text, &[]) {
            Ok((config, _)) => assert_eq!(config.site.title, title),
            Err(faults) => assert!(title.contains('\n'), "{title:?}: {faults}\n{text}"),
        }
    }
}
