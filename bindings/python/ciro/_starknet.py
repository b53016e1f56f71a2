"""Starknet: models are registered there, facts are proven, and asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Optional, Union

from . import _ciro
from ._amount import Amount, amount
from ._key import Key
from ._proof import KeyLike, ProofLike, _resolve, as_proof


@dataclass(frozen=True)
class StarknetModel:
    """A model that the directory on Starknet knows."""

    #: Its id: the hash of its key. Contracts name models by it.
    id: str
    #: The transaction that registered it; `None`, and nothing was paid, if it was registered before.
    transaction: Optional[str] = None
    #: What that cost, in STRK.
    fee: Optional[Decimal] = None


@dataclass(frozen=True)
class Fact:
    """A fact that the contract `Facts` knows: a model, bound to a context, gave these outputs for these inputs."""

    #: The fact: contracts ask for it.
    fact: str
    #: When it was first proven, by the time of its block.
    proven_at: datetime
    #: The transaction that proved it; `None`, and nothing was paid, if it was proven before.
    transaction: Optional[str] = None
    #: What that cost, in STRK.
    fee: Optional[Decimal] = None
    #: L2 gas that it took.
    l2_gas: Optional[int] = None


class Starknet:
    """A connection to a node of Starknet, with the contracts of this release.

    The node is believed in what it says of the chain; that it is of the chain that is meant, and that the contracts are of the classes of
    this release, is checked. No transaction costs more than it is allowed to, and what is known already is not paid for: every
    call may be repeated, also after one that failed or was interrupted. Ctrl-C ends the wait; what was begun may be sent all the same.
    It may be used from several threads at once, not in a process that was forked from its own.
    """

    def __init__(self, settings: Union[str, os.PathLike[str]]) -> None:
        """Connects.

        Args:
            settings: the name of settings, `$CIRO_HOME/starknet/NAME.toml`, or a path that ends in `.toml`.

        Raises:
            OSError: if there is no such file.
            ValueError: if it says something that cannot be used.
            ConnectionError: if the node does not answer, or answers something else.
            NetworkError: with the code `wrong_chain` if the node is of another chain, `not_found` if there is no contract at the address,
                `other_class` if it is another one.
        """
        self._inner = _ciro.Starknet(os.fspath(settings))

    @property
    def chain(self) -> str:
        """The chain, such as `SN_SEPOLIA`."""
        return self._inner.network[0]

    @property
    def facts(self) -> str:
        """The address of the contract that verifies proofs."""
        return self._inner.network[1]

    def register(self, key: Key, uri: str = "", *, max_fee: Amount = "5") -> StarknetModel:
        """Registers a model in the directory `Models`, once; for people to find, nothing relies on it.

        Args:
            key: the model's key for `preset="chain"`, with one entry.
            uri: where its files are, in your words: at most 2,048 bytes.
            max_fee: the most STRK that the transaction may cost.

        Raises:
            As `prove`.
        """
        model, paid = self._inner.register(key._inner, uri, amount(max_fee))
        transaction, fee, _ = _paid(paid)
        return StarknetModel(model, transaction, fee)

    def prove(self, proof: ProofLike, key: KeyLike, *, max_fee: Amount = "5") -> Fact:
        """Verifies a proof here, then has `Facts` verify it and remember what it proves, in one transaction.

        Args:
            proof: a proof of `preset="chain"`, its file, or its bytes.
            key: what it is verified against, as for `ciro.verify`.
            max_fee: the most STRK that the transaction may cost; nothing is sent that may cost more.

        Raises:
            InvalidProofError: if the proof does not convince; nothing was sent.
            ValueError: if the contract takes no proofs of the key's route or preset, or if the settings name no account.
            NetworkError: with the code `fee_above_max` or `fee_unaffordable` if it may cost too much, `would_fail` if the contract
                would refuse it, all before anything is paid; `reverted` if it was paid for and failed; `overtaken` if another
                transaction of the account came first.
            TimeoutError: if it is in no block after minutes: look for it, or call again.
            ConnectionError: if the node does not answer.
            OSError: if the account's key cannot be read.
            CiroError: if it does not open, or the proof does not fit into a transaction.
        """
        bundle = as_proof(proof)
        trusted, _ = _resolve(key, bundle, "tensor", None)
        fact, proven_at, paid = self._inner.prove(bundle._inner, trusted._inner, amount(max_fee))
        return Fact(fact, _time(proven_at), *_paid(paid))

    def proven_at(self, fact: str) -> Optional[datetime]:
        """When a fact was first proven, by the time of its block; `None` if it was not. The node is believed.

        Raises:
            ValueError: if it is no fact.
            ConnectionError: if the node does not answer.
        """
        seconds = self._inner.proven_at(fact)
        return None if seconds is None else _time(seconds)

    def __repr__(self) -> str:
        return f"<ciro.Starknet {self.chain} facts={self.facts}>"


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _paid(cost: Optional[tuple[str, int, int]]) -> tuple[Optional[str], Optional[Decimal], Optional[int]]:
    """Transaction, fee in STRK and L2 gas, of what a call paid; exact, since money is."""
    if cost is None:
        return None, None, None
    transaction, units, l2_gas = cost
    return transaction, Decimal(f"{units}e-18"), l2_gas
