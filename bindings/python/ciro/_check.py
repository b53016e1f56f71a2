"""Can a model be proven, and at what cost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Optional

from . import _ciro, _html
from ._arrays import Inputs, is_path
from ._jobs import Job
from ._model import Model, Shapes, open_settings, prove_settings
from ._sources import ModelSource, onnx_bytes
from .errors import Refusal


@dataclass(frozen=True)
class Estimate:
    """The predicted cost of a proof, on two cores with AVX-512."""

    #: Committed cells, the model's own columns not counted; `None` on the Cairo route.
    cells: Optional[int]
    #: Steps of the Cairo program; `None` on the tensor route.
    steps: Optional[int]
    #: Milliseconds from input to proof.
    prove_ms: float
    #: Peak memory in bytes.
    memory_bytes: int
    #: Size of the proof in bytes.
    proof_bytes: int
    #: Bits of security of the proof, by the conjecture behind most deployed STARKs, rounded down.
    security_bits: int
    #: Bits of security that hold without a conjecture, rounded down.
    proven_security_bits: int


@dataclass(frozen=True)
class Report:
    """What stands between a model and its proof, and what the proof costs."""

    #: Everything that cannot be proven; empty if the model is supported.
    refused: list[Refusal]
    #: The cost of a proof, if the model is supported.
    estimate: Optional[Estimate]

    @property
    def supported(self) -> Optional[bool]:
        """Whether the model can be proven; `None` if `fast` refused nothing, which does not say so."""
        return False if self.refused else True if self.estimate else None

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {f"{node.node} ({node.op})": node.reason for node in self.refused}
        if self.estimate is not None:
            for name, count in (("cells", self.estimate.cells), ("steps", self.estimate.steps)):
                if count is not None:
                    rows[name] = f"{count:,}"
            rows["prove"] = f"about {self.estimate.prove_ms:.0f} ms"
            rows["memory"] = f"about {_html.size(self.estimate.memory_bytes)}"
            rows["proof"] = f"about {_html.size(self.estimate.proof_bytes)}"
            bits, proven = self.estimate.security_bits, self.estimate.proven_security_bits
            rows["security"] = f"{bits} bits, {proven} of them proven"
        titles = {True: "supported", False: "not supported", None: "nothing refused"}
        return _html.table(titles[self.supported], rows)


def check(
    model: ModelSource,
    *,
    calibration: Optional[Inputs] = None,
    shapes: Optional[Shapes] = None,
    route: str = "tensor",
    preset: str = "standard",
    batch: int = 1,
    private: bool = False,
    fast: bool = False,
    progress: bool = False,
    **quantization: Any,
) -> Report:
    """Tells whether a model can be proven, and at what cost, without proving anything.

    Args:
        model: a path to an ONNX file or to a compiled model, the bytes of either, an `onnx.ModelProto` or a `Model`.
        calibration: as for `ciro.compile`.
        shapes: as for `ciro.compile`.
        route: as for `Model.prove`.
        preset: as for `Model.prove`.
        batch: inferences in one proof.
        private: as for `Model.prove`.
        fast: only what the import refuses, in the time and memory that it takes to read the file: large weights are
            passed over, and neither ranges nor cost are looked at.
        progress: shows a progress bar.
        **quantization: as for `ciro.compile`.

    Returns:
        Everything that is refused, not only the first, or the predicted cost (none with `fast`).

    Raises:
        OSError: if a file cannot be read.
        ValueError: if the samples or settings do not fit the model, or it leaves shapes open.
        CiroError: if the file is no model at all.
    """
    proving = prove_settings(route, preset, batch, private=private)
    with Job("check", progress) as observer:
        if isinstance(model, Model):
            # It was imported when it was compiled, so that there is nothing to refuse.
            refused, cost = ([], None) if fast else _ciro.check_model(model._inner, proving, observer)
        elif is_path(model):
            settings = open_settings(model, calibration, shapes, quantization)
            refused, cost = _ciro.check_file(os.fspath(model), settings, None if fast else proving, observer)
        else:
            data, name = onnx_bytes(model)
            settings = open_settings(model, calibration, shapes, quantization)
            refused, cost = _ciro.check_bytes(data, name, settings, None if fast else proving, observer)
    return Report([Refusal(*refusal) for refusal in refused], Estimate(*cost) if cost else None)
