//! Launches: money of the treasury that is put aside for somebody and paid by milestones.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Milestones of a launch at most.
pub const MILESTONES_MAX: usize = 16;
/// The longest that a launch may last, in ms: ten years.
pub const LAUNCH_MS_MAX: u64 = 10 * 366 * 86_400_000;

/// Where a launch stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LaunchStatus {
    /// Milestones of it may be paid.
    Open,
    /// All of it is paid.
    Completed,
    /// A vote ended it; what was left is the treasury's.
    Ended,
    /// Its time ended it; what was left is the treasury's.
    Expired,
}
