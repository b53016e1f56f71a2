//! Encodings of the values that other encodings are made of.

use super::{Reader, Wire, WireError};
use crate::crypto::{PublicKey, Signature};
use crate::types::{ClientId, Digest, Epoch, Nonce, ReplicaId, Seq, View};

impl Wire for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        input.array("byte").map(|[byte]| byte)
    }
}

impl Wire for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        input.array("integer").map(Self::from_be_bytes)
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u8::get(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::NotCanonical { what: "flag" }),
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        bool::get(input)?.then(|| T::get(input)).transpose()
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        T::get(input).map(Self::new)
    }
}

impl<T: Wire> Wire for std::sync::Arc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        T::get(input).map(Self::new)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok((A::get(input)?, B::get(input)?))
    }
}

impl Wire for ReplicaId {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        input.array("replica").map(|bytes| Self(u32::from_be_bytes(bytes)))
    }
}

impl Wire for Digest {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Self::from_bytes(input.array("digest")?).ok_or(WireError::NotCanonical { what: "digest" })
    }
}

impl Wire for PublicKey {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Digest::get(input).map(Self)
    }
}

impl Wire for Signature {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.r);
        out.extend_from_slice(&self.s);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { r: input.array("signature")?, s: input.array("signature")? })
    }
}

/// Encodes a `u64` newtype as its number.
macro_rules! wire_counter {
    ($($name:ident),*) => {
        $(impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
                u64::get(input).map(Self)
            }
        })*
    };
}

wire_counter!(View, Seq, Epoch, ClientId, Nonce);
