//! One word for one thing: what the sources of the library's crates are held to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates of the library, and where their sources are.
const CRATES: [(&str, &str); 5] = [
    ("model", "model/src"),
    ("compiler", "compiler/src"),
    ("stark", "stark/src"),
    ("cairo", "cairo/src"),
    ("sdk", "src"),
];

/// Names that two crates have: the float graph and the integer model are two readings of one model,
/// and callers write `float::Node` and `integer::Node`.
const READINGS: [&str; 7] = ["Input", "Node", "NodeId", "Op", "Output", "TreeEnsemble", "TreeNode"];

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The name of a public type that a line defines.
fn defined(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[test]
fn no_public_type_has_a_name_in_two_crates() {
    let mut crates: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (name, folder) in CRATES {
        for (_, text) in sources(&root().join(folder)) {
            for word in text.lines().filter_map(defined) {
                crates.entry(word.to_owned()).or_default().insert(name);
            }
        }
    }
    let twice: Vec<_> = crates
        .into_iter()
        .filter(|(word, crates)| {
            let readings = BTreeSet::from(["compiler", "model"]);
            crates.len() > 1 && !(READINGS.contains(&word.as_str()) && *crates == readings)
        })
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// What is advised is for each shell to spell: flags and commands are the command line's words.
#[test]
fn no_text_of_the_library_speaks_of_the_command_line() {
    for (name, folder) in CRATES {
        for (path, text) in sources(&root().join(folder)) {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let spoken = line.contains("`--") || line.contains("`ciro ");
                assert!(!spoken, "{name}: {}: {line}", path.display());
            }
        }
    }
}

#[test]
fn a_route_is_named_in_few_places() {
    let lines = sources(&root().join("src"))
        .iter()
        .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains("feature = \"cairo\""))
        .count();
    assert!(lines <= 3, "{lines} lines of ciro-sdk/src ask for the feature `cairo`");
}
