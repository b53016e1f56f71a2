//! The library of operators in Cairo, and the files around the generated code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use starknet_types_core::felt::Felt;

/// A module of the library: its name, the modules that it uses itself, and its source.
struct Kernel {
    name: &'static str,
    uses: &'static [&'static str],
    source: &'static str,
}

macro_rules! kernels {
    ($($name:ident: [$($uses:literal),*]),* $(,)?) => {
        &[$(Kernel {
            name: stringify!($name),
            uses: &[$($uses),*],
            source: include_str!(concat!("../../kernels/", stringify!($name), ".cairo")),
        }),*]
    };
}

const KERNELS: &[Kernel] = kernels! {
    arg_max: [],
    bucketize: [],
    combine: [],
    conv: ["slots"],
    div_floor: [],
    dot: [],
    embed: ["movement"],
    isqrt: [],
    linear: ["dot", "slots"],
    lookup: [],
    mat_mul: ["linear", "slots"],
    movement: [],
    mul: [],
    range: [],
    reduce_max: [],
    reduce_sum: [],
    requantize: [],
    slots: [],
    statement: [],
    tree_ensemble: [],
    weights: ["slots"],
};

/// The names of all public functions of the library: layers import them, so that none of their own
/// may have such a name.
pub(super) fn functions() -> impl Iterator<Item = &'static str> {
    let lines = KERNELS.iter().flat_map(|kernel| kernel.source.lines());
    lines.filter_map(|line| line.strip_prefix("pub fn ")?.split(['(', '<']).next())
}

/// The sources of the modules `wanted` and of those that they use, with `src/ops.cairo` to list
/// them.
pub(super) fn sources(wanted: BTreeSet<&'static str>) -> BTreeMap<String, String> {
    let mut needed = BTreeSet::new();
    let mut stack: Vec<&'static str> = wanted.into_iter().collect();
    while let Some(name) = stack.pop() {
        if needed.insert(name) {
            let kernel = KERNELS.iter().find(|kernel| kernel.name == name);
            stack.extend(kernel.map_or(&[][..], |kernel| kernel.uses));
        }
    }
    let mut list = String::from(
        "//! Integer operators on tensors in row-major order, negative values as field elements.\n\n",
    );
    let mut files = BTreeMap::new();
    for kernel in KERNELS.iter().filter(|kernel| needed.contains(kernel.name)) {
        writeln!(list, "pub mod {};", kernel.name).expect("writing to a string");
        files.insert(format!("src/ops/{}.cairo", kernel.name), kernel.source.to_owned());
    }
    list.push_str("\n/// A tensor's elements in row-major order; shapes are known when the program is written.\n");
    list.push_str("pub type Tensor = Span<felt252>;\n");
    files.insert("src/ops.cairo".to_owned(), list);
    files
}

/// The line that brings items of a module into scope.
pub(super) fn import(module: &str, items: &BTreeSet<&str>) -> String {
    let list = items.iter().copied().collect::<Vec<_>>().join(", ");
    let list = if items.len() == 1 { list } else { format!("{{{list}}}") };
    format!("use crate::ops::{module}::{list};\n")
}

/// `Scarb.toml`.
pub(super) fn manifest(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024_07\"\n\n\
         [dependencies]\ncairo_execute = \"2.17.0\"\n\n[[target.executable]]\n\n\
         # Proofs are of successful runs: a panic needs no message, and gas is not counted.\n\
         [cairo]\nenable-gas = false\nunsafe-panic = true\n"
    )
}

/// The private arguments as a list of hexadecimal numbers.
pub(super) fn weights_json(felts: &[Felt]) -> String {
    let felts: Vec<String> = felts.iter().map(|felt| format!("  \"{felt:#x}\"")).collect();
    format!("[\n{}\n]\n", felts.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_functions_are_found() {
        let functions: BTreeSet<_> = functions().collect();
        for name in ["add", "linear", "reduce_max_4", "open"] {
            assert!(functions.contains(name), "{name}");
        }
        assert!(!functions.contains("quotient"));
    }

    #[test]
    fn modules_bring_what_they_use() {
        let files = sources(BTreeSet::from(["mat_mul"]));
        for module in ["mat_mul", "linear", "dot", "slots"] {
            assert!(files.contains_key(&format!("src/ops/{module}.cairo")), "{module}");
        }
        assert!(!files.contains_key("src/ops/conv.cairo"));
        assert!(files["src/ops.cairo"].contains("pub mod dot;"));
    }
}
