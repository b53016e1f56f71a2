//! What every executable begins with: room for the pointers of its builtins, a call, and an endless
//! jump, which is where an execution ends.

/// The first felts of an executable that takes so many pointers, the lowest limb of each first:
/// `ap += #builtins; call rel ..; jmp rel 0`. The distance of the call is the program's.
fn felts(builtins: u32) -> [Option<[u32; 8]>; 6] {
    [
        Some([0x7fff_7fff, 0x0407_8001, 0, 0, 0, 0, 0, 0]),
        Some([builtins, 0, 0, 0, 0, 0, 0, 0]),
        Some([0x8001_8000, 0x1104_8001, 0, 0, 0, 0, 0, 0]),
        None,
        Some([0x7fff_7fff, 0x0107_8001, 0, 0, 0, 0, 0, 0]),
        Some([0; 8]),
    ]
}

/// Whether a program begins as an executable that takes so many pointers.
pub(crate) fn begins(builtins: usize, program: impl IntoIterator<Item = [u32; 8]>) -> bool {
    let Ok(builtins) = u32::try_from(builtins) else { return false };
    let mut program = program.into_iter();
    felts(builtins).iter().all(|expected| match (expected, program.next()) {
        (Some(expected), Some(felt)) => *expected == felt,
        (None, felt) => felt.is_some(),
        (Some(_), None) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_begin_otherwise_are_told_apart() {
        let program = felts(2).map(|felt| felt.unwrap_or([9; 8]));
        assert!(begins(2, program));
        assert!(!begins(1, program));
        for at in 0..6 {
            assert!(!begins(2, program[..at].iter().copied()), "{at}");
            let mut changed = program;
            changed[at][1] ^= 1;
            assert_eq!(begins(2, changed), at == 3, "{at}");
        }
    }
}
