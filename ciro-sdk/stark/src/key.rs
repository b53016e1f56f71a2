//! The model key: all that a verifier needs to know of a model.

use blake2::{Blake2s256, Digest};
#[cfg(feature = "prove")]
use ciro_graph::IntegerModel;
use ciro_graph::Interval;
use ciro_graph::integer::{Decoding, Encoding};
use serde::{Deserialize, Serialize};

use crate::air::{Chip as _, Shape};
use crate::chips::AnyChip;
use crate::preset::{Parameters, Preset};

/// Commits to an integer model and to the way it is proven: the root of the model's columns (weights, tables, wiring), the shapes of
/// the chips, and what inputs and outputs mean.
///
/// A key is made from the model, by whoever trusts the model; it is small and public.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelKey {
    pub(crate) model: [u8; 32],
    pub(crate) preset: Preset,
    pub(crate) batch: u32,
    /// Root of tree 0.
    pub(crate) root: [u8; 32],
    pub(crate) chips: Vec<AnyChip>,
    /// Inputs in the order of the model's views.
    pub(crate) inputs: Vec<KeyInput>,
    /// Outputs in the model's order.
    pub(crate) outputs: Vec<KeyOutput>,
}

/// An input tensor as the verifier sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyInput {
    /// The ONNX input's name.
    pub name: String,
    /// Shape of the real-valued tensor.
    pub shape: Vec<usize>,
    /// How real values become integers.
    pub encoding: Encoding,
}

/// An output tensor as the verifier sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyOutput {
    /// The ONNX output's name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// What every integer lies in.
    pub interval: Interval,
    /// What the integers mean.
    pub decoding: Decoding,
}

/// Bytes that are no model key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a key file of this version.
    #[error("not a Ciro model key of format version 1")]
    Magic,
    /// The bytes do not decode.
    #[error("the model key is damaged: {0}")]
    Damaged(postcard::Error),
    /// The bytes decode to a key that no model has.
    #[error("the model key contradicts itself: {0}")]
    Inconsistent(&'static str),
}

impl ModelKey {
    const MAGIC: [u8; 8] = *b"CIROKEY\x01";
    /// The tallest chip a key may name, as a binary logarithm.
    const MAX_LOG_SIZE: u32 = 26;

    #[cfg(feature = "prove")]
    pub(crate) fn new(
        model: &IntegerModel,
        (preset, batch): (Preset, u32),
        root: [u8; 32],
        chips: Vec<AnyChip>,
    ) -> Self {
        let inputs = model
            .inputs()
            .iter()
            .flat_map(|input| {
                input.views.iter().map(|(_, encoding)| KeyInput {
                    name: input.name.clone(),
                    shape: input.shape.clone(),
                    encoding: encoding.clone(),
                })
            })
            .collect();
        let outputs = model
            .outputs()
            .iter()
            .map(|output| KeyOutput {
                name: output.name.clone(),
                shape: model.node(output.node).shape.clone(),
                interval: model.node(output.node).interval,
                decoding: output.decoding.clone(),
            })
            .collect();
        Self { model: model_digest(model), preset, batch, root, chips, inputs, outputs }
    }

    /// Digest of the integer model: operators, shapes, scales, intervals, weights.
    pub fn model_digest(&self) -> [u8; 32] {
        self.model
    }

    /// The security preset that the key is made for.
    pub fn preset(&self) -> Preset {
        self.preset
    }

    /// The number of inferences in one proof.
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// Inputs in the order of a statement's tensors.
    pub fn inputs(&self) -> &[KeyInput] {
        &self.inputs
    }

    /// Outputs in the order of a statement's tensors.
    pub fn outputs(&self) -> &[KeyOutput] {
        &self.outputs
    }

    /// Digest of the whole key: the identity of a model for everybody who verifies.
    pub fn digest(&self) -> [u8; 32] {
        Blake2s256::digest(self.to_bytes()).into()
    }

    /// Writes the key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Self::MAGIC.to_vec();
        bytes
            .extend(postcard::to_stdvec(self).expect("a key holds nothing that cannot be written"));
        bytes
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are no key, or a key that no model has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let payload = bytes.strip_prefix(&Self::MAGIC).ok_or(KeyError::Magic)?;
        let (key, rest) = postcard::take_from_bytes::<Self>(payload).map_err(KeyError::Damaged)?;
        if !rest.is_empty() {
            return Err(KeyError::Inconsistent("bytes follow its end"));
        }
        key.check()?;
        Ok(key)
    }

    fn check(&self) -> Result<(), KeyError> {
        let wrong = |what| Err(KeyError::Inconsistent(what));
        if self.batch == 0 {
            return wrong("the batch is empty");
        }
        if self.chips.iter().any(|chip| !chip.is_sane(Self::MAX_LOG_SIZE)) {
            return wrong("a chip has an impossible shape");
        }
        if crate::chips::lookups(&self.chips) >= ciro_graph::integer::room::MODULUS {
            return wrong("its proofs look up more values than the field has elements");
        }
        let encodings = || self.inputs.iter().map(|input| input.encoding.check(&input.shape));
        if let Some(what) = encodings().find_map(Result::err) {
            return wrong(what);
        }
        let io = self.chips.iter().filter(|chip| matches!(chip, AnyChip::Io(_))).count();
        if io != 1 {
            return wrong("there is not exactly one chip of public values");
        }
        Ok(())
    }

    /// The security parameters: the preset's, for a model of this size.
    pub(crate) fn parameters(&self) -> Parameters {
        self.preset.parameters(cells(&self.chips))
    }

    /// Binary logarithm of the tallest chip's rows.
    pub(crate) fn max_log_size(&self) -> u32 {
        self.chips.iter().map(|chip| chip.log_size()).max().unwrap_or(0)
    }
}

/// Cells of all chips, the model's own included.
pub(crate) fn cells(chips: &[AnyChip]) -> u64 {
    let cells = |chip: &AnyChip| {
        let shape = Shape::of(chip);
        ((shape.fixed + shape.committed()) as u64) << chip.log_size()
    };
    chips.iter().map(cells).sum()
}

#[cfg(feature = "prove")]
pub(crate) fn model_digest(model: &IntegerModel) -> [u8; 32] {
    let bytes = postcard::to_stdvec(model).expect("a model holds nothing that cannot be written");
    Blake2s256::digest(bytes).into()
}
