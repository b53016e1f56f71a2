//! A game against a model that plays for the centre and does not look ahead.
use consumers::game::{
    Game, IGameDispatcher, IGameDispatcherTrait, IGameSafeDispatcher, IGameSafeDispatcherTrait,
    REPLY,
};
use consumers::noughts::{Turn, best, board, turn_after};
use props::{deploy, refused};
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::{InferenceTrait, inference, integers, rival};

/// Of the inferences of two boards, their scores and the proofs.
#[feature("safe_dispatcher")]
fn every_reply_is_proven(
    about_first: Array<felt252>,
    about_second: Array<felt252>,
    first: Array<felt252>,
    second: Array<felt252>,
    first_proof: Array<felt252>,
    second_proof: Array<felt252>,
) {
    let (one, two) = (inference(about_first, first_proof), inference(about_second, second_proof));
    let (first, second) = (integers(first), integers(second));
    let facts = one.facts();
    let calldata = array![facts.contract_address.into(), one.model];
    let contract_address = deploy(Game::TEST_CLASS_HASH, calldata);
    let game = IGameDispatcher { contract_address };
    let safe = IGameSafeDispatcher { contract_address };
    set_contract_address('player'.try_into().unwrap());
    let number = game.begin();
    refused(safe.reply(number, first), 'not its turn');
    refused(safe.play(number, 9), 'no such cell');
    game.play(number, 0);
    refused(safe.play(number, 1), 'not your turn');
    refused(safe.reply(number, first), 'not proven');
    set_contract_address(rival());
    one.prove(facts, 0);
    refused(safe.reply(number, second), 'not proven');
    game.reply(number, first);
    let now = game.game(number);
    assert(now.crosses == 1 && now.noughts == 16 && now.turn == Turn::Player, 'not the centre');
    refused(safe.play(number, 1), 'not your game');
    set_contract_address('player'.try_into().unwrap());
    refused(safe.play(number, 0), 'not free');
    refused(safe.play(number, 4), 'not free');
    game.play(number, 1);
    // What was proven of another board.
    refused(safe.reply(number, first), 'not proven');
    two.prove(facts, 0);
    game.reply(number, second);
    assert(game.game(number).noughts == 16 + 64, 'not the corner');
    game.play(number, 2);
    let end = game.game(number);
    assert(end.turn == Turn::Won && end.crosses == 7, 'not won');
    refused(safe.play(number, 3), 'not your turn');
    refused(safe.reply(number, second), 'not its turn');
    a_slow_reply_loses(game, first);
}

/// In another game the same board needs no other proof, and the next one has none in time.
#[feature("safe_dispatcher")]
fn a_slow_reply_loses(game: IGameDispatcher, first: Span<i32>) {
    let safe = IGameSafeDispatcher { contract_address: game.contract_address };
    set_block_timestamp(100);
    let other = game.begin();
    let number = game.begin();
    assert(number != other, 'the same game');
    game.play(number, 0);
    game.reply(number, first);
    set_block_timestamp(200);
    refused(safe.forfeit(number), 'not its turn');
    game.play(number, 8);
    set_block_timestamp(200 + REPLY);
    refused(safe.forfeit(number), 'there is time');
    set_block_timestamp(200 + REPLY + 1);
    game.forfeit(number);
    assert(game.game(number).turn == Turn::Won, 'not won');
    refused(safe.forfeit(number), 'not its turn');
    refused(safe.play(77, 0), 'not your turn');
}

/// Lines win, also on a board that they fill; a full one without a line is drawn.
fn a_game_ends_by_the_rules() {
    let next = |mover: u16, other: u16| turn_after(mover, other, Turn::Lost, Turn::Player);
    for line in array![
        0b111, 0b111000, 0b111000000, 0b1001001, 0b10010010, 0b100100100, 0b100010001, 0b1010100,
    ] {
        assert(next(line, 0x1ff - line) == Turn::Lost, 'a line that does not win');
        assert(next(0, line) == Turn::Player, 'a line of the other side');
    };
    assert(next(0b011, 0b100) == Turn::Player, 'two are no line');
    assert(next(0b010101011, 0b101010100) == Turn::Drawn, 'not drawn');
    assert(board(0b1, 0b100) == array![-1, 0, 1, 0, 0, 0, 0, 0, 0].span(), 'another board');
    let scores = array![-9, -5, 7, -5, -5, -9, -9, -9, -9].span();
    assert(best(0b100, scores) == 1, 'not the first of the best');
    assert(best(0b000011111, scores) == 5, 'not free');
    assert(best(0, scores) == 2, 'not the best');
}
