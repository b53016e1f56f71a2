//! What is asked of Starknet.

use std::time::{Duration, SystemTime};

use ciro_stark::Felt;
use starknet_rust_core::types::{
    BlockId, BlockTag, ContractClass, Felt as Felt252, FunctionCall, StarknetError as NodeError,
};
use starknet_rust_core::utils::{
    cairo_short_string_to_felt, get_selector_from_name, parse_cairo_short_string,
};
use starknet_rust_providers::{JsonRpcClient, Provider as _, ProviderError};

use super::class::{locked, sierra_hash};
use super::error::{StarknetError, reasons};
use super::payer::Payer;
use super::settings::{SettingsError, StarknetSettings};
use super::transport::Transport;
use crate::printable;

/// What the sequencer has executed, whether it is in a block yet or not.
pub(super) const NOW: BlockId = BlockId::Tag(BlockTag::PreConfirmed);

/// What is in a block: what is not may still be dropped.
const IN_BLOCKS: BlockId = BlockId::Tag(BlockTag::Latest);

/// A node.
pub(super) type Node = JsonRpcClient<Transport>;

/// A connection to a node of Starknet, whose contracts are those of this release.
#[derive(Debug)]
pub struct Starknet {
    pub(super) node: Node,
    pub(super) host: String,
    pub(super) chain: Felt252,
    pub(super) settings: StarknetSettings,
}

/// What the directory of models says of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The account that registered it first: no owner, and nobody's warrant.
    pub registrant: Felt,
    /// The block's time.
    pub at: SystemTime,
}

impl Starknet {
    /// Connects to the node, and checks that it is of the chain and that the contract `Facts` is of
    /// this release's class.
    ///
    /// # Errors
    /// [`StarknetError`] if the node does not answer, or any of it is something else.
    pub async fn connect(settings: StarknetSettings) -> Result<Self, StarknetError> {
        let starknet = Self::without_contracts(settings).await?;
        starknet.check_class("Facts", starknet.settings.facts).await?;
        Ok(starknet)
    }

    /// Connects to a node of a chain that may have no contracts yet.
    ///
    /// # Errors
    /// [`StarknetError`] if the node does not answer, or is of another chain.
    pub async fn without_contracts(settings: StarknetSettings) -> Result<Self, StarknetError> {
        let url = reqwest::Url::parse(&settings.rpc).map_err(|_| SettingsError::Rpc)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let transport = Transport::new(url).map_err(|error| StarknetError::Node {
            url: host.clone(),
            reason: crate::error_chain(&error),
        })?;
        let node = JsonRpcClient::new(transport);
        let found = node.chain_id().await.map_err(|error| StarknetError::node(&host, &error))?;
        let expected = cairo_short_string_to_felt(&settings.chain)
            .map_err(|_| SettingsError::Chain(settings.chain.clone()))?;
        if found != expected {
            let name = parse_cairo_short_string(&found).unwrap_or_else(|_| found.to_hex_string());
            let (expected, found) = (settings.chain.clone(), printable(&name).into_owned());
            return Err(StarknetError::Chain { expected, found });
        }
        Ok(Self { node, host, chain: expected, settings })
    }

    /// The settings that the connection was made with.
    pub fn settings(&self) -> &StarknetSettings {
        &self.settings
    }

    /// When a fact was first proven, by the time of its block; `None` if no block has it.
    ///
    /// # Errors
    /// [`StarknetError`] if the node or the contract does not answer.
    pub async fn proven_at(&self, fact: Felt) -> Result<Option<SystemTime>, StarknetError> {
        self.proven_by(fact, IN_BLOCKS).await
    }

    /// As [`Self::proven_at`], by a state of the chain.
    pub(super) async fn proven_by(
        &self,
        fact: Felt,
        state: BlockId,
    ) -> Result<Option<SystemTime>, StarknetError> {
        let facts = self.settings.facts;
        let time = self.view_by((facts, "proven_at"), &[fact], state).await?;
        self.time(facts, time)
    }

    /// What the directory says of a model; `None` if nobody registered it.
    ///
    /// # Errors
    /// [`StarknetError`] if the settings name no directory, or it does not answer.
    pub async fn registration(&self, model: Felt) -> Result<Option<Registration>, StarknetError> {
        let models = self.settings.models.ok_or(StarknetError::Unnamed("Models"))?;
        let of = async |function| self.view_by((models, function), &[model], IN_BLOCKS).await;
        let Some(at) = self.time(models, of("registered_at").await?)? else { return Ok(None) };
        let registrant = felt(of("registrant_of").await?);
        Ok(Some(Registration { registrant, at }))
    }

    /// The contract that pays for inferences, once its class was checked.
    ///
    /// # Errors
    /// [`StarknetError`] if the settings name none, or something else is there.
    pub async fn escrow(&self) -> Result<Felt, StarknetError> {
        let escrow = self.settings.escrow.ok_or(StarknetError::Unnamed("JobEscrow"))?;
        self.check_class("JobEscrow", escrow).await?;
        Ok(escrow)
    }

    /// The account of the settings, which pays at most `max_fee` units of 10^-18 STRK a
    /// transaction; opening its key takes the better part of a second, on purpose.
    ///
    /// # Errors
    /// [`StarknetError`] if the settings name no account, or its key does not open.
    pub fn payer(&self, max_fee: u128) -> Result<Payer<'_>, StarknetError> {
        let account = self.settings.account.as_ref().ok_or(StarknetError::NoAccount)?;
        Payer::open(self, account, max_fee)
    }

    /// Asks a contract for one number, by what the sequencer has executed.
    ///
    /// # Errors
    /// [`StarknetError`] if the contract fails, or gives something else.
    pub async fn view(
        &self,
        contract: Felt,
        function: &str,
        arguments: &[Felt],
    ) -> Result<Felt252, StarknetError> {
        self.view_by((contract, function), arguments, NOW).await
    }

    async fn view_by(
        &self,
        (contract, function): (Felt, &str),
        arguments: &[Felt],
        state: BlockId,
    ) -> Result<Felt252, StarknetError> {
        let call = FunctionCall {
            contract_address: felt252(contract),
            entry_point_selector: selector(function)?,
            calldata: arguments.iter().copied().map(felt252).collect(),
        };
        let answer = self.node.call(call, state).await.map_err(|error| match error {
            ProviderError::StarknetError(NodeError::ContractError(data)) => {
                let reason = reasons(&format!("{data:?}"));
                StarknetError::Contract { address: contract, reason }
            }
            other => self.failed(&other),
        })?;
        match answer[..] {
            [value] => Ok(value),
            _ => Err(StarknetError::Answer(contract)),
        }
    }

    /// Checks that the contract at an address is of the class that this release's sources compile
    /// to. The node says what the class is.
    pub(super) async fn check_class(
        &self,
        name: &'static str,
        address: Felt,
    ) -> Result<(), StarknetError> {
        let class = match self.node.get_class_at(NOW, felt252(address)).await {
            Ok(class) => class,
            Err(ProviderError::StarknetError(NodeError::ContractNotFound)) => {
                return Err(StarknetError::NoContract { name, address });
            }
            Err(error) => return Err(self.failed(&error)),
        };
        let expected = locked(name).and_then(|class| Felt252::from_hex(&class.sierra_hash).ok());
        let found = match &class {
            ContractClass::Sierra(class) => Some(sierra_hash(class)),
            ContractClass::Legacy(_) => None,
        };
        if found.is_some() && found == expected {
            Ok(())
        } else {
            Err(StarknetError::OtherClass { name, address })
        }
    }

    pub(super) fn failed(&self, error: &ProviderError) -> StarknetError {
        StarknetError::node(&self.host, error)
    }

    /// A block's time; zero stands for none.
    fn time(&self, contract: Felt, value: Felt252) -> Result<Option<SystemTime>, StarknetError> {
        let seconds = u64::try_from(value).map_err(|_| StarknetError::Answer(contract))?;
        if seconds == 0 {
            return Ok(None);
        }
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        time.map(Some).ok_or(StarknetError::Answer(contract))
    }
}

/// The number of an entry point.
pub(super) fn selector(function: &str) -> Result<Felt252, StarknetError> {
    get_selector_from_name(function)
        .map_err(|_| StarknetError::Unmade(format!("`{}` is no name", printable(function))))
}

pub(super) fn felt252(felt: Felt) -> Felt252 {
    Felt252::from_bytes_be(&felt.0)
}

pub(super) fn felt(felt: Felt252) -> Felt {
    Felt(felt.to_bytes_be())
}
