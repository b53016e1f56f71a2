//! Programs on the network, and jobs about them.

use std::time::Duration;

use ciro_protocol::amount::Amount;
use ciro_protocol::api::JobInfo;
use ciro_protocol::id::{InputDigest, JobId, KeyDigest, ModelId, ProviderId};
use ciro_protocol::model::ModelCard;
use ciro_protocol::receipt::Receipt;
use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::List;
use ciro_stark::Policy;

use super::{ProgramAnswer, ProgramBundle, ProgramInput, ProgramJobKey, check_program_result};
use crate::client::job::{Ordered, wrong};
use crate::client::{Client, ClientError, Deployed, Deployment, Terms, Wish};
use crate::program::ProgramKey;

/// What is registered of a program.
#[derive(Clone, Debug)]
pub struct ProgramDeployment<'a> {
    /// The bytes of the executable.
    pub executable: &'a [u8],
    /// Its keys, at most four: for runs of so many steps each.
    pub keys: &'a [ProgramJobKey],
    /// A name, up to 64 bytes.
    pub name: &'a str,
    /// A version, up to 32 bytes.
    pub version: &'a str,
    /// A licence, up to 64 bytes.
    pub licence: &'a str,
    /// Who may prove it; empty for everybody.
    pub providers: &'a [ProviderId],
    /// A price to begin with.
    pub price_hint: Amount,
}

/// What is ordered of a program: open, since proofs show all that it prints.
#[derive(Clone, Debug)]
pub struct ProgramSubmission<'a> {
    /// Under which number the program is registered.
    pub program: ModelId,
    /// The key that the user made from the program.
    pub key: &'a ProgramJobKey,
    /// The arguments.
    pub input: &'a ProgramInput,
    /// What is paid.
    pub terms: Terms,
    /// What the proof must be worth.
    pub policy: Policy,
}

/// A job about a program, with what its result has to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramJob {
    /// Its id.
    pub id: JobId,
    /// The key that its proof is verified with.
    pub key: ProgramJobKey,
    /// The arguments that were ordered.
    pub input: InputDigest,
    /// What the proof must be worth.
    pub policy: Policy,
}

/// A result that was verified here.
#[derive(Clone, Debug, PartialEq)]
pub struct AnsweredProgram {
    /// What the ledger says of the job.
    pub receipt: Receipt,
    /// What settled it.
    pub bundle: ProgramBundle,
    /// What that establishes.
    pub answer: ProgramAnswer,
}

impl<'a> ProgramSubmission<'a> {
    /// An order under the default policy.
    pub fn new(
        (program, terms): (ModelId, Terms),
        key: &'a ProgramJobKey,
        input: &'a ProgramInput,
    ) -> Self {
        Self { program, key, input, terms, policy: Policy::default() }
    }

    fn ordered<'s>(&'s self, bytes: &'s [u8]) -> Ordered<'s> {
        Ordered {
            model: self.program,
            key: self.key.digest().into(),
            statement: self.input.order_digest(self.key),
            bytes,
            recipients: List::default(),
            requester: None,
            terms: self.terms,
            policy: self.policy.clone(),
            memo: &[],
            salt: None,
        }
    }
}

impl Client {
    /// Uploads a program and registers it; the same one is registered once, however often this is
    /// asked for.
    ///
    /// # Errors
    /// [`ClientError`] if the network does not take the program, or the account cannot pay.
    pub async fn deploy_program(
        &self,
        account: &SecretKey,
        deployment: &ProgramDeployment<'_>,
    ) -> Result<Deployed, ClientError> {
        let keys = deployment.keys.iter().map(|key| (key.to_bytes(), key.facts())).collect();
        let deployment = Deployment {
            model: deployment.executable,
            keys: &[],
            name: deployment.name,
            version: deployment.version,
            licence: deployment.licence,
            providers: deployment.providers,
            price_hint: deployment.price_hint,
        };
        self.register(account, &deployment, keys).await
    }

    /// The registered program that has a key and its executable, and terms as the user wishes.
    ///
    /// # Errors
    /// As [`Self::terms`]; [`ClientError::NoModel`] if the program is registered with another file.
    pub async fn program_terms(
        &self,
        key: &ProgramJobKey,
        wish: &Wish,
    ) -> Result<(ModelId, Terms), ClientError> {
        let facts = key.facts();
        let wish = Wish { blob: Some(key.executable()), ..wish.clone() };
        let (program, terms) = self.terms_for((facts.digest, facts.class()), &wish).await?;
        // Whoever registers the key with another file has a program that nobody runs.
        if program.card.blob == key.executable() {
            Ok((program.card.id(), terms))
        } else {
            Err(ClientError::NoModel(facts.digest))
        }
    }

    /// What the ledger takes for an order, as [`Self::fee`] says it.
    ///
    /// # Errors
    /// [`ClientError`] if there are more arguments than the network takes.
    pub fn program_fee(&self, submission: &ProgramSubmission<'_>) -> Result<Amount, ClientError> {
        self.fee_of(&submission.ordered(&submission.input.to_bytes()))
    }

    /// Builds and signs an order for somebody else to send, as [`Self::order`] does.
    ///
    /// # Errors
    /// As there.
    pub async fn order_program(
        &self,
        account: &SecretKey,
        submission: &ProgramSubmission<'_>,
        valid_for: Duration,
    ) -> Result<SignedTx, ClientError> {
        let bytes = submission.input.to_bytes();
        self.order_for(account, submission.ordered(&bytes), valid_for).await
    }

    /// Uploads the arguments, orders, and waits until the ledger has opened the job.
    ///
    /// # Errors
    /// [`ClientError`] if the network does not take the order.
    pub async fn submit_program(
        &self,
        account: &SecretKey,
        submission: &ProgramSubmission<'_>,
    ) -> Result<ProgramJob, ClientError> {
        let bytes = submission.input.to_bytes();
        let ordered = submission.ordered(&bytes);
        let id = self.open(account, &ordered).await?;
        let Ordered { statement: input, policy, .. } = ordered;
        Ok(ProgramJob { id, key: submission.key.clone(), input, policy })
    }

    /// A job about a program that somebody has ordered before, to be verified against the user's
    /// own key of the program: steps and arguments are those of the order, which the job's id is
    /// the hash of.
    ///
    /// # Errors
    /// [`ClientError::Answer`] if the job is about no program, or about another one.
    pub async fn program_job(
        &self,
        job: JobId,
        program: &ProgramKey,
    ) -> Result<ProgramJob, ClientError> {
        let order = self.job_info(job).await?.order;
        let card = self.model(order.model).await?.card;
        let key = key_of(&card, order.key, program);
        let key = key.ok_or_else(|| ClientError::Answer {
            what: "a job",
            reason: "it is about no program, or about another one than the key's".to_owned(),
        })?;
        Ok(ProgramJob { id: job, key, input: order.input.statement, policy: Policy::default() })
    }

    /// Waits until a job is settled, fetches the proof, and verifies it here against the key and
    /// the arguments of the order. `seen` is told every state on the way.
    ///
    /// # Errors
    /// As [`Self::settled`].
    pub async fn answered(
        &self,
        job: &ProgramJob,
        patience: Duration,
        seen: impl FnMut(&JobInfo),
    ) -> Result<AnsweredProgram, ClientError> {
        let receipt = self.ended(job.id, patience, seen).await?;
        let about = (job.id, job.key.digest().into(), job.input);
        let bundle = self.bundle_of(about, &receipt).await?;
        let (ordered, proof) = ((job.id, job.input), (&bundle[..], &job.policy));
        let checked = check_program_result(ordered, &job.key, &receipt, proof);
        let (bundle, answer) = checked.map_err(wrong(job.id))?;
        Ok(AnsweredProgram { receipt, bundle, answer })
    }
}

/// The key of a card that an order names, if it is of this program.
fn key_of(card: &ModelCard, ordered: KeyDigest, program: &ProgramKey) -> Option<ProgramJobKey> {
    let entry = card.key(ordered)?;
    let key = ProgramJobKey::from_bytes(&entry.bytes).ok()?;
    // The digest of these very bytes is the order's, whatever the card says of them.
    let own = KeyDigest::from(key.digest()) == ordered && key.program() == program;
    own.then_some(key)
}
