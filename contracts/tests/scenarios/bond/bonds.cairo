//! Bonds that are put up, taken and paid back. The offender's evidence and all signatures come from
//! outside.
use bond::evidence::{Evidence, FaultTrait, Signature};
use bond::validator_bond::{
    Bond, IValidatorBondDispatcher, IValidatorBondDispatcherTrait, IValidatorBondSafeDispatcher,
    IValidatorBondSafeDispatcherTrait, LEAST, ValidatorBond, WAIT,
};
use props::{deploy, deployed, refused};
use starknet::ContractAddress;
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::{domain, evidence};
use token::ciro_token::{CiroToken, ICiroTokenDispatcher, ICiroTokenDispatcherTrait};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};

pub const START: u64 = 1_000;
/// All amounts of histories are in these units: ten thousand of them are what a capture takes.
pub const UNIT: u256 = 10_000_000_000_000_000_000;
pub const MONEY: u256 = 1_000_000;

/// The owner of the offender's bond, and of three others.
pub fn owners() -> Array<ContractAddress> {
    array![
        'three'.try_into().unwrap(), 'one'.try_into().unwrap(), 'two'.try_into().unwrap(),
        'four'.try_into().unwrap(),
    ]
}
pub fn treasury() -> ContractAddress {
    'treasury'.try_into().unwrap()
}
pub fn reporter() -> ContractAddress {
    'reporter'.try_into().unwrap()
}

#[derive(Copy, Drop)]
pub struct Stage {
    coin: IERC20Dispatcher,
    pub bonds: IValidatorBondDispatcher,
    pub safe: IValidatorBondSafeDispatcher,
    /// Those of the owners, the offender's first.
    pub keys: Span<felt252>,
}

/// About a chain and keys. Everybody has the same money and lets the contract take it.
pub fn begin(about: Span<felt252>) -> Stage {
    set_block_timestamp(START);
    let holder: ContractAddress = 'holder'.try_into().unwrap();
    let token = deploy(CiroToken::TEST_CLASS_HASH, array![holder.into()]);
    let calldata = array![token.into(), treasury().into(), *about.at(0), *about.at(1)];
    let contract_address = deploy(ValidatorBond::TEST_CLASS_HASH, calldata);
    let coin = IERC20Dispatcher { contract_address: token };
    for who in owners() {
        set_contract_address(holder);
        coin.transfer(who, MONEY * UNIT);
        set_contract_address(who);
        ICiroTokenDispatcher { contract_address: token }.approve(contract_address, MONEY * UNIT);
    };
    Stage {
        coin, bonds: IValidatorBondDispatcher { contract_address },
        safe: IValidatorBondSafeDispatcher { contract_address },
        keys: about.slice(2, 4),
    }
}
/// The signature of a key.
fn possession(signatures: Span<felt252>, at: u32) -> Signature {
    Signature { r: *signatures.at(2 * at), s: *signatures.at(2 * at + 1) }
}
/// With these bonds, in units; none for 0.
pub fn bonded(about: Span<felt252>, signatures: Span<felt252>, amounts: Array<u256>) -> Stage {
    let s = begin(about);
    for at in 0..amounts.len() {
        if *amounts.at(at) != 0 {
            s.puts_up(at, *amounts.at(at), signatures);
        }
    };
    s
}
#[generate_trait]
pub impl StageImpl of StageTrait {
    /// An owner puts up so many units.
    fn puts_up(self: Stage, at: u32, amount: u256, signatures: Span<felt252>) {
        set_contract_address(*owners().at(at));
        self.bonds.bond(*self.keys.at(at), amount * UNIT, possession(signatures, at));
    }
    fn convicted(self: Stage, evidence: Evidence) -> u8 {
        self.convicts(0, evidence)
    }
    fn convicts(self: Stage, at: u32, evidence: Evidence) -> u8 {
        set_contract_address(reporter());
        self.bonds.convict(*self.keys.at(at), evidence).rule
    }
    fn offender(self: Stage) -> Bond {
        self.bonds.bond_of(*self.keys.at(0))
    }
    fn left(self: Stage, at: u32) {
        set_contract_address(*owners().at(at));
        self.bonds.leave(*self.keys.at(at));
    }
    fn withdraws(self: Stage, at: u32) {
        self.bonds.withdraw(*self.keys.at(at));
    }
    /// So many units.
    fn has(self: Stage, who: ContractAddress, amount: u256) {
        assert(self.coin.balance_of(who) == amount * UNIT, 'another balance');
    }
    /// The sums are so many units.
    fn weighs(self: Stage, weight: u256, convicted: u256) {
        assert(self.bonds.weights() == (weight * UNIT, convicted * UNIT), 'other weights');
    }
}

/// The first play: what the keys sign.
fn possessions(about: Array<felt252>) -> (felt252, felt252, felt252, felt252) {
    let s = begin(about.span());
    let owners = owners();
    (
        s.bonds.possession_of(*s.keys.at(0), *owners.at(0)),
        s.bonds.possession_of(*s.keys.at(1), *owners.at(1)),
        s.bonds.possession_of(*s.keys.at(2), *owners.at(2)),
        s.bonds.possession_of(*s.keys.at(3), *owners.at(3)),
    )
}

/// A convict alone loses a twentieth, and its place for ever.
#[feature("safe_dispatcher")]
fn a_fork_costs_a_twentieth(
    about: Array<felt252>, signatures: Array<felt252>, fork: Array<felt252>, other: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![10_000, 15_000, 15_000]);
    let (key, owner) = (*s.keys.at(0), *owners().at(0));
    let fork = evidence(fork);
    s.left(0);
    set_block_timestamp(START + WAIT - 1);
    assert(s.convicted(fork) <= 5, 'not a fork');
    s.has(reporter(), 25);
    s.has(treasury(), 475);
    let bond = s.offender();
    assert(bond.left == 9_500 * UNIT && bond.convicted_at == START + WAIT - 1, 'another bond');
    refused(s.safe.convict(key, fork), 'punished already');
    refused(s.safe.convict(key, evidence(other)), 'convicted already');
    s.weighs(40_000, 10_000);
    assert(s.bonds.captured_at() == 0, 'captured by a quarter');
    // It leaves later than it asked for.
    set_block_timestamp(START + 2 * WAIT - 2);
    refused(s.safe.withdraw(key), 'not yet');
    set_block_timestamp(START + 2 * WAIT - 1);
    s.bonds.withdraw(key);
    s.has(owner, MONEY - 500);
    s.weighs(30_000, 0);
    refused(s.safe.withdraw(key), 'no bond');
    refused(s.safe.convict(key, fork), 'no bond');
    set_contract_address(owner);
    let again = possession(signatures.span(), 0);
    refused(s.safe.bond(key, 10_000 * UNIT, again), 'key: bonded before');
}

/// Convicts with a third lose everything, and nobody leaves until others can be convicted, too.
#[feature("safe_dispatcher")]
fn a_third_loses_everything(
    about: Array<felt252>, signatures: Array<felt252>, fork: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![20_000, 30_000, 10_000]);
    let owners = owners();
    s.left(1);
    set_block_timestamp(START + WAIT - 1);
    s.convicted(evidence(fork));
    assert(s.bonds.captured_at() == START + WAIT - 1, 'not captured');
    s.weighs(40_000, 0);
    s.has(reporter(), 50);
    s.has(treasury(), 950);
    set_block_timestamp(START + 2 * WAIT - 2);
    for key in s.keys.slice(0, 2) {
        let word = if *key == *s.keys.at(0) {
            'not yet'
        } else {
            'captured'
        };
        refused(s.safe.withdraw(*key), word);
    };
    set_block_timestamp(START + 2 * WAIT - 1);
    s.bonds.withdraw(*s.keys.at(1));
    s.has(*owners.at(1), MONEY);
    s.bonds.withdraw(*s.keys.at(0));
    s.has(*owners.at(0), MONEY - 20_000);
    s.has(treasury(), 19_950);
    s.weighs(10_000, 0);
}

/// That others leave takes no more of a convict, though it has all of what is left then.
#[feature("safe_dispatcher")]
fn others_leave_and_a_convict_loses_no_more(
    about: Array<felt252>, signatures: Array<felt252>, fork: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![10_000, 15_000, 15_000]);
    let owners = owners();
    s.left(1);
    s.convicted(evidence(fork));
    s.left(2);
    // A quarter keeps nobody.
    set_block_timestamp(START + WAIT);
    s.bonds.withdraw(*s.keys.at(1));
    s.bonds.withdraw(*s.keys.at(2));
    s.weighs(10_000, 10_000);
    assert(s.bonds.captured_at() == 0, 'captured by leaving');
    assert(s.offender().left == 9_500 * UNIT, 'taken by leaving');
    s.bonds.withdraw(*s.keys.at(0));
    s.has(*owners.at(0), MONEY - 500);
    s.has(*owners.at(1), MONEY);
    s.has(*owners.at(2), MONEY);
    s.has(treasury(), 475);
    s.has(s.bonds.contract_address, 0);
}

/// A conviction that gives convicts a third keeps everybody for 28 days, whenever they asked. Then
/// the others leave with all that is theirs, and what the convict has lost is its own bond.
#[feature("safe_dispatcher")]
fn a_third_keeps_everybody(
    about: Array<felt252>, signatures: Array<felt252>, fork: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![10_000, 15_000, 5_000]);
    let (owners, convicted_at) = (owners(), START + WAIT);
    s.left(1);
    set_block_timestamp(convicted_at);
    s.convicted(evidence(fork));
    s.left(2);
    set_block_timestamp(convicted_at + WAIT - 1);
    refused(s.safe.withdraw(*s.keys.at(1)), 'captured');
    refused(s.safe.withdraw(*s.keys.at(2)), 'not yet');
    set_block_timestamp(convicted_at + WAIT);
    s.bonds.withdraw(*s.keys.at(1));
    s.bonds.withdraw(*s.keys.at(2));
    s.has(*owners.at(1), MONEY);
    s.has(*owners.at(2), MONEY);
    s.weighs(0, 0);
    assert(s.bonds.captured_at() == convicted_at, 'captured again');
    assert(s.offender().left == 9_500 * UNIT, 'taken by leaving');
    s.has(treasury(), 475);
    s.bonds.withdraw(*s.keys.at(0));
    s.has(*owners.at(0), MONEY - 10_000);
    s.has(treasury(), 9_975);
    s.has(s.bonds.contract_address, 0);
}

/// What only delays costs a hundredth, once each.
#[feature("safe_dispatcher")]
fn a_delay_costs_a_hundredth(
    about: Array<felt252>, signatures: Array<felt252>, delay: Array<felt252>, other: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![10_000, 1, 1]);
    let delay = evidence(delay);
    let first = s.convicted(delay);
    assert(first > 5, 'not a delay');
    refused(s.safe.convict(*s.keys.at(0), delay), 'punished already');
    assert(s.convicted(evidence(other)) != first, 'the same rule');
    s.has(reporter(), 0);
    s.has(treasury(), 199);
    let bond = s.offender();
    assert(bond.left == 9_801 * UNIT, 'another bond');
    assert(bond.convicted_at == 0 && bond.leaves_at == 0, 'convicted');
    s.weighs(10_002, 0);
    set_contract_address(*owners().at(0));
    refused(s.safe.withdraw(*s.keys.at(0)), 'not yet');
    s.left(0);
    refused(s.safe.leave(*s.keys.at(0)), 'leaving already');
    set_block_timestamp(START + WAIT - 1);
    refused(s.safe.withdraw(*s.keys.at(0)), 'not yet');
    set_block_timestamp(START + WAIT);
    // Whoever asks.
    set_contract_address(reporter());
    s.bonds.withdraw(*s.keys.at(0));
    s.has(*owners().at(0), MONEY - 199);
    s.has(reporter(), 0);
    assert(FaultTrait::is_fork(bond::evidence::Fault { epoch: 0, rule: 5 }), 'E5 forks');
}

/// What is refused before money moves.
#[feature("safe_dispatcher")]
fn bonds_that_cannot_be_are_refused(
    about: Array<felt252>, signatures: Array<felt252>, fork: Array<felt252>,
) {
    let s = begin(about.span());
    let (key, owners) = (*s.keys.at(0), owners());
    let signature = possession(signatures.span(), 0);
    set_contract_address(*owners.at(0));
    refused(s.safe.bond(key, 0, signature), 'no bond');
    refused(s.safe.bond(key, 10, possession(signatures.span(), 1)), 'key: not yours');
    refused(s.safe.bond(key, MONEY * UNIT + 1, signature), 'not allowed');
    // Another owner copies the signature.
    set_contract_address(*owners.at(1));
    refused(s.safe.bond(key, 10, signature), 'key: not yours');
    s.puts_up(1, 10, signatures.span());
    let fork = evidence(fork);
    refused(s.safe.convict(key, fork), 'no bond');
    refused(s.safe.convict(*s.keys.at(1), fork), 'first signature');
    set_contract_address(*owners.at(0));
    refused(s.safe.leave(*s.keys.at(1)), 'not the owner');
    refused(s.safe.leave(key), 'not the owner');
    s.has(s.bonds.contract_address, 10);
    let class = ValidatorBond::TEST_CLASS_HASH;
    let token = s.coin.contract_address.into();
    refused(deployed(class, array![token, 0, 1, 8]), 'no treasury');
    for window in array![0, 6, 9] {
        let calldata = array![token, treasury().into(), 1, window];
        refused(deployed(class, calldata), 'window: not a power of two');
    };
    assert(LEAST == 10_000 * UNIT, 'another unit');
    assert(domain(about.span()).window == 8, 'another window');
}
