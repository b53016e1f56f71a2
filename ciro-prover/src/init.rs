//! `ciro-prover init`: the folder that a worker runs from.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use ciro_protocol::chain::Genesis;
use ciro_sdk::client::{Home, Keystore, Passphrase};
use ciro_sdk::files;

use crate::config::{CONFIG_FILE, Config};

/// The line of the settings that names the node, as the template has it.
const NODE: &str = "node = \"http://127.0.0.1:26610\"";

/// Arguments of `ciro-prover init`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The folder.
    folder: PathBuf,
    /// The account that is to be the provider's, one of `ciro account`: it, its passphrase and the
    /// network in use are put into the folder, which is all that the worker needs then.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The file of the account's passphrase; the one of the network in use if it is left out.
    #[arg(long, value_name = "FILE", requires = "account")]
    passphrase_file: Option<PathBuf>,
}

/// What a folder holds besides its settings.
struct Parts {
    node: String,
    genesis: Genesis,
    account: Keystore,
    passphrase: Passphrase,
}

impl Parts {
    /// Takes them from the user's folder.
    fn of(home: &Home, name: &str, passphrase_file: Option<&Path>) -> anyhow::Result<Self> {
        let (network, genesis) = home.network().context("`ciro network use` chooses one")?;
        let account = home.account(name)?;
        let Some(file) = passphrase_file.or(network.passphrase_file.as_deref()) else {
            bail!("the worker signs by itself: name the passphrase's file with --passphrase-file");
        };
        let passphrase = Passphrase::read(file)?;
        account.open(&passphrase).with_context(|| format!("account `{name}`"))?;
        Ok(Self { node: network.url, genesis, account, passphrase })
    }

    /// Writes them as the settings name them. What is there of the same account belongs to a run
    /// that did not come to its end, and stays.
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let genesis = serde_json::to_vec_pretty(&self.genesis)?;
        let (account, passphrase) = (folder.join("account.json"), folder.join("passphrase"));
        if !account.exists() {
            self.account.save(&account)?;
        }
        let found = Keystore::load(&account)?;
        if found.address != self.account.address {
            let path = account.display();
            bail!("`{path}` holds another account, {}: choose another folder", found.address);
        }
        if !passphrase.exists() {
            self.passphrase.write(&passphrase)?;
        }
        let opened = found.open(&Passphrase::read(&passphrase)?);
        opened.with_context(|| format!("`{}` with `passphrase` beside it", account.display()))?;
        Ok(files::write(&folder.join("genesis.json"), &genesis)?)
    }

    fn settings(&self) -> String {
        // A string of JSON without control characters is one of TOML.
        let node = serde_json::Value::from(self.node.as_str());
        Config::template().replacen(NODE, &format!("node = {node}"), 1)
    }
}

/// Writes the settings, and with an account all that they name.
///
/// # Errors
///
/// What is missing, or there already of another account: nothing is overwritten.
pub(crate) fn init(args: &InitArgs) -> anyhow::Result<String> {
    let InitArgs { folder, account, passphrase_file } = args;
    let path = folder.join(CONFIG_FILE);
    if path.exists() {
        bail!("cannot write `{}`: it is there already", path.display());
    }
    let parts = match account {
        Some(name) => Some(Parts::of(&Home::of_user()?, name, passphrase_file.as_deref())?),
        None => None,
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create `{}`", folder.display()))?;
    let (settings, next) = match &parts {
        Some(parts) => {
            parts.write(folder)?;
            (parts.settings(), format!("ciro-prover register --config {}", path.display()))
        }
        None => (
            Config::template().to_owned(),
            "put genesis, account and passphrase beside it, then ciro-prover register".to_owned(),
        ),
    };
    // Last, as it says that the folder is complete.
    files::write(&path, settings.as_bytes())?;
    Ok(format!("settings  {}\nnext      {next}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tests::world;

    #[test]
    fn what_a_run_that_was_stopped_left_behind_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let passphrase = || Passphrase::new("a secret".to_owned()).unwrap();
        let (genesis, _) = ciro_ledger::genesis(world::test_spec()).unwrap();
        let (account, _) = Keystore::generate(&passphrase()).unwrap();
        let parts = Parts { node: String::new(), genesis, account, passphrase: passphrase() };
        // It was stopped before the passphrase was there.
        parts.account.save(&folder.path().join("account.json")).unwrap();
        parts.write(folder.path()).unwrap();
        assert!(folder.path().join("passphrase").exists());
        parts.write(folder.path()).unwrap();
        let (account, _) = Keystore::generate(&passphrase()).unwrap();
        let refused = Parts { account, ..parts }.write(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("another account"), "{refused}");
    }

    #[test]
    fn the_template_has_one_line_that_names_the_node() {
        assert_eq!(Config::template().matches(NODE).count(), 1);
    }
}
