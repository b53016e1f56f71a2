//! Builds integer models node by node.

use super::model::infer;
use super::{
    BOUND, ConstId, Constants, Decoding, Encoding, Guard, Input, IntegerModel, Interval,
    ModelError, Node, NodeId, Op, Output,
};
use crate::name::escape;
use crate::tensor::Tensor;

/// Builds an [`IntegerModel`] node by node; shapes and intervals are inferred and checked at once,
/// names are kept as [`escape`] writes them.
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

    /// Declares that a node cuts what is outside `kept`, shifted but not clamped, because
    /// calibration never saw it.
    pub fn guard(&mut self, node: NodeId, kept: Interval) {
        match self.guards.iter_mut().find(|guard| guard.node == node) {
            Some(guard) => guard.kept = kept,
            None => self.guards.push(Guard { node, kept, steep: vec![] }),
        }
    }

    /// Declares that what a node makes of `steep`, shifted but not clamped, may be wrong, because
    /// calibration has judged its function only where it is less steep.
    pub fn steep(&mut self, node: NodeId, steep: Vec<Interval>) {
        if steep.is_empty() {
            return;
        }
        match self.guards.iter_mut().find(|guard| guard.node == node) {
            Some(guard) => guard.steep = steep,
            None => self.guards.push(Guard { node, kept: Interval::new(-BOUND, BOUND), steep }),
        }
    }

    /// Finishes the model: nodes and constants that no output needs are left out, and the others
    /// move up.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::ops::{Combine, Linear};
    use crate::is_plain;

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
