//! The contracts' classes, as they are declared.

use cairo_lang_starknet_classes::allowed_libfuncs::ListSelector;
use cairo_lang_starknet_classes::casm_contract_class::CasmContractClass;
use cairo_lang_starknet_classes::contract_class::ContractClass;
use ciro_sdk::starknet::sierra_hash;
use serde_json::json;
use starknet_rust_core::types::FlattenedSierraClass;
use starknet_rust_core::types::contract::SierraClass;
use starknet_types_core::felt::Felt as Felt252;

use crate::compile::{CompileError, compile_class};
use crate::sources::{BOND, BRIDGE, CONSUMERS, GOVERNOR, Package, ROUTER, TOKEN, VERIFIER};

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
    /// Holds the money that is on the Ciro chain.
    Bridge,
    /// Changes a stablecoin and CIRO into each other.
    Exchange,
    /// Takes a stablecoin and pays in CIRO.
    PaymentRouter,
    /// Does what holders of the token have decided.
    Governor,
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
    pub const ALL: [Self; 15] = [
        Self::Facts,
        Self::Models,
        Self::JobEscrow,
        Self::CiroToken,
        Self::Vesting,
        Self::Faucet,
        Self::ValidatorBond,
        Self::Bridge,
        Self::Exchange,
        Self::PaymentRouter,
        Self::Governor,
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
            Self::Bridge => "Bridge",
            Self::Exchange => "Exchange",
            Self::PaymentRouter => "PaymentRouter",
            Self::Governor => "Governor",
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
            Self::Bridge => (BRIDGE, "bridge"),
            Self::Exchange => (ROUTER, "exchange"),
            Self::PaymentRouter => (ROUTER, "payment_router"),
            Self::Governor => (GOVERNOR, "governor"),
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
    /// The hash under which a chain keeps it, in hexadecimal digits.
    pub class_hash: String,
    /// The hash of its program in Sierra.
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

/// A contract's class, and what it compiles to.
#[derive(Debug)]
pub struct Compiled {
    /// The class as a declaration carries it.
    pub class: FlattenedSierraClass,
    casm: CasmContractClass,
}

impl Compiled {
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
        let flat = flat(&class).map_err(|error| refused(&error))?;
        let casm = CasmContractClass::from_contract_class(class, extracted, false, usize::MAX)
            .map_err(|error| refused(&error))?;
        Ok(Self { class: flat, casm })
    }

    /// The hash of what the class compiles to, which a declaration names.
    #[must_use]
    pub fn casm_hash(&self) -> Felt252 {
        self.casm.compiled_class_hash()
    }
}

impl Class {
    /// The class of a contract in numbers.
    ///
    /// # Errors
    /// As [`Compiled::of`].
    pub fn of(contract: Contract) -> Result<Self, ClassError> {
        let compiled = Compiled::of(contract)?;
        Ok(Self {
            class_hash: format!("{:#066x}", compiled.class.class_hash()),
            sierra_hash: format!("{:#066x}", sierra_hash(&compiled.class)),
            casm_hash: format!("{:#066x}", compiled.casm_hash()),
            sierra_felts: compiled.class.sierra_program.len(),
            bytecode_felts: compiled.casm.bytecode.len(),
        })
    }
}

/// The class as a declaration carries it: its interface is a text, in the spelling of the
/// compiler's command line, which other tools and nodes expect.
fn flat(class: &ContractClass) -> Result<FlattenedSierraClass, Box<dyn std::error::Error>> {
    let mut class = serde_json::to_value(class)?;
    // Names for people: no hash covers them.
    class["sierra_program_debug_info"] =
        json!({ "type_names": [], "libfunc_names": [], "user_func_names": [] });
    let class: SierraClass = serde_json::from_value(class)?;
    Ok(class.flatten()?)
}
