//! The integers that an input becomes: what a proof is about, and what an order is bound to.

use ciro_sdk::inputs::Inputs;
use ciro_sdk::{InputStatement, Key, KeyRing};

use crate::answer::{Encoded, EncodedSample, Integers};
use crate::ask::{Room, Rooms};
use crate::failure::Failure;

/// Encodes an input as the model of a key does.
pub(crate) fn answer(rooms: &Rooms) -> Result<Encoded, Failure> {
    let asked = rooms.asked()?;
    let keys = KeyRing::from_bytes(rooms.need(Room::Key)?)?;
    let samples = Inputs::from_plain_bytes(rooms.need(Room::Input)?, "input")?;
    let samples = samples.samples(&keys.input_specs())?;
    let key = entry(&keys, asked.model_key.as_deref(), samples.len())?;
    let encoded = InputStatement::encode(key, &samples)?;
    let names = || key.interface().views().map(|(port, _)| port.name.as_str());
    let tensors = encoded.statement.integers().unwrap_or_default().into_iter();
    let samples = tensors.zip(encoded.clamped).map(|(tensors, clamped)| {
        let named = names().zip(&tensors);
        let tensors = named.map(|(name, tensor)| Integers::new(name, tensor)).collect();
        EncodedSample { tensors, clamped }
    });
    Ok(Encoded {
        model_key: key.digest().to_string(),
        samples: samples.collect(),
        statement: hex::encode(encoded.statement.to_bytes()),
        digest: hex::encode(encoded.statement.digest(key)),
    })
}

/// The entry of this digest, or the only one for proofs of so many inferences.
fn entry<'a>(keys: &'a KeyRing, asked: Option<&str>, samples: usize) -> Result<&'a Key, Failure> {
    let none = |what: String| Failure::Entry(format!("the key file has no entry {what}"));
    if let Some(digest) = asked {
        let mut found = keys.keys().filter(|key| key.digest().to_string() == digest);
        return found.next().ok_or_else(|| none(format!("with the digest `{digest}`")));
    }
    let batch = |key: &&Key| usize::try_from(key.batch()).is_ok_and(|batch| batch == samples);
    let mut found = keys.keys().filter(batch);
    let key = found.next().ok_or_else(|| none(format!("for proofs of {samples} inference(s)")))?;
    if found.next().is_none() {
        return Ok(key);
    }
    let what = "several entries of the key file would do: name one of them by its digest";
    Err(Failure::Entry(what.to_owned()))
}
