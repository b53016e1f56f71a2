//! Cairo sources to Sierra, in process.

use cairo_lang_compiler::db::{RootDatabase, validate_corelib};
use cairo_lang_compiler::diagnostics::DiagnosticsReporter;
use cairo_lang_compiler::{CompilerConfig, compile_prepared_db_program};
use cairo_lang_filesystem::cfg::{Cfg, CfgSet};
use cairo_lang_filesystem::db::{
    CORELIB_CRATE_NAME, CrateConfigurationInput, CrateSettings, DependencySettings, Edition,
    set_crate_configs_input,
};
use cairo_lang_filesystem::ids::{CrateId, CrateInput};
use cairo_lang_sierra::program::Program;
use cairo_lang_sierra_generator::replace_ids::DebugReplacer;
use cairo_lang_starknet::compile::compile_contract_in_prepared_db;
use cairo_lang_starknet::contract::{ContractInfo, find_contracts, get_contracts_info};
use cairo_lang_starknet::starknet_plugin_suite;
use cairo_lang_starknet_classes::contract_class::ContractClass;
use cairo_lang_utils::ordered_hash_map::OrderedHashMap;
use ciro_cairo::{ProgramError, core_config, virtual_folder};

use starknet_types_core::felt::Felt as Felt252;

use crate::sources::{PACKAGES, Package, VERIFIER};

/// A package that does not compile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The compiler could not be set up.
    #[error("the Cairo compiler cannot start: {0}")]
    Setup(String),
    /// The core library is not the compiler's.
    #[error("the Cairo compiler has no core library")]
    CoreLibrary(#[from] ProgramError),
    /// The compiler found fault with the sources.
    #[error("the Cairo sources do not compile: {reason}\n{diagnostics}")]
    Diagnostics {
        /// The compiler's words.
        reason: String,
        /// The compiler's messages.
        diagnostics: String,
    },
}

/// What is compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Programs and classes as they are declared.
    Chain,
    /// Histories, where contracts say the hashes of their classes.
    Histories,
}

/// Compiles the verifier to Sierra as contracts are compiled: with gas, and with the libfuncs of
/// the release.
///
/// # Errors
/// [`CompileError`] with the compiler's messages.
pub fn compile() -> Result<Program, CompileError> {
    let packages = [VERIFIER];
    in_database(&database(&packages, Purpose::Chain)?, &packages, |db, crates, config| {
        compile_prepared_db_program(db, crates, config)
    })
}

/// Contracts that can be deployed, by the hash of their class.
pub(crate) type Contracts = OrderedHashMap<Felt252, ContractInfo>;

/// Compiles packages of contracts together with those that play with them, again and again: what
/// does not change is not compiled anew.
pub(crate) struct Histories {
    db: RootDatabase,
    packages: Vec<Package>,
}

impl Histories {
    /// Sets the compiler up for some packages.
    ///
    /// # Errors
    /// As [`compile`].
    pub(crate) fn new(packages: &[Package]) -> Result<Self, CompileError> {
        let db = database(packages, Purpose::Histories)?;
        Ok(Self { db, packages: packages.to_vec() })
    }

    /// Puts a package in the place of the one of its name.
    ///
    /// # Errors
    /// As [`compile`].
    pub(crate) fn replace(&mut self, package: Package) -> Result<(), CompileError> {
        for old in self.packages.iter_mut().filter(|old| old.name == package.name) {
            *old = package;
        }
        configure(&mut self.db, &self.packages)
    }

    /// Compiles them.
    ///
    /// # Errors
    /// As [`compile`].
    pub(crate) fn compile(&self) -> Result<(Program, Contracts), CompileError> {
        in_database(&self.db, &self.packages, |db, crates, config| {
            let program = compile_prepared_db_program(db, crates.clone(), config)?;
            let contracts = find_contracts(db, &crates);
            Ok((program, get_contracts_info(db, contracts, &DebugReplacer { db })?))
        })
    }
}

/// Compiles one contract of a package.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_class(
    package: Package,
    contract: &str,
) -> Result<ContractClass, CompileError> {
    let packages = [package];
    in_database(&database(&packages, Purpose::Chain)?, &packages, |db, crates, config| {
        compile_contract_in_prepared_db(db, Some(contract), crates, config)
    })
}

/// Hands packages to a compiler, and reports what it finds wrong.
fn in_database<T>(
    db: &RootDatabase,
    packages: &[Package],
    compile: impl for<'db> FnOnce(
        &'db RootDatabase,
        Vec<CrateId<'db>>,
        CompilerConfig<'_>,
    ) -> anyhow::Result<T>,
) -> Result<T, CompileError> {
    let crates: Vec<CrateInput> = packages.iter().map(|package| named(package.name)).collect();
    let mut diagnostics = String::new();
    let reporter = DiagnosticsReporter::write_to_string(&mut diagnostics)
        .with_crates(&crates)
        .allow_warnings();
    let crates = CrateInput::into_crate_ids(db, crates);
    let config = CompilerConfig {
        diagnostics_reporter: reporter,
        replace_ids: true,
        ..CompilerConfig::default()
    };
    let compiled = compile(db, crates, config);
    compiled.map_err(|error| {
        let reason = format!("{error:#}");
        CompileError::Diagnostics { reason, diagnostics }
    })
}

fn named(name: &str) -> CrateInput {
    CrateInput::Real { name: name.to_owned(), discriminator: None }
}

/// The compiler with the core library, the packages, and those of this crate, which they may use.
fn database(packages: &[Package], purpose: Purpose) -> Result<RootDatabase, CompileError> {
    let mut cfg = vec![Cfg::kv("sierra", "future"), Cfg::kv("target", "starknet-contract")];
    if purpose == Purpose::Histories {
        cfg.push(Cfg::kv("target", "test"));
    }
    let mut db = RootDatabase::builder()
        .with_cfg(CfgSet::from_iter(cfg))
        .with_default_plugin_suite(starknet_plugin_suite())
        .build()
        .map_err(|error| CompileError::Setup(format!("{error:#}")))?;
    configure(&mut db, packages)?;
    validate_corelib(&db).map_err(|error| CompileError::Setup(format!("{error:#}")))?;
    Ok(db)
}

/// Says which packages there are.
fn configure(db: &mut RootDatabase, packages: &[Package]) -> Result<(), CompileError> {
    // The first edition: integers with bounds are no public part of the core library yet.
    let settings = CrateSettings { edition: Edition::V2023_01, ..CrateSettings::default() };
    let own =
        PACKAGES.into_iter().filter(|own| packages.iter().all(|other| other.name != own.name));
    let all: Vec<Package> = packages.iter().copied().chain(own).collect();
    let mut crates = vec![(named(CORELIB_CRATE_NAME), core_config()?)];
    for package in &all {
        let root = virtual_folder(package.name, package.sources.iter().copied());
        let others = all.iter().filter(|other| other.name != package.name);
        let dependency = DependencySettings { discriminator: None };
        let dependencies =
            others.map(|other| (other.name.to_owned(), dependency.clone())).collect();
        let settings = CrateSettings { dependencies, ..settings.clone() };
        let package_config = CrateConfigurationInput { root, settings, cache_file: None };
        crates.push((named(package.name), package_config));
    }
    set_crate_configs_input(db, Some(crates.into_iter().collect()));
    Ok(())
}
