"""Proofs as Starknet takes them."""

from __future__ import annotations

from typing import NamedTuple


class Calldata(NamedTuple):
    """What a call of `prove` of the contract `Facts` on Starknet takes, and what it proves; felts in hexadecimal digits behind `0x`."""

    #: The model's id there: the hash of its key. Whoever relies on a fact compares it.
    model: str
    #: The fact that the call proves: the hash of the model's id, the context, and both hashes below.
    fact: str
    #: The hash of the inputs' felts.
    input_hash: str
    #: The hash of the outputs' felts.
    output_hash: str
    #: The arguments: the model's id, then key, statement and proof.
    felts: list[str]
