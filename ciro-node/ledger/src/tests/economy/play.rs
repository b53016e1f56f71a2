//! What people do at random: mostly something sensible, often something that is refused.

use ciro_protocol::economy::{LaunchStatus, Offence, Tranche};
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::{GrantId, LaunchId, ProposalId, ValidatorId};
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
    KEYS, PEOPLE, SHARES, WEALTH, WEIGHT, delegate, offence, params, register, report_of,
    undelegate,
};

/// One who plays.
pub(crate) struct Play<'a> {
    pub(crate) dice: &'a mut Dice,
    pub(crate) whole: &'a Whole,
    /// The validator that most of it is about, if it is one.
    pub(crate) focus: Option<u32>,
    /// Whether most of it is about launches.
    pub(crate) launches: bool,
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
        let voting = self.launches && self.dice.one_in(2);
        match if voting { 27 + self.dice.below(7) } else { self.dice.below(34) } {
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
            27..=28 => {
                let other = !self.launches && self.dice.one_in(2);
                let about = if other { self.proposal() } else { self.launch() };
                (self.person(), about)
            }
            _ => self.vote(),
        }
    }

    fn operator(&mut self) -> usize {
        let jailed = self.whole.validators.values().filter(|it| it.jail.is_some() && !it.dead);
        let jailed: Vec<usize> =
            jailed.filter_map(|it| PEOPLE.iter().position(|who| *who == it.operator)).collect();
        match self.dice.pick(&jailed) {
            Some(person) if self.dice.one_in(2) => person,
            _ if self.dice.one_in(12) => self.person(),
            _ => self.place(8),
        }
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

    /// A convict who has still a vote, if there is one.
    pub(crate) fn convict(&mut self) -> Option<u32> {
        let set = self.whole.sets.get(&self.whole.epoch())?;
        let dead = |id: &u32| self.whole.validators.get(id).is_some_and(|it| it.dead);
        let dead: Vec<u32> = set.keys().copied().filter(dead).collect();
        self.dice.pick(&dead)
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
        let known = self.whole.validators.get(&fault.validator.0).map(|it| it.key);
        let key = known.filter(|_| !self.dice.one_in(8)).unwrap_or(PEOPLE[0]);
        report_of(key, fault)
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
                let mut params = self.whole.params;
                params.emission_ppb = self.number(5_000_000);
                params.stake.seats = [0, 1, 3, 4, 5, 6, 257][self.place(7)].min(256);
                params.stake.unbonding_ms = 10_000 + self.dice.below(30_000);
                params.penalty.downtime_bps = u16::try_from(self.dice.below(300)).unwrap();
                params.governance.deposit = units(u128::from(self.dice.below(5_000)));
                let quorum_bps = params.governance.tally.quorum_bps;
                params.governance.tally.quorum_bps = 3_000.min(2 * quorum_bps);
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

    /// A proposal about a launch: that there be one, that it go on, or that it end.
    fn launch(&mut self) -> Body {
        let launches = self.whole.launches.iter().zip(0_u32..);
        let open = launches.filter(|(it, _)| it.status == LaunchStatus::Open);
        let open: Vec<u32> = open.map(|(_, number)| number).collect();
        let any = self.number(3);
        let number = self.dice.pick(&open).filter(|_| !self.dice.one_in(5)).unwrap_or(any);
        let (launch, known) = (LaunchId(number), self.whole.launches.get(number as usize));
        let paid = known.map_or(0, |it| it.milestones.iter().filter(|(_, paid)| *paid).count());
        let paid = u8::try_from(paid).unwrap();
        match self.dice.below(8) {
            _ if open.is_empty() && !self.dice.one_in(4) => propose(self.opening()),
            0 => propose(self.opening()),
            1..=3 => propose(Action::PayMilestone { launch, milestone: paid }),
            4 => propose(Action::PayMilestone { launch, milestone: paid + 1 }),
            5..=6 if paid > 0 => propose(Action::PayMilestone { launch, milestone: paid - 1 }),
            5..=6 => propose(Action::PayMilestone { launch, milestone: 3 }),
            _ => propose(Action::EndLaunch { launch }),
        }
    }

    /// A launch to be opened, of up to three milestones.
    fn opening(&mut self) -> Action {
        let treasury = self.whole.has(Purse::Treasury);
        let amounts: Vec<u128> = match self.dice.below(12) {
            0 => vec![],
            1 => vec![5, 0],
            2 => vec![6 * 10_u128.pow(26); 2],
            3 => vec![treasury + 1],
            4 => vec![treasury / 5, treasury / 4],
            _ => (0..=self.dice.below(3))
                .map(|_| 1 + treasury / (9 + self.person() as u128))
                .collect(),
        };
        let milestones = List::new(amounts.into_iter().map(units).collect()).unwrap();
        let governance = self.whole.params.governance;
        let first_ms = governance.voting_ms + governance.timelock_ms;
        let lasts_ms = match self.dice.below(16) {
            0 => first_ms,
            1 => 3_660 * 86_400_000 + 1,
            _ => first_ms + 1 + self.dice.below(90_000),
        };
        Action::OpenLaunch { to: PEOPLE[self.place(16)], milestones, lasts_ms }
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
