//! Inputs that their owner and whoever proves know, and nobody else: orders and proofs commit to
//! them.
//!
//! ```text
//! "CIROSECR"   8 bytes
//! version      u16: 2
//! key          32 bytes: digest of the only key that it is proven under
//! requester    32 bytes: the only account whose orders it is proven for
//! seed         32 bytes, of which all blinding values are computed
//! input        an input statement, with the integers in clear
//! ```
//!
//! Commitments are the same under every key. Whoever could have a recipient prove the same sealed
//! bytes under another key, of a model that gives its input back, would read the input there: so
//! the key is part of what is sealed. And whoever could order the same sealed bytes once more would
//! have the model's outputs proven and published, though the owner took the order back: so the
//! account is part of it too.
//!
//! Whoever reads such bytes for somebody else logs what is wrong with them, so that no error of
//! theirs shows an integer.

use std::fmt;

use ciro_model::Tensor;
use ciro_model::integer::{RunError, StatedInput, StatedTensor};
use ciro_protocol::sign::Address;

use crate::blinding::BlindingSeed;
#[cfg(feature = "prove")]
use crate::prove::Model;
#[cfg(feature = "prove")]
use crate::verify::Opening;
use crate::verify::{InputStatement, Key, KeyDigest, Side};

const MAGIC: &[u8; 8] = b"CIROSECR";
const VERSION: [u8; 2] = 2_u16.to_le_bytes();
/// Magic and version, the key's digest, the requester, and the seed.
const HEAD_BYTES: usize = 8 + 2 + 32 + 32 + 32;

/// Integers for one key and the orders of one account, and the seed of what hides them. It prints
/// neither integers nor seed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretInput {
    key: KeyDigest,
    requester: Address,
    input: InputStatement,
    integers: Vec<Vec<Tensor<i32>>>,
    seed: BlindingSeed,
}

impl fmt::Debug for SecretInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SecretInput");
        shown.field("key", &self.key).field("requester", &self.requester).finish_non_exhaustive()
    }
}

/// Bytes that are no secret input, or a key that would not keep it one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretInputError {
    /// Another kind of file.
    #[error("not a secret input of version 2")]
    Magic,
    /// It is for another key than the order's.
    #[error("the input is for the key {expected}, not for {found}")]
    OtherKey {
        /// What its owner chose.
        expected: KeyDigest,
        /// The order's.
        found: KeyDigest,
    },
    /// It is for the orders of another account.
    #[error("the input is not for orders of {found}")]
    OtherRequester {
        /// Who orders it.
        found: Address,
    },
    /// The integers do not fit the key's model. Which, and what they are, is not said.
    #[error("the sealed integers are none that the key's model takes")]
    Input,
    /// The integers are not there.
    #[error("the input is committed to, and its integers are missing")]
    Committed,
    /// The model does not run on the integers, as their owner is told.
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
    /// Takes integers for proofs under a key that an account orders, and the seed of their blinding
    /// values, which must be used for no other input.
    ///
    /// # Errors
    /// [`SecretInputError::Committed`] if the statement has no integers.
    pub fn new(
        (key, requester): (&Key, Address),
        input: InputStatement,
        seed: BlindingSeed,
    ) -> Result<Self, SecretInputError> {
        let integers = input.integers().ok_or(SecretInputError::Committed)?;
        Ok(Self { key: key.digest(), requester, input, integers, seed })
    }

    /// The account whose orders it is for.
    pub fn requester(&self) -> Address {
        self.requester
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
        let Self { key, requester, seed, input, .. } = self;
        let requester = requester.0.0.as_bytes();
        [&MAGIC[..], &VERSION, &key.0, requester, &seed.0, &input.to_bytes()].concat()
    }

    /// Reads the bytes as the key's model takes them, for an order of an account.
    ///
    /// # Errors
    /// [`SecretInputError`] naming what does not fit; no bytes panic, and none take much more
    /// memory than they are long.
    pub fn from_bytes(
        bytes: &[u8],
        (key, requester): (&Key, Address),
    ) -> Result<Self, SecretInputError> {
        let (head, input) = bytes.split_at_checked(HEAD_BYTES).ok_or(SecretInputError::Magic)?;
        let known = head.strip_prefix(&[&MAGIC[..], &VERSION].concat()[..]);
        let (own, rest) =
            known.and_then(<[u8]>::split_first_chunk).ok_or(SecretInputError::Magic)?;
        let (account, seed) = rest.split_first_chunk::<32>().ok_or(SecretInputError::Magic)?;
        let seed = seed.try_into().map_err(|_| SecretInputError::Magic)?;
        check_key(KeyDigest(*own), key)?;
        if account != requester.0.0.as_bytes() {
            return Err(SecretInputError::OtherRequester { found: requester });
        }
        let input = InputStatement::from_bytes(input, key);
        Self::new((key, requester), input.map_err(|_| SecretInputError::Input)?, BlindingSeed(seed))
    }
}

/// Refuses an order under another key than the owner's.
fn check_key(expected: KeyDigest, key: &Key) -> Result<(), SecretInputError> {
    let found = key.digest();
    if expected == found { Ok(()) } else { Err(SecretInputError::OtherKey { expected, found }) }
}
