//! Recognises a softmax that is spelled out: exponentials divided by their sum, or less its
//! logarithm.

use crate::float::{BinaryFn, Movement, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use crate::import::algebra::Made;
use crate::import::builder::Builder;
use ciro_model::movement::Source;

/// The rows over which exponentials are added.
struct Rows {
    /// What the exponential is taken of.
    scores: NodeId,
    /// The shape of what is added, rows last.
    shape: Vec<usize>,
    /// For each element of that shape, the element of the scores; every one once.
    order: Vec<u32>,
}

impl Builder {
    /// The softmax, or its logarithm, that an operator would compute, if it is one.
    ///
    /// `exp(x - log(sum(exp(x))))`, `exp(x) / sum(exp(x))` and their stable forms, which subtract
    /// something that is the same for a whole row first, are all softmax. As one operator its
    /// probabilities have the precision of a quotient; as a difference of large logarithms they
    /// would not. The logarithm of probabilities that have been rounded already is computed from
    /// the scores.
    pub(in crate::import) fn spelled_out_softmax(
        &mut self,
        op: &Op,
        operands: &[NodeId],
    ) -> Option<Made> {
        let rows = match (op, operands) {
            (Op::Unary(f), &[x]) if *f == ScalarFn::unary(UnaryFn::Exp) => self.normalized(x)?,
            (Op::Binary(BinaryFn::Div), &[a, b]) => self.shares(a, b)?,
            (Op::Unary(f), &[x]) if *f == ScalarFn::unary(UnaryFn::Log) => {
                return self.log_of_softmax(x).or_else(|| self.log_of_sum(x));
            }
            _ => return None,
        };
        let scores = self.unshifted(&rows);
        Some(self.softmax_of(&Rows { scores, ..rows }))
    }

    /// The rows of `x` if `id` is `x - log(sum(exp(x)))`.
    fn normalized(&self, id: NodeId) -> Option<Rows> {
        let [x, norm] = self.operands(id, &Op::Binary(BinaryFn::Sub))?;
        let (norm, places) = self.source(norm)?;
        let rows = self.log_sum_exp(norm)?;
        (rows.scores == x && rows.each(|row, element| places[element] == row)).then_some(rows)
    }

    /// The rows of `x` if `a` is `exp(x)` and `b` its sum along them.
    fn shares(&self, a: NodeId, b: NodeId) -> Option<Rows> {
        let [_] = self.operands(a, &Op::Unary(ScalarFn::unary(UnaryFn::Exp)))?;
        let (sum, places) = self.source(b)?;
        let (powers, rows) = self.sum_exp(sum)?;
        (powers == a && rows.each(|row, element| places[element] == row)).then_some(rows)
    }

    /// The rows of `x` if `id` is `log(sum(exp(x)))` or `log(sum(exp(x - m))) + m`.
    fn log_sum_exp(&self, id: NodeId) -> Option<Rows> {
        if let Some([terms]) = self.operands(id, &Op::Reduce(Reducer::LogSumExp)) {
            return self.in_rows(terms).map(|(scores, rows)| Rows { scores, ..rows });
        }
        let [a, b] = self.operands(id, &Op::Binary(BinaryFn::Add))?;
        [(a, b), (b, a)].into_iter().find_map(|(log, shift)| {
            let rows = self.log_sum_exp(self.reshaped(log)?)?;
            let [scores, inner] = self.operands(rows.scores, &Op::Binary(BinaryFn::Sub))?;
            let ((shift, outer_places), (inner, inner_places)) =
                (self.source(shift)?, self.source(inner)?);
            let same = |row: u32, element: usize| {
                outer_places.get(row as usize) == Some(&inner_places[element])
            };
            (shift == inner && rows.each(same)).then_some(Rows { scores, ..rows })
        })
    }

    /// The exponentials that `id` adds up, and their rows.
    fn sum_exp(&self, id: NodeId) -> Option<(NodeId, Rows)> {
        let [terms] = self.operands(id, &Op::Reduce(Reducer::Sum))?;
        let (powers, rows) = self.in_rows(terms)?;
        let [scores] = self.operands(powers, &Op::Unary(ScalarFn::unary(UnaryFn::Exp)))?;
        Some((powers, Rows { scores, ..rows }))
    }

    /// The node behind movements that bring each of its elements once into rows, and the rows.
    fn in_rows(&self, terms: NodeId) -> Option<(NodeId, Rows)> {
        let (scores, order) = self.source(terms)?;
        let mut seen = vec![false; self.shape(scores).iter().product()];
        order.iter().for_each(|&element| seen[element as usize] = true);
        let each_once = order.len() == seen.len() && seen.into_iter().all(|seen| seen);
        each_once.then(|| (scores, Rows { scores, shape: self.shape(terms).to_vec(), order }))
    }

    /// `log(sum(exp(x)))` as one reduction, which no large exponential spoils.
    fn log_of_sum(&mut self, id: NodeId) -> Option<Made> {
        let (_, rows) = self.sum_exp(self.reshaped(id)?)?;
        let shape = self.shape(id).to_vec();
        let there = Movement::Index { shape: rows.shape.clone(), indices: rows.order.clone() };
        let ordered = match in_order(&rows.order) {
            true => self.reshape(rows.scores, &rows.shape),
            false => self.push(Op::Move(there), &[rows.scores]),
        };
        let norm = ordered.and_then(|x| self.push(Op::Reduce(Reducer::LogSumExp), &[x]));
        Some(norm.and_then(|norm| self.reshape(norm, &shape)))
    }

    /// The scores without what is subtracted from whole rows.
    fn unshifted(&self, rows: &Rows) -> NodeId {
        let shifted = || {
            let [scores, shift] = self.operands(rows.scores, &Op::Binary(BinaryFn::Sub))?;
            let (_, places) = self.source(shift)?;
            let mut of_row: Vec<Option<u32>> = vec![None; rows.order.len()];
            let same = |row: u32, element: usize| {
                *of_row[row as usize].get_or_insert(places[element]) == places[element]
            };
            rows.each(same).then_some(scores)
        };
        shifted().unwrap_or(rows.scores)
    }

    fn softmax_of(&mut self, rows: &Rows) -> Made {
        let shape = self.shape(rows.scores).to_vec();
        if in_order(&rows.order) {
            let x = self.reshape(rows.scores, &rows.shape)?;
            let x = self.push(Op::Softmax, &[x])?;
            return self.reshape(x, &shape);
        }
        let mut back = vec![0; rows.order.len()];
        rows.order.iter().zip(0..).for_each(|(&element, at)| back[element as usize] = at);
        let there = Movement::Index { shape: rows.shape.clone(), indices: rows.order.clone() };
        let x = self.push(Op::Move(there), &[rows.scores])?;
        let x = self.push(Op::Softmax, &[x])?;
        self.push(Op::Move(Movement::Index { shape, indices: back }), &[x])
    }

    /// `log(softmax(x))` for a softmax that may have been moved.
    fn log_of_softmax(&mut self, id: NodeId) -> Option<Made> {
        let (softmax, places) = self.source(id)?;
        let [scores] = self.operands(softmax, &Op::Softmax)?;
        let shape = self.shape(id).to_vec();
        let made = self.log_softmax(scores, self.rank(scores) - 1).and_then(|logs| {
            if in_order(&places) && self.shape(softmax).iter().product::<usize>() == places.len() {
                return self.reshape(logs, &shape);
            }
            self.push(Op::Move(Movement::Index { shape, indices: places }), &[logs])
        });
        Some(made)
    }

    /// The operands of a node that is this operator.
    fn operands<const N: usize>(&self, id: NodeId, op: &Op) -> Option<[NodeId; N]> {
        let node = &self.nodes[id.index()];
        if node.op == *op { node.operands[..].try_into().ok() } else { None }
    }

    /// The node behind movements that keep the order of its elements.
    fn reshaped(&self, id: NodeId) -> Option<NodeId> {
        let (source, places) = self.source(id)?;
        let whole = self.shape(source).iter().product::<usize>() == places.len();
        (whole && in_order(&places)).then_some(source)
    }

    /// The node behind movements, and for each element of `id` the element of that node.
    fn source(&self, mut id: NodeId) -> Option<(NodeId, Vec<u32>)> {
        let count = u32::try_from(self.shape(id).iter().product::<usize>()).ok()?;
        let mut places: Vec<u32> = (0..count).collect();
        while let (Op::Move(movement), &[operand]) =
            (&self.nodes[id.index()].op, &self.nodes[id.index()].operands[..])
        {
            let plan = movement.plan(&[self.shape(operand)]).ok()?;
            for place in &mut places {
                match plan.sources[*place as usize] {
                    Source::Element { index, .. } => *place = index,
                    Source::Fill => return None,
                }
            }
            id = operand;
        }
        Some((id, places))
    }
}

impl Rows {
    /// Whether something holds for every row and element of it.
    fn each(&self, mut holds: impl FnMut(u32, usize) -> bool) -> bool {
        let columns = self.shape.last().copied().unwrap_or(1).max(1);
        let mut elements = self.order.chunks(columns).zip(0..);
        elements.all(|(row, at)| row.iter().all(|&element| holds(at, element as usize)))
    }
}

/// Whether every element is at its own position.
fn in_order(places: &[u32]) -> bool {
    places.iter().zip(0..).all(|(&place, at)| place == at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::{ElementType, Graph, Input};
    use crate::import::builder::Limits;
    use ciro_model::tensor::Tensor;

    const SHAPE: [usize; 3] = [2, 3, 4];

    fn start() -> (Builder, NodeId) {
        let mut g = Builder::new(Limits { elements: 1 << 16, nodes: 1 << 10 });
        let input =
            Input { name: "x".to_owned(), shape: SHAPE.to_vec(), element_type: ElementType::Float };
        let x = g.input(input).unwrap();
        (g, x)
    }

    /// `exp(x - shift)`, its sum along an axis, and the shift.
    fn powers(g: &mut Builder, x: NodeId, axis: usize, shifted: bool) -> [NodeId; 3] {
        let shift = g.reduce_keep(Reducer::Max, x, &[axis]).unwrap();
        let scores = if shifted { g.sub(x, shift).unwrap() } else { x };
        let powers = g.unary(UnaryFn::Exp, scores).unwrap();
        [powers, g.reduce_keep(Reducer::Sum, powers, &[axis]).unwrap(), shift]
    }

    fn value(g: &Builder, id: NodeId) -> Tensor<f64> {
        let data = (0..24).map(|at| (f64::from(at) * 7.3).sin() * 3.0).collect();
        let sample = Tensor::new(SHAPE.to_vec(), data).unwrap();
        let (nodes, inputs) = (g.nodes.clone(), g.inputs.clone());
        let mut graph = Graph { nodes, inputs, outputs: vec![] };
        crate::import::simplify::name(&mut graph);
        graph.eval(&[sample]).unwrap().swap_remove(id.index())
    }

    /// Checks that a node is one softmax along an axis, and computes what one computes.
    #[track_caller]
    fn is_softmax(mut g: Builder, x: NodeId, p: NodeId, axis: usize) {
        let (source, _) = g.source(p).unwrap();
        assert_eq!(g.nodes[source.index()].op, Op::Softmax, "axis {axis}");
        let expected = g.softmax(x, axis).unwrap();
        let (got, expected) = (value(&g, p), value(&g, expected));
        assert_eq!(got.shape(), expected.shape());
        for (got, expected) in got.data().iter().zip(expected.data()) {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
    }

    #[test]
    fn exponentials_of_normalized_scores_are_a_softmax() {
        for (axis, shifted) in [(0, false), (1, true), (2, false), (2, true)] {
            let (mut g, x) = start();
            let [_, sum, shift] = powers(&mut g, x, axis, shifted);
            let mut norm = g.unary(UnaryFn::Log, sum).unwrap();
            if shifted {
                norm = g.add(shift, norm).unwrap();
            }
            let low = g.sub(x, norm).unwrap();
            let p = g.unary(UnaryFn::Exp, low).unwrap();
            is_softmax(g, x, p, axis);
        }
    }

    #[test]
    fn exponentials_divided_by_their_sum_are_a_softmax() {
        for (axis, shifted) in [(0, true), (1, false), (2, true)] {
            let (mut g, x) = start();
            let [powers, sum, _] = powers(&mut g, x, axis, shifted);
            let p = g.div(powers, sum).unwrap();
            is_softmax(g, x, p, axis);
        }
    }

    #[test]
    fn other_sums_make_no_softmax() {
        let (mut g, x) = start();
        let [e, sum, shift] = powers(&mut g, x, 2, true);
        // Another row's sum, another shift than was subtracted, other exponentials.
        let swapped = g.select(sum, 0, vec![1, 0]).unwrap();
        let log = g.unary(UnaryFn::Log, sum).unwrap();
        let swapped_shift = g.select(shift, 0, vec![1, 0]).unwrap();
        let norm = g.add(log, swapped_shift).unwrap();
        let low = g.sub(x, norm).unwrap();
        let [other, ..] = powers(&mut g, x, 2, false);
        let results = [
            g.div(e, swapped).unwrap(),
            g.unary(UnaryFn::Exp, low).unwrap(),
            g.div(other, sum).unwrap(),
        ];
        for id in results {
            assert!(!matches!(g.nodes[g.source(id).unwrap().0.index()].op, Op::Softmax));
        }
    }

    #[test]
    fn logarithms_of_probabilities_are_computed_from_the_scores() {
        for axis in 0..3 {
            let (mut g, x) = start();
            let p = g.softmax(x, axis).unwrap();
            let logs = g.unary(UnaryFn::Log, p).unwrap();
            assert!(!matches!(g.nodes[logs.index()].op, Op::Unary(_)));
            let (got, p) = (value(&g, logs), value(&g, p));
            for (got, p) in got.data().iter().zip(p.data()) {
                assert!((got - p.ln()).abs() < 1e-12, "{got} {p}");
            }
        }
    }
}
