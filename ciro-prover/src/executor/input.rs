//! Reading what an order states: the same before its job is claimed and before it is proven.

use ciro_protocol::id::InputDigest;
use ciro_protocol::sign::Address;
use ciro_sdk::client::SealingSecret;
use ciro_sdk::network::SecretInput;
use ciro_sdk::{InputStatement, Key, error_chain};
use zeroize::Zeroizing;

use super::protocol::Unsealing;

/// What goes into a proof.
#[derive(Debug)]
pub(super) enum Ordered {
    /// Integers that the proof shows.
    Open(InputStatement),
    /// Integers that it commits to.
    Sealed(SecretInput),
}

/// Looks whether bytes are the input that an order states: of a sealed one, as it is ordered by an
/// account and read by a provider.
///
/// # Errors
///
/// Why they are not, which shows nothing of a sealed one: that is no matter of the machine that
/// reads them. No bytes panic.
pub fn look(
    bytes: &[u8],
    key: &[u8],
    (statement, sealed): (InputDigest, Option<&(Address, Unsealing)>),
) -> Result<(), String> {
    let key = Key::from_bytes(key).map_err(|error| error_chain(&error))?;
    read(bytes, &key, (statement, sealed)).map(drop)
}

/// As [`look`], and returns the input.
pub(super) fn read(
    bytes: &[u8],
    key: &Key,
    (statement, sealed): (InputDigest, Option<&(Address, Unsealing)>),
) -> Result<Ordered, String> {
    let (stated, ordered) = match sealed {
        None => {
            let stated = InputStatement::from_bytes(bytes, key);
            let stated = stated.map_err(|error| error_chain(&error))?;
            let (interface, shown) = (key.interface(), key.visibilities());
            let mut ports = interface.inputs.iter().enumerate();
            if let Some((_, port)) = ports.find(|(at, _)| shown.commits_input(*at)) {
                let name = &port.name;
                return Err(format!("input `{name}` is open, and proofs for the key commit to it"));
            }
            (stated.order_digest(key), Ordered::Open(stated))
        }
        Some((requester, Unsealing { provider, secret })) => {
            let opened = SealingSecret::from_bytes(secret).open(*provider, bytes);
            let opened = Zeroizing::new(opened.map_err(|error| error_chain(&error))?);
            let secret = SecretInput::from_bytes(&opened, (key, *requester));
            let secret = secret.map_err(|error| error_chain(&error))?;
            let stated = secret.stated(key).map_err(|error| error_chain(&error))?;
            (stated.order_digest(key), Ordered::Sealed(secret))
        }
    };
    if stated == statement {
        Ok(ordered)
    } else {
        Err("the input is another one than the order states".to_owned())
    }
}
