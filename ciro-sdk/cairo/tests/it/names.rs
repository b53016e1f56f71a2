//! Names of ONNX nodes decide nothing: models whose names fall together in Cairo compute what the
//! interpreter computes.

use ciro_cairo::{Compiler, EmitSettings, Package, ProgramError, emit};
use ciro_model::integer::ops::{Combine, Constant, Conv, Embed, Linear, Lookup, Mul};
use ciro_model::integer::{IntegerModel, NodeId};
use ciro_model::tensor::Tensor;

use crate::support::{Case, Compiled, compile};

fn case(names: &[&str]) -> Case {
    Case::named(names.iter().map(|&name| name.to_owned()).collect())
}

/// Every constant comes as an argument, so that all of them have variables in the program.
fn committed(model: &IntegerModel) -> Compiled {
    let mut settings = EmitSettings::default();
    settings.inline_max = 0;
    Compiled::new(model, settings)
}

fn numbers(count: usize) -> Vec<i32> {
    (0..count).map(|i| i32::try_from(i * i % 17).unwrap() - 8).collect()
}

/// A convolution of one channel with a 3 x 3 kernel.
fn conv(case: &mut Case, x: NodeId, dilation: usize) -> NodeId {
    let weight = case.constant(&[1, 1, 3, 3], numbers(9));
    let (strides, dilations, pads) = (vec![1, 1], vec![dilation; 2], vec![(0, 0); 2]);
    case.output(Conv { weight, bias: None, strides, dilations, pads, groups: 1 }, &[x])
}

#[test]
fn convolutions_with_names_that_fall_together_read_their_own_windows() {
    // Both were `WindowRelu11`: the second read its operand without its dilation.
    let mut dilated = case(&["x", "relu1_1", "relu11"]);
    let x = dilated.input(&[1, 1, 9, 9], numbers(81), (-8, 8));
    let y = conv(&mut dilated, x, 1);
    conv(&mut dilated, y, 2);
    dilated.check();

    // Rows of 12 and of 5 columns: the second window ran past its operand.
    let mut narrower = case(&["x", "conv1", "z", "conv_1"]);
    let x = narrower.input(&[1, 1, 12, 12], numbers(144), (-8, 8));
    let z = narrower.input(&[1, 1, 5, 5], numbers(25), (-8, 8));
    conv(&mut narrower, x, 1);
    conv(&mut narrower, z, 1);
    narrower.check();
}

#[test]
fn a_node_cannot_take_the_place_of_committed_weights() {
    let mut case = case(&["x", "fc_weight", "fc"]);
    let x = case.input(&[1, 6], vec![1, -2, 3, -4, 5, 8], (-8, 8));
    let squares = case.node(Mul, &[x, x]);
    let weight = case.constant(&[6, 1], numbers(6));
    case.output(Linear { weight, bias: None }, &[squares]);
    let (model, inputs) = case.finish();
    committed(&model).check(&inputs);
}

#[test]
fn an_input_is_not_shadowed_by_committed_weights() {
    let mut case = case(&["add_term_weight", "add_term"]);
    let x = case.input(&[1, 6], vec![1, -2, 3, -4, 5, 8], (-8, 8));
    let weight = case.constant(&[6, 6], numbers(36));
    case.output(Linear { weight, bias: None }, &[x]);
    let (model, inputs) = case.finish();
    let compiled = committed(&model);
    compiled.check(&inputs);
    let others = vec![Tensor::new(vec![1, 6], vec![0; 6]).unwrap()];
    compiled.check(&others);
}

#[test]
fn tables_embeddings_and_constants_keep_their_variables() {
    let names = ["i", "l_table", "l", "e_table", "e", "v_value", "v", "l_table", "output"];
    let mut case = case(&names);
    let x = case.input(&[3], vec![0, 2, 1], (0, 2));
    let y = case.node(Combine { coefficients: vec![2], constant: 1 }, &[x]);
    let table = case.constant(&[6], vec![5, -4, 3, -2, 1, 0]);
    case.output(Lookup { offset: 0, shift: 0, lo: 0, table }, &[y]);
    let y = case.node(Combine { coefficients: vec![1], constant: 0 }, &[x]);
    let table = case.constant(&[3, 2], numbers(6));
    case.output(Embed { table }, &[y]);
    let y = case.node(Combine { coefficients: vec![-1], constant: 0 }, &[x]);
    let value = case.constant(&[3], vec![7, 8, 9]);
    let value = case.output(Constant { value }, &[]);
    case.output(Mul, &[value, y]);
    case.output(Combine { coefficients: vec![3], constant: 0 }, &[value]);
    let (model, inputs) = case.finish();
    committed(&model).check(&inputs);
}

#[test]
fn names_that_packages_use_themselves_are_numbered() {
    let names = ["arguments", "input", "identity", "span", "core", "open", "state", "x", "predict"];
    let mut case = case(&names);
    let mut x = case.input(&[1, 2], vec![1, 2], (-8, 8));
    for _ in 1..names.len() {
        let weight = case.constant(&[2, 2], vec![1, 0, 1, -1]);
        x = case.node(Linear { weight, bias: None }, &[x]);
    }
    case.output(Combine { coefficients: vec![1], constant: 0 }, &[x]);
    let (model, inputs) = case.finish();
    committed(&model).check(&inputs);
}

#[test]
fn packages_of_any_name_compile() {
    let mut case = Case::default();
    let x = case.input(&[1], vec![1], (0, 1));
    case.output(Combine { coefficients: vec![2], constant: 0 }, &[x]);
    let (model, _) = case.finish();
    let hashes = ["core", "Core.onnx", "match", "", "net"].map(|name| {
        let package = emit(&model, name, EmitSettings::default()).unwrap();
        assert_ne!(package.name, "core");
        compile(&package).hash()
    });
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));

    // A package that somebody else named.
    let package = emit(&model, "net", EmitSettings::default()).unwrap();
    let package = Package { name: "core".to_owned(), ..package };
    let error = Compiler::new().unwrap().compile(&package).unwrap_err();
    assert!(matches!(error, ProgramError::Name), "{error}");
}

#[test]
fn names_cannot_leave_their_comment() {
    let mut case = case(&["x\n}\nfn f() {", "`y`\r\n    let x = y;\u{2028}"]);
    let x = case.input(&[1], vec![1], (0, 1));
    case.output(Combine { coefficients: vec![2], constant: 0 }, &[x]);
    let (model, inputs) = case.finish();
    let compiled = Compiled::new(&model, EmitSettings::default());
    compiled.check(&inputs);
    let layers = &compiled.package.files["src/layers.cairo"];
    let comments = layers.lines().filter(|line| line.starts_with("///"));
    assert_eq!(comments.count(), 1, "{layers}");
}
