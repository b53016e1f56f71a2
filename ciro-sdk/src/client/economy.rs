//! Supply, stake and governance. What changes them are transactions: see
//! [`Client::execute`](super::Client::execute).

use ciro_protocol::api::{self, EconomyInfo, Page, ProposalInfo, StakeInfo, ValidatorInfo};
use ciro_protocol::id::{ProposalId, ValidatorId};
use ciro_protocol::sign::Address;

use super::{Client, ClientError};

impl Client {
    /// Where the supply is, and the parameters in force.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn economy(&self) -> Result<EconomyInfo, ClientError> {
        self.http.get(api::ECONOMY).await
    }

    /// A page of validators: those that follow `after`, or the first ones.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn validators(
        &self,
        after: Option<ValidatorId>,
    ) -> Result<Page<ValidatorInfo>, ClientError> {
        self.http.get(&paged(api::VALIDATORS, after.map(|it| it.0))).await
    }

    /// What an account has at stake, and what is granted to it.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn stake(&self, address: Address) -> Result<StakeInfo, ClientError> {
        self.http.get(&api::stake(address)).await
    }

    /// A page of proposals: those that follow `after`, or the first ones.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn proposals(
        &self,
        after: Option<ProposalId>,
    ) -> Result<Page<ProposalInfo>, ClientError> {
        self.http.get(&paged(api::PROPOSALS, after.map(|it| it.0))).await
    }
}

fn paged(path: &str, after: Option<u32>) -> String {
    after.map_or_else(|| path.to_owned(), |after| format!("{path}?after={after}"))
}
