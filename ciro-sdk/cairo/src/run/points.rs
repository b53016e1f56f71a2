//! Points of the curve that a program asks for.
//!
//! The core library begins sums of points at one that nobody chose, so that no sum meets an
//! exception but by chance. The processor of `cairo-lang-runner` draws it by chance, and a program
//! that looks at it would take one way when it is looked at and another when it is proven. So it
//! follows from program and arguments here.

use blake2::{Blake2s256, Digest};
use cairo_lang_casm::operand::CellRef;
use cairo_lang_runner::casm_run::cell_ref_to_relocatable;
use cairo_vm::vm::errors::hint_errors::HintError;
use cairo_vm::vm::vm_core::VirtualMachine;
use starknet_types_core::curve::AffinePoint;
use starknet_types_core::felt::Felt;

use crate::program_hash::ProgramHash;

/// The points of a run, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Points {
    seed: [u8; 32],
    drawn: u64,
}

impl Points {
    /// `blake2s("ciro-cairo-points/1" | program hash | arguments as 32 little-endian bytes each)`
    /// is the seed.
    pub(super) fn new(program: ProgramHash, arguments: &[Felt]) -> Self {
        let mut hasher = Blake2s256::new();
        hasher.update(b"ciro-cairo-points/1");
        hasher.update(program.0);
        arguments.iter().for_each(|argument| hasher.update(argument.to_bytes_le()));
        Self { seed: hasher.finalize().into(), drawn: 0 }
    }

    /// The next point: the first one whose coordinate `x` is a digest of the seed and a counter,
    /// without its last byte. Every second `x` has one.
    fn draw(&mut self) -> AffinePoint {
        loop {
            let digest = Blake2s256::new_with_prefix(self.seed)
                .chain_update(self.drawn.to_le_bytes())
                .finalize();
            self.drawn += 1;
            let x = Felt::from_bytes_be_slice(&digest[..31]);
            if let Some(point) = AffinePoint::new_from_x(&x, false) {
                return point;
            }
        }
    }

    /// Answers the hint that asks for a point.
    pub(super) fn answer(
        &mut self,
        vm: &mut VirtualMachine,
        [x, y]: [&CellRef; 2],
    ) -> Result<(), HintError> {
        let point = self.draw();
        vm.insert_value(cell_ref_to_relocatable(x, vm), point.x())?;
        vm.insert_value(cell_ref_to_relocatable(y, vm), point.y())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_on_the_curve_and_follow_from_program_and_arguments() {
        let drawn = |program: u8, arguments: &[u64]| {
            let arguments: Vec<Felt> = arguments.iter().map(|&it| it.into()).collect();
            let mut points = Points::new(ProgramHash([program; 32]), &arguments);
            [(); 3].map(|()| points.draw())
        };
        let points = drawn(1, &[2]);
        assert_eq!(points, drawn(1, &[2]));
        assert!(points[0] != points[1] && points[1] != points[2]);
        assert_ne!(points[0], drawn(2, &[2])[0]);
        assert_ne!(points[0], drawn(1, &[3])[0]);
        for point in points {
            AffinePoint::new(point.x(), point.y()).unwrap();
        }
    }
}
