//! Cairo's core library, embedded when this crate is built (see `build.rs`).
//!
//! The compiler reads it from memory: nothing is unpacked, so processes that compile at the same
//! time cannot disturb each other, and no environment decides what a model's key is.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairo_lang_filesystem::ids::{DirectoryInput, FileInput, FileKind, VirtualFileInput};

/// Paths and texts of the core library's files.
static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/corelib.rs"));

/// The core library's version; the build has compared its sources with the release's.
pub(crate) const VERSION: &str = env!("CIRO_CORELIB_VERSION");

/// The core library's root folder, as the compiler takes it.
pub(crate) fn root() -> DirectoryInput {
    virtual_folder("core", SOURCES.iter().copied())
}

/// Lays files out as a folder in memory; `label` prefixes the paths that diagnostics show.
pub fn virtual_folder<'a>(
    label: &str,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> DirectoryInput {
    let mut root = Folder::default();
    for (path, text) in files {
        let name = if label.is_empty() { path.to_owned() } else { format!("{label}/{path}") };
        let file = FileInput::Virtual(VirtualFileInput {
            parent: None,
            name,
            content: text.into(),
            code_mappings: Arc::new([]),
            kind: FileKind::Module,
            original_item_removed: false,
        });
        root.insert(path, file);
    }
    root.into_input()
}

/// A folder that is being filled.
#[derive(Default)]
struct Folder {
    files: BTreeMap<String, FileInput>,
    folders: BTreeMap<String, Self>,
}

impl Folder {
    fn insert(&mut self, path: &str, file: FileInput) {
        match path.split_once('/') {
            Some((folder, rest)) => {
                self.folders.entry(folder.to_owned()).or_default().insert(rest, file);
            }
            None => {
                self.files.insert(path.to_owned(), file);
            }
        }
    }

    fn into_input(self) -> DirectoryInput {
        let dirs =
            self.folders.into_iter().map(|(name, folder)| (name, Box::new(folder.into_input())));
        DirectoryInput::Virtual { files: self.files, dirs: dirs.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_library_is_embedded_without_its_tests() {
        let paths: Vec<_> = SOURCES.iter().map(|(path, _)| *path).collect();
        assert!(paths.contains(&"lib.cairo") && paths.contains(&"poseidon.cairo"));
        assert!(!paths.iter().any(|path| path.starts_with("test/")));
    }

    #[test]
    fn core_library_is_of_the_compilers_version() {
        assert_eq!(VERSION, cairo_lang_filesystem::db::CORELIB_VERSION);
    }

    #[test]
    fn folders_nest() {
        let files = [("lib.cairo", "mod ops;"), ("ops/mul.cairo", "")];
        let DirectoryInput::Virtual { files, dirs } = virtual_folder("", files) else {
            panic!("a virtual folder")
        };
        assert_eq!(files.keys().collect::<Vec<_>>(), ["lib.cairo"]);
        let DirectoryInput::Virtual { files, .. } = &*dirs["ops"] else {
            panic!("a virtual folder")
        };
        assert_eq!(files.keys().collect::<Vec<_>>(), ["mul.cairo"]);
    }
}
