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
mod commitments;
pub(crate) mod cost;
mod error;
mod lay;
mod ops;
mod outcome;
mod role;
mod roundings;
pub(crate) mod wiring;

use ciro_model::{IntegerModel, Interface};

use crate::air::Chip as _;
use crate::chips::AnyChip;
use crate::commitment::Salt;
use crate::key::Terms;
use crate::preset::{Parameters, Preset};
use crate::rows::table::Tables;
use crate::rows::{Auxiliary, PlacedChip};
use crate::secrecy::{LOG_SIZE_MIN, Secrecy};
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
    /// Where the salt of every committed tensor begins, sample by sample, inputs before outputs.
    pub(crate) salts: Vec<Address>,
    /// Whether proofs hide.
    pub(crate) secrecy: Secrecy,
}

impl Layout {
    /// Lays out a model for proofs on these terms.
    ///
    /// # Errors
    /// [`LayoutError`] if a node cannot be proven, with its name.
    pub(crate) fn new(model: &IntegerModel, terms: &Terms) -> Result<Self, LayoutError> {
        terms.visibilities.check(&Interface::of(model))?;
        let mut log_size_min = LOG_SIZE_MIN;
        loop {
            let size = (terms.secrecy, terms.batch);
            let layout = collect::Collector::new(model, size, log_size_min)?.lay(terms)?;
            crate::key::check_chips(&layout.shapes(), terms.secrecy).map_err(LayoutError::Chips)?;
            // Masks follow from the number of queries, which follows from the size.
            let needed = layout.parameters(terms.preset).log_size_min();
            if needed <= log_size_min {
                return Ok(layout);
            }
            log_size_min = needed;
        }
    }

    /// The value of every address, from the values of the model's nodes for each sample
    /// and the salts of the committed tensors.
    ///
    /// # Panics
    /// If there are not as many salts as committed tensors.
    pub(crate) fn values(&self, traces: &[ciro_model::integer::Trace], salts: &[Salt]) -> Vec<i32> {
        let mut values = vec![];
        for trace in traces {
            for (base, tensor) in self.bases.iter().zip(trace.values()) {
                if base.is_some() {
                    values.extend_from_slice(tensor.data());
                }
            }
        }
        values.extend_from_slice(&self.extra);
        self.fill(&mut values, salts);
        values
    }

    /// Fills in the salts and what else no node computes.
    ///
    /// # Panics
    /// As [`Self::values`].
    pub(crate) fn fill(&self, values: &mut [i32], salts: &[Salt]) {
        assert_eq!(salts.len(), self.salts.len(), "every committed tensor has a salt");
        for (&first, salt) in self.salts.iter().zip(salts) {
            let places = &mut values[first as usize..];
            places.iter_mut().zip(salt.integers()).for_each(|(place, value)| *place = value);
        }
        self.auxiliary.iter().for_each(|auxiliary| auxiliary.fill(values));
    }

    /// The chips' shapes, in order.
    pub(crate) fn shapes(&self) -> Vec<AnyChip> {
        self.chips.iter().map(|placed| placed.chip).collect()
    }

    /// The security parameters of a preset for this layout's size.
    pub(crate) fn parameters(&self, preset: Preset) -> Parameters {
        preset.parameters(&Counts::of(&self.shapes(), self.secrecy))
    }

    /// The largest number of rows of a chip, as a binary logarithm.
    pub(crate) fn max_log_size(&self) -> u32 {
        self.chips.iter().map(|placed| placed.chip.log_size()).max().unwrap_or(0)
    }
}
