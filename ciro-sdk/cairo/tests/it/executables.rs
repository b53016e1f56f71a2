//! Executables compiled as Scarb does it, and hand-made ones.

use std::sync::{LazyLock, Mutex, PoisonError};

use cairo_lang_compiler::db::RootDatabase;
use cairo_lang_compiler::diagnostics::DiagnosticsReporter;
use cairo_lang_executable::compile::{ExecutableConfig, compile_executable_in_prepared_db};
use cairo_lang_executable::executable::Executable;
use cairo_lang_executable_plugin::executable_plugin_suite;
use cairo_lang_filesystem::cfg::{Cfg, CfgSet};
use cairo_lang_filesystem::db::{
    CrateConfigurationInput, CrateSettings, Edition, set_crate_configs_input,
};
use cairo_lang_filesystem::ids::CrateInput;
use ciro_cairo::{Program, core_config, virtual_folder};
use serde_json::Value;

/// A compiler that keeps panics, as Scarb's does.
static DATABASE: LazyLock<Mutex<RootDatabase>> = LazyLock::new(|| {
    let database = RootDatabase::builder()
        .skip_auto_withdraw_gas()
        .with_cfg(CfgSet::from_iter([Cfg::kv("gas", "disabled")]))
        .with_default_plugin_suite(executable_plugin_suite())
        .build();
    Mutex::new(database.expect("the compiler starts"))
});

/// The executable of one source file, in bytes.
pub(crate) fn executable(source: &str) -> Vec<u8> {
    let mut database = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
    let input = |name: &str| CrateInput::Real { name: name.to_owned(), discriminator: None };
    let main = input("main");
    let settings = CrateSettings { edition: Edition::V2024_07, ..CrateSettings::default() };
    let root = virtual_folder("src", [("lib.cairo", source)]);
    let configs = [
        (input("core"), core_config().unwrap()),
        (main.clone(), CrateConfigurationInput { root, settings, cache_file: None }),
    ];
    set_crate_configs_input(&mut *database, Some(configs.into_iter().collect()));
    let mut diagnostics = String::new();
    let reporter = DiagnosticsReporter::write_to_string(&mut diagnostics)
        .with_crates(std::slice::from_ref(&main))
        .allow_warnings();
    let crates = CrateInput::into_crate_ids(&*database, vec![main]);
    let config = ExecutableConfig::default();
    let compiled = compile_executable_in_prepared_db(&*database, None, crates, reporter, config)
        .map(|compiled| Executable::new(compiled.compiled_function));
    match compiled {
        Ok(executable) => serde_json::to_vec(&executable).unwrap(),
        Err(error) => panic!("{error}\n{diagnostics}"),
    }
}

/// The program of one source file.
pub(crate) fn program(source: &str) -> Program {
    Program::read(&executable(source)).unwrap()
}

/// An executable whose bytecode is this, behind the beginning of all executables.
pub(crate) fn handmade(code: &[&str], hints: &Value) -> Vec<u8> {
    let header =
        ["0x40780017fff7fff", "0x1", "0x1104800180018000", "0x4", "0x10780017fff7fff", "0x0"];
    let bytecode: Vec<&str> = header.iter().chain(code).copied().collect();
    let entry = |offset: usize, kind: &str| serde_json::json!({"builtins": ["output"], "offset": offset, "kind": kind});
    let file = serde_json::json!({
        "program": {"bytecode": bytecode, "hints": hints},
        "entrypoints": [entry(0, "Standalone"), entry(6, "Bootloader")],
    });
    serde_json::to_vec(&file).unwrap()
}

/// An executable after a change.
pub(crate) fn changed(executable: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut file: Value = serde_json::from_slice(executable).unwrap();
    change(&mut file);
    serde_json::to_vec(&file).unwrap()
}
