//! Executables as Scarb and Cairo's own compiler write them: JSON.
//!
//! A file may come from a stranger. What is read is what a run of this crate can bound: the shape
//! of the program, its builtins, and every single hint.

use std::collections::BTreeMap;

use cairo_lang_casm::hints::{CoreHint, CoreHintBase, ExternalHint, Hint};
use cairo_lang_executable::executable::{EntryPointKind, ExecutableEntryPoint};
use serde::Deserialize;
use serde_json::value::RawValue;
use starknet_types_core::felt::Felt;

use super::{BYTECODE_FELTS_MAX, Program};
use crate::builtin::{Builtin, Unprovable, check_provable};
use crate::header;

/// The longest executable that is read, in bytes: 32 MiB. Most of a file tells where instructions
/// come from, which is skipped.
pub const EXECUTABLE_BYTES_MAX: usize = 1 << 25;

/// The most hints before one instruction; the compiler writes two.
const HINTS_MAX: usize = 16;

/// The longest hint, in bytes of JSON; the compiler writes some hundreds.
const HINT_BYTES_MAX: usize = 1 << 13;

/// A file that is no program which is proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadProgramError {
    /// Longer than any executable.
    #[error("the executable has {0} bytes, at most {EXECUTABLE_BYTES_MAX} are read")]
    TooLarge(usize),
    /// Something else.
    #[error("not a Cairo executable, which `scarb build` writes for a target `executable`: {0}")]
    Json(String),
    /// No entry point without a bootloader, or several.
    #[error("the executable has {0} standalone entry points, not one")]
    EntryPoints(usize),
    /// A standalone entry point that is not at the beginning, or a beginning that is none.
    #[error("the executable does not begin with the entry point of a standalone program")]
    Header,
    /// Builtins that no proof can be about.
    #[error("there are no proofs about this program")]
    Builtins(#[from] Unprovable),
    /// More bytecode than a proof shows.
    #[error("the program has {0} felts of bytecode, at most {BYTECODE_FELTS_MAX} are proven")]
    TooLong(usize),
    /// A felt of the bytecode that is no number below the prime.
    #[error("felt {0} of the bytecode is no hexadecimal number below the Stark prime")]
    Felt(usize),
    /// Hints that belong to no instruction, twice to one, or too many of them.
    #[error("the hints at offset {0} of the bytecode cannot be: the file is damaged")]
    HintPlace(usize),
    /// A hint that is not run.
    #[error("the hint at offset {offset} of the bytecode {reason}")]
    Hint {
        /// Where it stands.
        offset: usize,
        /// Why it is not run.
        reason: &'static str,
    },
}

/// What is read of an executable.
#[derive(Deserialize)]
struct File<'f> {
    #[serde(borrow)]
    program: Code<'f>,
    entrypoints: Vec<ExecutableEntryPoint>,
}

/// Every element stays text until it is its turn: no file takes more than a small multiple of its
/// bytes.
#[derive(Deserialize)]
struct Code<'f> {
    #[serde(borrow)]
    bytecode: Vec<&'f RawValue>,
    #[serde(borrow)]
    hints: Vec<(usize, Vec<&'f RawValue>)>,
}

impl Program {
    /// Reads an executable: the program with its standalone entry point.
    ///
    /// Nothing in the file is believed, and nothing of it runs. Where its lines come from is not
    /// read, so that a failing run names no line.
    ///
    /// # Errors
    /// [`ReadProgramError`] if it is no executable, or one that is not proven.
    pub fn read(json: &[u8]) -> Result<Self, ReadProgramError> {
        if json.len() > EXECUTABLE_BYTES_MAX {
            return Err(ReadProgramError::TooLarge(json.len()));
        }
        let file: File<'_> = serde_json::from_slice(json)
            .map_err(|error| ReadProgramError::Json(error.to_string()))?;
        let builtins = standalone(&file.entrypoints)?.builtins.clone();
        let known: Vec<Builtin> = builtins.iter().map(|&builtin| builtin.into()).collect();
        check_provable(&known)?;
        let Code { bytecode, hints } = file.program;
        if bytecode.len() > BYTECODE_FELTS_MAX {
            return Err(ReadProgramError::TooLong(bytecode.len()));
        }
        let felts = bytecode.iter().enumerate();
        let felts = felts.map(|(at, text)| felt(text.get()).ok_or(ReadProgramError::Felt(at)));
        let bytecode: Vec<Felt> = felts.collect::<Result<_, _>>()?;
        let limbs = |felt: &Felt| {
            let bytes = felt.to_bytes_le();
            let (limbs, _) = bytes.as_chunks::<4>();
            std::array::from_fn(|limb| u32::from_le_bytes(limbs[limb]))
        };
        if !header::begins(known.len(), bytecode.iter().map(limbs)) {
            return Err(ReadProgramError::Header);
        }
        let hints = read_hints(hints, bytecode.len())?;
        Ok(Self { bytecode, builtins, hints, locations: Vec::new() })
    }
}

/// The one entry point that needs no bootloader.
fn standalone(entries: &[ExecutableEntryPoint]) -> Result<&ExecutableEntryPoint, ReadProgramError> {
    let mut found = entries.iter().filter(|entry| entry.kind == EntryPointKind::Standalone);
    match (found.next(), found.count()) {
        (Some(entry), 0) if entry.offset == 0 => Ok(entry),
        (Some(_), 0) => Err(ReadProgramError::Header),
        (None, _) => Err(ReadProgramError::EntryPoints(0)),
        (Some(_), others) => Err(ReadProgramError::EntryPoints(others + 1)),
    }
}

/// A text with a hexadecimal number behind `0x`, or the negative of one, both below the prime.
fn felt(json: &str) -> Option<Felt> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let felt = hexadecimal(text.strip_prefix("0x")?)?;
    Some(if negative { -felt } else { felt })
}

/// The number of up to 64 hexadecimal digits, if it is below the prime.
pub fn hexadecimal(digits: &str) -> Option<Felt> {
    if digits.is_empty() || digits.len() > 64 {
        return None;
    }
    let bytes: [u8; 32] = hex::decode(format!("{digits:0>64}")).ok()?.try_into().ok()?;
    let felt = Felt::from_bytes_be(&bytes);
    // `from_bytes_be` reduces, so only a number below the prime comes back unchanged.
    (felt.to_bytes_be() == bytes).then_some(felt)
}

fn read_hints(
    groups: Vec<(usize, Vec<&RawValue>)>,
    felts: usize,
) -> Result<BTreeMap<usize, Vec<Hint>>, ReadProgramError> {
    let mut hints = BTreeMap::new();
    for (offset, group) in groups {
        let misplaced = offset >= felts || group.len() > HINTS_MAX;
        let read = |json: &RawValue| {
            read_hint(json.get()).map_err(|reason| ReadProgramError::Hint { offset, reason })
        };
        if misplaced || hints.contains_key(&offset) {
            return Err(ReadProgramError::HintPlace(offset));
        }
        hints.insert(offset, group.into_iter().map(read).collect::<Result<_, _>>()?);
    }
    Ok(hints)
}

fn read_hint(json: &str) -> Result<Hint, &'static str> {
    if json.len() > HINT_BYTES_MAX {
        return Err("is longer than any");
    }
    let hint = serde_json::from_str(json).map_err(|_| "is none that this version knows")?;
    check_hint(&hint)?;
    Ok(hint)
}

/// Whether a hint finds values for a program that can be proven. A hint is no part of what is
/// proven; what it finds, the program has to check.
fn check_hint(hint: &Hint) -> Result<(), &'static str> {
    match hint {
        Hint::Core(CoreHintBase::Core(CoreHint::EvalCircuit { .. })) => {
            Err("evaluates a circuit, which is not supported")
        }
        // `DebugPrint` is left out of runs; the rest is bounded there.
        Hint::Core(CoreHintBase::Core(_)) => Ok(()),
        Hint::Core(CoreHintBase::Deprecated(_)) => {
            Err("is of an old compiler: compile the program with a newer one")
        }
        Hint::Starknet(_) => {
            Err("calls Starknet's system: what it answers is not proven, so the program is not")
        }
        Hint::External(
            ExternalHint::WriteRunParam { .. }
            | ExternalHint::AddRelocationRule { .. }
            | ExternalHint::AddMarker { .. }
            | ExternalHint::AddTrace { .. },
        ) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn felts_are_read_below_the_prime() {
        let quoted = |text: &str| felt(&format!("\"{text}\""));
        assert_eq!(quoted("0x10"), Some(Felt::from(16)));
        assert_eq!(quoted("-0x1"), Some(-Felt::ONE));
        let largest = format!("0x{}", hex::encode(Felt::MAX.to_bytes_be()));
        assert_eq!(quoted(&largest), Some(Felt::MAX));
        // The prime itself is one more.
        assert_eq!(quoted(&format!("0x800000000000011{}1", "0".repeat(48))), None);
        for text in ["", "10", "0x", "0xg", "--0x1", "0x+1", &format!("0x{}", "0".repeat(65))] {
            assert_eq!(quoted(text), None, "{text}");
        }
        assert_eq!((felt("16"), felt("\""), felt("null")), (None, None, None));
    }
}
