//! Supply, stake and governance: what a node says of them, and the transactions that change them.

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{
    self, EconomyInfo, LaunchInfo, Page, ProposalInfo, StakeInfo, ValidatorInfo,
};
use ciro_protocol::economy::{AirdropShare, Commission, Possession, airdrop_root};
use ciro_protocol::id::{GrantId, LaunchId, ProposalId, ValidatorId};
use ciro_protocol::sign::{Address, SecretKey, Signed};
use ciro_protocol::text::Text;
use ciro_protocol::tx::{
    Action, Body, ClaimAirdrop, ClaimGrant, ClaimRewards, Delegate, EVIDENCE_BYTES_MAX, Propose,
    Redelegate, RegisterValidator, ReportOffence, SetCommission, Undelegate, Vote, VoteOption,
};
use ciro_protocol::wire::{Bytes, List};
use serde::de::DeserializeOwned;

use super::{Client, ClientError, Executed, paged};

/// Pages of validators, proposals or launches that are read at most.
const PAGES_MAX: usize = 64;

impl Client {
    /// Where the supply is, and the parameters in force.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn economy(&self) -> Result<EconomyInfo, ClientError> {
        self.http.get(api::ECONOMY).await
    }

    /// All validators, in the order of their numbers.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn all_validators(&self) -> Result<Vec<ValidatorInfo>, ClientError> {
        self.all(api::VALIDATORS).await
    }

    /// A validator.
    ///
    /// # Errors
    /// [`ClientError::NotThere`] if there is none of this number.
    pub async fn validator(&self, id: ValidatorId) -> Result<ValidatorInfo, ClientError> {
        let found: Option<ValidatorInfo> = self.one(api::VALIDATORS, id.0).await?;
        let found = found.filter(|it| it.validator == id);
        found.ok_or(ClientError::NotThere { what: "validator", number: id.0 })
    }

    /// The validator that an account speaks for, if there is one.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn validator_of(
        &self,
        operator: Address,
    ) -> Result<Option<ValidatorInfo>, ClientError> {
        Ok(self.all_validators().await?.into_iter().find(|it| it.operator == operator))
    }

    /// What an account has at stake, what of it leaves, and what is granted to it.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn stake(&self, address: Address) -> Result<StakeInfo, ClientError> {
        self.http.get(&api::stake(address)).await
    }

    /// All proposals, in the order of their numbers.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn all_proposals(&self) -> Result<Vec<ProposalInfo>, ClientError> {
        self.all(api::PROPOSALS).await
    }

    /// A proposal.
    ///
    /// # Errors
    /// [`ClientError::NotThere`] if there is none of this number.
    pub async fn proposal(&self, id: ProposalId) -> Result<ProposalInfo, ClientError> {
        let found: Option<ProposalInfo> = self.one(api::PROPOSALS, id.0).await?;
        let found = found.filter(|it| it.proposal == id);
        found.ok_or(ClientError::NotThere { what: "proposal", number: id.0 })
    }

    /// All launches, in the order of their numbers; those that are over too.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not answer.
    pub async fn all_launches(&self) -> Result<Vec<LaunchInfo>, ClientError> {
        self.all(api::LAUNCHES).await
    }

    /// A launch.
    ///
    /// # Errors
    /// [`ClientError::NotThere`] if there is none of this number.
    pub async fn launch(&self, id: LaunchId) -> Result<LaunchInfo, ClientError> {
        let found: Option<LaunchInfo> = self.one(api::LAUNCHES, id.0).await?;
        let found = found.filter(|it| it.launch == id);
        found.ok_or(ClientError::NotThere { what: "launch", number: id.0 })
    }

    /// What follows the number before this one.
    pub(super) async fn one<T: DeserializeOwned>(
        &self,
        path: &str,
        number: u32,
    ) -> Result<Option<T>, ClientError> {
        let after = number.checked_sub(1).map(|before| format!("&after={before}"));
        let path = format!("{path}?limit=1{}", after.unwrap_or_default());
        Ok(self.http.get::<Page<T>>(&path).await?.items.into_iter().next())
    }

    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page: Page<T> = self.http.get(&paged(path, after.as_deref())).await?;
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
        let reason = format!("it has more than {PAGES_MAX} pages");
        Err(ClientError::Answer { what: "a list", reason })
    }

    /// Puts money at a validator's stake.
    ///
    /// # Errors
    /// [`ClientError`] if the ledger does not take it.
    pub async fn delegate(
        &self,
        account: &SecretKey,
        validator: ValidatorId,
        amount: Amount,
    ) -> Result<Executed, ClientError> {
        self.execute(account, Body::Delegate(Delegate { validator, amount })).await
    }

    /// Takes money from a validator's stake; it comes by itself after the unbonding period.
    ///
    /// # Errors
    /// [`ClientError`] if there is less, or it is bound.
    pub async fn undelegate(
        &self,
        account: &SecretKey,
        validator: ValidatorId,
        amount: Amount,
    ) -> Result<Executed, ClientError> {
        self.execute(account, Body::Undelegate(Undelegate { validator, amount })).await
    }

    /// Moves money to another validator's stake, where it arrives after the unbonding period.
    ///
    /// # Errors
    /// [`ClientError`] if there is less, or one of the validators does not take part.
    pub async fn redelegate(
        &self,
        account: &SecretKey,
        (from, to): (ValidatorId, ValidatorId),
        amount: Amount,
    ) -> Result<Executed, ClientError> {
        self.execute(account, Body::Redelegate(Redelegate { from, to, amount })).await
    }

    /// Takes what the account's stake with a validator has earned.
    ///
    /// # Errors
    /// [`ClientError`] if that is nothing.
    pub async fn claim_rewards(
        &self,
        account: &SecretKey,
        validator: ValidatorId,
    ) -> Result<Executed, ClientError> {
        self.execute(account, Body::ClaimRewards(ClaimRewards { validator })).await
    }

    /// Takes what has vested of a grant.
    ///
    /// # Errors
    /// [`ClientError`] if that is nothing, or the grant is another account's.
    pub async fn claim_grant(
        &self,
        account: &SecretKey,
        grant: GrantId,
    ) -> Result<Executed, ClientError> {
        self.execute(account, Body::ClaimGrant(ClaimGrant { grant })).await
    }

    /// Pays a share of the airdrop out to its owner. `shares` are all of them, in the order of
    /// their indices, as whoever made the genesis published them.
    ///
    /// # Errors
    /// [`ClientError::Airdrop`] if these are not the network's shares, or any error of the ledger.
    pub async fn claim_airdrop(
        &self,
        account: &SecretKey,
        shares: &[AirdropShare],
        index: u32,
    ) -> Result<Executed, ClientError> {
        let airdrop = self.spec().economy.as_ref().and_then(|economy| economy.airdrop);
        let wrong = |reason: &'static str| ClientError::Airdrop(reason);
        let expected = airdrop.ok_or_else(|| wrong("the network has no airdrop"))?.root;
        let place = shares.iter().position(|share| share.index == index);
        let place = place.ok_or_else(|| wrong("no share has this index"))?;
        let (root, paths) = airdrop_root(shares);
        if root != expected {
            return Err(wrong("the shares are not those that the network's genesis names"));
        }
        let path = List::new(paths[place].clone());
        let path = path.map_err(|_| wrong("there are more shares than a tree has"))?;
        let claim = ClaimAirdrop { share: shares[place], path };
        self.execute(account, Body::ClaimAirdrop(Box::new(claim))).await
    }

    /// Registers the account as the operator of a validator with this key of consensus.
    ///
    /// # Errors
    /// [`ClientError`] if the ledger does not take it.
    pub async fn register_validator(
        &self,
        account: &SecretKey,
        key: &SecretKey,
        (commission, bond): (Commission, Amount),
    ) -> Result<Executed, ClientError> {
        let (chain, operator) = (self.chain(), account.address());
        let body = Possession { chain, key: key.address(), operator };
        let possession = Signed::new(body, key)?.signature;
        let key = key.address();
        let body = RegisterValidator { key, possession, commission, bond };
        self.execute(account, Body::RegisterValidator(Box::new(body))).await
    }

    /// Changes what the account's validator takes of the rewards of others, in basis points.
    ///
    /// # Errors
    /// [`ClientError`] if that is not what it has promised, or too soon.
    pub async fn set_commission(
        &self,
        account: &SecretKey,
        bps: u16,
    ) -> Result<Executed, ClientError> {
        self.execute(account, Body::SetCommission(SetCommission { bps })).await
    }

    /// Lets the account's validator be paid again after its time in jail.
    ///
    /// # Errors
    /// [`ClientError`] if it is not in jail, or not long enough.
    pub async fn unjail_validator(&self, account: &SecretKey) -> Result<Executed, ClientError> {
        self.execute(account, Body::UnjailValidator).await
    }

    /// Brings evidence against a validator that no block has punished.
    ///
    /// # Errors
    /// [`ClientError`] if there is no such validator, or the evidence proves nothing.
    pub async fn report_offence(
        &self,
        account: &SecretKey,
        validator: ValidatorId,
        evidence: Bytes<EVIDENCE_BYTES_MAX>,
    ) -> Result<Executed, ClientError> {
        let key = self.validator(validator).await?.key;
        self.execute(account, Body::ReportOffence(ReportOffence { key, evidence })).await
    }

    /// Proposes a change to those who hold stake. Returns the proposal, which is found by the
    /// account and the block that made it.
    ///
    /// # Errors
    /// [`ClientError::Text`] for a title that is too long, or any error of the ledger.
    pub async fn propose(
        &self,
        account: &SecretKey,
        title: &str,
        action: Action,
    ) -> Result<(Executed, ProposalInfo), ClientError> {
        let title = Text::new(title).map_err(|error| ClientError::Text {
            what: "title",
            value: title.to_owned(),
            reason: error.to_string(),
        })?;
        let propose = Propose { title: title.clone(), action: action.clone() };
        let body = Body::Propose(Box::new(propose));
        let done = self.execute(account, body).await?;
        let mut all = self.all_proposals().await?;
        let by = account.address();
        all.retain(|it| it.account == by && it.title == title && it.action == action);
        let missing = "it does not show the proposal that it has executed";
        let found = all
            .pop()
            .ok_or(ClientError::Answer { what: "proposals", reason: missing.to_owned() })?;
        Ok((done, found))
    }

    /// Votes with the stake that the account has with a validator.
    ///
    /// # Errors
    /// [`ClientError`] if the vote is over, or the stake does not vote.
    pub async fn vote(
        &self,
        account: &SecretKey,
        (proposal, validator): (ProposalId, ValidatorId),
        choice: VoteOption,
    ) -> Result<Executed, ClientError> {
        self.execute(account, Body::Vote(Vote { proposal, validator, choice })).await
    }
}
