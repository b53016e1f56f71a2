//! The extension module `ciro._ciro`: models, keys and proofs of `ciro-sdk` as Python objects.
//!
//! It is private. The package around it, in Python, has the documented interface: it turns numpy
//! arrays into the plain bytes that are taken here, and back. So the module needs neither numpy's
//! headers nor its ABI.
//!
//! | module | what it holds |
//! |---|---|
//! | `model`, `key`, `proof` | the classes |
//! | `program` | programs that are no models |
//! | `check` | can a model be proven, at what cost |
//! | `network` | a node's client |
//! | `starknet` | facts on Starknet |
//! | `runtime` | threads that serve a connection |
//! | `settings` | how models are compiled and proven |
//! | `tensor` | arrays in, outputs out |
//! | `job` | work without the GIL that Ctrl-C stops |
//! | `events` | what happens inside of a job, for progress bars and `logging` |
//! | `error` | every error as a Python exception |
//! | `advice` | what to do about one, in the words of the package |

mod advice;
mod check;
mod error;
mod events;
mod job;
mod key;
mod model;
mod network;
#[cfg(feature = "cairo")]
mod program;
mod proof;
mod runtime;
mod settings;
mod starknet;
mod tensor;

/// Provers allocate and free large columns again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Models, keys and proofs.
#[pyo3::pymodule]
mod _ciro {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::check::{check_bytes, check_file, check_model};
    #[pymodule_export]
    use crate::key::Key;
    #[pymodule_export]
    use crate::model::{Model, input_names};
    #[pymodule_export]
    use crate::network::{Client, Job, check_receipt};
    #[cfg(feature = "cairo")]
    #[pymodule_export]
    use crate::program::{Program, ProgramKey, ProgramProof, verify_program};
    #[pymodule_export]
    use crate::proof::{Proof, Verified, verify};
    #[pymodule_export]
    use crate::settings::{OpenSettings, ProveSettings};
    #[pymodule_export]
    use crate::starknet::Starknet;
    #[pymodule_export]
    use crate::tensor::{Array, Inputs, Output, RealInput};

    /// Version of the library.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// Whether a file holds a compiled model, by its content or its name.
    #[pyfunction]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn is_compiled_file(path: std::path::PathBuf) -> bool {
        ciro_sdk::Model::is_compiled_file(&path)
    }

    /// Whether bytes begin as a compiled model does.
    #[pyfunction]
    fn is_compiled(data: &[u8]) -> bool {
        ciro_sdk::Model::is_compiled(data)
    }

    /// A text in which nothing acts on a terminal or hides.
    #[pyfunction]
    fn printable(text: &str) -> String {
        ciro_sdk::printable(text).into_owned()
    }

    /// Architecture and CPU features that the library is compiled for.
    #[pyfunction]
    fn target() -> &'static str {
        // The package reads this text from the file before it loads it, and finds it between the
        // marks.
        const MARKED: &str = concat!("<ciro-target ", env!("CIRO_TARGET"), " ciro-target>");
        MARKED
    }
}
