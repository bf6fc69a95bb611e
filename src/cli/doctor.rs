//! `doctor`: the store, the relays and the DNS records, with what to do about each.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, Record};

use super::output::table;
use super::{Context, Exit, Failure};
use crate::config::{Config, StoreUrl};
use crate::model::dkim::{Key, Published};
use crate::model::relay::TlsMode;
use crate::store::{Store, StoreError};

/// A name server that does not answer in this time is taken as silent.
const DNS_TIME: Duration = Duration::from_secs(5);

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug, serde::Serialize)]
struct Finding {
    what: String,
    health: Health,
    says: String,
    hint: Option<String>,
    /// Whether the remote side is at fault, which decides the exit code.
    #[serde(skip)]
    remote: bool,
}

/// Looks at everything the program depends on and cannot mend itself.
pub async fn run(context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let mut findings = vec![store(context, &config).await];
    findings.extend(relays(&config).await);
    findings.extend(dns(&config).await);
    if context.out.json {
        context.out.data(&findings);
    } else {
        let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
        context.out.line(table(&rows));
        context.out.line("");
        context.out.line("for a bug report:");
        context.out.line(format!("  postrider {} on {} {}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH));
        let (lists, digests, relays) = (config.lists.len(), config.digests.len(), config.relays.len());
        context.out.line(format!("  lists {lists}, digests {digests}, feeds {}, relays {relays}", config.feeds.len()));
    }
    let failed = |remote: bool| findings.iter().any(|finding| finding.health == Health::Fail && finding.remote == remote);
    Ok(if failed(false) {
        Exit::Problems
    } else if failed(true) {
        Exit::Remote
    } else {
        Exit::Done
    })
}

fn row(finding: &Finding) -> Vec<String> {
    let word = match finding.health {
        Health::Ok => "ok",
        Health::Warn => "warning",
        Health::Fail => "fail",
    };
    let hint = finding.hint.as_ref().map(|hint| format!("  hint: {hint}")).unwrap_or_default();
    vec![finding.what.clone(), word.to_owned(), format!("{}{hint}", finding.says)]
}

fn finding(what: &str, health: Health, says: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { what: what.to_owned(), health, says: says.into(), hint, remote: false }
}

/// Opens the store only if it is there: looking must not make one.
async fn store(context: &Context, config: &Config) -> Finding {
    let place = match &config.store {
        StoreUrl::Sqlite(file) => file.display().to_string(),
        StoreUrl::Postgres(url) => url.to_string(),
    };
    let looked = match Store::is_new(&config.store).await {
        Ok(true) => return finding("store", Health::Ok, format!("{place} will be made at first use"), None),
        Ok(false) => Store::open(&config.store, context.clock.now()).await,
        Err(error) => Err(error),
    };
    let opened = match looked {
        Ok(store) => store.list_counts().await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(counts) => {
            let people: u64 = counts.iter().map(|list| list.confirmed).sum();
            finding("store", Health::Ok, format!("{place}: {people} confirmed on {} lists", counts.len()), None)
        }
        Err(error) => Finding {
            remote: matches!(error, StoreError::Remote(_)),
            ..finding("store", Health::Fail, super::with_causes(&error), Some("look at [store] url in config.toml".to_owned()))
        },
    }
}

/// Greets every relay as the sender would: connect, EHLO, TLS, AUTH; no mail.
async fn relays(config: &Config) -> Vec<Finding> {
    if config.relays.is_empty() {
        return vec![finding("smtp", Health::Fail, "no [[relay]] in config.toml", Some("without one nothing can be sent".to_owned()))];
    }
    let mut findings = Vec::new();
    for relay in &config.relays {
        let what = format!("smtp {}", relay.name);
        let mut found = match crate::send::probe(relay).await {
            Ok(says) if relay.tls == TlsMode::None && !is_local(&relay.host) => {
                finding(&what, Health::Warn, says, Some("tls=none sends passwords and mail in the clear: tls=required".to_owned()))
            }
            Ok(says) => finding(&what, Health::Ok, says, None),
            Err(error) => finding(
                &what,
                Health::Fail,
                if error.starts_with(&relay.host) { error } else { format!("{}:{}: {error}", relay.host, relay.port) },
                Some("`postrider dev` runs a local inbox to try things with".to_owned()),
            ),
        };
        found.remote = true;
        findings.push(found);
    }
    findings
}

fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

/// SPF and DMARC of every From domain, and the records of the DKIM keys. Sample domains are left alone.
async fn dns(config: &Config) -> Vec<Finding> {
    let mut domains: Vec<&str> = config.lists.iter().map(|list| list.from.address.domain()).collect();
    domains.sort_unstable();
    domains.dedup();
    let mut findings = Vec::new();
    let resolver = hickory_resolver::Resolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build);
    let resolver = match resolver {
        Ok(resolver) => resolver,
        Err(error) => return vec![finding("dns", Health::Fail, format!("no name server: {error}"), None)],
    };
    for domain in domains {
        if is_sample(domain) {
            findings.push(finding(
                &format!("dns {domain}"),
                Health::Warn,
                "a sample domain: no provider takes mail from it",
                Some("set your own address in [[list]] from".to_owned()),
            ));
            continue;
        }
        findings.push(record(&resolver, domain, domain, "SPF", "v=spf1", "TXT", "v=spf1 include:YOUR-PROVIDER ~all").await);
        let name = format!("_dmarc.{domain}");
        let policy = format!("v=DMARC1; p=none; rua=mailto:postmaster@{domain}");
        findings.push(record(&resolver, domain, &name, "DMARC", "v=DMARC1", "TXT _dmarc", &policy).await);
    }
    if let Some(dkim) = config.dkim.as_ref().filter(|dkim| !is_sample(&dkim.domain)) {
        for key in &dkim.keys {
            findings.push(dkim_record(&resolver, &dkim.domain, key).await);
        }
    }
    findings
}

/// Whether receivers find the public half of the key we sign with.
async fn dkim_record(resolver: &TokioResolver, domain: &str, key: &Key) -> Finding {
    let what = format!("dns {domain}");
    let name = key.selector.record_name(domain);
    let texts = match texts(resolver, &name).await {
        Ok(texts) => texts,
        Err(why) => return Finding { remote: true, ..finding(&what, Health::Fail, format!("DKIM: {why}"), None) },
    };
    let (health, says) = match key.published(&texts) {
        Published::Matches => return finding(&what, Health::Ok, format!("DKIM: {name} has our {} key", key.algorithm().title()), None),
        Published::Testing => (Health::Warn, format!("{name} has our key, marked as a test (t=y)")),
        Published::Missing => (Health::Fail, format!("no DKIM record at {name}")),
        Published::Differs => (Health::Fail, format!("{name} has another key than the one we sign with")),
        Published::Revoked => (Health::Fail, format!("{name} says that the key was withdrawn (p= is empty)")),
    };
    finding(&what, health, says, Some(format!("its TXT record must be \"{}\"", key.record())))
}

/// Names set aside for examples (RFC 2606, RFC 6761).
fn is_sample(domain: &str) -> bool {
    ["example.com", "example.org", "example.net", "example", "test", "invalid", "localhost"]
        .iter()
        .any(|sample| domain == *sample || domain.ends_with(&format!(".{sample}")))
}

async fn record(resolver: &TokioResolver, domain: &str, name: &str, kind: &str, starts: &str, place: &str, advice: &str) -> Finding {
    let what = format!("dns {domain}");
    let texts = match texts(resolver, name).await {
        Ok(texts) => texts,
        Err(why) => return Finding { remote: true, ..finding(&what, Health::Fail, format!("{kind}: {why}"), None) },
    };
    match texts.iter().find(|text| text.starts_with(starts)) {
        Some(text) => finding(&what, Health::Ok, format!("{kind}: {text}"), None),
        None => finding(&what, Health::Fail, format!("no {kind} record"), Some(format!("add {place} \"{advice}\""))),
    }
}

/// The TXT records of a name, the strings of each joined. A name server that cannot be asked is an error, a name without records is not.
async fn texts(resolver: &TokioResolver, name: &str) -> Result<Vec<String>, String> {
    match tokio::time::timeout(DNS_TIME, resolver.txt_lookup(format!("{name}."))).await {
        Err(_) => Err(format!("no answer within {} s", DNS_TIME.as_secs())),
        Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
        Ok(Err(error)) => Err(format!("the name server cannot be asked: {error}")),
        Ok(Ok(answer)) => {
            let text = |record: &Record| if let RData::TXT(txt) = &record.data { Some(txt.to_string()) } else { None };
            Ok(answer.answers().iter().filter_map(text).collect())
        }
    }
}
