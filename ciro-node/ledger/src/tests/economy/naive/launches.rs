//! Launches: what each milestone pays, and which of them were paid.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::LaunchStatus;
use ciro_protocol::event::{Failure, Purse};
use ciro_protocol::id::LaunchId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

use super::super::super::naive::Alarm;
use super::{Done, Whole};

#[derive(Clone, Debug)]
pub(crate) struct Launch {
    to: Address,
    ends: u64,
    /// What each milestone pays, and whether it did.
    pub(crate) milestones: Vec<(u128, bool)>,
    pub(crate) status: LaunchStatus,
}

fn purse(launch: usize) -> Purse {
    Purse::Launch(LaunchId(u32::try_from(launch).unwrap()))
}

impl Whole {
    /// Whether a launch may be proposed: a year has at most 366 days.
    pub(super) fn may_be_opened(&self, milestones: &[Amount], lasts: u64) -> Done {
        let units: Vec<u128> = milestones.iter().map(|it| it.units()).collect();
        let governance = self.params.governance;
        let sound = [
            (1..=16).contains(&units.len()),
            !units.contains(&0),
            units.iter().sum::<u128>() <= 10_u128.pow(27),
            governance.voting_ms + governance.timelock_ms < lasts,
            lasts <= 3_660 * 24 * 3_600_000,
        ];
        if sound == [true; 5] { Ok(()) } else { Err(Refusal::LaunchRange) }
    }

    /// Whether a milestone, or the end, of a launch may be proposed.
    pub(super) fn may_go_on(&self, launch: LaunchId, milestone: Option<u8>) -> Done {
        let launch = self.launches.get(launch.0 as usize).ok_or(Refusal::LaunchUnknown)?;
        if launch.status != LaunchStatus::Open || launch.ends <= self.market.now {
            return Err(Refusal::LaunchOver);
        }
        let Some(milestone) = milestone else { return Ok(()) };
        match launch.milestones.get(usize::from(milestone)) {
            None => Err(Refusal::MilestoneUnknown),
            Some((_, true)) => Err(Refusal::MilestonePaid),
            Some((_, false)) => Ok(()),
        }
    }

    pub(super) fn open(
        &mut self,
        to: Address,
        milestones: &[Amount],
        lasts: u64,
    ) -> Result<(), Failure> {
        let (number, ends) = (self.launches.len(), self.market.now + lasts);
        let all = milestones.iter().map(|it| it.units()).sum();
        self.take_out(purse(number), all)?;
        self.alarm(ends, Alarm::LaunchEnds(number));
        let milestones = milestones.iter().map(|it| (it.units(), false)).collect();
        self.launches.push(Launch { to, ends, milestones, status: LaunchStatus::Open });
        self.market.happens("a launch is opened");
        Ok(())
    }

    pub(super) fn pay(&mut self, launch: LaunchId, milestone: u8) -> Result<(), Failure> {
        let number = self.going_on(launch)?;
        let launch = &mut self.launches[number];
        let next = launch.milestones.iter().position(|(_, paid)| !paid);
        if next != Some(milestone.into()) {
            return Err(Failure::MilestoneNotNext);
        }
        let (amount, paid) = &mut launch.milestones[usize::from(milestone)];
        *paid = true;
        let (amount, to) = (*amount, Purse::Account(launch.to));
        let completed = launch.milestones.iter().all(|(_, paid)| *paid);
        self.give(purse(number), to, amount).unwrap();
        self.market.happens("a milestone is paid");
        if completed {
            self.finish(number, LaunchStatus::Completed);
            self.market.happens("a launch is completed");
        }
        Ok(())
    }

    pub(super) fn end_early(&mut self, launch: LaunchId) -> Result<(), Failure> {
        let number = self.going_on(launch)?;
        self.finish(number, LaunchStatus::Ended);
        self.market.happens("a launch is ended");
        Ok(())
    }

    pub(super) fn expire(&mut self, number: usize) {
        self.finish(number, LaunchStatus::Expired);
        self.market.happens("a launch expires");
    }

    fn going_on(&self, launch: LaunchId) -> Result<usize, Failure> {
        let number = launch.0 as usize;
        let open = self.launches[number].status == LaunchStatus::Open;
        if open { Ok(number) } else { Err(Failure::LaunchOver) }
    }

    /// Nothing happens with it any more, and what is left comes back.
    fn finish(&mut self, number: usize, status: LaunchStatus) {
        self.market.timers.retain(|(_, _, it)| *it != Alarm::LaunchEnds(number));
        let rest = self.has(purse(number));
        self.give(purse(number), Purse::Treasury, rest).unwrap();
        self.launches[number].status = status;
    }
}
