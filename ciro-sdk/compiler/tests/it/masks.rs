//! Attention masks that come with the input, on scores as trained models have them.

use ciro_compiler::float::{
    BinaryFn, ElementType, Movement, NodeId, Op, Reducer, ScalarFn, UnaryFn,
};
use ciro_compiler::quantize::{Settings, calibrate, quantize};
use ciro_model::Tensor;

use crate::operators::{Builder, run};

const PLACES: usize = 24;

/// How a mask of truth values `m: [1, PLACES]` is brought to bear on scores of the same shape.
type Idiom = fn(&mut Builder, NodeId, NodeId) -> NodeId;

fn linear(slope: f64, offset: f64) -> ScalarFn {
    let product = ScalarFn::binary(BinaryFn::Mul, ScalarFn::X, ScalarFn::Const(slope));
    ScalarFn::binary(BinaryFn::Add, product, ScalarFn::Const(offset))
}

fn added(b: &mut Builder, scores: NodeId, mask: NodeId, hidden: f64) -> NodeId {
    let addend = b.unary(linear(-hidden, hidden), mask);
    b.binary(BinaryFn::Add, scores, addend)
}

fn chosen(b: &mut Builder, scores: NodeId, mask: NodeId, hidden: f64) -> NodeId {
    let fill = b.constant(&[1, PLACES], vec![hidden; PLACES]);
    b.push(Op::Where, &[mask, scores, fill], &[1, PLACES])
}

const IDIOMS: [(&str, Idiom); 8] = [
    ("(1 - m) * -1e4", |b, s, m| added(b, s, m, -1e4)),
    ("(1 - m) * -1e9", |b, s, m| added(b, s, m, -1e9)),
    ("(1 - m) * finfo(f32).min", |b, s, m| added(b, s, m, f64::from(f32::MIN))),
    ("(1 - m) * finfo(f16).min", |b, s, m| added(b, s, m, -65504.0)),
    ("where(m, s, finfo.min)", |b, s, m| chosen(b, s, m, f64::from(f32::MIN))),
    ("where(m, s, -inf)", |b, s, m| chosen(b, s, m, f64::NEG_INFINITY)),
    ("s + where(m, 0, -inf)", |b, s, m| {
        let bias = [ScalarFn::X, ScalarFn::Const(0.0), ScalarFn::Const(f64::NEG_INFINITY)];
        let [x, yes, no] = bias.map(Box::new);
        let bias = b.unary(ScalarFn::Where(x, yes, no), m);
        b.binary(BinaryFn::Add, s, bias)
    }),
    ("s + log(m)", |b, s, m| {
        let bias = b.unary(ScalarFn::unary(UnaryFn::Log), m);
        b.binary(BinaryFn::Add, s, bias)
    }),
];

/// `softmax(mask(x W)) V` with scores of spread 2.8; the samples of `m` hide about a third of the
/// places.
fn attention(idiom: Idiom, element_type: ElementType) -> Builder {
    let mut b = Builder::default();
    let x = b.input(&[1, 8], (-3.0, 3.0), 5);
    let m = b.draw(&[1, PLACES], element_type, 9, |unit| f64::from(u8::from(unit < 0.65)));
    for sample in &mut b.samples {
        let mut data = sample[1].data().to_vec();
        data[0] = 1.0;
        sample[1] = Tensor::new(vec![1, PLACES], data).unwrap();
    }
    let w = b.weights(&[8, PLACES], 3);
    let scores = b.push(Op::MatMul, &[x, w], &[1, PLACES]);
    let hidden = idiom(&mut b, scores, m);
    let p = b.push(Op::Softmax, &[hidden], &[1, PLACES]);
    let v = b.weights(&[PLACES, 4], 4);
    let y = b.push(Op::MatMul, &[p, v], &[1, 4]);
    b.output(y);
    b
}

#[test]
fn masked_attention_is_as_accurate_as_attention() {
    for element_type in [ElementType::Bool, ElementType::Integer, ElementType::Float] {
        for (name, idiom) in IDIOMS {
            println!("{name}, {element_type:?}");
            attention(idiom, element_type.clone()).check(5e-3).unwrap();
        }
    }
}

#[test]
fn masks_may_be_moved_and_joined_and_maxima_see_them() {
    let mut b = Builder::default();
    let x = b.input(&[3, 8], (-3.0, 3.0), 5);
    let m = b.draw(&[1, 8], ElementType::Bool, 9, |unit| f64::from(u8::from(unit < 0.8)));
    for sample in &mut b.samples {
        let mut data = sample[1].data().to_vec();
        data[0] = 1.0;
        sample[1] = Tensor::new(vec![1, 8], data).unwrap();
    }
    let addend = b.unary(linear(1e9, -1e9), m);
    let stretched = Op::Move(Movement::Expand { shape: vec![3, 8] });
    let addend = b.push(stretched, &[addend], &[3, 8]);
    let causal = (0..24).map(|at| if at % 8 > at / 8 + 3 { -1e9 } else { 0.0 }).collect();
    let causal = b.constant(&[3, 8], causal);
    let both = b.binary(BinaryFn::Add, addend, causal);
    let scores = b.binary(BinaryFn::Add, x, both);
    let p = b.push(Op::Softmax, &[scores], &[3, 8]);
    let best = b.reduce(Reducer::Max, scores);
    let place = b.reduce(Reducer::ArgMax, scores);
    let norm = b.reduce(Reducer::LogSumExp, scores);
    b.output(p);
    b.output(best);
    b.output(norm);
    b.label(place);
    b.check(5e-3).unwrap();
}

/// `log(m + 1e-9)` is -20.7 where nothing is hidden: an addend like any other.
#[test]
fn an_addend_that_hides_nothing_is_no_mask() {
    let mut b = Builder::default();
    let x = b.input(&[1, 4], (-1.0, 1.0), 5);
    let m = b.draw(&[1, 4], ElementType::Bool, 9, |unit| f64::from(u8::from(unit < 0.65)));
    let addend = b.unary(linear(20.0, -20.0), m);
    let scores = b.binary(BinaryFn::Add, x, addend);
    let p = b.push(Op::Softmax, &[scores], &[1, 4]);
    b.output(p);
    b.check(1e-2).unwrap();
}

#[test]
fn a_row_whose_every_place_is_hidden_is_uniform() {
    let b = attention(IDIOMS[2].1, ElementType::Bool);
    let calibration = calibrate(&b.graph, &b.samples).unwrap();
    let model = quantize(&b.graph, &calibration, &Settings::default()).unwrap();
    let sample = [b.samples[0][0].clone(), Tensor::full(vec![1, PLACES], 0.0).unwrap()];
    let (got, expected) = (run(&model, &sample), b.graph.eval(&sample).unwrap());
    let expected = &expected[b.graph.outputs[0].node.index()];
    for (got, expected) in got[0].data().iter().zip(expected.data()) {
        assert!((got - expected).abs() < 0.02, "{got} {expected}");
    }
}
