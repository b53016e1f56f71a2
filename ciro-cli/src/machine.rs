//! What the machine is and has.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// The machine that a measurement was made on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) threads: usize,
    pub(crate) avx512: bool,
    pub(crate) memory_mb: Option<u64>,
    pub(crate) os: &'static str,
}

impl Machine {
    pub(crate) fn this() -> Self {
        Self {
            cpu: cpu().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            threads: rayon::current_num_threads(),
            avx512: avx512(),
            memory_mb: ciro_sdk::total_memory().map(|bytes| bytes / 1_000_000),
            os: std::env::consts::OS,
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let simd = if self.avx512 { "with" } else { "without" };
        write!(f, "{}, {} thread(s), {simd} AVX-512, {}", self.cpu, self.threads, self.os)?;
        match self.memory_mb {
            Some(memory) => write!(f, ", {} GB", memory / 1_000),
            None => Ok(()),
        }
    }
}

/// The commit that this program was built from, while its sources are still there.
pub(crate) fn commit() -> Option<String> {
    let sources = env!("CARGO_MANIFEST_DIR");
    let arguments = ["-C", sources, "describe", "--always", "--dirty", "--exclude=*"];
    let output = Command::new("git").args(arguments).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512() -> bool {
    false
}
