//! A second opinion on signatures: a plain verifier that shares nothing with the signer. It is held against the examples of RFC 8463.

use aws_lc_rs::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// One signature that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    pub algorithm: String,
    pub domain: String,
    pub selector: String,
    /// The names in h=.
    pub headers: Vec<String>,
}

/// Judges every DKIM-Signature of a message, from the top; `records` are DNS names with their TXT values.
pub fn verify(message: &[u8], records: &[(String, String)]) -> Vec<Result<Good, String>> {
    let message = std::str::from_utf8(message).expect("UTF-8");
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message.trim_end_matches("\r\n"), ""));
    let mut fields: Vec<String> = Vec::new();
    for line in head.split("\r\n") {
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => {
                field.push_str("\r\n");
                field.push_str(line);
            }
            _ => fields.push(line.to_owned()),
        }
    }
    let signatures = fields.iter().filter(|field| name(field) == "dkim-signature");
    signatures.map(|signature| one(signature, &fields, body, records)).collect()
}

/// The algorithms of a message whose signatures must all be good.
pub fn all_good(message: &[u8], records: &[(String, String)]) -> Vec<Good> {
    let judged = verify(message, records).into_iter().collect::<Result<Vec<_>, _>>();
    judged.unwrap_or_else(|why| panic!("{why}\n{}", String::from_utf8_lossy(message)))
}

fn one(signature: &str, fields: &[String], body: &str, records: &[(String, String)]) -> Result<Good, String> {
    let value = signature.split_once(':').unwrap().1;
    let tag = |wanted: &str| {
        let found = value.split(';').filter_map(|part| part.split_once('=')).filter(|(name, _)| name.trim() == wanted);
        let all: Vec<String> = found.map(|(_, value)| value.split_whitespace().collect()).collect();
        if let [value] = &all[..] { Ok(value.clone()) } else { Err(format!("{} tags {wanted}=", all.len())) }
    };
    if tag("c")? != "relaxed/relaxed" || tag("v")? != "1" {
        return Err("another kind of signature".into());
    }
    if tag("bh")? != STANDARD.encode(Sha256::digest(canonical_body(body))) {
        return Err("the body was changed".into());
    }
    let mut left: Vec<&String> = fields.iter().collect();
    let mut signed = String::new();
    let headers: Vec<String> = tag("h")?.split(':').map(str::to_lowercase).collect();
    for wanted in &headers {
        if let Some(at) = left.iter().rposition(|field| name(field) == *wanted) {
            signed.push_str(&canonical_field(left.remove(at)));
            signed.push_str("\r\n");
        }
    }
    let parts: Vec<String> =
        value.split(';').map(|part| if part.trim_start().starts_with("b=") { " b=".into() } else { part.into() }).collect();
    signed.push_str(&canonical_field(&format!("DKIM-Signature:{}", parts.join(";"))));

    let (domain, selector, algorithm) = (tag("d")?, tag("s")?, tag("a")?);
    let record = format!("{selector}._domainkey.{domain}");
    let text = &records.iter().find(|(name, _)| *name == record).ok_or_else(|| format!("no record {record}"))?.1;
    let public = text.split(';').find_map(|part| part.trim().strip_prefix("p=")).ok_or("no p=")?;
    let decode = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
    let (public, octets) = (decode(public)?, decode(&tag("b")?)?);
    let good = match algorithm.as_str() {
        "rsa-sha256" => UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, public).verify(signed.as_bytes(), &octets),
        "ed25519-sha256" => UnparsedPublicKey::new(&ED25519, public).verify(&Sha256::digest(&signed), &octets),
        other => return Err(format!("an unknown algorithm {other}")),
    };
    good.map_err(|_| "a signed header was changed".to_owned())?;
    Ok(Good { algorithm, domain, selector, headers })
}

fn name(field: &str) -> String {
    field.split(':').next().unwrap().trim_end().to_lowercase()
}

pub fn canonical_field(field: &str) -> String {
    let value = field.split_once(':').expect("a colon").1;
    format!("{}:{}", name(field), one_blank(&value.replace("\r\n", "")).trim_matches(' '))
}

pub fn canonical_body(body: &str) -> String {
    let mut lines: Vec<String> = body.split("\r\n").map(|line| one_blank(line).trim_end_matches(' ').to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn one_blank(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars().map(|c| if c == '\t' { ' ' } else { c }) {
        if c != ' ' || !out.ends_with(' ') {
            out.push(c);
        }
    }
    out
}
