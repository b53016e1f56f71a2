//! The model key: all that a verifier needs to know of a model.

use blake2::{Blake2s256, Digest};
#[cfg(feature = "prove")]
use ciro_model::IntegerModel;
use ciro_model::Interface;
use ciro_model::integer::{InterfaceError, Visibilities, Visibility, VisibilityError};
#[cfg(feature = "prove")]
use ciro_model::integer::{StatedInput, StatedTensor, Statement};
use serde::{Deserialize, Serialize};

use crate::air::{Chip as _, Shape};
use crate::chips::AnyChip;
#[cfg(feature = "prove")]
use crate::commitment::{Salt, commit};
use crate::preset::{Parameters, Preset};
use crate::secrecy::{LOG_SIZE_MIN, Secrecy};
use crate::security::Counts;

/// Chips that a key may name. A layout has at most one of each kind, which are fewer than 20.
pub(crate) const CHIPS_MAX: usize = 64;

/// Columns that they may have together, the model's own included: they bound the work of a
/// verifier. The models of the examples have at most some 1,000.
pub(crate) const COLUMNS_MAX: u64 = 1 << 13;

/// Lookups that a trace may make: fewer than the modulus, so that no tuple is taken a whole number
/// of times the modulus.
pub(crate) const LOOKUPS_MAX: u64 = (1 << 31) - 2;

/// The most coefficients that a column of a key may have, as a binary logarithm.
const LOG_DEGREE_MAX: u32 = 26;
/// Binary logarithm of the points of the largest domain that stwo's circle has.
const LOG_DOMAIN_MAX: u32 = 30;

/// No key is longer, in bytes: class names and scales of columns are all that makes keys long.
pub const KEY_BYTES_MAX: usize = 1 << 22;

/// Commits to an integer model and to the way it is proven: the root of the model's columns
/// (weights, tables, wiring), the shapes of the chips, and what inputs and outputs mean.
///
/// A key is made from the model, by whoever trusts the model; it is small and public.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelKey {
    pub(crate) model: [u8; 32],
    pub(crate) preset: Preset,
    pub(crate) batch: u32,
    /// Root of tree 0.
    pub(crate) root: [u8; 32],
    #[serde(deserialize_with = "ciro_model::bounded::sequence::<CHIPS_MAX, _, _>")]
    pub(crate) chips: Vec<AnyChip>,
    /// Inputs and outputs.
    pub(crate) interface: Interface,
    /// How proofs show them; stands in the file only where something is committed.
    #[serde(skip)]
    pub(crate) visibilities: Visibilities,
    /// Whether they hide; stands in the file as its version.
    #[serde(skip)]
    pub(crate) secrecy: Secrecy,
}

/// What is asked of proofs when a key is made.
#[cfg(feature = "prove")]
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) preset: Preset,
    pub(crate) batch: u32,
    pub(crate) visibilities: Visibilities,
    pub(crate) secrecy: Secrecy,
}

/// Bytes that are no model key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a key file of this version.
    #[error("not a Ciro model key")]
    Magic,
    /// A key file of another version.
    #[error(
        "a model key of format version {found}, this program reads versions {} to {}: {}",
        ModelKey::PUBLIC,
        ModelKey::HIDING,
        if found < &ModelKey::PUBLIC {
            "ask the model's owner for a new one"
        } else {
            "use a newer program"
        }
    )]
    Version {
        /// The file's version.
        found: u8,
    },
    /// The bytes do not decode. The decoder's words are left out: they differ between machines of
    /// 32 and of 64 bits, and say little.
    #[error("the model key is damaged: its bytes are no encoding of a key")]
    Damaged(postcard::Error),
    /// The bytes decode to a key that no model has.
    #[error("the model key contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// The inputs and outputs cannot be shown as the key says.
    #[error("the model key contradicts itself")]
    Visibility(#[from] VisibilityError),
    /// The inputs or outputs are none that a model has.
    #[error("the model key contradicts itself")]
    Interface(#[from] InterfaceError),
    /// The same key has another encoding: a key has one, so that its file and its digest stand for
    /// each other.
    #[error("the model key is not encoded as this version does")]
    NotCanonical,
}

impl ModelKey {
    const MAGIC: [u8; 7] = *b"CIROKEY";
    /// The version of keys whose proofs show everything. Versions count apart from those of proofs.
    /// Keys of version 1 could be made for models whose range checks checked nothing, and listed
    /// the views of one input as inputs of their own. Those of version 2 commit to selectors that
    /// no chip reads.
    const PUBLIC: u8 = 3;
    /// The version of keys whose proofs commit to some inputs or outputs: behind what version 3
    /// holds stand the visibilities.
    const COMMITTING: u8 = 4;
    /// The version of keys whose proofs hide: otherwise as version 4, whether anything is committed
    /// or not.
    const HIDING: u8 = 5;

    #[cfg(feature = "prove")]
    pub(crate) fn new(
        model: &IntegerModel,
        Terms { preset, batch, visibilities, secrecy }: Terms,
        (root, chips): ([u8; 32], Vec<AnyChip>),
    ) -> Self {
        let interface = Interface::of(model);
        Self { model: model.digest(), preset, batch, root, chips, interface, visibilities, secrecy }
    }

    /// A key of chips without inputs, whose one output has no elements.
    #[cfg(test)]
    pub(crate) fn of_chips(preset: Preset, chips: Vec<AnyChip>, root: [u8; 32]) -> Self {
        let output = ciro_model::integer::OutputPort {
            name: "y".to_owned(),
            shape: vec![0],
            interval: ciro_model::Interval::point(0),
            decoding: ciro_model::integer::Decoding::Integer,
        };
        let interface = Interface { inputs: vec![], outputs: vec![output] };
        let visibilities = Visibilities::public(&interface);
        let secrecy = Secrecy::Plain;
        Self { model: [0; 32], preset, batch: 1, root, chips, interface, visibilities, secrecy }
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

    /// What the model takes and gives.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// How proofs show the inputs and outputs.
    pub fn visibilities(&self) -> &Visibilities {
        &self.visibilities
    }

    /// Whether proofs hide inputs and execution.
    pub fn secrecy(&self) -> Secrecy {
        self.secrecy
    }

    /// A statement of integers as proofs for this key make it: what the key says is committed is
    /// replaced by a commitment under the next of the salts.
    ///
    /// # Panics
    /// If there are fewer salts than committed tensors.
    #[cfg(feature = "prove")]
    pub(crate) fn state(&self, mut statement: Statement, salts: &[Salt]) -> Statement {
        let mut salts = salts.iter();
        let mut commit = |tensor: &mut StatedTensor| {
            let salt = salts.next().expect("every committed tensor has a salt");
            if let StatedTensor::Public(integers) = tensor {
                *tensor = StatedTensor::Committed(commit(integers.data(), *salt));
            }
        };
        for claim in &mut statement.claims {
            if let Some(mut tensors) = claim.input.tensors().filter(|_| self.commits_inputs()) {
                let committed = self.views().map(|(_, committed)| committed);
                tensors.iter_mut().zip(committed).for_each(|(tensor, committed)| {
                    if committed {
                        commit(tensor);
                    }
                });
                claim.input = StatedInput::Mixed(tensors);
            }
            for (at, output) in claim.outputs.iter_mut().enumerate() {
                if self.visibilities.commits_output(at) {
                    commit(output);
                }
            }
        }
        statement
    }

    /// Whether some inputs are committed.
    pub(crate) fn commits_inputs(&self) -> bool {
        self.visibilities.inputs.contains(&Visibility::Committed)
    }

    /// The name of the input of each integer tensor, and whether it is committed.
    pub(crate) fn views(&self) -> impl Iterator<Item = (&str, bool)> {
        let inputs = self.interface.inputs.iter().enumerate();
        inputs.flat_map(|(at, port)| {
            let committed = self.visibilities.commits_input(at);
            port.views.iter().map(move |_| (port.name.as_str(), committed))
        })
    }

    /// Digest of the whole key: the identity of a model for everybody who verifies.
    pub fn digest(&self) -> [u8; 32] {
        Blake2s256::digest(self.to_bytes()).into()
    }

    /// Writes the key.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Self::MAGIC.to_vec();
        let version = match self.secrecy {
            Secrecy::Hiding => Self::HIDING,
            Secrecy::Plain if self.visibilities.is_public() => Self::PUBLIC,
            Secrecy::Plain => Self::COMMITTING,
        };
        bytes.push(version);
        let written = "a key holds nothing that cannot be written";
        bytes.extend(postcard::to_stdvec(self).expect(written));
        if version != Self::PUBLIC {
            bytes.extend(postcard::to_stdvec(&self.visibilities).expect(written));
        }
        bytes
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are no key, a key that no model has, or another encoding of a key
    /// than [`Self::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let versioned = bytes.strip_prefix(&Self::MAGIC).ok_or(KeyError::Magic)?;
        let (&found, payload) = versioned.split_first().ok_or(KeyError::Magic)?;
        if !(Self::PUBLIC..=Self::HIDING).contains(&found) {
            return Err(KeyError::Version { found });
        }
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyError::Inconsistent("it has more than 4 MiB"));
        }
        let (mut key, mut rest) =
            postcard::take_from_bytes::<Self>(payload).map_err(KeyError::Damaged)?;
        key.visibilities = Visibilities::public(&key.interface);
        key.secrecy = if found == Self::HIDING { Secrecy::Hiding } else { Secrecy::Plain };
        if found != Self::PUBLIC {
            (key.visibilities, rest) =
                postcard::take_from_bytes(rest).map_err(KeyError::Damaged)?;
        }
        if !rest.is_empty() {
            return Err(KeyError::Inconsistent("bytes follow its end"));
        }
        key.check()?;
        if key.to_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        Ok(key)
    }

    fn check(&self) -> Result<(), KeyError> {
        let wrong = |what| Err(KeyError::Inconsistent(what));
        if self.batch == 0 {
            return wrong("the batch is empty");
        }
        if let Some(what) = check_chips(&self.chips, self.secrecy).err() {
            return wrong(what);
        }
        self.interface.check()?;
        self.visibilities.check(&self.interface)?;
        if !self.interface.has_room_for_names(self.batch) {
            return wrong(
                "the names of a batch's inputs, outputs and classes take more than 64 MiB",
            );
        }
        let count = |is: fn(&AnyChip) -> bool| self.chips.iter().filter(|chip| is(chip)).count();
        if count(|chip| matches!(chip, AnyChip::Io(_))) != 1 {
            return wrong("there is not exactly one chip of public values");
        }
        let hashes = count(|chip| matches!(chip, AnyChip::Hash(_)));
        if hashes != usize::from(!self.visibilities.is_public()) {
            return wrong("its chips hash other inputs and outputs than it commits to");
        }
        // The verifier on the chain knows plain proofs alone, and nobody else needs the preset.
        if self.preset == Preset::Chain && self.secrecy.hides() {
            return wrong("its proofs hide, and the preset `chain` has none that do");
        }
        let parameters = self.parameters();
        if self.max_log_size() + self.secrecy.excess() + parameters.log_blowup > LOG_DOMAIN_MAX {
            return wrong("a proof's domain has more than 2^30 points");
        }
        let log_size_min = parameters.log_size_min();
        if self.chips.iter().any(|chip| chip.log_size() < log_size_min) {
            return wrong("a chip has too few rows for the masks of its columns");
        }
        Ok(())
    }

    /// The security parameters: the preset's, for a model of this size.
    pub(crate) fn parameters(&self) -> Parameters {
        self.preset.parameters(&Counts::of(&self.chips, self.secrecy))
    }

    /// Base-field cells that a prover commits to for each proof, the model's own columns not
    /// counted: what `Estimate::cells` says of the model.
    pub fn cells(&self) -> u64 {
        let excess = self.secrecy.excess();
        let cells =
            |chip: &AnyChip| (Shape::of(chip).committed() as u64) << (chip.log_size() + excess);
        let masks = u64::from(self.secrecy.noise()) << (self.max_log_size() + excess);
        self.chips.iter().map(cells).sum::<u64>() + masks
    }

    /// Binary logarithm of the tallest chip's rows.
    pub(crate) fn max_log_size(&self) -> u32 {
        self.chips.iter().map(|chip| chip.log_size()).max().unwrap_or(0)
    }
}

/// Checks that chips are such as a verifier takes: what it spends on them is bounded, and no count
/// wraps around the modulus.
///
/// # Errors
/// What is too large.
pub(crate) fn check_chips(chips: &[AnyChip], secrecy: Secrecy) -> Result<(), &'static str> {
    if !(1..=CHIPS_MAX).contains(&chips.len()) {
        return Err("there are no chips, or more than 64");
    }
    let log_sizes = LOG_SIZE_MIN..=LOG_DEGREE_MAX - secrecy.excess();
    let is_sane = |chip: &AnyChip| chip.is_sane() && log_sizes.contains(&chip.log_size());
    if !chips.iter().all(is_sane) {
        return Err("a chip has an impossible shape");
    }
    // What a chip gives and takes is in the sum of its lookups: without one, nothing would hold it.
    if chips.iter().any(|chip| Shape::of(chip).lookups == 0) {
        return Err("a chip makes no lookup");
    }
    let counts = Counts::of(chips, secrecy);
    if counts.columns > COLUMNS_MAX {
        return Err("the chips have more than 2^13 columns");
    }
    if counts.lookups > LOOKUPS_MAX {
        return Err("the chips make 2^31 lookups or more");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chips::limbs::Limbs;
    use crate::chips::{ConstantsChip, IoChip, MaxChip};

    fn io() -> AnyChip {
        AnyChip::Io(IoChip { log_size: 5, lanes: 1 })
    }

    fn constants(log_size: u32, lanes: u32) -> AnyChip {
        AnyChip::Constants(ConstantsChip { log_size, lanes })
    }

    fn read(chips: Vec<AnyChip>) -> Result<ModelKey, KeyError> {
        ModelKey::from_bytes(&ModelKey::of_chips(Preset::FastTest, chips, [0; 32]).to_bytes())
    }

    #[test]
    fn a_small_key_is_read_back() {
        let key = ModelKey::of_chips(Preset::FastTest, vec![io()], [7; 32]);
        assert_eq!(ModelKey::from_bytes(&key.to_bytes()), Ok(key));
    }

    #[test]
    fn limbs_past_the_modulus_are_refused_not_multiplied() {
        for (count, bits) in
            [(3, 1 << 31), (2, 31), (8, u32::MAX), (1, 31), (0, 4), (9, 1), (4, 11)]
        {
            let limbs = Limbs::hostile(count, bits);
            let max = AnyChip::Max(MaxChip { log_size: 5, limbs });
            let verdict = read(vec![io(), max]);
            let expected = KeyError::Inconsistent("a chip has an impossible shape");
            assert_eq!(verdict, Err(expected), "{limbs:?}");
        }
    }

    #[test]
    fn what_a_verifier_spends_on_chips_is_bounded() {
        let with = |chips: Vec<AnyChip>| read(std::iter::once(io()).chain(chips).collect());
        with(vec![constants(5, 1); CHIPS_MAX - 1]).unwrap();
        let chips = with(vec![constants(5, 1); CHIPS_MAX]);
        assert!(matches!(chips, Err(KeyError::Damaged(_))), "{chips:?}");
        // A lane of constants has three fixed columns, and two lanes share four of LogUp.
        with(vec![constants(5, 64); 25]).unwrap();
        let columns = with(vec![constants(5, 64); 26]);
        assert_eq!(columns, Err(KeyError::Inconsistent("the chips have more than 2^13 columns")));
        with(vec![constants(25, 60)]).unwrap();
        let lookups = with(vec![constants(26, 64)]);
        assert_eq!(lookups, Err(KeyError::Inconsistent("the chips make 2^31 lookups or more")));
    }

    /// A verifier makes the domain before it knows whether a proof holds, and the circle has no
    /// larger one.
    #[test]
    fn no_key_has_a_domain_of_more_than_2_to_the_30_points() {
        for secrecy in [Secrecy::Plain, Secrecy::Hiding] {
            let highest = LOG_DEGREE_MAX - secrecy.excess();
            for preset in Preset::ALL {
                for log_size in LOG_SIZE_MIN..=highest {
                    let chip = AnyChip::Io(IoChip { log_size, lanes: 1 });
                    let key =
                        ModelKey { secrecy, ..ModelKey::of_chips(preset, vec![chip], [0; 32]) };
                    let domain = log_size + secrecy.excess() + key.parameters().log_blowup;
                    let read = ModelKey::from_bytes(&key.to_bytes());
                    assert!(domain <= LOG_DOMAIN_MAX || read.is_err(), "{preset:?}, {log_size}");
                    let never = preset == Preset::Chain && secrecy.hides();
                    assert!(!never || read.is_err(), "{log_size}");
                }
            }
        }
    }

    #[test]
    fn a_key_has_one_encoding() {
        let bytes = ModelKey::of_chips(Preset::FastTest, vec![io()], [0; 32]).to_bytes();
        // Magic, version, model, preset; then the batch, 1 in one byte, or in two with a
        // continuation bit.
        let at = ModelKey::MAGIC.len() + 1 + 32 + 1;
        assert_eq!(bytes[at], 1);
        let longer = [&bytes[..at], &[0x81, 0], &bytes[at + 1..]].concat();
        assert_eq!(ModelKey::from_bytes(&longer), Err(KeyError::NotCanonical));
    }

    #[test]
    fn parameters_follow_from_the_chips_alone() {
        let key = ModelKey::of_chips(Preset::FastTest, vec![io(), constants(7, 3)], [0; 32]);
        for preset in Preset::ALL {
            let key = ModelKey { preset, ..key.clone() };
            let other = ModelKey { root: [1; 32], model: [2; 32], batch: 9, ..key.clone() };
            assert_eq!(other.parameters(), key.parameters());
            let read = ModelKey::from_bytes(&key.to_bytes()).unwrap();
            assert_eq!(read.parameters(), key.parameters());
        }
    }
}
