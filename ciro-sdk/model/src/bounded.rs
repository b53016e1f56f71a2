//! Sequences that are read up to a length: an element of one byte in a file may take a hundred in
//! memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Reads a sequence of at most `MAX` elements, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// The deserializer's own, and an invalid length as soon as one element more is there; no memory is
/// made for the rest.
pub fn sequence<'de, const MAX: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(Elements::<MAX, T>(PhantomData))
}

struct Elements<const MAX: usize, T>(PhantomData<T>);

impl<'de, const MAX: usize, T: Deserialize<'de>> Visitor<'de> for Elements<MAX, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        // What a file announces is not trusted: memory grows with what is there.
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element()? {
            if elements.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    struct Three(#[serde(deserialize_with = "sequence::<3, _, _>")] Vec<u8>);

    #[test]
    fn sequences_are_read_up_to_their_length() {
        for count in 0..6 {
            let bytes = postcard::to_stdvec(&Three(vec![7; count])).unwrap();
            let read = postcard::from_bytes::<Three>(&bytes);
            assert_eq!(read.is_ok(), count <= 3, "{count}");
        }
    }
}
