//! What happened, as one number and, on demand, as text.

use crate::plan::Micros;

/// A running hash over every event; equal runs have equal hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceHash(u64, u64);

impl Default for TraceHash {
    fn default() -> Self {
        Self(0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b)
    }
}

impl TraceHash {
    /// Takes a number in.
    pub const fn note(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        self.1 = (self.1.rotate_left(17) ^ self.0).wrapping_mul(0xff51_afd7_ed55_8ccd);
    }

    /// Returns the hash.
    #[must_use]
    pub const fn value(self) -> u128 {
        (self.0 as u128) << 64 | self.1 as u128
    }
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Micros,
    /// Whose event it is, by address; none for the network's.
    pub node: Option<usize>,
    /// What kind of event.
    pub kind: MomentKind,
    /// What happened.
    pub text: String,
}

/// Kinds of events in a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MomentKind {
    /// A message was sent.
    Send,
    /// A block was executed.
    Execute,
    /// A checkpoint became stable.
    Stable,
    /// A view or epoch began, or was left.
    View,
    /// Something broke or was repaired.
    Fault,
    /// A validator was accused.
    Evidence,
    /// The run is wrong.
    Violation,
}
