//! What a run may take, found out before it is taken.
//!
//! The virtual machine holds a segment of memory as one list up to its greatest address, so one
//! instruction of a program that a stranger wrote can ask for all memory there is. Every address
//! that an instruction or a hint is about to reach is computed here first, and counted.

use std::collections::BTreeMap;

use cairo_lang_casm::hints::{CoreHint, CoreHintBase, ExternalHint, Hint};
use cairo_lang_casm::operand::ResOperand;
use cairo_lang_runner::casm_run::{extract_relocatable, get_val};
use cairo_vm::types::instruction::{Instruction, Op1Addr, OpcodeExtension, Register};
use cairo_vm::types::relocatable::{MaybeRelocatable, Relocatable};
use cairo_vm::vm::decoding::decoder::decode_instruction;
use cairo_vm::vm::vm_core::VirtualMachine;
use num_traits::ToPrimitive;

use super::Limits;

/// More than a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exhausted {
    Steps,
    Cells,
}

/// Whether a hint is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Run,
    /// It tells of the program and does nothing for it.
    Pass,
}

/// Counts what a run takes.
#[derive(Debug)]
pub(super) struct Fence {
    /// What is left.
    limits: Limits,
    /// Cells that there were at first: no hint runs while a register lies beyond as many.
    most: usize,
    /// Hints, and what they read, that are left.
    hints: usize,
    /// Felts of the arguments, which a hint writes as often as it comes.
    arguments: usize,
    /// How far segments reach, by their indices; those of temporary ones are below zero.
    extents: BTreeMap<isize, usize>,
    /// Dictionaries: all but the first one lie in temporary segments.
    dictionaries: usize,
    /// Temporary segments, the latest first, and where they are going to lie.
    relocated: BTreeMap<isize, Relocatable>,
    /// Instructions of the program, by their offsets.
    decoded: Vec<Option<Instruction>>,
    /// What the program printed or why it panicked, as a hint of this step has it.
    pub(super) marker: Option<(Relocatable, Relocatable)>,
}

impl Fence {
    pub(super) fn new(limits: Limits, felts: usize, arguments: usize) -> Self {
        let (extents, relocated) = (BTreeMap::new(), BTreeMap::new());
        let (hints, decoded) = (limits.steps, vec![None; felts]);
        let (most, dictionaries, marker) = (limits.cells, 0, None);
        Self { limits, most, hints, arguments, extents, dictionaries, relocated, decoded, marker }
    }

    /// How many cells of memory the run has reached.
    pub(super) fn cells(&self) -> usize {
        self.extents.values().fold(0, |sum: usize, extent| sum.saturating_add(*extent))
    }

    /// Counts what an instruction is about to take, its hints being done.
    pub(super) fn step(&mut self, vm: &VirtualMachine) -> Result<(), Exhausted> {
        self.limits.steps = self.limits.steps.checked_sub(1).ok_or(Exhausted::Steps)?;
        // Whatever is no instruction stops the machine.
        let Some(instruction) = self.instruction(vm) else { return Ok(()) };
        let base = |register| match register {
            Register::AP => vm.get_ap(),
            Register::FP => vm.get_fp(),
        };
        self.reach(base(instruction.dst_register), instruction.off0)?;
        let op0 = base(instruction.op0_register);
        self.reach(op0, instruction.off1)?;
        match instruction.op1_addr {
            Op1Addr::Imm => {}
            Op1Addr::AP => self.reach(vm.get_ap(), instruction.off2)?,
            Op1Addr::FP => self.reach(vm.get_fp(), instruction.off2)?,
            Op1Addr::Op0 => {
                let at = op0.offset.checked_add_signed(instruction.off1);
                let at = at.map(|offset| Relocatable { offset, ..op0 });
                if let Some(pointer) = at.and_then(|at| pointer_at(vm, at)) {
                    self.reach(pointer, instruction.off2)?;
                }
            }
        }
        match instruction.opcode_extension {
            OpcodeExtension::Blake | OpcodeExtension::BlakeFinalize => {
                // Eight words go where the cell at `ap` points.
                pointer_at(vm, vm.get_ap()).map_or(Ok(()), |pointer| self.reach(pointer, 7))
            }
            OpcodeExtension::Stone | OpcodeExtension::QM31Operation => Ok(()),
        }
    }

    /// Counts what a hint is about to take.
    ///
    /// Cells that a hint names by a register are at most `2^15` beyond it, and registers move
    /// without reaching a cell: both have to lie within the cells of a run. What counts besides are
    /// pointers and numbers of things.
    pub(super) fn hint(&mut self, vm: &VirtualMachine, hint: &Hint) -> Result<Turn, Exhausted> {
        self.spend_hints(1)?;
        if vm.get_ap().offset.max(vm.get_fp().offset) > self.most {
            return Err(Exhausted::Cells);
        }
        match hint {
            Hint::Core(CoreHintBase::Core(hint)) => return self.core(vm, hint),
            // No program that is read has them.
            Hint::Core(CoreHintBase::Deprecated(_)) | Hint::Starknet(_) => {}
            Hint::External(ExternalHint::WriteRunParam { .. }) => {
                self.limits.cells =
                    self.limits.cells.checked_sub(self.arguments).ok_or(Exhausted::Cells)?;
            }
            Hint::External(ExternalHint::AddRelocationRule { src, dst }) => {
                if let (Some(from), Some(to)) = (pointer(vm, src), pointer(vm, dst)) {
                    // A program's dictionaries lie one behind the other, each where an earlier one
                    // ends. In another order nobody could tell how far they reach.
                    if from.segment_index >= 0 || to.segment_index <= from.segment_index {
                        return Err(Exhausted::Cells);
                    }
                    self.relocated.insert(from.segment_index, to);
                }
            }
            Hint::External(ExternalHint::AddMarker { start, end }) => {
                self.marker = pointer(vm, start).zip(pointer(vm, end));
                return Ok(Turn::Pass);
            }
            Hint::External(ExternalHint::AddTrace { .. }) => return Ok(Turn::Pass),
        }
        Ok(Turn::Run)
    }

    fn core(&mut self, vm: &VirtualMachine, hint: &CoreHint) -> Result<Turn, Exhausted> {
        match hint {
            CoreHint::DebugPrint { .. } => return Ok(Turn::Pass),
            CoreHint::AllocFelt252Dict { segment_arena_ptr } => {
                self.dictionaries += 1;
                let arena = pointer(vm, segment_arena_ptr);
                let back = |cells: usize| arena.and_then(|arena| (arena - cells).ok());
                let infos = back(3).and_then(|at| pointer_at(vm, at));
                let count = back(2).and_then(|at| vm.get_integer(at).ok()?.to_usize());
                if let (Some(infos), Some(count)) = (infos, count) {
                    let offset = count.checked_mul(3).and_then(|o| isize::try_from(o).ok());
                    self.reach(infos, offset.ok_or(Exhausted::Cells)?)?;
                }
            }
            CoreHint::Felt252DictEntryInit { dict_ptr: at, .. }
            | CoreHint::GetCurrentAccessIndex { range_check_ptr: at }
            | CoreHint::AssertLeFindSmallArcs { range_check_ptr: at, .. } => {
                pointer(vm, at).map_or(Ok(()), |at| self.reach(at, 3))?;
            }
            // It reads every access, and may come again and again.
            CoreHint::InitSquashData { n_accesses, .. } => {
                let accesses = get_val(vm, n_accesses).ok().and_then(|count| count.to_usize());
                self.spend_hints(accesses.ok_or(Exhausted::Steps)?)?;
            }
            // Roots in the field take as long as some hundred steps.
            CoreHint::FieldSqrt { .. } | CoreHint::RandomEcPoint { .. } => {
                self.spend_hints(1 << 10)?;
            }
            _ => {}
        }
        Ok(Turn::Run)
    }

    /// Counts how far dictionaries reach once they lie one behind the other, and refuses a run that
    /// leaves one of them in its temporary segment.
    pub(super) fn end(&mut self) -> Result<(), Exhausted> {
        if self.relocated.len() != self.dictionaries.saturating_sub(1) {
            return Err(Exhausted::Cells);
        }
        // The latest segments first: they lie behind earlier ones.
        for (from, to) in std::mem::take(&mut self.relocated) {
            let length = self.extents.get(&from).copied().unwrap_or(0);
            let length = isize::try_from(length).map_err(|_| Exhausted::Cells)?;
            self.reach(to, length)?;
        }
        Ok(())
    }

    /// Counts the cells of a segment up to a distance from a pointer.
    fn reach(&mut self, pointer: Relocatable, distance: isize) -> Result<(), Exhausted> {
        // The machine refuses addresses that are none.
        let Some(offset) = pointer.offset.checked_add_signed(distance) else { return Ok(()) };
        let extent = self.extents.entry(pointer.segment_index).or_insert(0);
        if let Some(beyond) = offset.checked_sub(*extent) {
            let grown = beyond.checked_add(1).ok_or(Exhausted::Cells)?;
            self.limits.cells = self.limits.cells.checked_sub(grown).ok_or(Exhausted::Cells)?;
            *extent += grown;
        }
        Ok(())
    }

    fn spend_hints(&mut self, hints: usize) -> Result<(), Exhausted> {
        self.hints = self.hints.checked_sub(hints).ok_or(Exhausted::Steps)?;
        Ok(())
    }

    /// The instruction that is next; `None` if there is none.
    fn instruction(&mut self, vm: &VirtualMachine) -> Option<Instruction> {
        let pc = vm.get_pc();
        let decode = || decode_instruction(vm.get_integer(pc).ok()?.to_u128()?).ok();
        match self.decoded.get_mut(pc.offset).filter(|_| pc.segment_index == 0) {
            Some(Some(instruction)) => Some(*instruction),
            Some(place) => {
                *place = decode();
                *place
            }
            None => decode(),
        }
    }
}

/// The pointer that an operand of a hint is; `None` if it is none, which stops the hint.
fn pointer(vm: &VirtualMachine, operand: &ResOperand) -> Option<Relocatable> {
    extract_relocatable(vm, operand).ok()
}

/// The pointer in a cell.
fn pointer_at(vm: &VirtualMachine, at: Relocatable) -> Option<Relocatable> {
    match vm.get_maybe(&at)? {
        MaybeRelocatable::RelocatableValue(pointer) => Some(pointer),
        MaybeRelocatable::Int(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_that_is_laid_nowhere_is_refused() {
        let dictionaries = |count: usize| {
            let fence = Fence::new(Limits::default(), 0, 0);
            Fence { dictionaries: count, ..fence }
        };
        for count in [0, 1] {
            assert_eq!(dictionaries(count).end(), Ok(()));
        }
        let mut fence = dictionaries(2);
        assert_eq!(fence.end(), Err(Exhausted::Cells));
        fence.relocated.insert(-1, Relocatable { segment_index: 3, offset: 4 });
        assert_eq!(fence.end(), Ok(()));
    }
}
