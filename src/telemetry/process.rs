//! What the kernel says of this process, under the names all Prometheus clients use. Elsewhere than on Linux it says nothing.

use super::text::{Kind, Text};

/// Clock ticks a second in /proc: 100 on every Linux there is (USER_HZ).
const TICKS: f64 = 100.0;

/// Memory, processor time and open files.
pub fn text(text: &mut Text) {
    if let Some(bytes) = resident_bytes() {
        text.family("process_resident_memory_bytes", Kind::Gauge, "Resident memory.");
        text.sample("", &[], bytes);
    }
    if let Some(seconds) = cpu_seconds() {
        text.family("process_cpu_seconds_total", Kind::Counter, "Processor time spent.");
        text.sample("", &[], seconds);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        text.family("process_open_fds", Kind::Gauge, "Open file descriptors.");
        text.sample("", &[], files.count() as f64);
    }
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, which may hold blanks; user and system time are the 14th and 15th.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}
