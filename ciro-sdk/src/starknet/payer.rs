//! Transactions: estimated, capped, sent so that a retry cannot pay twice, and waited for.

use std::time::{Duration, Instant, SystemTime};

use ciro_stark::Felt;
use starknet_rust_accounts::{
    Account as _, AccountError, ConnectedAccount as _, ExecutionEncoding, SingleOwnerAccount,
};
use starknet_rust_core::types::{
    Call, ExecutionResult, FeeEstimate, Felt as Felt252, FlattenedSierraClass, ReceiptBlock,
    StarknetError as NodeError, TransactionReceipt,
};
use starknet_rust_core::utils::{UdcUniqueness, get_udc_deployed_address};
use starknet_rust_providers::{Provider as _, ProviderError};
use starknet_rust_signers::LocalWallet;

use super::calldata::{Calldata, ModelOnChain};
use super::chain::{NOW, Node, Starknet, felt, felt252, selector};
use super::error::{StarknetError, is_lost, reasons};
use super::keystore;
use super::settings::Account;

/// How long a node may not answer before a transaction that was signed is given up.
const SEND_PATIENCE: Duration = Duration::from_secs(30);
/// How long a transaction may take to be in a block.
const BLOCK_PATIENCE: Duration = Duration::from_secs(180);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// The longest text about a model's files that the directory takes.
pub(super) const URI_BYTES_MAX: usize = 2048;
/// The contract that deploys contracts,
/// `0x02ceed65a4bd731034c01113685c831b01c15d7d432f71afb1cf1634b53a2125`.
const DEPLOYER: Felt = Felt([
    0x02, 0xce, 0xed, 0x65, 0xa4, 0xbd, 0x73, 0x10, 0x34, 0xc0, 0x11, 0x13, 0x68, 0x5c, 0x83, 0x1b,
    0x01, 0xc1, 0x5d, 0x7d, 0x43, 0x2f, 0x71, 0xaf, 0xb1, 0xcf, 0x16, 0x34, 0xb5, 0x3a, 0x21, 0x25,
]);

type Wallet<'a> = SingleOwnerAccount<&'a Node, LocalWallet>;
type SendError = AccountError<<Wallet<'static> as starknet_rust_accounts::Account>::SignError>;

/// An account that pays for transactions.
pub struct Payer<'a> {
    starknet: &'a Starknet,
    account: Wallet<'a>,
    /// What a transaction may cost, in units of 10^-18 STRK.
    max_fee: u128,
}

/// A call of a contract's function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation<'a> {
    /// The contract.
    pub contract: Felt,
    /// Its function.
    pub function: &'a str,
    /// The function's arguments.
    pub arguments: Vec<Felt>,
}

/// A transaction that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Its hash.
    pub transaction: Felt,
    /// What it cost, in units of 10^-18 STRK.
    pub fee: u128,
    /// L2 gas that it took.
    pub l2_gas: u64,
    /// The block that it is in, once it is in one.
    pub block: Option<u64>,
}

/// What a contract told while a transaction was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The contract.
    pub contract: Felt,
    /// The hash of the event's name, and what is searched for.
    pub keys: Vec<Felt>,
    /// All else.
    pub data: Vec<Felt>,
}

/// Calls that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// What they cost.
    pub paid: Paid,
    /// What contracts told, in order.
    pub events: Vec<Emitted>,
}

/// A fact that the contract knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The fact.
    pub fact: Felt,
    /// When it was first proven, by the time of its block.
    pub at: SystemTime,
    /// What this call paid; `None` if the fact was known before.
    pub paid: Option<Paid>,
}

/// A model that the directory knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The model's id.
    pub model: Felt,
    /// What this call paid; `None` if the model was registered before.
    pub paid: Option<Paid>,
}

/// A class that the chain knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The hash under which it is kept.
    pub class: Felt,
    /// What this call paid; `None` if the class was declared before.
    pub paid: Option<Paid>,
}

/// What a transaction may use, and at which prices.
struct Bounds {
    l1_gas: u64,
    l1_gas_price: u128,
    l2_gas: u64,
    l2_gas_price: u128,
    l1_data_gas: u64,
    l1_data_gas_price: u128,
}

impl<'a> Payer<'a> {
    pub(super) fn open(
        starknet: &'a Starknet,
        account: &Account,
        max_fee: u128,
    ) -> Result<Self, StarknetError> {
        let key = keystore::open(&account.keystore, &account.passphrase_file)?;
        let (address, chain) = (felt252(account.address), starknet.chain);
        let wallet = LocalWallet::from_signing_key(key);
        let encoding = ExecutionEncoding::New;
        let mut account = SingleOwnerAccount::new(&starknet.node, wallet, address, chain, encoding);
        account.set_block_id(NOW);
        Ok(Self { starknet, account, max_fee })
    }

    /// Proves a fact on the chain. What is known already costs nothing, also when an earlier
    /// attempt ended without an answer: two attempts share a nonce until one of them is executed.
    ///
    /// # Errors
    /// [`StarknetError`]; [`WouldFail`](StarknetError::WouldFail) with the contract's reason if it
    /// refuses the proof, before anything is paid.
    pub async fn prove(&self, calldata: &Calldata) -> Result<Proved, StarknetError> {
        self.prove_and(calldata, &[]).await
    }

    /// Proves a fact, and calls other contracts in the same transaction, such as the one that pays
    /// for it: nobody comes between.
    ///
    /// # Errors
    /// As [`prove`](Self::prove).
    pub async fn prove_and(
        &self,
        calldata: &Calldata,
        others: &[Invocation<'_>],
    ) -> Result<Proved, StarknetError> {
        let fact = calldata.fact;
        // In this order: whatever is executed after the nonce was read makes it stale.
        let nonce = self.nonce().await?;
        let known = self.starknet.proven_by(fact, NOW).await?;
        let prove = Invocation {
            contract: self.starknet.settings.facts,
            function: "prove",
            arguments: calldata.felts.clone(),
        };
        let first = known.is_none().then_some(&prove);
        let calls: Vec<&Invocation<'_>> = first.into_iter().chain(others).collect();
        let paid = match (calls.is_empty(), known) {
            (true, Some(at)) => return Ok(Proved { fact, at, paid: None }),
            _ => self.invoke_at(nonce, &calls).await?.paid,
        };
        let at = self.starknet.proven_by(fact, NOW).await?;
        let at = at.ok_or(StarknetError::Missing(paid.transaction))?;
        Ok(Proved { fact, at, paid: Some(paid) })
    }

    /// Registers a model in the directory, with where its files are: a text of at most 2,048 bytes,
    /// which is nobody's warrant.
    ///
    /// # Errors
    /// As [`prove`](Self::prove).
    pub async fn register(
        &self,
        model: &ModelOnChain,
        uri: &str,
    ) -> Result<Registered, StarknetError> {
        if uri.len() > URI_BYTES_MAX {
            return Err(StarknetError::Uri(uri.len()));
        }
        let models = self.starknet.settings.models.ok_or(StarknetError::Unnamed("Models"))?;
        self.starknet.check_class("Models", models).await?;
        let nonce = self.nonce().await?;
        if self.starknet.registration(model.id).await?.is_some() {
            return Ok(Registered { model: model.id, paid: None });
        }
        let arguments = byte_array(uri).into_iter().chain(model.key.iter().copied()).collect();
        let call = Invocation { contract: models, function: "register", arguments };
        let paid = self.invoke_at(nonce, &[&call]).await?.paid;
        match self.starknet.registration(model.id).await? {
            Some(_) => Ok(Registered { model: model.id, paid: Some(paid) }),
            None => Err(StarknetError::Missing(paid.transaction)),
        }
    }

    /// Calls functions of contracts, all in one transaction: all of them succeed, or none.
    ///
    /// # Errors
    /// [`StarknetError`].
    pub async fn invoke(&self, calls: &[Invocation<'_>]) -> Result<Invoked, StarknetError> {
        let nonce = self.nonce().await?;
        self.invoke_at(nonce, &calls.iter().collect::<Vec<_>>()).await
    }

    /// Declares a class; `compiled` is the hash of what it compiles to.
    ///
    /// # Errors
    /// [`StarknetError`].
    pub async fn declare(
        &self,
        class: FlattenedSierraClass,
        compiled: Felt,
    ) -> Result<Declared, StarknetError> {
        let hash = class.class_hash();
        match self.starknet.node.get_class(NOW, hash).await {
            Ok(_) => return Ok(Declared { class: felt(hash), paid: None }),
            Err(ProviderError::StarknetError(NodeError::ClassHashNotFound)) => {}
            Err(error) => return Err(self.starknet.failed(&error)),
        }
        let nonce = self.nonce().await?;
        let declaration = self.account.declare_v3(class.into(), felt252(compiled)).nonce(nonce);
        let estimate = declaration.estimate_fee().await.map_err(|error| self.refused(error))?;
        let Bounds { l1_gas, l1_gas_price, l2_gas, l2_gas_price, l1_data_gas, l1_data_gas_price } =
            self.bounds(&estimate)?;
        let declaration = declaration.l1_gas(l1_gas).l1_gas_price(l1_gas_price);
        let declaration = declaration.l2_gas(l2_gas).l2_gas_price(l2_gas_price);
        let declaration = declaration.l1_data_gas(l1_data_gas).l1_data_gas_price(l1_data_gas_price);
        let prepared = declaration.tip(0).prepared();
        let prepared = prepared.map_err(|error| StarknetError::Unmade(error.to_string()))?;
        let transaction = prepared.transaction_hash(false);
        let sent = self.send(transaction, async || prepared.send().await.map(|_| ())).await?;
        Ok(Declared { class: felt(hash), paid: Some(sent.paid) })
    }

    /// Deploys a contract of a class, at an address that class, salt and arguments decide; what is
    /// there already is left alone.
    ///
    /// # Errors
    /// [`StarknetError`].
    pub async fn deploy(
        &self,
        class: Felt,
        salt: Felt,
        arguments: &[Felt],
    ) -> Result<Felt, StarknetError> {
        let given: Vec<Felt252> = arguments.iter().copied().map(felt252).collect();
        let (class_hash, shared) = (felt252(class), UdcUniqueness::NotUnique);
        let address = get_udc_deployed_address(felt252(salt), class_hash, &shared, &given);
        match self.starknet.node.get_class_hash_at(NOW, address).await {
            Ok(_) => return Ok(felt(address)),
            Err(ProviderError::StarknetError(NodeError::ContractNotFound)) => {}
            Err(error) => return Err(self.starknet.failed(&error)),
        }
        let count = felt(Felt252::from(arguments.len()));
        let mut all = vec![class, salt, felt(Felt252::ZERO), count];
        all.extend_from_slice(arguments);
        let call = Invocation { contract: DEPLOYER, function: "deployContract", arguments: all };
        self.invoke(&[call]).await?;
        Ok(felt(address))
    }

    /// The account's address.
    pub fn address(&self) -> Felt {
        felt(self.account.address())
    }

    async fn nonce(&self) -> Result<Felt252, StarknetError> {
        self.account.get_nonce().await.map_err(|error| self.starknet.failed(&error))
    }

    async fn invoke_at(
        &self,
        nonce: Felt252,
        calls: &[&Invocation<'_>],
    ) -> Result<Invoked, StarknetError> {
        let calls = calls.iter().map(|call| {
            let Invocation { contract, function, arguments } = call;
            let calldata = arguments.iter().copied().map(felt252).collect();
            Ok(Call { to: felt252(*contract), selector: selector(function)?, calldata })
        });
        let calls = calls.collect::<Result<Vec<_>, StarknetError>>()?;
        let execution = self.account.execute_v3(calls).nonce(nonce);
        let estimate = execution.estimate_fee().await.map_err(|error| self.refused(error))?;
        let Bounds { l1_gas, l1_gas_price, l2_gas, l2_gas_price, l1_data_gas, l1_data_gas_price } =
            self.bounds(&estimate)?;
        let execution = execution.l1_gas(l1_gas).l1_gas_price(l1_gas_price);
        let execution = execution.l2_gas(l2_gas).l2_gas_price(l2_gas_price);
        let execution = execution.l1_data_gas(l1_data_gas).l1_data_gas_price(l1_data_gas_price);
        let prepared = execution.tip(0).prepared();
        let prepared = prepared.map_err(|error| StarknetError::Unmade(error.to_string()))?;
        let transaction = prepared.transaction_hash(false);
        self.send(transaction, async || prepared.send().await.map(|_| ())).await
    }

    /// What a transaction may use and cost, if that is allowed.
    fn bounds(&self, estimate: &FeeEstimate) -> Result<Bounds, StarknetError> {
        let (estimated, allowed) = (estimate.overall_fee, self.max_fee);
        let bounds = Bounds::of(estimate);
        let most = bounds.as_ref().and_then(Bounds::most);
        match bounds {
            Some(bounds) if most.is_some_and(|most| most <= allowed) => Ok(bounds),
            _ => Err(StarknetError::Fee { most: most.unwrap_or(u128::MAX), estimated, allowed }),
        }
    }

    /// Sends a signed transaction until a node has it, and waits for it. It is the same each time,
    /// and has a nonce: however often it is sent, it is executed once.
    async fn send(
        &self,
        transaction: Felt252,
        send: impl AsyncFn() -> Result<(), SendError>,
    ) -> Result<Invoked, StarknetError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match send().await {
                Ok(()) => break,
                Err(error) => error,
            };
            match &error {
                AccountError::Provider(ProviderError::StarknetError(NodeError::DuplicateTx)) => {
                    break;
                }
                // An earlier attempt of ours may have used it.
                AccountError::Provider(ProviderError::StarknetError(
                    NodeError::InvalidTransactionNonce(_),
                )) => {
                    return match self.receipt(transaction, SEND_PATIENCE).await {
                        Err(StarknetError::Pending { .. }) => Err(StarknetError::Overtaken),
                        found => found,
                    };
                }
                AccountError::Provider(other) if is_lost(other) => {
                    if begun.elapsed() > SEND_PATIENCE {
                        // Nobody knows whether the node has it.
                        break;
                    }
                }
                _ => return Err(self.refused(error)),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.receipt(transaction, BLOCK_PATIENCE).await
    }

    /// Waits until a transaction was executed.
    async fn receipt(
        &self,
        transaction: Felt252,
        patience: Duration,
    ) -> Result<Invoked, StarknetError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.starknet.node.get_transaction_receipt(transaction).await {
                Ok(found) => {
                    let block = match found.block {
                        ReceiptBlock::Block { block_number, .. }
                        | ReceiptBlock::PreConfirmed { block_number } => Some(block_number),
                    };
                    return invoked(transaction, &found.receipt, block);
                }
                Err(ProviderError::StarknetError(NodeError::TransactionHashNotFound)) => {}
                Err(error) if is_lost(&error) => {}
                Err(error) => return Err(self.starknet.failed(&error)),
            }
            if begun.elapsed() > patience {
                let (transaction, waited) = (felt(transaction), begun.elapsed());
                return Err(StarknetError::Pending { transaction, waited });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Why a transaction is not taken.
    fn refused(&self, error: SendError) -> StarknetError {
        let node = match error {
            AccountError::Provider(ProviderError::StarknetError(node)) => node,
            AccountError::Provider(other) => return self.starknet.failed(&other),
            other => return StarknetError::Unmade(other.to_string()),
        };
        match node {
            NodeError::TransactionExecutionError(data) => {
                StarknetError::WouldFail(reasons(&format!("{:?}", data.execution_error)))
            }
            NodeError::ContractError(data) => {
                StarknetError::WouldFail(reasons(&format!("{data:?}")))
            }
            NodeError::ValidationFailure(text) => StarknetError::WouldFail(reasons(&text)),
            NodeError::InsufficientAccountBalance => StarknetError::Balance(self.max_fee),
            NodeError::InvalidTransactionNonce(_) => StarknetError::Overtaken,
            other => self.starknet.failed(&ProviderError::StarknetError(other)),
        }
    }
}

impl std::fmt::Debug for Payer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payer").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Bounds {
    /// A tenth more than was estimated, since execution is the same each time; prices may rise by a
    /// half.
    fn of(estimate: &FeeEstimate) -> Option<Self> {
        let amount = |gas: u64| gas.checked_add(gas / 10);
        let price = |price: u128| price.checked_add(price / 2);
        Some(Self {
            l1_gas: amount(estimate.l1_gas_consumed)?,
            l1_gas_price: price(estimate.l1_gas_price)?,
            l2_gas: amount(estimate.l2_gas_consumed)?,
            l2_gas_price: price(estimate.l2_gas_price)?,
            l1_data_gas: amount(estimate.l1_data_gas_consumed)?,
            l1_data_gas_price: price(estimate.l1_data_gas_price)?,
        })
    }

    /// What it all costs at most; `None` if that is more than anybody has.
    fn most(&self) -> Option<u128> {
        let cost = |gas: u64, price: u128| u128::from(gas).checked_mul(price);
        cost(self.l1_gas, self.l1_gas_price)?
            .checked_add(cost(self.l2_gas, self.l2_gas_price)?)?
            .checked_add(cost(self.l1_data_gas, self.l1_data_gas_price)?)
    }
}

/// What a transaction cost and what was told, or why it failed.
fn invoked(
    transaction: Felt252,
    receipt: &TransactionReceipt,
    block: Option<u64>,
) -> Result<Invoked, StarknetError> {
    let (cost, resources) = match receipt {
        TransactionReceipt::Invoke(it) => (&it.actual_fee, &it.execution_resources),
        TransactionReceipt::L1Handler(it) => (&it.actual_fee, &it.execution_resources),
        TransactionReceipt::Declare(it) => (&it.actual_fee, &it.execution_resources),
        TransactionReceipt::Deploy(it) => (&it.actual_fee, &it.execution_resources),
        TransactionReceipt::DeployAccount(it) => (&it.actual_fee, &it.execution_resources),
    };
    let fee = u128::try_from(cost.amount).unwrap_or(u128::MAX);
    let (transaction, l2_gas) = (felt(transaction), resources.l2_gas);
    match receipt.execution_result() {
        ExecutionResult::Succeeded => {
            let felts = |felts: &[Felt252]| felts.iter().copied().map(felt).collect();
            let events = receipt.events().iter().map(|event| Emitted {
                contract: felt(event.from_address),
                keys: felts(&event.keys),
                data: felts(&event.data),
            });
            let paid = Paid { transaction, fee, l2_gas, block };
            Ok(Invoked { paid, events: events.collect() })
        }
        ExecutionResult::Reverted { reason } => {
            Err(StarknetError::Reverted { transaction, fee, reason: reasons(reason) })
        }
    }
}

/// A text as Cairo's `ByteArray`: the number of whole words of 31 bytes, these, and what is left of
/// it with its length.
fn byte_array(text: &str) -> Vec<Felt> {
    let number = |bytes: &[u8]| felt(Felt252::from_bytes_be_slice(bytes));
    let words = text.as_bytes().chunks_exact(31);
    let rest = words.remainder();
    let count = felt(Felt252::from(words.len()));
    let length = felt(Felt252::from(rest.len()));
    std::iter::once(count).chain(words.map(number)).chain([number(rest), length]).collect()
}
