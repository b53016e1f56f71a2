//! The builtins of a Cairo program.

use serde::{Deserialize, Serialize};

/// A builtin whose pointer a Cairo program takes.
///
/// The order is that of the virtual machine's own list: keys hold positions in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Builtin {
    /// The output segment.
    Output,
    /// Integers below 2^128.
    RangeCheck,
    /// Pedersen hashes.
    Pedersen,
    /// Signatures.
    Ecdsa,
    /// Keccak permutations.
    Keccak,
    /// Bitwise operations.
    Bitwise,
    /// Multiplications on the curve.
    EcOp,
    /// Poseidon permutations.
    Poseidon,
    /// Segments of dictionaries.
    SegmentArena,
    /// Integers below 2^96.
    RangeCheck96,
    /// Additions modulo a number.
    AddMod,
    /// Multiplications modulo a number.
    MulMod,
}

impl Builtin {
    /// The builtin's name, as the virtual machine spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::RangeCheck => "range_check",
            Self::Pedersen => "pedersen",
            Self::Ecdsa => "ecdsa",
            Self::Keccak => "keccak",
            Self::Bitwise => "bitwise",
            Self::EcOp => "ec_op",
            Self::Poseidon => "poseidon",
            Self::SegmentArena => "segment_arena",
            Self::RangeCheck96 => "range_check96",
            Self::AddMod => "add_mod",
            Self::MulMod => "mul_mod",
        }
    }
}

/// The builtins of programs that are proven, in the order in which programs take their pointers.
///
/// A program may take the pointer of operations on the curve, which some that only add points do; a
/// run that uses it is refused. The trace has no components for signatures and Keccak; dictionaries
/// bring a segment of their own and ask for no pointer. Programs with circuits are refused: finding
/// their execution takes addresses from the program's own memory, which nothing bounds.
const PROVABLE: [Builtin; 7] = [
    Builtin::Output,
    Builtin::Pedersen,
    Builtin::RangeCheck,
    Builtin::Bitwise,
    Builtin::EcOp,
    Builtin::Poseidon,
    Builtin::RangeCheck96,
];

/// Builtins that no program which is proven takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unprovable {
    /// One that is not supported.
    #[error(
        "the program takes the builtin `{}`; supported are {}", .0.name(),
        PROVABLE.map(|builtin| format!("`{}`", builtin.name())).join(", ")
    )]
    Unsupported(Builtin),
    /// Not the first one.
    #[error("the program does not take `output` as its first builtin, so it prints nothing")]
    NoOutput,
    /// Another order than that of all programs, or one of them twice.
    #[error("the program takes the builtin `{}` where none is taken", .0.name())]
    Order(Builtin),
}

/// Checks that there are proofs about programs that take these builtins: supported ones in the one
/// order, `output` first.
pub(crate) fn check_provable(builtins: &[Builtin]) -> Result<(), Unprovable> {
    if let Some(other) = builtins.iter().find(|builtin| !PROVABLE.contains(builtin)) {
        return Err(Unprovable::Unsupported(*other));
    }
    if builtins.first() != Some(&Builtin::Output) {
        return Err(Unprovable::NoOutput);
    }
    let mut places = PROVABLE.iter();
    match builtins.iter().find(|builtin| !places.any(|place| place == *builtin)) {
        Some(builtin) => Err(Unprovable::Order(*builtin)),
        None => Ok(()),
    }
}

#[cfg(feature = "prove")]
impl From<cairo_vm::types::builtin_name::BuiltinName> for Builtin {
    fn from(builtin: cairo_vm::types::builtin_name::BuiltinName) -> Self {
        use cairo_vm::types::builtin_name::BuiltinName as Vm;
        match builtin {
            Vm::output => Self::Output,
            Vm::range_check => Self::RangeCheck,
            Vm::pedersen => Self::Pedersen,
            Vm::ecdsa => Self::Ecdsa,
            Vm::keccak => Self::Keccak,
            Vm::bitwise => Self::Bitwise,
            Vm::ec_op => Self::EcOp,
            Vm::poseidon => Self::Poseidon,
            Vm::segment_arena => Self::SegmentArena,
            Vm::range_check96 => Self::RangeCheck96,
            Vm::add_mod => Self::AddMod,
            Vm::mul_mod => Self::MulMod,
        }
    }
}

#[cfg(test)]
#[cfg(feature = "prove")]
mod tests {
    use cairo_vm::types::builtin_name::BuiltinName as Vm;

    use super::*;

    #[test]
    fn builtins_are_encoded_and_named_as_the_virtual_machine_does() {
        let all = [
            Vm::output,
            Vm::range_check,
            Vm::pedersen,
            Vm::ecdsa,
            Vm::keccak,
            Vm::bitwise,
            Vm::ec_op,
            Vm::poseidon,
            Vm::segment_arena,
            Vm::range_check96,
            Vm::add_mod,
            Vm::mul_mod,
        ];
        for builtin in all {
            let ours = Builtin::from(builtin);
            assert_eq!(ours.name(), builtin.to_str());
            let bytes = postcard::to_stdvec(&ours).unwrap();
            assert_eq!(bytes, postcard::to_stdvec(&builtin).unwrap());
        }
    }
}
