//! What Connect wrote into PostgreSQL, against what the ledger says.

use std::collections::BTreeSet;

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{JobInfo, JobState};

use super::cluster::{sql, tool};
use super::eventually;
use super::gateway::Gateway;
use super::orders::Orders;

/// What the ledger says of all jobs.
pub(super) struct Ledger {
    pub(super) settled: usize,
    pub(super) refunded: usize,
    pub(super) others: usize,
    /// What left the escrows and did not come back.
    pub(super) paid: Amount,
}

impl Ledger {
    /// Reads all jobs of the account.
    pub(super) fn read(orders: &Orders<'_>) -> Result<Self, String> {
        let (client, requester) = (orders.client(), orders.account().address());
        let mut jobs: Vec<JobInfo> = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = orders.wait(client.jobs_of(requester, next.as_deref()));
            let page = page.map_err(|error| error.to_string())?;
            jobs.extend(page.items);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let count = |state| jobs.iter().filter(|job| job.state == state).count();
        let (settled, refunded) = (count(JobState::Settled), count(JobState::Refunded));
        let paid = jobs
            .iter()
            .filter_map(|job| job.receipt.as_ref())
            .map(|receipt| receipt.escrow.checked_sub(receipt.refund).unwrap());
        let paid = paid.fold(Amount::ZERO, |sum, paid| sum.checked_add(paid).unwrap());
        Ok(Self { settled, refunded, others: jobs.len() - settled - refunded, paid })
    }

    pub(super) fn ended(&self) -> usize {
        self.settled + self.refunded
    }
}

/// No job is missing, none is there twice or ended twice, and the bills of each are what its
/// requester paid.
pub(super) fn are_the_ledgers(database: &str, ledger: &Ledger) {
    let count = ledger.ended();
    eventually("receipts are in the database", count, || {
        let found = sql(database, "select count(*), count(distinct job) from receipts");
        let expected = format!("{count}|{count}");
        if found.as_deref() == Some(&expected) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    eventually("the ends of jobs are in the database, each once", count, || {
        let query = "select count(*), count(distinct job) from events where event = 'job_ended'";
        let found = sql(database, query);
        let expected = format!("{count}|{count}");
        if found.as_deref() == Some(&expected) { Ok(()) } else { Err(format!("{found:?}")) }
    });
    eventually("the views can be made", count, || {
        let there = sql(database, "select count(*) from billing").ok_or("no bills");
        there.map(|_| ()).map_err(str::to_owned)
    });
    tool("views");
    eventually("every job is balanced", count, || {
        let found = sql(database, "select count(*) from unbalanced_jobs").unwrap();
        if found == "0" { Ok(()) } else { Err(format!("{found} are not")) }
    });
    let state = |state: &str| {
        let query = format!("select count(*) from receipts where state = '{state}'");
        sql(database, &query).unwrap()
    };
    assert_eq!(state("settled"), ledger.settled.to_string());
    assert_eq!(state("refunded"), ledger.refunded.to_string());
    for query in
        ["select sum(paid) from invoices", "select coalesce(sum(paid_out), 0) from job_payments"]
    {
        let paid: Amount = sql(database, query).unwrap().parse().unwrap();
        assert_eq!(paid, ledger.paid, "{query}");
    }
    let twice = "select count(*) - count(distinct event_seq) from events";
    assert_eq!(sql(database, twice).as_deref(), Some("0"));
}

/// The gateway has every bill that is in the database, though it failed again and again.
pub(super) fn are_the_gateways(database: &str, gateway: &Gateway, jobs: usize) {
    eventually("the gateway has every bill", jobs, || {
        let bills = sql(database, "select event_seq from billing").unwrap();
        let bills: BTreeSet<u64> = bills.lines().map(|it| it.parse().unwrap()).collect();
        let (taken, failed) = (gateway.taken(), gateway.refused());
        let all = !bills.is_empty() && bills == taken && failed > 0;
        let state = || format!("{} of {}, {failed} times refused", taken.len(), bills.len());
        if all { Ok(()) } else { Err(state()) }
    });
}
