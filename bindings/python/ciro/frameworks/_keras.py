"""Keras, through its own exporter or tf2onnx."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from .._arrays import Inputs
from .._model import Model, compile
from ._common import require


def from_keras(model: Any, calibration: Inputs, *, progress: bool = False, **quantization: Any) -> Model:
    """Compiles a Keras model.

    Args:
        model: a built `keras.Model`. Keras 3.7 and newer export by themselves, older models go through tf2onnx.
        calibration: representative inputs, as for `ciro.compile`.
        progress: shows a progress bar.
        **quantization: as for `ciro.compile`.

    Raises:
        ImportError: if the exporter is not installed (`pip install 'ciro[keras]'`).
        UnsupportedModelError: with everything that cannot be proven.
        Whatever the exporter raises for a model that it cannot export.
    """
    with tempfile.TemporaryDirectory(prefix="ciro-") as folder:
        path = Path(folder) / f"{getattr(model, 'name', 'model')}.onnx"
        if _exports_itself(model):
            require("onnx", "keras")
            _call_once(model)
            model.export(str(path), format="onnx", verbose=False)
        else:
            require("tf2onnx", "keras").convert.from_keras(model, output_path=str(path))
        return compile(path, calibration=calibration, cache=False, progress=progress, **quantization)


def _call_once(model: Any) -> None:
    """Keras exports no model that was never called."""
    ops = require("keras", "keras").ops
    zeros = [ops.zeros([size or 1 for size in tensor.shape], dtype=tensor.dtype) for tensor in model.inputs]
    model(zeros[0] if len(zeros) == 1 else zeros)


def _exports_itself(model: Any) -> bool:
    """Whether the model's own Keras has an ONNX exporter."""
    package = type(model).__module__.partition(".")[0]
    if package != "keras" or not hasattr(model, "export"):
        return False
    major, minor = require("keras", "keras").__version__.split(".")[:2]
    return (int(major), int(minor)) >= (3, 7)
