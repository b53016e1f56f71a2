"""Supply, stake and governance of a network."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Optional, Union

from . import _ciro
from ._amount import Amount, amount


@dataclass(frozen=True)
class Transaction:
    """A transaction that a block holds."""

    #: Its id: `0x` and 64 hexadecimal digits.
    id: str
    #: The block.
    height: int
    #: What it cost, in CIRO.
    fee: Decimal


@dataclass(frozen=True)
class Validator:
    """A validator and its stake."""

    #: Its number.
    id: int
    #: The account that speaks for it.
    operator: str
    #: The key that signs in consensus.
    key: str
    #: All stake with it, in CIRO.
    stake: Decimal
    #: What of it is its operator's.
    own: Decimal
    #: What it takes of the rewards of others, in basis points.
    commission: int
    #: Whether it is in jail, and not paid.
    jailed: bool
    #: Whether it was convicted of what can fork the chain.
    convicted: bool
    #: Whether consensus counts it.
    counted: bool
    #: Its weight in consensus in the epoch at hand.
    weight: int
    #: Its weight in the next epoch.
    next_weight: int


@dataclass(frozen=True)
class Holding:
    """Stake of an account with one validator."""

    #: The validator's number.
    validator: int
    #: What it is worth now, in CIRO.
    amount: Decimal
    #: What it has earned and nobody has taken.
    earned: Decimal


@dataclass(frozen=True)
class Leaving:
    """Stake that leaves a validator; it comes by itself."""

    #: The validator that it leaves.
    validator: int
    #: The validator that it goes to; `None` if it comes to the account.
    to: Optional[int]
    #: What it is worth now, in CIRO.
    amount: Decimal
    #: Seconds of ledger time until it may come.
    seconds: float


@dataclass(frozen=True)
class Grant:
    """Money that vests."""

    #: Its number.
    id: int
    #: Whose part of the supply it comes from: `team`, `investors` or `public`.
    tranche: str
    #: How much in all, in CIRO.
    amount: Decimal
    #: What of it was not taken yet.
    left: Decimal


@dataclass(frozen=True)
class Stake:
    """What an account has at stake, what of it leaves, and what is granted to it."""

    address: str
    holdings: list[Holding]
    leaving: list[Leaving]
    grants: list[Grant]


@dataclass(frozen=True)
class Votes:
    """How a vote stands, in CIRO of stake."""

    yes: Decimal
    no: Decimal
    abstain: Decimal
    veto: Decimal
    #: All stake that may vote.
    stake: Decimal


@dataclass(frozen=True)
class Proposal:
    """A proposal."""

    #: Its number.
    id: int
    #: Who made it.
    account: str
    #: What it is about.
    title: str
    #: What happens if it passes, as the ledger has it.
    action: dict[str, Any]
    #: `voting`, `no_quorum`, `rejected`, `vetoed`, `passed`, `executed` or `failed`.
    status: str
    #: How the vote stands; `None` when it is over.
    votes: Optional[Votes]
    #: Why it could not be executed, such as `spend_limit`; `None` unless its status is `failed`.
    failure: Optional[str] = None


@dataclass(frozen=True)
class Launch:
    """Money of the treasury that is put aside for a project and paid by milestones."""

    #: Its number.
    id: int
    #: Who is paid.
    to: str
    #: What each milestone pays, in CIRO, in order.
    milestones: list[Decimal]
    #: How many of them are paid.
    paid: int
    #: What is neither paid nor given back, in CIRO.
    left: Decimal
    #: When what is left is the treasury's again, in ms of ledger time.
    ends_ms: int
    #: `open`, `completed`, `ended` or `expired`.
    status: str


class Economy:
    """What a `Client` does with supply, stake and governance."""

    _inner: _ciro.Client

    def supply(self) -> dict[str, Decimal]:
        """Where all CIRO are, by kinds of purses; their sum is the supply, 10^9."""
        info = json.loads(self._inner.economy())
        return {it["bucket"]: Decimal(it["amount"]) for it in info["supply"]}

    def parameters(self) -> Optional[dict[str, Any]]:
        """The parameters of the economy in force, or `None` where there is none; `docs/economy.md` explains each."""
        found: Optional[dict[str, Any]] = json.loads(self._inner.economy())["params"]
        return found

    def validators(self) -> list[Validator]:
        """All validators, in the order of their numbers."""
        return [_validator(it) for it in json.loads(self._inner.validators())]

    def proposals(self) -> list[Proposal]:
        """All proposals, in the order of their numbers; those that are decided too."""
        return [_proposal(it) for it in json.loads(self._inner.proposals())]

    def launches(self) -> list[Launch]:
        """All launches, in the order of their numbers; those that are over too."""
        return [_launch(it) for it in json.loads(self._inner.launches())]

    def stake(self, address: Optional[str] = None) -> Stake:
        """What an account has at stake.

        Args:
            address: the account. Default: the one that signs.
        """
        text, now = self._inner.stake(address)
        info = json.loads(text)
        holdings = [Holding(it["validator"], Decimal(it["amount"]), Decimal(it["earned"])) for it in info["stakes"]]
        leaving = [
            Leaving(it["validator"], it["to"], Decimal(it["amount"]), max(0, it["until_ms"] - now) / 1e3) for it in info["leaving"]
        ]
        grants = [Grant(it["grant"], it["tranche"], Decimal(it["amount"]), Decimal(it["left"])) for it in info["grants"]]
        return Stake(info["address"], holdings, leaving, grants)

    def delegate(self, validator: int, amount: Amount) -> Transaction:
        """Puts money at a validator's stake: it stays the account's, and earns and loses with it.

        Raises:
            NetworkError: with the ledger's reason if it does not take it.
        """
        return self._execute("delegate", validator=validator, amount=_amount(amount))

    def undelegate(self, validator: int, amount: Optional[Amount] = None) -> Transaction:
        """Takes money from a validator's stake; it comes to the account by itself, after the unbonding period.

        Args:
            validator: the validator's number.
            amount: how much. Default: all.

        Raises:
            NetworkError: if there is less, or it is bound.
        """
        return self._execute("undelegate", validator=validator, amount=self._part(validator, amount))

    def redelegate(self, source: int, target: int, amount: Optional[Amount] = None) -> Transaction:
        """Moves money from one validator's stake to another's, where it arrives after the unbonding period.

        Args:
            source: the number of the validator that it leaves.
            target: the number of the one that it goes to.
            amount: how much. Default: all.

        Raises:
            NetworkError: if there is less, or one of the validators does not take part.
        """
        return self._execute("redelegate", **{"from": source, "to": target, "amount": self._part(source, amount)})

    def claim_rewards(self, validator: int) -> Transaction:
        """Takes what the account's stake with a validator has earned.

        Raises:
            NetworkError: with the code `nothing_earned` if that is nothing.
        """
        return self._execute("claim_rewards", validator=validator)

    def claim_grant(self, grant: int) -> Transaction:
        """Takes what has vested of a grant.

        Raises:
            NetworkError: with the code `nothing_vested` if that is nothing.
        """
        return self._execute("claim_grant", grant=grant)

    def claim_airdrop(self, shares: Union[str, os.PathLike[str]], index: int) -> Transaction:
        """Pays a share of the airdrop out to its owner.

        Args:
            shares: the file of all shares, as it was published: a JSON list of index, owner (`to`) and amount.
            index: which of them.

        Raises:
            NetworkError: with the code `no_share` if these are not the network's shares, `airdrop_taken` if it was paid before.
        """
        return _transaction(self._inner.claim_airdrop(Path(shares).read_text(), index))

    def register_validator(
        self,
        key: Union[str, os.PathLike[str]],
        bond: Amount,
        *,
        commission: int = 500,
        commission_max: int = 2000,
        commission_step: int = 100,
    ) -> Transaction:
        """Registers the account as the operator of a new validator. It is in jail until `unjail_validator` says that its node has caught up.

        Args:
            key: the file `node.key` of the node's folder.
            bond: its own stake.
            commission: what it takes of the rewards of others, in basis points.
            commission_max: the most that it will ever take.
            commission_step: the most that a change changes.

        Raises:
            NetworkError: with the ledger's reason if it does not take it.
        """
        terms = (commission, commission_max, commission_step)
        return _transaction(self._inner.register_validator(os.fspath(key), terms, _amount(bond)))

    def set_commission(self, bps: int) -> Transaction:
        """Changes what the account's validator takes of the rewards of others, in basis points.

        Raises:
            NetworkError: if that is not what it has promised, or too soon.
        """
        return self._execute("set_commission", bps=bps)

    def unjail_validator(self) -> Transaction:
        """Leads the account's validator out of jail: after its time there, or once a new one's node has caught up.

        Raises:
            NetworkError: if it is not in jail, or not long enough.
        """
        return self._execute("unjail_validator")

    def propose_parameters(self, title: str, changes: dict[str, Union[int, Amount]]) -> Proposal:
        """Proposes other parameters of the economy, for a deposit that comes back unless the vote vetoes.

        Args:
            title: what it is about, for people.
            changes: new values by name, such as `{"governance.voting_ms": 600_000}`; all others stay.

        Raises:
            ValueError: for a name or a value that is none.
            NetworkError: with the code `proposal_unsound` for one out of its range.
        """
        params = self.parameters() or {}
        for name, value in changes.items():
            *path, last = name.split(".")
            place = params
            for part in path:
                place = place.get(part, {}) if isinstance(place, dict) else {}
            if not isinstance(place, dict) or last not in place or isinstance(place[last], dict):
                raise ValueError(f"there is no parameter `{name}`")
            place[last] = _amount(value) if isinstance(place[last], str) else value
        return self._propose(title, {"action": "set_params", "params": params})

    def propose_spend(self, title: str, to: str, amount: Amount) -> Proposal:
        """Proposes a payment out of the treasury."""
        return self._propose(title, {"action": "spend", "to": to, "amount": _amount(amount)})

    def propose_grant(self, title: str, tranche: str, to: str, amount: Amount) -> Proposal:
        """Proposes a grant, which vests from its execution on.

        Args:
            title: what it is about, for people.
            tranche: whose part of the supply it comes from: `team`, `investors` or `public`.
            to: whose it becomes.
            amount: how much.
        """
        return self._propose(title, {"action": "grant", "tranche": tranche, "to": to, "amount": _amount(amount)})

    def propose_launch(self, title: str, to: str, milestones: list[Amount], seconds: float) -> Proposal:
        """Proposes a launch: money of the treasury that is put aside for a project and paid by milestones.

        Args:
            title: what it is about, for people.
            to: who is paid.
            milestones: what each of up to 16 milestones pays, in the order in which they are paid.
            seconds: how long milestones may be paid, from its execution; what is left then is the treasury's again.

        Raises:
            NetworkError: with the code `launch_range` for an amount of nothing, or too short a time.
        """
        amounts = [_amount(it) for it in milestones]
        return self._propose(title, {"action": "open_launch", "to": to, "milestones": amounts, "lasts_ms": round(seconds * 1e3)})

    def propose_milestone(self, title: str, launch: int, milestone: int) -> Proposal:
        """Proposes that a launch pays a milestone, by its number from 0; it must be the next one when the proposal is executed.

        Raises:
            NetworkError: with the code `launch_unknown`, `launch_over`, `milestone_unknown` or `milestone_paid`.
        """
        return self._propose(title, {"action": "pay_milestone", "launch": launch, "milestone": milestone})

    def propose_end(self, title: str, launch: int) -> Proposal:
        """Proposes that a launch ends: what is left of it is the treasury's again.

        Raises:
            NetworkError: with the code `launch_unknown` or `launch_over`.
        """
        return self._propose(title, {"action": "end_launch", "launch": launch})

    def vote(self, proposal: int, choice: str, validator: int) -> Transaction:
        """Votes with the stake that the account has with a validator; what came after the proposal was made does not vote on it.

        Args:
            proposal: the proposal's number.
            choice: `yes`, `no`, `abstain` or `veto`.
            validator: the validator's number.

        Raises:
            NetworkError: with the code `stake_too_late` or `voting_over` if the stake does not vote.
        """
        return self._execute("vote", proposal=proposal, validator=validator, choice=choice)

    def _part(self, validator: int, part: Optional[Amount]) -> str:
        if part is not None:
            return _amount(part)
        held = [it.amount for it in self.stake().holdings if it.validator == validator]
        return _amount(sum(held, Decimal(0)))

    def _propose(self, title: str, action: dict[str, Any]) -> Proposal:
        return _proposal(json.loads(self._inner.propose(title, json.dumps(action))))

    def _execute(self, kind: str, **members: Any) -> Transaction:
        return _transaction(self._inner.execute(json.dumps({"kind": kind, **members})))


# Under this name as `amount` is what arguments are called.
_amount = amount


def _transaction(sent: tuple[str, int, str]) -> Transaction:
    return Transaction(sent[0], sent[1], Decimal(sent[2]))


def _validator(info: dict[str, Any]) -> Validator:
    return Validator(
        info["validator"],
        info["operator"],
        info["key"],
        Decimal(info["stake"]),
        Decimal(info["own"]),
        info["commission"]["bps"],
        info["jailed_until_ms"] is not None,
        info["tombstoned"],
        info["counted"],
        info["weight"],
        info["next_weight"],
    )


def _proposal(info: dict[str, Any]) -> Proposal:
    tally = info["tally"]
    votes = tally and Votes(*(Decimal(tally[name]) for name in ("yes", "no", "abstain", "veto", "stake")))
    failure = info.get("failure")
    return Proposal(info["proposal"], info["account"], info["title"], info["action"], info["status"], votes, failure)


def _launch(info: dict[str, Any]) -> Launch:
    milestones = [Decimal(it) for it in info["milestones"]]
    return Launch(
        info["launch"], info["to"], milestones, info["paid"], Decimal(info["left"]), info["ends_ms"], info["status"]
    )
