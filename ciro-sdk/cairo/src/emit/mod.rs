//! Integer models as readable Cairo packages.

mod data;
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
use std::fmt::Write as _;

use ciro_graph::integer::{Encoding, IntegerModel, NodeId, Op};
use starknet_types_core::felt::Felt;

use self::data::Data;
use self::layer::{Layer, Parts};
use self::layouts::Layouts;
use self::names::Names;
use self::slots::hex;
use self::weights::{Form, Use, Weights};
use crate::package::{Origin, Package};

/// How a model becomes a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmitSettings {
    /// How many numbers of weights and tables may be part of the program; the smallest tensors go first. Default 4096.
    ///
    /// Larger tensors become private arguments under a commitment that the program checks. That costs a hash of every
    /// weight in the proof, but keeps them out of it: a proof shows the whole program.
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
}

/// Writes a model as a Cairo package: one function for each node, calling a small library of operators.
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
    let name = names::identifier(name);
    let names = Names::new(model);
    let mut data = Data::default();
    let weights = Weights::plan(model, &names, &mut data, settings.inline_max);
    let emitter = Emitter {
        model,
        names,
        weights,
        data,
        layouts: Layouts::default(),
        uses: BTreeMap::new(),
        opens: BTreeMap::new(),
        arguments: vec![],
    };
    emitter.package(name)
}

struct Emitter<'m> {
    model: &'m IntegerModel,
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
        files.insert("src/lib.cairo".to_owned(), self.lib(&name, &functions));
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

    /// Writes the model's constants, in the program or as commitments and arguments.
    fn write_blocks(&mut self) -> Result<(), EmitError> {
        for (usage, block) in self.weights.iter() {
            if block.inline {
                let felts = weights::felts(self.model, usage, block.slots);
                let items: Vec<String> = match usage {
                    Use::Values(_) => felts.iter().map(|felt| signed(*felt)).collect(),
                    _ => felts.iter().map(|felt| hex(*felt)).collect(),
                };
                self.data.array(&block.name, "felt252", &items);
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
            self.data.value(&block.name, "Commitment", &value);
            let name = &block.name;
            let open = match committed.form {
                Form::Rows(rows) => {
                    let rows = self.layouts.rows(rows);
                    format!("open::<{rows}>(ref arguments, {name})")
                }
                Form::Packed => format!("open_packed(ref arguments, {name})"),
                Form::Values { least } => {
                    let slots = self.layouts.unpack(block.slots);
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
            weights: &self.weights,
            prefix: name.to_uppercase(),
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

    /// `src/lib.cairo`: the entry point and the sequence of layers.
    fn lib(&self, name: &str, functions: &[Function]) -> String {
        let committed = !self.opens.is_empty();
        let mut code =
            format!("//! `{name}`, an integer model as a Cairo program. Written by Ciro.\n\n");
        code.push_str("mod data;\nmod layers;\n");
        if self.layouts.names().next().is_some() {
            code.push_str("mod layouts;\n");
        }
        code.push_str("mod ops;\n\n");
        if committed {
            code.push_str("use crate::data::*;\nuse crate::layouts::*;\n");
        }
        let ordered = |encoding: &Encoding| matches!(encoding, Encoding::Ordered);
        let takes: BTreeSet<&str> = self
            .model
            .input_nodes()
            .map(|(_, encoding)| if ordered(encoding) { "take_limbs" } else { "take_checked" })
            .collect();
        code.push_str("use crate::ops::Tensor;\n");
        if !takes.is_empty() {
            code.push_str(&kernels::import("range", &takes));
        }
        code.push_str("use crate::ops::statement::{Statement, state};\n");
        if committed {
            let mut openers: BTreeSet<&str> = BTreeSet::new();
            openers.extend(self.opens.values().filter_map(|open| open.split([':', '(']).next()));
            code.push_str(&kernels::import("weights", &openers));
        }
        let arguments = if committed { ", arguments: Tensor" } else { "" };
        let pass = if committed { ", arguments" } else { "" };
        code.push_str(
            "\n/// Proves that the model maps `input` to the output that it states.\n///\n",
        );
        code.push_str(
            "/// Under a `blinding` value the input is not stated itself, only a commitment to it.",
        );
        if committed {
            code.push_str(
                " `arguments` are the\n/// weights of `weights.json`; the program checks them.",
            );
        }
        writeln!(
            code,
            "\n#[executable]\nfn main(input: Tensor, blinding: Option<felt252>{arguments}) -> Statement {{\n    \
             state(input, blinding, predict(input{pass}))\n}}\n"
        )
        .expect("writing to a string");
        code.push_str(&self.predict(functions));
        code
    }

    fn predict(&self, functions: &[Function]) -> String {
        let arguments = if self.opens.is_empty() { "" } else { ", mut arguments: Tensor" };
        let mut code =
            String::from("/// Runs the model: checks the input, then calls layer after layer.\n");
        writeln!(code, "fn predict(mut input: Tensor{arguments}) -> Tensor {{")
            .expect("writing to a string");
        for (id, encoding) in self.model.input_nodes() {
            let node = self.model.node(id);
            let (name, interval) = (node.name.replace(['\n', '\r', '`'], " "), node.interval);
            writeln!(code, "    // `{name}`: {:?}, values in {interval}.", node.shape)
                .expect("writing to a string");
            let taken = match encoding {
                Encoding::Ordered => format!("take_limbs(ref input, {})", node.len() / 2),
                _ => {
                    let (count, width) = (node.len(), interval.width());
                    format!("take_checked(ref input, {count}, {}, {width})", interval.lo)
                }
            };
            writeln!(code, "    let {} = {taken};", self.names.of(id))
                .expect("writing to a string");
        }
        code.push_str("    assert(input.is_empty(), 'input is too long');\n");
        for (usage, open) in &self.opens {
            let name = self.weights.block(*usage).name.to_lowercase();
            writeln!(code, "    let {name} = {open};").expect("writing to a string");
        }
        for function in functions {
            writeln!(code, "    {}", function.call).expect("writing to a string");
        }
        let outputs: Vec<&str> =
            self.model.outputs().iter().map(|output| self.names.of(output.node)).collect();
        match outputs[..] {
            [output] => writeln!(code, "    {output}\n}}").expect("writing to a string"),
            _ => {
                code.push_str("    let mut output = array![];\n");
                for output in outputs {
                    writeln!(code, "    output.append_span({output});")
                        .expect("writing to a string");
                }
                code.push_str("    output.span()\n}\n");
            }
        }
        code
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
