//! The verifier in a Cairo virtual machine, as a sequencer would run it.

use cairo_lang_runner::{Arg, RunResultValue, RunnerError, SierraCasmRunner, StarknetState};
use ciro_stark::Felt;
use starknet_types_core::felt::Felt as Felt252;
use starknet_types_core::hash::{Poseidon, StarkHash};

use crate::compile::{CompileError, compile};

/// The verifier, compiled.
pub struct Verifier {
    runner: SierraCasmRunner,
}

/// What the verifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The proof convinces.
    Accepted(Accepted),
    /// It does not; the words of the check that failed.
    Refused(String),
}

/// What a run that accepts returns, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The number 1, or the fact that the proof shows.
    pub value: Felt252,
    /// Steps of the virtual machine.
    pub steps: usize,
    /// Sierra gas.
    pub gas: u64,
}

/// A run that came to no verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The package does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The virtual machine stopped.
    #[error("the virtual machine stopped")]
    Machine(#[from] Box<RunnerError>),
    /// The machine says something that is no verdict.
    #[error("the verifier returned {0:?}, expected one felt")]
    Result(Vec<Felt252>),
}

/// Sierra gas that one call may use, as of Starknet 0.14: execution of a transaction.
pub(crate) const GAS_MAX: u64 = 1_110_000_000;

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Compiles the verifier: some seconds.
    ///
    /// # Errors
    /// [`RunError::Compile`] if the package does not compile.
    pub fn new() -> Result<Self, RunError> {
        let program = compile()?;
        let metadata = Some(Default::default());
        let runner =
            SierraCasmRunner::new(program, metadata, Default::default(), None).map_err(Box::new)?;
        Ok(Self { runner })
    }

    /// Verifies a key, a statement and a proof as [`ciro_stark::Proof::to_felts`] gives them, for
    /// the model of this id, whatever the key's security.
    ///
    /// # Errors
    /// [`RunError`] if the run comes to no verdict.
    pub fn verify(&self, model: Felt252, felts: &[Felt]) -> Result<Verdict, RunError> {
        self.call("verifier::stark::verify", model, felts)
    }

    /// As [`Self::verify`], as `Facts` does it: keys of the preset `chain` alone are taken, and the
    /// value is the fact.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn fact(&self, model: Felt252, felts: &[Felt]) -> Result<Verdict, RunError> {
        self.call("verifier::facts::fact_shown", model, felts)
    }

    fn call(&self, name: &str, model: Felt252, felts: &[Felt]) -> Result<Verdict, RunError> {
        let felts = felts.iter().map(|felt| Arg::Value(Felt252::from_bytes_be(&felt.0))).collect();
        let arguments = vec![Arg::Value(model), Arg::Array(felts)];
        let gas = usize::try_from(GAS_MAX).unwrap_or(usize::MAX);
        let function = self.runner.find_function(name).map_err(Box::new)?;
        let run = self
            .runner
            .run_function_with_starknet_context(
                function,
                arguments,
                Some(gas),
                StarknetState::default(),
            )
            .map_err(Box::new)?;
        match run.value {
            RunResultValue::Success(values) => {
                let [value] = values[..] else { return Err(RunError::Result(values)) };
                let left = run.gas_counter.and_then(|left| u64::try_from(left).ok());
                Ok(Verdict::Accepted(Accepted {
                    value,
                    steps: run.used_resources.basic_resources.n_steps,
                    gas: GAS_MAX - left.unwrap_or(0),
                }))
            }
            RunResultValue::Panic(words) => Ok(Verdict::Refused(text(&words))),
        }
    }
}

/// The id of a model on the chain: the Poseidon hash of its key's felts.
pub fn model_id(key: &[Felt]) -> Felt252 {
    let key: Vec<Felt252> = key.iter().map(|felt| Felt252::from_bytes_be(&felt.0)).collect();
    Poseidon::hash_array(&key)
}

/// The short strings that a panic carries.
pub(crate) fn text(words: &[Felt252]) -> String {
    let text = |word: &Felt252| {
        let bytes = word.to_bytes_be();
        let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    };
    words.iter().map(text).collect::<Vec<_>>().join(" ")
}
