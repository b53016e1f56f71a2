//! What a node with other validators has beside one that is alone.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use ciro_consensus::{Input, Operation, ReplicaId};
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::id::Chain;
use ciro_protocol::sign::SecretKey;

use crate::config::{Config, PEER_KEY_FILE};
use crate::driver::Transport;
use crate::members::Members;
use crate::metrics::Metrics;
use crate::net::{
    self, Courier, Hello, Holding, Identity, Net, Peers, Queues, Running, Service, Supply,
};
use crate::start_error::StartError;

/// How other validators are reached, as the settings say.
#[derive(Debug)]
pub(crate) struct Remoteness {
    identity: Identity,
    addresses: net::Addresses,
    nat: bool,
}

/// The parts of a node that reach others.
pub(crate) struct Link {
    pub(crate) service: Arc<Service>,
    pub(crate) courier: Courier,
    pub(crate) supply: Supply,
}

/// The same with what is handed on at once.
pub(crate) struct Linked {
    pub(crate) link: Link,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) queues: Queues,
}

impl Remoteness {
    /// Reads the settings; `None` for a validator that is alone: the only one of the genesis, whose
    /// settings name no peer. Nobody can join it then.
    pub(crate) fn read(
        folder: &Path,
        config: &Config,
        spec: &ChainSpec,
    ) -> Result<Option<Self>, StartError> {
        if spec.validators.len() == 1 && config.net.peers.is_empty() && config.validator.is_none() {
            return Ok(None);
        }
        let path = folder.join(PEER_KEY_FILE);
        let secret = crate::secret::read_bytes(&path)?;
        let unusable = || StartError::Secret(crate::secret::SecretError::Content(path.clone()));
        let identity = Identity::from_secret(secret).ok_or_else(unusable)?;
        let (listen, peers) = (&config.net.listen, &config.net.peers);
        let addresses = net::Addresses::parse(listen, peers).map_err(StartError::Multiaddr)?;
        Ok(Some(Self { identity, addresses, nat: config.net.nat }))
    }

    /// Makes the parts, which work once the network is started.
    pub(crate) fn link(
        &self,
        (chain, members): (Chain, Arc<Members>),
        holding: Holding,
        (held, metrics): (&[Operation], Metrics),
    ) -> Linked {
        let named = self.addresses.named().collect();
        let peers = Arc::new(Peers::new(chain, members, named));
        let (net, queues) = Net::new(peers, metrics);
        let service = Arc::new(Service::new(net, holding, held));
        let (courier, transport) = Courier::new(Arc::clone(&service));
        let supply = Supply::new(Arc::clone(&service), tokio::runtime::Handle::current());
        let link = Link { service, courier, supply };
        Linked { link, transport: Box::new(transport), queues }
    }

    /// Starts the network.
    pub(crate) fn start(
        &self,
        (chain, id, key): (Chain, ReplicaId, &SecretKey),
        (service, queues, inputs): (Arc<Service>, Queues, SyncSender<Input>),
    ) -> Result<Running, StartError> {
        let hello = Hello::new(chain, (id, key), &self.identity, &self.addresses)?;
        let opening = net::Opening {
            service,
            queues,
            identity: self.identity.clone(),
            hello,
            addresses: self.addresses.clone(),
            nat: self.nat,
            inputs,
        };
        Ok(net::start(opening)?)
    }
}
