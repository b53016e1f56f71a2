"""LightGBM, through onnxmltools."""

from __future__ import annotations

from typing import Any

from .._model import Model, compile
from ._common import require, spread, table


def from_lightgbm(model: Any, X: Any, *, progress: bool = False, **quantization: Any) -> Model:
    """Compiles a fitted LightGBM model; every decision of its trees is exact.

    Args:
        model: an `LGBMClassifier`, `LGBMRegressor` or `Booster`.
        X: samples `[N, features]` for calibration; at most 1024 rows are used.
        progress: shows a progress bar.
        **quantization: as for `ciro.compile`.

    Returns:
        The model. Classifiers have the outputs `label` and `probabilities`, regressors `variable`.

    Raises:
        ImportError: if onnxmltools is not installed (`pip install 'ciro[lightgbm]'`).
        ValueError: if `X` is no table.
        UnsupportedModelError: with everything that cannot be proven.
    """
    onnxmltools = require("onnxmltools", "lightgbm")
    require("lightgbm", "lightgbm")
    types = require("onnxmltools.convert.common.data_types", "lightgbm")
    samples = table(spread(X), "from_lightgbm")
    initial = [("input", types.FloatTensorType([None, samples.shape[1]]))]
    onnx = onnxmltools.convert_lightgbm(model, initial_types=initial, zipmap=False)
    return compile(onnx, calibration=samples, progress=progress, **quantization)
