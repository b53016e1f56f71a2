//! A prover that does not repeat the rows of a short chip: what the argument for lifted columns in
//! `docs/soundness.md` rests on.
//!
//! All columns are lifted to the height of the tallest. A short chip's columns that are opened in
//! one row need not repeat; those that are opened in two must, because stwo opens them a third
//! time, one period further on. Here a table's count is `+1` in the first copy of its rows and `-1`
//! in the second, and the sums of rows differ from copy to copy: every constraint holds, and every
//! balance comes out 0.

use super::lab::{Lab, column, heights, only};
use crate::chips::defects::Defect;
use crate::chips::{AnyChip, IoChip, TableChip, TableKind};
use crate::secrecy::Secrecy;
use crate::verify::VerificationError;

/// A short table with so many counts in all rows of the tall chip, the public values.
pub(super) fn lab(secrecy: Secrecy, counts: &[(usize, i32)]) -> Lab {
    let [short, tall] = heights(secrecy);
    let table =
        |log_size| AnyChip::Table(TableChip { log_size, lanes: 1, kind: TableKind::Functions });
    let io = AnyChip::Io(IoChip { log_size: tall, lanes: 1 });
    // Entries that all differ, twice.
    let entries = |at: i32| column((0..1 << tall).map(|row| 100 * at + row % (1 << short)));
    let mut all = only(tall, 0, 0);
    counts.iter().for_each(|&(row, count)| all[row] = crate::field::embed(count));
    Lab {
        secrecy,
        chips: vec![table(short), io],
        // For the prover, the short table has as many rows as the tall chip: its own, twice.
        taken: vec![table(tall), io],
        fixed: vec![(0..3).map(entries).collect(), vec![only(tall, 0, 0); 2]],
        witness: vec![vec![all], vec![only(tall, 0, 0)]],
    }
}

#[test]
fn rows_that_repeat_are_accepted() {
    for secrecy in [Secrecy::Plain, Secrecy::Hiding] {
        // A mask of as many rows as the prover takes would not repeat.
        let _bare = Defect::BareColumns.put_back();
        assert_eq!(lab(secrecy, &[]).verdicts(|_, _| {}), [const { Ok(()) }; 4], "{secrecy:?}");
    }
}

#[test]
fn a_logup_column_that_does_not_repeat_is_refused() {
    for secrecy in [Secrecy::Plain, Secrecy::Hiding] {
        let _bare = Defect::BareColumns.put_back();
        let [short, _] = heights(secrecy);
        for verdict in lab(secrecy, &[(3, 1), (3 + (1 << short), -1)]).verdicts(|_, _| {}) {
            assert!(matches!(verdict, Err(VerificationError::Opening(_))), "{verdict:?}");
        }
    }
}

#[test]
fn a_mask_that_does_not_repeat_is_refused() {
    for verdict in lab(Secrecy::Hiding, &[]).verdicts(|_, _| {}) {
        assert!(matches!(verdict, Err(VerificationError::Opening(_))), "{verdict:?}");
    }
}
