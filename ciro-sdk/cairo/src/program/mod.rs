//! Compiled Cairo programs.

mod read;

use std::collections::{BTreeMap, HashMap};

use cairo_lang_casm::hints::Hint;
use cairo_lang_executable::executable::{EntryPointKind, Executable, ExecutableEntryPoint};
use cairo_vm::serde::deserialize_program::ReferenceManager;
use cairo_vm::types::builtin_name::BuiltinName;
use cairo_vm::types::errors::program_errors::ProgramError as VmProgramError;
use cairo_vm::types::program::Program as VmProgram;
use cairo_vm::types::relocatable::MaybeRelocatable;
use ciro_model::integer::{IntegerModel, Interface};
use starknet_types_core::felt::Felt;

pub use self::read::{EXECUTABLE_BYTES_MAX, ReadProgramError, hexadecimal};
use crate::builtin::{Builtin, Unprovable};
use crate::key::CairoKey;
use crate::program_hash::{ProgramHash, hash_program};
use crate::program_key::CairoProgramKey;

/// The longest program that is proven, in felts: a proof shows all of them at 36 bytes each, and no
/// proof is longer than 8 MiB.
///
/// Trees of some 25,000 nodes fill it; constants that become arguments do not count.
pub(crate) const BYTECODE_FELTS_MAX: usize = 1 << 17;

/// A Cairo program in bytecode, with the hints that the virtual machine needs and the source lines
/// behind the code.
#[derive(Clone, Debug)]
pub struct Program {
    bytecode: Vec<Felt>,
    /// The builtins whose pointers the standalone entry point takes.
    builtins: Vec<BuiltinName>,
    /// What finds values before an instruction runs, by the instruction's offset.
    hints: BTreeMap<usize, Vec<Hint>>,
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
    /// The standalone program of an executable that this crate's compiler wrote.
    pub(crate) fn new(executable: Executable, locations: Vec<(usize, Vec<Location>)>) -> Self {
        let Executable { program, entrypoints, debug_info: _ } = executable;
        let standalone = |entry: &ExecutableEntryPoint| entry.kind == EntryPointKind::Standalone;
        let standalone = entrypoints.into_iter().find(standalone);
        Self {
            bytecode: program.bytecode.iter().map(Felt::from).collect(),
            builtins: standalone.map(|entry| entry.builtins).unwrap_or_default(),
            hints: program.hints.into_iter().collect(),
            locations,
        }
    }

    /// The bytecode.
    pub fn bytecode(&self) -> impl ExactSizeIterator<Item = Felt> {
        self.bytecode.iter().copied()
    }

    /// The builtins that the program asks for, in the order in which it takes their pointers.
    pub fn builtins(&self) -> Vec<Builtin> {
        self.builtins.iter().map(|&builtin| builtin.into()).collect()
    }

    /// The builtins by their names in the virtual machine.
    pub(crate) fn vm_builtins(&self) -> &[BuiltinName] {
        &self.builtins
    }

    /// The hints, by the offset of the instruction that they come before.
    pub(crate) fn hints(&self) -> &BTreeMap<usize, Vec<Hint>> {
        &self.hints
    }

    /// The digest that a verifier knows the program by.
    pub fn hash(&self) -> ProgramHash {
        hash_program(&self.builtins(), self.bytecode().map(|felt| felt.to_bytes_le()))
    }

    /// The program's key.
    ///
    /// # Errors
    /// [`Unprovable`] if there are no proofs about programs that take its builtins.
    pub fn key(&self) -> Result<CairoProgramKey, Unprovable> {
        CairoProgramKey::new(self.hash(), self.builtins())
    }

    /// The source lines behind a bytecode offset, innermost first.
    pub(crate) fn locations_at(&self, offset: usize) -> &[Location] {
        let after = self.locations.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).map_or(&[], |index| &self.locations[index].1)
    }

    /// The program in the virtual machine's form, from its first felt to the endless jump; without
    /// hints, which a run brings itself.
    pub(crate) fn for_vm(&self) -> Result<VmProgram, VmProgramError> {
        const START: usize = 0;
        const END: usize = 4;
        let data = self.bytecode().map(MaybeRelocatable::from).collect();
        let (hints, references) = (HashMap::new(), ReferenceManager::default());
        let (identifiers, attributes) = (HashMap::new(), Vec::new());
        VmProgram::new_for_proof(
            self.builtins.clone(),
            data,
            START,
            END,
            hints,
            references,
            identifiers,
            attributes,
            None,
        )
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
