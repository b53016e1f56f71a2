//! The conformance suite of ONNX, through the import and through the integer model, by manifest.
//!
//! The suite is part of the `onnx` Python package and is not kept here. `CIRO_ONNX_CASES` names the
//! folder that `tools/conformance/cases.py` has written; `.ci/run conformance` does both. Each line
//! of `conformance.txt` is
//!
//! ```text
//! <kind>/<name> <operators of the graph> <outcome of the float graph> <outcome of the integer model>
//! ```
//!
//! An outcome is `right`, `inaccurate`, or `refused:<reason>`. A case whose outcome is not the
//! manifest's fails, whether it is worse or better; `CIRO_BLESS=1` writes the manifest anew.
//!
//! - The float graph is held to the tolerance of the case. Its inputs that are not floating point
//!   (shapes, axes, indices) are made initializers where the model needs them constant.
//! - The integer model is calibrated with the case's own input and may differ from its output by 2
//!   % of the spread; outputs that are whole numbers may not differ at all. It is `constant` where
//!   all inputs have to be initializers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ciro_compiler::float::Graph;
use ciro_compiler::import::{ImportError, Settings, ShapeSetting, import_bytes, operators};
use ciro_compiler::quantize::{self, QuantizeError, calibrate, quantize};
use ciro_model::Tensor;
use ciro_model::integer::Decoding;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use crate::protobuf;

const KINDS: [&str; 4] = ["node", "pytorch-converted", "pytorch-operator", "simple"];
/// How far an integer model may be from the expected output, as a part of its spread.
const SPREAD: f64 = 0.02;
/// Which inputs become initializers, in the order in which it is tried.
const ATTEMPTS: [Fixed; 4] =
    [Fixed::Nothing, Fixed::Integers, Fixed::AllButFirst, Fixed::Everything];

/// The manifest of the suite.
pub(crate) fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance.txt")
}

#[test]
fn the_suite_does_what_the_manifest_says() {
    let Some(root) = cases() else { return };
    let outcomes = run(&root);
    if std::env::var_os("CIRO_BLESS").is_some() {
        std::fs::write(manifest(), describe(&outcomes)).unwrap();
    }
    let text = std::fs::read_to_string(manifest()).unwrap();
    let known: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let mut wrong = Vec::new();
    for name in known.keys().copied().chain(outcomes.keys().map(String::as_str)) {
        let (expected, got) = (known.get(name).copied(), outcomes.get(name).map(String::as_str));
        if expected != got {
            wrong.push(format!("{name}: {got:?}, in the manifest {expected:?}"));
        }
    }
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "{} cases differ; if that is right, bless the manifest with `CIRO_BLESS=1`:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn operators_have_the_versions_of_onnx() {
    let Some(root) = cases() else { return };
    let text = std::fs::read_to_string(root.join("since.txt")).unwrap();
    let since: BTreeMap<&str, u16> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, version)| (name, version.parse().unwrap()))
        .collect();
    for operator in operators() {
        if let Some(&expected) = since.get(operator.qualified().as_str()) {
            assert_eq!(operator.since, expected, "{}", operator.qualified());
        }
    }
}

fn cases() -> Option<PathBuf> {
    let root = std::env::var_os("CIRO_ONNX_CASES").map(PathBuf::from);
    if root.is_none() {
        println!("CIRO_ONNX_CASES is not set: `.ci/run conformance` runs the suite");
    }
    root
}

/// Runs all cases, on all cores, and gives the rest of each line of the manifest.
fn run(root: &Path) -> BTreeMap<String, String> {
    let mut folders = Vec::new();
    for kind in KINDS {
        for entry in std::fs::read_dir(root.join(kind)).unwrap() {
            folders.push((kind, entry.unwrap().path()));
        }
    }
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((kind, folder)) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = folder.file_name().unwrap().to_string_lossy();
                    let outcome = case(folder);
                    outcomes.lock().unwrap().insert(format!("{kind}/{name}"), outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn describe(outcomes: &BTreeMap<String, String>) -> String {
    let count = |right: fn(&str) -> bool| outcomes.values().filter(|line| right(line)).count();
    let float = count(|line| line.split(' ').nth(1) == Some("right"));
    let integer = count(|line| line.ends_with(" right"));
    let mut text = format!(
        "# Of {} cases of ONNX's suite the float graph has {float} right, the integer model {integer}.\n",
        outcomes.len()
    );
    for (name, outcome) in outcomes {
        writeln!(text, "{name} {outcome}").unwrap();
    }
    text
}

/// `<operators> <float outcome> <integer outcome>`.
fn case(folder: &Path) -> String {
    let model = std::fs::read(folder.join("model.onnx")).unwrap();
    let model = ModelProto::decode(model.as_slice()).unwrap();
    let nodes = model.graph.iter().flat_map(|graph| &graph.node);
    let names: BTreeSet<String> = nodes
        .map(|node| match node.domain.as_str() {
            "" | "ai.onnx" => node.op_type.clone(),
            domain => format!("{domain}.{}", node.op_type),
        })
        .collect();
    let names = names.into_iter().collect::<Vec<_>>().join(",");
    let case = Case::read(folder, model);
    let float = first_right(&ATTEMPTS, |fixed| case.float(fixed));
    let integer = match &float {
        Outcome::Right if ATTEMPTS[..3].iter().all(|&fixed| case.import(fixed).is_err()) => {
            Outcome::Constant
        }
        Outcome::Right => first_right(&ATTEMPTS[..3], |fixed| case.integer(fixed)),
        _ => float.clone(),
    };
    format!("{names} {float} {integer}")
}

/// The first attempt that is right, or else the outcome of the first.
fn first_right(attempts: &[Fixed], outcome: impl Fn(Fixed) -> Outcome) -> Outcome {
    let first = outcome(attempts[0]);
    if first == Outcome::Right {
        return first;
    }
    let later = attempts[1..].iter().map(|&fixed| outcome(fixed));
    let better = later.filter(|outcome| *outcome < first).min();
    better.unwrap_or(first)
}

/// What came of a case, best first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Right,
    /// Nothing is left to be computed.
    Constant,
    Inaccurate,
    Refused(String),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Right => write!(f, "right"),
            Self::Constant => write!(f, "constant"),
            Self::Inaccurate => write!(f, "inaccurate"),
            Self::Refused(reason) => write!(f, "refused:{reason}"),
        }
    }
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused(reason.to_owned())
}

/// The name of an error's variant.
fn variant(error: &dyn Debug) -> String {
    format!("{error:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Fixed {
    Nothing,
    /// Those that are not floating point.
    Integers,
    /// All but the first (scales and zero points of quantized operators, bounds).
    AllButFirst,
    /// All of them: the model is one constant.
    Everything,
}

struct Case {
    model: ModelProto,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    /// Relative and absolute.
    tolerance: (f64, f64),
}

impl Case {
    fn read(folder: &Path, model: ModelProto) -> Self {
        let data = folder.join("test_data_set_0");
        let files = |prefix: &str| -> Vec<Vec<u8>> {
            (0..).map_while(|k| std::fs::read(data.join(format!("{prefix}_{k}.pb"))).ok()).collect()
        };
        let (inputs, outputs) = (files("input"), files("output"));
        Self { model, inputs, outputs, tolerance: tolerance(folder) }
    }

    /// The imported graph and its sample.
    fn import(&self, fixed: Fixed) -> Result<(Graph, Vec<Tensor<f64>>), Outcome> {
        let mut model = self.model.clone();
        let graph = model.graph.as_mut().ok_or_else(|| refused("NoGraph"))?;
        let mut settings = Settings::default();
        let mut samples: BTreeMap<String, Tensor<f64>> = BTreeMap::new();
        let known: Vec<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
        let names: Vec<String> = graph.input.iter().map(|i| i.name.clone()).collect();
        let fed: Vec<&String> = names.iter().filter(|name| !known.contains(name)).collect();
        for (at, (name, bytes)) in fed.iter().zip(&self.inputs).enumerate() {
            let proto = TensorProto::decode(bytes.as_slice());
            let proto = proto.map_err(|_| refused("NotATensor"))?;
            let float = matches!(
                DataType::try_from(proto.data_type),
                Ok(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
            );
            let fix = match fixed {
                Fixed::Nothing => false,
                Fixed::Integers => !float,
                Fixed::AllButFirst => at > 0,
                Fixed::Everything => true,
            };
            if fix {
                graph.initializer.push(TensorProto { name: (*name).clone(), ..proto });
                continue;
            }
            let value = protobuf::values(&proto).ok_or_else(|| refused("NotNumbers"))?;
            let shape = ShapeSetting::Shape(value.shape().to_vec());
            settings.shapes.insert((*name).clone(), shape);
            samples.insert((*name).clone(), value);
        }
        let graph = import_bytes(&model.encode_to_vec(), &settings).map_err(|error| {
            refused(&match &error {
                ImportError::Refused(refused) => variant(&refused[0].reason),
                error => variant(error),
            })
        })?;
        let sample = graph.inputs.iter().map(|input| samples.get(&input.name).cloned());
        let sample = sample.collect::<Option<Vec<_>>>().ok_or_else(|| refused("NoData"))?;
        if graph.outputs.len() != self.outputs.len() {
            return Err(refused("Outputs"));
        }
        Ok((graph, sample))
    }

    fn float(&self, fixed: Fixed) -> Outcome {
        let compare = || {
            let (graph, sample) = self.import(fixed)?;
            let values = graph.eval(&sample).map_err(|error| refused(&variant(&error)))?;
            for (output, bytes) in graph.outputs.iter().zip(&self.outputs) {
                let (expected, kind) = tensor(bytes)?;
                // Half precision is not modelled: results are compared within its rounding.
                let (rtol, atol) = self.tolerance;
                let (rtol, atol) = match kind {
                    Ok(DataType::Bfloat16) => (rtol.max(8e-3), atol.max(8e-3)),
                    Ok(DataType::Float16) => (rtol.max(1e-3), atol.max(1e-3)),
                    _ => (rtol, atol),
                };
                close(&values[output.node.index()], &expected, |x| atol + rtol * x.abs())?;
            }
            Ok(())
        };
        compare().err().unwrap_or(Outcome::Right)
    }

    fn integer(&self, fixed: Fixed) -> Outcome {
        let compare = || {
            let (graph, sample) = self.import(fixed)?;
            if graph.inputs.is_empty() {
                return Err(Outcome::Constant);
            }
            let calibration = calibrate(&graph, std::slice::from_ref(&sample))
                .map_err(|error| refused(&variant(&error)))?;
            let settings = quantize::Settings::default();
            let integer = quantize(&graph, &calibration, &settings).map_err(|error| {
                refused(&match &error {
                    QuantizeError::Refused { reason, .. } => variant(reason),
                    QuantizeError::Model { source, .. } => variant(source),
                    error => variant(error),
                })
            })?;
            let inputs = integer.inputs().iter().zip(&sample);
            let views = inputs.flat_map(|(input, x)| input.views.iter().map(move |v| (v, x)));
            let encoded: Result<Vec<_>, _> =
                views.map(|((_, encoding), x)| encoding.encode(x).map(|e| e.tensor)).collect();
            let encoded = encoded.map_err(|error| refused(&variant(&error)))?;
            let results = integer.run(&encoded).map_err(|error| refused(&variant(&error)))?;
            for ((output, result), bytes) in
                integer.outputs().iter().zip(&results).zip(&self.outputs)
            {
                let (expected, _) = tensor(bytes)?;
                let whole = !matches!(output.decoding, Decoding::Real { .. });
                let allowed = if whole { 0.0 } else { SPREAD * spread(&expected) };
                close(&output.decoding.decode(result), &expected, |_| allowed)?;
            }
            Ok(())
        };
        compare().err().unwrap_or(Outcome::Right)
    }
}

/// The numbers of an output, and their type.
fn tensor(
    bytes: &[u8],
) -> Result<(Tensor<f64>, Result<DataType, prost::UnknownEnumValue>), Outcome> {
    let proto = TensorProto::decode(bytes).map_err(|_| refused("NotATensor"))?;
    let values = protobuf::values(&proto).ok_or_else(|| refused("NotNumbers"))?;
    Ok((values, DataType::try_from(proto.data_type)))
}

/// The distance between the least and the greatest element; of one number, its magnitude.
fn spread(values: &Tensor<f64>) -> f64 {
    let (lo, hi) = values
        .data()
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)));
    if hi > lo { hi - lo } else { hi.abs().max(1e-6) }
}

fn close(
    got: &Tensor<f64>,
    expected: &Tensor<f64>,
    allowed: impl Fn(f64) -> f64,
) -> Result<(), Outcome> {
    let same = |(&got, &expected): (&f64, &f64)| {
        let difference = (got - expected).abs();
        difference <= allowed(expected) || got == expected || got.is_nan() && expected.is_nan()
    };
    let right = got.shape() == expected.shape();
    let right = right && got.data().iter().zip(expected.data()).all(same);
    if right { Ok(()) } else { Err(Outcome::Inaccurate) }
}

/// Relative and absolute tolerance, as the suite asks for, but not below what float32 and the
/// suite's own rounding need.
fn tolerance(folder: &Path) -> (f64, f64) {
    let text = std::fs::read_to_string(folder.join("tolerance.json")).unwrap_or_default();
    let field = |name: &str, default: f64| {
        let rest = text.split_once(&format!("\"{name}\": ")).map(|(_, rest)| rest);
        let number = rest.map(|rest| rest.trim_end_matches('}').split(',').next().unwrap_or(""));
        number.and_then(|number| number.parse().ok()).unwrap_or(default)
    };
    (field("rtol", 1e-3), field("atol", 1e-7).max(1e-6))
}
