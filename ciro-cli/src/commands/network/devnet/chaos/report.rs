//! What a run found.

use serde::Serialize;

use super::fire::Blows;
use super::invariant::{Invariant, Violations};
use super::load::Counts;
use super::stale::Spoken;
use crate::machine::Machine;
use crate::ui::{BAD, BOLD, DIM, GOOD};

/// What was done and what held.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) jobs: u32,
    pub(super) validators: usize,
    pub(super) providers: usize,
    pub(super) models: Vec<String>,
    pub(super) seconds: f64,
    pub(super) counts: Counts,
    pub(super) blows: Blows,
    pub(super) latecomers: Spoken,
    /// Events of the ledger that were followed at every node.
    pub(super) events: u64,
    pub(super) held: bool,
    pub(super) interrupted: bool,
    pub(super) violations: Violations,
    pub(super) machine: Machine,
    pub(super) commit: Option<String>,
    pub(super) command: String,
}

impl Report {
    pub(super) fn describe(&self) -> String {
        let Counts { acknowledged, settled, refunded, verified, certified } = self.counts;
        let mut text = format!(
            "{BOLD}{} jobs{BOLD:#} in {:.0} s: {acknowledged} acknowledged, {settled} settled, \
             {refunded} refunded, {verified} results verified, {certified} receipts proven\n",
            self.jobs, self.seconds
        );
        for (word, blows) in [("killed", &self.blows.killed), ("stopped", &self.blows.paused)] {
            let counts: Vec<String> =
                blows.iter().map(|(component, times)| format!("{component:?} {times}")).collect();
            text.push_str(&format!("{DIM}{word:11}{DIM:#}{}\n", counts.join(", ").to_lowercase()));
        }
        let stages: Vec<String> =
            self.blows.by_stage.iter().map(|(stage, times)| format!("{stage:?} {times}")).collect();
        let stages = stages.join(", ").to_lowercase();
        text.push_str(&format!(
            "{DIM}with jobs{DIM:#}  {stages}; {} times two validators at once\n\
             {DIM}too late{DIM:#}   {} statements about {} jobs\n",
            self.blows.pairs,
            self.latecomers.stale,
            self.latecomers.jobs + self.latecomers.cut_short,
        ));
        for invariant in Invariant::ALL {
            let broken: Vec<_> = self.violations.of(invariant).collect();
            let (style, word) = if broken.is_empty() { (GOOD, "holds") } else { (BAD, "BROKEN") };
            let name = format!("{invariant:?}");
            text.push_str(&format!("{name:8} {style}{word:6}{style:#}  {}\n", invariant.says()));
            for violation in broken {
                let what = ciro_sdk::printable(&violation.what);
                text.push_str(&format!("         {BAD}-{BAD:#} {what}\n"));
            }
        }
        text
    }
}
