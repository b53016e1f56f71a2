//! Walls between modules that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the crates beside this one.
fn node() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns all source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Returns the lines of some files that are not comments and show a flaw, each with its place.
fn flaws(files: &[PathBuf], is_flaw: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if !line.trim_start().starts_with("//") && is_flaw(line) {
                found.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    found
}

/// Whoever performs effects is a `Host`: a second loop would forget some, or say things before they
/// are durable.
#[test]
fn effects_are_performed_in_one_place() {
    let mut files: Vec<PathBuf> = fs::read_dir(node())
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"))
        .filter(|source| source.is_dir())
        .flat_map(|source| sources(&source))
        .collect();
    let drive = Path::new("consensus/src/drive.rs");
    let before = files.len();
    files.retain(|path| !path.ends_with(drive));
    assert_eq!(files.len() + 1, before, "{drive:?} is where they are performed");
    // Effects of a provider's worker are others.
    let of_workers = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.contains("use ciro_prover::worker::") && !text.contains("use ciro_consensus::")
    };
    files.retain(|path| !of_workers(path));
    let performs = |line: &str| {
        line.contains("match effect") || (line.contains("Effect::") && line.contains("=>"))
    };
    assert_eq!(flaws(&files, performs), [""; 0], "implement `Host` and call `perform`");
    // Tests look at effects, and perform those of a disk nowhere but through a host.
    let support = [node().join("consensus/tests/it/support.rs")];
    let writes = ["Effect::Append", "Effect::Compact", "Effect::KeepProof"];
    let found = flaws(&support, |line| writes.iter().any(|name| line.contains(name)));
    assert_eq!(found, [""; 0], "implement `Host` and call `perform`");
}

#[test]
fn the_core_touches_no_operating_system() {
    let files = sources(&node().join("consensus/src"));
    let banned = ["std::fs", "std::net", "std::thread", "std::io", "Instant", "SystemTime"];
    let found = flaws(&files, |line| banned.iter().any(|name| line.contains(name)));
    assert_eq!(found, [""; 0]);
}
