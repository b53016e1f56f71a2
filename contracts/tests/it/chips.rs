//! The verifier knows every chip.

use std::collections::BTreeSet;
use std::path::Path;

use ciro_contracts::VERIFIER;

fn source(path: &str) -> &'static str {
    VERIFIER.sources.iter().find(|(name, _)| *name == path).unwrap().1
}

fn chips_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ciro-sdk/stark/src/chips")
}

/// `ArgMax` as `arg_max`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[test]
fn every_kind_of_chip_has_its_constraints_under_its_number() {
    let list = std::fs::read_to_string(chips_folder().join("mod.rs")).unwrap();
    let list = list.split("\nchips! {\n").nth(1).unwrap().split("\n}").next().unwrap();
    let kinds: Vec<String> =
        list.lines().map(|line| snake(line.trim().split('(').next().unwrap())).collect();
    let arms: Vec<String> = source("air.cairo")
        .lines()
        .filter_map(|line| line.trim().split_once(" => ")?.1.split("::").nth(1))
        .map(|call| call.split('(').next().unwrap().to_owned())
        .filter(|call| call != "panic_with_felt252")
        .collect();
    assert_eq!(arms, kinds, "a chip that is missing here has no proofs on the chain");
}

#[test]
fn the_files_of_chips_have_the_names_of_those_in_rust() {
    // Not for verifiers, or of tests alone.
    let less = ["mod", "unique", "defects"];
    let rust: BTreeSet<String> = std::fs::read_dir(chips_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !less.contains(&name.as_str()))
        .collect();
    let common = ["balance", "columns", "events", "shape"];
    let cairo: BTreeSet<String> = VERIFIER
        .sources
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("air/")?.strip_suffix(".cairo"))
        .filter(|name| !common.contains(name))
        .map(str::to_owned)
        .collect();
    assert_eq!(cairo, rust);
}
