"""How close an integer model comes to the float model that it was compiled from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from typing import Optional

__all__ = ["Accuracy", "LayerAccuracy", "OutputAccuracy"]


@dataclass(frozen=True)
class OutputAccuracy:
    """The error of one output, over the samples that judge."""

    #: The ONNX output's name.
    name: str
    #: Share of rows of a softmax whose greatest element is at the same position in both models; for labels, share of equal elements. 0 to 1, `None` for other numbers.
    top1_agreement: Optional[float]
    #: Mean of `|integer model - float model|`.
    mean_absolute_error: float
    #: Greatest of `|integer model - float model|`.
    max_absolute_error: float
    #: Median of `|integer model - float model|`.
    median_absolute_error: float
    #: Mean absolute error divided by the mean of `|float model|`.
    relative_error: float
    #: The greatest value of the float model less the least, over all samples.
    spread: float
    #: Greatest of `|integer model - float model|` over all samples, those that calibrated and those that did not, that lost no value to a calibrated range; 0 for labels.
    worst_error: float

    @property
    def spread_error(self) -> float:
        """The worst error as a part of the spread."""
        return self.worst_error / self.spread if self.spread > 0 else self.worst_error


@dataclass(frozen=True)
class LayerAccuracy:
    """The error of one inner tensor, over all calibration samples."""

    #: The node's name.
    node: str
    #: The operator that computes it.
    op: str
    #: Mean of `|integer model - float model|`.
    mean_absolute_error: float
    #: Mean absolute error divided by the mean of `|float model|`.
    relative_error: float


@dataclass(frozen=True)
class Accuracy:
    """The accuracy report that every compiled model carries. `print` shows it as a table."""

    #: How many samples were compared.
    samples: int
    #: How many of them the outputs' figures are from: samples that did not calibrate what they judge. 0 if there were too few to set some apart.
    held_out: int
    #: Whether they were drawn at random because none were given.
    random: bool
    #: In how many samples some input value lay outside the calibrated range.
    clamped_samples: int
    #: One entry for each output of the model.
    outputs: list[OutputAccuracy]
    #: One entry for each node that computes the same tensor in both models.
    layers: list[LayerAccuracy]
    _table: str = field(repr=False, compare=False)

    @classmethod
    def _parse(cls, report: tuple[str, str]) -> Accuracy:
        text, table = report
        raw = json.loads(text)
        outputs = [OutputAccuracy(**output) for output in raw.pop("outputs")]
        layers = [LayerAccuracy(**layer) for layer in raw.pop("layers")]
        return cls(**raw, outputs=outputs, layers=layers, _table=table)

    def __str__(self) -> str:
        return self._table

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self._table)}</pre>"
