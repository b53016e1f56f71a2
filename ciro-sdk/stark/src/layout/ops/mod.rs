//! The work that every operator makes, one file each.

mod arg_max;
pub(super) mod bucketize;
mod combine;
mod conv;
mod div_floor;
pub(super) mod embed;
mod isqrt;
pub(super) mod linear;
mod lookup;
mod mat_mul;
mod mul;
mod reduce_max;
mod reduce_sum;
pub(super) mod requantize;
pub(super) mod tree_ensemble;

use ciro_model::integer::{NodeId, Op};

use super::collect::Collector;
use super::error::LayoutError;

/// Collects the work of one node.
pub(super) fn collect(collector: &mut Collector<'_>, id: NodeId) -> Result<(), LayoutError> {
    let model = collector.model;
    match &model.node(id).op {
        Op::Input(_) | Op::Constant(_) | Op::Move(_) => {}
        Op::Linear(op) => linear::collect(collector, id, op),
        Op::Conv(op) => conv::collect(collector, id, op),
        Op::MatMul(_) => mat_mul::collect(collector, id),
        Op::ReduceSum(_) => reduce_sum::collect(collector, id),
        Op::Combine(op) => combine::collect(collector, id, op),
        Op::Mul(_) => mul::collect(collector, id),
        &Op::Requantize(op) => requantize::collect(collector, id, op)?,
        Op::Lookup(_) => lookup::collect(collector, id),
        Op::ReduceMax(_) => reduce_max::collect(collector, id)?,
        Op::ArgMax(_) => arg_max::collect(collector, id)?,
        Op::DivFloor(_) => div_floor::collect(collector, id)?,
        Op::Isqrt(_) => isqrt::collect(collector, id),
        Op::Embed(op) => collector.embeds.push((id, op.table)),
        Op::Bucketize(_) => collector.bucketizes.push(id),
        Op::TreeEnsemble(op) => tree_ensemble::collect(collector, id, op),
    }
    Ok(())
}
