//! Who a peer is: a validator signs which libp2p identity speaks for it.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::{Digest, ReplicaId};
use ciro_protocol::id::Chain;
use ciro_protocol::sign::{Address, SecretKey, SignError, Signable, Signed};
use ciro_protocol::wire::{Bytes, List, Message};
use libp2p::Multiaddr;

use super::identity::{Addresses, Identity};

/// The most addresses of a record.
const ADDRESSES_MAX: usize = 8;
/// The most bytes of one address.
const ADDRESS_BYTES_MAX: usize = 256;

/// What a validator says about itself.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NodeRecord {
    /// The network.
    pub chain: Chain,
    /// The validator's number.
    pub validator: u32,
    /// Its key.
    pub key: Address,
    /// The libp2p identity that speaks for it.
    pub peer: Bytes<64>,
    /// Where it listens.
    pub addresses: List<Bytes<ADDRESS_BYTES_MAX>, ADDRESSES_MAX>,
    /// When it was signed, in ms since 1970: a later record replaces an earlier one.
    pub issued_ms: u64,
}

impl Message for NodeRecord {
    const NAME: &'static str = "CIRO_NODE_RECORD_V1";
    const BYTES_MAX: usize = 4096;
}

impl Signable for NodeRecord {
    const DOMAIN: Digest = Digest::short_string("CIRO_NODE_RECORD_V1");

    fn signer(&self) -> Address {
        self.key
    }

    fn chain(&self) -> Chain {
        self.chain
    }
}

/// The first word between two peers: a signed record.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Hello(pub Signed<NodeRecord>);

impl Message for Hello {
    const NAME: &'static str = "CIRO_HELLO_V1";
    const BYTES_MAX: usize = 64 + NodeRecord::BYTES_MAX;
}

impl Hello {
    /// Signs who this node is. Addresses that are too long or too many are left out: they are
    /// hints.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the key cannot sign.
    pub fn new(
        chain: Chain,
        (id, key): (ReplicaId, &SecretKey),
        identity: &Identity,
        addresses: &Addresses,
    ) -> Result<Self, SignError> {
        let addresses = addresses.listen.iter().filter_map(|it| Bytes::new(it.to_vec()).ok());
        let addresses: Vec<_> = addresses.take(ADDRESSES_MAX).collect();
        let record = NodeRecord {
            chain,
            validator: id.0,
            key: key.address(),
            peer: Bytes::new(identity.peer().to_bytes()).unwrap_or_default(),
            addresses: List::new(addresses).unwrap_or_default(),
            issued_ms: crate::clock::now_ms(),
        };
        Ok(Self(Signed::new(record, key)?))
    }
}

impl NodeRecord {
    /// Returns the addresses that are some.
    #[must_use]
    pub fn multiaddrs(&self) -> Vec<Multiaddr> {
        let addresses = self.addresses.iter();
        addresses.filter_map(|bytes| Multiaddr::try_from(bytes.to_vec()).ok()).collect()
    }
}
