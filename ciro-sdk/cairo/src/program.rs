//! Compiled Cairo programs.

use std::collections::HashMap;

use blake2::{Blake2s256, Digest};
use cairo_lang_casm::hints::Hint;
use cairo_lang_executable::executable::{EntryPointKind, Executable};
use cairo_lang_execute_utils::program_and_hints_from_executable;
use cairo_vm::types::builtin_name::BuiltinName;
use serde::{Deserialize, Serialize};
use starknet_types_core::felt::Felt;

/// The longest program that is proven, in felts: a proof shows all of them at 36 bytes each, and no proof is longer than 8 MiB.
///
/// Trees of some 25,000 nodes fill it; constants that become arguments do not count.
pub(crate) const BYTECODE_FELTS_MAX: usize = 1 << 17;

/// A Cairo program in bytecode, with the hints that the virtual machine needs and the source lines behind the code.
#[derive(Clone, Debug)]
pub struct Program {
    executable: Executable,
    /// Offsets into the bytecode, increasing, and the source lines behind the code from there on, innermost first.
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

/// The Blake2s digest of a program's bytecode and of the builtins that it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProgramHash(pub [u8; 32]);

impl std::fmt::Display for ProgramHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for ProgramHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProgramHash({self})")
    }
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
    pub fn builtins(&self) -> &[BuiltinName] {
        let standalone =
            self.executable.entrypoints.iter().find(|e| e.kind == EntryPointKind::Standalone);
        standalone.map_or(&[], |entrypoint| &entrypoint.builtins)
    }

    /// The digest that a verifier knows the program by.
    pub fn hash(&self) -> ProgramHash {
        hash_program(self.builtins(), self.bytecode().map(|felt| felt.to_bytes_le()))
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

/// `blake2s("ciro-cairo-program/1" | #builtins | their names | #felts | felts as 32 little-endian bytes)`, each count as 8
/// little-endian bytes and each name behind its length.
pub(crate) fn hash_program(
    builtins: &[BuiltinName],
    felts: impl ExactSizeIterator<Item = [u8; 32]>,
) -> ProgramHash {
    let count = |n: usize| u64::try_from(n).expect("a length fits 64 bits").to_le_bytes();
    let mut hasher = Blake2s256::new();
    hasher.update(b"ciro-cairo-program/1");
    hasher.update(count(builtins.len()));
    for builtin in builtins {
        hasher.update(count(builtin.to_str().len()));
        hasher.update(builtin.to_str());
    }
    hasher.update(count(felts.len()));
    felts.for_each(|felt| hasher.update(felt));
    ProgramHash(hasher.finalize().into())
}
