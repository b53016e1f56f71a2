//! Declares classes and deploys the contracts that everybody shares.

use ciro_sdk::Felt;
use ciro_sdk::starknet::{Declared, Paid, Payer, Starknet, StarknetError, StarknetSettings};

use crate::class::{ClassError, Compiled, Contract};

/// A contract that could not be deployed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The class cannot be had.
    #[error("the class of `{name}`")]
    Class {
        /// The contract.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        source: ClassError,
    },
    /// Starknet does not take it.
    #[error("`{name}`")]
    Starknet {
        /// The contract.
        name: &'static str,
        /// Why not.
        #[source]
        source: StarknetError,
    },
    /// There is no connection, or nobody pays.
    #[error(transparent)]
    Connection(#[from] StarknetError),
}

/// A contract that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Which one.
    pub contract: Contract,
    /// The hash under which the chain keeps its class.
    pub class: Felt,
    /// Where it is.
    pub address: Felt,
    /// What its declaration cost; `None` if the class was declared before.
    pub declared: Option<Paid>,
}

/// Declares and deploys `Facts`, `Models` and `JobEscrow`, at addresses that their classes alone
/// decide: whoever comes first pays, and everybody shares them. Returns the settings with their
/// addresses; those that were given hold node, chain and account.
///
/// # Errors
/// [`DeployError`].
pub async fn deploy(
    mut settings: StarknetSettings,
    max_fee: u128,
    mut done: impl FnMut(Deployed),
) -> Result<StarknetSettings, DeployError> {
    let starknet = Starknet::without_contracts(settings.clone()).await?;
    let payer = starknet.payer(max_fee)?;
    let facts = one(&payer, Contract::Facts, &[]).await?;
    let models = one(&payer, Contract::Models, &[]).await?;
    let escrow = one(&payer, Contract::JobEscrow, &[facts.address]).await?;
    settings.facts = facts.address;
    settings.models = Some(models.address);
    settings.escrow = Some(escrow.address);
    [facts, models, escrow].into_iter().for_each(&mut done);
    Ok(settings)
}

/// Compiles the class of a contract and declares it.
///
/// # Errors
/// [`DeployError`].
pub async fn declare(payer: &Payer<'_>, contract: Contract) -> Result<Declared, DeployError> {
    let name = contract.name();
    let compiled = Compiled::of(contract).map_err(|source| DeployError::Class { name, source })?;
    let casm_hash = Felt(compiled.casm_hash().to_bytes_be());
    let declared = payer.declare(compiled.class, casm_hash).await;
    declared.map_err(|source| DeployError::Starknet { name, source })
}

/// Declares the class of a contract and deploys it.
async fn one(
    payer: &Payer<'_>,
    contract: Contract,
    arguments: &[Felt],
) -> Result<Deployed, DeployError> {
    let Declared { class, paid } = declare(payer, contract).await?;
    let deployed = payer.deploy(class, Felt([0; 32]), arguments).await;
    let name = contract.name();
    let address = deployed.map_err(|source| DeployError::Starknet { name, source })?;
    Ok(Deployed { contract, class, address, declared: paid })
}
