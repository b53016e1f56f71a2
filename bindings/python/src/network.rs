//! A node's client: models are deployed, inferences ordered, and what comes back is verified here.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::economy::{AirdropShare, Commission};
use ciro_protocol::id::{JobId, ModelId, ProviderId};
use ciro_protocol::light::Pin;
use ciro_protocol::sign::{Address, SecretKey};
use ciro_protocol::tx::{Action, Body};
use ciro_protocol::wire::Message as _;
use ciro_sdk::client::{
    self, Choice, Deployment, Home, Network, OrderInput, ProviderNameError, Recipient, Session,
    Settled, Submission, Wish, verify_receipt,
};
use ciro_sdk::{InputStatement, KeyRing, Opening, Policy};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tracing::info_span;

use crate::error::Error;
use crate::job;
use crate::key::{Key, only};
use crate::model::Model;
use crate::proof::Proof;
use crate::runtime::Served;
use crate::settings::ProveSettings;
use crate::tensor::{Inputs, Output};

/// Model, lowest and highest price, provider, those that the input is sealed for: as text, since
/// Python has the parser of numbers.
type Asked = (Option<String>, Option<String>, Option<String>, Option<u32>, Vec<String>);

/// Name, version, licence, price that is hinted at.
type Card = (Option<String>, String, String, String);

/// Proof, outputs, receipt as JSON.
type Answer = (Proof, Vec<Vec<Output>>, String);

/// A user's connection to a node.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Client(Arc<Served<User>>);

/// An account of a network.
#[derive(Debug)]
struct User {
    session: Session,
    /// Opened when it is first needed, since that takes its time.
    key: Mutex<Option<Arc<SecretKey>>>,
}

impl User {
    fn key(&self) -> Result<Arc<SecretKey>, Error> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_none() {
            *key = Some(Arc::new(self.session.key()?));
        }
        key.clone().ok_or_else(|| client::SessionError::from(client::HomeError::NoAccount).into())
    }
}

/// What is asked of the terms, with the compiled model that is here.
fn wish(
    (model, price_min, price_max, direct, _): &Asked,
    recipients: &[Recipient],
    compiled: Option<&ciro_sdk::Model>,
) -> Result<Wish, Error> {
    let amount = |text: &Option<String>| text.as_deref().map(str::parse::<Amount>).transpose();
    let model = model.as_deref().map(str::parse::<ModelId>).transpose();
    let model = model.map_err(|error| Error::Argument(error.to_string()))?;
    let compiled = compiled.filter(|_| model.is_none());
    Ok(Wish {
        model,
        blob: compiled.and_then(|model| BlobId::of(&model.to_bytes()).ok()),
        price_min: amount(price_min)?,
        price_max: amount(price_max)?,
        direct: direct.map(ProviderId),
        recipients: recipients.iter().map(|it| it.provider).collect(),
    })
}

#[pymethods]
impl Client {
    /// Connects to a node of the network in use; `home` is the user's folder.
    #[new]
    #[pyo3(signature = (node=None, account=None, passphrase_file=None, home=None))]
    fn new(
        py: Python<'_>,
        node: Option<String>,
        account: Option<String>,
        passphrase_file: Option<PathBuf>,
        home: Option<PathBuf>,
    ) -> PyResult<Self> {
        let choice = Choice { node, account, passphrase_file };
        job::run(py, None, move || {
            let home = home.map_or_else(Home::of_user, |path| Ok(Home::at(path)));
            let home = home.map_err(client::SessionError::from)?;
            let user = async {
                let session = Session::open(home, choice).await?;
                Ok::<_, client::SessionError>(User { session, key: Mutex::default() })
            };
            Ok(Self(Served::connect(user)?))
        })
    }

    /// The network, and the node's address.
    #[getter]
    fn network(&self) -> (String, String) {
        let session = &self.0.peer.session;
        (session.client.chain().to_string(), session.url().to_owned())
    }

    /// The address of the account that signs.
    fn address(&self, py: Python<'_>) -> PyResult<String> {
        let at = self.0.here()?;
        job::run(py, None, move || Ok(at.peer.session.address()?.to_string()))
    }

    /// What the account holds, in CIRO.
    fn balance(&self, py: Python<'_>) -> PyResult<String> {
        let at = self.0.here()?;
        job::run(py, None, move || {
            let address = at.peer.session.address()?;
            let account = at.block_on(at.peer.session.client.account(address))?;
            Ok(account.balance.to_string())
        })
    }

    /// Takes what the network's faucet gives.
    fn faucet(&self, py: Python<'_>) -> PyResult<()> {
        let at = self.0.here()?;
        job::run(py, None, move || {
            let key = at.peer.key()?;
            at.block_on(at.peer.session.client.execute(&key, Body::Faucet))?;
            Ok(())
        })
    }

    /// Supply and parameters, as JSON.
    fn economy(&self, py: Python<'_>) -> PyResult<String> {
        let at = self.0.here()?;
        job::run(py, None, move || Ok(json(&at.block_on(at.peer.session.client.economy())?)))
    }

    /// All validators, as JSON.
    fn validators(&self, py: Python<'_>) -> PyResult<String> {
        let at = self.0.here()?;
        job::run(py, None, move || Ok(json(&at.block_on(at.peer.session.client.all_validators())?)))
    }

    /// All proposals, as JSON.
    fn proposals(&self, py: Python<'_>) -> PyResult<String> {
        let at = self.0.here()?;
        job::run(py, None, move || Ok(json(&at.block_on(at.peer.session.client.all_proposals())?)))
    }

    /// All launches, as JSON.
    fn launches(&self, py: Python<'_>) -> PyResult<String> {
        let at = self.0.here()?;
        job::run(py, None, move || Ok(json(&at.block_on(at.peer.session.client.all_launches())?)))
    }

    /// What an account has at stake, what leaves, and what is granted to it, as JSON, and the
    /// ledger's time in ms.
    #[pyo3(signature = (address=None))]
    fn stake(&self, py: Python<'_>, address: Option<&str>) -> PyResult<(String, u64)> {
        let at = self.0.here()?;
        let address = address.map(str::parse::<Address>).transpose();
        let address = address.map_err(|error| Error::Argument(error.to_string()))?;
        job::run(py, None, move || {
            let address = match address {
                Some(address) => address,
                None => at.peer.session.address()?,
            };
            let client = &at.peer.session.client;
            let info = at.block_on(client.stake(address))?;
            let now_ms = at.block_on(client.chain_info())?.head.time_ms;
            Ok((json(&info), now_ms))
        })
    }

    /// Executes a transaction, whose body is JSON: its id, its block and its fee.
    fn execute(&self, py: Python<'_>, body: &str) -> PyResult<(String, u64, String)> {
        let at = self.0.here()?;
        let body: Result<Body, _> = serde_json::from_str(body);
        let body = body.map_err(|error| Error::Argument(error.to_string()))?;
        job::run(py, None, move || {
            let key = at.peer.key()?;
            Ok(sent(&at.block_on(at.peer.session.client.execute(&key, body))?))
        })
    }

    /// Proposes a change, given as JSON, and returns the proposal as JSON.
    fn propose(&self, py: Python<'_>, title: String, action: &str) -> PyResult<String> {
        let at = self.0.here()?;
        let action: Result<Action, _> = serde_json::from_str(action);
        let action = action.map_err(|error| Error::Argument(error.to_string()))?;
        job::run(py, None, move || {
            let key = at.peer.key()?;
            let done = at.block_on(at.peer.session.client.propose(&key, &title, action))?;
            Ok(json(&done.1))
        })
    }

    /// Pays a share of the airdrop out, of a list of all of them as JSON.
    fn claim_airdrop(
        &self,
        py: Python<'_>,
        shares: &str,
        index: u32,
    ) -> PyResult<(String, u64, String)> {
        let at = self.0.here()?;
        let shares: Result<Vec<AirdropShare>, _> = serde_json::from_str(shares);
        let shares = shares.map_err(|error| Error::Argument(error.to_string()))?;
        job::run(py, None, move || {
            let key = at.peer.key()?;
            let claim = at.peer.session.client.claim_airdrop(&key, &shares, index);
            Ok(sent(&at.block_on(claim)?))
        })
    }

    /// Registers the account as a validator's operator: the file of its key, the terms of its
    /// commission and its bond.
    fn register_validator(
        &self,
        py: Python<'_>,
        key: PathBuf,
        terms: (u16, u16, u16),
        bond: &str,
    ) -> PyResult<(String, u64, String)> {
        let at = self.0.here()?;
        let bond: Amount = bond.parse().map_err(Error::from)?;
        job::run(py, None, move || {
            let key = client::read_key(&key).map_err(client::HomeError::from);
            let key = key.map_err(client::SessionError::from)?;
            let (bps, max_bps, step_bps) = terms;
            let (account, terms) = (at.peer.key()?, Commission { bps, max_bps, step_bps });
            let client = &at.peer.session.client;
            let done = client.register_validator(&account, &key, (terms, bond));
            Ok(sent(&at.block_on(done)?))
        })
    }

    /// Uploads a model and registers it with these keys: its id, and whether it was known.
    #[pyo3(signature = (model, keys, card, observer=None))]
    fn deploy(
        &self,
        py: Python<'_>,
        model: &Model,
        keys: &Key,
        card: Card,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(String, bool)> {
        let (at, model) = (self.0.here()?, Arc::clone(&model.model));
        let keys: Vec<_> = keys.0.keys().cloned().collect();
        job::run(py, observer, move || {
            let (name, version, licence, price_hint) = card;
            let name = name.unwrap_or_else(|| model.source().file_name.clone());
            let bytes = model.to_bytes();
            let deployment = Deployment {
                model: &bytes,
                keys: &keys,
                name: &name,
                version: &version,
                licence: &licence,
                providers: &[],
                price_hint: price_hint.parse()?,
            };
            let key = at.peer.key()?;
            let deployed = at.block_on(at.peer.session.client.deploy(&key, &deployment))?;
            Ok((deployed.model.to_string(), deployed.known))
        })
    }

    /// What an inference would cost: the model's id, the lowest and the highest price, collateral,
    /// the fee of an order.
    #[pyo3(signature = (key, asked, model=None))]
    fn quote(
        &self,
        py: Python<'_>,
        key: &Key,
        asked: Asked,
        model: Option<&Model>,
    ) -> PyResult<(String, String, String, String, String)> {
        let (at, keys) = (self.0.here()?, key.0.clone());
        let model = model.map(|model| Arc::clone(&model.model));
        job::run(py, None, move || {
            let key = only(&keys, "a price is for one kind of proof")?;
            let asked = wish(&asked, &[], model.as_deref())?;
            let client = &at.peer.session.client;
            let (id, terms) = at.block_on(client.terms(key, &asked))?;
            let fee = client.fee(&Submission::new((id, terms), key, &OrderInput::sample(key)))?;
            let [least, most, collateral, fee] =
                [terms.price_min, terms.price_max, terms.collateral, fee].map(|it| it.to_string());
            Ok((id.to_string(), least, most, collateral, fee))
        })
    }

    /// Orders an inference and waits until the ledger has opened the job.
    #[pyo3(signature = (model, inputs, settings, asked, min_security=(100, 0), observer=None))]
    #[expect(clippy::too_many_arguments, reason = "one call of the package, whose names are there")]
    fn submit(
        &self,
        py: Python<'_>,
        model: &Model,
        inputs: &Inputs,
        settings: &ProveSettings,
        asked: Asked,
        min_security: (u32, u32),
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Job> {
        let at = self.0.here()?;
        let samples = inputs.samples(&model.model.input_specs())?;
        let batch = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let settings = ciro_sdk::ProveSettings { batch, ..settings.0 };
        let (provers, model) = (Arc::clone(&model.provers), Arc::clone(&model.model));
        job::run(py, observer, move || {
            let key = provers.get(&model, &settings)?.key();
            let input = InputStatement::encode(&key, &samples)?.statement;
            let account = at.peer.key()?;
            let sealed = asked.4.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>();
            let sealed =
                sealed.map_err(|error: ProviderNameError| Error::Argument(error.to_string()))?;
            let (min_security_bits, min_proven_bits) = min_security;
            let policy = Policy { min_security_bits, min_proven_bits };
            let client = &at.peer.session.client;
            let recipients = at.block_on(client.recipients(&sealed))?;
            let asked = wish(&asked, &recipients, Some(&*model))?;
            let (input, openings) = if sealed.is_empty() {
                (OrderInput::open(input), Vec::new())
            } else {
                OrderInput::seal(input, (&model, &key), (account.address(), &recipients[..]))?
            };
            let job = at.block_on(async {
                let terms = client.terms(&key, &asked).await?;
                let ordered = Submission { policy, ..Submission::new(terms, &key, &input) };
                client.submit(&account, &ordered).await
            })?;
            Ok(Job { at: Arc::clone(&at), job, openings })
        })
    }

    /// A job that was ordered before, whose proof is to verify under a key of the ring.
    fn job(&self, py: Python<'_>, id: &str, keys: &Key) -> PyResult<Job> {
        let (at, keys) = (self.0.here()?, keys.0.clone());
        let id: JobId = id.parse().map_err(|error| Error::Argument(format!("{error}")))?;
        job::run(py, None, move || {
            // The id that the user holds is the hash of this order: no node can say another one.
            let info = at.block_on(at.peer.session.client.job_info(id))?;
            let found = keys.keys().find(|key| info.order.key == key.digest().into());
            let key = found.cloned().ok_or(client::CertificateError::NoKey(info.order.key))?;
            let (input, policy) = (info.order.input.statement, Policy::default());
            let job = client::Job { id, key, input, policy };
            Ok(Job { at: Arc::clone(&at), job, openings: Vec::new() })
        })
    }
}

/// Numbers, names and lists always have a JSON form.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The id of a transaction, its block and its fee.
fn sent(done: &client::Executed) -> (String, u64, String) {
    (done.id.to_string(), done.height, done.receipt.fee.to_string())
}

/// A job that was ordered.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Job {
    at: Arc<Served<User>>,
    job: client::Job,
    /// What opens the commitments of its proof.
    openings: Vec<Opening>,
}

#[pymethods]
impl Job {
    /// Its id.
    #[getter]
    fn id(&self) -> String {
        self.job.id.to_string()
    }

    /// The key that its proof is verified with.
    #[getter]
    fn key(&self) -> PyResult<Key> {
        Ok(Key(KeyRing::new([self.job.key.clone()]).map_err(Error::Ring)?))
    }

    /// How it stands, as the node says, as JSON.
    fn info(&self, py: Python<'_>) -> PyResult<String> {
        let (at, id) = (self.at.here()?, self.job.id);
        job::run(py, None, move || {
            let info = at.block_on(at.peer.session.client.job_info(id))?;
            Ok(json(&info))
        })
    }

    /// Waits for the result, and verifies it.
    #[pyo3(signature = (patience, observer=None))]
    fn result(
        &self,
        py: Python<'_>,
        patience: f64,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Answer> {
        let (at, job) = (self.at.here()?, self.job.clone());
        let patience = seconds(patience)?;
        let settled = job::run(py, observer, move || {
            // A stage for every look, at which an abandoned job ends.
            let seen = |_: &_| drop(info_span!("wait").entered());
            Ok(at.block_on(at.peer.session.client.settled(&job, patience, seen))?)
        })?;
        let outputs = settled.outputs(&self.job.key, &self.openings).map_err(Error::from)?;
        let Settled { receipt, bundle, .. } = settled;
        let receipt = json(&receipt);
        Ok((Proof(Arc::new(bundle)), Output::all(outputs), receipt))
    }

    /// Waits until validators certified how it ended: the receipt with all that proves it.
    fn receipt<'py>(&self, py: Python<'py>, patience: f64) -> PyResult<Bound<'py, PyBytes>> {
        let (at, id) = (self.at.here()?, self.job.id);
        let patience = seconds(patience)?;
        let bytes = job::run(py, None, move || {
            let proof = at.block_on(at.peer.session.client.receipt(id, patience))?;
            Ok(proof.to_bytes())
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Takes the order back, if nobody has claimed it.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let (at, id) = (self.at.here()?, self.job.id);
        job::run(py, None, move || {
            let key = at.peer.key()?;
            at.block_on(at.peer.session.client.cancel(&key, id))?;
            Ok(())
        })
    }
}

/// # Errors
/// `ValueError` for a time that is none.
fn seconds(patience: f64) -> PyResult<Duration> {
    let text = || Error::Argument(format!("{patience} s is no time to wait"));
    Ok(Duration::try_from_secs_f64(patience).map_err(|_| text())?)
}

/// Checks a receipt against a genesis: the block that it is certified by, and the receipt as JSON.
#[pyfunction]
#[pyo3(signature = (receipt, genesis=None, proof=None, keys=None, pin=None))]
pub(crate) fn check_receipt(
    py: Python<'_>,
    receipt: &[u8],
    genesis: Option<PathBuf>,
    proof: Option<&Proof>,
    keys: Option<&Key>,
    pin: Option<&str>,
) -> PyResult<(u64, String)> {
    let pin =
        pin.map(|text| text.parse::<Pin>().map_err(|error| Error::Argument(error.to_string())));
    let pin = pin.transpose()?;
    let receipt = receipt.to_vec();
    let against = keys.zip(proof).map(|(keys, proof)| (keys.0.clone(), proof.0.to_bytes()));
    job::run(py, None, move || {
        let genesis = match genesis {
            Some(path) => Network::read_genesis(&path),
            None => Home::of_user().and_then(|home| Ok(home.network()?.1)),
        };
        let genesis = genesis.map_err(client::SessionError::from)?;
        let against = against.as_ref().map(|(keys, bundle)| (keys, &bundle[..]));
        let certified = verify_receipt((&genesis, pin), &receipt, against)?;
        Ok((certified.height, json(&certified.receipt)))
    })
}
