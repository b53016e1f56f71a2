//! Many seeds of the market, on several threads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{MarketSeen, market};

/// What the runs gave.
#[derive(Clone, Debug, Default)]
pub struct MarketReport {
    /// Runs.
    pub runs: u64,
    /// How often what happened.
    pub seen: MarketSeen,
    /// Broken rules by seed.
    pub broken: BTreeMap<u64, String>,
}

impl MarketReport {
    /// Runs the market of all seeds, or until one breaks a rule.
    #[must_use]
    pub fn of(seeds: Range<u64>, threads: usize) -> Self {
        let next = AtomicU64::new(seeds.start);
        let broken = AtomicBool::new(false);
        let worker = || {
            let mut part = Self::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end || broken.load(Ordering::Relaxed) {
                    return part;
                }
                part.runs += 1;
                if let Err(rule) = market(seed, &mut part.seen) {
                    part.broken.insert(seed, rule);
                    broken.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
            let mut report = Self::default();
            for worker in workers {
                report.merge(worker.join().expect("a run does not panic"));
            }
            report
        })
    }

    fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.broken.extend(other.broken);
        for (what, times) in other.seen {
            *self.seen.entry(what).or_default() += times;
        }
    }
}
