//! The files of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file, with its path from the root.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All Rust files below some folders, in the order of their paths.
pub(crate) fn rust(folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in folders {
        collect(&root().join(folder), folder, &["rs"], &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// Everything that people write, in whatever language.
pub(crate) fn written() -> Vec<Source> {
    let mut sources = Vec::new();
    let kinds = [
        "rs", "md", "toml", "yaml", "yml", "py", "sh", "cairo", "java", "sql", "xml", "js", "html",
    ];
    collect(&root(), ".", &kinds, &mut sources);
    sources
}

/// Everything that is ours.
pub(crate) fn all() -> Vec<Source> {
    let mut folders = vec!["bindings", "contracts", "examples", "fuzz", "templates", "tools"];
    let entries = std::fs::read_dir(root()).expect("the root can be read");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let ours: Vec<String> =
        names.filter_map(Result::ok).filter(|name| name.starts_with("ciro-")).collect();
    folders.extend(ours.iter().map(String::as_str));
    rust(&folders)
}

fn collect(folder: &Path, path: &str, kinds: &[&str], sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{path}: {error}")) {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = format!("{path}/{name}");
        if entry.path().is_dir() {
            // A folder with this file holds what a compiler or an installer made.
            let made = entry.path().join("CACHEDIR.TAG").exists() || name == "node_modules";
            if name != "target" && !name.starts_with('.') && !made {
                collect(&entry.path(), &path, kinds, sources);
            }
        } else if name.rsplit_once('.').is_some_and(|(_, kind)| kinds.contains(&kind)) {
            let text = std::fs::read_to_string(entry.path()).expect("text in UTF-8");
            sources.push(Source { path, text });
        }
    }
}

/// Fails unless what breaks a rule is what the list of exceptions says.
#[track_caller]
pub(crate) fn check(rule: &str, broken: &BTreeSet<String>, exceptions: &[&str]) {
    let known: BTreeSet<String> = exceptions.iter().map(|&name| name.to_owned()).collect();
    let new: Vec<&String> = broken.difference(&known).collect();
    let mended: Vec<&String> = known.difference(broken).collect();
    assert!(new.is_empty(), "{rule}: {new:#?}");
    assert!(mended.is_empty(), "{rule}: no exception is needed any more for {mended:#?}");
}
