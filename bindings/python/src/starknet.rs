//! Starknet: models are registered there, facts are proven, and asked for.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ciro_protocol::amount::Amount;
use ciro_sdk::starknet::{self, Paid, StarknetError, StarknetSettings};
use ciro_sdk::{Felt, Policy, verify_with};
use pyo3::prelude::*;
use tracing::info_span;

use crate::error::Error;
use crate::job;
use crate::key::{Key, only};
use crate::proof::Proof;
use crate::runtime::Served;

/// The end of the year 9999, behind which Python has no times: in seconds since 1970.
const SECONDS_MAX: u64 = 253_402_300_799;

/// What a transaction cost: its hash, units of 10^-18 STRK, L2 gas.
type Cost = (String, u128, u64);

/// A connection to a node of Starknet.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Starknet(Arc<Served<starknet::Starknet>>);

#[pymethods]
impl Starknet {
    /// Connects to the node of settings: the name of a file in the user's folder, or a path that
    /// ends in `.toml`.
    #[new]
    fn new(py: Python<'_>, settings: String) -> PyResult<Self> {
        job::run(py, None, move || {
            let settings = StarknetSettings::open(&settings)?;
            Ok(Self(Served::connect(starknet::Starknet::connect(settings))?))
        })
    }

    /// The chain, and the address of `Facts`.
    #[getter]
    fn network(&self) -> (String, String) {
        let settings = self.0.peer.settings();
        (settings.chain.clone(), settings.facts.to_string())
    }

    /// Registers the only key of a ring, with where the model's files are; the model's id, and what
    /// it cost, if it was not registered before. No transaction costs more than `max_fee` STRK.
    fn register(
        &self,
        py: Python<'_>,
        keys: &Key,
        uri: String,
        max_fee: &str,
    ) -> PyResult<(String, Option<Cost>)> {
        let (at, keys, most) = (self.0.here()?, keys.0.clone(), strk(max_fee)?);
        job::run(py, None, move || {
            let model = only(&keys, "a model on Starknet has the id of one key")?.on_chain()?;
            begin();
            let registered =
                at.block_on(async { at.peer.payer(most)?.register(&model, &uri).await })?;
            Ok((registered.model.to_string(), registered.paid.as_ref().map(cost)))
        })
    }

    /// Verifies a proof, and has its fact proven: the fact, when that was, in seconds since 1970,
    /// and what it cost, if it was not proven before. No transaction costs more than `max_fee`
    /// STRK.
    fn prove(
        &self,
        py: Python<'_>,
        proof: &Proof,
        keys: &Key,
        max_fee: &str,
    ) -> PyResult<(String, u64, Option<Cost>)> {
        let (at, most) = (self.0.here()?, strk(max_fee)?);
        let (bundle, keys) = (Arc::clone(&proof.0), keys.0.clone());
        job::run(py, None, move || {
            let key = keys.find(&bundle)?;
            let calldata = bundle.calldata(key)?;
            verify_with(&bundle, key, &Policy::default())?;
            begin();
            let proved = at.block_on(async { at.peer.payer(most)?.prove(&calldata).await })?;
            let paid = proved.paid.as_ref().map(cost);
            Ok((proved.fact.to_string(), seconds(proved.at, &at.peer)?, paid))
        })
    }

    /// When a fact was first proven, in seconds since 1970; `None` if it was not.
    fn proven_at(&self, py: Python<'_>, fact: &str) -> PyResult<Option<u64>> {
        let at = self.0.here()?;
        let fact: Felt = fact.parse().map_err(|error| Error::Argument(format!("{error}")))?;
        job::run(py, None, move || {
            let found = at.block_on(at.peer.proven_at(fact))?;
            found.map(|time| seconds(time, &at.peer)).transpose()
        })
    }
}

/// Begins a stage, so that an abandoned job ends before anything is paid.
fn begin() {
    drop(info_span!("send").entered());
}

fn cost(paid: &Paid) -> Cost {
    (paid.transaction.to_string(), paid.fee, paid.l2_gas)
}

/// A block's time, if it is one.
fn seconds(time: SystemTime, starknet: &starknet::Starknet) -> Result<u64, Error> {
    let seconds = time.duration_since(UNIX_EPOCH).map(|time| time.as_secs());
    let known = seconds.ok().filter(|&seconds| seconds <= SECONDS_MAX);
    Ok(known.ok_or(StarknetError::Answer(starknet.settings().facts))?)
}

/// An amount of STRK, which has as many places as CIRO, in units of 10^-18.
fn strk(text: &str) -> Result<u128, Error> {
    let amount: Result<Amount, _> = text.parse();
    let refused = |_| {
        let text = ciro_sdk::printable(text);
        format!("`{text}` is no amount of STRK: expected a number with at most 18 places")
    };
    Ok(amount.map_err(refused).map_err(Error::Argument)?.units())
}
