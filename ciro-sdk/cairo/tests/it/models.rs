//! The models of `examples/models`: their programs compute what the interpreter computes.

use ciro_cairo::EmitSettings;

use crate::support::{Compiled, example, random_inputs};

#[track_caller]
fn check(name: &str) {
    let (graph, model) = example(name);
    let compiled = Compiled::new(&model, EmitSettings::default());
    for seed in 0..2 {
        let execution = compiled.check(&random_inputs(&graph, &model, seed));
        let (steps, macs) = (execution.steps, model.macs());
        println!("{name}: {steps} steps, {macs} multiply-accumulates");
    }
}

#[test]
fn linear_models_compute_the_same_in_cairo() {
    for name in ["linreg_diabetes", "logreg_iris", "linsvc_wine", "kmeans_iris"] {
        check(name);
    }
}

#[test]
fn trees_compute_the_same_in_cairo() {
    for name in ["dtree_wine", "rf_cancer_30", "xgb_credit_50"] {
        check(name);
    }
}

#[test]
fn perceptrons_compute_the_same_in_cairo() {
    for name in ["mlp_mnist", "mlp_sig_tanh_gelu"] {
        check(name);
    }
}

#[test]
fn convolutional_networks_compute_the_same_in_cairo() {
    for name in ["lenet5_mnist", "qdq_int8_lenet5"] {
        check(name);
    }
}

#[test]
fn attention_computes_the_same_in_cairo() {
    check("encoder_text32");
}
