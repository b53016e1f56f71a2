//! `ciro-prover calibrate`: how fast this machine proves, with the children that `start` would use.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ciro_sdk::inputs::Inputs;
use ciro_sdk::{CompileSettings, InputStatement, Model, ProveSettings, files};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::executor::{Pool, ProofTask, Task};

/// How often each model is proven by all children at once. The slowest proof counts: while a lease
/// runs, nobody waits until the machine is quiet.
const ROUNDS: usize = 3;
/// The longest that the preparation of a model may take.
const PREPARE_MAX: Duration = Duration::from_secs(600);
/// The setting that it is about.
const SETTING: &str = "cells_per_s";

/// A model that machines are measured with.
struct Reference {
    name: &'static str,
    onnx: &'static [u8],
    inputs: &'static [u8],
}

macro_rules! reference {
    ($name:literal) => {
        Reference {
            name: $name,
            onnx: include_bytes!(concat!("../../examples/models/", $name, "/model.onnx")),
            inputs: include_bytes!(concat!("../../examples/models/", $name, "/inputs.npz")),
        }
    };
}

/// Trees, a small network of convolutions and a large one: what there is most to prove of.
const REFERENCES: [Reference; 3] =
    [reference!("xgb_credit_50"), reference!("lenet5_mnist"), reference!("mobilenet_mini_cm32")];

/// What one model showed.
struct Measured {
    cells: u64,
    prove_ms: u64,
    memory_mb: u32,
}

impl Measured {
    fn cells_per_s(&self) -> u64 {
        self.cells.saturating_mul(1_000) / self.prove_ms.max(1)
    }
}

/// Proves the reference models one after the other, each in all children at once as when it counts,
/// and says what `cells_per_s` should be: what the slowest proof reaches. With `settings`, a file
/// of settings, it is written there.
///
/// # Errors
///
/// What keeps a model from being proven, or the file from being written.
pub(crate) async fn calibrate(
    config: &Config,
    pool: &Pool,
    settings: Option<&Path>,
) -> anyhow::Result<String> {
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot create `{}`", config.data.display()))?;
    let mut text = String::new();
    let mut least = u64::MAX;
    for reference in &REFERENCES {
        let folder = config.data.join("calibration");
        let measured = measure(reference, (pool, config.work.children), &folder).await;
        // Left behind by a run that was killed, it is in nobody's way.
        let _ = std::fs::remove_dir_all(&folder);
        let measured = measured.with_context(|| format!("model `{}`", reference.name))?;
        let Measured { cells, prove_ms, memory_mb } = measured;
        let speed = measured.cells_per_s();
        least = least.min(speed);
        let name = reference.name;
        writeln!(
            text,
            "{name:<20}  {cells:>9} cells  {prove_ms:>6} ms  {speed:>9} cells/s  {memory_mb} MiB"
        )?;
    }
    let memory_mb = config.work.memory_mb;
    writeln!(text, "{SETTING} = {least}    with {memory_mb} MiB for a child")?;
    match settings {
        Some(path) => write_setting(path, least)?,
        None => writeln!(text, "next      put it into the settings, or run this with --write")?,
    }
    Ok(text)
}

async fn measure(
    reference: &Reference,
    (pool, children): (&Pool, u16),
    folder: &Path,
) -> anyhow::Result<Measured> {
    std::fs::create_dir_all(folder.join("bundles"))?;
    let path = |name: &str| -> anyhow::Result<String> {
        let path = folder.join(name);
        Ok(path.to_str().context("the data folder's name is not UTF-8")?.to_owned())
    };
    let calibration = Some(Inputs::from_bytes(reference.inputs, "inputs.npz")?);
    let samples = calibration.clone();
    let settings = CompileSettings { calibration, ..CompileSettings::default() };
    let model = Model::compile_bytes(reference.onnx, reference.name, &settings)?;
    let key = model.key(&ProveSettings::default())?;
    let samples = samples.context("no samples")?.samples(&model.input_specs())?;
    let first = samples.get(..1).context("no samples")?;
    let input = InputStatement::encode(&key, first)?.statement;
    model.save(Path::new(&path("model")?))?;
    files::write(Path::new(&path("input")?), &input.to_bytes())?;
    let proof = ProofTask {
        input: path("input")?,
        statement: input.order_digest(&key),
        sealed: None,
        bundles: path("bundles")?,
        bundle_bytes_max: u64::MAX,
    };
    let task = Task { model: path("model")?, key: key.to_bytes(), proof: Some(proof) };
    let prepared = pool.prepare(&Task { proof: None, ..task.clone() }, PREPARE_MAX).await?;
    // In the first round children prepare, and not all at the same time.
    prove_at_once(pool, &task, children).await?;
    let mut prove_ms = 0;
    for _ in 0..ROUNDS {
        prove_ms = prove_ms.max(prove_at_once(pool, &task, children).await?);
    }
    let cells = key.cells().context("the tensor route counts cells")?;
    Ok(Measured { cells, prove_ms, memory_mb: prepared.memory_mb })
}

/// Proves a task once in each child, and returns how long the slowest took, in ms.
async fn prove_at_once(pool: &Pool, task: &Task, children: u16) -> anyhow::Result<u64> {
    let mut proofs = JoinSet::new();
    for _ in 0..children {
        let (pool, task) = (pool.clone(), task.clone());
        proofs.spawn(async move { pool.prove(&task).await });
    }
    let mut slowest = 0;
    while let Some(proof) = proofs.join_next().await {
        slowest = slowest.max(proof??.prove_ms);
    }
    Ok(slowest)
}

/// Puts the setting into a file, whose comments stay.
fn write_setting(path: &Path, value: u64) -> anyhow::Result<()> {
    let text = String::from_utf8(files::read(path, 1 << 20)?)?;
    let is_setting = |line: &str| {
        let name = line.split('=').next().map(str::trim);
        name == Some(SETTING)
    };
    if text.lines().filter(|line| is_setting(line)).count() != 1 {
        bail!("`{}` does not say `{SETTING} = ...` once: write it there yourself", path.display());
    }
    let line = |line: &str| match is_setting(line) {
        true => format!("{SETTING} = {value}\n"),
        false => format!("{line}\n"),
    };
    let text: String = text.lines().map(line).collect();
    Ok(files::write(path, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_written_and_nothing_else_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prover.toml");
        std::fs::write(&path, Config::template()).unwrap();
        write_setting(&path, 12_345).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        let expected = Config::template().replace("cells_per_s = 2000000", "cells_per_s = 12345");
        assert_eq!(written, expected);
        std::fs::write(&path, "# cells_per_s = 5\n").unwrap();
        assert!(write_setting(&path, 1).unwrap_err().to_string().contains("yourself"));
    }
}
