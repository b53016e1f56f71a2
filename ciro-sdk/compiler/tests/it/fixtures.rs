//! Small models of the libraries that users export from, with onnxruntime's answers
//! (`tests/fixtures/make.py`).
//!
//! A folder holds `model.onnx`, `inputs.npz` and `expected.npz` (samples along the first axis) and
//! `labels.json`, which gives the outputs that are strings. `CIRO_MODELS` names a folder of more
//! models of this form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ciro_compiler::float::{Labels, Output};
use ciro_compiler::import::{Settings, import_file};
use ciro_compiler::quantize::{self, calibrate, quantize};
use ciro_model::Tensor;

use crate::{operators, samples};

/// The greatest difference from onnxruntime, relative to the largest element of an output.
const TOLERANCE: f64 = 1e-4;

#[test]
fn exported_models_agree_with_onnxruntime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let problems = check_all(&folder);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn further_models_agree_with_onnxruntime() {
    let Some(folder) = std::env::var_os("CIRO_MODELS").map(PathBuf::from) else {
        println!("CIRO_MODELS is not set: no further models");
        return;
    };
    let problems = check_all(&folder);
    assert!(problems.is_empty(), "{} differ\n{}", problems.len(), problems.join("\n"));
}

/// Models whose answers hang on small differences, and the greatest error of each beside the range
/// of an output.
const QUANTIZED: [(&str, f64); 13] = [
    ("gaussian_bayes", 2e-3),
    ("imputed_columns_forest", 1e-6),
    ("missing_columns_xgboost", 1e-6),
    ("nearest_neighbours", 1e-3),
    ("pca_boosting", 1e-3),
    ("polynomial", 5e-3),
    ("polynomial_forest", 1e-3),
    ("power_transformer", 2e-3),
    ("projected_products_scaled", 1e-3),
    ("quantiles_forest", 1e-6),
    ("quantiles_linear", 5e-3),
    ("scaler_forest", 1e-3),
    ("union_forest", 1e-6),
];

#[test]
fn quantized_models_agree_with_onnxruntime() {
    for (name, bound) in QUANTIZED {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        check_quantized(&folder, bound).unwrap_or_else(|problem| panic!("{name}, {problem}"));
    }
}

/// The models of the folder that `CIRO_QUANTIZED` names, each perhaps with a `calibration.npz`: all
/// that are taken answer within 2 % of an output's range, and with onnxruntime's labels.
#[test]
fn further_quantized_models_agree_with_onnxruntime() {
    let Some(folder) = std::env::var_os("CIRO_QUANTIZED").map(PathBuf::from) else {
        println!("CIRO_QUANTIZED is not set: no further models");
        return;
    };
    let problem = |folder: &PathBuf| {
        let problem = check_quantized(folder, 0.02).err()?;
        Some(format!("{}: {problem}", folder.display()))
    };
    let problems: Vec<String> = folders(&folder).iter().filter_map(problem).collect();
    assert!(problems.is_empty(), "{} differ\n{}", problems.len(), problems.join("\n"));
}

/// Holds a quantized model against onnxruntime: errors beside the range of an output, and integers.
fn check_quantized(folder: &Path, bound: f64) -> Result<(), String> {
    let settings = Settings::default();
    let graph = import_file(&folder.join("model.onnx"), &settings).map_err(|e| e.to_string())?;
    let inputs = samples::read(&folder.join("inputs.npz"), "in");
    let expected = samples::read(&folder.join("expected.npz"), "out");
    let given = Some(folder.join("calibration.npz")).filter(|path| path.exists());
    let given = given.map(|path| samples::read(&path, "in"));
    let shape = &graph.inputs[0].shape;
    let each = |all: &[Tensor<f64>]| -> Vec<Vec<Tensor<f64>>> {
        let count = all[0].shape()[0];
        (0..count).map(|index| vec![samples::sample(&all[0], index, shape)]).collect()
    };
    let calibration = calibrate(&graph, &each(given.as_deref().unwrap_or(&inputs)));
    let calibration = calibration.map_err(|e| format!("refused: {e}"))?;
    let model = quantize(&graph, &calibration, &quantize::Settings::default());
    let model = model.map_err(|e| format!("refused: {e}"))?;
    for (index, sample) in each(&inputs).iter().enumerate() {
        let outputs = operators::run(&model, sample).into_iter().zip(&graph.outputs);
        for ((got, output), all) in outputs.zip(&expected) {
            let expected = samples::sample(all, index, got.shape());
            if output.labels == Labels::Integer {
                if got != expected {
                    return Err(format!("sample {index}, `{}`: got {got:?}", output.name));
                }
                continue;
            }
            let range = all
                .data()
                .iter()
                .fold((f64::MAX, f64::MIN), |(lo, hi), x| (lo.min(*x), hi.max(*x)));
            for (got, expected) in got.data().iter().zip(expected.data()) {
                let error = (got - expected).abs() / (range.1 - range.0);
                if error > bound {
                    return Err(format!("sample {index}: got {got}, expected {expected}"));
                }
            }
        }
    }
    Ok(())
}

/// The folders of models below a folder.
fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("model.onnx").exists());
    folders.sort();
    assert!(!folders.is_empty(), "no models in {}", root.display());
    folders
}

fn check_all(root: &Path) -> Vec<String> {
    let check = |folder: &PathBuf| {
        check(folder).err().map(|problem| format!("{}: {problem}", folder.display()))
    };
    folders(root).iter().filter_map(check).collect()
}

fn check(folder: &Path) -> Result<(), String> {
    let settings = Settings::default();
    let graph = import_file(&folder.join("model.onnx"), &settings).map_err(|e| e.to_string())?;
    let inputs = samples::read(&folder.join("inputs.npz"), "in");
    let expected = samples::read(&folder.join("expected.npz"), "out");
    let names = std::fs::read(folder.join("labels.json")).unwrap();
    let names: BTreeMap<String, Vec<String>> = serde_json::from_slice(&names).unwrap();
    if (inputs.len(), expected.len()) != (graph.inputs.len(), graph.outputs.len()) {
        return Err("another number of inputs or outputs".to_owned());
    }
    for index in 0..inputs[0].shape()[0] {
        let pairs = graph.inputs.iter().zip(&inputs);
        let sample: Vec<_> =
            pairs.map(|(input, array)| samples::sample(array, index, &input.shape)).collect();
        let values = graph.eval(&sample).map_err(|e| format!("{e:?}"))?;
        for (at, (output, array)) in graph.outputs.iter().zip(&expected).enumerate() {
            let got = &values[output.node.index()];
            match names.get(&format!("out_{at}")) {
                Some(names) => same_name(output, got, &names[index])?,
                None => close(output, got, &samples::sample(array, index, got.shape()))
                    .map_err(|problem| format!("sample {index}, {problem}"))?,
            }
        }
    }
    Ok(())
}

fn close(output: &Output, got: &Tensor<f64>, expected: &Tensor<f64>) -> Result<(), String> {
    let scale = expected.data().iter().fold(1e-3f64, |max, x| max.max(x.abs()));
    for (got, expected) in got.data().iter().zip(expected.data()) {
        if (got - expected).abs() > TOLERANCE * scale {
            return Err(format!("`{}`: got {got}, expected {expected}", output.name));
        }
    }
    Ok(())
}

fn same_name(output: &Output, got: &Tensor<f64>, expected: &str) -> Result<(), String> {
    let Labels::Names(names) = &output.labels else {
        return Err(format!("`{}` has no names", output.name));
    };
    let name = names.iter().zip(0..).find(|(_, at)| f64::from(*at) == got.data()[0]);
    match name {
        Some((name, _)) if name == expected => Ok(()),
        other => Err(format!("`{}`: got {other:?}, expected {expected}", output.name)),
    }
}
