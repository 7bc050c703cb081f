//! How long things took, and how many they were, in buckets.
//!
//! The exporter's own histograms keep each sample until somebody asks: 24 bytes for each message of a gateway that nobody asks.
//! These are a fixed number of counts, and taking a thousand equal samples costs what taking one does.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// A histogram of Prometheus: counts of what was at most each bound, and the sum.
#[derive(Debug)]
pub(super) struct Histogram {
    name: &'static str,
    help: &'static str,
    bounds: &'static [f64],
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    /// By the first bound that is not below the sample; the last ones are above all bounds.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// Nothing taken yet. The bounds ascend.
    pub(super) fn new(name: &'static str, help: &'static str, bounds: &'static [f64]) -> Self {
        Self { name, help, bounds, taken: Mutex::new(Taken { counts: vec![0; bounds.len() + 1], sum: 0.0 }) }
    }

    /// Takes `count` samples of the same value.
    pub(super) fn record(&self, value: f64, count: u64) {
        let place = self.bounds.partition_point(|&bound| bound < value);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = taken.counts.get_mut(place) {
            *counted += count;
        }
        taken.sum += value * count as f64;
    }

    /// Appends it in Prometheus' text format.
    pub(super) fn write(&self, text: &mut String) {
        let Self { name, help, bounds, taken } = self;
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut total = 0;
        // A String takes whatever is written to it.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        for (bound, count) in bounds.zip(&taken.counts) {
            total += count;
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        let _ = write!(text, "{name}_sum {}\n{name}_count {total}\n\n", taken.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_holds_those_of_the_ones_before() {
        let histogram = Histogram::new("batch_records", "Records in one commit", &[1.0, 2.5, 100.0]);
        histogram.record(1.0, 2);
        histogram.record(2.0, 1);
        histogram.record(100.5, 1);
        let mut text = String::new();
        histogram.write(&mut text);
        let lines = [
            "# HELP batch_records Records in one commit",
            "# TYPE batch_records histogram",
            "batch_records_bucket{le=\"1\"} 2",
            "batch_records_bucket{le=\"2.5\"} 3",
            "batch_records_bucket{le=\"100\"} 3",
            "batch_records_bucket{le=\"+Inf\"} 4",
            "batch_records_sum 104.5",
            "batch_records_count 4",
            "\n",
        ];
        assert_eq!(text, lines.join("\n"));
    }
}
