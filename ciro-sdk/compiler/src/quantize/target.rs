//! What a rounded tensor has to cover, and what its clamp cuts.

use super::calibrate::Range;
use ciro_model::integer::{BOUND, Interval};

/// What a rounded tensor has to cover, in real units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Target {
    /// The range worth its bits.
    pub(super) range: Range,
    /// Bits of the interval.
    pub(super) bits: u32,
    /// A clamp that is part of the meaning (`Relu`, `Clip`).
    pub(super) clip: Option<Range>,
    /// Whether the clamp is the operator's own; else only calibration asks for it.
    pub(super) own: bool,
}

impl Target {
    /// A clamp of this target to what is kept.
    pub(super) fn clamp(&self, kept: Range) -> Clamp {
        Clamp::seen(kept, self.clip.filter(|_| self.own))
    }
}

/// The range that a rounded tensor is clamped to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Clamp {
    /// What is kept.
    pub(super) kept: Range,
    /// What the operator itself keeps: only what it would have kept, and the clamp cuts, is lost.
    pub(super) own: Range,
}

impl Clamp {
    /// A clamp to what calibration has seen, inside the operator's own, if it has one.
    pub(super) fn seen(kept: Range, own: Option<Range>) -> Self {
        Self { kept, own: own.unwrap_or(Range::EVERYTHING) }
    }

    /// The integers that are kept, or that the operator cuts itself, of a tensor with integers in
    /// `bounds` after the clamp.
    pub(super) fn harmless(self, bounds: Interval) -> Interval {
        let lo = if self.own.lo >= self.kept.lo { -BOUND } else { bounds.lo };
        let hi = if self.own.hi <= self.kept.hi { BOUND } else { bounds.hi };
        Interval::new(lo, hi)
    }
}
