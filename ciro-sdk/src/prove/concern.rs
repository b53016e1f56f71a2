//! What the user should know before relying on a model or on a result: every warning of the product
//! is made here.

use std::fmt;

use ciro_model::Tensor;
use ciro_model::integer::{AccuracyReport, Clip, EncodedSample, Loss, SampleMismatch, Trace};

use super::differences::{Difference, Differences};
use super::losses::Losses;
use super::model::Model;
use crate::advice::Advice;
use crate::inputs::Sample;
use crate::verify::RealOutput;

/// What the user should know before relying on a model or on a result. Each is a warning in every
/// shell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Concern {
    /// The ranges of values are guessed from random numbers.
    Guessed,
    /// The ranges of values are those of the samples that the model was given, as there were no
    /// others: it is made for them, and others make another model.
    CalibratedByInputs,
    /// An input that a proof keeps secret is among the samples that the model was calibrated with:
    /// its key answers whoever guesses at it.
    CalibratedBySecret,
    /// So few samples calibrated the model that none of them could judge it.
    FewSamples {
        /// How many.
        count: usize,
    },
    /// An output is further from the float model's than quantization explains.
    Inaccurate {
        /// The output's name.
        output: String,
        /// The greatest error, as a part of the output's spread.
        spread_error: f64,
        /// Share of rows of a softmax with the same greatest element, or of equal labels.
        top1_agreement: Option<f64>,
    },
    /// Values of an input lie outside of the calibrated range; the model sees them moved to its
    /// end.
    Clamped {
        /// The input's name.
        input: String,
        /// The first sample with such values.
        sample: usize,
        /// How many values of that sample.
        count: usize,
        /// How many more samples have such values.
        more: usize,
    },
    /// Values inside of the model left the range that calibration has seen, at a node whose
    /// operator cuts nothing itself.
    Clipped {
        /// What was lost in the sample with the value furthest outside.
        clip: Clip,
        /// That sample.
        sample: usize,
        /// How many more samples lost values at the node.
        more: usize,
    },
    /// Values inside of the model came closer to a pole or a jump of a function than calibration
    /// has judged it, to where a step of the function's variable decides what it is.
    Steep {
        /// What is uncertain in the first such sample.
        clip: Clip,
        /// That sample.
        sample: usize,
        /// How many more samples have such values at the node.
        more: usize,
    },
    /// An output of a sample is not what the float model gives for it.
    Differs {
        /// The output's name.
        output: String,
        /// How it differs where it does most.
        difference: Difference,
        /// The sample where it does.
        sample: usize,
        /// How many more samples differ.
        more: usize,
    },
    /// The float model has no answer for a sample.
    Undefined {
        /// Why not.
        reason: String,
        /// The first such sample.
        sample: usize,
        /// How many more there are.
        more: usize,
    },
}

impl Concern {
    /// The word for it, which programs may rely on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Guessed => "guessed_calibration",
            Self::CalibratedByInputs => "calibrated_by_inputs",
            Self::CalibratedBySecret => "calibrated_by_secret",
            Self::FewSamples { .. } => "few_samples",
            Self::Inaccurate { .. } => "inaccurate",
            Self::Clamped { .. } => "input_outside_range",
            Self::Clipped { .. } => "value_outside_range",
            Self::Steep { .. } => "steep_function",
            Self::Differs { .. } => "differs_from_float",
            Self::Undefined { .. } => "undefined",
        }
    }

    /// The node, input or output that it is about.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Guessed
            | Self::CalibratedByInputs
            | Self::CalibratedBySecret
            | Self::FewSamples { .. }
            | Self::Undefined { .. } => None,
            Self::Inaccurate { output, .. } | Self::Differs { output, .. } => Some(output),
            Self::Clamped { input, .. } => Some(input),
            Self::Clipped { clip, .. } | Self::Steep { clip, .. } => Some(&clip.node),
        }
    }

    /// Whether the float model says of each sample if it is so there: not of labels, a few of which
    /// differ in every set of samples.
    pub(super) fn is_settled_by_samples(&self) -> bool {
        let few = |share: &f64| *share >= Model::MIN_AGREEMENT;
        match self {
            Self::Inaccurate { top1_agreement, .. } => top1_agreement.as_ref().is_none_or(few),
            Self::FewSamples { .. } => true,
            _ => false,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Guessed
            | Self::CalibratedByInputs
            | Self::CalibratedBySecret
            | Self::FewSamples { .. } => Advice::CalibrateWithRealInputs,
            Self::Inaccurate { .. } => Advice::MoreBits,
            Self::Clamped { .. }
            | Self::Clipped { .. }
            | Self::Steep { .. }
            | Self::Differs { .. } => Advice::CalibrateLikeThis,
            Self::Undefined { .. } => {
                Advice::of("ask about an input for which the model is defined")
            }
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guessed => write!(f, "the model was calibrated with random numbers"),
            Self::CalibratedByInputs => write!(
                f,
                "the model was calibrated with the given inputs alone: other inputs make another model, with another key"
            ),
            Self::CalibratedBySecret => write!(
                f,
                "an input that is to stay secret is among the samples that calibrated the model: its key shows the range, and confirms who guesses the rest"
            ),
            Self::FewSamples { count } => write!(
                f,
                "{count} sample(s) calibrated the model, too few to keep some back that judge it: inputs unlike them may get wrong answers"
            ),
            Self::Inaccurate { output, spread_error, top1_agreement } => {
                let error = spread_error * 100.0;
                write!(
                    f,
                    "output `{output}` is not close to the float model: off by up to {error:.1}% of its spread"
                )?;
                match top1_agreement {
                    Some(share) => write!(f, ", {:.1}% top-1 agreement", share * 100.0),
                    None => Ok(()),
                }
            }
            Self::Clamped { input, sample, count, more } => {
                let more = others(*more);
                write!(
                    f,
                    "input `{input}` of sample {sample}{more}: {count} value(s) outside the calibrated range, moved to its end"
                )
            }
            Self::Clipped { clip, sample, more } => {
                let Clip { node, count, of, worst, kept: [lo, hi], .. } = clip;
                let more = others(*more);
                write!(
                    f,
                    "node `{node}` in sample {sample}{more}: {count} of {of} value(s) outside the calibrated range, {worst} the furthest \
                     from [{lo}, {hi}]: the result may be wrong"
                )
            }
            Self::Steep { clip: Clip { node, count, of, .. }, sample, more } => {
                let more = others(*more);
                write!(
                    f,
                    "node `{node}` in sample {sample}{more}: {count} of {of} value(s) where its function is steeper than calibration \
                     has seen: the result may be wrong"
                )
            }
            Self::Differs { output, difference, sample, more } => {
                let more = others(*more);
                write!(
                    f,
                    "output `{output}` of sample {sample}{more} is not what the float model gives: {difference}"
                )
            }
            Self::Undefined { reason, sample, more } => {
                let more = others(*more);
                write!(f, "the float model has no answer for sample {sample}{more}: {reason}")
            }
        }
    }
}

fn others(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}

/// Samples that a model does not take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputRefusal {
    /// There are none.
    #[error("there is no sample")]
    NoSample,
    /// A sample has another form than the model's inputs, or a value without an integer form.
    #[error("sample {sample}")]
    Sample {
        /// Its position.
        sample: usize,
        /// What does not fit.
        #[source]
        source: SampleMismatch,
    },
    /// Values outside of a range that is a guess: nobody can say what the model makes of them.
    #[error(
        "input `{input}` of sample {sample}: {count} value(s) outside the calibrated range, which was guessed"
    )]
    Guessed {
        /// The input's name.
        input: String,
        /// The sample.
        sample: usize,
        /// How many values.
        count: usize,
    },
}

impl InputRefusal {
    /// What to do about it, where that is not for its cause to say.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Guessed { .. } => Some(Advice::CalibrateLikeThis),
            Self::NoSample | Self::Sample { .. } => None,
        }
    }
}

/// What a model says about samples, without a proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// The outputs of every sample.
    pub outputs: Vec<Vec<RealOutput>>,
    /// How many input values were moved to the end of their range, in all samples.
    pub clamped: usize,
    /// What the user should know before relying on the outputs.
    pub concerns: Vec<Concern>,
}

/// What is known of samples before they are proven.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examined {
    /// How many input values are moved to the end of their range, in all samples.
    pub clamped: usize,
    /// What the user should know before relying on a proof of them.
    pub concerns: Vec<Concern>,
}

impl Model {
    /// The greatest error of an output, as a part of its spread, that is no concern.
    pub(super) const MAX_SPREAD_ERROR: f64 = 0.02;
    /// The least agreement of an output that is no concern.
    const MIN_AGREEMENT: f64 = 0.95;

    /// What the user should know before relying on the model.
    pub fn concerns(&self) -> Vec<Concern> {
        Self::concerns_of(self.accuracy())
    }

    /// The same before samples are [run](Self::run_all) or [examined](Self::examine). Where the
    /// float model is at hand, how close numbers are is told only if a sample is not confirmed.
    pub fn concerns_before_samples(&self) -> Vec<Concern> {
        let mut concerns = self.concerns();
        if self.float.is_some() {
            concerns.retain(|concern| !concern.is_settled_by_samples());
        }
        concerns
    }

    /// What the user should know before relying on a model of this accuracy.
    pub(super) fn concerns_of(accuracy: &AccuracyReport) -> Vec<Concern> {
        if accuracy.random {
            return vec![Concern::Guessed];
        }
        let outputs = accuracy.outputs.iter().filter(|output| {
            let labels = output.top1_agreement.is_some_and(|share| share < Self::MIN_AGREEMENT);
            let error = output.spread_error();
            labels || error > Self::MAX_SPREAD_ERROR || error.is_nan()
        });
        let inaccurate = outputs.map(|output| Concern::Inaccurate {
            output: output.name.clone(),
            spread_error: output.spread_error(),
            top1_agreement: output.top1_agreement,
        });
        // A model that does not say what calibrated it has no sample.
        let few = accuracy.samples > 0 && accuracy.held_out == 0;
        let few = few.then_some(Concern::FewSamples { count: accuracy.samples });
        few.into_iter().chain(inaccurate).collect()
    }

    /// Runs the model on samples without a proof: what a proof of them would state, and what was
    /// lost on the way.
    ///
    /// # Errors
    /// [`InputRefusal`] if the model does not take one of them.
    pub fn run_all(&self, samples: &[Sample]) -> Result<Ran, InputRefusal> {
        let mut losses = Losses::default();
        let mut differences = Differences::of(self);
        let mut outputs = Vec::with_capacity(samples.len());
        for (sample, reals) in samples.iter().enumerate() {
            let encoded = self.admit(&mut losses, sample, reals)?;
            let trace = self.trace_of(sample, &encoded)?;
            self.compare(&mut losses, &mut differences, (sample, &reals[..]), &trace);
            let integers = self.integer().outputs().iter();
            let integers = integers.map(|output| trace.value(output.node).clone()).collect();
            outputs.push(self.decode(integers));
        }
        let Examined { clamped, concerns } = losses.finish(differences)?;
        Ok(Ran { outputs, clamped, concerns })
    }

    /// What is lost when samples are proven: values outside of the calibrated ranges, of inputs and
    /// inside of the model, and outputs that are not what the float model gives, if it is at hand.
    ///
    /// A proof states what the integer model computes, also where that is not what the float model
    /// would say: this is to be asked before. It costs one run of both models for each sample; of a
    /// compiled model, one run if it has clamps of the calibration.
    ///
    /// # Errors
    /// As [`Model::run_all`].
    pub fn examine(&self, samples: &[Sample]) -> Result<Examined, InputRefusal> {
        let mut losses = Losses::default();
        let mut differences = Differences::of(self);
        for (sample, reals) in samples.iter().enumerate() {
            let encoded = self.admit(&mut losses, sample, reals)?;
            if !self.integer().guards().is_empty() || differences.is_some() {
                let trace = self.trace_of(sample, &encoded)?;
                self.compare(&mut losses, &mut differences, (sample, &reals[..]), &trace);
            }
        }
        losses.finish(differences)
    }

    /// Turns a sample into integers; refuses what lies outside of a range that is a guess.
    fn admit(
        &self,
        losses: &mut Losses,
        sample: usize,
        reals: &[Tensor<f64>],
    ) -> Result<EncodedSample, InputRefusal> {
        let encoded =
            self.encode(reals).map_err(|source| InputRefusal::Sample { sample, source })?;
        if let (true, Some((input, count))) = (self.accuracy().random, encoded.clamped.first()) {
            let (input, count) = (input.clone(), *count);
            return Err(InputRefusal::Guessed { input, sample, count });
        }
        losses.samples += 1;
        losses.clamped(sample, &encoded.clamped);
        Ok(encoded)
    }

    /// Gathers what a run lost, and where it differs from the float model. Where that says that the
    /// outputs are right, whatever was lost on the way did no harm; and whether something is wrong
    /// at a steep place needs no guess.
    fn compare(
        &self,
        losses: &mut Losses,
        differences: &mut Option<Differences<'_>>,
        (sample, reals): (usize, &[Tensor<f64>]),
        trace: &Trace,
    ) {
        let mut clips = self.integer().clips(trace);
        if let Some(differences) = differences {
            let right = differences.add(sample, reals, trace);
            clips.retain(|clip| !right && clip.loss != Loss::Steep);
        }
        losses.clipped(sample, clips);
    }

    pub(super) fn trace_of(
        &self,
        sample: usize,
        encoded: &EncodedSample,
    ) -> Result<Trace, InputRefusal> {
        let trace = self.integer().trace(&encoded.tensors);
        trace.map_err(|error| InputRefusal::Sample { sample, source: error.into() })
    }
}

#[cfg(test)]
mod tests {
    use ciro_model::Interval;
    use ciro_model::integer::ops::Requantize;
    use ciro_model::integer::{AccuracyReport, Decoding, Encoding, ModelBuilder, OutputAccuracy};

    use super::*;

    fn with_accuracy(random: bool, (top1_agreement, error): (Option<f64>, f64)) -> Model {
        let output = OutputAccuracy {
            name: "y".to_owned(),
            top1_agreement,
            spread: 2.0,
            worst_error: 2.0 * error,
            ..OutputAccuracy::default()
        };
        let accuracy = AccuracyReport { random, outputs: vec![output], ..Default::default() };
        Model { accuracy, ..guarded() }
    }

    /// `min(x, 10)`, where 10 is all that calibration has seen.
    fn guarded() -> Model {
        let mut builder = ModelBuilder::new();
        builder.input("x", vec![2]);
        let x = builder.view(0, Encoding::Affine { scale: 0.5, lo: -100, hi: 100 }).unwrap();
        let op = Requantize { shift: 1, lo: -100, hi: 10 };
        let y = builder.push("scores", op, &[x], 1.0).unwrap();
        builder.guard(y, Interval::new(i64::from(i32::MIN), 10));
        builder.output("y", y, Decoding::Real { scale: 1.0 });
        Model::from(builder.finish().unwrap())
    }

    fn sample(values: [f64; 2]) -> Sample {
        vec![Tensor::vector(values.to_vec())]
    }

    #[test]
    fn what_the_user_should_know_of_the_accuracy_is_said() {
        for agreement in [None, Some(0.96)] {
            assert_eq!(with_accuracy(false, (agreement, 0.0199)).concerns(), []);
        }
        for (top1_agreement, spread_error) in [(Some(0.9), 0.0), (Some(1.0), 0.5), (None, 0.5)] {
            let output = "y".to_owned();
            let concern = Concern::Inaccurate { output, spread_error, top1_agreement };
            let model = with_accuracy(false, (top1_agreement, spread_error));
            assert_eq!(model.concerns(), [concern]);
        }
        assert_eq!(with_accuracy(false, (None, f64::NAN)).concerns().len(), 1);
        assert_eq!(with_accuracy(true, (Some(1.0), 0.0)).concerns(), [Concern::Guessed]);
    }

    #[test]
    fn a_value_that_leaves_its_calibrated_range_is_said_with_its_node() {
        let samples = [sample([1.0, 2.0]), sample([11.0, 2.0]), sample([30.0, 40.0])];
        let ran = guarded().run_all(&samples).unwrap();
        let [concern @ Concern::Clipped { clip, sample: 2, more: 1 }] = &ran.concerns[..] else {
            panic!("{:?}", ran.concerns)
        };
        assert_eq!((clip.node.as_str(), clip.count, clip.of), ("scores", 2, 2));
        assert_eq!((concern.code(), concern.node()), ("value_outside_range", Some("scores")));
        assert!(concern.to_string().starts_with("node `scores` in sample 2 (and 1 more): 2 of 2"));
        assert_eq!(ran.outputs.len(), 3);
        let examined = guarded().examine(&samples).unwrap();
        assert_eq!((examined.clamped, &examined.concerns), (0, &ran.concerns));
        assert_eq!(guarded().examine(&samples[..1]).unwrap(), Examined::default());
        assert_eq!(guarded().examine(&[]), Err(InputRefusal::NoSample));
    }

    #[test]
    fn inputs_outside_of_their_range_are_counted_and_refused_if_it_is_a_guess() {
        let far = [sample([1.0, 2.0]), sample([99.0, 2.0]), sample([99.0, -99.0])];
        let examined = guarded().examine(&far).unwrap();
        assert_eq!(examined.clamped, 3);
        let input = "x".to_owned();
        let clamped = Concern::Clamped { input: input.clone(), sample: 1, count: 1, more: 1 };
        assert_eq!(examined.concerns[0], clamped);
        let guessed = with_accuracy(true, (Some(1.0), 0.0));
        let refused = InputRefusal::Guessed { input, sample: 1, count: 1 };
        assert_eq!(guessed.examine(&far), Err(refused.clone()));
        assert_eq!(guessed.run_all(&far), Err(refused));
    }
}
