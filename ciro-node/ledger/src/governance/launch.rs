//! Launches: money of the treasury that a vote puts aside for somebody, and that later votes pay,
//! milestone by milestone.
//!
//! The money leaves the treasury when a launch is opened, so that whoever works for a milestone
//! knows that it is there. What is left when a launch ends, by a vote or by its time, comes back.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::{LAUNCH_MS_MAX, LaunchStatus, MILESTONES_MAX};
use ciro_protocol::event::{Event, Failure, Movement, Purse, Why};
use ciro_protocol::id::LaunchId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::wire::List;

use super::Enacted;
use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{LAUNCHES, LaunchRecord, StateError, TimerKind};

impl Ledger<'_> {
    /// Refuses a launch that pays nothing at some milestone, that no treasury could pay, or that
    /// is over before a vote could pay its first milestone.
    pub(super) fn check_new_launch(
        &self,
        milestones: &[Amount],
        lasts_ms: u64,
    ) -> Result<(), Stop> {
        let governance = self.params()?.governance;
        let first_ms = governance.voting_ms.saturating_add(governance.timelock_ms);
        let lasts = lasts_ms > first_ms && lasts_ms <= LAUNCH_MS_MAX;
        let pays = !milestones.is_empty() && milestones.iter().all(|it| !it.is_zero());
        if lasts && pays && sum(milestones).is_some() {
            Ok(())
        } else {
            Err(Refusal::LaunchRange.into())
        }
    }

    /// Returns a launch that a proposal may be about: one that is there and not over. The timer
    /// that ends it may be late: proposals are not.
    pub(super) fn open_launch_of(&self, launch: LaunchId) -> Result<LaunchRecord, Stop> {
        let record = self.state.get(LAUNCHES, &launch)?.ok_or(Refusal::LaunchUnknown)?;
        let lasts = record.status == LaunchStatus::Open && self.chain.time_ms < record.ends.at_ms;
        if lasts { Ok(record) } else { Err(Refusal::LaunchOver.into()) }
    }

    /// Refuses a milestone that is not there or is paid. It need not be the next one yet: votes on
    /// several may go on at a time.
    pub(super) fn check_milestone(&self, launch: LaunchId, milestone: u8) -> Result<(), Stop> {
        let record = self.open_launch_of(launch)?;
        match () {
            () if usize::from(milestone) >= record.milestones.len() => {
                Err(Refusal::MilestoneUnknown.into())
            }
            () if milestone < record.paid => Err(Refusal::MilestonePaid.into()),
            () => Ok(()),
        }
    }

    /// Puts the sum of the milestones aside.
    pub(super) fn open_launch(
        &mut self,
        to: Address,
        milestones: List<Amount, MILESTONES_MAX>,
        lasts_ms: u64,
    ) -> Enacted {
        let amount = sum(&milestones).ok_or(StateError::Sum("milestones"))?;
        if let Err(failure) = self.count_spent(amount, Rule::LaunchUncounted.chosen())? {
            return Ok(Err(failure));
        }
        let number = self.with_economy(|record| {
            let number = record.next_launch;
            record.next_launch = number.checked_add(1)?;
            Some(number)
        });
        let launch = LaunchId(number.map_err(|_| StateError::Sum("launches"))?);
        let (from, why) = (Purse::Treasury, Why::Launch);
        self.pay(Movement { from, to: Purse::Launch(launch), amount, why })?;
        let ends_ms = self.chain.time_ms.saturating_add(lasts_ms);
        let ends = self.set_timer(ends_ms, TimerKind::LaunchEnds(launch))?;
        let record = LaunchRecord { to, milestones, paid: 0, status: LaunchStatus::Open, ends };
        self.put_launch(launch, &record);
        Ok(Ok(()))
    }

    /// Pays the next milestone. What is due before a launch ends is paid, however late the block.
    pub(super) fn pay_milestone(&mut self, launch: LaunchId, milestone: u8) -> Enacted {
        let mut record = self.state.expect(LAUNCHES, &launch)?;
        if record.status != LaunchStatus::Open && !Rule::PaidAfterTheEnd.chosen() {
            return Ok(Err(Failure::LaunchOver));
        }
        if milestone != record.paid && !Rule::PaidOutOfTurn.chosen() {
            return Ok(Err(Failure::MilestoneNotNext));
        }
        let amount = record.milestones.get(usize::from(milestone)).copied();
        let amount = amount.ok_or(StateError::Missing { table: LAUNCHES.name })?;
        let (from, to) = (Purse::Launch(launch), Purse::Account(record.to));
        self.pay(Movement { from, to, amount, why: Why::Launch })?;
        record.paid = record.paid.saturating_add(1);
        if usize::from(record.paid) == record.milestones.len() {
            self.cancel_timer(record.ends);
            record.status = LaunchStatus::Completed;
        }
        self.put_launch(launch, &record);
        Ok(Ok(()))
    }

    /// Ends a launch before its time.
    pub(super) fn end_launch(&mut self, launch: LaunchId) -> Enacted {
        let record = self.state.expect(LAUNCHES, &launch)?;
        if record.status != LaunchStatus::Open {
            return Ok(Err(Failure::LaunchOver));
        }
        self.cancel_timer(record.ends);
        self.close_launch(launch, record, LaunchStatus::Ended)?;
        Ok(Ok(()))
    }

    /// Ends a launch whose time has come.
    pub(crate) fn launch_expires(&mut self, launch: LaunchId) -> Result<(), Stop> {
        let record = self.state.expect(LAUNCHES, &launch)?;
        if Rule::LaunchForEver.chosen() {
            return Ok(());
        }
        self.close_launch(launch, record, LaunchStatus::Expired)
    }

    /// Gives back to the treasury what is left.
    fn close_launch(
        &mut self,
        launch: LaunchId,
        mut record: LaunchRecord,
        status: LaunchStatus,
    ) -> Result<(), Stop> {
        let from = Purse::Launch(launch);
        let to =
            if Rule::RestIsPaid.chosen() { Purse::Account(record.to) } else { Purse::Treasury };
        let amount = self.balance(from)?;
        self.pay(Movement { from, to, amount, why: Why::Launch })?;
        record.status = status;
        self.put_launch(launch, &record);
        Ok(())
    }

    fn put_launch(&mut self, launch: LaunchId, record: &LaunchRecord) {
        self.state.put(LAUNCHES, &launch, record);
        let LaunchRecord { status, paid, .. } = *record;
        self.events.push(Event::LaunchChanged { launch, status, paid });
    }
}

/// Returns what milestones pay together, or nothing if that is more than the supply.
fn sum(milestones: &[Amount]) -> Option<Amount> {
    milestones.iter().try_fold(Amount::ZERO, |sum, it| sum.checked_add(*it))
}
