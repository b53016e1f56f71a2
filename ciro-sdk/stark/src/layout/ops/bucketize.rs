//! Ranks of features among sorted boundaries.

use std::collections::BTreeSet;

use ciro_model::integer::{NodeId, Op};

use crate::layout::LayoutError;
use crate::layout::collect::Collector;
use crate::layout::wiring::Address;
use crate::rows::rank::{RankWork, TooFar};
use crate::rows::table::Tables;

/// The ranks of all nodes, grouped as trees read them.
pub(in crate::layout) fn ranks(
    collector: &mut Collector<'_>,
    tables: &mut Tables,
) -> Result<RankWork, LayoutError> {
    let model = collector.model;
    let mut work = RankWork::default();
    for &id in &collector.bucketizes {
        let (node, operand) = (model.node(id), model.node(id).operands[0]);
        let Op::Bucketize(op) = &node.op else { unreachable!("collected by operator") };
        let cells = collector.all_cells(operand);
        let operands = if op.limbs {
            images(collector, id, &cells)?
        } else {
            let zero = collector.wiring.zero();
            cells.into_iter().map(|cell| [cell, zero]).collect()
        };
        let values = model.node(operand).interval;
        let pushed = work.push(op, values, (operands, collector.all_cells(id)), tables);
        let wide = |TooFar { boundaries }| LayoutError::WideRanks {
            node: node.name.clone(),
            values,
            boundaries,
        };
        pushed.map_err(wide)?;
    }
    group(collector, &mut work)?;
    Ok(work)
}

/// One group for each node that trees read as it is, or some ranks of which no tree reads; one for
/// the ranks of several that an ensemble's operand joins, or selects of one.
fn group(collector: &mut Collector<'_>, work: &mut RankWork) -> Result<(), LayoutError> {
    let whole = |&id: &NodeId| collector.all_cells(id);
    let wholes: Vec<Vec<Address>> = collector.bucketizes.iter().map(whole).collect();
    let operand = |&id: &NodeId| (id, collector.all_cells(collector.model.node(id).operands[0]));
    let operands: Vec<(NodeId, Vec<Address>)> = collector.ensembles.iter().map(operand).collect();
    let as_they_are: BTreeSet<&[Address]> = wholes.iter().map(Vec::as_slice).collect();
    let joined = || operands.iter().filter(|(_, cells)| !as_they_are.contains(&cells[..]));
    let joins: BTreeSet<Address> = joined().flat_map(|(_, cells)| cells).copied().collect();
    let read: BTreeSet<&[Address]> = operands.iter().map(|(_, cells)| &cells[..]).collect();
    let alone = |cells: &&Vec<Address>| {
        read.contains(&cells[..]) || !cells.iter().all(|cell| joins.contains(cell))
    };
    let own = wholes.iter().filter(alone).cloned();
    for cells in own {
        work.group(cells, &mut collector.wiring).expect("a node's results are its ranks");
    }
    for (id, cells) in joined() {
        let grouped = work.group(cells.clone(), &mut collector.wiring);
        let node = || collector.model.node(*id).name.clone();
        grouped.map_err(|element| LayoutError::Ranks { node: node(), element })?;
    }
    Ok(())
}

/// The `(high, low)` limbs of every operand: two neighbouring elements of an input whose limbs the
/// verifier checks, so that comparing them in order is comparing what they stand for.
fn images(
    collector: &Collector<'_>,
    id: NodeId,
    cells: &[Address],
) -> Result<Vec<[Address; 2]>, LayoutError> {
    let inputs = collector.model.input_nodes();
    let ordered = inputs.filter(|(_, encoding)| encoding.has_limbs());
    let ordered: Vec<Address> = ordered.flat_map(|(id, _)| collector.all_cells(id)).collect();
    let firsts: BTreeSet<Address> = ordered.into_iter().step_by(2).collect();
    let pairs = cells.chunks_exact(2).map(|pair| [pair[0], pair[1]]).enumerate();
    let pair = |(element, [high, low]): (usize, [Address; 2])| {
        #[cfg(test)]
        if crate::chips::defects::is_back(crate::chips::defects::Defect::AnyLimbs) {
            return Ok([high, low]);
        }
        if firsts.contains(&high) && low == high + 1 {
            return Ok([high, low]);
        }
        Err(LayoutError::Images { node: collector.model.node(id).name.clone(), element })
    };
    pairs.map(pair).collect()
}
