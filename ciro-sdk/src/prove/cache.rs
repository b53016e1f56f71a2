//! A cache of compiled models on disk, addressed by content.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use blake2::{Blake2s256, Digest};

use super::compile::{COMPILER, CompileError, CompileSettings, OnnxFile};
use super::model::Model;
use crate::files;

/// What an entry begins with; then follow the digest of the request, and the compiled model.
const MAGIC: &[u8; 8] = b"CIROCACH";

/// The longest entry that is read, in bytes.
const MAX_ENTRY_BYTES: u64 = 1 << 31;

/// Compiled models of all processes of a user.
///
/// An entry's name is a digest of everything that decides the compiled model: the ONNX file, its
/// name and its external weights, the settings, the calibration samples, and the compiler's version
/// and sources. The entry repeats that digest, and its model names the same file and compiler: one
/// that lies under another name is compiled again, as a damaged one is. Entries are written whole
/// or not at all, so any number of processes may share the cache.
///
/// Whoever can write into the cache's folder can still forge an entry. What others are to rely on
/// (keys, compiled models that are given away, verification) is therefore never taken from a cache:
/// [`Cached::confirm`] compiles anew and compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
    max_bytes: u64,
}

/// A model, and whether the cache had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// The model.
    pub model: Model,
    /// Whether it was compiled before.
    pub hit: bool,
    /// The ONNX file that it is compiled from.
    path: PathBuf,
    /// How it was asked for.
    settings: CompileSettings,
    /// What identifies the request.
    request: [u8; 32],
}

impl Cached {
    /// Compiles the model anew if the cache had it, with the settings that it was asked for, and
    /// compares.
    ///
    /// # Errors
    /// [`CompileError::Cache`] if the cache had another model, [`CompileError::Changed`] if the
    /// file, its weights or the settings are other ones by now, otherwise as
    /// [`Model::compile_file`].
    pub fn confirm(&self) -> Result<(), CompileError> {
        if !self.hit {
            return Ok(());
        }
        let name = || self.path.to_string_lossy().into_owned();
        let settings = &self.settings;
        let onnx = OnnxFile::read(&self.path, &settings.import)?;
        if request(&onnx, settings) != Some(self.request) {
            return Err(CompileError::Changed(name()));
        }
        // Bytes, not figures: an error that is no number would differ from itself.
        if onnx.compile(settings)?.to_bytes() != self.model.to_bytes() {
            return Err(CompileError::Cache(name()));
        }
        Ok(())
    }
}

impl Cache {
    /// The environment variable that names the cache's folder; empty turns the cache off.
    pub const VARIABLE: &str = "CIRO_CACHE_DIR";

    /// How many bytes of models are kept, unless set otherwise: 2 GiB.
    pub const MAX_BYTES: u64 = 1 << 31;

    /// The user's cache: `$CIRO_CACHE_DIR`, or `ciro` in the user's cache folder; `None` if there
    /// is no such place.
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
        let found = |model, hit, request| {
            let (path, settings) = (path.to_owned(), settings.clone());
            Ok(Cached { model, hit, path, settings, request })
        };
        // Weights that cannot be read are what the import then complains of.
        let Some(request) = request(&onnx, settings) else {
            return found(onnx.compile(settings)?, false, [0; 32]);
        };
        let entry = self.folder.join("models").join(hex::encode(request));
        if let Some(model) = load(&entry, &request, &onnx) {
            touch(&entry);
            // What answers are held against is made anew: it is no part of an entry.
            let float = Some(Arc::new(onnx.float_model(&settings.import)?));
            return found(Model { float, ..model }, true, request);
        }
        let model = onnx.compile(settings)?;
        let folder = entry.parent().unwrap_or(&self.folder);
        let content = [&MAGIC[..], &request, &model.to_bytes()].concat();
        // Ranges of models that were calibrated with what was asked show what that was.
        let kept = files::create_private_folder(folder)
            .map_err(|error| error.to_string())
            .and_then(|()| files::write(&entry, &content).map_err(|error| error.to_string()));
        match kept {
            Ok(()) => prune(folder, self.max_bytes),
            Err(error) => {
                tracing::warn!(entry = %entry.display(), error, "the model is not cached")
            }
        }
        found(model, false, request)
    }
}

/// The digest of everything that decides a compiled model; `None` if a file of weights cannot be
/// read.
fn request(onnx: &OnnxFile, settings: &CompileSettings) -> Option<[u8; 32]> {
    let mut hasher = Blake2s256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(b"ciro cache v3");
    part(COMPILER.as_bytes());
    part(ciro_compiler::SOURCES.as_bytes());
    part(onnx.name().as_bytes());
    part(format!("{:?} {:?}", settings.import, settings.quantize).as_bytes());
    for samples in [&settings.calibration, &settings.test] {
        match samples {
            Some(samples) => part(&samples.digest()),
            None => part(b""),
        }
    }
    part(&onnx.bytes);
    for (location, content) in onnx.external().iter() {
        part(location.as_bytes());
        part(content?);
    }
    Some(hasher.finalize().into())
}

/// The model of an entry, if the entry belongs to this request and to this file.
fn load(entry: &Path, request: &[u8; 32], onnx: &OnnxFile) -> Option<Model> {
    let bytes = files::read(entry, MAX_ENTRY_BYTES).ok()?;
    let model = bytes.strip_prefix(MAGIC)?.strip_prefix(request)?;
    let model = Model::from_bytes(model).ok()?;
    (onnx.source().is_ok_and(|source| source == *model.source())).then_some(model)
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
        let array = InputArray { name: None, shape: None, data: vec![value; 4].into() };
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
    fn entries_of_other_models_are_compiled_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let compile = |model: &str, value| cache.compile_file(&onnx(model), &settings(value));
        let honest = compile("logreg_iris", 5.0).unwrap().model;
        let entry = entries(&cache).remove(0);
        // Another model, the same one with another calibration, and a bare compiled model.
        for (model, value) in [("kmeans_iris", 5.0), ("logreg_iris", 0.1)] {
            let other = compile(model, value).unwrap().model;
            assert_ne!(other, honest);
            let theirs = entries(&cache).into_iter().find(|path| *path != entry).unwrap();
            for content in [std::fs::read(&theirs).unwrap(), other.to_bytes()] {
                std::fs::write(&entry, content).unwrap();
                let again = compile("logreg_iris", 5.0).unwrap();
                assert!(!again.hit && again.model == honest);
            }
            std::fs::remove_file(theirs).unwrap();
        }
    }

    #[test]
    fn forged_entries_are_found_by_compiling_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let compile = || cache.compile_file(&onnx("logreg_iris"), &settings(5.0)).unwrap();
        compile().confirm().unwrap();
        compile().confirm().unwrap();
        let other = Cached { settings: settings(6.0), ..compile() };
        let changed = other.confirm().unwrap_err();
        assert!(matches!(changed, CompileError::Changed(_)), "{changed}");
        // The right digest and the right source before the weights of another calibration: nothing
        // but compiling tells.
        let entry = entries(&cache).remove(0);
        let other = OnnxFile::read(&onnx("logreg_iris"), &settings(0.1).import).unwrap();
        let other = other.compile(&settings(0.1)).unwrap().to_bytes();
        let header = std::fs::read(&entry).unwrap()[..40].to_vec();
        std::fs::write(&entry, [header, other].concat()).unwrap();
        let forged = compile();
        assert!(forged.hit);
        let found = forged.confirm().unwrap_err();
        assert!(matches!(found, CompileError::Cache(_)), "{found}");
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
