//! The conformance suite of ONNX, by manifest.
//!
//! The suite is part of the `onnx` Python package and is not kept here. `CIRO_ONNX_BACKEND` names a folder that holds it:
//! `<folder>/<kind>/<name>/model.onnx` with `test_data_set_0/{input,output}_<k>.pb`. Each line of `conformance.txt` is
//! `<kind>/<name> pass` or `<kind>/<name> skip <reason>`; with `CIRO_ONNX_BLESS` set the file is written anew.
//!
//! Inputs that are not floating point (shapes, axes, indices) are made initializers where a model needs them constant.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ciro_compiler::import::{ImportError, Settings, ShapeSetting, import_bytes};
use ciro_model::Tensor;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use crate::protobuf;

/// The outcome of one test case.
type Outcome = Result<(), String>;

#[test]
fn the_suite_passes_as_the_manifest_says() {
    let Some(root) = std::env::var_os("CIRO_ONNX_BACKEND").map(PathBuf::from) else {
        println!("CIRO_ONNX_BACKEND is not set: the conformance suite is not run");
        return;
    };
    let outcomes = run(&root);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance.txt");
    if std::env::var_os("CIRO_ONNX_BLESS").is_some() {
        std::fs::write(&manifest, describe(&outcomes)).unwrap();
    }
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let mut wrong = Vec::new();
    for line in manifest.lines().filter(|line| !line.starts_with('#')) {
        let (name, expected) = line.split_once(' ').unwrap();
        match (outcomes.get(name), expected == "pass") {
            (Some(Err(problem)), true) => wrong.push(format!("{name}: {problem}")),
            (Some(Ok(())), false) => wrong.push(format!("{name} passes now: bless the manifest")),
            (None, _) => wrong.push(format!("{name} is not in the suite")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn run(root: &Path) -> BTreeMap<String, Outcome> {
    let mut outcomes = BTreeMap::new();
    for kind in ["node", "pytorch-converted", "pytorch-operator", "simple"] {
        for entry in std::fs::read_dir(root.join(kind)).unwrap() {
            let folder = entry.unwrap().path();
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            outcomes.insert(format!("{kind}/{name}"), case(&folder));
        }
    }
    outcomes
}

fn describe(outcomes: &BTreeMap<String, Outcome>) -> String {
    let passed = outcomes.values().filter(|outcome| outcome.is_ok()).count();
    let mut text =
        format!("# {passed} of {} cases of the ONNX backend test suite pass.\n", outcomes.len());
    for (name, outcome) in outcomes {
        match outcome {
            Ok(()) => writeln!(text, "{name} pass").unwrap(),
            Err(reason) => {
                let reason = reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
                writeln!(text, "{name} skip {}", reason.chars().take(120).collect::<String>())
                    .unwrap();
            }
        }
    }
    text
}

fn case(folder: &Path) -> Outcome {
    let bytes = std::fs::read(folder.join("model.onnx")).map_err(|e| e.to_string())?;
    let data = folder.join("test_data_set_0");
    let files = |prefix: &str| -> Vec<PathBuf> {
        (0..)
            .map(|k| data.join(format!("{prefix}_{k}.pb")))
            .take_while(|path| path.exists())
            .collect()
    };
    let model = ModelProto::decode(bytes.as_slice()).map_err(|e| e.to_string())?;
    let (inputs, outputs) = (files("input"), files("output"));
    let tolerance = tolerance(folder);
    let attempts = [Fixed::Nothing, Fixed::Integers, Fixed::AllButFirst, Fixed::Everything];
    let mut outcomes =
        attempts.into_iter().map(|fixed| attempt(&model, &inputs, &outputs, fixed, tolerance));
    let first = outcomes.next().expect("there is an attempt");
    if first.is_ok() || outcomes.any(|outcome| outcome.is_ok()) { Ok(()) } else { first }
}

/// Which inputs become initializers.
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

fn attempt(
    model: &ModelProto,
    inputs: &[PathBuf],
    outputs: &[PathBuf],
    fixed: Fixed,
    (rtol, atol): (f64, f64),
) -> Outcome {
    let mut model = model.clone();
    let graph = model.graph.as_mut().ok_or("no graph")?;
    let mut settings = Settings::default();
    let mut samples: BTreeMap<String, Tensor<f64>> = BTreeMap::new();
    let known: Vec<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
    let names: Vec<String> = graph.input.iter().map(|i| i.name.clone()).collect();
    let fed: Vec<&String> = names.iter().filter(|name| !known.contains(name)).collect();
    for (at, (name, path)) in fed.iter().zip(inputs).enumerate() {
        let bytes = std::fs::read(path).unwrap();
        let proto = TensorProto::decode(bytes.as_slice()).map_err(|e| e.to_string())?;
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
        let value = protobuf::values(&proto).ok_or("an input is no tensor of numbers")?;
        let shape = ShapeSetting::Shape(value.shape().to_vec());
        settings.shapes.insert((*name).clone(), shape);
        samples.insert((*name).clone(), value);
    }
    let graph = import_bytes(&model.encode_to_vec(), &settings).map_err(|e| chain(&e))?;
    let sample: Option<Vec<_>> =
        graph.inputs.iter().map(|input| samples.get(&input.name).cloned()).collect();
    let values =
        graph.eval(&sample.ok_or("an input has no data")?).map_err(|e| format!("{e:?}"))?;
    if graph.outputs.len() != outputs.len() {
        return Err(format!("{} outputs, not {}", graph.outputs.len(), outputs.len()));
    }
    for (output, path) in graph.outputs.iter().zip(outputs) {
        let Some(expected) = protobuf::tensor(path) else {
            return Err("an output is no tensor of numbers".to_owned());
        };
        let got = &values[output.node.index()];
        // Half precision is not modelled: results are compared within its rounding.
        let (rtol, atol) = match protobuf::data_type(path) {
            Some(DataType::Bfloat16) => (rtol.max(8e-3), atol.max(8e-3)),
            Some(DataType::Float16) => (rtol.max(1e-3), atol.max(1e-3)),
            _ => (rtol, atol),
        };
        compare(&output.name, got, &expected, (rtol, atol))?;
    }
    Ok(())
}

fn compare(
    name: &str,
    got: &Tensor<f64>,
    expected: &Tensor<f64>,
    (rtol, atol): (f64, f64),
) -> Outcome {
    if got.shape() != expected.shape() {
        return Err(format!("`{name}` has shape {:?}, not {:?}", got.shape(), expected.shape()));
    }
    for (&got, &expected) in got.data().iter().zip(expected.data()) {
        let close = (got - expected).abs() <= atol + rtol * expected.abs();
        if !(close || got == expected || got.is_nan() && expected.is_nan()) {
            return Err(format!("`{name}`: got {got}, expected {expected}"));
        }
    }
    Ok(())
}

/// Relative and absolute tolerance, as the suite asks for, but not below what float32 and the suite's own rounding need.
fn tolerance(folder: &Path) -> (f64, f64) {
    let text = std::fs::read_to_string(folder.join("tolerance.json")).unwrap_or_default();
    let field = |name: &str, default: f64| {
        let rest = text.split_once(&format!("\"{name}\": ")).map(|(_, rest)| rest);
        let number = rest.map(|rest| rest.trim_end_matches('}').split(',').next().unwrap_or(""));
        number.and_then(|number| number.parse().ok()).unwrap_or(default)
    };
    (field("rtol", 1e-3), field("atol", 1e-7).max(1e-6))
}

fn chain(error: &ImportError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(text, ": {cause}").unwrap();
        source = cause.source();
    }
    text
}
