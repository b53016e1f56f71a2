//! Lengths of files and of comments, and where modules are.

use std::collections::{BTreeMap, BTreeSet};

use crate::exceptions::{LONG_COMMENTS, LONG_FILES, MODULES_BESIDE_FOLDERS};
use crate::sources::{all, check, root, written};

const LINES_MAX: usize = 500;
const WIDTH_MAX: usize = 100;

#[test]
fn files_have_at_most_500_lines() {
    let long = all().into_iter().filter(|source| source.text.lines().count() > LINES_MAX);
    check("a file is split above 500 lines", &long.map(|s| s.path).collect(), LONG_FILES);
}

#[test]
fn modules_with_files_below_are_in_a_mod_rs() {
    let mut beside = BTreeSet::new();
    for source in all() {
        let folder = source.path.strip_suffix(".rs").expect("a Rust file");
        if root().join(folder).is_dir() {
            beside.insert(source.path);
        }
    }
    check("`x.rs` beside `x/` belongs in `x/mod.rs`", &beside, MODULES_BESIDE_FOLDERS);
}

#[test]
fn comments_are_at_most_100_columns_wide() {
    let known: BTreeMap<&str, usize> = LONG_COMMENTS.iter().copied().collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut places = Vec::new();
    for source in all() {
        let crate_of = |path: &str| {
            let end = path.find("/src/").or_else(|| path.find("/tests/"));
            path[..end.unwrap_or(path.len())].to_owned()
        };
        for (at, line) in source.text.lines().enumerate() {
            if line.trim_start().starts_with("//") && line.chars().count() > WIDTH_MAX {
                *counts.entry(crate_of(&source.path)).or_default() += 1;
                places.push(format!("{}:{}", source.path, at + 1));
            }
        }
    }
    for (folder, count) in &counts {
        let known = known.get(folder.as_str()).copied().unwrap_or(0);
        let here: Vec<&String> = places.iter().filter(|p| p.starts_with(folder)).collect();
        assert!(*count <= known, "{folder}: {count} comments are too wide, not {known}: {here:#?}");
    }
}

#[test]
fn no_conflict_of_a_merge_is_left() {
    let mut places = Vec::new();
    for source in written() {
        for (at, line) in source.text.lines().enumerate() {
            let mark = line.split(' ').next().unwrap_or("");
            if ["<", "|", ">"].iter().any(|sign| mark == sign.repeat(7)) {
                places.push(format!("{}:{}", source.path, at + 1));
            }
        }
    }
    assert!(places.is_empty(), "conflicts are resolved before a merge is committed: {places:#?}");
}
