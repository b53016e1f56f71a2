#![doc = include_str!("../README.md")]

mod app;
mod byzantine;
mod cluster;
mod disk;
mod fault;
mod fork;
mod measure;
mod node;
mod oracle;
mod plan;
mod profile;
mod rng;
mod runner;
mod scheme;
mod stats;
mod strategist;
mod timeline;
mod trace;
mod views;
mod world;

pub use app::{App, AppState, Outcome, StakeOperations, genesis_root, payload, stake_change};
pub use byzantine::{Behaviour, Byzantine, Cargo, Outgoing, Target};
pub use cluster::{Cluster, ClusterError, Traffic};
pub use disk::{DiskFault, SimDisk};
pub use fault::{Cut, Fault, TimedFault};
pub use measure::{MeasureError, Measurement, Source, stark_cluster};
pub use oracle::{Oracle, Violation};
pub use plan::{Clients, MILLISECOND, Micros, Network, Plan, SECOND, key_of};
pub use profile::{Profile, UnknownProfile};
pub use rng::Rng;
pub use runner::{Sweep, SweepReport};
pub use scheme::Keyed;
pub use stats::Stats;
pub use timeline::{html, text};
pub use trace::{Moment, MomentKind, TraceHash};
pub use world::{Report, World};
