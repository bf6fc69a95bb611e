//! Rows 24 and 25: little memory, few descriptors, no names.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use crate::crash::{Scene, Worker};
use crate::peers::mail_server::until;

/// Readers of the memory test. A program built without optimisation sends some thousand a second; `benches/send` does a million.
const MANY: u64 = 50_000;
/// What it may hold at most, as row 24 allows for a million.
const RESIDENT_KIB_MAX: u64 = 256 * 1024;

/// A number of /proc/PID/status, in KiB.
fn resident_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Processor time of a process so far, its threads included.
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// What share of one processor it takes in the next `time`.
fn load(worker: &Worker, time: Duration) -> f64 {
    let before = processor_time(worker.0.id());
    std::thread::sleep(time);
    (processor_time(worker.0.id()) - before).as_secs_f64() / time.as_secs_f64()
}

#[test]
#[ignore = "takes a minute or two: run scripts/test"]
fn row_24_memory_does_not_grow_with_the_list() {
    let scene = Scene::with(MANY, "connections = 8");
    let worker = scene.start(&["send", "weekly", "--yes"]);
    let mut peaks = Vec::new();
    for part in 1..=4 {
        assert!(until(|| scene.sink.count() >= MANY * part / 5), "{} of {MANY} came", scene.sink.count());
        peaks.push(resident_kib(worker.0.id(), "VmHWM"));
    }
    scene.finish(worker);
    println!("{MANY} readers: peaks of {peaks:?} KiB");
    assert!(peaks[3] > 0 && peaks[3] < RESIDENT_KIB_MAX, "{peaks:?} KiB");
    assert!(peaks[3] < peaks[0] + 16 * 1024, "it grows on the way: {peaks:?} KiB");
}

#[test]
fn row_25_few_file_descriptors_make_it_slower_and_lose_nobody() {
    let scene = Scene::with(200, "connections = 100");
    let inner = scene.publication.command(&["send", "weekly", "--yes"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(inner.get_current_dir().unwrap());
    scene.finish(scene.spawn(command));
    assert_eq!(scene.duplicates(), 0);
}

#[test]
#[ignore = "needs root: run scripts/test"]
fn row_25_without_names_and_descriptors_it_waits_and_does_not_spin() {
    // A name server that never answers.
    let silent = UdpSocket::bind("127.88.0.1:53").expect("port 53 of a loopback address: is this root?");
    let scene = Scene::with(50, "connections = 8");
    let config = scene.publication.read("config.toml");
    let port = scene.sink.addr().port();
    scene.publication.write("config.toml", &config.replace(&format!("smtp://127.0.0.1:{port}"), "smtp://relay.example.test:25"));
    scene.publication.write("resolv.conf", "nameserver 127.88.0.1\noptions timeout:2 attempts:2\n");
    let inner = scene.publication.command(&["run", "--roles", "send"]);
    let made = scene.publication.run(&["send", "weekly", "--yes"]);
    assert_eq!(made.status.code(), Some(4), "nobody knows the name of the relay: {}", crate::peers::publication::said(&made));
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "mount --bind resolv.conf /etc/resolv.conf && ulimit -n 64 && exec \"$@\"", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(inner.get_current_dir().unwrap());
    let mut worker = scene.spawn(command);
    assert!(until(|| scene.publication.read("worker.log").contains("no connection")), "it says why it waits");
    let load = load(&worker, Duration::from_secs(10));
    println!("{:.1} % of a processor", load * 100.0);
    assert!(load < 0.05, "it spins: {:.1} % of a processor", load * 100.0);
    worker.stop();
    let issue = scene.issue_kept();
    assert_eq!((&issue["sent"], issue["queued"].as_u64().unwrap() + issue["deferred"].as_u64().unwrap()), (&0.into(), 50), "{issue}");
    drop(silent);
}
