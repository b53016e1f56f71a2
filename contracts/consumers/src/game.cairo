//! `Game`: noughts and crosses against a model, whose every move is proven.
//!
//! The model is given the board, 1 where it has a nought and -1 where the player has a cross, and
//! gives a score to each cell; its move is the free cell of the highest one. A board that was
//! proven once, in whatever game, needs no other proof: nobody is paid, proofs are bound to nothing.
//!
//! Invariants:
//! - a nought is where the model puts it, by a fact about the board at hand;
//! - moves alternate, each on a free cell, until somebody has a line or the board is full;
//! - a reply that is not proven in time loses the game.
use starknet::ContractAddress;
use super::noughts::Turn;

/// Seconds that a reply may take.
pub const REPLY: u64 = 3_600;

#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Match {
    pub player: ContractAddress,
    pub crosses: u16,
    pub noughts: u16,
    pub turn: Turn,
    /// The last second for a reply.
    pub until: u64,
}

#[starknet::interface]
pub trait IGame<T> {
    /// Begins a game of the caller's.
    fn begin(ref self: T) -> u64;
    /// The player's move.
    fn play(ref self: T, game: u64, cell: u8);
    /// The model's move, from the scores that are proven.
    fn reply(ref self: T, game: u64, scores: Span<i32>);
    /// Ends a game in which there was no reply.
    fn forfeit(ref self: T, game: u64);
    fn game(self: @T, game: u64) -> Match;
}

#[starknet::contract]
pub mod Game {
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address};
    use verifier::facts::{IFactsDispatcher, IFactsDispatcherTrait};
    use super::super::integers::hash_of;
    use super::super::noughts::{Turn, best, bit, board, turn_after};
    use super::{Match, REPLY};

    #[storage]
    struct Storage {
        facts: ContractAddress,
        model: felt252,
        begun: u64,
        games: Map<u64, Match>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, facts: ContractAddress, model: felt252) {
        self.facts.write(facts);
        self.model.write(model);
    }

    #[abi(embed_v0)]
    impl Impl of super::IGame<ContractState> {
        fn begin(ref self: ContractState) -> u64 {
            let game = self.begun.read();
            self.begun.write(game + 1);
            let player = get_caller_address();
            let new = Match { player, crosses: 0, noughts: 0, turn: Turn::Player, until: 0 };
            self.games.write(game, new);
            game
        }
        fn play(ref self: ContractState, game: u64, cell: u8) {
            let at = self.games.read(game);
            assert(at.turn == Turn::Player, 'not your turn');
            assert(get_caller_address() == at.player, 'not your game');
            assert(cell < 9, 'no such cell');
            assert(((at.crosses | at.noughts) & bit(cell)) == 0, 'not free');
            let crosses = at.crosses | bit(cell);
            let turn = turn_after(crosses, at.noughts, Turn::Won, Turn::Model);
            let until = get_block_timestamp() + REPLY;
            self.games.write(game, Match { crosses, turn, until, ..at });
        }
        fn reply(ref self: ContractState, game: u64, scores: Span<i32>) {
            let at = self.games.read(game);
            assert(at.turn == Turn::Model, 'not its turn');
            let facts = IFactsDispatcher { contract_address: self.facts.read() };
            let inputs = hash_of(board(at.crosses, at.noughts));
            let fact = facts.fact_of(self.model.read(), 0, inputs, hash_of(scores));
            assert(facts.is_valid(fact), 'not proven');
            let noughts = at.noughts | bit(best(at.crosses | at.noughts, scores));
            let turn = turn_after(noughts, at.crosses, Turn::Lost, Turn::Player);
            self.games.write(game, Match { noughts, turn, ..at });
        }
        fn forfeit(ref self: ContractState, game: u64) {
            let at = self.games.read(game);
            assert(at.turn == Turn::Model, 'not its turn');
            assert(get_block_timestamp() > at.until, 'there is time');
            self.games.write(game, Match { turn: Turn::Won, ..at });
        }
        fn game(self: @ContractState, game: u64) -> Match {
            self.games.read(game)
        }
    }
}
