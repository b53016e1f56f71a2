//! A Cairo package in memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use starknet_types_core::felt::Felt;

/// The sources of a Cairo package: what `emit` writes and the compiler reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// The package's name, a Cairo identifier.
    pub name: String,
    /// Text of every file by its path relative to the package's root (`Scarb.toml`,
    /// `src/lib.cairo`, ...).
    pub files: BTreeMap<String, String>,
    /// Which lines were written for which node of the model.
    pub origins: Vec<Origin>,
    /// The private arguments: weights that the program checks against commitments, as words of 32
    /// bits.
    pub weights: Vec<Felt>,
}

/// Lines of a Cairo file that were written for one node of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file's path, relative to the package's root.
    pub path: String,
    /// Line numbers, the first line being 1.
    pub lines: Range<usize>,
    /// The node's name.
    pub node: String,
}

impl Package {
    /// Writes every file below `folder`, creating it if needed.
    ///
    /// # Errors
    /// The first file-system error.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        for (path, text) in &self.files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, text)?;
        }
        Ok(())
    }

    /// The node of the model for which a line was written.
    pub fn node_at(&self, path: &str, line: usize) -> Option<&str> {
        let origin = |origin: &&Origin| origin.path == path && origin.lines.contains(&line);
        self.origins.iter().find(origin).map(|origin| origin.node.as_str())
    }

    /// The files below `src/`, by their path below it.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, text)| Some((path.strip_prefix("src/")?, text.as_str())))
    }
}
