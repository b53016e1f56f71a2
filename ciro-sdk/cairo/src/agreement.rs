//! The program is the model: runs that are compared with the interpreter.
//!
//! A proof is about the program. That the program computes what the integer model says is the
//! emitter's and the compiler's work, and no proof shows it: so it is looked at, before a key
//! leaves the house ([`probes`]) and before every proof.

use ciro_model::integer::{Claim, IntegerModel, Interface, Interval};
use ciro_model::tensor::Tensor;

use crate::arguments::arguments;
use crate::key::CairoKey;
use crate::package::Package;
use crate::program::Program;
use crate::run::{Execution, ExecutionError, Limits, STEPS_MAX, run_within};
use crate::statement::{InputMode, StatementError, expected_claim, parse_claim};

/// A model with the program that was compiled from it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'m> {
    /// The model.
    pub model: &'m IntegerModel,
    /// Its package.
    pub package: &'m Package,
    /// The compiled package.
    pub program: &'m Program,
    /// The key that is made of both.
    pub key: &'m CairoKey,
}

/// A program that does not do what its model does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgreementError {
    /// The model does not take this input.
    #[error("the integer model does not run")]
    Model(#[source] ciro_model::integer::RunError),
    /// The program stops early.
    #[error("the model's Cairo program does not run")]
    Run(#[source] ExecutionError),
    /// The program writes something that is no statement about the model.
    #[error("the model's Cairo program gives no statement")]
    Statement(#[source] StatementError),
    /// The key is made for a model with outputs of other shapes.
    #[error("the key is not this model's")]
    Key,
    /// The program states another input than the one it was given.
    #[error("the model's Cairo program states another input than its own")]
    Input,
    /// The program computes another output.
    #[error(
        "output `{name}`: element {index} is {model} by the integer model and {program} by its Cairo program; \
         this is a fault of Ciro, nothing is proven"
    )]
    Output {
        /// The output's name.
        name: String,
        /// Row-major index.
        index: usize,
        /// What the interpreter computes.
        model: i32,
        /// What the program computes.
        program: i32,
    },
}

impl Subject<'_> {
    /// Runs the program on an input and checks that it states what the interpreter computes.
    ///
    /// # Errors
    /// [`AgreementError`] if it stops early or states anything else.
    pub fn run(
        &self,
        input: &[Tensor<i32>],
        mode: InputMode,
    ) -> Result<(Claim, Execution), AgreementError> {
        self.run_within(input, mode, STEPS_MAX)
    }

    fn run_within(
        &self,
        input: &[Tensor<i32>],
        mode: InputMode,
        steps_max: usize,
    ) -> Result<(Claim, Execution), AgreementError> {
        let expected = expected_claim(self.model, input, mode).map_err(AgreementError::Model)?;
        let arguments = arguments(self.package, input, mode);
        let limits = Limits { steps: steps_max, ..Limits::default() };
        let execution = run_within(self.program, Some(self.package), &arguments, limits)
            .map_err(AgreementError::Run)?;
        let stated = parse_claim(self.key, &execution.output).map_err(AgreementError::Statement)?;
        self.compare(&expected, &stated)?;
        Ok((stated, execution))
    }

    /// Runs the program on every probe, each in at most `steps_max` steps; the first execution is
    /// that on the least inputs.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn probe(&self, steps_max: usize) -> Result<Execution, AgreementError> {
        let _span = tracing::info_span!("probe").entered();
        let mut probes = probes(self.model).into_iter();
        let least = probes.next().expect("there are probes for every model");
        let (_, execution) = self.run_within(&least, InputMode::Public, steps_max)?;
        for input in probes {
            self.run_within(&input, InputMode::Public, steps_max)?;
        }
        Ok(execution)
    }

    fn compare(&self, expected: &Claim, stated: &Claim) -> Result<(), AgreementError> {
        if expected.input != stated.input {
            return Err(AgreementError::Input);
        }
        let outputs = self.model.outputs().iter();
        let outputs = outputs.zip(expected.public_outputs()).zip(stated.public_outputs());
        for ((output, model), program) in outputs {
            let pairs = model.data().iter().zip(program.data());
            if let Some((index, (&model, &program))) =
                pairs.enumerate().find(|(_, (model, program))| model != program)
            {
                let name = output.name.clone();
                return Err(AgreementError::Output { name, index, model, program });
            }
        }
        // Equal elements in other shapes: the key is not this model's.
        if expected == stated { Ok(()) } else { Err(AgreementError::Key) }
    }
}

/// How many random probes there are.
const RANDOM_PROBES: u64 = 2;

/// Inputs on which a program is compared with its model: the least integers of every view, the
/// greatest ones, and a few with random elements, the ends of the interval among them. Equal models
/// have equal probes.
pub fn probes(model: &IntegerModel) -> Vec<Vec<Tensor<i32>>> {
    let interface = Interface::of(model);
    let probe = |pick: &mut dyn FnMut(Interval) -> i64| interface.draw(pick);
    let mut probes = vec![probe(&mut |interval| interval.lo), probe(&mut |interval| interval.hi)];
    for seed in 0..RANDOM_PROBES {
        let mut state = seed;
        probes.push(probe(&mut |interval| match next(&mut state) % 8 {
            0 => interval.lo,
            1 => interval.hi,
            _ => {
                let width = interval.width();
                let step = i64::try_from(next(&mut state) % width);
                interval.lo + step.expect("below the width of an interval")
            }
        }));
    }
    probes
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use ciro_model::integer::{Decoding, Encoding, ModelBuilder};

    use super::*;

    #[test]
    fn probes_are_inputs_that_the_model_takes_and_reach_both_ends() {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![2, 3]);
        let x = builder.view(input, Encoding::Integer { lo: -3, hi: 9 }).unwrap();
        let input = builder.input("z", vec![5]);
        let z = builder.view(input, Encoding::Ordered).unwrap();
        builder.output("x", x, Decoding::Integer);
        builder.output("z", z, Decoding::Integer);
        let model = builder.finish().unwrap();
        let probes = probes(&model);
        assert_eq!(probes, super::probes(&model));
        for probe in &probes {
            model.run(probe).unwrap();
        }
        assert_eq!((probes[0][0].data()[0], probes[1][0].data()[5]), (-3, 9));
        assert_eq!(&probes[1][1].data()[..2], &[0x7f7f, 0xffff]);
        assert_ne!(probes[2], probes[3]);
    }
}
