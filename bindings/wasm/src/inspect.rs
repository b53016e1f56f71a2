//! What a key file says of its model.

use ciro_sdk::KeyRing;

use crate::answer::{Entry, Inspected, OutputPort, Port};
use crate::ask::{Room, Rooms};
use crate::failure::Failure;

/// The model's interface, and the kinds of proofs that there are keys for.
pub(crate) fn answer(rooms: &Rooms) -> Result<Inspected, Failure> {
    let keys = KeyRing::from_bytes(rooms.need(Room::Key)?)?;
    let interface = keys.interface();
    let port =
        |port: &ciro_sdk::InputPort| Port { name: port.name.clone(), shape: port.shape.clone() };
    let left_out = keys.kinds().filter(|&kind| keys.get(kind).is_none());
    Ok(Inspected {
        model_digest: hex::encode(keys.model_digest()),
        inputs: interface.inputs.iter().map(port).collect(),
        outputs: interface.outputs.iter().map(OutputPort::new).collect(),
        entries: keys.keys().map(Entry::new).collect(),
        left_out: left_out
            .map(|kind| (kind.route.name(), kind.preset.name(), kind.batch))
            .collect(),
    })
}
