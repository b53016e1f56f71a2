//! Votes that follow money, and do not change once they are past.
use props::refused;
use starknet::ContractAddress;
use starknet::testing::{pop_log_raw, set_block_timestamp, set_contract_address};
use super::{balance, begin, holder, nobody, other, pays, third};
use token::ciro_token::{
    IVotesDispatcher, IVotesDispatcherTrait, IVotesSafeDispatcher, IVotesSafeDispatcherTrait,
    SUPPLY,
};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};

fn votes_follow_money() {
    let contract_address = begin();
    let votes = IVotesDispatcher { contract_address };
    set_block_timestamp(10);
    assert(votes.get_votes(holder()) == 0, 'votes without a delegate');
    votes.delegate(holder());
    assert(votes.delegates(holder()) == holder(), 'another delegate');
    assert(votes.get_votes(holder()) == SUPPLY, 'not all');
    pays(contract_address, other(), 100);
    assert(votes.get_votes(holder()) == SUPPLY - 100, 'still votes');
    assert(votes.get_votes(other()) == 0, 'votes for nobody');
    // To somebody else, and back to nobody.
    set_contract_address(other());
    votes.delegate(third());
    assert(votes.get_votes(third()) == 100, 'not delegated');
    pays(contract_address, other(), 11);
    assert(votes.get_votes(third()) == 111, 'not the new money');
    set_contract_address(other());
    votes.delegate(third());
    assert(votes.get_votes(third()) == 111, 'counted twice');
    votes.delegate(nobody());
    assert(votes.get_votes(third()) == 0, 'still delegated');
    assert(votes.get_votes(nobody()) == 0, 'nobody votes');
    assert(votes.get_votes(holder()) == SUPPLY - 111, 'others changed');
}

/// What governs reads events.
fn changes_of_votes_are_told() {
    let contract_address = begin();
    pop_log_raw(contract_address).unwrap();
    IVotesDispatcher { contract_address }.delegate(other());
    let (keys, data) = pop_log_raw(contract_address).unwrap();
    let expected = array![selector!("DelegateChanged"), holder().into(), 0, other().into()];
    assert(keys == expected.span() && data.is_empty(), 'other delegates');
    let (keys, data) = pop_log_raw(contract_address).unwrap();
    let expected = array![selector!("DelegateVotesChanged"), other().into()];
    assert(keys == expected.span(), 'other keys');
    let expected = array![0, 0, SUPPLY.low.into(), SUPPLY.high.into()];
    assert(data == expected.span(), 'other votes');
}

/// Money that has voted and moves does not vote again on what was to be decided at that time.
#[feature("safe_dispatcher")]
fn money_votes_once() {
    let contract_address = begin();
    let votes = IVotesDispatcher { contract_address };
    let safe = IVotesSafeDispatcher { contract_address };
    set_block_timestamp(10);
    votes.delegate(holder());
    set_contract_address(other());
    votes.delegate(other());
    set_block_timestamp(20);
    refused(safe.get_past_votes(holder(), 20), 'not past');
    refused(safe.get_past_votes(holder(), 21), 'not past');
    pays(contract_address, other(), SUPPLY);
    assert(votes.get_votes(other()) == SUPPLY, 'not moved');
    assert(votes.get_past_votes(holder(), 19) == SUPPLY, 'past changed');
    assert(votes.get_past_votes(other(), 19) == 0, 'votes twice');
    assert(votes.get_past_votes(holder(), 9) == 0, 'voted before');
    // In one second money may go far: where it is at the end counts.
    set_contract_address(other());
    IERC20Dispatcher { contract_address }.transfer(third(), 5);
    set_block_timestamp(21);
    assert(votes.get_past_votes(other(), 20) == SUPPLY - 5, 'not the end');
    assert(votes.get_past_votes(holder(), 20) == 0, 'votes twice');
    assert(votes.get_past_votes(third(), 20) == 0, 'votes for nobody');
}

/// What somebody had at the end of a second.
#[derive(Copy, Drop)]
struct Noted {
    time: u64,
    account: ContractAddress,
    votes: u256,
}

/// Many moves of some accounts, which a seed draws: balances sum to the supply, votes are what is
/// delegated, and the past is as it was noted.
fn a_long_history_adds_up(seed: Array<felt252>) {
    let contract_address = begin();
    let coin = IERC20Dispatcher { contract_address };
    let votes = IVotesDispatcher { contract_address };
    let accounts = array![holder(), other(), third(), 'fourth'.try_into().unwrap()].span();
    let mut state: u256 = (*seed.at(0)).into();
    let mut noted = array![];
    let mut now: u64 = 1_000;
    for _ in 0..40_u32 {
        state = (state * 6364136223846793005 + 1442695040888963407) % 0x10000000000000000;
        let draws: u32 = (state / 0x100000000).try_into().unwrap();
        let who = *accounts.at(draws % 4);
        let whom = *accounts.at(draws / 4 % 4);
        if draws / 16 % 2 == 0 {
            for account in accounts {
                noted.append(Noted {
                    time: now, account: *account, votes: votes.get_votes(*account),
                });
            };
            now += 1 + (draws / 32 % 3).into();
        }
        set_block_timestamp(now);
        set_contract_address(who);
        match draws / 128 % 4 {
            0 => votes.delegate(whom),
            1 => votes.delegate(if whom == who {
                nobody()
            } else {
                whom
            }),
            _ => {
                let part: u256 = (draws / 512 % 1000).into();
                coin.transfer(whom, balance(contract_address, who) * part / 999);
            },
        }
        adds_up(contract_address, accounts);
    };
    set_block_timestamp(now + 1);
    assert(noted.len() > 40, 'nothing noted');
    for note in noted {
        assert(votes.get_past_votes(note.account, note.time) == note.votes, 'the past changed');
    };
}
fn adds_up(contract_address: ContractAddress, accounts: Span<ContractAddress>) {
    let votes = IVotesDispatcher { contract_address };
    let (mut balances, mut delegates) = (array![], array![]);
    let mut sum: u256 = 0;
    for account in accounts {
        let has = balance(contract_address, *account);
        balances.append(has);
        delegates.append(votes.delegates(*account));
        sum += has;
    };
    assert(sum == SUPPLY, 'another sum');
    for account in accounts {
        let mut delegated: u256 = 0;
        for at in 0..accounts.len() {
            if delegates.at(at) == account {
                delegated += *balances.at(at);
            }
        };
        assert(votes.get_votes(*account) == delegated, 'other votes');
    };
}
