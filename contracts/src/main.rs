//! Deploys the contracts that everybody shares.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its terminal")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use ciro_contracts::{Deployed, deploy};
use ciro_sdk::Felt;
use ciro_sdk::starknet::{Account, StarknetSettings};
use clap::Parser;

/// Declares and deploys `Facts`, `Models` and `JobEscrow` on a Starknet, and writes the settings
/// with which `ciro` finds them. What is there already is left as it is.
#[derive(Debug, Parser)]
#[command(name = "ciro-contracts", version)]
struct Args {
    /// A node that answers Starknet's JSON-RPC
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The chain that the node has to be of, such as SN_SEPOLIA
    #[arg(long, value_name = "NAME")]
    chain: String,
    /// The account that pays
    #[arg(long, value_name = "FELT")]
    account: Felt,
    /// The account's keystore, as starkli makes it
    #[arg(long, value_name = "FILE")]
    keystore: PathBuf,
    /// A file with the keystore's passphrase, readable by its owner alone
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// The most STRK that each transaction may cost
    #[arg(long, value_name = "STRK", default_value = "50")]
    max_fee: u32,
    /// The settings to write; paths in them are relative to its folder
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let Args { rpc, chain, account, keystore, passphrase_file, max_fee, output } = args;
    let file = ciro_sdk::OutputFile::create(output)?;
    let account = Account {
        address: *account,
        keystore: absolute(keystore)?,
        passphrase_file: absolute(passphrase_file)?,
    };
    let settings = StarknetSettings {
        rpc: rpc.clone(),
        chain: chain.clone(),
        facts: Felt([0; 32]),
        models: None,
        escrow: None,
        account: Some(account),
    };
    let most = u128::from(*max_fee) * 10_u128.pow(18);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = runtime.block_on(deploy(settings, most, |deployed| {
        let Deployed { contract, class, address, .. } = deployed;
        println!("{:10} {address}  class {class}", contract.name());
    }))?;
    file.finish(toml::to_string(&settings)?.as_bytes())?;
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("`{}`", path.display()))
}
