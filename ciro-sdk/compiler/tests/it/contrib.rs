//! What operators mean in onnxruntime, above all its own ones for transformers, and what of them is
//! refused.

use ciro_compiler::float::Graph;
use ciro_compiler::import::{ImportError, Reason, Settings, import_bytes};
use ciro_model::Tensor;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

use crate::operators::Builder;
use crate::refusal::{Model, info, model};

/// A node of `com.microsoft`; `outputs` are separated by spaces, and `-` is none.
pub(crate) fn contrib(
    op: &str,
    inputs: &str,
    outputs: &str,
    attributes: &[(&str, i64)],
) -> NodeProto {
    let names = |names: &str| -> Vec<String> {
        names.split_whitespace().map(|name| name.replace('-', "")).collect()
    };
    let attribute = |&(name, i): &(&str, i64)| AttributeProto {
        name: name.to_owned(),
        i,
        ..AttributeProto::default()
    };
    NodeProto {
        op_type: op.to_owned(),
        name: "n".to_owned(),
        domain: "com.microsoft".to_owned(),
        input: names(inputs),
        output: names(outputs),
        attribute: attributes.iter().map(attribute).collect(),
        ..NodeProto::default()
    }
}

fn with_float(mut node: NodeProto, name: &str, f: f32) -> NodeProto {
    node.attribute.push(AttributeProto { name: name.to_owned(), f, ..AttributeProto::default() });
    node
}

pub(crate) fn floats(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: data.to_vec(),
        ..TensorProto::default()
    }
}

pub(crate) fn ints(name: &str, dims: &[i64], data: &[i32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Int32 as i32,
        int32_data: data.to_vec(),
        ..TensorProto::default()
    }
}

/// A model of other inputs: name, type, extents.
pub(crate) fn model_of(inputs: &[(&str, DataType, &[i64])]) -> Model {
    let mut model = model();
    let input = |&(name, kind, dims): &(&str, DataType, &[i64])| {
        info(name, kind, dims.iter().map(|&dim| Dim::DimValue(dim)).collect())
    };
    model.graph().input = inputs.iter().map(input).collect();
    model
}

pub(crate) fn import(model: &Model) -> Result<Graph, ImportError> {
    import_bytes(&model.0.encode_to_vec(), &Settings::default())
}

pub(crate) fn tensor(shape: &[usize], data: &[f64]) -> Tensor<f64> {
    Tensor::new(shape.to_vec(), data.to_vec()).unwrap()
}

/// The first output.
#[track_caller]
fn eval(model: &Model, sample: &[Tensor<f64>]) -> Vec<f64> {
    let graph = import(model).unwrap();
    let values = graph.eval(sample).unwrap();
    values[graph.outputs[0].node.index()].data().to_vec()
}

#[track_caller]
pub(crate) fn close(got: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(got.len(), expected.len());
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= bound;
    assert!(got.iter().zip(expected).all(near), "got {got:?}, expected {expected:?}");
}

const Q: [f64; 4] = [1.0, -1.0, 0.5, 2.0];
const K: [f64; 6] = [0.5, 1.0, -1.0, 0.25, 2.0, 0.5];
const V: [f64; 6] = [1.0, 2.0, 3.0, 5.0, -2.0, 4.0];

/// `MultiHeadAttention` of one head, with a padding mask that comes in.
fn masked(node: NodeProto) -> Model {
    let float = DataType::Float;
    model_of(&[
        ("q", float, &[1, 2, 2]),
        ("k", float, &[1, 3, 2]),
        ("v", float, &[1, 3, 2]),
        ("mask", DataType::Int32, &[1, 3]),
    ])
    .node(node)
}

fn attend(mask: [f64; 3]) -> Vec<f64> {
    let node = contrib("MultiHeadAttention", "q k v - mask", "y", &[("num_heads", 1)]);
    let sample = [
        tensor(&[1, 2, 2], &Q),
        tensor(&[1, 3, 2], &K),
        tensor(&[1, 3, 2], &V),
        tensor(&[1, 3], &mask),
    ];
    eval(&masked(node), &sample)
}

/// The expected values are those of onnxruntime 1.32.
#[test]
fn a_padding_mask_hides_and_one_that_hides_everything_hides_nothing() {
    let all = [-0.957_838_2, 3.752_425, -0.031_72, 3.120_201_3];
    let some = [-1.413_289_1, 3.608_859_5, -0.367_761_7, 2.911_840_9];
    close(&attend([1.0, 1.0, 1.0]), &all, 1e-5);
    close(&attend([1.0, 0.0, 1.0]), &some, 1e-5);
    close(&attend([0.0, 0.0, 0.0]), &all, 1e-5);
}

#[test]
fn padded_attention_has_an_integer_form() {
    let node = contrib("MultiHeadAttention", "q k v - mask", "y", &[("num_heads", 1)]);
    let sample = |seed: u32| {
        let wave = |shape: &[usize], phase: f64| {
            let at = |i: usize| (f64::from(seed) * 1.7 + phase + i as f64 * 0.9).sin() * 2.0;
            let count = shape.iter().product();
            tensor(shape, &(0..count).map(at).collect::<Vec<f64>>())
        };
        // Every mask comes, the one that hides everything too.
        let mask = [0, 1, 2].map(|bit| f64::from(seed >> bit & 1));
        vec![
            wave(&[1, 2, 2], 0.0),
            wave(&[1, 3, 2], 1.0),
            wave(&[1, 3, 2], 2.0),
            tensor(&[1, 3], &mask),
        ]
    };
    let graph = import(&masked(node)).unwrap();
    Builder { graph, samples: (0..16).map(sample).collect() }.check(2e-2).unwrap();
}

#[test]
fn a_padding_mask_that_does_not_hide_is_refused() {
    let node = contrib("MultiHeadAttention", "q k v - mask", "y", &[("num_heads", 1)]);
    let soft = masked(with_float(node.clone(), "mask_filter_value", -1.0));
    let problem = "does not hide: it is above -1000";
    let reason = Reason::Attribute { name: "mask_filter_value".to_owned(), problem };
    soft.refuses("n", "com.microsoft.MultiHeadAttention", &reason);
    import(&masked(with_float(node, "mask_filter_value", -1e9))).unwrap();
}

/// `EmbedLayerNormalization` and then `Attention`, whose mask is `mask` itself or how many of its
/// places count.
fn embedded(mask: &str) -> Model {
    let int = DataType::Int32;
    let ramp = |count: usize, step: f32| -> Vec<f32> {
        (0u16..).take(count).map(|at| (f32::from(at) * step).sin()).collect()
    };
    let nodes = [
        contrib("EmbedLayerNormalization", "ids - words places - gamma beta mask", "e count", &[]),
        contrib("Attention", &format!("e w - {mask}"), "y", &[("num_heads", 1)]),
    ];
    let [embed, attention] = nodes;
    model_of(&[("ids", int, &[2, 3]), ("mask", int, &[2, 3])])
        .weights(floats("words", &[4, 2], &ramp(8, 1.3)))
        .weights(floats("places", &[3, 2], &ramp(6, 2.1)))
        .weights(floats("gamma", &[2], &[1.0, 0.5]))
        .weights(floats("beta", &[2], &[0.1, 0.2]))
        .weights(floats("w", &[2, 6], &ramp(12, 0.7)))
        .node(embed)
        .node(NodeProto { name: "a".to_owned(), ..attention })
}

#[test]
fn the_places_that_an_embedding_counts_mask_attention() {
    let ids = tensor(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
    let answer =
        |mask: &str, data: [f64; 6]| eval(&embedded(mask), &[ids.clone(), tensor(&[2, 3], &data)]);
    let padded = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0];
    let counted = answer("count", padded);
    close(&counted, &answer("mask", padded), 1e-12);
    let whole = answer("count", [1.0; 6]);
    assert!(counted.iter().zip(&whole).any(|(a, b)| (a - b).abs() > 1e-3), "{counted:?}");
    close(&whole, &answer("-", [1.0; 6]), 1e-12);
    // As in onnxruntime, a row of no places reads all of them.
    close(&answer("count", [0.0; 6]), &whole, 1e-12);
}

#[test]
fn outputs_that_are_not_computed_are_refused_where_they_are_read() {
    let attention = || contrib("MultiHeadAttention", "q q q", "y - - qk", &[("num_heads", 1)]);
    let lost = |name: &str, node: Option<NodeProto>| {
        let mut model = model_of(&[("q", DataType::Float, &[1, 3, 2])]).node(attention());
        model.graph().node.extend(node);
        model.graph().output.push(info(name, DataType::Float, vec![]));
        model
    };
    let reason = Reason::NotComputed("qk".to_owned());
    lost("qk", None).refuses("qk", "output", &reason);
    let relu = NodeProto {
        op_type: "Relu".to_owned(),
        name: "r".to_owned(),
        input: vec!["qk".to_owned()],
        output: vec!["z".to_owned()],
        ..NodeProto::default()
    };
    lost("z", Some(relu)).refuses("r", "Relu", &reason);
    // What nothing reads is no matter.
    let unread = model_of(&[("q", DataType::Float, &[1, 3, 2])]).node(attention());
    assert_eq!(import(&unread).unwrap().outputs.len(), 1);
}

#[test]
fn normalizations_of_onnxruntime_have_its_epsilon() {
    let float = DataType::Float;
    let sum = || {
        model_of(&[("x", float, &[1, 1, 3]), ("k", float, &[1, 1, 3])]).weights(floats(
            "g",
            &[3],
            &[1.0; 3],
        ))
    };
    let sample =
        [tensor(&[1, 1, 3], &[1e-4, -2e-4, 3e-4]), tensor(&[1, 1, 3], &[2e-4, 1e-4, -1e-4])];
    let skip = sum().node(contrib("SkipLayerNormalization", "x k g", "y", &[]));
    close(&eval(&skip, &sample), &[0.980_563_6, -1.372_789_1, 0.392_225_5], 1e-5);
    let skip = sum().node(contrib("SkipSimplifiedLayerNormalization", "x k g", "y", &[]));
    close(&eval(&skip, &sample), &[1.388_715_3, -0.462_905_1, 0.925_810_3], 1e-5);
    let embed = contrib("EmbedLayerNormalization", "ids - w p - g b", "y -", &[]);
    let embed = model_of(&[("ids", DataType::Int32, &[1, 2])])
        .weights(floats("w", &[2, 3], &[1e-4, -2e-4, 3e-4, 2e-4, 5e-4, 1e-4]))
        .weights(floats("p", &[2, 3], &[2e-4, 1e-4, -1e-4, 1e-4, 0.0, 0.0]))
        .weights(floats("g", &[3], &[1.0; 3]))
        .weights(floats("b", &[3], &[0.0; 3]))
        .node(embed);
    let expected = [0.267_258_9, 1.069_036_4, -1.336_295_5, 0.462_905, -1.388_715_3, 0.925_810_2];
    close(&eval(&embed, &[tensor(&[1, 2], &[1.0, 0.0])]), &expected, 1e-5);
}

/// `GroupQueryAttention` of one head and two rows, with a cache of two places.
fn grouped(node: NodeProto, last: &[i32]) -> Model {
    let float = DataType::Float;
    let (rows, cache): (&[i64], &[i64]) = (&[2, 1, 8], &[2, 1, 2, 8]);
    let inputs = ["q", "k", "v"].map(|name| (name, float, rows));
    let caches = ["pk", "pv"].map(|name| (name, float, cache));
    model_of(&[&inputs[..], &caches[..]].concat())
        .weights(ints("last", &[2], last))
        .weights(ints("total", &[1], &[3]))
        .weights(floats("extra", &[8], &[1.0; 8]))
        .node(node)
}

const GROUPED: [(&str, i64); 2] = [("num_heads", 1), ("kv_num_heads", 1)];

#[test]
fn grouped_attention_beyond_causal_attention_is_refused() {
    let inputs = "q k v pk pv last total";
    let refused = |inputs: &str, attribute: Option<(&str, i64)>| {
        let attributes: Vec<_> = GROUPED.into_iter().chain(attribute).collect();
        let node = contrib("GroupQueryAttention", inputs, "y nk nv", &attributes);
        import(&grouped(node, &[2, 2])).is_err()
    };
    assert!(!refused(inputs, None));
    for fine in [("smooth_softmax", -1), ("causal", 1), ("local_window_size", -1)] {
        assert!(!refused(inputs, Some(fine)), "{fine:?}");
    }
    for other in [
        ("smooth_softmax", 1),
        ("causal", 0),
        ("local_window_size", 0),
        ("sliding_window_cache", 1),
    ] {
        assert!(refused(inputs, Some(other)), "{other:?}");
    }
    for at in 11..17 {
        let more = format!("{inputs} {} extra", "- ".repeat(at - 7));
        assert!(refused(&more, None), "input {at}");
    }
    for half in ["q k - pk pv last total", "q k v pk - last total", "q k v - pv last total"] {
        assert!(refused(half, None), "{half}");
    }
}

/// An operator of ONNX itself.
fn plain(op: &str, inputs: &str, attributes: &[(&str, i64)]) -> NodeProto {
    NodeProto { domain: String::new(), ..contrib(op, inputs, "y", attributes) }
}

fn region(attributes: &[(&str, i64)]) -> Model {
    model_of(&[("x", DataType::Float, &[1, 1, 4, 4]), ("r", DataType::Float, &[1, 4])])
        .weights(ints("b", &[1], &[0]))
        .node(plain("RoiAlign", "x r b", attributes))
}

fn embedding(ids: &[i64], words: &[i64], places: &[i64]) -> Model {
    let table = |name: &str, dims: &[i64]| {
        let count: i64 = dims.iter().product();
        floats(name, dims, &vec![1.0; usize::try_from(count).unwrap()])
    };
    model_of(&[("ids", DataType::Int32, ids)])
        .weights(table("w", words))
        .weights(table("p", places))
        .weights(table("g", &[8]))
        .node(contrib("EmbedLayerNormalization", "ids - w p - g g", "y", &[]))
}

fn packed_query(dims: &[i64]) -> Model {
    model_of(&[("q", DataType::Float, dims)])
        .weights(ints("l", &[1], &[0]))
        .weights(ints("t", &[1], &[1]))
        .node(contrib("GroupQueryAttention", "q - - - - l t", "y", &GROUPED))
}

/// Operators whose weights have shapes that no weights of theirs have.
fn misshapen() -> [(&'static str, Model); 4] {
    let float = DataType::Float;
    let rotary = model_of(&[("x", float, &[1, 2, 8])])
        .weights(ints("p", &[1, 2], &[0, 1]))
        .weights(floats("c", &[], &[1.0]))
        .node(contrib("RotaryEmbedding", "x p c c", "y", &[]));
    let deform = model_of(&[("x", float, &[1, 0, 4, 4]), ("o", float, &[1, 4, 4, 3])])
        .weights(floats("w", &[2, 0, 1, 2], &[]))
        .node(plain("DeformConv", "x w o", &[("offset_group", 1 << 62)]));
    let mut attention = contrib("Attention", "x w -", "y", &[("num_heads", 1)]);
    let vectors = model_of(&[("x", float, &[4])])
        .weights(floats("w", &[4], &[1.0; 4]))
        .node(attention.clone());
    attention.attribute.push(AttributeProto {
        name: "qkv_hidden_sizes".to_owned(),
        ints: vec![i64::MAX; 3],
        ..AttributeProto::default()
    });
    let sizes = model_of(&[("x", float, &[1, 2, 4])])
        .weights(floats("w", &[4, 12], &[1.0; 48]))
        .node(attention);
    [
        ("scalar rotary", rotary),
        ("deform channels", deform),
        ("attention vectors", vectors),
        ("attention sizes", sizes),
    ]
}

/// Files of a few hundred bytes that would list more than memory holds, or read what is not there.
#[test]
fn shapes_that_are_out_of_bounds_are_refused() {
    let many: i64 = 1 << 50;
    let causal = [("num_heads", 1), ("unidirectional", 1)];
    let no_rows = model_of(&[("q", DataType::Float, &[0, many, 8])]).node(contrib(
        "MultiHeadAttention",
        "q q q",
        "y",
        &causal,
    ));
    let (one, rows) = (("sampling_ratio", 1), ("output_height", 1 << 40));
    let models = [
        ("region samples", region(&[("sampling_ratio", 1 << 33)])),
        ("region columns", region(&[one, rows, ("output_width", 0)])),
        ("region rows", region(&[one, rows])),
        ("query rows", packed_query(&[0, many, 24])),
        ("query keys", packed_query(&[1, 0, 24])),
        ("attention rows", no_rows),
        ("embedded rows", embedding(&[0, (1 << 32) - 1], &[4, 8], &[4, 8])),
        ("scalar words", embedding(&[1, 2], &[], &[4, 8])),
        ("vector words", embedding(&[1, 2], &[4], &[4])),
    ];
    for (name, model) in models.into_iter().chain(misshapen()) {
        let error = import(&model).unwrap_err();
        assert!(matches!(error, ImportError::Refused(_)), "{name}: {error}");
    }
}

/// A comparison would hide that a power is no number.
#[test]
fn negative_bases_have_whole_powers() {
    let plain = |op: &str, inputs: &str, to: &str| NodeProto {
        output: vec![to.to_owned()],
        ..plain(op, inputs, &[])
    };
    let inputs = ["a", "b", "e"].map(|name| (name, DataType::Float, &[1i64, 1] as &[i64]));
    let power = || model_of(&inputs).node(plain("Sub", "a b", "d"));
    let compared = power()
        .weights(floats("one", &[], &[1.0]))
        .node(plain("Pow", "d e", "p"))
        .node(plain("Greater", "p one", "y"));
    let power = power().node(plain("Pow", "d e", "y"));
    for ([a, b, e], expected) in [
        ([1.0, 3.0, 2.0], 4.0),
        ([1.0, 3.0, 3.0], -8.0),
        ([2.0, 2.0, 0.0], 1.0),
        ([4.0, 1.0, 0.5], 3f64.sqrt()),
    ] {
        let sample = [a, b, e].map(|x| tensor(&[1, 1], &[x]));
        close(&eval(&power, &sample), &[expected], 1e-12);
        assert_eq!(eval(&compared, &sample), [f64::from(u8::from(expected > 1.0))]);
    }
    // A base that is no number anywhere stays none.
    assert!(eval(&power, &[-1.0, 0.0, 0.5].map(|x| tensor(&[1, 1], &[x])))[0].is_nan());
}

#[test]
fn regions_of_images_are_those_of_the_standard() {
    let image = |mode: &str, batch: &[i32]| {
        let count = i64::try_from(batch.len()).unwrap();
        let mut node = plain("RoiAlign", "x r b", &[("sampling_ratio", 1)]);
        node.attribute.push(AttributeProto {
            name: "mode".to_owned(),
            s: mode.as_bytes().to_vec(),
            ..AttributeProto::default()
        });
        let inputs: [(&str, DataType, &[i64]); 2] =
            [("x", DataType::Float, &[2, 1, 4, 4]), ("r", DataType::Float, &[2, 4])];
        import(&model_of(&inputs).weights(ints("b", &[count], batch)).node(node))
    };
    image("avg", &[0, 1]).unwrap();
    let others: [(&str, &[i32]); 4] =
        [("mean", &[0, 1]), ("avg", &[0]), ("avg", &[0, 1, 1]), ("avg", &[0, -1])];
    for (mode, batch) in others {
        assert!(image(mode, batch).is_err(), "{mode} {batch:?}");
    }
}
