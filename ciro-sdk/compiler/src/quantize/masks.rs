//! Attention masks that are computed: which positions count, instead of huge numbers that are
//! added.
//!
//! An addend that is 0 where a truth value holds and at most -1e4 where it does not hides positions
//! from a softmax, whatever the constant is and however it was computed. As an addend it would
//! stretch the range of the scores until nothing of them is left; as a truth value it costs one
//! product. `softmax(x + mask)` becomes `softmax(where(keep, x, -inf))` here, and so do maxima.

use std::sync::Arc;

use super::calibrate::{Calibration, Range};
use super::facts::is_truth;
use crate::float::{BinaryFn, ElementType, Graph, Node, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// Addends from here down hide a position.
const HIDDEN: f64 = -1e4;

/// How deep expressions of masks are followed.
const DEPTH_MAX: usize = 64;

/// A graph whose masks are truth values.
pub(super) struct Masked {
    pub(super) graph: Graph,
    pub(super) calibration: Calibration,
    /// For each input, whether it is a truth value, by the samples or by its type.
    pub(super) truths: Vec<bool>,
}

/// The graph with computed additive masks as choices; `None` if it has none.
pub(super) fn rewritten(graph: &Graph, calibration: &Calibration) -> Option<Masked> {
    let known = Known::of(graph, calibration);
    let reads = |node: &Node| {
        matches!(
            node.op,
            Op::Softmax | Op::Reduce(Reducer::Max | Reducer::ArgMax | Reducer::LogSumExp)
        )
    };
    let split = |node: &Node| match node.operands[..] {
        [operand] if reads(node) => known.split(operand, DEPTH_MAX),
        _ => None,
    };
    let splits: Vec<Option<Split>> = graph.nodes.iter().map(split).collect();
    if splits.iter().all(Option::is_none) {
        return None;
    }
    let mut truths = vec![false; graph.inputs.len()];
    splits.iter().flatten().for_each(|split| known.inputs(&split.keep, &mut truths));
    let mut copy = Copy::new(graph, calibration);
    for (at, split) in splits.iter().enumerate() {
        copy.node(at, split.as_ref());
    }
    Some(copy.finish(truths))
}

/// A truth value of a graph.
#[derive(Clone, Debug)]
enum Truth {
    Node(NodeId),
    Constant(Arc<Tensor<f64>>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Moved(Movement<f64>, Box<Self>),
}

impl Truth {
    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    /// Whether it depends on anything that is computed.
    fn computed(&self) -> bool {
        match self {
            Self::Node(_) => true,
            Self::Constant(_) => false,
            Self::Not(inner) | Self::Moved(_, inner) => inner.computed(),
            Self::And(a, b) => a.computed() || b.computed(),
        }
    }
}

/// Scores, what is done to them on the way, and which of them count.
#[derive(Clone, Debug)]
struct Split {
    scores: NodeId,
    /// First to last.
    steps: Vec<Op>,
    keep: Truth,
}

/// A tensor of two values, by a truth value.
struct TwoValued {
    truth: Truth,
    /// The values where it does not hold, and where it does.
    values: [f64; 2],
}

/// What is known of a graph's nodes.
struct Known<'g> {
    graph: &'g Graph,
    /// Whether a node's elements are all 0 or 1.
    truths: Vec<bool>,
}

impl<'g> Known<'g> {
    fn of(graph: &'g Graph, calibration: &Calibration) -> Self {
        let mut truths: Vec<bool> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let all = |operands: &[NodeId]| operands.iter().all(|id| truths[id.index()]);
            let truth = match &node.op {
                Op::Input { index } => {
                    graph.inputs[*index].element_type == ElementType::Bool
                        || calibration.binary.get(*index) == Some(&true)
                }
                Op::Constant(value) => value.data().iter().all(|&x| is_truth(x)),
                Op::Unary(f) => gives_truth(f) || (all(&node.operands) && keeps_truth(f)),
                Op::Binary(f) if f.decides() => true,
                Op::Binary(BinaryFn::Mul | BinaryFn::Max | BinaryFn::Min) => all(&node.operands),
                Op::Where => all(&node.operands[1..]),
                Op::Reduce(Reducer::Max | Reducer::Min) => all(&node.operands),
                Op::Move(movement) => {
                    all(&node.operands) && movement.fill().is_none_or(|&x| is_truth(x))
                }
                _ => false,
            };
            truths.push(truth);
        }
        Self { graph, truths }
    }

    /// The scores behind a masked operand, if a computed mask hides some.
    fn split(&self, id: NodeId, depth: usize) -> Option<Split> {
        let depth = depth.checked_sub(1)?;
        let node = self.graph.node(id);
        let whole = |scores| Split { scores, steps: vec![], keep: Truth::Node(scores) };
        let masked = |scores: NodeId, keep: Truth| match self.split(scores, depth) {
            Some(inner) => Split { keep: inner.keep.clone().and(keep), ..inner },
            None => Split { keep, ..whole(scores) },
        };
        let found = match (&node.op, &node.operands[..]) {
            (Op::Move(movement), &[inner]) if movement.fill().is_none() => {
                let mut split = self.split(inner, depth)?;
                split.steps.push(node.op.clone());
                split.keep = Truth::Moved(movement.clone(), Box::new(split.keep));
                split
            }
            (Op::Unary(f), &[inner]) if f.affine().is_some_and(|(slope, _)| slope > 0.0) => {
                let mut split = self.split(inner, depth)?;
                split.steps.push(node.op.clone());
                split
            }
            (Op::Binary(BinaryFn::Add), &[a, b]) => {
                let (scores, keep) = match (self.mask(b, depth), self.mask(a, depth)) {
                    (Some(keep), _) => (a, keep),
                    (None, Some(keep)) => (b, keep),
                    (None, None) => return None,
                };
                masked(scores, keep)
            }
            (Op::Where, &[condition, a, b]) => {
                let truth = self.truth(condition)?;
                match (self.hides(a), self.hides(b)) {
                    (true, _) => masked(b, truth.not()),
                    (_, true) => masked(a, truth),
                    _ => return None,
                }
            }
            _ => return None,
        };
        found.keep.computed().then_some(found)
    }

    /// Where a tensor of 0 and hidden is 0.
    fn mask(&self, id: NodeId, depth: usize) -> Option<Truth> {
        let depth = depth.checked_sub(1)?;
        let node = self.graph.node(id);
        if let Some(two) = self.two_valued(id, depth) {
            return match two.values {
                [no, yes] if no <= HIDDEN && yes == 0.0 => Some(two.truth),
                [no, yes] if yes <= HIDDEN && no == 0.0 => Some(two.truth.not()),
                _ => None,
            };
        }
        match (&node.op, &node.operands[..]) {
            (Op::Constant(value), _) => {
                let masks = value.data().iter().all(|&x| x == 0.0 || x <= HIDDEN);
                let keep = || value.map(|&x| f64::from(u8::from(x == 0.0)));
                masks.then(|| Truth::Constant(Arc::new(keep())))
            }
            (Op::Move(movement), &[inner]) if movement.fill().is_none() => {
                Some(Truth::Moved(movement.clone(), Box::new(self.mask(inner, depth)?)))
            }
            (Op::Binary(BinaryFn::Add | BinaryFn::Min), &[a, b]) => {
                Some(self.mask(a, depth)?.and(self.mask(b, depth)?))
            }
            (Op::Unary(f), &[inner]) if keeps_masks(f) => self.mask(inner, depth),
            (Op::Where, &[condition, a, b]) => {
                let truth = self.truth(condition)?;
                if self.hides(a) {
                    return Some(truth.not().and(self.mask(b, depth)?));
                }
                self.hides(b).then_some(truth.and(self.mask(a, depth)?))
            }
            _ => None,
        }
    }

    /// The two values of a tensor that is a function of a truth value.
    fn two_valued(&self, id: NodeId, depth: usize) -> Option<TwoValued> {
        let depth = depth.checked_sub(1)?;
        let node = self.graph.node(id);
        if self.truths[id.index()] && self.graph.constant(id).is_none() {
            return Some(TwoValued { truth: Truth::Node(id), values: [0.0, 1.0] });
        }
        match (&node.op, &node.operands[..]) {
            (Op::Unary(f), &[inner]) => {
                let two = self.two_valued(inner, depth)?;
                Some(TwoValued { values: two.values.map(|x| f.eval(x)), ..two })
            }
            (Op::Move(movement), &[inner]) if movement.fill().is_none() => {
                let two = self.two_valued(inner, depth)?;
                let truth = Truth::Moved(movement.clone(), Box::new(two.truth));
                Some(TwoValued { truth, ..two })
            }
            (Op::Binary(f), &[a, b]) => match (self.uniform(a), self.uniform(b)) {
                (Some(c), None) => {
                    let two = self.two_valued(b, depth)?;
                    Some(TwoValued { values: two.values.map(|x| f.eval(c, x)), ..two })
                }
                (None, Some(c)) => {
                    let two = self.two_valued(a, depth)?;
                    Some(TwoValued { values: two.values.map(|x| f.eval(x, c)), ..two })
                }
                _ => None,
            },
            (Op::Where, &[condition, a, b]) => {
                let values = [self.uniform(b)?, self.uniform(a)?];
                Some(TwoValued { truth: self.truth(condition)?, values })
            }
            _ => None,
        }
    }

    /// A node as a truth value, if it is one.
    fn truth(&self, id: NodeId) -> Option<Truth> {
        if let Some(value) = self.graph.constant(id) {
            let value = value.map(|&x| f64::from(u8::from(x != 0.0)));
            return Some(Truth::Constant(Arc::new(value)));
        }
        self.truths[id.index()].then_some(Truth::Node(id))
    }

    fn uniform(&self, id: NodeId) -> Option<f64> {
        super::expr::uniform(self.graph.constant(id)?)
    }

    fn hides(&self, id: NodeId) -> bool {
        let constant = self.graph.constant(id);
        constant.is_some_and(|value| value.data().iter().all(|&x| x <= HIDDEN))
    }

    /// Marks the inputs that truth values are made from.
    fn inputs(&self, truth: &Truth, marks: &mut [bool]) {
        let mut nodes = vec![];
        let mut open = vec![truth];
        while let Some(truth) = open.pop() {
            match truth {
                Truth::Node(id) => nodes.push(*id),
                Truth::Constant(_) => {}
                Truth::Not(inner) | Truth::Moved(_, inner) => open.push(inner),
                Truth::And(a, b) => open.extend([&**a, &**b]),
            }
        }
        let mut seen = vec![false; self.graph.nodes.len()];
        while let Some(id) = nodes.pop() {
            if std::mem::replace(&mut seen[id.index()], true) || !self.truths[id.index()] {
                continue;
            }
            let node = self.graph.node(id);
            if let Op::Input { index } = node.op {
                marks[index] = true;
            }
            nodes.extend(&node.operands);
        }
    }
}

/// Whether a function gives 0 or 1, whatever its variable.
fn gives_truth(f: &ScalarFn) -> bool {
    match f {
        ScalarFn::Const(c) => is_truth(*c),
        ScalarFn::Unary(UnaryFn::Not | UnaryFn::IsNaN | UnaryFn::IsInf, _) => true,
        ScalarFn::Binary(f, ..) if f.decides() => true,
        ScalarFn::Where(_, a, b) => gives_truth(a) && gives_truth(b),
        ScalarFn::Binary(BinaryFn::Sub, one, x) => **one == ScalarFn::Const(1.0) && gives_truth(x),
        _ => false,
    }
}

/// Whether a function maps 0 and 1 to 0 or 1.
fn keeps_truth(f: &ScalarFn) -> bool {
    [0.0, 1.0].map(|x| f.eval(x)).iter().all(|&y| is_truth(y))
}

/// Whether a function keeps 0, and what hides hidden.
fn keeps_masks(f: &ScalarFn) -> bool {
    let hidden = [HIDDEN, 10.0 * HIDDEN, -1e9, -1e30, f64::from(f32::MIN), f64::NEG_INFINITY];
    f.eval(0.0) == 0.0 && hidden.iter().all(|&x| f.eval(x) <= HIDDEN)
}

/// A graph that is being copied, with choices in place of masks.
struct Copy<'g> {
    from: &'g Graph,
    known: &'g Calibration,
    nodes: Vec<Node>,
    ranges: Vec<Range>,
    moved: Vec<NodeId>,
}

impl<'g> Copy<'g> {
    fn new(from: &'g Graph, known: &'g Calibration) -> Self {
        Self { from, known, nodes: vec![], ranges: vec![], moved: vec![] }
    }

    /// Copies a node; where its operand is masked, it reads a choice instead.
    fn node(&mut self, at: usize, split: Option<&Split>) {
        let mut node = self.from.nodes[at].clone();
        match split {
            Some(split) => node.operands = vec![self.choice(&node, split)],
            None => {
                node.operands.iter_mut().for_each(|id| *id = self.moved[id.index()]);
            }
        }
        let id = self.push(node, self.known.ranges[at]);
        self.moved.push(id);
    }

    fn push(&mut self, node: Node, range: Range) -> NodeId {
        self.nodes.push(node);
        self.ranges.push(range);
        NodeId(u32::try_from(self.nodes.len() - 1).expect("import bounds nodes"))
    }

    /// A node for a part of the choice before `reader`.
    fn part(&mut self, reader: &Node, op: Op, operands: &[NodeId], range: Range) -> NodeId {
        let shapes: Vec<&[usize]> =
            operands.iter().map(|id| &self.nodes[id.index()].shape[..]).collect();
        let shape = match (&op, &shapes[..]) {
            (Op::Constant(value), _) => value.shape().to_vec(),
            (Op::Move(movement), shapes) => {
                movement.shape(shapes).expect("the movement was made for this shape")
            }
            (_, shapes) => shapes[0].to_vec(),
        };
        let name = format!("{}.mask{}", reader.name, self.nodes.len());
        let (origin, unrolled) = (reader.origin.clone(), reader.unrolled);
        let node = Node { name, origin, op, operands: operands.to_vec(), shape, unrolled };
        self.push(node, range)
    }

    /// `where(keep, scores, -inf)`.
    fn choice(&mut self, reader: &Node, split: &Split) -> NodeId {
        let mut scores = self.moved[split.scores.index()];
        let mut range = self.known.ranges[split.scores.index()];
        for step in &split.steps {
            if let Op::Unary(f) = step
                && let Some((slope, offset)) = f.affine()
            {
                range = range.affine(slope, offset);
            }
            scores = self.part(reader, step.clone(), &[scores], range);
        }
        let keep = self.truth(reader, &split.keep);
        let shape = self.nodes[scores.index()].shape.clone();
        let fill = vec![f64::NEG_INFINITY; super::expr::count(&shape)];
        let hidden = Op::Constant(Arc::new(super::expr::rebuilt(&shape, fill)));
        let hidden = self.part(reader, hidden, &[], Range::EMPTY);
        self.part(reader, Op::Where, &[keep, scores, hidden], range)
    }

    fn truth(&mut self, reader: &Node, truth: &Truth) -> NodeId {
        let range = Range { lo: 0.0, hi: 1.0 };
        let (op, operands) = match truth {
            Truth::Node(id) => return self.moved[id.index()],
            Truth::Constant(value) => (Op::Constant(value.clone()), vec![]),
            Truth::Not(inner) => {
                let inner = self.truth(reader, inner);
                let not = ScalarFn::binary(BinaryFn::Sub, ScalarFn::Const(1.0), ScalarFn::X);
                (Op::Unary(not), vec![inner])
            }
            Truth::And(a, b) => {
                let operands = vec![self.truth(reader, a), self.truth(reader, b)];
                (Op::Binary(BinaryFn::And), operands)
            }
            Truth::Moved(movement, inner) => {
                (Op::Move(movement.clone()), vec![self.truth(reader, inner)])
            }
        };
        self.part(reader, op, &operands, range)
    }

    fn finish(self, truths: Vec<bool>) -> Masked {
        let Self { from, known, nodes, ranges, moved } = self;
        let mut outputs = from.outputs.clone();
        outputs.iter_mut().for_each(|output| output.node = moved[output.node.index()]);
        let graph = Graph { nodes, inputs: from.inputs.clone(), outputs };
        Masked { graph, calibration: Calibration { ranges, ..known.clone() }, truths }
    }
}
