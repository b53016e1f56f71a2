//! What ties chips together: their LogUp sums add up to 0, and so do their matrix products.
//!
//! No chip says what its own sum is. One chip closes the balance for all: its constraint takes the
//! other chips' columns in, each lifted to its own height. The argument is in `docs/soundness.md`,
//! "Balance".

use std::cmp::Reverse;

use num_traits::One;
use stwo::core::fields::m31::{BaseField, MODULUS_BITS};
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};

use super::{Chip, Shape, Total};
use crate::chips::AnyChip;
#[cfg(test)]
use crate::chips::defects::{Defect, is_back};

/// The sums over several chips that must come out 0.
#[derive(Clone, Debug)]
pub(crate) struct Balance {
    sums: Vec<Sum>,
}

/// What comes out 0. The order is that in which one chip reads both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Results of matrix products less those of their operands, in the last row.
    Products,
    /// Fractions of all lookups, over all rows.
    Wiring,
}

/// A sum over chips, and the chip that closes it.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    pub(crate) kind: Kind,
    /// The chip whose constraint says that the sum is 0; none of the others is taller.
    pub(crate) closer: usize,
    /// Its rows, as a binary logarithm.
    pub(crate) log_size: u32,
    /// The first of the four columns of tree 2 that it adds the others to.
    #[cfg_attr(
        not(feature = "prove"),
        expect(dead_code, reason = "for provers, who add up columns")
    )]
    pub(crate) column: usize,
    /// What the others add.
    pub(crate) terms: Vec<Term>,
}

/// What one chip adds to a sum that another closes: a column in the extension field, lifted to the
/// height of the closing chip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    /// The first of its four columns in tree 2.
    pub(crate) column: usize,
    /// Its rows, as a binary logarithm.
    #[cfg_attr(
        not(feature = "prove"),
        expect(dead_code, reason = "for provers, who add up columns")
    )]
    pub(crate) log_size: u32,
    pub(crate) factor: BaseField,
}

/// How the sums of one chip are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// What its total is compared with.
    pub(crate) total: Target,
    /// What its last LogUp column holds.
    pub(crate) wiring: Fractions,
    /// The constraint that is left out, in tests of what it is good for.
    #[cfg(test)]
    pub(crate) left_out: Option<Kind>,
}

/// What the total of a chip is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Nothing here: the chip has none, or another chip takes it in.
    Elsewhere,
    /// A value that the verifier knows.
    Value(SecureField),
    /// What other chips add.
    Others,
}

/// What the last LogUp column of a chip holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fractions {
    /// The sum of its row.
    OfRow,
    /// The sum of all chips, up to this row.
    OfAll,
}

/// A chip's columns of tree 2 that enter sums.
struct Place {
    log_size: u32,
    total: Total,
    /// The first column of its total, if it has one.
    at_total: usize,
    /// The first column of its last LogUp column.
    at_fractions: usize,
}

impl Balance {
    /// Which chip closes what, and where the others' columns stand: from the chips alone.
    ///
    /// # Panics
    /// If there is no chip, or one makes no lookup.
    pub(crate) fn of(chips: &[AnyChip]) -> Self {
        let mut end = 0;
        let places: Vec<Place> = chips
            .iter()
            .map(|chip| {
                let shape = Shape::of(chip);
                let [start, folds, logup] = [end, shape.folds, shape.logup_columns()];
                assert!(logup > 0, "chip `{}` makes no lookup", chip.name());
                end += SECURE_EXTENSION_DEGREE * (folds + logup);
                Place {
                    log_size: chip.log_size(),
                    total: chip.total(),
                    at_total: start + SECURE_EXTENSION_DEGREE * folds.saturating_sub(1),
                    at_fractions: end - SECURE_EXTENSION_DEGREE,
                }
            })
            .collect();
        let mut sums = vec![wiring(&places)];
        sums.extend(products(&places));
        sums.sort_by_key(|sum| (sum.closer, sum.kind));
        Self { sums }
    }

    /// The sums in the order in which their columns stand beside those of the trees: by the chip
    /// that closes them, products first.
    pub(crate) fn sums(&self) -> &[Sum] {
        &self.sums
    }

    /// The sums, to be changed by provers that cheat.
    #[cfg(test)]
    pub(crate) fn sums_mut(&mut self) -> &mut [Sum] {
        &mut self.sums
    }

    /// The sum of one kind.
    pub(crate) fn sum(&self, kind: Kind) -> Option<&Sum> {
        self.sums.iter().find(|sum| sum.kind == kind)
    }

    /// Whether a chip closes a balance of this kind.
    pub(crate) fn closes(&self, chip: usize, kind: Kind) -> bool {
        self.sum(kind).is_some_and(|sum| sum.closer == chip)
    }

    /// Whether a chip reads the selector of the last row.
    pub(crate) fn reads_last(&self, (number, chip): (usize, &AnyChip)) -> bool {
        chip.total() == Total::PublicValues || self.closes(number, Kind::Products)
    }

    /// Whether the last LogUp column of a chip is opened in two rows: the running sum is, and those
    /// of short chips are, which shows that their rows repeat.
    pub(crate) fn opens_twice(&self, (number, chip): (usize, &AnyChip)) -> bool {
        let tallest = self.sum(Kind::Wiring).is_none_or(|sum| sum.log_size == chip.log_size());
        !tallest || self.closes(number, Kind::Wiring)
    }

    /// How the sums of a chip are closed; `public` is the total of the public values.
    pub(crate) fn closing(
        &self,
        (number, chip): (usize, &AnyChip),
        public: SecureField,
    ) -> Closing {
        let total = match chip.total() {
            Total::PublicValues => Target::Value(public),
            _ if self.closes(number, Kind::Products) => Target::Others,
            _ => Target::Elsewhere,
        };
        let wiring = match self.closes(number, Kind::Wiring) {
            true => Fractions::OfAll,
            false => Fractions::OfRow,
        };
        #[cfg(test)]
        let left_out = match total {
            Target::Others if is_back(Defect::OpenProducts) => Some(Kind::Products),
            Target::Value(_) if is_back(Defect::OpenPublicValues) => Some(Kind::Products),
            _ if wiring == Fractions::OfAll && is_back(Defect::OpenWiring) => Some(Kind::Wiring),
            _ => None,
        };
        Closing {
            total,
            wiring,
            #[cfg(test)]
            left_out,
        }
    }
}

/// All chips' fractions: the first of the tallest chips runs over its rows and adds in each what
/// the others have there.
fn wiring(places: &[Place]) -> Sum {
    let heights = places.iter().map(|place| place.log_size).enumerate();
    let tallest = heights.max_by_key(|&(number, height)| (height, Reverse(number)));
    let (closer, log_size) = tallest.expect("there is a chip");
    let others = places.iter().enumerate().filter(|(number, _)| *number != closer);
    let terms = others.map(|(_, place)| Term {
        column: place.at_fractions,
        log_size: place.log_size,
        factor: per_copy(log_size - place.log_size),
    });
    let terms: Vec<_> = terms.collect();
    #[cfg(test)]
    let terms = match () {
        () if is_back(Defect::ForgottenChip) => terms[1..].to_vec(),
        () if is_back(Defect::CountedCopies) => {
            terms.into_iter().map(|term| Term { factor: BaseField::one(), ..term }).collect()
        }
        () => terms,
    };
    Sum { kind: Kind::Wiring, closer, log_size, column: places[closer].at_fractions, terms }
}

/// The totals of products: the first of the tallest chips that have one takes the others in.
fn products(places: &[Place]) -> Option<Sum> {
    let totals = || {
        let has_one = |place: &&Place| matches!(place.total, Total::Operands | Total::Results);
        places.iter().enumerate().filter(move |(_, place)| has_one(place))
    };
    let (closer, place) = totals().max_by_key(|&(number, p)| (p.log_size, Reverse(number)))?;
    let terms = totals().filter(|(number, _)| *number != closer).map(|(_, other)| Term {
        column: other.at_total,
        log_size: other.log_size,
        factor: if other.total == place.total { -BaseField::one() } else { BaseField::one() },
    });
    let (log_size, column) = (place.log_size, place.at_total);
    Some(Sum { kind: Kind::Products, closer, log_size, column, terms: terms.collect() })
}

/// What each copy of a row counts if there are `2^log_copies`: together they count as one.
fn per_copy(log_copies: u32) -> BaseField {
    // 2 to the power of 31 is 1.
    BaseField::from(1u32 << ((MODULUS_BITS - log_copies) % MODULUS_BITS))
}

impl Sum {
    /// What the others add, at a point: coordinate by coordinate, from the values of the columns of
    /// tree 2 there.
    pub(crate) fn at_point<'a>(
        &self,
        value: impl Fn(usize) -> &'a SecureField,
    ) -> [SecureField; SECURE_EXTENSION_DEGREE] {
        std::array::from_fn(|coordinate| {
            let terms = self.terms.iter();
            terms.map(|term| *value(term.column + coordinate) * term.factor).sum()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chips::{AccumulateChip, ConstantsChip, ContractChip, IoChip};

    fn chips() -> Vec<AnyChip> {
        vec![
            AnyChip::Io(IoChip { log_size: 5, lanes: 1 }),
            AnyChip::Contract(ContractChip { log_size: 6, left: 1, right: 1, dynamic: false }),
            AnyChip::Constants(ConstantsChip { log_size: 9, lanes: 4 }),
            AnyChip::Accumulate(AccumulateChip { log_size: 7, lanes: 1, limbs: None }),
            AnyChip::Constants(ConstantsChip { log_size: 9, lanes: 1 }),
        ]
    }

    #[test]
    fn the_first_of_the_tallest_chips_closes() {
        let balance = Balance::of(&chips());
        let closers: Vec<_> = balance.sums().iter().map(|sum| (sum.kind, sum.closer)).collect();
        assert_eq!(closers, [(Kind::Wiring, 2), (Kind::Products, 3)]);
        let wiring = balance.sum(Kind::Wiring).unwrap();
        assert_eq!((wiring.log_size, wiring.terms.len()), (9, 4));
        let products = balance.sum(Kind::Products).unwrap();
        assert_eq!((products.log_size, products.terms.len()), (7, 1));
        assert!(products.terms[0].factor.is_one());
    }

    #[test]
    fn copies_of_a_row_count_as_one_row() {
        for log_copies in 0..27 {
            let copies = BaseField::from(1u32 << log_copies);
            assert!((per_copy(log_copies) * copies).is_one(), "{log_copies}");
        }
    }

    #[test]
    fn short_chips_and_the_running_sum_are_opened_in_two_rows() {
        let (chips, balance) = (chips(), Balance::of(&chips()));
        let twice: Vec<_> = chips.iter().enumerate().map(|at| balance.opens_twice(at)).collect();
        assert_eq!(twice, [true, true, true, true, false]);
    }
}
