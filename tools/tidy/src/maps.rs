//! Tables in pages that list folders and modules.

use std::collections::BTreeSet;
use std::path::Path;

use crate::exceptions::MODULES_WITHOUT_A_ROW;
use crate::sources::{check, root};

#[test]
fn every_row_of_a_map_is_there_and_every_crate_has_a_row() {
    let readme = read("README.md");
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
        let path = link.0.split('#').next().unwrap_or_default();
        let inside = !path.is_empty() && !path.contains("://");
        assert!(!inside || root().join(path).exists(), "README.md links to {path}");
    }
    let architecture = read("docs/ARCHITECTURE.md");
    let map = section(&architecture, "## Map");
    for row in first_cells(map) {
        assert!(root().join(row).exists(), "docs/ARCHITECTURE.md has a row for {row}");
    }
    let manifest = read("Cargo.toml");
    let members = section(&manifest, "members = [");
    for member in members.lines().filter_map(|line| line.trim().strip_prefix('"')) {
        let member = member.trim_end_matches("\",");
        let row = first_cells(map).any(|row| {
            member == row
                || ["examples", "tools", "bindings"]
                    .iter()
                    .any(|top| row == *top && member.starts_with(top))
        });
        assert!(row, "docs/ARCHITECTURE.md has no row for {member}");
    }
}

#[test]
fn tables_of_modules_are_those_of_the_crates() {
    let mut missing = BTreeSet::new();
    for member in [
        "ciro-sdk/model",
        "ciro-sdk/compiler",
        "ciro-sdk/stark",
        "ciro-sdk/cairo",
        "ciro-node/consensus",
        "ciro-node/sim",
    ] {
        let readme = read(&format!("{member}/README.md"));
        let Some((_, table)) = readme.split_once("| module |") else { continue };
        let table = table.split("\n\n").next().unwrap_or_default();
        let rows: BTreeSet<&str> = table
            .lines()
            .filter_map(|row| row.strip_prefix("| `"))
            .filter_map(|row| row.split_once(" |"))
            .flat_map(|(cell, _)| cell.split(['`', ',', ' ']))
            .filter(|name| !name.is_empty())
            .collect();
        for row in &rows {
            let crate_root = root().join(member);
            let file = crate_root.join("src").join(row);
            let there = file.with_extension("rs").exists() || file.is_dir();
            let there = there || crate_root.join(row).is_dir();
            assert!(there, "{member}/README.md has a row for {row}");
        }
        let library = read(&format!("{member}/src/lib.rs"));
        let modules = library.lines().filter_map(|line| {
            line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'))
        });
        for module in modules.filter(|module| !rows.contains(module)) {
            missing.insert(format!("{member}: {module}"));
        }
    }
    check("a public module has no row in its crate's README", &missing, MODULES_WITHOUT_A_ROW);
}

fn read(path: &str) -> String {
    let path = root().join(Path::new(path));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What follows a line, up to the first empty one after its first row.
fn section<'t>(text: &'t str, start: &str) -> &'t str {
    let at = text.find(start).unwrap_or_else(|| panic!("there is no `{start}`"));
    let rest = text[at + start.len()..].trim_start();
    rest.split("\n\n").next().unwrap_or(rest)
}

/// The first cell of each row of a table that is a path in backticks.
fn first_cells(table: &str) -> impl Iterator<Item = &str> {
    let cells = table.lines().filter_map(|row| row.strip_prefix("| `"));
    cells.filter_map(|row| row.split_once('`')).map(|(cell, _)| cell)
}
