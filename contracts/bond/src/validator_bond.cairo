//! `ValidatorBond`: what validators of the Ciro chain have at stake outside of it, so that a chain
//! which was forked or captured, and punishes nobody, does not go unpunished.
//!
//! Invariants, for a token that moves what it is asked to:
//! - the contract holds at least all bonds less what was taken of them;
//! - a bond is its owner's, and leaves `WAIT` seconds after it was asked for; its key agreed to be
//!   the owner's, once and for ever;
//! - nothing is taken but for a fault that the judge finds, each fault once: for a fork a
//!   twentieth, and all that is left if the bond is of a capture; for a delay a hundredth;
//! - a capture is a conviction of a fork that gives convicts a third of the bonds, and `LEAST`. Of
//!   it are the bonds of all convicts that are still here, and those that were here and whose keys
//!   are convicted of a fork within `WAIT` after;
//! - convicts who are here at a capture count for no other: they leave both sums in that second,
//!   and another takes a third of what is left, and `LEAST`;
//! - who is convicted of a fork leaves `WAIT` seconds after, and has no second bond;
//! - for `WAIT` seconds after a capture nobody leaves; that others leave takes no more of a
//!   convict, though its part is greater then;
//! - of what a fork costs at once a twentieth is for whoever brings the evidence, less than it
//!   costs; all else goes to the treasury;
//! - nobody owns the contract: there is no upgrade, no pause, no judge but two signatures.
//!
//! So each capture costs bonds that no other costs: `LEAST`, and half of what those have who are
//! not convicted. Whoever puts up twice as much as convicts have, before they are convicted, keeps
//! them below a third: such money waits as long as theirs.
use starknet::ContractAddress;
use super::evidence::{Evidence, Fault, Signature};
use super::judge::Domain;

/// Keeps what a key agrees to apart from what it says as a validator.
const POSSESSION: felt252 = 'CIRO_BOND_V1';
/// Seconds until a bond leaves: 28 days.
pub const WAIT: u64 = 2_419_200;
/// One in so many is taken for a fork and for a delay, and of a fork's is for who shows it.
const FORK: u256 = 20;
const DELAY: u256 = 100;
const BOUNTY: u256 = 20;
/// What convicts have put up at least if it is a capture: 100,000 CIRO.
pub const LEAST: u256 = 100_000_000_000_000_000_000_000;

#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Bond {
    pub owner: ContractAddress,
    /// What was put up.
    pub weight: u256,
    /// What was not taken.
    pub left: u256,
    /// When it may leave; zero if nobody asked.
    pub leaves_at: u64,
    /// When the key was convicted of a fork; zero if it was not.
    pub convicted_at: u64,
    /// How many captures there had been when it was put up, and when its key was convicted.
    pub bonded_in: u64,
    pub convicted_in: u64,
}

#[starknet::interface]
pub trait IValidatorBond<T> {
    /// Puts up the caller's bond for a key, which signed that it may.
    fn bond(ref self: T, key: felt252, amount: u256, possession: Signature);
    /// The owner asks for the bond.
    fn leave(ref self: T, key: felt252);
    /// Pays the owner, or the treasury what convicts have lost.
    fn withdraw(ref self: T, key: felt252);
    /// Takes what a fault costs. Returns the fault.
    fn convict(ref self: T, key: felt252, evidence: Evidence) -> Fault;
    fn bond_of(self: @T, key: felt252) -> Bond;
    /// All bonds as they were put up, and those of convicts, that are still here and of no capture.
    fn weights(self: @T) -> (u256, u256);
    /// The second of the last capture; zero if there was none.
    fn captured_at(self: @T) -> u64;
    /// What a key signs for an owner.
    fn possession_of(self: @T, key: felt252, owner: ContractAddress) -> felt252;
}

#[starknet::contract]
pub mod ValidatorBond {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use verifier::erc20::{pay, take};
    use super::super::evidence::{Evidence, Fault, FaultTrait, Signature};
    use super::super::judge::{Domain, fault, is_signed, signed_hash};
    use super::{BOUNTY, Bond, DELAY, FORK, IValidatorBond, LEAST, WAIT};

    #[storage]
    struct Storage {
        token: ContractAddress,
        treasury: ContractAddress,
        domain: Domain,
        bonds: Map<felt252, Bond>,
        /// By key, epoch and rule.
        punished: Map<(felt252, u64, u8), bool>,
        /// Of bonds that are of no capture.
        weight: u256,
        convicted: u256,
        captures: u64,
        captured_at: u64,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Bonded: Bonded,
        Leaving: Leaving,
        Withdrawn: Withdrawn,
        Convicted: Convicted,
    }
    #[derive(Drop, starknet::Event)]
    struct Bonded {
        #[key]
        key: felt252,
        #[key]
        owner: ContractAddress,
        amount: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Leaving {
        #[key]
        key: felt252,
        at: u64,
    }
    #[derive(Drop, starknet::Event)]
    struct Withdrawn {
        #[key]
        key: felt252,
        to: ContractAddress,
        amount: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Convicted {
        #[key]
        key: felt252,
        epoch: u64,
        rule: u8,
        taken: u256,
        by: ContractAddress,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState, token: ContractAddress, treasury: ContractAddress, domain: Domain,
    ) {
        assert(treasury != Zero::zero(), 'no treasury');
        let window = domain.window;
        assert(window != 0 && (window & (window - 1)) == 0, 'window: not a power of two');
        self.token.write(token);
        self.treasury.write(treasury);
        self.domain.write(domain);
    }

    #[abi(embed_v0)]
    impl Impl of super::IValidatorBond<ContractState> {
        fn bond(ref self: ContractState, key: felt252, amount: u256, possession: Signature) {
            let owner = get_caller_address();
            assert(self.bonds.read(key).owner == Zero::zero(), 'key: bonded before');
            assert(amount != 0, 'no bond');
            let agreed = self.possession_of(key, owner);
            assert(is_signed(key, agreed, possession), 'key: not yours');
            let bond = Bond {
                owner, weight: amount, left: amount, leaves_at: 0, convicted_at: 0,
                bonded_in: self.captures.read(), convicted_in: 0,
            };
            self.bonds.write(key, bond);
            self.weight.write(self.weight.read() + amount);
            self.emit(Bonded { key, owner, amount });
            take(self.token.read(), owner, get_contract_address(), amount);
        }

        fn leave(ref self: ContractState, key: felt252) {
            let bond = self.bonds.read(key);
            assert(get_caller_address() == bond.owner, 'not the owner');
            assert(bond.leaves_at == 0, 'leaving already');
            let at = get_block_timestamp() + WAIT;
            self.bonds.write(key, Bond { leaves_at: at, ..bond });
            self.emit(Leaving { key, at });
        }

        fn withdraw(ref self: ContractState, key: felt252) {
            let bond = self.bonds.read(key);
            let (now, captured_at) = (get_block_timestamp(), self.captured_at.read());
            assert(bond.weight != 0, 'no bond');
            assert(bond.leaves_at != 0 && now >= bond.leaves_at, 'not yet');
            assert(captured_at == 0 || now >= captured_at + WAIT, 'captured');
            let is_convict = bond.convicted_at != 0;
            // A later capture has taken convicts out of both sums.
            if !is_convict || bond.convicted_in == self.captures.read() {
                self.weight.write(self.weight.read() - bond.weight);
                if is_convict {
                    self.convicted.write(self.convicted.read() - bond.weight);
                }
            }
            self.bonds.write(key, Bond { weight: 0, left: 0, ..bond });
            let to = if is_convict && self.is_of_capture(bond) {
                self.treasury.read()
            } else {
                bond.owner
            };
            self.emit(Withdrawn { key, to, amount: bond.left });
            pay(self.token.read(), to, bond.left);
        }

        fn convict(ref self: ContractState, key: felt252, evidence: Evidence) -> Fault {
            let bond = self.bonds.read(key);
            assert(bond.weight != 0, 'no bond');
            let fault = fault(self.domain.read(), key, evidence);
            let Fault { epoch, rule } = fault;
            assert(!self.punished.read((key, epoch, rule)), 'punished already');
            self.punished.write((key, epoch, rule), true);
            let by = get_caller_address();
            let (taken, bounty) = if fault.is_fork() {
                assert(bond.convicted_at == 0, 'convicted already');
                self.tombstone(key, bond)
            } else {
                let taken = bond.left / DELAY;
                self.bonds.write(key, Bond { left: bond.left - taken, ..bond });
                (taken, 0)
            };
            self.emit(Convicted { key, epoch, rule, taken, by });
            let token = self.token.read();
            pay(token, by, bounty);
            pay(token, self.treasury.read(), taken - bounty);
            fault
        }

        fn bond_of(self: @ContractState, key: felt252) -> Bond {
            self.bonds.read(key)
        }
        fn weights(self: @ContractState) -> (u256, u256) {
            (self.weight.read(), self.convicted.read())
        }
        fn captured_at(self: @ContractState) -> u64 {
            self.captured_at.read()
        }
        fn possession_of(self: @ContractState, key: felt252, owner: ContractAddress) -> felt252 {
            let here = get_contract_address().into();
            signed_hash(array![super::POSSESSION, here, key, owner.into()].span())
        }
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        /// Takes a part of the bond and sends the rest away. Returns what is taken, and how much of
        /// it is a bounty.
        fn tombstone(ref self: ContractState, key: felt252, bond: Bond) -> (u256, u256) {
            let (now, captures) = (get_block_timestamp(), self.captures.read());
            let taken = bond.left / FORK;
            let left = bond.left - taken;
            let convict = Bond {
                left, leaves_at: now + WAIT, convicted_at: now, convicted_in: captures, ..bond,
            };
            self.bonds.write(key, convict);
            let (weight, convicted) = (self.weight.read(), self.convicted.read() + bond.weight);
            if 3 * convicted >= weight && convicted >= LEAST {
                self.captures.write(captures + 1);
                self.captured_at.write(now);
                self.weight.write(weight - convicted);
                self.convicted.write(0);
            } else {
                self.convicted.write(convicted);
            }
            (taken, taken / BOUNTY)
        }
        /// Whether a convict's bond is of a capture: one after its conviction, or the last before.
        fn is_of_capture(self: @ContractState, bond: Bond) -> bool {
            let until = self.captured_at.read() + WAIT;
            self.captures.read() > bond.convicted_in
                || (bond.bonded_in < bond.convicted_in && bond.convicted_at < until)
        }
    }
}
