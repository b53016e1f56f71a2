//! What a key file says of its model.

use ciro_sdk::{KeyRing, ProofKind};

use crate::answer::{Entry, Inspected, OutputPort, Port};
use crate::ask::{Room, Rooms};
use crate::failure::Failure;

/// The model's interface, and the kinds of proofs that there are keys for.
pub(crate) fn answer(rooms: &Rooms) -> Result<Inspected, Failure> {
    let keys = KeyRing::from_bytes(rooms.need(Room::Key)?)?;
    let interface = keys.interface();
    let port =
        |port: &ciro_sdk::InputPort| Port { name: port.name.clone(), shape: port.shape.clone() };
    Ok(Inspected {
        model_digest: hex::encode(keys.model_digest()),
        inputs: interface.inputs.iter().map(port).collect(),
        outputs: interface.outputs.iter().map(OutputPort::new).collect(),
        entries: keys.keys().map(Entry::new).collect(),
        left_out: keys.left_out().map(left_out).collect(),
    })
}

/// Route, preset and size of a proof, and whether it hides.
fn left_out(kind: ProofKind) -> (&'static str, &'static str, u32, bool) {
    let ProofKind { route, preset, batch, secrecy } = kind;
    (route.name(), preset.name(), batch, secrecy.hides())
}
