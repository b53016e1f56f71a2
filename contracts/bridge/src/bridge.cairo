//! `Bridge`: holds the CIRO that is on the Ciro chain, and pays it out to whom that chain says.
//!
//! Invariants, for a token that moves what it is asked to, and while less than a third of the stake
//! of each epoch that is followed misbehaves:
//! - money leaves by messages of the outbox alone, each paid once, to whom and as much as it says;
//! - an outbox is that of a checkpoint which more than two thirds of the stake have signed, by the
//!   validators of the epoch that the contract knows; it learns of the next ones by the checkpoint
//!   that ends an epoch, and of nobody by a set that was in charge longer than `TRUST` ago;
//! - nothing is paid until `DELAY` seconds after its outbox was shown here, so that whoever sees a
//!   false one has a day to convict;
//! - in a day of UTC no more leaves than `SHARE` of what is held when the first money does, or
//!   `FLOOR` if that is more, and no more than is held; the rest of a message is paid later;
//! - nothing moves from a capture of `ValidatorBond` on, until validators are named anew;
//! - each deposit has a number, counted from zero, and no other deposit has it: who credits numbers
//!   in turn credits each once;
//! - nobody owns the contract: there is no upgrade, no pause, no list. The guardian, if there is
//!   one, names validators anew, but only after a capture or while nobody is trusted any more;
//!   what was shown before and is not paid then counts for nothing.
use starknet::ContractAddress;
use super::checkpoint::{Certificate, Checkpoint};
use super::outbox::Exit;

/// Seconds from a checkpoint to what its outbox pays: a day.
pub const DELAY: u64 = 86_400;
/// Seconds for which validators are trusted after they were in charge: 14 days, half of the time
/// for which bonds stay.
pub const TRUST: u64 = 1_209_600;
/// Seconds by which the ledger's clock may be ahead of this chain's.
pub const AHEAD: u64 = 3_600;
const DAY: u64 = 86_400;
/// One in so many may leave in a day, and 100,000 CIRO at least.
pub const SHARE: u256 = 10;
pub const FLOOR: u256 = 100_000_000_000_000_000_000_000;

/// Whose certificates count: the validators of an epoch and of the next, by the digests of sets.
#[derive(Copy, Drop, Serde, starknet::Store, PartialEq)]
pub struct Trusted {
    pub epoch: u64,
    pub current: felt252,
    pub next: felt252,
}

/// An outbox that was certified.
#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Outbox {
    pub root: felt252,
    /// When it was shown here, in seconds; zero if it was not.
    pub at: u64,
}

#[starknet::interface]
pub trait IBridge<T> {
    /// Takes money for an account of the Ciro chain, by its key. Returns the deposit's number.
    fn deposit(ref self: T, amount: u128, to: felt252) -> u64;
    /// Learns of an outbox, and of the validators to come if the checkpoint ends the epoch.
    fn certify(ref self: T, checkpoint: Checkpoint, certificate: Certificate);
    /// Pays a message of the outbox after a block, as much as is held and today's limit lets
    /// through. Returns what is paid.
    fn exit(ref self: T, seq: u64, exit: Exit, path: Span<felt252>) -> u256;
    /// The guardian names validators anew.
    fn renew(ref self: T, trusted: Trusted);
    fn trusted(self: @T) -> Trusted;
    /// The second from which on nobody is trusted.
    fn trusted_until(self: @T) -> u64;
    fn outbox_of(self: @T, seq: u64) -> Outbox;
    /// What a message was paid.
    fn paid_of(self: @T, exit: Exit) -> u256;
    /// The leaf of a message to this contract.
    fn leaf_of(self: @T, exit: Exit) -> felt252;
    /// What may still leave today.
    fn left(self: @T) -> u256;
}

#[starknet::contract]
pub mod Bridge {
    use bond::validator_bond::{IValidatorBondDispatcher, IValidatorBondDispatcherTrait};
    use core::cmp::min;
    use core::ec::EcPointTrait;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ContractAddress, get_block_timestamp, get_caller_address, get_contract_address, get_tx_info,
    };
    use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait, pay, take};
    use super::super::checkpoint::{Certificate, Checkpoint, assert_certified, set_digest};
    use super::super::outbox::{Exit, leaf, root_of};
    use super::{AHEAD, DAY, DELAY, FLOOR, IBridge, Outbox, SHARE, TRUST, Trusted};

    #[storage]
    struct Storage {
        token: ContractAddress,
        bonds: ContractAddress,
        guardian: ContractAddress,
        /// The word that names the chain.
        chain: felt252,
        /// Blocks of an epoch.
        epoch_length: u64,
        trusted: Trusted,
        trusted_until: u64,
        /// When validators were last named, and how often they were named anew.
        named_at: u64,
        round: u64,
        /// By round and block.
        outboxes: Map<(u64, u64), Outbox>,
        /// By leaf.
        paid: Map<felt252, u256>,
        deposits: u64,
        /// The day of the last payment, and what may still leave on it.
        day: u64,
        left: u256,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Deposited: Deposited,
        Certified: Certified,
        Exited: Exited,
        Renewed: Renewed,
    }
    #[derive(Drop, starknet::Event)]
    struct Deposited {
        #[key]
        number: u64,
        #[key]
        to: felt252,
        from: ContractAddress,
        amount: u128,
    }
    #[derive(Drop, starknet::Event)]
    struct Certified {
        #[key]
        seq: u64,
        epoch: u64,
        outbox: felt252,
    }
    #[derive(Drop, starknet::Event)]
    struct Exited {
        #[key]
        index: u64,
        #[key]
        to: ContractAddress,
        amount: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Renewed {
        epoch: u64,
        current: felt252,
        next: felt252,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState,
        token: ContractAddress,
        bonds: ContractAddress,
        guardian: ContractAddress,
        chain: felt252,
        epoch_length: u64,
        trusted: Trusted,
    ) {
        assert(epoch_length != 0, 'no epochs');
        self.token.write(token);
        self.bonds.write(bonds);
        self.guardian.write(guardian);
        self.chain.write(chain);
        self.epoch_length.write(epoch_length);
        self.trust(trusted);
    }

    #[abi(embed_v0)]
    impl Impl of super::IBridge<ContractState> {
        fn deposit(ref self: ContractState, amount: u128, to: felt252) -> u64 {
            assert(!self.is_captured(), 'captured');
            assert(self.is_trusting(), 'nobody is trusted');
            assert(amount != 0, 'no money');
            assert(EcPointTrait::new_from_x(to).is_some(), 'to: no key');
            let from = get_caller_address();
            let number = self.deposits.read();
            self.deposits.write(number + 1);
            self.emit(Deposited { number, to, from, amount });
            take(self.token.read(), from, get_contract_address(), amount.into());
            number
        }

        fn certify(ref self: ContractState, checkpoint: Checkpoint, certificate: Certificate) {
            assert(!self.is_captured(), 'captured');
            assert(self.is_trusting(), 'nobody is trusted');
            let Trusted { epoch, current, next } = self.trusted.read();
            assert(set_digest(certificate.validators) == current, 'validators: not in charge');
            assert_certified(self.chain.read(), epoch, checkpoint, certificate);
            let (seq, root, length) = (checkpoint.seq, checkpoint.outbox, self.epoch_length.read());
            let end = (epoch + 1) * length;
            assert(end - length < seq && seq <= end, 'seq: another epoch');
            let (place, now) = ((self.round.read(), seq), get_block_timestamp());
            // Who could show an outbox again would put off what it pays.
            assert(self.outboxes.read(place).at == 0, 'certified already');
            self.outboxes.write(place, Outbox { root, at: now });
            let time = checkpoint.time_ms / 1000;
            assert(time <= now + AHEAD, 'time: not yet');
            if time + TRUST > self.trusted_until.read() {
                self.trusted_until.write(time + TRUST);
            }
            if seq == end {
                assert(checkpoint.epoch == epoch + 1, 'epoch: not the next');
                assert(checkpoint.current == next, 'validators: not the next');
                let (current, next) = (next, checkpoint.next);
                self.trusted.write(Trusted { epoch: epoch + 1, current, next });
            }
            self.emit(Certified { seq, epoch, outbox: root });
        }

        fn exit(ref self: ContractState, seq: u64, exit: Exit, path: Span<felt252>) -> u256 {
            assert(!self.is_captured(), 'captured');
            let (outbox, now) = (self.outbox_of(seq), get_block_timestamp());
            assert(outbox.at != 0, 'seq: not certified');
            assert(now >= outbox.at + DELAY, 'not yet');
            let leaf = self.leaf_of(exit);
            assert(root_of(leaf, exit.index, path) == outbox.root, 'path: another root');
            let (paid, asked): (u256, u256) = (self.paid.read(leaf), exit.amount.into());
            let due = asked - paid;
            assert(due != 0, 'paid already');
            let left = self.left();
            assert(left != 0, 'not today');
            let held = self.held();
            assert(held != 0, 'nothing is held');
            let amount = min(due, min(left, held));
            self.paid.write(leaf, paid + amount);
            self.day.write(now / DAY);
            self.left.write(left - amount);
            self.emit(Exited { index: exit.index, to: exit.to, amount });
            pay(self.token.read(), exit.to, amount);
            amount
        }

        fn renew(ref self: ContractState, trusted: Trusted) {
            assert(get_caller_address() == self.guardian.read(), 'not the guardian');
            assert(self.is_captured() || !self.is_trusting(), 'still trusted');
            self.round.write(self.round.read() + 1);
            self.trust(trusted);
            let Trusted { epoch, current, next } = trusted;
            self.emit(Renewed { epoch, current, next });
        }

        fn trusted(self: @ContractState) -> Trusted {
            self.trusted.read()
        }
        fn trusted_until(self: @ContractState) -> u64 {
            self.trusted_until.read()
        }
        fn outbox_of(self: @ContractState, seq: u64) -> Outbox {
            self.outboxes.read((self.round.read(), seq))
        }
        fn paid_of(self: @ContractState, exit: Exit) -> u256 {
            self.paid.read(self.leaf_of(exit))
        }
        fn leaf_of(self: @ContractState, exit: Exit) -> felt252 {
            leaf(get_tx_info().unbox().chain_id, get_contract_address(), exit)
        }
        fn left(self: @ContractState) -> u256 {
            if self.day.read() == get_block_timestamp() / DAY {
                return self.left.read();
            }
            let share = self.held() / SHARE;
            if share > FLOOR {
                share
            } else {
                FLOOR
            }
        }
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        fn trust(ref self: ContractState, trusted: Trusted) {
            let now = get_block_timestamp();
            self.trusted.write(trusted);
            self.trusted_until.write(now + TRUST);
            self.named_at.write(now);
        }
        fn held(self: @ContractState) -> u256 {
            let token = IERC20Dispatcher { contract_address: self.token.read() };
            token.balance_of(get_contract_address())
        }
        fn is_trusting(self: @ContractState) -> bool {
            get_block_timestamp() < self.trusted_until.read()
        }
        /// Whether there was a capture, and validators were not named anew since.
        fn is_captured(self: @ContractState) -> bool {
            let bonds = IValidatorBondDispatcher { contract_address: self.bonds.read() };
            let captured_at = bonds.captured_at();
            captured_at != 0 && captured_at >= self.named_at.read()
        }
    }
}
