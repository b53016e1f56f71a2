//! What goes into a program, as it travels.

use ciro_cairo::Felt;
use ciro_protocol::id::InputDigest;

use super::{JOB_FELTS_MAX, ProgramJobError, ProgramJobKey, digest, take};

const MAGIC: &[u8; 8] = b"CIROARGS";
const VERSION: u16 = 1;
const WHAT: &str = "the arguments";

/// What the digest of arguments begins with.
const NAME: &str = "CIRO_PROGRAM_INPUT_V1";

/// The arguments of a job.
///
/// ```text
/// "CIROARGS"   8 bytes
/// version      u16: 1
/// count        u32
/// felts        32 bytes each, below the Stark prime
/// ```
///
/// All integers are little endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInput {
    arguments: Vec<Felt>,
}

impl ProgramInput {
    /// The input of a job with these arguments.
    ///
    /// # Errors
    /// [`ProgramJobError::Arguments`] if there are more than [`JOB_FELTS_MAX`].
    pub fn new(arguments: Vec<Felt>) -> Result<Self, ProgramJobError> {
        match arguments.len() {
            0..=JOB_FELTS_MAX => Ok(Self { arguments }),
            many => Err(ProgramJobError::Arguments(many)),
        }
    }

    /// The felts that the program is given.
    pub fn arguments(&self) -> &[Felt] {
        &self.arguments
    }

    /// The digest that an order names.
    pub fn order_digest(&self, key: &ProgramJobKey) -> InputDigest {
        of(&self.arguments, key)
    }

    /// The input as bytes, equal for equal inputs.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.arguments.len()).expect("at most 2^14 arguments");
        let mut bytes = [&MAGIC[..], &VERSION.to_le_bytes(), &count.to_le_bytes()].concat();
        bytes.extend(self.arguments.iter().flat_map(Felt::to_bytes_le));
        bytes
    }

    /// Reads an input.
    ///
    /// # Errors
    /// [`ProgramJobError`] if the bytes are anything but one input; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramJobError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(ProgramJobError::Form(WHAT))?;
        if u16::from_le_bytes(*take(&mut rest, WHAT)?) != VERSION {
            return Err(ProgramJobError::Form(WHAT));
        }
        let count = u32::from_le_bytes(*take(&mut rest, WHAT)?);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > JOB_FELTS_MAX {
            return Err(ProgramJobError::Arguments(count));
        }
        let mut arguments = Vec::with_capacity(count);
        for at in 0..count {
            let bytes = take(&mut rest, WHAT)?;
            let felt = Felt::from_bytes_le(bytes);
            // Reading reduces: only a number below the prime comes back unchanged.
            if felt.to_bytes_le() != *bytes {
                return Err(ProgramJobError::Felt(at));
            }
            arguments.push(felt);
        }
        match rest.len() {
            0 => Ok(Self { arguments }),
            count => Err(ProgramJobError::Trailing { what: WHAT, count }),
        }
    }
}

/// The digest of arguments.
pub(super) fn of(arguments: &[Felt], key: &ProgramJobKey) -> InputDigest {
    InputDigest(digest(NAME, key, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::job::key::tests::key;

    fn input(numbers: &[u64]) -> ProgramInput {
        ProgramInput::new(numbers.iter().copied().map(Felt::from).collect()).unwrap()
    }

    #[test]
    fn an_input_comes_back_and_anything_else_is_refused() {
        for input in [input(&[]), input(&[10]), input(&[1, 2, u64::MAX])] {
            let bytes = input.to_bytes();
            assert_eq!(bytes.len(), 14 + 32 * input.arguments().len());
            assert_eq!(ProgramInput::from_bytes(&bytes), Ok(input));
            for end in 0..bytes.len() {
                ProgramInput::from_bytes(&bytes[..end]).unwrap_err();
            }
            let longer = [&bytes[..], &[0]].concat();
            let refused = ProgramJobError::Trailing { what: WHAT, count: 1 };
            assert_eq!(ProgramInput::from_bytes(&longer), Err(refused));
        }
        let mut bytes = input(&[10, 11]).to_bytes();
        bytes[8] = 2;
        assert_eq!(ProgramInput::from_bytes(&bytes), Err(ProgramJobError::Form(WHAT)));
        let mut bytes = input(&[10, 11]).to_bytes();
        // Eleven and the prime: another spelling of eleven.
        let prime = [&[12][..], &[0; 23], &[0x11, 0, 0, 0, 0, 0, 0, 8]].concat();
        bytes.truncate(14 + 32);
        bytes.extend(prime);
        assert_eq!(ProgramInput::from_bytes(&bytes), Err(ProgramJobError::Felt(1)));
        // Nothing is allocated for what is only announced.
        let mut bytes = input(&[]).to_bytes();
        bytes[10..14].copy_from_slice(&u32::MAX.to_le_bytes());
        let many = ProgramInput::from_bytes(&bytes).unwrap_err();
        assert!(matches!(many, ProgramJobError::Arguments(_)), "{many}");
        let many = ProgramInput::new(vec![Felt::ONE; JOB_FELTS_MAX + 1]).unwrap_err();
        assert_eq!(many, ProgramJobError::Arguments(JOB_FELTS_MAX + 1));
    }

    #[test]
    fn the_digest_covers_key_number_and_order_of_arguments() {
        let digests = [
            input(&[]).order_digest(&key(5)),
            input(&[0]).order_digest(&key(5)),
            input(&[0, 0]).order_digest(&key(5)),
            input(&[1, 2]).order_digest(&key(5)),
            input(&[2, 1]).order_digest(&key(5)),
            input(&[2, 1]).order_digest(&key(6)),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest), "{at}");
        }
        // Blake2s of the name, the key's digest, the count and the felts, computed elsewhere.
        let known = "5c4281cb5915dd6b2fc7b5ab3b147b72b7f451ecd65dc51940a969caa51e49e6";
        assert_eq!(hex::encode(input(&[1, 2]).order_digest(&key(5)).0), known);
    }
}
