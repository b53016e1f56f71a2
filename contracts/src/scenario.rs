//! Histories of contracts in a Cairo virtual machine with a state.

use cairo_lang_runner::{Arg, RunResultStarknet, RunResultValue, SierraCasmRunner, StarknetState};
use starknet_types_core::felt::Felt as Felt252;

use crate::compile::Histories;
use crate::run::{GAS_MAX, RunError, text};
use crate::sources::Package;

/// Packages of contracts together with functions that deploy them and call them.
pub struct Scenarios {
    runner: SierraCasmRunner,
}

impl std::fmt::Debug for Scenarios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenarios").finish_non_exhaustive()
    }
}

/// Packages that are compiled again and again, with changes.
pub struct Rehearsal {
    compiler: Histories,
}

impl std::fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rehearsal").finish_non_exhaustive()
    }
}

impl Rehearsal {
    /// Takes packages as [`Scenarios::new`] does.
    ///
    /// # Errors
    /// [`RunError::Compile`] if the compiler does not start.
    pub fn new(packages: &[Package]) -> Result<Self, RunError> {
        Ok(Self { compiler: Histories::new(packages)? })
    }

    /// Puts a package in the place of the one of its name, and compiles what changes by it.
    ///
    /// # Errors
    /// [`RunError::Compile`] if one of the packages does not compile.
    pub fn with(&mut self, package: Package) -> Result<Scenarios, RunError> {
        self.compiler.replace(package)?;
        self.scenarios()
    }

    /// Compiles the packages as they are now.
    ///
    /// # Errors
    /// [`RunError::Compile`] if one of them does not compile.
    pub fn scenarios(&self) -> Result<Scenarios, RunError> {
        let (program, contracts) = self.compiler.compile()?;
        let metadata = Some(Default::default());
        let runner = SierraCasmRunner::new(program, metadata, contracts, None).map_err(Box::new)?;
        Ok(Scenarios { runner })
    }
}

/// What a play costs, with all that its calls cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Steps of the virtual machine.
    pub steps: usize,
    /// Sierra gas.
    pub gas: u64,
}

/// A history has many transactions.
const GAS: u64 = 16 * GAS_MAX;

impl Scenarios {
    /// Compiles packages: some seconds. They may use those of this crate that are not among them,
    /// but not deploy their contracts.
    ///
    /// # Errors
    /// [`RunError::Compile`] if one of them does not compile.
    pub fn new(packages: &[Package]) -> Result<Self, RunError> {
        Rehearsal::new(packages)?.scenarios()
    }

    /// Plays one function in a new state, with arrays of felts for arguments. Returns what it
    /// returns, or the words with which it panicked.
    ///
    /// # Errors
    /// [`RunError::Machine`] if there is no such function or the machine stops.
    pub fn play(
        &self,
        name: &str,
        arguments: &[&[Felt252]],
    ) -> Result<Result<Vec<Felt252>, String>, RunError> {
        Ok(match self.run(name, arguments)?.value {
            RunResultValue::Success(values) => Ok(values),
            RunResultValue::Panic(words) => Err(text(&words)),
        })
    }

    /// Plays one function as [`Self::play`] does. Returns what it costs, or the words with which it
    /// panicked.
    ///
    /// # Errors
    /// As [`Self::play`].
    pub fn cost(
        &self,
        name: &str,
        arguments: &[&[Felt252]],
    ) -> Result<Result<Cost, String>, RunError> {
        let run = self.run(name, arguments)?;
        let left = run.gas_counter.and_then(|left| u64::try_from(left).ok()).unwrap_or(0);
        let cost = Cost {
            steps: run.used_resources.basic_resources.n_steps,
            gas: GAS.saturating_sub(left),
        };
        Ok(match run.value {
            RunResultValue::Success(_) => Ok(cost),
            RunResultValue::Panic(words) => Err(text(&words)),
        })
    }

    fn run(&self, name: &str, arguments: &[&[Felt252]]) -> Result<RunResultStarknet, RunError> {
        let array =
            |felts: &&[Felt252]| Arg::Array(felts.iter().copied().map(Arg::Value).collect());
        let function = self.runner.find_function(name).map_err(Box::new)?;
        let run = self.runner.run_function_with_starknet_context(
            function,
            arguments.iter().map(array).collect(),
            Some(usize::try_from(GAS).unwrap_or(usize::MAX)),
            StarknetState::default(),
        );
        Ok(run.map_err(Box::new)?)
    }
}
