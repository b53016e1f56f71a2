//! What operators cost: steps are the same on every machine.

use ciro_cairo::EmitSettings;
use ciro_model::integer::ops::{Conv, Linear};

use crate::support::{Case, Compiled};

/// Steps for each multiply-accumulate of one node with committed weights, reading and checking of
/// arguments included.
fn steps_per_mac(case: Case) -> f64 {
    let (model, inputs) = case.finish();
    let mut settings = EmitSettings::default();
    settings.inline_max = 0;
    let execution = Compiled::new(&model, settings).check(&inputs);
    execution.steps as f64 / model.macs() as f64
}

/// Small numbers that repeat after 251.
fn numbers(count: usize, lo: i32, hi: i32) -> Vec<i32> {
    (0..count).map(|i| lo + i32::try_from(i * i % 251).unwrap() % (hi - lo + 1)).collect()
}

#[test]
fn gemm_takes_at_most_eight_steps_a_mac() {
    let mut case = Case::default();
    let x = case.input(&[1, 784], numbers(784, 0, 255), (0, 255));
    let weight = case.constant(&[784, 64], numbers(784 * 64, -127, 127));
    let bias = case.constant(&[64], numbers(64, -9000, 9000));
    case.output(Linear { weight, bias: Some(bias) }, &[x]);
    let steps = steps_per_mac(case);
    println!("Gemm: {steps:.2} steps a multiply-accumulate");
    assert!(steps <= 8.0, "{steps}");
}

#[test]
fn conv_takes_at_most_eight_steps_a_mac() {
    let mut case = Case::default();
    let x = case.input(&[1, 6, 14, 14], numbers(6 * 14 * 14, 0, 255), (0, 255));
    let weight = case.constant(&[16, 6, 5, 5], numbers(16 * 150, -127, 127));
    let bias = case.constant(&[16], numbers(16, -9000, 9000));
    let conv = Conv {
        weight,
        bias: Some(bias),
        strides: vec![1, 1],
        dilations: vec![1, 1],
        pads: vec![(0, 0); 2],
        groups: 1,
    };
    case.output(conv, &[x]);
    let steps = steps_per_mac(case);
    println!("Conv: {steps:.2} steps a multiply-accumulate");
    assert!(steps <= 8.0, "{steps}");
}
