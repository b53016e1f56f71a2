//! What operators are translated with: NumPy-like operations on nodes of the graph in the making.

use super::Reason;
use super::builder::Builder;
use crate::float::{BinaryFn, Movement, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use ciro_model::tensor::Tensor;

/// A node or the reason why there is none.
pub(super) type Made = Result<NodeId, Reason>;

/// Elementwise operators.
impl Builder {
    pub(super) fn map(&mut self, f: ScalarFn, x: NodeId) -> Made {
        self.push(Op::Unary(f), &[x])
    }

    pub(super) fn unary(&mut self, f: UnaryFn, x: NodeId) -> Made {
        self.map(ScalarFn::unary(f), x)
    }

    /// One function of two broadcast tensors; a scalar constant becomes part of the function.
    pub(super) fn binary(&mut self, f: BinaryFn, a: NodeId, b: NodeId) -> Made {
        let shape = self.broadcast(&[a, b])?;
        if self.value(a).is_none() || self.value(b).is_none() {
            if let Some(c) = self.uniform(b).filter(|_| self.shape(a) == shape) {
                return self.map(ScalarFn::binary(f, ScalarFn::X, ScalarFn::Const(c)), a);
            }
            if let Some(c) = self.uniform(a).filter(|_| self.shape(b) == shape) {
                return self.map(ScalarFn::binary(f, ScalarFn::Const(c), ScalarFn::X), b);
            }
            if f == BinaryFn::Add {
                for (x, mask) in [(a, b), (b, a)] {
                    if let Some(masked) = self.additive_mask(x, mask, &shape)? {
                        return Ok(masked);
                    }
                }
            }
        }
        let (a, b) = (self.expand(a, &shape)?, self.expand(b, &shape)?);
        self.push(Op::Binary(f), &[a, b])
    }

    /// `x + mask` where the constant mask is 0 or hugely negative: a `Where`, which needs no wide
    /// intervals.
    fn additive_mask(
        &mut self,
        x: NodeId,
        mask: NodeId,
        shape: &[usize],
    ) -> Result<Option<NodeId>, Reason> {
        let Some(value) = self.value(mask) else { return Ok(None) };
        let Some(&hidden) = value.data().iter().find(|&&m| m != 0.0) else { return Ok(None) };
        let two_valued = value.data().iter().all(|&m| m == 0.0 || m.to_bits() == hidden.to_bits());
        if !two_valued || hidden > MASK_MAX {
            return Ok(None);
        }
        let keep = value.map(|&m| f64::from(u8::from(m == 0.0)));
        let (keep, hidden) = (self.constant(keep)?, self.scalar(hidden)?);
        let (keep, x) = (self.expand(keep, shape)?, self.expand(x, shape)?);
        self.choose(keep, x, hidden).map(Some)
    }

    pub(super) fn add(&mut self, a: NodeId, b: NodeId) -> Made {
        self.binary(BinaryFn::Add, a, b)
    }

    pub(super) fn sub(&mut self, a: NodeId, b: NodeId) -> Made {
        self.binary(BinaryFn::Sub, a, b)
    }

    pub(super) fn mul(&mut self, a: NodeId, b: NodeId) -> Made {
        self.binary(BinaryFn::Mul, a, b)
    }

    pub(super) fn div(&mut self, a: NodeId, b: NodeId) -> Made {
        self.binary(BinaryFn::Div, a, b)
    }

    /// `f(x, value)`.
    pub(super) fn with(&mut self, f: BinaryFn, x: NodeId, value: f64) -> Made {
        self.map(ScalarFn::binary(f, ScalarFn::X, ScalarFn::Const(value)), x)
    }

    /// `condition ? a : b`, broadcast.
    pub(super) fn choose(&mut self, condition: NodeId, a: NodeId, b: NodeId) -> Made {
        let shape = self.broadcast(&[condition, a, b])?;
        if a == b {
            return self.expand(a, &shape);
        }
        match self.uniform(condition) {
            Some(0.0) => return self.expand(b, &shape),
            Some(_) => return self.expand(a, &shape),
            None => {}
        }
        if let (Some(a), Some(b)) = (self.uniform(a), self.uniform(b))
            && self.shape(condition) == shape
        {
            let [x, a, b] = [ScalarFn::X, ScalarFn::Const(a), ScalarFn::Const(b)].map(Box::new);
            return self.map(ScalarFn::Where(x, a, b), condition);
        }
        let operands =
            [self.expand(condition, &shape)?, self.expand(a, &shape)?, self.expand(b, &shape)?];
        self.push(Op::Where, &operands)
    }

    /// The shape that ONNX's multidirectional broadcasting gives.
    pub(super) fn broadcast(&self, operands: &[NodeId]) -> Result<Vec<usize>, Reason> {
        let shapes: Vec<&[usize]> = operands.iter().map(|&id| self.shape(id)).collect();
        broadcast_shapes(&shapes).ok_or_else(|| Reason::Shape {
            what: "the operands cannot be broadcast to one shape",
            shapes: shapes.iter().map(|shape| shape.to_vec()).collect(),
        })
    }
}

/// Movements.
impl Builder {
    pub(super) fn reshape(&mut self, x: NodeId, shape: &[usize]) -> Made {
        let x = match &self.nodes[x.index()].op {
            Op::Move(Movement::Reshape { .. }) => self.nodes[x.index()].operands[0],
            _ => x,
        };
        self.push(Op::Move(Movement::Reshape { shape: shape.to_vec() }), &[x])
    }

    pub(super) fn transpose(&mut self, x: NodeId, perm: &[usize]) -> Made {
        let node = &self.nodes[x.index()];
        let (x, perm) = match &node.op {
            Op::Move(Movement::Transpose { perm: inner }) if inner.len() == perm.len() => (
                node.operands[0],
                perm.iter().map(|&axis| inner.get(axis).copied().unwrap_or(axis)).collect(),
            ),
            _ => (x, perm.to_vec()),
        };
        self.push(Op::Move(Movement::Transpose { perm }), &[x])
    }

    pub(super) fn expand(&mut self, x: NodeId, shape: &[usize]) -> Made {
        self.push(Op::Move(Movement::Expand { shape: shape.to_vec() }), &[x])
    }

    pub(super) fn concat(&mut self, axis: usize, parts: &[NodeId]) -> Made {
        self.push(Op::Move(Movement::Concat { axis }), parts)
    }

    pub(super) fn select(&mut self, x: NodeId, axis: usize, indices: Vec<u32>) -> Made {
        self.push(Op::Move(Movement::Select { axis, indices }), &[x])
    }

    /// Positions `start .. start + len` of an axis.
    pub(super) fn slice(&mut self, x: NodeId, axis: usize, start: usize, len: usize) -> Made {
        self.allow(len)?;
        let positions: Result<Vec<u32>, _> =
            (start..start.saturating_add(len)).map(u32::try_from).collect();
        let positions =
            positions.map_err(|_| self.misfit("a slice is below 2^32 positions", &[x]))?;
        self.select(x, axis, positions)
    }

    pub(super) fn pad(&mut self, x: NodeId, pads: Vec<(usize, usize)>, fill: f64) -> Made {
        self.push(Op::Move(Movement::Pad { pads, fill }), &[x])
    }

    /// Inserts an axis of extent 1.
    pub(super) fn unsqueeze(&mut self, x: NodeId, axis: usize) -> Made {
        let mut shape = self.shape(x).to_vec();
        shape.insert(axis.min(shape.len()), 1);
        self.reshape(x, &shape)
    }

    /// Removes an axis of extent 1.
    pub(super) fn squeeze(&mut self, x: NodeId, axis: usize) -> Made {
        let mut shape = self.shape(x).to_vec();
        shape.remove(axis);
        self.reshape(x, &shape)
    }

    /// Brings `axis` last; [`Builder::restore_last`] brings it back.
    pub(super) fn move_last(&mut self, x: NodeId, axis: usize) -> Made {
        let perm = last(self.rank(x), axis);
        self.transpose(x, &perm)
    }

    pub(super) fn restore_last(&mut self, x: NodeId, axis: usize) -> Made {
        let perm = invert(&last(self.rank(x), axis));
        self.transpose(x, &perm)
    }

    /// A refusal that shows operand shapes.
    pub(super) fn misfit(&self, what: &'static str, operands: &[NodeId]) -> Reason {
        Reason::Shape { what, shapes: operands.iter().map(|&id| self.shape(id).to_vec()).collect() }
    }
}

/// Sums, products, selections.
impl Builder {
    /// Reduces `axes` (sorted, without repetition).
    pub(super) fn reduce(&mut self, reducer: Reducer, x: NodeId, axes: &[usize]) -> Made {
        let shape = self.shape(x).to_vec();
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let perm = [kept.as_slice(), axes].concat();
        let mut flat: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
        flat.push(axes.iter().map(|&axis| shape[axis]).product());
        let x = self.transpose(x, &perm)?;
        let x = self.reshape(x, &flat)?;
        match (reducer, flat.last()) {
            (Reducer::Prod, Some(2..=FACTORS_MAX)) => self.product(x),
            _ => self.push(Op::Reduce(reducer), &[x]),
        }
    }

    /// The product along the last axis: one half times the other, down to single factors.
    fn product(&mut self, x: NodeId) -> Made {
        let axis = self.rank(x) - 1;
        let extent = self.shape(x)[axis];
        if extent == 1 {
            return self.squeeze(x, axis);
        }
        let half = extent / 2;
        let (a, b) = (self.slice(x, axis, 0, half)?, self.slice(x, axis, half, extent - half)?);
        let (a, b) = (self.product(a)?, self.product(b)?);
        self.mul(a, b)
    }

    /// Reduces `axes` and keeps them with extent 1.
    pub(super) fn reduce_keep(&mut self, reducer: Reducer, x: NodeId, axes: &[usize]) -> Made {
        let mut shape = self.shape(x).to_vec();
        axes.iter().for_each(|&axis| shape[axis] = 1);
        let reduced = self.reduce(reducer, x, axes)?;
        self.reshape(reduced, &shape)
    }

    pub(super) fn softmax(&mut self, x: NodeId, axis: usize) -> Made {
        let x = self.move_last(x, axis)?;
        let x = self.push(Op::Softmax, &[x])?;
        self.restore_last(x, axis)
    }

    /// `x - log(sum(exp(x)))`.
    pub(super) fn log_softmax(&mut self, x: NodeId, axis: usize) -> Made {
        let norm = self.reduce_keep(Reducer::LogSumExp, x, &[axis])?;
        self.sub(x, norm)
    }

    /// NumPy's `matmul`: vectors gain an axis for the product, batch axes are broadcast.
    pub(super) fn mat_mul(&mut self, a: NodeId, b: NodeId) -> Made {
        let (rank_a, rank_b) = (self.rank(a), self.rank(b));
        if rank_a == 0 || rank_b == 0 {
            return Err(self.misfit("a matrix product needs an axis", &[a, b]));
        }
        let a = if rank_a == 1 { self.unsqueeze(a, 0)? } else { a };
        let b = if rank_b == 1 { self.unsqueeze(b, 1)? } else { b };
        let mut product = self.matrix_product(a, b)?;
        if rank_b == 1 {
            product = self.squeeze(product, self.rank(product) - 1)?;
        }
        if rank_a == 1 {
            product =
                self.squeeze(product, self.rank(product) - if rank_b == 1 { 1 } else { 2 })?;
        }
        Ok(product)
    }

    fn matrix_product(&mut self, a: NodeId, b: NodeId) -> Made {
        let (batch_a, matrix_a) = split_batch(self.shape(a));
        let (batch_b, matrix_b) = split_batch(self.shape(b));
        if batch_b.iter().all(|&dim| dim == 1) && batch_b.len() <= batch_a.len() {
            let b = self.reshape(b, &matrix_b)?;
            return self.push(Op::MatMul, &[a, b]);
        }
        if batch_a.iter().all(|&dim| dim == 1) && batch_a.len() <= batch_b.len() {
            // The operand without batch axes goes to the right: (a b) = (b^T a^T)^T.
            let a = self.reshape(a, &matrix_a)?;
            let (a, b) = (self.swap_matrix(a)?, self.swap_matrix(b)?);
            let product = self.push(Op::MatMul, &[b, a])?;
            return self.swap_matrix(product);
        }
        let batch = broadcast_shapes(&[&batch_a, &batch_b])
            .ok_or_else(|| self.misfit("the batch axes cannot be broadcast", &[a, b]))?;
        let a = self.expand(a, &[batch.as_slice(), &matrix_a].concat())?;
        let b = self.expand(b, &[batch.as_slice(), &matrix_b].concat())?;
        self.push(Op::MatMul, &[a, b])
    }

    /// Exchanges the last two axes.
    pub(super) fn swap_matrix(&mut self, x: NodeId) -> Made {
        let rank = self.rank(x);
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(rank - 2, rank - 1);
        self.transpose(x, &perm)
    }

    /// `indices: [..] -> [.., depth]`: 1 where the index is the position, else 0.
    pub(super) fn one_hot(&mut self, indices: NodeId, depth: usize) -> Made {
        let column = self.unsqueeze(indices, self.rank(indices))?;
        let positions = self.iota(depth)?;
        self.binary(BinaryFn::Equal, column, positions)
    }

    /// `table: [V, D], indices: [..] -> [.., D]`.
    pub(super) fn rows(&mut self, table: NodeId, indices: NodeId) -> Made {
        if self.is_fixed(table) {
            return self.push(Op::Gather, &[table, indices]);
        }
        let hot = self.one_hot(indices, self.shape(table)[0])?;
        let flat = [self.shape(indices).iter().product(), self.shape(table)[0]];
        let shape = [self.shape(indices), &self.shape(table)[1..]].concat();
        let hot = self.reshape(hot, &flat)?;
        let rows = self.push(Op::MatMul, &[hot, table])?;
        self.reshape(rows, &shape)
    }

    /// The constant vector 0, 1, 2, ...
    pub(super) fn iota(&mut self, len: usize) -> Made {
        self.allow(len)?;
        self.vector((0..len).map(|i| i as f64).collect())
    }

    /// A constant with one value everywhere.
    pub(super) fn full(&mut self, shape: &[usize], value: f64) -> Made {
        let scalar = self.constant(Tensor::scalar(value))?;
        self.expand(scalar, shape)
    }
}

/// Products of more factors stay one operator.
const FACTORS_MAX: usize = 64;

/// Additive masks are at or below this where they hide something.
const MASK_MAX: f64 = -1e4;

/// ONNX's multidirectional broadcasting.
pub(super) fn broadcast_shapes(shapes: &[&[usize]]) -> Option<Vec<usize>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; rank];
    for shape in shapes {
        for (to, &dim) in result[rank - shape.len()..].iter_mut().zip(*shape) {
            match (*to, dim) {
                (known, dim) if known == dim || dim == 1 => {}
                (1, dim) => *to = dim,
                _ => return None,
            }
        }
    }
    Some(result)
}

/// The permutation that undoes `perm`.
pub(super) fn invert(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    inverse
}

/// The permutation that brings `axis` last.
fn last(rank: usize, axis: usize) -> Vec<usize> {
    (0..rank).filter(|&other| other != axis).chain([axis]).collect()
}

fn split_batch(shape: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (batch, matrix) = shape.split_at(shape.len() - 2);
    (batch.to_vec(), matrix.to_vec())
}
