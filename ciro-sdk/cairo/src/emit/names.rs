//! Names of Cairo items.

use std::collections::BTreeSet;

use ciro_graph::integer::{IntegerModel, NodeId};

use super::kernels;

/// Words that Cairo keeps for itself, and those that the package's own code uses.
const TAKEN: &[&str] = &[
    "as",
    "assert",
    "break",
    "const",
    "continue",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "fn",
    "for",
    "hint",
    "if",
    "impl",
    "implicits",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "nopanic",
    "of",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "use",
    "where",
    "while",
    "with",
    "yield",
    "array",
    "arguments",
    "blinding",
    "core",
    "data",
    "input",
    "layers",
    "layouts",
    "main",
    "ops",
    "output",
    "predict",
    "start",
    "x",
    "y",
];

/// A Cairo identifier for every node.
#[derive(Clone, Debug)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// Derives an identifier from every node's name.
    pub(super) fn new(model: &IntegerModel) -> Self {
        let taken = TAKEN.iter().copied().chain(kernels::functions());
        let mut taken: BTreeSet<String> = taken.map(str::to_owned).collect();
        let nodes =
            model.nodes().iter().map(|node| claim(&mut taken, &identifier(&node.name))).collect();
        Self(nodes)
    }

    /// The identifier of a node.
    pub(super) fn of(&self, id: NodeId) -> &str {
        &self.0[id.index()]
    }
}

/// Takes `name`, or `name` with the first number that makes it unique.
fn claim(taken: &mut BTreeSet<String>, name: &str) -> String {
    let unique = (1u32..)
        .map(|n| if n == 1 { name.to_owned() } else { format!("{name}_{n}") })
        .find(|name| !taken.contains(name))
        .expect("there are more numbers than names");
    taken.insert(unique.clone());
    unique
}

/// Longer names are cut; they are ASCII by then.
const LENGTH_MAX: usize = 48;

/// Turns any text into a lower-case identifier.
pub(super) fn identifier(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(LENGTH_MAX);
    let name = name.trim_end_matches('_');
    match name.chars().next() {
        None => "node".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("n{name}"),
        Some(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_an_identifier() {
        assert_eq!(identifier("/conv1/Conv_output_0"), "conv1_conv_output_0");
        assert_eq!(identifier("3d--conv"), "n3d_conv");
        assert_eq!(identifier("äöü"), "node");
    }

    #[test]
    fn equal_names_get_numbers() {
        let mut taken = BTreeSet::from(["x".to_owned()]);
        assert_eq!(claim(&mut taken, "x"), "x_2");
        assert_eq!(claim(&mut taken, "x"), "x_3");
    }
}
