//! The package's own layouts: `src/layouts.cairo`.

use std::collections::{BTreeMap, BTreeSet};

use super::EmitError;
use super::slots::{Rows, Slots};
use super::window::Window;

/// Implementations that some layer uses, each once, under a name that says what they do.
#[derive(Clone, Debug, Default)]
pub(super) struct Layouts {
    implementations: BTreeMap<String, String>,
    windows: BTreeMap<Window, String>,
    uses: BTreeSet<&'static str>,
}

impl Layouts {
    /// The name of the implementation that unpacks `slots`.
    pub(super) fn unpack(&mut self, slots: Slots) -> Result<String, EmitError> {
        self.add(&["crate::ops::slots::Slots"], slots.name("Slots"), slots.unpack_impl())
    }

    /// The name of the implementation that packs `slots`.
    pub(super) fn pack(&mut self, slots: Slots) -> Result<String, EmitError> {
        self.add(&["crate::ops::slots::Pack"], slots.name("Pack"), slots.pack_impl())
    }

    /// The name of the implementation that spreads `slots` over arrays.
    pub(super) fn planes(&mut self, slots: Slots) -> Result<String, EmitError> {
        let uses = ["crate::ops::movement::copy", "crate::ops::slots::Planes"];
        self.add(&uses, slots.name("Planes"), slots.planes_impl())
    }

    /// The name of the implementation that expands `rows`.
    pub(super) fn rows(&mut self, rows: Rows) -> Result<String, EmitError> {
        self.add(&["crate::ops::weights::Rows"], rows.name(), rows.expand_impl())
    }

    /// The name of the implementation that reads `window`: its size, and a number if windows of one
    /// size differ.
    pub(super) fn window(&mut self, window: &Window) -> Result<String, EmitError> {
        let known = self.windows.get(window).cloned();
        let name = known.unwrap_or_else(|| {
            let stem = window.name();
            let namesakes = self.windows.keys().filter(|known| known.name() == stem).count();
            if namesakes == 0 { stem } else { format!("{stem}No{}", namesakes + 1) }
        });
        self.windows.insert(window.clone(), name.clone());
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

    /// Keeps an implementation.
    ///
    /// # Errors
    /// [`EmitError::Ambiguous`] if the name is known with other code: whoever uses it would get the
    /// wrong one.
    fn add(
        &mut self,
        uses: &[&'static str],
        name: String,
        code: String,
    ) -> Result<String, EmitError> {
        self.uses.extend(uses);
        match self.implementations.get(&name) {
            Some(known) if *known != code => return Err(EmitError::Ambiguous { name }),
            Some(_) => {}
            None => drop(self.implementations.insert(name.clone(), code)),
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_other_code_is_refused() {
        let mut layouts = Layouts::default();
        let mut add = |code: &str| layouts.add(&[], "WindowConv11".to_owned(), code.to_owned());
        assert_eq!(add("one"), Ok("WindowConv11".to_owned()));
        assert_eq!(add("one"), Ok("WindowConv11".to_owned()));
        let ambiguous = EmitError::Ambiguous { name: "WindowConv11".to_owned() };
        assert_eq!(add("other"), Err(ambiguous));
    }

    #[test]
    fn windows_are_known_by_their_offsets() {
        let mut layouts = Layouts::default();
        let mut name = |strides: [usize; 2]| {
            layouts.window(&Window::new(&[2, 2], &[1, 1], &strides).unwrap()).unwrap()
        };
        assert_eq!(name([4, 1]), "Window4In6");
        assert_eq!(name([5, 1]), "Window4In7");
        assert_eq!(name([3, 2]), "Window4In6No2");
        assert_eq!(name([4, 1]), "Window4In6");
        assert_eq!(layouts.names().count(), 3);
    }
}
