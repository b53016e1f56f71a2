//! Openings of commitments as files: JSON, one entry for each committed tensor, to be kept secret
//! and handed on entry by entry.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ciro_sdk::{Opening, Side, Tensor, files};
use serde::{Deserialize, Serialize};

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 28;

/// An opening as a file holds it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// `input` or `output`.
    side: String,
    /// The tensor's name.
    name: String,
    /// The inference's position in the proof.
    sample: usize,
    /// The tensor's shape.
    shape: Vec<usize>,
    /// Its integers in row-major order.
    integers: Vec<i32>,
    /// The value that was hashed with them, in hexadecimal digits.
    blinding: String,
}

impl Entry {
    fn new(opening: &Opening) -> Self {
        let Opening { sample, side, name, integers, blinding } = opening;
        Self {
            side: side.name().to_owned(),
            name: name.clone(),
            sample: *sample,
            shape: integers.shape().to_vec(),
            integers: integers.data().to_vec(),
            blinding: blinding.to_hex(),
        }
    }

    fn opening(self) -> Result<Opening> {
        let side = match &self.side[..] {
            "input" => Side::Input,
            "output" => Side::Output,
            other => bail!("`side` is `{other}`, expected `input` or `output`"),
        };
        let integers = Tensor::new(self.shape, self.integers).with_context(|| {
            format!("`{}`: another number of integers than its shape", self.name)
        })?;
        let blinding = self.blinding.parse().with_context(|| format!("`{}`", self.name))?;
        Ok(Opening { sample: self.sample, side, name: self.name, integers, blinding })
    }
}

/// Writes a new openings file that its owner alone may read.
pub(crate) fn write(path: &Path, openings: &[Opening]) -> Result<()> {
    let write = || -> Result<()> {
        let entries: Vec<Entry> = openings.iter().map(Entry::new).collect();
        let mut file = files::create_private(path)?;
        serde_json::to_writer_pretty(&mut file, &entries)?;
        file.write_all(b"\n")?;
        Ok(file.sync_all()?)
    };
    write().with_context(|| format!("openings `{}`", path.display()))
}

/// Reads an openings file: a list of entries.
pub(crate) fn read(path: &Path) -> Result<Vec<Opening>> {
    let read = || {
        let length = fs::metadata(path)?.len();
        if length > MAX_BYTES {
            bail!("it has {length} bytes, at most {MAX_BYTES} are read");
        }
        let entries: Vec<Entry> = serde_json::from_slice(&fs::read(path)?)?;
        entries.into_iter().map(Entry::opening).collect()
    };
    read().with_context(|| format!("openings `{}`", path.display()))
}
