//! Altered models are imported or refused, never more than that.

use std::path::{Path, PathBuf};

use ciro_compiler::import::{Settings, import_bytes};
use ciro_model::Tensor;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

/// What is done to a file.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), 1..20usize).prop_map(|(at, len)| Change::Remove(at, len)),
        1 => (any::<Index>(), 1..20usize).prop_map(|(at, len)| Change::Repeat(at, len)),
    ]
}

fn alter(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Change::Remove(at, len) => {
            let at = at.index(bytes.len());
            bytes.drain(at..bytes.len().min(at + len));
        }
        Change::Repeat(at, len) => {
            let at = at.index(bytes.len());
            let part = bytes[at..bytes.len().min(at + len)].to_vec();
            bytes.splice(at..at, part);
        }
    }
}

/// Every small model file below a folder.
fn models(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(models(&path));
        } else if path.extension().is_some_and(|end| end == "onnx") {
            let small = std::fs::metadata(&path).unwrap().len() < 8_000;
            found.extend(small.then_some(path));
        }
    }
    found.sort();
    found
}

/// `CIRO_ONNX_BACKEND` adds the conformance suite, `PROPTEST_CASES` more cases.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = models(&root.join("tests/fixtures"));
    if let Some(suite) = std::env::var_os("CIRO_ONNX_BACKEND") {
        paths.extend(models(Path::new(&suite)));
    }
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn altered_models_are_imported_or_refused() {
    let corpus = corpus();
    let settings = Settings { max_elements: 1 << 16, max_nodes: 1 << 10, ..Settings::default() };
    let changes = proptest::collection::vec(change(), 1..6);
    let mut runner = proptest::test_runner::TestRunner::default();
    let strategy = (any::<Index>(), changes);
    let run = runner.run(&strategy, |(which, changes)| {
        let mut bytes = corpus[which.index(corpus.len())].clone();
        changes.iter().for_each(|change| alter(&mut bytes, change));
        if let Ok(graph) = import_bytes(&bytes, &settings) {
            prop_assert_eq!(graph.check(), Ok(()));
        }
        Ok(())
    });
    run.unwrap();
}

/// What is done to a decoded model.
#[derive(Clone, Debug)]
enum Edit {
    /// An integer of an attribute.
    Int(Index, Index, i64),
    /// One element more or less in a list of integers.
    Length(Index, Index, bool),
    DropAttribute(Index, Index),
    DropInput(Index, Index),
    /// Another name as an input.
    Rewire(Index, Index, Index),
    /// The operator of another node of the corpus.
    Operator(Index, Index),
    /// An element of an initializer of integers.
    Constant(Index, Index, i64),
    /// An extent of an initializer.
    Extent(Index, Index, i64),
    Opset(i64),
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -5..10i64, 1 => any::<i64>(), 1 => Just(1 << 31), 1 => 60..3000i64]
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        (at(), at(), number()).prop_map(|(a, b, value)| Edit::Int(a, b, value)),
        (at(), at(), any::<bool>()).prop_map(|(a, b, more)| Edit::Length(a, b, more)),
        (at(), at()).prop_map(|(a, b)| Edit::DropAttribute(a, b)),
        (at(), at()).prop_map(|(a, b)| Edit::DropInput(a, b)),
        (at(), at(), at()).prop_map(|(a, b, c)| Edit::Rewire(a, b, c)),
        (at(), at()).prop_map(|(a, b)| Edit::Operator(a, b)),
        (at(), at(), number()).prop_map(|(a, b, value)| Edit::Constant(a, b, value)),
        (at(), at(), 0..6i64).prop_map(|(a, b, value)| Edit::Extent(a, b, value)),
        (1..24i64).prop_map(Edit::Opset),
    ]
}

fn pick<T>(list: &mut [T], at: Index) -> Option<&mut T> {
    if list.is_empty() { None } else { Some(&mut list[at.index(list.len())]) }
}

fn edit_model(model: &mut ModelProto, edit: &Edit, nodes: &[NodeProto]) -> Option<()> {
    if let Edit::Opset(version) = edit {
        model.opset_import.iter_mut().for_each(|import| import.version = *version);
        return Some(());
    }
    let graph = model.graph.as_mut()?;
    let names: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
    match edit {
        Edit::Constant(which, at, value) => {
            let tensor = pick(&mut graph.initializer, *which)?;
            if tensor.data_type == 7 && !tensor.raw_data.is_empty() {
                let at = at.index(tensor.raw_data.len() / 8) * 8;
                tensor.raw_data[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
        Edit::Extent(which, at, value) => {
            let tensor = pick(&mut graph.initializer, *which)?;
            let count = |dims: &[i64]| usize::try_from(dims.iter().product::<i64>()).unwrap_or(0);
            let width = tensor.raw_data.len() / count(&tensor.dims).max(1);
            *pick(&mut tensor.dims, *at)? = *value;
            let count = count(&tensor.dims);
            if width > 0 && (1..10_000).contains(&count) {
                tensor.raw_data.resize(width * count, 1);
            }
        }
        Edit::Int(which, at, value) => {
            let node = pick(&mut graph.node, *which)?;
            let attribute = pick(&mut node.attribute, *at)?;
            match pick(&mut attribute.ints, *at) {
                Some(element) => *element = *value,
                None => attribute.i = *value,
            }
        }
        Edit::Length(which, at, more) => {
            let node = pick(&mut graph.node, *which)?;
            let attribute = pick(&mut node.attribute, *at)?;
            if *more {
                attribute.ints.push(1);
            } else {
                attribute.ints.pop();
            }
        }
        Edit::DropAttribute(which, at) => {
            let node = pick(&mut graph.node, *which)?;
            if !node.attribute.is_empty() {
                let at = at.index(node.attribute.len());
                node.attribute.remove(at);
            }
        }
        Edit::DropInput(which, at) => {
            let node = pick(&mut graph.node, *which)?;
            pick(&mut node.input, *at)?.clear();
        }
        Edit::Rewire(which, at, name) => {
            let name = names.get(name.index(names.len().max(1)))?.clone();
            let node = pick(&mut graph.node, *which)?;
            *pick(&mut node.input, *at)? = name;
        }
        Edit::Operator(which, other) => {
            let other = &nodes[other.index(nodes.len())];
            let node = pick(&mut graph.node, *which)?;
            node.op_type.clone_from(&other.op_type);
            node.domain.clone_from(&other.domain);
            node.attribute.clone_from(&other.attribute);
        }
        Edit::Opset(_) => {}
    }
    Some(())
}

#[test]
fn edited_models_are_imported_or_refused() {
    let decode = |bytes: Vec<u8>| ModelProto::decode(bytes.as_slice()).ok();
    let corpus: Vec<ModelProto> = corpus().into_iter().filter_map(decode).collect();
    let graphs: Vec<&GraphProto> = corpus.iter().filter_map(|m| m.graph.as_ref()).collect();
    let nodes: Vec<NodeProto> = graphs.iter().flat_map(|graph| graph.node.clone()).collect();
    let settings = Settings { max_elements: 1 << 16, max_nodes: 1 << 10, ..Settings::default() };
    let mut runner = proptest::test_runner::TestRunner::default();
    let strategy = (any::<Index>(), proptest::collection::vec(edit(), 1..5));
    let run = runner.run(&strategy, |(which, edits)| {
        let mut model = corpus[which.index(corpus.len())].clone();
        for edit in &edits {
            let _ = edit_model(&mut model, edit, &nodes);
        }
        if let Ok(graph) = import_bytes(&model.encode_to_vec(), &settings) {
            prop_assert_eq!(graph.check(), Ok(()));
            let ones = graph.inputs.iter().map(|x| Tensor::full(x.shape.clone(), 1.0).unwrap());
            let _ = graph.eval(&ones.collect::<Vec<_>>());
        }
        Ok(())
    });
    run.unwrap();
}
