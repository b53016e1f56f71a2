//! Clamps that only the calibration asked for, and what a run of a model lost at them.

use serde::{Deserialize, Serialize};

use super::ops::{Lookup, Requantize};
use super::{IntegerModel, Interval, Node, NodeId, Op, Trace};

/// A rounding or table that keeps what calibration has seen, with a margin, and cuts what lies
/// beyond.
///
/// A clamp that is the operator's own (`Relu`, `Clip`, an exponential that vanishes) is none: what
/// it cuts is meant to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The node that cuts, a `Requantize` or `Lookup`.
    pub node: NodeId,
    /// The integers, shifted but not clamped, that are kept as they are.
    pub kept: Interval,
    /// The integers, shifted but not clamped, at which the node's function is so much steeper than
    /// calibration has seen that a step of its operand decides: nobody has judged what it makes of
    /// them.
    pub steep: Vec<Interval>,
}

/// What a run lost at a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// Values outside of what is kept.
    Outside,
    /// Values where the function is steeper than calibration has seen.
    Steep,
}

/// Values that a run cut at one node: the result may be wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// The node's name, which begins with the name of the ONNX node.
    pub node: String,
    /// Why they are lost.
    pub loss: Loss,
    /// How many elements were cut.
    pub count: u64,
    /// How many elements the node has.
    pub of: u64,
    /// The value, in real units, that lay furthest outside; if none did, the first.
    pub worst: f64,
    /// The least and the greatest value, in real units, that are kept.
    pub kept: [f64; 2],
}

impl IntegerModel {
    /// What one run lost at the model's guards; empty if nothing was cut.
    ///
    /// One comparison for each element of each guard; the trace must be one of this model.
    pub fn clips(&self, trace: &Trace) -> Vec<Clip> {
        let losses = |guard| {
            let lost = [Loss::Outside, Loss::Steep].map(|loss| self.clip(guard, loss, trace));
            lost.into_iter().flatten()
        };
        self.guards().iter().flat_map(losses).collect()
    }

    fn clip(&self, guard: &Guard, loss: Loss, trace: &Trace) -> Option<Clip> {
        if loss == Loss::Steep && guard.steep.is_empty() {
            return None;
        }
        let node = self.node(guard.node);
        let operand = *node.operands.first()?;
        let shift = Shift::of(&node.op)?;
        let quotients = trace.value(operand).data().iter().map(|&x| shift.apply(x));
        let excess = |q: i64| (guard.kept.lo - q).max(q - guard.kept.hi).max(0);
        let steep = |q: i64| {
            let at = guard.steep.partition_point(|run| run.hi < q);
            guard.steep.get(at).is_some_and(|run| run.lo <= q)
        };
        let lost = |q: i64| match loss {
            Loss::Outside => excess(q) > 0,
            Loss::Steep => excess(q) == 0 && steep(q),
        };
        let cut: Vec<i64> = quotients.filter(|&q| lost(q)).collect();
        let worst = cut.iter().copied().rev().max_by_key(|&q| excess(q))?;
        let unit = shift.unit(node, self.node(operand));
        Some(Clip {
            node: node.name.clone(),
            loss,
            count: cut.len() as u64,
            of: node.len() as u64,
            worst: worst as f64 * unit,
            kept: [guard.kept.lo, guard.kept.hi].map(|q| q as f64 * unit),
        })
    }
}

/// The rounding shift before a clamp or a table.
struct Shift {
    offset: i64,
    shift: u32,
    rounds: bool,
}

impl Shift {
    fn of(op: &Op) -> Option<Self> {
        match op {
            Op::Requantize(op @ Requantize { shift, .. }) => {
                Some(Self { offset: op.rounding(), shift: *shift, rounds: true })
            }
            &Op::Lookup(Lookup { offset, shift, .. }) => {
                Some(Self { offset: offset.into(), shift, rounds: false })
            }
            _ => None,
        }
    }

    fn apply(&self, x: i32) -> i64 {
        (i64::from(x) + self.offset) >> self.shift
    }

    /// The real value of one shifted integer: the result's unit, or for a table that of its index.
    fn unit(&self, node: &Node, operand: &Node) -> f64 {
        if self.rounds { node.scale } else { operand.scale * (1u64 << self.shift.min(62)) as f64 }
    }
}

/// Checks that a guard is on a node that cuts.
pub(super) fn check(guard: &Guard, nodes: &[Node]) -> Result<(), &'static str> {
    let node = nodes.get(guard.node.index()).ok_or("a guard is on no node")?;
    match node.op {
        Op::Requantize(_) | Op::Lookup(_) => {
            let ordered = guard.steep.windows(2).all(|pair| pair[0].hi < pair[1].lo);
            if ordered { Ok(()) } else { Err("the steep places of a guard are not in order") }
        }
        _ => Err("a guard is on a node that cuts nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoding, Encoding, ModelBuilder};
    use super::*;
    use crate::tensor::Tensor;

    /// `clamp(x, -10, 10)`, of which the lower bound is the operator's own.
    fn model() -> IntegerModel {
        let mut builder = ModelBuilder::new();
        builder.input("x", vec![3]);
        let x = builder.view(0, Encoding::Affine { scale: 0.5, lo: -100, hi: 100 }).unwrap();
        let op = Requantize { shift: 1, lo: -10, hi: 10 };
        let y = builder.push("y", op, &[x], 1.0).unwrap();
        builder.guard(y, Interval::new(i64::from(i32::MIN), 10));
        builder.output("y", y, Decoding::Real { scale: 1.0 });
        builder.finish().unwrap()
    }

    #[test]
    fn what_is_cut_is_counted_and_named() {
        let model = model();
        let trace = model.trace(&[Tensor::vector(vec![20, 22, 90])]).unwrap();
        let clips = model.clips(&trace);
        assert_eq!(clips.len(), 1);
        let clip = &clips[0];
        assert_eq!((clip.node.as_str(), clip.count, clip.of), ("y", 2, 3));
        assert!((clip.worst - 45.0).abs() < 1e-9 && (clip.kept[1] - 10.0).abs() < 1e-9);
    }

    #[test]
    fn steep_places_are_told_from_values_outside() {
        let mut model = model();
        model.guards[0].steep = vec![Interval::new(-9, -8), Interval::new(3, 12)];
        let clips = |values: [i32; 3]| {
            let trace = model.trace(&[Tensor::vector(values.to_vec())]).unwrap();
            let clips = model.clips(&trace).into_iter();
            clips.map(|clip| (clip.loss, clip.count, clip.worst)).collect::<Vec<_>>()
        };
        assert_eq!(clips([4, -14, -20]), []);
        assert_eq!(clips([6, -16, 0]), [(Loss::Steep, 2, 3.0)]);
        assert_eq!(clips([6, 22, 26]), [(Loss::Outside, 2, 13.0), (Loss::Steep, 1, 3.0)]);
        model.guards[0].steep.reverse();
        assert!(model.check().is_err());
    }

    #[test]
    fn a_clamp_of_the_operator_itself_is_no_loss() {
        let model = model();
        let trace = model.trace(&[Tensor::vector(vec![-100, 0, 20])]).unwrap();
        assert_eq!(model.clips(&trace), vec![]);
    }
}
