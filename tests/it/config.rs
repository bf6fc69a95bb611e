//! Tests of the config room, through its door.

use std::path::Path;

use postrider::config::{self, Config};
use postrider::model::feed::Hub;
use postrider::model::list::Welcome;
use postrider::model::relay::{Rate, TlsMode, WarmUp, of_domain};
use postrider::model::{Faults, ListId};
use secrecy::ExposeSecret;

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

/// Everything that can be wrong, once.
const WRONG: &str = r#"
[site]
titel = "Harbour"
url = "ftp://harbour.example.com"
language = "german language"
timezone = "Berlin"
icon = 7

[contnt]
dir = "content"

[store]
url = "postgres://letters@db.example.com/letters"

[web]
listen = "localhost"

[send]
on_unknown = "resent"

[dkim]
domain = "harbour.example.com"

[[relay]]
name = "main"
url = "http://smtp.example.com"
rate = "fast"
connections = 0
pipelining = "yes"
domain_rate = { "example.org" = "10", "exa mple" = "1/s" }

[[relay]]
name = "main"
url = "smtp://smtp.example.com?tls=requierd"
conections = 3
password_file = "missing.secret"

[[list]]
id = "Weekly News"
from = "Harbour letters at harbour.example.com"
opt_in = "tripple"
public = 1

[[list]]
id = "weekly"
from = "Harbour <letters@localhost>"
subscribers = "missing.csv"

[[digest]]
id = "weekly"
lists = ["weakly", "weekly", 3]
schedule = "0 0 25 * * Mon"
timezone = "Europe/Berln"
subject = ""
limit = 5
min = 6
missed = "never"

[[digest]]
id = "weekly"
lists = []
schedule = 9
subject = "Two\nlines"
sources = ["ownn"]

[[feed]]
id = "main"
formats = ["rss", "atm"]
hub = "hub.example.com"
limit = -1

[[source]]
id = "own"
url = "https://user:word@blog.example.org/feed"
kind = "rss"
every = "1 fortnight"

[source.extra]
x = 1

[relays]
"#;

#[test]
fn every_fault_of_a_file_is_found_in_one_pass_with_its_place_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let env = [
        ("POSTRIDER_SITE_TITLE", "x"),
        ("POSTRIDER_STIE__TITLE", "x"),
        ("POSTRIDER_SITE__AUTOR", "x"),
        ("POSTRIDER_RELAY__URL", "x"),
        ("POSTRIDER_RELAY__7__URL", "x"),
        ("POSTRIDER_RELAY__0__MESSAGES_PER_CONNECTION", "many"),
        ("POSTRIDER_LGO", "debug"),
        ("POSTRIDER_LOG", "debug"),
        ("PATH", "/bin"),
    ];
    let faults = load_in(dir.path(), WRONG, &env).unwrap_err();
    let drawn = postrider::cli::report::plain(&faults).replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(drawn);
}

/// The codes of all faults, errors and warnings.
fn codes(result: &Result<(Config, Faults), Faults>) -> Vec<&'static str> {
    let (Ok((_, faults)) | Err(faults)) = result;
    faults.0.iter().map(|fault| fault.code).collect()
}

const SITE: &str = "[site]\ntitle = \"T\"\nurl = \"https://example.com\"\n";

#[test]
fn a_file_with_only_a_title_and_an_address_is_enough() {
    let (config, faults) = load(SITE, &[]).unwrap();
    assert_eq!(faults, Faults::default());
    assert_eq!(config.content_dir, config.root.join("content"));
    assert_eq!(config.store, config::StoreUrl::Sqlite(config.root.join("postrider.db")));
    assert_eq!(config.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(config.site.timezone, chrono_tz::UTC);
    assert_eq!(config.feeds.iter().map(|feed| feed.id.as_str()).collect::<Vec<_>>(), ["main"], "a feed of everything is the default");
    assert!(config.relays.is_empty() && config.lists.is_empty() && config.digests.is_empty() && config.sources.is_empty());
}

#[test]
fn variables_win_over_the_file_and_are_typed_by_their_key() {
    let env = [
        ("POSTRIDER_SITE__TITLE", "From the environment"),
        ("POSTRIDER_CONTENT__DIR", "/srv/content"),
        ("POSTRIDER_RELAY__0__URL", "smtps://ann@smtp.example.com"),
        ("POSTRIDER_RELAY__0__PASSWORD", "canary"),
        ("POSTRIDER_RELAY__0__CONNECTIONS", "9"),
        ("POSTRIDER_RELAY__0__PIPELINING", "false"),
        ("POSTRIDER_RELAY__1__NAME", "second"),
        ("POSTRIDER_RELAY__1__URL", "smtp://127.0.0.1:2526"),
        ("POSTRIDER_DIGEST__0__LISTS", "weekly, news"),
        ("POSTRIDER_CONFIG", "elsewhere.toml"),
    ];
    let (config, faults) = load(config::DEFAULT, &env).unwrap();
    assert_eq!(faults, Faults::default());
    assert_eq!(config.site.title, "From the environment");
    assert_eq!(config.content_dir, Path::new("/srv/content"));
    let relay = &config.relays[0];
    assert_eq!(
        (relay.host.as_str(), relay.port, relay.tls, relay.connections, relay.pipelining),
        ("smtp.example.com", 465, TlsMode::Implicit, 9, false)
    );
    assert_eq!(config.relays[1].name, "second");
    assert_eq!(config.digests[0].lists.iter().map(ListId::as_str).collect::<Vec<_>>(), ["weekly", "news"]);
}

#[test]
fn protection_is_required_except_towards_this_machine() {
    let table = [
        ("smtp://smtp.example.com", TlsMode::Required, 587),
        ("smtp://smtp.example.com:2525?tls=opportunistic", TlsMode::Opportunistic, 2525),
        ("smtp://smtp.example.com:25?tls=none", TlsMode::None, 25),
        ("smtp://127.0.0.1:2525", TlsMode::None, 2525),
        ("smtp://localhost:25?tls=required", TlsMode::Required, 25),
        ("smtp://[::1]:2525", TlsMode::None, 2525),
        ("smtps://smtp.example.com", TlsMode::Implicit, 465),
    ];
    for (url, tls, port) in table {
        let (config, _) = load(&format!("{SITE}[[relay]]\nname = \"r\"\nurl = \"{url}\"\n"), &[]).unwrap();
        assert_eq!((config.relays[0].tls, config.relays[0].port), (tls, port), "{url}");
    }
}

#[test]
fn a_window_is_off_unless_asked_for_has_a_limit_and_needs_pipelining() {
    let with = |keys: &str| load(&format!("{SITE}[[relay]]\nname = \"r\"\nurl = \"smtp://127.0.0.1:25\"\n{keys}"), &[]);
    let window = |keys: &str| with(keys).unwrap().0.relays[0].window;
    assert_eq!((window(""), window("window = 1\n"), window("window = 8\n")), (0, 1, 8));
    for keys in ["window = 0\n", "window = 9\n", "pipelining = false\nwindow = 8\n"] {
        assert_eq!(codes(&with(keys)), ["bad-value"], "{keys}");
    }
}

#[test]
fn an_address_for_leaving_has_room_for_a_token_and_work_and_welcome_have_their_words() {
    let leave_at = |address: &str| load(&format!("{SITE}[bounce]\nunsubscribe = \"{address}\"\n"), &[]);
    for address in ["leave@example.com", "l.e-a_v3@example.com", "eighteen.letters.x@example.com"] {
        assert_eq!(leave_at(address).unwrap().0.leave_at.unwrap().as_str(), address);
    }
    assert_eq!(load(SITE, &[]).unwrap().0.leave_at, None);
    for address in [
        "leave+x@example.com",
        "nineteen.letters.xx@example.com",
        "le%61ve@example.com",
        "läve@example.com",
        "leave",
        "Leave <leave@example.com>",
    ] {
        assert_eq!(codes(&leave_at(address)), ["bad-address"], "{address}");
    }
    let work = |bits: &str| load(&format!("{SITE}[web]\nproof_of_work = {bits}\n"), &[]);
    assert_eq!((load(SITE, &[]).unwrap().0.web.proof_of_work, work("18").unwrap().0.web.proof_of_work), (0, 18));
    assert_eq!((codes(&work("25")), codes(&work("\"much\""))), (vec!["bad-value"], vec!["wrong-type"]));
    let welcome = |word: &str| load(&format!("{SITE}[[list]]\nid = \"a\"\nfrom = \"a@example.com\"\nwelcome = {word}\n"), &[]);
    for (word, expected) in [("false", Welcome::No), ("true", Welcome::Mail), ("\"last-issue\"", Welcome::LastIssue)] {
        assert_eq!(welcome(word).unwrap().0.lists[0].welcome, expected, "{word}");
    }
    assert_eq!((codes(&welcome("\"warmly\"")), codes(&welcome("3"))), (vec!["bad-value"], vec!["wrong-type"]));
    let (config, _) =
        load(&format!("{SITE}[[list]]\nid = \"a\"\nfrom = \"a@example.com\"\n"), &[("POSTRIDER_LIST__0__WELCOME", "last-issue")]).unwrap();
    assert_eq!(config.lists[0].welcome, Welcome::LastIssue, "a variable has the same words");
}

#[test]
fn a_user_may_hold_an_at_sign_and_a_relay_may_have_a_pace_for_each_domain() {
    let relay = r#"
[[relay]]
name = "r"
url = "smtp://ann%40example.com@smtp.example.com"
password = "secret"
domain_rate = { "Example.ORG" = "10/min", "*" = "50/s" }
domain_connections = { "example.org" = 2 }
warm_up = { start = "2026-12-01", days = [500, 1000] }

[[relay]]
name = "spare"
url = "smtp://127.0.0.1:2526"
"#;
    let (config, _) = load(&format!("{SITE}{relay}"), &[]).unwrap();
    assert_eq!(config.relays[0].user.as_deref(), Some("ann@example.com"));
    let first = &config.relays[0];
    assert_eq!(of_domain(&first.domain_rates, "example.org"), Some(&Rate::parse("10/min").unwrap()));
    assert_eq!(of_domain(&first.domain_rates, "example.com"), Some(&Rate::parse("50/s").unwrap()));
    assert_eq!(
        (of_domain(&first.domain_connections, "example.org"), of_domain(&first.domain_connections, "example.com")),
        (Some(&2), None)
    );
    assert_eq!(first.warm_up, Some(WarmUp { start: "2026-12-01".parse().unwrap(), days: vec![500, 1_000] }));
    assert_eq!((first.weight, config.relays[1].weight), (1, 0), "without weights the first has the mail and the second stands by");
}

#[test]
fn what_is_wrong_with_a_domains_pace_or_a_warm_up_is_said_with_an_example() {
    for (line, said) in [
        ("domain_connections = { \"example.org\" = 0 }", "a number of connections is between 1 and 256"),
        ("domain_connections = 3", "domain_connections must be a table"),
        ("warm_up = { start = \"soon\", days = [1] }", "\"soon\" is not a date"),
        ("warm_up = { start = \"2026-12-01\" }", "warm_up needs start and days"),
        ("warm_up = { start = \"2026-12-01\", days = [0] }", "days are whole numbers from 1 on"),
        ("warm_up = { begin = \"2026-12-01\" }", "warm_up has no key \"begin\""),
        ("weight = 1001", "weight must be between 0 and 1000"),
    ] {
        let relay = format!("[[relay]]\nname = \"r\"\nurl = \"smtp://127.0.0.1:2525\"\n{line}\n");
        let faults = load(&format!("{SITE}{relay}"), &[]).unwrap_err();
        let told = faults.to_string();
        assert!(told.contains(said), "{line}: {told}");
    }
}

#[test]
fn a_secret_never_prints_neither_in_the_configuration_nor_in_any_fault() {
    const CANARY: &str = "canary-7f3a";
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("relay.secret"), format!("{CANARY}\r\n")).unwrap();
    let relays = [
        "url = \"smtp://u@h.example.com\"\npassword = \"CANARY\"",
        "url = \"smtp://u@h.example.com\"\npassword_file = \"relay.secret\"",
        "url = \"smtp://h.example.com\"\npassword = \"CANARY\"",
        "url = \"smtp://u:CANARY@h.example.com\"",
        "url = \"smtp://u:CANARY@h.example.com:port\"",
        "url = \"smtp://u:CANARY@x@h.example.com\"",
        "url = \"http://u:CANARY@h.example.com\"",
        "url = 'u:CANARY@h.example.com'",
        "url = \"smtp://u@h.example.com\"\npasword = \"CANARY\"",
        "url = \"smtp://u@h.example.com\"\npassword = [\"CANARY\"]",
        "url = \"smtp://u@h.example.com\"\npassword = \"\"\"\nCANARY\n\"\"\"\npassword_file = \"x\"",
        "url = \"smtp://u@h.example.com\"\npassword = \"CANARY",
        "url = \"smtp://u@h.example.com\"\n\"password\" = CANARY",
        "url = \"smtp://u@h.example.com\", password = \"CANARY\"",
        "url = \"smtp://u@h.example.com\"\npassword = { text = \"CANARY\" }",
    ];
    for relay in relays {
        let relay = relay.replace("CANARY", CANARY);
        let result = load_in(dir.path(), &format!("{SITE}[[relay]]\nname = \"r\"\n{relay}\n"), &[]);
        let told = match &result {
            Ok((config, faults)) => format!("{config:?} {config:#?} {faults:?} {faults}"),
            Err(faults) => format!("{faults:?} {faults}"),
        };
        assert!(!told.contains(CANARY), "{relay}\n{told}");
    }
    let variables = [("PASSWORD", CANARY), ("PASSWORD_FILE", CANARY), ("PASWORD", CANARY), ("URL", "smtp://u:canary-7f3a@h")];
    for (key, value) in variables {
        let name = format!("POSTRIDER_RELAY__0__{key}");
        let result = load(config::DEFAULT, &[(&name, value)]);
        // The path of a file is no secret; everything else is.
        assert!(key == "PASSWORD_FILE" || !format!("{result:?}").contains(CANARY), "{key}: {result:?}");
    }
}

#[test]
fn a_password_file_is_read_without_its_line_break() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("relay.secret"), "pass word \r\n").unwrap();
    let relay = "[[relay]]\nname = \"r\"\nurl = \"smtp://u@h.example.com\"\npassword_file = \"relay.secret\"\n";
    let (config, _) = load_in(dir.path(), &format!("{SITE}{relay}"), &[]).unwrap();
    assert_eq!(config.relays[0].password.as_ref().unwrap().expose_secret(), "pass word ");
}

#[cfg(unix)]
#[test]
fn a_password_file_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("relay.secret");
    std::fs::write(&secret, "pass").unwrap();
    let text = format!("{SITE}[[relay]]\nname = \"r\"\nurl = \"smtp://u@h.example.com\"\npassword_file = \"relay.secret\"\n");
    for (mode, expected) in [(0o600, vec![]), (0o400, vec![]), (0o644, vec!["open-secret"]), (0o640, vec!["open-secret"])] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(codes(&load_in(dir.path(), &text, &[])), expected, "mode {mode:o}");
    }
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    let result = load("[site]\ntitle = \"T\nurl = 3\n", &[]);
    assert!(codes(&result).contains(&"syntax"), "{result:?}");
    let place = result.unwrap_err().0[0].place.clone().unwrap();
    assert_eq!(place.line, 2, "{place:?}");
}

#[test]
fn a_missing_file_is_a_fault_with_a_hint() {
    let result = Config::load(Path::new("/nowhere/config.toml"), std::iter::empty());
    assert_eq!(codes(&result), ["unreadable"]);
}

#[test]
fn header_breaking_characters_are_refused_wherever_they_could_reach_a_header() {
    for bad in ["\\r\\nBcc: x@example.com", "\\u0000", "\\u2028", "\\u0085"] {
        let list = format!("[[list]]\nid = \"l\"\nname = \"N\"\nfrom = \"N{bad}x <a@example.com>\"\n");
        let name = format!("[[list]]\nid = \"l\"\nname = \"N{bad}x\"\nfrom = \"N <a@example.com>\"\n");
        let id = format!("[[list]]\nid = \"l{bad}\"\nfrom = \"N <a@example.com>\"\n");
        for text in [list, name, id] {
            assert!(load(&format!("{SITE}{text}"), &[]).is_err(), "{text}");
        }
        assert!(load(&SITE.replace("\"T\"", &format!("\"T{bad}x\"")), &[]).is_err());
    }
}

#[test]
fn proxies_hubs_and_former_feeds_are_read_and_their_faults_named() {
    let text = format!(
        "{SITE}[web]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\"]\nconnections = 50\n[fetch]\nallow_private = [\"192.168.7.0/24\"]\n\
         [[feed]]\nid = \"harbour\"\nwas = [\"port\", \"main\"]\nhub = \"self\"\n[[feed]]\nid = \"boats\"\ngone = true\n"
    );
    let (config, faults) = load(&text, &[]).unwrap();
    assert_eq!(faults, Faults::default());
    assert_eq!((config.web.trusted_proxies.len(), config.web.connections, config.allow_private.len()), (3, 50, 1));
    assert_eq!(config.feeds.iter().map(|feed| feed.id.as_str()).collect::<Vec<_>>(), ["harbour"], "a feed that is gone is not published");
    assert_eq!((config.feeds[0].was.join(" "), config.feeds[0].hub.clone()), ("port main".to_owned(), Some(Hub::Own)));
    assert_eq!(config.gone_feeds, ["boats"]);
    for (wrong, code) in [
        ("[web]\ntrusted_proxies = [\"10.0.0.0/33\"]\n", "bad-value"),
        ("[web]\ntrusted_proxies = [\"proxy.example.com\"]\n", "bad-value"),
        ("[web]\nconnections = 0\n", "bad-value"),
        ("[fetch]\nallow_private = \"127.0.0.1\"\n", "wrong-type"),
        ("[[feed]]\nid = \"a\"\nwas = [\"b\"]\n[[feed]]\nid = \"b\"\n", "duplicate-id"),
        ("[[feed]]\nid = \"a\"\nwas = [\"B!\"]\n", "bad-id"),
        ("[[feed]]\nid = \"a\"\nhub = \"hub.example.com\"\n", "bad-url"),
    ] {
        assert_eq!(codes(&load(&format!("{SITE}{wrong}"), &[])), [code], "{wrong}");
    }
}
