//! What the chain says to the bridge on Starknet: messages, and the outbox that commits to them.
//!
//! This is the format that the contract `Bridge` reads. The ledger fills no outbox yet, and headers
//! carry a state root without one.

use ciro_consensus::Digest;
use ciro_consensus::crypto::{Scheme, Stark};

use crate::amount::Amount;
use crate::light::StateWords;
use crate::sign::halves;

/// Levels of the outbox above its leaves.
pub const OUTBOX_DEPTH: usize = 32;

/// The most messages of an outbox: the last leaf stays empty, so that a frontier holds the rest.
pub const OUTBOX_MESSAGES_MAX: u64 = (1 << OUTBOX_DEPTH) - 1;

/// A contract or an account on Starknet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StarknetAddress(Digest);

/// A bridge: messages to one count at no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeId {
    /// The word that names the network of Starknet, such as `SN_MAIN`.
    pub network: Digest,
    /// The contract there.
    pub contract: StarknetAddress,
}

/// Money that leaves the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How many messages were in the outbox before it.
    pub index: u64,
    /// Who is paid on Starknet.
    pub to: StarknetAddress,
    /// How much.
    pub amount: Amount,
}

/// All messages so far: a Merkle tree of Poseidon hashes that is filled from the left, by the whole
/// subtrees to the left of the next leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    messages: u64,
    /// For each level, the node that waits for one beside it. It counts where the number of
    /// messages has a bit.
    frontier: [Digest; OUTBOX_DEPTH],
}

/// An outbox takes no more messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outbox holds {OUTBOX_MESSAGES_MAX} messages, which is all it can")]
pub struct OutboxFull;

impl StarknetAddress {
    /// Reads a word, or returns `None` if Starknet has no such address: zero, or 2^251 - 256 and
    /// above.
    #[must_use]
    pub fn new(word: Digest) -> Option<Self> {
        let bytes = word.as_bytes();
        let beyond = bytes[0] > 7 || (bytes[0] == 7 && bytes[1..31].iter().all(|it| *it == 0xff));
        (word != Digest::ZERO && !beyond).then_some(Self(word))
    }

    /// Returns the address as a word.
    #[must_use]
    pub const fn word(self) -> Digest {
        self.0
    }
}

impl Exit {
    /// Returns the leaf that stands for the message in the outbox.
    #[must_use]
    pub fn leaf(&self, bridge: &BridgeId) -> Digest {
        Stark::hash(&[
            Digest::short_string("CIRO_EXIT_V1"),
            bridge.network,
            bridge.contract.word(),
            Digest::from_u64(self.index),
            self.to.word(),
            Digest::from_u128(self.amount.units()),
        ])
    }
}

impl Outbox {
    /// Returns how many messages there are: the index of the next one.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Takes the leaf of the next message.
    ///
    /// # Errors
    ///
    /// [`OutboxFull`] if there is no room; the outbox is as it was.
    pub fn append(&mut self, leaf: Digest) -> Result<(), OutboxFull> {
        if self.messages == OUTBOX_MESSAGES_MAX {
            return Err(OutboxFull);
        }
        let mut node = leaf;
        for (level, waiting) in self.frontier.iter_mut().enumerate() {
            if self.messages >> level & 1 == 0 {
                *waiting = node;
                break;
            }
            node = Stark::compress(waiting, &node);
        }
        self.messages += 1;
        Ok(())
    }

    /// Returns the root; leaves without a message are zero.
    #[must_use]
    pub fn root(&self) -> Digest {
        let (mut node, mut empty) = (Digest::ZERO, Digest::ZERO);
        for (level, waiting) in self.frontier.iter().enumerate() {
            node = if self.messages >> level & 1 == 1 {
                Stark::compress(waiting, &node)
            } else {
                Stark::compress(&node, &empty)
            };
            empty = Stark::compress(&empty, &empty);
        }
        node
    }
}

/// Returns the siblings on the way from a message to the root of an outbox with these leaves, the
/// lowest first; `None` if there is no such message.
#[must_use]
pub fn outbox_path(leaves: &[Digest], index: usize) -> Option<[Digest; OUTBOX_DEPTH]> {
    leaves.get(index)?;
    let (mut level, mut empty, mut index) = (leaves.to_vec(), Digest::ZERO, index);
    Some(std::array::from_fn(|_| {
        let sibling = level.get(index ^ 1).copied().unwrap_or(empty);
        level = level
            .chunks(2)
            .map(|pair| Stark::compress(&pair[0], pair.get(1).unwrap_or(&empty)))
            .collect();
        empty = Stark::compress(&empty, &empty);
        index /= 2;
        sibling
    }))
}

/// Returns the state root of a chain with a bridge.
#[must_use]
pub fn bridged_root(words: &StateWords, outbox: Digest) -> Digest {
    let [high, low] = halves(&words.tree.0);
    let domain = Digest::short_string("CIRO_STATE_V2");
    Stark::hash(&[domain, high, low, Digest::from_u64(words.time_ms), outbox])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::light::TreeRoot;

    fn root_from(leaf: Digest, index: usize, path: &[Digest]) -> Digest {
        let levels = path.iter().enumerate();
        levels.fold(leaf, |node, (level, sibling)| match index >> level & 1 {
            0 => Stark::compress(&node, sibling),
            _ => Stark::compress(sibling, &node),
        })
    }

    #[test]
    fn every_message_leads_to_the_root_and_nothing_else_does() {
        let leaves: Vec<Digest> = (1..=9).map(Digest::from_u64).collect();
        let mut outbox = Outbox::default();
        for count in 1..=leaves.len() {
            outbox.append(leaves[count - 1]).unwrap();
            assert_eq!(outbox.messages(), count as u64);
            for index in 0..count {
                let path = outbox_path(&leaves[..count], index).unwrap();
                assert_eq!(root_from(leaves[index], index, &path), outbox.root());
                assert_ne!(root_from(leaves[index], index ^ 1, &path), outbox.root());
            }
            assert_eq!(outbox_path(&leaves[..count], count), None);
        }
    }

    #[test]
    fn a_full_outbox_takes_nothing() {
        let messages = OUTBOX_MESSAGES_MAX - 1;
        let mut outbox = Outbox { messages, frontier: [Digest::from_u64(1); OUTBOX_DEPTH] };
        assert_eq!(outbox.append(Digest::from_u64(2)), Ok(()));
        let before = outbox.clone();
        assert_eq!(outbox.append(Digest::from_u64(3)), Err(OutboxFull));
        assert_eq!(outbox, before);
    }

    #[test]
    fn addresses_are_those_of_starknet() {
        let mut most = [0xff; 32];
        (most[0], most[31]) = (7, 0);
        let word = |bytes| Digest::from_bytes(bytes).unwrap();
        assert_eq!(StarknetAddress::new(word(most)), None);
        (most[30], most[31]) = (0xfe, 0xff);
        assert!(StarknetAddress::new(word(most)).is_some());
        let mut beyond = [0; 32];
        beyond[0] = 8;
        assert_eq!(StarknetAddress::new(word(beyond)), None);
        assert_eq!(StarknetAddress::new(Digest::ZERO), None);
        assert!(StarknetAddress::new(Digest::from_u64(1)).is_some());
    }

    #[test]
    fn everything_that_a_message_says_is_in_its_leaf() {
        let address = |number| StarknetAddress::new(Digest::from_u64(number)).unwrap();
        let bridge = BridgeId { network: Digest::short_string("SN_MAIN"), contract: address(1) };
        let exit = Exit { index: 2, to: address(3), amount: Amount::CIRO };
        let leaves = [
            exit.leaf(&bridge),
            exit.leaf(&BridgeId { network: Digest::short_string("SN_SEPOLIA"), ..bridge }),
            exit.leaf(&BridgeId { contract: address(9), ..bridge }),
            Exit { index: 9, ..exit }.leaf(&bridge),
            Exit { to: address(9), ..exit }.leaf(&bridge),
            Exit { amount: Amount::ciro(9), ..exit }.leaf(&bridge),
        ];
        for (place, leaf) in leaves.iter().enumerate() {
            assert!(!leaves[..place].contains(leaf), "case {place}");
        }
        let words = StateWords { tree: TreeRoot([1; 32]), time_ms: 5 };
        assert_ne!(bridged_root(&words, leaves[0]), bridged_root(&words, leaves[1]));
        assert_ne!(bridged_root(&words, Digest::ZERO), words.root());
    }
}
