//! Where a model's constants go: into the program, or into its arguments under a commitment.

use std::collections::BTreeMap;

use blake2::{Blake2s256, Digest};
use ciro_model::integer::{ConstId, IntegerModel, Interval, Op};
use ciro_model::tensor::Tensor;
use starknet_types_core::felt::Felt;

use super::data::LENGTH_MAX;
use super::names::{Names, Namespace};
use super::slots::{Rows, Slots};

/// A constant in the form in which some operators use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// As a matrix in packed columns: the right operand of a product.
    Matrix(ConstId),
    /// As a convolution kernel of so many groups, in packed output channels.
    Kernel(ConstId, usize),
    /// As single values.
    Values(ConstId),
}

impl Use {
    fn constant(self) -> ConstId {
        match self {
            Self::Matrix(id) | Self::Kernel(id, _) | Self::Values(id) => id,
        }
    }
}

/// A constant of the program.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Its name in Cairo, as a variable.
    pub(super) name: String,
    /// How many numbers it holds.
    pub(super) elements: usize,
    /// The slots of packed columns, or those that single values are stored in as arguments.
    pub(super) slots: Slots,
    /// Whether it is part of the program.
    pub(super) inline: bool,
}

impl Block {
    /// Its name in Cairo, as a constant.
    pub(super) fn constant(&self) -> String {
        self.name.to_uppercase()
    }
}

/// The blocks of a model.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    blocks: BTreeMap<Use, Block>,
}

/// A block that comes as arguments.
pub(super) struct Committed {
    /// The felts that come, a multiple of four of them: what the program hashes at once.
    pub(super) felts: Vec<Felt>,
    /// How many felts they expand to.
    pub(super) expanded: usize,
    /// How to expand them.
    pub(super) layout: BlockLayout,
}

/// How a committed block is laid out.
pub(super) enum BlockLayout {
    /// Several rows a felt.
    Rows(Rows),
    /// One row a felt, as it is used.
    Packed,
    /// Single values in slots, from `least` up.
    Values {
        /// What zero stands for.
        least: i32,
    },
}

impl Committed {
    fn new(mut felts: Vec<Felt>, expanded: usize, layout: BlockLayout) -> Self {
        felts.resize(felts.len().next_multiple_of(4), Felt::ZERO);
        Self { felts, expanded, layout }
    }

    /// The words that come, eight for each felt, the lowest first.
    pub(super) fn words(&self) -> impl Iterator<Item = u32> {
        self.felts.iter().flat_map(|felt| words(felt.to_bytes_le()))
    }

    /// The Blake2s hash that the program knows.
    pub(super) fn hash(&self) -> [u32; 8] {
        let mut hasher = Blake2s256::new();
        self.felts.iter().for_each(|felt| hasher.update(felt.to_bytes_le()));
        words(hasher.finalize().into())
    }
}

fn words(bytes: [u8; 32]) -> [u32; 8] {
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|i| u32::from_le_bytes(words[i]))
}

impl Weights {
    /// Finds every block and decides where it goes: the smallest ones into the program, up to
    /// `inline_max` numbers and as long as Cairo's compiler takes them.
    pub(super) fn plan(
        model: &IntegerModel,
        names: &Names,
        namespace: &mut Namespace,
        inline_max: usize,
    ) -> Self {
        let mut weights = Self::default();
        for (id, node) in model.iter() {
            let (usage, suffix, columns) = match &node.op {
                Op::Linear(op) => {
                    (Use::Matrix(op.weight), "weight", model.constants()[op.weight].last_dim())
                }
                Op::Conv(op) => {
                    let channels = model.constants()[op.weight].shape()[0];
                    (Use::Kernel(op.weight, op.groups), "weight", channels / op.groups)
                }
                Op::Lookup(op) => (Use::Values(op.table), "table", 1),
                Op::Embed(op) => (Use::Values(op.table), "table", 1),
                Op::Constant(op) => (Use::Values(op.value), "value", 1),
                _ => continue,
            };
            let tensor = &model.constants()[usage.constant()];
            let range = range(tensor);
            let interval = match usage {
                Use::Values(_) => range,
                // A slot holds totals, and on the way into the program weights.
                _ if node.interval.width() < range.width() => range,
                _ => node.interval,
            };
            let slots = match usage {
                Use::Values(_) => value_slots(interval),
                _ => Slots::for_columns(interval, columns),
            };
            weights
                .blocks
                .entry(usage)
                .and_modify(|block| {
                    if slots.bits > block.slots.bits {
                        block.slots = slots;
                    }
                })
                .or_insert_with(|| Block {
                    name: namespace.claim(&format!("{}_{suffix}", names.of(id))),
                    elements: tensor.len(),
                    slots,
                    inline: false,
                });
        }
        weights.place(inline_max);
        weights
    }

    fn place(&mut self, inline_max: usize) {
        let mut blocks: Vec<&mut Block> = self.blocks.values_mut().collect();
        blocks.sort_by_key(|block| block.elements);
        let mut total = 0usize;
        for block in blocks {
            total = total.saturating_add(block.elements);
            block.inline = total <= inline_max && block.elements <= LENGTH_MAX;
        }
    }

    /// The block of a use that planning has met.
    pub(super) fn block(&self, usage: Use) -> &Block {
        &self.blocks[&usage]
    }

    /// All blocks.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Use, &Block)> {
        self.blocks.iter().map(|(usage, block)| (*usage, block))
    }
}

/// The felts of a block as operators read them.
pub(super) fn felts(model: &IntegerModel, usage: Use, slots: Slots) -> Vec<Felt> {
    let tensor = &model.constants()[usage.constant()];
    match usage {
        Use::Values(_) => tensor.data().iter().map(|&value| Felt::from(value)).collect(),
        Use::Matrix(_) | Use::Kernel(..) => packed_rows(tensor, usage, slots)
            .iter()
            .map(|row| slots.pack(row.iter().map(|&weight| weight.into())))
            .collect(),
    }
}

/// The felts of a block as they come as arguments.
pub(super) fn committed(model: &IntegerModel, usage: Use, slots: Slots) -> Committed {
    let tensor = &model.constants()[usage.constant()];
    let range = range(tensor);
    if let Use::Values(_) = usage {
        let least = i32::try_from(range.lo).expect("constants are 32-bit numbers");
        let digits = tensor.data().iter().map(|&value| i64::from(value) - i64::from(least));
        let digits: Vec<i64> = digits.collect();
        let felts = digits.chunks(slots.count).map(|chunk| slots.pack(chunk.iter().copied()));
        let layout = BlockLayout::Values { least };
        return Committed::new(felts.collect(), tensor.len(), layout);
    }
    let rows = packed_rows(tensor, usage, slots);
    let layout = Rows::new(slots, range);
    if layout.count() == 1 {
        let felts: Vec<Felt> = felts(model, usage, slots);
        let expanded = felts.len();
        return Committed::new(felts, expanded, BlockLayout::Packed);
    }
    let felts = rows.chunks(layout.count()).map(|rows| layout.pack(rows.iter().map(|r| &r[..])));
    Committed::new(felts.collect(), rows.len(), BlockLayout::Rows(layout))
}

/// The rows of a matrix, group after group and block of columns after block of columns; missing
/// columns are zero.
fn packed_rows(tensor: &Tensor<i32>, usage: Use, slots: Slots) -> Vec<Vec<i32>> {
    // (groups, rows of a group, columns of a group, position of (group, row, column) in the tensor)
    let (groups, inner, columns) = match usage {
        Use::Kernel(_, groups) => {
            let channels = tensor.shape()[0];
            (groups, tensor.len() / channels, channels / groups)
        }
        _ => (1, tensor.shape()[0], tensor.last_dim()),
    };
    let position = |group: usize, row: usize, column: usize| match usage {
        Use::Kernel(..) => (group * columns + column) * inner + row,
        _ => row * columns + column,
    };
    let mut rows = Vec::new();
    for group in 0..groups {
        for first in (0..columns).step_by(slots.count) {
            for row in 0..inner {
                let weight = |column: usize| {
                    if column < columns { tensor.data()[position(group, row, column)] } else { 0 }
                };
                rows.push((first..first + slots.count).map(weight).collect());
            }
        }
    }
    rows
}

/// The interval of a constant's values and zero, which stands in for missing columns.
fn range(tensor: &Tensor<i32>) -> Interval {
    let values = tensor.data().iter().map(|&value| i64::from(value));
    Interval::of(values.chain([0])).expect("at least zero")
}

/// As many slots as fit, for single values.
fn value_slots(interval: Interval) -> Slots {
    let one = Slots::for_columns(interval, 1);
    Slots { count: one.most(), ..one }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize]) -> Tensor<i32> {
        let count: usize = shape.iter().product();
        Tensor::new(shape.to_vec(), (1..).take(count).collect()).unwrap()
    }

    #[test]
    fn matrices_are_cut_into_blocks_of_columns() {
        let slots = Slots { count: 2, bits: 8 };
        let rows = packed_rows(&tensor(&[2, 3]), Use::Matrix(ConstId(0)), slots);
        assert_eq!(rows, [[1, 2], [4, 5], [3, 0], [6, 0]]);
    }

    #[test]
    fn kernels_are_cut_by_group_then_by_channel() {
        let slots = Slots { count: 2, bits: 8 };
        let rows = packed_rows(&tensor(&[4, 1, 2]), Use::Kernel(ConstId(0), 2), slots);
        assert_eq!(rows, [[1, 3], [2, 4], [5, 7], [6, 8]]);
    }
}
