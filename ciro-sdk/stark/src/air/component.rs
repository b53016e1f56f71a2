//! A chip as a component of stwo's constraint framework.

use std::sync::atomic::{AtomicBool, Ordering};

use stwo::core::fields::m31::BaseField;
use stwo_constraint_framework::preprocessed_columns::PreProcessedColumnId;
use stwo_constraint_framework::{
    EvalAtRow, FrameworkEval, INTERACTION_TRACE_IDX, ORIGINAL_TRACE_IDX,
};

use super::{Challenges, Chip, Closing, Fractions, Kind, Relation, Row, Target};
use crate::chips::AnyChip;

/// Behind the trees that a chip reads: what other chips add to the sums that it closes. No tree of
/// the proof; prover and verifier compute these columns from tree 2.
const BALANCE_IDX: usize = INTERACTION_TRACE_IDX + 1;

/// Name of the first-row selector.
pub(crate) const FIRST: &str = "first";
/// Name of the last-row selector.
pub(crate) const LAST: &str = "last";

/// The id of fixed column `column` of chip `chip`.
pub(crate) fn fixed_column_id(chip: usize, column: usize) -> PreProcessedColumnId {
    PreProcessedColumnId { id: format!("{chip}.{column}") }
}

/// The id of a selector that all chips of one size share.
pub(crate) fn named_column_id(name: &str, log_size: u32) -> PreProcessedColumnId {
    PreProcessedColumnId { id: format!("{name}.{log_size}") }
}

/// A chip with everything that its constraints depend on.
#[derive(Debug)]
pub(crate) struct Air {
    chip: AnyChip,
    index: usize,
    challenges: Challenges,
    closing: Closing,
    /// How many more coefficients its columns have than rows, as a binary logarithm.
    excess: u32,
    /// Column ids are asked for once, when the component is built; spelling them out for every row
    /// would cost more than the constraints.
    naming: AtomicBool,
}

impl Air {
    /// Builds the component of chip number `index`.
    pub(crate) fn new(
        (index, chip): (usize, AnyChip),
        challenges: Challenges,
        closing: Closing,
    ) -> Self {
        Self { chip, index, challenges, closing, excess: 0, naming: AtomicBool::new(true) }
    }

    /// The same over columns of `2^excess` times as many coefficients as rows.
    #[cfg(feature = "prove")]
    pub(crate) fn masked(self, excess: u32) -> Self {
        Self { excess, ..self }
    }

    /// Stops spelling out column ids.
    pub(crate) fn finish_naming(&self) {
        self.naming.store(false, Ordering::Relaxed);
    }
}

impl FrameworkEval for Air {
    fn log_size(&self) -> u32 {
        self.chip.log_size()
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.chip.log_size() + 1 + self.excess
    }

    fn evaluate<E: EvalAtRow>(&self, eval: E) -> E {
        let mut row = ComponentRow {
            eval,
            air: self,
            naming: self.naming.load(Ordering::Relaxed),
            fixed: 0,
            open: None,
            pair: None,
            running: None,
        };
        self.chip.evaluate(&mut row, &self.challenges);
        row.finish()
    }
}

/// A fraction of the LogUp sum.
struct Term<E: EvalAtRow> {
    numerator: E::EF,
    denominator: E::EF,
}

struct ComponentRow<'a, E: EvalAtRow> {
    eval: E,
    air: &'a Air,
    naming: bool,
    fixed: usize,
    /// A single lookup that waits for a partner.
    open: Option<(E::F, E::EF)>,
    /// A complete pair that waits to learn whether it is the last of the row.
    pair: Option<Term<E>>,
    /// The row's sum up to the last emitted pair.
    running: Option<E::EF>,
}

impl<E: EvalAtRow> ComponentRow<'_, E> {
    fn preprocessed(&mut self, id: impl FnOnce() -> PreProcessedColumnId) -> E::F {
        let id = if self.naming { id() } else { PreProcessedColumnId { id: String::new() } };
        self.eval.get_preprocessed_column(id)
    }

    fn push_pair(&mut self, term: Term<E>) {
        if let Some(before) = self.pair.replace(term) {
            let [now] = self.eval.next_extension_interaction_mask(INTERACTION_TRACE_IDX, [0]);
            let step = match self.running.take() {
                Some(running) => now.clone() - running,
                None => now.clone(),
            };
            self.eval.add_constraint(step * before.denominator - before.numerator);
            self.running = Some(now);
        }
    }

    /// Closes the LogUp sum of the row.
    ///
    /// The last column of most chips holds the sum of the row. That of one runs over the rows of
    /// all chips: what it grows by, less what the others add, is the sum of its own row. It is
    /// cyclic, so all that it ever grows by is 0.
    fn finish(mut self) -> E {
        if let Some((multiplicity, denominator)) = self.open.take() {
            self.push_pair(Term { numerator: multiplicity.into(), denominator });
        }
        let Some(term) = self.pair.take() else { return self.eval };
        let mut sum = match self.air.closing.wiring {
            Fractions::OfRow => {
                let [now] = self.eval.next_extension_interaction_mask(INTERACTION_TRACE_IDX, [0]);
                now
            }
            Fractions::OfAll => {
                let [previous, now] =
                    self.eval.next_extension_interaction_mask(INTERACTION_TRACE_IDX, [-1, 0]);
                let [others] = self.eval.next_extension_interaction_mask(BALANCE_IDX, [0]);
                now - previous - others
            }
        };
        if let Some(running) = self.running.take() {
            sum = sum - running;
        }
        self.close(Kind::Wiring, sum * term.denominator - term.numerator);
        self.eval
    }

    /// Demands that a value is 0, on which a balance hangs.
    fn close(&mut self, kind: Kind, value: E::EF) {
        #[cfg(test)]
        let value = match self.air.closing.left_out == Some(kind) {
            true => value * E::F::from(BaseField::from(0u32)),
            false => value,
        };
        let _ = kind;
        self.eval.add_constraint(value);
    }
}

impl<E: EvalAtRow> Row for ComponentRow<'_, E> {
    type F = E::F;
    type EF = E::EF;

    fn fixed(&mut self) -> E::F {
        let (chip, column) = (self.air.index, self.fixed);
        self.fixed += 1;
        self.preprocessed(|| fixed_column_id(chip, column))
    }

    fn first(&mut self) -> E::F {
        let log_size = self.air.chip.log_size();
        self.preprocessed(|| named_column_id(FIRST, log_size))
    }

    fn witness(&mut self) -> E::F {
        let [now] = self.eval.next_interaction_mask(ORIGINAL_TRACE_IDX, [0]);
        now
    }

    fn witness_with_previous(&mut self) -> [E::F; 2] {
        self.eval.next_interaction_mask(ORIGINAL_TRACE_IDX, [-1, 0])
    }

    fn fold(&mut self, multiplier: E::EF, addend: E::EF) -> E::EF {
        let [previous, now] =
            self.eval.next_extension_interaction_mask(INTERACTION_TRACE_IDX, [-1, 0]);
        self.eval.add_constraint(now.clone() - previous * multiplier - addend);
        now
    }

    fn total(&mut self, multiplier: E::EF, addend: E::EF) {
        let value = self.fold(multiplier, addend);
        let target = match self.air.closing.total {
            Target::Elsewhere => return,
            Target::Value(target) => target.into(),
            Target::Others => {
                let [others] = self.eval.next_extension_interaction_mask(BALANCE_IDX, [0]);
                others
            }
        };
        let log_size = self.air.chip.log_size();
        let last = self.preprocessed(|| named_column_id(LAST, log_size));
        self.close(Kind::Products, (value - target) * last);
    }

    fn constrain(&mut self, value: E::F) {
        self.eval.add_constraint(value);
    }

    fn lookup(&mut self, relation: Relation, multiplicity: E::F, values: &[E::F]) {
        let challenges = &self.air.challenges;
        let tag = challenges.alpha[0] * BaseField::from(relation as u32) - challenges.z;
        let denominator = values
            .iter()
            .zip(&challenges.alpha[1..])
            .fold(E::EF::from(tag), |sum, (value, &power)| {
                sum + E::EF::from(power) * value.clone()
            });
        match self.open.take() {
            None => self.open = Some((multiplicity, denominator)),
            Some((first, before)) => {
                let numerator = denominator.clone() * first + before.clone() * multiplicity;
                self.push_pair(Term { numerator, denominator: before * denominator });
            }
        }
    }
}
