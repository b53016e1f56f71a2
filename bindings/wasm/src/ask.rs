//! Calls, their arguments, and the dispatch from one to the other.

use ciro_sdk::{Blinding, Context, MAX_BUNDLE_BYTES, MAX_KEY_FILE_BYTES, Policy};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::failure::{Failure, Report};
#[cfg(feature = "receipts")]
use crate::receipt;
use crate::{encode, inspect, verify};

/// Declares numbers that cross the boundary: variant and number.
macro_rules! numbered {
    ($(#[$outer:meta])* $name:ident {
        $($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $variant:ident = $number:literal,)+
    }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant = $number,)+
        }

        impl $name {
            pub(crate) const fn of(number: u32) -> Option<Self> {
                match number {
                    $($(#[cfg($cfg)])? $number => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// What can be asked.
    Call {
        /// Is this a valid proof: key, proof, and perhaps an input.
        Verify = 0,
        /// What does the key say: key.
        InspectKey = 1,
        /// The integers of an input: key, input.
        EncodeInput = 2,
        /// Is this receipt certified: genesis, receipt, and perhaps key and proof.
        #[cfg(feature = "receipts")]
        VerifyReceipt = 3,
    }
}

numbered! {
    /// Where an argument lies.
    Room {
        /// JSON of [`Asked`]; empty for the defaults.
        Asked = 0,
        /// A key file.
        Key = 1,
        /// A `.ciro` file.
        Proof = 2,
        /// A JSON or `.npy` file.
        Input = 3,
        /// A network's genesis, as its encoding or as JSON.
        #[cfg(feature = "receipts")]
        Genesis = 4,
        /// A receipt with all that proves it.
        #[cfg(feature = "receipts")]
        Receipt = 5,
    }
}

impl Room {
    /// The most bytes of the argument: of its kind, or what a page has room for.
    pub(crate) fn limit(self) -> u64 {
        const INPUT_BYTES_MAX: u64 = 1 << 26;
        match self {
            Self::Asked => 1 << 16,
            Self::Key => MAX_KEY_FILE_BYTES,
            Self::Proof => MAX_BUNDLE_BYTES,
            Self::Input => INPUT_BYTES_MAX,
            #[cfg(feature = "receipts")]
            Self::Genesis => receipt::GENESIS_BYTES_MAX,
            #[cfg(feature = "receipts")]
            Self::Receipt => receipt::RECEIPT_BYTES_MAX,
        }
    }

    /// What the argument is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Asked => "options",
            Self::Key => "key",
            Self::Proof => "proof",
            Self::Input => "input",
            #[cfg(feature = "receipts")]
            Self::Genesis => "genesis",
            #[cfg(feature = "receipts")]
            Self::Receipt => "receipt",
        }
    }
}

/// What a caller asks for beside the files; every field has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// Bits of security that the proof must have, by the conjecture behind most STARKs.
    pub min_security_bits: u32,
    /// Bits that hold without a conjecture.
    pub min_proven_bits: u32,
    /// What the proof must be bound to, 64 hexadecimal digits; 0 asks for nothing.
    pub context: Option<String>,
    /// Whether values of the input outside of the calibrated range count as its end.
    pub allow_clamped: bool,
    /// What opens the commitment to the input, in hexadecimal digits.
    pub blinding: Option<String>,
    /// The entry of the key file, by its digest, where several would do.
    pub model_key: Option<String>,
    /// Who votes in an epoch, for receipts: `EPOCH:0xDIGEST`.
    #[cfg(feature = "receipts")]
    pub pin: Option<String>,
}

impl Default for Asked {
    fn default() -> Self {
        let Policy { min_security_bits, min_proven_bits } = Policy::default();
        let [context, blinding, model_key] = [const { None }; 3];
        Self {
            min_security_bits,
            min_proven_bits,
            context,
            allow_clamped: false,
            blinding,
            model_key,
            #[cfg(feature = "receipts")]
            pin: None,
        }
    }
}

impl Asked {
    pub(crate) fn policy(&self) -> Policy {
        let Self { min_security_bits, min_proven_bits, .. } = *self;
        Policy { min_security_bits, min_proven_bits }
    }

    pub(crate) fn context(&self) -> Result<Option<Context>, Failure> {
        self.context.as_ref().map(|digits| Ok(digits.parse()?)).transpose()
    }

    pub(crate) fn blinding(&self) -> Result<Option<Blinding>, Failure> {
        self.blinding.as_ref().map(|digits| Ok(digits.parse()?)).transpose()
    }
}

/// The arguments of a call.
#[derive(Clone, Debug, Default)]
pub struct Rooms([Argument; 6]);

#[derive(Clone, Debug, Default)]
enum Argument {
    #[default]
    Absent,
    Bytes(Vec<u8>),
    /// More bytes than are taken.
    TooLong,
}

/// What the host reads.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Reply<'a> {
    Ok(&'a Answer),
    Error(Report),
}

impl Rooms {
    /// Makes room for so many bytes; `None` if they are more than the argument takes, which the
    /// answer will say.
    pub fn make(&mut self, room: Room, len: usize) -> Option<&mut [u8]> {
        let argument = &mut self.0[room as usize];
        if len as u64 > room.limit() {
            *argument = Argument::TooLong;
            return None;
        }
        *argument = Argument::Bytes(vec![0; len]);
        match argument {
            Argument::Bytes(bytes) => Some(bytes),
            Argument::Absent | Argument::TooLong => None,
        }
    }

    /// The answer as JSON: `{"ok": ...}`, or `{"error": ...}`.
    pub fn answer(self, call: Call) -> String {
        let answered = match call {
            Call::Verify => verify::answer(&self).map(Answer::Verified),
            Call::InspectKey => inspect::answer(&self).map(Answer::Inspected),
            Call::EncodeInput => encode::answer(&self).map(Answer::Encoded),
            #[cfg(feature = "receipts")]
            Call::VerifyReceipt => receipt::answer(&self).map(|it| Answer::Certified(Box::new(it))),
        };
        let reply = match &answered {
            Ok(answer) => Reply::Ok(answer),
            Err(failure) => Reply::Error(failure.report()),
        };
        serde_json::to_string(&reply).expect("replies hold lists, numbers and texts alone")
    }

    /// The bytes of an argument, if it was given.
    pub(crate) fn get(&self, room: Room) -> Result<Option<&[u8]>, Failure> {
        match &self.0[room as usize] {
            Argument::Absent => Ok(None),
            Argument::Bytes(bytes) => Ok(Some(bytes)),
            Argument::TooLong => Err(Failure::TooLong(room)),
        }
    }

    /// The bytes of an argument that must be given.
    pub(crate) fn need(&self, room: Room) -> Result<&[u8], Failure> {
        self.get(room)?.ok_or(Failure::Missing(room))
    }

    pub(crate) fn asked(&self) -> Result<Asked, Failure> {
        let bytes = self.get(Room::Asked)?;
        bytes.map_or_else(|| Ok(Asked::default()), |bytes| Ok(serde_json::from_slice(bytes)?))
    }
}
