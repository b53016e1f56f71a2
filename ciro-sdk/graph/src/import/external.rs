//! Weights in files beside the model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use tract_onnx::pb::StringStringEntryProto;

use super::Reason;

/// The folder that external weights may come from, and how large they may be.
#[derive(Clone, Debug)]
pub(super) struct ExternalData {
    folder: Option<PathBuf>,
    max_bytes: u64,
}

impl ExternalData {
    /// Allows no external weights.
    pub(super) fn none() -> Self {
        Self { folder: None, max_bytes: 0 }
    }

    /// Allows files inside `folder`.
    pub(super) fn inside(folder: &Path, max_bytes: u64) -> Self {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        Self { folder: Some(folder.to_owned()), max_bytes }
    }

    /// Reads the bytes that `entries` (`location`, `offset`, `length`) describe.
    ///
    /// # Source
    /// ONNX `ExternalData.md`: the location is relative to the model's folder and stays inside it.
    pub(super) fn read(&self, entries: &[StringStringEntryProto]) -> Result<Vec<u8>, Reason> {
        let get = |key| entries.iter().find(|entry| entry.key == key).map(|e| e.value.as_str());
        let location = get("location").unwrap_or_default();
        let refuse = |problem: &str| Reason::ExternalData {
            location: location.to_owned(),
            problem: problem.to_owned(),
        };
        let number = |key| match get(key).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(refuse("offset and length must be numbers")),
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let path = self.resolve(location).map_err(|problem| refuse(&problem))?;
        let system = |error: std::io::Error| refuse(&error.to_string());
        let mut file = File::open(path).map_err(system)?;
        let size = file.metadata().map_err(system)?.len();
        let length = length.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(refuse(&format!(
                "{length} bytes at {offset} are past the end of a file of {size} bytes"
            )));
        }
        if length > self.max_bytes {
            return Err(refuse(&format!("has more than {} bytes", self.max_bytes)));
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset)).map_err(system)?;
        file.take(length).read_to_end(&mut bytes).map_err(system)?;
        Ok(bytes)
    }

    fn resolve(&self, location: &str) -> Result<PathBuf, String> {
        let Some(folder) = &self.folder else {
            return Err("a model that is not a file has no external data".to_owned());
        };
        let relative = Path::new(location);
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !relative.components().all(plain) {
            return Err("the location must be a path inside the model's folder".to_owned());
        }
        let folder = folder.canonicalize().map_err(|error| error.to_string())?;
        let path = folder.join(relative).canonicalize().map_err(|error| error.to_string())?;
        if !path.starts_with(&folder) {
            return Err("the location leads out of the model's folder".to_owned());
        }
        Ok(path)
    }
}
