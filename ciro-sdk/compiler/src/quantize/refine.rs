//! Bits by measured effect.
//!
//! How many bits a tensor is worth depends on what becomes of it: a difference of large numbers, a
//! logarithm near zero or a state that is fed back magnify every rounding. Nothing here guesses
//! that: the integer model runs on the samples of the calibration, and where its outputs are too
//! far off, tensors get more bits, first all of them alike, then one by one those that mend most. A
//! model that meets its target as it is stays as it is.

use super::QuantizeError;
use super::calibrate::Calibration;
use super::lower::Lowering;
use super::missing::Missing;
use super::settings::Settings;
use crate::float::{Graph, Op};
use ciro_model::integer::{Decoding, IntegerModel};
use ciro_model::tensor::Tensor;

/// Outputs may be off by this part of their spread on the samples before more bits are tried.
const TARGET: f64 = 0.01;
/// An error must shrink to this part for more bits to be worth their cells.
const WORTHWHILE: f64 = 0.9;
/// Bits that all tensors get at once, one after the other.
const EVERYWHERE: [u32; 4] = [2, 4, 6, 8];
/// Bits that one tensor gets at a time.
const ALONE: u32 = 2;
/// The most bits that a tensor gets.
const MOST: u32 = 8;
/// How many times one tensor gets more bits and the model is made anew.
const CANDIDATES_MAX: usize = 96;
/// Numbers that may be computed while tensors are tried one by one.
const WORK_MAX: u64 = 1 << 28;
/// Numbers that may be computed to measure one candidate.
const PROBE_WORK: u64 = 1 << 27;
/// The most samples that candidates are measured on.
const PROBES_MAX: usize = 64;
/// Fewer bits of activations, where nothing else fits below 2^30.
const FEWER: [u32; 2] = [10, 8];

/// Bits beyond those that a range asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effort {
    /// For each node of the float graph; empty for none.
    nodes: Vec<u32>,
}

impl Effort {
    /// The same for all nodes.
    fn everywhere(nodes: usize, bits: u32) -> Self {
        Self { nodes: vec![bits; nodes] }
    }

    /// The bits of a node.
    pub(super) fn of(&self, node: usize) -> u32 {
        self.nodes.get(node).copied().unwrap_or(0)
    }
}

/// How many samples a graph's candidates are measured on.
pub(super) fn probes(graph: &Graph) -> usize {
    usize::try_from(PROBE_WORK / work(graph)).unwrap_or(PROBES_MAX).min(PROBES_MAX)
}

/// Numbers that one run computes, about.
fn work(graph: &Graph) -> u64 {
    let elements = graph.nodes.iter().map(|node| node.shape.iter().product::<usize>() as u64);
    elements.fold(graph.macs(), u64::saturating_add).max(1)
}

/// A graph that is quantized, with what is known of it.
pub(super) struct Subject<'g> {
    /// The graph, with masks as truth values.
    pub(super) graph: &'g Graph,
    /// Its ranges.
    pub(super) calibration: &'g Calibration,
    /// Which inputs are truth values.
    pub(super) truths: &'g [bool],
    /// What missing values of inputs count as.
    pub(super) missing: &'g Missing,
    /// Samples and the outputs that the graph as it was imported has for them.
    pub(super) judge: Judge<'g>,
}

impl Subject<'_> {
    /// The integer model, with as many bits as its outputs need.
    pub(super) fn quantized(&self, settings: &Settings) -> Result<Found, QuantizeError> {
        let plain = Bits { settings: settings.clone(), effort: Effort::default() };
        let first = self.lowered(&plain);
        let kept = |model| Found { model, bits: plain.clone() };
        if self.judge.samples.is_empty() {
            return first.map(kept);
        }
        let error = first.as_ref().map_or(f64::INFINITY, |model| self.judge.error(model));
        if error <= TARGET {
            return first.map(kept);
        }
        let mut best = Best { error, found: None };
        let nodes = self.graph.nodes.len();
        for bits in EVERYWHERE {
            if best.error > TARGET {
                self.consider(settings, Effort::everywhere(nodes, bits), &mut best);
            }
        }
        if first.is_err() && best.found.is_none() {
            for activation_bits in FEWER.into_iter().filter(|&b| b < settings.activation_bits) {
                let fewer = Settings { activation_bits, ..settings.clone() };
                self.consider(&fewer, Effort::default(), &mut best);
            }
        }
        self.one_by_one(settings, &mut best);
        match best.found {
            Some(found) => Ok(found),
            None => first.map(kept),
        }
    }

    /// The integer model of given bits.
    pub(super) fn lowered(&self, bits: &Bits) -> Result<IntegerModel, QuantizeError> {
        let mut lowering = Lowering::new(self.graph, self.calibration, &bits.settings)?;
        lowering.truths = self.truths.to_vec();
        lowering.missing = self.missing.clone();
        lowering.effort = bits.effort.clone();
        lowering.run()?;
        lowering.builder.finish().map_err(|error| QuantizeError::Finish(Box::new(error)))
    }

    /// Keeps a candidate that is worth its bits.
    fn consider(&self, settings: &Settings, effort: Effort, best: &mut Best) {
        let bits = Bits { settings: settings.clone(), effort };
        let Ok(model) = self.lowered(&bits) else { return };
        let error = self.judge.error(&model);
        if error < WORTHWHILE * best.error {
            *best = Best { error, found: Some(Found { model, bits }) };
        }
    }

    /// Gives bits to one tensor after the other, wherever they mend something, again and again.
    fn one_by_one(&self, settings: &Settings, best: &mut Best) {
        let nodes = &self.graph.nodes;
        let counts = |op: &Op| !matches!(op, Op::Constant(_) | Op::Move(_));
        let sites: Vec<usize> = (0..nodes.len()).filter(|&at| counts(&nodes[at].op)).collect();
        let run = work(self.graph).saturating_mul(self.judge.samples.len() as u64).max(1);
        let mut left = usize::try_from(WORK_MAX / run).unwrap_or(usize::MAX).min(CANDIDATES_MAX);
        loop {
            let before = best.error;
            for &at in &sites {
                if best.error <= TARGET || left == 0 {
                    return;
                }
                let known = best.found.as_ref().map(|found| &found.bits.effort);
                let bits = |node| known.map_or(0, |effort| effort.of(node));
                if bits(at) + ALONE > MOST {
                    continue;
                }
                let mut efforts: Vec<u32> = (0..nodes.len()).map(bits).collect();
                efforts[at] += ALONE;
                left -= 1;
                self.consider(settings, Effort { nodes: efforts }, best);
            }
            if best.error >= before {
                return;
            }
        }
    }
}

/// The best model so far, unless it is the first.
struct Best {
    error: f64,
    found: Option<Found>,
}

/// How many bits a model's tensors have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bits {
    settings: Settings,
    effort: Effort,
}

/// An integer model and its bits.
pub(super) struct Found {
    pub(super) model: IntegerModel,
    pub(super) bits: Bits,
}

/// Samples with the outputs that they should have.
pub(super) struct Judge<'s> {
    samples: &'s [Vec<Tensor<f64>>],
    /// For each output, the values of all samples.
    expected: Vec<Vec<f64>>,
}

impl<'s> Judge<'s> {
    /// The outputs of a graph; nothing is judged where it does not run.
    pub(super) fn new(graph: &Graph, samples: &'s [Vec<Tensor<f64>>]) -> Self {
        let mut expected = vec![vec![]; graph.outputs.len()];
        for sample in samples {
            let Ok(values) = graph.eval(sample) else { return Self { samples: &[], expected } };
            for (all, output) in expected.iter_mut().zip(&graph.outputs) {
                all.extend_from_slice(values[output.node.index()].data());
            }
        }
        Self { samples, expected }
    }

    /// The greatest error of all outputs, as a part of an output's spread; of labels, the share
    /// that differs.
    fn error(&self, model: &IntegerModel) -> f64 {
        let mut got: Vec<Vec<f64>> = vec![vec![]; self.expected.len()];
        for sample in self.samples {
            let views = model.inputs().iter().zip(sample).flat_map(|(input, real)| {
                input.views.iter().map(move |(_, encoding)| encoding.encode(real))
            });
            let encoded: Result<Vec<_>, _> = views.map(|v| v.map(|e| e.tensor)).collect();
            let Ok(encoded) = encoded else { return f64::INFINITY };
            let Ok(results) = model.run(&encoded) else { return f64::INFINITY };
            for ((all, output), result) in got.iter_mut().zip(model.outputs()).zip(&results) {
                all.extend_from_slice(output.decoding.decode(result).data());
            }
        }
        let outputs = got.iter().zip(&self.expected).zip(model.outputs());
        let errors = outputs.map(|((got, expected), output)| match output.decoding {
            Decoding::Real { .. } => distance(got, expected),
            _ => {
                let differ = got.iter().zip(expected).filter(|(g, e)| (*g - *e).abs() > 0.5);
                differ.count() as f64 / expected.len().max(1) as f64
            }
        });
        errors.fold(0.0, f64::max)
    }
}

/// The greatest difference over the spread of what is expected, or over its magnitude where it does
/// not vary.
fn distance(got: &[f64], expected: &[f64]) -> f64 {
    let finite = || expected.iter().copied().filter(|x| x.is_finite());
    let (lo, hi) =
        (finite().fold(f64::INFINITY, f64::min), finite().fold(-f64::INFINITY, f64::max));
    let spread = if hi > lo { hi - lo } else { hi.abs() };
    let pairs = got.iter().zip(expected).filter(|(_, e)| e.is_finite());
    let worst = pairs.map(|(g, e)| (g - e).abs()).fold(0.0, f64::max);
    if spread > 0.0 { worst / spread } else { worst }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_parts_of_the_spread() {
        assert!((distance(&[1.0, 2.5], &[1.0, 3.0]) - 0.25).abs() < 1e-12);
        assert!((distance(&[4.0, 4.0], &[5.0, 5.0]) - 0.2).abs() < 1e-12);
        assert!(distance(&[0.0], &[f64::INFINITY]).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_worth_more_bits_unless_it_is_said() {
        assert_eq!(Effort::default().of(7), 0);
        assert_eq!(Effort::everywhere(3, 2).of(2), 2);
    }
}
