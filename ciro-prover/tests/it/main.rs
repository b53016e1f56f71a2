//! The program as a whole: its commands, and the children that it proves in.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod children;
mod commands;
#[cfg(feature = "cairo")]
mod programs;

use std::path::{Path, PathBuf};

/// The program, which cargo builds before this test, two folders up.
///
/// A compiler wrapper that is a shell script loses `CARGO_BIN_EXE_ciro-prover`: its name is none
/// for a shell.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.join(format!("ciro-prover{}", std::env::consts::EXE_SUFFIX))
}
