//! Weights in files beside the model.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use prost::Message;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

use super::describe::described;
use super::{ImportError, Reason, Settings, Weights};

/// Larger files are not read where weights are skipped.
const UNREAD_MIN: u64 = 1 << 20;

/// The files of external weights that a model names, each read once.
///
/// Whoever identifies a model by a digest of its files hashes these bytes and imports these bytes:
/// a file that is exchanged in between changes neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalFiles {
    /// Content by location, or why there is none.
    files: BTreeMap<String, Result<Vec<u8>, String>>,
}

impl ExternalFiles {
    /// Reads the files inside `folder` that the model in `bytes` names.
    ///
    /// A file that cannot be read is no error here: the import refuses what needs it.
    ///
    /// # Errors
    /// [`ImportError`] if the bytes are no ONNX file.
    ///
    /// # Source
    /// ONNX `ExternalData.md`: the location is relative to the model's folder and stays inside it.
    pub fn read(bytes: &[u8], folder: &Path, settings: &Settings) -> Result<Self, ImportError> {
        Self::of(&ModelProto::decode(bytes)?, folder, settings)
    }

    /// As [`Self::read`], of a model that is decoded.
    pub(super) fn of(
        model: &ModelProto,
        folder: &Path,
        settings: &Settings,
    ) -> Result<Self, ImportError> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut left = match settings.weights {
            Weights::Read => settings.max_file_bytes,
            Weights::Skipped => settings.max_file_bytes.min(UNREAD_MIN),
        };
        let mut files = BTreeMap::new();
        for location in described(model)?.external_files {
            let content = resolve(folder, &location).and_then(|path| read(&path, left));
            if let Ok(content) = &content {
                left = left.saturating_sub(content.len() as u64);
            }
            files.insert(location, content);
        }
        Ok(Self { files })
    }

    /// Location and content of every file; `None` for one that cannot be read.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.files.iter().map(|(location, content)| (location.as_str(), content.as_deref().ok()))
    }

    /// The bytes that `entries` (`location`, `offset`, `length`) describe.
    pub(super) fn slice(&self, entries: &[StringStringEntryProto]) -> Result<&[u8], Reason> {
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
        let file = match self.files.get(location) {
            Some(Ok(file)) => file,
            Some(Err(problem)) => return Err(refuse(problem)),
            None => return Err(refuse("a model that is not a file has no external data")),
        };
        let size = file.len() as u64;
        let length = length.unwrap_or(size.saturating_sub(offset));
        let place = |place: u64| usize::try_from(place).ok();
        offset.checked_add(length).and_then(|end| file.get(place(offset)?..place(end)?)).ok_or_else(
            || {
                refuse(&format!(
                    "{length} bytes at {offset} are past the end of a file of {size} bytes"
                ))
            },
        )
    }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let system = |error: std::io::Error| error.to_string();
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(system)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(system)?;
    if bytes.len() as u64 > limit {
        return Err(format!("has more than the {limit} bytes that are left for such files"));
    }
    Ok(bytes)
}

fn resolve(folder: &Path, location: &str) -> Result<PathBuf, String> {
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
