//! What a verifier knows of a model.

use blake2::{Blake2s256, Digest};
use cairo_vm::types::builtin_name::BuiltinName;
use ciro_graph::integer::{Decoding, Encoding, IntegerModel, Interval};
use serde::{Deserialize, Serialize};

use crate::program::{Program, ProgramHash};

/// The format's first bytes: a name and a version.
const MAGIC: &[u8] = b"ciro-cairo-key/1\n";

/// A verifier's view of a model: the hash of its program, and what the program's inputs and outputs mean.
///
/// The program binds the graph and its small constants by its bytecode, and the large constants by a commitment that it
/// checks. A key is small (below 10 kB unless the model lists many class names) and is computed once for each model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CairoKey {
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
    /// An input cannot be encoded.
    #[error("{0}")]
    Encoding(&'static str),
    /// Not a key, or of another version.
    #[error("not a Cairo model key of version 1")]
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
        Self {
            program: program.hash(),
            builtins: program.builtins().to_vec(),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
        }
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
        let (key, rest) = postcard::take_from_bytes::<Self>(body)?;
        if !rest.is_empty() {
            return Err(KeyError::Trailing(rest.len()));
        }
        let mut encodings = key.inputs.iter().map(|input| input.encoding.check(&input.shape));
        if let Some(what) = encodings.find_map(Result::err) {
            return Err(KeyError::Encoding(what));
        }
        if key.to_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        Ok(key)
    }
}
