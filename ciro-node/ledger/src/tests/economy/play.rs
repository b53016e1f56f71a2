//! What people do at random: mostly something sensible, often something that is refused.

use ciro_protocol::economy::{Offence, Tranche};
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::{GrantId, ProposalId, ValidatorId};
use ciro_protocol::tx::{
    Action, Body, ClaimAirdrop, ClaimGrant, ClaimRewards, Redelegate, SetCommission, Vote,
    VoteOption,
};
use ciro_protocol::wire::List;

use super::super::play::Dice;
use super::super::support::{RICHES, units};
use super::naive::Whole;
use super::votes::{propose, spend};
use super::world::{
    KEYS, PEOPLE, SHARES, WEALTH, WEIGHT, delegate, offence, params, register, report, undelegate,
};

/// One who plays.
pub(crate) struct Play<'a> {
    pub(crate) dice: &'a mut Dice,
    pub(crate) whole: &'a Whole,
    /// The validator that most of it is about, if it is one.
    pub(crate) focus: Option<u32>,
}

impl Play<'_> {
    fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.dice.below(len as u64)).unwrap()
    }

    fn number(&mut self, end: u64) -> u32 {
        u32::try_from(self.dice.below(end)).unwrap()
    }

    /// Somebody who has money, or at times nobody of consequence.
    fn person(&mut self) -> usize {
        self.place(14)
    }

    fn validator(&mut self) -> u32 {
        if let Some(focus) = self.focus
            && self.dice.one_in(2)
        {
            return focus;
        }
        if self.dice.one_in(20) { 9 } else { self.number(7) }
    }

    /// A validator and somebody who has something there, if there is anybody.
    fn member(&mut self) -> (usize, u32) {
        let all: Vec<(u32, _)> = self
            .whole
            .validators
            .iter()
            .flat_map(|(id, it)| it.members.keys().map(|account| (*id, *account)))
            .collect();
        let focused: Vec<_> =
            all.iter().copied().filter(|(id, _)| Some(*id) == self.focus).collect();
        let all = if focused.is_empty() || self.dice.one_in(4) { all } else { focused };
        let Some((id, account)) = self.dice.pick(&all) else {
            return (self.person(), self.validator());
        };
        let person = PEOPLE.iter().position(|it| *it == account).unwrap();
        if self.dice.one_in(15) { (self.person(), self.validator()) } else { (person, id) }
    }

    fn amount(&mut self, most: u128) -> u128 {
        match self.dice.below(14) {
            0 => 0,
            1 => most,
            2 => most + 1,
            3 => 1,
            _ => most * u128::from(self.dice.below(1_000)) / 1_500,
        }
    }

    /// What somebody does next.
    pub(crate) fn next(&mut self) -> (usize, Body) {
        match self.dice.below(34) {
            0 => {
                let grant = GrantId(self.number(4));
                let person = if self.dice.one_in(3) { self.person() } else { 8 + self.place(2) };
                (person, Body::ClaimGrant(ClaimGrant { grant }))
            }
            1 => (self.person(), self.airdrop()),
            2 => self.register(),
            3..=4 => {
                let bps = u16::try_from(self.dice.below(36) * 100).unwrap();
                let operator = self.operator();
                (operator, Body::SetCommission(SetCommission { bps }))
            }
            5..=11 => {
                let (person, validator) = (self.person(), self.validator());
                let most = self.whole.has(Purse::Account(PEOPLE[person])).min(WEALTH * 4);
                (person, delegate(validator, self.amount(most)))
            }
            12..=17 => {
                let (person, validator) = self.member();
                (person, undelegate(validator, self.held(person, validator)))
            }
            18..=20 => {
                let (person, from) = self.member();
                let to = if self.dice.one_in(12) { from } else { self.validator() };
                let amount = units(self.held(person, from));
                let (from, to) = (ValidatorId(from), ValidatorId(to));
                (person, Body::Redelegate(Redelegate { from, to, amount }))
            }
            21..=23 => {
                let (person, validator) = self.member();
                let validator = ValidatorId(validator);
                (person, Body::ClaimRewards(ClaimRewards { validator }))
            }
            24..=25 => (self.operator(), Body::UnjailValidator),
            26 => (self.person(), self.report()),
            27..=28 => (self.person(), self.proposal()),
            _ => self.vote(),
        }
    }

    fn operator(&mut self) -> usize {
        if self.dice.one_in(12) { self.person() } else { self.place(6) }
    }

    /// An amount that somebody has at a validator's stake, or nearly.
    fn held(&mut self, person: usize, validator: u32) -> u128 {
        let known = self.whole.validators.get(&validator);
        let member = known.and_then(|it| it.members.get(&PEOPLE[person]));
        let worth = member.map_or(0, |it| self.whole.worth(validator, &it.shares));
        self.amount(worth)
    }

    fn airdrop(&mut self) -> Body {
        let (mut share, path) = SHARES.1[self.place(6)].clone();
        if self.dice.one_in(4) {
            share.amount = units(5_000);
        }
        Body::ClaimAirdrop(Box::new(ClaimAirdrop { share, path: List::new(path).unwrap() }))
    }

    fn register(&mut self) -> (usize, Body) {
        let person = if self.dice.one_in(6) { self.place(4) } else { 4 + self.place(4) };
        let mut body = register(person, WEIGHT + u128::from(self.dice.below(9)));
        match self.dice.below(10) {
            0 => body.key = PEOPLE[0],
            1 => body.commission.max_bps = 50,
            2 => body.bond = units(WEIGHT - 1),
            3 => body.key = KEYS[8].0,
            4 => body.bond = units(RICHES),
            _ => {}
        }
        (person, Body::RegisterValidator(Box::new(body)))
    }

    /// A fault, of a small validator more often than not: large ones end the history.
    pub(crate) fn fault(&mut self) -> Offence {
        let validator = if self.dice.one_in(3) { self.number(6) } else { 2 + self.number(2) };
        let epoch = (self.whole.epoch() + self.dice.below(2)).saturating_sub(self.dice.below(3));
        let rules = [1, 2, 3, 5, 6, 6, 6, 8, 8, 8];
        offence(validator, epoch, rules[self.place(rules.len())])
    }

    fn report(&mut self) -> Body {
        let mut fault = self.fault();
        if self.dice.one_in(10) {
            fault.validator = ValidatorId(9);
        }
        report(fault)
    }

    fn proposal(&mut self) -> Body {
        let person = self.place(16);
        match self.dice.below(10) {
            0 => spend(person, 0),
            6 => spend(person, 10_u128.pow(27)),
            1 => {
                let part = if self.dice.one_in(2) { 2 } else { 4 };
                spend(person, self.whole.has(Purse::Treasury) / part)
            }
            2 => spend(person, u128::from(self.dice.below(1_000_000))),
            3 | 7..=9 => {
                let mut params = params();
                params.emission_ppb = self.number(5_000_000);
                params.stake.unbonding_ms = 10_000 + self.dice.below(30_000);
                params.penalty.downtime_bps = u16::try_from(self.dice.below(300)).unwrap();
                params.governance.deposit = units(u128::from(self.dice.below(5_000)));
                params.governance.tally.quorum_bps = 3_000;
                propose(Action::SetParams { params })
            }
            4 => {
                let mut params = params();
                params.treasury_bps = 10_001;
                propose(Action::SetParams { params })
            }
            _ => {
                let tranches = [Tranche::Team, Tranche::Investors, Tranche::Public];
                let tranche = tranches[self.place(3)];
                let (to, amount) = (PEOPLE[8 + self.place(2)], units(1_000));
                propose(Action::Grant { tranche, to, amount })
            }
        }
    }

    fn vote(&mut self) -> (usize, Body) {
        let (person, validator) = self.member();
        let open = self.whole.proposals.iter().zip(0_u32..);
        let open: Vec<u32> =
            open.filter(|(it, _)| it.status == ProposalStatus::Voting).map(|(_, id)| id).collect();
        let any = self.number(6);
        let proposal = match open.len() {
            0 => any,
            _ if self.dice.one_in(10) => any,
            len => open[self.place(len)],
        };
        let choices = [
            VoteOption::Yes,
            VoteOption::Yes,
            VoteOption::Yes,
            VoteOption::No,
            VoteOption::Abstain,
            VoteOption::Veto,
        ];
        let choice = choices[self.place(6)];
        let (proposal, validator) = (ProposalId(proposal), ValidatorId(validator));
        (person, Body::Vote(Vote { proposal, validator, choice }))
    }
}
