//! Prints the type stub of the built extension module: `python-stubs LIBRARY`.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use pyo3_introspection::{introspect_cdylib, module_stub_files};

fn main() -> anyhow::Result<()> {
    let library = std::env::args_os().nth(1).context("pass the path of the built library")?;
    let module = introspect_cdylib(&library, "_ciro").context("cannot read the library")?;
    let stubs = module_stub_files(&module);
    let stub = stubs.get(Path::new("__init__.pyi")).context("the library describes no module")?;
    std::io::stdout().write_all(stub.as_bytes())?;
    Ok(())
}
