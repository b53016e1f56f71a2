//! Which part of the crate may know which, and that what belongs together has one name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn source(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(part)
}

/// All files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The names of the files and folders in a folder, less some.
fn names(folder: &str, less: &[&str]) -> BTreeSet<String> {
    let entries = std::fs::read_dir(source(folder)).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let names = entries.map(|entry| stem(entry.unwrap().path()));
    names.filter(|name| !less.contains(&name.as_str())).collect()
}

#[test]
fn chips_and_their_rows_have_the_same_names() {
    // Limbs are parts of columns, their widths come from intervals, and defects are for tests.
    let chips = names("chips", &["mod", "limbs", "unique", "defects"]);
    assert_eq!(chips, names("rows", &["mod"]));
    assert_eq!(chips.len(), 13, "a kind of work that comes or goes is listed in the README too");
}

/// The parts of the crate that the files of a folder import.
fn imports(folder: &str, less: &[&str]) -> BTreeSet<String> {
    let folder = source(folder);
    let tests = |path: &PathBuf| {
        less.iter().any(|part| path.strip_prefix(&folder).unwrap().starts_with(part))
    };
    let mut found = BTreeSet::new();
    for path in files(&folder).into_iter().filter(|path| !tests(path)) {
        let text = std::fs::read_to_string(&path).unwrap();
        // Unit tests stand at the end of a file and may look at everything.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for rest in code.split("crate::").skip(1) {
            let part: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || ['_', ':'].contains(c))
                .collect();
            found.insert(part);
        }
    }
    found
}

/// Demands that a folder imports nothing of some parts.
fn knows_nothing(folder: &str, less: &[&str], forbidden: &[&str]) {
    for import in imports(folder, less) {
        let part = import.split("::").next().unwrap();
        assert!(!forbidden.contains(&part), "{folder}/ imports {import}");
    }
}

#[test]
fn nothing_but_the_crate_itself_knows_both_the_prover_and_the_verifier() {
    let tests = [
        "tests.rs",
        "hides.rs",
        "simulate.rs",
        "lifted.rs",
        "lab.rs",
        "cheats.rs",
        "false_proofs.rs",
        "commitments",
        "check.rs",
        "hunt",
    ];
    knows_nothing("prover", &tests, &["verify"]);
    knows_nothing("verify", &[], &["prover", "layout", "rows"]);
}

#[test]
fn constraints_do_not_know_who_fills_their_columns() {
    for folder in ["air", "chips"] {
        knows_nothing(folder, &[], &["rows", "layout", "prover", "verify", "key", "transcript"]);
    }
}

#[test]
fn rows_know_addresses_and_costs_of_a_layout_and_no_more() {
    knows_nothing("rows", &[], &["prover", "verify", "key", "proof", "transcript"]);
    knows_nothing("layout", &[], &["prover", "verify", "proof", "transcript"]);
    for import in imports("rows", &[]) {
        let allowed = ["layout::cost::", "layout::wiring::"];
        let is_layout = import.starts_with("layout");
        let known = allowed.iter().any(|part| import.starts_with(part));
        assert!(!is_layout || known, "rows/ imports {import}");
    }
    for file in ["layout/cost.rs", "layout/wiring.rs"] {
        let text = std::fs::read_to_string(source(file)).unwrap();
        assert!(!text.contains("crate::rows"), "{file} imports rows/, which imports it");
    }
}
