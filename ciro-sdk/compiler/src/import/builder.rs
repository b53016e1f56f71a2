//! Builds the float graph node by node; what can be computed from constants is computed at once.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;
use std::sync::Arc;

use super::Reason;
use crate::float::ops::{self, Misfit};
use crate::float::{ElementType, Input, Movement, Node, NodeId, Op, ScalarFn};
use ciro_model::tensor::{Tensor, element_count};

/// Constants that cost more multiplications than this to compute stay operators.
const FOLD_WORK_MAX: usize = 1 << 28;

/// A float graph in the making; nodes bear the names of the ONNX nodes they come from, which need
/// not be unique yet.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) nodes: Vec<Node>,
    pub(super) inputs: Vec<Input>,
    site: Site,
    unrolling: Option<u32>,
    loops: u32,
    known: HashMap<u64, Vec<NodeId>>,
    /// Inputs that stand for weights which are not read.
    weights: HashSet<NodeId>,
    elements: usize,
    limits: Limits,
}

/// The ONNX node that is being translated.
#[derive(Clone, Debug, Default)]
pub(super) struct Site {
    pub(super) name: String,
    pub(super) origin: String,
}

/// How large the graph may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) elements: usize,
    pub(super) nodes: usize,
}

impl Builder {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            nodes: Vec::new(),
            inputs: Vec::new(),
            site: Site::default(),
            unrolling: None,
            loops: 0,
            known: HashMap::new(),
            weights: HashSet::new(),
            elements: 0,
            limits,
        }
    }

    /// Names the ONNX node that the next nodes come from; gives back the one before.
    pub(super) fn enter(&mut self, site: Site) -> Site {
        std::mem::replace(&mut self.site, site)
    }

    /// Counts the nodes that follow as turns of one unrolled loop, the outermost; gives back what
    /// they counted as before.
    pub(super) fn enter_loop(&mut self) -> Option<u32> {
        let before = self.unrolling;
        if before.is_none() {
            self.unrolling = Some(self.loops);
            self.loops += 1;
        }
        before
    }

    /// Ends what [`Self::enter_loop`] began.
    pub(super) fn leave_loop(&mut self, before: Option<u32>) {
        self.unrolling = before;
    }

    /// The greatest number of elements that the graph may have.
    pub(super) fn limit(&self) -> usize {
        self.limits.elements
    }

    /// Refuses to make lists longer than the graph may be large.
    pub(super) fn allow(&self, count: usize) -> Result<(), Reason> {
        let limit = self.limits.elements;
        if count > limit { Err(Reason::TooManyElements { limit }) } else { Ok(()) }
    }

    pub(super) fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.index()].shape
    }

    pub(super) fn rank(&self, id: NodeId) -> usize {
        self.shape(id).len()
    }

    /// The value of a constant node.
    pub(super) fn value(&self, id: NodeId) -> Option<&Arc<Tensor<f64>>> {
        match &self.nodes[id.index()].op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The one value that all elements of a constant have.
    pub(super) fn uniform(&self, id: NodeId) -> Option<f64> {
        let (first, rest) = self.value(id)?.data().split_first()?;
        rest.iter().all(|x| x.to_bits() == first.to_bits()).then_some(*first)
    }

    /// Adds an input of the graph.
    pub(super) fn input(&mut self, input: Input) -> Result<NodeId, Reason> {
        let shape = input.shape.clone();
        let index = self.inputs.len();
        self.inputs.push(input);
        let id = self.insert(Op::Input { index }, &[], shape.clone())?;
        // What has no elements is known: the first step of a decoder has an empty past.
        if is_empty(&shape) { self.empty(shape) } else { Ok(id) }
    }

    /// Adds an input that stands for weights which are not read.
    pub(super) fn weights(&mut self, name: &str, shape: Vec<usize>) -> Result<NodeId, Reason> {
        let (name, element_type) = (name.to_owned(), ElementType::Float);
        let id = self.input(Input { name, shape, element_type })?;
        self.weights.insert(id);
        Ok(id)
    }

    /// Whether a node is a constant, or weights that are not read.
    pub(super) fn is_fixed(&self, mut id: NodeId) -> bool {
        while let (Op::Move(_), &[operand]) =
            (&self.nodes[id.index()].op, &self.nodes[id.index()].operands[..])
        {
            id = operand;
        }
        self.value(id).is_some() || self.weights.contains(&id)
    }

    /// The tensor of a shape without elements.
    fn empty(&mut self, shape: Vec<usize>) -> Result<NodeId, Reason> {
        let value = Tensor::new(shape, vec![]);
        self.constant(value.map_err(|error| Reason::TensorData(error.to_string()))?)
    }

    pub(super) fn constant(&mut self, value: Tensor<f64>) -> Result<NodeId, Reason> {
        self.push(Op::Constant(Arc::new(value)), &[])
    }

    pub(super) fn scalar(&mut self, value: f64) -> Result<NodeId, Reason> {
        self.constant(Tensor::scalar(value))
    }

    pub(super) fn vector(&mut self, data: Vec<f64>) -> Result<NodeId, Reason> {
        self.constant(Tensor::vector(data))
    }

    /// Adds an operator, unless its value is known already.
    pub(super) fn push(&mut self, op: Op, operands: &[NodeId]) -> Result<NodeId, Reason> {
        let shape = self.result_shape(&op, operands)?;
        if is_empty(&shape) && !matches!(op, Op::Constant(_)) {
            return self.empty(shape);
        }
        if let Op::Move(Movement::Concat { .. }) = op
            && operands.iter().any(|&id| is_empty(self.shape(id)))
        {
            let full = operands.iter().copied().filter(|&id| !is_empty(self.shape(id)));
            return self.push(op, &full.collect::<Vec<_>>());
        }
        if let Some(same) = self.shortcut(&op, operands, &shape) {
            return Ok(same);
        }
        if let Some(softmax) = self.spelled_out_softmax(&op, operands) {
            return softmax;
        }
        let foldable = !matches!(op, Op::Constant(_))
            && operands.iter().all(|&id| self.value(id).is_some())
            && self.work(&op, operands, &shape) <= FOLD_WORK_MAX;
        let (op, operands) = if foldable {
            self.reserve(&shape)?;
            let values: Vec<&Tensor<f64>> =
                operands.iter().filter_map(|&id| self.value(id)).map(Arc::as_ref).collect();
            (Op::Constant(Arc::new(ops::eval(&op, &values).map_err(Box::new)?)), &[][..])
        } else {
            (op, operands)
        };
        let key = fingerprint(&op, operands);
        let twins = self.known.get(&key).map_or(&[][..], Vec::as_slice);
        let same = |id: &&NodeId| {
            let node = &self.nodes[id.index()];
            node.operands == operands && node.op == op
        };
        if let Some(&twin) = twins.iter().find(same) {
            return Ok(twin);
        }
        let id = self.insert(op, operands, shape)?;
        self.known.entry(key).or_default().push(id);
        Ok(id)
    }

    fn result_shape(&self, op: &Op, operands: &[NodeId]) -> Result<Vec<usize>, Reason> {
        let shapes: Vec<&[usize]> = operands.iter().map(|&id| self.shape(id)).collect();
        let refuse = |what| Reason::Shape {
            what,
            shapes: shapes.iter().map(|shape| shape.to_vec()).collect(),
        };
        match ops::shape(op, &shapes) {
            Ok(Some(shape)) => Ok(shape),
            Ok(None) => Err(refuse("an input has no shape rule")),
            Err(Misfit::Rule(what)) => Err(refuse(what)),
            Err(Misfit::Movement(error)) => Err(error.into()),
        }
    }

    /// The operand itself, where the operator changes nothing.
    fn shortcut(&mut self, op: &Op, operands: &[NodeId], shape: &[usize]) -> Option<NodeId> {
        let &first = operands.first()?;
        let Op::Move(movement) = op else {
            return (*op == Op::Unary(ScalarFn::X)).then_some(first);
        };
        let same_shape = self.shape(first) == shape;
        let idle = match movement {
            Movement::Reshape { .. } | Movement::Expand { .. } | Movement::Pad { .. } => same_shape,
            Movement::Transpose { perm } => perm.iter().copied().eq(0..perm.len()),
            Movement::Concat { .. } => operands.len() == 1,
            Movement::Select { indices, .. } => {
                same_shape && indices.iter().zip(0..).all(|(&index, at)| index == at)
            }
            Movement::Dilate { step, .. } => *step == 1,
            Movement::Windows(_) | Movement::Index { .. } => false,
        };
        idle.then_some(first)
    }

    /// Roughly how many multiplications an operator takes.
    fn work(&self, op: &Op, operands: &[NodeId], shape: &[usize]) -> usize {
        let count = element_count(shape).unwrap_or(usize::MAX);
        let each = match (op, operands) {
            (Op::MatMul, [a, ..]) => self.shape(*a).last().copied().unwrap_or(1),
            (Op::Conv { .. }, [_, w, ..]) => self.shape(*w)[1..].iter().product(),
            (Op::Unary(f), _) => f.size(),
            (Op::TreeEnsemble(trees), _) => trees.trees.len().saturating_mul(64),
            _ => 1,
        };
        count.saturating_mul(each)
    }

    /// Counts the elements of a new tensor. One without elements has to be small without its empty
    /// axes: what is listed for the others is bounded by that.
    fn reserve(&mut self, shape: &[usize]) -> Result<(), Reason> {
        let extent = shape.iter().try_fold(1usize, |count, &dim| count.checked_mul(dim.max(1)));
        self.allow(extent.unwrap_or(usize::MAX))?;
        let total = element_count(shape).and_then(|count| count.checked_add(self.elements));
        match total {
            Some(total) if total <= self.limits.elements => {
                self.elements = total;
                Ok(())
            }
            _ => Err(Reason::TooManyElements { limit: self.limits.elements }),
        }
    }

    fn insert(&mut self, op: Op, operands: &[NodeId], shape: Vec<usize>) -> Result<NodeId, Reason> {
        let limit = self.limits.nodes;
        self.reserve(&shape)?;
        let id = u32::try_from(self.nodes.len())
            .ok()
            .filter(|_| self.nodes.len() < limit)
            .map(NodeId)
            .ok_or(Reason::TooManyNodes { limit })?;
        let Site { name, origin } = self.site.clone();
        let (operands, unrolled) = (operands.to_vec(), self.unrolling);
        self.nodes.push(Node { name, origin, op, operands, shape, unrolled });
        Ok(id)
    }
}

/// Whether a tensor of a shape has no elements.
fn is_empty(shape: &[usize]) -> bool {
    shape.contains(&0)
}

/// A number that is equal for equal operators; constants that differ in a sign of zero alone may
/// differ.
fn fingerprint(op: &Op, operands: &[NodeId]) -> u64 {
    let mut hasher = DefaultHasher::new();
    operands.hash(&mut hasher);
    discriminant(op).hash(&mut hasher);
    match op {
        Op::Constant(value) => {
            value.shape().hash(&mut hasher);
            value.data().iter().for_each(|x| x.to_bits().hash(&mut hasher));
        }
        Op::Move(Movement::Select { axis, indices }) => (axis, indices).hash(&mut hasher),
        Op::Move(Movement::Reshape { shape } | Movement::Expand { shape }) => {
            shape.hash(&mut hasher);
        }
        Op::Move(movement) => discriminant(movement).hash(&mut hasher),
        Op::Unary(f) => hash_scalar(f, &mut hasher),
        Op::Binary(f) => discriminant(f).hash(&mut hasher),
        Op::Reduce(reducer) => discriminant(reducer).hash(&mut hasher),
        _ => {}
    }
    hasher.finish()
}

fn hash_scalar(f: &ScalarFn, hasher: &mut DefaultHasher) {
    discriminant(f).hash(hasher);
    match f {
        ScalarFn::X => {}
        ScalarFn::Const(value) => value.to_bits().hash(hasher),
        ScalarFn::Unary(f, a) => {
            discriminant(f).hash(hasher);
            hash_scalar(a, hasher);
        }
        ScalarFn::Binary(f, a, b) => {
            discriminant(f).hash(hasher);
            hash_scalar(a, hasher);
            hash_scalar(b, hasher);
        }
        ScalarFn::Where(condition, a, b) => {
            [condition, a, b].into_iter().for_each(|f| hash_scalar(f, hasher));
        }
    }
}
