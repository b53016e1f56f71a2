"""What ledgers say of jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Optional


@dataclass(frozen=True)
class Receipt:
    """What the ledger of a network says of a job that ended."""

    #: The job.
    job: str
    #: Who ordered it.
    requester: str
    #: The model.
    model: str
    #: The identity of the key that the proof is verified against.
    model_key: str
    #: `settled` or `refunded`.
    state: str
    #: Why it was refunded: `cancelled`, `expired`, `attempts_spent`, or of a direct order
    #: `input_unavailable` or `not_served`.
    reason: Optional[str]
    #: Who proved it.
    provider: Optional[int]
    #: What that cost, in CIRO.
    price: Optional[Decimal]
    #: What came back of the escrow, in CIRO.
    refund: Decimal
    #: Providers that tried.
    attempts: int
    #: Ledger time from the order to the end, in milliseconds.
    ledger_ms: int
    #: The block of the end.
    height: int
    #: The block by which validators certified this, if that was verified.
    certified_height: Optional[int] = None

    @classmethod
    def _parse(cls, text: str, certified_height: Optional[int] = None) -> Receipt:
        found = json.loads(text)
        outcome = found["outcome"]
        price = outcome.get("price")
        return cls(
            job=found["job"],
            requester=found["requester"],
            model=found["model"],
            model_key=found["key"].removeprefix("0x"),
            state=outcome["state"],
            reason=outcome.get("reason"),
            provider=outcome.get("provider"),
            price=None if price is None else Decimal(price),
            refund=Decimal(found["refund"]),
            attempts=found["attempts"],
            ledger_ms=found["ended_ms"] - found["opened_ms"],
            height=found["height"],
            certified_height=certified_height,
        )
