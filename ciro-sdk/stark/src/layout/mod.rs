//! From an integer model to chips: which work there is, and what is wired to what.
//!
//! 1. [`wiring`] gives every tensor element an address; movements give none, their elements are
//!    read where they come from.
//! 2. [`collect`] and [`ops`] turn the model's nodes into work: matrix products, arithmetic,
//!    maxima, ...
//! 3. [`lay`] lets every kind of work choose its chip's shape by a cost model and lay its rows;
//!    reads are counted on the way.
//! 4. Once all reads are counted, the fixed columns are written: they are tree 0 of the proof.

mod collect;
pub(crate) mod cost;
mod error;
mod lay;
mod ops;
mod outcome;
mod role;
mod roundings;
pub(crate) mod wiring;

use ciro_model::IntegerModel;

use crate::air::Chip as _;
use crate::chips::AnyChip;
use crate::preset::{Parameters, Preset};
use crate::rows::table::Tables;
use crate::rows::{Auxiliary, PlacedChip};
use crate::security::Counts;

pub use error::LayoutError;
pub(crate) use wiring::Address;

/// Everything about a model that does not depend on an input.
pub(crate) struct Layout {
    pub(crate) chips: Vec<PlacedChip>,
    /// Values of the addresses behind the model's nodes: constants, and places for auxiliary
    /// values.
    pub(crate) extra: Vec<i32>,
    /// Fills the auxiliary values.
    pub(crate) auxiliary: Vec<Box<dyn Auxiliary>>,
    /// The address of the first element of every node; movements have none of their own.
    pub(crate) bases: Vec<Option<Address>>,
    pub(crate) tables: Tables,
}

impl Layout {
    /// Lays out a model for proofs of `batch` inputs at once.
    ///
    /// # Errors
    /// [`LayoutError`] if a node cannot be proven, with its name.
    pub(crate) fn new(model: &IntegerModel, batch: u32) -> Result<Self, LayoutError> {
        let layout = collect::Collector::new(model, batch)?.lay()?;
        crate::key::check_chips(&layout.shapes()).map_err(LayoutError::Chips)?;
        Ok(layout)
    }

    /// The value of every address, from the values of the model's nodes for each sample.
    pub(crate) fn values(&self, traces: &[ciro_model::integer::Trace]) -> Vec<i32> {
        let mut values = vec![];
        for trace in traces {
            for (base, tensor) in self.bases.iter().zip(trace.values()) {
                if base.is_some() {
                    values.extend_from_slice(tensor.data());
                }
            }
        }
        values.extend_from_slice(&self.extra);
        self.auxiliary.iter().for_each(|auxiliary| auxiliary.fill(&mut values));
        values
    }

    /// The chips' shapes, in order.
    pub(crate) fn shapes(&self) -> Vec<AnyChip> {
        self.chips.iter().map(|placed| placed.chip).collect()
    }

    /// The security parameters of a preset for this layout's size.
    pub(crate) fn parameters(&self, preset: Preset) -> Parameters {
        preset.parameters(&Counts::of(&self.shapes()))
    }

    /// The largest number of rows of a chip, as a binary logarithm.
    pub(crate) fn max_log_size(&self) -> u32 {
        self.chips.iter().map(|placed| placed.chip.log_size()).max().unwrap_or(0)
    }
}
