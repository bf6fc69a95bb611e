//! The text format of Prometheus (version 0.0.4): families with their help and type, and a line a sample.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use super::metrics::{BOUNDS, Histogram};

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

/// A scrape in the making.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
    name: &'static str,
}

impl Text {
    /// Begins a family: the samples that follow are its own.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the present family; `suffix` is for the parts of a histogram.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.out, "{}{suffix}", self.name);
        for (n, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{}{label}=\"{value}\"", if n == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A histogram of the present family. Its buckets add up, as the format wants it.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let bounds = BOUNDS.iter().map(f64::to_string).chain(std::iter::once("+Inf".to_owned()));
        let mut total = 0;
        for (bound, bucket) in bounds.zip(&histogram.buckets) {
            total += bucket.load(Relaxed);
            self.sample("_bucket", &[labels, &[("le", bound.as_str())]].concat(), total as f64);
        }
        self.sample("_sum", labels, histogram.sum_micros.load(Relaxed) as f64 / 1e6);
        self.sample("_count", labels, total as f64);
    }

    /// The whole scrape.
    pub fn done(self) -> String {
        self.out
    }
}
