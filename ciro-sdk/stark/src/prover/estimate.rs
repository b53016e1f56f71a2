//! What a proof of a model will cost, before anything is proven.

use ciro_model::integer::Visibilities;
use ciro_model::{IntegerModel, Interface};
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;

use crate::air::{Balance, Chip as _};
use crate::key::Terms;
use crate::layout::{Layout, LayoutError};
use crate::preset::{Parameters, Preset};
use crate::secrecy::Secrecy;
use crate::security::{Counts, Security};

/// Predicted cost of one proof.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Base-field cells that are committed for each proof.
    pub cells: u64,
    /// Base-field cells of the model itself, committed once.
    pub fixed_cells: u64,
    /// Columns that are opened.
    pub columns: usize,
    /// Rows of the tallest chip, as a binary logarithm.
    pub log_rows: u32,
    /// Time of one proof on two quiet cores with AVX-512, in milliseconds.
    pub prove_ms: f64,
    /// Peak memory in mebibytes, the model's own columns included.
    pub memory_mb: f64,
    /// Size of the proof in bytes.
    pub proof_bytes: u64,
    /// Whole bits of security under the conjecture; see [`Security`].
    pub security_bits: u32,
    /// Whole bits of security without any conjecture.
    pub proven_security_bits: u32,
}

impl Estimate {
    /// Lays a model out whose inputs and outputs are all shown, and counts.
    ///
    /// # Errors
    /// [`LayoutError`] if the model cannot be proven on this route.
    pub fn of(model: &IntegerModel, preset: Preset, batch: u32) -> Result<Self, LayoutError> {
        let visibilities = Visibilities::public(&Interface::of(model));
        let terms = Terms { preset, batch, visibilities, secrecy: Secrecy::Plain };
        Ok(Self::of_layout(&Layout::new(model, &terms)?, preset))
    }

    pub(crate) fn of_layout(layout: &Layout, preset: Preset) -> Self {
        let (secrecy, log_degree) =
            (layout.secrecy, layout.max_log_size() + layout.secrecy.excess());
        let counts = Counts::of(&layout.shapes(), secrecy);
        let p = preset.parameters(&counts);
        let security = Security::of_counts(&counts, p);
        let balance = Balance::of(&layout.shapes());
        let [mut cells, mut fixed_cells, mut openings] = [0u64; 3];
        for (number, placed) in layout.chips.iter().enumerate() {
            let (shape, rows) =
                (&placed.shape, 1u64 << (placed.chip.log_size() + secrecy.excess()));
            cells += shape.committed() as u64 * rows;
            fixed_cells += shape.fixed as u64 * rows;
            // Folds and some LogUp columns are opened in two rows.
            let logup = usize::from(balance.opens_twice((number, &placed.chip)));
            openings += (SECURE_EXTENSION_DEGREE * (shape.folds + logup)) as u64;
        }
        // The last tree, and two columns' worth of everything else.
        let last_tree = SECURE_EXTENSION_DEGREE * secrecy.pieces().iter().sum::<usize>();
        let columns = counts.columns + last_tree as u64 + 2;
        openings += columns;
        let salts = secrecy.salts().iter().sum::<usize>() as u64;
        let columns = columns + salts;
        cells += u64::from(secrecy.noise()) << log_degree;
        let log_rows = layout.max_log_size();
        let work = to_f64(cells) + FIXED_WEIGHT * to_f64(fixed_cells);
        let extension = f64::from(1u32 << p.log_blowup);
        let prove_ms = BASE_MS
            + to_f64(columns) * COLUMN_MS
            + work * CELL_NS * 1e-6 * extension / 2.0
            + f64::from(1u32 << (log_degree + p.log_blowup)) * DOMAIN_NS * 1e-6;
        let bytes = (to_f64(cells) + to_f64(fixed_cells)) * 4.0 * (2.0 + extension) * MEMORY_FACTOR;
        Self {
            cells,
            fixed_cells,
            columns: usize::try_from(columns).unwrap_or(usize::MAX),
            log_rows,
            prove_ms,
            memory_mb: BASE_MB + bytes / 1_048_576.0,
            proof_bytes: proof_bytes(p, log_degree, columns, openings),
            security_bits: security.whole_conjectured_bits(),
            proven_security_bits: security.whole_proven_bits(),
        }
    }
}

// Fitted to the models of `examples/models` with `ciro bench`; see docs/performance.md.
const BASE_MS: f64 = 2.5;
const COLUMN_MS: f64 = 0.012;
const CELL_NS: f64 = 24.0;
const FIXED_WEIGHT: f64 = 0.3;
const DOMAIN_NS: f64 = 60.0;
const BASE_MB: f64 = 28.0;
/// What the steps of a proof hold beside its columns.
const MEMORY_FACTOR: f64 = 1.8;

/// Bytes of a proof: opened values, the columns' values at the queries, and authentication paths of
/// four trees and of the FRI layers.
fn proof_bytes(p: Parameters, log_degree: u32, columns: u64, openings: u64) -> u64 {
    let queries = p.queries as f64;
    // Distinct positions among uniformly drawn ones, and the nodes that their paths do not share.
    let distinct = |log_size: u32| {
        let positions = f64::from(log_size).exp2();
        positions * (1.0 - (1.0 - 1.0 / positions).powf(queries))
    };
    let path_nodes = |log_size: u32| {
        (0..log_size)
            .map(|level| {
                let here = distinct(log_size - level);
                let parents = distinct(log_size - level - 1);
                2.0 * parents - here
            })
            .sum::<f64>()
            .max(0.0)
    };
    let domain = log_degree + p.log_blowup;
    let mut bytes = to_f64(openings) * 16.0
        + to_f64(columns) * distinct(domain) * 4.0
        + 4.0 * path_nodes(domain) * 32.0;
    let mut layer = domain;
    while layer > p.log_blowup + p.log_last_layer {
        let next = layer.saturating_sub(p.fold_step);
        let width = f64::from(1u32 << (layer - next));
        bytes += distinct(next) * (width - 1.0) * 16.0 + path_nodes(next) * 32.0 + 40.0;
        layer = next;
    }
    bytes += f64::from(p.log_last_layer).exp2() * 16.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size in bytes")]
    let bytes = bytes as u64;
    bytes
}

#[expect(clippy::cast_precision_loss, reason = "estimates")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
