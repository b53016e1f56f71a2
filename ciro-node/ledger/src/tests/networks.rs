//! The networks that random histories are played on: with few of them a history meets every
//! refusal.

use ciro_protocol::chain::{ChainSpec, GenesisAccount};
use ciro_protocol::economy::Offence;
use ciro_protocol::wire::List;

use super::economy::{Play, WEALTH, network, offence};
use super::support::{PEOPLE, spec, units};

/// What accounts 12 and 13 have: as much as some transactions cost, and less than others.
const LITTLE: [u128; 2] = [3_000, 1_500];
/// The validator that is worn down where one is.
const WORN: u32 = 1;
/// The validator of next to no weight where there is one.
const TINY: u32 = 2;

/// A network, by what is special about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// It has all that there is, and is otherwise ordinary.
    Whole,
    /// A validator delays in every epoch, which costs much: what is left takes no more stake.
    Worn,
    /// Weights are so unlike that faults of several leave next to nothing of the smallest, and
    /// what leaves it is worn.
    Uneven,
    /// Votes are short, few of them decide, and launches are what they are about.
    Voted,
    /// It has neither economy nor test money.
    Closed,
}

impl Network {
    pub(super) const ALL: [Self; 5] =
        [Self::Whole, Self::Worn, Self::Uneven, Self::Voted, Self::Closed];

    /// The network of a history.
    pub(super) const fn of(seed: u64) -> Self {
        match seed % 25 {
            3 => Self::Worn,
            7 | 13 | 19 => Self::Uneven,
            5 | 9 | 17 => Self::Voted,
            11 | 22 => Self::Closed,
            _ => Self::Whole,
        }
    }

    /// How many blocks a history has.
    pub(super) const fn blocks(self) -> u64 {
        match self {
            // A tenth of what is left is lost three times in each epoch of four blocks.
            Self::Worn => 220,
            Self::Whole | Self::Uneven | Self::Voted | Self::Closed => 70,
        }
    }

    /// The validator that people of this network are occupied with.
    pub(super) const fn focus(self) -> Option<u32> {
        match self {
            Self::Worn => Some(WORN),
            Self::Uneven => Some(TINY),
            Self::Whole | Self::Voted | Self::Closed => None,
        }
    }

    /// Whether people of this network are occupied with launches.
    pub(super) const fn launches(self) -> bool {
        matches!(self, Self::Voted)
    }

    pub(super) fn spec(self) -> ChainSpec {
        let paid = spec();
        let mut spec = ChainSpec { fees: paid.fees, faucet: paid.faucet, ..network() };
        spec.limits.timers_per_block = 6;
        let rich = (0..12).map(|person| (person, WEALTH));
        let accounts = rich.chain((12..).zip(LITTLE));
        let account =
            |(person, amount)| GenesisAccount { address: PEOPLE[person], amount: units(amount) };
        spec.accounts = List::new(accounts.map(account).collect()).unwrap();
        match self {
            Self::Whole => spec.consensus.epoch_length = 4,
            Self::Worn => {
                spec.consensus.epoch_length = 4;
                spec.economy.as_mut().unwrap().params.stake.seats = 0;
                spec.economy.as_mut().unwrap().params.penalty.delay_bps = 1_000;
            }
            Self::Uneven => {
                spec.consensus.epoch_length = 16;
                spec.economy.as_mut().unwrap().params.stake.seats = 0;
                let mut validators = spec.validators.to_vec();
                for (validator, weight) in validators.iter_mut().zip([2_000_001, 999_998, 1, 1]) {
                    validator.stake = weight;
                }
                spec.validators = List::new(validators).unwrap();
            }
            Self::Voted => {
                let governance = &mut spec.economy.as_mut().unwrap().params.governance;
                (governance.voting_ms, governance.timelock_ms) = (8_000, 1_000);
                (governance.open_max, governance.tally.quorum_bps) = (6, 1);
            }
            Self::Closed => (spec.economy, spec.faucet) = (None, None),
        }
        spec
    }

    /// Returns the faults that consensus has proven before a block.
    pub(super) fn faults(self, height: u64, play: &mut Play<'_>) -> Vec<Offence> {
        let epoch = play.whole.epoch();
        let number = u8::try_from(height % 3).unwrap();
        let again = play.convict().filter(|_| self == Self::Whole && play.dice.one_in(4));
        match self {
            _ if height == 1 => Vec::new(),
            Self::Worn => vec![offence(WORN, epoch, 6 + number)],
            // In the middle of an epoch: stake leaves in the same one before and after.
            Self::Uneven if height == 24 => vec![offence(1, epoch, 1), offence(TINY, epoch, 2)],
            // A convict goes on, in an epoch in which it has another weight perhaps.
            _ if let Some(convict) = again => vec![offence(convict, epoch, 1 + number)],
            // Consensus proves faults of those who vote.
            _ if play.dice.one_in(25) => vec![play.fault()],
            _ => Vec::new(),
        }
    }
}
