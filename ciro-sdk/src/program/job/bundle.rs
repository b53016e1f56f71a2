//! What settles a job.

use ciro_cairo::Felt;
use ciro_protocol::id::{InputDigest, OutputDigest};
use ciro_stark::Policy;

use super::{ProgramJobError, ProgramJobKey, digest, input, take};
use crate::program::{ProgramProof, VerifiedProgram, verify_program};

const MAGIC: &[u8; 8] = b"CIROPJOB";
const VERSION: u16 = 1;
const WHAT: &str = "a bundle";

/// What the digest of answers begins with.
const NAME: &str = "CIRO_PROGRAM_OUTPUT_V1";

/// A proof about a program, and how many of the felts that it printed are its arguments.
///
/// ```text
/// "CIROPJOB"   8 bytes
/// version      u16: 1
/// arguments    u32
/// proof        the file of the proof, to the end
/// ```
///
/// All integers are little endian. Whoever says another number states other arguments, and so
/// another input than the order's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramBundle {
    /// How many of the printed felts, from the first one on, are arguments.
    pub arguments: u32,
    /// The proof.
    pub proof: ProgramProof,
}

/// What a bundle establishes: the program of the key printed these arguments, and then this answer.
///
/// That it was *given* the arguments which it printed is the program's own promise.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramAnswer {
    /// The arguments.
    pub arguments: Vec<Felt>,
    /// What the program printed behind them.
    pub output: Vec<Felt>,
    /// Everything that was verified.
    pub verified: VerifiedProgram,
}

impl ProgramBundle {
    /// Verifies the proof, and tells arguments and answer apart.
    ///
    /// # Errors
    /// [`ProgramJobError::Verify`] with the first check that fails, [`ProgramJobError::Printed`] if
    /// the program printed fewer felts than there are arguments.
    pub fn verify(
        &self,
        key: &ProgramJobKey,
        policy: &Policy,
    ) -> Result<ProgramAnswer, ProgramJobError> {
        let verified = verify_program(&self.proof, key.program(), policy)?;
        let (arguments, printed) = (self.arguments, verified.output.len());
        let count = usize::try_from(arguments).unwrap_or(usize::MAX);
        let (given, output) = verified
            .output
            .split_at_checked(count)
            .ok_or(ProgramJobError::Printed { arguments, printed })?;
        let (arguments, output) = (given.to_vec(), output.to_vec());
        Ok(ProgramAnswer { arguments, output, verified })
    }

    /// The bundle as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (version, arguments) = (VERSION.to_le_bytes(), self.arguments.to_le_bytes());
        [&MAGIC[..], &version, &arguments, &self.proof.to_bytes()].concat()
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`ProgramJobError`] if the bytes are anything but one bundle; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramJobError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(ProgramJobError::Form(WHAT))?;
        if u16::from_le_bytes(*take(&mut rest, WHAT)?) != VERSION {
            return Err(ProgramJobError::Form(WHAT));
        }
        let arguments = u32::from_le_bytes(*take(&mut rest, WHAT)?);
        Ok(Self { arguments, proof: ProgramProof::from_bytes(rest)? })
    }
}

impl ProgramAnswer {
    /// What the bundle states as its input.
    pub fn input_digest(&self, key: &ProgramJobKey) -> InputDigest {
        input::of(&self.arguments, key)
    }

    /// What the bundle states as its output.
    pub fn output_digest(&self, key: &ProgramJobKey) -> OutputDigest {
        OutputDigest(digest(NAME, key, &self.output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ProgramProofError;
    use crate::verify::KeyDigest;

    #[test]
    fn a_bundle_comes_back_and_anything_else_is_refused() {
        let proof = ProgramProof { key: KeyDigest([3; 32]), proof: vec![1, 2, 3] };
        let bundle = ProgramBundle { arguments: 2, proof };
        let bytes = bundle.to_bytes();
        assert_eq!(ProgramBundle::from_bytes(&bytes), Ok(bundle.clone()));
        for end in 0..bytes.len() {
            ProgramBundle::from_bytes(&bytes[..end]).unwrap_err();
        }
        let longer = [&bytes[..], &[0]].concat();
        let refused = ProgramBundle::from_bytes(&longer).unwrap_err();
        assert_eq!(refused, ProgramJobError::Proof(ProgramProofError::TrailingBytes(1)));
        let mut later = bytes;
        later[8] = 2;
        assert_eq!(ProgramBundle::from_bytes(&later), Err(ProgramJobError::Form(WHAT)));
        // The proof alone does not say what its arguments are.
        let alone = bundle.proof.to_bytes();
        assert_eq!(ProgramBundle::from_bytes(&alone), Err(ProgramJobError::Form(WHAT)));
    }
}
