//! Written packages, as they are read.

use ciro_cairo::{EmitError, EmitSettings, Origin, emit};
use ciro_model::integer::IntegerModel;
use ciro_model::integer::ops::{Conv, Linear, ReduceMax, Requantize};
use ciro_model::movement::{Movement, Windows};

use crate::support::{Case, Compiled, listing};

/// A convolution, a pool, a layer and its rounding.
fn network() -> IntegerModel {
    let mut case = Case::default();
    let x = case.input(&[1, 1, 5, 5], (0..25).collect(), (0, 255));
    let weight = case.constant(&[2, 1, 2, 2], vec![1, -2, 3, 4, -5, 6, 7, 8]);
    let bias = case.constant(&[2], vec![10, -20]);
    let (strides, dilations, pads) = (vec![1, 1], vec![1, 1], vec![(0, 0); 2]);
    let conv = Conv { weight, bias: Some(bias), strides, dilations, pads, groups: 1 };
    let y = case.node(conv, &[x]);
    let windows = Windows {
        kernel: vec![2, 2],
        strides: vec![2, 2],
        dilations: vec![1, 1],
        pads: vec![(0, 0); 2],
        ceil_mode: false,
        fill: 0,
    };
    let y = case.node(Movement::Windows(windows), &[y]);
    let y = case.node(ReduceMax, &[y]);
    let y = case.node(Movement::Reshape { shape: vec![1, 8] }, &[y]);
    let weight = case.constant(&[8, 3], (-12..12).collect());
    let y = case.node(Linear { weight, bias: None }, &[y]);
    case.output(Requantize { shift: 3, lo: -128, hi: 127 }, &[y]);
    case.finish().0
}

#[test]
fn a_small_network_reads_like_its_model() {
    let mut settings = EmitSettings::default();
    // The kernel becomes part of the program, the matrix an argument.
    settings.inline_max = 10;
    let compiled = Compiled::new(&network(), settings);
    let text = format!(
        "// program hash {}\n\n{}// weights.json\n{}",
        compiled.program.hash(),
        listing(&compiled.package),
        compiled.package.files["weights.json"],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn lines_know_their_nodes() {
    let package = emit(&network(), "network", EmitSettings::default()).unwrap();
    let layers = &package.files["src/layers.cairo"];
    assert_eq!(package.origins.len(), 6);
    for Origin { lines, node, .. } in &package.origins {
        let function: Vec<&str> = layers.lines().skip(lines.start - 1).take(lines.len()).collect();
        assert!(function[0].contains(&format!("`{node}`")), "{function:?}");
        assert_eq!(function.last(), Some(&"}"));
    }
}

#[test]
fn empty_tensors_are_refused_by_name() {
    let mut case = Case::default();
    let x = case.input(&[0, 2], vec![], (0, 1));
    case.output(Movement::Reshape { shape: vec![0] }, &[x]);
    let EmitError::Refused { node, .. } =
        emit(&case.finish().0, "empty", EmitSettings::default()).unwrap_err()
    else {
        panic!("a refusal")
    };
    assert_eq!(node, "node_1");
}
