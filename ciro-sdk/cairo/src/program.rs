//! Compiled Cairo programs.

use std::collections::HashMap;

use cairo_lang_casm::hints::Hint;
use cairo_lang_executable::executable::{EntryPointKind, Executable};
use cairo_lang_execute_utils::program_and_hints_from_executable;
use cairo_vm::types::builtin_name::BuiltinName;
use ciro_model::integer::{IntegerModel, Interface};
use starknet_types_core::felt::Felt;

use crate::builtin::Builtin;
use crate::key::CairoKey;
use crate::program_hash::{ProgramHash, hash_program};

/// The longest program that is proven, in felts: a proof shows all of them at 36 bytes each, and no
/// proof is longer than 8 MiB.
///
/// Trees of some 25,000 nodes fill it; constants that become arguments do not count.
pub(crate) const BYTECODE_FELTS_MAX: usize = 1 << 17;

/// A Cairo program in bytecode, with the hints that the virtual machine needs and the source lines
/// behind the code.
#[derive(Clone, Debug)]
pub struct Program {
    executable: Executable,
    /// Offsets into the bytecode, increasing, and the source lines behind the code from there on,
    /// innermost first.
    locations: Vec<(usize, Vec<Location>)>,
}

/// A line of a Cairo source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file's path; those of the package itself begin with `src/`.
    pub path: String,
    /// The line's number, the first being 1.
    pub line: usize,
}

impl Program {
    pub(crate) fn new(executable: Executable, locations: Vec<(usize, Vec<Location>)>) -> Self {
        Self { executable, locations }
    }

    /// The bytecode.
    pub fn bytecode(&self) -> impl ExactSizeIterator<Item = Felt> {
        self.executable.program.bytecode.iter().map(Felt::from)
    }

    /// The builtins that the program asks for, in the order in which it takes their pointers.
    pub fn builtins(&self) -> Vec<Builtin> {
        self.vm_builtins().iter().map(|&builtin| builtin.into()).collect()
    }

    /// The builtins by their names in the virtual machine.
    pub(crate) fn vm_builtins(&self) -> &[BuiltinName] {
        let standalone =
            self.executable.entrypoints.iter().find(|e| e.kind == EntryPointKind::Standalone);
        standalone.map_or(&[], |entrypoint| &entrypoint.builtins)
    }

    /// The digest that a verifier knows the program by.
    pub fn hash(&self) -> ProgramHash {
        hash_program(&self.builtins(), self.bytecode().map(|felt| felt.to_bytes_le()))
    }

    /// The source lines behind a bytecode offset, innermost first.
    pub(crate) fn locations_at(&self, offset: usize) -> &[Location] {
        let after = self.locations.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).map_or(&[], |index| &self.locations[index].1)
    }

    /// The program in the virtual machine's form, and its hints by their representation.
    pub(crate) fn for_vm(
        &self,
    ) -> anyhow::Result<(cairo_vm::types::program::Program, HashMap<String, Hint>)> {
        let standalone =
            self.executable.entrypoints.iter().find(|e| e.kind == EntryPointKind::Standalone);
        let entrypoint = standalone
            .ok_or_else(|| anyhow::anyhow!("the program has no standalone entry point"))?;
        program_and_hints_from_executable(&self.executable, entrypoint)
    }
}

impl CairoKey {
    /// The key of a model whose program has been compiled.
    pub fn new(model: &IntegerModel, program: &Program) -> Self {
        Self {
            model: model.digest(),
            program: program.hash(),
            builtins: program.builtins(),
            interface: Interface::of(model),
        }
    }
}
