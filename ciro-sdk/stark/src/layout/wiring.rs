//! Addresses of tensor elements.

use std::collections::BTreeMap;

use ciro_model::integer::{ConstId, NodeId, Op};
use ciro_model::movement::Source;
use ciro_model::{IntegerModel, Movement};

use super::role::Role;

/// Where a tensor element lives. Every element that some node computes has one; the readers of a
/// moved element name the element it comes from.
pub(crate) type Address = u32;

/// Addresses of all tensor elements, and how often each is read.
///
/// A batch is laid out as copies of the model that share constants: sample `b` has the addresses of
/// sample 0 plus `b` times the number of elements that one sample computes.
pub(crate) struct Wiring<'m> {
    model: &'m IntegerModel,
    batch: u32,
    /// First address of every node that computes something.
    bases: Vec<Option<Address>>,
    /// For movements and constants: the address of every element, for sample 0.
    moved: BTreeMap<NodeId, Vec<Address>>,
    /// Number of addresses that the nodes of one sample take.
    computed: u32,
    constants: BTreeMap<i32, Address>,
    /// Values behind those of the nodes: constants, and 0 for auxiliary values that are filled for
    /// each proof.
    extra: Vec<i32>,
    readers: Vec<u32>,
}

impl<'m> Wiring<'m> {
    pub(crate) fn new(model: &'m IntegerModel, batch: u32) -> Self {
        let mut bases = Vec::with_capacity(model.nodes().len());
        let mut next = 0u32;
        for node in model.nodes() {
            if matches!(Role::of(&node.op), Role::Moves | Role::Constant) {
                bases.push(None);
            } else {
                bases.push(Some(next));
                next += u32::try_from(node.len()).expect("movements check that tensors are small");
            }
        }
        let mut wiring = Self {
            model,
            batch,
            bases,
            moved: BTreeMap::new(),
            computed: next,
            constants: BTreeMap::new(),
            extra: vec![],
            readers: vec![0; (next * batch) as usize],
        };
        wiring.constant(0);
        for (id, node) in model.iter() {
            match &node.op {
                Op::Constant(constant) => wiring.place_constant(id, constant.value),
                Op::Move(movement) => wiring.place_moved(id, movement),
                _ => {}
            }
        }
        wiring
    }

    /// The address of a constant.
    pub(crate) fn constant(&mut self, value: i32) -> Address {
        if let Some(&address) = self.constants.get(&value) {
            return address;
        }
        let address = self.push_extra(value);
        self.constants.insert(value, address);
        address
    }

    /// The address of the first of `count` auxiliary values: no tensor elements, but values that
    /// chips pass to each other.
    pub(crate) fn auxiliary(&mut self, count: usize) -> Address {
        let first = self.first_extra() + u32::try_from(self.extra.len()).expect("below 2^31");
        (0..count).for_each(|_| {
            self.push_extra(0);
        });
        first
    }

    fn push_extra(&mut self, value: i32) -> Address {
        let address = self.first_extra() + u32::try_from(self.extra.len()).expect("below 2^31");
        self.extra.push(value);
        self.readers.push(0);
        address
    }

    /// The address of the constant 0, which lanes without work read.
    pub(crate) fn zero(&self) -> Address {
        self.constants[&0]
    }

    /// The addresses of a node's elements in row-major order, for one sample of the batch.
    pub(crate) fn cells(&self, id: NodeId, sample: u32) -> Vec<Address> {
        let shift = sample * self.computed;
        match self.moved.get(&id) {
            Some(cells) => {
                let first_extra = self.first_extra();
                let place = |&cell: &u32| if cell < first_extra { cell + shift } else { cell };
                cells.iter().map(place).collect()
            }
            None => {
                let base = self.bases[id.index()].expect("what is not moved is computed") + shift;
                let count = u32::try_from(self.model.node(id).len()).expect("checked in `new`");
                (base..base + count).collect()
            }
        }
    }

    /// The number of samples.
    pub(crate) fn batch(&self) -> u32 {
        self.batch
    }

    fn first_extra(&self) -> Address {
        self.computed * self.batch
    }

    /// Counts one more read of an address.
    pub(crate) fn read(&mut self, address: Address) {
        self.readers[address as usize] += 1;
    }

    /// How often an address is read.
    pub(crate) fn readers(&self, address: Address) -> u32 {
        self.readers[address as usize]
    }

    /// Constants with their addresses, in the order of addresses.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (Address, i32)> {
        let mut constants: Vec<_> = self.constants.iter().map(|(&v, &at)| (at, v)).collect();
        constants.sort_unstable();
        constants.into_iter()
    }

    /// Takes the wiring apart: first addresses of nodes, values behind them.
    pub(crate) fn into_parts(self) -> (Vec<Option<Address>>, Vec<i32>) {
        (self.bases, self.extra)
    }

    fn place_constant(&mut self, id: NodeId, value: ConstId) {
        let model = self.model;
        let cells = model.constants()[value].data().iter().map(|&v| self.constant(v)).collect();
        self.moved.insert(id, cells);
    }

    fn place_moved(&mut self, id: NodeId, movement: &Movement<i32>) {
        let model = self.model;
        let operands = &model.node(id).operands;
        let shapes: Vec<&[usize]> =
            operands.iter().map(|&operand| &model.node(operand).shape[..]).collect();
        let sources: Vec<Vec<Address>> =
            operands.iter().map(|&operand| self.cells(operand, 0)).collect();
        let fill = movement.fill().map(|&fill| self.constant(fill));
        let plan = movement.plan(&shapes).expect("the model has been checked");
        let cells = plan
            .sources
            .iter()
            .map(|source| match *source {
                Source::Element { operand, index } => sources[operand as usize][index as usize],
                Source::Fill => fill.expect("only movements with a fill plan one"),
            })
            .collect();
        self.moved.insert(id, cells);
    }
}
