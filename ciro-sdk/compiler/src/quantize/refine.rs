//! Bits by measured effect.
//!
//! How many bits a tensor is worth depends on what becomes of it: a difference of large numbers, a
//! logarithm near zero or a state that is fed back magnify every rounding. Nothing here guesses
//! that: the integer model runs on the samples of the calibration, and where its outputs are too
//! far off, tensors get more bits, first all of them alike, then one by one those that mend most. A
//! model that meets its target as it is stays as it is.

use super::QuantizeError;
use super::calibrate::{Calibration, Range};
use super::fitting::without_room;
use super::lower::Lowering;
use super::missing::Missing;
use super::ops::steps::Known;
use super::settings::Settings;
use super::spread::Ordinary;
use super::stretch;
use crate::float::{Graph, Op};
use ciro_model::integer::{Decoding, IntegerModel, Op as IntegerOp};
use ciro_model::tensor::Tensor;

/// Outputs may be off by this part of their spread on the samples before more bits are tried.
const TARGET: f64 = 0.01;
/// The part of that which models with more room than samples have needed may be off by.
const FREE: f64 = 0.5;
/// An error must shrink to this part for more bits to be worth their cells.
const WORTHWHILE: f64 = 0.9;
/// Bits that all tensors get at once, one after the other.
const EVERYWHERE: [u32; 6] = [2, 4, 6, 8, 10, 12];
/// The same for room that samples have not needed.
const FREELY: [u32; 4] = [2, 4, 6, 8];
/// Bits that one tensor gets at a time.
const ALONE: u32 = 2;
/// The most bits that a tensor gets.
const MOST: u32 = 12;
/// How many times one tensor gets more bits and the model is made anew.
const CANDIDATES_MAX: usize = 96;
/// Entries of tables that may be computed while tensors are tried one by one.
const ENTRIES_MAX: u64 = 1 << 26;
/// Numbers that may be computed while tensors are tried one by one.
const WORK_MAX: u64 = 1 << 28;
/// Numbers that may be computed to measure one candidate.
const PROBE_WORK: u64 = 1 << 27;
/// The most samples that candidates are measured on.
const PROBES_MAX: usize = 64;
/// The fewest, in graphs of [`LARGE`] and smaller: without any nothing is refined.
const PROBES_MIN: usize = 4;
/// Numbers that a run of a large graph computes.
const LARGE: u64 = 1 << 31;
/// Elements of all tensors from which on a proof takes more memory than ordinary machines have.
const ELEMENTS_LARGE: usize = 1 << 24;
/// The error that is good enough for models with no more elements than that to be preferred.
const ENOUGH: f64 = 0.02;
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

    /// Takes a node's bits away; returns whether it had any.
    pub(super) fn give_up(&mut self, node: usize) -> bool {
        self.nodes.get_mut(node).is_some_and(|bits| std::mem::take(bits) > 0)
    }

    /// The bits of a node.
    pub(super) fn of(&self, node: usize) -> u32 {
        self.nodes.get(node).copied().unwrap_or(0)
    }
}

/// How many samples a graph's candidates are measured on.
pub(super) fn probes(graph: &Graph) -> usize {
    let work = work(graph);
    let fewest = if work <= LARGE { PROBES_MIN } else { 0 };
    usize::try_from(PROBE_WORK / work).unwrap_or(PROBES_MAX).clamp(fewest, PROBES_MAX)
}

/// Numbers that one run computes, about.
pub(super) fn work(graph: &Graph) -> u64 {
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
    /// What models of unlike bits share.
    pub(super) known: Known,
}

impl Subject<'_> {
    /// The integer model, with as many bits as its outputs need.
    pub(super) fn quantized(&self, settings: &Settings) -> Result<Found, QuantizeError> {
        let mut best = Best { error: f64::INFINITY, found: None, spent: 0 };
        let mut refused = None;
        // Room for what is to come is given as long as what was seen stays right, and is paid for
        // with few bits; room that samples have needed is given in any case.
        let stretches = stretch::worthwhile(self.graph, self.calibration);
        let needed = self.calibration.stretch;
        let target = |stretch| if stretch > needed { FREE * TARGET } else { TARGET };
        let with =
            |bits, stretch| Bits { settings: settings.clone(), effort: self.evenly(bits), stretch };
        for &stretch in &stretches {
            match self.lowered(&with(0, stretch)) {
                Ok(model) if self.judge.samples.is_empty() => {
                    return Ok(Found { model, bits: with(0, stretch) });
                }
                Ok(model) => best.keep(&self.judge, model, with(0, stretch)),
                Err(error) => refused = Some(error),
            }
            for bits in FREELY.into_iter().filter(|_| stretch > needed) {
                if best.error > target(stretch) {
                    self.consider_everywhere(with(bits, stretch), &mut best);
                }
            }
            if best.error <= TARGET {
                break;
            }
        }
        // Without samples nothing tells whether more bits are better.
        let judged = !self.judge.samples.is_empty();
        for &stretch in stretches.iter().filter(|_| judged) {
            let tried = |bits: &u32| stretch > needed && FREELY.contains(bits);
            for bits in EVERYWHERE.into_iter().filter(|bits| !tried(bits)) {
                if best.error > TARGET {
                    self.consider_everywhere(with(bits, stretch), &mut best);
                }
            }
        }
        if best.error.is_infinite() {
            for activation_bits in FEWER.into_iter().filter(|&b| b < settings.activation_bits) {
                let settings = Settings { activation_bits, ..settings.clone() };
                let bits = Bits { settings, effort: Effort::default(), stretch: 1.0 };
                self.consider(bits, &mut best);
            }
        }
        if judged {
            self.one_by_one(settings, &mut best);
        }
        match (best.found, refused) {
            (Some(found), _) => Ok(found),
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("there is a stretch, and it gives a model or an error"),
        }
    }

    /// The same effort for all nodes.
    fn evenly(&self, bits: u32) -> Effort {
        match bits {
            0 => Effort::default(),
            _ => Effort::everywhere(self.graph.nodes.len(), bits),
        }
    }

    /// The integer model of given bits.
    pub(super) fn lowered(&self, bits: &Bits) -> Result<IntegerModel, QuantizeError> {
        let mut lowering = self.lowering(bits)?;
        lowering.run()?;
        lowering.builder.finish().map_err(|error| QuantizeError::Finish(Box::new(error)))
    }

    /// What a model of given bits is made by.
    pub(super) fn lowering(&self, bits: &Bits) -> Result<Lowering<'_>, QuantizeError> {
        let mut lowering =
            Lowering::new(self.graph, self.calibration, &bits.settings, bits.stretch)?;
        lowering.truths = self.truths.to_vec();
        lowering.missing = self.missing.clone();
        lowering.effort = bits.effort.clone();
        lowering.known = self.known.clone();
        Ok(lowering)
    }

    /// Makes a candidate, and keeps it if it is worth its bits.
    fn consider(&self, bits: Bits, best: &mut Best) {
        let Ok(model) = self.lowered(&bits) else { return };
        best.spent += entries(&model);
        best.keep(&self.judge, model, bits);
    }

    /// The same for more bits everywhere, which are less where there is no room for so many.
    fn consider_everywhere(&self, bits: Bits, best: &mut Best) {
        match self.fitting(&bits) {
            Some((model, bits)) => {
                best.spent += entries(&model);
                best.keep(&self.judge, model, bits);
            }
            None => self.consider(bits, best),
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
                if best.error <= TARGET || left == 0 || best.spent > ENTRIES_MAX {
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
                let stretch = best.found.as_ref().map_or(1.0, |found| found.bits.stretch);
                let effort = Effort { nodes: efforts };
                self.consider(Bits { settings: settings.clone(), effort, stretch }, best);
            }
            if best.error >= before {
                return;
            }
        }
    }
}

/// The best model so far, if there is one.
struct Best {
    error: f64,
    found: Option<Found>,
    /// Entries of tables that were computed on the way.
    spent: u64,
}

impl Best {
    /// Keeps a model that is better than the best, or the first.
    fn keep(&mut self, judge: &Judge<'_>, model: IntegerModel, bits: Bits) {
        if self.error <= ENOUGH && elements(&model) > ELEMENTS_LARGE {
            return;
        }
        // What has no proof is kept only where nothing else is found.
        let error =
            if without_room(&model).is_none() { judge.error(&model) } else { f64::INFINITY };
        if self.found.is_none() || error < WORTHWHILE * self.error {
            (self.error, self.found) = (error, Some(Found { model, bits }));
        }
    }
}

/// How many elements all tensors of a model have.
fn elements(model: &IntegerModel) -> usize {
    let sizes = model.nodes().iter().map(|node| node.shape.iter().product::<usize>());
    sizes.fold(0, usize::saturating_add)
}

/// How many values the tables of a model took to compute, about: a step of a table by ranks is
/// searched for.
fn entries(model: &IntegerModel) -> u64 {
    const SEARCHED: usize = 64;
    let constants = model.constants().iter().map(|(_, table)| table.data().len());
    let searched = model.nodes().iter().map(|node| match &node.op {
        IntegerOp::Bucketize(op) => SEARCHED * op.boundaries.iter().map(Vec::len).sum::<usize>(),
        _ => 0,
    });
    (constants.sum::<usize>() + searched.sum::<usize>()) as u64
}

/// How many bits a model's tensors have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bits {
    settings: Settings,
    pub(super) effort: Effort,
    /// What room beyond ranges is multiplied by.
    stretch: f64,
}

#[cfg(test)]
impl Bits {
    /// Bits beyond those of the settings for each node, without more room than that.
    pub(super) fn of(settings: Settings, nodes: &[u32]) -> Self {
        Self { settings, effort: Effort { nodes: nodes.to_vec() }, stretch: 1.0 }
    }
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
            Decoding::Real { .. } => self.part_of_spread(got, expected),
            _ => {
                let differ = got.iter().zip(expected).filter(|(g, e)| (*g - *e).abs() > 0.5);
                differ.count() as f64 / expected.len().max(1) as f64
            }
        });
        errors.fold(0.0, f64::max)
    }
}

impl Judge<'_> {
    /// The greatest error of an output as a part of its spread, and of ordinary values as a part of
    /// theirs, where outliers hide them.
    fn part_of_spread(&self, got: &[f64], expected: &[f64]) -> f64 {
        let each = (expected.len() / self.samples.len().max(1)).max(1);
        let judged = got.chunks(each).zip(expected.chunks(each)).map(|(got, expected)| {
            let range = Range::of(expected);
            (range, Some(greatest(got, expected)))
        });
        let hidden = Ordinary::of(&judged.collect::<Vec<_>>(), Range::of(expected).width());
        let hidden = hidden.map_or(0.0, |hidden| hidden.error / hidden.spread);
        distance(got, expected).max(hidden)
    }
}

/// The greatest difference from what is expected, where that is a number.
fn greatest(got: &[f64], expected: &[f64]) -> f64 {
    let pairs = got.iter().zip(expected).filter(|(_, e)| e.is_finite());
    pairs.map(|(g, e)| (g - e).abs()).fold(0.0, f64::max)
}

/// The greatest difference over the spread of what is expected, or over its magnitude where it does
/// not vary.
pub(super) fn distance(got: &[f64], expected: &[f64]) -> f64 {
    let Range { lo, hi } = Range::of(expected);
    let spread = if hi > lo { hi - lo } else { hi.abs() };
    let worst = greatest(got, expected);
    if spread > 0.0 { worst / spread } else { worst }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ciro_model::integer::ops::DivFloor;
    use ciro_model::integer::{Encoding, ModelBuilder};

    #[test]
    fn errors_are_parts_of_the_spread() {
        assert!((distance(&[1.0, 2.5], &[1.0, 3.0]) - 0.25).abs() < 1e-12);
        assert!((distance(&[4.0, 4.0], &[5.0, 5.0]) - 0.2).abs() < 1e-12);
        assert!(distance(&[0.0], &[f64::INFINITY]).abs() < 1e-12);
    }

    /// `x / y` of whole numbers, `y` up to `most`.
    fn quotient(most: i32) -> IntegerModel {
        let mut builder = ModelBuilder::new();
        let operands = [("x", 0, 1 << 28), ("y", 1, most)].map(|(name, lo, hi)| {
            let input = builder.input(name, vec![1]);
            builder.view(input, Encoding::Integer { lo, hi }).unwrap()
        });
        let quotient = builder.push("q", DivFloor, &operands, 1.0).unwrap();
        builder.output("q", quotient, Decoding::Real { scale: 1.0 });
        builder.finish().unwrap()
    }

    #[test]
    fn what_has_no_room_for_its_checks_is_kept_only_where_there_is_nothing_else() {
        let (without, with) = (quotient(1 << 21), quotient(2));
        assert!(without_room(&without).is_some() && without_room(&with).is_none());
        let judge = Judge { samples: &[], expected: vec![vec![]] };
        let bits = || {
            let (settings, effort) = (Settings::default(), Effort::default());
            Bits { settings, effort, stretch: 1.0 }
        };
        let mut best = Best { error: f64::INFINITY, found: None, spent: 0 };
        let mut keeps = |model: &IntegerModel| {
            best.keep(&judge, model.clone(), bits());
            best.found.as_ref().unwrap().model == *model
        };
        assert!(keeps(&without) && keeps(&with) && !keeps(&without));
    }

    #[test]
    fn errors_that_outliers_hide_are_parts_of_what_ordinary_values_differ_by() {
        let samples: Vec<Vec<Tensor<f64>>> = vec![vec![]; 16];
        let mut expected: Vec<f64> = (0..16).map(f64::from).collect();
        expected[15] = 1e4;
        let got: Vec<f64> = expected.iter().map(|x| x + 0.5).collect();
        let judge = Judge { samples: &samples, expected: vec![] };
        assert!(distance(&got, &expected) < 1e-4);
        assert!(judge.part_of_spread(&got, &expected) > 0.03);
    }

    #[test]
    fn nothing_is_worth_more_bits_unless_it_is_said() {
        assert_eq!(Effort::default().of(7), 0);
        assert_eq!(Effort::everywhere(3, 2).of(2), 2);
    }
}
