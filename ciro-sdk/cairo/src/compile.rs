//! Cairo sources to bytecode, in process.

use std::fmt;

use cairo_lang_compiler::db::{RootDatabase, validate_corelib};
use cairo_lang_compiler::diagnostics::DiagnosticsReporter;
use cairo_lang_executable::compile::{
    CompileExecutableResult, ExecutableConfig, compile_executable_in_prepared_db,
};
use cairo_lang_executable::executable::Executable;
use cairo_lang_executable_plugin::executable_plugin_suite;
use cairo_lang_filesystem::cfg::{Cfg, CfgSet};
use cairo_lang_filesystem::db::{
    CORELIB_CRATE_NAME, CrateConfigurationInput, CrateSettings, Edition,
    ExperimentalFeaturesConfig, set_crate_configs_input,
};
use cairo_lang_filesystem::ids::{CrateInput, DirectoryInput};
use semver::Version;

use crate::corelib;
use crate::guard;
use crate::package::Package;
use crate::program::{BYTECODE_FELTS_MAX, Location, Program};

/// The Cairo compiler with the core library loaded.
///
/// Compiling the first package analyses the core library (about a second); later packages reuse
/// that.
pub struct Compiler {
    db: RootDatabase,
}

/// A package that does not compile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The compiler found fault with the sources.
    #[error("package `{package}` does not compile{at}:\n{diagnostics}")]
    Diagnostics {
        /// The package's name.
        package: String,
        /// Where the first fault lies.
        at: Place,
        /// The compiler's messages.
        diagnostics: String,
    },
    /// The compiler stopped without a message about the sources.
    #[error("package `{package}` cannot be lowered to Cairo assembly: {reason}")]
    Lowering {
        /// The package's name.
        package: String,
        /// The compiler's words.
        reason: String,
    },
    /// The program is so long that no proof of it would be read.
    #[error(
        "package `{package}` compiles to {felts} felts of bytecode, at most {BYTECODE_FELTS_MAX} are proven; \
         large constants that become arguments make it shorter"
    )]
    TooLong {
        /// The package's name.
        package: String,
        /// The length of its bytecode.
        felts: usize,
    },
    /// The package has the name of Cairo's core library and would take its place.
    #[error("a package cannot be named `{CORELIB_CRATE_NAME}`")]
    Name,
    /// The compiler itself could not be set up.
    #[error("the Cairo compiler cannot start: {0}")]
    Setup(String),
}

/// A line of a Cairo package and the node of the model that it was written for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Path and line, if known.
    pub location: Option<Location>,
    /// The node's name, if the line was written for one.
    pub node: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Location { path, line }) = &self.location {
            write!(f, " at {path}:{line}")?;
        }
        if let Some(node) = &self.node {
            write!(f, " (node `{node}`)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler").finish_non_exhaustive()
    }
}

impl Compiler {
    /// Sets the compiler up.
    ///
    /// # Errors
    /// [`ProgramError::Setup`] if the compiler refuses its own configuration.
    pub fn new() -> Result<Self, ProgramError> {
        let db = RootDatabase::builder()
            .skip_auto_withdraw_gas()
            .with_cfg(CfgSet::from_iter([Cfg::kv("gas", "disabled"), Cfg::kv("sierra", "future")]))
            .with_default_plugin_suite(executable_plugin_suite())
            .with_unsafe_panic()
            .build()
            .map_err(|error| ProgramError::Setup(error.to_string()))?;
        Ok(Self { db })
    }

    /// Compiles the one `#[executable]` function of a package.
    ///
    /// Equal packages give equal bytecode, on every machine.
    ///
    /// # Errors
    /// [`ProgramError`] with the compiler's messages and the node that the first faulty line was
    /// written for.
    pub fn compile(&mut self, package: &Package) -> Result<Program, ProgramError> {
        let _span = tracing::info_span!("compile", package = %package.name).entered();
        if package.name == CORELIB_CRATE_NAME {
            return Err(ProgramError::Name);
        }
        let main = crate_input(&package.name);
        let root = corelib::virtual_folder("src", package.sources());
        let configs = [
            (crate_input(CORELIB_CRATE_NAME), core_config()?),
            (main.clone(), package_config(root)),
        ];
        set_crate_configs_input(&mut self.db, Some(configs.into_iter().collect()));
        validate_corelib(&self.db).map_err(|error| ProgramError::Setup(format!("{error:#}")))?;

        let mut diagnostics = String::new();
        let reporter = DiagnosticsReporter::write_to_string(&mut diagnostics)
            .with_crates(std::slice::from_ref(&main))
            .allow_warnings();
        let crates = CrateInput::into_crate_ids(&self.db, vec![main]);
        let config = ExecutableConfig { unsafe_panic: true, ..ExecutableConfig::default() };
        // The compiler panics where it finds itself in the wrong.
        let compiled = guard::silent(|| {
            compile_executable_in_prepared_db(&self.db, None, crates, reporter, config)
                .map(|compiled| self.program(compiled))
        });
        let compiled = compiled.unwrap_or_else(|message| Err(anyhow::anyhow!(message)));
        match compiled {
            Ok(program) => {
                let felts = program.bytecode().len();
                if felts > BYTECODE_FELTS_MAX {
                    let package = package.name.clone();
                    return Err(ProgramError::TooLong { package, felts });
                }
                Ok(program)
            }
            Err(_) if !diagnostics.is_empty() => Err(ProgramError::Diagnostics {
                package: package.name.clone(),
                at: first_place(&diagnostics, package),
                diagnostics,
            }),
            Err(error) => Err(ProgramError::Lowering {
                package: package.name.clone(),
                reason: format!("{error:#}"),
            }),
        }
    }

    /// Takes bytecode, hints and source locations out of the compiler's result.
    fn program(&self, compiled: CompileExecutableResult<'_>) -> Program {
        let CompileExecutableResult { compiled_function, builder: _, debug_info } = compiled;
        let code_locations =
            debug_info.statements_locations.extract_statements_source_code_locations(&self.db);
        let header: usize = compiled_function.wrapper.header.iter().map(|i| i.body.op_size()).sum();
        let start = cairo_lang_executable::executable::NOT_RETURNING_HEADER_SIZE + header;
        let statements = &compiled_function.program.debug_info.sierra_statement_info;
        let locations = statements.iter().enumerate().map(|(index, statement)| {
            let stack = code_locations
                .statements_to_code_location_map
                .get(&cairo_lang_sierra::program::StatementIdx(index));
            let stack = stack.into_iter().flatten().map(|(path, span, _)| Location {
                path: path.0.clone(),
                line: span.start.line + 1,
            });
            (start + statement.start_offset, stack.collect::<Vec<_>>())
        });
        let locations = locations.collect();
        Program::new(Executable::new(compiled_function), locations)
    }
}

fn crate_input(name: &str) -> CrateInput {
    CrateInput::Real { name: name.to_owned(), discriminator: None }
}

/// The embedded core library, as a compiler's database takes it: one library for whatever is
/// compiled.
///
/// # Errors
/// [`ProgramError::Setup`] if its version is none.
pub fn core_config() -> Result<CrateConfigurationInput, ProgramError> {
    // The compiler compares it with its own; without a version it would take any library.
    let version = Version::parse(corelib::VERSION)
        .map_err(|error| ProgramError::Setup(format!("the core library's version: {error}")))?;
    let experimental_features = ExperimentalFeaturesConfig {
        negative_impls: true,
        associated_item_constraints: true,
        coupons: true,
        user_defined_inline_macros: true,
        repr_ptrs: true,
    };
    let settings = CrateSettings {
        edition: Edition::V2025_12,
        experimental_features,
        version: Some(version),
        ..CrateSettings::default()
    };
    Ok(CrateConfigurationInput { root: corelib::root(), settings, cache_file: None })
}

fn package_config(root: DirectoryInput) -> CrateConfigurationInput {
    let settings = CrateSettings { edition: Edition::V2024_07, ..CrateSettings::default() };
    CrateConfigurationInput { root, settings, cache_file: None }
}

/// Reads the place of the first diagnostic: ` --> src/lib.cairo:12:5`.
fn first_place(diagnostics: &str, package: &Package) -> Place {
    let location = diagnostics.lines().find_map(|line| {
        let (path, rest) = line.trim_start().strip_prefix("--> ")?.split_once(':')?;
        let line = rest.split(':').next()?.parse().ok()?;
        Some(Location { path: path.to_owned(), line })
    });
    let node = location.as_ref().and_then(|at| package.node_at(&at.path, at.line));
    Place { node: node.map(str::to_owned), location }
}
