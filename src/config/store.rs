//! `[store]`: an SQLite file, or a PostgreSQL database whose password never prints.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::beside;
use super::reader::{Section, did_you_mean};
use super::relay::password;
use super::tree::Origin;

/// What the URL of a database may say after `?`, as libpq names it.
const OPTIONS: [&str; 6] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port"];
const SQLITE_EXAMPLE: &str = "write url = \"sqlite://postrider.db\"";
const POSTGRES_EXAMPLE: &str = "write url = \"postgres://postrider@db.example.org/postrider\"";

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite://FILE`.
    Sqlite(PathBuf),
    /// `postgres://USER@HOST/DATABASE`.
    Postgres(PostgresUrl),
}

/// The address of a database and the password to it. Shown without the password.
#[derive(Clone)]
pub struct PostgresUrl {
    url: Url,
    password: Option<SecretString>,
}

impl PostgresUrl {
    /// Parses `postgres://user@host/database`, with or without a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text.trim()).map_err(|error| format!("the store's url cannot be read: {error}\n{POSTGRES_EXAMPLE}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(format!("the url of a database begins with postgres://\n{POSTGRES_EXAMPLE}"));
        }
        if matches!(url.path(), "" | "/") {
            return Err(format!("the store's url names no database\n{POSTGRES_EXAMPLE}"));
        }
        for (key, _) in url.query_pairs() {
            if !OPTIONS.contains(&&*key) {
                let hint = did_you_mean(&key, OPTIONS.into_iter()).unwrap_or_else(|| format!("its options are {}", OPTIONS.join(", ")));
                return Err(format!("the store's url has no option {key:?}\n{hint}"));
            }
        }
        let password = url.password().map(|secret| percent_encoding::percent_decode_str(secret).decode_utf8_lossy().into_owned());
        if password.is_some() {
            url.set_password(None).map_err(|()| "the store's url cannot have a password".to_owned())?;
        }
        Ok(Self { url, password: password.map(SecretString::from) })
    }

    /// The address without the password.
    pub fn address(&self) -> &Url {
        &self.url
    }

    /// The password, if one was told.
    pub fn password(&self) -> Option<&str> {
        self.password.as_ref().map(SecretString::expose_secret)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.url)
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url && self.password() == other.password()
    }
}

impl Eq for PostgresUrl {}

/// Reads `[store]`.
pub(super) fn read(section: &Section<'_>, file: &Path) -> Option<StoreUrl> {
    let secret = password(section, file);
    let text = section.text("url")?;
    let given = matches!(text.origin, Origin::Variable(_));
    section.check(parse(&text.value, given, secret, file), "bad-url", text.origin)
}

/// `sqlite://FILE`, the file meant from the folder of config.toml, or `postgres://…`. A password may stand in a URL that was `given`
/// by a variable, which is shown nowhere, but not in the file.
fn parse(text: &str, given: bool, secret: Option<SecretString>, file: &Path) -> Result<StoreUrl, String> {
    match text.split_once("://") {
        Some(("sqlite", "" | ":memory:")) => Err(format!("the store must be a file\n{SQLITE_EXAMPLE}")),
        Some(("sqlite", _)) if secret.is_some() => Err("an SQLite file has no password\ntake password and password_file out".to_owned()),
        Some(("sqlite", path)) => Ok(StoreUrl::Sqlite(beside(file, path))),
        Some(("postgres" | "postgresql", _)) => {
            let mut url = PostgresUrl::parse(text)?;
            if url.password.is_some() && !given {
                return Err(
                    "the store's url contains a password\nput it into a file and name it with password_file, or give the whole url as POSTRIDER_STORE__URL"
                        .to_owned(),
                );
            }
            url.password = url.password.or(secret);
            Ok(StoreUrl::Postgres(url))
        }
        _ => Err(format!("the store's url begins with sqlite:// or postgres://\n{SQLITE_EXAMPLE}")),
    }
}
