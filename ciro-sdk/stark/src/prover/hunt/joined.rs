//! Trees that read ranks of several nodes, joined: each rank that a path meets is that of its own
//! node's own value.

use std::sync::Arc;

use ciro_model::integer::ops::{Bucketize, TreeEnsemble, TreeNode};
use ciro_model::integer::{Encoding, NodeId, ordered_image};
use ciro_model::{IntegerModel, Movement, Tensor};
use stwo::core::fields::m31::BaseField;

use super::forge::{Forge, Lie};
use super::rows::{limbs_at, ordered, others};
use super::sketch::Sketch;
use super::{Preset, audit};
use crate::air::Places;
use crate::chips::limbs::Limbs;
use crate::chips::rank::{RankChip, RankFixed, RankWitness};
use crate::chips::{AnyChip, TableKind};
use crate::field::embed;

/// Features of the joined ranks: nodes 0 (integers) and 1 (images) of two columns each, and which
/// column of theirs.
const JOINED: [(usize, u32); 5] = [(1, 1), (0, 0), (1, 0), (0, 1), (0, 0)];

/// A model with the nodes that rank: trees over joined ranks of two nodes, for two rows, beside
/// trees over one of the nodes as it is.
fn model() -> (Arc<IntegerModel>, [NodeId; 2]) {
    let mut sketch = Sketch::new(0);
    let x = sketch.input(&[2, 2], -100, 100);
    let boundaries = vec![vec![-40, 7], vec![0, 9]];
    let integers = sketch.push(Bucketize { boundaries, limbs: false }, &[x]).unwrap();
    let x = sketch.view(&[2, 2], Encoding::Ordered);
    let [half, one, two] = [0.5, 1.0, 2.0].map(ordered_image);
    let boundaries = vec![vec![half, two], vec![-one, one]];
    let images = sketch.push(Bucketize { boundaries, limbs: true }, &[x]).unwrap();
    let place = |row: u32| JOINED.map(|(node, at)| if node == 0 { 0 } else { 4 } + 2 * row + at);
    let indices = [place(0), place(1)].concat();
    let index = Movement::Index { shape: vec![2, JOINED.len()], indices };
    let joined = sketch.push(index, &[integers, images]).unwrap();
    let y = sketch.push(digits(JOINED.len()), &[joined]).unwrap();
    let z = sketch.push(digits(2), &[images]).unwrap();
    (sketch.unchecked(&[y, z]), [integers, images])
}

/// Trees that write the rank of every feature, of two boundaries, as a decimal digit.
fn digits(features: usize) -> TreeEnsemble {
    let (mut nodes, mut roots) = (vec![], vec![]);
    for (feature, digit) in (0u32..).zip(0..features) {
        let at = u32::try_from(nodes.len()).unwrap();
        let leaf = |rank: i32| TreeNode::Leaf {
            weights: vec![rank * 10i32.pow(u32::try_from(digit).unwrap())],
        };
        let branch = |threshold, left, right| TreeNode::Branch { feature, threshold, left, right };
        roots.push(at);
        nodes.extend([branch(0, at + 1, at + 2), leaf(0), branch(1, at + 3, at + 4)]);
        nodes.extend([leaf(1), leaf(2)]);
    }
    TreeEnsemble { features, base: vec![0], nodes, roots }
}

/// Ranks `[[0, 1], [2, 0]]` of integers, `[[1, 2], [0, 1]]` of images.
fn inputs() -> Vec<Tensor<i32>> {
    let limbs = |x: f32| {
        let image = ordered_image(x);
        [image >> 16, image & 0xffff].map(|limb| i32::try_from(limb).unwrap())
    };
    let images = [1.5, 7.0, -3.0, 0.25].map(limbs).concat();
    vec![
        Tensor::new(vec![2, 2], vec![-50, 8, 30, -1]).unwrap(),
        Tensor::new(vec![2, 2, 2], images).unwrap(),
    ]
}

/// The rows of ranks of a trace.
struct Sheet {
    chip: usize,
    limbs: Limbs,
    fixed: RankFixed<Places>,
    witness: RankWitness<Places>,
}

impl Sheet {
    fn of(forge: &Forge) -> Self {
        let chips = forge.prover.layout().chips.iter().enumerate();
        let rank = |(at, chip): (usize, AnyChip)| match chip {
            AnyChip::Rank(chip) => Some((at, chip)),
            _ => None,
        };
        let (chip, rank): (usize, RankChip) =
            chips.map(|(at, placed)| (at, placed.chip)).find_map(rank).unwrap();
        let (fixed, witness) = (RankFixed::at(0, &rank), RankWitness::at(0, &rank));
        Self { chip, limbs: rank.limbs, fixed, witness }
    }

    fn fixed(&self, forge: &Forge, column: usize, row: usize) -> BaseField {
        forge.prover.layout().chips[self.chip].fixed[column][row]
    }

    /// The rows that compute the rank of an element of sample 0.
    fn rows(&self, forge: &Forge, node: NodeId, element: usize) -> Vec<usize> {
        let layout = forge.prover.layout();
        let address = layout.bases[node.index()].unwrap() as usize + element;
        let count = layout.chips[self.chip].fixed[0].len();
        let of = |&row: &usize| self.fixed(forge, self.fixed.at_rank, row).0 as usize == address;
        (0..count).filter(of).collect()
    }

    /// Claims a rank for a row's value, with the interval that the table has for a feature, and the
    /// gaps to its ends where they pass their range checks.
    fn claim(&self, forge: &mut Forge, row: usize, feature: BaseField, rank: i32) {
        let (at, chip) = (&self.witness, self.chip);
        let [_, rank, lower @ .., upper_high, upper_low] = entry(forge, feature, embed(rank));
        let upper = [upper_high, upper_low];
        let x = [at.high, at.low].map(|column| forge.witness[chip][column][row]);
        let bits = self.fixed.widths.iter().map(|&width| self.fixed(forge, width, row).0).sum();
        let mut cells = vec![(at.rank, row, rank)];
        let ends = [at.lower_high, at.lower_low].into_iter().zip(lower);
        let ends = ends.chain([at.upper_high, at.upper_low].into_iter().zip(upper));
        cells.extend(ends.map(|(column, value)| (column, row, value)));
        let below = ordered(lower, x, BaseField::from(1), bits);
        let above = ordered(x, upper, BaseField::from(0), bits);
        for (gap, equal, limbs) in
            [(below, at.below_equal, &at.below), (above, at.above_equal, &at.above)]
        {
            let Some((is_equal, gap)) = gap else { continue };
            cells.push((equal, row, u32::from(is_equal).into()));
            cells.extend(limbs_at(self.limbs, gap, limbs, row));
        }
        for (column, row, value) in cells {
            forge.witness[chip][column][row] = value;
        }
    }
}

/// The boundary table's entry of a feature's rank.
fn entry(forge: &Forge, feature: BaseField, rank: BaseField) -> [BaseField; 6] {
    let layout = forge.prover.layout();
    let table = layout.chips.iter().find_map(|placed| match placed.chip {
        AnyChip::Table(table) if table.kind == TableKind::Boundaries => Some((placed, table)),
        _ => None,
    });
    let (placed, table) = table.unwrap();
    let width = table.kind.width();
    let lanes = placed.fixed.chunks(width).take(table.lanes as usize);
    let rows = |lane: &[Vec<BaseField>]| -> Vec<Vec<BaseField>> {
        let row = |at: usize| lane.iter().map(|column| column[at]).collect();
        (0..lane[0].len()).map(row).collect()
    };
    let mut entries = lanes.flat_map(rows);
    let entry = entries.find(|entry| entry[..2] == [feature, rank]).unwrap();
    entry.try_into().unwrap()
}

/// Checks that a prover's trace is no proof, though each lookup that can balance does.
fn refused(mut forged: Forge, what: &str) {
    assert!(forged.lies(), "{what}: the statement is true");
    forged.rebalance();
    assert!(!forged.faults().is_empty(), "{what}: no constraint is violated");
    assert!(forged.verdict().is_err(), "{what}: the proof verifies");
}

fn honest() -> (Forge, [NodeId; 2]) {
    let (model, nodes) = model();
    (Forge::honest(&model, vec![inputs()]).unwrap(), nodes)
}

/// The true rank of an element.
fn rank(forge: &Forge, node: NodeId, element: usize) -> i32 {
    forge.nodes[0][node.index()].data()[element]
}

#[test]
fn joined_ranks_are_proven_and_each_value_has_one() {
    let (model, _) = model();
    for preset in Preset::QUICK {
        for batch in [1, 2] {
            let honest = Forge::at(preset, &model, vec![inputs(); batch]).unwrap();
            assert_eq!(honest.verdict(), Ok(()), "{preset}");
            assert!(audit::audit(&honest).is_empty(), "{:?}", audit::audit(&honest));
            let others = others(honest.prover.layout(), &honest.witness, &honest.memory());
            assert!(others.is_empty(), "{others:?}");
        }
    }
    let (honest, _) = honest();
    let y = honest.model.outputs()[0].node;
    assert_eq!(honest.nodes[0][y.index()].data(), [1_102, 20_021]);
}

#[test]
fn a_wrong_rank_in_any_group_is_refused() {
    let (honest, nodes) = honest();
    let sheet = Sheet::of(&honest);
    for (node, element) in nodes.into_iter().flat_map(|node| (0..4).map(move |at| (node, at))) {
        for value in (0..=2).filter(|&value| value != rank(&honest, node, element)) {
            let mut forged =
                honest.lying(&[Lie { sample: 0, node, element, value }]).expect("trees go on");
            forged.settle();
            for row in sheet.rows(&honest, node, element) {
                let feature = sheet.fixed(&honest, sheet.fixed.feature, row);
                sheet.claim(&mut forged, row, feature, value);
            }
            refused(forged, &format!("element {element} of {node:?} as {value}"));
        }
    }
}

/// Lies that two elements have each other's ranks.
fn exchanged(honest: &Forge, a: (NodeId, usize), b: (NodeId, usize)) -> Forge {
    let lie = |(node, element), (from, at)| Lie {
        sample: 0,
        node,
        element,
        value: rank(honest, from, at),
    };
    let mut forged = honest.lying(&[lie(a, b), lie(b, a)]).expect("trees go on");
    forged.settle();
    forged
}

#[test]
fn slots_that_change_places_between_groups_are_refused() {
    let (honest, [integers, images]) = honest();
    let sheet = Sheet::of(&honest);
    for (a, b) in [(0, 0), (0, 1), (1, 1), (2, 3)] {
        let ranks = [rank(&honest, integers, a), rank(&honest, images, b)];
        assert_ne!(ranks[0], ranks[1], "nothing changes places");
        let rows = [sheet.rows(&honest, integers, a), sheet.rows(&honest, images, b)];
        // Whole rows, with the values that they rank.
        let mut forged = exchanged(&honest, (integers, a), (images, b));
        for column in &mut forged.witness[sheet.chip] {
            let values = [column[rows[0][0]], column[rows[1][0]]];
            rows[0].iter().for_each(|&row| column[row] = values[1]);
            rows[1].iter().for_each(|&row| column[row] = values[0]);
        }
        refused(forged, &format!("rows of {a} and {b}"));
        // Ranks alone.
        let mut forged = exchanged(&honest, (integers, a), (images, b));
        let column = &mut forged.witness[sheet.chip][sheet.witness.rank];
        rows[0].iter().for_each(|&row| column[row] = embed(ranks[1]));
        rows[1].iter().for_each(|&row| column[row] = embed(ranks[0]));
        refused(forged, &format!("ranks of {a} and {b}"));
    }
}

#[test]
fn boundaries_of_another_column_are_refused() {
    let (honest, [integers, images]) = honest();
    let sheet = Sheet::of(&honest);
    let feature = |node, element| {
        sheet.fixed(&honest, sheet.fixed.feature, sheet.rows(&honest, node, element)[0])
    };
    // 8 is above 7, the last boundary of column 0, and 30 above 9; 1.5 is above 1.
    for (node, element, value, other) in [
        (integers, 1, 2, feature(integers, 0)),
        (images, 0, 2, feature(images, 1)),
        (images, 0, 0, feature(integers, 0)),
    ] {
        let mut forged =
            honest.lying(&[Lie { sample: 0, node, element, value }]).expect("trees go on");
        forged.settle();
        for row in sheet.rows(&honest, node, element) {
            sheet.claim(&mut forged, row, other, value);
        }
        refused(forged, &format!("element {element} of {node:?} as {value}"));
    }
}

#[test]
fn trees_that_read_what_is_no_rank_are_refused_by_name() {
    let mut sketch = Sketch::new(0);
    let x = sketch.input(&[1, 2], -100, 100);
    let boundaries = vec![vec![-40, 7], vec![0, 9]];
    let ranks = sketch.push(Bucketize { boundaries, limbs: false }, &[x]).unwrap();
    let index = Movement::Index { shape: vec![1, 2], indices: vec![1, 2] };
    let joined = sketch.push(index, &[ranks, x]).unwrap();
    let y = sketch.push(digits(2), &[joined]).unwrap();
    let z = sketch.push(digits(2), &[ranks]).unwrap();
    let model = sketch.unchecked(&[y, z]);
    let input = Tensor::new(vec![1, 2], vec![1, 2]).unwrap();
    let error = Forge::honest(&model, vec![vec![input]]).unwrap_err();
    assert!(error.contains("element 1 of the operand is no result of a Bucketize node"), "{error}");
}
