//! From float graphs to integer models: calibration, quantization, accuracy.
//!
//! 1. [`calibrate`] runs the float graph on samples and records the range of every tensor.
//! 2. [`quantize`] walks the graph once. Linear operators are not computed where they stand but
//!    collected into expressions, until an operator needs integers: then one scale and one shift
//!    are chosen for the whole expression, and product, bias, residual, scale and clamp become two
//!    nodes, a product and a `Requantize` (or a `Lookup`).
//! 3. [`accuracy`] compares the integer model with the float graph.
//!
//! # Whole numbers
//! Tensors that are whole by their types and operators keep scale 1 and are never rounded; where
//! they could leave 2^30 the model is refused by that reason.
//!
//! # Masks
//! An addend that is 0 or at most -1e4 by a truth value hides positions of a softmax: it becomes
//! that truth value, so that the constant enters no range.
//!
//! # Missing values
//! A NaN of an input that reaches only comparisons of trees, thresholds and imputers has an integer
//! form: a rank of its own, or the imputer's value; the encoding of the input says which.
//!
//! # Scales
//! A tensor's scale is a power of two times the scales that come in (of quantized models: times the
//! model's own scales), so sums have exact coefficients and every rounding is a shift. The interval
//! of a rounded tensor has [`activation_bits`](Settings::activation_bits) bits for the range seen
//! at calibration plus its margin. Sums before a shift are as fine as the remainder's limbs of 12
//! bits and the bound of 2^30 allow; interval analysis with the actual weights decides, not the
//! samples.
//!
//! # Decisions
//! A number that hangs on the greatest of several, on a comparison or on a piece of a table jumps
//! where it is decided: no sample that has not come near such a place tells what a rounding does
//! there. What is compared gets more bits from the input on, where that costs little.
//!
//! # Bits by effect
//! The bits above are a floor. The integer model runs on samples of the calibration, and where an
//! output is off by more than one per cent of its spread, tensors get more bits: all of them, then
//! those that mend most. Functions that are too steep for a table of equal steps go by ranks, whose
//! steps follow the function; what is made of one element of an input is one such function, however
//! many operators it takes.
//!
//! # Room
//! Margins are wider where parts of the samples, held out in turn, have left what the others had
//! shown, and in graphs so small that room costs next to nothing, as long as what was seen stays
//! right.
//!
//! # What never fails later
//! Every node's interval is computed while the model is built, inputs are clamped to theirs by the
//! encoding, and rounded tensors by the model: a model that comes out of [`quantize`] runs on every
//! input that can be encoded. Where such a clamp cuts what the float model would have kept,
//! [`IntegerModel::clips`] counts it.

mod accuracy;
mod calibrate;
mod casts;
mod decisions;
mod emit;
mod error;
mod expr;
mod facts;
mod fitting;
mod grid;
mod hold_out;
mod limbs;
mod lower;
mod masks;
mod missing;
mod ops;
mod plan;
mod powers;
mod random;
mod reference;
mod refine;
mod scalar;
mod settings;
mod spread;
mod steep;
mod stretch;
mod target;
mod unit;

pub use accuracy::accuracy;
pub use calibrate::{Calibration, Range, calibrate, random_sample};
pub use error::{QuantizeError, Refusal, SampleError};
pub use hold_out::{HeldOut, hold_out};
pub use reference::Reference;
pub use settings::Settings;
pub use spread::{Judged, Ordinary};
pub use steep::Slopes;

use crate::float::Graph;
use ciro_model::integer::IntegerModel;

/// Quantizes a float graph.
///
/// # Errors
/// [`QuantizeError`] names the node that has no integer form, why, and what to change.
pub fn quantize(
    graph: &Graph,
    calibration: &Calibration,
    settings: &Settings,
) -> Result<IntegerModel, QuantizeError> {
    Ok(quantize_with_twin(graph, calibration, None, settings)?.model)
}

/// A quantized model, and its like for judging.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The model.
    pub model: IntegerModel,
    /// The model of the same bits whose ranges are those of fewer samples: what the others say of
    /// it is what fresh ones would say. `None` where those ranges give no such model.
    pub twin: Option<IntegerModel>,
}

/// As [`quantize`], with a model of the same bits whose ranges are those of `fewer` samples.
///
/// # Errors
/// As [`quantize`].
pub fn quantize_with_twin(
    graph: &Graph,
    calibration: &Calibration,
    fewer: Option<&Calibration>,
    settings: &Settings,
) -> Result<Quantized, QuantizeError> {
    let (expected, got) = (graph.nodes.len(), calibration.ranges.len());
    if expected != got {
        return Err(QuantizeError::Calibration { expected, got });
    }
    // Before any attempt: settings that are none are no reason to try others.
    settings.check().map_err(QuantizeError::Setting)?;
    let judge = refine::Judge::new(graph, &calibration.probes);
    let rewritten = Rewritten::of(graph, calibration)?;
    let refine::Found { model, bits } =
        rewritten.subject(graph, calibration, judge).quantized(settings)?;
    let twin = fewer.and_then(|fewer| {
        let twin = Rewritten::of(graph, fewer).ok()?;
        // Bits belong to the nodes of one graph.
        if twin.graph(graph) != rewritten.graph(graph) {
            return None;
        }
        let judge = refine::Judge::new(graph, &[]);
        twin.subject(graph, fewer, judge).lowered(&bits).ok()
    });
    Ok(Quantized { model, twin })
}

/// The form of a graph that is lowered: powers of tensors as exponentials, masks as truth values,
/// imputers of inputs as movements.
struct Rewritten {
    powers: Option<powers::Apart>,
    masked: Option<masks::Masked>,
    imputed: Option<Graph>,
    missing: missing::Missing,
}

impl Rewritten {
    fn of(graph: &Graph, calibration: &Calibration) -> Result<Self, QuantizeError> {
        let powers = powers::rewritten(graph, calibration);
        let (graph, calibration) = match &powers {
            Some(powers) => (&powers.graph, &powers.calibration),
            None => (graph, calibration),
        };
        let masked = masks::rewritten(graph, calibration);
        let graph = masked.as_ref().map_or(graph, |masked| &masked.graph);
        let (imputed, missing) = match missing::rewritten(graph, calibration)? {
            Some((graph, missing)) => (Some(graph), missing),
            None => (None, missing::Missing::default()),
        };
        Ok(Self { powers, masked, imputed, missing })
    }

    /// The graph, of which this is the form of `plain`.
    fn graph<'s>(&'s self, plain: &'s Graph) -> &'s Graph {
        let powers = self.powers.as_ref().map(|powers| &powers.graph);
        let masked = self.masked.as_ref().map(|masked| &masked.graph);
        self.imputed.as_ref().or(masked).or(powers).unwrap_or(plain)
    }

    fn subject<'s>(
        &'s self,
        plain: &'s Graph,
        calibration: &'s Calibration,
        judge: refine::Judge<'s>,
    ) -> refine::Subject<'s> {
        let (graph, missing) = (self.graph(plain), &self.missing);
        let (calibration, truths) = match (&self.masked, &self.powers) {
            (Some(masked), _) => (&masked.calibration, &masked.truths[..]),
            (None, Some(powers)) => (&powers.calibration, &[][..]),
            (None, None) => (calibration, &[][..]),
        };
        refine::Subject {
            graph,
            calibration,
            truths,
            missing,
            judge,
            known: ops::steps::Known::default(),
        }
    }
}
