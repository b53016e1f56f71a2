//! `JobEscrow`: pays for inferences that `Facts` knows to be right.
//!
//! A client opens a job with its price. Whoever has the proof in `Facts`, bound to the job and to
//! whom it pays, gets the price at once. Where the client allows it, a worker may claim with a bond
//! instead: it is paid when a window has passed, unless somebody challenges it with a bond of the
//! same size; then the worker needs the fact within another window.
//!
//! Invariants, for tokens that move what they are asked to and change no balance by themselves:
//! - of each token the contract holds at least the prices and bonds of jobs that are not over, and
//!   what it owes;
//! - a price is paid once: to who proved, to whose claim stood, or back to the client;
//! - a fact of before the deadline pays whom it is bound to, whoever sends it and whatever is
//!   claimed meanwhile: a claim keeps no proof out but one of the same result that came later;
//! - a claim that a proof or the end of a challenge shows to be false costs its worker half of the
//!   bond at least, which is the client's;
//! - what the token refuses to pay to one party keeps no other party from its own;
//! - nobody owns the contract: there is no upgrade, no pause, no fee, no judge but `Facts`.
use starknet::ContractAddress;

/// Keeps job ids and contexts apart from other hashes.
const JOB: felt252 = 'ciro job v1';
const CONTEXT: felt252 = 'ciro job context v1';
/// The shortest and the longest window, in seconds: somebody has to be able to doubt, and what keeps
/// money of others in here ends.
const WINDOW_MIN: u64 = 3_600;
const WINDOW_MAX: u64 = 2_592_000;
/// The latest deadline, in seconds from now.
const DEADLINE_MAX: u64 = 31_536_000;
/// Seconds after the deadline in which who has a fact of before it comes first.
const GRACE: u64 = 3_600;

/// What a client offers.
#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Terms {
    /// The id of the model, by the hash of its key.
    pub model: felt252,
    /// The hash of the inputs' felts, as in a fact.
    pub input_hash: felt252,
    pub token: ContractAddress,
    pub price: u256,
    /// The last second in which a fact or a claim counts.
    pub deadline: u64,
    /// How long a bonded claim may be challenged, and then has for its proof, in seconds; zero
    /// allows no bonded claims.
    pub window: u64,
    /// What a worker puts up for a claim without a proof, and a challenger against it; at least 2.
    pub bond: u256,
}

/// Where a job is.
#[derive(Copy, Drop, Serde, PartialEq, Default, starknet::Store)]
pub enum Phase {
    #[default]
    Unknown,
    Open,
    /// A worker stated a result and put up a bond.
    Claimed,
    /// Somebody put up a bond against it.
    Challenged,
    Paid,
    Refunded,
}

/// All about a job.
#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Job {
    pub client: ContractAddress,
    pub terms: Terms,
    pub phase: Phase,
    /// Who claims or was paid.
    pub worker: ContractAddress,
    pub challenger: ContractAddress,
    pub output_hash: felt252,
    /// When the claim was made.
    pub since: u64,
    /// The last second of the window at hand.
    pub until: u64,
}

#[starknet::interface]
pub trait IJobEscrow<T> {
    /// Opens a job and takes its price from the caller. Returns the job's id.
    fn open(ref self: T, terms: Terms) -> felt252;
    /// Pays the worker to whom a fact of before the deadline is bound. A claim of something else
    /// is over then, and one of the same result that came after the fact.
    fn claim_proven(ref self: T, job: felt252, worker: ContractAddress, output_hash: felt252);
    /// Claims without a proof, for a bond of the caller's.
    fn claim_bonded(ref self: T, job: felt252, output_hash: felt252);
    /// Doubts a claim, for a bond of the caller's.
    fn challenge(ref self: T, job: felt252);
    /// Ends a claim that nobody doubted in time, or that was proven, or that was not.
    fn settle(ref self: T, job: felt252);
    /// Gives the client back the price of a job that nobody claimed in time, an hour after the
    /// deadline.
    fn refund(ref self: T, job: felt252);
    /// Pays somebody what claims and challenges that are over have left for them.
    fn collect(ref self: T, job: felt252, who: ContractAddress);
    fn job(self: @T, job: felt252) -> Job;
    /// What `collect` would pay.
    fn owed(self: @T, job: felt252, who: ContractAddress) -> u256;
    /// The only judge. Its class hash says what it is.
    fn facts(self: @T) -> ContractAddress;
    /// The context that a worker's proof for a job is bound to.
    fn context_of(self: @T, job: felt252, worker: ContractAddress) -> felt252;
}

#[starknet::contract]
pub mod JobEscrow {
    use core::num::traits::Zero;
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use super::super::erc20::{pay, take};
    use super::super::facts::{IFactsDispatcher, IFactsDispatcherTrait};
    use super::{Job, Phase, Terms};

    #[storage]
    struct Storage {
        facts: ContractAddress,
        opened: felt252,
        jobs: Map<felt252, Job>,
        /// By job and recipient.
        owed: Map<(felt252, ContractAddress), u256>,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Opened: Opened,
        Claimed: Claimed,
        Challenged: Challenged,
        Rejected: Rejected,
        Paid: Paid,
        Refunded: Refunded,
    }
    #[derive(Drop, starknet::Event)]
    struct Opened {
        #[key]
        job: felt252,
        #[key]
        client: ContractAddress,
        terms: Terms,
    }
    #[derive(Drop, starknet::Event)]
    struct Claimed {
        #[key]
        job: felt252,
        worker: ContractAddress,
        output_hash: felt252,
        until: u64,
    }
    #[derive(Drop, starknet::Event)]
    struct Challenged {
        #[key]
        job: felt252,
        challenger: ContractAddress,
        until: u64,
    }
    /// A claim was not proven in time, or something else was.
    #[derive(Drop, starknet::Event)]
    struct Rejected {
        #[key]
        job: felt252,
        worker: ContractAddress,
        /// Who challenged it, or proved something else.
        by: ContractAddress,
    }
    #[derive(Drop, starknet::Event)]
    struct Paid {
        #[key]
        job: felt252,
        worker: ContractAddress,
        output_hash: felt252,
        /// Whether `Facts` has the proof.
        proven: bool,
    }
    #[derive(Drop, starknet::Event)]
    struct Refunded {
        #[key]
        job: felt252,
        client: ContractAddress,
    }

    /// `facts` is the only judge, for ever.
    #[constructor]
    fn constructor(ref self: ContractState, facts: ContractAddress) {
        assert(facts != Zero::zero(), 'no facts');
        self.facts.write(facts);
    }

    #[abi(embed_v0)]
    impl Impl of super::IJobEscrow<ContractState> {
        fn open(ref self: ContractState, terms: Terms) -> felt252 {
            assert(terms.price != 0, 'no price');
            assert(terms.deadline >= get_block_timestamp(), 'deadline passed');
            assert(terms.deadline <= get_block_timestamp() + super::DEADLINE_MAX, 'deadline too far');
            if terms.window != 0 {
                assert(terms.window >= super::WINDOW_MIN, 'window too short');
                assert(terms.window <= super::WINDOW_MAX, 'window too long');
                // Half of it has to hurt.
                assert(terms.bond >= 2, 'no bond');
            }
            // Nothing that is paid later may overflow.
            let _most = terms.price + terms.bond + terms.bond;
            let (client, this) = (get_caller_address(), get_contract_address());
            let number = self.opened.read();
            self.opened.write(number + 1);
            let mut named = array![super::JOB, this.into(), number, client.into()];
            terms.serialize(ref named);
            let job = poseidon_hash_span(named.span());
            let nobody = Zero::zero();
            let phase = Phase::Open;
            let new = Job {
                client, terms, phase, worker: nobody, challenger: nobody, output_hash: 0, since: 0,
                until: 0,
            };
            self.jobs.write(job, new);
            self.emit(Opened { job, client, terms });
            take(terms.token, client, this, terms.price);
            job
        }

        fn claim_proven(
            ref self: ContractState, job: felt252, worker: ContractAddress, output_hash: felt252,
        ) {
            let entry = self.entry(job);
            let at = self.proven_at(job, entry, worker, output_hash);
            assert(at != 0, 'not proven');
            assert(at <= entry.terms.deadline, 'deadline passed');
            if entry.phase != Phase::Open {
                assert(entry.phase == Phase::Claimed || entry.phase == Phase::Challenged, 'not open');
                self.beat(job, entry, worker, output_hash, at);
            }
            let price = entry.terms.price;
            self.end(job, Job { worker, output_hash, ..entry }, true, price);
        }

        fn claim_bonded(ref self: ContractState, job: felt252, output_hash: felt252) {
            let entry = self.entry(job);
            let (terms, since) = (entry.terms, get_block_timestamp());
            assert(entry.phase == Phase::Open, 'not open');
            assert(since <= terms.deadline, 'deadline passed');
            assert(terms.window != 0, 'no bonded claims');
            let (worker, until) = (get_caller_address(), since + terms.window);
            let phase = Phase::Claimed;
            self.jobs.write(job, Job { phase, worker, output_hash, since, until, ..entry });
            self.emit(Claimed { job, worker, output_hash, until });
            take(terms.token, worker, get_contract_address(), terms.bond);
        }

        fn challenge(ref self: ContractState, job: felt252) {
            let entry = self.entry(job);
            let now = get_block_timestamp();
            assert(entry.phase == Phase::Claimed, 'not claimed');
            assert(now <= entry.until, 'window passed');
            let (challenger, until) = (get_caller_address(), now + entry.terms.window);
            let phase = Phase::Challenged;
            self.jobs.write(job, Job { phase, challenger, until, ..entry });
            self.emit(Challenged { job, challenger, until });
            take(entry.terms.token, challenger, get_contract_address(), entry.terms.bond);
        }

        fn settle(ref self: ContractState, job: felt252) {
            let entry = self.entry(job);
            let passed = get_block_timestamp() > entry.until;
            let Terms { price, bond, .. } = entry.terms;
            let at = self.proven_at(job, entry, entry.worker, entry.output_hash);
            if entry.phase == Phase::Claimed {
                assert(at != 0 || passed, 'window not passed');
                self.end(job, entry, at != 0, price + bond);
                return;
            }
            assert(entry.phase == Phase::Challenged, 'not claimed');
            // A fact of before the end counts, whenever somebody looks.
            if at != 0 && at <= entry.until {
                self.end(job, entry, true, price + bond + bond);
                return;
            }
            assert(passed, 'window not passed');
            let nobody = Zero::zero();
            let open = Job {
                phase: Phase::Open, worker: nobody, challenger: nobody, output_hash: 0, since: 0,
                until: 0, ..entry
            };
            self.jobs.write(job, open);
            self.reject(job, entry, entry.challenger);
        }

        fn refund(ref self: ContractState, job: felt252) {
            let entry = self.entry(job);
            assert(entry.phase == Phase::Open, 'not open');
            let Terms { token, price, deadline, .. } = entry.terms;
            assert(get_block_timestamp() > deadline + super::GRACE, 'deadline not passed');
            self.jobs.write(job, Job { phase: Phase::Refunded, ..entry });
            self.emit(Refunded { job, client: entry.client });
            pay(token, entry.client, price);
        }

        fn collect(ref self: ContractState, job: felt252, who: ContractAddress) {
            let entry = self.entry(job);
            let amount = self.owed.read((job, who));
            assert(amount != 0, 'nothing left');
            self.owed.write((job, who), 0);
            pay(entry.terms.token, who, amount);
        }

        fn job(self: @ContractState, job: felt252) -> Job {
            self.entry(job)
        }

        fn owed(self: @ContractState, job: felt252, who: ContractAddress) -> u256 {
            self.owed.read((job, who))
        }

        fn facts(self: @ContractState) -> ContractAddress {
            self.facts.read()
        }

        fn context_of(self: @ContractState, job: felt252, worker: ContractAddress) -> felt252 {
            context(job, worker)
        }
    }

    fn context(job: felt252, worker: ContractAddress) -> felt252 {
        poseidon_hash_span(array![super::CONTEXT, job, worker.into()].span())
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        fn entry(self: @ContractState, job: felt252) -> Job {
            let entry = self.jobs.read(job);
            assert(entry.phase != Phase::Unknown, 'no such job');
            entry
        }
        fn owe(ref self: ContractState, job: felt252, who: ContractAddress, amount: u256) {
            let place = (job, who);
            self.owed.write(place, self.owed.read(place) + amount);
        }
        /// What becomes of the bonds of a claim when somebody else's fact comes.
        fn beat(
            ref self: ContractState,
            job: felt252,
            entry: Job,
            worker: ContractAddress,
            output_hash: felt252,
            at: u64,
        ) {
            let is_doubted = entry.phase == Phase::Challenged;
            if output_hash == entry.output_hash {
                // Who claimed first and right is paid by `settle`.
                let is_later = at > entry.since || worker == entry.worker;
                assert(!is_later, 'claimed first');
                let bond = entry.terms.bond;
                let own = if is_doubted {
                    bond + bond
                } else {
                    bond
                };
                self.owe(job, entry.worker, own);
            } else if is_doubted {
                self.reject(job, entry, entry.challenger);
            } else {
                self.reject(job, entry, worker);
            }
        }
        /// Half of a false claim's bond is the client's, the rest is for who showed it; a
        /// challenger has the own bond back.
        fn reject(ref self: ContractState, job: felt252, entry: Job, by: ContractAddress) {
            let bond = entry.terms.bond;
            let half = bond / 2;
            self.owe(job, entry.client, half);
            self.owe(job, by, bond - half);
            if entry.phase == Phase::Challenged {
                self.owe(job, entry.challenger, bond);
            }
            self.emit(Rejected { job, worker: entry.worker, by });
        }
        /// When `Facts` was shown a worker's result; zero if it was not.
        fn proven_at(
            self: @ContractState,
            job: felt252,
            entry: Job,
            worker: ContractAddress,
            output_hash: felt252,
        ) -> u64 {
            let facts = IFactsDispatcher { contract_address: self.facts.read() };
            let Terms { model, input_hash, .. } = entry.terms;
            facts.proven_at(facts.fact_of(model, context(job, worker), input_hash, output_hash))
        }
        fn end(ref self: ContractState, job: felt252, entry: Job, proven: bool, paid: u256) {
            let Job { worker, output_hash, .. } = entry;
            self.jobs.write(job, Job { phase: Phase::Paid, ..entry });
            self.emit(Paid { job, worker, output_hash, proven });
            pay(entry.terms.token, worker, paid);
        }
    }
}
