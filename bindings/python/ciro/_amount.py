"""Money."""

from __future__ import annotations

from decimal import Decimal
from typing import Union

#: CIRO: a `Decimal`, an `int`, or a text such as `"0.01"`; at most 18 places. No `float`: money is exact.
Amount = Union[Decimal, int, str]


def amount(value: Amount) -> str:
    """An amount as the ledger reads it.

    Raises:
        TypeError: for a `float`, which is not exact.
    """
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):
        raise TypeError(f"an amount is a `Decimal`, an `int` or a text, not `{type(value).__name__}`: money is exact")
    return format(value, "f") if isinstance(value, Decimal) else str(value)
