//! Walks the ONNX graph and translates node after node.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    ValueInfoProto,
};

use super::builder::{Builder, Site};
use super::context::{Context, Translate};
use super::data_type::{DataType, data_type, integer_bits, is_float};
use super::external::ExternalFiles;
use super::functions::{Function, FunctionKey, functions, specialise};
use super::literal::{Literal, literal, sparse};
use super::value::{Binding, Outputs, Stop, Value};
use super::{Reason, Refused, Settings, Weights};

/// Weights of more elements may be left unread.
const SKIPPED_MIN: usize = 1 << 12;

/// Graphs and functions may be this deep inside each other.
const DEPTH_MAX: usize = 32;

/// The translation of an operator, by domain and name.
pub(super) type Find = fn(&str, &str) -> Result<Translate, Reason>;

/// The state of a translation: what is in scope, and what has been refused.
#[derive(Debug)]
pub(super) struct Translator<'m> {
    find: Find,
    opsets: BTreeMap<String, i64>,
    functions: BTreeMap<FunctionKey, Function<'m>>,
    scopes: Vec<HashMap<String, Binding>>,
    /// Names of the enclosing nodes, for the names of nodes inside.
    path: Vec<String>,
    /// Everything that was refused so far.
    pub(super) refused: Vec<Refused>,
    reported: HashSet<(String, String)>,
    /// How many ONNX nodes may still be translated, those in loops and functions counted each time.
    nodes_left: usize,
    nodes_max: usize,
    /// What becomes of weights.
    weights: Weights,
    /// External weights.
    pub(super) external: &'m ExternalFiles,
}

impl<'m> Translator<'m> {
    /// A translation of `model`, which was decoded from `bytes`, by the operators of `find`.
    pub(super) fn new(
        find: Find,
        model: &'m ModelProto,
        bytes: &[u8],
        settings: &Settings,
        external: &'m ExternalFiles,
    ) -> Result<Self, prost::DecodeError> {
        Ok(Self {
            find,
            opsets: opsets(&model.opset_import),
            functions: functions(model, bytes)?,
            scopes: vec![HashMap::new()],
            path: Vec::new(),
            refused: Vec::new(),
            reported: HashSet::new(),
            nodes_left: settings.max_nodes,
            nodes_max: settings.max_nodes,
            weights: settings.weights,
            external,
        })
    }

    pub(super) fn refuse(&mut self, node: &str, op: &str, reason: Reason) {
        if self.reported.insert((node.to_owned(), reason.to_string())) {
            self.refused.push(Refused { node: node.to_owned(), op: op.to_owned(), reason });
        }
    }

    /// Gives a name a meaning in the innermost scope.
    pub(super) fn bind(&mut self, name: &str, binding: Binding) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), binding);
        }
    }

    /// What a name stands for, looking outwards.
    pub(super) fn lookup(&self, name: &str) -> Option<&Binding> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    /// Turns the graph's initializers into constants.
    pub(super) fn initializers(&mut self, g: &mut Builder, graph: &GraphProto) {
        let mut seen = HashSet::new();
        for tensor in &graph.initializer {
            if let Some(shape) = self.skipped(tensor) {
                g.enter(Site { name: tensor.name.clone(), origin: "initializer".to_owned() });
                self.stand_in(g, tensor, shape);
                continue;
            }
            let read = literal(tensor, self.external);
            self.initializer(g, &tensor.name, read, &mut seen);
        }
        for tensor in &graph.sparse_initializer {
            let name = tensor.values.as_ref().map_or("", |values| values.name.as_str());
            let read = sparse(tensor, self.external);
            self.initializer(g, name, read, &mut seen);
        }
    }

    /// The shape of a tensor that is not read: large ones whose elements can be no shape.
    pub(super) fn skipped(&self, tensor: &TensorProto) -> Option<Vec<usize>> {
        let outside = tensor.data_location == Some(1);
        let kind = data_type(tensor.data_type).ok()?;
        let bytes = integer_bits(kind).is_some_and(|bits| bits <= 8);
        let shape = tensor.dims.iter().map(|&dim| usize::try_from(dim).ok());
        let shape = shape.collect::<Option<Vec<usize>>>()?;
        let count = shape.iter().fold(1, |count: usize, &dim| count.saturating_mul(dim));
        let large = outside || count > SKIPPED_MIN;
        let skipped = self.weights == Weights::Skipped && large && (bytes || is_float(kind));
        skipped.then_some(shape)
    }

    fn stand_in(&mut self, g: &mut Builder, tensor: &TensorProto, shape: Vec<usize>) {
        let kind = data_type(tensor.data_type).unwrap_or(DataType::Float);
        let binding = match g.weights(&tensor.name, shape) {
            Ok(id) => Binding::Tensor(Value::new(id, kind)),
            Err(reason) => {
                self.refuse(&tensor.name, "initializer", reason);
                Binding::Poisoned
            }
        };
        self.bind(&tensor.name, binding);
    }

    fn initializer(
        &mut self,
        g: &mut Builder,
        name: &str,
        read: Result<Literal, Reason>,
        seen: &mut HashSet<String>,
    ) {
        let origin = "initializer";
        g.enter(Site { name: name.to_owned(), origin: origin.to_owned() });
        if !seen.insert(name.to_owned()) {
            self.refuse(name, origin, Reason::Duplicate(name.to_owned()));
        }
        let made = read.and_then(Literal::without_nan).and_then(|literal| {
            let id = g.constant(literal.value)?;
            Ok(Value { id, kind: literal.kind, names: literal.names })
        });
        let binding = match made {
            Ok(value) => Binding::Tensor(value),
            Err(reason) => {
                self.refuse(name, origin, reason);
                Binding::Poisoned
            }
        };
        self.bind(name, binding);
    }

    /// Translates nodes in an order in which each reads only what is defined.
    pub(super) fn nodes(&mut self, g: &mut Builder, nodes: &[NodeProto]) {
        for position in self.order(nodes) {
            self.node(g, &nodes[position]);
        }
    }

    /// A topological order of the nodes; what is in a cycle, defined twice or reads nothing known
    /// is refused.
    fn order(&mut self, nodes: &[NodeProto]) -> Vec<usize> {
        let mut producer: HashMap<&str, usize> = HashMap::new();
        for (position, node) in nodes.iter().enumerate() {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                let known = self.scopes.last().is_some_and(|scope| scope.contains_key(output));
                if known || producer.insert(output, position).is_some() {
                    let reason = Reason::Duplicate(output.clone());
                    self.refuse(&node_name(node), &operator(node), reason);
                }
            }
        }
        let mut waiting = vec![0usize; nodes.len()];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        for (position, node) in nodes.iter().enumerate() {
            for name in reads(node) {
                if let Some(&from) = producer.get(name) {
                    readers[from].push(position);
                    waiting[position] += 1;
                }
            }
        }
        let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&at| waiting[at] == 0).collect();
        let mut order = Vec::with_capacity(nodes.len());
        while let Some(position) = ready.pop_first() {
            order.push(position);
            for &reader in &readers[position] {
                waiting[reader] -= 1;
                if waiting[reader] == 0 {
                    ready.insert(reader);
                }
            }
        }
        for (_, node) in nodes.iter().enumerate().filter(|(at, _)| waiting[*at] > 0) {
            self.refuse(&node_name(node), &operator(node), Reason::Cycle);
            node.output.iter().for_each(|name| self.bind(name, Binding::Poisoned));
        }
        order
    }

    fn node(&mut self, g: &mut Builder, node: &NodeProto) {
        let name = self.path.iter().map(|outer| format!("{outer}/")).collect::<String>()
            + &node_name(node);
        let before = g.enter(Site { name: name.clone(), origin: operator(node) });
        let (outputs, other) = match self.translate(g, node) {
            Ok(outputs) => (outputs, Binding::NotGiven),
            Err(Stop::Refuse(reason)) => {
                self.refuse(&name, &operator(node), reason);
                (Vec::new(), Binding::Poisoned)
            }
            Err(Stop::Reported) => (Vec::new(), Binding::Poisoned),
        };
        g.enter(before);
        for (index, output) in node.output.iter().enumerate().filter(|(_, o)| !o.is_empty()) {
            self.bind(output, outputs.get(index).cloned().unwrap_or_else(|| other.clone()));
        }
    }

    fn translate(&mut self, g: &mut Builder, node: &NodeProto) -> Outputs {
        self.spend()?;
        let function = self.functions.get(&(domain(node).to_owned(), node.op_type.clone()));
        let function = function.cloned();
        let operator = match function {
            Some(_) => None,
            None => Some((self.find)(domain(node), &node.op_type)?),
        };
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(match self.lookup(name) {
                _ if name.is_empty() => Binding::Absent,
                Some(binding) => binding.clone(),
                None => return Err(Reason::Undefined(name.clone()).into()),
            });
        }
        if inputs.iter().any(|input| matches!(input, Binding::Poisoned)) {
            return Err(Stop::Reported);
        }
        let mut read = inputs.iter().zip(&node.input);
        if let Some((_, name)) = read.find(|(input, _)| matches!(input, Binding::NotGiven)) {
            return Err(Reason::NotComputed(name.clone()).into());
        }
        match (function, operator) {
            (Some(function), _) => self.call(g, &function, node, &inputs),
            (None, Some(operator)) => {
                let opset = self.opsets.get(domain(node)).copied().unwrap_or(1);
                operator(&mut Context { g, translator: self, node, inputs, opset })
            }
            (None, None) => Err(Reason::UnknownOperator.into()),
        }
    }

    /// Translates a subgraph in a scope of its own.
    pub(super) fn subgraph(
        &mut self,
        g: &mut Builder,
        (node, graph): (&NodeProto, &GraphProto),
        arguments: Vec<Binding>,
    ) -> Result<Vec<Binding>, Stop> {
        self.deeper(&node_name(node))?;
        let before = self.refused.len();
        self.scopes.push(HashMap::new());
        self.initializers(g, graph);
        for (input, argument) in graph.input.iter().zip(arguments) {
            self.bind(&input.name, argument);
        }
        self.nodes(g, &graph.node);
        let outputs = self.results(graph.output.iter().map(|output| output.name.as_str()));
        self.scopes.pop();
        self.path.pop();
        if self.refused.len() > before { Err(Stop::Reported) } else { outputs }
    }

    /// Translates the body of a model-local function in place of its call.
    fn call(
        &mut self,
        g: &mut Builder,
        function: &Function<'m>,
        node: &NodeProto,
        inputs: &[Binding],
    ) -> Outputs {
        self.deeper(&node_name(node))?;
        let before = self.refused.len();
        let body = specialise(function, node);
        let mut scope = HashMap::new();
        for (index, name) in function.proto.input.iter().enumerate() {
            scope.insert(name.clone(), inputs.get(index).cloned().unwrap_or(Binding::Absent));
        }
        // A function sees nothing of the graph around it, and imports operator sets of its own.
        let scopes = std::mem::replace(&mut self.scopes, vec![scope]);
        let opsets = std::mem::replace(&mut self.opsets, opsets(&function.proto.opset_import));
        self.nodes(g, &body);
        let outputs = self.results(function.proto.output.iter().map(String::as_str));
        self.scopes = scopes;
        self.opsets = opsets;
        self.path.pop();
        if self.refused.len() > before { Err(Stop::Reported) } else { outputs }
    }

    /// Counts one node, or one turn of a loop, so that nested loops and functions end.
    fn spend(&mut self) -> Result<(), Reason> {
        let left = self.nodes_left.checked_sub(1);
        self.nodes_left = left.ok_or(Reason::TooManyNodes { limit: self.nodes_max })?;
        Ok(())
    }

    fn deeper(&mut self, name: &str) -> Result<(), Reason> {
        self.spend()?;
        if self.path.len() >= DEPTH_MAX {
            return Err(Reason::TooDeep(DEPTH_MAX));
        }
        self.path.push(name.to_owned());
        Ok(())
    }

    fn results<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<Vec<Binding>, Stop> {
        names
            .map(|name| match self.lookup(name) {
                Some(Binding::Poisoned) => Err(Stop::Reported),
                Some(Binding::NotGiven) => Err(Reason::NotComputed(name.to_owned()).into()),
                Some(binding) => Ok(binding.clone()),
                None => Err(Reason::Undefined(name.to_owned()).into()),
            })
            .collect()
    }

    /// The element type of a graph input or output, if it is a tensor.
    pub(super) fn tensor_type(
        info: &ValueInfoProto,
    ) -> Result<(DataType, Option<&TensorShapeProto>), Reason> {
        let value = info.r#type.as_ref().and_then(|kind| kind.value.as_ref());
        let Some(TypeValue::TensorType(tensor)) = value else {
            return Err(Reason::NotATensor("an input of another type"));
        };
        Ok((data_type(tensor.elem_type)?, tensor.shape.as_ref()))
    }
}

/// The domain of a node; `ai.onnx` is the long name of the default one.
fn domain(node: &NodeProto) -> &str {
    if node.domain == "ai.onnx" { "" } else { &node.domain }
}

/// The operator with its domain, unless that is the default one.
pub(super) fn operator(node: &NodeProto) -> String {
    match domain(node) {
        "" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// The node's name, or that of its first output, or its operator.
pub(super) fn node_name(node: &NodeProto) -> String {
    let names = std::iter::once(&node.name).chain(&node.output).chain([&node.op_type]);
    names.into_iter().find(|name| !name.is_empty()).cloned().unwrap_or_default()
}

/// Every name that a node reads, including what its subgraphs read from outside.
fn reads(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = node.input.iter().map(String::as_str).collect();
    let graphs = node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs));
    for graph in graphs {
        let outputs = graph.output.iter().map(|output| output.name.as_str());
        names.extend(graph.node.iter().flat_map(reads).chain(outputs));
    }
    names.retain(|name| !name.is_empty());
    names
}

fn opsets(imports: &[OperatorSetIdProto]) -> BTreeMap<String, i64> {
    let short = |domain: &str| if domain == "ai.onnx" { "" } else { domain }.to_owned();
    imports.iter().map(|import| (short(&import.domain), import.version)).collect()
}
