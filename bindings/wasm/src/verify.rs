//! Is this a valid proof, and about what.

use ciro_sdk::inputs::Inputs;
use ciro_sdk::{InputCheck, KeyRing, ProofBundle, verify_with};

use crate::answer::Valid;
use crate::ask::{Room, Rooms};
use crate::failure::Failure;

/// Verifies the proof against the key, then compares context and input with what is asked for.
pub(crate) fn answer(rooms: &Rooms) -> Result<Valid, Failure> {
    let asked = rooms.asked()?;
    let (context, blinding) = (asked.context()?, asked.blinding()?);
    let bundle = ProofBundle::from_bytes(rooms.need(Room::Proof)?)?;
    let keys = KeyRing::from_bytes(rooms.need(Room::Key)?)?;
    let key = keys.find(&bundle)?;
    let given = rooms.get(Room::Input)?;
    let given =
        given.map(|bytes| Inputs::from_plain_bytes(bytes, "input")?.samples(&key.input_specs()));
    let given = given.transpose()?;
    context.map(|context| bundle.check_context(context)).transpose()?;
    let verified = verify_with(&bundle, key, &asked.policy())?;
    let check = InputCheck { blinding, allow_clamped: asked.allow_clamped };
    let clamped = given.map(|given| verified.compare_inputs(key, &given, &check)).transpose()?;
    let (input_checked, context_checked) = (clamped.is_some(), context.is_some());
    Ok(Valid { input_checked, context_checked, clamped, ..Valid::new(verified) })
}
