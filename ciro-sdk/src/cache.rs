//! A cache of compiled models on disk, addressed by content.

use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use blake2::{Blake2s256, Digest};
use ciro_graph::import;

use crate::files;
use crate::model::{CompileError, CompileSettings, Model, OnnxFile};

/// Compiled models of all processes of a user.
///
/// An entry's name is a digest of everything that decides the compiled model: the ONNX file and its external weights, the
/// settings, the calibration samples, and the compiler's sources. Entries are written whole or not at all, so any number of
/// processes may share the cache; a damaged entry is compiled again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
    max_bytes: u64,
}

/// A model and whether the cache had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// The model.
    pub model: Model,
    /// Whether it was compiled before.
    pub hit: bool,
}

impl Cache {
    /// The environment variable that names the cache's folder; empty turns the cache off.
    pub const VARIABLE: &str = "CIRO_CACHE_DIR";

    /// How many bytes of models are kept, unless set otherwise: 2 GiB.
    pub const MAX_BYTES: u64 = 1 << 31;

    /// The user's cache: `$CIRO_CACHE_DIR`, or `ciro` in the user's cache folder; `None` if there is no such place.
    pub fn user() -> Option<Self> {
        match std::env::var_os(Self::VARIABLE) {
            Some(folder) if folder.is_empty() => None,
            Some(folder) => Some(Self::at(folder)),
            None => dirs::cache_dir().map(|folder| Self::at(folder.join("ciro"))),
        }
    }

    /// A cache in a folder of its own, which is made when it is first needed.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), max_bytes: Self::MAX_BYTES }
    }

    /// Keeps at most so many bytes of models; the ones that were not used for longest go first.
    pub fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Where the cache lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds the compiled form of an ONNX file, or compiles it and keeps it.
    ///
    /// A cache that cannot be written is no error: the model is compiled every time then.
    ///
    /// # Errors
    /// As [`Model::compile_file`].
    pub fn compile_file(
        &self,
        path: &Path,
        settings: &CompileSettings,
    ) -> Result<Cached, CompileError> {
        let onnx = OnnxFile::read(path, &settings.import)?;
        let Some(entry) = self.entry(&onnx, settings)? else {
            return Ok(Cached { model: onnx.compile(settings)?, hit: false });
        };
        if let Ok(model) = Model::load(&entry) {
            touch(&entry);
            return Ok(Cached { model, hit: true });
        }
        let model = onnx.compile(settings)?;
        let folder = entry.parent().unwrap_or(&self.folder);
        let kept = std::fs::create_dir_all(folder)
            .map_err(|error| error.to_string())
            .and_then(|()| model.save(&entry).map_err(|error| error.to_string()));
        match kept {
            Ok(()) => prune(folder, self.max_bytes),
            Err(error) => {
                tracing::warn!(entry = %entry.display(), error, "the model is not cached")
            }
        }
        Ok(Cached { model, hit: false })
    }

    /// The file of a model in the cache; `None` if its weights cannot be read, which the import then explains.
    fn entry(
        &self,
        onnx: &OnnxFile,
        settings: &CompileSettings,
    ) -> Result<Option<PathBuf>, CompileError> {
        let description = import::describe(&onnx.bytes)?;
        let mut hasher = Blake2s256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(b"ciro cache v1");
        part(ciro_graph::SOURCES.as_bytes());
        part(onnx.name().as_bytes());
        part(format!("{:?} {:?}", settings.import, settings.quantize).as_bytes());
        part(format!("{:?}", settings.calibration).as_bytes());
        part(&onnx.bytes);
        for location in &description.external_files {
            let relative = Path::new(location);
            let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
            let file = onnx.folder().join(relative);
            match files::read(&file, settings.import.max_file_bytes) {
                Ok(weights) if inside => part(&weights),
                _ => return Ok(None),
            }
        }
        let digest = hex::encode(hasher.finalize());
        Ok(Some(self.folder.join("models").join(digest).with_extension("ciro-model")))
    }
}

/// Marks an entry as used; a cache that cannot be marked only forgets sooner.
fn touch(entry: &Path) {
    let _ = std::fs::File::open(entry).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Removes the entries that were not used for longest until at most `max_bytes` remain.
fn prune(folder: &Path, max_bytes: u64) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        Some((metadata.modified().ok()?, metadata.len(), entry.path()))
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    let mut total: u64 = entries.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in entries {
        if total <= max_bytes {
            break;
        }
        // Another process may have removed it already.
        let _ = std::fs::remove_file(path);
        total -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{InputArray, Inputs};

    fn onnx(model: &str) -> PathBuf {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models");
        models.join(model).join("model.onnx")
    }

    fn settings(value: f64) -> CompileSettings {
        let array = InputArray { name: None, shape: None, data: vec![value; 4] };
        let calibration = Some(Inputs::new(vec![array]));
        CompileSettings { calibration, ..CompileSettings::default() }
    }

    fn entries(cache: &Cache) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(cache.folder().join("models")).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn equal_requests_are_compiled_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let first = cache.compile_file(&onnx("logreg_iris"), &settings(5.0)).unwrap();
        let second = cache.compile_file(&onnx("logreg_iris"), &settings(5.0)).unwrap();
        assert_eq!((first.hit, second.hit), (false, true));
        assert_eq!(first.model, second.model);
        let other = cache.compile_file(&onnx("logreg_iris"), &settings(6.0)).unwrap();
        assert!(!other.hit && entries(&cache).len() == 2);
    }

    #[test]
    fn damaged_entries_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let compile = || cache.compile_file(&onnx("logreg_iris"), &settings(5.0)).unwrap();
        let first = compile();
        std::fs::write(&entries(&cache)[0], b"CIROMODL, but cut short").unwrap();
        assert_eq!((compile().hit, compile().hit), (false, true));
        assert_eq!(compile().model, first.model);
    }

    #[test]
    fn many_threads_share_a_cache() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let compile = || cache.compile_file(&onnx("logreg_iris"), &settings(5.0)).unwrap().model;
        let models: Vec<Model> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(compile)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(models.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(entries(&cache).len(), 1);
    }

    #[test]
    fn a_cache_that_cannot_be_written_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let cached = Cache::at(file).compile_file(&onnx("logreg_iris"), &settings(5.0)).unwrap();
        assert!(!cached.hit);
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).with_max_bytes(1);
        for value in [5.0, 6.0] {
            cache.compile_file(&onnx("logreg_iris"), &settings(value)).unwrap();
            assert!(entries(&cache).is_empty());
        }
    }
}
