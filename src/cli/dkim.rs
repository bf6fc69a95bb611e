//! `dkim generate`: a key, its DNS record, and the lines for config.toml.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::args::{DkimAction, DkimArgs, GenerateArgs};
use super::{Context, Exit, Failure};
use crate::config::Config;
use crate::model::dkim::{Algorithm, Key, Selector, zone_file_strings};
use crate::model::{Dkim, Fault};

/// Does what is asked.
pub fn run(context: &Context, args: DkimArgs) -> Result<Exit, Failure> {
    match args.action {
        DkimAction::Generate(args) => generate(context, &args),
    }
}

fn generate(context: &Context, args: &GenerateArgs) -> Result<Exit, Failure> {
    let algorithm = if args.ed25519 { Algorithm::Ed25519 } else { Algorithm::Rsa };
    let wrong = |reason: String| {
        let (message, hint) = reason.split_once('\n').unwrap_or((&reason, "see `postrider dkim generate --help`"));
        Failure::usage(message, hint)
    };
    let selector = args.selector.as_deref().unwrap_or(if args.ed25519 { "postrider-ed25519" } else { "postrider" });
    let selector = Selector::parse(selector).map_err(wrong)?;
    let domain = match &args.domain {
        Some(domain) => Dkim::parse_domain(domain).map_err(wrong)?,
        None => domain(context)?,
    };
    let home = context.config_file.parent().unwrap_or(Path::new(""));
    let file = args.out.clone().unwrap_or_else(|| home.join(format!("{}.dkim.pem", selector.as_str())));
    let (key, pem) = Key::generate(algorithm, selector).map_err(|reason| Failure::new(Exit::Bug, Fault::error("no-key", reason)))?;
    write_new(&file, pem.expose_secret())?;
    tell(context, &key, &domain, &file, &in_config(&file, home));
    Ok(Exit::Done)
}

/// The domain the publication signs with, or sends from.
fn domain(context: &Context) -> Result<String, Failure> {
    if !context.config_file.exists() {
        return Err(Failure::usage("which domain signs?", "--domain letters.example.com, or run it where config.toml is"));
    }
    let (config, _) = Config::load(&context.config_file, std::env::vars()).map_err(|faults| {
        context.out.note("config.toml has faults, so the domain cannot be read from it; --domain names it");
        Failure::from(faults)
    })?;
    let signs = config.dkim.as_ref().map(|dkim| dkim.domain.clone());
    let sends = || config.lists.first().map(|list| list.from.address.domain().to_owned());
    signs
        .or_else(sends)
        .ok_or_else(|| Failure::usage("which domain signs? there is no [[list]] with a From address", "--domain letters.example.com"))
}

/// Writes a file that only its owner can read. What is there stays: an overwritten key cannot be had back.
fn write_new(file: &Path, pem: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut open| {
        open.write_all(pem.as_bytes())?;
        open.sync_all()
    });
    written.map_err(|error| {
        let fault = match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Fault::error("exists", format!("{} is there already; nothing was written", file.display()))
                    .hint("--out names another file; a new key needs a new --selector, so that mail under way can still be verified")
            }
            _ => Fault::error("io", format!("cannot write {}: {error}", file.display())),
        };
        Failure::new(Exit::Problems, fault)
    })
}

/// The file as config.toml names it: from its own folder where it lies there.
fn in_config(file: &Path, home: &Path) -> PathBuf {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let home = if home.as_os_str().is_empty() { Path::new(".") } else { home };
    let file = whole(file);
    file.strip_prefix(whole(home)).map(Path::to_owned).unwrap_or(file)
}

fn tell(context: &Context, key: &Key, domain: &str, file: &Path, named: &Path) {
    let (name, value, selector) = (key.selector.record_name(domain), key.record(), key.selector.as_str());
    let zone = format!("{name}. 3600 IN TXT ( {} )", zone_file_strings(&value));
    if context.out.json {
        return context.out.data(&serde_json::json!({
            "file": file, "algorithm": key.algorithm().signature_name(), "domain": domain, "selector": selector,
            "record": {"name": name, "type": "TXT", "value": value, "zone_file": zone},
        }));
    }
    let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let prefix = if key.algorithm() == Algorithm::Ed25519 { "ed25519_" } else { "" };
    let say = |line: &str| context.out.say(line);
    say(&format!("wrote {}: an {} key that only you can read", file.display(), key.algorithm().title()));
    say("");
    say("Add this TXT record to your DNS");
    say(&format!("  name   {name}"));
    say(&format!("  value  {value}"));
    say("or, in a zone file");
    say(&format!("  {zone}"));
    say("");
    say("and these lines to config.toml");
    say("  [dkim]");
    if prefix.is_empty() {
        say(&format!("  domain = \"{domain}\""));
    }
    say(&format!("  {prefix}selector = \"{selector}\""));
    say(&format!("  {prefix}key_file = {}", quoted(named)));
    say("");
    context.out.note("`postrider doctor` tells when the record can be seen. Keep the key out of version control");
}
