//! What the float model says of the samples that an integer model runs on: the last word on whether
//! a result can be relied on, where the float model is at hand.

use std::fmt;

use ciro_compiler::quantize::{Judged, Ordinary, Range, Reference};
use ciro_model::Tensor;
use ciro_model::integer::{Decoding, Trace};

use super::concern::{Concern, InputRefusal};
use super::model::Model;
use super::recompute::{FloatModel, decision};
use crate::inputs::Sample;

/// How an output differs from what the float model gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Difference {
    /// By this part of the output's spread.
    Error(f64),
    /// In a label.
    Label {
        /// The integer model's.
        integer: String,
        /// The float model's.
        float: String,
    },
    /// The float model has an infinity or no number where the integer model has one.
    NoNumber,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(part) => write!(f, "off by {:.1}% of its spread", 100.0 * part),
            Self::Label { integer, float } => write!(f, "`{integer}` instead of `{float}`"),
            Self::NoNumber => write!(f, "the float model gives infinity or no number"),
        }
    }
}

/// A model beside the float model that it was made from, over samples.
pub(super) struct Differences<'m> {
    model: &'m Model,
    float: &'m FloatModel,
    reference: Reference<'m>,
    outputs: Vec<Output>,
    failed: Vec<(usize, String)>,
    /// Whether every sample so far is right.
    confirmed: bool,
}

/// What is known of one output.
struct Output {
    /// The spread that calibration has seen: of ordinary values, where outliers hide them.
    calibrated: f64,
    /// Whether the greatest value of a row is the answer.
    scores: bool,
    lo: f64,
    hi: f64,
    /// Each sample with its values and its greatest error.
    errors: Vec<(usize, Judged)>,
    /// Samples that differ in kind.
    others: Vec<(usize, Difference)>,
}

impl<'m> Differences<'m> {
    /// `None` for a model whose float model is not at hand.
    pub(super) fn of(model: &'m Model) -> Option<Self> {
        let float = model.float.as_deref()?;
        let reports = &model.accuracy().outputs;
        let outputs = (0..model.integer().outputs().len()).map(|place| Output {
            calibrated: reports.get(place).map_or(0.0, |report| report.spread),
            scores: reports.get(place).is_some_and(|report| report.top1_agreement.is_some()),
            lo: f64::INFINITY,
            hi: f64::NEG_INFINITY,
            errors: vec![],
            others: vec![],
        });
        let (reference, outputs) = (Reference::of(&float.0), outputs.collect());
        Some(Self { model, float, reference, outputs, failed: vec![], confirmed: true })
    }

    /// Compares what a sample gave. Returns whether the float model confirms it, whatever other
    /// samples there are.
    pub(super) fn add(&mut self, sample: usize, reals: &[Tensor<f64>], trace: &Trace) -> bool {
        let right = self.compare(sample, reals, trace);
        self.confirmed &= right;
        right
    }

    fn compare(&mut self, sample: usize, reals: &[Tensor<f64>], trace: &Trace) -> bool {
        let exact = match self.float.0.eval(reals) {
            Ok(values) => values,
            Err(error) => {
                self.failed.push((sample, crate::error_chain::error_chain(&error)));
                return false;
            }
        };
        let mut right = true;
        let single = self.reference.in_single_precision(reals);
        let outputs = self.model.integer().outputs().iter().zip(&self.float.0.outputs);
        for ((integer, float), known) in outputs.zip(&mut self.outputs) {
            let got = integer.decoding.decode(trace.value(integer.node));
            let at = float.node.index();
            let expected = [Some(&exact), single.as_ref()].into_iter().flatten();
            let expected: Vec<&[f64]> = expected.map(|values| values[at].data()).collect();
            if matches!(integer.decoding, Decoding::Real { .. }) {
                right &= known.number(sample, got.data(), &expected);
                right &= !known.scores || same_top(&got, &expected);
                continue;
            }
            // Two labels between which even the precision of the float model decides are both
            // right.
            let differs =
                |(place, got): (usize, &f64)| expected.iter().all(|e| (e[place] - got).abs() > 0.5);
            if let Some(place) = got.data().iter().enumerate().position(differs) {
                let label = |x: f64| decision(&[x], &float.labels);
                let (integer, float) = (label(got.data()[place]), label(expected[0][place]));
                known.others.push((sample, Difference::Label { integer, float }));
                right = false;
            }
        }
        right
    }

    /// What the user should know.
    pub(super) fn concerns(self) -> Vec<Concern> {
        let named = self.outputs.into_iter().zip(self.model.integer().outputs());
        let outputs = named.filter_map(|(output, integer)| {
            let judged: Vec<Judged> = output.errors.iter().map(|(_, judged)| *judged).collect();
            let ordinary = Ordinary::of(&judged, output.spread());
            let errors = output.errors.iter();
            let errors = errors.map(|(sample, judged)| (*sample, output.part(judged, ordinary)));
            let far = errors.filter(|&(_, part)| part > Model::MAX_SPREAD_ERROR);
            let mut found: Vec<_> =
                far.map(|(sample, part)| (sample, Difference::Error(part))).collect();
            found.extend(output.others);
            let size = |difference: &Difference| match difference {
                Difference::Error(part) => *part,
                Difference::Label { .. } | Difference::NoNumber => f64::INFINITY,
            };
            let more = found.len().saturating_sub(1);
            let worst =
                found.into_iter().reduce(|a, b| if size(&b.1) > size(&a.1) { b } else { a });
            let (sample, difference) = worst?;
            Some(Concern::Differs { output: integer.name.clone(), difference, sample, more })
        });
        let more = self.failed.len().saturating_sub(1);
        let failed = self.failed.into_iter().next();
        let failed = failed.map(|(sample, reason)| Concern::Undefined { reason, sample, more });
        // A sample that is not confirmed may be one of many.
        let general = if self.confirmed { vec![] } else { self.model.concerns() };
        let general = general.into_iter().filter(|concern| {
            let few = matches!(concern, Concern::FewSamples { .. });
            concern.is_settled_by_samples() && !few
        });
        general.chain(failed).chain(outputs).collect()
    }
}

impl Model {
    /// Where numbers that the model gives for samples are not the float model's, if that is at
    /// hand: what `FloatModel::disagreements` leaves out, as no number is an answer by itself.
    ///
    /// # Errors
    /// [`InputRefusal::Sample`] if the model does not take one of them.
    pub fn differences(&self, samples: &[Sample]) -> Result<Vec<Concern>, InputRefusal> {
        let Some(mut differences) = Differences::of(self) else { return Ok(vec![]) };
        for (sample, reals) in samples.iter().enumerate() {
            let encoded = self.encode(reals);
            let encoded = encoded.map_err(|source| InputRefusal::Sample { sample, source })?;
            differences.add(sample, reals, &self.trace_of(sample, &encoded)?);
        }
        let mut concerns = differences.concerns();
        concerns.retain(|concern| match concern {
            Concern::Differs { difference, .. } => !matches!(difference, Difference::Label { .. }),
            _ => false,
        });
        Ok(concerns)
    }
}

impl Output {
    /// By how much all that is known of the output differs.
    fn spread(&self) -> f64 {
        self.calibrated.max(self.hi - self.lo)
    }

    /// A sample's error as a part of that spread, or of its magnitude where it does not vary; as a
    /// part of the spread of ordinary values where the sample's are, and outliers hide them.
    fn part(&self, (values, error): &Judged, ordinary: Option<Ordinary>) -> f64 {
        let error = error.unwrap_or(0.0);
        if let Some(ordinary) = ordinary.filter(|ordinary| ordinary.holds(values)) {
            return error / ordinary.spread;
        }
        let spread = self.spread();
        let most = self.lo.abs().max(self.hi.abs());
        match spread > 0.0 {
            true => error / spread,
            false if most > 0.0 && most.is_finite() => error / most,
            false => error,
        }
    }

    /// Compares numbers; returns whether all of them are right by the calibrated spread: that of
    /// these samples may be an outlier's.
    fn number(&mut self, sample: usize, got: &[f64], expected: &[&[f64]]) -> bool {
        let [exact, ..] = expected else { return true };
        let finite =
            !exact.iter().zip(got).any(|(exact, got)| !exact.is_finite() && got.is_finite());
        if !finite {
            self.others.push((sample, Difference::NoNumber));
        }
        let values = Range::of(exact);
        (self.lo, self.hi) = (self.lo.min(values.lo), self.hi.max(values.hi));
        let errors = expected.iter().flat_map(|values| {
            let pairs = values.iter().zip(got).filter(|(x, _)| x.is_finite());
            pairs.map(|(x, got)| (x - got).abs())
        });
        let error = errors.fold(0.0, f64::max);
        self.errors.push((sample, (values, Some(error))));
        let spread = if self.calibrated > 0.0 { self.calibrated } else { self.hi - self.lo };
        finite && error <= Model::MAX_SPREAD_ERROR * spread
    }
}

/// Whether one of the float model's answers has the same greatest element in every row.
fn same_top(got: &Tensor<f64>, expected: &[&[f64]]) -> bool {
    let columns = got.last_dim().max(1);
    let tops = |values: &[f64]| -> Vec<Option<usize>> {
        let greatest =
            |row: &[f64]| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]));
        values.chunks(columns).map(greatest).collect()
    };
    let own = tops(got.data());
    expected.iter().any(|values| tops(values) == own)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ciro_compiler::float::{
        self, BinaryFn, ElementType, Graph, Labels, Node, NodeId, Op, ScalarFn, UnaryFn,
    };
    use ciro_model::Interval;
    use ciro_model::integer::ops::Requantize;
    use ciro_model::integer::{AccuracyReport, Encoding, ModelBuilder, OutputAccuracy, SourceInfo};

    use super::super::compile::{CompileSettings, compile};
    use super::*;
    use crate::inputs::{InputArray, Inputs};

    #[test]
    fn errors_of_what_does_not_vary_are_parts_of_its_magnitude() {
        let part = |lo: f64, hi: f64, error: f64| {
            let (errors, others) = (vec![], vec![]);
            let output = Output { calibrated: 0.0, scores: false, lo, hi, errors, others };
            output.part(&(Range { lo, hi }, Some(error)), None)
        };
        assert!((part(1e-5, 1e-5, 1e-6) - 0.1).abs() < 1e-9);
        assert!((part(1.0, 3.0, 0.5) - 0.25).abs() < 1e-9);
        assert!((part(0.0, 0.0, 0.5) - 0.5).abs() < 1e-9);
    }

    /// A graph of one input of `columns` numbers.
    fn graph(columns: usize, nodes: Vec<(Op, &[u32], usize)>) -> Graph {
        let node = |(at, (op, operands, columns)): (usize, (Op, &[u32], usize))| Node {
            name: format!("n{at}"),
            origin: "Test".to_owned(),
            op,
            operands: operands.iter().map(|&id| NodeId(id)).collect(),
            shape: vec![1, columns],
            unrolled: None,
        };
        let shape = vec![1, columns];
        let input = float::Input { name: "x".to_owned(), shape, element_type: ElementType::Float };
        let all = [vec![(Op::Input { index: 0 }, &[][..], columns)], nodes].concat();
        let last = NodeId(u32::try_from(all.len() - 1).unwrap());
        let output = float::Output { name: "y".to_owned(), node: last, labels: Labels::Real };
        let nodes = all.into_iter().enumerate().map(node).collect();
        Graph { nodes, inputs: vec![input], outputs: vec![output] }
    }

    fn unary(f: ScalarFn) -> Graph {
        graph(3, vec![(Op::Unary(f), &[0], 3)])
    }

    /// Rows of numbers in `[lo, hi]`, the same for the same seed.
    fn rows(count: usize, (lo, hi): (f64, f64), seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(977).wrapping_add(1);
        let mut unit = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..3 * count).map(|_| lo + (hi - lo) * unit()).collect()
    }

    /// The model, calibrated with 120 rows; `None` if it is refused.
    fn calibrated(graph: &Graph, range: (f64, f64), seed: u64) -> Option<Model> {
        let data = rows(120, range, seed).into();
        let array = InputArray { name: None, shape: None, data };
        let calibration = Some(Inputs::new(vec![array]));
        let settings = CompileSettings { calibration, ..CompileSettings::default() };
        compile(graph.clone(), SourceInfo::default(), &settings).ok()
    }

    /// The greatest error on samples, as a part of the spread of what is right, and whether it was
    /// told.
    fn judged(graph: &Graph, model: &Model, samples: &[Sample]) -> (f64, bool) {
        let ran = model.run_all(samples).unwrap();
        let (mut worst, mut lo, mut hi) = (0.0f64, f64::INFINITY, f64::NEG_INFINITY);
        for (sample, outputs) in samples.iter().zip(&ran.outputs) {
            let exact = graph.eval(sample).unwrap().pop().unwrap();
            for (got, exact) in outputs[0].values.data().iter().zip(exact.data()) {
                worst = worst.max((got - exact).abs());
                (lo, hi) = (lo.min(*exact), hi.max(*exact));
            }
        }
        let told = [model.concerns(), ran.concerns].concat();
        (worst / (hi - lo), !told.is_empty())
    }

    /// Functions with poles and steep places, with the range that they are asked in.
    fn steep() -> Vec<(&'static str, Graph, (f64, f64))> {
        let of = |f| ScalarFn::unary(f);
        let bin = |f, a, b| ScalarFn::binary(f, a, b);
        let power = |e| bin(BinaryFn::Pow, ScalarFn::X, ScalarFn::Const(e));
        let quotient = |shift: f64| {
            let x = ScalarFn::X;
            let near = bin(BinaryFn::Add, x, ScalarFn::Const(shift));
            graph(
                3,
                vec![
                    (Op::Unary(of(UnaryFn::Sin)), &[0], 3),
                    (Op::Unary(near), &[0], 3),
                    (Op::Binary(BinaryFn::Div), &[1, 2], 3),
                ],
            )
        };
        let mixed = |f: ScalarFn| {
            let weights = vec![0.7, -0.4, 0.2, 0.5, 0.1, -0.9];
            let weights = Tensor::new(vec![3, 2], weights).unwrap();
            let constant = Op::Constant(Arc::new(weights));
            let mut graph = graph(
                3,
                vec![(Op::Unary(f), &[0], 3), (constant, &[], 3), (Op::MatMul, &[1, 2], 2)],
            );
            graph.nodes[2].shape = vec![3, 2];
            graph
        };
        vec![
            ("tan over many turns", unary(of(UnaryFn::Tan)), (-60.0, 60.0)),
            ("tan over one turn", unary(of(UnaryFn::Tan)), (-1.57, 1.57)),
            ("tan before a product", mixed(of(UnaryFn::Tan)), (-60.0, 60.0)),
            ("reciprocal", unary(of(UnaryFn::Reciprocal)), (1e-4, 1.0)),
            ("reciprocal around 0", unary(of(UnaryFn::Reciprocal)), (-1.0, 1.0)),
            ("logarithm", unary(of(UnaryFn::Log)), (1e-9, 1.0)),
            ("logarithm before a product", mixed(of(UnaryFn::Log)), (1e-9, 1.0)),
            ("area tangent", unary(of(UnaryFn::Atanh)), (-0.999_999, 0.999_999)),
            ("negative power", unary(power(-1.5)), (1e-3, 1.0)),
            ("reciprocal root", unary(power(-0.5)), (1e-8, 1.0)),
            ("negative power before a product", mixed(power(-3.0)), (1e-2, 1.0)),
            (
                "remainder",
                unary(bin(BinaryFn::Mod, ScalarFn::X, ScalarFn::Const(0.37))),
                (0.0, 60.0),
            ),
            ("quotient", quotient(1.001), (-1.0, 1.0)),
            ("quotient around 0", quotient(0.0), (-1.0, 1.0)),
        ]
    }

    /// `min(x, 10)` in integers, where 10 is all that calibration has seen, made from a function.
    fn guarded(f: ScalarFn, spread_error: f64) -> Model {
        let mut builder = ModelBuilder::new();
        builder.input("x", vec![1, 3]);
        let x = builder.view(0, Encoding::Affine { scale: 0.5, lo: -100, hi: 100 }).unwrap();
        let op = Requantize { shift: 1, lo: -100, hi: 10 };
        let y = builder.push("cut", op, &[x], 1.0).unwrap();
        builder.guard(y, Interval::new(i64::from(i32::MIN), 10));
        builder.output("y", y, Decoding::Real { scale: 1.0 });
        let model = Model::from(builder.finish().unwrap());
        let name = "y".to_owned();
        let output =
            OutputAccuracy { name, spread: 1.0, worst_error: spread_error, ..Default::default() };
        let accuracy = AccuracyReport { outputs: vec![output], ..Default::default() };
        let float = Some(Arc::new(FloatModel(unary(f))));
        Model { accuracy, float, ..model }
    }

    #[test]
    fn what_was_cut_is_told_unless_the_float_model_confirms_the_result() {
        let row = |x: f64| vec![Tensor::new(vec![1, 3], vec![1.0, 2.0, x]).unwrap()];
        let codes = |model: &Model, samples: &[Sample]| {
            let concerns = model.run_all(samples).unwrap().concerns;
            assert_eq!(model.examine(samples).unwrap().concerns, concerns);
            concerns.iter().map(Concern::code).collect::<Vec<_>>()
        };
        let same = guarded(ScalarFn::X.min(ScalarFn::Const(10.0)), 0.5);
        let other = guarded(ScalarFn::X, 0.5);
        assert_eq!(codes(&same, &[row(30.0)]), [""; 0]);
        let told = ["value_outside_range", "inaccurate", "differs_from_float"];
        assert_eq!(codes(&other, &[row(30.0)]), told);
        // In one of two samples nothing was cut, and the other one is still told.
        let Concern::Clipped { sample, more, .. } =
            &other.run_all(&[row(3.0), row(30.0)]).unwrap().concerns[0]
        else {
            panic!("what was cut comes first")
        };
        assert_eq!((*sample, *more), (1, 0));
        // What is known in general is for those who publish a model, or have no float model.
        assert_eq!(same.concerns().len(), 1);
        assert_eq!(same.concerns_before_samples(), []);
        let stored = Model { float: None, ..same };
        assert_eq!(stored.concerns_before_samples().len(), 1);
        assert_eq!(codes(&stored, &[row(30.0)]), ["value_outside_range"]);
    }

    #[test]
    fn an_outlier_among_samples_confirms_none_of_them() {
        let row = |x: f64| vec![Tensor::new(vec![1, 3], vec![x; 3]).unwrap()];
        let codes = |samples: &[Sample]| {
            // Half of what ordinary values differ by.
            let model = guarded(ScalarFn::X + ScalarFn::Const(0.5), 0.5);
            let concerns = model.run_all(samples).unwrap().concerns;
            concerns.iter().map(Concern::code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&[row(1.0)]), ["inaccurate", "differs_from_float"]);
        assert_eq!(codes(&[row(1.0), row(-50.0)]), ["inaccurate"]);
        assert_eq!(codes(&[row(-50.0), row(1.0)]), ["inaccurate"]);
    }

    #[test]
    fn scores_with_another_greatest_element_are_not_confirmed() {
        let mut model = guarded(ScalarFn::X, 0.0);
        let output = &mut model.accuracy.outputs[0];
        (output.spread, output.top1_agreement) = (1e4, Some(1.0));
        let codes = |model: &Model, row: [f64; 3]| {
            let sample = vec![Tensor::new(vec![1, 3], row.to_vec()).unwrap()];
            let concerns = model.run_all(&[sample]).unwrap().concerns;
            concerns.iter().map(Concern::code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&model, [1.0, 2.0, 30.0]), [""; 0]);
        assert_eq!(codes(&model, [20.0, 30.0, 1.0]), ["value_outside_range"]);
        // Labels that often differ are told before any sample.
        model.accuracy.outputs[0].top1_agreement = Some(0.9);
        assert_eq!(model.concerns_before_samples().len(), 1);
    }

    #[test]
    fn what_is_wrong_near_a_pole_is_told() {
        let (mut silent, mut counts) = (vec![], vec![]);
        for (name, graph, range) in steep() {
            let (mut right, mut told, mut refused) = (0, 0, 0);
            for seed in 0..3 {
                let Some(model) = calibrated(&graph, range, seed) else {
                    refused += 1;
                    continue;
                };
                let columns = |row: &[f64]| vec![Tensor::new(vec![1, 3], row.to_vec()).unwrap()];
                let data = rows(60, range, seed + 1000);
                let samples: Vec<Sample> = data.chunks(3).map(columns).collect();
                // Read from a file, it has no float model to be held against.
                let stored = Model::from_bytes(&model.to_bytes()).unwrap();
                for (model, at_hand) in [(&model, true), (&stored, false)] {
                    let (error, warned) = judged(&graph, model, &samples);
                    if error > Model::MAX_SPREAD_ERROR && !warned {
                        silent.push(format!("{name}, {seed}, {at_hand}: {error:.3}"));
                    }
                    right += i32::from(error <= Model::MAX_SPREAD_ERROR && !warned);
                    told += i32::from(warned);
                }
            }
            counts.push(format!("{name}: {right} right, {told} told, {refused} refused"));
        }
        assert!(silent.is_empty(), "{silent:#?} of {counts:#?}");
    }
}
