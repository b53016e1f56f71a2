//! What a model takes and gives, as everybody sees it who holds no more than its key.

use serde::{Deserialize, Serialize};

use super::preimage::{Element, common_real};
use super::{
    Decoding, Dictionary, Encoded, Encoding, EncodingError, IntegerModel, Interval, MAX_ELEMENTS,
    RunError,
};
use crate::tensor::{Tensor, element_count};
use crate::{bounded, is_plain};

/// The inputs and outputs of a model: names, shapes, and what their integers mean.
///
/// One ONNX input is one value. Where several operators need it in different integer forms it has
/// several *views*, and a claim holds the integers of each; [`Interface::check_claim`] demands one
/// real input behind all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// The inputs in ONNX order.
    #[serde(deserialize_with = "bounded::sequence::<MAX_PORTS, _, _>")]
    pub inputs: Vec<InputPort>,
    /// The outputs in ONNX order.
    #[serde(deserialize_with = "bounded::sequence::<MAX_PORTS, _, _>")]
    pub outputs: Vec<OutputPort>,
}

/// One ONNX input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputPort {
    /// The input's name.
    pub name: String,
    /// The shape of the real tensor.
    #[serde(deserialize_with = "bounded::sequence::<MAX_RANK, _, _>")]
    pub shape: Vec<usize>,
    /// How the real tensor becomes integers: one tensor for each encoding. None if no output
    /// depends on the input.
    #[serde(deserialize_with = "bounded::sequence::<MAX_VIEWS, _, _>")]
    pub views: Vec<Encoding>,
}

/// One ONNX output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputPort {
    /// The output's name.
    pub name: String,
    /// The tensor's shape.
    #[serde(deserialize_with = "bounded::sequence::<MAX_RANK, _, _>")]
    pub shape: Vec<usize>,
    /// What every integer is inside of.
    pub interval: Interval,
    /// What the integers mean.
    pub decoding: Decoding,
}

/// A sample as the integers that a model takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedSample {
    /// One tensor for each view of each input, in the interface's order.
    pub tensors: Vec<Tensor<i32>>,
    /// Inputs with elements outside the calibrated range, and how many; those elements were moved
    /// to its end.
    pub clamped: Vec<(String, usize)>,
}

/// A sample that a model does not take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleMismatch {
    /// Another number of tensors.
    #[error("the model takes {expected} input(s), got {got}")]
    Count {
        /// How many the model takes.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// A tensor of another shape.
    #[error("input `{name}`: expected shape {expected:?}, got {got:?}")]
    Shape {
        /// The input's name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The tensor's shape.
        got: Vec<usize>,
    },
    /// A value without an integer form.
    #[error("input `{name}`")]
    Encoding {
        /// The input's name.
        name: String,
        /// Which value and why.
        #[source]
        source: EncodingError,
    },
    /// The integer model refuses the encoded sample.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// An interface that no model has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct InterfaceError {
    /// Which input or output, by position.
    pub place: String,
    /// The rule that is broken.
    pub what: &'static str,
}

/// The most inputs, outputs, views of an input, or axes of a tensor that an interface may have.
pub(super) const MAX_PORTS: usize = 1 << 12;
const MAX_VIEWS: usize = 64;

/// The most axes that a tensor of an interface, and so of a claim, may have.
pub const MAX_RANK: usize = 32;

/// The longest name of an input, output or class, in bytes.
const MAX_NAME_BYTES: usize = 1 << 12;

/// The most bytes that the names of classes, or those of inputs and outputs, which come with the
/// claims of a proof may take together.
const MAX_NAMES_BYTES: usize = 1 << 26;

/// What an input or output of a claim takes beside its name and its elements, in bytes, about.
const PORT_BYTES: usize = 64;

impl Interface {
    /// The interface of a model.
    pub fn of(model: &IntegerModel) -> Self {
        let inputs = model.inputs().iter().map(|input| InputPort {
            name: input.name.clone(),
            shape: input.shape.clone(),
            views: input.views.iter().map(|(_, encoding)| encoding.clone()).collect(),
        });
        let outputs = model.outputs().iter().map(|output| OutputPort {
            name: output.name.clone(),
            shape: model.node(output.node).shape.clone(),
            interval: model.node(output.node).interval,
            decoding: output.decoding.clone(),
        });
        Self { inputs: inputs.collect(), outputs: outputs.collect() }
    }

    /// Checks that a model may have this interface; what comes from a file is not trusted.
    ///
    /// # Errors
    /// [`InterfaceError`] with the first rule that is broken.
    pub fn check(&self) -> Result<(), InterfaceError> {
        let wrong = |place: &str, what| InterfaceError { place: place.to_owned(), what };
        if self.inputs.len().max(self.outputs.len()) > MAX_PORTS {
            return Err(wrong("interface", "more than 4,096 inputs or outputs"));
        }
        if self.outputs.is_empty() {
            return Err(wrong("interface", "a model without outputs says nothing"));
        }
        for (at, input) in self.inputs.iter().enumerate() {
            input.check().map_err(|what| wrong(&format!("input {at}"), what))?;
        }
        for (at, output) in self.outputs.iter().enumerate() {
            output.check().map_err(|what| wrong(&format!("output {at}"), what))?;
        }
        let names = self.outputs.iter().map(|port| port.decoding.names().len());
        if names.sum::<usize>() > Decoding::MAX_NAMES {
            return Err(wrong("interface", "more than 2^18 class names"));
        }
        if !self.has_room_for_names(1) {
            return Err(wrong("interface", "the names take more than 64 MiB"));
        }
        let mut elements = self.public_tensors();
        if elements.try_fold(0, |sum: usize, more| sum.checked_add(more?)).is_none() {
            return Err(wrong("interface", "its tensors together are too large"));
        }
        Ok(())
    }

    /// The number of integers of every tensor of a claim; `None` where it is too large to count.
    fn public_tensors(&self) -> impl Iterator<Item = Option<usize>> {
        let views =
            self.views().map(|(port, view)| element_count(&view.integer_shape(&port.shape)));
        views.chain(self.outputs.iter().map(|port| element_count(&port.shape)))
    }

    /// Every integer tensor that an inference starts from, with its input, in order.
    pub fn views(&self) -> impl Iterator<Item = (&InputPort, &Encoding)> {
        self.inputs.iter().flat_map(|port| port.views.iter().map(move |view| (port, view)))
    }

    /// The input whose integers do not fix it alone: the first with several views, if any.
    ///
    /// A claim about such an input holds only beside the integers of all views in clear.
    pub fn first_with_several_views(&self) -> Option<&InputPort> {
        self.inputs.iter().find(|port| port.views.len() > 1)
    }

    /// The first input of text some of whose elements take some texts alone, if any.
    ///
    /// A claim about such an input holds only beside its codes in clear: proofs hold them to the
    /// interval of all codes.
    pub fn first_with_texts_of_its_own(&self) -> Option<&InputPort> {
        let own = |port: &&InputPort| port.dictionary().is_some_and(|it| !it.is_open());
        self.inputs.iter().find(own)
    }

    /// Whether the names that come with the claims of a batch take a bounded amount of memory:
    /// those of classes, those of inputs and outputs, and the texts that codes of inputs stand for.
    pub fn has_room_for_names(&self, batch: u32) -> bool {
        let port = |name: &str, shape: &[usize]| PORT_BYTES + name.len() + size_of_val(shape);
        let inputs = self.inputs.iter().map(|input| port(&input.name, &input.shape));
        let outputs = self.outputs.iter().map(|output| port(&output.name, &output.shape));
        let ports: usize = inputs.chain(outputs).sum();
        let labels = self.outputs.iter().map(OutputPort::label_bytes);
        let labels = labels.fold(0, usize::saturating_add);
        let texts = self.inputs.iter().map(InputPort::text_bytes);
        let texts = texts.fold(0, usize::saturating_add);
        let fits = |one: usize| one.saturating_mul(batch as usize) <= MAX_NAMES_BYTES;
        fits(ports) && fits(labels) && fits(texts)
    }

    /// The integers of an input that the model takes, drawn element by element: `pick` chooses an
    /// integer of an interval.
    ///
    /// Where an input has several views, one number is drawn for all of them.
    pub fn draw(&self, pick: &mut dyn FnMut(Interval) -> i64) -> Vec<Tensor<i32>> {
        self.inputs.iter().flat_map(|port| port.draw(pick)).collect()
    }

    /// Turns a sample into integers.
    ///
    /// # Errors
    /// [`SampleMismatch`] if the sample has another form than the inputs, or a value without an
    /// integer form.
    pub fn encode(&self, sample: &[Tensor<f64>]) -> Result<EncodedSample, SampleMismatch> {
        let (expected, got) = (self.inputs.len(), sample.len());
        if expected != got {
            return Err(SampleMismatch::Count { expected, got });
        }
        let mut encoded = EncodedSample { tensors: Vec::new(), clamped: Vec::new() };
        for (port, real) in self.inputs.iter().zip(sample) {
            let name = || port.name.clone();
            if port.shape != real.shape() {
                let (expected, got) = (port.shape.clone(), real.shape().to_vec());
                return Err(SampleMismatch::Shape { name: name(), expected, got });
            }
            let mut most_clamped = 0;
            for view in &port.views {
                let Encoded { tensor, clamped } = view
                    .encode(real)
                    .map_err(|source| SampleMismatch::Encoding { name: name(), source })?;
                most_clamped = most_clamped.max(clamped);
                encoded.tensors.push(tensor);
            }
            if most_clamped > 0 {
                encoded.clamped.push((name(), most_clamped));
            }
        }
        Ok(encoded)
    }
}

impl InputPort {
    /// The texts that the model tells apart, if the input is text.
    pub fn dictionary(&self) -> Option<&Dictionary> {
        self.views.iter().find_map(|view| match view {
            Encoding::Text(dictionary) => Some(dictionary),
            _ => None,
        })
    }

    /// The most bytes that the texts of one inference take; saturates.
    fn text_bytes(&self) -> usize {
        let Some(dictionary) = self.dictionary() else { return 0 };
        let longest = dictionary.words().iter().map(String::len).max().unwrap_or(0);
        let elements = element_count(&self.shape).unwrap_or(usize::MAX);
        elements.saturating_mul(longest + size_of::<Option<String>>())
    }

    fn check(&self) -> Result<(), &'static str> {
        check_name(&self.name)?;
        check_size(&self.shape)?;
        if self.views.len() > MAX_VIEWS {
            return Err("more than 64 views");
        }
        if self.dictionary().is_some() && self.views.len() > 1 {
            return Err("an input of text has more than one view");
        }
        for (at, view) in self.views.iter().enumerate() {
            view.check(&self.shape)?;
            if let Encoding::Text(dictionary) = view {
                dictionary.words().iter().try_for_each(|word| check_name(word))?;
            }
            check_size(&view.integer_shape(&self.shape))?;
            if self.views[..at].contains(view) {
                return Err("two views are equal");
            }
        }
        Ok(())
    }

    fn draw(&self, pick: &mut dyn FnMut(Interval) -> i64) -> Vec<Tensor<i32>> {
        // Integers say most of a number, and what trees compare more than what is rounded.
        let rank = |view: &&Encoding| match view {
            Encoding::Integer { .. } | Encoding::Text(_) => 0,
            Encoding::Ordered | Encoding::OrderedOrMissing => 1,
            Encoding::Affine { .. } | Encoding::Columns { .. } | Encoding::Imputed { .. } => 2,
        };
        let Some(first) = self.views.iter().min_by_key(rank) else { return vec![] };
        let count = element_count(&self.shape).unwrap_or(0);
        let drawn = first.draw(count, pick);
        if self.views.len() == 1 {
            let tensor = Tensor::new(first.integer_shape(&self.shape), drawn);
            return vec![tensor.expect("as many integers as the view has")];
        }
        let real = |index| common_real([Element::new(first, &drawn, index)].into_iter());
        let reals = (0..count).map(|index| real(index).unwrap_or(0.0)).collect();
        let reals = Tensor::new(self.shape.clone(), reals).expect("one number for each element");
        let encode = |view: &Encoding| view.encode(&reals).ok().map(|encoded| encoded.tensor);
        let zeros = |view: &Encoding| {
            Tensor::full(view.integer_shape(&self.shape), 0).expect("a view of a checked model")
        };
        self.views.iter().map(|view| encode(view).unwrap_or_else(|| zeros(view))).collect()
    }
}

impl OutputPort {
    /// The most bytes that the class names of one inference take; saturates.
    fn label_bytes(&self) -> usize {
        let Decoding::Names(names) = &self.decoding else { return 0 };
        let longest = names.iter().map(String::len).max().unwrap_or(0);
        let elements = element_count(&self.shape).unwrap_or(usize::MAX);
        elements.saturating_mul(longest)
    }

    fn check(&self) -> Result<(), &'static str> {
        check_name(&self.name)?;
        check_size(&self.shape)?;
        if let Decoding::Names(names) = &self.decoding {
            names.iter().try_for_each(|name| check_name(name))?;
        }
        if self.interval.lo > self.interval.hi {
            return Err("the bounds of its interval are not in order");
        }
        if !self.interval.in_bound() {
            return Err("its interval leaves (-2^30, 2^30)");
        }
        self.decoding.check(self.interval)
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.len() > MAX_NAME_BYTES {
        return Err("a name has more than 4,096 bytes");
    }
    if is_plain(name) { Ok(()) } else { Err("a name holds characters that cannot be shown") }
}

fn check_size(shape: &[usize]) -> Result<(), &'static str> {
    if shape.len() > MAX_RANK {
        return Err("a tensor has more than 32 axes");
    }
    match element_count(shape) {
        Some(count) if count <= MAX_ELEMENTS => Ok(()),
        _ => Err("a tensor has more than 2^28 elements"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::integer) fn interface(views: Vec<Encoding>) -> Interface {
        Interface {
            inputs: vec![
                InputPort { name: "x".into(), shape: vec![2], views },
                InputPort { name: "unused".into(), shape: vec![3], views: vec![] },
            ],
            outputs: vec![OutputPort {
                name: "y".into(),
                shape: vec![1],
                interval: Interval::new(-5, 5),
                decoding: Decoding::Real { scale: 0.5 },
            }],
        }
    }

    pub(in crate::integer) fn two_views() -> Interface {
        interface(vec![Encoding::Affine { scale: 0.25, lo: -8, hi: 8 }, Encoding::Ordered])
    }

    #[test]
    fn a_sample_comes_back_as_the_real_numbers_it_was() {
        let sample = [Tensor::vector(vec![0.5, 1e9]), Tensor::vector(vec![1.0, 2.0, 3.0])];
        let encoded = two_views().encode(&sample).unwrap();
        assert_eq!(encoded.clamped, [("x".to_owned(), 1)]);
        let reals = two_views().real_inputs(&encoded.tensors).unwrap();
        assert_eq!(reals, [Some(sample[0].clone()), None]);
        let y = Tensor::vector(vec![5]);
        two_views().check_claim(&encoded.tensors, &[y]).unwrap();
    }

    #[test]
    fn drawn_inputs_are_inputs() {
        let affine = Encoding::Affine { scale: 0.25, lo: -8, hi: 8 };
        let integer = Encoding::Integer { lo: -3, hi: 9 };
        for views in [
            vec![affine.clone(), Encoding::Ordered],
            vec![affine, integer, Encoding::Ordered],
            vec![Encoding::Ordered],
        ] {
            let interface = interface(views);
            let picks: [fn(Interval) -> i64; 3] = [|i| i.lo, |i| i.hi, |i| i.lo.midpoint(i.hi)];
            for mut pick in picks {
                interface.real_inputs(&interface.draw(&mut pick)).unwrap();
            }
        }
    }

    #[test]
    fn class_names_take_a_bounded_amount_of_memory() {
        let mut named = two_views();
        named.outputs[0].interval = Interval::new(0, 1);
        named.outputs[0].decoding = Decoding::Names(vec!["a".repeat(4000), "b".into()]);
        named.check().unwrap();
        assert!(named.has_room_for_names(16_000) && !named.has_room_for_names(17_000));
        named.outputs[0].shape = vec![17_000];
        named.check().unwrap_err();
        named.outputs[0].shape = vec![1];
        named.outputs[0].decoding = Decoding::Names(vec!["a".repeat(5000), "b".into()]);
        named.check().unwrap_err();
    }

    #[test]
    fn texts_take_a_bounded_amount_of_memory() {
        let text = |words: &[String]| Encoding::Text(Dictionary::new(words.iter().cloned()));
        let long = "a".repeat(4000);
        let mut port = interface(vec![text(&[long, "b".into()])]);
        port.inputs[0].shape = vec![1000];
        port.check().unwrap();
        assert!(port.has_room_for_names(16) && !port.has_room_for_names(17));
        port.inputs[0].shape = vec![1_000_000];
        port.check().unwrap_err();
    }

    #[test]
    fn interfaces_that_no_model_has_are_refused() {
        two_views().check().unwrap();
        let affine = |scale, lo, hi| Encoding::Affine { scale, lo, hi };
        let columns = |scales| Encoding::Columns { scales, lo: 0, hi: 1 };
        for views in [
            vec![affine(f64::NAN, 0, 1)],
            vec![affine(0.0, 0, 1)],
            vec![affine(1.0, 1, 0)],
            vec![affine(1.0, i32::MIN, 0)],
            vec![columns(vec![])],
            vec![columns(vec![1.0, f64::INFINITY])],
            vec![Encoding::Ordered, Encoding::Ordered],
        ] {
            interface(views.clone()).check().expect_err(&format!("{views:?}"));
        }
        let output = |alter: fn(&mut OutputPort)| {
            let mut altered = two_views();
            alter(&mut altered.outputs[0]);
            altered.check().unwrap_err();
        };
        output(|port| port.decoding = Decoding::Real { scale: f64::NAN });
        output(|port| port.decoding = Decoding::Real { scale: -1.0 });
        output(|port| port.decoding = Decoding::Names(vec![]));
        output(|port| port.interval = Interval { lo: 1, hi: 0 });
        output(|port| port.interval = Interval { lo: i64::MIN, hi: i64::MAX });
        output(|port| port.shape = vec![usize::MAX, usize::MAX]);
        output(|port| port.shape = vec![1; 99]);
        output(|port| port.name = "y\nsecurity  999 bits".into());
        output(|port| port.decoding = Decoding::Names(vec!["\u{1b}[2J".into(); 6]));
        let nothing = Interface { inputs: vec![], outputs: vec![] };
        assert!(nothing.check().unwrap_err().to_string().contains("without outputs"));
    }
}
