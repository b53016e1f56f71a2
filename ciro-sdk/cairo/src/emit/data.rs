//! The constants of a package: `src/data.cairo`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::window::wrap;

/// The longest constant array: Cairo's compiler measures types with 15 bits.
pub(super) const LENGTH_MAX: usize = 16_000;

/// The text of `src/data.cairo` so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    text: String,
    uses: BTreeSet<&'static str>,
}

impl Data {
    /// Adds a constant array; its name is claimed.
    pub(super) fn array(&mut self, name: &str, ty: &str, items: &[String]) {
        let (count, list) = (items.len(), wrap(&items.join(", ")));
        let list = list.replacen("            ", "    ", 1).replace("\n            ", "\n    ");
        writeln!(self.text, "\npub const {name}: [{ty}; {count}] = [\n{list}];")
            .expect("writing to a string");
    }

    /// Adds a constant expression.
    pub(super) fn value(&mut self, name: &str, ty: &str, value: &str) {
        writeln!(self.text, "\npub const {name}: {ty} = {value};").expect("writing to a string");
    }

    /// Adds a comment for what follows.
    pub(super) fn comment(&mut self, text: &str) {
        writeln!(self.text, "\n// {text}").expect("writing to a string");
    }

    /// Brings an item into scope.
    pub(super) fn import(&mut self, path: &'static str) {
        self.uses.insert(path);
    }

    /// The whole file.
    pub(super) fn finish(&self) -> String {
        let mut file = String::from("//! Weights and tables.\n");
        for path in &self.uses {
            writeln!(file, "use {path};").expect("writing to a string");
        }
        file + &self.text
    }
}
