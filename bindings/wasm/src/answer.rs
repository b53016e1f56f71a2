//! Answers as the host reads them.

use ciro_sdk::integer::Decoding;
use ciro_sdk::{CommittedTensor, Key, RealInput, RealOutput, Tensor, Verified};
use serde::Serialize;

/// What a call gives.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Verified(Valid),
    Inspected(Inspected),
    Encoded(Encoded),
    #[cfg(feature = "receipts")]
    Certified(Box<crate::receipt::Certified>),
}

/// What a valid proof establishes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Valid {
    pub(crate) route: &'static str,
    pub(crate) preset: &'static str,
    /// Whether the proof hides what it does not state of inputs and execution.
    pub(crate) hides: bool,
    pub(crate) model_key: String,
    pub(crate) model_digest: String,
    pub(crate) security_bits: u32,
    pub(crate) proven_security_bits: u32,
    /// What the proof is bound to; `null` if to nothing.
    pub(crate) context: Option<String>,
    /// Whether the context was compared with one that was asked for.
    pub(crate) context_checked: bool,
    /// Whether the input was compared with one that was given.
    pub(crate) input_checked: bool,
    /// Given values that the model sees moved to the end of their range; `null` without an input.
    pub(crate) clamped: Option<usize>,
    pub(crate) samples: Vec<Sample>,
}

/// One inference.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    /// The input; `null` if the proof only commits to it.
    inputs: Option<Vec<Input>>,
    outputs: Vec<Output>,
    /// What the proof commits to instead of showing it.
    committed: Vec<Committed>,
}

/// A commitment of the proof.
#[derive(Debug, Serialize)]
pub(crate) struct Committed {
    /// `input` or `output`.
    side: &'static str,
    name: String,
    commitment: String,
}

/// An input as real numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Input {
    name: String,
    shape: Vec<usize>,
    /// `null` if no output depends on it. An element that is `null` is a missing value.
    values: Option<Vec<f64>>,
    /// What each element is, if the input is text; `null` for one that is none of the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<Option<String>>>,
}

/// An output, and what its integers stand for.
#[derive(Debug, Serialize)]
pub(crate) struct Output {
    name: String,
    shape: Vec<usize>,
    integers: Vec<i32>,
    values: Vec<f64>,
    /// Class names, if the output holds names.
    labels: Option<Vec<String>>,
}

/// What a key file says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspected {
    pub(crate) model_digest: String,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<OutputPort>,
    pub(crate) entries: Vec<Entry>,
    /// Entries of routes that this build cannot verify: route, preset, inferences in a proof,
    /// whether it hides.
    pub(crate) left_out: Vec<(&'static str, &'static str, u32, bool)>,
}

/// Name and shape of an input.
#[derive(Debug, Serialize)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

/// Name, shape and meaning of an output.
#[derive(Debug, Serialize)]
pub(crate) struct OutputPort {
    name: String,
    shape: Vec<usize>,
    /// `real`, `integer` or `names`.
    kind: &'static str,
    /// The class names of `names`.
    names: Vec<String>,
}

/// The key for one kind of proof.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    model_key: String,
    route: &'static str,
    preset: &'static str,
    batch: u32,
    /// Whether such proofs hide what they do not state of inputs and execution.
    hides: bool,
    security_bits: u32,
    proven_security_bits: u32,
}

/// An input as the integers that a proof is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Encoded {
    /// The entry that they are for.
    pub(crate) model_key: String,
    /// The file that an order uploads, in hexadecimal digits.
    pub(crate) statement: String,
    /// What an order names.
    pub(crate) digest: String,
    pub(crate) samples: Vec<EncodedSample>,
}

/// The integers of one inference.
#[derive(Debug, Serialize)]
pub(crate) struct EncodedSample {
    pub(crate) tensors: Vec<Integers>,
    /// Inputs with values outside of the calibrated range, and how many.
    pub(crate) clamped: Vec<(String, usize)>,
}

/// One view of an input.
#[derive(Debug, Serialize)]
pub(crate) struct Integers {
    name: String,
    shape: Vec<usize>,
    integers: Vec<i32>,
}

impl Valid {
    /// What verification found; whether context and input were compared is for the caller to say.
    pub(crate) fn new(verified: Verified) -> Self {
        let (security_bits, proven_security_bits) =
            (verified.security_bits(), verified.proven_security_bits());
        let context = verified.context;
        Self {
            route: verified.route.name(),
            preset: verified.preset.name(),
            hides: verified.secrecy.hides(),
            model_key: verified.model_key.to_string(),
            model_digest: hex::encode(verified.model_digest),
            security_bits,
            proven_security_bits,
            context: (!context.is_none()).then(|| context.to_string()),
            context_checked: false,
            input_checked: false,
            clamped: None,
            samples: verified.samples.into_iter().map(Sample::new).collect(),
        }
    }
}

impl Sample {
    fn new(sample: ciro_sdk::VerifiedSample) -> Self {
        let input = |RealInput { name, shape, values, texts }| {
            let values = values.map(Tensor::into_data);
            Input { name, shape, values, texts }
        };
        let output = |RealOutput { name, integers, values, labels }| Output {
            name,
            shape: values.shape().to_vec(),
            integers: integers.into_data(),
            values: values.into_data(),
            labels,
        };
        let inputs = sample.real_inputs.map(|inputs| inputs.into_iter().map(input).collect());
        let committed = |CommittedTensor { side, name, commitment }| Committed {
            side: side.name(),
            name,
            commitment: hex::encode(commitment),
        };
        Self {
            inputs,
            outputs: sample.outputs.into_iter().map(output).collect(),
            committed: sample.committed.into_iter().map(committed).collect(),
        }
    }
}

impl Entry {
    pub(crate) fn new(key: &Key) -> Self {
        let security = key.security();
        Self {
            model_key: key.digest().to_string(),
            route: key.route().name(),
            preset: key.preset().name(),
            batch: key.batch(),
            hides: key.secrecy().hides(),
            security_bits: security.whole_conjectured_bits(),
            proven_security_bits: security.whole_proven_bits(),
        }
    }
}

impl OutputPort {
    pub(crate) fn new(port: &ciro_sdk::OutputPort) -> Self {
        let kind = match port.decoding {
            Decoding::Real { .. } => "real",
            Decoding::Integer => "integer",
            Decoding::Names(_) => "names",
        };
        let names = port.decoding.names().to_vec();
        Self { name: port.name.clone(), shape: port.shape.clone(), kind, names }
    }
}

impl Integers {
    pub(crate) fn new(name: &str, tensor: &Tensor<i32>) -> Self {
        let (shape, integers) = (tensor.shape().to_vec(), tensor.data().to_vec());
        Self { name: name.to_owned(), shape, integers }
    }
}
