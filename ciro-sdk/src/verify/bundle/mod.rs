//! The proof bundle: one file with everything that a verifier needs besides the model key.
//!
//! ```text
//! "CIROPROF"   8 bytes
//! version      u16: 2, or 3 if single inputs or outputs are committed, or 4 if the proof hides,
//!              whatever is committed
//! route        u8: 0 tensor, 1 cairo
//! preset       u8 length, name of the security preset in ASCII
//! model key    32 bytes: digest of the key
//! context      32 bytes, big-endian, below the Stark prime; zero binds to nothing
//! claims       u32 count, then for each: input, outputs
//!   input      u8: 0 public, then tensors; 1 committed as a whole, then 32 bytes; from version 3
//!              on also 2 tensor by tensor, then tensors as the outputs of version 3
//!   outputs    tensors: u16 count, then for each: u8 rank, u32 extents, i32 elements in row-major
//!              order; from version 3 on before each a u8: 0 public; 1 committed, then 32 bytes
//!              instead
//! proof        u32 length, bytes
//! ```
//!
//! All integers are little endian. One statement and proof have exactly one encoding.
//!
//! A bundle comes from a stranger. Its claims stay bytes until a key says what they must look like,
//! so that no bundle takes more than a small multiple of its size.

pub(super) mod codec;
mod form;

use std::path::Path;

#[cfg(feature = "prove")]
use ciro_model::Interface;
use ciro_model::integer::{Claim, Context, StatedInput, StatedTensor, Statement};
#[cfg(feature = "prove")]
use ciro_model::integer::{Visibilities, Visibility};
use ciro_stark::{Preset, Secrecy};

pub use codec::BundleError;
use codec::{Reader, Writer};
pub(crate) use form::ClaimForm;

use super::{Key, KeyDigest, VerifyError};
use crate::advice::Advice;
use crate::files::{self, FileError};
use crate::route::{ProofKind, Route};

pub(crate) const MAGIC: &[u8; 8] = b"CIROPROF";
/// What proofs about programs begin with, which are no bundles.
pub(crate) const PROGRAM_MAGIC: &[u8; 8] = b"CIROPROG";
/// The version of bundles that show their outputs. Bundles of version 1 have no context.
const PUBLIC: u16 = 2;
/// The version of bundles that commit to single inputs or outputs.
const COMMITTING: u16 = 3;
/// The version of bundles whose proofs hide.
const HIDING: u16 = 4;

/// The longest bundle that is read, in bytes: 64 MiB.
pub const MAX_BUNDLE_BYTES: u64 = 1 << 26;

/// The longest proof in a bundle, in bytes; proofs of real models have less than 2 MB.
pub(crate) const MAX_PROOF_BYTES: usize = 1 << 23;

/// The longest statement in a bundle, in bytes: what a proof and the header leave.
const MAX_STATEMENT_BYTES: usize = (1 << 26) - MAX_PROOF_BYTES - (1 << 10);

/// The most tensors of all claims together: each takes some hundred bytes of memory beside its
/// elements.
const MAX_TENSORS: usize = 1 << 18;

/// A statement and its proof: this model, on these inputs, gave these outputs.
///
/// Nothing in a bundle is to be believed before it is [verified](crate::verify).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofBundle {
    /// How the statement is proven.
    pub route: Route,
    /// The security parameters that the prover used, by name.
    pub preset: Preset,
    /// The key of the model that the statement is about.
    pub model_key: KeyDigest,
    /// What the proof is bound to beside the model and the claims.
    pub context: Context,
    /// The proof, in the encoding of its route.
    pub proof: Vec<u8>,
    /// How many claims the statement makes.
    claims: u32,
    /// The claims as the file has them.
    statement: Vec<u8>,
    /// The version in which it has them.
    version: u16,
}

/// A bundle file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadBundleError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are no bundle.
    #[error("not a valid proof bundle")]
    Decode(#[from] BundleError),
}

impl LoadBundleError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Decode(BundleError::Program) => None,
            Self::Decode(_) => Some(Advice::AskForProof),
            Self::File(error) => error.advice(),
        }
    }
}

impl ProofBundle {
    /// A bundle of a statement and its proof for this key.
    pub fn new(key: &Key, statement: &Statement, proof: Vec<u8>) -> Self {
        let (route, preset, model_key) = (key.route(), key.preset(), key.digest());
        let context = statement.context;
        let (claims, statement, version) = encode(statement, key.secrecy());
        Self { route, preset, model_key, context, proof, claims, statement, version }
    }

    /// The kind of proof that the bundle says it is.
    pub fn kind(&self) -> ProofKind {
        let (route, preset, batch) = (self.route, self.preset, self.claims);
        ProofKind { route, preset, batch, secrecy: self.secrecy() }
    }

    /// Whether the bundle says that its proof hides inputs and execution.
    pub fn secrecy(&self) -> Secrecy {
        if self.version == HIDING { Secrecy::Hiding } else { Secrecy::Plain }
    }

    /// Whether the bundle says that it is bound to this context: to this job, caller or contract.
    /// [`verify`](crate::verify) shows whether that is true.
    ///
    /// # Errors
    /// [`VerifyError::Context`] if it says that it is bound to another, or to none.
    pub fn check_context(&self, expected: Context) -> Result<(), VerifyError> {
        let found = self.context;
        if expected == found { Ok(()) } else { Err(VerifyError::Context { expected, found }) }
    }

    /// How many inferences the bundle claims to be about.
    pub fn claims(&self) -> u32 {
        self.claims
    }

    /// The claims, decoded as the key's model would make them; nothing of them is verified.
    ///
    /// # Errors
    /// [`VerifyError`] if the bundle names another model, route, preset or number of inferences
    /// than the key, or holds tensors of other shapes: whatever does not fit is refused before
    /// memory is made for it.
    pub fn statement(&self, key: &Key) -> Result<Statement, VerifyError> {
        self.check_header(key)?;
        let form = ClaimForm::of(key.interface());
        let limit = form.max_claims();
        let count = usize::try_from(self.claims).unwrap_or(usize::MAX);
        if count > limit {
            return Err(BundleError::TooManyClaims { found: self.claims, limit }.into());
        }
        let mut r = Reader::part(&self.statement, self.claims_at());
        let mut claims = Vec::with_capacity(count);
        for _ in 0..count {
            let input = read_stated(&mut r, &form, self.version)?;
            let outputs = match self.version {
                PUBLIC => r.tensors(&form.outputs)?.into_iter().map(StatedTensor::Public).collect(),
                _ => r.stated(&form.outputs)?,
            };
            claims.push(Claim { input, outputs });
        }
        r.finish()?;
        Ok(Statement { claims, context: self.context })
    }

    /// The bundle with another statement, which its proof does not prove.
    #[must_use]
    pub fn with_statement(self, statement: &Statement) -> Self {
        let context = statement.context;
        let (claims, statement, version) = encode(statement, self.secrecy());
        Self { claims, context, statement, version, ..self }
    }

    /// Which inputs and outputs the first claim commits to one by one, for claims of this
    /// interface's form; `None` if it has another form, or an input is committed in some of its
    /// integer forms and shown in others.
    #[cfg(feature = "prove")]
    pub(crate) fn visibilities(&self, interface: &Interface) -> Option<Visibilities> {
        let mut r = Reader::part(&self.statement, self.claims_at());
        let form = ClaimForm::of(interface);
        let mut visibilities = Visibilities::public(interface);
        if self.version == PUBLIC {
            return Some(visibilities);
        }
        let visibility = |tensor: &StatedTensor| match tensor {
            StatedTensor::Public(_) => Visibility::Public,
            StatedTensor::Committed(_) => Visibility::Committed,
        };
        if let StatedInput::Mixed(tensors) = read_stated(&mut r, &form, self.version).ok()? {
            let mut rest = &tensors[..];
            for (port, shown) in interface.inputs.iter().zip(&mut visibilities.inputs) {
                let (views, others) = rest.split_at_checked(port.views.len())?;
                rest = others;
                let mut seen = views.iter().map(visibility);
                *shown = seen.next().unwrap_or_default();
                if seen.any(|other| other != *shown) {
                    return None;
                }
            }
        }
        visibilities.outputs = r.stated(&form.outputs).ok()?.iter().map(visibility).collect();
        Some(visibilities)
    }

    /// Whether the claims have this form; makes no memory.
    #[cfg(feature = "prove")]
    pub(crate) fn has_form(&self, form: &ClaimForm) -> bool {
        let mut r = Reader::part(&self.statement, self.claims_at());
        let pass = |r: &mut Reader<'_>| -> Result<(), BundleError> {
            match (r.u8()?, self.version) {
                (0, _) => r.pass_tensors(&form.inputs)?,
                (1, _) => drop(r.array::<32>()?),
                (2, COMMITTING | HIDING) => r.pass_stated(&form.inputs)?,
                (tag, _) => return Err(BundleError::Input(tag)),
            }
            match self.version {
                PUBLIC => r.pass_tensors(&form.outputs),
                _ => r.pass_stated(&form.outputs),
            }
        };
        (0..self.claims).all(|_| pass(&mut r).is_ok()) && r.finish().is_ok()
    }

    fn check_header(&self, key: &Key) -> Result<(), VerifyError> {
        let (expected, found) = (key.route(), self.route);
        if expected != found {
            return Err(VerifyError::Route { expected, found });
        }
        let (expected, found) = (key.preset(), self.preset);
        if expected != found {
            return Err(VerifyError::Preset { expected, found });
        }
        let (expected, found) = (key.digest(), self.model_key);
        if expected != found {
            return Err(VerifyError::OtherKey { expected, found });
        }
        let (expected, found) = (key.secrecy(), self.secrecy());
        if expected != found {
            return Err(VerifyError::Secrecy { expected, found });
        }
        let (expected, found) = (key.batch(), self.claims);
        if expected == found { Ok(()) } else { Err(VerifyError::Batch { expected, found }) }
    }

    /// Where the first claim lies in the file.
    fn claims_at(&self) -> usize {
        MAGIC.len() + 2 + 1 + 1 + self.preset.name().len() + 32 + 32 + 4
    }

    /// The bytes of the `.ciro` file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = self.claims_at() + self.statement.len() + 4 + self.proof.len();
        let mut w = Writer::with_capacity(length);
        w.bytes(MAGIC);
        w.u16(self.version);
        w.u8(self.route.code());
        w.short_text(self.preset.name());
        w.bytes(&self.model_key.0);
        w.bytes(&self.context.to_bytes());
        w.bytes(&self.claims.to_le_bytes());
        w.bytes(&self.statement);
        w.count_u32(self.proof.len());
        w.bytes(&self.proof);
        w.into_bytes()
    }

    /// Decodes the bytes of a `.ciro` file: its header and the bounds of its claims, which a key
    /// [decodes](Self::statement).
    ///
    /// # Errors
    /// [`BundleError`] if the bytes are no bundle of this version; no bytes panic or take more
    /// memory than a copy of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut r = Reader::new(bytes);
        match r.array::<8>().ok().as_ref() {
            Some(MAGIC) => {}
            Some(PROGRAM_MAGIC) => return Err(BundleError::Program),
            _ => return Err(BundleError::Magic),
        }
        let version = r.u16()?;
        if !(PUBLIC..=HIDING).contains(&version) {
            return Err(BundleError::Version { expected: HIDING, found: version });
        }
        let code = r.u8()?;
        let route = Route::of_code(code).ok_or(BundleError::Route(code))?;
        let name = r.short_text()?;
        let preset = name.parse().map_err(|_| BundleError::Preset(name))?;
        let model_key = KeyDigest(r.array()?);
        let context = Context::from_bytes(r.array()?).map_err(BundleError::Context)?;
        let claims = r.u32()?;
        let start = r.position();
        let mut commitments = 0;
        for _ in 0..claims {
            match (r.u8()?, version) {
                (0, _) => r.skip_tensors()?,
                (1, _) => drop(r.array::<32>()?),
                (2, COMMITTING | HIDING) => match r.skip_stated()? {
                    // Inputs of which none is committed are public.
                    0 => return Err(BundleError::Input(2)),
                    found => commitments += found,
                },
                (tag, _) => return Err(BundleError::Input(tag)),
            }
            match version {
                PUBLIC => r.skip_tensors()?,
                _ => commitments += r.skip_stated()?,
            }
        }
        if version == COMMITTING && commitments == 0 {
            return Err(BundleError::NothingCommitted);
        }
        let statement = &bytes[start..r.position()];
        let length = r.u32()?;
        let proof = r.take(length)?;
        r.finish()?;
        if proof.len() > MAX_PROOF_BYTES {
            return Err(BundleError::ProofTooLong { found: proof.len(), limit: MAX_PROOF_BYTES });
        }
        let (statement, proof) = (statement.to_vec(), proof.to_vec());
        Ok(Self { route, preset, model_key, context, proof, claims, statement, version })
    }

    /// Writes the `.ciro` file, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_bytes())
    }

    /// Reads a `.ciro` file of at most [`MAX_BUNDLE_BYTES`].
    ///
    /// # Errors
    /// [`LoadBundleError`] if it cannot be read or is no bundle of this version.
    pub fn load(path: &Path) -> Result<Self, LoadBundleError> {
        Ok(Self::from_bytes(&files::read(path, MAX_BUNDLE_BYTES)?)?)
    }
}

/// Writes the input of a claim.
pub(super) fn write_input(w: &mut Writer, input: &StatedInput) {
    match input {
        StatedInput::Public(tensors) => {
            w.u8(0);
            w.tensors(tensors);
        }
        StatedInput::Committed(commitment) => {
            w.u8(1);
            w.bytes(commitment);
        }
        StatedInput::Mixed(tensors) => {
            w.u8(2);
            w.stated(tensors);
        }
    }
}

/// Writes the outputs of a claim: as version 2 has them if none is committed.
pub(super) fn write_outputs(w: &mut Writer, outputs: &[StatedTensor]) {
    let public: Option<Vec<_>> = outputs.iter().map(|output| output.public().cloned()).collect();
    match public {
        Some(public) => w.tensors(&public),
        None => w.stated(outputs),
    }
}

/// Reads the input of a claim of this form in a bundle of this version.
fn read_stated(
    r: &mut Reader<'_>,
    form: &ClaimForm,
    version: u16,
) -> Result<StatedInput, BundleError> {
    if version != PUBLIC && r.peek() == Some(2) {
        r.u8()?;
        return Ok(StatedInput::Mixed(r.stated(&form.inputs)?));
    }
    read_input(r, form)
}

/// Reads what [`write_input`] writes of inputs that are shown or committed as a whole, as claims of
/// this form have it.
pub(super) fn read_input(r: &mut Reader<'_>, form: &ClaimForm) -> Result<StatedInput, BundleError> {
    match r.u8()? {
        0 => Ok(StatedInput::Public(r.tensors(&form.inputs)?)),
        1 => Ok(StatedInput::Committed(r.array()?)),
        tag => Err(BundleError::Input(tag)),
    }
}

/// The number of claims, the claims as a bundle holds them, and the bundle's version.
fn encode(statement: &Statement, secrecy: Secrecy) -> (u32, Vec<u8>, u16) {
    let committing = |claim: &Claim| {
        matches!(claim.input, StatedInput::Mixed(_))
            || claim.outputs.iter().any(|output| output.public().is_none())
    };
    let version = match secrecy {
        Secrecy::Hiding => HIDING,
        Secrecy::Plain if statement.claims.iter().any(committing) => COMMITTING,
        Secrecy::Plain => PUBLIC,
    };
    let mut w = Writer::default();
    for claim in &statement.claims {
        write_input(&mut w, &claim.input);
        match version {
            PUBLIC => write_outputs(&mut w, &claim.outputs),
            _ => w.stated(&claim.outputs),
        }
    }
    let claims = u32::try_from(statement.claims.len()).expect("a batch is a 32-bit number");
    (claims, w.into_bytes(), version)
}

#[cfg(test)]
mod tests;
