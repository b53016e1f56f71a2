//! Percentiles and rates.

use std::collections::BTreeMap;

use serde::Serialize;

use super::load::{Sample, Stages};

/// Times of one stage, in ms.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) stage: &'static str,
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

/// Times of all stages.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Latencies {
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Row>,
    ordering: Row,
    queueing: Row,
    proving: Row,
    end_to_end: Row,
    /// p95 less p50 of the time from end to end.
    pub(super) jitter_ms: f64,
    /// The mean difference between one job and the next.
    pub(super) successive_ms: f64,
}

/// What one way takes more than another in one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Added {
    pub(super) stage: &'static str,
    /// The difference of the medians, in ms.
    pub(super) p50: f64,
    /// The difference of the 95th percentiles, in ms.
    pub(super) p95: f64,
}

/// Jobs in a time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Throughput {
    /// From the first arrival to the last end.
    pub(super) seconds: f64,
    /// Settled jobs, for an hour of that.
    pub(super) jobs_per_hour: f64,
    /// The same in the slowest whole window of ten seconds between the first and the last end; in
    /// all of it if there is none.
    pub(super) slowest_per_hour: f64,
}

/// Transactions of one kind that the ledger executed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ops {
    pub(super) count: u64,
}

impl Row {
    fn of(stage: &'static str, mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let [p50, p95, p99, max] = [50, 95, 99, 100].map(|percent| percentile(&times, percent));
        Self { stage, p50, p95, p99, max }
    }

    pub(super) fn figures(&self) -> [f64; 4] {
        [self.p50, self.p95, self.p99, self.max]
    }
}

/// The least value that so many percent of all do not exceed; zero of none.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

impl Latencies {
    pub(super) fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Self {
        let stages: Vec<Stages> = samples.filter_map(|sample| sample.stages).collect();
        let row =
            |stage, time: fn(&Stages) -> f64| Row::of(stage, stages.iter().map(time).collect());
        let accepted: Vec<f64> = stages.iter().filter_map(|it| it.accepted).collect();
        let end_to_end = row("end to end", |it| it.end_to_end);
        let times: Vec<f64> = stages.iter().map(|it| it.end_to_end).collect();
        let steps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        Self {
            accepted: (!accepted.is_empty()).then(|| Row::of("accepted", accepted)),
            ordering: row("ordering", |it| it.ordering),
            queueing: row("queueing (ledger time)", |it| it.queueing),
            proving: row("proving (ledger time)", |it| it.proving),
            jitter_ms: end_to_end.p95 - end_to_end.p50,
            successive_ms: steps.iter().sum::<f64>() / count(steps.len().max(1)),
            end_to_end,
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        let others = [&self.ordering, &self.queueing, &self.proving, &self.end_to_end];
        self.accepted.iter().chain(others)
    }

    /// What these take more than others. Percentiles are compared, not jobs.
    pub(super) fn more_than(&self, other: &Self) -> Vec<Added> {
        let pairs = self.rows().zip(other.rows());
        pairs
            .map(|(one, two)| Added {
                stage: one.stage,
                p50: one.p50 - two.p50,
                p95: one.p95 - two.p95,
            })
            .collect()
    }
}

impl Throughput {
    pub(super) fn of(samples: &[Sample]) -> Self {
        const WINDOW_MS: f64 = 10_000.0;
        let mut ends: Vec<f64> =
            samples.iter().filter(|it| it.stages.is_some()).map(|it| it.ended_ms).collect();
        ends.sort_by(f64::total_cmp);
        let last = samples.iter().map(|it| it.ended_ms).fold(0.0, f64::max);
        let seconds = (last / 1e3).max(1e-3);
        let jobs_per_hour = count(ends.len()) / seconds * 3600.0;
        let first = ends.first().copied().unwrap_or_default();
        let ends_at = ends.last().copied().unwrap_or_default();
        let mut slowest = f64::INFINITY;
        let mut from = first;
        while from + WINDOW_MS <= ends_at {
            let within = ends.iter().filter(|&&end| (from..from + WINDOW_MS).contains(&end));
            slowest = slowest.min(count(within.count()) / WINDOW_MS * 3_600_000.0);
            from += WINDOW_MS;
        }
        let slowest_per_hour = if slowest.is_finite() { slowest } else { jobs_per_hour };
        Self { seconds, jobs_per_hour, slowest_per_hour }
    }
}

impl Ops {
    /// Of a kind, between two answers of a node's metrics.
    pub(super) fn between(before: &str, after: &str, kind: &str) -> Self {
        let label = format!("kind=\"{kind}\"");
        let count = |metrics| ops(metrics, &[&label]);
        Self { count: count(after).saturating_sub(count(before)) }
    }
}

/// The ledger's transactions that have some labels, from a node's metrics.
pub(super) fn ops(metrics: &str, labels: &[&str]) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("ciro_ledger_ops_total{"));
    lines
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}

/// Jobs without a result, by reason.
pub(super) fn failed(samples: &[Sample]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for reason in samples.iter().filter_map(|sample| sample.failed.clone()) {
        *reasons.entry(reason).or_default() += 1;
    }
    reasons
}

/// A number of jobs as a real number.
pub(super) fn count(jobs: usize) -> f64 {
    f64::from(u32::try_from(jobs).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::super::load::Way;
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!([50, 95, 99, 100].map(|p| percentile(&times, p)), [100.0, 190.0, 198.0, 200.0]);
        assert_eq!(percentile(&[7.0], 50), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    /// A job whose times are some ms each.
    fn sample(ms: f64, ended_ms: f64) -> Sample {
        let stages = Stages {
            accepted: Some(ms),
            ordering: ms,
            queueing: ms,
            proving: ms,
            end_to_end: 3.0 * ms,
        };
        Sample { way: Way::Http, arrived_ms: 0.0, ended_ms, stages: Some(stages), failed: None }
    }

    #[test]
    fn the_slowest_window_counts_and_a_short_run_is_one() {
        let mut ends: Vec<Sample> = (0..100).map(|at| sample(1.0, f64::from(at) * 100.0)).collect();
        ends.extend((0..10).map(|at| sample(1.0, 10_000.0 + f64::from(at) * 1000.0)));
        ends.push(sample(1.0, 20_000.0));
        let found = Throughput::of(&ends);
        assert_eq!(found.slowest_per_hour, 3600.0);
        assert_eq!(Throughput::of(&ends[..10]).slowest_per_hour, 10.0 / 0.9 * 3600.0);
    }

    #[test]
    fn what_a_way_adds_is_the_difference_of_percentiles() {
        let of = |times: &[f64]| {
            let samples: Vec<Sample> = times.iter().map(|ms| sample(*ms, 0.0)).collect();
            Latencies::of(samples.iter())
        };
        let added = of(&[5.0, 7.0, 30.0]).more_than(&of(&[1.0, 2.0, 3.0]));
        let stages: Vec<&str> = added.iter().map(|it| it.stage).collect();
        assert_eq!((stages.len(), stages[0], stages[4]), (5, "accepted", "end to end"));
        assert_eq!((added[0].p50, added[0].p95), (5.0, 27.0));
        assert_eq!((added[4].p50, added[4].p95), (15.0, 81.0));
    }

    #[test]
    fn kinds_of_transactions_are_counted_apart() {
        let before = "ciro_ledger_ops_total{kind=\"compute\",op=\"order\"} 3\n";
        let after = "ciro_ledger_ops_total{kind=\"compute\",op=\"order\"} 10\n\
                     ciro_ledger_ops_total{kind=\"consensus\",op=\"tick\"} 4\n";
        assert_eq!(Ops::between(before, after, "compute").count, 7);
        assert_eq!(Ops::between(before, after, "consensus").count, 4);
        assert_eq!(ops(after, &["op=\"order\"", "kind=\"compute\""]), 10);
        assert_eq!(ops(after, &["op=\"order\"", "kind=\"consensus\""]), 0);
    }
}
