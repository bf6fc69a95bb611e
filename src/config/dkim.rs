//! `[dkim]`: the signing domain and its keys, read from files of their own.

use std::path::Path;

use super::reader::Section;
use super::source::Source;
use super::tree::Origin;
use super::{beside, relay};
use crate::model::dkim::{Algorithm, Key, Selector};
use crate::model::{Dkim, Fault, Mailbox};

/// No key is larger: an RSA key of 8192 bits in PEM has 6.5 KB.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// Reads `[dkim]`: an RSA key, and an Ed25519 key when there is one.
pub(super) fn read(section: &Section<'_>, file: &Path) -> Option<Dkim> {
    let domain = section.required("domain", "domain = \"example.com\", the part of your From addresses behind the @", |s, key| {
        s.parsed(key, "bad-value", Dkim::parse_domain)
    });
    let selector = section.required("selector", "selector = \"postrider\"", selector);
    let make = "key_file = \"…\"; `postrider dkim generate --domain DOMAIN` makes the key and prints the lines";
    let rsa = section.required("key_file", make, |s, key| self::key(s, file, Algorithm::Rsa, key, selector));
    let ed25519 = match (section.node("ed25519_selector"), section.node("ed25519_key_file")) {
        (None, None) => Some(None),
        _ => {
            let selector = section.required("ed25519_selector", "ed25519_selector = \"postrider-ed25519\"", self::selector);
            let make = "ed25519_key_file = \"…\"; `postrider dkim generate --ed25519` makes the key and prints the lines";
            section.required("ed25519_key_file", make, |s, key| self::key(s, file, Algorithm::Ed25519, key, selector)).map(Some)
        }
    };
    let (domain, rsa, ed25519) = (domain?, rsa?, ed25519?);
    if let (Some(second), Some(origin)) = (&ed25519, section.node("ed25519_selector").map(|node| &node.origin))
        && second.selector == rsa.selector
    {
        let fault = Fault::error("duplicate-id", format!("both keys have the selector {:?}", rsa.selector.as_str()));
        section.fault_at(fault.hint("each key needs a DNS record, and so a selector, of its own"), origin);
    }
    Some(Dkim { domain, keys: std::iter::once(rsa).chain(ed25519).collect() })
}

fn selector(section: &Section<'_>, key: &'static str) -> Option<Selector> {
    section.parsed(key, "bad-value", Selector::parse)
}

/// The key in the file that `name` names; without its selector it is looked at all the same.
fn key(section: &Section<'_>, file: &Path, algorithm: Algorithm, name: &'static str, selector: Option<Selector>) -> Option<Key> {
    let path = section.text(name)?;
    let key_file = beside(file, &path.value);
    let placeholder = Selector::parse("unnamed").ok();
    let has_selector = selector.is_some();
    let pem = match read_capped(&key_file) {
        Ok(pem) => pem,
        Err(error) => {
            let fault = Fault::error("bad-secret", format!("cannot read {}: {error}", key_file.display()));
            let flag = if algorithm == Algorithm::Ed25519 { " --ed25519" } else { "" };
            let hint =
                format!("the path is meant from the folder of config.toml; `postrider dkim generate{flag} --domain DOMAIN` makes a key");
            section.fault_at(fault.hint(hint), path.origin);
            return None;
        }
    };
    relay::warn_if_open(section, &key_file, path.origin);
    let key = Key::read(algorithm, selector.or(placeholder)?, &pem).map_err(|reason| format!("{}: {reason}", key_file.display()));
    section.check(key, "bad-secret", path.origin).filter(|_| has_selector)
}

fn read_capped(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut pem = Vec::new();
    std::fs::File::open(file)?.take(KEY_BYTES_MAX).read_to_end(&mut pem)?;
    Ok(pem)
}

/// Warns of every List whose mail is signed by a domain that is not its own: DMARC may not count such a signature.
pub(super) fn check_lists(dkim: &Dkim, froms: Vec<(String, &Origin)>, source: &Source<'_>) {
    for (from, origin) in froms {
        let Ok(mailbox) = Mailbox::parse(&from) else { continue };
        let domain = mailbox.address.domain();
        if !dkim.covers(domain) {
            let message = format!("mail from {domain} is signed by {}, which is neither {domain} nor above it", dkim.domain);
            let fault = Fault::warning("dkim-domain", message);
            source.report(fault.hint("receivers who check DMARC strictly do not count that signature: use one domain for both"), origin);
        }
    }
}
