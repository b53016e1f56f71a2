//! The contracts' classes, as they are declared.

use cairo_lang_starknet_classes::allowed_libfuncs::ListSelector;
use cairo_lang_starknet_classes::casm_contract_class::CasmContractClass;
use cairo_lang_starknet_classes::contract_class::{ContractClass, ContractEntryPoint};
use starknet_types_core::felt::Felt as Felt252;
use starknet_types_core::hash::{Poseidon, StarkHash};

use crate::compile::{CompileError, compile_class};
use crate::sources::{BOND, CONSUMERS, Package, TOKEN, VERIFIER};

/// Felts of bytecode that a class may have, as of Starknet 0.14.
pub const BYTECODE_FELTS_MAX: usize = 81_920;

/// A contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// Verifies proofs and remembers what they prove.
    Facts,
    /// A directory of models.
    Models,
    /// Pays for proven inferences.
    JobEscrow,
    /// The token.
    CiroToken,
    /// Pays a grant over four years.
    Vesting,
    /// Gives test money.
    Faucet,
    /// What validators have at stake.
    ValidatorBond,
    /// An example: lends for a score.
    Loan,
    /// An example: publishes what a model makes of readings.
    Oracle,
    /// An example: plays against a model.
    Game,
    /// An example: records what a model finds in data that are not shown.
    Diagnosis,
}

impl Contract {
    /// All contracts.
    pub const ALL: [Self; 11] = [
        Self::Facts,
        Self::Models,
        Self::JobEscrow,
        Self::CiroToken,
        Self::Vesting,
        Self::Faucet,
        Self::ValidatorBond,
        Self::Loan,
        Self::Oracle,
        Self::Game,
        Self::Diagnosis,
    ];

    /// The contract's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "Facts",
            Self::Models => "Models",
            Self::JobEscrow => "JobEscrow",
            Self::CiroToken => "CiroToken",
            Self::Vesting => "Vesting",
            Self::Faucet => "Faucet",
            Self::ValidatorBond => "ValidatorBond",
            Self::Loan => "Loan",
            Self::Oracle => "Oracle",
            Self::Game => "Game",
            Self::Diagnosis => "Diagnosis",
        }
    }

    /// The package that it is in, and its file there.
    const fn place(self) -> (Package, &'static str) {
        match self {
            Self::Facts => (VERIFIER, "facts"),
            Self::Models => (VERIFIER, "models"),
            Self::JobEscrow => (VERIFIER, "escrow"),
            Self::CiroToken => (TOKEN, "ciro_token"),
            Self::Vesting => (TOKEN, "vesting"),
            Self::Faucet => (TOKEN, "faucet"),
            Self::ValidatorBond => (BOND, "validator_bond"),
            Self::Loan => (CONSUMERS, "loan"),
            Self::Oracle => (CONSUMERS, "oracle"),
            Self::Game => (CONSUMERS, "game"),
            Self::Diagnosis => (CONSUMERS, "diagnosis"),
        }
    }
}

/// A class in numbers: what a lock file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The hash of its program in Sierra, in hexadecimal digits.
    pub sierra_hash: String,
    /// The hash of what the program compiles to.
    pub casm_hash: String,
    /// Felts of the program in Sierra.
    pub sierra_felts: usize,
    /// Felts of bytecode.
    pub bytecode_felts: usize,
}

/// A class that cannot be declared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassError {
    /// The package does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Starknet would not take the program.
    #[error("Starknet does not take the class: {0}")]
    Refused(String),
}

impl Class {
    /// Compiles a contract down to bytecode, with nothing but audited libfuncs.
    ///
    /// # Errors
    /// [`ClassError`] if it does not compile or Starknet would not take it.
    pub fn of(contract: Contract) -> Result<Self, ClassError> {
        let (package, file) = contract.place();
        let path = format!("{}::{file}::{}", package.name, contract.name());
        let class = compile_class(package, &path)?;
        let refused = |error: &dyn std::fmt::Display| ClassError::Refused(error.to_string());
        let extracted = class.extract_sierra_program(false).map_err(|error| refused(&error))?;
        extracted
            .validate_version_compatible(ListSelector::default())
            .map_err(|error| refused(&error))?;
        let (sierra_hash, sierra_felts) = (sierra_hash(&class), class.sierra_program.len());
        let casm = CasmContractClass::from_contract_class(class, extracted, false, usize::MAX)
            .map_err(|error| refused(&error))?;
        Ok(Self {
            sierra_hash: format!("{sierra_hash:#066x}"),
            casm_hash: format!("{:#066x}", casm.compiled_class_hash()),
            sierra_felts,
            bytecode_felts: casm.bytecode.len(),
        })
    }
}

/// The hash of the program and of its entry points. The hash under which a node keeps the class
/// covers its interface's text too, which tools spell differently.
fn sierra_hash(class: &ContractClass) -> Felt252 {
    let points = |points: &[ContractEntryPoint]| {
        let felts: Vec<Felt252> = points
            .iter()
            .flat_map(|point| [Felt252::from(point.selector.clone()), point.function_idx.into()])
            .collect();
        Poseidon::hash_array(&felts)
    };
    let entry = &class.entry_points_by_type;
    let program: Vec<Felt252> =
        class.sierra_program.iter().map(|felt| Felt252::from(felt.value.clone())).collect();
    Poseidon::hash_array(&[
        points(&entry.external),
        points(&entry.l1_handler),
        points(&entry.constructor),
        Poseidon::hash_array(&program),
    ])
}
