//! The key file: one ring of keys for one model.
//!
//! ```text
//! "CIRORING"   8 bytes
//! version      u16: 1
//! entries      u16 count, 1 to 256, then for each, in ascending order without repetition:
//!   route      u8: 0 tensor, 1 cairo
//!   preset     u8 length, name of the security preset in ASCII
//!   batch      u32: inferences in one proof
//!   mode       u8: 1 if proofs commit to some inputs or outputs, of which the key says which; 2
//!              more if they hide inputs and execution
//!   key        u32 length, bytes of the route's own key
//! ```
//!
//! All integers are little endian. One ring has exactly one encoding. What an entry says before its
//! key is compared with the key, so nothing in a file can be found under another name; an entry of
//! a route that this build leaves out stays bytes.
//!
//! A file may come from a stranger: whoever uses it trusts where it came from, but nothing in it
//! panics or takes more memory than a small multiple of its bytes.

use std::collections::BTreeMap;
use std::path::Path;

use ciro_model::Interface;
use ciro_stark::{Policy, Preset, Secrecy};

use super::bundle::codec::{Reader, Writer};
use super::{BundleError, Key, KeyDecodeError, ProofBundle, Verified, VerifyError, verify_with};
use crate::advice::Advice;
use crate::files::{self, FileError};
use crate::inputs::InputSpec;
use crate::route::{ProofKind, Route};

const MAGIC: &[u8; 8] = b"CIRORING";
const VERSION: u16 = 1;

/// What keys of programs begin with, which are keys of no model.
const PROGRAM_KEY: &[u8] = b"ciro-program-key/";

/// What the mode of entries has whose proofs commit to some inputs or outputs.
const COMMITTING: u8 = 1;
/// What the mode of entries has whose proofs hide.
const HIDING: u8 = 2;

/// The most entries of a key file.
pub const MAX_KEYS: usize = 256;

/// The longest key file that is read, in bytes; an entry of a real model has less than 10 kB.
pub const MAX_KEY_FILE_BYTES: u64 = 2 * ciro_stark::KEY_BYTES_MAX as u64;

/// Keys of one model, for each kind of proof at most one that shows all inputs and outputs, and one
/// that commits to some of them: what a model's owner publishes and a verifier holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    /// At least one entry, not all of them sealed.
    entries: BTreeMap<Place, Entry>,
}

/// What tells the entries of a ring apart, in the order of their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: ProofKind,
    /// Whether proofs commit to some inputs or outputs.
    commits: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Key(Key),
    /// The key of a route that this build leaves out.
    Sealed(Vec<u8>),
}

/// Keys that make no ring, or bytes that are none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The file is something else.
    #[error("not a Ciro key file: it does not begin with `CIRORING`")]
    Magic,
    /// The file is the key of a program.
    #[error("a key file of a Cairo program, not of a model")]
    Program,
    /// The file is a single key, as earlier versions wrote it.
    #[error("a key file of an earlier version, which held a single key")]
    SingleKey,
    /// The file is of another version of the format.
    #[error("the key file has format version {found}, this program reads version {VERSION}")]
    Version {
        /// The file's version.
        found: u16,
    },
    /// The file does not decode.
    #[error("the key file is damaged")]
    Damaged(#[source] BundleError),
    /// No entries, or too many.
    #[error("a key file has 1 to {MAX_KEYS} entries, not {0}")]
    Count(usize),
    /// No route has this number.
    #[error("entry {entry} is for route {code}, which this version does not know")]
    Route {
        /// Its position.
        entry: usize,
        /// The number.
        code: u8,
    },
    /// No preset has this name.
    #[error("entry {entry} is for the security preset {name:?}, which this version does not know")]
    Preset {
        /// Its position.
        entry: usize,
        /// The name.
        name: String,
    },
    /// No mode has this number.
    #[error("entry {entry} is for proofs of mode {mode}, which this version does not know")]
    Mode {
        /// Its position.
        entry: usize,
        /// The number.
        mode: u8,
    },
    /// The key of an entry cannot be used.
    #[error("entry {entry}")]
    Key {
        /// Its position.
        entry: usize,
        /// What is wrong.
        #[source]
        source: KeyDecodeError,
    },
    /// An entry announces another kind of proof than its key is for.
    #[error("entry {entry} is announced as a key for {announced}, and holds one for {held}")]
    Mislabelled {
        /// Its position.
        entry: usize,
        /// What the entry says.
        announced: ProofKind,
        /// What the key says.
        held: ProofKind,
    },
    /// Entries that are not in ascending order, or are there twice.
    #[error("entry {0} is not behind the one before it")]
    Order(usize),
    /// An entry's mode is not its key's.
    #[error("entry {0} has the mode of other proofs than its key is for")]
    OtherMode(usize),
    /// Two keys for the same proofs.
    #[error("two different keys for {0}")]
    Twice(ProofKind),
    /// Keys of different models.
    #[error("the keys are made for different models")]
    OtherModel,
    /// More bytes than a key file may have.
    #[error(
        "a key file has at most {MAX_KEY_FILE_BYTES} bytes, not {0}: leave out some of the keys"
    )]
    TooLong(usize),
    /// All keys are of routes that this build leaves out.
    #[error("the key file holds keys of routes alone that are not part of this build")]
    NotBuilt,
}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadKeyError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are no key file.
    #[error("not a usable key file")]
    Ring(#[from] KeyRingError),
}

impl LoadKeyError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Ring(KeyRingError::Program) => None,
            Self::Ring(_) => Some(Advice::MakeKey),
            Self::File(error) => error.advice(),
        }
    }
}

impl KeyRing {
    /// Gathers keys of one model. What is gathered is read again from its bytes.
    ///
    /// # Errors
    /// [`KeyRingError`] if there are none or too many, two are for the same proofs, they are of
    /// different models, or nobody would read one of them or all of them together.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<Self, KeyRingError> {
        let mut entries = BTreeMap::new();
        for (entry, key) in keys.into_iter().enumerate() {
            Key::from_bytes(&key.to_bytes())
                .map_err(|source| KeyRingError::Key { entry, source })?;
            let place = Place::of(&key);
            if let Some(other) = entries.insert(place, Entry::Key(key.clone()))
                && other != Entry::Key(key)
            {
                return Err(KeyRingError::Twice(place.kind));
            }
        }
        Self { entries }.checked()?.within_a_file()
    }

    /// Adds the keys of another ring of the same model.
    ///
    /// # Errors
    /// As [`KeyRing::new`].
    pub fn with(mut self, other: Self) -> Result<Self, KeyRingError> {
        for (place, entry) in other.entries {
            match self.entries.get(&place) {
                Some(known) if *known != entry => return Err(KeyRingError::Twice(place.kind)),
                _ => drop(self.entries.insert(place, entry)),
            }
        }
        self.checked()?.within_a_file()
    }

    /// Refuses what no reader takes.
    fn within_a_file(self) -> Result<Self, KeyRingError> {
        check_length(self.to_bytes().len())?;
        Ok(self)
    }

    fn checked(self) -> Result<Self, KeyRingError> {
        if !(1..=MAX_KEYS).contains(&self.entries.len()) {
            return Err(KeyRingError::Count(self.entries.len()));
        }
        let first = self.keys().next().ok_or(KeyRingError::NotBuilt)?;
        let same = |key: &Key| {
            key.model_digest() == first.model_digest() && key.interface() == first.interface()
        };
        let one_model = self.keys().all(same);
        if one_model { Ok(self) } else { Err(KeyRingError::OtherModel) }
    }

    /// The keys of the routes of this build.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.values().filter_map(|entry| match entry {
            Entry::Key(key) => Some(key),
            Entry::Sealed(_) => None,
        })
    }

    /// The kinds of proofs that the ring has entries for, also those of routes that this build
    /// leaves out.
    pub fn kinds(&self) -> impl Iterator<Item = ProofKind> {
        let mut kinds: Vec<ProofKind> = self.entries.keys().map(|place| place.kind).collect();
        kinds.dedup();
        kinds.into_iter()
    }

    /// The key for proofs of a kind: for those that show all inputs and outputs, or where there is
    /// none, for those that commit to some.
    pub fn get(&self, kind: ProofKind) -> Option<&Key> {
        let entry = |commits| self.entries.get(&Place { kind, commits });
        match entry(false).or_else(|| entry(true))? {
            Entry::Key(key) => Some(key),
            Entry::Sealed(_) => None,
        }
    }

    /// The key to verify a bundle against.
    ///
    /// The bundle only says what kind of proof it is; whether it is one is for
    /// [`verify`](crate::verify) to find out. So whoever wrote the bundle chooses among the
    /// entries: a verifier who wants the strength of one of them asks for it with a [`Policy`].
    ///
    /// # Errors
    /// [`VerifyError::NotBuilt`] if this build leaves out the route, [`VerifyError::NoKey`] if
    /// there is no entry for such proofs.
    pub fn find(&self, bundle: &ProofBundle) -> Result<&Key, VerifyError> {
        let wanted = bundle.kind();
        // Where there is a key of either, the bundle names its own; one that names neither is
        // refused by whichever it is held against.
        let entry = |commits| self.entries.get(&Place { kind: wanted, commits });
        let named = |entry: &&Entry| match entry {
            Entry::Key(key) => key.digest() == bundle.model_key,
            Entry::Sealed(_) => false,
        };
        let committing = entry(true);
        let found = committing.filter(named).or_else(|| entry(false)).or(committing);
        match found {
            Some(Entry::Key(key)) => Ok(key),
            Some(Entry::Sealed(_)) => Err(crate::route::RouteNotBuilt(wanted.route).into()),
            None => Err(VerifyError::NoKey { wanted, held: self.kinds().collect() }),
        }
    }

    /// Verifies a bundle against the key for such proofs.
    ///
    /// # Errors
    /// As [`KeyRing::find`] and [`verify`](crate::verify).
    pub fn verify(&self, bundle: &ProofBundle, policy: &Policy) -> Result<Verified, VerifyError> {
        verify_with(bundle, self.find(bundle)?, policy)
    }

    /// What the model takes and gives.
    pub fn interface(&self) -> &Interface {
        self.first().interface()
    }

    /// Names and shapes of the model's inputs.
    pub fn input_specs(&self) -> Vec<InputSpec> {
        self.first().input_specs()
    }

    /// The digest of the integer model that all keys are for.
    pub fn model_digest(&self) -> [u8; 32] {
        self.first().model_digest()
    }

    fn first(&self) -> &Key {
        self.keys().next().expect("a ring holds a key of this build")
    }

    /// The bytes of the key file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.bytes(MAGIC);
        w.u16(VERSION);
        w.u16(u16::try_from(self.entries.len()).expect("a ring has at most 256 entries"));
        for (place, entry) in &self.entries {
            let kind = place.kind;
            w.u8(kind.route.code());
            w.short_text(kind.preset.name());
            w.bytes(&kind.batch.to_le_bytes());
            w.u8(place.mode());
            let key = match entry {
                Entry::Key(key) => key.to_bytes(),
                Entry::Sealed(bytes) => bytes.clone(),
            };
            w.count_u32(key.len());
            w.bytes(&key);
        }
        w.into_bytes()
    }

    /// Whether a file begins as key files do, whatever their version, or as a single key, which is
    /// none by itself.
    pub fn is_key_file(path: &Path) -> bool {
        files::head(path).is_some_and(|head| Self::is_key(&head))
    }

    /// Whether bytes begin as key files of models do, or as a single key of one.
    pub(crate) fn is_key(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC) || Route::of_key(bytes).is_some()
    }

    /// The kinds of proofs that the ring has entries for, of routes that this build leaves out.
    pub fn left_out(&self) -> impl Iterator<Item = ProofKind> {
        let sealed = |(place, entry): (&Place, &Entry)| match entry {
            Entry::Key(_) => None,
            Entry::Sealed(_) => Some(place.kind),
        };
        let mut kinds: Vec<ProofKind> = self.entries.iter().filter_map(sealed).collect();
        kinds.dedup();
        kinds.into_iter()
    }

    /// Decodes the bytes of a key file.
    ///
    /// # Errors
    /// [`KeyRingError`] if the bytes are no key file of this version; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyRingError> {
        check_length(bytes.len())?;
        if Route::of_key(bytes).is_some() {
            return Err(KeyRingError::SingleKey);
        }
        if bytes.starts_with(PROGRAM_KEY) {
            return Err(KeyRingError::Program);
        }
        let damaged = KeyRingError::Damaged;
        let mut r = Reader::new(bytes);
        if r.array::<8>().ok().as_ref() != Some(MAGIC) {
            return Err(KeyRingError::Magic);
        }
        let found = r.u16().map_err(damaged)?;
        if found != VERSION {
            return Err(KeyRingError::Version { found });
        }
        let count = usize::from(r.u16().map_err(damaged)?);
        if !(1..=MAX_KEYS).contains(&count) {
            return Err(KeyRingError::Count(count));
        }
        let mut entries = BTreeMap::new();
        for position in 0..count {
            let (place, entry) = read_entry(&mut r, position)?;
            if entries.last_key_value().is_some_and(|(last, _)| *last >= place) {
                return Err(KeyRingError::Order(position));
            }
            entries.insert(place, entry);
        }
        r.finish().map_err(damaged)?;
        Self { entries }.checked()
    }

    /// Writes a key file, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_bytes())
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it cannot be read or is no key file of this version.
    pub fn load(path: &Path) -> Result<Self, LoadKeyError> {
        Ok(Self::from_bytes(&files::read(path, MAX_KEY_FILE_BYTES)?)?)
    }
}

/// Refuses more bytes than a key file may have.
fn check_length(length: usize) -> Result<(), KeyRingError> {
    if length as u64 <= MAX_KEY_FILE_BYTES { Ok(()) } else { Err(KeyRingError::TooLong(length)) }
}

impl Place {
    /// The place of a key's entry.
    fn of(key: &Key) -> Self {
        Self { kind: key.kind(), commits: !key.visibilities().is_public() }
    }

    fn mode(self) -> u8 {
        let hides = if self.kind.secrecy.hides() { HIDING } else { 0 };
        hides | if self.commits { COMMITTING } else { 0 }
    }
}

/// An entry, and its place.
fn read_entry(r: &mut Reader<'_>, entry: usize) -> Result<(Place, Entry), KeyRingError> {
    let damaged = KeyRingError::Damaged;
    let code = r.u8().map_err(damaged)?;
    let route = Route::of_code(code).ok_or(KeyRingError::Route { entry, code })?;
    let name = r.short_text().map_err(damaged)?;
    let preset: Result<Preset, _> = name.parse();
    let preset = preset.map_err(|_| KeyRingError::Preset { entry, name })?;
    let batch = r.u32().map_err(damaged)?;
    let mode = r.u8().map_err(damaged)?;
    if mode > (COMMITTING | HIDING) {
        return Err(KeyRingError::Mode { entry, mode });
    }
    let length = r.u32().map_err(damaged)?;
    let bytes = r.take(length).map_err(damaged)?;
    let secrecy = if mode & HIDING == 0 { Secrecy::Plain } else { Secrecy::Hiding };
    let announced = ProofKind { route, preset, batch, secrecy };
    let place = Place { kind: announced, commits: mode & COMMITTING != 0 };
    let key = match Key::from_bytes(bytes) {
        Ok(key) => key,
        // Nobody can say of it more than that it is there.
        Err(KeyDecodeError::NotBuilt(left_out)) if left_out.0 == route => {
            return Ok((place, Entry::Sealed(bytes.to_vec())));
        }
        Err(source) => return Err(KeyRingError::Key { entry, source }),
    };
    let held = key.kind();
    if held != announced {
        return Err(KeyRingError::Mislabelled { entry, announced, held });
    }
    if place != Place::of(&key) {
        return Err(KeyRingError::OtherMode(entry));
    }
    Ok((place, Entry::Key(key)))
}
