-- Views over what Kafka Connect writes: run it once the tables are there, as often as you like.

-- Every job that ended, with amounts as numbers and how long each part took.
create or replace view job_history as
select
  job, state, reason, requester, provider, model, model_key, attempts, bundle,
  escrow_ciro::numeric(38, 18) as escrow,
  refund_ciro::numeric(38, 18) as refund,
  price_ciro::numeric(38, 18) as price,
  fee_ciro::numeric(38, 18) as market_fee,
  opened_at, claimed_at, ended_at,
  claimed_at - opened_at as waited,
  ended_at - coalesce(claimed_at, opened_at) as worked,
  height, event_seq
from receipts;

-- What a requester owes for each month: what left the escrow of its jobs and did not come back.
create or replace view invoices as
select
  requester,
  date_trunc('month', ended_at) as month,
  count(*) filter (where state = 'settled') as jobs_settled,
  count(*) filter (where state = 'refunded') as jobs_refunded,
  sum(escrow - refund) as paid
from job_history
group by requester, date_trunc('month', ended_at);

-- Where the money of each job went, from the movements of the ledger and not from its receipt.
create or replace view job_payments as
select
  job,
  sum(amount_ciro::numeric(38, 18)) filter (where to_kind = 'escrow') as paid_in,
  sum(amount_ciro::numeric(38, 18)) filter (where from_kind = 'escrow' and why = 'refund')
    as paid_back,
  sum(amount_ciro::numeric(38, 18)) filter (where from_kind = 'escrow' and why <> 'refund')
    as paid_out
from billing
where job is not null and (from_kind = 'escrow' or to_kind = 'escrow')
group by job;

-- Jobs whose receipt and movements disagree: empty, or something is wrong.
create or replace view unbalanced_jobs as
select history.job, history.escrow, history.refund, paid_in, paid_back, paid_out
from job_history history
left join job_payments payments using (job)
where payments.job is null
   or history.escrow <> paid_in
   or history.refund <> coalesce(paid_back, 0)
   or history.escrow - history.refund <> coalesce(paid_out, 0);
