//! Provers that cheat at what ties chips together. Each is refused, and each is accepted once the
//! check that refuses it is taken away.

use stwo::core::fields::m31::BaseField;

use super::lab::{Lab, column, heights, only, said};
use super::tests::{Case, forge_output, models};
use crate::air::{Balance, Kind};
use crate::chips::defects::Defect;
use crate::chips::{
    AccumulateChip, AnyChip, ConstantsChip, ContractChip, IoChip, TableChip, TableKind,
};
use crate::preset::Preset;
use crate::rows::Column;
use crate::secrecy::Secrecy;
use crate::verify::VerificationError;

const BOTH: [Secrecy; 2] = [Secrecy::Plain, Secrecy::Hiding];

fn table(log_size: u32) -> AnyChip {
    AnyChip::Table(TableChip { log_size, lanes: 1, kind: TableKind::Functions })
}

fn io(log_size: u32) -> AnyChip {
    AnyChip::Io(IoChip { log_size, lanes: 1 })
}

/// Two tables, a short one and one as tall as the public values, with the same entries in their
/// first rows; so often is entry 3 of each counted.
pub(super) fn tables(secrecy: Secrecy, log_sizes: [u32; 2], counts: [i32; 2]) -> Lab {
    let [_, tall] = heights(secrecy);
    let chips = vec![table(log_sizes[0]), table(log_sizes[1]), io(tall)];
    let entries = |log_size: u32| {
        (0..3).map(|at| column((0..1 << log_size).map(|row| 100 * at + row))).collect()
    };
    let counts = |at: usize| vec![only(log_sizes[at], 3, counts[at])];
    Lab {
        secrecy,
        taken: chips.clone(),
        chips,
        fixed: vec![entries(log_sizes[0]), entries(log_sizes[1]), vec![only(tall, 0, 0); 2]],
        witness: vec![counts(0), counts(1), vec![only(tall, 0, 0)]],
    }
}

/// The running sum's four columns.
pub(super) fn running<'a>(balance: &Balance, columns: &'a mut [Column]) -> &'a mut [Column] {
    let at = balance.sum(Kind::Wiring).unwrap().column;
    &mut columns[at..at + 4]
}

/// Checks that a prover is refused, and accepted with a defect of the verifier.
fn needs(defect: Defect, lab: &Lab, cheat: impl Fn(&Balance, &mut [Column])) {
    for preset in Preset::QUICK {
        let verdict = said(lab.prove(preset, &cheat));
        assert_eq!(verdict, Err(VerificationError::Constraints), "{preset}");
        let _back = defect.put_back();
        assert_eq!(said(lab.prove(preset, &cheat)), Ok(()), "{preset}, with {defect:?}");
    }
}

#[test]
fn sums_that_cancel_are_accepted_whatever_the_heights_of_their_chips() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        for log_sizes in [[short, short], [short, tall], [tall, short], [tall, tall]] {
            let lab = tables(secrecy, log_sizes, [5, -5]);
            assert_eq!(lab.verdicts(|_, _| {}), [const { Ok(()) }; 4], "{log_sizes:?}");
        }
    }
}

#[test]
fn one_chip_alone_balances_itself() {
    for secrecy in BOTH {
        let [short, _] = heights(secrecy);
        let lab = |count| Lab {
            secrecy,
            chips: vec![io(short)],
            taken: vec![io(short)],
            fixed: vec![vec![only(short, 0, 9), only(short, 0, count)]],
            witness: vec![vec![only(short, 0, 0)]],
        };
        assert_eq!(lab(0).verdicts(|_, _| {}), [const { Ok(()) }; 4]);
        needs(Defect::OpenWiring, &lab(1), |_, _| {});
    }
}

#[test]
fn sums_that_do_not_cancel_are_refused() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        for log_sizes in [[short, short], [short, tall], [tall, tall]] {
            needs(Defect::OpenWiring, &tables(secrecy, log_sizes, [5, -4]), |_, _| {});
        }
    }
}

#[test]
fn a_running_sum_that_ends_elsewhere_is_refused() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        let cheat = |balance: &Balance, columns: &mut [Column]| {
            let last = running(balance, columns)[2].last_mut().unwrap();
            *last += BaseField::from(1u32);
        };
        needs(Defect::OpenWiring, &tables(secrecy, [short, tall], [5, -5]), cheat);
    }
}

#[test]
fn a_running_sum_that_is_reset_on_the_way_is_refused() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        // What does not cancel is taken back in row 40.
        let cheat = |balance: &Balance, columns: &mut [Column]| {
            for column in running(balance, columns) {
                let end = *column.last().unwrap();
                column[40..].iter_mut().for_each(|sum| *sum -= end);
            }
        };
        needs(Defect::OpenWiring, &tables(secrecy, [short, tall], [1, 0]), cheat);
    }
}

#[test]
fn a_running_sum_that_begins_with_what_is_missing_is_refused() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        // Shifted as a whole it is as good as before; shifted from row 1 on it is not.
        let shift = |from: usize| {
            move |balance: &Balance, columns: &mut [Column]| {
                for column in running(balance, columns) {
                    column[from..].iter_mut().for_each(|sum| *sum += BaseField::from(77u32));
                }
            }
        };
        let lab = tables(secrecy, [short, tall], [5, -5]);
        assert_eq!(lab.verdicts(shift(0)), [const { Ok(()) }; 4]);
        needs(Defect::OpenWiring, &lab, shift(1));
    }
}

/// Checks that a proof is accepted by a verifier with a defect, and that neither it nor the proof
/// of a prover without the defect is accepted by one without.
fn needs_all(defect: Defect, lab: &Lab) {
    for preset in Preset::QUICK {
        let forged = {
            let _back = defect.put_back();
            let forged = lab.prove(preset, |_, _| {});
            assert_eq!(said(forged.clone()), Ok(()), "{preset}, with {defect:?}");
            forged
        };
        let refused = Err(VerificationError::Constraints);
        assert_eq!(said(forged), refused, "{preset}");
        assert_eq!(said(lab.prove(preset, |_, _| {})), refused, "{preset}");
    }
}

#[test]
fn sums_that_cancel_without_one_chip_are_refused() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        // The first table that does not close the sum itself is forgotten, the others' sums are 0.
        for (log_sizes, counts) in [([short, tall], [1, 0]), ([tall, short], [0, 1])] {
            needs_all(Defect::ForgottenChip, &tables(secrecy, log_sizes, counts));
        }
    }
}

#[test]
fn copies_of_a_short_chip_count_as_one() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        needs_all(Defect::CountedCopies, &tables(secrecy, [short, tall], [1, -2]));
    }
}

/// A product of 3 and 5 in the last row of a contraction, and a result in the last row of an
/// accumulation of another height.
pub(super) fn product(secrecy: Secrecy, log_sizes: [u32; 2], result: i32) -> Lab {
    let [short, _] = heights(secrecy);
    let [contract, accumulate] = log_sizes;
    let last = |log_size: u32, value| only(log_size, (1 << log_size) - 1, value);
    let zero = |log_size: u32| only(log_size, 0, 0);
    let chips = vec![
        io(short),
        AnyChip::Constants(ConstantsChip { log_size: short, lanes: 1 }),
        AnyChip::Contract(ContractChip { log_size: contract, left: 1, right: 1, dynamic: false }),
        AnyChip::Accumulate(AccumulateChip { log_size: accumulate, lanes: 1, limbs: None }),
    ];
    // Address 0 holds 0, address 1 holds the operand; each row of the contraction reads one.
    let mut readers = only(short, 0, (1 << contract) - 1);
    readers[1] = BaseField::from(1u32);
    let constants = vec![only(short, 1, 1), only(short, 1, 3), readers];
    let of_contract = vec![
        zero(contract),
        last(contract, 1),
        zero(contract),
        last(contract, 1),
        last(contract, 5),
    ];
    // turn, keep, close, chain, add, next, address, stride, readers.
    let mut of_accumulate = vec![zero(accumulate); 9];
    for flag in [2, 4] {
        of_accumulate[flag] = last(accumulate, 1);
    }
    Lab {
        secrecy,
        taken: chips.clone(),
        chips,
        fixed: vec![vec![zero(short); 2], constants, of_contract, of_accumulate],
        witness: vec![
            vec![zero(short)],
            vec![],
            vec![last(contract, 3)],
            vec![last(accumulate, result)],
        ],
    }
}

#[test]
fn products_are_held_against_results_whatever_the_heights_of_their_chips() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        for log_sizes in [[short, short], [short, tall], [tall, short], [tall, tall]] {
            let honest = product(secrecy, log_sizes, 15);
            assert_eq!(honest.verdicts(|_, _| {}), [const { Ok(()) }; 4], "{log_sizes:?}");
            needs(Defect::OpenProducts, &product(secrecy, log_sizes, 16), |_, _| {});
        }
    }
}

#[test]
fn totals_stand_in_the_last_row_of_each_chip() {
    for secrecy in BOTH {
        let [short, tall] = heights(secrecy);
        // In the row before, both totals are still 0.
        for log_sizes in [[short, short], [short, tall], [tall, short]] {
            needs(Defect::EarlyTotals, &product(secrecy, log_sizes, 16), |_, _| {});
        }
    }
}

#[test]
fn a_wrong_result_of_a_model_needs_the_balance_of_products() {
    for (secrecy, preset) in
        BOTH.into_iter().flat_map(|secrecy| Preset::QUICK.map(|p| (secrecy, p)))
    {
        let mut case = Case::of(secrecy, preset, &models::dense());
        forge_output(&mut case, |chip| matches!(chip, AnyChip::Accumulate(_)));
        assert_eq!(case.verdict(), Err(VerificationError::Constraints), "{preset}");
        let _back = Defect::OpenProducts.put_back();
        let mut case = Case::of(secrecy, preset, &models::dense());
        forge_output(&mut case, |chip| matches!(chip, AnyChip::Accumulate(_)));
        assert_eq!(case.verdict(), Ok(()), "{preset}");
    }
}

#[test]
fn public_values_other_than_the_statements_need_their_total() {
    for (secrecy, preset) in
        BOTH.into_iter().flat_map(|secrecy| Preset::QUICK.map(|p| (secrecy, p)))
    {
        let case = || {
            let mut case = Case::of(secrecy, preset, &models::mlp());
            case.statement.claims[0].input.public_mut().unwrap()[0].data_mut()[3] ^= 1;
            case
        };
        assert_eq!(case().verdict(), Err(VerificationError::Constraints), "{preset}");
        let _back = Defect::OpenPublicValues.put_back();
        assert_eq!(case().verdict(), Ok(()), "{preset}");
    }
}

#[test]
fn a_wrong_multiplicity_of_a_model_needs_the_running_sum() {
    for (secrecy, preset) in
        BOTH.into_iter().flat_map(|secrecy| Preset::QUICK.map(|p| (secrecy, p)))
    {
        let case = || {
            let mut case = Case::of(secrecy, preset, &models::mlp());
            let chip = case.chip(|chip| matches!(chip, AnyChip::Table(_)));
            case.witness[chip][0][0] += BaseField::from(1u32);
            case
        };
        assert_eq!(case().verdict(), Err(VerificationError::Constraints), "{preset}");
        let _back = Defect::OpenWiring.put_back();
        assert_eq!(case().verdict(), Ok(()), "{preset}");
    }
}
