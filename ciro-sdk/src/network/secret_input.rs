//! Inputs that their owner and whoever proves know, and nobody else: orders and proofs commit to
//! them.
//!
//! ```text
//! "CIROSECR"   8 bytes
//! version      u16: 1
//! key          32 bytes: digest of the only key that it is proven under
//! seed         32 bytes, of which all blinding values are computed
//! input        an input statement, with the integers in clear
//! ```
//!
//! Commitments are the same under every key. Whoever could have a recipient prove the same sealed
//! bytes under another key, of a model that gives its input back, would read the input there: so
//! the key is part of what is sealed.

use ciro_model::Tensor;
use ciro_model::integer::{RunError, StatedInput, StatedTensor};

use crate::blinding::BlindingSeed;
#[cfg(feature = "prove")]
use crate::prove::Model;
#[cfg(feature = "prove")]
use crate::verify::Opening;
use crate::verify::{InputStatement, InputStatementError, Key, KeyDigest, Side};

const MAGIC: &[u8; 8] = b"CIROSECR";
const VERSION: [u8; 2] = 1_u16.to_le_bytes();
/// Magic and version, the key's digest, and the seed.
const HEAD_BYTES: usize = 8 + 2 + 32 + 32;

/// Integers for one key, and the seed of what hides them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInput {
    key: KeyDigest,
    input: InputStatement,
    integers: Vec<Vec<Tensor<i32>>>,
    seed: BlindingSeed,
}

/// Bytes that are no secret input, or a key that would not keep it one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretInputError {
    /// Another kind of file.
    #[error("not a secret input of version 1")]
    Magic,
    /// It is for another key than the order's.
    #[error("the input is for the key {expected}, not for {found}")]
    OtherKey {
        /// What its owner chose.
        expected: KeyDigest,
        /// The order's.
        found: KeyDigest,
    },
    /// The integers do not fit the key's model.
    #[error(transparent)]
    Input(#[from] InputStatementError),
    /// The integers are not there.
    #[error("the input is committed to, and its integers are missing")]
    Committed,
    /// The model does not run on the integers.
    #[error("the model does not take the integers")]
    Run(#[from] RunError),
    /// The key's proofs show an input.
    #[error("proofs for this key show the input `{0}`: it takes a key that commits to all inputs")]
    Shown(String),
    /// The key's proofs give away what they commit to.
    #[error("proofs for this key do not hide: they give away the inputs that they commit to")]
    Plain,
}

impl SecretInput {
    /// Takes integers for proofs under a key, and the seed of their blinding values, which must be
    /// used for no other input.
    ///
    /// # Errors
    /// [`SecretInputError::Committed`] if the statement has no integers.
    pub fn new(
        key: &Key,
        input: InputStatement,
        seed: BlindingSeed,
    ) -> Result<Self, SecretInputError> {
        let integers = input.integers().ok_or(SecretInputError::Committed)?;
        Ok(Self { key: key.digest(), input, integers, seed })
    }

    /// The integers of each inference.
    pub fn integers(&self) -> &[Vec<Tensor<i32>>] {
        &self.integers
    }

    /// What all blinding values are computed from.
    pub fn seed(&self) -> BlindingSeed {
        self.seed
    }

    /// What orders and proofs state of it under a key: a commitment to every input.
    ///
    /// # Errors
    /// [`SecretInputError`] if it is for another key, or the key's proofs show an input or do not
    /// hide: then it would be no secret.
    pub fn stated(&self, key: &Key) -> Result<InputStatement, SecretInputError> {
        check_key(self.key, key)?;
        let (interface, shown) = (key.interface(), key.visibilities());
        let open = interface.inputs.iter().enumerate().find(|(at, _)| !shown.commits_input(*at));
        if let Some((_, port)) = open {
            return Err(SecretInputError::Shown(port.name.clone()));
        }
        if !key.secrecy().hides() {
            return Err(SecretInputError::Plain);
        }
        let commit = |(sample, tensors): (usize, &Vec<Tensor<i32>>)| {
            let views = interface.views().zip(tensors);
            let commitments = views.map(|((port, _), integers)| {
                let blinding = self.seed.blinding(sample, Side::Input, &port.name);
                let commitment = key.commit_tensor(integers, blinding);
                let shown = || SecretInputError::Shown(port.name.clone());
                commitment.map(StatedTensor::Committed).ok_or_else(shown)
            });
            commitments.collect::<Result<_, _>>().map(StatedInput::Mixed)
        };
        let inputs = self.integers.iter().enumerate().map(commit).collect::<Result<_, _>>()?;
        Ok(InputStatement::new(inputs))
    }

    /// What opens the commitments of a proof under a key, to inputs and to outputs, for which the
    /// model is run.
    ///
    /// # Errors
    /// [`SecretInputError::Run`] if the integers are none that the model takes.
    #[cfg(feature = "prove")]
    pub fn openings(&self, model: &Model, key: &Key) -> Result<Vec<Opening>, SecretInputError> {
        let (interface, shown) = (key.interface(), key.visibilities());
        let mut openings = Vec::new();
        for (sample, inputs) in self.integers.iter().enumerate() {
            let opening = |side, name: &str, integers: &Tensor<i32>| Opening {
                sample,
                side,
                name: name.to_owned(),
                integers: integers.clone(),
                blinding: self.seed.blinding(sample, side, name),
            };
            let views = interface.views().zip(inputs);
            openings.extend(views.map(|((port, _), it)| opening(Side::Input, &port.name, it)));
            if interface.outputs.iter().enumerate().any(|(at, _)| shown.commits_output(at)) {
                let outputs = model.integer().run(inputs)?;
                let outputs = interface.outputs.iter().zip(&outputs).enumerate();
                let outputs = outputs.filter(|(at, _)| shown.commits_output(*at));
                openings.extend(
                    outputs
                        .map(|(_, (port, integers))| opening(Side::Output, &port.name, integers)),
                );
            }
        }
        Ok(openings)
    }

    /// The bytes, in clear.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { key, seed, input, .. } = self;
        [&MAGIC[..], &VERSION, &key.0, &seed.0, &input.to_bytes()].concat()
    }

    /// Reads the bytes as the key's model takes them.
    ///
    /// # Errors
    /// [`SecretInputError`] naming what does not fit; no bytes panic, and none take much more
    /// memory than they are long.
    pub fn from_bytes(bytes: &[u8], key: &Key) -> Result<Self, SecretInputError> {
        let (head, input) = bytes.split_at_checked(HEAD_BYTES).ok_or(SecretInputError::Magic)?;
        let known = head.strip_prefix(&[&MAGIC[..], &VERSION].concat()[..]);
        let (own, seed) =
            known.and_then(<[u8]>::split_first_chunk).ok_or(SecretInputError::Magic)?;
        let seed = seed.try_into().map_err(|_| SecretInputError::Magic)?;
        check_key(KeyDigest(*own), key)?;
        Self::new(key, InputStatement::from_bytes(input, key)?, BlindingSeed(seed))
    }
}

/// Refuses an order under another key than the owner's.
fn check_key(expected: KeyDigest, key: &Key) -> Result<(), SecretInputError> {
    let found = key.digest();
    if expected == found { Ok(()) } else { Err(SecretInputError::OtherKey { expected, found }) }
}
