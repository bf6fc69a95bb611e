//! The numbers: what `send`, `issues show` and `/metrics` say is what the ledger says, and what the relay saw.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::crash::Worker;
use crate::peers::mail_server::until;
use crate::peers::publication::{Publication, assert_adds_up, said};
use crate::support::smtp::{Act, Event, FULL, Server, say};

/// A publication with these readers, and a relay that answers as the script says.
fn scene(readers: &[&str], script: impl Fn(&Event) -> Act + Send + Sync + 'static) -> (Publication, Server, Runtime) {
    let runtime = Runtime::new().unwrap();
    let relay = runtime.block_on(Server::start(FULL, script));
    let publication = Publication::new(&format!("url = \"smtp://{}?tls=none\"", relay.addr));
    publication.article(1, "A story", "Once upon a time in a harbour.\n");
    publication.import(&readers.iter().map(|email| ((*email).to_owned(), String::new())).collect::<Vec<_>>());
    (publication, relay, runtime)
}

/// Refuses by domain: gone.test has nobody, full.test is full, strict.test does not want us; slow.test answers, later.
fn by_domain(event: &Event) -> Act {
    let at = |domain: &str| event.verb == "RCPT" && event.line.contains(domain);
    match () {
        () if at("@gone.test") => say("550 5.1.1 no such user here"),
        () if at("@full.test") => say("452 4.2.2 mailbox full"),
        () if at("@strict.test") => say("550 5.7.1 message rejected due to local policy, see the pages of our postmaster for what to do"),
        () => Act::Usual,
    }
}

const READERS: [&str; 8] =
    ["a@inbox.test", "b@inbox.test", "c@inbox.test", "a@gone.test", "b@gone.test", "a@full.test", "b@Full.test", "a@strict.test"];

/// Sends to all of [`READERS`] with a process that goes away once nothing is due.
fn send_to_all(publication: &Publication) -> Value {
    let log = publication.append("worker.log");
    let send = publication.command(&["send", "weekly", "--yes"]).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
    let mut send = Worker(send.unwrap());
    let tried = until(|| publication.issue().is_some_and(|issue| issue["queued"] == 0 && issue["leased"] == 0));
    assert!(tried, "not everybody was tried: {}", publication.read("worker.log"));
    send.stop();
    publication.issue().unwrap()
}

#[test]
fn an_issue_is_told_with_its_failures_by_domain_and_by_reason() {
    let (publication, _relay, _runtime) = scene(&READERS, by_domain);
    let issue = send_to_all(&publication);
    let group = |n: usize| &issue["by_reason"][n];
    let told: Vec<_> = (0..3).map(|n| ["state", "class", "says", "code", "reply", "count"].map(|key| group(n)[key].clone())).collect();
    let expected = serde_json::json!([
        ["deferred", "mailbox", "the mailbox cannot take it for now", 452, "4.2.2 mailbox full", 2],
        ["failed", "address", "no such mailbox", 550, "5.1.1 no such user here", 2],
        [
            "failed",
            "policy",
            "the receiver does not want mail from us",
            550,
            "5.7.1 message rejected due to local policy, see the pages of our postmaster for what to do",
            1
        ],
    ]);
    assert_eq!(serde_json::to_value(told).unwrap(), expected, "{issue:#}");
    let domains = serde_json::json!([
        {"domain": "full.test", "deferred": 2, "failed": 0, "unknown": 0},
        {"domain": "gone.test", "deferred": 0, "failed": 2, "unknown": 0},
        {"domain": "strict.test", "deferred": 0, "failed": 1, "unknown": 0},
    ]);
    assert_eq!(issue["by_domain"], domains, "{issue:#}");
    let at = |key: &str| chrono::DateTime::parse_from_rfc3339(issue[key].as_str().unwrap()).unwrap();
    let wait = at("next_try_at") - at("started_at");
    assert!((290..=400).contains(&wait.num_seconds()), "the first is tried again after five minutes or a little more, not {wait}");
    assert!(at("last_try_at") >= at("next_try_at"));
    insta::assert_snapshot!("issues_show", without_times(&String::from_utf8(publication.run(&["issues", "show", "1"]).stdout).unwrap()));
}

#[test]
fn what_a_warm_up_holds_back_is_told_as_waiting_and_not_as_refused() {
    let (runtime, today) = (Runtime::new().unwrap(), chrono::Utc::now().date_naive());
    let relay = runtime.block_on(Server::start(FULL, |_: &Event| Act::Usual));
    let warm_up = format!("warm_up = {{ start = \"{today}\", days = [1, 1] }}");
    let publication = Publication::new(&format!("url = \"smtp://{}?tls=none\"\n{warm_up}", relay.addr));
    publication.article(1, "A story", "Once upon a time in a harbour.\n");
    publication.import(&READERS[..3].iter().map(|email| ((*email).to_owned(), String::new())).collect::<Vec<_>>());
    let issue = send_to_all(&publication);
    let group = &issue["by_reason"][0];
    assert_eq!((&group["state"], &group["says"], &group["count"]), (&"deferred".into(), &"put off".into(), &2.into()), "{issue:#}");
    assert!(group["reply"].as_str().unwrap().contains("what its warm-up allows for today"), "{issue:#}");
    assert_eq!(relay.accepted().len(), 1);
    assert_eq!(publication.read("worker.log").matches("warm-up allows").count(), 1, "said once: {}", publication.read("worker.log"));
}

#[test]
fn the_keys_of_an_issue_in_json_are_a_contract() {
    let (publication, _relay, _runtime) = scene(&READERS[..3], |_| Act::Usual);
    let sent = publication.json(&["send", "weekly", "--yes"]);
    assert_adds_up(&sent);
    let shown = publication.issue().unwrap();
    let keys = |issue: &Value| issue.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("issue_json_keys", keys(&shown));
    assert_eq!(keys(&sent), keys(&shown), "send and issues show tell the same");
    assert_eq!((&shown["rate_per_second"], &shown["seconds_left"]), (&Value::Null, &Value::Null), "nothing goes on: {shown}");
    let listed = publication.json(&["issues"]);
    assert_eq!((&listed[0]["sent"], &listed[0]["planned"]), (&3.into(), &3.into()), "{listed}");
}

#[test]
fn retry_sends_to_the_rest_and_not_to_dead_addresses() {
    let (publication, relay, _runtime) = scene(&READERS, by_domain);
    let issue = send_to_all(&publication);
    assert_eq!((&issue["sent"], &issue["failed"], &issue["deferred"]), (&3.into(), &3.into(), &2.into()), "{issue}");
    let out = publication.run(&["issues", "cancel", "1"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("cancelled issue 1: 3 sent, 3 failed, 2 cancelled"), "{}", said(&out));
    let log = publication.append("worker.log");
    let mut retry =
        Worker(publication.command(&["issues", "retry", "1"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    // One that was refused for policy and two that were cancelled; the dead addresses stay dead.
    assert!(until(|| publication.read("worker.log").contains("3 deliveries back in the queue")), "{}", publication.read("worker.log"));
    assert!(until(|| publication.issue().is_some_and(|issue| issue["deferred"] == 2 && issue["leased"] == 0)), "{:?}", publication.issue());
    retry.stop();
    let asked = relay.lines().iter().filter(|line| line.contains("@gone.test")).count();
    assert_eq!(asked, 2, "a dead address was asked again");
}

#[test]
fn metrics_agree_with_the_ledger_and_with_the_relay_while_a_send_goes_on() {
    let readers: Vec<String> = (0..300).map(|i| format!("reader{i}@inbox.test")).collect();
    let readers: Vec<&str> = readers.iter().map(String::as_str).collect();
    let slow = |event: &Event| if event.verb == "DOT" { Act::Late(Duration::from_millis(40)) } else { by_domain(event) };
    let (publication, relay, _runtime) = scene(&readers, slow);
    let log = publication.append("service.log");
    let mut run = publication.command(&["run", "--roles", "send"]);
    run.env("POSTRIDER_METRICS__LISTEN", "127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut service = Worker(run.spawn().unwrap());
    let listens = || Some(publication.read("service.log").split("metrics at http://").nth(1)?.split('/').next()?.to_owned());
    assert!(until(|| listens().is_some()), "{}", publication.read("service.log"));
    let address = listens().unwrap();
    let idle = scrape(&address);
    assert_eq!((idle["postrider_deliveries_planned"], idle["postrider_issues{status=\"sending\"}"]), (0.0, 0.0));

    let mut send = Worker(publication.command(&["send", "weekly", "--yes"]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    assert!(until(|| relay.accepted().len() > 50), "{}", publication.read("service.log"));
    let before = publication.issue().unwrap();
    let under_way = scrape(&address);
    let after = publication.issue().unwrap();
    let count = |issue: &Value, key: &str| issue[key].as_f64().unwrap();
    let sent = under_way["postrider_deliveries{state=\"sent\"}"];
    assert!(count(&before, "sent") <= sent && sent <= count(&after, "sent"), "{sent} between {before} and {after}");
    assert_eq!(states(&under_way).values().sum::<f64>(), under_way["postrider_deliveries_planned"], "the identity holds in every scrape");
    assert_eq!(under_way["postrider_deliveries_planned"], 300.0);
    assert_eq!(under_way["postrider_queue_due"], states(&under_way)["queued"]);
    assert_eq!((under_way["postrider_relay_up{relay=\"local\"}"], under_way["postrider_relay_connections{relay=\"local\"}"]), (1.0, 4.0));
    assert!(after["rate_per_second"].as_f64().unwrap() > 1.0 && after["seconds_left"].is_u64(), "{after}");

    publication.run(&["issues", "pause", "1"]);
    assert!(until(|| publication.issue().unwrap()["leased"] == 0));
    let (paused, issue) = (scrape(&address), publication.issue().unwrap());
    for (state, n) in states(&paused) {
        assert_eq!(n, count(&issue, &state), "{state} of a paused issue: {issue}");
    }
    assert_eq!(count(&issue, "sent"), relay.accepted().len() as f64);
    publication.run(&["issues", "resume", "1"]);
    assert!(until(|| publication.issue().unwrap()["status"] == "done"), "{:?}", publication.issue());
    let done = scrape(&address);
    assert_eq!(done["postrider_outcomes_total{outcome=\"sent\",class=\"none\"}"], 300.0, "every result of this process is counted");
    assert_eq!((done["postrider_deliveries_planned"], done["postrider_issues{status=\"done\"}"]), (0.0, 1.0));
    assert_eq!(done["postrider_smtp_phase_seconds_count{phase=\"content\"}"], 300.0);
    assert!(done["postrider_smtp_phase_seconds_sum{phase=\"content\"}"] >= 300.0 * 0.04, "the relay takes 40 ms for each");
    assert!(done["postrider_store_commit_seconds_count"] >= 300.0 / 64.0 && done["process_resident_memory_bytes"] > 1e6);
    send.kill();
    service.stop();
}

#[test]
fn an_open_address_for_metrics_is_warned_of_and_what_is_none_is_refused() {
    let (publication, _relay, _runtime) = scene(&[], |_| Act::Usual);
    let check = |listen: &str| {
        let out = publication.command(&["lists"]).env("POSTRIDER_METRICS__LISTEN", listen).stdin(Stdio::null()).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, told) = check("0.0.0.0:9464");
    assert!(code == Some(0) && told.contains("may be reached from outside, and /metrics has no password"), "{code:?} {told}");
    for closed in ["127.0.0.1:9464", "10.1.2.3:9464", "100.64.0.1:9464", "[::1]:9464", "[fd00::1]:9464"] {
        let (code, told) = check(closed);
        assert!(code == Some(0) && !told.contains("/metrics"), "{closed}: {code:?} {told}");
    }
    let (code, told) = check("here");
    assert!(code == Some(3) && told.contains("127.0.0.1:9464"), "{code:?} {told}");
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_terminal_of_80_columns_nothing_is_wider_and_nothing_is_coloured_by_force() {
    let slow = |event: &Event| if event.verb == "DOT" { Act::Late(Duration::from_millis(30)) } else { by_domain(event) };
    let readers: Vec<String> = (0..100).map(|i| format!("reader{i}@{}.test", ["inbox", "inbox", "full", "gone"][i % 4])).collect();
    let (publication, _relay, _runtime) = scene(&readers.iter().map(String::as_str).collect::<Vec<_>>(), slow);
    let watched = terminal(&publication, "timeout -s INT 4 \"$BIN\" send weekly --yes");
    assert!(watched.contains(" of 100  "), "a bar was expected:\n{watched}");
    assert!(watched.contains("/s, ") && watched.contains(" deferred, ") && watched.contains(" failed"), "{watched}");
    let shown = terminal(&publication, "\"$BIN\" issues show 1; \"$BIN\" issues");
    assert!(shown.contains("no such mailbox: 550 5.1.1 no such user here"), "{shown}");
    for text in [&watched, &shown] {
        for line in text.split(['\n', '\r']) {
            let plain = line.replace("\u{1b}[2K", "").replace("\u{1b}[1A", "");
            assert!(plain.chars().count() <= 80, "wider than 80 columns: {plain:?}");
            assert!(!plain.contains("\u{1b}["), "coloured in spite of NO_COLOR: {plain:?}");
        }
    }
}

/// Runs a shell line on a terminal of 80 columns; everything it shows.
fn terminal(publication: &Publication, line: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_postrider");
    let line = format!("stty cols 80 rows 24; BIN='{binary}'; {line}");
    let mut shell = std::process::Command::new("script");
    shell.args(["-qec", &line, "/dev/null"]).current_dir(publication.path("")).env("NO_COLOR", "1").env("TERM", "xterm");
    let out = shell.stdin(Stdio::null()).output().expect("script(1) of util-linux is part of every Linux");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Digits of times become `0`, so that a snapshot is the same every day.
fn without_times(text: &str) -> String {
    let timed = |line: &str| ["frozen ", "started ", "ended ", "goes out ", "again "].iter().any(|word| line.starts_with(word));
    let zeros = |line: &str| line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
    let weekday = |line: &str| line.split(' ').filter(|word| !is_date_word(word)).collect::<Vec<_>>().join(" ");
    text.lines().map(|line| if timed(line) { weekday(&zeros(line)) } else { line.to_owned() }).collect::<Vec<_>>().join("\n")
}

/// Day and month names, zones, and the day of the month with its one or two digits.
fn is_date_word(word: &str) -> bool {
    // And whether the last try falls into the minute of the first.
    let names = "from to at 00:00 00:00:00 Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec CET CEST 0 00";
    names.split(' ').any(|name| name == word)
}

/// The Deliveries by state.
fn states(metrics: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let state = |name: &str| Some(name.strip_prefix("postrider_deliveries{state=\"")?.strip_suffix("\"}")?.to_owned());
    metrics.iter().filter_map(|(name, value)| Some((state(name)?, *value))).collect()
}

/// Asks for /metrics and reads every line of it as Prometheus would.
fn scrape(address: &str) -> BTreeMap<String, f64> {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    parse(body)
}

/// A strict reader of the text format: families whole and announced, names and labels well formed, no series twice, histograms that add up.
fn parse(body: &str) -> BTreeMap<String, f64> {
    assert!(body.ends_with('\n'), "the last line has no end");
    let (mut samples, mut families, mut announced) = (BTreeMap::new(), BTreeSet::new(), None::<(String, String)>);
    let mut helped = String::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && families.insert(name.to_owned()), "{name} comes twice or has no help");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(name == helped && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "counters, and only these, end in _total: {name}");
            announced = Some((name.to_owned(), kind.to_owned()));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').map_or((series, ""), |(name, labels)| (name, labels.strip_suffix('}').unwrap()));
            let (family, kind) = announced.as_ref().expect("a sample before its family");
            let parts: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.iter().any(|part| name == format!("{family}{part}")), "{line} does not belong to {family}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            labels.split("\",").filter(|label| !label.is_empty()).for_each(|label| {
                let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
                assert!(key.chars().all(|c| c.is_ascii_lowercase()) && !value.contains('\n'), "{line}");
            });
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(value >= 0.0 && samples.insert(series.to_owned(), value).is_none(), "twice, or below nought: {line}");
        }
    }
    for (series, count) in samples.iter().filter(|(series, _)| series.contains("_count")) {
        let (name, labels) = series.split_once("_count").unwrap();
        let labels = labels.trim_matches(['{', '}']);
        let of_this = |series: &str| series.starts_with(&format!("{name}_bucket{{{labels}"));
        let mut buckets: Vec<f64> = samples.iter().filter(|(series, _)| of_this(series)).map(|(_, n)| *n).collect();
        buckets.sort_by(f64::total_cmp);
        assert_eq!(buckets.last(), Some(count), "{series}: the last bucket holds all");
    }
    samples
}
