//! Kinds of runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::byzantine::Behaviour;
use crate::fault::Fault;
use crate::plan::{Clients, MILLISECOND, Network, Plan, SECOND, any_cut};
use crate::rng::Rng;

/// A kind of run, from which each seed draws its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Nothing goes wrong; then no view may change and nothing may wait for re-sending.
    Calm,
    /// Messages are late and overtake each other under full load, but none is lost: nothing may
    /// wait for re-sending.
    Jitter,
    /// Nodes crash, pause and lose writes.
    Crash,
    /// Links are lossy and cut in every manner.
    Partition,
    /// Less than a third of the stake misbehaves.
    Byzantine,
    /// Replicas join, leave and change stake.
    Churn,
    /// All of the above at once.
    Mixed,
    /// More than a third of the stake misbehaves in concert and forks the chain.
    Fork,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 8] = [
        Self::Calm,
        Self::Jitter,
        Self::Crash,
        Self::Partition,
        Self::Byzantine,
        Self::Churn,
        Self::Mixed,
        Self::Fork,
    ];

    /// Turns a calm plan into one of this profile.
    pub(crate) fn shape(self, mut plan: Plan, rng: &mut Rng) -> Plan {
        if self == Self::Calm {
            return plan;
        }
        if self == Self::Jitter {
            return jitter(plan);
        }
        plan.heal_at = rng.between(3 * SECOND, 10 * SECOND);
        plan.clients.equivocates = rng.chance(300);
        if matches!(self, Self::Crash | Self::Mixed) {
            plan.draw_faults(rng, &[Fault::crash, Fault::pause, Fault::disk]);
            for rate in &mut plan.clock_rates {
                *rate = rng.between(900, 1100);
            }
        }
        if matches!(self, Self::Partition | Self::Mixed) {
            plan.draw_faults(rng, &[any_cut]);
            plan.network = rough(rng);
        }
        if matches!(self, Self::Byzantine | Self::Mixed) {
            plan.draw_byzantine(rng, &Behaviour::ALL);
        }
        if self == Self::Churn || (self == Self::Mixed && rng.chance(400)) {
            plan.draw_churn(rng);
        }
        if self == Self::Fork {
            crate::fork::conspire(&mut plan, rng);
        }
        plan
    }

    /// Whether nothing goes wrong, so that no view may change.
    #[must_use]
    pub const fn is_faultless(self) -> bool {
        matches!(self, Self::Calm | Self::Jitter)
    }

    /// Returns the profile's name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Jitter => "jitter",
            Self::Crash => "crash",
            Self::Partition => "partition",
            Self::Byzantine => "byzantine",
            Self::Churn => "churn",
            Self::Mixed => "mixed",
            Self::Fork => "fork",
        }
    }
}

/// Loads the cluster fully over links of very uneven speed, and sets re-sending to never in
/// practice.
fn jitter(mut plan: Plan) -> Plan {
    let calm = plan.network;
    plan.network = Network { slow: 300, slowdown: 4, ..calm };
    plan.params.operations_per_block = 1;
    plan.params.pipeline_depth = plan.params.checkpoint_interval;
    plan.params.resend_interval = Duration::from_secs(60);
    plan.params.progress_timeout = Duration::from_secs(30);
    plan.clients = Clients { count: 6, open: 8, think: 20 * MILLISECOND, equivocates: false };
    plan
}

/// Draws an unpleasant network.
fn rough(rng: &mut Rng) -> Network {
    let delay_min = rng.between(1, 20) * MILLISECOND;
    Network {
        delay_min,
        delay_max: delay_min + rng.between(1, 150) * MILLISECOND,
        slow: rng.below(100),
        slowdown: 10,
        loss: rng.below(150),
        duplicate: rng.below(80),
    }
}

/// A name that is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no profile, expected calm, jitter, crash, partition, byzantine, churn, mixed or fork"
)]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == name);
        found.ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
