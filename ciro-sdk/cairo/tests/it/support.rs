//! Models built in tests, and what their programs compute.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use ciro_cairo::{
    CairoKey, Compiler, EmitSettings, Execution, InputMode, Package, Program, Subject, arguments,
    emit, expected_claim, parse_claim, run,
};
use ciro_compiler::float::Graph;
use ciro_compiler::import::{self, import_file};
use ciro_compiler::quantize;
use ciro_model::integer::{Decoding, Encoding, IntegerModel, ModelBuilder, NodeId, Op};
use ciro_model::tensor::Tensor;

/// One compiler for all tests: the core library is analysed once.
static COMPILER: LazyLock<Mutex<Compiler>> =
    LazyLock::new(|| Mutex::new(Compiler::new().expect("the compiler starts")));

/// Compiles a package.
pub(crate) fn compile(package: &Package) -> Program {
    let mut compiler = COMPILER.lock().unwrap_or_else(PoisonError::into_inner);
    match compiler.compile(package) {
        Ok(program) => program,
        Err(error) => panic!("{error}\n{}", listing(package)),
    }
}

/// Checks that no variable takes the place of another: `predict` binds every name once, and no
/// layer or constant is one of two of its name.
#[track_caller]
fn assert_binds_once(package: &Package) {
    let lines = |path: &str| package.files[path].lines().map(str::trim_start).collect::<Vec<_>>();
    let mut bound = BTreeSet::from(["input", "arguments"]);
    let mut once =
        |name| assert!(bound.insert(name), "{name} is bound twice\n{}", listing(package));
    for line in lines("src/lib.cairo") {
        if let Some(rest) = line.strip_prefix("let ") {
            once(rest.trim_start_matches("mut ").split(' ').next().unwrap());
        }
    }
    let mut items = BTreeSet::new();
    let mut once = |name| assert!(items.insert(name), "{name} exists twice\n{}", listing(package));
    for path in ["src/layers.cairo", "src/data.cairo", "src/layouts.cairo"] {
        let text = package.files.get(path).map_or("", String::as_str);
        for line in text.lines() {
            let item = ["pub fn ", "pub const ", "pub impl "]
                .into_iter()
                .find_map(|word| line.strip_prefix(word));
            item.into_iter().for_each(|rest| once(rest.split(['(', ':', ' ']).next().unwrap()));
        }
    }
}

/// The generated files of a package.
pub(crate) fn listing(package: &Package) -> String {
    let generated = |path: &str| path.starts_with("src/") && !path.starts_with("src/ops/");
    let files = package.files.iter().filter(|(path, _)| generated(path));
    files.map(|(path, text)| format!("// {path}\n{text}\n")).collect()
}

/// A model under construction together with the values of its inputs.
#[derive(Default)]
pub(crate) struct Case {
    builder: ModelBuilder,
    inputs: Vec<Tensor<i32>>,
    nodes: usize,
    /// Names to choose from; without any, nodes are called `node_1`, `node_2`, ..
    names: Vec<String>,
}

impl Case {
    /// A case whose inputs and nodes take these names in turn, however often one of them comes.
    pub(crate) fn named(names: Vec<String>) -> Self {
        Self { names, ..Self::default() }
    }

    fn name(&self, kind: &str, number: usize) -> String {
        let chosen = self.names.get((self.inputs.len() + self.nodes) % self.names.len().max(1));
        chosen.cloned().unwrap_or_else(|| format!("{kind}_{number}"))
    }

    /// Adds an input with values in `[lo, hi]`.
    pub(crate) fn input(
        &mut self,
        shape: &[usize],
        data: Vec<i32>,
        (lo, hi): (i32, i32),
    ) -> NodeId {
        let name = self.name("in", self.inputs.len());
        let input = self.builder.input(name, shape.to_vec());
        self.inputs
            .push(Tensor::new(shape.to_vec(), data).expect("as many values as the shape holds"));
        self.builder
            .view(input, Encoding::Integer { lo, hi })
            .expect("an interval inside the bound")
    }

    /// Adds an input of floats, given by their order-preserving images.
    pub(crate) fn images(&mut self, shape: &[usize], images: &[i32]) -> NodeId {
        let name = self.name("in", self.inputs.len());
        let input = self.builder.input(name, shape.to_vec());
        let limbs = images.iter().flat_map(|image| [image >> 16, image & 0xffff]).collect();
        let limbs = Tensor::new([shape, &[2]].concat(), limbs);
        self.inputs.push(limbs.expect("two limbs for each element"));
        self.builder.view(input, Encoding::Ordered).expect("limbs are inside the bound")
    }

    /// Adds a constant.
    pub(crate) fn constant(
        &mut self,
        shape: &[usize],
        data: Vec<i32>,
    ) -> ciro_model::integer::ConstId {
        self.builder
            .constant(Tensor::new(shape.to_vec(), data).expect("as many values as the shape holds"))
    }

    /// Adds a node.
    pub(crate) fn node(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        let name = self.name("node", self.nodes + 1);
        self.nodes += 1;
        self.builder.push(name, op, operands, 1.0).expect("a node that fits")
    }

    /// Adds a node whose value is an output.
    pub(crate) fn output(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        let id = self.node(op, operands);
        self.builder.output(format!("out_{}", self.nodes), id, Decoding::Integer);
        id
    }

    /// The model and its inputs.
    pub(crate) fn finish(self) -> (IntegerModel, Vec<Tensor<i32>>) {
        (self.builder.finish().expect("a consistent model"), self.inputs)
    }

    /// Checks that the program computes what the interpreter does, with weights in the program and
    /// as arguments.
    pub(crate) fn check(self) {
        let (model, inputs) = self.finish();
        for inline_max in [usize::MAX, 0] {
            let mut settings = EmitSettings::default();
            settings.inline_max = inline_max;
            let compiled = Compiled::new(&model, settings);
            compiled.check(&inputs);
        }
    }
}

/// A model, its package and its program.
pub(crate) struct Compiled {
    pub(crate) model: IntegerModel,
    pub(crate) package: Package,
    pub(crate) program: Program,
    pub(crate) key: CairoKey,
}

impl Compiled {
    pub(crate) fn new(model: &IntegerModel, settings: EmitSettings) -> Self {
        let package = emit(model, "test", settings).expect("a model with a Cairo form");
        assert_binds_once(&package);
        let program = compile(&package);
        let key = CairoKey::new(model, &program);
        Self { model: model.clone(), package, program, key }
    }

    pub(crate) fn run(&self, inputs: &[Tensor<i32>], mode: InputMode) -> Execution {
        let arguments = arguments(&self.package, inputs, mode);
        match run(&self.program, Some(&self.package), &arguments) {
            Ok(execution) => execution,
            Err(error) => panic!("{error}\n{}", listing(&self.package)),
        }
    }

    /// Runs the program and compares its statement with the interpreter's.
    pub(crate) fn check(&self, inputs: &[Tensor<i32>]) -> Execution {
        let execution = self.run(inputs, InputMode::Public);
        let expected = expected_claim(&self.model, inputs, InputMode::Public).unwrap();
        let stated = parse_claim(&self.key, &execution.output).unwrap();
        assert_eq!(stated, expected, "\n{}", listing(&self.package));
        execution
    }

    /// The model with its program, as this crate's own checks take it.
    pub(crate) fn subject(&self) -> Subject<'_> {
        let Self { model, package, program, key } = self;
        Subject { model, package, program, key }
    }
}

/// A model of `examples/models`, quantized without samples.
pub(crate) fn example(name: &str) -> (Graph, IntegerModel) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");
    let path = std::path::Path::new(folder).join(name).join("model.onnx");
    let graph = import_file(&path, &import::Settings::default()).expect("a supported model");
    let calibration = quantize::calibrate(&graph, &[]).expect("random samples fit");
    let model = quantize::quantize(&graph, &calibration, &quantize::Settings::default())
        .expect("a model with an integer form");
    (graph, model)
}

/// A random sample as integers.
pub(crate) fn random_inputs(graph: &Graph, model: &IntegerModel, seed: u64) -> Vec<Tensor<i32>> {
    let sample = quantize::random_sample(graph, seed);
    let views = model.inputs().iter().zip(&sample);
    views
        .flat_map(|(input, real)| input.views.iter().map(move |(_, encoding)| (encoding, real)))
        .map(|(encoding, real)| encoding.encode(real).expect("a finite sample").tensor)
        .collect()
}
