//! Models that have no integer meaning are refused, each for its own reason.

use std::path::PathBuf;

use ciro_compiler::float::{ElementType, Node, Op};
use ciro_compiler::import::{
    ExternalFiles, ImportError, Reason, Refused, Settings, Weights, import_bytes, import_bytes_in,
    import_bytes_with, import_file,
};
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as TypeValue};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};

/// A model in the making: one input `x: [2, 3]`, one output `y`.
pub(crate) struct Model(pub(crate) ModelProto);

pub(crate) fn info(name: &str, kind: DataType, dims: Vec<Dim>) -> ValueInfoProto {
    let dim = dims.into_iter().map(|dim| Dimension { value: Some(dim), ..Dimension::default() });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor = TensorType { elem_type: kind as i32, shape };
    let value = Some(TypeValue::TensorType(tensor));
    let kind = TypeProto { value, ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..ValueInfoProto::default() }
}

pub(crate) fn model() -> Model {
    let graph = GraphProto {
        input: vec![info("x", DataType::Float, vec![Dim::DimValue(2), Dim::DimValue(3)])],
        output: vec![info("y", DataType::Float, vec![])],
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
    Model(ModelProto { graph: Some(graph), opset_import: vec![opset], ..ModelProto::default() })
}

fn node(op: &str, name: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        name: name.to_owned(),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

fn floats(name: &str, values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

impl Model {
    pub(crate) fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    pub(crate) fn node(mut self, node: NodeProto) -> Self {
        self.graph().node.push(node);
        self
    }

    pub(crate) fn weights(mut self, tensor: TensorProto) -> Self {
        self.graph().initializer.push(tensor);
        self
    }

    fn error(&self) -> ImportError {
        import_bytes(&self.0.encode_to_vec(), &Settings::default()).unwrap_err()
    }

    #[track_caller]
    pub(crate) fn refused(&self) -> Vec<Refused> {
        match self.error() {
            ImportError::Refused(refused) => refused,
            other => panic!("not a refusal: {other}"),
        }
    }

    /// Checks that exactly one thing is refused.
    #[track_caller]
    pub(crate) fn refuses(&self, node: &str, op: &str, reason: &Reason) {
        let expected = Refused { node: node.to_owned(), op: op.to_owned(), reason: reason.clone() };
        assert_eq!(self.refused(), [expected]);
    }
}

fn example(name: &str) -> Result<(), ImportError> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/models");
    import_file(&root.join(name).join("model.onnx"), &Settings::default()).map(|_| ())
}

#[test]
fn broken_example_models_are_refused() {
    let nan = example("bad_nan_weight").unwrap_err();
    assert!(nan.to_string().contains("not finite, the first is NaN"), "{nan}");
    let shape = example("bad_nonmaxsuppression").unwrap_err();
    assert!(shape.to_string().contains("(NonMaxSuppression): the shape of its result"), "{shape}");
    let cut = example("bad_truncated").unwrap_err();
    assert!(matches!(cut, ImportError::Decode(_)), "{cut}");
    assert!(matches!(example("no_such_model"), Err(ImportError::Read { .. })));
}

#[test]
fn every_refused_node_is_listed() {
    let refused = model()
        .node(node("StringSplit", "first", &["x"], "a"))
        .node(node("Frobnicate", "second", &["x"], "b"))
        .node(node("Add", "sum", &["a", "b"], "c"))
        .node(node("Frobnicate", "third", &["c"], "y"))
        .refused();
    let names: Vec<&str> = refused.iter().map(|refused| refused.node.as_str()).collect();
    assert_eq!(names, ["first", "second", "third"]);
}

#[test]
fn unknown_domains_and_operators_are_refused() {
    let mut other = node("Relu", "n", &["x"], "y");
    other.domain = "my.domain".to_owned();
    let reason = Reason::UnknownDomain("my.domain".to_owned());
    model().node(other).refuses("n", "my.domain.Relu", &reason);
    let unknown = model().node(node("Frobnicate", "", &["x"], "y"));
    unknown.refuses("y", "Frobnicate", &Reason::UnknownOperator);
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let bad = model().weights(floats("w", &[1.0, f32::NAN, f32::NAN])).node(node(
        "Add",
        "n",
        &["x", "w"],
        "y",
    ));
    let refused = bad.refused();
    assert_eq!((refused[0].node.as_str(), refused.len()), ("w", 1));
    assert!(matches!(refused[0].reason, Reason::NonFinite { count: 2, .. }));
}

#[test]
fn infinite_weights_are_refused_where_they_are_multiplied() {
    let reason = Reason::NonFinite { count: 1, first: f64::INFINITY };
    let product = model().weights(floats("w", &[1.0, f32::INFINITY, 2.0])).node(node(
        "MatMul",
        "n",
        &["x", "w"],
        "y",
    ));
    product.refuses("n", "MatMul", &reason);
}

#[test]
fn infinite_masks_are_kept() {
    let masked = model()
        .weights(floats("mask", &[0.0, f32::NEG_INFINITY, 0.0]))
        .node(node("Add", "n", &["x", "mask"], "z"))
        .node(node("Softmax", "s", &["z"], "y"));
    let graph = import_bytes(&masked.0.encode_to_vec(), &Settings::default()).unwrap();
    let x = ciro_model::Tensor::full(vec![2, 3], 1.0).unwrap();
    let values = graph.eval(&[x]).unwrap();
    assert_eq!(values[graph.outputs[0].node.index()].data(), [0.5, 0.0, 0.5, 0.5, 0.0, 0.5]);
}

#[test]
fn strings_as_data_are_refused() {
    let mut text = model().node(node("Identity", "n", &["x"], "y"));
    text.graph().input = vec![info("x", DataType::String, vec![Dim::DimValue(1)])];
    text.refuses("x", "input", &Reason::Strings);
}

#[test]
fn text_is_looked_up_in_lists_of_the_model() {
    let encoder = |zeros| {
        let mut encoder = node("OneHotEncoder", "n", &["x"], "y");
        encoder.domain = "ai.onnx.ml".to_owned();
        encoder.attribute = vec![
            AttributeProto {
                name: "cats_strings".to_owned(),
                strings: vec![b"a".to_vec(), b"b".to_vec()],
                ..AttributeProto::default()
            },
            AttributeProto { name: "zeros".to_owned(), i: zeros, ..AttributeProto::default() },
        ];
        let mut text = model().node(encoder);
        text.0.opset_import[0].domain = "ai.onnx.ml".to_owned();
        text.0.opset_import[0].version = 3;
        text.graph().input = vec![info("x", DataType::String, vec![Dim::DimValue(3)])];
        text
    };
    for zeros in [0, 1] {
        let graph = import_bytes(&encoder(zeros).0.encode_to_vec(), &Settings::default()).unwrap();
        let codes = ciro_model::Tensor::vector(vec![1.0, 0.0, 2.0]);
        let values = graph.eval(&[codes]).unwrap();
        let y = values[graph.outputs[0].node.index()].data();
        assert_eq!(y, [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        let ElementType::Text(dictionary) = &graph.inputs[0].element_type else { panic!("text") };
        assert_eq!(dictionary.words(), ["a", "b"]);
        assert_eq!(dictionary.admits(0, 2), zeros == 1);
    }
}

#[test]
fn text_that_leaves_the_lists_of_a_model_is_refused() {
    let mut text =
        model().node(node("Equal", "e", &["x", "z"], "y")).node(node("Identity", "i", &["x"], "w"));
    text.graph().initializer.push(TensorProto {
        name: "c".to_owned(),
        dims: vec![1],
        data_type: DataType::String as i32,
        string_data: vec![b"a".to_vec()],
        ..TensorProto::default()
    });
    let input = |name| info(name, DataType::String, vec![Dim::DimValue(1)]);
    text.graph().input = vec![input("x"), input("z")];
    // Two texts that the model does not know may be equal or not.
    text.refuses("e", "Equal", &Reason::TextLeaves);
    text.graph().node[0].input[1] = "c".to_owned();
    import_bytes(&text.0.encode_to_vec(), &Settings::default()).unwrap();
    text.graph().output[0].name = "w".to_owned();
    text.refuses("w", "output", &Reason::TextLeaves);
}

#[test]
fn cycles_duplicates_and_missing_names_are_refused() {
    let cycle = model()
        .node(node("Relu", "a", &["q"], "p"))
        .node(node("Relu", "b", &["p"], "q"))
        .node(node("Relu", "c", &["x"], "y"));
    let refused = cycle.refused();
    assert!(refused.len() == 2 && refused.iter().all(|r| r.reason == Reason::Cycle));
    let twice =
        model().node(node("Relu", "a", &["x"], "y")).node(node("Sigmoid", "b", &["x"], "y"));
    twice.refuses("b", "Sigmoid", &Reason::Duplicate("y".to_owned()));
    let missing = model().node(node("Relu", "a", &["z"], "y"));
    missing.refuses("a", "Relu", &Reason::Undefined("z".to_owned()));
    let no_output = model().node(node("Relu", "a", &["x"], "z"));
    no_output.refuses("y", "output", &Reason::Undefined("y".to_owned()));
}

#[test]
fn nodes_may_stand_in_any_order() {
    let shuffled =
        model().node(node("Relu", "b", &["p"], "y")).node(node("Sigmoid", "a", &["x"], "p"));
    assert!(import_bytes(&shuffled.0.encode_to_vec(), &Settings::default()).is_ok());
}

#[test]
fn shapes_that_depend_on_data_are_refused() {
    let mut reshape = model().node(node("Reshape", "n", &["x", "shape"], "y"));
    let shape = info("shape", DataType::Int64, vec![Dim::DimValue(1)]);
    reshape.graph().input.push(shape);
    let what = "input `shape`".to_owned();
    reshape.refuses("n", "Reshape", &Reason::DataDependent { what });
}

#[test]
fn external_data_stays_inside_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.bin"), [0u8; 12]).unwrap();
    let import = |location: &str, length: &str| {
        let entry = |key: &str, value: &str| StringStringEntryProto {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let weights = TensorProto {
            float_data: vec![],
            data_location: Some(1),
            external_data: vec![entry("location", location), entry("length", length)],
            ..floats("w", &[0.0; 3])
        };
        let model = model().weights(weights).node(node("Add", "n", &["x", "w"], "y"));
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, model.0.encode_to_vec()).unwrap();
        import_file(&path, &Settings::default()).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(import("w.bin", "12"), Ok(()));
    for (location, length, problem) in [
        ("../w.bin", "12", "must be a path inside"),
        ("/etc/passwd", "12", "must be a path inside"),
        ("none.bin", "12", "No such file"),
        ("w.bin", "13", "past the end of a file of 12 bytes"),
        ("w.bin", "x", "must be numbers"),
    ] {
        let error = import(location, length).unwrap_err();
        assert!(error.contains(problem), "{location}: {error}");
    }
}

#[test]
fn external_data_is_what_was_read_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.bin");
    std::fs::write(&file, [0u8; 12]).unwrap();
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let weights = TensorProto {
        float_data: vec![],
        data_location: Some(1),
        external_data: vec![entry("location", "w.bin")],
        ..floats("w", &[0.0; 3])
    };
    let model = model().weights(weights).node(node("Add", "n", &["x", "w"], "y"));
    let bytes = model.0.encode_to_vec();
    let settings = Settings::default();
    let files = ExternalFiles::read(&bytes, folder.path(), &settings).unwrap();
    let read: Vec<_> = files.iter().collect();
    assert_eq!(read, [("w.bin", Some(&[0u8; 12][..]))]);
    // Whoever exchanges the file now changes neither what is hashed nor what is imported.
    std::fs::write(&file, 1f32.to_le_bytes().repeat(3)).unwrap();
    let first = import_bytes_with(&bytes, &files, &settings).unwrap();
    let second = import_bytes_in(&bytes, folder.path(), &settings).unwrap();
    assert_ne!(first, second);
    let small = Settings { max_file_bytes: 11, ..Settings::default() };
    let files = ExternalFiles::read(&bytes, folder.path(), &small).unwrap();
    let error = import_bytes_with(&bytes, &files, &settings).unwrap_err().to_string();
    assert!(error.contains("has more than the 11 bytes that are left"), "{error}");
}

/// What is refused is refused without weights too, and what is not needs none.
#[test]
fn weights_may_be_passed_over() {
    let skipped = Settings { weights: Weights::Skipped, ..Settings::default() };
    let outside = |raw: Vec<u8>| {
        let weights = TensorProto { dims: vec![3, 2000], float_data: vec![], ..floats("w", &[]) };
        let at = StringStringEntryProto { key: "location".into(), value: "none.bin".into() };
        match raw.is_empty() {
            true => TensorProto { external_data: vec![at], data_location: Some(1), ..weights },
            false => TensorProto { raw_data: raw, ..weights },
        }
    };
    for weights in [outside(vec![]), outside(vec![0; 24_000])] {
        let product =
            || model().weights(weights.clone()).node(node("MatMul", "n", &["x", "w"], "z"));
        let fine = product().node(node("Relu", "r", &["z"], "y")).0.encode_to_vec();
        let graph = import_bytes(&fine, &skipped).unwrap();
        let inputs: Vec<&str> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(inputs, ["w", "x"]);
        let elements = |node: &Node| node.shape.iter().product::<usize>();
        let constant = |node: &&Node| matches!(node.op, Op::Constant(_));
        assert_eq!(graph.nodes.iter().filter(constant).map(elements).max(), None);
        let refused = product().node(node("Unique", "u", &["z"], "y")).0.encode_to_vec();
        let error = import_bytes(&refused, &skipped).unwrap_err();
        let ImportError::Refused(refused) = error else { panic!("{error}") };
        let refused: Vec<&str> = refused.iter().map(|refused| refused.node.as_str()).collect();
        assert_eq!(refused, ["u"]);
    }
    // Small constants are read: shapes hang on them.
    let small = model().weights(floats("w", &[0.5; 3])).node(node("Mul", "n", &["x", "w"], "y"));
    assert_eq!(import_bytes(&small.0.encode_to_vec(), &skipped).unwrap().inputs.len(), 1);
}

#[test]
fn open_axes_are_asked_for() {
    let symbolic = |dims: Vec<Dim>| {
        let mut model = model().node(node("Relu", "n", &["x"], "y"));
        model.graph().input = vec![info("x", DataType::Float, dims)];
        model
    };
    let symbol = |name: &str| Dim::DimParam(name.to_owned());
    let open = symbolic(vec![symbol("batch"), symbol("seq"), Dim::DimValue(4)]);
    let error = open.error();
    assert_eq!(error.to_string(), "the model leaves axis 1 (`seq`) of input `x` open");
    assert_eq!(error.hint(), None, "what closes the gap is for each shell to say");
    let mut settings = Settings::default();
    settings.add_shape("seq=7").unwrap();
    let graph = import_bytes(&open.0.encode_to_vec(), &settings).unwrap();
    assert_eq!(graph.inputs[0].shape, [1, 7, 4]);
    settings.add_shape("batch=3").unwrap();
    let graph = import_bytes(&open.0.encode_to_vec(), &settings).unwrap();
    assert_eq!(graph.inputs[0].shape, [3, 7, 4]);
    settings.shapes.clear();
    settings.add_shape("x=2x5x4").unwrap();
    let graph = import_bytes(&open.0.encode_to_vec(), &settings).unwrap();
    assert_eq!(graph.inputs[0].shape, [2, 5, 4]);
    settings.add_shape("x=2x5x6").unwrap();
    let error = import_bytes(&open.0.encode_to_vec(), &settings).unwrap_err();
    let expected = "input `x`: the model says [batch, seq, 4], the setting says [2, 5, 6]";
    assert_eq!(error.to_string(), expected);
    settings.shapes.clear();
    settings.add_shape("sequence=7").unwrap();
    let error = import_bytes(&open.0.encode_to_vec(), &settings).unwrap_err();
    assert!(matches!(error, ImportError::UnknownName { .. }), "{error}");
}

#[test]
fn models_beyond_the_limits_are_refused() {
    let small = Settings { max_elements: 10, ..Settings::default() };
    let model = model().node(node("Relu", "n", &["x"], "y"));
    let bytes = model.0.encode_to_vec();
    let ImportError::Refused(refused) = import_bytes(&bytes, &small).unwrap_err() else {
        panic!("not a refusal");
    };
    assert_eq!(refused[0].reason, Reason::TooManyElements { limit: 10 });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, &bytes).unwrap();
    let short = Settings { max_file_bytes: 3, ..Settings::default() };
    assert!(matches!(import_file(&path, &short), Err(ImportError::FileTooLarge { .. })));
}

#[test]
fn a_loop_that_data_ends_is_refused() {
    let body = GraphProto {
        node: vec![node("Identity", "keep", &["going"], "still")],
        input: vec![info("turn", DataType::Int64, vec![]), info("going", DataType::Bool, vec![])],
        output: vec![info("still", DataType::Bool, vec![])],
        ..GraphProto::default()
    };
    let attribute = AttributeProto { name: "body".to_owned(), g: Some(body), ..Default::default() };
    let mut loop_node = node("Loop", "n", &["", "x"], "y");
    loop_node.attribute = vec![attribute];
    model().node(loop_node).refuses("n", "Loop", &Reason::UnboundedLoop);
}

#[test]
fn a_loop_without_end_is_stopped() {
    let body = GraphProto {
        input: vec![info("turn", DataType::Int64, vec![]), info("going", DataType::Bool, vec![])],
        output: vec![info("going", DataType::Bool, vec![])],
        ..GraphProto::default()
    };
    let attribute = AttributeProto { name: "body".to_owned(), g: Some(body), ..Default::default() };
    let mut loop_node = node("Loop", "n", &["", ""], "y");
    loop_node.attribute = vec![attribute];
    let endless = model().node(loop_node);
    let settings = Settings { max_nodes: 100, ..Settings::default() };
    let error = import_bytes(&endless.0.encode_to_vec(), &settings).unwrap_err();
    assert!(error.to_string().contains("more than 100 nodes"), "{error}");
}

#[test]
fn bytes_that_are_no_model_are_refused() {
    let empty = import_bytes(&[], &Settings::default()).unwrap_err();
    assert!(matches!(empty, ImportError::NoGraph));
    let text = import_bytes(b"not a model", &Settings::default()).unwrap_err();
    assert!(matches!(text, ImportError::Decode(_)));
}

#[test]
fn versions_of_the_future_are_refused_with_those_that_are_known() {
    let mut future = model().node(node("Relu", "n", &["x"], "y"));
    future.0.opset_import[0].version = 99;
    let error = future.error();
    assert!(
        matches!(&error, ImportError::Newer { got: 99, known: 28, what } if what.contains("ai.onnx")),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("28"), "{error}");
    let mut format = model().node(node("Relu", "n", &["x"], "y"));
    format.0.ir_version = 1000;
    assert!(matches!(format.error(), ImportError::Newer { got: 1000, .. }));
}
