//! What a proof states, in one encoding and in 32 bytes: orders are bound to integers, not to the
//! real numbers behind them.
//!
//! ```text
//! "CIROINPT"   8 bytes
//! version      u16: 1
//! inputs       u32 count, then each as in a bundle
//! ```
//!
//! A digest is `Blake2s-256(name ‖ 0 ‖ key ‖ u32 count ‖ encodings)`. The key's digest stands for
//! names, order, shapes, encodings and decodings; the encodings of a bundle are self-delimiting, so
//! that two statements with one digest are one statement.

use blake2::{Blake2s256, Digest};
use ciro_model::Tensor;
use ciro_model::integer::{ClaimError, SampleMismatch, StatedInput, Statement};

use super::bundle::codec::{Reader, Writer};
use super::bundle::{self, ClaimForm};
use super::{BundleError, Key, VerifyError};
use crate::inputs::Sample;

const MAGIC: &[u8; 8] = b"CIROINPT";
const VERSION: u16 = 1;
const INPUT: &str = "CIRO_INPUT_V1";
const OUTPUT: &str = "CIRO_OUTPUT_V1";

/// The integers that go into a proof, before there is one: one entry for each inference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputStatement(Vec<StatedInput>);

/// Samples as integers, and what of them was moved to the end of its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedInputs {
    /// The integers.
    pub statement: InputStatement,
    /// For every sample, inputs with elements outside of the calibrated range, and how many.
    pub clamped: Vec<Vec<(String, usize)>>,
}

/// Samples or bytes that are no input of a key's proofs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputStatementError {
    /// A sample that the model does not take.
    #[error("sample {sample}")]
    Sample {
        /// Its position.
        sample: usize,
        /// What is wrong.
        #[source]
        source: SampleMismatch,
    },
    /// Another number of inferences than one proof has.
    #[error("the key is made for {expected} inference(s) in a proof, the input holds {found}")]
    Batch {
        /// What the key prescribes.
        expected: u32,
        /// What came.
        found: usize,
    },
    /// Another kind of file.
    #[error("not the integers of an input")]
    Magic,
    /// The integers have another form than the key's model takes.
    #[error("the integers do not fit the model")]
    Form(#[from] BundleError),
    /// A commitment stands for the integers, which nobody can run the model on.
    #[error("inference {sample}: a commitment stands in place of the integers")]
    Committed {
        /// Its position.
        sample: usize,
    },
    /// The integers are none that the model's inputs become.
    #[error("inference {sample}")]
    Claim {
        /// Its position.
        sample: usize,
        /// What is wrong.
        #[source]
        source: ClaimError,
    },
}

impl InputStatement {
    /// Takes one input for each inference.
    pub fn new(inputs: Vec<StatedInput>) -> Self {
        Self(inputs)
    }

    /// Encodes samples as a key's model does, one for each inference of its proofs.
    ///
    /// # Errors
    /// [`InputStatementError`] if a sample is none that the model takes, or there are more or fewer
    /// than the key is made for.
    pub fn encode(key: &Key, samples: &[Sample]) -> Result<EncodedInputs, InputStatementError> {
        check_batch(key, samples.len())?;
        let (mut inputs, mut clamped) = (Vec::new(), Vec::new());
        for (sample, reals) in samples.iter().enumerate() {
            let encoded = key.interface().encode(reals);
            let encoded =
                encoded.map_err(|source| InputStatementError::Sample { sample, source })?;
            inputs.push(StatedInput::Public(encoded.tensors));
            clamped.push(encoded.clamped);
        }
        Ok(EncodedInputs { statement: Self(inputs), clamped })
    }

    /// The inputs, one for each inference.
    pub fn inputs(&self) -> &[StatedInput] {
        &self.0
    }

    /// The integers of each inference; `None` if one of them is committed to only.
    pub fn integers(&self) -> Option<Vec<Vec<Tensor<i32>>>> {
        self.0.iter().map(|input| input.public().map(<[_]>::to_vec)).collect()
    }

    /// The 32 bytes that stand for these integers under a key.
    pub fn digest(&self, key: &Key) -> [u8; 32] {
        digest(INPUT, key.digest().0, self.0.len(), |w| {
            self.0.iter().for_each(|input| bundle::write_input(w, input));
        })
    }

    /// The bytes of an input file, which holds integers alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.bytes(MAGIC);
        w.u16(VERSION);
        w.count_u32(self.0.len());
        self.0.iter().for_each(|input| bundle::write_input(&mut w, input));
        w.into_bytes()
    }

    /// Reads an input file as the key's model takes it: shapes and ranges are the key's, and
    /// whatever does not fit is refused before memory is made for it.
    ///
    /// # Errors
    /// [`InputStatementError`] naming what does not fit; no bytes panic.
    pub fn from_bytes(bytes: &[u8], key: &Key) -> Result<Self, InputStatementError> {
        let mut r = Reader::new(bytes);
        if r.array::<8>().ok().as_ref() != Some(MAGIC) {
            return Err(InputStatementError::Magic);
        }
        let found = r.u16()?;
        if found != VERSION {
            return Err(BundleError::Version { expected: VERSION, found }.into());
        }
        let count = usize::try_from(r.u32()?).unwrap_or(usize::MAX);
        check_batch(key, count)?;
        let form = ClaimForm::of(key.interface());
        let limit = form.max_claims();
        if count > limit {
            let found = u32::try_from(count).unwrap_or(u32::MAX);
            return Err(BundleError::TooManyClaims { found, limit }.into());
        }
        let mut inputs = Vec::new();
        for sample in 0..count {
            let input = bundle::read_input(&mut r, &form)?;
            let tensors = input.public().ok_or(InputStatementError::Committed { sample })?;
            let real = key.interface().real_inputs(tensors);
            real.map_err(|source| InputStatementError::Claim { sample, source })?;
            inputs.push(input);
        }
        r.finish()?;
        Ok(Self(inputs))
    }
}

impl Key {
    /// The 32 bytes that stand for the inputs of a statement under this key.
    pub fn input_digest(&self, statement: &Statement) -> [u8; 32] {
        let inputs = statement.claims.iter().map(|claim| claim.input.clone());
        InputStatement(inputs.collect()).digest(self)
    }

    /// The 32 bytes that stand for the outputs of a statement under this key.
    pub fn output_digest(&self, statement: &Statement) -> [u8; 32] {
        digest(OUTPUT, self.digest().0, statement.claims.len(), |w| {
            statement.claims.iter().for_each(|claim| bundle::write_outputs(w, &claim.outputs));
        })
    }
}

impl super::ProofBundle {
    /// The digests of what the bundle states under a key: inputs, then outputs. Nothing of it is
    /// verified.
    ///
    /// # Errors
    /// As [`ProofBundle::statement`](super::ProofBundle::statement).
    pub fn stated_digests(&self, key: &Key) -> Result<([u8; 32], [u8; 32]), VerifyError> {
        let statement = self.statement(key)?;
        Ok((key.input_digest(&statement), key.output_digest(&statement)))
    }
}

fn check_batch(key: &Key, found: usize) -> Result<(), InputStatementError> {
    let expected = key.batch();
    match u32::try_from(found) {
        Ok(count) if count == expected => Ok(()),
        _ => Err(InputStatementError::Batch { expected, found }),
    }
}

fn digest(name: &str, key: [u8; 32], count: usize, write: impl FnOnce(&mut Writer)) -> [u8; 32] {
    let mut w = Writer::default();
    w.count_u32(count);
    write(&mut w);
    let hasher = Blake2s256::new().chain_update(name).chain_update([0]).chain_update(key);
    hasher.chain_update(w.into_bytes()).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn tensor(shape: &[usize], data: &[i32]) -> Tensor<i32> {
        Tensor::new(shape.to_vec(), data.to_vec()).unwrap()
    }

    fn of(key: u8, inputs: &[StatedInput]) -> [u8; 32] {
        digest(INPUT, [key; 32], inputs.len(), |w| {
            inputs.iter().for_each(|input| bundle::write_input(w, input));
        })
    }

    #[test]
    fn statements_that_differ_in_anything_have_different_digests() {
        let public = |tensors: &[Tensor<i32>]| StatedInput::Public(tensors.to_vec());
        let (a, b) = (tensor(&[1, 2], &[1, 2]), tensor(&[1, 2], &[2, 1]));
        let empty = tensor(&[0], &[]);
        let cases: Vec<(u8, Vec<StatedInput>)> = vec![
            (1, vec![public(std::slice::from_ref(&a))]),
            (2, vec![public(std::slice::from_ref(&a))]),
            (1, vec![public(std::slice::from_ref(&b))]),
            // The same elements in other shapes, or dealt out to other tensors and inferences.
            (1, vec![public(&[tensor(&[2, 1], &[1, 2])])]),
            (1, vec![public(&[tensor(&[2], &[1, 2])])]),
            (1, vec![public(&[tensor(&[1], &[1]), tensor(&[1], &[2])])]),
            (1, vec![public(&[tensor(&[1], &[1])]), public(&[tensor(&[1], &[2])])]),
            (1, vec![public(&[a.clone(), b.clone()])]),
            (1, vec![public(&[b.clone(), a.clone()])]),
            (1, vec![public(std::slice::from_ref(&a)), public(&[b])]),
            (1, vec![public(&[a.clone(), empty.clone()])]),
            (1, vec![public(&[empty, a])]),
            (1, vec![]),
            (1, vec![public(&[])]),
            (1, vec![public(&[]), public(&[])]),
            (1, vec![StatedInput::Committed([0; 32])]),
            (1, vec![StatedInput::Committed([1; 32])]),
        ];
        let digests: BTreeSet<_> = cases.iter().map(|(key, inputs)| of(*key, inputs)).collect();
        assert_eq!(digests.len(), cases.len());
    }

    #[test]
    fn an_input_is_never_taken_for_an_output() {
        let nothing = |name| digest(name, [1; 32], 0, |_| ());
        assert_ne!(nothing(INPUT), nothing(OUTPUT));
    }
}
