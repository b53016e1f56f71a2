//! Integer models as readable Cairo packages.

mod data;
mod entry;
mod kernels;
mod layer;
mod layouts;
mod names;
mod ops;
mod pieces;
mod slots;
mod weights;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use ciro_model::integer::{IntegerModel, NodeId, Op};
use starknet_types_core::felt::Felt;

use self::data::Data;
use self::layer::{Layer, Parts};
use self::layouts::Layouts;
use self::names::{Names, Namespace};
use self::slots::hex;
use self::weights::{BlockLayout, Use, Weights};
use crate::identity::Identity;
use crate::package::{Origin, Package};

/// How a model becomes a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmitSettings {
    /// How many numbers of weights and tables may be part of the program; the smallest tensors go
    /// first. Default 4096.
    ///
    /// Larger tensors become private arguments under a commitment that the program checks. That
    /// costs a hash of every weight in the proof, but keeps them out of it: a proof shows the whole
    /// program.
    pub inline_max: usize,
}

impl Default for EmitSettings {
    fn default() -> Self {
        Self { inline_max: 4096 }
    }
}

/// A model that has no Cairo form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// A node is outside of what the Cairo route handles.
    #[error("node `{node}` ({op}) has no Cairo form: {reason}")]
    Refused {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// Why.
        reason: String,
    },
    /// Two different things of the package would have one name: a mistake of this crate, found
    /// before anything is compiled.
    #[error("two things in the Cairo package are named `{name}`")]
    Ambiguous {
        /// The name.
        name: String,
    },
}

/// Writes a model as a Cairo package: one function for each node, calling a small library of
/// operators.
///
/// Equal models give equal packages.
///
/// # Errors
/// [`EmitError`] with the first node that has no Cairo form.
pub fn emit(
    model: &IntegerModel,
    name: &str,
    settings: EmitSettings,
) -> Result<Package, EmitError> {
    let name = names::package(name);
    let mut namespace = Namespace::new();
    let names = Names::new(model, &mut namespace);
    let weights = Weights::plan(model, &names, &mut namespace, settings.inline_max);
    let emitter = Emitter {
        model,
        namespace,
        names,
        weights,
        data: Data::default(),
        layouts: Layouts::default(),
        uses: BTreeMap::new(),
        opens: BTreeMap::new(),
        arguments: vec![],
    };
    emitter.package(name)
}

struct Emitter<'m> {
    model: &'m IntegerModel,
    namespace: Namespace,
    names: Names,
    weights: Weights,
    data: Data,
    layouts: Layouts,
    /// Items of `ops` that layers use, by module.
    uses: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// The expression that opens each committed block.
    opens: BTreeMap<Use, String>,
    /// The felts of all committed blocks.
    arguments: Vec<Felt>,
}

impl Emitter<'_> {
    fn package(mut self, name: String) -> Result<Package, EmitError> {
        self.write_identity();
        self.write_blocks()?;
        let mut layers = String::new();
        let mut functions = Vec::new();
        for (id, node) in self.model.iter() {
            if !matches!(node.op, Op::Input(_)) {
                functions.push(self.layer(id)?);
            }
        }
        let header = self.layers_header();
        let mut origins = Vec::new();
        for Function { node, code, .. } in &functions {
            let start = header.lines().count() + layers.lines().count() + 2;
            let lines = start..start + code.lines().count();
            origins.push(Origin { path: "src/layers.cairo".to_owned(), lines, node: node.clone() });
            layers.push('\n');
            layers.push_str(code);
        }
        let mut files = BTreeMap::new();
        files.insert("Scarb.toml".to_owned(), kernels::manifest(&name));
        files.insert("src/lib.cairo".to_owned(), self.lib(&name, &functions)?);
        files.insert("src/layers.cairo".to_owned(), header + &layers);
        files.insert("src/data.cairo".to_owned(), self.data.finish());
        if let Some(layouts) = self.layouts.finish() {
            files.insert("src/layouts.cairo".to_owned(), layouts);
        }
        files.extend(kernels::sources(self.modules()));
        if !self.arguments.is_empty() {
            files.insert("weights.json".to_owned(), kernels::weights_json(&self.arguments));
        }
        Ok(Package { name, files, origins, weights: self.arguments })
    }

    /// Writes the value by which a statement says what it is about.
    fn write_identity(&mut self) {
        self.data
            .comment("The digest of the integer model and of what its inputs and outputs mean.");
        self.data.value("IDENTITY", "felt252", &hex(Identity::of(self.model).0));
    }

    /// Writes the model's constants, in the program or as commitments and arguments.
    fn write_blocks(&mut self) -> Result<(), EmitError> {
        for (usage, block) in self.weights.iter() {
            if block.inline {
                let felts = weights::felts(self.model, usage, block.slots);
                let items: Vec<String> = match usage {
                    Use::Values(_) => felts.iter().map(|felt| signed(*felt)).collect(),
                    _ => felts.iter().map(|felt| hex(*felt)).collect(),
                };
                self.data.array(&block.constant(), "felt252", &items);
                continue;
            }
            let committed = weights::committed(self.model, usage, block.slots);
            self.data.import("crate::ops::weights::Commitment");
            let (felts, expanded) = (committed.felts.len(), committed.expanded);
            let hash = committed.hash().map(|word| format!("{word:#010x}")).join(", ");
            let value = format!(
                "Commitment {{\n    felts: {felts}, expanded: {expanded},\n    hash: [\n        {hash},\n    ],\n}}"
            );
            self.data
                .comment(&format!("{} numbers in {felts} felts, as arguments.", block.elements));
            let name = &block.constant();
            self.data.value(name, "Commitment", &value);
            let open = match committed.layout {
                BlockLayout::Rows(rows) => {
                    let rows = self.layouts.rows(rows)?;
                    format!("open::<{rows}>(ref arguments, {name})")
                }
                BlockLayout::Packed => format!("open_packed(ref arguments, {name})"),
                BlockLayout::Values { least } => {
                    let slots = self.layouts.unpack(block.slots)?;
                    format!("open_values::<{slots}>(ref arguments, {name}, {least})")
                }
            };
            self.opens.insert(usage, open);
            self.arguments.extend(committed.words().map(Felt::from));
        }
        Ok(())
    }

    /// Writes the function of one node.
    fn layer(&mut self, id: NodeId) -> Result<Function, EmitError> {
        let node = self.model.node(id);
        let name = self.names.of(id).to_owned();
        let mut layer = Layer::new(Parts {
            node,
            operands: node.operands.iter().map(|&operand| self.model.node(operand)).collect(),
            constants: self.model.constants(),
            data: &mut self.data,
            layouts: &mut self.layouts,
            namespace: &mut self.namespace,
            weights: &self.weights,
            prefix: name.clone(),
            uses: &mut self.uses,
        });
        if node.is_empty() || layer.operands.iter().any(|operand| operand.is_empty()) {
            return Err(layer.refuse("tensors without elements are not supported".to_owned()));
        }
        ops::emit(&node.op, &mut layer)?;
        let parameters: Vec<String> =
            layer.parameters.iter().map(|(name, _)| name.clone()).collect();
        let operands = node.operands.iter().map(|&operand| self.names.of(operand).to_owned());
        let call = format!(
            "let {name} = layers::{name}({});",
            operands.chain(parameters).collect::<Vec<_>>().join(", ")
        );
        Ok(Function { node: node.name.clone(), call, code: layer.finish(&name) })
    }

    fn layers_header(&self) -> String {
        let mut header = String::from(
            "//! One function for each node of the model, in the order in which they run.\n\n",
        );
        header.push_str("use crate::data::*;\n");
        let layouts: Vec<&str> =
            self.layouts.names().filter(|name| !name.starts_with("Rows")).collect();
        if !layouts.is_empty() {
            header.push_str("use crate::layouts::*;\n");
        }
        header.push_str("use crate::ops::Tensor;\n");
        for (module, items) in &self.uses {
            header.push_str(&kernels::import(module, items));
        }
        header
    }

    /// Every module of `ops` that the package needs, without what those need in turn.
    fn modules(&self) -> BTreeSet<&'static str> {
        let mut modules: BTreeSet<&'static str> = self.uses.keys().copied().collect();
        modules.extend(self.layouts.modules());
        modules.extend(["range", "statement"]);
        if !self.opens.is_empty() {
            modules.insert("weights");
        }
        modules
    }
}

/// The Cairo function of a node.
struct Function {
    /// The node's name.
    node: String,
    /// The line that calls it.
    call: String,
    /// Its text.
    code: String,
}

/// A felt of a small number as Cairo source, negative ones with a sign.
fn signed(felt: Felt) -> String {
    match i64::try_from(felt) {
        Ok(value) => value.to_string(),
        Err(_) => hex(felt),
    }
}

/// A name from the model as it may stand in a comment.
fn comment(name: &str) -> String {
    ciro_model::escape(name).replace('`', "'")
}
