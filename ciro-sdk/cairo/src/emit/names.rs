//! Names of Cairo items.
//!
//! Everything that a package names claims its name here: nodes, weights, tables, layouts. Two
//! things with one name would be two readings of one program, and the compiler takes a variable
//! that is bound twice without a word.

use std::collections::BTreeMap;

use ciro_model::integer::{IntegerModel, NodeId};

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
    "a",
    "array",
    "arguments",
    "b",
    "blinding",
    "by",
    "core",
    "data",
    "identity",
    "input",
    "joined",
    "layers",
    "layouts",
    "main",
    "ops",
    "output",
    "padded",
    "places",
    "predict",
    "ranks",
    "shape",
    "span",
    "start",
    "sums",
    "x",
    "y",
];

/// The names that are in use; every name is given out once.
///
/// Names are lower-case identifiers. Constants are the same names in capitals, so that one set
/// serves both.
#[derive(Clone, Debug)]
pub(super) struct Namespace {
    /// Names in use, each with the number that its next namesake tries first.
    taken: BTreeMap<String, u32>,
}

impl Namespace {
    /// What Cairo and the package's own code use is taken from the start.
    pub(super) fn new() -> Self {
        let taken = TAKEN.iter().copied().chain(kernels::functions());
        Self { taken: taken.map(|name| (name.to_owned(), 2)).collect() }
    }

    /// Takes `name`, or `name` with the first number that makes it unique.
    pub(super) fn claim(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        if let Some(&first) = self.taken.get(name) {
            let mut number = first;
            loop {
                unique = format!("{name}_{number}");
                number += 1;
                if !self.taken.contains_key(&unique) {
                    break;
                }
            }
            self.taken.insert(name.to_owned(), number);
        }
        self.taken.insert(unique.clone(), 2);
        unique
    }
}

/// A Cairo identifier for every node.
#[derive(Clone, Debug)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// Derives an identifier from every node's name.
    pub(super) fn new(model: &IntegerModel, namespace: &mut Namespace) -> Self {
        let nodes = model.nodes().iter();
        Self(nodes.map(|node| namespace.claim(&identifier(&node.name))).collect())
    }

    /// The identifier of a node.
    pub(super) fn of(&self, id: NodeId) -> &str {
        &self.0[id.index()]
    }
}

/// The name of a package: an identifier that is neither a word of Cairo's nor its core library.
pub(super) fn package(name: &str) -> String {
    Namespace::new().claim(&identifier(name))
}

/// Longer names are cut; they are ASCII by then.
const LENGTH_MAX: usize = 48;

/// Turns any text into a lower-case identifier.
fn identifier(text: &str) -> String {
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
        let mut namespace = Namespace::new();
        assert_eq!(namespace.claim("x"), "x_2");
        assert_eq!(namespace.claim("x"), "x_3");
        assert_eq!(namespace.claim("fc"), "fc");
        assert_eq!(namespace.claim("fc_2"), "fc_2");
        assert_eq!(namespace.claim("fc"), "fc_3");
    }

    #[test]
    fn packages_have_no_name_of_the_compilers() {
        assert_eq!(package("core"), "core_2");
        assert_eq!(package("Match"), "match_2");
        assert_eq!(package("net"), "net");
    }
}
