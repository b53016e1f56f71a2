//! Names of public types, and words of the command line in libraries.

use std::collections::{BTreeMap, BTreeSet};

use crate::exceptions::{COMMANDS_IN_LIBRARIES, NAMES_IN_TWO_CRATES};
use crate::sources::{Source, check, rust};

#[test]
fn no_public_type_has_its_name_in_two_crates() {
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in rust(&["ciro-sdk"]) {
        let Some((krate, _)) = source.path.split_once("/src/") else { continue };
        for name in public_types(&source) {
            crates.entry(name).or_default().insert(krate.to_owned());
        }
    }
    let twice = crates.into_iter().filter(|(_, crates)| crates.len() > 1);
    let rule = "one word, one meaning: a public type of this name is in two crates of ciro-sdk";
    check(rule, &twice.map(|(name, _)| name).collect(), NAMES_IN_TWO_CRATES);
}

fn public_types(source: &Source) -> impl Iterator<Item = String> {
    source.text.lines().filter_map(|line| {
        let rest = ["pub struct ", "pub enum ", "pub trait ", "pub type "]
            .iter()
            .find_map(|start| line.trim_start().strip_prefix(start))?;
        Some(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
    })
}

#[test]
fn libraries_know_no_flag_and_no_command() {
    let mut files = BTreeSet::new();
    for source in rust(&["ciro-sdk"]) {
        let strings = source
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//") && line.contains('"'));
        if source.path.contains("/src/") && strings.into_iter().any(names_the_command_line) {
            files.insert(source.path);
        }
    }
    let rule = "a library's message names what to change, and each shell how";
    check(rule, &files, COMMANDS_IN_LIBRARIES);
}

/// Whether a text has a backticked flag, or a backticked call of the command `ciro`.
fn names_the_command_line(line: &str) -> bool {
    line.contains("`--") || line.contains("`ciro ")
}
