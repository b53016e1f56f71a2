//! The integer model itself: nodes in topological order, constants, inputs and outputs.

use serde::{Deserialize, Serialize};

use super::{Decoding, Encoding, Guard, Interval, Op, OperatorError};
use crate::name::{escape, is_plain};
use crate::tensor::{Tensor, element_count};

/// A node of an [`IntegerModel`], and with it the tensor that the node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position in [`IntegerModel::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A constant tensor of an [`IntegerModel`]; nodes that use equal constants share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConstId(pub u32);

/// The constants of a model: weights, biases, tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Constants(Vec<Tensor<i32>>);

impl Constants {
    /// Looks a constant up.
    ///
    /// # Errors
    /// [`OperatorError::Constant`] if there is none of that id.
    pub fn get(&self, id: ConstId) -> Result<&Tensor<i32>, OperatorError> {
        self.0.get(id.0 as usize).ok_or(OperatorError::Constant(id.0))
    }

    /// All constants in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ConstId, &Tensor<i32>)> {
        (0..).map(ConstId).zip(&self.0)
    }

    /// Adds a constant, or finds an equal one.
    fn intern(&mut self, tensor: Tensor<i32>) -> ConstId {
        let position = self.0.iter().position(|known| *known == tensor).unwrap_or_else(|| {
            self.0.push(tensor);
            self.0.len() - 1
        });
        ConstId(u32::try_from(position).expect("fewer than 2^32 constants"))
    }
}

impl std::ops::Index<ConstId> for Constants {
    type Output = Tensor<i32>;

    fn index(&self, id: ConstId) -> &Tensor<i32> {
        &self.0[id.0 as usize]
    }
}

/// One operator, the tensors it reads, and what is known of the tensor it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name, derived from the ONNX node it comes from.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// The nodes whose tensors are the operands, each before this one.
    pub operands: Vec<NodeId>,
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// What every element of the result stays inside.
    pub interval: Interval,
    /// The real value of one integer unit: `real = scale * integer`. Informative inside the model, decisive at outputs.
    pub scale: f64,
}

impl Node {
    /// The number of elements of the result.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the result has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An input of the model: one ONNX input and the integer tensors that are derived from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The ONNX input's name.
    pub name: String,
    /// The shape of the real-valued tensor.
    pub shape: Vec<usize>,
    /// How the real-valued tensor becomes integers; one entry for each [`Op::Input`] node that reads it.
    pub views: Vec<(NodeId, Encoding)>,
}

/// An output of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The ONNX output's name.
    pub name: String,
    /// The node that computes it.
    pub node: NodeId,
    /// What its integers mean.
    pub decoding: Decoding,
}

/// A quantized model: what is proven is that this list of operators maps the inputs to the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegerModel {
    nodes: Vec<Node>,
    constants: Constants,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    guards: Vec<Guard>,
}

/// An integer model that breaks a rule, with the node where it does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// An operator does not fit its operands.
    #[error("node `{node}` ({op})")]
    Operator {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What does not fit.
        #[source]
        source: OperatorError,
    },
    /// A result could reach 2^30.
    #[error("node `{node}` ({op}): values may reach {interval}, outside (-2^30, 2^30)")]
    Overflow {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What interval analysis found.
        interval: Interval,
    },
    /// A result has more than [`MAX_ELEMENTS`] elements.
    #[error("node `{node}` ({op}): a tensor of shape {shape:?} has more than 2^28 elements")]
    TooLarge {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// The shape.
        shape: Vec<usize>,
    },
    /// A node reads a tensor that does not come before it.
    #[error("node `{node}` reads node {operand}, which does not come before it")]
    Order {
        /// The reading node's name.
        node: String,
        /// The id it reads.
        operand: u32,
    },
    /// Inputs, outputs or annotations that contradict the nodes.
    #[error("node `{node}`: {what}")]
    Inconsistent {
        /// The node's or tensor's name.
        node: String,
        /// The rule that is broken.
        what: &'static str,
    },
}

impl IntegerModel {
    /// The nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Every node with its id, in topological order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0..).map(NodeId).zip(&self.nodes)
    }

    /// Weights, biases and tables.
    pub fn constants(&self) -> &Constants {
        &self.constants
    }

    /// The inputs in ONNX order.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The outputs in ONNX order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The clamps that only the calibration asked for. They are no part of what is proven, nor of the digest.
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// The [`Op::Input`] nodes in the order in which the interpreter takes their tensors.
    pub fn input_nodes(&self) -> impl Iterator<Item = (NodeId, &Encoding)> {
        self.inputs.iter().flat_map(|input| &input.views).map(|(id, encoding)| (*id, encoding))
    }

    /// Everything that gives the model's integers their meaning: all but the guards.
    pub(super) fn meaning(&self) -> impl Serialize + '_ {
        (&self.nodes, &self.constants, &self.inputs, &self.outputs)
    }

    /// The number of multiply-accumulate operations of one run: matrix products and convolutions.
    pub fn macs(&self) -> u64 {
        let macs = |node: &Node| {
            let shapes: Vec<&[usize]> =
                node.operands.iter().map(|&operand| &self.node(operand).shape[..]).collect();
            node.op.operator().macs(&shapes, &self.constants)
        };
        self.nodes.iter().map(macs).fold(0, u64::saturating_add)
    }

    /// The number of weights: matrices, kernels, biases, embeddings, constant operands, tree nodes. Tables of functions do
    /// not count, and what nodes share counts once.
    pub fn parameters(&self) -> usize {
        let operators = || self.nodes.iter().map(|node| node.op.operator());
        let shared: std::collections::BTreeSet<ConstId> =
            operators().flat_map(|op| op.weights()).collect();
        shared.iter().map(|&id| self.constants[id].len()).sum::<usize>()
            + operators().map(|op| op.own_parameters()).sum::<usize>()
    }

    /// Checks every rule of the integer model anew; what comes from a file is not trusted.
    ///
    /// # Errors
    /// [`ModelError`] with the first node that breaks a rule.
    pub fn check(&self) -> Result<(), ModelError> {
        for (id, node) in self.iter() {
            let (shape, interval) = infer(&self.nodes[..id.index()], &self.constants, node)?;
            let wrong = |what| ModelError::Inconsistent { node: node.name.clone(), what };
            if shape != node.shape {
                return Err(wrong("the stored shape is not the operator's"));
            }
            if interval != node.interval {
                return Err(wrong("the stored interval is not the operator's"));
            }
            if !(node.scale.is_finite() && node.scale > 0.0) {
                return Err(wrong("the scale is not a positive number"));
            }
        }
        self.check_interface()?;
        self.check_names()?;
        super::images::check(self)
    }

    /// Checks that every name can be shown as it is.
    fn check_names(&self) -> Result<(), ModelError> {
        let wrong = |what, name: &str| {
            Err(ModelError::Inconsistent { node: escape(name).into_owned(), what })
        };
        let nodes = self.nodes.iter().map(|node| &node.name);
        let mut names = nodes
            .chain(self.inputs.iter().map(|input| &input.name))
            .chain(self.outputs.iter().map(|output| &output.name));
        if let Some(name) = names.find(|name| !is_plain(name)) {
            return wrong("the name holds characters that cannot be shown", name);
        }
        for output in &self.outputs {
            if !output.decoding.is_plain() {
                let what = "a class name holds characters that cannot be shown";
                return wrong(what, &output.name);
            }
        }
        Ok(())
    }

    fn check_interface(&self) -> Result<(), ModelError> {
        let mut unclaimed: std::collections::BTreeSet<NodeId> = self
            .iter()
            .filter(|(_, node)| matches!(node.op, Op::Input(_)))
            .map(|(id, _)| id)
            .collect();
        for input in &self.inputs {
            let wrong = |what| ModelError::Inconsistent { node: input.name.clone(), what };
            if element_count(&input.shape).is_none_or(|count| count > MAX_ELEMENTS) {
                return Err(wrong("an input has more than 2^28 elements"));
            }
            for (id, encoding) in &input.views {
                encoding.check(&input.shape).map_err(wrong)?;
                if !unclaimed.remove(id) {
                    return Err(wrong("an input view is no input node, or is claimed twice"));
                }
                let node = self.node(*id);
                if node.shape != encoding.integer_shape(&input.shape) {
                    return Err(wrong("an input view has another shape than its node"));
                }
                if node.interval != encoding.interval() {
                    return Err(wrong("an input view has another interval than its node"));
                }
            }
        }
        if let Some(id) = unclaimed.first() {
            let node = self.node(*id).name.clone();
            return Err(ModelError::Inconsistent { node, what: "no input feeds this node" });
        }
        for guard in &self.guards {
            super::guard::check(guard, &self.nodes).map_err(|what| ModelError::Inconsistent {
                node: guard.node.0.to_string(),
                what,
            })?;
        }
        for output in &self.outputs {
            let wrong = |what| ModelError::Inconsistent { node: output.name.clone(), what };
            let node =
                self.nodes.get(output.node.index()).ok_or_else(|| wrong("no such output node"))?;
            output.decoding.check(node.interval).map_err(wrong)?;
        }
        Ok(())
    }
}

/// Builds an [`IntegerModel`] node by node; shapes and intervals are inferred and checked at once, names are kept as
/// [`escape`] writes them.
#[derive(Clone, Debug, Default)]
pub struct ModelBuilder {
    nodes: Vec<Node>,
    constants: Constants,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    guards: Vec<Guard>,
}

impl ModelBuilder {
    /// Starts an empty model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a constant, or finds an equal one.
    pub fn constant(&mut self, tensor: Tensor<i32>) -> ConstId {
        self.constants.intern(tensor)
    }

    /// The constants so far.
    pub fn constants(&self) -> &Constants {
        &self.constants
    }

    /// The node of an id that this builder gave out.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Adds an ONNX input of real shape `shape`; views of it are added with [`Self::view`].
    pub fn input(&mut self, name: impl Into<String>, shape: Vec<usize>) -> usize {
        let name = escape(&name.into()).into_owned();
        self.inputs.push(Input { name, shape, views: vec![] });
        self.inputs.len() - 1
    }

    /// Adds an integer view of input number `input`, or finds an equal one.
    ///
    /// # Errors
    /// [`ModelError`] if the encoding's interval is not inside the bound.
    pub fn view(&mut self, input: usize, encoding: Encoding) -> Result<NodeId, ModelError> {
        if let Some((id, _)) = self.inputs[input].views.iter().find(|(_, known)| *known == encoding)
        {
            return Ok(*id);
        }
        let name = match self.inputs[input].views.len() {
            0 => self.inputs[input].name.clone(),
            n => format!("{}.view{n}", self.inputs[input].name),
        };
        let shape = encoding.integer_shape(&self.inputs[input].shape);
        let op = Op::Input(super::ops::InputTensor { shape, interval: encoding.interval() });
        let id = self.push(name, op, &[], encoding.scale())?;
        self.inputs[input].views.push((id, encoding));
        Ok(id)
    }

    /// Adds a node.
    ///
    /// # Errors
    /// [`ModelError`] if the operator does not fit its operands or its result could reach 2^30.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        op: impl Into<Op>,
        operands: &[NodeId],
        scale: f64,
    ) -> Result<NodeId, ModelError> {
        let mut node = Node {
            name: escape(&name.into()).into_owned(),
            op: op.into(),
            operands: operands.to_vec(),
            shape: vec![],
            interval: Interval::point(0),
            scale,
        };
        (node.shape, node.interval) = infer(&self.nodes, &self.constants, &node)?;
        self.nodes.push(node);
        Ok(NodeId(u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 nodes")))
    }

    /// Declares an output.
    pub fn output(&mut self, name: impl Into<String>, node: NodeId, decoding: Decoding) {
        let name = escape(&name.into()).into_owned();
        let decoding = match decoding {
            Decoding::Names(names) => {
                Decoding::Names(names.iter().map(|name| escape(name).into_owned()).collect())
            }
            other => other,
        };
        self.outputs.push(Output { name, node, decoding });
    }

    /// Declares that a node cuts what lies outside `kept`, shifted but not clamped, because calibration never saw it.
    pub fn guard(&mut self, node: NodeId, kept: Interval) {
        self.guards.push(Guard { node, kept });
    }

    /// Finishes the model: nodes and constants that no output needs are left out, and the others move up.
    ///
    /// # Errors
    /// [`ModelError`] if [`IntegerModel::check`] finds fault with it.
    pub fn finish(mut self) -> Result<IntegerModel, ModelError> {
        self.prune_nodes();
        self.prune_constants();
        let Self { nodes, constants, inputs, outputs, guards } = self;
        let model = IntegerModel { nodes, constants, inputs, outputs, guards };
        model.check()?;
        Ok(model)
    }

    fn prune_nodes(&mut self) {
        let mut alive = vec![false; self.nodes.len()];
        for output in &self.outputs {
            if let Some(alive) = alive.get_mut(output.node.index()) {
                *alive = true;
            }
        }
        for at in (0..self.nodes.len()).rev() {
            alive[at] |= matches!(self.nodes[at].op, Op::Input(_));
            if alive[at] {
                self.nodes[at].operands.iter().for_each(|operand| alive[operand.index()] = true);
            }
        }
        let mut moved = vec![NodeId(0); self.nodes.len()];
        let mut kept = Vec::with_capacity(self.nodes.len());
        for (at, mut node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            if alive[at] {
                moved[at] = NodeId(u32::try_from(kept.len()).expect("fewer nodes than before"));
                node.operands.iter_mut().for_each(|operand| *operand = moved[operand.index()]);
                kept.push(node);
            }
        }
        self.nodes = kept;
        let views = self.inputs.iter_mut().flat_map(|input| &mut input.views);
        views.for_each(|(id, _)| *id = moved[id.index()]);
        self.guards.retain(|guard| alive.get(guard.node.index()) == Some(&true));
        for guard in &mut self.guards {
            guard.node = moved[guard.node.index()];
        }
        for output in &mut self.outputs {
            // An id that was never given out stays, for the check to find.
            output.node = moved.get(output.node.index()).copied().unwrap_or(output.node);
        }
    }

    fn prune_constants(&mut self) {
        let mut used = std::collections::BTreeSet::new();
        for node in &mut self.nodes {
            node.op.constants_mut().into_iter().for_each(|id| {
                used.insert(*id);
            });
        }
        let mut moved = std::collections::BTreeMap::new();
        let mut kept = vec![];
        for (id, value) in (0..).map(ConstId).zip(std::mem::take(&mut self.constants.0)) {
            if used.contains(&id) {
                let at = u32::try_from(kept.len()).expect("fewer constants than before");
                moved.insert(id, ConstId(at));
                kept.push(value);
            }
        }
        self.constants = Constants(kept);
        for node in &mut self.nodes {
            // An id that was never given out stays, for the check to find.
            node.op.constants_mut().into_iter().for_each(|id| {
                *id = moved.get(id).copied().unwrap_or(*id);
            });
        }
    }
}

/// The most elements that one tensor of a model may have.
pub const MAX_ELEMENTS: usize = 1 << 28;

fn infer(
    before: &[Node],
    constants: &Constants,
    node: &Node,
) -> Result<(Vec<usize>, Interval), ModelError> {
    let op = node.op.operator();
    let mut operands = Vec::with_capacity(node.operands.len());
    for id in &node.operands {
        let operand = before
            .get(id.index())
            .ok_or_else(|| ModelError::Order { node: node.name.clone(), operand: id.0 })?;
        operands.push((operand.interval, &operand.shape[..]));
    }
    let shapes: Vec<&[usize]> = operands.iter().map(|(_, shape)| *shape).collect();
    let refuse = |source| ModelError::Operator { node: node.name.clone(), op: op.name(), source };
    let shape = op.shape(&shapes, constants).map_err(refuse)?;
    if element_count(&shape).is_none_or(|count| count > MAX_ELEMENTS) {
        return Err(ModelError::TooLarge { node: node.name.clone(), op: op.name(), shape });
    }
    let mut interval = op.interval(&operands, constants).map_err(refuse)?;
    if matches!((&node.op, &node.operands[..]), (Op::Mul(_), [a, b]) if a == b) {
        // A tensor times itself is never negative, which intervals of two operands cannot know.
        interval = interval.clamp(0, i64::MAX);
    }
    if !interval.in_bound() {
        return Err(ModelError::Overflow { node: node.name.clone(), op: op.name(), interval });
    }
    Ok((shape, interval))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::ops::{Combine, Linear};

    #[test]
    fn what_no_output_needs_is_left_out() {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![1]);
        let x = builder.view(input, Encoding::Integer { lo: 0, hi: 9 }).unwrap();
        let dead = builder.constant(Tensor::new(vec![1, 1], vec![7]).unwrap());
        builder.push("dead", Linear { weight: dead, bias: None }, &[x], 1.0).unwrap();
        let weight = builder.constant(Tensor::new(vec![1, 1], vec![3]).unwrap());
        let y = builder.push("y", Linear { weight, bias: None }, &[x], 1.0).unwrap();
        builder.output("y", y, Decoding::Integer);
        let model = builder.finish().unwrap();
        let names: Vec<_> = model.nodes().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["x", "y"]);
        assert_eq!(model.constants().iter().count(), 1);
        assert_eq!(model.run(&[Tensor::vector(vec![5])]).unwrap()[0].data(), [15]);
    }

    #[test]
    fn equal_constants_and_views_are_shared() {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![2]);
        let view = |builder: &mut ModelBuilder, hi| {
            builder.view(input, Encoding::Integer { lo: 0, hi }).unwrap()
        };
        assert_eq!(view(&mut builder, 3), view(&mut builder, 3));
        assert_ne!(view(&mut builder, 3), view(&mut builder, 4));
        let constant = builder.constant(Tensor::vector(vec![1]));
        assert_eq!(builder.constant(Tensor::vector(vec![1])), constant);
    }

    #[test]
    fn models_that_break_a_rule_are_refused() {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![1]);
        let x = builder.view(input, Encoding::Integer { lo: 0, hi: 9 }).unwrap();
        let op = || Combine { coefficients: vec![1], constant: 0 };
        let late = builder.push("y", op(), &[NodeId(7)], 1.0).unwrap_err();
        assert_eq!(late, ModelError::Order { node: "y".into(), operand: 7 });
        let y = builder.push("y", op(), &[x], -1.0).unwrap();
        builder.output("y", y, Decoding::Integer);
        let error = builder.finish().unwrap_err().to_string();
        assert_eq!(error, "node `y`: the scale is not a positive number");
    }

    #[test]
    fn names_that_act_on_a_terminal_are_escaped_by_builders_and_refused_in_models() {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x\u{1b}[2J", vec![1]);
        let x = builder.view(input, Encoding::Integer { lo: 0, hi: 0 }).unwrap();
        let op = Combine { coefficients: vec![1], constant: 0 };
        let y = builder.push("y\n", op, &[x], 1.0).unwrap();
        builder.output("y\n", y, Decoding::Names(vec!["good\r".into()]));
        let model = builder.finish().unwrap();
        assert_eq!(model.inputs()[0].name, "x\\u{1b}[2J");
        assert_eq!(model.nodes()[1].name, "y\\u{a}");
        assert_eq!(model.outputs()[0].decoding, Decoding::Names(vec!["good\\u{d}".into()]));

        let changes: [fn(&mut IntegerModel); 4] = [
            |model| model.nodes[1].name.push('\n'),
            |model| model.inputs[0].name.push('\u{9b}'),
            |model| model.outputs[0].name.push('\u{202e}'),
            |model| model.outputs[0].decoding = Decoding::Names(vec!["\u{7}".into()]),
        ];
        for change in changes {
            let mut model = model.clone();
            change(&mut model);
            let error = model.check().unwrap_err().to_string();
            assert!(error.contains("cannot be shown") && is_plain(&error), "{error}");
        }
    }

    #[test]
    fn names_have_to_cover_the_output() {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![1]);
        let x = builder.view(input, Encoding::Integer { lo: 0, hi: 2 }).unwrap();
        builder.output("x", x, Decoding::Names(vec!["a".into(), "b".into()]));
        let error = builder.finish().unwrap_err().to_string();
        assert_eq!(error, "node `x`: the output's integers may point past its class names");
    }
}
