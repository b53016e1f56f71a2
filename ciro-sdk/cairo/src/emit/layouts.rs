//! The package's own layouts: `src/layouts.cairo`.

use std::collections::{BTreeMap, BTreeSet};

use super::slots::{Rows, Slots};
use super::window::Window;

/// Implementations that some layer uses, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Layouts {
    implementations: BTreeMap<String, String>,
    uses: BTreeSet<&'static str>,
}

impl Layouts {
    /// The name of the implementation that unpacks `slots`.
    pub(super) fn unpack(&mut self, slots: Slots) -> String {
        self.add(&["crate::ops::slots::Slots"], slots.name("Slots"), slots.unpack_impl())
    }

    /// The name of the implementation that packs `slots`.
    pub(super) fn pack(&mut self, slots: Slots) -> String {
        self.add(&["crate::ops::slots::Pack"], slots.name("Pack"), slots.pack_impl())
    }

    /// The name of the implementation that spreads `slots` over arrays.
    pub(super) fn planes(&mut self, slots: Slots) -> String {
        let uses = ["crate::ops::movement::copy", "crate::ops::slots::Planes"];
        self.add(&uses, slots.name("Planes"), slots.planes_impl())
    }

    /// The name of the implementation that expands `rows`.
    pub(super) fn rows(&mut self, rows: Rows) -> String {
        self.add(&["crate::ops::weights::Rows"], rows.name(), rows.expand_impl())
    }

    /// The name of the implementation that reads `window`.
    pub(super) fn window(&mut self, window: &Window, name: String) -> String {
        let code = window.dot_impl(&name);
        self.add(&["crate::ops::Tensor", "crate::ops::conv::Window"], name, code)
    }

    /// The modules of `ops` that the implementations need.
    pub(super) fn modules(&self) -> impl Iterator<Item = &'static str> {
        self.uses.iter().filter_map(|path| path.strip_prefix("crate::ops::")?.split("::").next())
    }

    /// The whole file; `None` if there is nothing in it.
    pub(super) fn finish(&self) -> Option<String> {
        if self.implementations.is_empty() {
            return None;
        }
        let mut file =
            String::from("//! How this model's integers lie in felts and in memory.\n\n");
        for path in &self.uses {
            file.push_str(&format!("use {path};\n"));
        }
        for code in self.implementations.values() {
            file.push('\n');
            file.push_str(code);
        }
        Some(file)
    }

    /// The names of all implementations.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.implementations.keys().map(String::as_str)
    }

    fn add(&mut self, uses: &[&'static str], name: String, code: String) -> String {
        self.uses.extend(uses);
        self.implementations.entry(name.clone()).or_insert(code);
        name
    }
}
