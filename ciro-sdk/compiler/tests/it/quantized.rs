//! The models of `examples/models`: their integer models compute what onnxruntime computed.

use std::path::PathBuf;

use ciro_compiler::float::{self, ElementType, Graph, Labels, ScalarFn};
use ciro_compiler::import::{self, import_file};
use ciro_compiler::quantize::{Settings, accuracy, calibrate, quantize, random_sample};
use ciro_model::Tensor;
use ciro_model::integer::ops::Requantize;
use ciro_model::integer::{Decoding, Encoding, IntegerModel, Interval, Node, Op};

use crate::samples;

/// What onnxruntime computed, and what is asked of the integer model.
struct Case {
    model: &'static str,
    /// How many samples are compared; the large models take their time.
    samples: usize,
    /// Mean error of each real output, as a part of the mean magnitude of onnxruntime's.
    relative_error: f64,
}

const CASES: [Case; 19] = [
    Case { model: "linreg_diabetes", samples: 16, relative_error: 1e-4 },
    Case { model: "logreg_iris", samples: 16, relative_error: 2e-3 },
    Case { model: "linsvc_wine", samples: 16, relative_error: 1e-3 },
    Case { model: "kmeans_iris", samples: 16, relative_error: 1e-3 },
    Case { model: "dtree_wine", samples: 16, relative_error: 1e-6 },
    Case { model: "rf_cancer_30", samples: 16, relative_error: 1e-6 },
    Case { model: "xgb_credit_50", samples: 16, relative_error: 1e-3 },
    Case { model: "mlp_mnist", samples: 16, relative_error: 5e-3 },
    Case { model: "mlp_sig_tanh_gelu", samples: 16, relative_error: 1e-2 },
    Case { model: "mlp_dynamo_public", samples: 16, relative_error: 5e-3 },
    Case { model: "autoencoder_mnist", samples: 16, relative_error: 1e-2 },
    Case { model: "lenet5_mnist", samples: 16, relative_error: 5e-3 },
    Case { model: "qdq_int8_lenet5", samples: 16, relative_error: 1e-2 },
    Case { model: "qop_int8_lenet5", samples: 16, relative_error: 1e-2 },
    Case { model: "mobilenet_mini_cm32", samples: 16, relative_error: 2e-2 },
    Case { model: "resnet8_cm32", samples: 8, relative_error: 2e-2 },
    Case { model: "lstm_rows_mnist", samples: 16, relative_error: 1e-2 },
    Case { model: "encoder_text32", samples: 16, relative_error: 1e-2 },
    Case { model: "nanogpt_shakespeare", samples: 4, relative_error: 1e-2 },
];

pub(crate) fn folder(model: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/models").join(model)
}

pub(crate) fn import(model: &str) -> Graph {
    import_file(&folder(model).join("model.onnx"), &import::Settings::default())
        .unwrap_or_else(|error| panic!("{model}: {error}"))
}

/// Up to `count` samples of a model, one tensor for each input.
pub(crate) fn inputs(model: &str, graph: &Graph, count: usize) -> Vec<Vec<Tensor<f64>>> {
    let arrays = samples::read(&folder(model).join("inputs.npz"), "in");
    let sample = |index| {
        let each = graph.inputs.iter().zip(&arrays);
        each.map(|(input, array)| samples::sample(array, index, &input.shape)).collect()
    };
    (0..count.min(arrays[0].shape()[0])).map(sample).collect()
}

/// Encodes a sample for an integer model.
fn encode(model: &IntegerModel, sample: &[Tensor<f64>]) -> Vec<Tensor<i32>> {
    let inputs = model.inputs().iter().zip(sample);
    let views = inputs.flat_map(|(input, real)| input.views.iter().map(move |view| (view, real)));
    views.map(|((_, encoding), real)| encoding.encode(real).unwrap().tensor).collect()
}

fn top(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

#[track_caller]
fn check(model: &str) {
    let case = CASES.iter().find(|case| case.model == model).unwrap();
    let graph = import(model);
    let samples = inputs(model, &graph, case.samples);
    let calibration = calibrate(&graph, &samples).unwrap();
    let integer = quantize(&graph, &calibration, &Settings::default())
        .unwrap_or_else(|error| panic!("{model}: {error:?}"));
    integer.check().unwrap();
    narrow(model, &integer);
    let expected = samples::read(&folder(model).join("expected.npz"), "out");
    let mut errors = vec![(0.0, 0.0); expected.len()];
    for (index, sample) in samples.iter().enumerate() {
        let results = integer.run(&encode(&integer, sample)).unwrap();
        for (at, (output, result)) in integer.outputs().iter().zip(&results).enumerate() {
            let got = output.decoding.decode(result);
            let expected = crate::samples::sample(&expected[at], index, got.shape());
            if !matches!(output.decoding, Decoding::Real { .. }) {
                assert_eq!(got, expected, "{model}: output `{}`, sample {index}", output.name);
                continue;
            }
            let columns = expected.last_dim().max(1);
            let mut rows = got.data().chunks(columns).zip(expected.data().chunks(columns));
            // A row's last position is what a language model decides with; others are not compared
            // one by one.
            let (row, reference) = rows.next_back().unwrap();
            let decides = model != "autoencoder_mnist" && output.name != "scores";
            assert!(
                !decides || top(row) == top(reference),
                "{model}: output `{}`, sample {index}: {row:?}, onnxruntime {reference:?}",
                output.name
            );
            for (got, expected) in got.data().iter().zip(expected.data()) {
                errors[at].0 += (got - expected).abs();
                errors[at].1 += expected.abs();
            }
        }
    }
    for (output, (error, magnitude)) in integer.outputs().iter().zip(errors) {
        let relative = if magnitude > 0.0 { error / magnitude } else { 0.0 };
        println!("{model}: `{}` relative error {relative:.2e}", output.name);
        assert!(
            relative <= case.relative_error,
            "{model}: output `{}` has a relative error of {relative:.2e}",
            output.name
        );
    }
}

/// Checks that shifted values fit tables, but for a few elements that are clamped at full width.
fn narrow(model: &str, integer: &IntegerModel) {
    for (_, node) in integer.iter() {
        let operand = || integer.node(node.operands[0]).interval;
        let (quotient, limit): (Interval, u64) = match &node.op {
            Op::Requantize(op) => (op.quotient(operand()), 1 << 16),
            Op::Lookup(op) => (op.quotient(operand()), 1 << 15),
            _ => continue,
        };
        assert!(
            quotient.width() <= limit || node.len() <= 64,
            "{model}: node `{}` has {} elements with quotients in {quotient}",
            node.name,
            node.len()
        );
        if let Op::Requantize(Requantize { shift, .. }) = node.op {
            assert!(shift <= 24, "{model}: node `{}` shifts by {shift}", node.name);
        }
    }
}

#[test]
fn linear_models_agree_with_onnxruntime() {
    for model in ["linreg_diabetes", "logreg_iris", "linsvc_wine", "kmeans_iris"] {
        check(model);
    }
}

#[test]
fn trees_agree_with_onnxruntime() {
    for model in ["dtree_wine", "rf_cancer_30", "xgb_credit_50"] {
        check(model);
    }
}

#[test]
fn multilayer_perceptrons_agree_with_onnxruntime() {
    for model in ["mlp_mnist", "mlp_sig_tanh_gelu", "mlp_dynamo_public", "autoencoder_mnist"] {
        check(model);
    }
}

#[test]
fn small_convolutional_networks_agree_with_onnxruntime() {
    check("lenet5_mnist");
}

#[test]
fn quantized_networks_agree_with_onnxruntime() {
    for model in ["qdq_int8_lenet5", "qop_int8_lenet5"] {
        check(model);
    }
}

#[test]
fn large_convolutional_networks_agree_with_onnxruntime() {
    for model in ["mobilenet_mini_cm32", "resnet8_cm32"] {
        check(model);
    }
}

#[test]
fn recurrent_networks_agree_with_onnxruntime() {
    check("lstm_rows_mnist");
}

#[test]
fn transformers_agree_with_onnxruntime() {
    for model in ["encoder_text32", "nanogpt_shakespeare"] {
        check(model);
    }
}

/// Random calibration says little, but the model must run on whatever can be encoded.
#[test]
fn models_calibrated_at_random_run_on_every_input() {
    for case in CASES.iter().filter(|case| case.model != "nanogpt_shakespeare") {
        let graph = import(case.model);
        let calibration = calibrate(&graph, &[]).unwrap();
        assert!(calibration.random);
        let integer = quantize(&graph, &calibration, &Settings::default())
            .unwrap_or_else(|error| panic!("{}: {error:?}", case.model));
        let mut samples = inputs(case.model, &graph, 2);
        samples.push(random_sample(&graph, 99));
        for sample in &samples {
            integer.run(&encode(&integer, sample)).unwrap();
        }
        for highest in [false, true] {
            integer.run(&extreme(&integer, highest)).unwrap();
        }
    }
}

/// The highest or lowest integers that a model takes.
fn extreme(integer: &IntegerModel, highest: bool) -> Vec<Tensor<i32>> {
    let views = integer.inputs().iter().flat_map(|input| {
        input.views.iter().map(move |(id, encoding)| (&input.shape, integer.node(*id), encoding))
    });
    let extreme = |(shape, node, encoding): (&Vec<usize>, &Node, &Encoding)| {
        if let Encoding::Ordered | Encoding::OrderedOrMissing = encoding {
            let real = f64::from(if highest { f32::MAX } else { f32::MIN });
            return encoding.encode(&Tensor::full(shape.clone(), real).unwrap()).unwrap().tensor;
        }
        let Interval { lo, hi } = node.interval;
        let value = i32::try_from(if highest { hi } else { lo }).unwrap();
        Tensor::full(node.shape.clone(), value).unwrap()
    };
    views.map(extreme).collect()
}

#[test]
fn reports_compare_every_layer() {
    let graph = import("mlp_mnist");
    let samples = inputs("mlp_mnist", &graph, 4);
    let calibration = calibrate(&graph, &samples).unwrap();
    let integer = quantize(&graph, &calibration, &Settings::default()).unwrap();
    let report = accuracy(&graph, &integer, &samples).unwrap();
    assert_eq!((report.samples, report.random, report.clamped_samples), (4, false, 0));
    assert!(report.outputs[0].spread_error() < 0.02, "{report}");
    assert!(report.layers.len() >= 2, "{report}");
    assert!(report.layers.iter().all(|layer| layer.relative_error < 0.02), "{report}");
    assert!(accuracy(&graph, &integer, &[]).unwrap().random);
}

#[test]
fn an_outlier_hides_no_error_of_ordinary_samples() {
    let graph = import("linreg_diabetes");
    let mut samples = inputs("linreg_diabetes", &graph, 16);
    let judge = |samples: &[Vec<Tensor<f64>>]| {
        let calibration = calibrate(&graph, samples).unwrap();
        let integer = quantize(&graph, &calibration, &Settings::default()).unwrap();
        accuracy(&graph, &integer, samples).unwrap().outputs.remove(0)
    };
    assert!(judge(&samples).spread_error() < 0.02);
    // One value of a million times the size takes all steps of the integers for itself.
    samples.push(samples[0].iter().map(|input| input.map(|x| x * 1e6)).collect());
    let judged = judge(&samples);
    assert!(judged.spread_error() > 0.02, "{judged:?}");
}

#[test]
fn ordinary_values_that_hardly_differ_are_right_as_numbers() {
    // 1 + x / 10^6, and once 100: steps of a thousandth are a thousand times what others differ by.
    let x = |x: f64| vec![Tensor::new(vec![1, 1], vec![x]).unwrap()];
    let node = |name: &str, op, operands: &[u32]| float::Node {
        name: name.to_owned(),
        origin: "Test".to_owned(),
        op,
        operands: operands.iter().map(|&id| float::NodeId(id)).collect(),
        shape: vec![1, 1],
        unrolled: None,
    };
    let slope = ScalarFn::X * ScalarFn::Const(1e-6) + ScalarFn::Const(1.0);
    let graph = Graph {
        nodes: vec![
            node("x", float::Op::Input { index: 0 }, &[]),
            node("y", float::Op::Unary(slope), &[0]),
        ],
        inputs: vec![float::Input {
            name: "x".to_owned(),
            shape: vec![1, 1],
            element_type: ElementType::Float,
        }],
        outputs: vec![float::Output {
            name: "y".to_owned(),
            node: float::NodeId(1),
            labels: Labels::Real,
        }],
    };
    let ordinary = (0..32).map(|at| x(f64::from(at)));
    let samples: Vec<_> = ordinary.chain([x(99e6)]).collect();
    let calibration = calibrate(&graph, &samples).unwrap();
    let integer = quantize(&graph, &calibration, &Settings::default()).unwrap();
    let output = accuracy(&graph, &integer, &samples).unwrap().outputs.remove(0);
    assert!(output.spread_error() < 0.02, "{output:?}");
}
