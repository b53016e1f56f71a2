//! Histories of the bridge, told from outside: certificates are made of signatures.
use bond::validator_bond::{
    IValidatorBondDispatcher, IValidatorBondDispatcherTrait, ValidatorBond,
};
use bridge::bridge::Bridge;
use props::{deploy, deployed, refused};
use starknet::ContractAddress;
use starknet::syscalls::call_contract_syscall;
use starknet::testing::{pop_log_raw, set_block_timestamp, set_chain_id, set_contract_address};
use token::ciro_token::CiroToken;

/// One call, and what comes of it.
#[derive(Drop, Serde)]
struct Step {
    /// What is said of it when something else comes of it.
    label: felt252,
    /// Seconds.
    now: u64,
    caller: ContractAddress,
    /// `token`, `bonds` or `bridge`; `event` for what the bridge has told last, `nothing` for a
    /// call that is not made.
    contract: felt252,
    function: felt252,
    calldata: Array<felt252>,
    /// The word that it is refused with; zero if it is not.
    word: felt252,
    /// What it returns otherwise.
    returned: Array<felt252>,
}

#[derive(Copy, Drop)]
struct Stage {
    token: ContractAddress,
    bonds: ContractAddress,
    bridge: ContractAddress,
}

/// The chain's word, its epochs' length, an epoch, and the digests of its validators and of the
/// next ones.
fn begin(about: Span<felt252>) -> Stage {
    set_chain_id('SN_TEST');
    set_block_timestamp(1_000);
    set_contract_address('deployer'.try_into().unwrap());
    let token = deploy(CiroToken::TEST_CLASS_HASH, array!['holder']);
    let calldata = array![token.into(), 'treasury', *about.at(0), 8];
    let bonds = deploy(ValidatorBond::TEST_CLASS_HASH, calldata);
    let mut calldata = array![token.into(), bonds.into(), 'guardian'];
    calldata.append_span(about);
    Stage { token, bonds, bridge: deploy(Bridge::TEST_CLASS_HASH, calldata) }
}

/// The bridge, the contract of bonds, and what a key signs there for an owner.
fn places(about: Array<felt252>, key: Array<felt252>) -> (felt252, felt252, felt252) {
    let s = begin(about.span());
    let bonds = IValidatorBondDispatcher { contract_address: s.bonds };
    let owner = (*key.at(1)).try_into().unwrap();
    (s.bridge.into(), s.bonds.into(), bonds.possession_of(*key.at(0), owner))
}

/// Plays steps in turn, from the beginning.
fn told(about: Array<felt252>, steps: Array<felt252>) {
    let s = begin(about.span());
    let mut steps = steps.span();
    let told: Array<Step> = Serde::deserialize(ref steps).expect('no steps');
    assert(steps.is_empty(), 'more than steps');
    for step in told {
        let Step { label, now, caller, contract, function, calldata, word, returned } = step;
        set_block_timestamp(now);
        set_contract_address(caller);
        if contract == 'nothing' {
            continue;
        }
        if contract == 'event' {
            last_event_is(s.bridge, function, calldata, label);
            continue;
        }
        let address = if contract == 'bridge' {
            s.bridge
        } else if contract == 'bonds' {
            s.bonds
        } else {
            s.token
        };
        match call_contract_syscall(address, selector_of(function), calldata.span()) {
            Result::Ok(values) => {
                if word != 0 {
                    core::panics::panic(array!['not refused:', label]);
                }
                if !returned.is_empty() && values != returned.span() {
                    core::panics::panic(array!['another result:', label]);
                }
            },
            Result::Err(words) => {
                if word == 0 {
                    core::panics::panic(array!['refused:', label, *words.at(0)]);
                }
                if *words.at(0) != word {
                    core::panics::panic(array!['another reason:', label, *words.at(0)]);
                }
            },
        };
    };
}
/// The last event has this name, and these keys and data behind it.
fn last_event_is(
    bridge: ContractAddress, name: felt252, values: Array<felt252>, label: felt252,
) {
    let mut expected = array![event_of(name)];
    expected.append_span(values.span());
    let mut last = array![];
    while let Option::Some((keys, data)) = pop_log_raw(bridge) {
        last = array![];
        last.append_span(keys);
        last.append_span(data);
    };
    if last != expected {
        core::panics::panic(array!['another event:', label]);
    }
}
fn event_of(name: felt252) -> felt252 {
    if name == 'Deposited' {
        selector!("Deposited")
    } else if name == 'Certified' {
        selector!("Certified")
    } else if name == 'Exited' {
        selector!("Exited")
    } else if name == 'Renewed' {
        selector!("Renewed")
    } else {
        core::panic_with_felt252('no such event')
    }
}
fn selector_of(function: felt252) -> felt252 {
    if function == 'deposit' {
        selector!("deposit")
    } else if function == 'certify' {
        selector!("certify")
    } else if function == 'exit' {
        selector!("exit")
    } else if function == 'renew' {
        selector!("renew")
    } else if function == 'trusted' {
        selector!("trusted")
    } else if function == 'trusted_until' {
        selector!("trusted_until")
    } else if function == 'outbox_of' {
        selector!("outbox_of")
    } else if function == 'paid_of' {
        selector!("paid_of")
    } else if function == 'left' {
        selector!("left")
    } else if function == 'transfer' {
        selector!("transfer")
    } else if function == 'approve' {
        selector!("approve")
    } else if function == 'balance_of' {
        selector!("balance_of")
    } else if function == 'bond' {
        selector!("bond")
    } else if function == 'convict' {
        selector!("convict")
    } else {
        core::panic_with_felt252('no such function')
    }
}

fn a_bridge_without_epochs_is_refused() {
    let calldata = array!['token', 'bonds', 'guardian', 1, 0, 0, 2, 3];
    refused(deployed(Bridge::TEST_CLASS_HASH, calldata), 'no epochs');
}
