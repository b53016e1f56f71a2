//! What a verifier knows of a model.

use blake2::{Blake2s256, Digest};
use cairo_vm::types::builtin_name::BuiltinName;
use ciro_graph::integer::{Decoding, Encoding, IntegerModel, Interval, MAX_ELEMENTS};
use ciro_graph::tensor::element_count;
use ciro_graph::{escape, is_plain};
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::program::{Program, ProgramHash};

/// The format's first bytes: a name and a version.
const MAGIC: &[u8] = b"ciro-cairo-key/2\n";

/// No key is longer: a thousand class names take some ten kilobytes.
const KEY_BYTES_MAX: usize = 1 << 20;

/// A verifier's view of a model: the hash of its program, and what the program's inputs and outputs mean.
///
/// The program binds the graph and its small constants by its bytecode, and the large constants by a commitment that it
/// checks. A key is small (below 10 kB unless the model lists many class names) and is computed once for each model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CairoKey {
    /// The digest of the integer model ([`IntegerModel::digest`]): the same as in a key of the other route.
    pub model: [u8; 32],
    /// The program.
    pub program: ProgramHash,
    /// The builtins whose pointers the program takes, in order; the program hash covers them.
    pub builtins: Vec<BuiltinName>,
    /// The integer tensors that a run starts from, in the order of the statement: one or more for each ONNX input.
    pub inputs: Vec<KeyInput>,
    /// The outputs in ONNX order.
    pub outputs: Vec<KeyOutput>,
}

/// One integer tensor that a run starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyInput {
    /// The ONNX input's name.
    pub name: String,
    /// The shape of the real-valued tensor.
    pub shape: Vec<usize>,
    /// How real values become integers.
    pub encoding: Encoding,
}

/// One output of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyOutput {
    /// The ONNX output's name.
    pub name: String,
    /// The shape of the tensor.
    pub shape: Vec<usize>,
    /// What its integers stay inside.
    pub interval: Interval,
    /// What its integers mean.
    pub decoding: Decoding,
}

/// A key that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// An input or output that no model has.
    #[error("{what} `{name}` of the Cairo model key: {reason}")]
    Interface {
        /// Whether an input or an output.
        what: &'static str,
        /// Its name, escaped.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// More bytes than a key has.
    #[error("the Cairo model key has {0} bytes, at most {KEY_BYTES_MAX} are read")]
    TooLarge(usize),
    /// Not a key, or of another version.
    #[error("not a Cairo model key of version 2")]
    Version,
    /// Cut short, or holding something else.
    #[error("the Cairo model key is damaged: {0}")]
    Damaged(#[from] postcard::Error),
    /// More bytes than the key has.
    #[error("{0} byte(s) follow the Cairo model key")]
    Trailing(usize),
    /// The same key has another, shorter encoding.
    #[error("the Cairo model key is not encoded as this version does")]
    NotCanonical,
}

impl CairoKey {
    /// The key of a model whose program has been compiled.
    pub fn new(model: &IntegerModel, program: &Program) -> Self {
        let (inputs, outputs) = interface(model);
        Self {
            model: model.digest(),
            program: program.hash(),
            builtins: program.builtins().to_vec(),
            inputs,
            outputs,
        }
    }

    /// What the program states to be about: the model, and what its inputs and outputs mean.
    pub fn identity(&self) -> Identity {
        Identity::new(self.model, &self.inputs, &self.outputs)
    }

    /// The Blake2s digest of the key's bytes: two keys with one digest are one key.
    pub fn digest(&self) -> [u8; 32] {
        Blake2s256::digest(self.to_bytes()).into()
    }

    /// The key as bytes, equal for equal keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(postcard::to_stdvec(self).expect("a key holds nothing that postcard refuses"));
        bytes
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are anything but one key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(KeyError::Version)?;
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLarge(bytes.len()));
        }
        let (key, rest) = postcard::take_from_bytes::<Self>(body)?;
        if !rest.is_empty() {
            return Err(KeyError::Trailing(rest.len()));
        }
        key.check()?;
        if key.to_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        Ok(key)
    }

    /// Checks what decoding a statement and showing it rely on.
    fn check(&self) -> Result<(), KeyError> {
        fn wrong(what: &'static str, name: &str, reason: &'static str) -> KeyError {
            KeyError::Interface { what, name: escape(name).into_owned(), reason }
        }
        const UNREADABLE: &str = "a name holds characters that cannot be shown";
        const TOO_LARGE: &str = "the tensor has more than 2^28 elements";
        let fits =
            |shape: &[usize]| element_count(shape).is_some_and(|count| count <= MAX_ELEMENTS);
        for KeyInput { name, shape, encoding } in &self.inputs {
            let wrong = |reason| wrong("input", name, reason);
            if !is_plain(name) {
                return Err(wrong(UNREADABLE));
            }
            if !fits(shape) || !fits(&encoding.integer_shape(shape)) {
                return Err(wrong(TOO_LARGE));
            }
            encoding.check(shape).map_err(wrong)?;
            if !encoding.interval().in_bound() {
                return Err(wrong("the integers may reach 2^30"));
            }
        }
        for KeyOutput { name, shape, interval, decoding } in &self.outputs {
            let wrong = |reason| wrong("output", name, reason);
            if !(is_plain(name) && decoding.is_plain()) {
                return Err(wrong(UNREADABLE));
            }
            if !fits(shape) {
                return Err(wrong(TOO_LARGE));
            }
            if interval.lo > interval.hi || !interval.in_bound() {
                return Err(wrong("the interval is empty or reaches 2^30"));
            }
            decoding.check(*interval).map_err(wrong)?;
        }
        Ok(())
    }
}

/// What a model's inputs and outputs mean.
pub(crate) fn interface(model: &IntegerModel) -> (Vec<KeyInput>, Vec<KeyOutput>) {
    let inputs = model.inputs().iter().flat_map(|input| {
        input.views.iter().map(|(_, encoding)| KeyInput {
            name: input.name.clone(),
            shape: input.shape.clone(),
            encoding: encoding.clone(),
        })
    });
    let outputs = model.outputs().iter().map(|output| {
        let node = model.node(output.node);
        KeyOutput {
            name: output.name.clone(),
            shape: node.shape.clone(),
            interval: node.interval,
            decoding: output.decoding.clone(),
        }
    });
    (inputs.collect(), outputs.collect())
}
