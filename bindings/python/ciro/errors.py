"""What can go wrong.

Files that cannot be read or written raise `OSError`, arguments that do not fit raise `ValueError` or `TypeError`, proofs that would not
fit into memory raise `MemoryError`, a node that cannot be reached `ConnectionError`, and what does not happen in time `TimeoutError`.
Everything else is a `CiroError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

__all__ = ["CalibrationWarning", "CiroError", "InvalidProofError", "NetworkError", "Refusal", "UnsupportedModelError"]


class CalibrationWarning(UserWarning):
    """A model is calibrated with guesses, or an input has values outside the calibrated range."""


class Refusal(NamedTuple):
    """One node that cannot be proven."""

    #: The node's name.
    node: str
    #: Its operator.
    op: str
    #: Why it is refused.
    reason: str
    #: What to change, if there is advice.
    hint: Optional[str] = None

    def __str__(self) -> str:
        from . import _ciro  # The extension module imports this one.

        text = f"`{self.node}` ({self.op}): {self.reason}"
        return _ciro.printable(f"{text}; {self.hint}" if self.hint else text)


class CiroError(Exception):
    """Base of the library's own exceptions."""

    #: What is wrong.
    message: str
    #: What to do about it, if there is advice.
    hint: Optional[str]

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UnsupportedModelError(CiroError):
    """The model cannot be proven."""

    #: Everything that stands in the way.
    refused: list[Refusal]

    def __init__(self, message: str, refused: Iterable[tuple[str, str, str, Optional[str]]]) -> None:
        self.refused = [Refusal(*refusal) for refusal in refused]
        super().__init__(message)
        self.args = (message, self.refused)

    def __str__(self) -> str:
        lines = "".join(f"\n  {refusal}" for refusal in self.refused)
        return f"the model cannot be proven:{lines}" if lines else self.message


class InvalidProofError(CiroError):
    """The proof does not convince."""

    #: The check that failed, in one word: `format`, `route`, `preset`, `model_key`, `committed_input`, `security`, `statement`, `batch`,
    #: `structure`, `program`, `model_commitment`, `proof_of_work`, `public_values`, `context`, `constraints`, `opening`, `inputs`,
    #: `clamped`, `model_output` or `proof`; of what a network returned also `result` and `receipt`.
    check: str

    def __init__(self, message: str, hint: Optional[str] = None, check: str = "proof") -> None:
        super().__init__(message, hint)
        self.args = (message, hint, check)
        self.check = check


class NetworkError(CiroError):
    """A network refuses what was asked, or paid a job back; or Starknet refuses it."""

    #: Why, in one word: the `code` of the node's answer, the name of the ledger's refusal, `refunded`, `expired`, `model_unknown`,
    #: `model_restricted`, `wrong_chain` or `answer`; of Starknet also `fee_above_max`, `fee_unaffordable`, `not_found`, `other_class`,
    #: `overtaken`, `reverted` or `would_fail`.
    code: str

    def __init__(self, message: str, hint: Optional[str] = None, code: str = "answer") -> None:
        super().__init__(message, hint)
        self.args = (message, hint, code)
        self.code = code
