//! Cairo sources to Sierra, in process.

use cairo_lang_compiler::db::{RootDatabase, validate_corelib};
use cairo_lang_compiler::diagnostics::DiagnosticsReporter;
use cairo_lang_compiler::{CompilerConfig, compile_prepared_db_program};
use cairo_lang_filesystem::cfg::{Cfg, CfgSet};
use cairo_lang_filesystem::db::{
    CORELIB_CRATE_NAME, CrateConfigurationInput, CrateSettings, Edition, set_crate_configs_input,
};
use cairo_lang_filesystem::ids::{CrateId, CrateInput, DirectoryInput};
use cairo_lang_sierra::program::Program;
use cairo_lang_starknet::compile::compile_contract_in_prepared_db;
use cairo_lang_starknet::starknet_plugin_suite;
use cairo_lang_starknet_classes::contract_class::ContractClass;
use ciro_cairo::{ProgramError, core_config, virtual_folder};

use crate::sources::SOURCES;

/// The name of the Cairo package.
const PACKAGE: &str = "verifier";

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
    with_package(|db, crates, config| compile_prepared_db_program(db, crates, config))
}

/// Compiles one contract of the package.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_class(contract: &str) -> Result<ContractClass, CompileError> {
    with_package(|db, crates, config| {
        compile_contract_in_prepared_db(db, Some(contract), crates, config)
    })
}

/// Hands the package to a compiler, and reports what it finds wrong.
fn with_package<T>(
    compile: impl for<'db> FnOnce(
        &'db RootDatabase,
        Vec<CrateId<'db>>,
        CompilerConfig<'_>,
    ) -> anyhow::Result<T>,
) -> Result<T, CompileError> {
    let root = virtual_folder("src", SOURCES.iter().copied());
    let (db, package) = database(root)?;
    let mut diagnostics = String::new();
    let reporter = DiagnosticsReporter::write_to_string(&mut diagnostics)
        .with_crates(std::slice::from_ref(&package))
        .allow_warnings();
    let crates = CrateInput::into_crate_ids(&db, vec![package]);
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

/// The compiler with the core library and the package.
fn database(root: DirectoryInput) -> Result<(RootDatabase, CrateInput), CompileError> {
    let mut db = RootDatabase::builder()
        .with_cfg(CfgSet::from_iter([
            Cfg::kv("sierra", "future"),
            Cfg::kv("target", "starknet-contract"),
        ]))
        .with_default_plugin_suite(starknet_plugin_suite())
        .build()
        .map_err(|error| CompileError::Setup(format!("{error:#}")))?;
    let named = |name: &str| CrateInput::Real { name: name.to_owned(), discriminator: None };
    // The first edition: integers with bounds are no public part of the core library yet.
    let settings = CrateSettings { edition: Edition::V2023_01, ..CrateSettings::default() };
    let package = CrateConfigurationInput { root, settings, cache_file: None };
    let crates = [(named(CORELIB_CRATE_NAME), core_config()?), (named(PACKAGE), package)];
    set_crate_configs_input(&mut db, Some(crates.into_iter().collect()));
    validate_corelib(&db).map_err(|error| CompileError::Setup(format!("{error:#}")))?;
    Ok((db, named(PACKAGE)))
}
