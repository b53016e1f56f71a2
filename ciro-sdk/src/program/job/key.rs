//! What is registered of a program.

use blake2::{Blake2s256, Digest as _};
use ciro_cairo::CairoProgramKey;
use ciro_protocol::blob::BlobId;
use ciro_protocol::model::KeyFacts;
use ciro_protocol::order::Route;

use super::{ProgramJobError, take};
use crate::network::KEY_CELLS_UNKNOWN;
use crate::network::proofs::bits_of;
use crate::program::ProgramKey;
use crate::verify::KeyDigest;

/// Name and version.
const MAGIC: &[u8] = b"ciro-program-job/1\n";

/// What it is, in errors.
const WHAT: &str = "a key";

/// The most steps that a key declares: more than any proof has room for.
pub const JOB_STEPS_MAX: u64 = 1 << 24;

/// The steps that a key declares if nobody says otherwise: some five seconds of a prover.
pub const JOB_STEPS_DEFAULT: u64 = 1 << 18;

/// A program's key, the executable that is run, and how long the runs are that jobs order.
///
/// ```text
/// "ciro-program-job/1\n"
/// steps        u64, little endian
/// executable   32 bytes: the id of its file as a blob
/// key          the program's key, as its file has it
/// ```
///
/// A program's own key says nothing of its hints, which decide what a run does next, and whether it
/// comes to its end: what is ordered under one key is run from one file.
///
/// The steps are what providers ask a price for: none of them proves a longer run under this key,
/// and none claims a job before it has run the program on the job's arguments. They say nothing of
/// what is proven, and validators do not count steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramJobKey {
    program: ProgramKey,
    executable: BlobId,
    steps: u64,
}

impl ProgramJobKey {
    /// The key of a program, whose executable is this blob, for runs that are no more work than so
    /// many plain steps.
    ///
    /// # Errors
    /// [`ProgramJobError::Steps`] if there are none, or more than [`JOB_STEPS_MAX`].
    pub fn new(
        program: ProgramKey,
        executable: BlobId,
        steps: u64,
    ) -> Result<Self, ProgramJobError> {
        match steps {
            1..=JOB_STEPS_MAX => Ok(Self { program, executable, steps }),
            _ => Err(ProgramJobError::Steps(steps)),
        }
    }

    /// The program's own key.
    pub fn program(&self) -> &ProgramKey {
        &self.program
    }

    /// The file that is run, as a blob.
    pub fn executable(&self) -> BlobId {
        self.executable
    }

    /// The steps that are declared.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The identity of the key: two keys with one digest are one key, and neither a model's key nor
    /// a program's own has it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Blake2s256::digest(self.to_bytes()).into())
    }

    /// What the network says of it.
    pub fn facts(&self) -> KeyFacts {
        let (bits, proven_bits) = bits_of(&self.program.security());
        KeyFacts {
            digest: self.digest().into(),
            route: Route::Program,
            bits,
            proven_bits,
            batch: 1,
            cells: KEY_CELLS_UNKNOWN,
        }
    }

    /// The key as bytes, equal for equal keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        let steps = self.steps.to_le_bytes();
        [MAGIC, &steps, &self.executable.0, &self.program.to_bytes()].concat()
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`ProgramJobError`] if the bytes are anything but one key; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramJobError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(ProgramJobError::Form(WHAT))?;
        let steps = u64::from_le_bytes(*take(&mut rest, WHAT)?);
        let executable = BlobId(*take(&mut rest, WHAT)?);
        Self::new(ProgramKey(CairoProgramKey::from_bytes(rest)?), executable, steps)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ciro_cairo::{Builtin, ProgramHash};

    use super::*;
    use crate::network::is_program_key;
    use crate::verify::Key;

    pub(in crate::program::job) fn key(steps: u64) -> ProgramJobKey {
        let builtins = vec![Builtin::Output, Builtin::RangeCheck];
        let program = CairoProgramKey::new(ProgramHash([7; 32]), builtins).unwrap();
        ProgramJobKey::new(ProgramKey(program), BlobId([8; 32]), steps).unwrap()
    }

    #[test]
    fn a_key_comes_back_and_every_other_length_is_refused() {
        let key = key(1 << 20);
        let bytes = key.to_bytes();
        assert_eq!(ProgramJobKey::from_bytes(&bytes), Ok(key.clone()));
        assert!(is_program_key(&bytes) && Key::from_bytes(&bytes).is_err());
        for end in 0..bytes.len() {
            ProgramJobKey::from_bytes(&bytes[..end]).unwrap_err();
        }
        let longer = [&bytes[..], &[0]].concat();
        let refused = ProgramJobKey::from_bytes(&longer).unwrap_err();
        assert_eq!(
            refused,
            ProgramJobError::Program(ciro_cairo::CairoProgramKeyError::Trailing(1))
        );
        let mut later = bytes;
        later[MAGIC.len() - 2] = b'2';
        assert_eq!(ProgramJobKey::from_bytes(&later), Err(ProgramJobError::Form(WHAT)));
        // The program's own key is none of a job.
        let own = key.program().to_bytes();
        assert_eq!(ProgramJobKey::from_bytes(&own), Err(ProgramJobError::Form(WHAT)));
        assert!(!is_program_key(&own));
    }
}
