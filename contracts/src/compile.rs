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

use crate::sources::SOURCES;

/// The name of the Cairo package.
const PACKAGE: &str = "verifier";
/// The name of the package of scenarios.
const SCENARIOS: &str = "scenarios";

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
    #[error("the package `{PACKAGE}` does not compile: {reason}\n{diagnostics}")]
    Diagnostics {
        /// The compiler's words.
        reason: String,
        /// The compiler's messages.
        diagnostics: String,
    },
}

/// Compiles the package to Sierra as contracts are compiled: with gas, and with the libfuncs of the
/// release.
///
/// # Errors
/// [`CompileError`] with the compiler's messages.
pub fn compile() -> Result<Program, CompileError> {
    with_package(&[], |db, crates, config| compile_prepared_db_program(db, crates, config))
}

/// Contracts that can be deployed, by the hash of their class.
pub(crate) type Contracts = OrderedHashMap<Felt252, ContractInfo>;

/// Compiles the package together with another one that plays with its contracts.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_scenarios(
    sources: &[(&'static str, &'static str)],
) -> Result<(Program, Contracts), CompileError> {
    with_package(sources, |db, crates, config| {
        let program = compile_prepared_db_program(db, crates.clone(), config)?;
        let contracts = find_contracts(db, &crates);
        Ok((program, get_contracts_info(db, contracts, &DebugReplacer { db })?))
    })
}

/// Compiles one contract of the package.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_class(contract: &str) -> Result<ContractClass, CompileError> {
    with_package(&[], |db, crates, config| {
        compile_contract_in_prepared_db(db, Some(contract), crates, config)
    })
}

/// Hands the package to a compiler, with that of scenarios if there are any, and reports what it
/// finds wrong.
fn with_package<T>(
    scenarios: &[(&'static str, &'static str)],
    compile: impl for<'db> FnOnce(
        &'db RootDatabase,
        Vec<CrateId<'db>>,
        CompilerConfig<'_>,
    ) -> anyhow::Result<T>,
) -> Result<T, CompileError> {
    let (db, packages) = database(scenarios)?;
    let mut diagnostics = String::new();
    let reporter = DiagnosticsReporter::write_to_string(&mut diagnostics)
        .with_crates(&packages)
        .allow_warnings();
    let crates = CrateInput::into_crate_ids(&db, packages);
    let config = CompilerConfig {
        diagnostics_reporter: reporter,
        replace_ids: true,
        ..CompilerConfig::default()
    };
    let compiled = compile(&db, crates, config);
    compiled.map_err(|error| {
        let reason = format!("{error:#}");
        CompileError::Diagnostics { reason, diagnostics }
    })
}

/// The compiler with the core library and the packages, and the packages' names.
fn database(
    scenarios: &[(&'static str, &'static str)],
) -> Result<(RootDatabase, Vec<CrateInput>), CompileError> {
    let mut cfg = vec![Cfg::kv("sierra", "future"), Cfg::kv("target", "starknet-contract")];
    if !scenarios.is_empty() {
        // Contracts say the hashes of their classes.
        cfg.push(Cfg::kv("target", "test"));
    }
    let mut db = RootDatabase::builder()
        .with_cfg(CfgSet::from_iter(cfg))
        .with_default_plugin_suite(starknet_plugin_suite())
        .build()
        .map_err(|error| CompileError::Setup(format!("{error:#}")))?;
    let named = |name: &str| CrateInput::Real { name: name.to_owned(), discriminator: None };
    // The first edition: integers with bounds are no public part of the core library yet.
    let settings = CrateSettings { edition: Edition::V2023_01, ..CrateSettings::default() };
    let mut packages = vec![(PACKAGE, SOURCES)];
    if !scenarios.is_empty() {
        packages.push((SCENARIOS, scenarios));
    }
    let mut crates = vec![(named(CORELIB_CRATE_NAME), core_config()?)];
    for (name, sources) in &packages {
        let root = virtual_folder("src", sources.iter().copied());
        let others = packages.iter().filter(|(other, _)| other != name);
        let dependency = DependencySettings { discriminator: None };
        let dependencies =
            others.map(|(other, _)| ((*other).to_owned(), dependency.clone())).collect();
        let settings = CrateSettings { dependencies, ..settings.clone() };
        let package = CrateConfigurationInput { root, settings, cache_file: None };
        crates.push((named(name), package));
    }
    set_crate_configs_input(&mut db, Some(crates.into_iter().collect()));
    validate_corelib(&db).map_err(|error| CompileError::Setup(format!("{error:#}")))?;
    Ok((db, packages.into_iter().map(|(name, _)| named(name)).collect()))
}
