//! Tests of DKIM: what is signed, what survives the way, what does not, and the keys.

use std::path::{Path, PathBuf};

use postrider::compose::sign;
use postrider::config::Config;
pub use postrider::model::Dkim;
use postrider::model::dkim::{Algorithm, Key, Published, Selector, zone_file_strings};
use postrider::model::{Faults, Timestamp};
use secrecy::ExposeSecret as _;

pub mod verify;

use verify::{all_good, canonical_body, canonical_field};

/// 22 November 2026, 09:00 UTC.
const NOON: Timestamp = Timestamp::from_secs(1_795_338_000);

/// A key of tests/it/fixtures/dkim. The Ed25519 one is that of RFC 8463.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path(name)).unwrap()
}

pub fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/dkim").join(name)
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

/// A signer with both keys, for example.org.
pub fn both_keys() -> Dkim {
    let rsa = Key::read(Algorithm::Rsa, selector("postrider"), &fixture("rsa.pkcs8.pem")).unwrap();
    Dkim { domain: "example.org".into(), keys: vec![rsa, ed25519()] }
}

/// A signer that is fast enough for thousands of messages.
pub fn ed25519_only() -> Dkim {
    Dkim { domain: "example.org".into(), keys: vec![ed25519()] }
}

fn ed25519() -> Key {
    Key::read(Algorithm::Ed25519, selector("brisbane"), &fixture("ed25519.pkcs8.pem")).unwrap()
}

/// What a name server would say.
pub fn records(dkim: &Dkim) -> Vec<(String, String)> {
    dkim.keys.iter().map(|key| (key.selector.record_name(&dkim.domain), key.record())).collect()
}

fn signed(dkim: &Dkim, message: &str) -> Vec<u8> {
    let mut message = message.as_bytes().to_vec();
    sign(dkim, NOON, &mut message).unwrap();
    message
}

/// A message as we write them, with a body that has blanks to make one.
const MESSAGE: &str = "From: Example Post <post@example.org>\r\n\
    To: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\r\n\
    Subject: Tea,  cake\r\n and more\r\n\
    Date: Sun, 22 Nov 2026 09:00:00 +0000\r\n\
    Message-ID: <7.5.abc@example.org>\r\n\
    List-Unsubscribe: <https://example.org/unsubscribe/abc>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
    List-Id: <weekly.example.org>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Good  morning, \t all.\r\n  \r\nThe kettle is on. \t\r\n\tCome in.\r\n\r\n \r\n";

/// The example of RFC 8463 appendix A.3, signed by both of its keys.
const RFC_8463: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n \
    Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n \
    DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n";
/// The message it signs.
const JOE: &str = "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

fn rfc_8463_records() -> Vec<(String, String)> {
    let rsa = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/\
        byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
    let ed25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    [("test", rsa), ("brisbane", ed25519)].map(|(s, text)| (format!("{s}._domainkey.football.example.com"), text.to_owned())).to_vec()
}

#[test]
fn the_verifier_of_these_tests_accepts_the_example_of_rfc_8463_and_nothing_else() {
    let message = format!("{RFC_8463}{JOE}");
    let good = all_good(message.as_bytes(), &rfc_8463_records());
    assert_eq!(good.iter().map(|good| good.algorithm.as_str()).collect::<Vec<_>>(), ["ed25519-sha256", "rsa-sha256"]);
    for (from, to) in [("hungry", "angry"), ("dinner", "supper"), ("2003 21", "2004 21")] {
        let judged = verify::verify(message.replace(from, to).as_bytes(), &rfc_8463_records());
        assert!(judged.len() == 2 && judged.iter().all(Result::is_err), "{from} became {to} unnoticed: {judged:?}");
    }
}

#[test]
fn the_published_examples_come_out_the_same() {
    let dkim = Dkim { domain: "football.example.com".into(), keys: vec![ed25519()] };
    assert_eq!(records(&dkim)[0], rfc_8463_records()[1], "the record of RFC 8463's key");
    let message = String::from_utf8(signed(&dkim, JOE)).unwrap();
    assert!(message.contains("bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;"), "the body hash of RFC 8463:\n{message}");
    // RFC 6376 section 3.4.4 gives the hash of a body that is not there, section 3.4.5 a canonical form.
    for nothing in ["", "\r\n", "\r\n\r\n\r\n", " \t\r\n \r\n"] {
        let message = String::from_utf8(signed(&dkim, &format!("From: a@football.example.com\r\n\r\n{nothing}"))).unwrap();
        assert!(message.contains("bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"), "the hash of no body for {nothing:?}:\n{message}");
    }
    assert_eq!(canonical_field("B : Y\t\r\n\tZ  "), "b:Y Z");
    assert_eq!(canonical_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
    all_good(&signed(&dkim, "A: X\r\nB : Y\t\r\n\tZ  \r\nSubject : T\t\r\n\tU  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"), &records(&dkim));
}

#[test]
fn both_keys_sign_and_the_headers_providers_demand_are_inside() {
    let dkim = both_keys();
    let message = signed(&dkim, MESSAGE);
    assert!(message.ends_with(MESSAGE.as_bytes()), "the message itself stays as it was");
    let good = all_good(&message, &records(&dkim));
    assert_eq!(
        good.iter().map(|good| (good.algorithm.as_str(), good.selector.as_str())).collect::<Vec<_>>(),
        [("rsa-sha256", "postrider"), ("ed25519-sha256", "brisbane")]
    );
    for good in &good {
        assert_eq!(good.domain, "example.org");
        let count = |name: &str| good.headers.iter().filter(|header| *header == name).count();
        for name in ["from", "subject", "to", "date", "message-id", "mime-version", "content-type"] {
            assert_eq!(count(name), 2, "{name} is oversigned: {:?}", good.headers);
        }
        for name in ["reply-to", "cc", "list-unsubscribe", "list-unsubscribe-post", "list-id"] {
            assert_eq!(count(name), 1, "{name} is signed: {:?}", good.headers);
        }
    }
    let text = String::from_utf8(message).unwrap();
    assert!(!text.contains("l="), "no l=: what is added to a body must be noticed");
    assert!(text.split("\r\n").all(|line| line.len() <= 78), "lines are folded:\n{text}");
    insta::assert_snapshot!(text.split("From: ").next().unwrap().replace("\r\n", "\n"));
}

#[test]
fn what_servers_do_on_the_way_breaks_no_signature() {
    let dkim = both_keys();
    let message = String::from_utf8(signed(&dkim, MESSAGE)).unwrap();
    let ways = [
        format!("Return-Path: <post@example.org>\r\nReceived: from a by b;\r\n Sun, 22 Nov 2026 09:00:01 +0000\r\n{message}"),
        message.replace("Subject: Tea,  cake\r\n and more", "SUBJECT:Tea,\r\n\t cake and   more "),
        message.replace("DKIM-Signature: v=1; ", "dkim-signature:   v=1;\r\n\t"),
        message.replace("Good  morning, \t all.", "Good morning, all.   "),
        format!("{message}\r\n\r\n"),
        message.replace("MIME-Version: 1.0\r\n", "").replace("From: Ex", "MIME-Version: 1.0\r\nX-Spam: no\r\nFrom: Ex"),
    ];
    for way in ways {
        assert_ne!(way, message, "something was changed");
        assert_eq!(all_good(way.as_bytes(), &records(&dkim)).len(), 2);
    }
}

#[test]
fn whatever_is_changed_added_or_taken_out_breaks_both_signatures() {
    let dkim = both_keys();
    let message = String::from_utf8(signed(&dkim, MESSAGE)).unwrap();
    let mut tampered: Vec<String> = [
        ("kettle", "bottle"),
        ("kettle is", "kettleis"),
        ("\r\n\tCome", "\r\nCome"),
        ("Come in.", "Come in. Now."),
        ("Tea, ", "Tee, "),
        ("abc>\r\nList-Unsubscribe-Post", "abd>\r\nList-Unsubscribe-Post"),
        ("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", ""),
        ("<post@", "<past@"),
        ("<zoe@", "<joe@"),
        ("7.5.abc", "7.6.abc"),
        ("09:00:00", "09:00:01"),
        ("text/plain", "text/html"),
        ("weekly.", "monthly."),
        ("t=17", "t=18"),
    ]
    .map(|(from, to)| message.replace(from, to))
    .to_vec();
    for added in ["From: x@example.org", "Subject: x", "To: x", "Cc: x", "Reply-To: x@example.org", "Date: x", "Content-Type: text/html"] {
        tampered.push(format!("{added}\r\n{message}"));
        tampered.push(message.replace("\r\n\r\n", &format!("\r\n{added}\r\n\r\n")));
    }
    for tampered in tampered {
        assert_ne!(tampered, message, "something was changed");
        let judged = verify::verify(tampered.as_bytes(), &records(&dkim));
        assert_eq!(judged.len(), 2);
        assert!(judged.iter().all(Result::is_err), "not noticed in {judged:?}\n{tampered}");
    }
}

#[test]
fn any_message_is_signed_so_that_it_verifies() {
    use proptest::prelude::*;
    let dkim = ed25519_only();
    let value = proptest::string::string_regex("([!-~]{0,20}( |\t|\r\n |\r\n\t\t| \r\n  ){0,3}[!-9;-~é]){0,8}").unwrap();
    let name = prop::sample::select(vec!["From", "Subject", "subject", "To", "X-Other", "Reply-To", "List-Unsubscribe", "Cc", "Date"]);
    let header = prop::collection::vec((name, value), 1..12);
    let line = proptest::string::string_regex("([ -~]{0,200}|[ \t]{0,4}|(a {0,3}\t?){0,90})").unwrap();
    let body = prop::option::of(prop::collection::vec(line, 0..12));
    proptest!(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() }, |((header, body) in (header, body))| {
        let mut message: String = header.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if let Some(body) = &body {
            message.push_str("\r\n");
            message.push_str(&body.join("\r\n"));
        }
        let judged = verify::verify(&signed(&dkim, &message), &records(&dkim));
        prop_assert_eq!(judged.len(), 1);
        prop_assert!(judged[0].is_ok(), "{:?} in\n{:?}", judged[0], message);
    });
}

#[test]
fn a_header_of_any_length_is_signed_without_exhausting_the_stack() {
    let dkim = both_keys();
    let long = "x ".repeat(500_000);
    let message = std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(move || signed(&both_keys(), &format!("From: a@example.org\r\nSubject: {long}\r\n\r\n{}", "  y\t".repeat(500_000))))
        .unwrap();
    assert_eq!(all_good(&message.join().unwrap(), &records(&dkim)).len(), 2);
}

#[test]
fn a_line_that_is_no_header_is_refused_and_nothing_is_written() {
    for wrong in ["no header\r\n\r\nbody", ": x\r\n\r\n", " folded from nowhere\r\n\r\n"] {
        let mut message = wrong.as_bytes().to_vec();
        assert!(sign(&both_keys(), NOON, &mut message).is_err(), "{wrong:?}");
        assert_eq!(message, wrong.as_bytes());
    }
}

#[test]
fn keys_are_read_in_every_form_openssl_writes() {
    let read = |algorithm, pem: &[u8]| Key::read(algorithm, selector("s"), pem);
    let (one, other) = (fixture("rsa.pkcs1.pem"), fixture("rsa.pkcs8.pem"));
    assert_eq!(read(Algorithm::Rsa, &one).unwrap().record(), read(Algorithm::Rsa, &other).unwrap().record());
    let text = String::from_utf8(other).unwrap();
    let with_prose = format!("The key of example.org\n{}", text.replace('\n', "\r\n"));
    assert_eq!(read(Algorithm::Rsa, with_prose.as_bytes()).unwrap().record(), read(Algorithm::Rsa, &one).unwrap().record());
    for algorithm in [Algorithm::Rsa, Algorithm::Ed25519] {
        let (made, pem) = Key::generate(algorithm, selector("s")).unwrap();
        let again = read(algorithm, pem.expose_secret().as_bytes()).unwrap();
        assert_eq!((again.algorithm(), again.record()), (algorithm, made.record()));
    }
    let ec = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIK0mMWoqxxcG4rn6eSCQPX2mAwKVCmINfBJecMkYIcpEoAoGCCqGSM49\n\
        AwEHoUQDQgAEpp52cWBU2b3aZiCuL38k4cyPh2USJpbCvfEan58iSI6OaaqghGlk\n9sCDdXQlCWTBF+tRmvlju2uAdRYNYP0hOg==\n-----END EC PRIVATE KEY-----\n";
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cut = &text[..text.len() / 2];
    for (algorithm, pem, says) in [
        (Algorithm::Rsa, "", "no private key"),
        (Algorithm::Rsa, "not a key at all", "no private key"),
        (Algorithm::Rsa, cut, "no private key"),
        (Algorithm::Rsa, locked, "passphrase"),
        (Algorithm::Rsa, ec, "not an RSA key"),
        (Algorithm::Rsa, SMALL, "2048"),
        (Algorithm::Rsa, std::str::from_utf8(&fixture("ed25519.pkcs8.pem")).unwrap(), "ed25519_key_file"),
        (Algorithm::Ed25519, &text, "not an Ed25519 key"),
        (Algorithm::Ed25519, ec, "not an Ed25519 key"),
    ] {
        let error = read(algorithm, pem.as_bytes()).unwrap_err();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
        assert!(error.contains('\n'), "a hint is missing: {error}");
    }
}

#[test]
fn a_record_is_held_against_the_key() {
    let dkim = both_keys();
    let (rsa, ed25519) = (&dkim.keys[0], &dkim.keys[1]);
    let record = rsa.record();
    let spaced = record.replace("; ", " ;\t").replace("p=MIIB", "p= MI IB");
    for (texts, expected) in [
        (vec![], Published::Missing),
        (vec!["v=spf1 -all".to_owned()], Published::Missing),
        (vec!["v=DKIM2; p=abc".to_owned()], Published::Missing),
        (vec![record.clone()], Published::Matches),
        (vec![spaced], Published::Matches),
        (vec![record.replace("k=rsa; ", "").replace("v=DKIM1; ", "")], Published::Matches),
        (vec!["v=DKIM1; p=".to_owned(), record.clone()], Published::Matches),
        (vec![format!("{record}; t=y:s")], Published::Testing),
        (vec!["v=DKIM1; k=rsa; p=".to_owned()], Published::Revoked),
        (vec![ed25519.record()], Published::Differs),
        (vec![record.replace("p=MIIB", "p=MIIC")], Published::Differs),
    ] {
        assert_eq!(rsa.published(&texts), expected, "{texts:?}");
    }
    assert_eq!(ed25519.published(&[ed25519.record()]), Published::Matches);
    assert_eq!(ed25519.published(&[ed25519.record().replace("k=ed25519; ", "")]), Published::Differs, "k= is rsa without a word");
    let strings = zone_file_strings(&record);
    assert!(strings.split('"').all(|part| part.len() <= 255), "{strings}");
    assert_eq!(strings.replace("\" \"", "").trim_matches('"'), record);
}

#[test]
fn a_signing_domain_covers_itself_and_what_is_below() {
    let dkim = both_keys();
    for (from, covered) in
        [("example.org", true), ("letters.example.org", true), ("badexample.org", false), ("org", false), ("example.com", false)]
    {
        assert_eq!(dkim.covers(from), covered, "{from}");
    }
}

/// Loads `[site]`, a list and `dkim` as config.toml, with the fixtures beside it, readable by their owner alone.
fn load(dkim: &str) -> Result<(Config, Faults), Faults> {
    let dir = tempfile::tempdir().unwrap();
    for name in ["rsa.pkcs8.pem", "rsa.pkcs1.pem", "ed25519.pkcs8.pem"] {
        std::fs::write(dir.path().join(name), fixture(name)).unwrap();
        chmod(&dir.path().join(name), 0o600);
    }
    std::fs::write(dir.path().join("open.pem"), fixture("rsa.pkcs8.pem")).unwrap();
    chmod(&dir.path().join("open.pem"), 0o640);
    let file = dir.path().join("config.toml");
    let text = format!(
        "[site]\ntitle = \"Tea\"\nurl = \"https://example.org\"\n\n[dkim]\n{dkim}\n\n\
        [[list]]\nid = \"weekly\"\nfrom = \"Tea <tea@letters.example.org>\"\n"
    );
    std::fs::write(&file, text).unwrap();
    Config::load(&file, std::iter::empty())
}

fn chmod(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

const TWO_KEYS: &str = "domain = \"example.org\"\nselector = \"postrider\"\nkey_file = \"rsa.pkcs1.pem\"\n\
    ed25519_selector = \"brisbane\"\ned25519_key_file = \"ed25519.pkcs8.pem\"";

#[test]
fn config_reads_both_keys_and_never_prints_them() {
    let (config, warnings) = load(TWO_KEYS).unwrap();
    assert_eq!(warnings, Faults::default());
    let dkim = config.dkim.as_ref().expect("[dkim] was read");
    assert_eq!(records(dkim), records(&both_keys()));
    let printed = format!("{config:?} {config:#?} {dkim:?}");
    assert!(printed.contains("brisbane"), "{printed}");
    for name in ["rsa.pkcs1.pem", "rsa.pkcs8.pem", "ed25519.pkcs8.pem"] {
        let pem = String::from_utf8(fixture(name)).unwrap();
        for line in pem.lines().filter(|line| !line.starts_with('-')) {
            assert!(!printed.contains(line), "a line of {name} was printed");
        }
    }
    let shown = load(&format!("{TWO_KEYS}\nprivate_key = \"MIIEvSECRETSECRET\"\nrsakey = \"\"\"\nMIIEvSECRETSECRET\n\"\"\""))
        .unwrap_err()
        .to_string();
    assert!(!shown.contains("SECRET"), "{shown}");
}

#[test]
fn every_fault_of_dkim_is_named_at_once_with_its_place_and_a_hint() {
    let cases = [
        "",
        "domain = \"localhost\"\nselector = \"my key\"\nkey_file = \"missing.pem\"",
        "domain = \"example.org\"\nselector = \"a\"\nkey_file = \"config.toml\"\ned25519_selector = \"b\"",
        "domain = \"example.org\"\nselector = \"a\"\nkey_file = \"ed25519.pkcs8.pem\"\ned25519_key_file = \"rsa.pkcs8.pem\"",
        "domain = \"example.org\"\nselector = \"a\"\nkey_file = \"rsa.pkcs8.pem\"\ned25519_selector = \"A\"\ned25519_key_file = \"ed25519.pkcs8.pem\"",
        "domain = \"example.org\"\nselektor = \"a\"\nkey_file = 7",
        "domain = \"other.example\"\nselector = \"a\"\nkey_file = \"open.pem\"",
    ];
    let mut all = String::new();
    for case in cases {
        let (said, faults) = match load(case) {
            Ok((_, warnings)) => ("refuses nothing", warnings),
            Err(faults) => ("is refused", faults),
        };
        all.push_str(&format!("--- this {said}\n{case}\n"));
        for fault in &faults.0 {
            let place = fault.place.as_ref().map_or(0, |place| place.line);
            let folder =
                fault.place.as_ref().and_then(|place| place.file.parent()).map(|dir| format!("{}/", dir.display())).unwrap_or_default();
            let hint = fault.hint.as_deref().unwrap_or("NO HINT");
            all.push_str(&format!("{:?} {} line {place}: {} | {hint}\n", fault.severity, fault.code, fault.message).replace(&folder, ""));
        }
    }
    insta::assert_snapshot!(all);
}

/// An RSA key of 1024 bits, which nobody takes any more.
const SMALL: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAKIvfeB+OCeGutUc\n\
    95OcPzdKIP0CFIHPM5EurdEG2PjoTzBa3B2HFduGYiJ0Kol9E8PRedqDAcuhHKCo\n\
    jM+aBwWD2s8kUdxwuuWh2ax3g2+lwrrmkQ/Wt23I8KFr9WJ99rfW6jRbhUe/f1iM\n\
    ONqBO1z2rJi0+Ja+HtNB4U+TL87vAgMBAAECgYBFZWDND/TjJMkIqy5cIL0D4Vog\n\
    KCWyLYB5HKoPCIkKaAyKOjZ5A/YcSnHvIBmbXsN4REeJcgjwom1naPdnVRavXQ2m\n\
    uko0XxzWe/xCKzuQqlk5eS1IaV+lOmLFv77Zo1VQVwr2J80izZ+zpzSryMDj7dQl\n\
    cbanAHEvC86iqBV50QJBAMxG0wpa4stmiEl40AAPU/NxN43yOC8KfFn1Lw+wLDvp\n\
    1kTOwpWpJS0e6fsNLDAIRi1oyEgae4V7fF5JZ+2fkMMCQQDLQFO97yw+8a6bA7Sv\n\
    tbrDjiaNvsxY2pVbQ2Ifwb1G00dy7ajsoPj47dloEXPzWHnQExbd/szrZ1Q22rCJ\n\
    WmZlAkAMhIqKJ+ed7zqKxgx49HeAg3+UAzPOLiZQnOW1YGZVhY7LyJ/D7AmLKknM\n\
    SJJcnyUtwy4CvRy0oUyNupHTzeNhAkEAyh2+6Mp1cmZ9npMR1AVgouSx/BS3Osiq\n\
    66VXZ4MOiObDT0t8x0rQKyLDJlTsvBnIkJzbCYk/F/yZ5y6TjRMDbQJAC8kr0QDh\n\
    l2X1Dwl0s/XOw1V9PizQJr04LlXcpR3kEsocFoVvXcuf0UHE2bbGMh5S4BQ3LBfZ\n\
    MSDYnK84/WkrwA==\n\
    -----END PRIVATE KEY-----";
