//! Where results go: into memory as they are, or through the rounding that alone reads them.
//!
//! A rounding node often stands right behind a product, or behind movements of its result. The chip
//! that computes the product then rounds it as well: nobody else needs the exact result, so it
//! never goes through memory.

use std::collections::{BTreeMap, BTreeSet};

use ciro_model::IntegerModel;
use ciro_model::integer::NodeId;

use super::role::Role;
use super::wiring::Wiring;
use crate::rows::rounding::Rounding;

/// The rounding nodes that are done where their operands are computed.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    /// For nodes whose results are rounded by all their readers, those readers.
    readers: BTreeMap<NodeId, Vec<NodeId>>,
    absorbed: BTreeSet<NodeId>,
}

impl Sinks {
    /// Finds the nodes that only `rounded` nodes read, directly or through movements, each element
    /// at most once.
    pub(super) fn find(
        model: &IntegerModel,
        wiring: &Wiring<'_>,
        users: &[Vec<NodeId>],
        rounded: &BTreeMap<NodeId, Rounding>,
    ) -> Self {
        let mut sinks = Self::default();
        for (id, node) in model.iter() {
            if Role::of(&node.op) != Role::Computes {
                continue;
            }
            let Some(readers) = readers(model, users, rounded, id) else { continue };
            if read_once(model, wiring, id, &readers) {
                sinks.absorbed.extend(&readers);
                sinks.readers.insert(id, readers);
            }
        }
        sinks
    }

    /// The rounding nodes that are done where `id` is computed; `None` if its exact results are
    /// written.
    pub(super) fn of(&self, id: NodeId) -> Option<&[NodeId]> {
        self.readers.get(&id).map(Vec::as_slice)
    }

    /// Whether a rounding node is done where its operand is computed.
    pub(super) fn absorbs(&self, id: NodeId) -> bool {
        self.absorbed.contains(&id)
    }
}

/// All readers of a node's results behind movements; `None` unless there are some and all round.
fn readers(
    model: &IntegerModel,
    users: &[Vec<NodeId>],
    rounded: &BTreeMap<NodeId, Rounding>,
    id: NodeId,
) -> Option<Vec<NodeId>> {
    let (mut readers, mut open) = (BTreeSet::new(), vec![id]);
    while let Some(at) = open.pop() {
        if model.outputs().iter().any(|output| output.node == at) {
            return None;
        }
        for &user in &users[at.index()] {
            if rounded.contains_key(&user) {
                readers.insert(user);
            } else if Role::of(&model.node(user).op) == Role::Moves {
                open.push(user);
            } else {
                return None;
            }
        }
    }
    (!readers.is_empty()).then(|| readers.into_iter().collect())
}

/// Whether the readers read nothing but elements of `id`, each at most once.
fn read_once(model: &IntegerModel, wiring: &Wiring<'_>, id: NodeId, readers: &[NodeId]) -> bool {
    let node = model.node(id);
    let cells = wiring.cells(id, 0);
    let Some(&first) = cells.first() else { return false };
    let mut seen = vec![false; cells.len()];
    readers.iter().all(|&reader| {
        let operand = model.node(reader).operands[0];
        model.node(operand).interval == node.interval
            && wiring.cells(operand, 0).into_iter().all(|cell| {
                let seen = cell.checked_sub(first).and_then(|at| seen.get_mut(at as usize));
                seen.is_some_and(|seen| !std::mem::replace(seen, true))
            })
    })
}
