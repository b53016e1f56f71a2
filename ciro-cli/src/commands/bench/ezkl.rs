//! EZKL on the same model, through its Python package.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::format;

/// What EZKL did.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    /// It proved and verified.
    Measured {
        /// Its version.
        version: String,
        /// Time to calibrate, compile, make the reference string and the keys.
        setup_ms: f64,
        /// Time from input to proof.
        prove_ms: f64,
        /// Time to verify.
        verify_ms: f64,
        /// Size of its proof file's proof.
        proof_bytes: u64,
        /// Size of its proving key.
        proving_key_bytes: u64,
        /// Peak memory of the whole.
        peak_memory_mb: u64,
    },
    /// It did not.
    Failed {
        /// Its last words.
        error: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured { version, setup_ms, prove_ms, verify_ms, proof_bytes, .. } => write!(
                f,
                "prove {}, verify {}, proof {}, setup {} (version {version})",
                format::duration(*prove_ms),
                format::duration(*verify_ms),
                format::bytes(*proof_bytes),
                format::duration(*setup_ms),
            ),
            Self::Failed { error } => write!(f, "failed: {error}"),
        }
    }
}

/// Runs EZKL's pipeline in `folder`, for at most `limit`.
pub(super) fn measure(model: &Path, input: &Path, folder: &Path, limit: Duration) -> Outcome {
    attempt(model, input, folder, limit).unwrap_or_else(|error| Outcome::Failed { error })
}

fn attempt(model: &Path, input: &Path, folder: &Path, limit: Duration) -> Result<Outcome, String> {
    let text = |error: std::io::Error| error.to_string();
    let absolute = |path: &Path| std::path::absolute(path).map_err(text);
    std::fs::create_dir_all(folder).map_err(text)?;
    let json = model.with_file_name("input_0.json");
    let input = if json.is_file() { json } else { input.to_owned() };
    let log = folder.join("log");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut child = Command::new(python)
        .args(["-c", include_str!("pipeline.py")])
        .args([absolute(model)?, absolute(&input)?])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).map_err(text)?)
        .spawn()
        .map_err(text)?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(text)? {
            Some(status) => break status,
            None if start.elapsed() > limit => {
                child.kill().and_then(|()| child.wait()).map_err(text)?;
                return Err(format!("not done after {} s", limit.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    if !status.success() {
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        return Err(last.map_or_else(|| status.to_string(), str::to_owned));
    }
    let result = std::fs::read(folder.join("result.json")).map_err(text)?;
    serde_json::from_slice(&result).map_err(|error| error.to_string())
}
