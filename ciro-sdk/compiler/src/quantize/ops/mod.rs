//! One file for each family of float operators; this is the registry.

mod binary;
pub(super) mod columns;
mod compare;
mod conv;
mod divide;
pub(super) mod features;
mod gather;
pub(super) mod input;
mod log_sum;
mod mat_mul;
mod movement;
pub(super) mod periodic;
mod ranked;
mod reduce;
mod remainder;
mod select;
mod softmax;
pub(super) mod steps;
mod table;
pub(super) mod threshold;
mod traced;
mod tree_ensemble;
mod unary;
mod walk;
mod whole;
mod zoom;

use super::error::QuantizeError;
use super::lower::{Lowered, Lowering};
use crate::float::{NodeId, Op};
use threshold::Thresholds;

/// Lowers one float node; `None` where the operators that read it look through it.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> Result<Option<Lowered>, QuantizeError> {
    let node = cx.graph.node(id);
    if cx.demands[id.index()].by_trees() {
        return Ok(None);
    }
    if let Some(thresholds) = Thresholds::of(cx.graph, node) {
        return threshold::lower(cx, node, &thresholds).map(|expr| Some(Lowered::Expr(expr)));
    }
    if let Some(expr) = traced::of(cx, id)? {
        return Ok(Some(Lowered::Expr(expr)));
    }
    let expr = match &node.op {
        Op::Constant(_) => return Ok(None),
        Op::Input { index } => return Ok(Some(Lowered::Input(*index))),
        Op::MatMul => mat_mul::lower(cx, node)?,
        Op::Conv { strides, dilations, pads, groups } => {
            let geometry = super::expr::Geometry {
                strides: strides.clone(),
                dilations: dilations.clone(),
                pads: pads.clone(),
                groups: *groups,
            };
            conv::lower(cx, node, &geometry)?
        }
        Op::Unary(f) => unary::lower(cx, id, f)?,
        Op::Binary(f) => binary::lower(cx, id, *f)?,
        Op::Where => return select::lower(cx, id).map(Some),
        Op::Reduce(reducer) => reduce::lower(cx, id, *reducer)?,
        Op::Softmax => softmax::lower(cx, id)?,
        Op::Move(movement) => return movement::lower(cx, id, movement).map(Some),
        Op::Gather => gather::lower(cx, id)?,
        Op::TreeEnsemble(trees) => tree_ensemble::lower(cx, id, trees)?,
    };
    Ok(Some(Lowered::Expr(expr)))
}
