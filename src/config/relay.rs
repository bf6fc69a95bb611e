//! `[[relay]]`: the address of an SMTP server, its protection, its secret and its pace.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

use super::beside;
use super::reader::{Section, Text, did_you_mean};
use super::tree::{Entry, Origin, Value};
use crate::model::relay::{Rate, TlsMode, WarmUp};
use crate::model::{Fault, Relay};

/// Ports of RFC 6409 (submission) and RFC 8314 (submission over TLS).
const PORT_SUBMISSION: u16 = 587;
const PORT_SUBMISSIONS: u16 = 465;
/// More connections than any relay takes from one machine.
const CONNECTIONS_MAX: usize = 256;
/// More messages in flight on one connection bring nothing, and a broken connection leaves so many in doubt.
const WINDOW_MAX: usize = 8;

/// A share of a thousandth is fine enough.
const WEIGHT_MAX: usize = 1_000;

/// Reads the `[[relay]]` at `position`.
pub(super) fn read(section: &Section<'_>, file: &Path, position: usize) -> Option<Relay> {
    let name = section.required("name", "name = \"local\"", |s, key| s.parsed(key, "bad-id", crate::model::list::parse_id));
    let url = section.required("url", "url = \"smtp://user@smtp.example.com:587\"", Section::text);
    let address = url.as_ref().and_then(|url| section.check(parse_url(&url.value), "bad-url", url.origin));
    let password = password(section, file);
    let connections = section.count("connections", 4, 1..=CONNECTIONS_MAX);
    let messages_per_connection = section.count("messages_per_connection", 100, 1..=1_000_000);
    let rate = section.parsed("rate", "bad-rate", Rate::parse);
    let domain_rates = domain_rates(section);
    let domain_connections = domain_connections(section);
    // Without weights the first relay has all the mail and the others stand by, in their order.
    let weight = u32::try_from(section.count("weight", usize::from(position == 0), 0..=WEIGHT_MAX)).unwrap_or_default();
    let warm_up = warm_up(section);
    let pipelining = section.flag("pipelining", true);
    let window = window(section, pipelining);
    let hello = section.parsed("hello", "bad-value", host_name);
    let (name, address) = (name?, address?);
    if let Some(url) = &url {
        check_secret(section, &address, password.is_some(), url);
    }
    let Address { host, port, tls, user } = address;
    Some(Relay {
        name,
        host,
        port,
        tls,
        user,
        password,
        connections,
        messages_per_connection,
        rate,
        domain_rates,
        domain_connections,
        weight,
        warm_up,
        pipelining,
        window,
        hello,
    })
}

/// `window`: off unless it is given, and nothing without pipelining.
fn window(section: &Section<'_>, pipelining: bool) -> usize {
    let window = section.count("window", 0, 1..=WINDOW_MAX);
    if let (1.., false, Some(node)) = (window, pipelining, section.node("window")) {
        let fault = Fault::error("bad-value", "window sends ahead of the answers, and pipelining = false forbids that");
        section.fault_at(fault.hint("keep one of the two"), &node.origin);
    }
    window
}

/// What a relay's URL says.
struct Address {
    host: String,
    port: u16,
    tls: TlsMode,
    user: Option<String>,
}

/// Parses `smtp://user@host:port?tls=…` or `smtps://…`. No message repeats the URL: it may hold a secret.
fn parse_url(text: &str) -> Result<Address, String> {
    let example = "\nwrite url = \"smtp://user@smtp.example.com:587\"";
    let url = Url::parse(text.trim()).map_err(|error| format!("the relay's url cannot be read: {error}{example}"))?;
    let implicit = match url.scheme() {
        "smtp" => false,
        "smtps" => true,
        other => return Err(format!("a relay's url begins with smtp:// or smtps://, not {other}://{example}")),
    };
    if url.password().is_some() {
        return Err("the relay's url contains a password\nput it into a file and name it with password_file, or use password".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| format!("the relay's url has no host{example}"))?;
    let host = host.trim_matches(['[', ']']).to_owned();
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(format!("a relay's url ends after its port and ?tls={example}"));
    }
    let user = match url.username() {
        "" => None,
        user => Some(percent_decode_str(user).decode_utf8().map_err(|_| "the relay's user is not UTF-8")?.into_owned()),
    };
    let tls = tls_mode(&url, implicit, is_loopback(&host))?;
    let port = url.port().unwrap_or(if implicit { PORT_SUBMISSIONS } else { PORT_SUBMISSION });
    Ok(Address { host, port, tls, user })
}

/// Protection as the URL asks for it; without a word, required, except towards this machine.
fn tls_mode(url: &Url, implicit: bool, loopback: bool) -> Result<TlsMode, String> {
    let mut mode = match (implicit, loopback) {
        (true, _) => TlsMode::Implicit,
        (false, true) => TlsMode::None,
        (false, false) => TlsMode::Required,
    };
    for (key, value) in url.query_pairs() {
        mode = match (&*key, &*value) {
            ("tls", _) if implicit => return Err("smtps:// is TLS from the first byte\nleave ?tls= away, or write smtp://".to_owned()),
            ("tls", "required") => TlsMode::Required,
            ("tls", "opportunistic") => TlsMode::Opportunistic,
            ("tls", "none") => TlsMode::None,
            ("tls", other) => {
                let words = ["required", "opportunistic", "none"];
                let hint = did_you_mean(other, words.into_iter()).unwrap_or_else(|| format!("it is one of {}", words.join(", ")));
                return Err(format!("tls={other} is not known\n{hint}"));
            }
            (other, _) => return Err(format!("a relay's url has no option {other:?}\nits only option is tls")),
        };
    }
    Ok(mode)
}

/// Whether the host is this machine.
fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        _ => host.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// `password`, or the first line of `password_file` beside config.toml.
pub(super) fn password(section: &Section<'_>, file: &Path) -> Option<SecretString> {
    let password = section.text("password");
    let password_file = section.text("password_file");
    if let (Some(_), Some(second)) = (&password, &password_file) {
        let fault = Fault::error("bad-secret", "password and password_file are both given").hint("keep password_file");
        section.fault_at(fault, second.origin);
    }
    let secret = match password_file {
        Some(path) => read_secret(section, file, &path)?,
        None => password?.value,
    };
    Some(SecretString::from(secret))
}

fn read_secret(section: &Section<'_>, file: &Path, path: &Text<'_>) -> Option<String> {
    let secret_file = beside(file, &path.value);
    let secret = match std::fs::read_to_string(&secret_file) {
        Ok(secret) => secret.trim_end_matches(['\r', '\n']).to_owned(),
        Err(error) => {
            let fault = Fault::error("bad-secret", format!("cannot read {}: {error}", secret_file.display()));
            section.fault_at(fault.hint("the path is meant from the folder of config.toml"), path.origin);
            return None;
        }
    };
    if secret.is_empty() {
        section.fault_at(Fault::error("bad-secret", format!("{} is empty", secret_file.display())), path.origin);
        return None;
    }
    warn_if_open(section, &secret_file, path.origin);
    Some(secret)
}

/// Warns when other users of the machine can read a secret's file.
pub(super) fn warn_if_open(section: &Section<'_>, secret_file: &Path, origin: &Origin) {
    if readable_for_others(secret_file) {
        let fault = Fault::warning("open-secret", format!("{} can be read by other users", secret_file.display()));
        section.fault_at(fault.hint(format!("chmod 600 {}", secret_file.display())), origin);
    }
}

#[cfg(unix)]
fn readable_for_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_for_others(_: &Path) -> bool {
    false
}

/// A password needs a user, and a connection on which it cannot be read.
fn check_secret(section: &Section<'_>, address: &Address, has_password: bool, url: &Text<'_>) {
    if has_password && address.user.is_none() {
        let fault = Fault::error("bad-secret", "the relay has a password and no user");
        section.fault_at(fault.hint("name the user in the url: smtp://user@smtp.example.com"), url.origin);
    }
    if address.user.is_some() && !has_password {
        let fault = Fault::error("bad-secret", "the relay has a user and no password");
        section.fault_at(fault.hint("add password_file = \"relay.secret\""), url.origin);
    }
    if has_password && matches!(address.tls, TlsMode::None | TlsMode::Opportunistic) && !is_loopback(&address.host) {
        let fault = Fault::warning("plain-password", "the password may cross the network unprotected");
        section.fault_at(fault.hint("use ?tls=required or smtps://"), url.origin);
    }
}

/// `domain_rate = { "example.org" = "10/s", "*" = "50/s" }`.
fn domain_rates(section: &Section<'_>) -> BTreeMap<String, Rate> {
    by_domain(section, "domain_rate", "\"10/s\"", |entry| match &entry.node.value {
        Value::Text(text) => section.check(Rate::parse(text), "bad-rate", &entry.node.origin),
        other => section.check(Err(format!("a rate must be a text, not {}", other.kind())), "wrong-type", &entry.node.origin),
    })
}

/// `domain_connections = { "example.org" = 2 }`.
fn domain_connections(section: &Section<'_>) -> BTreeMap<String, usize> {
    by_domain(section, "domain_connections", "2", |entry| {
        let range = 1..=CONNECTIONS_MAX;
        let number = whole(&entry.node.value).and_then(|number| usize::try_from(number).ok()).filter(|number| range.contains(number));
        let reason = || format!("a number of connections is between 1 and {CONNECTIONS_MAX}");
        section.check(number.ok_or_else(reason), "bad-value", &entry.node.origin)
    })
}

/// A table of recipient domains; `*` is every domain that is not named.
fn by_domain<T>(section: &Section<'_>, key: &'static str, example: &str, value: impl Fn(&Entry) -> Option<T>) -> BTreeMap<String, T> {
    let hint = format!("write {key} = {{ \"example.org\" = {example} }}");
    let mut found = BTreeMap::new();
    for entry in table(section, key, &hint).unwrap_or_default() {
        let domain = match entry.key.as_str() {
            "*" => Some("*".to_owned()),
            name => section.check(host_name(name), "bad-value", &entry.key_origin),
        };
        if let (Some(domain), Some(value)) = (domain, value(entry)) {
            found.insert(domain, value);
        }
    }
    found
}

/// `warm_up = { start = "2026-12-01", days = [500, 1000] }`.
fn warm_up(section: &Section<'_>) -> Option<WarmUp> {
    const EXAMPLE: &str = "write warm_up = { start = \"2026-12-01\", days = [500, 1000, 2000] }";
    let entries = table(section, "warm_up", EXAMPLE)?;
    let (mut start, mut days) = (None, None);
    let origin = &section.node("warm_up")?.origin;
    for entry in entries {
        match (entry.key.as_str(), &entry.node.value) {
            ("start", Value::Text(text)) => {
                let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| format!("{text:?} is not a date\n{EXAMPLE}"));
                start = Some(section.check(date, "bad-value", &entry.node.origin)?);
            }
            ("days", Value::Array(items)) if !items.is_empty() => {
                let read = items.iter().map(|item| whole(&item.value).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0));
                let read = read.collect::<Option<Vec<u64>>>().ok_or_else(|| format!("days are whole numbers from 1 on\n{EXAMPLE}"));
                days = Some(section.check(read, "bad-value", &entry.node.origin)?);
            }
            ("start" | "days", _) => {
                section.fault_at(
                    Fault::error("wrong-type", "start is a date in quotes and days are numbers").hint(EXAMPLE),
                    &entry.node.origin,
                );
                return None;
            }
            (other, _) => {
                section.fault_at(Fault::error("unknown-key", format!("warm_up has no key {other:?}")).hint(EXAMPLE), &entry.key_origin);
                return None;
            }
        }
    }
    let (Some(start), Some(days)) = (start, days) else {
        section.fault_at(Fault::error("missing-key", "warm_up needs start and days").hint(EXAMPLE), origin);
        return None;
    };
    Some(WarmUp { start, days })
}

fn whole(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

/// The entries of the table under `key`.
fn table<'a>(section: &Section<'a>, key: &'static str, hint: &str) -> Option<&'a [Entry]> {
    let node = section.node(key)?;
    let Value::Table(entries) = &node.value else {
        section.fault_at(Fault::error("wrong-type", format!("{key} must be a table, not {}", node.value.kind())).hint(hint), &node.origin);
        return None;
    };
    Some(entries)
}

/// A DNS name in lower-case ASCII.
fn host_name(text: &str) -> Result<String, String> {
    match Host::parse(text) {
        Ok(host) if !text.is_empty() => Ok(host.to_string()),
        _ => Err(format!("{text:?} is not a host name\nwrite it without scheme and port: mail.example.com")),
    }
}
