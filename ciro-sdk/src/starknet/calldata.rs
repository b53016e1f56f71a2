//! Proofs as calldata of `Facts`, the contract on Starknet that verifies proofs of the tensor route
//! and remembers what they prove.

use ciro_stark::{Felt, Preset, StatementFelts};
use starknet_types_core::felt::Felt as Felt252;
use starknet_types_core::hash::{Poseidon, StarkHash};

use crate::advice::Advice;
use crate::route::Route;
use crate::routes::RouteError;
use crate::verify::{Key, ProofBundle, VerifyError};

/// Keeps facts apart from other hashes of five felts, as the contract has it.
const DOMAIN: &[u8] = b"ciro fact v1";

/// What a call of `Facts::prove` takes, and what the contract remembers of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calldata {
    /// The model's id there: the hash of its key in felts. Whoever relies on a fact compares it.
    pub model: Felt,
    /// The fact that the call proves: the hash of the model's id, the context, the inputs and the
    /// outputs.
    pub fact: Felt,
    /// The hash of the inputs' felts.
    pub input_hash: Felt,
    /// The hash of the outputs' felts.
    pub output_hash: Felt,
    /// The arguments: the model's id, then key, statement and proof.
    pub felts: Vec<Felt>,
}

/// A key, a statement and a proof in felts.
pub(crate) struct RouteFelts {
    pub(crate) key: Vec<Felt>,
    pub(crate) statement: StatementFelts,
    /// All three, in the order in which the verifier reads them.
    pub(crate) all: Vec<Felt>,
}

/// Why a proof has no calldata.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalldataError {
    /// The route has no verifier there.
    #[error("the {0} route has no verifier on Starknet")]
    Route(Route),
    /// The contract takes no keys of the preset.
    #[error("the contract on Starknet takes no keys of the preset `{0}`")]
    Preset(Preset),
    /// The bundle is about something else than the key.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The verifier does not take the model, or the proof does not fit into a transaction.
    #[error("the proof cannot be verified on Starknet")]
    Refused(#[source] RouteError),
}

impl CalldataError {
    pub(crate) fn advice(&self) -> Option<Advice> {
        match self {
            Self::Route(_) => Some(Advice::UseRoute(Route::Tensor)),
            Self::Preset(_) => Some(Advice::of("prove again with the preset `chain`")),
            Self::Verify(error) => error.advice(),
            Self::Refused(_) => None,
        }
    }
}

/// A model as the contracts on Starknet know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelOnChain {
    /// Its id: the hash of the felts.
    pub id: Felt,
    /// Its key in felts, as `Models::register` takes them.
    pub key: Vec<Felt>,
}

impl Key {
    /// The model and key as the contracts on Starknet know them.
    ///
    /// # Errors
    /// [`CalldataError`] if the contract takes no proofs for such keys.
    pub fn on_chain(&self) -> Result<ModelOnChain, CalldataError> {
        let key = self.of_route().key_felts().ok_or(CalldataError::Route(self.route()))?;
        self.check_preset()?;
        let key = key.map_err(CalldataError::Refused)?;
        Ok(ModelOnChain { id: hash(&key), key })
    }

    /// The contract takes keys of about the strength of one preset.
    fn check_preset(&self) -> Result<(), CalldataError> {
        match self.preset() {
            Preset::Chain => Ok(()),
            other => Err(CalldataError::Preset(other)),
        }
    }
}

impl ProofBundle {
    /// The proof as calldata of the contract `Facts` on Starknet.
    ///
    /// Whether the proof convinces is not asked: [verify](crate::verify()) it first, since the
    /// contract does not take back what a transaction costs.
    ///
    /// # Errors
    /// [`CalldataError`] if the contract does not take proofs for such keys, or the proof does not
    /// fit into one transaction.
    pub fn calldata(&self, key: &Key) -> Result<Calldata, CalldataError> {
        let statement = self.statement(key)?;
        let felts = key.of_route().felts(&statement, &self.proof);
        let felts = felts.ok_or(CalldataError::Route(key.route()))?;
        key.check_preset()?;
        let RouteFelts { key, statement, all } = felts.map_err(CalldataError::Refused)?;
        let model = hash(&key);
        let StatementFelts { context, inputs, outputs } = statement;
        let domain = Felt252::from_bytes_be_slice(DOMAIN);
        let domain = Felt(domain.to_bytes_be());
        let (input_hash, output_hash) = (hash(&inputs), hash(&outputs));
        let fact = hash(&[domain, model, context, input_hash, output_hash]);
        let felts = std::iter::once(model).chain(all).collect();
        Ok(Calldata { model, fact, input_hash, output_hash, felts })
    }
}

impl Calldata {
    /// One felt a line, in hexadecimal digits: what `sncast`, `starkli` and other tools take as the
    /// arguments of a call.
    pub fn to_text(&self) -> String {
        self.felts.iter().map(|felt| format!("{felt}\n")).collect()
    }
}

/// Poseidon, as Cairo's `poseidon_hash_span`.
fn hash(felts: &[Felt]) -> Felt {
    let felts: Vec<Felt252> = felts.iter().map(|felt| Felt252::from_bytes_be(&felt.0)).collect();
    Felt(Poseidon::hash_array(&felts).to_bytes_be())
}
