//! The genesis of a folder, and who its node is on that network.

use std::path::Path;

use ciro_consensus::ReplicaId;
use ciro_protocol::chain::Genesis;
use ciro_protocol::order::Route;
use ciro_protocol::sign::SecretKey;

use crate::config::GENESIS_FILE;
use crate::proofs::Verifier;
use crate::start_error::StartError;

/// Reads the genesis of a folder.
///
/// # Errors
///
/// [`StartError`] if it is not there, or none.
pub fn read_genesis(folder: &Path) -> Result<Genesis, StartError> {
    let path = folder.join(GENESIS_FILE);
    let unusable = |reason: String| StartError::Genesis { path: folder.join(GENESIS_FILE), reason };
    let text = std::fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))
}

/// Returns which validator a key is: that of the genesis, or else that of the settings, once the
/// genesis is one that this build can run.
///
/// # Errors
///
/// [`StartError`] naming what does not fit.
pub(crate) fn check_genesis(
    genesis: &Genesis,
    key: &SecretKey,
    number: Option<u32>,
) -> Result<ReplicaId, StartError> {
    let spec = &genesis.spec;
    spec.check()?;
    if !ciro_sdk::network::verifies(spec.verifier) {
        return Err(StartError::Verifier { expected: spec.verifier });
    }
    let verifies = |route: &&Route| Verifier::verifies(spec.verifier, **route);
    if let Some(route) = spec.routes.iter().find(|route| !verifies(route)) {
        return Err(StartError::Route(*route));
    }
    let address = key.address();
    let mine = spec.validators.iter().find(|validator| validator.key == address);
    match (mine.map(|mine| mine.id), number) {
        (Some(id), None) => Ok(ReplicaId(id)),
        (Some(id), Some(set)) if id == set => Ok(ReplicaId(id)),
        (Some(_), Some(set)) => Err(StartError::Number { set }),
        (None, None) => Err(StartError::NoValidator(address)),
        (None, Some(set)) if spec.validators.iter().any(|it| it.id == set) => {
            Err(StartError::Number { set })
        }
        // Whether the number is that of the key is for the ledger to say, once it is here.
        (None, Some(set)) => Ok(ReplicaId(set)),
    }
}
